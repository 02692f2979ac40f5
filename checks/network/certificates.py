"""The certificates that TLS services show, judged by the instant of the look. Source: nmap's ssl-cert."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from scanner import Fact, Unclear, Unparsable, check, looked_at, nse

from .rows import Row, each, inner, mapping, rsa_strength, scripts


def instant(text: str) -> datetime:
    """'2026-11-23T16:04:25' (nmap leaves the zone out: UTC) or '…+00:00' -> an aware datetime."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


SHOWN = Fact(nse("ssl-cert"), scripts)
LOOKED_AT = Fact(looked_at(), instant)


@check("network.certificates.days_left", SHOWN, LOOKED_AT)
def days_left(shown: list[Row], now: datetime) -> dict[str, int | Unclear]:
    """Whole days until the certificate expires; below 0 where it has, or where it is not valid yet."""

    def left(row: Row) -> int:
        begins, ends = (_validity(row, key) for key in ("notBefore", "notAfter"))
        return -1 if begins > now else (ends - now).days

    return each(shown, left)


def _validity(row: Row, key: str) -> datetime:
    try:
        return instant(inner(row, "validity")[key])
    except (KeyError, TypeError, ValueError) as error:
        raise Unparsable(f"{row.subject}: {key} is not a date") from error


@check("network.certificates.self_signed", SHOWN)
def self_signed(shown: list[Row]) -> dict[str, bool | Unclear]:
    """Whether the certificate names itself as its issuer, so that no authority vouches for it."""
    return each(shown, lambda row: inner(row, "subject") == inner(row, "issuer"))


@check("network.certificates.key_strength", SHOWN)
def key_strength(shown: list[Row]) -> dict[str, int | Unclear]:
    """Strength of the certificate's key in bits after NIST SP 800-57: RSA 2048 is 112, a curve of 256 is 128."""
    return each(shown, lambda row: _strength(row, inner(row, "pubkey")))


def _strength(row: Row, key: dict[str, Any]) -> int:
    kind, written = str(key.get("type")), str(key.get("bits"))
    bits = int(written) if written.isascii() and written.isdigit() and len(written) < 6 else 0
    if not bits:
        raise Unparsable(f"{row.subject}: a key of {written[:40]} bits")
    if kind in {"rsa", "dsa", "dh"}:
        return rsa_strength(bits)
    if kind == "ec" or kind.startswith("ed"):
        return bits // 2
    raise Unparsable(f"{row.subject}: a key of type {kind[:40]}")


@check("network.certificates.signature", SHOWN)
def signature(shown: list[Row]) -> dict[str, str | Unclear]:
    """The algorithm by which the certificate is signed, such as sha256WithRSAEncryption."""
    return each(shown, _algorithm)


def _algorithm(row: Row) -> str:
    algorithm = mapping(row).get("sig_algo")
    if not isinstance(algorithm, str) or not algorithm:
        raise Unparsable(f"{row.subject}: no signature algorithm")
    return algorithm


@check("network.certificates.names_host", SHOWN)
def names_host(shown: list[Row]) -> dict[str, bool | Unclear]:
    """Whether the certificate names the host as the inventory does; hosts given by address only are not judged."""
    named = [row for row in shown if _is_name(row.at.host)]
    return each(named, lambda row: any(_covers(name, row.at.host) for name in _names(row)))


def _names(row: Row) -> list[str]:
    """DNS names of 'DNS:a.example, DNS:*.b.example, IP Address:10.0.0.5'; the common name where there is no list."""
    for extension in mapping(row).get("extensions", []):
        if extension.get("name") == "X509v3 Subject Alternative Name":
            parts = (part.strip() for part in extension.get("value", "").split(","))
            return [part[4:].lower() for part in parts if part.startswith("DNS:")]
    return [str(inner(row, "subject").get("commonName", "")).lower()]


def _is_name(host: str) -> bool:
    """The last label of a host name begins with a letter; IPv6 addresses hold a colon."""
    return ":" not in host and host.rpartition(".")[2][:1].isalpha()


def _covers(name: str, host: str) -> bool:
    """RFC 6125: '*.b.example' covers 'x.b.example', and neither 'b.example' nor 'x.y.b.example'."""
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host

"""TLS as the server offers it to anybody: versions, cipher suites, key exchange. Source: nmap's ssl-enum-ciphers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scanner import Fact, Unclear, Undetermined, Unparsable, check, nse

from .rows import Row, each, mapping, scripts, texts

OFFERED = Fact(nse("ssl-enum-ciphers"), scripts)
OLDEST = Fact(nse("sslv2"), scripts)

_VERSION = re.compile(r"(?:SSL|TLS)v\d(?:\.\d)?")
_DH = re.compile(r"dh (\d+)")


def _versions(row: Row) -> dict[str, dict[str, Any]]:
    """{'TLSv1.2': {'ciphers': […]}, 'least strength': 'A'} -> only the versions; none at all: Unparsable."""
    found = {name: value for name, value in mapping(row).items() if _VERSION.fullmatch(name)}
    if not found or not all(isinstance(value, dict) for value in found.values()):
        raise Unparsable(f"{row.subject}: {sorted(mapping(row))}")
    return found


def _suites(row: Row) -> Iterator[tuple[str, str]]:
    """Every suite with its key exchange: ('TLS_DHE_RSA_WITH_AES_128_CBC_SHA', 'dh 1024')."""
    for offered in _versions(row).values():
        for suite in offered.get("ciphers", []):
            yield suite["name"], suite.get("kex_info", "")


@check("network.tls.versions", OFFERED, OLDEST)
def versions(offered: list[Row], oldest: list[Row]) -> dict[str, list[str] | Unclear]:
    """Per TLS port: the protocol versions that the server accepts, such as TLSv1.2."""
    found = each(offered, lambda row: sorted(_versions(row)))
    for row in oldest:
        if row.structured or row.output:
            others = found.get(row.subject, [])
            found[row.subject] = ["SSLv2", *([] if isinstance(others, Unclear) else others)]
    return found


@check("network.tls.suites", OFFERED)
def suites(offered: list[Row], containing: list[str]) -> dict[str, list[str] | Unclear]:
    """Per TLS port: the accepted cipher suites whose name holds one of the words `containing`."""
    return each(
        offered, lambda row: sorted({name for name, _ in _suites(row) if any(word in name for word in containing)})
    )


@check("network.tls.other_suites", OFFERED)
def other_suites(offered: list[Row], containing: list[str]) -> dict[str, list[str] | Unclear]:
    """Per TLS port: the accepted cipher suites whose name holds none of the words `containing`."""
    return each(
        offered, lambda row: sorted({name for name, _ in _suites(row) if not any(word in name for word in containing)})
    )


@check("network.tls.diffie_hellman_bits", OFFERED)
def diffie_hellman_bits(offered: list[Row]) -> dict[str, int | Unclear]:
    """Per TLS port that offers finite-field Diffie-Hellman: the bits of its smallest group."""
    return {subject: bits for subject, bits in each(offered, _smallest_group).items() if bits is not None}


def _smallest_group(row: Row) -> int | None:
    exchanges = [_DH.fullmatch(exchange) for name, exchange in _suites(row) if re.match(r"TLS_DHE?_", name)]
    if exchanges and not all(exchanges):
        raise Undetermined(f"{row.subject} does not show the size of its Diffie-Hellman group")
    return min((int(match[1]) for match in exchanges if match), default=None)


@check("network.tls.compression", OFFERED)
def compression(offered: list[Row]) -> dict[str, list[str] | Unclear]:
    """Per TLS port: the compression methods that the server accepts, without "NULL", which is none."""
    return each(
        offered,
        lambda row: sorted({m for o in _versions(row).values() for m in texts(o.get("compressors", []))} - {"NULL"}),
    )

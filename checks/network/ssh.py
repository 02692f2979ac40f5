"""SSH as the server offers it to anybody, before any login. Source: nmap's ssh2-enum-algos and sshv1."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from scanner import Fact, Unclear, Unparsable, check, nse

from .rows import Row, each, mapping, rsa_strength, scripts, texts

OFFERED = Fact(nse("ssh2-enum-algos"), scripts)
FIRST = Fact(nse("sshv1"), scripts)
KEYS = Fact(nse("ssh-hostkey"), scripts)

_LISTS = {
    "kex": "kex_algorithms",
    "host-key": "server_host_key_algorithms",
    "encryption": "encryption_algorithms",
    "mac": "mac_algorithms",
}
_STRICT = "kex-strict-s-v00@openssh.com"


def _offered(row: Row, kind: str) -> list[str]:
    """The algorithms of one kind; both directions together where they differ."""
    name = _LISTS[kind]
    lists = [texts(value) for key, value in mapping(row).items() if key == name or key.startswith(f"{name}_")]
    if not lists:
        raise Unparsable(f"{row.subject}: no {name}")
    return sorted({algorithm for found in lists for algorithm in found})


@check("network.ssh.algorithms", OFFERED)
def algorithms(
    offered: list[Row], kind: Literal["kex", "host-key", "encryption", "mac"]
) -> dict[str, list[str] | Unclear]:
    """Per SSH port: the algorithms that the server offers of this kind."""
    return each(offered, lambda row: _offered(row, kind))


@check("network.ssh.named_algorithms", OFFERED)
def named_algorithms(
    offered: list[Row], kind: Literal["kex", "host-key", "encryption", "mac"], like: list[str]
) -> dict[str, list[str] | Unclear]:
    """Per SSH port: the offered algorithms of this kind that one of the patterns `like` means, as `*-cbc` does.

    Patterns are those of sshd_config: `*` is any text, `?` one character; lists of names alone would miss the makers'
    own, such as `twofish256-cbc` or `rijndael-cbc@ssh.com`.
    """
    return each(offered, lambda row: [name for name in _offered(row, kind) if any(fnmatchcase(name, w) for w in like)])


@check("network.ssh.prefix_can_be_cut", OFFERED)
def prefix_can_be_cut(offered: list[Row]) -> dict[str, bool | Unclear]:
    """Whether messages can be dropped unnoticed at the start of a session (CVE-2023-48795, "Terrapin").

    True where ChaCha20-Poly1305, or CBC with encrypt-then-MAC, is offered and strict key exchange is not.
    """
    return each(offered, _can_be_cut)


def _can_be_cut(row: Row) -> bool:
    ciphers, macs = _offered(row, "encryption"), _offered(row, "mac")
    chained = any(c.endswith("-cbc") for c in ciphers) and any(m.endswith("-etm@openssh.com") for m in macs)
    open_to_it = chained or "chacha20-poly1305@openssh.com" in ciphers
    return open_to_it and _STRICT not in _offered(row, "kex")


@check("network.ssh.protocol_1", FIRST)
def protocol_1(first: list[Row]) -> dict[str, bool]:
    """Per SSH port: whether the server still speaks version 1 of the protocol."""
    return {row.subject: bool(row.output) for row in first}


@check("network.ssh.host_key_strength", KEYS)
def host_key_strength(keys: list[Row]) -> dict[str, int | Unclear]:
    """Per SSH port: strength in bits of the weakest host key that it shows, after NIST SP 800-57: RSA 2048 is 112."""
    return each(keys, lambda row: min(_strength(row, key) for key in _shown(row)))


def _shown(row: Row) -> list[dict[str, str]]:
    found = row.structured
    if not isinstance(found, list) or not found or not all(isinstance(key, dict) for key in found):
        raise Unparsable(f"{row.subject}: {str(found)[:100]}")
    return found


def _strength(row: Row, key: dict[str, str]) -> int:
    kind, bits = key.get("type", ""), key.get("bits", "")
    if not (bits.isascii() and bits.isdigit() and len(bits) < 6):
        raise Unparsable(f"{row.subject}: a key of {bits[:40]} bits")
    if kind in {"ssh-rsa", "ssh-dss"}:
        return rsa_strength(int(bits))
    return int(bits) // 2

"""The grammar of what may be looked at over the network. Nothing reaches a scanner's command line but what passes here.

A text that is not exactly one address, one block, one name or one list of ports is refused with its remedy: a word
such as "-oN x" or "10.0.0.1 -sU" would otherwise become an option of the program that is started.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import Literal

from .errors import UsageError

MAX_ADDRESSES = 1024
"""How many addresses one asset may name in all: an IPv4 /22."""
WIDEST_V4, WIDEST_V6 = 22, 118

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*[A-Za-z](?:[A-Za-z0-9_-]{{0,61}}[A-Za-z0-9_])?\.?")
"""RFC 1123, and underscores as some networks have them.

The last label begins with a letter, so that "10.0.0.1-50" is never taken for a name.
"""
_TOP = re.compile(r"top-([1-9][0-9]{0,4})")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_VIEWPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,39}")
_EXPECTED = re.compile(r"([0-9]{1,5})/(tcp|udp)")

_GATEWAY = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@:\s-][^@:\s]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]{1,15})?\]|[A-Za-z0-9_][A-Za-z0-9_.-]{0,252})(?::(?P<port>[0-9]{1,5}))?"
)
"""As ssh's -J takes it; the host may be a name of ~/.ssh/config, which are freer than those of the DNS."""

Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to look at. form: "address" and "name" stand for one host, "block" for all hosts that answer in it.

    family: 4 or 6; 0 for a name, which only the resolver can tell. size: number of addresses.
    """

    text: str
    form: Literal["address", "block", "name"]
    family: Literal[0, 4, 6]
    size: int = 1


@dataclass(frozen=True, slots=True)
class Ports:
    """Which ports are looked at. top: the N most used TCP ports; tcp, udp: ranges beside them, sorted and apart."""

    top: int = 0
    tcp: tuple[tuple[int, int], ...] = ()
    udp: tuple[tuple[int, int], ...] = ()

    def __contains__(self, port: object) -> bool:
        """Whether a pair (number, protocol) is among the ranges; `top` is not known here."""
        if not isinstance(port, tuple):
            return False
        number, protocol = port
        return any(low <= number <= high for low, high in (self.udp if protocol == "udp" else self.tcp))


def targets(texts: Sequence[str]) -> list[Target]:
    """Read addresses, blocks and names; equal ones once. More than MAX_ADDRESSES in all is refused."""
    found = list(dict.fromkeys(target(text) for text in texts))
    total = sum(one.size for one in found)
    if total > MAX_ADDRESSES:
        raise UsageError(f"{total} addresses in one asset; split it into assets of at most {MAX_ADDRESSES}")
    return found


def target(text: str) -> Target:
    """'10.0.0.1' -> address, '10.0.0.0/24' -> block, 'db1.example.org' -> name; anything else is a UsageError."""
    if "/" in text:
        return _block(text)
    try:
        single = ip_address(text)
    except ValueError:
        return _name(text)
    _refuse_special(single, text)
    return Target(str(single), "address", single.version)


def _name(text: str) -> Target:
    if len(text) > 253 or not _NAME.fullmatch(text):
        raise UsageError(
            f"{bare(text)!r} is no IP address, CIDR block or host name; write such as 10.0.0.5 or db1.example"
        )
    return Target(text.lower().removesuffix("."), "name", 0)


def _block(text: str) -> Target:
    try:
        block = ip_network(text)
    except ValueError as error:
        why = "" if "@" in text else f": {str(error)[:200]}"
        raise UsageError(f"{bare(text)!r} is no CIDR block{why}") from None
    if "%" in text:
        raise UsageError(f"{text[:80]!r} has a scope; leave it out")
    _refuse_special(block.network_address, text)
    if block.num_addresses == 1:
        return Target(str(block.network_address), "address", block.version)
    widest = WIDEST_V4 if block.version == 4 else WIDEST_V6
    if block.prefixlen < widest:
        raise UsageError(f"{text!r} is too wide; at most a /{widest} per asset, so that a visit has an end")
    return Target(str(block), "block", block.version, block.num_addresses)


def _refuse_special(single: IPv4Address | IPv6Address, text: str) -> None:
    if isinstance(single, IPv6Address) and single.scope_id:
        raise UsageError(f"{text!r} has a scope, which means something on one machine only; use a routable address")
    if single.is_multicast or single.is_unspecified or text == "255.255.255.255":
        raise UsageError(f"{text!r} is not the address of one host")


def ports(text: str) -> Ports:
    """'top-100,U:161' -> Ports(top=100, udp=…); 'T:1-1024,U:161' or '1-1024,3306' -> ranges. Else: UsageError."""
    found: dict[str, list[tuple[int, int]]] = {"T": [], "U": []}
    first, *rest = text.split(",")
    top = _TOP.fullmatch(first)
    if top and int(top[1]) > 65535:
        raise UsageError(f"{text[:80]!r}: there are 65535 ports")
    protocol = "T"
    for part in rest if top else (first, *rest):
        bare = part
        if part[:2] in {"T:", "U:"}:
            protocol, bare = part[0], part[2:]
        found[protocol].append(_range(bare, text))
    return Ports(top=int(top[1]) if top else 0, tcp=merged(found["T"]), udp=merged(found["U"]))


def _range(part: str, text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    low = int(match[1]) if match else 0
    high = int(match[2] or match[1]) if match else 0
    if not 1 <= low <= high <= 65535:
        raise UsageError(f"ports: {text[:80]!r} is no list such as 22,80,8000-8100 or top-1000,U:161 or T:22,U:161")
    return low, high


def merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted, with overlapping and touching ranges joined: [(5, 9), (1, 4)] -> ((1, 9),)."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def expected(text: str) -> tuple[int, Protocol]:
    """'22/tcp' -> (22, 'tcp'). Anything else: UsageError."""
    match = _EXPECTED.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= 65535:
        raise UsageError(f"expected_open: {text[:80]!r} is not a port; write such as 22/tcp or 161/udp")
    return int(match[1]), "udp" if match[2] == "udp" else "tcp"


def fingerprint(text: str) -> str:
    """'SHA256:' and 43 characters, as `ssh-keygen -l` prints it. Anything else: UsageError."""
    if not _FINGERPRINT.fullmatch(text):
        raise UsageError(f"fingerprints: {text[:80]!r} is none; write such as SHA256:… of `ssh-keygen -lf KEY`")
    return text


def port(number: int) -> int:
    """A number that is a port. Anything else: UsageError."""
    if not 1 <= number <= 65535:
        raise UsageError(f"port: {number} is none; ports are 1 to 65535")
    return number


def gateway(text: str) -> tuple[str | None, str, int | None]:
    """'admin@gate:2222' -> ('admin', 'gate', 2222). Anything else than [user@]host[:port]: UsageError."""
    match = _GATEWAY.fullmatch(text)
    if match is None or not 0 < int(match["port"] or 22) < 65536:
        raise UsageError(f"{bare(text)!r} is no jump host; write [user@]host[:port]")
    return match["user"], match["host"].strip("[]"), int(match["port"]) if match["port"] else None


def bare(text: str) -> str:
    """What a complaint may show of an address: people write passwords before an @."""
    before, found, after = text[-80:].rpartition("@")
    return f"…@{after}" if found and before else text[:80]


def viewpoint(text: str) -> str:
    """A name for where somebody looks from: up to 40 letters, digits, dots, dashes. Anything else: UsageError."""
    if not _VIEWPOINT.fullmatch(text):
        raise UsageError(f"from: {text[:80]!r} is no name of a place; write such as internet, dmz or office")
    return text


def without(block: str, singles: Iterable[str]) -> list[str]:
    """The block's addresses as CIDR blocks, less the single addresses that are looked at by themselves."""
    whole = ip_network(block)
    inside = sorted(int(ip_address(s)) for s in singles if ip_address(s).version == whole.version)
    kind = IPv4Address if isinstance(whole, IPv4Network) else IPv6Address
    start, last, pieces = int(whole.network_address), int(whole.broadcast_address), list[IPv4Network | IPv6Network]()
    for edge in [*(one for one in inside if start <= one <= last), last + 1]:
        if edge > start:
            pieces += summarize_address_range(kind(start), kind(edge - 1))
        start = edge + 1
    return [str(piece) for piece in pieces]

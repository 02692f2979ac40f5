"""Versions as bytes: `memcmp` of two keys is the package manager's own order, so SQLite, sort and bisect all work.

A version that the package manager would refuse is refused here (Unparsable), never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from scanner.errors import Unparsable

MAX_CHARACTERS = 255
_UPSTREAM = re.compile(r"[0-9][A-Za-z0-9.+~:-]*\Z")
_REVISION = re.compile(r"[A-Za-z0-9.+~]+\Z")
_DEB_PIECE = re.compile(r"([^0-9]*)([0-9]*)")
_RPM = re.compile(r"[A-Za-z0-9._+~^]+\Z")
_RPM_PIECE = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
_END = b"\x02"
_DEB_ORDER = bytes(1 if chr(n) == "~" else n if chr(n).isalpha() and n < 128 else (n + 128) % 256 for n in range(256))


@lru_cache(maxsize=1 << 14)
def deb_key(version: str) -> bytes:
    """Order of Debian versions: deb_key('1:2.0~rc1-1') < deb_key('1:2.0-1'). Source: deb-version(7)."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    wrong = not _epoch(epoch) or not _UPSTREAM.match(upstream) or not _REVISION.match(revision)
    if len(version) > MAX_CHARACTERS or wrong:
        raise Unparsable(f"not a Debian version: {version[:80]!r}")
    return _number(epoch) + _deb_part(upstream) + _deb_part(revision)


@lru_cache(maxsize=1 << 14)
def rpm_key(version: str) -> bytes:
    """Order of RPM versions [EPOCH:]VERSION[-RELEASE]; no epoch is 0. Source: rpm-version(7), rpmvercmp."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    main, dash, release = rest.partition("-")
    wrong = not _epoch(epoch) or not _RPM.match(main) or (dash and not _RPM.match(release))
    if len(version) > MAX_CHARACTERS or wrong:
        raise Unparsable(f"not an RPM version: {version[:80]!r}")
    return _number(epoch) + _rpm_part(main) + _rpm_part(release)


def key_of(ecosystem: str) -> Callable[[str], bytes] | None:
    """The order of an OSV ecosystem ('Debian:12' -> deb_key), or None where we do not know its order."""
    return _ORDERS.get(ecosystem.partition(":")[0])


_ORDERS: dict[str, Callable[[str], bytes]] = {
    **dict.fromkeys(("Debian", "Ubuntu"), deb_key),
    **dict.fromkeys(("AlmaLinux", "Rocky Linux", "Red Hat", "SUSE", "openSUSE"), rpm_key),
}


def _epoch(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 1 << 31


def _number(digits: str) -> bytes:
    bare = digits.lstrip("0").encode()
    return bytes((len(bare),)) + bare


def _deb_part(text: str) -> bytes:
    """'1.2' -> pairs of signs and number; the empty pair at the end sorts after '~' and before any other sign."""
    pairs = _DEB_PIECE.findall(text)
    return b"".join(signs.encode().translate(_DEB_ORDER) + _END + _number(digits) for signs, digits in pairs)


def _rpm_part(text: str) -> bytes:
    """Segments by kind: '~' 1 < end 2 < '^' 3 < letters 4 < number 5; what stands between them does not count."""
    return b"".join(_rpm_segment(piece) for piece in _RPM_PIECE.findall(text)) + _END


def _rpm_segment(piece: str) -> bytes:
    if piece == "~":
        return b"\x01"
    if piece == "^":
        return b"\x03"
    return b"\x05" + _number(piece) if piece.isdigit() else b"\x04" + piece.encode() + b"\x00"

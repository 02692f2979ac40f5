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
_APK_BEFORE = ("alpha", "beta", "pre", "rc")
_APK_AFTER = ("cvs", "svn", "git", "hg", "p")
_APK_SUFFIX = re.compile(rf"_({'|'.join(_APK_BEFORE + _APK_AFTER)})([0-9]*)")
_APK = re.compile(
    r"(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?P<letter>[a-z]?)"
    rf"(?P<suffixes>(?:{_APK_SUFFIX.pattern})*)(?:~(?P<hash>[0-9a-f]+))?(?:-r(?P<revision>[0-9]+))?"
)
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


@lru_cache(maxsize=1 << 14)
def apk_key(version: str) -> bytes:
    """Order of Alpine versions: apk_key('1.0_rc1-r0') < apk_key('1.0-r0') < apk_key('1.0_p1-r0').

    Where two differ in what comes next: a number, then a letter, then '_p' and the like, then '-r', then the end, and
    last '_rc' and the like. Source: apk-tools, src/version.c.
    """
    found = _APK.fullmatch(version)
    if len(version) > MAX_CHARACTERS or found is None:
        raise Unparsable(f"not an Alpine version: {version[:80]!r}")
    first, *rest = found["numbers"].split(".")
    key = b"\x60" + _number(first) + b"".join(_apk_number(one) for one in rest)
    key += b"\x50" + found["letter"].encode() if found["letter"] else b""
    key += b"".join(_apk_suffix(word, number) for word, number in _APK_SUFFIX.findall(found["suffixes"]))
    key += b"\x28" + found["hash"].encode() + b"\x00" if found["hash"] else b""
    key += b"\x20" + _number(found["revision"]) if found["revision"] else b""
    return key + b"\x10"


def _apk_number(digits: str) -> bytes:
    """A number after a dot; one that begins with zeros is a fraction: the more of them, the smaller."""
    zeros = len(digits) - len(digits.lstrip("0"))
    return b"\x60" + bytes((0xFF - min(zeros, 0xF0),)) + _number(digits)


def _apk_suffix(word: str, number: str) -> bytes:
    before = _APK_BEFORE.index(word) if word in _APK_BEFORE else None
    place = b"\x40" + bytes((_APK_AFTER.index(word),)) if before is None else b"\x01" + bytes((before,))
    return place + (b"\x30" + _number(number) if number else b"")


def key_of(ecosystem: str) -> Callable[[str], bytes] | None:
    """The order of an OSV ecosystem ('Debian:12' -> deb_key), or None where we do not know its order."""
    return _ORDERS.get(ecosystem.partition(":")[0])


_ORDERS: dict[str, Callable[[str], bytes]] = {
    **dict.fromkeys(("Debian", "Ubuntu"), deb_key),
    "Alpine": apk_key,
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

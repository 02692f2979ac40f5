"""Host keys: known_hosts files parsed once per process, looked up by name, extended by one line and never rewritten."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from scanner.model import Reply

State = Literal["known", "new", "changed", "revoked", "unknown"]
"""How the key that a server showed relates to the known ones. "unknown": no key is known and none may be learned."""

_PORT = 22


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key: its type as in known_hosts ("ssh-ed25519") and its bytes."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: 'SHA256:…'."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of known_hosts. marker: "", "revoked" or "cert-authority". patterns: names, wildcards, |1|salt|hash."""

    marker: str
    patterns: tuple[str, ...]
    key: HostKey

    def is_about(self, name: str) -> bool:
        """Whether the line speaks of a name such as 'db1' or '[db1]:2222'; a negated pattern that matches wins."""
        hit = False
        for pattern in self.patterns:
            wanted = pattern.removeprefix("!")
            if _matches(wanted, name):
                if wanted != pattern:
                    return False
                hit = True
        return hit


def _matches(pattern: str, name: str) -> bool:
    found = _hashed(pattern)
    if found is None:
        # a [ is no character class in known_hosts, it brackets a host that has a port
        return fnmatchcase(name, pattern.lower().replace("[", "[[]"))
    return hmac.digest(found[0], name.encode(), "sha1") == found[1]


def _hashed(pattern: str) -> tuple[bytes, bytes] | None:
    """'|1|salt|hash' -> both as bytes, empty ones where they are none; None for another pattern."""
    if not pattern.startswith("|1|"):
        return None
    try:
        salt, wanted = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|"))
    except ValueError:
        return b"", b""
    return salt, wanted


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """A known_hosts file: an index of plain names, and the lines that must be tried one by one.

    hashed: lines of one hashed name, as (salt, hash, line).
    """

    plain: dict[str, list[Line]] = field(default_factory=dict)
    hashed: list[tuple[bytes, bytes, Line]] = field(default_factory=list)
    other: list[Line] = field(default_factory=list)

    def about(self, name: str) -> list[Line]:
        """All lines about a name, which is lower-cased and has its port unless that is 22."""
        bare, digest = name.encode(), hmac.digest
        found = [line for salt, wanted, line in self.hashed if digest(salt, bare, "sha1") == wanted]
        return self.plain.get(name, []) + found + [line for line in self.other if line.is_about(name)]


def parse(text: str, known: KnownHosts | None = None) -> KnownHosts:
    """'db1,10.0.0.7 ssh-ed25519 AAAA… comment' -> an indexed line; what is no such line is passed over, as ssh does.

    known: what stood above it, which these lines are added to.
    """
    hosts = known or KnownHosts()
    for raw in text.splitlines():
        line = _line(raw)
        if line is None:
            continue
        if len(line.patterns) == 1 and (pair := _hashed(line.patterns[0])) is not None:
            hosts.hashed.append((*pair, line))
        elif any(mark in pattern for pattern in line.patterns for mark in "*?!|"):
            hosts.other.append(line)
        else:
            for name in line.patterns:
                hosts.plain.setdefault(name.lower(), []).append(line)
    return hosts


def _line(raw: str) -> Line | None:
    words = raw.split()
    marker = words.pop(0)[1:] if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#") or marker not in {"", "revoked", "cert-authority"}:
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    if blob[4 : 4 + int.from_bytes(blob[:4], "big")] != words[1].encode():
        return None
    return Line(marker, tuple(words[0].split(",")), HostKey(words[1], blob))


@dataclass(frozen=True, slots=True)
class _Parsed:
    """What a file said. stamp: of the file as it was; size, digest: of its bytes."""

    stamp: tuple[int, int, int]
    hosts: KnownHosts
    size: int
    digest: bytes


_parsed: dict[Path, _Parsed] = {}
_parsing = threading.Lock()


def read(path: Path) -> KnownHosts:
    """The parsed file, anew only when it changed on disk; of one that grew at its end, as it does when a key is
    learned, the new lines alone. A missing file knows nothing. Raises OSError.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return KnownHosts()
    stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
    kept = _parsed.get(path)
    if kept is None or kept.stamp != stamp:
        with _parsing:  # whoever waits here finds it parsed
            kept = _parsed.get(path)
            if kept is None or kept.stamp != stamp:
                kept = _parsed[path] = _parse(path.read_bytes(), stamp, kept)
    return kept.hosts


def _parse(data: bytes, stamp: tuple[int, int, int], before: _Parsed | None) -> _Parsed:
    hosts, start = None, 0
    if before is not None and data[: before.size].endswith(b"\n"):
        above = hashlib.sha256(memoryview(data)[: before.size]).digest()
        hosts, start = (before.hosts, before.size) if above == before.digest else (None, 0)
    hosts = parse(data[start:].decode(errors="replace"), hosts)
    return _Parsed(stamp, hosts, len(data), hashlib.sha256(data).digest())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a host's key is looked up: its name there, and the files, the first of which learns new keys."""

    name: str
    port: int
    files: tuple[Path, ...]
    alias: bool = False

    @property
    def title(self) -> str:
        """The name as known_hosts writes it: 'db1', '[db1]:2222', or a HostKeyAlias as it is."""
        name = self.name.lower()
        return name if self.alias or self.port == _PORT else f"[{name}]:{self.port}"

    def lines(self) -> list[Line]:
        """What the files say of the host; of the host without its port only where nothing is said with it, as ssh does.

        Raises OSError where a file cannot be read.
        """
        files = [read(path) for path in self.files]
        found = [line for hosts in files for line in hosts.about(self.title)]
        if found or self.title == self.name.lower():
            return found
        return [line for hosts in files for line in hosts.about(self.name.lower())]


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of comparing the key that the server showed with the known ones."""

    state: State
    seen: HostKey
    expected: tuple[HostKey, ...] = ()

    @property
    def reply(self) -> Reply | None:
        """The answer to `visit("host-key")`; None where there was nothing to compare with."""
        if self.state == "unknown":
            return None
        expected = " ".join(key.fingerprint for key in self.expected)
        return Reply(json.dumps({"state": self.state, "seen": self.seen.fingerprint, "expected": expected}))


def compare(lines: Iterable[Line], seen: HostKey) -> Shown:
    """The verdict on a shown key. A type other than the known ones counts as changed: an impostor picks the type."""
    lines = list(lines)
    if any(line.marker == "revoked" and line.key == seen for line in lines):
        return Shown("revoked", seen)
    known = [line.key for line in lines if not line.marker]
    if seen in known:
        return Shown("known", seen, (seen,))
    same = tuple(key for key in known if key.kind == seen.kind) or tuple(known)
    return Shown("changed", seen, same) if known else Shown("unknown", seen)


def learn(place: Place, seen: HostKey) -> Shown:
    """Append a first key to the first file, once, whoever else does so at the same moment; never replaces a key.

    Raises OSError where the file cannot be written.
    """
    path = place.files[0]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        shown = compare(place.lines(), seen)
        if shown.state != "unknown":
            return shown
        size = os.fstat(opened).st_size
        start = "\n" if size and os.pread(opened, 1, size - 1) != b"\n" else ""
        line = f"{start}{place.title} {seen.kind} {base64.b64encode(seen.blob).decode()}\n"
        os.write(opened, line.encode())
        return Shown("new", seen, (seen,))
    finally:
        os.close(opened)


def kinds(lines: Sequence[Line]) -> tuple[str, ...]:
    """Types of the keys that are known: they are asked for first, so that a server with several shows that one."""
    return tuple(dict.fromkeys(line.key.kind for line in lines if not line.marker))

"""The framed answer of a POSIX host, read into replies. The frames are those that `posix` describes.

Who answers may be an attacker who knows the nonce: numbers are held against the questions, and nothing is judged that
has no end mark.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Literal

from scanner.model import Probe, Problem, Reply

Ended = Literal["complete", "timed-out", "truncated", "broken-off", "stuck"]
"""How the stream of one visit ended: by itself, at the deadline, at the byte cap, torn, or hung at a question."""

_REFUSED = re.compile(r"permission denied|operation not permitted|must be root|are you root|requires? root", re.I)
_NO_INIT = "System has not been booted with systemd"  # systemctl(1) in a container, or under another init
# auditctl(8) as root in a container: the kernel's audit answers only the host. Source: audit_netlink_ok in audit.c.
_NOT_OURS = re.compile(r"Error sending \w[\w ]* request \((?:Operation not permitted|Connection refused)\)")
_COMPLAINT = 2000  # characters of an error text that are kept
_KILLED = {"124", "137"}  # by timeout(1), or by SIGKILL from it or from the watchdog beside a shell without it


class Answers:
    """The frames of one visit, read into replies."""

    def __init__(self, probes: Sequence[Probe], complete: bool, ended: Ended, complaint: str) -> None:
        self.probes = probes
        self.complete = complete
        self.ended = ended
        self.complaint = complaint
        self.root = False
        self.found: dict[int, Reply] = {}
        self._ended: dict[int, tuple[memoryview, str]] = {}
        """Number -> output and exit status of a question whose error text is still to come."""
        self.paths: dict[str, list[str] | Problem | None] = {}

    def read(self, frames: list[tuple[str, memoryview]]) -> None:
        """Take all frames in order. A second UID frame starts over: sudo was refused after the first."""
        index = 0
        while index < len(frames):
            head, body = frames[index]
            index += 1
            kind, _, rest = head.partition(" ")
            if kind in {"A", "D", "X", "B"} and not self._asked(rest):
                continue
            if kind == "UID":
                self.root = rest.strip() == "0"
            elif kind == "A":
                self.found[_index(rest)] = Reply(problem="absent")
            elif kind == "D":
                self.found[_index(rest)] = self._denied()
            elif kind == "X":
                number, _, why = rest.partition(" ")
                self.found[_index(number)] = Reply(problem="failed", detail=why)
            elif kind == "P":
                self._path(rest)
            elif kind == "B":
                index = self._output(_index(rest), body, frames, index)
            elif kind == "E" and self._asked(rest):
                self._explained(_index(rest), readable(body).strip())
        for silent in [*self._ended]:
            self._unexplained(silent)

    def _asked(self, rest: str) -> bool:
        """Whether a frame's number is one of ours: who knows the nonce may still lie."""
        number = rest.split(" ", 1)[0]
        return number.isascii() and number.isdigit() and len(number) < 9 and int(number) < len(self.probes)

    def _output(self, number: int, body: memoryview, frames: list[tuple[str, memoryview]], index: int) -> int:
        """Read probe `number` from its begin frame on; gives the index of the first frame behind it."""
        texts: dict[str, str] = {}
        size = 0
        status: str | None = None
        while index < len(frames):
            kind, _, rest = frames[index][0].partition(" ")
            if kind == "F":
                texts[rest] = readable(frames[index][1])
                size += len(frames[index][1])
            elif kind == "S" and status is None:
                status = rest
            else:
                break
            index += 1
        probe = self.probes[number]
        self._ended.pop(number, None)
        if status is None:
            cut = index < len(frames) or self.complete
            self.found[number] = (
                Reply(problem="truncated", detail=f"longer than {probe.max_bytes} bytes") if cut else self.missing()
            )
        elif size > probe.max_bytes:
            self.found[number] = Reply(problem="truncated", detail=f"longer than {probe.max_bytes} bytes")
        elif probe.ask[0] == "files":
            self.found[number] = self._files(texts, status)
        elif probe.ask[0] == "sh":
            self._ended[number] = (body, status)
        else:
            self.found[number] = self._judge(probe, body, status, "")
        return index

    def _explained(self, number: int, complaint: str) -> None:
        """Judge an answer whose error text came: at once, or together with that of others."""
        if number in self._ended:
            body, status = self._ended.pop(number)
            self.found[number] = self._judge(self.probes[number], body, status, complaint[:_COMPLAINT])

    def _unexplained(self, number: int) -> None:
        """An answer whose error text never came: it may have said that an ordinary user is told a part alone."""
        if self.root:
            self._explained(number, "")
        else:
            self.found[number] = self.missing()

    def _judge(self, probe: Probe, body: memoryview, status: str, complaint: str) -> Reply:
        text = readable(body)
        expected = str(probe.ask[2]).split(",") if probe.ask[0] == "sh" and len(probe.ask) > 2 else ["0"]
        if not self.root and _REFUSED.search(complaint):
            return self._denied(complaint)
        if len(body) > probe.max_bytes:  # the pipe is cut a little later, to leave room for the end mark
            return Reply(problem="truncated", detail=f"longer than {probe.max_bytes} bytes")
        if status in expected:
            return Reply(text)
        if _NO_INIT in complaint:
            return Reply(problem="not-running", detail="systemd is not the running init of this host")
        if self.root and _NOT_OURS.match(complaint):
            return Reply(problem="not-running", detail="the kernel's audit belongs to the host of this container")
        if status in _KILLED:
            return Reply(problem="timed-out", detail=f"not done after {probe.timeout_s:g} s")
        return Reply(problem="failed", detail=f"exit status {status}: {complaint or text[:500]}".rstrip(": "))

    def _files(self, texts: Mapping[str, str], status: str) -> Reply:
        if status == "0":
            return Reply(json.dumps(texts))
        if status.startswith("D "):
            return self._denied(f"{status[2:]} cannot be read by this login")
        return Reply(problem="failed", detail=status[2:])

    def _path(self, rest: str) -> None:
        if rest.startswith("a:"):
            self.paths[rest[2:]] = None
        elif rest.startswith("d:"):
            self.paths[rest[2:]] = "denied"
        else:
            fields = rest.split(":", 6)
            if len(fields) == 7:
                fields[5] = fields[5].replace("regular empty file", "regular file")
                self.paths[fields[6]] = fields[:6]

    def stat(self, probe: Probe) -> Reply:
        """The reply of one stat probe out of the one answer that all of them share."""
        wanted = [str(word) for word in probe.ask[1:]]
        if any(self.paths.get(path, "denied" if not self.root else 0) == "denied" for path in wanted):
            return self._denied() if self.complete else self.missing()
        if any(path not in self.paths for path in wanted):
            return self.missing()
        entries = {path: self.paths[path] for path in wanted}
        if not any(entries.values()):
            return Reply(problem="absent")
        return Reply(json.dumps(entries))

    def _denied(self, why: str = "") -> Reply:
        grant = "needs root: allow this login `sudo -n` (see `riskline permissions`)"
        refusal = next((line for line in self.complaint.splitlines() if line.startswith("sudo:")), "")
        first = why.splitlines()[0] if why else ""
        return Reply(problem="denied", detail="; ".join(filter(None, [first, refusal, grant])))

    def missing(self) -> Reply:
        """What is said of a probe whose frame never came."""
        if self.ended == "timed-out":
            return Reply(problem="timed-out", detail="the visit's deadline came first")
        if self.ended == "stuck":
            return Reply(problem="timed-out", detail="the host hung at other questions, and this one was not put again")
        if self.ended == "truncated":
            return Reply(problem="truncated", detail="the visit's byte limit came first")
        why = f": {self.complaint.splitlines()[0]}" if self.complaint else ""
        return Reply(problem="failed", detail=f"the host broke off before this was answered{why}")


def _index(text: str) -> int:
    return int(text.split(" ", 1)[0])


def readable(data: bytes | memoryview) -> str:
    """The bytes as text; those that are no UTF-8 are written as escapes."""
    return str(data, "utf-8", errors="backslashreplace")


def frames_of(stdout: bytes, nonce: str) -> tuple[list[tuple[str, memoryview]] | None, bool]:
    """(head line, body) of every frame behind the greeting, and whether the END frame came; None without a greeting.

    The bodies are views of the output, which is large: nothing of it is copied.
    """
    mark = f"\n{nonce} ".encode()
    hello = stdout.find(mark + b"HELLO ")
    if hello < 0:
        return None, False
    start = hello + len(mark) + len(b"HELLO ")
    at = (stdout.find(b"\n", start) + 1) or len(stdout)
    if stdout[start:at].rstrip(b"\n") == b"GZ":
        stdout, at = _unpack(stdout[at:]), 0
    view, frames = memoryview(stdout), []
    at = stdout.find(mark, at)
    while at >= 0:
        at, begins = stdout.find(mark, at + len(mark)), at + len(mark)
        ends = at if at >= 0 else len(stdout)
        line_end = stdout.find(b"\n", begins, ends)
        if line_end >= 0:  # a head without its end was torn: "B 1" may have been "B 12"
            frames.append((readable(view[begins:line_end]), view[line_end + 1 : ends]))
    complete = any(head == "END" for head, _ in frames)
    return [frame for frame in frames if frame[0] != "END"], complete


def _unpack(data: bytes, limit: int = 64 << 20) -> bytes:
    """Gunzip up to `limit` bytes; a torn or damaged stream gives what came before the damage."""
    unpacker = zlib.decompressobj(31)
    out = bytearray()
    for start in range(0, len(data), 1 << 16):
        try:
            out += unpacker.decompress(data[start : start + (1 << 16)], max(limit - len(out), 1))
        except zlib.error:
            break
        if len(out) >= limit:
            break
    return bytes(out)


def silence(stdout: bytes, stderr: bytes, ended: Ended) -> str:
    """Why there is no greeting, in plain words."""
    if ended == "timed-out":
        return "the host took the login but did not answer in time"
    # nologin(8) says why on its standard output
    said = readable(stderr[:500]).strip().splitlines() or readable(stdout[:500]).strip().splitlines()
    return f"the host took the login but did not run /bin/sh{': ' + said[-1][:200] if said else ''}"

"""One run of the nmap program, bounded in time and bytes, its XML read while it comes in.

python-nmap finds the program and its version. Its own `scan` is not used: it holds the whole output in memory, knows
no time-out that keeps what was learned, ignores the exit status, drops `tunnel="ssl"` and structured script output.
"""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scanner.addresses import Ports
from scanner.errors import Unparsable, VisitFailed
from scanner.model import Problem

from .nmap_xml import Host, Reader

OLDEST = (7, 80)
"""Older ones do not say which ports they summed up, nor know TLS 1.3."""
_CHUNK, _ERROR_TAIL, _LAST_BREATH_S = 1 << 16, 2000, 5.0
_SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run brought back. problem: why it is not complete, None where it is; `hosts` are complete ones."""

    hosts: tuple[Host, ...]
    looked_at: Ports
    problem: Problem | None = None
    detail: str = ""


def locate() -> str:
    """The path of a usable nmap. Raises VisitFailed with the remedy."""
    path = shutil.which("nmap")
    if path is None:
        raise VisitFailed("the program nmap is not installed here; install it (Debian: apt install nmap)")
    version = _version(path, Path(path).stat().st_mtime_ns)
    if version < OLDEST:
        raise VisitFailed(f"nmap {version[0]}.{version[1]} is too old; at least {OLDEST[0]}.{OLDEST[1]} is needed")
    return path


@functools.lru_cache(maxsize=4)
def _version(path: str, _changed_at_ns: int) -> tuple[int, int]:
    """What a program says of itself, asked once: each question is a start of it."""
    import nmap

    try:
        found: tuple[int, int] = nmap.PortScanner(nmap_search_path=(path,)).nmap_version()
    except (nmap.PortScannerError, UnicodeDecodeError) as error:
        raise VisitFailed(
            f"{path} is not a working nmap; reinstall it (Debian: apt install --reinstall nmap)"
        ) from error
    return found


def may_send_raw() -> bool:
    """Whether this process may open raw sockets, as SYN and UDP scans need; root in a container often may not."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).close()
    except OSError:
        return False
    return True


@functools.lru_cache(maxsize=16)
def top_ports(program: str, count: int) -> Ports:
    """The `count` TCP ports that nmap's own statistics call most used; no packet is sent."""
    seen = run([program, "-oX", "-", "--top-ports", str(count)], deadline_s=20.0, max_bytes=1 << 20)
    if seen.problem or not seen.looked_at.tcp:
        raise VisitFailed(f"nmap does not list its most used ports: {seen.detail or 'an empty list'}")
    return seen.looked_at


def run(arguments: Sequence[str], *, deadline_s: float, max_bytes: int) -> Seen:
    """Start it in a process group of its own, read to its end, the deadline or the byte limit, end the group."""
    reader, errors = Reader(), bytearray()
    process = _start(arguments)
    drained = False
    try:
        problem, detail = _drain(process, reader, errors, time.monotonic() + deadline_s, max_bytes)
        drained = problem is None
    finally:
        _end(process, drained)
    if problem is None:
        problem, detail = _judge(process.returncode, reader, errors)
    looked_at = Ports(tcp=_of(reader, "tcp").tcp, udp=_of(reader, "udp").udp)
    # after malformed output nothing that came before it can be trusted either
    hosts = () if problem == "failed" else tuple(reader.hosts)
    return Seen(hosts, looked_at, problem, detail)


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", _SAFE_PATH), "LC_ALL": "C"},
        )
    except OSError as error:
        raise VisitFailed(f"{arguments[0]} could not be started: {error.strerror}") from error


def _of(reader: Reader, protocol: str) -> Ports:
    return reader.looked_at.get(protocol, Ports())


def _drain(
    process: subprocess.Popen[bytes], reader: Reader, errors: bytearray, until: float, max_bytes: int
) -> tuple[Problem | None, str]:
    """Read both pipes to their ends. Returns the problem that stopped the reading, or (None, "")."""
    received = 0
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if time.monotonic() >= until:
                return "timed-out", "nmap was still busy at the deadline of the visit and was ended"
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                received += len(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif received > max_bytes:
                    return "truncated", f"nmap's output is longer than {max_bytes} bytes"
                elif key.fileobj is process.stderr:
                    errors[:] = (errors + chunk)[-_ERROR_TAIL:]
                else:
                    try:
                        reader.feed(chunk)
                    except Unparsable as error:
                        return "failed", str(error)
    return None, ""


def _end(process: subprocess.Popen[bytes], drained: bool) -> None:
    """Let a program that closed its output end by itself; end the whole group of any other. Then close the pipes."""
    try:
        if not drained:
            # not waited for before: an unreaped leader keeps the number from being given to another group
            raise subprocess.TimeoutExpired(process.args, 0)
        process.wait(timeout=_LAST_BREATH_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _judge(status: int, reader: Reader, errors: bytearray) -> tuple[Problem | None, str]:
    """After both pipes ended: the exit status, the document's end and its own word must all agree."""
    said = errors.decode("utf-8", "replace").strip()
    if status < 0:
        return "failed", f"nmap was killed by signal {-status}"
    if status > 0:
        return "failed", f"nmap ended with status {status}: {said[-500:] or 'no message'}"
    try:
        reader.close()
    except Unparsable as error:
        return "failed", str(error)
    if reader.exit != "success":
        return "failed", f"nmap gave up: {reader.error[:500] or said[-500:]}"
    return None, ""

"""Run one child process with a script on its standard input: all of its output, within total time and bytes."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

from . import Bounds
from .posix_answers import Ended

_CHUNK = 1 << 16
_LEAVE_S = 1.0  # what a killed child may take to be gone
Stuck = Callable[[bytes | bytearray, float], bool]
"""Whether to leave a child that said this much and has been silent for so many seconds."""


_RUNNING: set[int] = set()
"""Sessions under way, each by its leader."""


def end_all() -> None:
    """End whatever was started here: this process is about to leave without waiting for it."""
    _end(tuple(_RUNNING))


def _end(leaders: Collection[int]) -> None:
    """Kill all that runs in these sessions: timeout(1) leads a process group of its own."""
    sessions = {leader: [leader] for leader in leaders}
    with contextlib.suppress(OSError):  # no /proc: then by group alone
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                sessions.get(os.getsid(int(process.name)), []).append(int(process.name))
    for leader, members in sessions.items():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        for member in members[1:]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(member, signal.SIGKILL)


def run(
    argv: Sequence[str],
    script: bytes,
    bounds: Bounds,
    env: Mapping[str, str],
    stuck: Stuck | None = None,
) -> tuple[bytes, bytes, Ended]:
    """Standard output, error output (its first 64 KiB) and how it ended.

    Nothing of the child's session is left running, but for a process that hangs in the kernel: no signal ends that, and
    nobody waits for it.

    Raises OSError when the program cannot be started.
    """
    child = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd="/",
        start_new_session=True,
    )
    _RUNNING.add(child.pid)
    whole = False
    try:
        found = _exchange(child, script, bounds, stuck)
        whole = found[2] == "complete"
        return found
    finally:
        if whole:  # the leader may be gone while a grandchild still holds on
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        else:
            _end([child.pid])
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_LEAVE_S)
        _RUNNING.discard(child.pid)
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _exchange(
    child: subprocess.Popen[bytes], script: bytes, bounds: Bounds, stuck: Stuck | None
) -> tuple[bytes, bytes, Ended]:
    assert child.stdin and child.stdout and child.stderr
    for stream in (child.stdin, child.stdout, child.stderr):
        os.set_blocking(stream.fileno(), False)
    out, err = bytearray(), bytearray()
    heard_at = time.monotonic()
    deadline = heard_at + bounds.deadline_s
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdin, selectors.EVENT_WRITE)
        selector.register(child.stdout, selectors.EVENT_READ, out)
        selector.register(child.stderr, selectors.EVENT_READ, err)
        while child.stdout.fileno() in {key.fd for key in selector.get_map().values()}:
            left = deadline - time.monotonic()
            if left <= 0:
                return bytes(out), bytes(err), "timed-out"
            ready = selector.select(min(left, 1.0))
            now = time.monotonic()
            if stuck and not ready and stuck(out, now - heard_at):
                return bytes(out), bytes(err), "stuck"
            heard_at = now if ready else heard_at
            for key, _ in ready:
                if key.data is None:
                    script = _feed(selector, child.stdin, script)
                elif not _drain(key.fd, key.data):
                    selector.unregister(key.fileobj)
            del err[1 << 16 :]
            if len(out) > bounds.max_bytes:
                return bytes(out[: bounds.max_bytes]), bytes(err), "truncated"
    return bytes(out), bytes(err), "complete"


def _feed(selector: selectors.BaseSelector, stdin: IO[bytes], script: bytes) -> bytes:
    try:
        script = script[os.write(stdin.fileno(), script[:_CHUNK]) :]
    except BlockingIOError:
        return script
    except BrokenPipeError:
        script = b""
    if not script:
        selector.unregister(stdin)
        stdin.close()
    return script


def _drain(fd: int, into: bytearray) -> bool:
    try:
        data = os.read(fd, _CHUNK)
    except BlockingIOError:
        return True
    into += data
    return bool(data)

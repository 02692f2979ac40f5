"""One session: the script goes out, and what comes back is kept by paramiko's own thread.

paramiko hands data from its thread to the reader's through a pipe, packet by packet, and each hand-over costs both
threads a turn at the interpreter: more than the data itself. Here the reader sleeps until there is an end to look at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from scanner.errors import VisitFailed

from . import hanging
from .posix import Batch
from .posix_answers import Ended
from .ssh_login import Connection, plain

_CHUNK = 1 << 15
_COMMAND = "/bin/sh -s"  # any login shell can start this, csh and fish too; the script itself is only sh's
_ERRORS = 1 << 16
"""So much of the error output is kept."""
_LOOK_S = 1.0
"""How often a silent session is looked at."""


class _Stream:
    """What paramiko feeds one direction's data into, in place of its own pipe."""

    def __init__(self, feed: Callable[[bytes], None], close: Callable[[], None]) -> None:
        self.feed = feed
        self.close = close


class _Talk:
    """What a session has said so far. woken: set once there is an end to look at: the mark, too much, or no more."""

    def __init__(self, batch: Batch, max_bytes: int) -> None:
        self.received = 0
        self.heard_at = time.monotonic()
        self.is_marked = False
        self.woken = threading.Event()
        self._out: list[bytes] = []  # one growing buffer would be moved again and again
        self._size = 0
        self._err = bytearray()
        self._end = b""
        self._mark = f"\n{batch.nonce} END\n".encode()
        self._max_bytes = max_bytes

    def listen(self, channel: paramiko.Channel) -> None:
        """Take both streams of a channel that has said nothing yet."""
        vars(channel)["in_buffer"] = _Stream(self._hear, self.woken.set)
        vars(channel)["in_stderr_buffer"] = _Stream(self._hear_error, self.woken.set)

    @property
    def is_too_much(self) -> bool:
        """Whether more was said than the visit may take."""
        return self.received > self._max_bytes

    @property
    def out(self) -> bytes:
        """All output so far, as far as the visit may take it."""
        return b"".join(self._out)

    def taken(self) -> tuple[bytes, bytes]:
        """Both streams, let go here: paramiko's objects point at each other, and at this one, until a collection."""
        said = self.out, bytes(self._err)
        self._out, self._err = [], bytearray()
        return said

    def _hear(self, data: bytes) -> None:
        self._count(data)
        data = data[: self._max_bytes - self._size]
        self._out.append(data)
        self._size += len(data)
        self._end = self._end[-len(self._mark) :] + data
        if self._mark in self._end:
            self.is_marked = True
            self.woken.set()

    def _hear_error(self, data: bytes) -> None:
        self._count(data)
        self._err += data[: _ERRORS - len(self._err)]

    def _count(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        self.received += len(data)
        if self.is_too_much:
            self.woken.set()


def exchange(transport: Connection, batch: Batch, until: float, max_bytes: int) -> tuple[bytes, bytes, Ended]:
    """Send the script while both streams are read. Gives output, the first of the error output, and how it ended."""
    transport.clear_to_send_timeout = max(until - time.monotonic(), 0.1)
    talk = _Talk(batch, max_bytes)
    try:
        # a window for all that may be said: it never has to be opened again, and no server can send more
        channel = transport.open_session(max_bytes + _CHUNK, timeout=max(until - time.monotonic(), 0.1))
        talk.listen(channel)
        _ask(transport, channel)
        _send(channel, batch.script, talk, until)
        ended = _await(transport, channel, batch, talk, until)
        if ended == "stuck":  # another session follows; in all other cases the whole connection ends
            channel.close()
    except (paramiko.SSHException, OSError, EOFError) as error:
        if time.monotonic() >= until:
            raise VisitFailed("the host took the login but gave no session in time") from error
        raise VisitFailed(f"the host took the login but gave no session: {plain(error)}") from error
    if ended in {"timed-out", "broken-off"} and not channel.event_ready:
        raise VisitFailed(f"the host took the login but gave no session{' in time' if ended == 'timed-out' else ''}")
    return (*talk.taken(), ended)


def _ask(transport: Connection, channel: paramiko.Channel) -> None:
    """Ask for the shell as `exec_command` does, without waiting for the answer: the window for our input comes first.

    A refusal closes the channel.
    """
    asked = paramiko.Message()
    asked.add_byte(cMSG_CHANNEL_REQUEST)
    asked.add_int(channel.remote_chanid)
    asked.add_string("exec")
    asked.add_boolean(True)
    asked.add_string(_COMMAND)
    transport._send_user_message(asked)  # type: ignore[attr-defined]


def _send(channel: paramiko.Channel, script: bytes, talk: _Talk, until: float) -> None:
    """Send the script and its end, as fast as the window takes it; the rest is left where the other side has ended."""
    channel.settimeout(0.25)
    rest = memoryview(script)
    while rest and not talk.woken.is_set() and time.monotonic() < until:
        try:
            sent = channel.send(bytes(rest[:_CHUNK]))
        except TimeoutError:  # the window is shut; it may have said too much meanwhile
            continue
        except OSError:  # the other side takes no more: what it has said still counts
            return
        rest = rest[sent:]
    if not rest:
        channel.shutdown_write()


def _await(transport: Connection, channel: paramiko.Channel, batch: Batch, talk: _Talk, until: float) -> Ended:
    patience_s = hanging.patience_s(batch)
    while True:
        left = until - time.monotonic()
        is_over = talk.woken.wait(min(max(left, 0), _LOOK_S)) or not transport.is_active()
        if talk.is_marked:  # a left-over process may hold the channel open for ever
            return "complete"
        if talk.is_too_much:
            return "truncated"
        if is_over:
            return "complete" if channel.eof_received else "broken-off"
        if left <= 0:
            return "timed-out"
        if hanging.is_stuck(batch, talk.out, time.monotonic() - talk.heard_at, patience_s=patience_s):
            return "stuck"

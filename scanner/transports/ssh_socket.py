"""Sockets for SSH: a connection within a time limit, and without the delays that Nagle and late ACKs cost."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from typing import Any

from scanner.errors import Unreachable

_Found = list[tuple[Any, ...]]
_READ_AHEAD = 1 << 16


class PromptSocket(socket.socket):
    """A TCP socket that acknowledges at once, and reads ahead.

    Nagle's waiting and delayed acknowledgement hold each other up for 40 ms, several times in a login. Linux forgets
    TCP_QUICKACK by itself, so it is set anew after every read. paramiko asks for the head of a packet and then for its
    rest: what has come in already is handed out without a system call, and without giving way to the other threads.
    """

    _ahead: memoryview = memoryview(b"")

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive, then ask for prompt acknowledgement again. Only one thread may read."""
        if not self._ahead:
            self._ahead = memoryview(super().recv(_READ_AHEAD, flags))
            if hasattr(socket, "TCP_QUICKACK"):
                with contextlib.suppress(OSError):
                    self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        received, self._ahead = bytes(self._ahead[:size]), self._ahead[size:]
        return received


def connect(host: str, port: int, limit_s: float) -> socket.socket:
    """A connection to the first address of `host` that answers; every address gets its share of `limit_s`.

    Raises Unreachable: name not found, refused, no route, no answer in time.
    """
    until = time.monotonic() + limit_s
    found = _addresses(host, port, limit_s)
    said = "no address"
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        opened = PromptSocket(family, kind, protocol)
        opened.settimeout(max((until - time.monotonic()) / (len(found) - tried), 0.05))
        try:
            opened.connect(address)
        except OSError as error:
            opened.close()
            said = f"no answer in {limit_s:g} s" if isinstance(error, TimeoutError) else str(error.strerror or error)
        else:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
    raise Unreachable(f"{host} port {port}: {said}")


def _addresses(host: str, port: int, limit_s: float) -> _Found:
    """getaddrinfo(3) with a time limit: it has none of its own that we could set."""
    answer: queue.SimpleQueue[_Found | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answer.put(error)

    if _is_literal(host):
        ask()
    else:
        threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        found = answer.get(timeout=limit_s)
    except queue.Empty:
        raise Unreachable(f"{host}: the name was not resolved within {limit_s:g} s") from None
    if isinstance(found, UnicodeError):
        raise Unreachable(f"{host}: no valid host name")
    if isinstance(found, OSError):
        raise Unreachable(f"{host}: {found.strerror or 'the name was not found'}") from found
    return found


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return True
    return False

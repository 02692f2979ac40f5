"""Sockets for SSH: a connection within a time limit, and without the delays that Nagle and late ACKs cost."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from typing import Any

import paramiko
from paramiko.packet import NeedRekeyException, Packetizer

from scanner.errors import Unreachable

_Found = list[tuple[Any, ...]]
_READ_AHEAD = 1 << 16
_SHORT = 1 << 12
_LONGEST_LINE, _LONGEST_PACKET = 1 << 13, 1 << 18
"""Whoever sends more wants our memory: RFC 4253 (4.2) allows a greeting 255 bytes, OpenSSH its packets 256 KiB."""
_LOOK_S = 5.0
"""So often a read through a jump host looks whether the connection was closed."""


class PromptPackets(Packetizer):
    """paramiko's packets over a connection that acknowledges at once, and is read ahead. Only one thread may read.

    Nagle's waiting and delayed acknowledgement hold each other up for 40 ms, several times in a login. Linux forgets
    TCP_QUICKACK by itself, so it is set anew after every short read; more than one segment is acknowledged anyway
    once it is read (tcp_cleanup_rbuf in Linux). paramiko asks for the head of a packet and then for its
    rest: what has come in already is handed out without a system call, and without giving way to the other threads.
    """

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        super().__init__(sock)  # type: ignore[arg-type]  # a channel will do
        self._source = sock
        self._ahead, self._at = b"", 0
        # with a time limit Python asks the kernel twice for every read; who reads a socket wakes when it is torn
        sock.settimeout(None if isinstance(sock, socket.socket) else _LOOK_S)

    def start_handshake(self, timeout: float) -> None:
        """Nothing: it would start a thread for each handshake, and `secure` waits no longer than that anyway."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """The next `n` bytes. Raises EOFError at the end, NeedRekeyException where new keys are due before them."""
        if n > _LONGEST_PACKET:
            raise paramiko.SSHException(f"a packet of {n} bytes")
        while len(self._ahead) - self._at < n:
            if not self._more() and check_rekey and self._at == len(self._ahead) and self.need_rekey():
                raise NeedRekeyException
        self._at += n
        return self._ahead[self._at - n : self._at]

    def readline(self, timeout: float) -> str:
        """The next line of the greeting, without its end. Raises EOFError, TimeoutError."""
        until = time.monotonic() + timeout
        while (end := self._ahead.find(b"\n", self._at)) < 0:
            if len(self._ahead) - self._at > _LONGEST_LINE:
                raise paramiko.SSHException("a line without an end")
            if not self._more() and time.monotonic() > until:
                raise TimeoutError
        return self.read_all(end + 1 - self._at)[:-1].removesuffix(b"\r").decode()

    def _more(self) -> bool:
        """Read what has come in; False where nothing came in time. Raises EOFError, OSError."""
        try:
            received = self._source.recv(_READ_AHEAD)
        except TimeoutError:
            if self.closed:
                raise EOFError from None
            return False
        if not received:
            raise EOFError
        if len(received) < _SHORT and isinstance(self._source, socket.socket) and hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):
                self._source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._ahead, self._at = self._ahead[self._at :] + received, 0
        return True


class HungUp(Unreachable):
    """The server closed the connection before it said anything; a busy sshd does so on purpose."""


def connect(host: str, port: int, limit_s: float) -> socket.socket:
    """A connection to the first address of `host` that answers; every address gets its share of `limit_s`.

    Raises HungUp: taken and closed at once. Raises Unreachable: name not found, refused, no route, no answer in time.
    """
    until = time.monotonic() + limit_s
    found = _addresses(host, port, limit_s)
    said = "no address"
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(max((until - time.monotonic()) / (len(found) - tried), 0.05))
        try:
            opened.connect(address)
        except ConnectionResetError as error:
            opened.close()
            raise HungUp(f"{host}:{port}: the connection was closed before an SSH greeting came") from error
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

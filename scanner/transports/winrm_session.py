"""pywinrm's HTTP, held on a leash: one deadline for everything, a cap on bytes, no redirect, a pinned certificate.

pywinrm bounds neither the time nor the size of what it reads: a time-out counts per packet, so a server that drips one
byte at a time holds it for ever. Here every connection is remembered by a second descriptor, and a timer shuts all of
them down at the deadline, wherever the reading stands: connecting, TLS, headers or body.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from winrm.transport import Transport


class Refused(Exception):
    """What the server sent is not read any further; the message says why."""


class TooLarge(Refused):
    """More bytes than the visit may take."""


class Leash:
    """The bounds of one visit, over all its connections. Use as a context; `expired()` says that the deadline came."""

    def __init__(self, deadline_s: float, max_bytes: int) -> None:
        self.ends_at = time.monotonic() + deadline_s
        self.left_bytes = max_bytes
        self._cut_off = threading.Event()
        self.requests = 0
        self._held: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(deadline_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Leash:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            for held in self._held:
                held.close()
            self._held.clear()

    def expired(self) -> bool:
        """Whether the deadline came, and every connection was shut down."""
        return self._cut_off.is_set()

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, never below 0."""
        return max(0.0, self.ends_at - time.monotonic())

    def hold(self, connected: socket.socket) -> None:
        """Remember a connection. A second descriptor outlives what TLS does to the first."""
        with self._lock:
            self._held.append(socket.socket(fileno=os.dup(connected.fileno())))
        if self.expired():
            self._cut()

    def take(self, count: int) -> None:
        """Count bytes that arrived. Raises TooLarge when the visit has had enough."""
        self.left_bytes -= count
        if self.left_bytes < 0:
            raise TooLarge("the visit's byte limit came first")

    def _cut(self) -> None:
        self._cut_off.set()
        with self._lock:
            for held in self._held:
                with contextlib.suppress(OSError):
                    held.shutdown(socket.SHUT_RDWR)


def _pools(leash: Leash) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools, whose connections tell the leash of their sockets before a byte is exchanged."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            leash.hold(connected)
            return connected

    class Sealed(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            leash.hold(connected)
            return connected

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SealedPool(HTTPSConnectionPool):
        ConnectionCls = Sealed

    return {"http": PlainPool, "https": SealedPool}


class Adapter(HTTPAdapter):
    """requests' adapter with the leash on. fingerprint: SHA-256 of the only certificate that is talked to."""

    def __init__(self, leash: Leash, fingerprint: str | None, connect_timeout_s: float) -> None:
        self._leash = leash
        self._fingerprint = fingerprint
        self._connect_timeout_s = connect_timeout_s
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **given: Any) -> None:
        """As requests does, with our pools and the pinned certificate in every one of them."""
        if self._fingerprint:
            given["assert_fingerprint"] = self._fingerprint
        super().init_poolmanager(*args, **given)
        self.poolmanager.pool_classes_by_scheme = _pools(self._leash)

    def send(self, request: requests.PreparedRequest, *args: Any, **given: Any) -> requests.Response:
        """One request. Raises Refused for a redirect, a packed body, or more bytes than the visit may take."""
        self._leash.requests += 1
        # A little later than the deadline, so that it is the leash that ends a visit, and its reason that is told.
        left = self._leash.left_s + 2
        read_timeout_s = given.get("timeout") or left
        given["timeout"] = (min(self._connect_timeout_s, left), min(float(read_timeout_s), left))
        request.headers["Accept-Encoding"] = "identity"
        response = super().send(request, *args, **given)
        if 300 <= response.status_code < 400:
            raise Refused(f"it answered with a redirect (HTTP {response.status_code}), which is not followed")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused("it sent a compressed body that nobody asked for")
        self._bound(response)
        return response

    def _bound(self, response: requests.Response) -> None:
        """Count the body while it is read. Not read here: NTLM looks at the connection of an unread response."""
        whole: Callable[..., Iterator[bytes]] = response.iter_content

        def counted(*args: Any, **given: Any) -> Iterator[Any]:
            for chunk in whole(*args, **given):
                self._leash.take(len(chunk))
                yield chunk

        response.iter_content = counted  # type: ignore[method-assign]


class LeashedTransport(Transport):
    """pywinrm's transport whose session goes through the adapter from the first request on."""

    leash: Leash
    fingerprint: str | None = None
    connect_timeout_s: float = 15.0

    def build_session(self) -> requests.Session:
        """The session, leashed. pywinrm may talk while building it, so the adapter is set in both places."""
        fresh = self.session is None
        session: requests.Session = super().build_session()
        if fresh:
            self._mount(session)
        return session

    def setup_encryption(self, session: requests.Session) -> None:
        """Authenticate with an empty message. Raises Refused where that gave no key to encrypt with."""
        self._mount(session)
        super().setup_encryption(session)
        if self.auth_method == "ntlm" and getattr(session.auth, "session_security", None) is None:
            raise Refused("the server let an unauthenticated request in, so there is no key to encrypt with")

    def _mount(self, session: requests.Session) -> None:
        session.trust_env = False
        if session.adapters and all(isinstance(one, Adapter) for one in session.adapters.values()):
            return
        session.adapters.clear()
        for scheme in ("https://", "http://"):
            session.mount(scheme, Adapter(self.leash, self.fingerprint, self.connect_timeout_s))

    def send_message(self, message: str | bytes) -> bytes:
        """The answer's envelope. Raises Refused for one with a document type: WS-Man has none, attacks on XML do."""
        answer: bytes = super().send_message(message)
        if b"<!" in answer:
            raise Refused("its XML holds a document type declaration, which is not read")
        return answer

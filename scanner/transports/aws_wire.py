"""What an endpoint sends, held to the time and the bytes of the visit whatever it does.

botocore's own limits are idle ones: an endpoint that sends a byte now and then is waited for without end, and one that
never stops fills the memory. Here every answer is counted while it arrives, and when the visit's time is over its
connections are shut down, which ends every read that waits on them.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any

from botocore import exceptions as boto
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from urllib3.exceptions import HTTPError

CHUNK = 1 << 16
SHAPES = (TypeError, KeyError, AttributeError, ValueError, IndexError, RecursionError)
"""What botocore's parsers raise for an answer that has another shape than the service's model."""


class Wires:
    """The connections of one visit. take: counts bytes, and raises once there are too many."""

    def __init__(self, take: Callable[[int], None], closes_in_s: float) -> None:
        self._take = take
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._closed = False
        self._clock = threading.Timer(closes_in_s, self.shut)
        self._clock.daemon = True
        self._clock.start()

    def guard(self, client: Any) -> None:
        """Hold what this client receives to the visit's time and bytes."""
        session = client._endpoint.http_session  # botocore offers no other place
        pools = {"http": _of(AWSHTTPConnectionPool, AWSHTTPConnection, self._opened)}
        pools["https"] = _of(AWSHTTPSConnectionPool, AWSHTTPSConnection, self._opened)
        session._pool_classes_by_scheme = session._manager.pool_classes_by_scheme = pools
        send = session.send

        def bounded(request: Any) -> Any:
            request.stream_output = True
            response = send(request)
            response._content = self._read(response.raw)
            return response

        session.send = bounded

    def _read(self, raw: Any) -> bytes:
        parts = []
        try:
            for part in raw.stream(CHUNK):
                self._take(len(part))
                parts.append(part)
        except (HTTPError, OSError) as error:
            raise boto.HTTPClientError(error=error) from error
        finally:
            raw.release_conn() if raw.closed else raw.close()
        return b"".join(parts)

    def _opened(self, wire: socket.socket) -> None:
        self._open.add(wire)
        if self._closed:
            _cut(wire)

    def end(self) -> None:
        """The visit is over; nothing has to be shut any more."""
        self._clock.cancel()

    def shut(self) -> None:
        """End every read that still waits."""
        self._closed = True
        for wire in list(self._open):
            _cut(wire)


def _cut(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(wire, socket.SHUT_RDWR)  # of the plain socket: TLS would wait for the other side


def _of(pool: type[Any], connection: type[Any], opened: Callable[[socket.socket], None]) -> type[Any]:
    """That kind of pool, whose connections tell of their sockets."""

    class Told(connection):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            opened(self.sock)

    return type(pool.__name__, (pool,), {"ConnectionCls": Told})

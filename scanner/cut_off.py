"""Requests that end: a deadline for the whole of one, its handshake and head included, whatever the peer sends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Session


@contextmanager
def cut_off(session: Session, ends: float) -> Iterator[None]:
    """Shut the session's connections down at an instant of the monotonic clock.

    requests knows idle limits alone, for each piece that is received: a peer that sends its head sign by sign, or its
    certificate, would be waited for without end. A copy of the socket reaches it while TLS has the socket itself.
    """
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

    wires: list[socket.socket] = []
    adapters: list[HTTPAdapter] = []

    def shut() -> None:
        for wire in wires:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def opened(wire: socket.socket) -> None:
        wires.append(wire.dup())
        if time.monotonic() >= ends:
            shut()

    for scheme, pool in (("http", HTTPConnectionPool), ("https", HTTPSConnectionPool)):
        adapter = HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = {scheme: _telling(pool, opened)}
        session.mount(f"{scheme}://", adapter)
        adapters.append(adapter)
    clock = threading.Timer(max(0.0, ends - time.monotonic()), shut)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()
        for wire in wires:
            wire.close()
        for adapter in adapters:
            adapter.close()


def _telling(pool: type[Any], opened: Callable[[socket.socket], None]) -> type[Any]:
    """A pool whose connections tell of their sockets as soon as these are open."""

    connection: Any = pool.ConnectionCls

    class Told(connection):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            wire = super()._new_conn()
            opened(wire)
            return wire

    return type("Pool", (pool,), {"ConnectionCls": Told})

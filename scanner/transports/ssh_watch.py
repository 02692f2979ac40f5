"""The end of a visit's time, for what still waits inside paramiko: one thread watches over all connections."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from .ssh_login import Connection, tear

_LATE_S = 1.0
"""Every wait of ours ends by itself at the deadline; only what is later than this is torn."""
_LOOK_S = 1.0

_watched: dict[object, tuple[Connection, float]] = {}
_changing = threading.Lock()
_watching: threading.Thread | None = None


@contextlib.contextmanager
def watched(transport: Connection, until: float) -> Iterator[None]:
    """Tear the connection a little after `until`, should anything inside paramiko still be waiting then."""
    global _watching
    name = object()
    with _changing:
        _watched[name] = (transport, until)
        if _watching is None:
            _watching = threading.Thread(target=_watch, name="watch over ssh", daemon=True)
            _watching.start()
    try:
        yield
    finally:
        with _changing:
            _watched.pop(name, None)


def _watch() -> None:
    """Look at all connections once a second, for as long as there are any."""
    global _watching
    while True:
        time.sleep(_LOOK_S)
        now = time.monotonic()
        with _changing:
            late = [name for name, (_, until) in _watched.items() if now > until + _LATE_S]
            torn = [_watched.pop(name)[0] for name in late]
            if not _watched and not torn:
                _watching = None
                return
        for transport in torn:
            _end(transport)


def _end(transport: Connection) -> None:
    tear(transport)
    for waiting in list(transport.channel_events.values()):
        waiting.set()

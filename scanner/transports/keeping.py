"""What the visits of one thread may share: a connection to a jump host, kept from one visit to the next.

One connection that several threads share stalls; one for each visit is a login at the jump host each time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable

_here = threading.local()


class Kept:
    """One thing at a time, under the key that says what it is good for."""

    def __init__(self) -> None:
        self._key: Hashable = None
        self._thing: object = None
        self._closing = contextlib.ExitStack()

    def get(self, key: Hashable) -> object:
        """What was kept under this key, or None."""
        return self._thing if key == self._key else None

    def keep(self, key: Hashable, thing: object, closing: contextlib.ExitStack) -> None:
        """Keep this instead of what was kept before, which is closed. closing: what ends it."""
        self.close()
        self._key, self._thing, self._closing = key, thing, closing

    def close(self) -> None:
        """End what is kept."""
        self._key = self._thing = None
        self._closing.close()


class Keeping:
    """Threads that may keep something between their visits: `begin` in each of them, `end` once all are through."""

    def __init__(self) -> None:
        self._all: list[Kept] = []

    def begin(self) -> None:
        """Let this thread keep something."""
        _here.kept = Kept()
        self._all.append(_here.kept)

    def end(self) -> None:
        """Close what any of the threads has kept."""
        for kept in self._all:
            kept.close()


def kept_here() -> Kept | None:
    """Where this thread may keep something; None outside of a collection."""
    return getattr(_here, "kept", None)

"""One run of nmap for several visits that ask the same at the same time: a run costs more than a host within it.

Visits that come within a moment of each other are looked at together, in batches of bounded size. A batch has half of
the time; whoever it could not look at to the end, or whose neighbour spoiled it, is looked at alone in the other half.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network

from .nmap_run import Seen
from .nmap_xml import Host

MOST_TARGETS = 64
"""Names, addresses and blocks of one batch; blocks count by their addresses."""
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Wish:
    """What one visit wants of one run. kind: all that has to be equal for two visits to share a run.

    named: whether `texts` are hosts that the inventory names, and not blocks. until: by the monotonic clock.
    """

    kind: tuple[object, ...]
    texts: tuple[str, ...]
    named: bool
    until: float
    max_bytes: int

    @property
    def size(self) -> int:
        """How many addresses it takes of a batch."""
        return len(self.texts) if self.named else sum(ip_network(text).num_addresses for text in self.texts)

    def has(self, host: Host) -> bool:
        """Whether a host is one of those that were wished for."""
        if self.named:
            return host.name.lower() in self.texts or host.address in self.texts
        return any(ip_address(host.address) in ip_network(text) for text in self.texts)

    def missing(self, hosts: Iterable[Host]) -> tuple[str, ...]:
        """Hosts of which nothing complete is known."""
        known = {text for host in hosts if not host.timed_out for text in (host.name.lower(), host.address)}
        return tuple(text for text in self.texts if text not in known)


Run = Callable[[Sequence[str], float, float, int], Seen]
"""(targets, seconds per host, seconds in all, bytes) -> what one run of nmap brought back."""


@dataclass(slots=True)
class _Batch:
    wishes: list[Wish] = field(default_factory=list)
    came_at: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)
    seen: Seen | None = None


class Together:
    """The batches that still wait for others to come: until for quiet_s nobody has come, and at most for longest_s."""

    def __init__(self, quiet_s: float = 0.1, longest_s: float = 1.0) -> None:
        self._quiet_s, self._longest_s = quiet_s, longest_s
        self._waiting: dict[tuple[object, ...], _Batch] = {}
        self._lock = threading.Lock()

    def look(self, wish: Wish, run: Run) -> Seen:
        """What nmap saw of this visit's hosts, in a run of their own or in one with others."""
        batch = self._joined(wish)
        if batch.wishes[0] is wish:
            self._lead(batch, run)
        batch.done.wait(max(0.0, wish.until - time.monotonic()))
        return _of(wish, batch.seen, run)

    def _joined(self, wish: Wish) -> _Batch:
        with self._lock:
            batch = self._waiting.get(wish.kind)
            if batch is None or sum(one.size for one in batch.wishes) + wish.size > MOST_TARGETS:
                batch = self._waiting[wish.kind] = _Batch()
            batch.wishes.append(wish)
            batch.came_at = time.monotonic()
            return batch

    def _lead(self, batch: _Batch, run: Run) -> None:
        """Wait for others, and run for all of them."""
        begun = time.monotonic()
        try:
            while time.monotonic() < min(batch.came_at + self._quiet_s, begun + self._longest_s):
                time.sleep(self._quiet_s / 4)
            with self._lock:
                kind = batch.wishes[0].kind
                if self._waiting.get(kind) is batch:
                    del self._waiting[kind]
                wishes = tuple(batch.wishes)
            if len(wishes) > 1:
                batch.seen = _run_for_all(wishes, run)
        finally:
            batch.done.set()


def _run_for_all(wishes: Sequence[Wish], run: Run) -> Seen:
    texts = sorted({text for wish in wishes for text in wish.texts})
    left_s = _SHARE * (min(wish.until for wish in wishes) - time.monotonic())
    return run(texts, _SHARE * left_s, left_s, sum(wish.max_bytes for wish in wishes))


def _of(wish: Wish, together: Seen | None, run: Run) -> Seen:
    """This visit's share of a run with others; what that did not see to its end is looked at alone."""
    hosts = tuple(host for host in together.hosts if wish.has(host)) if together else ()
    if not wish.named:
        if together and together.problem is None and not any(host.timed_out for host in hosts):
            return replace(together, hosts=hosts)
        hosts, missing = (), wish.texts
    else:
        missing = wish.missing(hosts)
    if together and not missing:
        return replace(together, hosts=hosts, problem=None, detail="")
    left_s = wish.until - time.monotonic()
    alone = run(missing, left_s, left_s, wish.max_bytes)
    return replace(alone, hosts=(*(host for host in hosts if not host.timed_out), *alone.hosts))

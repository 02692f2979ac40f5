"""The side that asks, as an engine: the assets of sites by their workers, the others from here, both at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from scanner.allowance import Allowance
from scanner.collect import Collected, collect, pool_until
from scanner.model import Courtesy
from scanner.plan import PlannedAsset
from scanner.transports import Bounds

from .asking import Asking
from .broker import Broker
from .messages import Words

Way = Callable[[], Iterator[Collected]]
Ended = queue.Queue[Collected | None]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The engine `celery`. site_wait_s: how long a site may have no worker. batch: assets in a task.

    allowance: what all visits may take together, here and at the sites.
    """

    broker: Broker
    words: Words = field(default_factory=Words)
    courtesy: Courtesy = field(default_factory=Courtesy)
    site_wait_s: float = 120.0
    batch: int = 32
    allowance: Allowance = field(default_factory=Allowance)

    def __call__(
        self, assets: Sequence[PlannedAsset], bounds: Bounds, at_once: int, stop: threading.Event | None
    ) -> Iterator[Collected]:
        """Every asset's evidence. At most twice `at_once` of it are held here, the rest waits with the broker."""
        near = [planned for planned in assets if not planned.asset.site]
        far = [planned for planned in assets if planned.asset.site]
        over = threading.Event()
        asking = Asking(
            broker=self.broker,
            words=self.words,
            courtesy=self.courtesy,
            bounds=bounds,
            site_wait_s=self.site_wait_s,
            batch=self.batch,
            over=over,
            stop=stop or threading.Event(),
            allowance=self.allowance,
        )
        self.allowance.begin()
        ways: list[Way] = [lambda: asking.answers(far)] if far else []
        ways += [lambda: collect(near, bounds, at_once, stop, self.courtesy, self.allowance)] if near else []
        yield from _merged(ways, queue.Queue(2 * at_once), over, stop)


def _merged(
    ways: Sequence[Way], ended: Ended, over: threading.Event, stop: threading.Event | None
) -> Iterator[Collected]:
    """What all ways give, as it comes in. over: set once nobody takes any more."""
    with pool_until(stop, max(1, len(ways)), "engine") as pool:
        running = [pool.submit(_pour, way, ended, over) for way in ways]
        try:
            yield from _taken(running, ended)
        finally:
            over.set()


def _taken(running: Sequence[Future[None]], ended: Ended) -> Iterator[Collected]:
    left = len(running)
    while left:
        one = ended.get()
        if one is None:
            left -= 1
        else:
            yield one
    for future in running:
        future.result()  # raises what a way raised


def _pour(way: Way, into: Ended, over: threading.Event) -> None:
    try:
        for one in way():
            if not _put(one, into, over):
                return
    finally:
        _put(None, into, over)


def _put(one: Collected | None, into: Ended, over: threading.Event) -> bool:
    while not over.is_set():
        with suppress(queue.Full):
            into.put(one, timeout=0.2)
            return True
    return False

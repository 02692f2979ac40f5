"""One scan's conversation with the broker: batches to the queues of sites, evidence back, each asset counted once.

Nothing is pending for ever. A site where no worker listens, or whose workers fall silent, is told of with each of its
assets, as unreachable: after `site_wait_s`, or after the time that visits may take and `site_wait_s`.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from scanner.allowance import Allowance
from scanner.collect import Collected, make_evidence, tool_version, visit
from scanner.model import Courtesy, Evidence, Reply
from scanner.plan import PlannedAsset
from scanner.transports import Bounds

from .broker import TASK, Broker, answer_queue, kombu, site_queue
from .messages import NEAR, Answer, Task, Words, answer_of, batches, meant

LOG = logging.getLogger("riskline.celery")
BATCHES_EACH = 4
"""Batches that lie ready for each worker of a site, so that none of them ever waits for us."""
_LOOK_S = 1.0
_LAST_ANSWERS_S = 30.0
"""After a stop, answers are waited for as long as none takes longer than this to come."""


@dataclass(slots=True)
class Site:
    """One site's assets: not sent yet, and sent without an answer.

    sent: batches with an asset that still waits. heard, seen: when it last answered, when a worker last listened.
    """

    name: str
    to_send: deque[tuple[PlannedAsset, ...]]
    waiting: dict[str, PlannedAsset] = field(default_factory=dict)
    sent: list[set[str]] = field(default_factory=list)
    workers: int = 0
    heard: float = field(default_factory=time.monotonic)
    seen: float | None = None

    @property
    def left(self) -> list[PlannedAsset]:
        """All that were not answered."""
        return [*self.waiting.values(), *(planned for batch in self.to_send for planned in batch)]

    def take(self, id: str) -> PlannedAsset | None:
        """The asset that was answered; None where nobody waits for that any more."""
        planned = self.waiting.pop(id, None)
        if planned is not None:
            self.heard = time.monotonic()
            for batch in self.sent:
                batch.discard(id)
            self.sent = [batch for batch in self.sent if batch]
        return planned


@dataclass(slots=True)
class Asking:
    """One scan's side. over: nobody takes answers any more. stop: nothing more is sent. All else as in Dispatch."""

    broker: Broker
    words: Words
    courtesy: Courtesy
    bounds: Bounds
    site_wait_s: float
    batch: int
    over: threading.Event
    stop: threading.Event
    allowance: Allowance
    name: str = field(default_factory=lambda: f"riskline.answers.{secrets.token_hex(16)}")
    sites: dict[str, Site] = field(default_factory=dict)
    came: list[Collected] = field(default_factory=list)

    @property
    def silence_s(self) -> float:
        """How long a site with workers may say nothing: two ways in, each to its deadline, and then some."""
        return 2 * self.bounds.deadline_s + self.site_wait_s

    @property
    def _is_stopped(self) -> bool:
        return self.stop.is_set() or self.allowance.is_over

    def answers(self, assets: Sequence[PlannedAsset]) -> Iterator[Collected]:
        """Every asset's evidence, or why there is none."""
        for name in dict.fromkeys(planned.asset.site for planned in assets):
            here = [planned for planned in assets if planned.asset.site == name]
            self.sites[name] = Site(name, deque(batches(here, self.batch)))
        application = self.broker.application()
        lost_at: float | None = None
        while not self._done():
            with application.connection_for_write() as connection:
                try:
                    connection.connect()
                    for one in self._talk(connection, application):
                        lost_at = None
                        yield one
                except (*connection.connection_errors, *connection.channel_errors) as error:
                    lost_at = lost_at or time.monotonic()
                    LOG.warning("the broker cannot be reached: %s", error)
                    if time.monotonic() - lost_at >= self.site_wait_s:
                        yield from self._lost(f"the broker cannot be reached: {error}")
                    self.over.wait(min(1.0, self.site_wait_s / 4))

    def _done(self) -> bool:
        if self._is_stopped:
            heard = max((site.heard for site in self.sites.values()), default=0.0)
            waiting = any(site.waiting for site in self.sites.values())
            return self.over.is_set() or not waiting or time.monotonic() - heard > _LAST_ANSWERS_S
        return self.over.is_set() or not any(site.left for site in self.sites.values())

    def _lost(self, why: str) -> Iterator[Collected]:
        for site in self.sites.values():
            yield from _given_up(site, why)

    # ── while the connection holds ───────────────────────────────────────────────────────────────────────────────────

    def _talk(self, connection: Any, application: Any) -> Iterator[Collected]:
        channel = connection.channel()
        mine = answer_queue(self.name, keep_s=max(self.silence_s, 600.0))(channel)
        mine.declare()
        channel.basic_qos(0, 4 * self.batch, False)
        with kombu.Consumer(channel, [mine], on_message=self._take, auto_declare=False):
            looked = 0.0
            while not self._done():
                if time.monotonic() - looked > _LOOK_S:
                    looked = time.monotonic()
                    for site in self.sites.values():
                        yield from self._look_after(site, channel)
                        self._send(site, application)
                with suppress(TimeoutError):
                    connection.drain_events(timeout=_LOOK_S / 2)
                came, self.came = self.came, []
                yield from came
        mine.delete()

    def _look_after(self, site: Site, channel: Any) -> Iterator[Collected]:
        """Count the site's workers; give it up where there is none for too long, or where they fell silent."""
        site.workers = site_queue(site.name)(channel).queue_declare().consumer_count
        now = time.monotonic()
        if site.workers:
            site.seen = now
        if not site.left:
            return
        if not site.workers and now - max(site.heard, site.seen or 0.0) > self.site_wait_s:
            said = "has no worker any more" if site.seen else "has no worker"
            start = f"start one there: riskline worker --site {site.name}"
            yield from _given_up(site, f"site {site.name!r} {said}; waited {self.site_wait_s:g} s; {start}")
        elif now - site.heard > self.silence_s:
            yield from _given_up(site, f"the workers of site {site.name!r} said nothing for {self.silence_s:g} s")

    def _send(self, site: Site, application: Any) -> None:
        while site.to_send and len(site.sent) < BATCHES_EACH * max(1, site.workers) and not self._is_stopped:
            batch = site.to_send.popleft()
            task = Task(
                answers=self.name,
                tool=tool_version(),
                words=self.words,
                assets={planned.asset.id: meant(planned) for planned in batch},
                bounds=self.bounds,
                courtesy=self.courtesy,
            )
            application.send_task(
                TASK,
                kwargs={"task": task.plain()},
                queue=site_queue(site.name),
                expires=BATCHES_EACH * self.silence_s,
                ignore_result=True,
            )
            site.waiting |= {planned.asset.id: planned for planned in batch}
            site.sent.append({planned.asset.id for planned in batch})

    def _take(self, message: Any) -> None:
        """An answer came in. What nobody waits for any more was redelivered, and has been counted."""
        message.ack()
        try:
            answer = answer_of(bytes(message.body))
        except ValueError as error:
            LOG.error("%s", error)
            return
        for site in self.sites.values():
            planned = site.take(answer.asset)
            if planned is not None:
                self.allowance.spend(answer.evidence.replies.values() if answer.evidence else ())
                self.came.append(_collected(planned, answer))


def _collected(planned: PlannedAsset, answer: Answer) -> Collected:
    """The evidence of an answer, with what is read here added, in the order of the plan."""
    if answer.evidence is None:
        return _missing(planned, answer.refused or "the worker gave no evidence")
    near = {way: probes for way, probes in planned.visits.items() if way == NEAR}
    here = visit(replace(planned, visits=near), Bounds()).evidence if near else None
    replies = {**answer.evidence.replies, **(here.replies if here else {})}
    failures = {**answer.evidence.failures, **(here.failures if here else {})}
    return Collected(planned, _evidence(planned, replies, failures, answer.evidence), answer.took_s, answer.bug)


def _evidence(planned: PlannedAsset, replies: dict[str, Reply], failures: dict[str, str], of: Evidence) -> Evidence:
    wanted = [probe.key for probes in planned.visits.values() for probe in probes]
    silent = Reply(problem="failed", detail="the worker gave no answer to this")
    made = make_evidence(planned.asset.id, {key: replies.get(key, silent) for key in wanted}, failures)
    return replace(made, collected_at=of.collected_at, tool_version=of.tool_version)


def _missing(planned: PlannedAsset, why: str) -> Collected:
    replies = {p.key: Reply(problem="unreachable", detail=why) for probes in planned.visits.values() for p in probes}
    failures = dict.fromkeys(planned.visits, f"unreachable: {why}")
    return Collected(planned, make_evidence(planned.asset.id, replies, failures), 0.0)


def _given_up(site: Site, why: str) -> Iterator[Collected]:
    LOG.error("%d assets are not visited: %s", len(site.left), why)
    lost = site.left
    site.to_send.clear()
    site.waiting.clear()
    site.sent.clear()
    for planned in lost:
        yield _missing(planned, why)

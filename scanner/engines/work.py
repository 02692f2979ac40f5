"""The side that visits: a worker of one site, with an inventory, baselines and secrets of its own."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import celery
from celery.platforms import SecurityWarning
from celery.worker.consumer.consumer import Consumer

from scanner.catalogue import Catalogue
from scanner.collect import collect, tool_version
from scanner.errors import UsageError
from scanner.inventory import read_inventory
from scanner.organizations import spread
from scanner.plan import PlannedAsset, make_plan

from . import messages
from .broker import TASK, Broker, kombu, site_queue
from .messages import Answer, Task

LOG = logging.getLogger("riskline.worker")


class SiteConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer without the queues for delayed delivery, of which it makes 28 and we need none."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """The steps of its start."""

        default_steps = [step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step]  # noqa: RUF012


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker knows. at_once: visits at the same time, in each of its processes."""

    site: str
    inventory: Path
    check_folders: tuple[Path, ...] = ()
    baseline_paths: tuple[Path, ...] = ()
    at_once: int = 32

    def answers(self, task: Task) -> Iterator[Answer]:
        """One answer for every asset of the task: evidence as it comes in, or why this worker must not visit it."""
        refusal = self._refusal(task)
        known: Mapping[str, PlannedAsset] = {}
        if not refusal:
            try:
                known = _planned(self, task.words, self._stamp())
            except UsageError as error:
                refusal = f"it cannot read its configuration: {error}"
        wanted = []
        for id, asked in task.assets.items():
            why = refusal or self._difference(known.get(id), asked)
            if why:
                yield Answer(id, refused=f"the worker of site {self.site!r} refused: {why}")
            else:
                wanted.append(_far(known[id]))
        for one in collect(wanted, task.bounds, self.at_once, courtesy=task.courtesy):
            yield Answer(one.planned.asset.id, one.evidence, one.took_s, one.bug)

    def _refusal(self, task: Task) -> str:
        if task.tool != tool_version():
            return f"it runs Riskline {tool_version()}, the scan Riskline {task.tool}"
        return ""

    def _difference(self, here: PlannedAsset | None, asked: messages.Meant) -> str:
        if here is None:
            return "its inventory has no such asset"
        if here.asset.site != self.site:
            return f"its inventory has this asset at site {here.asset.site!r}"
        return messages.difference(messages.meant(here), asked)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self.inventory.stat()
        except OSError as error:
            raise UsageError(f"{self.inventory}: {error.strerror}") from error
        return found.st_mtime_ns, found.st_size


def _far(planned: PlannedAsset) -> PlannedAsset:
    visits = {way: probes for way, probes in planned.visits.items() if way != messages.NEAR}
    return PlannedAsset(planned.asset, planned.baselines, visits)


@functools.lru_cache(maxsize=4)
def _planned(place: Place, words: messages.Words, _: tuple[int, int]) -> Mapping[str, PlannedAsset]:
    """The worker's own plan, made anew when its inventory has changed. Raises UsageError."""
    found = spread(read_inventory(place.inventory))
    plan = make_plan(found, Catalogue(place.check_folders, place.baseline_paths), words.baselines, words.select)
    return {one.asset.id: one for one in plan.assets}


def application(place: Place, broker: Broker) -> celery.Celery:
    """The worker's side of Celery: one queue, one task."""
    made = broker.application()
    queue = site_queue(place.site)
    made.conf.update(task_queues=[queue], task_default_queue=queue.name)

    @made.task(name=TASK, acks_late=True, reject_on_worker_lost=True, ignore_result=True)  # type: ignore[untyped-decorator]
    def visit(task: Mapping[str, Any]) -> None:
        """Visit the batch; the task is done when the broker has every answer."""
        _work(made, place, messages.task_of(task))

    return made


def _work(made: celery.Celery, place: Place, task: Task) -> None:
    with made.connection_for_write() as connection:
        if not _is_waited_for(connection, task.answers):
            LOG.info("nobody waits for these %d visits any more", len(task.assets))
            return
        producer = kombu.Producer(connection.channel(), auto_declare=False)
        for answer in place.answers(task):
            producer.publish(
                answer.packed(),
                exchange="",
                routing_key=task.answers,
                content_type="application/octet-stream",
                content_encoding="binary",
                delivery_mode=2,
                retry=True,
                retry_policy={"max_retries": 10, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 5},
            )
            LOG.info("%s: %s", answer.asset, answer.refused or f"visited in {answer.took_s:.1f} s")


def _is_waited_for(connection: Any, answers: str) -> bool:
    import amqp

    try:
        connection.default_channel.queue_declare(answers, passive=True)
    except amqp.exceptions.NotFound:
        return False
    return True


def run(place: Place, broker: Broker, processes: int) -> int:
    """Work until told to stop; the exit code. Raises UsageError before anything is taken, if this cannot be done."""
    read_inventory(place.inventory)
    made = application(place, broker)
    warnings.simplefilter("ignore", SecurityWarning)  # of root, for the sake of pickle: nothing but JSON is taken
    worker = made.Worker(
        hostname=f"riskline-{place.site}@%h",
        queues=[site_queue(place.site).name],
        concurrency=processes,
        pool="prefork",
        optimization="fair",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)

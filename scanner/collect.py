"""Collect: visits in, evidence out. The only stage that waits, so the only one that is spread out over threads."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from .allowance import Allowance, is_exhausted, visits_with_open_files
from .errors import RisklineError, TargetError, VisitFailed
from .model import Asset, Courtesy, Evidence, Probe, Problem, Reply, answers_digest, utc_now
from .plan import PlannedAsset
from .redaction import redacted, redacted_text
from .transports import Bounds, transport
from .transports.keeping import Keeping
from .turns import Turns

LOG = logging.getLogger("riskline.collect")
MAX_VISITS = 64


@dataclass(frozen=True, slots=True)
class Collected:
    """One asset's evidence and how long its visits took together. bug: a transport's own mistake, as a traceback."""

    planned: PlannedAsset
    evidence: Evidence
    took_s: float
    bug: str = ""


class Stop(threading.Event):
    """Set once somebody asked that no further visit begins. number: of the signal that asked, 0 before."""

    number = 0
    at_once = False
    """Whether those under way are not waited for either: the program is about to end, and ends them."""


@contextlib.contextmanager
def pool_until(stop: threading.Event | None, *words: Any) -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for at the end, unless somebody asked to end at once. words: as ThreadPoolExecutor's."""
    pool = ThreadPoolExecutor(*words)
    try:
        yield pool
    finally:
        pool.shutdown(wait=not _is_at_once(stop))


def _is_at_once(stop: threading.Event | None) -> bool:
    return isinstance(stop, Stop) and stop.at_once


@functools.cache
def tool_version() -> str:
    """The installed version of Riskline; looking it up costs two milliseconds, so that is done once."""
    try:
        return metadata.version("riskline")
    except metadata.PackageNotFoundError:
        return "0+unknown"


@functools.cache
def tool_digest() -> str:
    """SHA-256 over the names and texts of all that Riskline runs: its engine, its own checks, its reports."""
    here = Path(__file__).parent
    beside = [here.parent / name for name in ("checks", "reports")]  # in a checkout; a wheel has them inside
    files = sorted(file for place in (here, *beside) for file in place.rglob("*.py"))
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.relative_to(here.parent)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def collect(
    assets: Sequence[PlannedAsset],
    bounds: Bounds,
    at_once: int = 32,
    stop: threading.Event | None = None,
    courtesy: Courtesy | None = None,
    allowance: Allowance | None = None,
) -> Iterator[Collected]:
    """Visit all assets, at most `at_once` together, and give each one's evidence as it arrives.

    courtesy: at most how many of them to one network, through one gateway, to one account. allowance: what all visits
    may take together. At most twice `at_once` visits are held at a time, so memory follows the visits in flight, not
    the fleet. After `stop` is set no further visit begins; those under way end within their bounds.
    """
    allowance = allowance or Allowance()
    allowance.begin()
    at_once = max(1, min(at_once, MAX_VISITS, len(assets) or 1))
    if (room := visits_with_open_files()) < at_once:
        LOG.warning("open files are limited: %d visits at once instead of %d (ulimit -n)", room, at_once)
        at_once = room
    keeping = Keeping()
    carry_out = functools.partial(visit, bounds=bounds, allowance=allowance)
    try:
        with pool_until(stop, at_once, "visit", _begin_thread, (keeping,)) as pool:
            visits = _Visits(pool, Turns(assets, courtesy or Courtesy()), carry_out, at_once, stop, allowance)
            try:
                yield from visits.as_they_end()
            finally:
                visits.close()
    finally:
        if not _is_at_once(stop):
            keeping.end()


def _begin_thread(keeping: Keeping) -> None:
    """Before a thread's first visit. What it waits for may gather while others run; waking at every packet costs more.

    The kernel lets a batch thread, and the connection threads that it starts, not take the processor from who has it.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    keeping.begin()


class _Exhausted(VisitFailed):
    """This machine gave a visit no file, thread or memory: its own trouble, not the asset's."""


class _Visits:
    """Visits under way, and those that have ended and are not yet taken; a visit that ends makes room for the next.

    One that this machine could not carry is made once more, behind all others and with fewer beside it.
    """

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        turns: Turns,
        carry_out: Callable[[PlannedAsset], Collected],
        at_once: int,
        stop: threading.Event | None,
        allowance: Allowance,
    ) -> None:
        self._stop = stop
        self._allowance = allowance
        self._carry_out = carry_out
        self._repeated: set[str] = set()
        self._closed = False
        self._pool = pool
        self._turns = turns
        self._at_once = at_once
        self._under_way = 0
        self._held = 0
        self._lock = threading.RLock()  # a visit that ends before it is waited for is told of in the same thread
        self._ended: queue.SimpleQueue[tuple[PlannedAsset, Future[Collected]]] = queue.SimpleQueue()

    def as_they_end(self) -> Iterator[Collected]:
        """Every visit's result."""
        self._begin()
        while self._held:
            planned, future = self._ended.get()
            with self._lock:
                self._held -= 1
            self._begin()
            yield _result(planned, future)

    def close(self) -> None:
        """No further visit begins."""
        with self._lock:
            self._closed = True

    @property
    def _over(self) -> bool:
        return self._closed or (self._stop is not None and self._stop.is_set()) or self._allowance.is_over

    def _begin(self) -> None:
        """Begin as many visits as there is room for."""
        with self._lock:
            while not self._over and self._under_way < self._at_once and self._held < 2 * self._at_once:
                planned = self._turns.next()
                if planned is None:
                    return
                self._under_way += 1
                self._held += 1
                future: Future[Collected] = Future()
                future.add_done_callback(functools.partial(self._end, planned))
                self._hand_over(planned, future)

    def _hand_over(self, planned: PlannedAsset, future: Future[Collected]) -> None:
        try:
            self._pool.submit(self._fulfil, planned, future)
        except RuntimeError as error:  # no new thread, but the visit is in the pool's queue
            if self._under_way == 1:
                raise RisklineError(
                    "this machine gives us no thread to visit with; raise its limit (ulimit -u)"
                ) from error
            self._narrow()

    def _fulfil(self, planned: PlannedAsset, future: Future[Collected]) -> None:
        try:
            future.set_result(self._carry_out(planned))
        except BaseException as error:  # noqa: BLE001 - told by _result
            future.set_exception(error)

    def _end(self, planned: PlannedAsset, future: Future[Collected]) -> None:
        with self._lock:
            self._under_way -= 1
            self._turns.over(planned)
            again = self._is_to_be_repeated(planned, future)
            if again:
                self._held -= 1
                self._turns.again(planned)
        self._begin()
        if not again:
            self._ended.put((planned, future))

    def _is_to_be_repeated(self, planned: PlannedAsset, future: Future[Collected]) -> bool:
        if not isinstance(future.exception(), _Exhausted) or planned.asset.id in self._repeated or self._over:
            return False
        self._repeated.add(planned.asset.id)
        self._narrow()
        return True

    def _narrow(self) -> None:
        """Go on with as many visits as are under way at this moment."""
        if self._at_once > max(1, self._under_way):
            self._at_once = max(1, self._under_way)
            LOG.warning("this machine is short of files, memory or threads: %d visits at once", self._at_once)


def _result(planned: PlannedAsset, future: Future[Collected]) -> Collected:
    """The visit's result; a transport's own bug becomes replies that say so, and loses no other asset."""
    kept: dict[str, Reply]
    bug = future.exception()
    if bug is None:
        return future.result()
    if isinstance(bug, _Exhausted):
        return uncarried(planned, str(bug))
    text = redacted_text("".join(traceback.format_exception(bug)))
    LOG.error("%s: a bug in Riskline: %s", planned.asset.id, text)
    kept = {}
    for probes in planned.visits.values():
        kept |= _failed(probes, "check-bug", f"a bug in Riskline: {type(bug).__name__}", {})
    return Collected(planned, make_evidence(planned.asset.id, kept, {"riskline": text.splitlines()[-1]}), 0.0, text)


def uncarried(planned: PlannedAsset, why: str = "this machine could not carry the visit: MemoryError") -> Collected:
    """What stands for a visit that this machine had no file, thread or memory for: every question failed."""
    kept: dict[str, Reply] = {}
    for probes in planned.visits.values():
        kept |= _failed(probes, "failed", why, {})
    return Collected(planned, make_evidence(planned.asset.id, kept, {"riskline": why}), 0.0)


def visit(planned: PlannedAsset, bounds: Bounds, allowance: Allowance | None = None) -> Collected:
    """Everything that is asked of one asset, way by way, each failure kept as its replies.

    Raises _Exhausted where this machine itself could not carry the visit.
    """
    allowance = allowance or Allowance()
    started = time.monotonic()
    replies: dict[str, Reply] = {}
    failures: dict[str, str] = {}
    for way, probes in planned.visits.items():
        try:
            answered = transport(way).visit(planned.asset, probes, allowance.of(bounds))
            allowance.spend(answered.values())
            replies |= {probe.key: answered.get(probe) or _unanswered(probe) for probe in probes}
        except (TargetError, OSError, RuntimeError, MemoryError) as error:
            if is_exhausted(error):
                raise _Exhausted(
                    f"this machine could not carry the visit: {str(error) or type(error).__name__}"
                ) from error
            if not isinstance(error, TargetError):
                raise
            allowance.spend(error.answered.values())
            failures[way] = f"{error.problem}: {error}"
            replies |= _failed(probes, error.problem, str(error), error.answered)
    failures = {way: redacted_text(why) for way, why in failures.items()}
    took_s = time.monotonic() - started
    return Collected(planned, make_evidence(planned.asset.id, redacted(replies), failures), took_s)


def _failed(
    probes: Sequence[Probe], problem: Problem, detail: str, answered: Mapping[Probe, Reply]
) -> dict[str, Reply]:
    return {probe.key: answered.get(probe) or Reply(problem=problem, detail=detail) for probe in probes}


def _unanswered(probe: Probe) -> Reply:
    return Reply(problem="failed", detail=f"the transport gave no answer to {probe.key}")


def make_evidence(asset: str, replies: Mapping[str, Reply], failures: Mapping[str, str]) -> Evidence:
    """Evidence of now, with its digest over asset, replies and failures (not over when, nor how long it took)."""
    return Evidence(asset, utc_now(), tool_version(), replies, failures, answers_digest(asset, replies, failures))


def describe(asset: Asset) -> str:
    """How an asset is reached, for people: 'ssh db1.example.org, nmap'."""
    return ", ".join(
        f"{way} {asset.address}" if asset.address and way in {"ssh", "winrm"} else way for way in asset.ways
    )

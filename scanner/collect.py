"""Collect: visits in, evidence out. The only stage that waits, so the only one that is spread out over threads."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import queue
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata

from .errors import TargetError
from .model import Asset, Evidence, Probe, Problem, Reply, utc_now
from .plan import PlannedAsset
from .redaction import redacted, redacted_text
from .transports import Bounds, transport

LOG = logging.getLogger("riskline.collect")
MAX_VISITS = 64


@dataclass(frozen=True, slots=True)
class Collected:
    """One asset's evidence and how long its visits took together. bug: a transport's own mistake, as a traceback."""

    planned: PlannedAsset
    evidence: Evidence
    took_s: float
    bug: str = ""


@functools.cache
def tool_version() -> str:
    """The installed version of Riskline; looking it up costs two milliseconds, so that is done once."""
    try:
        return metadata.version("riskline")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def collect(
    assets: Sequence[PlannedAsset], bounds: Bounds, at_once: int = 32, stop: threading.Event | None = None
) -> Iterator[Collected]:
    """Visit all assets, at most `at_once` together, and give each one's evidence as it arrives.

    At most twice `at_once` visits are held at a time, so memory follows the visits in flight, not the fleet. After
    `stop` is set no further visit begins; those under way end within their bounds.
    """
    at_once = max(1, min(at_once, MAX_VISITS, len(assets) or 1))
    done: queue.SimpleQueue[tuple[PlannedAsset, Future[Collected]]] = queue.SimpleQueue()
    waiting = iter(assets)
    under_way = 0
    with ThreadPoolExecutor(at_once, thread_name_prefix="visit") as pool:

        def begin() -> bool:
            planned = None if stop is not None and stop.is_set() else next(waiting, None)
            if planned is None:
                return False
            pool.submit(_visit_all, planned, bounds).add_done_callback(lambda f, p=planned: done.put((p, f)))  # type: ignore[misc]
            return True

        for _ in range(2 * at_once):
            under_way += begin()
        while under_way:
            planned, future = done.get()
            under_way += begin() - 1
            yield _result(planned, future)


def _result(planned: PlannedAsset, future: Future[Collected]) -> Collected:
    """The visit's result; a transport's own bug becomes replies that say so, and loses no other asset."""
    bug = future.exception()
    if bug is None:
        return future.result()
    text = redacted_text("".join(traceback.format_exception(bug)))
    LOG.error("%s: a bug in Riskline: %s", planned.asset.id, text)
    kept: dict[str, Reply] = {}
    for probes in planned.visits.values():
        kept |= _failed(probes, "check-bug", f"a bug in Riskline: {type(bug).__name__}", {})
    return Collected(planned, make_evidence(planned.asset.id, kept, {"riskline": text.splitlines()[-1]}), 0.0, text)


def _visit_all(planned: PlannedAsset, bounds: Bounds) -> Collected:
    started = time.monotonic()
    replies: dict[str, Reply] = {}
    failures: dict[str, str] = {}
    for way, probes in planned.visits.items():
        try:
            answered = transport(way).visit(planned.asset, probes, bounds)
            replies |= {probe.key: answered.get(probe) or _unanswered(probe) for probe in probes}
        except TargetError as error:
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
    said = {key: {**asdict(reply), "took_s": 0} for key, reply in replies.items()}
    canonical = json.dumps([asset, said, dict(failures)], sort_keys=True, ensure_ascii=True)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return Evidence(asset, utc_now(), tool_version(), replies, failures, digest)


def describe(asset: Asset) -> str:
    """How an asset is reached, for people: 'ssh db1.example.org, nmap'."""
    return ", ".join(
        f"{way} {asset.address}" if asset.address and way in {"ssh", "winrm"} else way for way in asset.ways
    )

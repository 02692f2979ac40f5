"""What a scan and its workers say to each other. Pure.

A task names assets and says by digests what is meant by them: both sides have read an inventory and baselines of their
own, and a worker that would visit something else, or ask other questions, refuses. No secret is ever in a message.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from scanner.errors import UsageError
from scanner.model import Asset, Courtesy, Evidence
from scanner.plan import PlannedAsset
from scanner.register import codec
from scanner.transports import Bounds

NEAR = "people"
"""What people attested is read where the scan runs, beside its inventory."""


@dataclass(frozen=True, slots=True)
class Words:
    """What `riskline scan` was told about judging: --baseline and --select."""

    baselines: tuple[str, ...] = ()
    select: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Meant:
    """What is meant by an asset, as digests: its lines in the inventory, its baselines by id, what is put to it."""

    asset: str
    baselines: Mapping[str, str]
    questions: str


@dataclass(frozen=True, slots=True)
class Task:
    """A batch of visits. answers: the queue that evidence is sent to; once that is gone, nobody waits for any."""

    answers: str
    tool: str
    words: Words
    assets: Mapping[str, Meant]
    bounds: Bounds = field(default_factory=Bounds)
    courtesy: Courtesy = field(default_factory=Courtesy)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        made: dict[str, Any] = codec.plain(self)
        return made


def task_of(plain: Mapping[str, Any]) -> Task:
    """The inverse of `Task.plain`."""
    return codec.revive(Task, plain)


def meant(planned: PlannedAsset) -> Meant:
    """What this side understands by an asset."""
    baselines = {one.baseline.id: one.baseline.digest for one in planned.baselines}
    return Meant(asset_digest(planned.asset), baselines, questions_digest(planned))


def asset_digest(asset: Asset) -> str:
    """Over all that the inventory says of it, but where its attestations lie: elsewhere that is another place."""
    return _digest(asdict(replace(asset, attestations=None)))


def questions_digest(planned: PlannedAsset) -> str:
    """Over all that is put to the asset, with its bounds."""
    rows = [
        [way, [[p.key, p.privileged, p.running, p.sensitive, p.timeout_s, p.max_bytes] for p in probes]]
        for way, probes in planned.visits.items()
        if way != NEAR
    ]
    return _digest(rows)


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def difference(here: Meant, asked: Meant) -> str:
    """Why a worker must not visit what it was asked to, in plain words; "" where both mean the same."""
    if here.asset != asked.asset:
        return "its inventory describes this asset differently"
    for id, digest in asked.baselines.items():
        if id not in here.baselines:
            return f"its baselines do not give {id} to this asset"
        if here.baselines[id] != digest:
            return f"it has another version of the baseline {id}"
    if here != asked:
        return "its checks put other questions"
    return ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one asset. refused: why the worker did not visit it; then there is no evidence."""

    asset: str
    evidence: Evidence | None = None
    took_s: float = 0.0
    bug: str = ""
    refused: str = ""

    def packed(self) -> bytes:
        """As compressed bytes."""
        return codec.pack(codec.plain(self))


def answer_of(body: bytes) -> Answer:
    """The inverse of `Answer.packed`. Raises ValueError where the bytes are no answer."""
    import zlib

    try:
        return codec.revive(Answer, codec.unpack(body))
    except (zlib.error, TypeError, KeyError, AttributeError, UsageError) as error:
        raise ValueError(f"this is no answer of a worker: {error}") from error


def batches(assets: Sequence[PlannedAsset], size: int) -> list[tuple[PlannedAsset, ...]]:
    """The assets in their order, so many at a time."""
    return [tuple(assets[start : start + size]) for start in range(0, len(assets), size)]

"""Evidence of an AWS account with parts taken away: as a visit leaves it that was denied, cut or stopped half way."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from scanner.model import Evidence, Gap, Probe, Reply
from scanner.transports.aws_permissions import read_form


def without(reply: Reply, column: str, value: str) -> Reply:
    """An answer that lacks the rows of one region, or of one thing of the first wave, and says so."""
    rows = [row for row in json.loads(reply.text) if row[column] != value]
    return replace(reply, text=json.dumps(rows), gaps=(*reply.gaps, Gap(value, "denied", "taken away")))


def parts(probe: Probe, reply: Reply, regions: tuple[str, ...]) -> tuple[str, list[str]]:
    """The calls that an answer was put together from: ("of", things asked about) or ("region", regions).

    A question to the account as a whole is one call, whose answer is whole or not there.
    """
    if probe.each is not None:
        return "of", sorted({row["of"] for row in json.loads(reply.text)})
    return "region", sorted(regions) if read_form(probe)["everywhere"] else [""]


def lacking(evidence: Evidence, probes: tuple[Probe, ...], regions: tuple[str, ...]) -> Iterator[Evidence]:
    """The same evidence with one gap more in one answer, for every answer and everything it tells of."""
    for probe in probes:
        reply = evidence.replies[probe.key]
        if probe.ask[0] == "api" and reply.text.startswith("["):
            column, names = parts(probe, reply, regions)
            for value in filter(None, names):
                yield replace(evidence, replies={**evidence.replies, probe.key: without(reply, column, value)})


def cut(evidence: Evidence, probes: tuple[Probe, ...], regions: tuple[str, ...], seed: int) -> Evidence:
    """The evidence of a visit whose bytes were used up at some point: what was answered before stands, in any order."""
    chance = random.Random(seed)
    kept = chance.random()
    replies: dict[str, Reply] = dict(evidence.replies)
    for probe in sorted(probes, key=_depth):
        reply = replies[probe.key]
        if probe.ask[0] == "api" and reply.text.startswith("["):
            parent = replies.get(probe.each.key) if probe.each else None
            column, names = parts(probe, reply, regions)
            replies[probe.key] = _some(reply, parent, column, names, lambda: chance.random() > kept)
    return replace(evidence, replies=replies)


def _depth(probe: Probe) -> int:
    return 0 if probe.each is None else 1 + _depth(probe.each)


def _some(reply: Reply, parent: Reply | None, column: str, names: list[str], lose: Callable[[], bool]) -> Reply:
    """An answer of which each part came with a chance; a part of the second wave only where its thing was told of."""
    if parent is not None and parent.problem:
        return Reply(problem=parent.problem, detail=parent.detail)
    rows: list[dict[str, Any]] = json.loads(reply.text)
    if parent is not None:
        told = {row["subject"] for row in json.loads(parent.text)}
        rows = [row for row in rows if row["of"] in told]
        names = [name for name in names if name in told]
    lost = {name for name in names if lose()}
    if names and lost == set(names):
        return Reply(problem="truncated", detail="the visit's bytes were used up")
    gaps = [Gap(name, "truncated", "cut") for name in sorted(lost)] + list(parent.gaps if parent else ())
    text = json.dumps([row for row in rows if row[column] not in lost])
    return replace(reply, text=text, gaps=(*reply.gaps, *gaps))

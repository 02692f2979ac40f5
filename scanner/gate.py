"""The change gate: may this change go ahead, by what a scan found before and after it? Pure.

The answer is approve, review or block, by a written policy; every reason is one plain sentence. Blindness counts: a
change after which something can no longer be judged is not approved by silence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from . import score
from .drift import FactChange, VerdictChange, verdicts
from .model import Asset, Outcome, Run, _Strict
from .scoring.standing import with_last_known

Answer = Literal["approve", "review", "block"]


@dataclass(frozen=True, slots=True)
class Limits(_Strict):
    """What is too much; None never is. Losses are expected ones per year, in the unit of the risk policy.

    new_loss: of one finding that is new. more_loss: by which the whole of the compared assets may rise.
    worse_criticality: an asset worth at least this (1-5, its highest side) may not get worse at all.
    blind_criticality: an asset worth at least this may not lose a verdict that it had.
    """

    new_loss: float | None = None
    more_loss: float | None = None
    worse_criticality: int | None = None
    blind_criticality: int | None = None


@dataclass(frozen=True, slots=True)
class GatePolicy(_Strict):
    """`gate.yaml`. A limit of `block` that is exceeded blocks, one of `review` asks for a person, else approve."""

    version: int = 1
    block: Limits = field(default_factory=lambda: Limits(new_loss=1.0, worse_criticality=5, blind_criticality=5))
    review: Limits = field(default_factory=lambda: Limits(new_loss=0.01, more_loss=0.1, blind_criticality=1))


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer. reasons: why, worst first. loss_before, loss_after: of the assets that both runs judged."""

    answer: Answer
    reasons: tuple[str, ...]
    changes: tuple[VerdictChange, ...]
    loss_before: float
    loss_after: float


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """All that a page about one change says. before, after: the runs that were compared; drifted: the facts behind."""

    change: str
    who: str
    at: datetime
    decision: Decision
    before: Run
    after: Run
    drifted: tuple[FactChange, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Findings by what became of them. unchanged: all others of the later run; unknown: its own, changed or not."""
        counted = Counter(one.kind for one in self.decision.changes)
        there = sum(one.after is not None for one in self.decision.changes)
        findings = [finding for one in self.after.visited for finding in one.findings]
        return {
            **{kind: counted[kind] for kind in ("new", "fixed")},
            "unchanged": len(findings) - there,
            "unknown": sum(finding.outcome is Outcome.UNKNOWN for finding in findings),
            **{kind: counted[kind] for kind in ("blind", "judged", "gone", "other")},
        }


def decide(before: Run, after: Run, policy: GatePolicy, scale: score.Policy, expected: Iterable[str] = ()) -> Decision:
    """Hold the later run against the earlier one. expected: asset ids that the later run had to visit."""
    changes = verdicts(before, after)
    was, now = _losses(before, scale), _losses(after, scale, before)
    common = was.keys() & now.keys()
    totals = sum(was[id] for id in common), sum(now[id] for id in common)
    assets = {one.asset.id: one.asset for one in after.visited}
    missing = sorted(set(expected) - assets.keys())
    answers: dict[str, list[str]] = {"block": [f"{id} was not visited" for id in missing]}
    for answer, limits in (("block", policy.block), ("review", policy.review)):
        found = answers.setdefault(answer, [])
        found += _new(limits, changes, after, scale)
        found += _worse(limits, was, now, assets, totals)
        found += _blind(limits, changes, assets)
    worst: Answer = "block" if answers["block"] else "review" if answers["review"] else "approve"
    reasons = tuple(dict.fromkeys([*answers["block"], *answers["review"]]))
    return Decision(worst, reasons, tuple(changes), *totals)


def _losses(run: Run, scale: score.Policy, earlier: Run | None = None) -> dict[str, float]:
    """What each asset can expect to lose; what failed earlier and cannot be judged now still counts."""
    failed = {one.asset.id: one.findings for one in earlier.visited} if earlier else {}
    found = {}
    for one in run.visited:
        known = [each for each in failed.get(one.asset.id, ()) if (each.baseline, each.control) in run.controls]
        standing = with_last_known(one.findings, known)
        found[one.asset.id] = score.score_asset(one.asset, standing, run.controls, scale).expected_loss
    return found


def _new(limits: Limits, changes: Sequence[VerdictChange], run: Run, scale: score.Policy) -> Iterator[str]:
    if limits.new_loss is None:
        return
    failed = [change.after for change in changes if change.kind == "new" and change.after is not None]
    assets = {one.asset.id: one.asset for one in run.visited}
    by_asset = defaultdict(list)
    for finding in failed:
        by_asset[finding.asset].append(finding)
    for id, findings in by_asset.items():
        for weak in score.weaknesses(assets[id], findings, run.controls, scale):
            loss = scale.attempts * weak.v * weak.l
            if loss >= limits.new_loss:
                title = run.controls[weak.finding.baseline, weak.finding.control].title
                where = f"{id}, {weak.finding.subject}" if weak.finding.subject else id
                yield f"{where}: no longer true that “{title}”; expected to cost {loss:.2g} {scale.unit} a year"


def _worse(
    limits: Limits,
    was: Mapping[str, float],
    now: Mapping[str, float],
    assets: Mapping[str, Asset],
    totals: tuple[float, float],
) -> Iterator[str]:
    if limits.more_loss is not None and totals[1] - totals[0] > limits.more_loss:
        yield f"the expected yearly loss rises from {totals[0]:.3g} to {totals[1]:.3g}"
    for id in sorted(was.keys() & now.keys()):
        worth = _worth(assets[id])
        if limits.worse_criticality is not None and worth >= limits.worse_criticality and now[id] > was[id] * 1.000001:
            yield f"{id}, of criticality {worth}, gets worse: expected yearly loss {was[id]:.3g} to {now[id]:.3g}"


def _blind(limits: Limits, changes: Iterable[VerdictChange], assets: Mapping[str, Asset]) -> Iterator[str]:
    if limits.blind_criticality is None:
        return
    lost: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        if change.kind == "blind" and _worth(assets[change.asset]) >= limits.blind_criticality:
            lost[change.asset].add(change.control)
    for id, controls in sorted(lost.items()):
        yield f"{id}: {len(controls)} controls that could be judged before cannot be now"


def _worth(asset: Asset) -> int:
    return max(asset.criticality.c, asset.criticality.i, asset.criticality.a)

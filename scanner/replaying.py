"""A recorded run judged again from its own evidence by its own controls: the same facts must give the same verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .catalogue import Catalogue
from .evaluate import Judge
from .model import AppliesTo, Baseline, Evidence, Finding, Kind, Outcome, Run, Visited, is_digest_of
from .plan import PlannedBaseline, plan_asset, plan_baseline
from .scoring.standing import OPEN_LISTS

Place = tuple[str, str, str, str]
"""Asset, baseline, control, subject."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One verdict that came out differently. then, now: 'fail', 'unknown: denied'; "" where there was none."""

    place: Place
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it. same: verdicts that came out again. left_out: asset → why it was not judged again."""

    same: int
    differences: tuple[Difference, ...]
    left_out: dict[str, str]


def replay(run: Run, evidence: Callable[[str], Evidence | None], catalogue: Catalogue) -> Replay:
    """Judge every asset of a run again. evidence: asset id → what it answered then; None where that is not kept.

    The controls are those that were recorded, so a newer baseline changes nothing; a check that has changed does, and
    shows. Known flaws are not judged again: the feeds of that day are not kept.
    """
    planned = {name: _planned(run, name, catalogue) for name in run.baselines}
    same = 0
    differences: list[Difference] = []
    left_out: dict[str, str] = {}
    for one in run.visited:
        kept = evidence(one.asset.id)
        if kept is None:
            left_out[one.asset.id] = "its answers are no longer kept"
            continue
        if one.evidence_digest and not is_digest_of(one.evidence_digest, kept):
            differences.append(Difference((one.asset.id, "the visit", "evidence", ""), "as recorded", "other answers"))
        chosen = [planned[name] for name in _matched(one) if name in planned]
        again = Judge().findings(plan_asset(one.asset, chosen), kept) if chosen else []
        names = {each.baseline.id for each in chosen}
        then, now = dict(_told(one.findings, names)), dict(_told(again, names))
        same += sum(then.get(place) == said for place, said in now.items())
        differences += [
            Difference(place, then.get(place, ""), now.get(place, ""))
            for place in sorted({*then, *now})
            if then.get(place) != now.get(place)
        ]
    return Replay(same, tuple(differences), left_out)


def _planned(run: Run, name: str, catalogue: Catalogue) -> PlannedBaseline:
    kind: Kind = next((one.asset.kind for one in run.visited if name in one.baselines), "linux")
    controls = tuple(control for (baseline, _), control in run.controls.items() if baseline == name)
    return plan_baseline(Baseline(name, "", name, AppliesTo(kind), controls), catalogue, {})


def _matched(one: Visited) -> list[str]:
    """Baselines that were found to be for this asset: one that could not be matched gave no verdict at all."""
    judged = {f.baseline for f in one.findings if f.outcome is not Outcome.UNKNOWN}
    return [name for name in one.baselines if name in judged and name not in OPEN_LISTS]


def _told(findings: Iterable[Finding], names: set[str]) -> Iterator[tuple[Place, str]]:
    for one in findings:
        if one.baseline in names:
            said = one.outcome.value if one.outcome is not Outcome.UNKNOWN else f"unknown: {one.reason}"
            yield (one.asset, one.baseline, one.control, one.subject), said

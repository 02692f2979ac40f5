"""The life of a risk: opened, fixed, reopened. Pure: what was known + what was found → what changes.

A risk here is one failed control on one subject of one asset. Only a judgement closes it: its own control ran on its
own asset and did not fail. Unknown, unreachable, not asked: it stays open, and stale. A subject that is no longer
listed is closed only where its control could be judged for every subject.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scanner.model import Control, Finding, Outcome
from scanner.scoring.standing import OPEN_LISTS

from .codec import column

Change = Literal["opened", "fixed", "reopened"]
State = Literal["open", "fixed", "retired"]
Place = tuple[str, str]
"""Control and subject, on one asset."""

_WORST_FIRST = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS, Outcome.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the register knows of one risk. id: of its row. stale: not judged again since."""

    id: int
    place: Place
    state: State
    service: str
    baseline: str
    cause: str
    weakness: float
    stale: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One event to be written: what becomes of a risk, and why. before: None where the risk is new."""

    change: Change
    place: Place
    before: Standing | None
    finding: Finding | None
    why: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What one visit changes. stale, seen: open risks that could not, or could again, be judged. other: risks whose
    service, baseline, cause or weakness is another one now; no event, since nothing happened to the risk."""

    steps: tuple[Step, ...]
    stale: tuple[Standing, ...]
    seen: tuple[Standing, ...]
    other: tuple[tuple[Standing, Finding], ...]


def fingerprint(asset: str, control: str, subject: str) -> str:
    """The lasting name of a risk: SHA-256, in hex, of where it is; never of a value that was observed."""
    return hashlib.sha256(json.dumps([asset, control, subject]).encode("ascii")).hexdigest()


def changes(
    standing: Sequence[Standing], findings: Iterable[Finding], service: str, controls: Mapping[tuple[str, str], Control]
) -> Changes:
    """Hold one visit's findings against what is known of its asset."""
    known = {one.place: one for one in standing}
    found, judged = _by_place(findings, {*(control for control, _ in known), *OPEN_LISTS.values()})
    steps = [_opened(place, known.get(place), finding) for place, finding in found.items()]
    stale, seen, other = [], [], []
    for one in standing:
        now = found.get(one.place)
        verdict = now.outcome if now else None
        if one.state != "open":
            continue
        if verdict is Outcome.FAIL and now is not None:
            if one.stale:
                seen.append(one)
            if (one.service, one.baseline, one.cause, one.weakness) != about(now, service, controls):
                other.append((one, now))
        elif verdict in {Outcome.PASS, Outcome.NOT_APPLICABLE} or (
            now is None and (one.place[0] in judged or OPEN_LISTS.get(one.baseline, "") in judged)
        ):
            steps.append(Step("fixed", one.place, one, now, _why_fixed(now)))
        elif not one.stale:
            stale.append(one)
    return Changes(tuple(step for step in steps if step), tuple(stale), tuple(seen), tuple(other))


def _by_place(findings: Iterable[Finding], known: set[str]) -> tuple[dict[Place, Finding], set[str]]:
    """The worst finding of each place, and the controls that were judged for all their subjects.

    What did not fail matters only for the controls that are `known` to have failed before.
    """
    found: dict[Place, Finding] = {}
    outcomes: dict[str, set[Outcome]] = defaultdict(set)
    for finding in findings:
        if finding.outcome is not Outcome.FAIL and column(finding.control) not in known:
            continue
        place = (column(finding.control), column(finding.subject))
        outcomes[place[0]].add(Outcome.UNKNOWN if finding.reason == "truncated" else finding.outcome)
        held = found.get(place)
        if held is None or _WORST_FIRST.index(finding.outcome) < _WORST_FIRST.index(held.outcome):
            found[place] = finding
    return found, {control for control, seen in outcomes.items() if Outcome.UNKNOWN not in seen}


def _opened(place: Place, before: Standing | None, finding: Finding) -> Step | None:
    if finding.outcome is not Outcome.FAIL or (before is not None and before.state == "open"):
        return None
    return Step("opened" if before is None else "reopened", place, before, finding, "the control failed")


ABOUT = ("service", "baseline", "cause", "weakness")


def about(finding: Finding, service: str, controls: Mapping[tuple[str, str], Control]) -> tuple[str, str, str, float]:
    """What a risk is listed with, in the order of ABOUT; the cause is the one that the finding's control names."""
    control = controls.get((finding.baseline, finding.control))
    cause = control.cause if control else finding.control
    return column(service), column(finding.baseline), column(cause), finding.weakness


def _why_fixed(now: Finding | None) -> str:
    if now is None:
        return "its subject is no longer there"
    return "the control passed" if now.outcome is Outcome.PASS else f"not applicable any more: {now.reason}"

"""Score: findings → how often, how likely, how bad. Pure: no clock, no file; docs/scoring.md explains every number.

A weakness is a failed control on one asset: v is the chance that one serious attempt gets through there, l what its
success costs. One closed formula turns any set of weaknesses into R, the expected loss per year. Failures of one root
cause usually fall together: the strongest host counts fully, every further one by 1 - `shared_fault`.

Sums are exact (fsum) and sorted by value: neither the order of the input nor anybody's name changes a digit.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import NamedTuple, get_args

from .errors import UsageError
from .model import Asset, Control, Criticality, Finding, Outcome, Risk, Score, Zone
from .scoring.coverage import Coverage, coverage
from .scoring.policy import Effects, Policy

__all__ = [
    "Assessment",
    "Coverage",
    "Curve",
    "Policy",
    "Weakness",
    "assess",
    "coverage",
    "curve",
    "points",
    "score_asset",
    "service_curves",
    "weaknesses",
    "word",
    "zone_of",
]
Controls = Mapping[tuple[str, str], Control]
Place = tuple[str, str, str, str]
"""Asset, baseline, control, subject: where a finding is."""

_NEARER: tuple[Zone, ...] = get_args(Zone)
"""Zones, the most exposed first."""
NEGLIGIBLE = 1e-9
"""A chance per attempt below this counts as none."""
LIKELIHOODS = (0.01, 0.05, 0.2, 0.5)
"""Chance of at least one loss in a year from which likelihood level 2, 3, 4, 5 begins."""


# ── one finding ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Weakness(NamedTuple):
    """One failed control on one asset. v: chance that one serious attempt gets through here. l: loss if it does."""

    asset: str
    service: str
    cause: str
    v: float
    l: float  # noqa: E741 - the letter of the formula in docs/scoring.md
    finding: Finding


def weaknesses(asset: Asset, findings: Iterable[Finding], controls: Controls, policy: Policy) -> list[Weakness]:
    """Every failed finding of one asset as v and l, those that come to nothing included."""
    return _weak(asset, findings, _Rates(asset, controls, policy), inherent=False)


def _weak(asset: Asset, findings: Iterable[Finding], rates: _Rates, inherent: bool) -> list[Weakness]:
    """inherent: take every judged finding as failed in full: what the controls hold back."""
    id, service, parts = asset.id, asset.service, asset.parts
    found = []
    for finding in findings:
        if finding.outcome is Outcome.FAIL or (inherent and finding.outcome is Outcome.PASS):
            of = rates.of_worth(asset.criticality_of(finding.subject)) if parts else rates
            cause, v, l = of[finding.baseline, finding.control]  # noqa: E741
            v = v if inherent else v * _share(finding)
            found.append(Weakness(id, service, cause, v if v >= NEGLIGIBLE else 0.0, l, finding))
    return found


class _Rates(dict[tuple[str, str], tuple[str, float, float]]):
    """Control → its cause, its v where it is missing as a whole, and its l, on assets like this one; reckoned when
    first asked.
    """

    def __init__(self, asset: Asset, controls: Controls, policy: Policy) -> None:
        super().__init__()
        self.asset, self.controls, self.policy = asset, controls, policy
        steps, of = policy.loss_steps, asset.criticality
        self.worth = (steps[of.c - 1], steps[of.i - 1], steps[of.a - 1])
        self.by_worth: dict[Criticality, _Rates] = {of: self}

    def of_worth(self, of: Criticality) -> _Rates:
        """The rates of one part of the asset, which may be worth more, or less, than the whole."""
        if of not in self.by_worth:
            self.by_worth[of] = _Rates(replace(self.asset, criticality=of), self.controls, self.policy)
        return self.by_worth[of]

    def __missing__(self, key: tuple[str, str]) -> tuple[str, float, float]:
        control, policy = self.controls[key], self.policy
        v = getattr(policy.zones, zone_of(self.asset, control)) * getattr(policy.vectors, control.vector)
        v *= policy.exploit_steps[control.exploit - 1]
        self[key] = (control.cause, v, _loss(control, self.worth, policy.effects))
        return self[key]


def _loss(control: Control, worth: tuple[float, float, float], effects: Effects) -> float:
    """The worst over confidentiality, integrity and availability of what is reached times what it is worth."""
    effect = control.effect
    c: float = getattr(effects, effect.c) * worth[0]
    i: float = getattr(effects, effect.i) * worth[1]
    a: float = getattr(effects, effect.a) * worth[2]
    return max(c, i, a)


def zone_of(asset: Asset, control: Control) -> str:
    """The zone that counts for a control: what was seen from the internet is there, whatever the inventory says."""
    seen = asset.network is not None and asset.network.viewpoint == "internet"
    if seen and control.terms and all(term.check.startswith("network.") for term in control.terms):
        return "internet"
    return min(asset.zone, asset.seen_from.get(control.id, asset.zone), key=_NEARER.index)


def _share(finding: Finding) -> float:
    if not 0 <= finding.weakness <= 1:
        raise UsageError(f"{finding.asset}, {finding.control}: weakness must be 0 to 1, not {finding.weakness!r}")
    if not 0 < finding.compensation <= 1:
        said = f"compensation must be above 0, at most 1, not {finding.compensation!r}"
        raise UsageError(f"{finding.asset}, {finding.control}: {said}")
    return finding.weakness * finding.compensation


# ── any scope ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Curve:
    """The loss curve of one scope. steps: (loss x, chance per attempt of losing at least x), x increasing."""

    steps: tuple[tuple[float, float], ...]
    attempts: float

    @property
    def expected_loss(self) -> float:
        """R: the area under the curve times the attempts of a year."""
        before = 0.0
        parts = []
        for loss, q in self.steps:
            parts.append((loss - before) * q)
            before = loss
        return self.attempts * math.fsum(parts)

    @property
    def worst(self) -> float:
        """The largest loss that is open at all."""
        return self.steps[-1][0] if self.steps else 0.0

    def per_attempt(self, loss: float) -> float:
        """Chance that one attempt costs more than `loss`."""
        return next((q for step, q in self.steps if step > loss), 0.0)

    def chance(self, loss: float = 0.0) -> float:
        """Chance of at least one loss above `loss` within a year."""
        return -math.expm1(-self.attempts * self.per_attempt(loss))


def curve(open: Iterable[Weakness], policy: Policy) -> Curve:
    """The loss curve of any set of weaknesses: one asset, one cause, one service."""
    return _curves(_holes(open), policy)[0]


Hole = tuple[tuple[float, float], ...]
"""What one cause opens on one host: (loss, chance per attempt), the largest loss first."""
Holes = dict[str, Counter[Hole]]
"""Cause → how many hosts have which hole by it. Hosts that are alike count; which they are does not."""


def _holes(open: Iterable[Weakness], into: Holes | None = None) -> Holes:
    """The holes of some weaknesses, added to those of other hosts where there are any."""
    by_host: dict[tuple[str, str], dict[float, float]] = {}
    for asset, _, cause, v, loss, _ in open:
        if v > 0 and loss > 0:
            held = by_host.setdefault((cause, asset), {})
            if v > held.get(loss, 0.0):
                held[loss] = v
    found: Holes = {} if into is None else into
    for (cause, _), held in by_host.items():
        hole = tuple(sorted(held.items(), reverse=True)) if len(held) > 1 else tuple(held.items())
        found.setdefault(cause, Counter())[hole] += 1
    return found


def _add(holes: Holes, into: Holes) -> None:
    """Add the holes of one asset to those of others."""
    for cause, kinds in holes.items():
        into.setdefault(cause, Counter()).update(kinds)


def _curves(holes: Holes, policy: Policy) -> tuple[Curve, dict[str, Curve]]:
    """The loss curve of a set of holes, and that of each of its causes alone: from the largest loss downwards."""
    at_loss: dict[float, set[str]] = {}
    for cause, kinds in holes.items():
        for loss in {loss for hole in kinds for loss, _ in hole}:
            at_loss.setdefault(loss, set()).add(cause)
    withstood: dict[str, float] = {}
    steps: list[tuple[float, float]] = []
    alone: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for loss in sorted(at_loss, reverse=True):
        for cause in at_loss[loss]:
            withstood[cause] = _withstood(_strongest(holes[cause], loss), policy.shared_fault)
            alone[cause].append((loss, -math.expm1(withstood[cause])))
        steps.append((loss, -math.expm1(math.fsum(withstood.values()))))
    by_cause = {cause: Curve(tuple(reversed(found)), policy.attempts) for cause, found in alone.items()}
    return Curve(tuple(reversed(steps)), policy.attempts), by_cause


def _strongest(kinds: Counter[Hole], loss: float) -> Counter[float]:
    """Chance of one attempt to cost at least so much on a host → how many hosts have that."""
    found: Counter[float] = Counter()
    for hole, hosts in kinds.items():
        chances = [v for step, v in hole if step >= loss]
        if chances:
            found[max(chances)] += hosts
    return found


def _withstood(chances: Counter[float], shared_fault: float) -> float:
    """The logarithm of the chance that all hosts of one cause withstand one attempt; -inf where none can."""
    strongest = max(chances)
    if strongest >= 1:
        return -math.inf
    first = math.log1p(-strongest)
    alone = shared_fault - 1
    others = (repeat(math.log1p(alone * v), hosts - (v == strongest)) for v, hosts in chances.items())
    return first + math.fsum(chain.from_iterable(others))


def _level(chance: float) -> int:
    return 1 + sum(chance >= step for step in LIKELIHOODS)


def _impact(loss: float, policy: Policy) -> int:
    return max(1, sum(loss >= step for step in policy.loss_steps))


def points(expected_loss: float, tolerance: float) -> float:
    """Score 0..100 (never 100): 50 is exactly the tolerance, three times as much is 75."""
    return 100 * expected_loss / (expected_loss + tolerance)


def word(score: float) -> str:
    """A score in plain words."""
    steps = ((10, "very low"), (25, "low"), (50, "within tolerance"), (75, "above tolerance"))
    return next((name for limit, name in steps if score < limit), "far above tolerance")


def _score(of: Curve, tolerance: float, covered: Coverage, policy: Policy) -> Score:
    loss, chance = of.expected_loss, of.chance()
    levels = (_level(chance), _impact(of.worst, policy)) if of.steps else (0, 0)
    return Score(loss, chance, points(loss, tolerance), *levels, covered.judged, covered.applicable)


def score_asset(asset: Asset, findings: Sequence[Finding], controls: Controls, policy: Policy) -> Score:
    """The score of one asset; its own findings decide it, and nothing else does."""
    of = curve(weaknesses(asset, findings, controls, policy), policy)
    return _score(of, policy.tolerances.asset, coverage(findings), policy)


# ── the whole estate ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Assessment:
    """The scores of one set of assets. risks: worst first. inherent: the organisation if no control held at all."""

    organisation: Score
    services: Mapping[str, Score]
    assets: Mapping[str, Score]
    risks: tuple[Risk, ...]
    inherent: Score


def assess(pairs: Iterable[tuple[Asset, Sequence[Finding]]], controls: Controls, policy: Policy) -> Assessment:
    """Score every asset, service and risk, and the organisation. Services are in the order of their names."""
    assets: dict[str, Score] = {}
    now: dict[str, Holes] = {}
    held: dict[str, Holes] = {}
    covered: dict[str, Coverage] = {}
    risks: dict[tuple[str, str], _Open] = defaultdict(_Open)
    alike: dict[Hashable, _Rates] = {}
    for asset, findings in pairs:  # nothing of one asset's findings is held once the next one's are asked for
        rates = alike.setdefault(_standing_of(asset), _Rates(asset, controls, policy))
        found = _weak(asset, findings, rates, inherent=False)
        seen, holes = coverage(findings), _holes(found)
        assets[asset.id] = _score(_curves(holes, policy)[0], policy.tolerances.asset, seen, policy)
        _add(holes, now.setdefault(asset.service, {}))
        _holes(_weak(asset, findings, rates, inherent=True), held.setdefault(asset.service, {}))
        covered[asset.service] = covered.get(asset.service, Coverage()) + seen
        for one in found:
            if one.v > 0 and one.l > 0:
                risks[one.service, one.cause].take(one, controls)
    both = {name: _curves(now[name], policy) for name in sorted(now)}
    bare = [_curves(held[name], policy)[0] for name in sorted(held)]
    everything = sum(covered.values(), Coverage())
    return Assessment(
        organisation=_organisation([of for of, _ in both.values()], everything, policy),
        services={name: _score(of, policy.tolerances.service, covered[name], policy) for name, (of, _) in both.items()},
        assets=assets,
        risks=_risks(risks, {name: causes for name, (_, causes) in both.items()}, controls, policy),
        inherent=_organisation(bare, everything, policy),
    )


def _standing_of(asset: Asset) -> Hashable:
    """All that a control's rates ask of an asset."""
    seen = asset.network is not None and asset.network.viewpoint == "internet"
    return asset.zone, asset.criticality, tuple(sorted(asset.seen_from.items())), seen


def service_curves(
    pairs: Iterable[tuple[Asset, Sequence[Finding]]], controls: Controls, policy: Policy
) -> dict[str, Curve]:
    """The loss curve of every service, in the order of their names."""
    open: dict[str, list[Weakness]] = {}
    for asset, findings in pairs:
        open.setdefault(asset.service, []).extend(weaknesses(asset, findings, controls, policy))
    return {name: curve(open[name], policy) for name in sorted(open)}


def _organisation(services: Sequence[Curve], covered: Coverage, policy: Policy) -> Score:
    """Services add up: what one of them is worth is its own."""
    loss = math.fsum(of.expected_loss for of in services)
    chance = -math.expm1(-policy.attempts * math.fsum(of.per_attempt(0) for of in services))
    worst = max((of.worst for of in services), default=0.0)
    levels = (_level(chance), _impact(worst, policy)) if worst else (0, 0)
    return Score(
        loss, chance, points(loss, policy.tolerances.organisation), *levels, covered.judged, covered.applicable
    )


class _Open:
    """A risk in the making: what its weaknesses leave of themselves, so that none of them is held."""

    def __init__(self) -> None:
        self.worst: tuple[float, str, str] = (math.inf, "", "")  # what it costs alone, below zero; control, baseline
        self.assets: set[str] = set()
        self.flaws: set[tuple[str, str]] = set()
        self.findings = 0

    def take(self, one: Weakness, controls: Controls) -> None:
        """One more weakness of this service and cause."""
        baseline, control = one.finding.baseline, one.finding.control
        self.worst = min(self.worst, (-one.v * one.l, control, baseline))
        self.assets.add(one.asset)
        self.findings += 1
        if "advisory" in controls[baseline, control].references:
            self.flaws.add((baseline, control))


def _risks(
    open: Mapping[tuple[str, str], _Open],
    causes: Mapping[str, Mapping[str, Curve]],
    controls: Controls,
    policy: Policy,
) -> tuple[Risk, ...]:
    """One risk per service and root cause: these are the numbers on the map."""
    risks = [_risk(place, found, causes[place[0]][place[1]], controls, policy) for place, found in open.items()]
    return tuple(sorted(risks, key=lambda risk: (-risk.expected_loss, risk.service, risk.root_cause)))


def _title(found: _Open, controls: Controls) -> str:
    """The title of the worst; of published flaws also how many others the same change mends."""
    _, control, baseline = found.worst
    title = controls[baseline, control].title
    others = len(found.flaws) - 1
    if others < 1:
        return title
    return f"{title}, nor {'another' if others == 1 else f'{others} others'} that the same change mends"


def _risk(place: tuple[str, str], found: _Open, of: Curve, controls: Controls, policy: Policy) -> Risk:
    return Risk(
        service=place[0],
        root_cause=place[1],
        title=_title(found, controls),
        expected_loss=of.expected_loss,
        chance=of.chance(),
        likelihood=_level(of.chance()),
        impact=_impact(of.worst, policy),
        assets=tuple(sorted(found.assets)),
        findings=found.findings,
    )

"""Score: findings → how often, how likely, how bad. Pure: no clock, no file; docs/scoring.md explains every number.

A weakness is a failed control on one asset: v is the chance that one serious attempt gets through there, l what its
success costs. One closed formula turns any set of weaknesses into R, the expected loss per year. Failures of one root
cause usually fall together: the strongest host counts fully, every further one by 1 - `shared_fault`.

Sums are exact (fsum) and sorted by value: neither the order of the input nor anybody's name changes a digit.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from .errors import UsageError
from .model import Asset, Control, Finding, Outcome, Risk, Score

Controls = Mapping[tuple[str, str], Control]
Place = tuple[str, str, str, str]
"""Asset, baseline, control, subject: where a finding is."""

NEGLIGIBLE = 1e-9
"""A chance per attempt below this counts as none."""
LIKELIHOODS = (0.01, 0.05, 0.2, 0.5)
"""Chance of at least one loss in a year from which likelihood level 2, 3, 4, 5 begins."""


# ── policy: what an organisation decides, with defaults that are no measurements ─────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Zones:
    """How exposed an asset is to the attempts: half-decade steps, 0..1."""

    internet: float = 1.0
    partner: float = 0.3
    internal: float = 0.1
    restricted: float = 0.03
    isolated: float = 0.01


@dataclass(frozen=True, slots=True)
class Vectors:
    """From where a weakness can be used, 0..1."""

    network: float = 1.0
    adjacent: float = 0.3
    local: float = 0.1
    physical: float = 0.01


@dataclass(frozen=True, slots=True)
class Exploits:
    """How little skill it takes, 0..1: from theory to used everywhere now."""

    theory: float = 0.01
    chained: float = 0.03
    skilled: float = 0.1
    tooled: float = 0.3
    none_needed: float = 1.0


@dataclass(frozen=True, slots=True)
class Effects:
    """What part of an asset's worth one weakness reaches, 0..1."""

    none: float = 0.0
    partial: float = 0.3
    total: float = 1.0


@dataclass(frozen=True, slots=True)
class Losses:
    """What losing an asset of criticality 1 … 5 costs, in points or money; increasing."""

    slight: float = 1.0
    minor: float = 3.0
    moderate: float = 10.0
    major: float = 30.0
    severe: float = 100.0


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Bearable expected loss per year, in the unit of the losses. This much is score 50."""

    asset: float = 3.0
    service: float = 10.0
    organisation: float = 30.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything in a score that is a decision. attempts: serious ones per scope and year. shared_fault: 0..1.

    Anything out of range is refused with UsageError, never bent into range.
    """

    attempts: float = 3.0
    shared_fault: float = 0.95
    unit: str = "points"
    losses: Losses = field(default_factory=Losses)
    tolerances: Tolerances = field(default_factory=Tolerances)
    zones: Zones = field(default_factory=Zones)
    vectors: Vectors = field(default_factory=Vectors)
    exploits: Exploits = field(default_factory=Exploits)
    effects: Effects = field(default_factory=Effects)

    def __post_init__(self) -> None:
        _refuse_outside("attempts", self.attempts, 0, 1e6, above=True)
        _refuse_outside("shared_fault", self.shared_fault, 0, 1)
        for name in ("zones", "vectors", "exploits", "effects"):
            for key, value in asdict(getattr(self, name)).items():
                _refuse_outside(f"{name}.{key}", value, 0, 1)
        for name in ("losses", "tolerances"):
            for key, value in asdict(getattr(self, name)).items():
                _refuse_outside(f"{name}.{key}", value, 0, 1e15, above=True)
        steps = self.loss_steps
        if any(low >= high for low, high in itertools.pairwise(steps)):
            raise UsageError(f"policy: losses must increase from slight to severe, not {', '.join(map(str, steps))}")

    @property
    def loss_steps(self) -> tuple[float, ...]:
        """The losses of criticality 1 … 5."""
        return tuple(asdict(self.losses).values())


def _refuse_outside(name: str, value: float, low: float, high: float, above: bool = False) -> None:
    if type(value) in {int, float} and low <= value <= high and not (above and value == low):
        return
    wanted = f"above {low:g}, at most {high:g}" if above else f"from {low:g} to {high:g}"
    raise UsageError(f"policy: `{name}` must be a number {wanted}, not {value!r}")


# ── one finding ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Weakness:
    """One failed control on one asset. v: chance that one serious attempt gets through here. l: loss if it does."""

    asset: str
    service: str
    cause: str
    v: float
    l: float  # noqa: E741 - the letter of the formula in docs/scoring.md
    finding: Finding


def weaknesses(
    asset: Asset, findings: Iterable[Finding], controls: Controls, policy: Policy, inherent: bool = False
) -> list[Weakness]:
    """Every failed finding of one asset as v and l, those that come to nothing included.

    inherent: take every judged finding as failed in full: what the controls hold back.
    """
    counted = {Outcome.PASS, Outcome.FAIL} if inherent else {Outcome.FAIL}
    rated: dict[tuple[str, str], tuple[str, float, float]] = {}
    found = []
    for finding in findings:
        if finding.outcome not in counted:
            continue
        key = (finding.baseline, finding.control)
        if key not in rated:
            rated[key] = (controls[key].cause, *_rated(asset, controls[key], policy))
        cause, v, l = rated[key]  # noqa: E741
        v = v if inherent else v * _share(finding)
        found.append(Weakness(asset.id, asset.service, cause, v if v >= NEGLIGIBLE else 0.0, l, finding))
    return found


def _rated(asset: Asset, control: Control, policy: Policy) -> tuple[float, float]:
    """The v of a control that is missing as a whole, and its l: the worst over the three sides of its effect."""
    exploit = tuple(asdict(policy.exploits).values())[control.exploit - 1]
    v = getattr(policy.zones, zone_of(asset, control)) * getattr(policy.vectors, control.vector) * exploit
    steps = policy.loss_steps
    reached = (getattr(policy.effects, getattr(control.effect, side)) for side in "cia")
    worth = (steps[getattr(asset.criticality, side) - 1] for side in "cia")
    return v, max(effect * loss for effect, loss in zip(reached, worth, strict=True))


def zone_of(asset: Asset, control: Control) -> str:
    """The zone that counts for a control: what was seen from the internet is there, whatever the inventory says."""
    seen = asset.network is not None and asset.network.viewpoint == "internet"
    return "internet" if seen and all(term.check.startswith("network.") for term in control.terms) else asset.zone


def _share(finding: Finding) -> float:
    if not 0 <= finding.weakness <= 1:
        raise UsageError(f"{finding.asset}, {finding.control}: weakness must be 0 to 1, not {finding.weakness!r}")
    return finding.weakness


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
    at_loss: dict[float, dict[str, dict[str, float]]] = defaultdict(dict)
    for one in open:
        if one.v > 0 and one.l > 0:
            hosts = at_loss[one.l].setdefault(one.cause, {})
            if one.v > hosts.get(one.asset, 0.0):
                hosts[one.asset] = one.v
    strongest: dict[str, dict[str, float]] = defaultdict(dict)
    withstood: dict[str, float] = {}
    steps = []
    for loss in sorted(at_loss, reverse=True):
        for cause, hosts in at_loss[loss].items():
            held = strongest[cause]
            for host, v in hosts.items():
                if v > held.get(host, 0.0):
                    held[host] = v
            withstood[cause] = _withstood(held.values(), policy.shared_fault)
        steps.append((loss, -math.expm1(math.fsum(withstood.values()))))
    return Curve(tuple(reversed(steps)), policy.attempts)


def _withstood(chances: Iterable[float], shared_fault: float) -> float:
    """The logarithm of the chance that all hosts of one cause withstand one attempt; -inf where none can."""
    strongest = max(ordered := sorted(chances, reverse=True))
    if strongest >= 1:
        return -math.inf
    alone = 1 - shared_fault
    return math.log1p(-strongest) + math.fsum(math.log1p(-alone * v) for v in ordered[1:])


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


@dataclass(frozen=True, slots=True)
class Coverage:
    """Controls × assets: how many could be judged, of how many that apply."""

    judged: int = 0
    applicable: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.judged + other.judged, self.applicable + other.applicable)


def coverage(findings: Iterable[Finding]) -> Coverage:
    """Count controls, not subjects. A control that is unknown for any of its subjects does not count as judged."""
    unknown: dict[tuple[str, str, str], bool] = {}
    for finding in findings:
        if finding.outcome is not Outcome.NOT_APPLICABLE:
            key = (finding.asset, finding.baseline, finding.control)
            unknown[key] = unknown.get(key, False) or finding.outcome is Outcome.UNKNOWN
    return Coverage(sum(not blind for blind in unknown.values()), len(unknown))


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
    open: dict[str, list[Weakness]] = {}
    held: dict[str, list[Weakness]] = {}
    covered: dict[str, Coverage] = {}
    for asset, findings in pairs:
        found = weaknesses(asset, findings, controls, policy)
        seen = coverage(findings)
        assets[asset.id] = _score(curve(found, policy), policy.tolerances.asset, seen, policy)
        open.setdefault(asset.service, []).extend(found)
        held.setdefault(asset.service, []).extend(weaknesses(asset, findings, controls, policy, inherent=True))
        covered[asset.service] = covered.get(asset.service, Coverage()) + seen
    now = {name: curve(open[name], policy) for name in sorted(open)}
    bare = [curve(held[name], policy) for name in sorted(held)]
    everything = sum(covered.values(), Coverage())
    return Assessment(
        organisation=_organisation(list(now.values()), everything, policy),
        services={name: _score(of, policy.tolerances.service, covered[name], policy) for name, of in now.items()},
        assets=assets,
        risks=_risks(open, controls, policy),
        inherent=_organisation(bare, everything, policy),
    )


def _organisation(services: Sequence[Curve], covered: Coverage, policy: Policy) -> Score:
    """Services add up: what one of them is worth is its own."""
    loss = math.fsum(of.expected_loss for of in services)
    chance = -math.expm1(-policy.attempts * math.fsum(of.per_attempt(0) for of in services))
    worst = max((of.worst for of in services), default=0.0)
    levels = (_level(chance), _impact(worst, policy)) if worst else (0, 0)
    return Score(
        loss, chance, points(loss, policy.tolerances.organisation), *levels, covered.judged, covered.applicable
    )


def _risks(open: Mapping[str, Sequence[Weakness]], controls: Controls, policy: Policy) -> tuple[Risk, ...]:
    """One risk per service and root cause: these are the numbers on the map."""
    by_cause: dict[tuple[str, str], list[Weakness]] = defaultdict(list)
    for service, found in open.items():
        for one in found:
            if one.v > 0 and one.l > 0:
                by_cause[service, one.cause].append(one)
    risks = [_risk(service, cause, found, controls, policy) for (service, cause), found in by_cause.items()]
    return tuple(sorted(risks, key=lambda risk: (-risk.expected_loss, risk.service, risk.root_cause)))


def _risk(service: str, cause: str, found: Sequence[Weakness], controls: Controls, policy: Policy) -> Risk:
    of = curve(found, policy)
    worst = min(found, key=lambda one: (-one.v * one.l, one.finding.control, one.finding.baseline))
    return Risk(
        service=service,
        root_cause=cause,
        title=controls[worst.finding.baseline, worst.finding.control].title,
        expected_loss=of.expected_loss,
        chance=of.chance(),
        likelihood=_level(of.chance()),
        impact=_impact(of.worst, policy),
        assets=tuple(sorted({one.asset for one in found})),
        findings=len(found),
    )

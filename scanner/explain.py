"""The arithmetic of one number, step by step: of one finding, or of an asset, a service, the organisation. Pure.

Nothing is reckoned anew here that score.py would reckon otherwise: the tests hold each result against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import score
from .errors import UsageError
from .model import Asset, Control, Criticality, Finding, Outcome
from .score import Policy

Pairs = Sequence[tuple[Asset, Sequence[Finding]]]
Controls = Mapping[tuple[str, str], Control]
_EXPLOITS = ("theory", "chained", "skilled", "tooled", "none_needed")
_SIDES = (("confidentiality", "c"), ("integrity", "i"), ("availability", "a"))


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a product. said: the word that it stands for; source: who decided that word."""

    name: str
    said: str
    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Side:
    """What one success costs of one side of an asset: `effect` × the loss of that criticality."""

    name: str
    extent: str
    effect: float
    criticality: int
    worth: float

    @property
    def loss(self) -> float:
        """Their product."""
        return self.effect * self.worth


@dataclass(frozen=True, slots=True)
class FindingSum:
    """One failed finding. v: product of the factors. l: the largest side. alone: attempts × v × l, per year.

    counts: whether another finding of the same cause on the same asset does not already cover it.
    service_loss, service_loss_without: expected per year with and without this finding.
    """

    title: str
    finding: Finding
    cause: str
    service: str
    factors: tuple[Factor, ...]
    v: float
    sides: tuple[Side, ...]
    l: float  # noqa: E741 - the letter of the formula in docs/scoring.md
    attempts: float
    alone: float
    chance: float
    tolerance: float
    score: float
    service_loss: float
    service_loss_without: float

    @property
    def counts(self) -> bool:
        """Whether the service would be better without it."""
        return self.service_loss_without < self.service_loss


@dataclass(frozen=True, slots=True)
class Rung:
    """One piece of the area under a loss curve: from `below` to `loss`, at the chance `q` per attempt."""

    below: float
    loss: float
    q: float

    @property
    def part(self) -> float:
        """Its area."""
        return (self.loss - self.below) * self.q


@dataclass(frozen=True, slots=True)
class ScopeSum:
    """An asset or a service: the area under its loss curve, times the attempts; or an organisation: its services.

    causes: root cause → what it costs per year by itself, dearest first. parts: service → expected loss.
    """

    name: str
    kind: str
    rungs: tuple[Rung, ...]
    parts: Mapping[str, float]
    causes: Mapping[str, float]
    attempts: float
    expected_loss: float
    tolerance: float
    score: float
    chance: float


def explain_finding(
    pairs: Pairs, controls: Controls, policy: Policy, asset_id: str, control_id: str, subject: str | None = None
) -> FindingSum:
    """The worst failed finding of a control on an asset, or that of one subject. UsageError where there is none."""
    asset, findings = _of_asset(pairs, asset_id)
    failed = [
        one
        for one in findings
        if one.control == control_id and one.outcome is Outcome.FAIL and subject in {None, one.subject}
    ]
    if not failed:
        raise UsageError(_why_nothing(findings, asset_id, control_id))
    weak = max(score.weaknesses(asset, failed, controls, policy), key=lambda one: one.v * one.l)
    control = controls[weak.finding.baseline, weak.finding.control]
    open = _weaknesses(pairs, controls, policy, asset.service)
    factors, sides = (
        _factors(asset, control, weak.finding, policy),
        _sides(asset.criticality_of(weak.finding.subject), control, policy),
    )
    alone = policy.attempts * weak.v * weak.l
    return FindingSum(
        title=control.title,
        finding=weak.finding,
        cause=weak.cause,
        service=asset.service,
        factors=factors,
        v=weak.v,
        sides=sides,
        l=weak.l,
        attempts=policy.attempts,
        alone=alone,
        chance=-math.expm1(-policy.attempts * weak.v) if weak.l else 0.0,
        tolerance=policy.tolerances.asset,
        score=score.points(alone, policy.tolerances.asset),
        service_loss=score.curve(open, policy).expected_loss,
        service_loss_without=score.curve([one for one in open if one.finding != weak.finding], policy).expected_loss,
    )


def _of_asset(pairs: Pairs, asset_id: str) -> tuple[Asset, Sequence[Finding]]:
    for asset, findings in pairs:
        if asset.id == asset_id:
            return asset, findings
    raise UsageError(f"the run did not visit {asset_id}; see: riskline report")


def _why_nothing(findings: Sequence[Finding], asset_id: str, control_id: str) -> str:
    outcomes = sorted({one.outcome.value for one in findings if one.control == control_id})
    if not outcomes:
        return f"{asset_id} was not held against {control_id} in this run"
    return f"{control_id} on {asset_id} is {' and '.join(outcomes)}: it costs nothing, so there is nothing to explain"


def _weaknesses(pairs: Pairs, controls: Controls, policy: Policy, service: str) -> list[score.Weakness]:
    return [
        weak
        for asset, findings in pairs
        if asset.service == service
        for weak in score.weaknesses(asset, findings, controls, policy)
    ]


def _factors(asset: Asset, control: Control, finding: Finding, policy: Policy) -> tuple[Factor, ...]:
    zone = score.zone_of(asset, control)
    source = "inventory" if zone == asset.zone else "seen from the internet"
    step = _EXPLOITS[control.exploit - 1]
    return (
        Factor("zone", zone, getattr(policy.zones, zone), source),
        Factor("vector", control.vector, getattr(policy.vectors, control.vector), "control"),
        Factor("exploit", f"{control.exploit} {step.replace('_', ' ')}", getattr(policy.exploits, step), "control"),
        Factor("weakness", "the part of the control that is missing", finding.weakness, "finding"),
        *(
            [Factor("compensation", "what something else leaves of it", finding.compensation, "register")]
            if finding.compensation != 1
            else []
        ),
    )


def _sides(of: Criticality, control: Control, policy: Policy) -> tuple[Side, ...]:
    sides = []
    for name, letter in _SIDES:
        extent, level = getattr(control.effect, letter), getattr(of, letter)
        sides.append(Side(name, extent, getattr(policy.effects, extent), level, policy.loss_steps[level - 1]))
    return tuple(sides)


# ── scopes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def explain_scope(pairs: Pairs, controls: Controls, policy: Policy, name: str) -> ScopeSum:
    """An asset or a service by its name, or `organisation`. UsageError where there is none of that name."""
    services = sorted({asset.service for asset, _ in pairs})
    if name == "organisation":
        return _organisation(pairs, controls, policy, services)
    if name in services:
        open = _weaknesses(pairs, controls, policy, name)
        return _scope(name, "service", open, policy, policy.tolerances.service)
    asset, findings = _of_asset(pairs, name)
    return _scope(name, "asset", score.weaknesses(asset, findings, controls, policy), policy, policy.tolerances.asset)


def _scope(name: str, kind: str, open: Sequence[score.Weakness], policy: Policy, tolerance: float) -> ScopeSum:
    of = score.curve(open, policy)
    below = [0.0, *(loss for loss, _ in of.steps)]
    by_cause: dict[str, list[score.Weakness]] = {}
    for weak in open:
        by_cause.setdefault(weak.cause, []).append(weak)
    causes = {cause: score.curve(found, policy).expected_loss for cause, found in by_cause.items()}
    return ScopeSum(
        name=name,
        kind=kind,
        rungs=tuple(Rung(low, loss, q) for low, (loss, q) in zip(below, of.steps, strict=False)),
        parts={},
        causes=dict(sorted(causes.items(), key=lambda one: (-one[1], one[0]))),
        attempts=policy.attempts,
        expected_loss=of.expected_loss,
        tolerance=tolerance,
        score=score.points(of.expected_loss, tolerance),
        chance=of.chance(),
    )


def _organisation(pairs: Pairs, controls: Controls, policy: Policy, services: Sequence[str]) -> ScopeSum:
    found = score.assess(pairs, controls, policy)
    return ScopeSum(
        name="organisation",
        kind="organisation",
        rungs=(),
        parts={name: found.services[name].expected_loss for name in services},
        causes={},
        attempts=policy.attempts,
        expected_loss=found.organisation.expected_loss,
        tolerance=policy.tolerances.organisation,
        score=found.organisation.score,
        chance=found.organisation.chance,
    )

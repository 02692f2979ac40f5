"""What every score must hold, for any estate. The numbers P1 … P27 are those of docs/scoring.md."""

from __future__ import annotations

import itertools
import math
import os
import pickle
import re
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scanner.errors import UsageError
from scanner.model import Asset, Criticality, Effect, Extent, Finding, Outcome, Score, Zone
from scanner.score import Policy, curve, score_asset, weaknesses
from scanner.scoring.policy import Losses, Tolerances, Zones
from scanner.scoring.standing import Acceptance, untreated, with_last_known

from .estates import EXAMPLE, Estate, control, effects, estates, levels, scopes, shares, vectors, worths, zones

EXACT = 1e-12
WORSE: list[Zone] = ["isolated", "restricted", "internal", "partner", "internet"]
EXTENTS: list[Extent] = ["none", "partial", "total"]


def at_most(low: float, high: float, relative: float = EXACT) -> bool:
    return low <= high + relative * max(abs(low), abs(high), 1e-9)


def assert_never_worse(better: Estate, worse: Estate, policy: Policy | None = None) -> None:
    """R, the chance and the score of every scope, and the whole loss curve."""
    low, high = scopes(better.assessed(policy)), scopes(worse.assessed(policy))
    for name in low.keys() & high.keys():
        assert at_most(low[name].expected_loss, high[name].expected_loss), name
        assert at_most(low[name].chance, high[name].chance), name
        assert at_most(low[name].score, high[name].score), name
        assert low[name].likelihood <= high[name].likelihood
        assert low[name].impact <= high[name].impact
    below, above = better.curve(policy), worse.curve(policy)
    for loss in {0.0, *(step for step, _ in (*below.steps, *above.steps))}:
        assert at_most(below.chance(loss), above.chance(loss))


def numbers(of: Score) -> tuple[float, float, float, int, int]:
    """A score without its coverage."""
    return (of.expected_loss, of.chance, of.score, of.likelihood, of.impact)


@given(estates())
def test_the_loss_is_bounded_and_zero_only_where_nothing_counts(estate: Estate) -> None:
    """P1."""
    policy = Policy()
    weak = [w for asset, found in estate.pairs for w in weaknesses(asset, found, estate.controls, policy)]
    counting = [w for w in weak if w.v > 0 and w.l > 0]
    loss = curve(weak, policy).expected_loss
    assert 0 <= loss <= policy.attempts * max((w.l for w in counting), default=0.0) * (1 + EXACT)
    assert (loss == 0) == (not counting)
    for score in scopes(estate.assessed()).values():
        assert 0 <= score.score < 100
        assert 0 <= score.chance <= 1
        assert (score.likelihood == 0) == (score.impact == 0) == (score.expected_loss == 0)


@given(estates(least=1), st.data())
def test_fixing_a_finding_never_raises_and_a_new_one_never_lowers_any_number(
    estate: Estate, data: st.DataObject
) -> None:
    """P2, P3."""
    gone = data.draw(st.lists(st.sampled_from(estate.failed), min_size=1))
    assert_never_worse(estate.without(gone), estate)


@given(estates(least=1), st.data())
def test_a_worse_asset_never_lowers_a_number(estate: Estate, data: st.DataObject) -> None:
    """P4: zone and criticality."""
    asset = data.draw(st.sampled_from([asset for asset, _ in estate.pairs]))
    zone = data.draw(st.sampled_from(WORSE[WORSE.index(asset.zone) :]))
    of = asset.criticality
    more = data.draw(worths)
    worth = Criticality(max(of.c, more.c), max(of.i, more.i), max(of.a, more.a))
    assert_never_worse(estate, estate.with_assets({asset.id: replace(asset, zone=zone, criticality=worth)}))


@given(estates(least=1), st.data())
def test_a_worse_control_or_share_never_lowers_a_number(estate: Estate, data: st.DataObject) -> None:
    """P4: exploit, effect, share, what compensates it."""
    finding = data.draw(st.sampled_from(estate.failed))
    key = (finding.baseline, finding.control)
    was = estate.controls[key]
    exploit = data.draw(levels.filter(lambda level: level >= was.exploit))
    sides = asdict(was.effect).values()
    effect = Effect(*(data.draw(st.sampled_from(EXTENTS[EXTENTS.index(extent) :])) for extent in sides))
    assert_never_worse(estate, estate.with_controls({key: replace(was, exploit=exploit, effect=effect)}))
    share, left = data.draw(st.floats(finding.weakness, 1)), data.draw(st.floats(finding.compensation, 1))
    assert_never_worse(estate, estate.swapped(finding, replace(finding, weakness=share, compensation=left)))


@given(estates(least=1), st.data())
def test_a_weaker_finding_of_the_same_cause_on_the_same_asset_changes_nothing(
    estate: Estate, data: st.DataObject
) -> None:
    """P5: by the same control, or by another one of the same cause that is no easier and reaches no more."""
    finding = data.draw(st.sampled_from(estate.failed))
    of = estate.controls[finding.baseline, finding.control]
    exploit = data.draw(levels.filter(lambda level: level <= of.exploit))
    sides = (EXTENTS[: EXTENTS.index(extent) + 1] for extent in asdict(of.effect).values())
    milder = replace(of, id="milder", root_cause=of.cause, exploit=exploit,
                     effect=Effect(*(data.draw(st.sampled_from(side)) for side in sides)))  # fmt: skip
    estate = estate.with_controls({("b", "milder"): milder})
    share = data.draw(st.floats(0, finding.weakness))
    again = [replace(finding, subject="again", control=id, weakness=share) for id in (finding.control, "milder")]
    before, after = scopes(estate.assessed()), scopes(estate.with_more(finding.asset, again).assessed())
    for name, score in before.items():
        # another step of loss parts the same area otherwise: the last digit of a sum may differ
        assert numbers(after[name]) == pytest.approx(numbers(score), rel=EXACT, abs=EXACT)


@given(estates(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_no_digit(estate: Estate, draw: object) -> None:
    """P6."""
    shuffle = draw.shuffle  # type: ignore[attr-defined]
    pairs = [(asset, list(found)) for asset, found in estate.pairs]
    shuffle(pairs)
    for _, found in pairs:
        shuffle(found)
    shuffled = replace(estate, pairs=tuple((asset, tuple(found)) for asset, found in pairs))
    before, after = estate.assessed(), shuffled.assessed()
    assert scopes(before) == scopes(after)
    assert before.risks == after.risks
    assert list(before.services) == list(after.services)


@given(estates())
def test_names_change_no_digit(estate: Estate) -> None:
    """P7: assets, services, causes and controls renamed so that they sort the other way round."""

    def other(name: str) -> str:
        return "".join(chr(200 - ord(letter)) for letter in name)

    pairs = tuple(
        (
            replace(asset, id=other(asset.id), service=other(asset.service)),
            tuple(replace(f, asset=other(f.asset), control=other(f.control)) for f in found),
        )
        for asset, found in estate.pairs
    )
    controls = {
        (baseline, other(name)): replace(one, id=other(name), root_cause=other(one.cause))
        for (baseline, name), one in estate.controls.items()
    }
    before, after = estate.assessed(), Estate(pairs, controls).assessed()
    assert {other(name): score for name, score in before.services.items()} == after.services
    assert {other(name): score for name, score in before.assets.items()} == after.assets
    assert (before.organisation, before.inherent) == (after.organisation, after.inherent)
    assert sorted(risk.expected_loss for risk in before.risks) == sorted(risk.expected_loss for risk in after.risks)


@given(estates(), worths, zones)
def test_an_asset_without_findings_changes_no_number(estate: Estate, worth: Criticality, zone: Zone) -> None:
    """P8."""
    clean = Asset("clean", service="s0", zone=zone, criticality=worth)
    before = scopes(estate.assessed())
    after = scopes(replace(estate, pairs=(*estate.pairs, (clean, ()))).assessed())
    assert all(after[name] == score for name, score in before.items())


@given(estates())
def test_an_asset_is_scored_by_its_own_findings_only(estate: Estate) -> None:
    """P9."""
    scored = estate.assessed().assets
    for asset, found in estate.pairs:
        assert scored[asset.id] == score_asset(asset, found, estate.controls, Policy())


@given(estates())
def test_a_passing_control_changes_coverage_and_nothing_else(estate: Estate) -> None:
    """P10."""
    before, after = estate.assessed(), estate.only(estate.failed).assessed()
    assert {k: numbers(v) for k, v in scopes(before).items()} == {k: numbers(v) for k, v in scopes(after).items()}
    assert before.risks == after.risks


@given(estates(), st.data())
def test_a_scope_costs_at_least_its_parts_and_at_most_their_sum(estate: Estate, data: st.DataObject) -> None:
    """P11, P12."""
    part = [finding for finding in estate.failed if data.draw(st.booleans())]
    one, rest = estate.only(part).curve().expected_loss, estate.without(part).curve().expected_loss
    whole = estate.curve().expected_loss
    assert at_most(max(one, rest), whole)
    assert at_most(whole, one + rest)


@given(zones, worths, vectors, levels, effects, shares)
def test_one_finding_costs_attempts_times_v_times_l(
    zone: Zone, worth: Criticality, vector: object, exploit: object, effect: Effect, share: float
) -> None:
    """P13, by the scale factors written out once more."""
    asset = Asset("a", zone=zone, criticality=worth)
    known = {("b", "c"): control("c", "g", vector, exploit, effect)}  # type: ignore[arg-type]
    found = [Finding("a", "b", "c", "", Outcome.FAIL, weakness=share)]
    exposed = {"internet": 1, "partner": 0.3, "internal": 0.1, "restricted": 0.03, "isolated": 0.01}[zone]
    near = {"network": 1, "adjacent": 0.3, "local": 0.1, "physical": 0.01}[str(vector)]
    easy = {1: 0.01, 2: 0.03, 3: 0.1, 4: 0.3, 5: 1}[exploit]  # type: ignore[index]
    reached = {"none": 0, "partial": 0.3, "total": 1}
    worst = max(
        reached[e] * (1, 3, 10, 30, 100)[w - 1]
        for e, w in zip(asdict(effect).values(), asdict(worth).values(), strict=True)
    )
    v = exposed * near * easy * share
    scored = score_asset(asset, found, known, Policy())
    assert scored.expected_loss == pytest.approx(3 * (v if v >= 1e-9 else 0) * worst, rel=1e-9)


@given(estates(least=1), shares, st.data())
def test_one_findings_share_moves_the_loss_by_no_more_than_its_own_loss(
    estate: Estate, share: float, data: st.DataObject
) -> None:
    """P14."""
    finding = data.draw(st.sampled_from(estate.failed))
    changed = replace(finding, weakness=share)
    asset = next(asset for asset, _ in estate.pairs if asset.id == finding.asset)
    (was,) = weaknesses(asset, [finding], estate.controls, Policy())
    (now,) = weaknesses(asset, [changed], estate.controls, Policy())
    moved = abs(estate.curve().expected_loss - estate.swapped(finding, changed).curve().expected_loss)
    assert moved <= 3 * abs(was.v - now.v) * was.l + 1e-9


@given(estates())
def test_the_chance_of_a_larger_loss_is_never_larger(estate: Estate) -> None:
    """P15."""
    of = estate.curve()
    chances = [of.chance(loss) for loss in (0, *(step for step, _ in of.steps), 1e9)]
    assert all(0 <= after <= before <= 1 for before, after in itertools.pairwise(chances))


@given(estates(), st.floats(0.01, 1e6))
def test_the_unit_of_loss_changes_no_score(estate: Estate, unit: float) -> None:
    """P16."""
    usual = Policy()
    losses = Losses(*(unit * loss for loss in usual.loss_steps))
    tolerances = Tolerances(*(unit * each for each in asdict(usual.tolerances).values()))
    before, after = scopes(estate.assessed()), scopes(estate.assessed(Policy(losses=losses, tolerances=tolerances)))
    for name, score in before.items():
        assert after[name].score == pytest.approx(score.score, rel=1e-9)
        assert after[name].chance == pytest.approx(score.chance, rel=1e-9)
        assert after[name].expected_loss == pytest.approx(unit * score.expected_loss, rel=1e-9)


@given(estates(), st.floats(0.01, 100))
def test_the_loss_follows_the_number_of_attempts_so_that_no_ranking_depends_on_it(
    estate: Estate, attempts: float
) -> None:
    """P17."""
    before, after = scopes(estate.assessed()), scopes(estate.assessed(Policy(attempts=attempts)))
    for name, score in before.items():
        assert after[name].expected_loss == pytest.approx(score.expected_loss * attempts / 3, rel=1e-9)


@given(estates(), st.floats(0, 1), st.floats(0, 1))
def test_the_more_hosts_fall_together_the_less_further_ones_add(estate: Estate, one: float, other: float) -> None:
    """P18."""
    low, high = sorted([one, other])
    assert_never_worse(estate, estate, Policy(shared_fault=low))
    apart = estate.curve(Policy(shared_fault=low)).expected_loss
    together = estate.curve(Policy(shared_fault=high)).expected_loss
    assert at_most(together, apart)


@given(estates(least=1), st.integers(1, 3))
def test_where_all_hosts_fall_together_a_further_one_adds_nothing(estate: Estate, more: int) -> None:
    """P18, at 1."""
    policy = Policy(shared_fault=1)
    asset, found = estate.pairs[0]
    copies = tuple(
        (replace(asset, id=f"copy{i}"), tuple(replace(f, asset=f"copy{i}") for f in found)) for i in range(more)
    )
    larger = replace(estate, pairs=(*estate.pairs, *copies))
    assert larger.curve(policy).expected_loss == estate.curve(policy).expected_loss


@given(estates(least=1), st.data())
def test_removing_the_only_cause_leaves_nothing(estate: Estate, data: st.DataObject) -> None:
    """P19."""
    cause = estate.controls[estate.failed[0].baseline, estate.failed[0].control].cause
    of_cause = [f for f in estate.failed if estate.controls[f.baseline, f.control].cause == cause]
    alone = estate.only(of_cause)
    assert alone.without(of_cause).curve().expected_loss == 0
    assert all(score.score == 0 for score in scopes(alone.without(of_cause).assessed()).values())


@given(estates(least=2), st.data())
def test_a_hole_adds_less_where_another_is_open_already(estate: Estate, data: st.DataObject) -> None:
    """P20."""
    first, second = data.draw(st.lists(st.sampled_from(estate.failed), min_size=2, max_size=2, unique_by=id))
    neither = estate.without([first, second]).curve().expected_loss
    one, other = estate.without([second]).curve().expected_loss, estate.without([first]).curve().expected_loss
    both = estate.curve().expected_loss
    assert both - other <= one - neither + 1e-9 * max(1.0, both)


@given(estates(least=1), st.data())
def test_what_cannot_be_judged_again_never_lowers_the_loss(estate: Estate, data: st.DataObject) -> None:
    """P21: some controls unknown, some not asked at all, on some assets."""
    pairs = []
    for asset, found in estate.pairs:
        now: list[Finding] = []
        for _, of_control in itertools.groupby(sorted(found, key=lambda f: f.control), key=lambda f: f.control):
            kept = list(of_control)
            fate = data.draw(st.sampled_from(["judged", "unknown", "not asked"]))
            if fate == "judged":
                now += kept
            elif fate == "unknown":
                now.append(replace(kept[0], subject="", outcome=Outcome.UNKNOWN, reason="unreachable"))
        pairs.append((asset, tuple(with_last_known(now, [f for f in estate.failed if f.asset == asset.id]))))
    assert_never_worse(estate, replace(estate, pairs=tuple(pairs)))


@given(estates(least=1), st.data())
def test_accepting_a_risk_lowers_what_is_untreated_and_never_what_is(estate: Estate, data: st.DataObject) -> None:
    """P22: the current numbers do not know of acceptances; one ends at 00:00 UTC of the day after its last."""
    until = date(2026, 11, 23)
    taken = data.draw(st.lists(st.sampled_from(estate.failed), min_size=1))
    accepted = [Acceptance(f.asset, f.control, f.subject, "owner", "approver", "why", until) for f in taken]
    last_second = datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)
    held = estate.only(untreated(estate.findings, accepted, last_second.date()))
    assert_never_worse(held, estate)
    assert not {(f.asset, f.control, f.subject) for f in held.failed} & {(f.asset, f.control, f.subject) for f in taken}
    after = untreated(estate.findings, accepted, (last_second + timedelta(seconds=1)).date())
    assert after == estate.findings


def test_an_acceptance_needs_two_people_and_a_reason() -> None:
    with pytest.raises(UsageError, match="another person"):
        Acceptance("a", "c", "", "ada", "ada", "why", date(2026, 1, 1))
    with pytest.raises(UsageError, match="reason"):
        Acceptance("a", "c", "", "ada", "bob", " ", date(2026, 1, 1))


@given(estates(), st.data())
def test_inherent_is_at_least_current_is_at_least_planned(estate: Estate, data: st.DataObject) -> None:
    """P24."""
    planned = estate.without([f for f in estate.failed if data.draw(st.booleans())])
    now = estate.assessed()
    assert at_most(planned.assessed().organisation.expected_loss, now.organisation.expected_loss)
    assert at_most(now.organisation.expected_loss, now.inherent.expected_loss)


@given(st.lists(estates(), min_size=8, max_size=8))
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_same_input_gives_the_same_bytes_in_any_process(drawn: list[Estate]) -> None:
    """P25: whatever the order of sets, the locale or the time zone."""
    script = "import pickle, sys; print(*(repr(one.assessed()) for one in pickle.load(sys.stdin.buffer)))"
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            input=pickle.dumps([EXAMPLE, *drawn]),
            env={**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout
        for seed, locale, zone in (("1", "C", "UTC"), ("2", "de_DE.UTF-8", "Asia/Tokyo"))
    }
    assert len(said) == 1
    assert b"40.76" in said.pop()


@given(estates(least=1), st.data())
def test_one_step_of_severity_moves_the_score_the_right_way_and_never_out_of_range(
    estate: Estate, data: st.DataObject
) -> None:
    """P27."""
    finding = data.draw(st.sampled_from(estate.failed))
    key = (finding.baseline, finding.control)
    was = estate.controls[key]
    assume(was.exploit < 5)
    worse = estate.with_controls({key: replace(was, exploit=was.exploit + 1)})  # type: ignore[arg-type]
    assert_never_worse(estate, worse)
    before, after = scopes(estate.assessed()), scopes(worse.assessed())
    for name, score in after.items():
        assert 0 <= score.score - before[name].score + 1e-9 < 100
        assert all(math.isfinite(number) for number in numbers(score))


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": -1},
        {"attempts": math.nan},
        {"attempts": math.inf},
        {"attempts": True},
        {"shared_fault": 1.01},
        {"shared_fault": math.nan},
        {"zones": {"internet": 1.5}},
        {"losses": {"slight": 0}},
        {"losses": {"minor": 1.0}},
        {"losses": {"severe": math.inf}},
        {"tolerances": {"service": 0}},
    ],
)
def test_a_policy_out_of_range_is_refused_not_bent(wrong: dict[str, object]) -> None:
    """P27."""
    rooms = {"zones": Zones, "losses": Losses, "tolerances": Tolerances}
    with pytest.raises(UsageError, match="policy"):
        Policy(**{k: rooms[k](**v) if isinstance(v, dict) else v for k, v in wrong.items()})  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_out_of_range_is_refused_not_bent(share: float) -> None:
    """P27."""
    asset, found = EXAMPLE.pairs[0]
    with pytest.raises(UsageError, match="weakness"):
        score_asset(asset, [replace(found[0], weakness=share)], EXAMPLE.controls, Policy())


def test_every_word_of_the_model_has_a_factor() -> None:
    assert set(asdict(Zones())) == set(get_args(Zone))
    assert set(asdict(Policy().vectors)) == {"network", "adjacent", "local", "physical"}
    assert set(asdict(Policy().effects)) == set(get_args(Extent))
    assert len(Policy().exploit_steps) == len(Policy().loss_steps) == 5


def test_every_property_of_the_score_has_a_test_that_draws_estates() -> None:
    """P1 … P27, by what the tests say of themselves; P23 is the budget's, P26 the simulation's."""
    from . import test_budget, test_score

    held: set[str] = set()
    for module in (sys.modules[__name__], test_budget, test_score):
        for name, test in vars(module).items():
            if name.startswith("test_") and hasattr(test, "hypothesis"):
                held |= set(re.findall(r"\bP\d+\b", test.__doc__ or ""))
    assert held == {f"P{number}" for number in range(1, 28)}

"""The budget plan (P23): within the budget, honest about what it saves, and the best there is or provably near it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import budget
from scanner.budget import Action, BudgetPlan, actions, forecast, ladder
from scanner.model import Asset, Effect, Finding, Outcome
from scanner.score import Policy

from .estates import EXAMPLE, Controls, Estate, control, estates

POLICY = Policy()


def without(estate: Estate, done: Sequence[Action]) -> Estate:
    """The estate after these actions, by the findings themselves."""
    gone = {(one.service, one.root_cause) for one in done}
    services = {asset.id: asset.service for asset, _ in estate.pairs}
    return estate.without(
        [f for f in estate.failed if (services[f.asset], estate.controls[f.baseline, f.control].cause) in gone]
    )


def left(estate: Estate, done: Sequence[Action]) -> float:
    return without(estate, done).assessed(POLICY).organisation.expected_loss


def plans(estate: Estate, budgets: Sequence[int]) -> list[BudgetPlan]:
    return ladder(estate.pairs, estate.controls, POLICY, budgets)


budgets = st.lists(st.integers(0, 2000), min_size=1, max_size=4)


@given(estates(), budgets)
@settings(max_examples=60, deadline=None)
def test_a_plan_is_within_its_budget_and_saves_what_it_says(estate: Estate, wanted: list[int]) -> None:
    """P23."""
    found = plans(estate, wanted)
    assert [plan.budget for plan in found] == sorted(set(wanted))
    before = estate.assessed(POLICY).organisation.expected_loss
    for plan in found:
        done = [step.action for step in plan.steps]
        assert plan.cost == sum(action.cost for action in done) <= plan.budget
        assert plan.loss_before == pytest.approx(before, rel=1e-9, abs=1e-12)
        assert plan.loss_after == pytest.approx(left(estate, done), rel=1e-9, abs=1e-9)
        assert plan.saving == pytest.approx(math.fsum(step.saving for step in plan.steps), rel=1e-9, abs=1e-9)
        for number, step in enumerate(plan.steps, 1):
            assert step.loss_after == pytest.approx(left(estate, done[:number]), rel=1e-9, abs=1e-9)
            assert step.saving_alone == pytest.approx(before - left(estate, [step.action]), rel=1e-9, abs=1e-9)


@given(estates(), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_up_to_sixteen_actions_no_set_within_the_budget_saves_more(estate: Estate, limit: int) -> None:
    everything = actions(estate.pairs, estate.controls, POLICY)
    if len(everything) > 7:
        return
    (plan,) = plans(estate, [limit])
    sets = itertools.chain.from_iterable(itertools.combinations(everything, n) for n in range(len(everything) + 1))
    best = min(left(estate, done) for done in sets if sum(action.cost for action in done) <= limit)
    assert plan.loss_after == pytest.approx(best, rel=1e-9, abs=1e-9)
    assert plan.of_best == 1


@given(estates(), budgets)
@settings(max_examples=60, deadline=None)
def test_more_budget_never_saves_less_and_nothing_is_done_for_nothing(estate: Estate, wanted: list[int]) -> None:
    found = plans(estate, wanted)
    for small, large in itertools.pairwise(found):
        assert large.loss_after <= small.loss_after + 1e-9
    for plan in found:
        done = [step.action for step in plan.steps]
        for one in done:
            if one.cost:
                assert left(estate, [other for other in done if other is not one]) > plan.loss_after


@given(estates(least=1), st.integers(0, 1000), st.data())
@settings(max_examples=40, deadline=None)
def test_one_more_action_to_choose_from_never_lowers_the_best_saving(
    estate: Estate, limit: int, data: st.DataObject
) -> None:
    """An action that nobody can pay is one that nobody can choose; its findings stay open in both."""
    everything = actions(estate.pairs, estate.controls, POLICY)
    if not everything:
        return
    kept_out = data.draw(st.sampled_from(everything))
    dear = Policy(effort_days={kept_out.root_cause: 30_000})
    (few,) = ladder(estate.pairs, estate.controls, dear, [limit])
    (many,) = plans(estate, [limit])
    assert few.saving <= many.saving + 1e-9


@given(estates(), budgets)
@settings(max_examples=40, deadline=None)
def test_beyond_sixteen_the_plan_is_within_its_bound_of_the_best(estate: Estate, wanted: list[int]) -> None:
    exact = plans(estate, wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "EXACT_ACTIONS", -1)
        near = plans(estate, wanted)
    for best, found in zip(exact, near, strict=True):
        done = [step.action for step in found.steps]
        assert found.cost <= found.budget
        assert found.loss_after == pytest.approx(left(estate, done), rel=1e-9, abs=1e-9)
        assert found.saving <= best.saving + 1e-9
        assert found.saving >= found.of_best * best.saving - 1e-9
    for small, large in itertools.pairwise(near):
        assert large.loss_after <= small.loss_after + 1e-9


def wide(number: int) -> tuple[list[tuple[Asset, list[Finding]]], Controls]:
    """One service with so many causes, each of another size."""
    known = {
        ("b", f"c{i:03}"): control(f"c{i:03}", f"g{i:03}", "network", (i % 5) + 1, Effect("total", "none", "none"))  # type: ignore[arg-type]
        for i in range(number)
    }
    hosts = [Asset(f"a{i}", service=f"s{i % 3}", zone="partner") for i in range(12)]
    pairs = [
        (host, [Finding(host.id, "b", name, "", Outcome.FAIL) for at, (_, name) in enumerate(known) if at % 4 != i % 4])
        for i, host in enumerate(hosts)
    ]
    return pairs, known


@given(estates(), st.integers(0, 1000), st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_a_plan_among_the_dearest_causes_counts_the_others_as_open(estate: Estate, limit: int, among: int) -> None:
    (plan,) = ladder(estate.pairs, estate.controls, POLICY, [limit], among)
    (whole,) = plans(estate, [limit])
    assert plan.cost <= limit
    assert plan.loss_before == pytest.approx(whole.loss_before, rel=1e-9, abs=1e-9)
    assert plan.loss_after == pytest.approx(left(estate, [step.action for step in plan.steps]), rel=1e-9, abs=1e-9)
    assert plan.saving <= whole.saving + 1e-9
    assert len(plan.steps) <= among


def test_hundreds_of_actions_get_a_plan_that_says_how_good_it_is() -> None:
    pairs, known = wide(60)
    assert len(actions(pairs, known, POLICY)) == 180
    found = ladder(pairs, known, POLICY, [500, 2000, 8000, 10**6])
    assert [len(plan.steps) > 0 for plan in found] == [True] * 4
    assert all(0 < plan.of_best <= 1 for plan in found)
    assert found[-1].loss_after == pytest.approx(0, abs=1e-9)
    assert found[-1].of_best == pytest.approx(1)


def test_the_worked_example_closes_root_login_first_and_then_samba() -> None:
    (plan,) = plans(EXAMPLE, [120])
    assert [step.action.root_cause for step in plan.steps] == ["ssh.permit-root-login", "pkg.samba"]
    assert [step.loss_after for step in plan.steps] == pytest.approx([13.41, 4.43], abs=0.005)
    assert plan.steps[0].action.assets == ("web-1", "web-2")
    assert plan.steps[0].action.findings == 3


def test_cost_is_the_largest_effort_of_the_cause_and_a_little_for_each_further_asset() -> None:
    root = next(one for one in actions(EXAMPLE.pairs, EXAMPLE.controls, POLICY) if one.root_cause.startswith("ssh"))
    assert root.cost == 60
    dearer = Policy(effort_days={"ssh.permit-root-login": 2})
    assert actions(EXAMPLE.pairs, EXAMPLE.controls, dearer)[-2].cost == 210


def test_two_equal_holes_are_closed_together_or_not_at_all() -> None:
    """Where one alone would save nothing, a plan for one of them is no plan."""
    known = {("b", id): control(id, id, "network", 5, Effect("total", "total", "total")) for id in ("c1", "c2")}
    host = Asset("a", zone="internet")
    estate = Estate(((host, tuple(Finding("a", "b", id, "", Outcome.FAIL) for id in ("c1", "c2"))),), known)
    few, enough = plans(estate, [99, 100])
    assert few.steps == ()
    assert [step.action.root_cause for step in enough.steps] == ["c1", "c2"]
    assert [step.saving_alone for step in enough.steps] == [0, 0]
    assert enough.loss_after == 0


def test_a_forecast_counts_a_change_in_the_quarter_in_which_it_is_done() -> None:
    (plan,) = plans(EXAMPLE, [120])
    costs, (before, first, second) = [60, 50], (plan.loss_before, *(step.loss_after for step in plan.steps))
    assert [step.action.cost for step in plan.steps] == costs
    assert forecast(plan, 110) == [second]
    assert forecast(plan, 109) == [first, second]
    assert forecast(plan, 60) == [first, second]
    assert forecast(plan, 59) == [before, second]
    assert forecast(plan, 25) == [before, before, first, first, second]


def test_an_estate_without_risk_has_an_empty_plan() -> None:
    assert [plan.steps for plan in ladder([], {}, POLICY, [0, 100])] == [(), ()]

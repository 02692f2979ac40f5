"""What work buys: plans of growing size, chosen as `riskline budget` chooses them, and where each of them leads."""

from __future__ import annotations

from dataclasses import dataclass

from scanner import budget, score
from scanner.model import Run

from . import view

RUNGS_DAYS = (1, 3, 10, 30, 100, 300)
"""Working days for which a plan is made: half-decade steps, as everywhere in the score."""
SHOWN = 4
"""How many plans are told."""
AMONG = 300
"""Plans are chosen from so many of the causes that cost most; what is left out hardly counts, and the page is quick."""
LOW = 25
"""From this score down nobody asks what more would buy."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One plan. days: what it takes. score: the organisation's once it is done."""

    days: float
    changes: int
    loss: float
    score: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """rungs: plans, the smallest first, each better than the one before. agreed_days: what it takes to come down to
    the agreed level; None where nothing needs to be done for it. costs: days by (service, root cause)."""

    rungs: tuple[Rung, ...]
    agreed_days: float | None
    costs: dict[tuple[str, str], float]


def outlook(run: Run) -> Outlook:
    """Plans for all that counts in the run's scores."""
    policy = view.policy_of(run)
    pairs = [(one.asset, one.findings) for one in view.whole(run)]
    costs = {(one.service, one.root_cause): one.cost / 100 for one in budget.actions(pairs, run.controls, policy)}
    everything = round(100 * sum(costs.values()))
    budgets = [*(100 * days for days in RUNGS_DAYS if 100 * days < everything), everything]
    plans = budget.ladder(pairs, run.controls, policy, budgets, AMONG)
    bearable = policy.tolerances.organisation
    enough = [
        cost for plan in plans if plan.loss_before > bearable and (cost := _cost_until(plan, bearable)) is not None
    ]
    return Outlook(_rungs(plans, bearable), min(enough) / 100 if enough else None, costs)


def _rungs(plans: list[budget.BudgetPlan], bearable: float) -> tuple[Rung, ...]:
    """The plans that differ, up to the first that makes the risk low."""
    found: list[Rung] = []
    for plan in plans:
        if plan.steps and (not found or plan.loss_after < found[-1].loss - 1e-9):
            points = score.points(plan.loss_after, bearable)
            found.append(Rung(plan.cost / 100, len(plan.steps), plan.loss_after, points))
            if points < LOW:
                break
    return tuple(found[-SHOWN:])


def _cost_until(plan: budget.BudgetPlan, bearable: float) -> int | None:
    """What the first changes of a plan cost, up to the one that brings the loss down to what is bearable."""
    worked = 0
    for step in plan.steps:
        worked += step.action.cost
        if step.loss_after <= bearable:
            return worked
    return None

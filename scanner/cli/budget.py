"""`riskline budget`: what to do first, for so many days or so much money, and what that buys."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import choosing
from . import options as given

if TYPE_CHECKING:
    from scanner.budget import BudgetPlan
    from scanner.score import Policy

RUNGS = (0.125, 0.25, 0.5, 1.0)
"""Shares of the budget for which a plan is shown, so that one sees where the next day buys little."""
MOST_DAYS = 1_000_000


@click.command()
@click.argument("run_id", metavar="[RUN]", default="latest")
@given.register_option
@choosing.policy_option
@click.option("--days", type=click.FloatRange(0, MOST_DAYS), help="The budget in working days.")
@click.option("--money", type=click.FloatRange(0), help="The budget in the policy's currency; needs its `day_rate`.")
@click.option("--rate", type=click.FloatRange(0.01, 10_000), help="Forecast: working days that are there in a quarter.")
@click.option("-f", "--format", type=click.Choice(["table", "json"]), default="table", show_default=True)
def budget(
    run_id: str,
    register_url: str,
    policy_path: Path | None,
    days: float | None,
    money: float | None,
    rate: float | None,
    format: str,
) -> None:
    """Choose the changes that cut the most risk of RUN (default: the latest) for a budget.

    One change removes one root cause from all servers of one service. Its cost is the effort that its control names, or
    what the policy says of that cause. Savings do not add up: each is shown alone and in the order of the plan. Up to
    16 possible changes the plan is the best there is; beyond that it says how near to the best it is at least.

    \b
    riskline budget --days 5
    riskline budget --money 10000 --policy policy.yaml
    """
    from scanner.budget import forecast, ladder
    from scanner.register import open_register

    with contextlib.closing(open_register(register_url)) as register:
        run = register.run(run_id)
        policy = choosing.policy_of(register, policy_path, run)
        pairs = choosing.standing_of(register, run)
    limit = _hundredths(days, money, policy)
    budgets = [int(limit * share) for share in RUNGS]
    plans = ladder(pairs, run.controls, policy, [*budgets, MOST_DAYS * 100])
    wanted = next(plan for plan in plans if plan.budget == limit)
    ahead = forecast(wanted, round(rate * 100)) if rate else []
    if format == "json":
        told: dict[str, Any] = {"run": run.id, "unit": policy.unit, "ladder": [_plain(plan, policy) for plan in plans]}
        if rate:
            told["loss_after_quarter"] = ahead
        click.echo(json.dumps({**told, "plan": _plain(wanted, policy, steps=True)}, indent=2))
        return
    _print_ladder(plans, policy)
    _print_plan(wanted, policy)
    if rate:
        said = ", ".join(f"{loss:.4g} after {number}" for number, loss in enumerate(ahead[:40], 1))
        click.echo(
            f"At {rate:g} days in a quarter, {policy.unit} a year by quarter: {wanted.loss_before:.4g} now, {said}."
        )


def _hundredths(days: float | None, money: float | None, policy: Policy) -> int:
    """The budget in hundredths of a working day."""
    from scanner.errors import UsageError

    if (days is None) == (money is None):
        raise UsageError("say how much may be spent: --days N, or --money N")
    if money is not None:
        if not policy.day_rate:
            raise UsageError("--money needs what a working day costs: `day_rate` in the policy (--policy)")
        days = money / policy.day_rate
    # 0.29 days are 29 hundredths, though 0.29 * 100 is a little less
    return min(int((days or 0) * 100 + 1e-6), MOST_DAYS * 100)


def _plain(plan: BudgetPlan, policy: Policy, steps: bool = False) -> dict[str, Any]:
    from scanner import score

    tolerance = policy.tolerances.organisation
    told: dict[str, Any] = {
        "budget_days": None if plan.budget == MOST_DAYS * 100 else plan.budget / 100,
        "cost_days": plan.cost / 100,
        "actions": len(plan.steps),
        "saving": plan.saving,
        "loss_before": plan.loss_before,
        "loss_after": plan.loss_after,
        "score_before": score.points(plan.loss_before, tolerance),
        "score_after": score.points(plan.loss_after, tolerance),
        "at_least_of_best": plan.of_best,
        **_money(plan.cost, plan.saving, policy),
    }
    if steps:
        told["steps"] = [
            {
                "root_cause": step.action.root_cause,
                "service": step.action.service,
                "title": step.action.title,
                "fix": step.action.fix,
                "cost_days": step.action.cost / 100,
                **_money(step.action.cost, step.saving, policy),
                "saving_alone": step.saving_alone,
                "saving_in_sequence": step.saving,
                "loss_after": step.loss_after,
                "assets": list(step.action.assets),
                "findings": step.action.findings,
            }
            for step in plan.steps
        ]
    return told


def _money(cost: int, saving: float, policy: Policy) -> dict[str, float | None]:
    """Cost in money, and what each unit of it brings back in a year beyond itself; nothing where losses are points."""
    if not (policy.in_money and policy.day_rate):
        return {}
    spent = cost / 100 * policy.day_rate
    return {"cost": spent, "return": (saving - spent) / spent if spent else None}


def _print_ladder(plans: list[BudgetPlan], policy: Policy) -> None:
    from tabulate import tabulate

    rows = []
    for plan in plans:
        told = _plain(plan, policy)
        row = [
            "everything" if told["budget_days"] is None else _days(told["budget_days"]),
            f"{told['cost_days']:g}",
        ]
        row += [str(told["actions"]), f"{plan.loss_before:.4g}", f"{plan.loss_after:.4g}"]
        row += [f"{told['score_before']:.0f} → {told['score_after']:.0f}"]
        if "return" in told:
            row.append("-" if told["return"] is None else f"{told['return']:+.1f}")
        rows.append(row)
    headers = ["Budget", "Days", "Changes", f"{policy.unit} a year now", "then", "Score"]
    money = ["Return"] if policy.in_money and policy.day_rate else []
    click.echo(tabulate(rows, headers=[*headers, *money], disable_numparse=True))


def _print_plan(plan: BudgetPlan, policy: Policy) -> None:
    from scanner.inert import printable

    if not plan.steps:
        click.echo(f"\nNothing that lowers the risk fits into {_days(plan.budget / 100)}.")
        return
    click.echo(f"\nFor {_days(plan.budget / 100)}, in this order:")
    for number, step in enumerate(plan.steps, 1):
        action = step.action
        click.secho(printable(f"{number:>3}. {action.title} ({action.service})"), bold=True)
        where = ", ".join(action.assets[:6]) + (f" and {len(action.assets) - 6} more" if len(action.assets) > 6 else "")
        if action.fix:
            click.echo(_wrapped(action.fix))
        closes = f"{action.findings} finding{'s' if action.findings > 1 else ''}"
        click.echo(printable(f"     on {where}; closes {closes} of {action.root_cause}"))
        click.echo(
            f"     {_days(action.cost / 100)}; saves {step.saving:.3g} {policy.unit} a year ({step.saving_alone:.3g} if"
            f" done alone), leaves {step.loss_after:.3g}"
        )
    if plan.of_best == 1:
        click.echo("\nNo other choice within this budget saves more.")
    else:
        click.echo(f"\nThis saves at least {int(plan.of_best * 100)} % of the best possible within this budget.")
    if not policy.in_money:
        click.echo("Losses are in points, so no return on money is shown; name a currency as `unit` in the policy.")


def _days(number: float) -> str:
    return f"{number:g} day{'s' if number != 1 else ''}"


def _wrapped(text: str) -> str:
    """A fix in lines that fit a terminal. A command is broken at spaces only, so that it can be copied."""
    import textwrap

    from scanner.inert import printable

    return textwrap.fill(
        printable(text), 100, initial_indent="     ", subsequent_indent="     ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip

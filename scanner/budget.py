"""The budget plan: which changes cut the most risk for so many working days. Pure; docs/scoring.md explains it.

One action removes one root cause from one service. Savings do not add up: closing one of two equal holes buys little,
closing both buys all; so every saving is the true difference between two scores. Up to EXACT_ACTIONS actions every set
is tried. Beyond that the best of three ways to choose is taken, and a bound says how far from the best it may be.

Costs are counted in whole hundredths of a working day.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import score
from .model import Asset, Control, Finding

EXACT_ACTIONS = 16
KNAPSACK_CELLS = 5000
"""The knapsack's budget is cut into so many parts at most; costs are rounded up, so that none is exceeded."""
KNAPSACK_WORK = 1_500_000
"""The knapsack's parts times actions at most: thousands of actions get a coarser one."""
_CERTAIN = -40.0  # the logarithm below which nothing is left of a chance: 1 - exp(-40) is 1 to the last digit
_EFFORTS = ("minutes", "hours", "days", "weeks")


@dataclass(frozen=True, slots=True)
class Action:
    """One change: what removes one root cause from all assets of one service. cost: hundredths of a working day."""

    service: str
    root_cause: str
    title: str
    fix: str
    cost: int
    assets: tuple[str, ...]
    findings: int

    @property
    def id(self) -> str:
        """Its name, by which ties are decided."""
        return f"{self.root_cause} in {self.service}"


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a plan. saving_alone: if it were the only one. saving: after the ones before it. Both per year."""

    action: Action
    saving_alone: float
    saving: float
    loss_after: float


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """What to do for one budget. of_best: the least share of the best possible saving that this is; 1 where proved."""

    budget: int
    cost: int
    loss_before: float
    loss_after: float
    steps: tuple[Step, ...]
    of_best: float

    @property
    def saving(self) -> float:
        """The expected loss per year that is no longer."""
        return self.loss_before - self.loss_after


Pairs = Sequence[tuple[Asset, Sequence[Finding]]]


def ladder(
    pairs: Pairs,
    controls: Mapping[tuple[str, str], Control],
    policy: score.Policy,
    budgets: Iterable[int],
    among: int | None = None,
) -> list[BudgetPlan]:
    """One plan for each budget (in hundredths of a day), smallest first. More budget never saves less.

    among: choose from so many of the causes that cost most alone; the others stay open in every figure. Quicker.
    """
    estate = _Estate.of(pairs, controls, policy, among)
    exact = len(estate.actions) <= EXACT_ACTIONS
    tried = estate.every_set() if exact else []
    plans: list[BudgetPlan] = []
    held: frozenset[int] = frozenset()
    wanted = sorted(set(budgets))
    backward = {} if exact else _backward(estate, wanted)
    for budget in wanted:
        if exact:
            held = next(chosen for cost, _, chosen in tried if cost <= budget)
        else:
            ways = (_forward(estate, budget), backward[budget], _knapsack(estate, budget))
            held = estate.best(map(estate.trimmed, (held, *ways)))
        plans.append(_plan(estate, held, budget, exact))
    return plans


def forecast(plan: BudgetPlan, per_quarter: int) -> list[float]:
    """Expected yearly loss at the end of each quarter until the plan is done, at so many hundredths of a day in each.

    A change counts when the work on it has ended; one is begun when the one before it has.
    """
    losses: list[float] = []
    worked, now = 0, plan.loss_before
    for step in plan.steps:
        worked += step.action.cost
        ended_in = max(0, math.ceil(worked / per_quarter) - 1)
        losses += [now] * (ended_in - len(losses))
        now = step.loss_after
    return [*losses, now]


def actions(pairs: Pairs, controls: Mapping[tuple[str, str], Control], policy: score.Policy) -> tuple[Action, ...]:
    """Every change that would remove some risk, in the order of their names."""
    return _Estate.of(pairs, controls, policy).actions


# ── what an action is ────────────────────────────────────────────────────────────────────────────────────────────────


def _action(
    found: Sequence[score.Weakness], controls: Mapping[tuple[str, str], Control], policy: score.Policy
) -> Action:
    worst = min(found, key=lambda one: (-one.v * one.l, one.finding.control, one.finding.baseline))
    control = controls[worst.finding.baseline, worst.finding.control]
    efforts = {controls[one.finding.baseline, one.finding.control].effort for one in found}
    largest = max(efforts, key=_EFFORTS.index)
    days = policy.effort_days.get(worst.cause, getattr(policy.efforts, largest))
    assets = tuple(sorted({one.asset for one in found}))
    cost = round(100 * (days + policy.efforts.further_asset * (len(assets) - 1)))
    return Action(worst.service, worst.cause, control.title, control.fix, cost, assets, len(found))


# ── the loss of any set of actions ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Service:
    """One service's causes by number. gaps: between its losses. logs: number → log chance to withstand, by loss.

    stays: the same of all the causes together that no action removes.
    """

    gaps: tuple[float, ...]
    logs: Mapping[int, tuple[float, ...]]
    stays: tuple[float, ...]

    def left(self, done: Container[int]) -> list[float]:
        """Log chance to withstand, by loss, once these are done."""
        logs = [of for number, of in self.logs.items() if number not in done]
        return [math.fsum(column) for column in zip(self.stays, *logs, strict=True)]


@dataclass(frozen=True, slots=True)
class _Estate:
    """Actions by number, and what is left to lose when some of them are done."""

    actions: tuple[Action, ...]
    services: Mapping[str, _Service]
    attempts: float
    standalone: tuple[float, ...]

    @classmethod
    def of(
        cls, pairs: Pairs, controls: Mapping[tuple[str, str], Control], policy: score.Policy, among: int | None = None
    ) -> _Estate:
        open: dict[tuple[str, str], list[score.Weakness]] = defaultdict(list)
        for asset, findings in pairs:
            for weak in score.weaknesses(asset, findings, controls, policy):
                if weak.v > 0 and weak.l > 0:
                    open[weak.cause, weak.service].append(weak)
        curves = {key: score.curve(found, policy) for key, found in open.items()}
        dearest = sorted(curves, key=lambda key: (-_shown(curves[key].expected_loss), f"{key[0]} in {key[1]}"))
        keys = sorted(dearest[:among], key=lambda key: f"{key[0]} in {key[1]}")
        by_service: dict[str, dict[int, score.Curve]] = {service: {} for _, service in sorted(open)}
        for number, key in enumerate(keys):
            by_service[key[1]][number] = curves[key]
        stay = {name: [curves[key] for key in dearest[len(keys) :] if key[1] == name] for name in by_service}
        return cls(
            tuple(_action(open[key], controls, policy) for key in keys),
            {name: _service(numbered, stay[name]) for name, numbered in by_service.items()},
            policy.attempts,
            tuple(curves[key].expected_loss for key in keys),
        )

    def loss(self, done: frozenset[int]) -> float:
        """What the organisation can still expect to lose in a year."""
        return self.attempts * math.fsum(_lost(one.gaps, one.left(done)) for one in self.services.values())

    def cost(self, done: Iterable[int]) -> int:
        return sum(self.actions[number].cost for number in done)

    def best(self, sets: Iterable[frozenset[int]]) -> frozenset[int]:
        """The one that leaves the least; of equal ones the cheapest, then by the names of the actions."""
        return min(sets, key=lambda done: (_shown(self.loss(done)), self.cost(done), sorted(done)))

    def trimmed(self, done: frozenset[int]) -> frozenset[int]:
        """Without the actions that change nothing beside the others."""
        least = _shown(self.loss(done))
        for number in sorted(done, key=lambda number: (-self.actions[number].cost, number)):
            if self.actions[number].cost and _shown(self.loss(done - {number})) == least:
                done -= {number}
        return done

    def every_set(self) -> list[tuple[int, float, frozenset[int]]]:
        """Cost, loss and actions of every set, best first."""
        tables = [_every_subset(service) for service in self.services.values()]
        found = []
        for parts in itertools.product(*tables):
            done = frozenset().union(*(part for part, _ in parts))
            found.append((self.cost(done), self.attempts * math.fsum(lost for _, lost in parts), done))
        return sorted(found, key=lambda one: (_shown(one[1]), one[0], sorted(one[2])))


def _shown(loss: float) -> float:
    """A loss without the last digits, in which the order of a sum shows."""
    return float(f"{loss:.11g}")


def _service(numbered: Mapping[int, score.Curve], stay: Sequence[score.Curve]) -> _Service:
    losses = sorted({loss for curve in (*numbered.values(), *stay) for loss, _ in curve.steps})
    below = [0.0, *losses[:-1]]

    def logs(of: score.Curve) -> tuple[float, ...]:
        return tuple(_log_withstood(of.per_attempt(low)) for low in below)

    left = tuple(math.fsum(column) for column in zip(*map(logs, stay), strict=True)) if stay else (0.0,) * len(below)
    gaps = tuple(high - low for high, low in zip(losses, below, strict=True))
    return _Service(gaps, {number: logs(of) for number, of in numbered.items()}, left)


def _log_withstood(chance: float) -> float:
    return max(_CERTAIN, math.log1p(-chance)) if chance < 1 else _CERTAIN


def _lost(gaps: Sequence[float], logs: Sequence[float]) -> float:
    """The area under a loss curve, for one attempt."""
    return math.fsum(-gap * math.expm1(log) for gap, log in zip(gaps, logs, strict=True))


def _every_subset(service: _Service) -> list[tuple[frozenset[int], float]]:
    """Each set of this service's actions with what is left when it is done."""
    found: list[tuple[frozenset[int], tuple[float, ...]]] = [(frozenset(), service.stays)]
    for number, logs in service.logs.items():
        still_open = [(done, tuple(a + b for a, b in zip(sums, logs, strict=True))) for done, sums in found]
        found = [*still_open, *((done | {number}, sums) for done, sums in found)]
    return [(done, _lost(service.gaps, sums)) for done, sums in found]


# ── three ways to choose, where there are too many sets to try ───────────────────────────────────────────────────────


class _Worksite:
    """A set of actions that grows or shrinks one by one; knows at each moment what one more would change."""

    def __init__(self, estate: _Estate, done: Iterable[int]) -> None:
        self.estate, self.done = estate, set(done)
        self.of = {number: service for service in estate.services.values() for number in service.logs}
        self.sums = {id(service): service.left(self.done) for service in estate.services.values()}
        logs = {number: service.logs[number] for number, service in self.of.items()}
        self.doing = {number: [math.expm1(-log) for log in of] for number, of in logs.items()}
        self.leaving = {number: [-math.expm1(log) for log in of] for number, of in logs.items()}
        self.cost = estate.cost(self.done)
        self.worth: dict[int, float] = {}
        for service in estate.services.values():
            self._weigh(service)

    def _weigh(self, service: _Service) -> None:
        """For each action of a service: what it saves to do it next, or costs to leave it out again."""
        left = [gap * math.exp(log) for gap, log in zip(service.gaps, self.sums[id(service)], strict=True)]
        for number in service.logs:
            change = self.leaving[number] if number in self.done else self.doing[number]
            self.worth[number] = sum(map(operator.mul, left, change))

    def move(self, number: int) -> None:
        """Do this one, or leave it out again."""
        service = self.of[number]
        sign = 1 if number in self.done else -1
        self.sums[id(service)] = [
            a + sign * b for a, b in zip(self.sums[id(service)], service.logs[number], strict=True)
        ]
        self.done ^= {number}
        self.cost -= sign * self.estate.actions[number].cost
        self._weigh(service)

    def fill(self, budget: int, allowed: Iterable[int] | None = None) -> list[int]:
        """Do what saves most for its cost until nothing fits any more; the order in which it was done."""
        left, order = budget - self.cost, []
        open = set(self.of if allowed is None else allowed) - self.done
        while fitting := [number for number in open if self.estate.actions[number].cost <= left]:
            chosen = min(fitting, key=lambda number: (-self.rate(number), self.estate.actions[number].cost, number))
            self.move(chosen)
            open.discard(chosen)
            order.append(chosen)
            left -= self.estate.actions[chosen].cost
        return order

    def rate(self, number: int) -> float:
        """What it saves for what it costs."""
        cost = self.estate.actions[number].cost
        return self.worth[number] / cost if cost else math.inf


def _forward(estate: _Estate, budget: int) -> frozenset[int]:
    site = _Worksite(estate, ())
    site.fill(budget)
    return frozenset(site.done)


def _backward(estate: _Estate, budgets: Sequence[int]) -> dict[int, frozenset[int]]:
    """From everything, leave out what is missed least for its cost until a budget holds; then fill up."""
    site = _Worksite(estate, range(len(estate.actions)))
    found: dict[int, frozenset[int]] = {}
    for budget in sorted(budgets, reverse=True):
        while (over := site.cost - budget) > 0:
            paid = [number for number in site.done if estate.actions[number].cost]
            site.move(
                min(paid, key=lambda number: (site.rate(number), -min(estate.actions[number].cost, over), number))
            )
        filled = _Worksite(estate, site.done)
        filled.fill(budget)
        found[budget] = frozenset(filled.done)
    return found


def _knapsack(estate: _Estate, budget: int) -> frozenset[int]:
    """As if savings added up; then fill up."""
    most = min(KNAPSACK_CELLS, max(100, KNAPSACK_WORK // max(1, len(estate.actions))))
    unit = max(1, math.ceil(budget / most))
    cells = budget // unit
    best = [0.0] * (cells + 1)
    taken: list[bytearray] = []
    for action, value in zip(estate.actions, estate.standalone, strict=True):
        cost, marks = math.ceil(action.cost / unit), bytearray(cells + 1)
        for cell in range(cells, cost - 1, -1):
            if best[cell - cost] + value > best[cell]:
                best[cell], marks[cell] = best[cell - cost] + value, 1
        taken.append(marks)
    chosen, cell = set(), cells
    for number in range(len(taken) - 1, -1, -1):
        if taken[number][cell]:
            chosen.add(number)
            cell -= math.ceil(estate.actions[number].cost / unit)
    site = _Worksite(estate, chosen)
    site.fill(budget)
    return frozenset(site.done)


def _bound(estate: _Estate, budget: int) -> float:
    """No set within the budget saves more: parts of actions allowed, each saving what its cause costs alone."""
    rates = sorted(
        ((value / action.cost if action.cost else math.inf, value, action.cost)
         for action, value in zip(estate.actions, estate.standalone, strict=True)),
        reverse=True,
    )  # fmt: skip
    total, left = 0.0, budget
    for _, value, cost in rates:
        total += value if cost <= left else value * left / cost
        left -= min(cost, left)
    return min(total, estate.loss(frozenset()))


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _plan(estate: _Estate, chosen: frozenset[int], budget: int, exact: bool) -> BudgetPlan:
    before = now = estate.loss(frozenset())
    steps: list[Step] = []
    done: frozenset[int] = frozenset()
    for number in _Worksite(estate, ()).fill(estate.cost(chosen), chosen):
        done |= {number}
        after = estate.loss(done)
        alone = before - estate.loss(frozenset({number}))
        steps.append(Step(estate.actions[number], alone, now - after, after))
        now = after
    bound = _bound(estate, budget)
    share = 1.0 if exact or bound <= 0 else min(1.0, (before - now) / bound)
    return BudgetPlan(budget, estate.cost(chosen), before, now, tuple(steps), share)

"""Findings of a whole estate by control rather than by asset, so that the page of a thousand hosts stays one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scanner.model import Outcome, Run, Visited

from . import view

FROM = 10_000
"""From so many findings on they are told by control."""
PLACES = 60_000
"""How many places (asset and subject) the page names in all."""
LEAST = 20
"""How many each control may name, however many there are."""
JUDGED = frozenset({Outcome.FAIL, Outcome.UNKNOWN})
"""What somebody has to look at: told with its places."""
_ORDER = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2, Outcome.NOT_APPLICABLE: 3}


@dataclass(frozen=True, slots=True)
class Group:
    """All findings of one control with one outcome; for unknown ones, of one reason.

    rows: those that are named, worst first. count: how many there are. assets: on how many. loss: what each alone
    costs a year, added up; an order, not a risk.
    """

    first: view.Row
    rows: Sequence[view.Row]
    count: int
    assets: int
    loss: float


def groups(run: Run, visited: Sequence[Visited]) -> list[Group]:
    """Failed controls first, by what they cost; then unknown, passed, not applicable, by how many they are."""
    found: dict[tuple[Outcome, str, str, str], list[view.Row]] = {}
    for one in visited:
        for row in view.rows(run, one):
            of = row.finding
            reason = of.reason if of.outcome is Outcome.UNKNOWN else ""
            found.setdefault((of.outcome, of.baseline, of.control, reason), []).append(row)
    made = [_group(rows) for rows in found.values()]
    made.sort(key=lambda one: (_ORDER[one.first.finding.outcome], -one.loss, -one.count, one.first.finding.control))
    return made


def of_assets(made: Sequence[Group]) -> dict[str, list[int]]:
    """Asset → the numbers of the groups of failed, then unknown controls that it is in. Of groups not yet shortened."""
    found: dict[str, list[int]] = {}
    for number, one in enumerate(made):
        if one.first.finding.outcome in JUDGED:
            for asset in dict.fromkeys(row.finding.asset for row in one.rows):
                found.setdefault(asset, []).append(number)
    return found


def _group(rows: list[view.Row]) -> Group:
    rows.sort(key=lambda row: -row.loss)
    assets = len({row.finding.asset for row in rows})
    return Group(rows[0], rows, len(rows), assets, sum(row.loss for row in rows))


def shortened(made: Sequence[Group], left: int = PLACES) -> list[Group]:
    """The same groups, naming no place of what is fine, and no more places in all than there is room for."""
    found = []
    for one in made:
        keep = min(one.count, max(left, LEAST)) if one.first.finding.outcome in JUDGED else 0
        left -= keep
        found.append(Group(one.first, one.rows[:keep], one.count, one.assets, one.loss))
    return found

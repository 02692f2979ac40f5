"""What has happened since the run before that somebody should hear of today, in plain words. Pure.

new, reopened: risks that a run opened. worse: an asset whose score went up a level. overdue: a due date that passed
since the run before. blind: an asset of which less can be judged than before. Nothing else is news.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from . import score
from .model import Run, Visited

What = Literal["new", "reopened", "worse", "overdue", "blind"]
ORDER: Mapping[What, tuple[str, str]] = {
    "new": ("new risk", "new risks"),
    "reopened": ("risk that came back", "risks that came back"),
    "worse": ("system that got worse", "systems that got worse"),
    "overdue": ("risk past its date", "risks past their date"),
    "blind": ("system that can no longer be judged", "systems that can no longer be judged"),
}
"""In the order in which they are told: what one is called, and several."""
MOST = 10
"""Lines told of each kind; more are counted."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A risk that this run opened, or opened again."""

    asset: str
    control: str
    title: str
    fix: str
    again: bool


@dataclass(frozen=True, slots=True)
class Due:
    """An open risk with the day by which it should be dealt with."""

    asset: str
    title: str
    owner: str
    due: date


@dataclass(frozen=True, slots=True)
class News:
    """One line of the message. step: what to do next."""

    what: What
    line: str
    step: str


def news(run: Run, before: Run | None, opened: Iterable[Opened], due: Iterable[Due], today: date) -> list[News]:
    """All that is new, in the order of ORDER. before: the run before over the same inventory; None at first."""
    told = [*_opened(opened)]
    if before is not None:
        told += _worse(run, before)
        last = before.started_at.date()
        told += [
            News("overdue", f"{one.title} on {one.asset}: due {one.due}", f"Ask {one.owner or 'for an owner'}.")
            for one in sorted(due, key=lambda one: (one.due, one.asset))
            if last <= one.due < today
        ]
    told += _blind(run, before)
    places = list(ORDER)
    return sorted(told, key=lambda one: places.index(one.what))


def _opened(opened: Iterable[Opened]) -> Iterable[News]:
    """One line for each control, however many assets it is about."""
    groups: dict[tuple[bool, str], list[Opened]] = defaultdict(list)
    for one in opened:
        groups[one.again, one.control].append(one)
    for (again, _), found in sorted(groups.items(), key=lambda item: -len(item[1])):
        assets = list(dict.fromkeys(one.asset for one in found))
        where = ", ".join(assets[:3]) + (f" and {len(assets) - 3} more" if len(assets) > 3 else "")
        yield News("reopened" if again else "new", f"{found[0].title}: not so on {where}", found[0].fix)


def _worse(run: Run, before: Run) -> Iterable[News]:
    scores = {one.asset.id: one.score.score for one in before.visited}
    for one in run.visited:
        then, now = scores.get(one.asset.id), one.score.score
        if then is not None and now > then and score.word(now) != score.word(then):
            line = f"{one.asset.id}: from {then:.0f} ({score.word(then)}) to {now:.0f} ({score.word(now)})"
            yield News("worse", line, f"riskline report --limit {one.asset.id}")


def _blind(run: Run, before: Run | None) -> Iterable[News]:
    seen = {one.asset.id: one.score.judged for one in before.visited} if before else {}
    for one in run.visited:
        if _lost(one, seen.get(one.asset.id)):
            why = "; ".join(one.failures.values()) or "no control could be judged"
            yield News("blind", f"{one.asset.id}: {why}", "See that the scan account gets in again.")


def _lost(one: Visited, then: int | None) -> bool:
    """Nothing can be judged any more, or less than half of what could."""
    if then is None:
        return one.score.judged == 0 and bool(one.failures)
    return then > 0 and one.score.judged < then / 2


def title(found: Sequence[News]) -> str:
    """'Riskline: 3 new risks, 1 system that can no longer be judged'."""
    counts = {what: sum(one.what == what for one in found) for what in ORDER}
    return "Riskline: " + ", ".join(f"{number} {ORDER[what][number > 1]}" for what, number in counts.items() if number)


def body(run: Run, found: Sequence[News]) -> str:
    """The message as plain text, grouped by kind, each with what to do next."""
    lines = []
    for what, (_, words) in ORDER.items():
        those = [one for one in found if one.what == what]
        if those:
            lines += [f"{words[0].upper()}{words[1:]}:", *(f"- {one.line}\n  Next: {one.step}" for one in those[:MOST])]
            lines += [f"- and {len(those) - MOST} more"] if len(those) > MOST else []
            lines.append("")
    lines.append(f"Run {run.id}. All of it: riskline report {run.id}")
    return "\n".join(lines)

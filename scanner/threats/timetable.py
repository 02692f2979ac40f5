"""By when the known flaws of a run have to be mended: one line for each upgrade that mends them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from scanner import score
from scanner.model import Asset, Control, Finding, Outcome
from scanner.scoring import deadlines

from .said import BASELINE


@dataclass(frozen=True, slots=True)
class Line:
    """What one upgrade (or restart) mends, and the earliest day that the table gives. due None: with the next upgrade.

    answers: of the flaw that decides the day. flaws: how many it mends, over all of its assets, each counted once.
    """

    due: date | None
    deadline: str
    cause: str
    fix: str
    decided_by: str
    answers: deadlines.Answers
    flaws: int
    assets: tuple[str, ...]


def timetable(
    assets: Iterable[tuple[Asset, Iterable[Finding]]],
    controls: Mapping[tuple[str, str], Control],
    opened: Mapping[tuple[str, str, str], date],
    today: date,
) -> list[Line]:
    """The earliest day first. opened: (asset, control, subject) -> since when it is known; today where it is not."""
    found: dict[str, Line] = {}
    flaws: dict[str, set[str]] = {}
    for asset, findings in assets:
        for one in findings:
            control = controls.get((one.baseline, one.control))
            if one.baseline != BASELINE or one.outcome is not Outcome.FAIL or control is None:
                continue
            line = _line(asset, one, control, opened, today)
            if line is not None:
                flaws.setdefault(control.cause, set()).add(control.references.get("advisory", (control.id,))[0])
                found[control.cause] = _earlier(found.get(control.cause), line)
    lines = [replace(line, flaws=len(flaws[cause])) for cause, line in found.items()]
    return sorted(lines, key=lambda line: (line.due or date.max, line.cause))


def _line(
    asset: Asset, one: Finding, control: Control, opened: Mapping[tuple[str, str, str], date], today: date
) -> Line | None:
    zone = score.zone_of(asset, control)
    known = deadlines.answers(control, zone)
    if known is None:
        return None
    since = opened.get((asset.id, one.control, one.subject), today)
    label = ", ".join(control.references.get("cve", ())[:3]) or control.id
    due, told = deadlines.due(control, zone, since), str(deadlines.deadline(known))
    return Line(due, told, control.cause, control.fix, label, known, 1, (asset.id,))


def _earlier(one: Line | None, other: Line) -> Line:
    """The line that decides, for the assets of both."""
    if one is None:
        return other
    first, second = sorted((one, other), key=lambda line: (line.due or date.max, not line.answers.exploited))
    return replace(first, assets=tuple(sorted({*first.assets, *second.assets})))

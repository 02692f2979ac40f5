"""Drift: what changed between two runs, verdict by verdict and fact by fact. Pure.

A verdict that could not be reached again is *blind*, never *fixed*: unreadable proves nothing.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from . import own_answer
from .model import Evidence, Finding, Outcome, Reply, Run

Change = Literal["new", "fixed", "blind", "judged", "gone", "other"]
"""new: fails now and did not. fixed: failed and does not. blind: had a verdict, is unknown now. judged: the reverse.
gone: its subject, or the control, is no longer there. other: between pass and not applicable."""
MAX_LINES = 200

Place = tuple[str, str, str, str]
"""Asset, baseline, control, subject: what is compared with itself."""


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """One finding that is not what it was. before, after: None where there was, or is, no such finding."""

    kind: Change
    asset: str
    baseline: str
    control: str
    subject: str
    before: Finding | None
    after: Finding | None


@dataclass(frozen=True, slots=True)
class FactChange:
    """One answer that is not what it was. place: the file or row inside it, or "". lines: a diff, "-old" and "+new"."""

    asset: str
    question: str
    place: str
    lines: tuple[str, ...]


def verdicts(before: Run, after: Run) -> list[VerdictChange]:
    """What changed from one run to another, in the order of the later one; assets that only one run has are left out.

    An asset of the earlier run that the later one did not visit is no change: nothing is known of it.
    """
    assets = {one.asset.id for one in before.visited} & {one.asset.id for one in after.visited}
    old, new = _by_place(before.findings, assets), _by_place(after.findings, assets)
    changes = [_change(place, old.get(place), finding) for place, finding in new.items()]
    changes += [_change(place, finding, None) for place, finding in old.items() if place not in new]
    silenced = {(c.asset, c.baseline, c.control) for c in changes if c is not None and c.kind == "blind"}
    return [c for c in changes if c is not None and not _only_unseen(c, silenced, new)]


def _by_place(findings: Iterable[Finding], assets: set[str]) -> dict[Place, Finding]:
    return {(f.asset, f.baseline, f.control, f.subject): f for f in findings if f.asset in assets}


def _change(place: Place, old: Finding | None, new: Finding | None) -> VerdictChange | None:
    was = old.outcome if old else None
    now = new.outcome if new else None
    if was is now:
        return None
    return VerdictChange(_kind(was, now), *place, old, new)


def _kind(was: Outcome | None, now: Outcome | None) -> Change:
    if now is Outcome.FAIL:
        return "new"
    if now is Outcome.UNKNOWN:
        return "blind"
    if now is None:
        return "gone"
    if was is Outcome.FAIL:
        return "fixed"
    return "judged" if was is Outcome.UNKNOWN else "other"


def _only_unseen(change: VerdictChange, silenced: set[tuple[str, str, str]], new: Mapping[Place, Finding]) -> bool:
    """Whether a subject seems gone only because its control as a whole could not be judged this time."""
    control = (change.asset, change.baseline, change.control)
    whole = new.get((*control, ""))
    return change.kind == "gone" and (control in silenced or (whole is not None and whole.outcome is Outcome.UNKNOWN))


def facts(
    before: Evidence, after: Evidence, fleeting: Mapping[str, re.Pattern[str]] = MappingProxyType({})
) -> Iterator[FactChange]:
    """What an asset answers otherwise than before: this line of sudoers was added, that package is gone.

    fleeting: by probe, what of a line changes from one moment to the next, and is no drift.
    """
    for key in sorted(before.replies.keys() | after.replies.keys()):
        old, new = _parts(key, before.replies.get(key)), _parts(key, after.replies.get(key))
        for place in sorted(old.keys() | new.keys()):
            lines = _lines(old.get(place), new.get(place), fleeting.get(key))
            if lines:
                yield FactChange(after.asset, key, place, lines)


def _parts(key: str, reply: Reply | None) -> dict[str, list[str]]:
    """An answer's lines by place: a JSON mapping by its keys, a list by its items, other text as a whole."""
    if reply is None:
        return {}
    if reply.problem is not None:
        return {"": [f"({reply.problem})"]}
    try:
        value = json.loads(reply.text) if reply.text[:1] in {"{", "["} else None
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return {str(name): _said(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return {"": sorted(line for entry in value for line in _said(entry))}
    return {"": own_answer.unmarked(key, reply.text).splitlines()}


def _said(value: object) -> list[str]:
    return value.splitlines() if isinstance(value, str) else [json.dumps(value, sort_keys=True)]


def _lines(old: list[str] | None, new: list[str] | None, fleeting: re.Pattern[str] | None) -> tuple[str, ...]:
    """The lines that differ, at most MAX_LINES of them, as they were said."""
    if old == new:
        return ()
    first, second = _lasting(old or [], fleeting), _lasting(new or [], fleeting)
    if not first and not second:
        appeared, went = old is None and not new, new is None and not old
        return ("(empty)",) if appeared else ("(no longer there)",) if went else ()
    found = []
    codes = difflib.SequenceMatcher(None, [line for line, _ in first], [line for line, _ in second])
    for code, i, j, k, m in codes.get_opcodes():
        if code != "equal":
            found += [f"-{line}" for _, line in first[i:j]] + [f"+{line}" for _, line in second[k:m]]
    rest = len(found) - MAX_LINES
    return (*found[:MAX_LINES], f"… {rest} more lines") if rest > 0 else tuple(found)


def _lasting(lines: list[str], fleeting: re.Pattern[str] | None) -> list[tuple[str, str]]:
    """Each line without what is fleeting in it, and as it is; none of which nothing is left."""
    if fleeting is None:
        return [(line, line) for line in lines]
    return [(left, line) for line in lines if (left := fleeting.sub("", line))]

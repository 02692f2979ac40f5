"""One page about one change: may it go ahead, why, and what is new, fixed, unchanged and unknown since before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from scanner.drift import VerdictChange
from scanner.gate import ChangeReport
from scanner.inert import printable
from scanner.model import Outcome

from . import page, view
from .markdown import plain

MOST = {"new": 20, "blind": 10, "fixed": 10, "facts": 12, "lines": 6}
"""What is told one by one, so that it stays one page; the rest is counted."""
ANSWERS = {
    "approve": "This change may go ahead.",
    "review": "Somebody has to look at this change before it goes ahead.",
    "block": "This change must not go ahead as it is.",
}
KINDS = {"new": "New: fails now and did not", "blind": "Can no longer be judged", "fixed": "Fixed"}


def render(of: ChangeReport, form: Literal["html", "markdown"] = "html") -> bytes:
    """In UTF-8: a page that loads nothing, or Markdown for a ticket."""
    return _html(of) if form == "html" else _markdown(of)


def _html(of: ChangeReport) -> bytes:
    style = page.own("report.css")
    made = page.template("change.html.j2").render(
        of=of,
        verdict=ANSWERS[of.decision.answer],
        lost=_losses(of),
        groups=_groups(of),
        unknown=_unknown(of),
        facts=of.drifted[: MOST["facts"]],
        more_facts=len(of.drifted) - MOST["facts"],
        most_lines=MOST["lines"],
        style=style,
        policy=page.content_policy(style),
    )
    return str(made).encode("utf-8", errors="backslashreplace")


def _markdown(of: ChangeReport) -> bytes:
    lines = [f"# {plain(of.change)}: {of.decision.answer}", "", f"**{ANSWERS[of.decision.answer]}**", ""]
    lines += [f"- {plain(reason)}" for reason in of.decision.reasons]
    lines += ["", f"{plain(_losses(of))} {_said(of)}", ""]
    lines += ["| " + " | ".join(of.counts) + " |", "|---" * len(of.counts) + "|"]
    lines += ["| " + " | ".join(map(str, of.counts.values())) + " |"]
    for title, told, more in _groups(of):
        lines += ["", f"## {title}", "", *(f"- {plain(line)}" for line in told)]
        lines += [f"- and {more} more"] if more else []
    unknown = _unknown(of)
    if unknown:
        lines += ["", "## Unknown", "", *(f"- {plain(line)}" for line in unknown)]
    if of.drifted:
        lines += ["", "## What was set up differently", ""]
    for one in of.drifted[: MOST["facts"]]:
        lines += [f"- {plain(one.asset)}, {plain(one.place or one.question[:80])}"]
        lines += [f"  - {plain(line)}" for line in one.lines[: MOST["lines"]]]
    return ("\n".join(lines) + "\n").encode("utf-8", errors="backslashreplace")


def _losses(of: ChangeReport) -> str:
    policy = view.policy_of(of.after)
    was, now = (view.amount(loss, policy) for loss in (of.decision.loss_before, of.decision.loss_after))
    return f"Expected yearly loss of the assets that both runs judged: {was} before, {now} now."


def _said(of: ChangeReport) -> str:
    first, second = (f"{run.id} ({run.started_at:%Y-%m-%d %H:%M} UTC)" for run in (of.after, of.before))
    return f"Run {first} held against {second}, asked by {plain(of.who)} on {of.at:%Y-%m-%d %H:%M} UTC."


def _groups(of: ChangeReport) -> list[tuple[str, list[str], int]]:
    found = []
    for kind, title in KINDS.items():
        those = [one for one in of.decision.changes if one.kind == kind]
        if those:
            told = list(_lines(of, those[: MOST[kind]]))
            found.append((f"{title} ({len(those)})", told, max(0, len(those) - MOST[kind])))
    return found


def _lines(of: ChangeReport, changes: Iterable[VerdictChange]) -> Iterable[str]:
    for one in changes:
        control = of.after.controls.get((one.baseline, one.control))
        where = f"{one.asset}, {one.subject}" if one.subject else one.asset
        line = f"{where}: {control.title if control else one.control} ({one.control})"
        if one.kind == "new" and one.after is not None:
            line += f"; found {one.after.observed}. {control.fix if control else ''}"
        elif one.kind == "blind" and one.after is not None:
            line += f"; {one.after.reason}: {one.after.detail}"
        yield printable(line, 400)


def _unknown(of: ChangeReport) -> list[str]:
    """What is unknown now, by asset and reason, changed or not."""
    counted: dict[tuple[str, str], int] = {}
    for one in of.after.visited:
        for finding in one.findings:
            if finding.outcome is Outcome.UNKNOWN:
                key = (finding.asset, finding.reason)
                counted[key] = counted.get(key, 0) + 1
    ordered = sorted(counted.items(), key=lambda item: -item[1])
    told = [
        f"{asset}: {number} controls, {reason}. {view.NEXT_STEP.get(reason, '')}"
        for (asset, reason), number in ordered[:10]
    ]
    return told + ([f"and on {len(ordered) - 10} more"] if len(ordered) > 10 else [])

"""The run as Markdown, for tickets and wikis: what stands, what to do first, what could not be seen."""

from __future__ import annotations

import re

from scanner import score
from scanner.inert import printable
from scanner.model import Outcome, Run

from . import view

_MEANT = re.compile(r"([\\`*_{}\[\]()#!|<>~&@$^]|^[-+=]|:(?=//))")


def plain(text: str) -> str:
    r"""Text that Markdown shows as it is, on one line, links and mentions included: '[a](b)' -> '\[a\]\(b\)'."""
    return _MEANT.sub(r"\\\1", printable(text.replace("\n", " ")))


def render(run: Run) -> bytes:
    """One page in UTF-8."""
    policy, total = view.policy_of(run), run.organisation
    lines = ["# Risk report", "", plain(f"{view.verdict(run)} {view.levels(run)}".strip()), ""]
    if total.applicable:
        lines += [
            f"- Score {view.points(total)} of 100 ({score.word(total.score)}); 50 is what was agreed to be bearable",
            f"- Chance of a loss within a year: {plain(view.chance(total.chance))}",
            f"- {total.judged} of {total.applicable} controls could be judged",
        ]
    lines += [f"- Run {run.id}, {run.started_at:%Y-%m-%d %H:%M} UTC, {run.state}", "", *_assets(run), ""]
    worst = view.worst_rows(run)
    if run.risks:
        lines += ["## What to do first", ""]
    for number, risk in enumerate(run.risks[:20], 1):
        row = worst.get((risk.service, risk.root_cause))
        size = f"{view.amount(risk.expected_loss, policy)} a year; likelihood {risk.likelihood} × impact {risk.impact}"
        lines.append(
            f"{number}. **{plain(risk.title)}**: not so on {plain(', '.join(risk.assets[:5]))} ({plain(size)})"
        )
        by = view.charge(run, risk)
        if by is not None and (by.owner or by.overdue):
            late = f", {by.overdue} overdue" if by.overdue else ""
            lines.append(f"   In charge: {plain(by.owner or 'nobody yet')}, due {by.due or 'any time'}{late}")
        if row is not None and row.control is not None:
            lines.append(f"   Fix ({row.control.effort}): {plain(row.control.fix)}")
    lines += _accepted(run)
    gaps = view.gaps(run)
    if gaps:
        lines += ["", "## What could not be seen", ""]
    for gap in gaps:
        said = f"{plain(gap.asset)}: {gap.count} unknown, {plain(gap.reason)}"
        lines.append(f"- {said}. {plain(gap.detail[:200])} {plain(gap.next_step)}")
    lines += ["", "## Failed controls", "", *_failed(run)]
    lines += [line for feed in view.feeds(run) for line in ("", f"Known flaws by {plain(feed)}")]
    if run.history is not None:
        lines += ["", f"Register sealed by {run.history.head}"]
    return ("\n".join(lines) + "\n").encode()


def _accepted(run: Run) -> list[str]:
    if run.history is None or not run.history.accepted:
        return []
    lines = ["", "## Accepted risks", ""]
    for one in run.history.accepted:
        where = f"{plain(one.asset)} {plain(one.subject)}".rstrip()
        said = f"borne by {plain(one.owner)}, approved by {plain(one.approver)}, until {one.until}, {one.state}"
        lines.append(f"- **{plain(one.control)}** {plain(one.title)} on {where}: {said}. {plain(one.reason)}")
    return lines


def _assets(run: Run) -> list[str]:
    lines = [
        "| asset | owner | score | likelihood × impact | seen | fail | unknown | pass |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in run.visited:
        counts, of = view.counts(one), one.score
        cells = [plain(one.asset.id), plain(one.asset.owner or "nobody"), view.points(of)]
        cells += [f"{of.likelihood} × {of.impact}" if of.likelihood else "-", view.seen(of)]
        cells += [str(counts[name]) for name in ("fail", "unknown", "pass")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _failed(run: Run) -> list[str]:
    lines = []
    for one in run.visited:
        for row in view.rows(run, one):
            finding = row.finding
            if finding.outcome is Outcome.FAIL:
                subject = f" {plain(finding.subject)}" if finding.subject else ""
                place = f"{plain(one.asset.id)}{subject}"
                said = f"found {plain(finding.observed)}; wanted {plain(finding.expected)}"
                lines.append(f"- {place}: **{plain(finding.control)}** {plain(row.title)} ({said})")
    return lines

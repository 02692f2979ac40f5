"""The run for a terminal: what stands, what to do first, what could not be seen."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from tabulate import tabulate

from scanner import score
from scanner.inert import printable
from scanner.model import History, Outcome, Risk, Run

from . import view

FIRST = 10
"""How many risks and gaps are listed without -v."""
_COLOURS = {"red": 31, "green": 32, "yellow": 33, "bold": 1, "dim": 2}

Paint = Callable[[str, str], str]


def render(run: Run, colour: bool = False, width: int = 100, verbose: int = 0) -> bytes:
    """The table as UTF-8, at most `width` columns where the words allow it. verbose: list every finding."""

    def paint(text: str, how: str) -> str:
        return f"\x1b[{_COLOURS[how]}m{text}\x1b[0m" if colour and text else text

    parts = [
        _assets(run, width),
        _risks(run, width, paint, len(run.risks) if verbose else FIRST),
        _unseen(run, width, paint, verbose),
        *([_findings(run, width, paint)] if verbose else []),
        _end(run, width, paint),
    ]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _assets(run: Run, width: int) -> str:
    narrow = {"Owner"} if width < 90 else set()
    narrow |= {"L x I"} if width < 72 else set()
    rows = []
    for visited in run.visited:
        of, counts = visited.score, view.counts(visited)
        row = {
            "Asset": printable(visited.asset.id, max(12, width // 4)),
            "Owner": printable(visited.asset.owner or "nobody", max(10, width // 6)),
            "Score": view.points(of),
            "L x I": f"{of.likelihood} x {of.impact}" if of.likelihood else "-",
            "Seen": view.seen(of),
            "Fail": counts["fail"],
            "Unknown": counts["unknown"],
            "Pass": counts["pass"],
        }
        rows.append({name: value for name, value in row.items() if name not in narrow})
    if not rows:
        return "No asset was visited."
    return tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True)


def _risks(run: Run, width: int, paint: Paint, limit: int) -> str:
    if not run.risks:
        return ""
    policy = view.policy_of(run)
    worst_rows = view.worst_rows(run)
    lines = [paint("What to do first", "bold")]
    for number, risk in enumerate(run.risks[:limit], 1):
        worst = worst_rows.get((risk.service, risk.root_cause))
        where = ", ".join(risk.assets[:3]) + (f" and {len(risk.assets) - 3} more" if len(risk.assets) > 3 else "")
        head = f"{number:>2}. {printable(risk.title)}: not so on {printable(where)}"
        if risk.findings > len(risk.assets):
            head += f" ({risk.findings} findings)"
        lines += _wrapped(head, width, 4)
        size = (
            f"    {view.amount(risk.expected_loss, policy)} a year, likelihood {risk.likelihood} x impact {risk.impact}"
        )
        how = "red" if risk.expected_loss >= 1 else "yellow"
        lines += [paint(line, how) for line in _wrapped(size, width, 4)]
        lines += [paint(line, "yellow") for line in _wrapped(_charge(run, risk), width, 4)]
        if worst is not None and worst.control is not None:
            lines += _wrapped(f"    Fix ({worst.control.effort}): {printable(worst.control.fix)}", width, 4)
    rest = len(run.risks) - limit
    if rest > 0:
        lines.append(f"    … and {rest} smaller ones; -v shows them, or --output report.html")
    return "\n".join(lines)


def _charge(run: Run, risk: Risk) -> str:
    """'    In charge: anna; due 2026-12-03; 2 overdue', as far as the register says anything beyond a date."""
    by = view.charge(run, risk)
    if by is None or not (by.owner or by.overdue):
        return ""
    due = f"; due {by.due}" if by.due else ""
    late = f"; {by.overdue} overdue" if by.overdue else ""
    return f"    In charge: {printable(by.owner or 'nobody yet', 60)}{due}{late}"


def _unseen(run: Run, width: int, paint: Paint, verbose: int) -> str:
    found = view.gaps(run)
    if not found:
        return ""
    lines = [paint("What could not be seen", "bold")]
    for gap in found if verbose else found[:FIRST]:
        detail = printable(gap.detail.splitlines()[0] if gap.detail else "", 200)
        head = f"  {printable(gap.asset)}: {gap.count} unknown, {printable(gap.reason)}" + (
            f" ({detail})" if detail else ""
        )
        lines += _wrapped(head, width, 4)
        lines += _wrapped(f"    {gap.next_step}", width, 4)
    if not verbose and len(found) > FIRST:
        lines.append(f"  … and {len(found) - FIRST} more; -v shows them")
    return "\n".join(lines)


def _findings(run: Run, width: int, paint: Paint) -> str:
    marks = {
        "fail": ("FAIL", "red"),
        "unknown": ("????", "yellow"),
        "pass": ("pass", "green"),
        "not-applicable": ("n/a ", "dim"),
    }
    lines = []
    for visited in run.visited:
        lines.append(paint(printable(visited.asset.id), "bold"))
        for row in view.rows(run, visited):
            finding = row.finding
            mark, how = marks[finding.outcome.value]
            subject = f" [{printable(finding.subject, 60)}]" if finding.subject else ""
            head = f"        {printable(finding.control)}{subject}  {printable(row.title)}"
            first, *rest = _wrapped(head, width, 8)
            lines += [f"  {paint(mark, how)}  {first.lstrip()}", *rest]
            if finding.outcome is Outcome.FAIL:
                lines += _wrapped(
                    f"        found {printable(finding.observed)}; wanted {printable(finding.expected)}", width, 8
                )
            elif finding.outcome is Outcome.UNKNOWN:
                lines += _wrapped(f"        {printable(finding.reason)}: {printable(finding.detail, 300)}", width, 8)
    return "\n".join(lines)


def _end(run: Run, width: int, paint: Paint) -> str:
    total = run.organisation
    lines = []
    for asset, way, why in view.not_visited(run):
        lines += _wrapped(f"Not visited: {printable(asset)} by {printable(way)}: {printable(why, 200)}", width, 4)
    lines += _wrapped(view.verdict(run), width, 0)
    if total.applicable:
        said = f"Score {view.points(total)} of 100 ({score.word(total.score)}; 50 is what was agreed to be bearable). "
        said += f"Chance of a loss within a year: {view.chance(total.chance)}. "
        said += f"{total.judged} of {total.applicable} controls could be judged."
        lines += _wrapped(said, width, 0)
        lines += _wrapped(view.levels(run), width, 0)
    for feed in view.feeds(run):
        lines += _wrapped(f"Known flaws by {printable(feed, 200)}", width, 4)
    if run.history is not None:
        lines += _wrapped(_remembered(run.history), width, 0)
    state = "" if run.state == "complete" else f" It is {run.state}: `riskline scan --resume` goes on."
    lines.append(paint(f"Run {run.id}.{state}", "dim"))
    return "\n".join(lines)


def _remembered(history: History) -> str:
    """'Before: 61, 58. Accepted: 3, of which 1 has ended. Register sealed by 3f…'."""
    before = ", ".join(f"{one.score:.0f}" for one in history.trend[:-1][-3:])
    states = [one.state for one in history.accepted]
    said = f"Score of the runs before: {before}. " if before else ""
    if states:
        ended = [f"{states.count(state)} {word}" for state, word in view.BEARING.items() if state in states]
        said += f"Accepted risks: {len(states)} ({', '.join(ended)}). "
    return f"{said}The register is sealed by {history.head}."


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    start = len(text) - len(text.lstrip(" "))
    return textwrap.wrap(
        text.strip(), width, initial_indent=" " * start, subsequent_indent=" " * indent, break_on_hyphens=False
    )

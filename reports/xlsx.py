"""The run as a workbook of text: summary, findings, actions and the register. No cell is ever a formula or a link."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import xlsxwriter

from scanner.inert import printable
from scanner.model import Run

from . import records, view

MOST_ROWS = 1_048_575
"""What fits one sheet below its header; more goes on in a sheet "Findings 2"."""
MOST_CHARACTERS = 32_000
FINDINGS = (
    "Fingerprint", "Asset", "Service", "Owner", "Zone", "Baseline", "Control", "Title", "Subject", "Outcome", "Reason",
    "Severity", "Expected loss a year", "Observed", "Expected", "Detail", "Why", "Fix", "Effort", "References",
)  # fmt: skip
ACTIONS = (
    "Service", "What to change", "Fix", "Effort", "Likelihood", "Impact", "Expected loss a year", "Findings", "Assets",
    "In charge", "Due", "Overdue",
)  # fmt: skip
REGISTER = ("Asset", "Service", "Control", "Subject", "Title", "Accepted by", "Approved by", "Until", "State", "Reason")


def render(run: Run) -> bytes:
    """The XLSX file. The same run gives the same bytes."""
    out = io.BytesIO()
    never = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    book = xlsxwriter.Workbook(out, never)
    book.set_properties({"title": f"Riskline, run {run.id}", "created": run.started_at.replace(tzinfo=None)})
    formats = (book.add_format({"bold": True}), book.add_format({"quote_prefix": True}))
    _sheet(book, formats, "Summary", ("What", "Value"), list(_summary(run)))
    found = list(_findings(run))
    for number, start in enumerate(range(0, max(len(found), 1), MOST_ROWS), 1):
        name = "Findings" if number == 1 else f"Findings {number}"
        _sheet(book, formats, name, FINDINGS, found[start : start + MOST_ROWS])
    _sheet(book, formats, "Actions", ACTIONS, list(_actions(run)))
    _sheet(book, formats, "Register", REGISTER, list(_register(run)))
    book.close()
    return out.getvalue()


def _sheet(
    book: Any, formats: tuple[Any, Any], name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    bold, quoted = formats
    sheet = book.add_worksheet(name)
    for place, title in enumerate(columns):
        sheet.write_string(0, place, title, bold)
        longest = max((len(row[place]) for row in rows[:200]), default=0)
        sheet.set_column(place, place, max(len(title) + 3, min(longest + 1, 60)))
    for line, row in enumerate(rows, 1):
        for place, text in enumerate(row):
            # A quote prefix keeps it text even where somebody edits the cell.
            sheet.write_string(line, place, _text(text), quoted)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)


def _text(text: str) -> str:
    return printable(text.replace("\r\n", "\n").replace("\n", " ⏎ "), MOST_CHARACTERS)


def _summary(run: Run) -> Iterable[tuple[str, str]]:
    total, policy = run.organisation, view.policy_of(run)
    yield "Verdict", view.verdict(run)
    yield "Score (50 is what was agreed)", view.points(total)
    yield "Expected loss a year", view.amount(total.expected_loss, policy)
    yield "Seen of what applies", view.seen(total)
    yield "Run", run.id
    yield "State", run.state
    yield "Started (UTC)", f"{run.started_at:%Y-%m-%d %H:%M}"
    for name, score in run.services.items():
        yield f"Score of service {name}", view.points(score)
    for outcome in ("fail", "unknown", "pass", "not-applicable"):
        yield f"Findings: {outcome}", str(sum(view.counts(one)[outcome] for one in run.visited))
    for told in view.feeds(run):
        yield "Known flaws by", told
    if run.history is not None:
        yield "Seal of the register", run.history.head


def _findings(run: Run) -> Iterable[list[str]]:
    for one in records.records(run):
        finding, asset, control = one.finding, one.asset, one.row.control
        references = "; ".join(f"{name}: {', '.join(numbers)}" for name, numbers in one.references.items())
        yield [
            one.fingerprint, asset.id, asset.service, asset.owner or "", asset.zone, finding.baseline, finding.control,
            one.row.title, finding.subject, finding.outcome.value, finding.reason, one.severity, f"{one.row.loss:.4g}",
            finding.observed, finding.expected, finding.detail, one.why, one.fix, control.effort if control else "",
            references,
        ]  # fmt: skip


def _actions(run: Run) -> Iterable[list[str]]:
    worst, policy = view.worst_rows(run), view.policy_of(run)
    for risk in run.risks:
        row, charge = worst.get((risk.service, risk.root_cause)), view.charge(run, risk)
        control = row.control if row else None
        yield [
            risk.service, risk.title, control.fix if control else "", control.effort if control else "",
            str(risk.likelihood), str(risk.impact), view.amount(risk.expected_loss, policy), str(risk.findings),
            ", ".join(risk.assets), charge.owner if charge else "",
            f"{charge.due}" if charge and charge.due else "", str(charge.overdue) if charge else "",
        ]  # fmt: skip


def _register(run: Run) -> Iterable[list[str]]:
    for one in run.history.accepted if run.history else ():
        yield [
            one.asset, one.service, one.control, one.subject, one.title, one.owner, one.approver, f"{one.until}",
            one.state, one.reason,
        ]  # fmt: skip

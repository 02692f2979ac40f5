"""The run for CISO Assistant's data wizard: a ZIP of CSV files, one for each model. Source: its data import guide.

What it must hold: likelihood and impact are the labels of its matrix "critical_risk_matrix_5x5"; any other label is
imported without an error and then "not rated". Severity is lower-case. Nothing is closed by being missing, so what
passes is sent as resolved, and what could not be judged is not sent, which leaves it as it was.
A finding has one asset. Records are found again by ref_id, the fingerprint, else by name, so no two share one; a second
import needs X-On-Conflict: update and X-Target-Id. An acceptance is a security exception: approved while it holds,
then expired.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from scanner.inert import cell
from scanner.model import Control, Outcome, Risk, Run

from . import records, view

LABELS = ("Very Low", "Low", "Medium", "High", "Very High")
"""Level 1 to 5 of likelihood and of impact, as that matrix names them."""
STATUSES = {Outcome.FAIL: "identified", Outcome.PASS: "resolved"}
PRIORITIES = {"critical": 1, "high": 2, "medium": 3, "low": 4, "info": 4}
EFFORTS = {"minutes": "XS", "hours": "S", "days": "M", "weeks": "L"}
ASSETS = ("ref_id", "name", "description", "type", "observation")
FINDINGS = ("ref_id", "name", "description", "severity", "status", "priority", "asset", "due_date", "observation")
CONTROLS = ("ref_id", "name", "description", "status", "category", "priority", "csf_function", "effort", "eta")
EXCEPTIONS = ("ref_id", "name", "description", "severity", "status", "expiration_date", "observation")
STATES = {"valid": "approved", "expiring": "approved", "expired": "expired", "unused": "resolved"}
SCENARIOS = (
    "ref_id", "assets", "name", "description", "inherent_impact", "inherent_proba", "current_impact", "current_proba",
    "applied_controls", "residual_impact", "residual_proba", "treatment", "justification",
)  # fmt: skip


def render(run: Run) -> bytes:
    """The ZIP; import the files in the order of their names, each as the model that its name says."""
    controls = _apart(_controls(run))
    names = {str(row[0]): str(row[1]) for row in controls}
    files = {
        "1-Asset.csv": _csv(ASSETS, _assets(run)),
        "2-AppliedControl.csv": _csv(CONTROLS, controls),
        "3-FindingsAssessment.csv": _csv(FINDINGS, _apart(_findings(run))),
        "4-RiskAssessment.csv": _csv(SCENARIOS, _apart(_scenarios(run, names), name=2)),
        "5-SecurityException.csv": _csv(EXCEPTIONS, _apart(_exceptions(run))),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            # The run's own time and mode: the same run gives the same bytes.
            entry = zipfile.ZipInfo(name, run.started_at.timetuple()[:6])
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(entry, text.encode())
    return out.getvalue()


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str | list[str]]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        # Several names in one cell are parted by line breaks, each made harmless on its own.
        writer.writerow(["\n".join(map(cell, value)) if isinstance(value, list) else cell(value) for value in row])
    return out.getvalue()


def _apart(rows: Iterable[list[str | list[str]]], name: int = 1) -> list[list[str | list[str]]]:
    """The rows, with the beginning of its ref_id behind each name that several have.

    The wizard looks for a record by ref_id, then by name: of two new ones of one name one takes the other's place.
    """
    found = list(rows)
    counts = Counter(" ".join(str(row[name]).split()).casefold() for row in found)
    for row in found:
        if counts[" ".join(str(row[name]).split()).casefold()] > 1:
            row[name] = f"{row[name]} ({row[0][:8]})"
    return found


def _assets(run: Run) -> Iterable[list[str | list[str]]]:
    for one in run.visited:
        asset = one.asset
        about = f"{asset.kind}, zone {asset.zone}, service {asset.service}, owner {asset.owner or 'nobody'}"
        yield [asset.id, asset.id, asset.description, "SP", about]


def _findings(run: Run) -> Iterable[list[str | list[str]]]:
    for one in records.records(run):
        if one.finding.outcome in STATUSES:
            severity = "low" if one.severity == "info" else one.severity
            status, priority = STATUSES[one.finding.outcome], str(PRIORITIES[one.severity])
            about = f"{one.why} Fix: {one.fix}"
            yield [
                one.fingerprint,
                f"{one.title} ({one.asset.id})",
                about,
                severity,
                status,
                priority,
                one.asset.id,
                f"{one.due or ''}",
                f"{one.said} {one.treatment}".strip(),
            ]


def _control_id(cause: str) -> str:
    return records.fingerprint("", "", cause)[:20]


def _measures(run: Run) -> dict[str, tuple[Risk, Control]]:
    """Root cause → its largest risk and the control whose fix removes it, the largest first."""
    worst = view.worst_rows(run)
    found: dict[str, tuple[Risk, Control]] = {}
    for risk in run.risks:
        row = worst.get((risk.service, risk.root_cause))
        if row and row.control:
            found.setdefault(risk.root_cause, (risk, row.control))
    return found


def _controls(run: Run) -> Iterable[list[str | list[str]]]:
    """One measure for each root cause that is open, as the change that removes it."""
    for cause, (risk, control) in _measures(run).items():
        yield [
            _control_id(cause), control.title, control.fix, "to_do", "technical", _rank(risk), "protect",
            EFFORTS[control.effort], _due(run, risk),
        ]  # fmt: skip


def _due(run: Run, risk: Risk) -> str:
    charge = view.charge(run, risk)
    return f"{charge.due}" if charge and charge.due else ""


def _exceptions(run: Run) -> Iterable[list[str | list[str]]]:
    severities = {one.fingerprint: one.severity for one in records.records(run)}
    for one in run.history.accepted if run.history else ():
        place = records.fingerprint(one.asset, one.control, one.subject)
        where = f"{one.asset}, {one.subject}" if one.subject else one.asset
        severity = severities.get(place, "info")
        said = f"Borne by {one.owner}, approved by {one.approver}."
        yield [
            place[:20], f"{one.title} ({where})", one.reason, "low" if severity == "info" else severity,
            STATES[one.state], f"{one.until}", said,
        ]  # fmt: skip


def _rank(risk: Risk) -> str:
    return str(max(1, min(4, 6 - max(risk.likelihood, risk.impact))))


def _borne_whole(run: Run) -> set[tuple[str, str]]:
    """(service, root cause) of the risks of which every finding is accepted."""
    found: dict[tuple[str, str], bool] = {}
    for one in records.records(run):
        if one.finding.outcome is Outcome.FAIL:
            key = (one.asset.service, one.cause)
            found[key] = found.get(key, True) and one.accepted is not None
    return {key for key, whole in found.items() if whole}


def _scenarios(run: Run, names: Mapping[str, str]) -> Iterable[list[str | list[str]]]:
    measures, policy = _measures(run), view.policy_of(run)
    borne = _borne_whole(run)
    for risk in run.risks:
        control = measures[risk.root_cause][1] if risk.root_cause in measures else None
        impact, likelihood = LABELS[risk.impact - 1], LABELS[risk.likelihood - 1]
        name = f"{risk.title}: not so in {risk.service}"
        said = f"{view.amount(risk.expected_loss, policy)} a year expected."
        why = control.why if control else ""
        # Inherent and residual stay empty: what was not worked out is not to be rated.
        yield [
            records.fingerprint("", risk.service, risk.root_cause)[:20], list(risk.assets), name, why, "", "", impact,
            likelihood, [names[_control_id(risk.root_cause)]] if control else [], "", "",
            "accept" if (risk.service, risk.root_cause) in borne else "open", said,
        ]  # fmt: skip

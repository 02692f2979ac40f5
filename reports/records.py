"""What an export says of each finding: a lasting name, a severity, its asset and control. One record for each place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from scanner import score
from scanner.inert import printable
from scanner.model import AcceptedRisk, Asset, Finding, Outcome, Run

from . import view

SEVERITIES = ("info", "low", "medium", "high", "critical")
_WORST = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS, Outcome.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Record:
    """One place (asset, control, subject) with the worst that any baseline says of it.

    severity: of what it alone is expected to cost against what one asset may; "info" unless it failed. accepted: by
    whom it is borne today, where it failed and is. due, owner: of its root cause, where a register knows.
    """

    asset: Asset
    row: view.Row
    severity: str
    accepted: AcceptedRisk | None = None
    due: date | None = None
    owner: str = ""

    @property
    def finding(self) -> Finding:
        """The finding itself."""
        return self.row.finding

    @property
    def fingerprint(self) -> str:
        """The lasting name, as in the register: of where it is, never of a value or of words that may change."""
        return fingerprint(self.finding.asset, self.finding.control, self.finding.subject)

    @property
    def title(self) -> str:
        """The same in every run: title and subject, no value that was observed."""
        return f"{self.row.title} [{self.finding.subject}]" if self.finding.subject else self.row.title

    @property
    def why(self) -> str:
        """What can happen; the title where there is no control."""
        return self.row.control.why if self.row.control else self.row.title

    @property
    def fix(self) -> str:
        """What to do."""
        return self.row.control.fix if self.row.control else view.NEXT_STEP["no-baseline"]

    @property
    def cause(self) -> str:
        """What one change removes."""
        return self.row.control.cause if self.row.control else self.finding.control

    @property
    def references(self) -> Mapping[str, tuple[str, ...]]:
        """The control's own."""
        return self.row.control.references if self.row.control else {}

    @property
    def treatment(self) -> str:
        """What people decided of it, as a sentence; empty where nobody did."""
        if self.accepted is None:
            return f"Dealt with by {self.owner}." if self.owner else ""
        one = self.accepted
        return f"Accepted until {one.until} by {one.owner}, approved by {one.approver}: {one.reason}"

    @property
    def said(self) -> str:
        """What was measured this time: it changes from run to run, so it belongs into no title or description."""
        finding = self.finding
        if finding.outcome is Outcome.FAIL:
            return f"Found {finding.observed or 'it missing'}; wanted {finding.expected or 'it there'}."
        if finding.outcome is Outcome.UNKNOWN:
            detail = finding.detail.splitlines()[0] if finding.detail else ""
            step = view.NEXT_STEP.get(finding.reason, "")
            return f"Could not be judged: {finding.reason}. {detail} {step}".replace("  ", " ").strip()
        return finding.reason or (f"Found {finding.observed}." if finding.observed else "As it should be.")


def fingerprint(asset: str, control: str, subject: str) -> str:
    """SHA-256, in hex, of a place; the same as the register's."""
    return hashlib.sha256(json.dumps([asset, control, subject]).encode("ascii")).hexdigest()


def records(run: Run) -> list[Record]:
    """One for each place, in the order of the inventory, the worst first on each asset."""
    return list(_records(run))


def _records(run: Run) -> Iterator[Record]:
    tolerance = view.policy_of(run).tolerances.asset
    borne = view.borne(run)
    charges = {(one.service, one.root_cause): one for one in (run.history.charges if run.history else ())}
    for visited in run.visited:
        kept: dict[tuple[str, str], view.Row] = {}
        for row in view.rows(run, visited):
            place = (row.finding.control, row.finding.subject)
            if place not in kept or _rank(row) < _rank(kept[place]):
                kept[place] = row
        for row in kept.values():
            found = Record(visited.asset, row, severity(row, tolerance))
            if run.history is not None and row.finding.outcome is Outcome.FAIL:
                accepted = borne.get((visited.asset.id, row.finding.control, printable(row.finding.subject)))
                charge = charges.get((visited.asset.service, found.cause))
                due = accepted.until if accepted else charge.due if charge else None
                found = replace(found, accepted=accepted, due=due, owner=charge.owner if charge else "")
            yield found


def _rank(row: view.Row) -> int:
    return _WORST.index(row.finding.outcome)


def severity(row: view.Row, tolerance: float) -> str:
    """'critical' where this finding alone costs three times what is bearable for an asset, 'high' from once, …"""
    if row.finding.outcome is not Outcome.FAIL:
        return "info"
    points = score.points(row.loss, tolerance)
    return next((name for name, least in (("critical", 75), ("high", 50), ("medium", 25)) if points >= least), "low")

"""What people decided about risks, folded from the events. Pure: nothing here is stored, all of it follows.

An acceptance has no state of its own in the register: whether it holds is a matter of the day that is asked about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from scanner.errors import RegisterError, UsageError
from scanner.scoring.standing import Acceptance, Compensation

from .chain import Event
from .recalling import RiskRecord

Choice = Literal["mitigate", "transfer", "avoid"]
AcceptanceState = Literal["valid", "expiring", "expired", "unused"]
"""expiring: within EXPIRING_DAYS. unused: the risk is fixed, so that there is nothing left to bear."""
EXPIRING_DAYS = 30
SAME_DAYS = 30
"""A risk that comes back within so many days is the same one: its due date goes on from where it was."""


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote about a risk. link: a ticket's address, or ""."""

    at: datetime
    who: str
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Bearing:
    """An acceptance as it was said: who bears the risk, who approved it, why, and until which day."""

    owner: str
    approver: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class Relief:
    """Something else that makes a weakness harder to use: `factor` of the attempts still get through.

    evidence: where it can be seen. until: the last day (UTC) on which it counts.
    """

    owner: str
    factor: float
    evidence: str
    until: date
    how: str = ""


@dataclass(frozen=True, slots=True)
class Treatment:
    """All that people decided about one risk. began_at: since when its due date counts, where not since it was opened.

    choice: "" where nobody chose. relief: what compensates it, whether that still counts or not.
    """

    owner: str = ""
    choice: Choice | Literal[""] = ""
    bearing: Bearing | None = None
    notes: tuple[Note, ...] = ()
    began_at: datetime | None = None
    fixed_at: datetime | None = None
    relief: Relief | None = None

    def factor_on(self, day: date) -> float:
        """What is left of the chances to use it on that day, 0.05..1."""
        return self.relief.factor if self.relief is not None and day <= self.relief.until else 1.0

    def on(self, day: date) -> str:
        """mitigate, transfer, avoid, or accept as long as that holds; "" where nobody decided."""
        return "accept" if self.bearing is not None and day <= self.bearing.until else self.choice

    def acceptance_state(self, day: date, fixed: bool) -> AcceptanceState | None:
        """How its acceptance stands on that day; None where there is none."""
        if self.bearing is None:
            return None
        if fixed:
            return "unused"
        left = (self.bearing.until - day).days
        return "expired" if left < 0 else "expiring" if left <= EXPIRING_DAYS else "valid"

    @property
    def links(self) -> tuple[str, ...]:
        """Its tickets, in the order they were named."""
        return tuple(dict.fromkeys(note.link for note in self.notes if note.link))


def fold(events: Iterable[Event]) -> dict[str, Treatment]:
    """Events, oldest first, as what they amount to, by fingerprint. RegisterError where one was damaged."""
    found: dict[str, Treatment] = {}
    for event in events:
        if event.fingerprint:
            try:
                found[event.fingerprint] = _after(found.get(event.fingerprint, Treatment()), event)
            except (ValueError, LookupError) as error:
                place = f"the decision of {event.at} about risk {event.fingerprint[:12]}"
                raise RegisterError(f"{place} cannot be read; see: riskline register verify") from error
    return found


def _after(before: Treatment, event: Event) -> Treatment:
    said: dict[str, str] = json.loads(event.details) if event.details else {}
    at = datetime.fromisoformat(event.at)
    if event.change in {"fixed", "retired"}:
        return replace(before, fixed_at=at)
    if event.change == "reopened":
        again = before.fixed_at is not None and at - before.fixed_at > timedelta(days=SAME_DAYS)
        return replace(before, began_at=at if again else before.began_at, fixed_at=None)
    if event.change == "assigned":
        return replace(before, owner=said["owner"])
    if event.change in {"accepted", "renewed"}:
        bearing = Bearing(said["owner"], said["approver"], event.why, date.fromisoformat(said["until"]))
        return replace(before, owner=before.owner or bearing.owner, bearing=bearing)
    if event.change == "compensated":
        relief = Relief(
            said["owner"], float(said["factor"]), said["evidence"], date.fromisoformat(said["until"]), event.why
        )
        return replace(before, relief=None if relief.factor == 1 else relief)
    notes = before.notes
    if event.why or said.get("link"):
        notes = (*notes, Note(at, event.who, event.why, said.get("link", "")))
    if event.change == "treated":
        choice: Choice = said["treatment"]  # type: ignore[assignment]
        return replace(before, choice=choice, bearing=None, notes=notes)
    return replace(before, notes=notes)


def refuse_unsound(risk: RiskRecord, bearing: Bearing, today: date, longest_days: int) -> None:
    """Raise UsageError where a risk may not be accepted like this."""
    acceptance(risk, bearing)
    if bearing.until <= today:
        raise UsageError(f"an acceptance must end after today ({today}), not on {bearing.until}")
    if bearing.until > today + timedelta(days=longest_days):
        last = today + timedelta(days=longest_days)
        raise UsageError(f"by the policy an acceptance may last {longest_days} days, until {last} at the latest")


def refuse_unsound_relief(risk: RiskRecord, relief: Relief, today: date, longest_days: int) -> None:
    """Raise UsageError where a risk may not be compensated like this."""
    compensation(risk, relief)
    if relief.until <= today:
        raise UsageError(f"a compensation must end after today ({today}), not on {relief.until}")
    if relief.until > today + timedelta(days=longest_days):
        last = today + timedelta(days=longest_days)
        raise UsageError(f"by the policy a compensation may count {longest_days} days, until {last} at the latest")


def compensation(risk: RiskRecord, relief: Relief) -> Compensation:
    """As the score wants it. Raises UsageError where its owner or evidence is missing, or its factor out of range."""
    return Compensation(
        risk.asset, risk.control, risk.subject, relief.factor, relief.owner, relief.evidence, relief.until
    )


def acceptance(risk: RiskRecord, bearing: Bearing) -> Acceptance:
    """As the score wants it. Raises UsageError where somebody, or the reason, is missing."""
    return Acceptance(
        risk.asset, risk.control, risk.subject, bearing.owner, bearing.approver, bearing.reason, bearing.until
    )

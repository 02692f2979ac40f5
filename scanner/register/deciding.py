"""What people decide about risks: written as events under the lock of each asset, so that no decision is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from scanner.errors import UsageError

from . import chain, tables
from .codec import column
from .recording import asset_row, instant
from .treatment import Treatment, fold


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided. why: reason, comment. said: owner, treatment, approver, until, link, factor, evidence."""

    change: Literal["assigned", "treated", "accepted", "renewed", "compensated", "noted"]
    who: str
    why: str = ""
    said: Mapping[str, str] = field(default_factory=dict)


def decide(connection: sa.Connection, made: Sequence[tuple[str, Decision]], at: datetime) -> None:
    """Write decisions, each about the risk of that fingerprint. Raises UsageError where one cannot be made."""
    risks = tables.risks.c
    named = {name for name, _ in made}
    chosen = sa.select(risks.fingerprint, risks.asset, risks.state).where(risks.fingerprint.in_(named))
    # locked in one order, and before the state is read that the decision rests on
    for asset in sorted({row.asset for row in connection.execute(chosen)}):
        asset_row(connection, asset)
    rows = {row.fingerprint: row for row in connection.execute(chosen)}
    events = []
    for name, one in made:
        if name not in rows:
            raise UsageError(f"there is no risk {name}; see: riskline register list")
        _refuse_pointless(connection, name, rows[name].state, one)
        details = json.dumps({key: column(value) for key, value in sorted(one.said.items())}) if one.said else ""
        place = (rows[name].asset, name, one.change)
        events.append(chain.Event(instant(at), "", *place, column(one.who), column(one.why), details))
    chain.append(connection, events)


def _refuse_pointless(connection: sa.Connection, name: str, state: str, made: Decision) -> None:
    if made.change in {"accepted", "compensated"} and state != "open":
        verb = "accept" if made.change == "accepted" else "compensate"
        raise UsageError(f"risk {name[:12]} is closed; there is nothing to {verb}")
    if made.change == "renewed" and treatments(connection, name).get(name, Treatment()).bearing is None:
        raise UsageError(f"risk {name[:12]} is not accepted; begin with: riskline register accept")


def retire(connection: sa.Connection, asset: str, who: str, why: str, at: datetime) -> int:
    """Close every open risk of an asset. Should a scan find it again after all, what fails there is reopened."""
    risks, known = tables.risks.c, tables.assets.c
    name = column(asset)
    if connection.scalar(sa.select(known.id).where(known.id == name)) is None:
        raise UsageError(f"no run has visited {asset}; see: riskline register list")
    asset_row(connection, asset)
    open = sa.and_(risks.asset == name, risks.state == "open")
    names = connection.scalars(sa.select(risks.fingerprint).where(open).order_by(risks.id)).all()
    closed = {"state": "retired", "changed_at": instant(at), "stale_since": None}
    connection.execute(tables.risks.update().where(open).values(**closed))
    # the next visit is held against the risks again, even if it finds exactly what the last one found
    connection.execute(tables.assets.update().where(known.id == name).values(applied=b""))
    said = (column(who), column(why))
    chain.append(connection, [chain.Event(instant(at), "", name, each, "retired", *said) for each in names])
    return len(names)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate said of one change. run: what was found after it; against: what that was held against."""

    at: datetime
    change: str
    answer: str
    run: str
    against: str
    who: str
    reasons: str


def write_answer(connection: sa.Connection, given: Answer) -> None:
    """Add the gate's answer to the history. It is about no single risk, so its place is empty."""
    details = {"against": given.against, "answer": given.answer, "change": given.change}
    said = json.dumps({key: column(value) for key, value in details.items()})
    place = (given.run, "", "", chain.GATED)
    chain.append(connection, [chain.Event(instant(given.at), *place, column(given.who), column(given.reasons), said)])


def answers(connection: sa.Connection) -> list[Answer]:
    """What the gate said, newest first."""
    events = tables.events.c
    query = sa.select(tables.events).where(events.asset == "", events.change == chain.GATED).order_by(events.seq.desc())
    found = []
    for event in map(chain.event_of, connection.execute(query)):
        said = json.loads(event.details)
        at = datetime.fromisoformat(event.at)
        found.append(Answer(at, said["change"], said["answer"], event.run, said["against"], event.who, event.why))
    return found


def treatments(connection: sa.Connection, fingerprint: str | None = None) -> dict[str, Treatment]:
    """What people decided, by fingerprint; of one risk or of all."""
    events = tables.events.c
    # what most events are, the opening of a risk, says nothing here
    query = sa.select(tables.events).where(events.change != "opened").order_by(events.seq)
    if fingerprint is not None:
        query = query.where(events.fingerprint == fingerprint)
    return fold(map(chain.event_of, connection.execute(query)))

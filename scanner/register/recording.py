"""What one run writes: rows and contents, the asset's standing, and the risks that move on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from scanner.model import Control, Finding, Outcome, Run, Visited

from . import chain, codec, lifecycle, tables
from .codec import column

Controls = Mapping[tuple[str, str], Control]


def run_columns(run: Run) -> dict[str, Any]:
    body = {
        "run": codec.plain(replace(run, controls={}, visited=(), history=None)),
        "order": [v.asset.id for v in run.visited],
    }
    return {**run_listed(body["run"]), "body": codec.pack(body)}


def run_listed(said: Mapping[str, Any]) -> dict[str, Any]:
    """The columns by which runs are listed and found, from what a run's own record says."""
    ended = said["finished_at"]
    return {
        "started_at": instant(datetime.fromisoformat(said["started_at"])),
        "finished_at": instant(datetime.fromisoformat(ended)) if ended else None,
        "state": said["state"],
        "inventory_digest": said["inventory_digest"],
        "score": said["organisation"]["score"],
    }


def instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat()


def counts(findings: Iterable[Finding]) -> dict[str, Any]:
    counted = Counter(finding.outcome for finding in findings)
    return {"failed": counted[Outcome.FAIL], "unknown": counted[Outcome.UNKNOWN]}


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; those whose key is already there stay as they are."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))


def insert_contents(connection: sa.Connection, contents: Mapping[bytes, bytes]) -> None:
    """Keep each value once. In the order of their digests, so that two writers never wait for each other crosswise."""
    known = tables.contents.c.digest
    held = set(map(bytes, connection.scalars(sa.select(known).where(known.in_(contents)))))
    rows = [{"digest": name, "body": codec.squeeze(contents[name])} for name in sorted(contents.keys() - held)]
    if rows:
        insert_new(connection, tables.contents, rows)


def put_visit(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    visits = tables.visits.c
    connection.execute(tables.visits.delete().where(visits.run == row["run"], visits.asset == row["asset"]))
    connection.execute(tables.visits.insert(), row)


def asset_row(connection: sa.Connection, asset: str) -> sa.Row[Any]:
    """The asset's own row, locked until the transaction ends: one writer per asset at a time."""
    insert_new(connection, tables.assets, [{"id": column(asset)}])
    query = sa.select(tables.assets).where(tables.assets.c.id == column(asset))
    return connection.execute(query.with_for_update()).one()


def move_risks_on(
    connection: sa.Connection, run: str, visited: Visited, standing: sa.Row[Any], applied: bytes, controls: Controls
) -> None:
    """Move the asset's risks on, unless a later visit was recorded before this one, or nothing is new."""
    at = instant(visited.collected_at or datetime.now(UTC))
    if standing.judged_at is not None and standing.judged_at > at:
        return
    asset = standing.id
    if standing.applied is None or bytes(standing.applied) != applied:
        known = standing_of(connection, asset) if standing.applied is not None else []
        found = lifecycle.changes(known, visited.findings, visited.asset.service, controls)
        _write_changes(connection, found, run, visited, at, controls)
    connection.execute(
        tables.assets.update().where(tables.assets.c.id == asset).values(run=run, judged_at=at, applied=applied)
    )


def standing_of(connection: sa.Connection, asset: str) -> list[lifecycle.Standing]:
    """Every risk of an asset that is known."""
    query = sa.select(tables.risks).where(tables.risks.c.asset == asset)
    return [
        lifecycle.Standing(
            id=row.id,
            place=(row.control, row.subject),
            state=row.state,
            service=row.service,
            baseline=row.baseline,
            cause=row.cause,
            weakness=row.weakness,
            stale=row.stale_since is not None,
        )
        for row in connection.execute(query)
    ]


def _write_changes(
    connection: sa.Connection, found: lifecycle.Changes, run: str, visited: Visited, at: str, controls: Controls
) -> None:
    asset, risks = column(visited.asset.id), tables.risks

    def about(finding: Finding) -> dict[str, Any]:
        return dict(zip(lifecycle.ABOUT, lifecycle.about(finding, visited.asset.service, controls), strict=True))

    new, moved, events = [], [], []
    for step in found.steps:
        name = lifecycle.fingerprint(asset, *step.place)
        events.append(chain.Event(at, run, asset, name, step.change, "scan", column(step.why)))
        if step.before is None and step.finding is not None:
            control, subject = step.place
            place = {"fingerprint": name, "asset": asset, "control": control, "subject": subject}
            dates = {"opened_at": at, "opened_run": run, "changed_at": at, "reopened": 0, "state": "open"}
            new.append({**place, **about(step.finding), **dates})
        elif step.before is not None:
            moved.append({"which": step.before.id, "to": "fixed" if step.change == "fixed" else "open", "when": at})
    if new:
        connection.execute(risks.insert(), new)
    _update(connection, moved, state=sa.bindparam("to"), changed_at=sa.bindparam("when"), stale_since=None)
    again = [{"which": step.before.id} for step in found.steps if step.change == "reopened" and step.before]
    _update(connection, again, reopened=risks.c.reopened + 1)
    _update(connection, [{"which": one.id} for one in found.stale], stale_since=at)
    _update(connection, [{"which": one.id} for one in found.seen], stale_since=None)
    back = [(step.before, step.finding) for step in found.steps if step.change == "reopened"]
    both = [(one, f) for one, f in (*back, *found.other) if one is not None and f is not None]
    other = [{"which": one.id, **{f"new_{k}": v for k, v in about(f).items()}} for one, f in both]
    _update(connection, other, **{name: sa.bindparam(f"new_{name}") for name in lifecycle.ABOUT})
    chain.append(connection, events)


def _update(connection: sa.Connection, rows: Sequence[Mapping[str, Any]], **values: Any) -> None:
    if rows:
        which = tables.risks.c.id == sa.bindparam("which")
        connection.execute(tables.risks.update().where(which).values(**values), list(rows))

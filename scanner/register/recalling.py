"""What the register gives back: runs, visits, risks, each equal to what was stored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from scanner.errors import UsageError
from scanner.holding import Alike
from scanner.model import Control, Finding, Run, Score, TrendPoint, Visited

from . import codec, listing, tables
from .recording import Controls, instant

RiskState = Literal["new", "open", "reopened", "stale", "fixed", "retired"]
CLOSED = ("fixed", "retired")


@dataclass(frozen=True, slots=True)
class RiskRecord:
    """One failed control on one subject of one asset, over time.

    state: new in the asset's last run, open, reopened once fixed, stale (open, not judged since `stale_since`), fixed,
    retired (its asset is no more, somebody said).
    weakness: share of the control that was missing when last seen.
    """

    fingerprint: str
    asset: str
    service: str
    baseline: str
    control: str
    subject: str
    cause: str
    weakness: float
    state: RiskState
    opened_at: datetime
    changed_at: datetime
    stale_since: datetime | None


def content(connection: sa.Connection, name: bytes) -> Any:
    return codec.unpack(connection.execute(sa.select(tables.contents.c.body).where(_named(name))).scalar_one())


def _named(name: bytes) -> sa.ColumnElement[bool]:
    return tables.contents.c.digest == name


def read_controls(connection: sa.Connection, run_id: str) -> tuple[bytes, Controls]:
    name = connection.scalar(sa.select(tables.runs.c.controls).where(tables.runs.c.id == run_id))
    if name is None:
        raise UsageError(f"run {run_id} was never begun in this register")
    controls = [(baseline, codec.revive(Control, stored)) for baseline, stored in content(connection, bytes(name))]
    return bytes(name), {(baseline, control.id): control for baseline, control in controls}


def summaries(connection: sa.Connection, limit: int | None, which: str = listing.EVERY) -> list[listing.RunSummary]:
    words, given = listing.query(which, limit)
    return listing.summaries(connection.execute(sa.text(words), given))


def find_run(connection: sa.Connection, wanted: str) -> str:
    runs = tables.runs.c
    newest = sa.select(runs.id).order_by((runs.state == "running").asc(), runs.started_at.desc(), runs.id.desc())
    if wanted == "latest":
        found = connection.scalar(newest.limit(1))
        if found is None:
            raise UsageError("no run is recorded yet; begin with: riskline scan")
        return str(found)
    matching = connection.scalars(sa.select(runs.id).where(runs.id.startswith(wanted, autoescape=True)).limit(10)).all()
    if wanted in matching or len(matching) == 1:
        return wanted if wanted in matching else str(matching[0])
    if not matching:
        raise UsageError(f"there is no run {wanted!r}; see: riskline runs")
    raise UsageError(f"{wanted!r} is the beginning of several runs: {', '.join(matching)}")


SAME_ESTATE = 0.9
"""Share of the assets that two runs must have in common for one line of a trend to join them."""


def trend(connection: sa.Connection, run: Run, most: int) -> list[TrendPoint]:
    runs = tables.runs.c
    here = {one.asset.id for one in run.visited}
    query = (
        sa.select(runs.id, runs.body)
        .where(runs.state == "complete", runs.started_at <= instant(run.started_at), runs.id != run.id)
        .order_by(runs.started_at.desc(), runs.id.desc())
    )
    points = [TrendPoint(run.id, run.started_at, *_figures(run.organisation))]
    for row in connection.execute(query).yield_per(50):
        if len(points) == most:
            break
        body = codec.unpack(row.body)
        there = set(body["order"])
        if len(here & there) >= SAME_ESTATE * len(here | there):
            of = codec.revive(Score, body["run"]["organisation"])
            points.append(TrendPoint(row.id, datetime.fromisoformat(body["run"]["started_at"]), *_figures(of)))
    return points[::-1]


def _figures(of: Score) -> tuple[float, float, float]:
    return of.score, of.expected_loss, of.coverage


def own_controls(connection: sa.Connection, asset: str) -> dict[tuple[str, str], Control]:
    """The controls that one asset alone had when it was last visited."""
    body = _last_stored(connection, asset)
    return codec.controls_of(codec.unpack(body)) if body is not None else {}


def last_findings(connection: sa.Connection, asset: str) -> tuple[Finding, ...]:
    """All findings of one asset's last visit; none where it has not been visited."""
    body = _last_stored(connection, asset)
    return codec.findings_of(asset, codec.unpack(body)) if body is not None else ()


def _last_stored(connection: sa.Connection, asset: str) -> bytes | None:
    assets, visits, contents = tables.assets.c, tables.visits.c, tables.contents.c
    query = (
        sa.select(contents.body)
        .join(tables.visits, visits.findings == contents.digest)
        .join(tables.assets, sa.and_(assets.run == visits.run, assets.id == visits.asset))
        .where(visits.asset == codec.column(asset))
    )
    return connection.scalar(query)


def differing(connection: sa.Connection, before: str, after: str) -> list[str]:
    visits = tables.visits.c
    query = sa.select(visits.run, visits.asset, visits.findings).where(visits.run.in_([before, after]))
    said: dict[str, dict[str, bytes]] = {before: {}, after: {}}
    for run, asset, findings in connection.execute(query):
        said[run][asset] = bytes(findings)
    return sorted(a for a in said[before].keys() | said[after].keys() if said[before].get(a) != said[after].get(a))


def visits(connection: sa.Connection, run_id: str, assets: Collection[str] | None = None) -> list[Visited]:
    visits, contents = tables.visits.c, tables.contents.c
    query = (
        sa.select(visits.asset, visits.body, visits.findings, contents.body.label("rows"))
        .join(tables.contents, contents.digest == visits.findings)
        .where(visits.run == run_id)
        .order_by(visits.asset)
    )
    found, alike = [], Alike()
    for row in connection.execute(query):
        if assets is not None and row.asset not in assets:
            continue
        visited = codec.revive(Visited, codec.unpack(row.body)["visited"])
        stored = codec.unpack(row.rows)
        findings = alike.held(codec.findings_of(visited.asset.id, stored))
        found.append(replace(visited, findings=findings, controls=codec.controls_of(stored)))
    return found


def risk_record(row: sa.Row[Any]) -> RiskRecord:
    state: RiskState = row.state
    if row.state == "open":
        fresh = "reopened" if row.reopened else "new" if row.opened_run == row.run else "open"
        state = "stale" if row.stale_since else fresh  # type: ignore[assignment]
    return RiskRecord(
        fingerprint=row.fingerprint,
        asset=row.asset,
        service=row.service,
        baseline=row.baseline,
        control=row.control,
        subject=row.subject,
        cause=row.cause,
        weakness=row.weakness,
        state=state,
        opened_at=datetime.fromisoformat(row.opened_at),
        changed_at=datetime.fromisoformat(row.changed_at),
        stale_since=datetime.fromisoformat(row.stale_since) if row.stale_since else None,
    )

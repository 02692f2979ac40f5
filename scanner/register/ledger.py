"""The register as people read it: each risk with what it costs alone, its level, its due date, and who does what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from scanner import score
from scanner.model import Asset, Control, Finding, Outcome, Visited
from scanner.scoring import deadlines
from scanner.scoring.standing import OPEN_LISTS

from . import codec, tables
from .recalling import CLOSED, RiskRecord, content
from .recording import Controls
from .treatment import AcceptanceState, Treatment

NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the register. loss: expected per year if this were all there is. due: None where it is fixed.

    level: the loss held against an asset's tolerance, in the words of the score.
    """

    risk: RiskRecord
    treatment: Treatment
    title: str
    loss: float
    level: str
    due: date | None
    chosen: str
    acceptance: AcceptanceState | None

    def overdue_on(self, day: date) -> bool:
        """Whether it should have been dealt with before that day."""
        return self.due is not None and self.due < day


@dataclass(frozen=True, slots=True)
class Known:
    """What risks are about: assets as they were last visited, controls as they were last judged by."""

    assets: Mapping[str, Asset]
    controls: Controls


def read_known(connection: sa.Connection) -> Known:
    """Assets and controls of the runs in which open risks were last, or first, seen."""
    assets, visits, runs, risks = tables.assets.c, tables.visits.c, tables.runs.c, tables.risks.c
    last = sa.select(assets.id, visits.body).join(
        tables.visits, sa.and_(visits.run == assets.run, visits.asset == assets.id)
    )
    known = {
        row.id: codec.revive(Visited, {**codec.unpack(row.body)["visited"], "findings": []}).asset
        for row in connection.execute(last)
    }
    told = sa.union(
        sa.select(risks.opened_run).where(risks.state == "open"), sa.select(assets.run).where(assets.run.is_not(None))
    )
    names = (
        sa.select(runs.controls).where(runs.id.in_(told)).group_by(runs.controls).order_by(sa.func.max(runs.started_at))
    )
    controls: dict[tuple[str, str], Control] = {}
    for name in connection.scalars(names).all():
        for baseline, stored in content(connection, bytes(name)):
            control = codec.revive(Control, stored)
            controls[baseline, control.id] = control
    return Known(known, {**_of_single_assets(connection), **controls})


def _of_single_assets(connection: sa.Connection) -> dict[tuple[str, str], Control]:
    """The controls that single assets have, one for each known flaw, where risks of that kind are open."""
    assets, visits, risks = tables.assets.c, tables.visits.c, tables.risks.c
    open = sa.select(risks.asset).where(risks.baseline.in_(OPEN_LISTS), risks.state.not_in(CLOSED)).distinct()
    last = (
        sa.select(visits.findings)
        .join(tables.assets, sa.and_(visits.run == assets.run, visits.asset == assets.id))
        .where(assets.id.in_(open))
        .distinct()
    )
    found: dict[tuple[str, str], Control] = {}
    for name in connection.scalars(last).all():
        found |= codec.controls_of(content(connection, bytes(name)), found)
    return found


def entries(
    risks: Iterable[RiskRecord], treatments: Mapping[str, Treatment], known: Known, policy: score.Policy, today: date
) -> list[Entry]:
    """The register's lines, dearest first."""
    found = [_entry(risk, treatments.get(risk.fingerprint, Treatment()), known, policy, today) for risk in risks]
    return sorted(found, key=lambda one: (-one.loss, one.risk.asset, one.risk.control, one.risk.subject))


def _entry(risk: RiskRecord, treatment: Treatment, known: Known, policy: score.Policy, today: date) -> Entry:
    asset, control = known.assets.get(risk.asset), known.controls.get((risk.baseline, risk.control))
    fixed = risk.state in CLOSED
    loss, level = 0.0, ""
    if not fixed:
        level = NOT_KNOWN
        if asset is not None and control is not None:
            loss = _alone(risk, asset, known.controls, policy, treatment.factor_on(today))
            level = score.word(score.points(loss, policy.tolerances.asset))
    return Entry(
        risk=risk,
        treatment=treatment,
        title=control.title if control else risk.control,
        loss=loss,
        level=level,
        due=None if fixed else _due(risk, treatment, level, policy, today, _table_days(asset, control)),
        chosen=treatment.on(today),
        acceptance=treatment.acceptance_state(today, fixed),
    )


def _alone(risk: RiskRecord, asset: Asset, controls: Controls, policy: score.Policy, factor: float) -> float:
    place = (asset.id, risk.baseline, risk.control, risk.subject)
    finding = Finding(*place, Outcome.FAIL, weakness=risk.weakness, compensation=factor)
    (weak,) = score.weaknesses(asset, [finding], controls, policy)
    return policy.attempts * weak.v * weak.l


def _table_days(asset: Asset | None, control: Control | None) -> Callable[[date], date | None]:
    """Found on -> due by the table for known flaws; None where it says nothing of this risk."""
    if asset is None or control is None:
        return lambda _: None
    return partial(deadlines.due, control, score.zone_of(asset, control))


def _due(
    risk: RiskRecord,
    treatment: Treatment,
    level: str,
    policy: score.Policy,
    today: date,
    by_table: Callable[[date], date | None],
) -> date:
    """An accepted risk is due when that ends; any other so many days after it was found, by its level.

    A known flaw is due by the table of BOD 26-04 where that is earlier.
    """
    if treatment.bearing is not None and today <= treatment.bearing.until:
        return treatment.bearing.until
    days = policy.due_within("within tolerance" if level == NOT_KNOWN else level)
    found_on = (treatment.began_at or risk.opened_at).astimezone(UTC).date()
    by_level = found_on + timedelta(days=days)
    return min(by_level, by_table(found_on) or by_level)


def plain(entry: Entry, today: date) -> dict[str, Any]:
    """One line as JSON: dates as YYYY-MM-DD."""
    risk, treatment = entry.risk, entry.treatment
    bearing = codec.plain(treatment.bearing)
    if bearing is not None:
        bearing = {**bearing, "until": f"{bearing['until']}", "state": entry.acceptance}
    return {
        **codec.plain(risk),
        "title": entry.title,
        "expected_loss": entry.loss,
        "level": entry.level,
        "owner": treatment.owner,
        "treatment": entry.chosen,
        "due": f"{entry.due}" if entry.due else None,
        "overdue": entry.overdue_on(today),
        "acceptance": bearing,
        "compensation": {**codec.plain(treatment.relief), "until": f"{treatment.relief.until}"}
        if treatment.relief
        else None,
        "links": list(treatment.links),
        "notes": codec.plain(treatment.notes),
    }

"""What the register adds to a run that is reported: the trend, who deals with what, what is accepted, the seal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from scanner import score
from scanner.model import AcceptedRisk, Asset, Charge, Finding, History, Run
from scanner.scoring.standing import compensated, untreated, with_last_known

from .ledger import Entry, entries
from .store import Register

POINTS = 13
"""Of the trend: a year of monthly runs, or a fortnight of nightly ones."""
CAUSES = 50
"""For how many of the largest risks it is looked up who deals with them."""


def history(register: Register, run: Run, policy: score.Policy, today: date) -> History:
    """What is remembered beside a run, as of `today`; dearest risks first."""
    treatments, known = register.treatments(), register.known()
    held = register.risks(fingerprints=[name for name, one in treatments.items() if one.bearing is not None])
    open = register.risks(causes={risk.root_cause for risk in run.risks[:CAUSES]})
    assets = {one.asset.id for one in run.visited}
    still = _still_open(register, run, today)
    return History(
        day=today,
        trend=tuple(register.trend(run, POINTS)),
        accepted=tuple(_accepted(entries(held, treatments, known, policy, today))),
        charges=_charges(run, entries([r for r in open if r.asset in assets], treatments, known, policy, today), today),
        head=register.head(),
        untreated=_untreated(register, run, still, policy, today),
        standing=tuple(finding for found in still.values() for finding in found),
    )


def standing(register: Register, run: Run, today: date) -> list[tuple[Asset, list[Finding]]]:
    """What counts in a run, asset by asset: its findings and, in the last run, what it could not judge again."""
    return list(_pairs(run, _still_open(register, run, today)))


def _pairs(run: Run, still: Mapping[str, Sequence[Finding]]) -> Iterator[tuple[Asset, list[Finding]]]:
    """Each asset with its findings and what is still open beside them, made as they are asked for."""
    return ((one.asset, [*one.findings, *still.get(one.asset.id, ())]) for one in run.visited)


def _still_open(register: Register, run: Run, today: date) -> dict[str, Sequence[Finding]]:
    """Asset → what failed there before and could not be judged again; of the last run alone."""
    last = register.runs(1)
    if not last or last[0].id != run.id:
        return {}
    found: dict[str, Sequence[Finding]] = {}
    eased = register.compensations()
    for one in run.visited:
        known = [each for each in register.last_known(one.asset.id) if (each.baseline, each.control) in run.controls]
        known = compensated(known, eased.get(one.asset.id, ()), today)
        found[one.asset.id] = with_last_known(one.findings, known)[len(one.findings) :]
    return found


def _untreated(
    register: Register, run: Run, still: Mapping[str, Sequence[Finding]], policy: score.Policy, today: date
) -> float | None:
    """What the run would cost a year without what is accepted. None where not all that counts in it is known."""
    seen = score.assess(_pairs(run, still), run.controls, policy).organisation.expected_loss
    if not math.isclose(seen, run.organisation.expected_loss, rel_tol=1e-9):
        return None
    held = register.acceptances()
    less = ((asset, untreated(findings, held, today)) for asset, findings in _pairs(run, still))
    return score.assess(less, run.controls, policy).organisation.expected_loss


def _accepted(found: Iterable[Entry]) -> Iterable[AcceptedRisk]:
    for one in found:
        risk, bearing = one.risk, one.treatment.bearing
        if bearing is not None and one.acceptance is not None:
            yield AcceptedRisk(
                risk.asset, risk.service, risk.baseline, risk.control, risk.subject, one.title, risk.cause,
                bearing.owner, bearing.approver, bearing.reason, bearing.until, one.acceptance,
            )  # fmt: skip


def _charges(run: Run, found: Iterable[Entry], today: date) -> tuple[Charge, ...]:
    by: dict[tuple[str, str], list[Entry]] = {}
    for one in found:
        by.setdefault((one.risk.service, one.risk.cause), []).append(one)
    return tuple(_charge(key, by[key], today) for risk in run.risks if (key := (risk.service, risk.root_cause)) in by)


def _charge(key: tuple[str, str], found: list[Entry], today: date) -> Charge:
    owners = Counter(one.treatment.owner for one in found if one.treatment.owner)
    days = [one.due for one in found if one.due is not None]
    overdue = sum(one.overdue_on(today) for one in found)
    return Charge(*key, ", ".join(sorted(owners)), min(days, default=None), overdue)

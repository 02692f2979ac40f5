"""What became urgent without any change on our side: yesterday's verdict held against today's feeds. Pure.

Both look at the same installed packages, so whatever differs was learned by the world, not changed by us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from scanner import score
from scanner.model import Asset, Control, Finding, Outcome
from scanner.scoring import deadlines

from .controls import WATCHED
from .said import BASELINE

Kind = Literal["exploited", "likelier", "published", "mendable", "minor", "gone"]
ORDER: Mapping[Kind, str] = {
    "exploited": "attacked now",
    "likelier": "much likelier to be attacked",
    "published": "published since, and urgent",
    "mendable": "can be mended now",
    "minor": "published since",
    "gone": "no longer held to be a flaw here",
}
"""In the order in which they are told."""
URGENT: tuple[Kind, ...] = ("exploited", "likelier", "published")
URGENT_DAYS = 14
LIKELY = 0.1
JUMP = 10.0
"""A chance that rises so many times, and takes more likelihood with it, is news."""

Controls = Mapping[tuple[str, str], Control]


@dataclass(frozen=True, slots=True)
class Look:
    """One asset's known flaws by one state of the feeds."""

    findings: Sequence[Finding]
    controls: Controls


@dataclass(frozen=True, slots=True)
class Change:
    """One flaw of one package and what has become of it. why: in plain words. by: when it has to be mended."""

    kind: Kind
    flaw: str
    package: str
    why: str
    step: str
    deadline: str
    due: date | None
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Night:
    """All that changed. blind: asset -> why today's feeds cannot say anything of it."""

    changes: tuple[Change, ...]
    blind: Mapping[str, str] = field(default_factory=dict)

    @property
    def urgent_assets(self) -> tuple[str, ...]:
        """The assets of which something became urgent."""
        return tuple(sorted({name for one in self.changes if one.kind in URGENT for name in one.assets}))


def compare(
    assets: Iterable[tuple[Asset, Look, Look]],
    opened: Mapping[tuple[str, str, str], date],
    today: date,
) -> Night:
    """assets: with the look before and the look now. opened: (asset, control, subject) -> since when it is known."""
    grouped: dict[tuple[Kind, str, str], list[Change]] = {}
    blind: dict[str, str] = {}
    for asset, before, now in assets:
        if not _looked(before):
            blind[asset.id] = "its known flaws were not looked up then"
            continue
        watched = next((one for one in now.findings if one.control == WATCHED), None)
        if watched is None or watched.outcome is Outcome.UNKNOWN:
            blind[asset.id] = (watched.detail or watched.reason) if watched else "its packages were not asked for"
        for change in _of_asset(asset, before, now, opened, today):
            grouped.setdefault((change.kind, change.flaw, change.package), []).append(change)
    merged = [_merged(found) for found in grouped.values()]
    places = list(ORDER)
    merged.sort(key=lambda one: (places.index(one.kind), one.due or date.max, one.flaw, one.package))
    return Night(tuple(merged), blind)


def _looked(look: Look) -> bool:
    """Whether flaws were looked up at all: else everything would seem to be new."""
    return any(
        one.control == WATCHED and one.reason in {"", "feed-too-old", "no-longer-watched"} for one in look.findings
    )


def _merged(found: Sequence[Change]) -> Change:
    first = min(found, key=lambda one: one.due or date.max)
    assets = tuple(sorted({name for one in found for name in one.assets}))
    return Change(first.kind, first.flaw, first.package, first.why, first.step, first.deadline, first.due, assets)


def _of_asset(
    asset: Asset, before: Look, now: Look, opened: Mapping[tuple[str, str, str], date], today: date
) -> Iterable[Change]:
    then, new = _flaws(before), _flaws(now)
    for place, (finding, control) in new.items():
        kind, why = _kind(then.get(place), control, asset)
        if kind is None:
            continue
        zone = score.zone_of(asset, control)
        known = deadlines.answers(control, zone)
        since = opened.get((asset.id, finding.control, finding.subject), today)
        yield Change(
            kind=kind,
            flaw=_name(control),
            package=finding.subject,
            why=why,
            step=control.fix,
            deadline=str(deadlines.deadline(known)) if known else "",
            due=deadlines.due(control, zone, since),
            assets=(asset.id,),
        )
    whole = not any(one.control == WATCHED and one.outcome is Outcome.UNKNOWN for one in now.findings)
    for place, (finding, control) in then.items():
        if place not in new and whole:
            why = "the advisories no longer name it for what is installed"
            yield Change("gone", _name(control), finding.subject, why, "", "", None, (asset.id,))


def _flaws(look: Look) -> dict[tuple[str, str], tuple[Finding, Control]]:
    """(advisory, package) -> the failed finding and its control."""
    found = {}
    for one in look.findings:
        control = look.controls.get((BASELINE, one.control))
        if one.baseline == BASELINE and one.outcome is Outcome.FAIL and control is not None:
            found[control.references.get("advisory", (control.id,))[0], one.subject] = one, control
    return found


def _name(control: Control) -> str:
    return ", ".join(control.references.get("cve", ())[:3]) or control.references.get("advisory", (control.id,))[0]


def _kind(before: tuple[Finding, Control] | None, now: Control, asset: Asset) -> tuple[Kind | None, str]:
    """What became of one flaw, and why; None where nothing did."""
    listed = "".join(now.references.get(deadlines.KEV, ()))
    if listed and (before is None or deadlines.KEV not in before[1].references):
        return "exploited", f"it is on the list of exploited flaws since {listed}"
    if before is None:
        known = deadlines.answers(now, score.zone_of(asset, now))
        days = deadlines.deadline(known).days if known else None
        soon = days is not None and days <= URGENT_DAYS
        if soon or now.exploit >= 4:
            return "published", f"it was not known before; {_chance_said(now)}"
        return "minor", "it was not known before"
    old = before[1]
    if _jumped(old, now):
        return (
            "likelier",
            f"its chance of being attacked within 30 days rose from {_chance(old):.1%} to {_chance(now):.1%}",
        )
    if old.id.endswith("/no-fix") and not now.id.endswith("/no-fix"):
        return "mendable", "there was no update before, and there is one now"
    return None, ""


def _chance(control: Control) -> float:
    return float(control.references.get(deadlines.EPSS, ("0",))[0])


def _chance_said(control: Control) -> str:
    if deadlines.EPSS in control.references:
        return f"its chance of being attacked somewhere within 30 days is {_chance(control):.1%}"
    return "how likely an attack is, nobody has said yet"


def _jumped(old: Control, now: Control) -> bool:
    """Whether the chance rose so much that it is news. Numbers of two models are not compared."""
    then, new = old.references.get(deadlines.EPSS, ()), now.references.get(deadlines.EPSS, ())
    if not new or not then or then[1:] != new[1:]:
        return False
    was, is_now = _chance(old), _chance(now)
    return was < LIKELY <= is_now or (is_now >= JUMP * was and now.exploit > old.exploit)

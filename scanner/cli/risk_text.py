"""Risks as lines of text, for the verbs of `riskline register`. Nothing in them is obeyed by a terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import click

from scanner.inert import printable

if TYPE_CHECKING:
    from scanner.register import Event
    from scanner.register.ledger import Entry
    from scanner.register.waivers import Applied


SOON_DAYS = 30
LEVELS = ("far above tolerance", "above tolerance", "within tolerance", "low", "very low")
"""Levels of risks, the worst first."""


def percent(share: float) -> str:
    """A share or a chance as people read it, never rounded to nothing or to all: 'none', '< 1 %', '37 %', '> 99 %'."""
    if share <= 0:
        return "none"
    return "< 1 %" if share < 0.01 else "> 99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def show_table(found: Sequence[Entry], today: date) -> None:
    """One line for each risk."""
    if not found:
        click.echo("No risk of this kind.")
        return
    from tabulate import tabulate

    rows = [
        (
            one.risk.fingerprint[:8],
            one.level or "-",
            f"{one.loss:.2g}",
            printable(one.risk.asset, 24),
            printable(f"{one.risk.control}{f' [{one.risk.subject}]' if one.risk.subject else ''}", 40),
            printable(one.title, 44),
            one.risk.state,
            printable(one.treatment.owner or "nobody", 20),
            one.chosen or "undecided",
            f"{one.due}{' overdue' if one.overdue_on(today) else ''}" if one.due else "-",
        )
        for one in found
    ]
    headers = ["Risk", "Level", "Loss/year", "Asset", "Control", "What should be", "State", "Owner", "Treatment", "Due"]
    click.echo(tabulate(rows, headers=headers, disable_numparse=True))


def show_counts(found: Sequence[Entry], today: date) -> None:
    """How many there are of each level, and how many wait for somebody: '7 risks: 2 far above tolerance, …'."""
    levels = Counter(one.level for one in found if one.level)
    ordered = [f"{levels[word]} {word}" for word in (*LEVELS, *(levels.keys() - set(LEVELS))) if levels[word]]
    open = [one for one in found if one.due is not None]
    undecided = sum(not one.chosen for one in open)
    nobody, overdue = sum(not one.treatment.owner for one in open), sum(one.overdue_on(today) for one in open)
    said = f"{len(found)} risk{'s' if len(found) != 1 else ''}"
    levels_said = f": {', '.join(ordered)}" if ordered else ""
    click.echo(f"\n{said}{levels_said}")
    click.echo(f"{overdue} overdue, {nobody} without an owner, {undecided} undecided")


def show_waivers(found: Applied, dry_run: bool) -> None:
    """How many risks a file of waivers accepts, and which of its lines do nothing."""
    would = "would be" if dry_run else "are"
    click.echo(f"{len(found.made)} risks {would} accepted anew, {found.known} were so already")
    for word, waivers in (("no open risk needs it", found.unused), ("has ended", found.ended)):
        for one in waivers:
            subject = f" [{one.subject}]" if one.subject is not None else ""
            click.echo(printable(f"  {word}: {one.control}{subject} on {one.asset}, until {one.until}"))


def show_acceptances(everything: Sequence[Entry]) -> None:
    """The soon expiring, the expired and the unused are named, whatever was asked for."""
    held = [one for one in everything if one.acceptance is not None]
    if not held:
        return
    counts = [
        f"{sum(one.acceptance == state for one in held)} {state}"
        for state in ("valid", "expiring", "expired", "unused")
    ]
    click.echo(f"\nAccepted: {', '.join(counts)}")
    for state in ("expiring", "expired", "unused"):
        for one in held:
            if one.acceptance == state and one.treatment.bearing is not None:
                where = f"{one.risk.fingerprint[:8]}  {one.risk.control} on {one.risk.asset}"
                click.echo(
                    printable(
                        f"  {state}: {where}, until {one.treatment.bearing.until}, borne by "
                        f"{one.treatment.bearing.owner}"
                    )
                )


def show_compensations(everything: Sequence[Entry], today: date) -> None:
    """How many weaknesses something else eases, and those for which that ends soon or has ended."""
    held = [
        (one, one.treatment.relief) for one in everything if one.treatment.relief is not None and one.due is not None
    ]
    if not held:
        return
    click.echo(f"\nCompensated: {sum(today <= relief.until for _, relief in held)}")
    for one, relief in held:
        if (relief.until - today).days <= SOON_DAYS:
            state = "ends soon" if today <= relief.until else "has ended and no longer counts"
            where = f"{one.risk.fingerprint[:8]}  {one.risk.control} on {one.risk.asset}"
            click.echo(printable(f"  {state}: {where}, until {relief.until}, by {relief.owner}"))


def show_risk(one: Entry, today: date) -> None:
    """All that is known of one risk."""
    risk, treatment = one.risk, one.treatment
    click.secho(printable(f"{one.title}"), bold=True)
    said = {
        "risk": risk.fingerprint,
        "where": f"{risk.control} on {risk.asset}{f' [{risk.subject}]' if risk.subject else ''}",
        "service": risk.service,
        "cause": risk.cause,
        "state": f"{risk.state}, since {risk.changed_at:%Y-%m-%d}",
        "level": f"{one.level or 'closed'}; expected to cost {one.loss:.3g} a year by itself",
        "owner": treatment.owner or "nobody",
        "treatment": one.chosen or "undecided",
        "due": f"{one.due or '-'}{' (overdue)' if one.overdue_on(today) else ''}",
        "tickets": ", ".join(treatment.links) or "none",
    }
    if treatment.bearing is not None:
        bearing = treatment.bearing
        said["acceptance"] = (
            f"{one.acceptance}; until {bearing.until}, by {bearing.owner}, approved by {bearing.approver}"
        )
        said["because"] = bearing.reason
    if treatment.relief is not None:
        relief = treatment.relief
        state = "counts" if today <= relief.until else "has ended"
        said["eased"] = (
            f"{state}; {relief.factor:g} of it is left until {relief.until}, says {relief.owner}: {relief.how}"
        )
        said["see"] = relief.evidence
    for name, text in said.items():
        click.echo(printable(f"  {name:<11}{text}"))


def show_event(seq: int, event: Event) -> None:
    """One line of its history."""
    details = json.loads(event.details) if event.details else {}
    more = "".join(f", {key} {value}" for key, value in details.items())
    click.echo(
        printable(f"  #{seq} {event.at[:16]} {event.who}: {event.change}{more}{f' ({event.why})' if event.why else ''}")
    )

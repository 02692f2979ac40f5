"""`riskline diff`: what changed between two recorded runs, verdict by verdict or fact by fact."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from . import choosing
from . import options as given

if TYPE_CHECKING:
    from scanner.catalogue import Catalogue
    from scanner.drift import FactChange, VerdictChange
    from scanner.model import Run

    from .choosing import Held


@click.command()
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="[AFTER]", default="latest")
@given.register_option
@given.source_options
@click.option("--facts", "only", flag_value="facts", help="Only what is set up differently: which line of which file.")
@click.option("--verdicts", "only", flag_value="verdicts", help="Only which controls are judged differently.")
@click.option("-f", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def diff(
    before: str,
    after: str,
    register_url: str,
    sources: given.Sources,
    only: str | None,
    format: str,
) -> None:
    """Show what changed from run BEFORE to run AFTER (ids, their beginnings, `latest`, evidence files).

    First verdicts: a control that could be judged before and cannot now is blind, never fixed. Then facts, which are
    what the systems answered: this line was added to that file. Counters and running processes are none. Assets that
    only one of the runs visited are not compared.
    """
    from dataclasses import asdict

    from scanner.drift import verdicts
    from scanner.register import open_register

    with contextlib.closing(open_register(register_url)) as register:
        first, second = choosing.run_of(register, before), choosing.run_of(register, after)
        changed = verdicts(first.run, second.run) if only != "facts" else []
        drifted = drift_of(first, second, fleeting(sources.catalogue())) if only != "verdicts" else []
    if format == "json":
        both = {"verdicts": [asdict(one) for one in changed], "facts": [asdict(one) for one in drifted]}
        click.echo(json.dumps(both[only] if only else both, indent=2, default=str))
        return
    if only != "facts":
        show_verdicts(changed, second.run)
    if only != "verdicts":
        show_facts(drifted)


def fleeting(catalogue: Catalogue) -> dict[str, re.Pattern[str]]:
    """What of an answer is no drift, by probe, as the checks that read it say."""
    facts = {fact for check in catalogue.checks() for fact in check.facts}
    said: dict[str, set[str]] = {}
    for fact in facts:
        if fact.fleeting:
            said.setdefault(fact.probe.key, set()).add(fact.fleeting)
    return {key: re.compile("|".join(sorted(patterns))) for key, patterns in said.items()}


def drift_of(before: Held, after: Held, ignored: Mapping[str, re.Pattern[str]]) -> list[FactChange]:
    """What each asset that both runs visited answers otherwise."""
    from scanner import drift

    changes: list[FactChange] = []
    both = {one.asset.id for one in before.run.visited} & {one.asset.id for one in after.run.visited}
    for asset in sorted(both):
        first, second = (held.register.evidence(held.run.id, asset) for held in (before, after))
        if first is not None and second is not None and first.digest != second.digest:
            changes += drift.facts(first, second, ignored)
    return changes


def show_facts(changes: list[FactChange]) -> None:
    """Print each place with the lines that came and went."""
    from scanner.inert import printable

    for change in changes:
        click.secho(printable(f"{change.asset}  {change.place or _asked(change.question)}"), bold=True)
        for line in change.lines:
            click.secho(f"  {printable(line)}", fg={"+": "green", "-": "red"}.get(line[:1]))
    if not changes:
        click.echo("No answer differs.")


def _asked(question: str) -> str:
    """A question in one short line: 'posix:sh sshd -T' -> 'sshd -T'."""
    words = " ".join(question.partition(" ")[2].split()) or question
    return words if len(words) <= 100 else f"{words[:99]}…"


def show_verdicts(changes: Sequence[VerdictChange], run: Run) -> None:
    """Print changes by kind; run: the later one, for the titles of its controls."""
    from scanner.inert import printable

    for kind in ("new", "blind", "fixed", "judged", "gone", "other"):
        of_kind = [change for change in changes if change.kind == kind]
        if of_kind:
            click.secho(f"{kind} ({len(of_kind)})", bold=True)
        for change in of_kind:
            control = run.controls.get((change.baseline, change.control))
            subject = f" [{change.subject}]" if change.subject else ""
            title = control.title if control else ""
            click.echo(printable(f"  {change.asset}  {change.control}{subject}  {title}"))
            if kind == "new" and change.after is not None:
                click.echo(printable(f"      found {change.after.observed}; wanted {change.after.expected}"))
            if kind == "blind" and change.after is not None:
                click.echo(printable(f"      {change.after.reason}: {change.after.detail}"))
    if not changes:
        click.echo("No verdict differs.")

"""`riskline diff`: what changed between two recorded runs, verdict by verdict or fact by fact."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from . import options as given

if TYPE_CHECKING:
    from scanner.drift import FactChange, VerdictChange
    from scanner.model import Run
    from scanner.register import Register


@click.command()
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="[AFTER]", default="latest")
@given.register_option
@click.option("--facts", is_flag=True, help="Show configuration drift itself: which line was added to which file.")
@click.option("-f", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def diff(before: str, after: str, register_url: str, facts: bool, format: str) -> None:
    """Show what changed from run BEFORE to run AFTER (ids, beginnings of ids, or `latest`).

    A control that could be judged before and cannot now is blind, never fixed. Assets that only one of the runs visited
    are not compared.
    """
    from scanner.register import open_register

    with contextlib.closing(open_register(register_url)) as register:
        old, new = register.run(before), register.run(after)
        if facts:
            _show_facts(_drifted(register, old, new), format)
        else:
            from scanner import drift

            show_verdicts(drift.verdicts(old, new), new, format)


def _drifted(register: Register, old: Run, new: Run) -> list[FactChange]:
    from scanner import drift

    changes: list[FactChange] = []
    for asset in sorted({one.asset.id for one in old.visited} & {one.asset.id for one in new.visited}):
        first, second = register.evidence(old.id, asset), register.evidence(new.id, asset)
        if first is not None and second is not None:
            changes += drift.facts(first, second)
    return changes


def _show_facts(changes: list[FactChange], format: str) -> None:
    from dataclasses import asdict

    from scanner.inert import printable

    if format == "json":
        click.echo(json.dumps([asdict(change) for change in changes], indent=2))
        return
    for change in changes:
        click.secho(printable(f"{change.asset}  {change.place or change.question}"), bold=True)
        for line in change.lines:
            click.secho(f"  {printable(line)}", fg={"+": "green", "-": "red"}.get(line[:1]))
    if not changes:
        click.echo("No answer differs.")


def show_verdicts(changes: Sequence[VerdictChange], run: Run, format: str) -> None:
    """Print changes by kind; run: the later one, for the titles of its controls."""
    from dataclasses import asdict

    from scanner.inert import printable

    if format == "json":
        click.echo(json.dumps([asdict(change) for change in changes], indent=2, default=str))
        return
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

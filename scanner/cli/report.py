"""`riskline report` and `riskline runs`: what the register remembers."""

from __future__ import annotations

import contextlib
import json

import click

from . import choosing, logs
from . import options as given


@click.command()
@click.argument("run_id", metavar="[RUN]", default="latest")
@given.limit_option
@given.register_option
@given.output_options
@logs.talk_options
def report(
    run_id: str,
    limit: tuple[str, ...],
    register_url: str,
    output: given.Output,
    talk: logs.Talk,
) -> None:
    """Write the report of a recorded run: its id, the beginning of it, or `latest`.

    With --limit it is a report of these assets alone, and every total is theirs.
    """
    logs.set_up_log(talk)
    from scanner.register import open_register

    from . import writing

    writing.refuse_unwritable(output.outputs, output.format)
    with contextlib.closing(open_register(register_url)) as register:
        run = choosing.limited(register, register.run(run_id), limit)
        run = choosing.remembered(register, run)
    writing.write(run, output, talk)


@click.command()
@given.register_option
@click.option("-n", "--last", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option("-f", "--format", type=click.Choice(["table", "json"]), default="table", show_default=True)
def runs(register_url: str, last: int, format: str) -> None:
    """List the recorded runs, newest first."""
    from dataclasses import asdict

    from scanner.register.listing import runs_in_file

    found = runs_in_file(register_url, last)
    if found is None:
        from scanner.register import open_register

        with contextlib.closing(open_register(register_url)) as register:
            found = register.runs(last)
    if format == "json":
        click.echo(json.dumps([asdict(run) for run in found], indent=2, default=str))
        return
    if not found:
        click.echo("No run is recorded yet; begin with: riskline scan")
        return
    from tabulate import tabulate

    rows = [
        (run.id, f"{run.started_at:%Y-%m-%d %H:%M}", run.state, run.assets, run.failed, run.unknown, f"{run.score:.0f}")
        for run in found
    ]
    click.echo(tabulate(rows, headers=["Run", "Started (UTC)", "State", "Assets", "Failed", "Unknown", "Score"]))

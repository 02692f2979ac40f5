"""`riskline register export|verify`: the whole register taken away, and the proof that nothing in it was altered."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from . import choosing
from . import options as given

COLUMNS = (
    "fingerprint", "asset", "service", "control", "subject", "title", "state", "level", "expected_loss", "owner",
    "treatment", "due", "overdue", "accepted_until", "approver", "reason", "links", "opened_at", "changed_at",
)  # fmt: skip


@click.command()
@click.argument("change", metavar="[ID]", default="")
@given.register_option
@click.option("-f", "--format", type=click.Choice(["table", "json"]), default="table", show_default=True)
def changes(change: str, register_url: str, format: str) -> None:
    """List what the gate answered about changes, newest first, or about the one of that ID."""
    from dataclasses import asdict

    from scanner.inert import printable

    with choosing.opened(register_url) as opened:
        found = [one for one in opened.answers() if one.change == (change or one.change)]
    if format == "json":
        click.echo(json.dumps([asdict(one) for one in found], indent=2, default=str))
        return
    if not found:
        click.echo(f"The gate was never asked about {change}." if change else "The gate was never asked.")
    for one in found:
        click.secho(printable(f"{one.change}: {one.answer}"), bold=True)
        click.echo(printable(f"  {one.at:%Y-%m-%d %H:%M} UTC, {one.who}: run {one.run} held against {one.against}"))
        for reason in filter(None, one.reasons.split("; ")):
            click.echo(printable(f"  - {reason}"))


@click.command()
@given.register_option
@choosing.policy_option
@click.option("-f", "--format", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file. Default: print it.")
def export(register_url: str, policy_path: Path | None, format: str, output: Path | None) -> None:
    """Write every risk that ever was, fixed ones included: CSV for a spreadsheet, JSON with comments and history."""
    from dataclasses import asdict

    from scanner.register.ledger import plain

    from . import writing

    today = datetime.now(UTC).date()
    with choosing.opened(register_url) as opened:
        rows = [plain(one, today) for one in choosing.entries_of(opened, policy_path, today)]
        if format == "json":
            history = [{"seq": seq, **asdict(event)} for seq, event in opened.events()]
            text = json.dumps({"head": opened.head(), "day": f"{today}", "risks": rows, "events": history}, indent=2)
        else:
            text = _as_csv(rows)
    if output is None:
        writing.print_bytes(f"{text}\n".encode() if format == "json" else text.encode())
    else:
        writing.write_file(output, text.encode())


def _as_csv(rows: list[dict[str, Any]]) -> str:
    from scanner.inert import cell

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        bearing = row["acceptance"] or {"until": "", "approver": "", "reason": ""}
        more = {"accepted_until": bearing["until"], "approver": bearing["approver"], "reason": bearing["reason"]}
        told = {**row, **more, "links": " ".join(row["links"]), "expected_loss": f"{row['expected_loss']:.4g}"}
        told |= {"overdue": "yes" if row["overdue"] else "no", "due": row["due"] or ""}
        writer.writerow([cell(str(told[name])) for name in COLUMNS])
    return out.getvalue()


@click.command()
@given.register_option
@click.option("--head", metavar="HEX", help="A head that was noted earlier; it must still be part of the history.")
@click.pass_context
def verify(ctx: click.Context, register_url: str, head: str | None) -> None:
    """Prove that nothing in the history was altered or removed, and print the head that stands for all of it.

    Note the head somewhere else (a ticket, a mail, paper). Whoever can write to the database could write the whole
    history anew; only a head that was noted elsewhere shows that. Exit code 0: all is as it was written; 1: it is not.
    """
    from scanner.errors import UsageError

    if head is not None and (len(head) != 64 or set(head.lower()) - set("0123456789abcdef")):
        raise UsageError(f"--head {head}: a head is 64 digits and letters a to f, as this verb prints it")
    with choosing.opened(register_url) as opened:
        faults, now, number = opened.verify(head), opened.head(), len(opened.events())
    for fault in faults:
        click.echo(f"altered: {fault}")
    if not faults:
        click.echo(f"{number} events, nothing altered or removed")
    click.echo(f"head: {now}")
    ctx.exit(1 if faults else 0)

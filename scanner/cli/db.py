"""`riskline db`: looking after the register."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import click

from . import options as given


@click.group()
def db() -> None:
    """Look after the register: upgrade it, check it, copy it, and let it forget old evidence.

    \b
    riskline db check
    riskline db backup /srv/backup/register-2026-11.db
    riskline db prune --older-than 400
    """


@db.command()
@given.register_option
def upgrade(register_url: str) -> None:
    """Bring the tables to this release. A file does that by itself; a server's database is shared, so it waits for you.

    Do it when everybody who uses the database has this release: an older one refuses it from then on.
    """
    from scanner.register import tables
    from scanner.register.database import open_database, version_of
    from scanner.register.database import upgrade as bring_up

    database = open_database(register_url)
    before = version_of(database)
    bring_up(database)
    was = "was empty" if before is None else f"was at {before}"
    click.echo(
        f"{database.name} {was}, is at {tables.HEAD}" if before != tables.HEAD else f"{database.name} is current"
    )


@db.command()
@given.register_option
@click.pass_context
def check(ctx: click.Context, register_url: str) -> None:
    """Say whether the register is whole: its file, every stored value, and the history of every risk.

    Exit codes: 0 it is, 1 it is not.
    """
    from scanner.register.database import open_database
    from scanner.register.upkeep import check as faults_of

    database = open_database(register_url)
    faults = faults_of(database)
    for fault in faults:
        click.echo(f"{database.name}: {fault}")
    if not faults:
        click.echo(f"{database.name} is whole")
    ctx.exit(1 if faults else 0)


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@given.register_option
def backup(file: Path, register_url: str) -> None:
    """Copy the register, as it is at this moment, into a new FILE. Scans may go on meanwhile.

    The copy is a register of its own: use it with --register FILE. It is proved before it gets its name. The head that
    is printed stands for its whole history; keep it elsewhere.
    """
    from scanner.register.database import make_ready, open_database
    from scanner.register.upkeep import back_up

    database = open_database(register_url)
    make_ready(database)
    head = back_up(database, file)
    click.echo(f"{file}: {file.stat().st_size:,} bytes\nhead: {head}")


@db.command()
@click.argument("run_id", metavar="RUN")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@given.register_option
def extract(run_id: str, file: Path, register_url: str) -> None:
    """Copy one RUN with its evidence into a new FILE, an evidence file: for `diff`, `gate` and `evaluate` elsewhere.

    It is a register of its own, and holds nothing of other runs and no decision.
    """
    from scanner.register import open_register
    from scanner.register.upkeep import extract as copied

    with contextlib.closing(open_register(register_url)) as register:
        id = copied(register, run_id, file)
    click.echo(f"{file}: run {id}, {file.stat().st_size:,} bytes")


@db.command()
@given.register_option
@click.option(
    "--older-than", "days", type=click.IntRange(1), required=True, metavar="DAYS", help="Of runs before that."
)
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten; change nothing.")
def prune(register_url: str, days: int, dry_run: bool) -> None:
    """Forget the verbatim answers (evidence) of old runs. Each asset's last ones are kept.

    Findings, scores, risks, decisions and their history stay for good. What is lost is to judge those runs again, and
    to see in them which line of which file had changed. No scan may run meanwhile.
    """
    from scanner.model import utc_now
    from scanner.register import open_register
    from scanner.register.upkeep import prune as forget

    before = utc_now() - timedelta(days=days)
    register = open_register(register_url)
    try:
        with register.lock():
            done = forget(register.database, before, dry_run)
    finally:
        register.close()
    would = "would forget" if dry_run else "forgot"
    click.echo(
        f"{would} the evidence of {done.visits} visits before {before:%Y-%m-%d}, and {done.values} stored values"
    )

"""`riskline gate`: may a change go ahead, by what was found before and after it?"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.errors import UsageError

from . import choosing, pacing
from . import options as given

if TYPE_CHECKING:
    from scanner.drift import FactChange
    from scanner.gate import ChangeReport, GatePolicy
    from scanner.model import Run
    from scanner.pipeline import Engine
    from scanner.plan import Plan
    from scanner.register import Register

EXIT_CODE = {"approve": 0, "review": 3, "block": 1}
PAGES = {".html": "html", ".htm": "html", ".md": "markdown"}
"""What the page about a change can be written as, by its file's name."""
_CHANGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,79}\Z")


@click.command()
@click.argument("run_id", metavar="[RUN]", default="")
@click.option("--change", required=True, metavar="ID", help="The change's id in your own system, such as CHG-123.")
@click.option("--against", metavar="RUN", help="Default: the last run that a gate approved, else the one before.")
@click.option(
    "--policy",
    "gate_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What is too much (see gate.example.yaml). Default: the built-in limits.",
)
@given.inventory_option
@given.limit_option
@given.judging_options
@click.option(
    "--risk-policy",
    "policy_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For the scan: the risk policy (see policy.example.yaml). Default: that of the last run.",
)
@given.feeds_option
@pacing.pace_options
@choosing.who_option
@given.register_option
@click.option("--dry-run", is_flag=True, help="Answer, but record nothing.")
@click.option("-f", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "-o",
    "--output",
    "outputs",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="Write one page about the change to this file (.html, or .md for a ticket). Repeatable.",
)
@click.pass_context
def gate(
    ctx: click.Context,
    run_id: str,
    change: str,
    against: str | None,
    gate_path: Path | None,
    inventory_path: Path,
    limit: tuple[str, ...],
    judging: given.Judging,
    policy_path: Path | None,
    folder: Path,
    pace: pacing.Pace,
    who: str,
    register_url: str,
    dry_run: bool,
    format: str,
    outputs: tuple[Path, ...],
) -> None:
    """Scan after a change, hold that against the run before it, and answer approve, review or block.

    With RUN nothing is scanned: that run is taken for what was found after the change (`latest` for the last one). RUN
    and --against may also be evidence files: `riskline db extract`, or a scan with a --register of its own. An asset of
    the earlier run that was not visited blocks: name the assets that the change touches with --limit. The
    answer is kept in the history under the change's id.

    \b
    riskline gate --change CHG-123 --limit web-1
    riskline gate latest --change CHG-123 --limit web-1 --against 20261123T154003Z-5f3a --output CHG-123.html
    riskline gate after.db --change CHG-123 --against before.db

    Exit codes: 0 approve, 3 review, 1 block, 2 wrong usage.
    """
    from scanner.gate import ChangeReport, decide
    from scanner.model import utc_now
    from scanner.register import open_register

    if not _CHANGE.match(change):
        raise UsageError(f"--change {change!r}: letters, digits and . _ : / # - only, at most 80")
    policy = _policy(gate_path)
    _refuse_unwritable(outputs)
    if not run_id:
        if dry_run:
            raise UsageError("--dry-run records nothing, but a scan does: name a RUN, such as latest")
        plan = given.plan_of(inventory_path, limit, judging, reach=True)
        engine = pace.made(plan.inventory.at_once, judging)
        run_id = _scanned(ctx, plan, register_url, policy_path, folder, engine)
    with contextlib.closing(open_register(register_url)) as register:
        held = choosing.run_of(register, run_id)
        other = choosing.run_of(register, against) if against else choosing.Held(register, _earlier(register, held.run))
        before, after = other.run, held.run
        if before.id == after.id:
            raise UsageError(f"run {after.id} cannot be held against itself; scan after the change, then ask")
        before, after = _limited(before, limit), _limited(after, limit)
        expected = [one.asset.id for one in before.visited]
        if not expected and not after.visited:
            raise UsageError(f"--limit {' '.join(limit)}: neither run visited such an asset")
        found = decide(before, after, policy, choosing.policy_of(register, None, after), expected)
        drifted = _drift(other, held, {one.asset.id for one in after.visited}) if outputs or format == "json" else ()
        told = ChangeReport(change, who, utc_now(), found, before, after, drifted)
        if not dry_run:
            _record(register, told)
    _write(outputs, told)
    if format == "json":
        click.echo(json.dumps(_plain(told), indent=2, default=str))
    else:
        _print(told)
    ctx.exit(EXIT_CODE[found.answer])


def _scanned(
    ctx: click.Context, plan: Plan, register_url: str, policy_path: Path | None, folder: Path, engine: Engine
) -> str:
    """Visit what is planned now; the new run's id. Where it is cut short, what it missed blocks."""
    from scanner import pipeline

    from .scan import interruptible, locked_register

    with contextlib.ExitStack() as stack:
        threats = stack.enter_context(given.threats_of(ctx, folder))
        register = locked_register(stack, register_url, plan)
        policy = choosing.policy_of(register, policy_path)
        stop = stack.enter_context(interruptible())
        run = pipeline.new_run(plan, policy)
        options = pipeline.Options(policy=policy, threats=threats, engine=engine)
        return pipeline.execute(plan, run, register, options, None, stop).id


def _policy(path: Path | None) -> GatePolicy:
    from scanner.gate import GatePolicy
    from scanner.policy_file import read_as

    return read_as(GatePolicy, path, "the gate policy") if path else GatePolicy()


def _earlier(register: Register, after: Run) -> Run:
    """The last run before this one that a gate approved; where there is none, the last one that ended."""
    known = [one for one in register.runs(10_000) if one.started_at <= after.started_at and one.id != after.id]
    ids = {one.id for one in known}
    approved = [one.run for one in register.answers() if one.answer == "approve" and one.run in ids]
    ended = [one.id for one in known if one.state != "running"]
    for found in (*approved[:1], *ended[:1]):
        return register.run(found)
    raise UsageError(f"there is no run before {after.id} to hold it against; scan before the change, too")


def _limited(run: Run, patterns: tuple[str, ...]) -> Run:
    """The run with only the assets that are meant; an asset that the other run alone has is no mistake here."""
    from scanner.inventory import limit
    from scanner.model import Inventory

    if not patterns:
        return run
    kept: set[str] = set()
    for pattern in patterns:
        with contextlib.suppress(UsageError):
            every = Inventory(run.inventory, tuple(one.asset for one in run.visited))
            kept |= {asset.id for asset in limit(every, (pattern,)).assets}
    return replace(run, visited=tuple(one for one in run.visited if one.asset.id in kept))


def _drift(before: choosing.Held, after: choosing.Held, assets: set[str]) -> tuple[FactChange, ...]:
    from .drift import drift_of, fleeting

    return tuple(one for one in drift_of(before, after, fleeting(given.Sources().catalogue())) if one.asset in assets)


def _record(register: Register, told: ChangeReport) -> None:
    from scanner.register import Answer

    reasons = "; ".join(told.decision.reasons)[:4000]
    answer = told.decision.answer
    register.record_answer(Answer(told.at, told.change, answer, told.after.id, told.before.id, told.who, reasons))


def _refuse_unwritable(outputs: tuple[Path, ...]) -> None:
    from . import writing

    for path in outputs:
        if path.suffix.lower() not in PAGES:
            raise UsageError(f"--output {path}: end the name in one of {', '.join(PAGES)}")
    writing.refuse_unwritable(outputs, "html")


def _write(outputs: tuple[Path, ...], told: ChangeReport) -> None:
    from scanner import catalogue

    from . import writing

    for path in outputs:
        writing.write_file(path, catalogue.report("change").render(told, PAGES[path.suffix.lower()]))


def _plain(told: ChangeReport) -> dict[str, object]:
    from dataclasses import asdict

    found = told.decision
    return {
        "change": told.change,
        "answer": found.answer,
        "reasons": list(found.reasons),
        "run": told.after.id,
        "against": told.before.id,
        "loss_before": found.loss_before,
        "loss_after": found.loss_after,
        "counts": told.counts,
        "changes": [asdict(one) for one in found.changes],
        "facts": [asdict(one) for one in told.drifted],
    }


def _print(told: ChangeReport) -> None:
    from scanner.inert import printable

    from .drift import show_verdicts

    found, before, after = told.decision, told.before, told.after
    colour = {"approve": "green", "review": "yellow", "block": "red"}[found.answer]
    click.secho(f"{told.change}: {found.answer}", fg=colour, bold=True)
    click.echo(f"Run {after.id} held against {before.id}, {len(after.visited)} assets.")
    for reason in found.reasons or ("Nothing is new above the limits, and nothing went blind.",):
        click.echo(printable(f"  - {reason}"))
    unit = after.policy.get("unit", "points")
    click.echo(f"Expected yearly loss of these assets: {found.loss_before:.4g}, now {found.loss_after:.4g} {unit}.")
    always = ("new", "fixed", "unchanged", "unknown")
    click.echo(", ".join(f"{number} {kind}" for kind, number in told.counts.items() if number or kind in always))
    click.echo()
    show_verdicts(found.changes, after)

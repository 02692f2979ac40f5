"""`riskline scan`: the whole pipeline."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import choosing, logs, pacing, telling
from . import options as given

if TYPE_CHECKING:
    from scanner import pipeline
    from scanner.collect import Stop
    from scanner.model import Run, Visited
    from scanner.plan import Plan
    from scanner.register import Register

FAIL_ON = {"any": 0.0, "low": 0.1, "medium": 1.0, "high": 3.0, "never": None}
"""Expected yearly loss, in points, of one finding from which a run's exit code is 1 (default scales)."""


@click.command()
@given.inventory_option
@given.limit_option
@given.judging_options
@given.look_options
@given.policy_option
@given.feeds_option
@given.register_option
@given.output_options
@click.option(
    "--fail-on",
    type=click.Choice(list(FAIL_ON)),
    default="any",
    show_default=True,
    help="Exit with 1 when one finding alone is expected to cost this much a year: low 0.1, medium 1, high 3 points.",
)
@click.option("--at-once", type=click.IntRange(1, 64), default=32, show_default=True, help="Visits at the same time.")
@click.option("--visit-deadline", type=click.FloatRange(1), default=300, show_default=True, help="Seconds per visit.")
@click.option(
    "--deadline",
    type=click.FloatRange(1),
    metavar="SECONDS",
    help="Begin no further visit after so long, and leave those under way. [default: none]",
)
@click.option(
    "--most-mib",
    type=click.IntRange(1),
    default=16384,
    show_default=True,
    metavar="MIB",
    help="Begin no further visit after so much was received.",
)
@pacing.pace_options
@click.option("--resume", is_flag=True, help="Go on with the last run that did not finish, with the same inventory.")
@click.option("--no-record", is_flag=True, help="Leave no trace in the register.")
@logs.talk_options
@logs.log_file_option
@telling.syslog_option
@click.pass_context
def scan(
    ctx: click.Context,
    inventory_path: Path,
    limit: tuple[str, ...],
    judging: given.Judging,
    viewpoint: str | None,
    yes: bool,
    policy_path: Path | None,
    folder: Path,
    register_url: str,
    output: given.Output,
    fail_on: str,
    at_once: int,
    visit_deadline: float,
    deadline: float | None,
    most_mib: int,
    pace: pacing.Pace,
    resume: bool,
    no_record: bool,
    talk: logs.Talk,
    log_file: Path | None,
    syslog: str | None,
) -> int:
    """Visit the assets of an inventory, judge them by their baselines, record the run and report it.

    Nothing is installed or changed on an asset. What would be asked is shown by `riskline plan`. With --quiet, and a
    register, nothing is said but errors and what changed since the run before.
    """
    logs.set_up_log(talk, log_file)
    telling.refuse_unusable(syslog)
    from scanner import pipeline
    from scanner.allowance import Allowance
    from scanner.transports import Bounds
    from scanner.viewpoints import refuse_unasked

    from . import writing

    plan = given.plan_of(inventory_path, limit, judging, reach=True, viewpoint=viewpoint)
    refuse_unasked(plan.inventory, yes)
    writing.refuse_unwritable(output.outputs, output.format)
    policy = given.policy_of(policy_path)
    with contextlib.ExitStack() as stack:
        threats = stack.enter_context(given.threats_of(ctx, folder))
        allowance = Allowance(deadline, most_mib << 20)
        engine = pace.made(plan.inventory.at_once, judging, allowance)
        chosen = pipeline.Options(Bounds(deadline_s=visit_deadline), at_once, policy, threats=threats, engine=engine)
        register = None if no_record else locked_register(stack, register_url, plan)
        run, chosen = _begin(plan, chosen, register, resume)
        stop = stack.enter_context(interruptible())
        pace.wait(stop)
        progress = stack.enter_context(_progress(len(plan.assets) - len(chosen.done), talk.quiet or talk.json_log))
        run = pipeline.execute(plan, run, register, chosen, progress, stop)
        if allowance.is_over and run.state != "complete":
            click.echo(f"riskline: {allowance.why_over}: no further visit begins; --resume goes on", err=True)
        found = telling.Since() if register is None else telling.since(register, run)
        if register is not None:
            run = choosing.remembered(register, run)
    writing.write(run, output, talk)
    if talk.quiet:
        telling.tell_changes(run, found)
    code = 128 + stop.number if stop.number else pipeline.exit_code(run, FAIL_ON[fail_on], chosen.policy)
    telling.sum_up(run, len(plan.assets), found, code, syslog)
    ctx.exit(code)


def locked_register(stack: contextlib.ExitStack, url: str, plan: Plan) -> Register:
    """The register, held for a run of this plan until the stack ends."""
    from scanner.redaction import use_salt_of
    from scanner.register import open_register

    register = open_register(url)
    stack.callback(register.close)
    stack.enter_context(register.lock(plan.scope))
    use_salt_of(url)
    return register


def _begin(
    plan: Plan, chosen: pipeline.Options, register: Register | None, resume: bool
) -> tuple[Run, pipeline.Options]:
    """A new run, or with --resume the last one that did not finish."""
    from dataclasses import replace

    from scanner import pipeline
    from scanner.errors import UsageError

    if not resume:
        return pipeline.new_run(plan, chosen.policy), chosen
    if register is None:
        raise UsageError("--resume needs the register; leave out --no-record")
    for summary in register.unfinished():
        run = register.run(summary.id)
        if run.scope not in {plan.scope, ""}:
            continue  # of other assets: it may be under way at this moment
        same = run.inventory_digest == plan.inventory.digest and dict(run.baselines) == {
            id: one.baseline.digest for id, one in plan.baselines.items()
        }
        if not same:
            raise UsageError(f"run {run.id} was begun with another inventory or baseline; start a new one")
        return run, replace(chosen, done=frozenset(one.asset.id for one in run.visited))
    raise UsageError("there is no unfinished run to resume (of these assets)")


@contextlib.contextmanager
def interruptible() -> Iterator[Stop]:
    """On the first SIGINT, SIGTERM or SIGHUP no further visit begins; on the second the program ends at once."""
    from scanner.collect import Stop

    stop = Stop()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            stop.at_once = True
            raise KeyboardInterrupt(number)
        stop.number = number
        stop.set()
        with contextlib.suppress(RuntimeError):  # something else was being written to it at this very moment
            click.echo("riskline: stopping after the visits under way; once more to stop at once", err=True)

    heard = [
        n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN
    ]  # nohup
    before = {number: signal.signal(number, ask) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(total: int, hidden: bool) -> Iterator[pipeline.Progress | None]:
    """A progress bar on standard error, only where a person is looking."""
    if hidden or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=total, label="Visiting", file=sys.stderr, show_pos=True) as bar:

        def step(_: Visited) -> None:
            bar.update(1)

        yield step

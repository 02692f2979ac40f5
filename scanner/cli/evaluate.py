"""`riskline evaluate`: old evidence, today's baselines, no connection."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from . import logs
from . import options as given


@click.command()
@click.argument("run_id", metavar="[RUN]", default="latest")
@given.judging_options
@given.policy_option
@given.feeds_option
@given.register_option
@given.output_options
@logs.talk_options
@click.pass_context
def evaluate(
    ctx: click.Context,
    run_id: str,
    judging: given.Judging,
    policy_path: Path | None,
    folder: Path,
    register_url: str,
    output: given.Output,
    talk: logs.Talk,
) -> None:
    """Judge the stored evidence of RUN again by today's baselines. Nothing is contacted, nothing recorded.

    A control that asks what that visit did not bring back is unknown, and says so.
    """
    logs.set_up_log(talk)
    from scanner import pipeline
    from scanner.model import Inventory
    from scanner.register import open_register

    from . import writing

    writing.refuse_unwritable(output.outputs, output.format)
    with contextlib.closing(open_register(register_url)) as register:
        old = register.run(run_id)
        kept = {one.asset.id: register.evidence(old.id, one.asset.id) for one in old.visited}
    inventory = Inventory(old.inventory, tuple(one.asset for one in old.visited), {}, old.inventory_digest)
    plan = judging.plan(inventory)
    policy = given.policy_of(policy_path)
    pairs = [(planned, found) for planned in plan.assets if (found := kept[planned.asset.id]) is not None]
    with given.threats_of(ctx, folder) as threats:
        run = pipeline.judge_again(plan, pipeline.new_run(plan, policy), pairs, policy, threats)
    writing.write(run, output, talk)
    ctx.exit(pipeline.exit_code(run, 0.0, policy))

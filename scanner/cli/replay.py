"""`riskline replay`: a recorded run reaches the same verdicts again, from its own evidence."""

from __future__ import annotations

import contextlib

import click

from . import options as given


@click.command()
@click.argument("run_id", metavar="[RUN]", default="latest")
@given.source_options
@given.register_option
@click.pass_context
def replay(
    ctx: click.Context,
    run_id: str,
    sources: given.Sources,
    register_url: str,
) -> None:
    """Judge RUN again from the answers it kept, by the controls it kept. Nothing is contacted, nothing recorded.

    Exit codes: 0 every verdict came out again; 1 some did not (a check has changed since, or the register was altered:
    see `riskline register verify`); 3 answers of some assets are no longer kept.
    """
    from scanner.inert import printable
    from scanner.register import open_register
    from scanner.replaying import replay as again

    with contextlib.closing(open_register(register_url)) as register:
        run = register.run(run_id)
        found = again(run, lambda asset: register.evidence(run.id, asset), sources.catalogue())
    for one in found.differences:
        asset, baseline, control, subject = one.place
        where = f"{asset}: {control}{f' [{subject}]' if subject else ''} of {baseline}"
        click.echo(printable(f"{where}: {one.then or 'not judged'} then, {one.now or 'not judged'} now"))
    for asset, why in found.left_out.items():
        click.echo(printable(f"{asset}: not judged again, {why}"))
    click.echo(f"run {run.id}: {found.same} verdicts came out again, {len(found.differences)} did not")
    ctx.exit(1 if found.differences else 3 if found.left_out else 0)

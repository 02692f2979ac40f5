"""`riskline worker`: visits the assets of one site for scans that run elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from . import logs, pacing
from . import options as given


@click.command()
@click.option("--site", required=True, metavar="NAME", help="The `site` of the assets that are visited from here.")
@given.inventory_option
@given.source_options
@pacing.broker_options
@click.option(
    "--at-once", type=click.IntRange(1, 64), default=32, show_default=True, help="Visits at once per process."
)
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Tasks at the same time.")
@logs.talk_options
@logs.log_file_option
@click.pass_context
def worker(
    ctx: click.Context,
    site: str,
    inventory_path: Path,
    sources: given.Sources,
    broker: str,
    broker_ca: str | None,
    broker_cert: str | None,
    broker_key: str | None,
    at_once: int,
    processes: int,
    talk: logs.Talk,
    log_file: Path | None,
) -> None:
    """Take visits of one site from RabbitMQ, make them, and send the evidence back. Ends on SIGTERM, after them.

    It only dials out: to the broker, and to the assets. It needs a copy of the inventory and of your own baselines
    and refuses what differs from the scan's; passwords and keys are resolved here and never travel.
    """
    logs.set_up_log(talk, log_file)
    pacing.refuse_missing_celery()
    from scanner.engines.broker import Broker
    from scanner.engines.work import Place, run
    from scanner.redaction import use_salt_of

    use_salt_of("worker://")
    place = Place(site, inventory_path, sources.check_folders, sources.baseline_paths, at_once)
    ctx.exit(run(place, Broker(broker, broker_ca, broker_cert, broker_key), processes))

"""`riskline simulate`: how far one year may lie from the next."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import choosing
from . import options as given
from .risk_text import percent

if TYPE_CHECKING:
    from scanner.score import Policy
    from scanner.simulation import Simulation

DRAWN_SEEDS = 2**32


@click.command()
@click.argument("run_id", metavar="[RUN]", default="latest")
@given.register_option
@choosing.policy_option
@click.option(
    "--years", type=click.IntRange(100, 10_000_000), default=100_000, show_default=True, help="Years to draw."
)
@click.option(
    "--seed", type=click.IntRange(0, DRAWN_SEEDS), help="Draw the same years again. Default: drawn, and said."
)
@click.option("-f", "--format", type=click.Choice(["table", "json"]), default="table", show_default=True)
def simulate(
    run_id: str, register_url: str, policy_path: Path | None, years: int, seed: int | None, format: str
) -> None:
    """Draw many years of losses of RUN (default: the latest), and show how good and bad years differ.

    The expected loss of a year is exact without this; a simulation adds the spread: what one year in ten, in twenty, in
    a hundred may cost. How far a single loss may lie from its step is `loss_spread` in the policy. Needs the extra
    `simulation` (numpy).

    \b
    riskline simulate
    riskline simulate --years 1000000 --seed 7 --format json
    """
    import secrets

    from scanner import score, simulation
    from scanner.register import open_register

    with contextlib.closing(open_register(register_url)) as register:
        run = register.run(run_id)
        policy = choosing.policy_of(register, policy_path, run)
        curves = score.service_curves(choosing.standing_of(register, run), run.controls, policy)
    drawn = secrets.randbelow(DRAWN_SEEDS) if seed is None else seed
    found = simulation.simulate(curves, policy, years, drawn)
    if format == "json":
        percentiles = list(simulation.PERCENTILES)
        told = {"run": run.id, "unit": policy.unit, "percentiles_at": percentiles, **asdict(found)}
        click.echo(json.dumps(told, indent=2))
        return
    _print(found, policy)


def _print(found: Simulation, policy: Policy) -> None:
    from tabulate import tabulate

    from scanner.inert import printable

    def row(name: str, of: object) -> list[str]:
        spread = asdict(of)  # type: ignore[call-overload]
        numbers = [spread["expected"], spread["mean"], *spread["percentiles"]]
        return [printable(name), *(f"{number:.4g}" for number in numbers), percent(spread["with_loss"])]

    rows = [row(name, of) for name, of in found.services.items()]
    rows.append(row("all services", found.organisation))
    headers = ["Service", "Expected", "Mean drawn", "1 year in 2", "in 10", "in 20", "in 100", "Years with a loss"]
    click.echo(f"What a year costs, in {policy.unit}: at least so much in one year of …")
    click.echo(tabulate(rows, headers=headers, disable_numparse=True))
    click.echo(
        f"{found.years} years drawn with seed {found.seed}; 9 of 10 losses of one step lie within a factor of"
        f" {policy.loss_spread:g}, end to end."
    )

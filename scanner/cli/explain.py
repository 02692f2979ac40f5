"""`riskline explain`: the arithmetic of one number, step by step."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import choosing
from . import options as given
from .risk_text import percent

if TYPE_CHECKING:
    from scanner.explain import FindingSum, ScopeSum
    from scanner.register import Register


@click.command()
@click.argument("what")
@click.option("--run", "run_id", default="latest", show_default=True, help="The run whose number it is.")
@given.register_option
@choosing.policy_option
@click.option("-f", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def explain(what: str, run_id: str, register_url: str, policy_path: Path | None, format: str) -> None:
    """Show how one number of a run comes about.

    WHAT is a finding, as CONTROL@ASSET or as the beginning of a risk's fingerprint (see `riskline register list`); or
    a scope: an asset, a service, or `organisation`.

    \b
    riskline explain SSH-01@web-1
    riskline explain webshop
    """
    from dataclasses import asdict

    from scanner.explain import explain_finding, explain_scope
    from scanner.register import open_register

    with contextlib.closing(open_register(register_url)) as register:
        run = register.run(run_id)
        policy = choosing.policy_of(register, policy_path, run)
        pairs = choosing.standing_of(register, run)
        place = _place(register, what, {asset.id for asset, _ in pairs} | {asset.service for asset, _ in pairs})
    found: Any
    if place is None:
        found = explain_scope(pairs, run.controls, policy, what)
    else:
        found = explain_finding(pairs, run.controls, policy, *place)
    if format == "json":
        click.echo(json.dumps({"run": run.id, "unit": policy.unit, **asdict(found)}, indent=2))
    elif place is None:
        _print_scope(found, policy.unit)
    else:
        _print_finding(found, policy.unit)


def _place(register: Register, what: str, scopes: set[str]) -> tuple[str, str, str | None] | None:
    """Asset, control and subject (None: any) that are meant; None for a scope."""
    if what in scopes or what == "organisation":
        return None
    control, at, asset = what.partition("@")
    if at:
        return asset, control, None
    risk = choosing.risk_of(register, what)
    return risk.asset, risk.control, risk.subject


def _print_finding(of: FindingSum, unit: str) -> None:
    from scanner.inert import printable
    from scanner.score import word

    subject = f" [{of.finding.subject}]" if of.finding.subject else ""
    click.secho(printable(f"{of.title}: not so on {of.finding.asset}{subject}"), bold=True)
    click.echo("\nHow likely is one serious attempt to get through here?")
    for factor in of.factors:
        click.echo(printable(f"  {factor.name:<14}{factor.value:<8g}{factor.said} (from the {factor.source})"))
    product = " × ".join(f"{factor.value:g}" for factor in of.factors)
    click.echo(f"  v = {product} = {of.v:.4g}")
    click.echo("\nWhat does a success cost? The largest of")
    for side in of.sides:
        said = f"{side.extent} effect {side.effect:g} × criticality {side.criticality}, worth {side.worth:g}"
        click.echo(f"  {side.name:<17}{said} = {side.loss:g}")
    click.echo(f"  l = {of.l:g} {unit}")
    click.echo("\nBy itself, in a year")
    click.echo(f"  {of.attempts:g} attempts × {of.v:.4g} × {of.l:g} = {of.alone:.4g} {unit}")
    click.echo(f"  chance of at least one loss: 1 − exp(−{of.attempts:g} × {of.v:.4g}) = {chance(of.chance)}")
    click.echo(
        f"  score: 100 × {of.alone:.4g} / ({of.alone:.4g} + {of.tolerance:g} that an asset may cost) = {of.score:.0f},"
        f" {word(of.score)}"
    )
    click.echo()
    click.echo(printable(f"Beside everything else in {of.service}"))
    if of.counts:
        click.echo(
            f"  the service costs {of.service_loss:.4g} with it and {of.service_loss_without:.4g} without it: fixing it"
            f" here saves {of.service_loss - of.service_loss_without:.4g} {unit} a year"
        )
    else:
        click.echo(
            printable(
                f"  it adds nothing: an attempt that would succeed here already succeeds by something at least as bad"
                f" (its cause is {of.cause})"
            )
        )


def _print_scope(of: ScopeSum, unit: str) -> None:
    from scanner.inert import printable
    from scanner.score import word

    click.secho(printable(f"{of.name} ({of.kind})"), bold=True)
    if of.parts:
        click.echo("\nThe services add up, for what one of them is worth is its own:")
        for name, loss in sorted(of.parts.items(), key=lambda one: (-one[1], one[0])):
            click.echo(printable(f"  {loss:>10.4g}  {name}"))
        click.echo(f"  R = {of.expected_loss:.4g} {unit} a year")
    elif of.rungs:
        click.echo("\nHow much does one attempt cost? Each size of loss, by the chance to reach it:")
        for rung in of.rungs:
            click.echo(f"  ({rung.loss:g} − {rung.below:g}) × {rung.q:.4g} = {rung.part:.4g}")
        total = sum(rung.part for rung in of.rungs)
        click.echo(f"  R = {of.attempts:g} attempts × {total:.4g} = {of.expected_loss:.4g} {unit} a year")
    else:
        click.echo("\nNothing is open, so nothing is expected to be lost.")
    click.echo(f"  chance of at least one loss in a year: {chance(of.chance)}")
    said, limit = f"{of.expected_loss:.4g}", f"{of.tolerance:g}"
    click.echo(f"  score: 100 × {said} / ({said} + {limit} that is bearable) = {of.score:.0f}, {word(of.score)}")
    if of.causes:
        click.echo("\nEach root cause by itself (they do not add up: one attempt has one worst loss):")
        for cause, loss_alone in of.causes.items():
            click.echo(printable(f"  {loss_alone:>10.4g}  {cause}"))


def chance(share: float) -> str:
    """A chance as people read it: never certain, though 1 − exp(−x) may be rounded to 1."""
    return percent(min(share, 0.999))

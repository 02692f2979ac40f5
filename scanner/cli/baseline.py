"""`riskline baseline list|show|check` and `riskline check list|show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options as given

if TYPE_CHECKING:
    from scanner.catalogue import Catalogue
    from scanner.model import Baseline, Control


@click.group()
def baseline() -> None:
    """List, show and check baselines."""


@baseline.command(name="list")
@given.source_options
def list_baselines(sources: given.Sources) -> None:
    """List every baseline that can be named."""
    from tabulate import tabulate

    from scanner.baseline import read_baseline

    catalogue = sources.catalogue()
    rows = []
    for file in catalogue.baseline_files().values():
        found = read_baseline(file, catalogue)
        rows.append((found.id, found.version, found.applies_to.kind, len(found.controls), found.title))
    click.echo(tabulate(rows, headers=["Baseline", "Version", "For", "Controls", "Title"]))


@baseline.command(name="show")
@click.argument("name", shell_complete=given.complete_baselines)
@given.source_options
@click.option("--select", multiple=True, metavar="KEY=VALUE", help="Only these controls, as for scan.")
@click.option("-f", "--format", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def show_baseline(name: str, sources: given.Sources, select: tuple[str, ...], format: str) -> None:
    """Show the controls of a baseline, with everything it extends and its parameters filled in."""
    from dataclasses import asdict

    from scanner import plan
    from scanner.baseline import read_baseline

    catalogue = sources.catalogue()
    found = read_baseline(catalogue.baseline_file(name), catalogue)
    chosen = plan.read_selection(select)
    controls = [control for control in found.controls if plan.selected(control, chosen)]
    if format == "json":
        click.echo(json.dumps({**asdict(found), "controls": [asdict(c) for c in controls]}, indent=2))
        return
    if format == "markdown":
        click.echo(_page(found, controls, catalogue), nl=False)
        return
    click.echo(f"{found.id} {found.version}: {found.title}; {len(controls)} controls")
    for control in controls:
        click.echo("")
        _show_control(control)


def _page(baseline: Baseline, controls: list[Control], catalogue: Catalogue) -> str:
    from .baseline_page import markdown

    sentences = {check.id: check.doc.partition("\n\n")[0] for check in catalogue.checks()}
    return markdown(baseline, controls, sentences)


def _show_control(control: Control) -> None:
    from scanner.compare import phrase

    click.secho(f"{control.id}  {control.title}", bold=True)
    if control.manual:
        click.echo(f"  asks    a person: {control.manual}")
    for term in control.terms:
        words = ", ".join(f"{key}={value}" for key, value in term.given.items())
        click.echo(f"  asks    {term.check}({words}) is {phrase(term.expect)}")
    click.echo(f"  why     {control.why}\n  fix     {control.fix} ({control.effort})")
    references: dict[str, Any] = dict(control.references)
    for key, values in references.items():
        click.echo(f"  {key:<7} {', '.join(values)}")


@baseline.command(name="check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@given.source_options
def check_baseline(paths: tuple[Path, ...], sources: given.Sources) -> None:
    """Check baseline files you wrote: every mistake with file and line, before anything is scanned with them."""
    from scanner.baseline import read_baseline

    catalogue = sources.catalogue()
    for path in paths:
        found = read_baseline(path, catalogue)
        click.echo(f"{path}: good; {found.id} {found.version} with {len(found.controls)} controls")


@click.group()
def check() -> None:
    """List and show checks."""


@check.command(name="list")
@given.source_options
def list_checks(sources: given.Sources) -> None:
    """List every check that a control can name, with its parameters."""
    from scanner.checking import parameters

    for found in sources.catalogue().checks():
        words = ", ".join(name if required else f"{name}=…" for name, required in parameters(found).items())
        first = found.doc.splitlines()[0] if found.doc else ""
        click.echo(f"{found.id}({words})\n    {first}")


@check.command(name="show")
@click.argument("id")
@given.source_options
def show_check(id: str, sources: given.Sources) -> None:
    """Show what a check asks, what it returns and what may be given to it."""
    from scanner.catalogue import returns
    from scanner.checking import parameters

    found = sources.catalogue().check(id)
    click.secho(found.id, bold=True)
    click.echo(found.doc)
    for name, required in parameters(found).items():
        click.echo(f"  given   {name}{'' if required else ' (optional)'}")
    types, mapping = returns(found)
    shown = " or ".join("nothing" if kind is type(None) else kind.__name__ for kind in types) or "anything"
    click.echo(f"  returns {'one per subject: ' if mapping else ''}{shown}")
    for fact in found.facts:
        click.echo(f"  asks    {fact.probe.key}")

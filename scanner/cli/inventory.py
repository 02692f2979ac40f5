"""`riskline inventory check|list` and `riskline schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from . import options as given


@click.group()
def inventory() -> None:
    """Check and list the inventory."""


@inventory.command()
@given.inventory_option
def check(inventory_path: Path) -> None:
    """Read the inventory and say everything that is wrong with it, with file and line. Secrets are not resolved."""
    found = given.inventory_of(inventory_path, ())
    kinds: dict[str, int] = {}
    for asset in found.assets:
        kinds[asset.kind] = kinds.get(asset.kind, 0) + 1
    said = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    click.echo(f"{inventory_path}: good; {len(found.assets)} assets ({said}), {len(found.services)} services")


@inventory.command(name="list")
@given.inventory_option
@given.limit_option
@click.option("-f", "--format", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_(inventory_path: Path, limit: tuple[str, ...], format: str) -> None:
    """List the assets with everything they inherit."""
    from dataclasses import asdict

    from scanner.collect import describe

    found = given.inventory_of(inventory_path, limit)
    if format == "json":
        click.echo(json.dumps([{**asdict(asset), "kind": asset.kind} for asset in found.assets], indent=2))
        return
    from tabulate import tabulate

    rows = [
        (
            a.id,
            a.kind,
            describe(a),
            a.zone,
            f"{a.criticality.c}/{a.criticality.i}/{a.criticality.a}",
            a.service,
            a.owner or "nobody",
            ", ".join(a.groups),
        )
        for a in found.assets
    ]
    headers = ["Asset", "Kind", "Reached by", "Zone", "C/I/A", "Service", "Owner", "Groups"]
    click.echo(tabulate(rows, headers=headers))


@click.command()
@click.argument("what", type=click.Choice(["inventory", "baseline", "policy", "run"]))
def schema(what: str) -> None:
    """Print a JSON Schema: of an inventory, a baseline or a policy for your editor, of a run for what reads our JSON.

    For VS Code and other editors with the YAML language server, put as the first line of the file:
    # yaml-language-server: $schema=inventory.schema.json
    """
    if what == "inventory":
        from scanner.inventory import inventory_schema

        document = inventory_schema()
    elif what == "baseline":
        from scanner.baseline import baseline_schema

        document = baseline_schema()
    elif what == "policy":
        from scanner.policy_file import policy_schema

        document = policy_schema()
    else:
        from scanner import catalogue

        document = catalogue.report("json").schema()
    click.echo(json.dumps(document, indent=2, sort_keys=True))

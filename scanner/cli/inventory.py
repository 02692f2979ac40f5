"""`riskline inventory check|list` and `riskline schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from . import options as given


@click.group()
def inventory() -> None:
    """Check and list the inventory, or make one out of another list."""


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


@inventory.command(name="import")
@click.argument("form", type=click.Choice(["ansible", "csv"]))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file. Default: print it.")
def import_(form: str, file: Path, output: Path | None) -> None:
    """Make an inventory out of an Ansible inventory (INI, YAML or its JSON), or of a table as CSV.

    \b
    riskline inventory import ansible hosts.ini -o inventory.yaml
    ansible-inventory --list | riskline inventory import ansible /dev/stdin
    riskline inventory import csv assets.csv

    Columns of a table: id, address, access, user, port, owner, service, zone, environment, criticality (4, or 3/4/5),
    groups (a;b), tags (a=b;c=d). Passwords are never taken over; a Windows asset names the variable to set.
    """
    from scanner import importing, load
    from scanner.errors import UsageError

    from . import writing

    text = load.read_text(file)
    found = importing.from_ansible(text, str(file)) if form == "ansible" else importing.from_csv(text, str(file))
    for line in found.left_out:
        click.echo(f"riskline: left out: {line}", err=True)
    if not found.assets:
        raise UsageError(f"{file}: no asset in it")
    made = importing.as_inventory(found)
    _refuse_unreadable(made)
    if output is None:
        writing.print_bytes(made.encode())
    else:
        writing.write_file(output, made.encode())
        click.echo(f"riskline: wrote {len(found.assets)} assets to {output}", err=True)


@inventory.command()
@click.argument("where", type=click.Choice(["aws", "network"]))
@given.inventory_option
@given.limit_option
@click.option(
    "--network", "networks", multiple=True, metavar="CIDR", help="Look here instead, up to a /22. Repeatable."
)
@click.option("--yes", is_flag=True, help="Look at more than 256 addresses, or at networks that no inventory names.")
@click.option("--visit-deadline", type=click.FloatRange(1), default=300, show_default=True, help="Seconds per visit.")
@click.pass_context
def discover(
    ctx: click.Context,
    where: str,
    inventory_path: Path,
    limit: tuple[str, ...],
    networks: tuple[str, ...],
    yes: bool,
    visit_deadline: float,
) -> None:
    """Propose assets that the inventory does not have yet, as an inventory on standard output.

    \b
    aws      EC2 machines that run in the AWS accounts of the inventory
    network  hosts that answer in its networks, or in those of --network; only a few ports are looked at

    Read them, name owner and criticality, and take them over. Nothing is written to your inventory. Exits with 3 where
    an account or a network could not be seen as a whole.
    """
    from scanner import importing

    from . import discovery, writing

    found, whole = discovery.found(where, given.inventory_of(inventory_path, limit), networks, yes, visit_deadline)
    for line in found.left_out:
        click.echo(f"riskline: left out: {line}", err=True)
    if found.assets:
        made = importing.as_inventory(found)
        _refuse_unreadable(made)
        writing.print_bytes(
            f"# proposed by `riskline inventory discover {where}`; complete it, then take it over\n{made}".encode()
        )
    else:
        said = "" if whole else ", as far as could be seen"
        click.echo(f"riskline: nothing that the inventory does not have{said}", err=True)
    ctx.exit(0 if whole else 3)


def _refuse_unreadable(text: str) -> None:
    """Raise UsageError where the inventory that was made would not be taken."""
    import tempfile

    from scanner.errors import UsageError
    from scanner.inventory import read_inventory

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            read_inventory(path)
        except UsageError as error:
            raise UsageError(str(error).replace(str(path), "the inventory that this makes")) from None


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

"""`riskline push`: a recorded run to another register."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from . import choosing
from . import options as given

if TYPE_CHECKING:
    from scanner.model import Run
    from scanner.push.wire import Wire


@click.group()
def push() -> None:
    """Send a recorded run to another register, and read back what arrived.

    What is there already is updated, never made a second time; after a time-out run the same command again. The token
    is a reference (env:NAME, file:PATH, keyring:SERVICE/USER, command:LINE), never the value. Exit code 3: it did not
    arrive, or not as it was sent.

    \b
    riskline push defectdojo --url https://dojo.example.org --token env:DOJO_TOKEN --product Estate
    riskline push ciso-assistant --url https://ciso.example.org --token file:~/.ciso --domain IT --perimeter Servers
    """


def _server(function: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.argument("run_id", metavar="[RUN]", default="latest"),
        click.option("--url", required=True, help="The server's root, https."),
        click.option("--token", required=True, metavar="REFERENCE", help="Where the API token is."),
        click.option("--ca", "ca_file", type=click.Path(exists=True, dir_okay=False), help="Authority to trust (PEM)."),
        click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=60, show_default=True),
        given.register_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@push.command()
@_server
@click.option("--product", required=True, help="Made where it is not there.")
@click.option("--engagement", default="Riskline", show_default=True)
@click.option("--product-type", default="Riskline", show_default=True)
def defectdojo(product: str, engagement: str, product_type: str, **server: Any) -> None:
    """Re-import RUN (default: the latest) into DefectDojo. What no longer fails is closed there."""
    from scanner.push import defectdojo as there

    run, wire = _begun(server)
    report = _rendered(run, "defectdojo")
    place = there.Place(product, engagement, product_type)
    click.echo(there.push(wire, place, run.id, report, json.loads(report)["findings"], _say))


@push.command(name="ciso-assistant")
@_server
@click.option("--domain", required=True, help="A domain that is there.")
@click.option("--perimeter", required=True, help="A perimeter that is there.")
@click.option("--name", default="Riskline", show_default=True, help="Of both assessments.")
def ciso_assistant(domain: str, perimeter: str, name: str, **server: Any) -> None:
    """Send RUN (default: the latest) to CISO Assistant's data wizard. What passed is resolved there."""
    from scanner.push import cisoassistant as there

    run, wire = _begun(server)
    click.echo(there.push(wire, there.Place(domain, perimeter, name), _rendered(run, "cisoassistant"), _say))


def _begun(server: dict[str, Any]) -> tuple[Run, Wire]:
    """The run and the server. A run that was cut short is refused: what it lacks would count as gone."""
    from scanner.errors import UsageError
    from scanner.push.wire import Wire
    from scanner.register import open_register
    from scanner.secrets import resolve

    wire = Wire(server["url"], resolve(server["token"], "--token"), server["timeout_s"], server["ca_file"])
    with contextlib.closing(open_register(server["register_url"])) as register:
        run = choosing.remembered(register, register.run(server["run_id"]))
    if run.state != "complete":
        raise UsageError(f"run {run.id} is {run.state}; what it lacks would be closed there. Finish it: scan --resume")
    return run, wire


def _rendered(run: Run, format: str) -> bytes:
    from . import writing

    return writing.render(run, format)


def _say(text: str) -> None:
    from scanner.inert import printable

    click.echo(f"riskline: {printable(text)}", err=True)

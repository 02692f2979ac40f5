"""`riskline attest`: answer a question that no scanner can, in the reviewed file that the next scan reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from . import options as given


@click.command()
@click.argument("control")
@given.inventory_option
@click.option("--asset", required=True, help="The asset's id, or '*' for every asset.")
@click.option(
    "--answer", type=click.Choice(["yes", "no", "not-applicable"]), required=True, help="'yes' is the good one."
)
@click.option("--who", required=True, help="Who says so: a person, not a team.")
@click.option("--until", metavar="YYYY-MM-DD", help="When it has to be asked again. Default: in 180 days; at most 400.")
@click.option("--evidence", default="", help="A link, or a file beside the attestations: its digest is kept.")
@click.option("--note", default="", help="What a reader of the report should know.")
def attest(
    control: str, inventory_path: Path, asset: str, answer: str, who: str, until: str | None, evidence: str, note: str
) -> None:
    """Answer the question of a `manual` control, for one asset or for all.

    The answer is appended to the attestations beside the inventory. Have the change reviewed like any other.
    """
    from scanner.errors import UsageError
    from scanner.transports.people import read_attestations

    from .writing import write_file

    found = given.inventory_of(inventory_path, ())
    if asset != "*" and asset not in {one.id for one in found.assets}:
        raise UsageError(f"--asset {asset}: {inventory_path} has no such asset")
    file = Path(next((one.attestations for one in found.assets if one.attestations), "") or _beside(inventory_path))
    today = datetime.now(UTC).date()
    said = {
        "asset": asset,
        "control": control,
        "answer": answer,
        "who": who,
        "at": f"{today:%Y-%m-%d}",
        "until": until or f"{today + timedelta(days=180):%Y-%m-%d}",
        "evidence": evidence,
        "sha256": _digest(file.parent / evidence) if evidence else "",
        "note": note,
    }
    if file.exists() and file.stat().st_size:
        read_attestations(file)  # what is wrong already is told of the file itself
    before = file.read_bytes() if file.exists() else b""
    # JSON texts are YAML texts, so nothing that is typed in can be read as anything else
    lines = [
        f"{'  - ' if key == 'asset' else '    '}{key}: {json.dumps(value)}\n" for key, value in said.items() if value
    ]
    after = (before if before.strip() else b"attestations:\n") + "".join(lines).encode()
    _refuse_unsound(file, after)
    write_file(file, after)
    click.echo(f"{file}: {len(read_attestations(file))} attestations; {control} is answered until {said['until']}")


def _beside(inventory_path: Path) -> Path:
    return inventory_path.parent / "attestations.yaml"


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _refuse_unsound(file: Path, content: bytes) -> None:
    """Raise UsageError before the file is touched, where the new content could not be read back."""
    import tempfile

    from scanner.errors import UsageError
    from scanner.transports.people import read_attestations

    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / file.name
        trial.write_bytes(content)
        try:
            read_attestations(trial)
        except UsageError as error:
            raise UsageError(str(error).replace(str(trial), str(file))) from None

"""`riskline sign` and `riskline verify`: who vouches for a report or a register that was taken away."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.errors import UsageError

from . import options as given

files_argument = click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE...")


@click.command()
@files_argument
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="An SSH key: a private one, or the public half of one that the agent holds.",
)
def sign(files: tuple[Path, ...], key: Path) -> None:
    """Sign reports and exports with an SSH key: FILE.sig is written beside each FILE.

    The signature is OpenSSH's own and holds for the file as it is now. Keep the key away from whoever can write to the
    register: then nobody can write a history anew and sign it as well.
    """
    from scanner.inert import printable
    from scanner.signing import sign as signature

    from . import writing

    if not files:
        raise UsageError("name at least one file to sign")
    for file in files:
        place = Path(f"{file}.sig")
        writing.write_file(place, signature(file, key))
        click.echo(printable(f"riskline: wrote {place}"), err=True)


@click.command()
@files_argument
@click.option(
    "--signers",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Who may sign, a line each: NAME KEY, as ssh-keygen(1) says under ALLOWED SIGNERS.",
)
@click.option("--signer", metavar="NAME", help="Only this one of them will do.")
@given.register_option
@click.option("--head", metavar="HEX", help="Without FILE: a head that was noted earlier, as for `register verify`.")
@click.pass_context
def verify(
    ctx: click.Context,
    files: tuple[Path, ...],
    signers: Path | None,
    signer: str | None,
    register_url: str,
    head: str | None,
) -> None:
    """Check the signatures FILE.sig of files; without a FILE, the register's history (`register verify`).

    Exit codes: 0 everything is as it was signed or written; 1 it is not, and each fault is named.
    """
    if not files:
        from .register_export import verify as history

        ctx.invoke(history, register_url=register_url, head=head)
        return
    if signers is None:
        raise UsageError("--signers FILE is needed: a signature is worth what is known of its key")
    wrong = [file for file in files if not _holds(file, signers, signer)]
    ctx.exit(1 if wrong else 0)


def _holds(file: Path, signers: Path, identity: str | None) -> bool:
    from scanner.inert import printable
    from scanner.signing import signer

    try:
        who = signer(file, Path(f"{file}.sig"), signers, identity)
    except ValueError as error:
        click.echo(printable(f"{file}: not as it was signed, or not by one of them: {error}"))
        return False
    click.echo(printable(f"{file}: signed by {who}"))
    return True

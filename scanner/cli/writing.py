"""Where a report goes: standard output, or files written whole or not at all."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from scanner.disk import why_not_replaced, write_whole
from scanner.errors import RisklineError, UsageError
from scanner.model import Run

from .logs import Talk
from .options import Output

SUFFIXES = {
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".txt": "table",
    ".sarif": "sarif",
    ".xml": "junit",
    ".prom": "prometheus",
    ".xlsx": "xlsx",
    ".pdf": "pdf",
}
READ_BY_OTHERS = {"prometheus"}
"""Formats that another user's program picks up; who may look into the folder decides who reads them."""
BINARY = {"cisoassistant", "xlsx", "pdf", "board-pdf"}
"""Formats that are no text: they go into a file, never to a terminal."""


def refuse_unwritable(outputs: tuple[Path, ...], format: str | None) -> None:
    """Raise UsageError before anything is scanned, where a report could not be written afterwards."""
    if format in BINARY and not outputs:
        raise UsageError(f"--format {format} is no text; name its file with --output")
    for path in outputs:
        _format_of(path, format)
        folder = path.absolute().parent
        if not folder.is_dir():
            raise UsageError(f"--output {path}: the folder {folder} does not exist; make it first")
        if why := why_not_replaced(path) or _why_not_made(folder):
            raise UsageError(f"--output {path} cannot be written: {why}")
        if _is_database(path):
            raise UsageError(f"--output {path} is a database, maybe the register; name another file")


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as opened:
            return opened.read(15) == b"SQLite format 3"
    except OSError:
        return False


def _why_not_made(folder: Path) -> str:
    """Why no file can be made in the folder; found out by making one that has no name."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return str(error.strerror)
    return ""


def write(run: Run, output: Output, talk: Talk) -> None:
    """Write every file, then print: the format asked for where no file was named, else the table unless quiet."""
    for path in output.outputs:
        wanted = _format_of(path, output.format)
        write_file(path, render(run, wanted, talk.verbose), 0o644 if wanted in READ_BY_OTHERS else 0o600)
        if not talk.quiet:
            click.echo(f"riskline: wrote {path}", err=True)
    if not output.outputs:
        if output.format or not talk.quiet:
            print_bytes(render(run, output.format or "table", talk.verbose, terminal=True))
    elif not output.format and not talk.quiet:
        print_bytes(render(run, "table", talk.verbose, terminal=True))


def render(run: Run, format: str, verbose: int = 0, terminal: bool = False) -> bytes:
    """The run in one format. On a terminal the table is as wide as it, and coloured unless NO_COLOR is set."""
    from scanner import catalogue

    from . import wants_colour

    options: dict[str, Any] = {}
    if format == "table":
        seen = terminal and sys.stdout.isatty()
        options = {
            "colour": seen and wants_colour(),
            "width": max(40, min(shutil.get_terminal_size((100, 24)).columns, 160)) if seen else 100,
            "verbose": verbose,
        }
    rendered = catalogue.report(format).render(run, **options)
    return bytes(rendered)


def print_bytes(data: bytes) -> None:
    """To standard output; where that cannot show UTF-8, with replacements instead of a traceback."""
    if (sys.stdout.encoding or "utf-8").lower().replace("-", "") != "utf8":
        data = data.decode("utf-8").encode(sys.stdout.encoding, errors="replace")
    click.echo(data, nl=False)


def write_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """A file that is whole or not there, which only its owner can read unless `mode` says so. Raises RisklineError."""
    try:
        write_whole(path, data, mode)
    except OSError as error:
        raise RisklineError(f"{path}: could not be written: {error.strerror}") from error


def _format_of(path: Path, format: str | None) -> str:
    found = format or SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UsageError(f"--output {path}: say the --format, or end the name in one of {', '.join(SUFFIXES)}")
    return found

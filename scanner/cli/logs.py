"""The program's log: to standard error for people, and as JSON lines for what collects logs."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, TypeVar

import click

from scanner.errors import UsageError

from .options import handed_over

F = TypeVar("F", bound=Callable[..., Any])
LOG_MODE = 0o640
"""A log names systems and what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Talk:
    """How much is said on standard error. verbose: 2 for what happens on the wire. json_log: one object a line."""

    quiet: bool = False
    verbose: int = 0
    json_log: bool = False


def talk_options(function: F) -> F:
    """--quiet, --verbose, --json-log, handed over as one `talk`."""
    function = handed_over(Talk, "talk")(function)
    for option in (
        click.option("--json-log", is_flag=True, help="Write the log to standard error as one JSON object a line."),
        click.option("-v", "--verbose", count=True, help="Print more; twice for what happens on the wire."),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            help="Print errors only; after a scan, also what changed since the run before.",
        ),
    ):
        function = option(function)
    return function


log_file_option = click.option(
    "--log-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append the log to FILE, one JSON object a line, whatever --quiet says. Rotate it when you like.",
)


def set_up_log(talk: Talk, file: Path | None = None) -> None:
    """Send the program's log to standard error, as text or as JSON lines; libraries speak only with -vv.

    file: gets all from INFO on. Raises UsageError where it cannot be written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json() if talk.json_log else _Plain("riskline: %(message)s"))
    chatty = logging.INFO if talk.verbose or talk.json_log else logging.WARNING
    handler.setLevel(logging.ERROR if talk.quiet else logging.DEBUG if talk.verbose > 1 else chatty)
    log = logging.getLogger("riskline")
    log.handlers[:] = [handler, *([_to_file(file)] if file else [])]
    log.setLevel(min(one.level for one in log.handlers))
    log.propagate = False
    if talk.verbose > 1:
        logging.basicConfig(level=logging.DEBUG, handlers=[handler])


def _json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    layout = "%(asctime)s %(levelname)s %(name)s %(message)s"
    made = JsonFormatter(layout, rename_fields={"asctime": "time", "levelname": "level"})
    made.converter = time.gmtime
    made.default_time_format, made.default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"
    return made


def _to_file(path: Path) -> logging.Handler:
    try:
        handler = _Rotated(path, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--log-file {path}: {error.strerror}") from error
    handler.setFormatter(_json())
    handler.setLevel(logging.INFO)
    return handler


class _Rotated(WatchedFileHandler):
    """Appends; before each line it looks whether the file was moved away, and begins it anew then.

    A line that cannot be written (a full disk) is lost, which is said once and ends no run.
    """

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        if self.stream is not None:
            with contextlib.suppress(OSError):  # what it still holds cannot be written either
                self.stream.close()
            self.stream = None  # the next line tries anew
        if not self._told:
            self._told = True
            click.echo(f"riskline: --log-file {self.baseFilename}: {error.strerror}; lines of it are lost", err=True)

    def _open(self) -> TextIOWrapper:
        def opener(path: str, flags: int) -> int:
            # a pipe that nobody reads is waited for without end, unless it is told not to
            opened = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, LOG_MODE)
            if stat.S_ISFIFO(os.fstat(opened).st_mode):
                os.close(opened)
                raise OSError(errno.ENXIO, "it is a pipe")
            os.set_blocking(opened, True)
            return opened

        found = open(self.baseFilename, "a", encoding="utf-8", opener=opener)  # noqa: SIM115 - mode and flags
        assert isinstance(found, TextIOWrapper)
        return found


class _Plain(logging.Formatter):
    """Text log lines that carry nothing a terminal would obey. What follows a line break is indented: a text of a
    target that goes on in the next line must not look like a line of ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        from scanner.inert import printable

        return "\n    ".join(printable(line) for line in super().format(record).splitlines())

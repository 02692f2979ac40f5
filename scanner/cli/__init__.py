"""The command line: thin. Each verb is a module of its own, imported only when that verb is used."""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from scanner.errors import LockedError, RisklineError, UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

VERBS: dict[str, tuple[str, str]] = {
    "scan": ("scan", "Visit the assets, judge them, record the run and report it."),
    "worker": ("worker", "Visit the assets of one site for scans that run elsewhere."),
    "plan": ("plan", "Show exactly what a scan would ask of which asset; nothing is contacted."),
    "permissions": ("plan", "Print the least rights that the scan account needs."),
    "evaluate": ("evaluate", "Judge the evidence of an earlier run again, offline, by today's baselines."),
    "replay": ("replay", "Judge a recorded run again from its own evidence: the same facts, the same verdicts."),
    "report": ("report", "Write the report of a recorded run."),
    "push": ("push", "Send a recorded run to DefectDojo or CISO Assistant, and read back what arrived."),
    "runs": ("report", "List the recorded runs."),
    "diff": ("drift", "Show what changed between two runs, verdict by verdict or fact by fact."),
    "gate": ("gate", "May this change go ahead? Hold the run after it against the one before."),
    "register": ("register", "The risks: who deals with each, how, until when; and the proof of their history."),
    "budget": ("budget", "What to do first, for so many days or so much money, and what that buys."),
    "simulate": ("simulate", "How far one year may lie from the next: what one in ten, in a hundred may cost."),
    "explain": ("explain", "The arithmetic of one number, step by step."),
    "attest": ("attest", "Answer a question that no scanner can answer."),
    "notify": ("notify", "Tell people what is new since the run before, and nothing when nothing is."),
    "feeds": ("feeds", "Keep advisories and the lists of exploited flaws: update, status, import, rollback."),
    "threats": ("threats", "What became urgent overnight, what is to be expected, what gets no updates any more."),
    "db": ("db", "Look after the register: upgrade, check, back up, forget old evidence."),
    "sign": ("sign", "Sign reports and exports with an SSH key."),
    "verify": ("sign", "Check such signatures; without a file, that the register's history was not altered."),
    "inventory": ("inventory", "Check and list the inventory."),
    "baseline": ("baseline", "List, show and check baselines."),
    "check": ("baseline", "List and show checks."),
    "schema": ("inventory", "Print the JSON Schema of an inventory, a baseline, a policy or a run."),
    "completion": ("completion", "Print the completion script for your shell."),
}

EXIT_CODES = """
Exit codes: 0 clean, 1 findings at or above --fail-on, 2 wrong configuration or usage (nothing scanned), 3 incomplete
(something could not be judged), 4 a check's bug, 5 another run holds the lock, 129/130/143 interrupted.
"""


class Verbs(click.Group):
    """The verbs, found without importing any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a user's day, not of the alphabet."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module, now that it is asked for."""
        if cmd_name not in VERBS:
            return None
        found: Any = getattr(importlib.import_module(f".{VERBS[cmd_name][0]}", __package__), cmd_name)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs from the table above: no module is imported for --help."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, summary) for name, (_, summary) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the closest verb named where there is none of that name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "see riskline --help"
            raise click.UsageError(f"there is no verb {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib import metadata

        click.echo(f"riskline {metadata.version('riskline')}")
        ctx.exit()


@click.command(cls=Verbs, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def riskline() -> None:
    """Audit servers, networks and cloud accounts without installing anything on them, and say what the risk is.

    Start with: riskline scan --inventory inventory.example.yaml
    """


def main(args: Sequence[str] | None = None) -> None:
    """The command's door: run a verb and leave with its exit code. Errors are one plain paragraph on standard error."""
    _open_streams()
    gc.set_threshold(50_000, 20, 20)  # nearly all of a run is kept until its end: looking often costs a seventh of it
    try:
        words = list(args) if args is not None else None
        colour = None if wants_colour() else False  # None: where a terminal is written to
        code = riskline.main(args=words, prog_name="riskline", standalone_mode=False, color=colour)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        _leave(error)
    except click.ClickException as error:
        error.show()
        code = 2
    except LockedError as error:
        code = _say(str(error), 5)
    except UsageError as error:
        code = _say(str(error), 2)
    except RisklineError as error:
        code = _say(str(error), 3)
    except (MemoryError, ImportError) as error:
        if isinstance(error, ImportError) and "failed to map" not in str(error):
            raise
        # in words that need nothing more to be loaded
        click.echo("riskline: this machine has no memory left; go on by --resume with fewer visits --at-once", err=True)
        code = 3
    except OSError as error:
        code = _say(_refused(error), 3)
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        code = _say(_refused(OSError(errno.EAGAIN, "no new thread")), 3)
    code = _flushed(code if isinstance(code, int) else 0)
    gc.freeze()  # else all that is left is searched for cycles once more, only to be let go of: a tenth of a short run
    sys.exit(code)


def wants_colour() -> bool:
    """Whether a terminal may be coloured. Source: no-color.org."""
    return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _open_streams() -> None:
    """Where standard input, output or error was closed, let it lead nowhere, or the next file opened becomes it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, and those below are open
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    sys.stdout, sys.stderr = _still_told(sys.stdout, BrokenPipeError), _still_told(sys.stderr, OSError)


def _still_told(stream: TextIO, forgiven: type[OSError]) -> TextIO:
    """The stream, which ends no run where nobody hears it any more (`head`): the exit code is still to come.

    forgiven: a full disk is none of our business on standard error, where people read.
    """
    if stream not in {sys.__stdout__, sys.__stderr__}:
        return stream  # somebody's own

    class Forgiving(io.FileIO):
        def write(self, data: Buffer, /) -> int:
            try:
                return super().write(data) or 0
            except OSError as error:
                if isinstance(error, forgiven) or (terminal and error.errno == errno.EIO):  # it was closed
                    return len(memoryview(data))
                raise

    terminal = stream.isatty()
    raw = io.BufferedWriter(Forgiving(stream.fileno(), "w", closefd=False))
    shown = "replace" if stream.errors == "strict" else stream.errors  # not every terminal knows every letter
    return io.TextIOWrapper(raw, stream.encoding, shown, line_buffering=raw.isatty() or stream is sys.stderr)


def _flushed(code: int) -> int:
    """The exit code, once all was printed; 3 where it could not be: its disk is full."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if code != 3:  # else it was told
            code = _say(f"standard output: {_refused(error)}", code or 3)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python tries once more, and would leave with 120
    return code


def _leave(error: BaseException) -> NoReturn:
    """End at once: threads that wait for targets are not waited for, and what was started here is ended."""
    asked = error if isinstance(error, KeyboardInterrupt) else error.__cause__
    code = _say("interrupted", 128 + (asked.args[0] if asked is not None and asked.args else 2))
    if (process := sys.modules.get("scanner.transports.process")) is not None:
        process.end_all()
    os._exit(_flushed(code))


def _refused(error: OSError) -> str:
    """What the system did not give, and where the limit may lie."""
    where = f"{error.filename}: " if error.filename else ""
    limits = {errno.EAGAIN: "processes or threads (ulimit -u)", errno.EMFILE: "open files (ulimit -n)"}
    more = limits.get(error.errno or 0)
    return f"{where}{error.strerror or error}" + (f"; this machine allows us no more {more}" if more else "")


def _say(message: str, code: int) -> int:
    from scanner.inert import printable

    for line in message.splitlines() or [""]:
        click.echo(f"riskline: {printable(line)}", err=True)
    return code

"""What a run that nobody watched says at its end: a line for the system log, and what changed since the run before."""

from __future__ import annotations

import errno
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.errors import UsageError

if TYPE_CHECKING:
    from scanner.drift import VerdictChange
    from scanner.model import Run
    from scanner.register import Register

LOG = logging.getLogger("riskline.summary")
MOST = 10
"""Changes of one kind that are told one by one; more are counted."""
KINDS = {
    "new": "fails now and did not",
    "blind": "cannot be judged any more",
    "fixed": "does not fail any more",
    "judged": "can be judged again",
    "gone": "is no longer there",
    "other": "passes now, or applies no more",
}
_PRIORITY = {0: logging.INFO, 4: logging.ERROR}

syslog_option = click.option(
    "--syslog",
    is_flag=False,
    flag_value="/dev/log",
    metavar="[SOCKET|HOST:PORT]",
    help="Send one line that sums up the run to the system log, whatever --quiet says. [/dev/log]",
)


@dataclass(frozen=True, slots=True)
class Since:
    """What is not as it was. before: the run before; "" where there is none. came, left: assets that one run has."""

    before: str = ""
    changes: tuple[VerdictChange, ...] = ()
    came: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.changes or self.came or self.left)


def since(register: Register, run: Run) -> Since:
    """Hold a run against the last complete one over the same estate; only what differs is read back."""
    from scanner import drift

    earlier = [one.run for one in register.trend(run, 2) if one.run != run.id]
    if not earlier:
        return Since()
    differing = set(register.differing(earlier[-1], run.id))
    before = register.run(earlier[-1], differing)
    changes = drift.verdicts(before, replace(run, visited=tuple(v for v in run.visited if v.asset.id in differing)))
    was, now = {one.asset.id for one in before.visited}, {one.asset.id for one in run.visited}
    came, left = sorted(now & differing - was), sorted(was - now)
    return Since(before.id, tuple(changes), tuple(came), tuple(left), Counter(one.kind for one in changes))


def tell_changes(run: Run, found: Since) -> None:
    """On standard error, what changed; nothing where nothing did."""
    from scanner.inert import printable

    if not found:
        return
    lines = [f"since run {found.before}:"]
    lines += [f"  {id} is looked at for the first time" for id in found.came[:MOST]] + _more(found.came)
    lines += [f"  {id} was not visited" for id in found.left[:MOST]] + _more(found.left)
    for kind, words in KINDS.items():
        those = [one for one in found.changes if one.kind == kind]
        lines += [f"  {_place(one)} {words}{_title(run, one)}" for one in those[:MOST]] + _more(those)
    for line in lines:
        click.echo(f"riskline: {printable(line)}", err=True)


def _more(found: Sequence[object]) -> list[str]:
    return [f"  … and {len(found) - MOST} more"] if len(found) > MOST else []


def _place(change: VerdictChange) -> str:
    return f"{change.asset}: {change.control}" + (f" [{change.subject}]" if change.subject else "")


def _title(run: Run, change: VerdictChange) -> str:
    control = run.controls.get((change.baseline, change.control))
    return f": {control.title}" if control else ""


def sum_up(run: Run, planned: int, found: Since, code: int, syslog: str | None) -> None:
    """One line of NAME=VALUE, no value with a space: into the log, and to the system log where that is wanted."""
    finished = run.finished_at or run.started_at
    outcomes = Counter(finding.outcome.value for finding in run.each_finding())
    said: dict[str, str | int | float] = {
        "run": run.id,
        "state": run.state,
        "assets": len(run.visited),
        "planned": planned,
        "failed": outcomes["fail"],
        "unknown": outcomes["unknown"],
        **{kind: found.counts[kind] for kind in ("new", "blind", "fixed")},
        "score": round(run.organisation.score, 1),
        "coverage": round(run.organisation.coverage, 3),
        "seconds": round((finished - run.started_at).total_seconds()),
        "exit": code,
    }
    line = " ".join(f"{name}={value}" for name, value in said.items())
    LOG.info(line, extra=said)
    if syslog:
        _send(line, _PRIORITY.get(code, logging.WARNING), syslog)


def refuse_unusable(syslog: str | None) -> None:
    """Raise UsageError before anything is scanned where the system log cannot be reached."""
    if syslog:
        try:
            _handler(syslog).close()
        except OSError as error:
            raise UsageError(f"--syslog {syslog}: {error.strerror}; is there a system log here?") from error


def _send(line: str, priority: int, where: str) -> None:
    try:
        handler = _handler(where)
        handler.handle(logging.LogRecord("riskline", priority, "", 0, line, None, None))
        handler.close()
    except OSError as error:
        LOG.error("--syslog %s: %s", where, error.strerror)


class _Loud(SysLogHandler):
    ident = "riskline: "

    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        raise


def _handler(where: str) -> SysLogHandler:
    host, colon, port = where.rpartition(":")
    if colon and port.isdigit():
        return _Loud((host, int(port)), SysLogHandler.LOG_DAEMON)
    if not Path(where).is_socket():
        raise FileNotFoundError(errno.ENOENT, "there is no such socket")
    return _Loud(where, SysLogHandler.LOG_DAEMON)

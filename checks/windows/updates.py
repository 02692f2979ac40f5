"""How long ago Windows was last updated and restarted, and how long it gets updates, by its own clock and zone."""

from __future__ import annotations

from datetime import datetime, timedelta

from scanner import Fact, Undetermined, Unparsable, check
from scanner.threats import windows
from scanner.threats.support import ENDS
from scanner.threats.windows import BUILD, EDITION, INSTALLATION, PROCESSOR, REVISION

from .rows import Row, field, row, texts

_1601 = datetime(1601, 1, 1)  # noqa: DTZ001 - the machine's own local time


def day(written: str) -> datetime | None:
    """WMI's day of an update: '10/31/2026' -> that day; older: '01dcaf…', 100 ns since 1601."""
    try:
        if "/" in written:
            return datetime.strptime(written[:10].strip(), "%m/%d/%Y")  # noqa: DTZ007 - the machine's own local time
        return _1601 + timedelta(microseconds=int(written, 16) // 10) if len(written) == 16 else None
    except (ValueError, OverflowError):
        return None


AGES = Fact(windows.UPDATES.probe, row)


def _now(found: Row) -> datetime:
    return _instant(found, "Now")


def _instant(found: Row, name: str) -> datetime:
    """'2026-11-20T10:00:00' -> that instant, without a zone."""
    try:
        return datetime.fromisoformat(field(found, name, str)).replace(tzinfo=None)
    except ValueError as error:
        raise Unparsable(f"{name}: {error}"[:200]) from error


@check("windows.updates.age_days", AGES)
def age_days(found: Row) -> int:
    """Days since the newest update that Windows lists as installed."""
    days = [then for then in (day(one) for one in texts(found, "Installed")) if then is not None]
    if not days:
        raise Undetermined("Windows lists no update with a date")
    return max(0, (_now(found) - max(days)).days)


@check("windows.updates.running_days", AGES)
def running_days(found: Row) -> int:
    """Days since the last start: updates that need a restart are not in force before it."""
    return max(0, (_now(found) - _instant(found, "Started")).days)


@check("windows.updates.days_of_care_left", BUILD, REVISION, INSTALLATION, EDITION, PROCESSOR, AGES)
def days_of_care_left(build: int, revision: int, installation: str, edition: str, processor: str, found: Row) -> int:
    """Days until this release gets no more free security updates; negative after it. By Microsoft's own calendar."""
    product = windows.product_of(build, installation, processor)
    until = ENDS.get(windows.release_of(build, installation, edition))
    if not product or until is None:
        raise Undetermined(f"when build {build}.{revision} ({edition}, {installation}) ends is not known here")
    return (until - _now(found).date()).days

"""The local store of feeds: one compact SQLite file each, built beside the old one and switched in one step.

    FOLDER/Debian.db           in force        FOLDER/Debian.previous.db    what `feeds rollback` brings back

Everything is read and gated before the switch; whatever goes wrong, the old file stays and its age is said.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from scanner.disk import keep_names, private_folder

from .reading import Advisory, Bad, FeedRefused, Limits, Scored, ends, epss, kev, osv

Form = Literal["osv", "kev", "epss", "ends", "guide"]
LEAST_SHARE = 0.8
"""A feed with fewer records than this share of the last one is cut, not cleaned."""
FUTURE = timedelta(days=2)
LISTED_BAD = 100
AT_ONCE = 1_000
"""Rows that are gathered before they are written."""
_TABLES = """
CREATE TABLE meta(form, url, etag, records INTEGER, bad INTEGER, newest TEXT, fetched_at TEXT, model TEXT);
CREATE TABLE bad(name TEXT, why TEXT);
CREATE TABLE adv(n INTEGER PRIMARY KEY, id TEXT, cves TEXT, cvss TEXT, summary TEXT, stream TEXT);
CREATE TABLE span(eco TEXT, pkg TEXT, adv INTEGER, nth INTEGER, first BLOB, fixed BLOB, fixed_text TEXT, last INTEGER,
  state TEXT, PRIMARY KEY(eco, pkg, adv, nth)) WITHOUT ROWID;
CREATE TABLE kev(cve TEXT PRIMARY KEY, added TEXT, ransomware INTEGER) WITHOUT ROWID;
CREATE TABLE epss(cve TEXT PRIMARY KEY, chance REAL, percentile REAL) WITHOUT ROWID;
CREATE TABLE ends(product TEXT, release TEXT, day TEXT, extended TEXT, PRIMARY KEY(product, release)) WITHOUT ROWID;
PRAGMA user_version = 2;
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a stored feed. newest_at: of its records, or of the list itself. bad: records amiss."""

    name: str
    form: Form
    url: str
    etag: str
    records: int
    bad: int
    newest_at: datetime
    fetched_at: datetime
    model: str

    def age_days(self, now: datetime) -> float:
        """Days since this was last known to be what the publisher offers."""
        return (now - self.fetched_at).total_seconds() / 86400


def path_of(folder: Path, name: str) -> Path:
    """Where a feed is stored."""
    return folder / f"{name}.db"


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A stored feed, read-only. FeedRefused where it is not one."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            if db.execute("PRAGMA user_version").fetchone() != (2,):
                raise FeedRefused(f"{path}: not a feed of this release; run `riskline feeds update`")
            yield db
    except sqlite3.DatabaseError as error:
        raise FeedRefused(f"{path}: not a readable feed ({error}); run `riskline feeds update`") from error


def standing(folder: Path, name: str) -> Standing | None:
    """What is stored under a name; None where nothing is."""
    path = path_of(folder, name)
    if not path.exists():
        return None
    with opened(path) as db:
        row = db.execute("SELECT form, url, etag, records, bad, newest, fetched_at, model FROM meta").fetchone()
    if row is None:
        raise FeedRefused(f"{path}: says nothing of itself; run `riskline feeds update`")
    form, url, etag, records, bad, newest, fetched, model = row
    newest_at, fetched_at = datetime.fromisoformat(newest), datetime.fromisoformat(fetched)
    return Standing(name, form, url, etag, records, bad, newest_at, fetched_at, model)


def usable(folder: Path, name: str) -> Standing | None:
    """As `standing`, and None too where what is stored cannot be read: nothing to hold a new one against."""
    try:
        return standing(folder, name)
    except FeedRefused:
        return None


def bad_records(folder: Path, name: str) -> list[Bad]:
    """The first records that are amiss, with why."""
    with opened(path_of(folder, name)) as db:
        return [Bad(*row) for row in db.execute("SELECT name, why FROM bad")]


def take(
    folder: Path,
    name: str,
    form: Form,
    source: Path,
    now: datetime,
    limits: Limits,
    url: str = "",
    etag: str = "",
    carried: bool = False,
) -> Standing:
    """Read a feed's file, hold it against the gate, and switch to it. FeedRefused leaves the old one in force.

    carried: nobody knows when it was fetched, so its age counts from its own newest date.
    """
    private_folder(folder)
    path = path_of(folder, name)
    fresh = folder / f".{name}.{os.getpid()}.new"
    try:
        fresh.unlink(missing_ok=True)
        with closing(sqlite3.connect(fresh)) as db:
            db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
            kept = path if form == "guide" and usable(folder, name) is not None else None
            records, bad, newest, model = _fill(db, form, source, limits, kept, now + FUTURE)
            db.executemany("INSERT INTO bad VALUES (?, ?)", [(one.name, one.why) for one in bad[:LISTED_BAD]])
            fetched = min(newest, now) if carried else now
            found = Standing(name, form, url, etag, records, len(bad), newest, fetched, model)
            gate(found, usable(folder, name), now, limits)
            dates = newest.isoformat(), fetched.isoformat()
            db.execute("INSERT INTO meta VALUES (?,?,?,?,?,?,?,?)", (form, url, etag, records, len(bad), *dates, model))
            db.commit()
            if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise FeedRefused(f"{name}: the stored copy is damaged; is the disk sound?")
        _switch(fresh, path)
    except sqlite3.Error as error:
        raise FeedRefused(f"{name}: could not be stored ({error})") from error
    finally:
        fresh.unlink(missing_ok=True)
    return found


def confirmed(folder: Path, name: str, now: datetime) -> None:
    """Note that the publisher still offers what is stored."""
    with closing(sqlite3.connect(path_of(folder, name))) as db:
        db.execute("UPDATE meta SET fetched_at = ?", (now.isoformat(),))
        db.commit()


def gate(fresh: Standing, old: Standing | None, now: datetime, limits: Limits) -> None:
    """FeedRefused where a feed cannot be whole and new: too few records, too many bad ones, dates that run wrong."""
    total = fresh.records + fresh.bad
    if not fresh.records:
        raise FeedRefused(f"{fresh.name}: it holds no record")
    if fresh.bad > max(1, total * limits.bad_share):
        raise FeedRefused(f"{fresh.name}: {fresh.bad} of {total} records are amiss")
    if fresh.newest_at > now + FUTURE:
        raise FeedRefused(f"{fresh.name}: it is dated {fresh.newest_at:%Y-%m-%d}, in the future")
    if old is None:
        return
    if fresh.form != old.form:
        raise FeedRefused(f"{fresh.name}: it is of the form {fresh.form}; what is stored is {old.form}")
    if fresh.records < old.records * LEAST_SHARE:
        raise FeedRefused(f"{fresh.name}: {fresh.records} records where there were {old.records}")
    if fresh.newest_at < old.newest_at:
        raise FeedRefused(f"{fresh.name}: it ends {fresh.newest_at:%Y-%m-%d}, what is stored {old.newest_at:%Y-%m-%d}")


def _fill(
    db: sqlite3.Connection, form: Form, source: Path, limits: Limits, kept: Path | None, latest: datetime
) -> tuple[int, list[Bad], datetime, str]:
    """The records of a file into the tables: how many different ones, which were bad, the newest date, EPSS's model.

    kept: what is stored of a feed that comes in parts: its other parts stay. latest: the last date that can be true.
    """
    if source.stat().st_size > limits.max_bytes:
        raise FeedRefused(f"{source.name}: longer than {limits.max_bytes} bytes")
    if form == "guide":
        from .guide_store import GUIDE_TABLES, fill_guide  # 2 MiB that no other feed needs

        db.executescript(GUIDE_TABLES)
        return *fill_guide(db, source, limits, kept), ""
    if form == "kev":
        released, listed, bad = kev(source, limits)
        rows = [(one.cve, one.added_at.isoformat(), one.ransomware) for one in listed]
        bad += [Bad(one.cve, "dated in the future; used without that date") for one in listed if one.added_at > latest]
        bad += _twice(db.executemany("INSERT OR IGNORE INTO kev VALUES (?, ?, ?)", rows).rowcount, len(rows))
        return _count(db, "kev"), bad, released, ""
    if form == "epss":
        return _fill_scores(db, source, limits)
    if form == "ends":
        made_at, endings, bad = ends(source, limits)
        told = [(one.product, one.release, *(day and f"{day}" for day in (one.day, one.extended))) for one in endings]
        bad += _twice(db.executemany("INSERT OR IGNORE INTO ends VALUES (?, ?, ?, ?)", told).rowcount, len(told))
        return _count(db, "ends"), bad, made_at, ""
    return _fill_advisories(db, osv(source, limits), latest)


def _twice(taken: int, offered: int) -> list[Bad]:
    """One bad record for each that stands in a list a second time; the first one counts."""
    return [Bad("one of several", "stands twice; the first one counts")] * (offered - max(0, taken))


def _count(db: sqlite3.Connection, table: Literal["kev", "ends"]) -> int:
    return int(db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])  # noqa: S608 - one of our own names


def _fill_scores(db: sqlite3.Connection, source: Path, limits: Limits) -> tuple[int, list[Bad], datetime, str]:
    scored, model, scores = epss(source, limits)
    bad: list[Bad] = []
    offered = 0

    def good() -> Iterator[Scored]:
        nonlocal offered
        for one in scores:
            if isinstance(one, Bad):
                bad.append(one)
            else:
                offered += 1
                yield one

    found = db.executemany("INSERT OR IGNORE INTO epss VALUES (?, ?, ?)", good()).rowcount
    return max(0, found), [*bad, *_twice(found, offered)], scored, model


def _fill_advisories(
    db: sqlite3.Connection, found: Iterable[Advisory | Bad], latest: datetime
) -> tuple[int, list[Bad], datetime, str]:
    bad: list[Bad] = []
    known: dict[str, tuple[int, int]] = {}
    """Id of each advisory -> its number, and how many spans it has."""
    newest: datetime | None = None
    number = 0
    # into a heap first: rows in the order of the archive would land all over the table that is kept in order
    db.execute("CREATE TEMP TABLE heap AS SELECT * FROM span")
    told: list[tuple[Any, ...]] = []
    spans: list[tuple[Any, ...]] = []
    for one in found:
        if isinstance(one, Bad):
            bad.append(one)
            continue
        if one.modified_at > latest:  # used all the same, for it may be a flaw
            bad.append(Bad(one.id, "dated in the future; used without that date"))
        else:
            newest = max(newest or one.modified_at, one.modified_at)
        if one.id in known:  # what both say counts
            bad.append(Bad(one.id, "stands twice; what either says counts"))
        else:
            number += 1
            known[one.id] = number, 0
            told.append((number, one.id, " ".join(one.cves), one.cvss, one.summary, one.stream))
        same, had = known[one.id]
        spans += [(same, had + nth, *span) for nth, span in enumerate(one.spans)]
        known[one.id] = same, had + len(one.spans)
        if len(spans) >= AT_ONCE:
            _put(db, told, spans)
    _put(db, told, spans)
    db.execute("INSERT INTO span SELECT * FROM heap ORDER BY eco, pkg, adv, nth")
    db.execute("DROP TABLE heap")
    if newest is None:
        raise FeedRefused("it holds no usable record" + (", and some dated in the future" if number else ""))
    return number, bad, newest, ""


def _put(db: sqlite3.Connection, told: list[tuple[Any, ...]], spans: list[tuple[Any, ...]]) -> None:
    """Write what was gathered, and let it go."""
    db.executemany("INSERT INTO adv VALUES (?, ?, ?, ?, ?, ?)", told)
    db.executemany(
        "INSERT INTO heap(adv,nth,eco,pkg,first,fixed,fixed_text,last,state) VALUES (?,?,?,?,?,?,?,?,?)", spans
    )
    told.clear()
    spans.clear()


def _switch(fresh: Path, path: Path) -> None:
    """Put the new file in force and keep the old one. A crash between the steps leaves a whole file in force."""
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    previous = path.with_suffix(".previous.db")
    if path.exists():
        previous.unlink(missing_ok=True)
        os.link(path, previous)
    fresh.replace(path)
    keep_names(path.parent)


def rollback(folder: Path, name: str) -> Standing:
    """Put the feed before the one in force back in force. FeedRefused where none was kept."""
    path = path_of(folder, name)
    previous = path.with_suffix(".previous.db")
    if not previous.exists():
        raise FeedRefused(f"{name}: no earlier copy is kept in {folder}")
    with opened(previous):
        pass
    previous.replace(path)
    found = standing(folder, name)
    assert found is not None
    return found


def stored(folder: Path) -> Sequence[str]:
    """The names of all stored feeds."""
    return sorted(p.name[:-3] for p in folder.glob("*.db") if not p.name.endswith(".previous.db") and p.name[0] != ".")

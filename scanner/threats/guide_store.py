"""The Security Update Guide in the store: one document a month, each replaced by its own later state alone.

Updates of Windows are cumulative: months that are not stored are mended by the update of any later one, so a store that
begins late misses no flaw of a machine that is up to date.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

from .guide import Affected, Month, Update, months
from .reading import Bad, FeedRefused, Limits

LEAST_SHARE = 0.8
"""A month with fewer flaws than this share of its earlier state is cut, not cleaned."""
BAD_SHARE = 0.01
GUIDE_TABLES = """
CREATE TABLE month(id TEXT PRIMARY KEY, current TEXT, flaws INTEGER) WITHOUT ROWID;
CREATE TABLE affected(product TEXT, cve TEXT, month TEXT, cvss TEXT, title TEXT, exploited INTEGER,
  PRIMARY KEY(product, cve, month)) WITHOUT ROWID;
CREATE TABLE mends(product TEXT, cve TEXT, month TEXT, nth INTEGER, kind TEXT, kb TEXT, build INTEGER,
  revision INTEGER, replaces TEXT, PRIMARY KEY(product, cve, month, nth)) WITHOUT ROWID;
"""
_PUT_MONTH = "INSERT INTO month VALUES (?, ?, ?)"
_PUT_AFFECTED = "INSERT OR REPLACE INTO affected VALUES (?, ?, ?, ?, ?, ?)"
_PUT_MENDS = "INSERT OR REPLACE INTO mends VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COPIES = (
    ("SELECT * FROM month", 0, _PUT_MONTH),
    ("SELECT * FROM affected", 2, _PUT_AFFECTED),
    ("SELECT * FROM mends", 2, _PUT_MENDS),
)
"""What is read of a table, the column that names the month, and how it is written."""


def fill_guide(
    db: sqlite3.Connection, source: Path, limits: Limits, kept: Path | None
) -> tuple[int, list[Bad], datetime]:
    """The documents of a file beside those that are kept: flaws in all, which were bad, and the newest date."""
    before = known_months(kept) if kept else {}
    bad: list[Bad] = []
    seen: set[str] = set()
    for one in months(source, limits):
        if one.id in seen:
            raise FeedRefused(f"{source.name}: it holds {one.id} twice")
        seen.add(one.id)
        _gate(one, before.get(one.id))
        bad += one.bad
        _put(db, one)
    if kept is not None:
        _keep(db, kept, seen)
    rows = db.execute("SELECT current, flaws FROM month").fetchall()
    if not rows:
        raise FeedRefused(f"{source.name}: it holds no document of the Security Update Guide")
    return sum(flaws for _, flaws in rows), bad, max(datetime.fromisoformat(current) for current, _ in rows)


def known_months(path: Path) -> dict[str, tuple[datetime, int]]:
    """Month -> as of when it is stored, and how many flaws it holds."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        rows = db.execute("SELECT id, current, flaws FROM month")
        return {id: (datetime.fromisoformat(current), flaws) for id, current, flaws in rows}


def _gate(one: Month, old: tuple[datetime, int] | None) -> None:
    """FeedRefused where a month cannot be whole and new."""
    flaws = len({each.cve for each in one.affected})
    total = flaws + len(one.bad)
    if len(one.bad) > max(1, total * BAD_SHARE):
        raise FeedRefused(f"{one.id}: {len(one.bad)} of {total} records are amiss")
    if old is None:
        return
    if one.current_at < old[0]:
        raise FeedRefused(f"{one.id}: it is of {one.current_at:%Y-%m-%d}, what is stored of {old[0]:%Y-%m-%d}")
    if flaws < old[1] * LEAST_SHARE:
        raise FeedRefused(f"{one.id}: {flaws} flaws of Windows where there were {old[1]}")


def _put(db: sqlite3.Connection, one: Month) -> None:
    flaws = len({each.cve for each in one.affected})
    db.execute(_PUT_MONTH, (one.id, one.current_at.isoformat(), flaws))
    rows = [(a.product, a.cve, one.id, a.cvss, a.title, a.exploited) for a in one.affected]
    db.executemany(_PUT_AFFECTED, rows)
    for a in one.affected:
        mends = [
            (a.product, a.cve, one.id, nth, u.kind, u.kb, u.build, u.revision, u.replaces)
            for nth, u in enumerate(a.updates)
        ]
        db.executemany(_PUT_MENDS, mends)


def _keep(db: sqlite3.Connection, kept: Path, but: Iterable[str]) -> None:
    """The months that no new document replaces."""
    gone = set(but)
    with closing(sqlite3.connect(f"{kept.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as old:
        for query, place, put in _COPIES:
            db.executemany(put, [row for row in old.execute(query) if row[place] not in gone])


def flaws_of(db: sqlite3.Connection, product: str) -> Iterator[Affected]:
    """Every flaw of a product, with what mends it; what several months say of one is taken together, the last first."""
    mends: dict[str, dict[Update, None]] = {}
    for cve, *words in db.execute(
        "SELECT cve, kind, kb, build, revision, replaces FROM mends WHERE product = ?", (product,)
    ):
        mends.setdefault(cve, {})[Update(*words)] = None
    query = """SELECT cve, cvss, title, exploited FROM affected JOIN month ON month.id = affected.month
               WHERE product = ? ORDER BY cve, month.current DESC"""
    found: dict[str, Affected] = {}
    for cve, cvss, title, exploited in db.execute(query, (product,)):
        old = found.get(cve)
        if old is None:
            found[cve] = Affected(product, cve, cvss, title, bool(exploited), tuple(mends.get(cve, ())))
        elif exploited and not old.exploited:
            found[cve] = Affected(product, cve, old.cvss, old.title, True, old.updates)
    yield from found.values()


def has_product(db: sqlite3.Connection, product: str) -> bool:
    """Whether the guide has any flaw of a product: none at all means that it is not watched there."""
    return db.execute("SELECT 1 FROM affected WHERE product = ? LIMIT 1", (product,)).fetchone() is not None


def replaced_by(db: sqlite3.Connection, product: str) -> Mapping[str, frozenset[str]]:
    """Update -> the ones that it supersedes, at once or by way of another."""
    direct: dict[str, set[str]] = {}
    query = "SELECT DISTINCT kb, replaces FROM mends WHERE product = ? AND kb != '' AND replaces != ''"
    for kb, replaces in db.execute(query, (product,)):
        direct.setdefault(kb, set()).add(replaces)
    return {kb: _reach(kb, direct) for kb in direct}


def _reach(kb: str, direct: Mapping[str, set[str]]) -> frozenset[str]:
    found: set[str] = set()
    ahead = list(direct.get(kb, ()))
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += direct.get(one, ())
    return frozenset(found)

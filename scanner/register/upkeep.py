"""Looking after a register: is it whole, a copy of it, and forgetting old evidence. History is never forgotten."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from scanner.errors import RegisterError, UsageError

from . import chain, codec, proof, tables
from .database import Database, SqliteFile, reading, upgrade, version_of, writing
from .recording import instant
from .store import Register

_BATCH = 500


# ── is it whole? ─────────────────────────────────────────────────────────────────────────────────────────────────────


def check(database: Database) -> list[str]:
    """What is wrong with a register: its tables, its stored values, its history; an empty list where nothing is."""
    version = version_of(database)
    if version is None:
        return ["there is no register yet; begin with: riskline scan"]
    if version != tables.HEAD:
        return [f"its tables are of an older release ({version}, now {tables.HEAD}); run: riskline db upgrade"]
    with reading(database) as connection:
        damage = _page_faults(connection)
        if damage:
            return damage
        return [*_content_faults(connection), *chain.faults(connection), *proof.faults(connection)]


def _page_faults(connection: sa.Connection) -> list[str]:
    """What SQLite itself finds; a server looks after its own pages."""
    if connection.dialect.name != "sqlite":
        return []
    found = [str(said) for said in connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars()]
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    broken = [f"a row of {row[0]} points to a row of {row[2]} that is not there" for row in lost[:20]]
    return [f"the file is damaged: {said}" for said in found if said != "ok"] + broken


def _content_faults(connection: sa.Connection) -> Iterator[str]:
    """Every stored value must still have the digest that it is named by, and every part of an answer must be there."""
    known = set()
    query = sa.select(tables.contents).execution_options(yield_per=_BATCH)
    for digest, body in connection.execute(query):
        known.add(bytes(digest))
        try:
            same = hashlib.sha256(zlib.decompress(body)).digest() == bytes(digest)
        except zlib.error:
            same = False
        if not same:
            yield f"stored value {bytes(digest).hex()[:12]} is not what was written"
            return
    for name in _apart(connection) - known:
        yield f"a part of an answer, {name.hex()[:12]}, is missing"


def _apart(connection: sa.Connection) -> set[bytes]:
    """Digests of the large texts that the kept evidence leaves out."""
    visits, contents = tables.visits.c, tables.contents.c
    kept = sa.select(visits.evidence).where(visits.evidence.is_not(None)).distinct()
    query = sa.select(contents.body).where(contents.digest.in_(kept)).execution_options(yield_per=_BATCH)
    return {
        bytes.fromhex(name) for (body,) in connection.execute(query) for name in codec.texts_apart(codec.unpack(body))
    }


# ── a copy ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def back_up(database: Database, path: Path) -> str:
    """Copy everything, as it was at one moment, into a new SQLite file; its head. Scans may go on meanwhile.

    The file appears under its name only when it is whole and its history was proved.
    """
    with _new_file(path) as copy:
        upgrade(copy)
        with reading(database) as source, writing(copy) as target:
            _copy(source, target)
        with reading(copy) as connection:
            faults = [*_content_faults(connection), *chain.faults(connection)]
            head = bytes(connection.scalars(sa.select(tables.chain.c.hash)).one()).hex()
        if faults:
            raise RegisterError(f"{database.name} was not copied: {faults[0]}; see: riskline db check")
    return head


def extract(register: Register, run_id: str, path: Path) -> str:
    """Copy one run with its evidence into a new file, a register of its own; the run's id."""
    run = register.run(run_id)
    with _new_file(path) as copy:
        made = type(register)(copy)
        made.begin(run)
        for one in run.visited:
            made.store(run.id, one, register.evidence(run.id, one.asset.id))
        made.finish(run)
    return run.id


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[SqliteFile]:
    """An empty file to fill, which gets its name when all went well, and is gone otherwise."""
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} exists already; name a new file")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: the folder {path.absolute().parent} does not exist; make it first")
    unfinished = path.with_name(f".{path.name}.unfinished")
    _remove(unfinished)
    copy = SqliteFile(unfinished)
    try:
        yield copy
        _one_file(copy)
        unfinished.rename(path)
    finally:
        copy.engine.dispose()
        _remove(unfinished)


def _copy(source: sa.Connection, target: sa.Connection) -> None:
    target.execute(tables.chain.delete())
    for table in tables.metadata.sorted_tables:
        rows = source.execute(sa.select(table).execution_options(yield_per=_BATCH)).mappings()
        for batch in _batched(rows):
            target.execute(table.insert(), [dict(row) for row in batch])


def _batched(rows: Iterable[sa.RowMapping]) -> Iterator[tuple[sa.RowMapping, ...]]:
    walk = iter(rows)
    while batch := tuple(itertools.islice(walk, _BATCH)):
        yield batch


def _one_file(copy: SqliteFile) -> None:
    """Fold the write-ahead log into the file, so that the copy is a single one."""
    copy.engine.dispose()
    raw = sqlite3.connect(copy.path)
    try:
        raw.execute("PRAGMA journal_mode=DELETE")
    finally:
        raw.close()


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


# ── forgetting evidence ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was forgotten: the evidence of so many visits, and so many stored values that nothing needs any more."""

    visits: int
    values: int


def prune(database: Database, before: datetime, dry_run: bool = False) -> Pruned:
    """Forget the evidence of visits in runs that began before an instant; each asset's last one is kept.

    Runs, findings, scores, risks and events stay. Hold the register's lock: a scan at the same time could lean on a
    stored value that is being removed.
    """
    visits, runs, assets = tables.visits, tables.runs.c, tables.assets.c
    old = sa.select(runs.id).where(runs.started_at < instant(before))
    last = sa.exists().where(assets.id == visits.c.asset, assets.run == visits.c.run)
    chosen = sa.and_(visits.c.evidence.is_not(None), visits.c.run.in_(old), ~last)
    with writing(database) as connection:
        forgotten = connection.execute(visits.update().where(chosen).values(evidence=None)).rowcount
        useless = _useless(connection)
        for at in range(0, len(useless), _BATCH):
            digests = useless[at : at + _BATCH]
            connection.execute(tables.contents.delete().where(tables.contents.c.digest.in_(digests)))
        if dry_run:
            connection.rollback()
    if useless and not dry_run:
        _give_back(database)
    return Pruned(forgotten, len(useless))


def _useless(connection: sa.Connection) -> list[bytes]:
    """Digests of the stored values that nothing refers to."""
    visits, runs = tables.visits.c, tables.runs.c
    used = _apart(connection)
    for column in (runs.controls, visits.findings, visits.evidence):
        used |= {bytes(name) for name in connection.scalars(sa.select(column).where(column.is_not(None)).distinct())}
    return [name for name in map(bytes, connection.scalars(sa.select(tables.contents.c.digest))) if name not in used]


def _give_back(database: Database) -> None:
    """Return the room to the file system. It needs as much free room as the file; without, it stays for later runs."""
    if not isinstance(database, SqliteFile):
        return
    database.engine.dispose()
    raw = sqlite3.connect(database.path, isolation_level=None)
    try:
        raw.execute("VACUUM")
    except sqlite3.OperationalError as error:
        raise RegisterError(f"{database.name}: pruned, but its room was not given back: {error}") from error
    finally:
        raw.close()

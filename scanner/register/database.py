"""Where the register lies: a SQLite file that only its owner reads, or a PostgreSQL database by URL."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import event, exc

from scanner.disk import is_planted, private_folder
from scanner.errors import LockedError, RegisterError, UsageError

from . import tables

BUSY_S = 30
"""How long a writer waits for another one's transaction before it gives up."""
_LOCK_KEY = 0x5269736B6C696E65  # an advisory lock's name is a number; this one reads "Riskline"
_LEAST_ROOM = 1 << 16
_HEADER = 100  # bytes at the head of every SQLite database
_BESIDE = ("", "-wal", "-shm", "-journal", ".lock")


class Database(Protocol):
    """What the register needs of either kind. name: for people, without a password."""

    engine: sa.Engine
    name: str
    upgrades_itself: bool

    def lock(self, job: str = "") -> contextlib.AbstractContextManager[None]:
        """Hold the lock of a job; LockedError where another process does. job: what is scanned, or "" for all of it.

        A file is one job as a whole, whatever it is called: one run at a time writes to it. The kernel or the server
        lets go of the lock when its holder dies, however it dies.
        """
        ...


def open_database(url: str) -> Database:
    """The database behind a path or URL. Raises UsageError where it cannot be one of ours."""
    if "://" not in url:
        return SqliteFile(Path(url).expanduser())
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError) as error:
        raise UsageError(
            "the register's URL cannot be read; write a path or postgresql://user@host/database"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return SqliteFile(Path(parsed.database).expanduser())
    if backend in {"postgresql", "postgres"}:
        return PostgresqlDatabase(parsed.set(drivername="postgresql+psycopg"))
    raise UsageError(f"a register lies in a SQLite file or a PostgreSQL database, not in {backend}")


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class SqliteFile:
    """A file of mode 0600 in a folder that is made with mode 0700. A symbolic link in its place is refused."""

    upgrades_itself = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path = path
        self.was_there = _prepare(path)
        """Whether a file stood there already, maybe an empty one."""
        self.engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_S, "check_same_thread": False}
        )
        event.listen(self.engine, "connect", _set_up)
        event.listen(self.engine, "begin", _begin)

    @contextlib.contextmanager
    def lock(self, job: str = "") -> Iterator[None]:  # noqa: ARG002 - a file is one job
        """flock(2) on a file beside the database: the kernel drops it with the process, so it is never stale."""
        place = f"{self.path}.lock"
        try:
            descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"{place} cannot be used as a lock: {error.strerror}") from error
        try:
            found = os.fstat(descriptor)
            # it is emptied below: of a file of somebody's that was linked here, and a pipe is read without end
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise UsageError(
                    f"{place} cannot be used as a lock: it is no file of its own; look what it is, remove it"
                )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 200).decode("ascii", "replace").strip() or "unknown"
                raise LockedError(f"another run is writing to {self.name} ({holder}); wait for it to end") from None
            with contextlib.suppress(OSError):  # a full disk: the lock itself holds all the same
                os.ftruncate(descriptor, 0)
                os.pwrite(
                    descriptor, f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}".encode(), 0
                )
            yield
        finally:
            os.close(descriptor)


def _prepare(path: Path) -> bool:
    """Make the folder and the file, with nobody else's rights on them, and refuse what is not a plain file.

    Whether the file was there before.
    """
    for suffix in _BESIDE:
        if Path(f"{path}{suffix}").is_symlink():
            raise UsageError(f"{path}{suffix} is a symbolic link; the register must be a file of its own")
    try:
        was_there = path.exists()
        private_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        link = error.errno == errno.ELOOP
        why = "it is a symbolic link" if link else error.strerror
        raise UsageError(f"{path} cannot be used as the register: {why}; name another one with --register") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is not a file; name another register with --register")
        if 0 < found.st_size < _HEADER:  # SQLite would take it for an empty one
            raise UsageError(f"{path} is not a Riskline register; name another one with --register")
        _own(path, descriptor, found)
    finally:
        os.close(descriptor)
    return was_there


def _own(path: Path, descriptor: int, found: os.stat_result) -> None:
    """Close the file to all but its owner. Raises UsageError for one that somebody planted, or that stays open."""
    if is_planted(path, found):
        raise UsageError(
            f"{path} belongs to another user, as its folder does not; look whose it is, or name another one"
        )
    if found.st_mode & 0o077:
        try:
            os.fchmod(descriptor, 0o600)
        except OSError as error:
            raise UsageError(
                f"{path} is open to other users, and its owner is another; have it closed: chmod 600"
            ) from error


def _set_up(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver would otherwise begin, and commit, behind our back
    for pragma in (f"busy_timeout={BUSY_S * 1000}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    # a reader that turns writer half-way can be refused at once; a writer says so first and waits its turn
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────────


class PostgresqlDatabase:
    """A database of a server. Who may read and write it is decided there."""

    upgrades_itself = False

    def __init__(self, url: sa.URL) -> None:
        self.name = url.render_as_string(hide_password=True)
        try:
            self.engine = sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 15})
        except ModuleNotFoundError as error:
            raise UsageError("PostgreSQL needs its driver; run: pip install 'riskline[postgresql]'") from error

    @contextlib.contextmanager
    def lock(self, job: str = "") -> Iterator[None]:
        """Session locks, which the server drops with the connection: one shared by all jobs, and the job's own."""
        alone, own = not job, _number_of(job)
        with speaking(self), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            everybody = sa.func.pg_try_advisory_lock if alone else sa.func.pg_try_advisory_lock_shared
            try:
                if not connection.scalar(sa.select(everybody(_LOCK_KEY))):
                    raise LockedError(f"another run is writing to {self.name}; wait for it to end")
                if not alone and not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(own))):
                    raise LockedError(f"another run of the same assets is writing to {self.name}; wait for it to end")
                yield
            finally:
                with contextlib.suppress(exc.DBAPIError):  # the connection is gone, and the locks with it
                    connection.scalar(sa.select(sa.func.pg_advisory_unlock_all()))


def _number_of(job: str) -> int:
    """An advisory lock's name: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(job.encode(errors="surrogatepass")).digest()[:8], "big", signed=True)


# ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def speaking(database: Database) -> Iterator[None]:
    """The database's own errors in words that say what and where."""
    try:
        yield
    except exc.DBAPIError as error:
        said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error).__name__
        if "database is locked" in said:
            raise LockedError(f"{database.name} is held by another program ({said}); wait for it to end") from error
        if "not a database" in said:
            raise UsageError(f"{database.name} is not a Riskline register; name another one with --register") from error
        if "disk is full" in said or ("disk I/O error" in said and _is_full(database)):
            said = "its disk is full; what was stored is kept, and `riskline scan --resume` goes on once there is room"
        raise RegisterError(f"the register {database.name} cannot be used: {said}") from error


def _is_full(database: Database) -> bool:
    """SQLite calls it an I/O error where the room was needed for what it shares between processes."""
    if not isinstance(database, SqliteFile):
        return False
    room = os.statvfs(database.path.parent)
    return room.f_bavail * room.f_frsize < _LEAST_ROOM


@contextlib.contextmanager
def reading(database: Database) -> Iterator[sa.Connection]:
    """One consistent view."""
    with speaking(database), database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextlib.contextmanager
def writing(database: Database, for_good: bool = False) -> Iterator[sa.Connection]:
    """One transaction: all of it is kept, or nothing.

    for_good: it and all before it are on the disk before this ends. A file's transactions survive any crash of ours as
    soon as they end, and a failing power only from then on; to wait for the disk at every visit would cost too much.
    """
    with speaking(database), database.engine.connect() as connection:
        connection = connection.execution_options(writes=True)
        raw = connection.connection.dbapi_connection if connection.dialect.name == "sqlite" and for_good else None
        if raw is not None:
            raw.execute("PRAGMA synchronous=FULL")
        with connection.begin():
            yield connection
        if raw is not None:
            raw.execute("PRAGMA synchronous=NORMAL")


# ── migrations ───────────────────────────────────────────────────────────────────────────────────────────────────────


def make_ready(database: Database) -> None:
    """Create or upgrade the tables where that is ours to do; refuse what another or a newer program wrote."""
    version = version_of(database)
    if version == tables.HEAD:
        return
    if version is not None and not database.upgrades_itself:
        raise UsageError(
            f"{database.name} was made by an older release; when everybody who uses it has this one, run: "
            f"riskline db upgrade --register {database.name}"
        )
    if version is None and isinstance(database, SqliteFile) and database.was_there:
        _refuse_lost(database.path)
    upgrade(database)


def _refuse_lost(path: Path) -> None:
    """Raise RegisterError for an empty file beside which it shows that runs were kept in it.

    A disk that lost power may leave a file without its contents. The salt is made after the tables are.
    """
    with contextlib.suppress(OSError):
        if Path(f"{path}.salt").stat().st_size:
            raise RegisterError(
                f"the register {path} is empty, though runs were kept in it: {path.name}.salt lies beside it; put a "
                f"backup in its place, or remove {path} to begin a new one"
            )


def version_of(database: Database) -> str | None:
    """The migration that the database stands at; None where it is empty."""
    with reading(database) as connection:
        return _version(connection, database)


def upgrade(database: Database) -> None:
    """Bring the tables to the newest migration, in one transaction."""
    with writing(database) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY + 1)))
        if _version(connection, database) != tables.HEAD:
            from alembic import command

            settings = alembic_settings()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")


def alembic_settings() -> Any:
    """Alembic's configuration: the migrations lie beside this file, in a checkout as in a wheel."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings


def _version(connection: sa.Connection, database: Database) -> str | None:
    """The migration that the database stands at; None where it is empty."""
    names = set(sa.inspect(connection).get_table_names())
    if "alembic_version" not in names:
        if names:
            raise UsageError(f"{database.name} belongs to another program; name another register with --register")
        return None
    version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if version is not None and version not in tables.KNOWN:
        raise UsageError(f"{database.name} was written by a newer Riskline (schema {version}); upgrade this program")
    return None if version is None else str(version)

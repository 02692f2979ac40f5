"""The register on a real PostgreSQL server that this test starts, as the user `postgres` where it runs as root."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from scanner.errors import LockedError, RegisterError, UsageError
from scanner.register import open_register, tables
from tests import kills
from tests.decisions_contract import DecisionContract
from tests.register_contract import RegisterContract, begun, fail, record, visit
from tests.test_kills import driven, hold
from tests.upkeep_contract import UpkeepContract

pytestmark = pytest.mark.live
KILLS = int(os.environ.get("RISKLINE_SERVER_KILLS", "12"))
"""So many scans are killed while the server restarts."""
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
max_connections = 300
deadlock_timeout = 200ms
"""


@dataclass(frozen=True)
class Server:
    """A cluster in a folder of its own, reached by a socket there and by nothing else."""

    programs: Path
    folder: Path
    user: str

    def run(self, *words: str) -> str:
        """Run one of the server's programs as the user that owns the cluster."""
        command = [str(self.programs / words[0]), *words[1:]]
        if os.geteuid() == 0:
            command = ["runuser", "-u", self.user, "--", *command]
        # pg_ctl leaves the server behind with its output open: a pipe would never end
        with (self.folder.parent / "said").open("w+") as said:
            done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/", timeout=120)
            said.seek(0)
            assert done.returncode == 0, said.read()
            said.seek(0)
            return said.read()

    def start(self) -> None:
        self.run("pg_ctl", "-w", "-D", str(self.folder / "cluster"), "-l", str(self.folder / "log"), "start")

    def stop(self, how: str = "fast") -> None:
        self.run("pg_ctl", "-w", "-D", str(self.folder / "cluster"), "-m", how, "stop")

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"riskline_{uuid.uuid4().hex[:12]}"
        self.run("createdb", "-h", str(self.folder), "-U", self.user, name)
        return f"postgresql://{self.user}@/{name}?host={self.folder}"


def programs() -> Path | None:
    """The folder of the newest PostgreSQL server that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda place: int(place.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    place = programs()
    assert place, "PostgreSQL's server is not installed; run: make packages"
    with tempfile.TemporaryDirectory(prefix="riskline-pg-") as root:  # a socket's path has to be short
        folder = Path(root) / "pg"
        folder.mkdir()
        user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        if os.geteuid() == 0:
            Path(root).chmod(0o755)
            shutil.chown(folder, user)
        server = Server(place, folder, user)
        server.run("initdb", "-D", str(folder / "cluster"), "-A", "trust", "-U", user, "--no-sync", "-E", "UTF8")
        with (folder / "cluster" / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS.format(folder=folder))
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):  # a test may have left it stopped
                server.stop("immediate")


@pytest.fixture
def url(server: Server) -> str:
    return server.database()


class TestPostgresql(RegisterContract):
    """All that a register promises, on a server."""


class TestDecisions(DecisionContract):
    """Decisions, too."""


class TestUpkeep(UpkeepContract):
    """And looking after it."""


def test_a_killed_writer_leaves_the_lock_and_what_it_stored(url: str) -> None:
    script = """
import sys, time
from scanner.register import open_register
from tests.register_contract import begun, fail, visit
register = open_register(sys.argv[1])
with register.lock():
    register.begin(begun("run-0"))
    for number in range(1000):
        register.store("run-0", *visit(f"host{number}", [fail("ssh")], 0))
        print(number, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(10)]
    register = open_register(url)
    with pytest.raises(LockedError), register.lock():
        pytest.fail("two held the lock")
    child.send_signal(signal.SIGKILL)
    said += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    for _ in range(100):  # the server notices a little later that its client is gone
        with contextlib.suppress(LockedError), register.lock():
            break
        subprocess.run(["sleep", "0.1"], check=True)
    with register.lock():
        held = {one.asset.id for one in register.run("run-0").visited}
    assert {f"host{line.strip()}" for line in said if line.strip()} <= held
    assert register.verify() == []
    register.close()


def test_runs_of_other_assets_go_on_side_by_side_and_a_second_of_the_same_does_not(url: str) -> None:
    first, second = open_register(url), open_register(url)
    with first.lock("web"):
        with second.lock("db"):
            assert second.runs() == []
        with pytest.raises(LockedError, match="of the same assets"), second.lock("web"):
            pytest.fail("two held the lock of one job")
        with pytest.raises(LockedError), second.lock():
            pytest.fail("all of it was held beside a job")
    with second.lock(), pytest.raises(LockedError), first.lock("web"):
        pytest.fail("a job began while all of it was held")
    with first.lock("web"), second.lock("db"):
        assert first.runs() == []
    first.close()
    second.close()


def test_many_processes_at_once_lose_no_event(url: str) -> None:
    """All of them write the same assets in another order: a chain of waiting writers, and no deadlock."""
    script = """
import random, sys
from scanner.register import open_register
from tests.register_contract import begun, fail, ok, visit
url, me = sys.argv[1], int(sys.argv[2])
register = open_register(url)
register.begin(begun(f"run-{me}"))
assets = [f"host{n}" for n in range(15)]
random.Random(me).shuffle(assets)
for asset in assets:
    register.store(f"run-{me}", *visit(asset, [fail("ssh", f"from {me}"), fail("users", "bob")], me))
register.close()
"""
    open_register(url).close()
    children = [subprocess.Popen([sys.executable, "-c", script, url, str(n)], stderr=subprocess.PIPE) for n in range(6)]
    ended = [(child.communicate(timeout=120)[1], child.returncode) for child in children]
    assert [code for _, code in ended] == [0] * 6, ended
    register = open_register(url)
    assert [run.assets for run in register.runs()] == [15] * 6
    shared = [risk for risk in register.risks() if risk.control == "users"]
    assert sorted(risk.asset for risk in shared) == sorted(f"host{n}" for n in range(15))
    assert {risk.state for risk in shared} <= {"new", "open"}
    assert register.verify() == []
    register.close()


@pytest.mark.fault("S1")
@pytest.mark.timeout(600 + 10 * KILLS)
def test_scans_killed_at_random_moments_while_the_server_restarts_judge_every_asset_exactly_once(
    server: Server, url: str, tmp_path: Path
) -> None:
    kills.site(tmp_path)
    open_register(url).close()
    restart = [str(server.programs / "pg_ctl"), "-w", "-D", str(server.folder / "cluster"), "-m", "immediate"]
    restart += ["-l", str(server.folder / "log"), "restart"]
    if os.geteuid() == 0:
        restart = ["runuser", "-u", server.user, "--", *restart]
    ended = driven(tmp_path, url, KILLS, 3, "sh", "-c", f"cd / && {shlex.join(restart)} </dev/null >/dev/null 2>&1")
    assert ended["killed"] >= 1
    assert "last 1" in ended
    register = open_register(url)
    hold(register)
    register.close()


def test_a_hundred_gates_and_scans_at_once_lose_no_update(url: str, tmp_path: Path) -> None:
    kills.site(tmp_path)
    open_register(url).close()
    ended = driven(tmp_path, url, "at-once", 50)
    assert set(ended) <= {"0", "1"}, (tmp_path / "said").read_text()[-3000:]
    assert sum(ended.values()) == 100
    register = open_register(url)
    runs = register.runs(1000)
    assert sorted(one.assets for one in runs) == [2] * 50 + [kills.ASSETS] * 2
    assert {one.state for one in runs} == {"complete"}
    assert sorted(one.change for one in register.answers()) == sorted(f"CHG-{n}" for n in range(50))
    assert [event.change for _, event in register.events()].count("opened") == kills.ASSETS
    assert {risk.state for risk in register.risks()} == {"open"}
    assert register.verify() == []
    register.close()


def test_a_server_that_restarts_between_two_visits_is_no_loss(server: Server, url: str) -> None:
    register = open_register(url)
    register.begin(begun("run-0"))
    register.store("run-0", *visit("a", [fail("ssh")], 0))
    server.stop()
    try:
        with pytest.raises(RegisterError, match="cannot be used"):
            register.store("run-0", *visit("b", [fail("ssh")], 0))
    finally:
        server.start()
    register.store("run-0", *visit("b", [fail("ssh")], 0))
    assert [one.asset.id for one in register.run("run-0").visited] == ["a", "b"]
    assert register.verify() == []
    register.close()


def test_an_older_schema_is_upgraded_only_by_hand(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    open_register(url).close()
    monkeypatch.setattr(tables, "KNOWN", (*tables.KNOWN, "later"))
    monkeypatch.setattr(tables, "HEAD", "later")
    with pytest.raises(UsageError, match=re.escape("riskline db upgrade --register postgresql")):
        open_register(url)


def test_a_role_that_may_only_read_can_report_and_is_told_what_it_may_not(server: Server, url: str) -> None:
    register = open_register(url)
    record(register, 0, {"a": [fail("ssh")]})
    role = f"reader_{uuid.uuid4().hex[:8]}"
    with register.database.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(sa.text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"))
    reader = open_register(url.replace(f"//{server.user}@", f"//{role}@"))
    assert reader.run("latest") == register.run("latest")
    with pytest.raises(RegisterError, match="permission denied"):
        reader.begin(begun("run-1"))
    reader.close()
    register.close()

"""What looking after a register promises, whatever database it lies in."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from scanner.errors import LockedError, RegisterError, UsageError
from scanner.register import Decision, Register, open_register
from scanner.register.lifecycle import fingerprint
from scanner.register.upkeep import Pruned, back_up, check, prune

from .register_contract import FIRST_DAY, fail, ok, record

UNUSED = [
    f"digest NOT IN (SELECT {column} FROM {table})"
    for column, table in (("controls", "runs"), ("findings", "visits"), ("evidence", "visits"))
]
"""What only the bodies of other values name: large texts."""


class UpkeepContract:
    """Inherit, and give a fixture `url` of a place where nothing is yet."""

    @pytest.fixture
    def register(self, url: str) -> Iterator[Register]:
        """Three days of two assets; b was visited on the first day only."""
        opened = open_register(url)
        record(opened, 0, {"a": [fail("ssh")], "b": [fail("ssh"), ok("users")]})
        record(opened, 1, {"a": [ok("ssh")]})
        record(opened, 2, {"a": [fail("ssh")]})
        opened.decide([(fingerprint("a", "ssh", ""), Decision("assigned", "eve", "", {"owner": "anna"}))], FIRST_DAY)
        yield opened
        opened.close()

    def test_a_whole_register_is_called_whole(self, register: Register) -> None:
        assert check(register.database) == []

    @pytest.mark.parametrize(
        ("damage", "seen"),
        [
            ("UPDATE contents SET body = (SELECT body FROM contents ORDER BY digest DESC LIMIT 1)", "is not what was"),
            ("UPDATE events SET why = 'x' WHERE seq = 1", "event 1 is not what was written"),
            ("UPDATE alembic_version SET version_num = '0001'", "riskline db upgrade"),
            (f"DELETE FROM contents WHERE {' AND '.join(UNUSED)}", "a part of an answer"),
        ],
    )  # fmt: skip
    def test_damage_is_seen(self, register: Register, damage: str, seen: str) -> None:
        with register.database.engine.begin() as connection:
            assert connection.execute(sa.text(damage)).rowcount > 0
        assert any(seen in fault for fault in check(register.database))

    def test_a_copy_is_a_register_of_its_own_with_the_same_history(self, register: Register, tmp_path: Path) -> None:
        file = tmp_path / "copy.db"
        assert back_up(register.database, file) == register.head()
        assert [place.name for place in tmp_path.iterdir() if "copy" in place.name] == ["copy.db"]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        copy = open_register(str(file))
        assert copy.verify(register.head()) == []
        assert copy.runs() == register.runs()
        assert copy.risks() == register.risks()
        assert copy.events() == register.events()
        assert copy.treatments() == register.treatments()
        for run in register.runs():
            assert copy.run(run.id) == register.run(run.id)
            assert copy.evidence(run.id, "a") == register.evidence(run.id, "a")
        record(copy, 3, {"a": [ok("ssh")]})
        assert check(copy.database) == []
        copy.close()

    def test_a_copy_never_takes_the_place_of_something_and_never_of_something_altered(
        self, register: Register, tmp_path: Path
    ) -> None:
        file = tmp_path / "copy.db"
        file.write_text("precious")
        with pytest.raises(UsageError, match="exists already"):
            back_up(register.database, file)
        assert file.read_text() == "precious"
        with register.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE events SET why = 'x' WHERE seq = 1")
        with pytest.raises(RegisterError, match="event 1 is not what was written"):
            back_up(register.database, tmp_path / "other.db")
        assert not [place for place in tmp_path.iterdir() if "other" in place.name]

    def test_old_evidence_is_forgotten_and_nothing_else(self, register: Register) -> None:
        before = [register.run(f"run-{day}") for day in range(3)]
        risks, events, head = register.risks(), register.events(), register.head()
        cutoff = FIRST_DAY + timedelta(days=1, hours=12)
        trial = prune(register.database, cutoff, dry_run=True)
        assert register.evidence("run-0", "a") is not None
        done = prune(register.database, cutoff)
        assert done == trial
        assert (done.visits, done.values > 0) == (2, True)
        assert [register.evidence(f"run-{day}", "a") is None for day in range(3)] == [True, True, False]
        assert register.evidence("run-0", "b") is not None, "the last that is known of b"
        assert [register.run(f"run-{day}") for day in range(3)] == before
        assert (register.risks(), register.events(), register.head()) == (risks, events, head)
        assert check(register.database) == []
        assert prune(register.database, cutoff) == Pruned(0, 0)

    def test_what_was_forgotten_can_be_stored_again(self, register: Register) -> None:
        prune(register.database, FIRST_DAY + timedelta(days=100))
        again = record(register, 0, {"a": [fail("ssh")]}, "again")
        assert register.run("again") == again
        assert register.evidence("again", "a") is not None
        assert check(register.database) == []

    def test_nothing_is_forgotten_while_a_scan_runs(self, register: Register, url: str) -> None:
        from click.testing import CliRunner

        from scanner.cli import riskline

        with register.lock():
            found = CliRunner().invoke(riskline, ["db", "prune", "--register", url, "--older-than", "1"])
        assert isinstance(found.exception, LockedError)
        assert register.evidence("run-0", "a") is not None

"""Looking after a register in a SQLite file, and the verbs of `riskline db`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scanner.cli import riskline
from scanner.errors import RegisterError, UsageError
from scanner.register import open_register

from .register_contract import FIRST_DAY, fail, record
from .upkeep_contract import UpkeepContract


class TestSqlite(UpkeepContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return str(tmp_path / "made" / "register.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "register.db"
    register = open_register(str(path))
    ago = (datetime.now(UTC) - FIRST_DAY).days - 50
    for day in range(40):
        noise = [fail("users", os.urandom(20).hex()) for _ in range(20)]
        record(register, ago + day, {"a": noise})
    register.close()
    return path


def db(path: Path, *words: str) -> Result:
    found = CliRunner().invoke(riskline, ["db", words[0], "--register", str(path), *words[1:]])
    if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def test_the_verbs_say_what_they_did_and_leave_with_a_code(path: Path, tmp_path: Path) -> None:
    assert db(path, "upgrade").output == f"{path} is current\n"
    good = db(path, "check")
    assert (good.exit_code, good.output) == (0, f"{path} is whole\n")
    said = db(path, "backup", str(tmp_path / "copy.db")).output
    register = open_register(str(path))
    assert said.endswith(f"head: {register.head()}\n")
    register.close()
    assert "would forget the evidence of 39 visits" in db(path, "prune", "--older-than", "1", "--dry-run").output
    before = path.stat().st_size
    assert "forgot the evidence of 39 visits" in db(path, "prune", "--older-than", "1").output
    assert path.stat().st_size <= before
    assert db(path, "check").exit_code == 0


def test_a_damaged_file_is_said_to_be_damaged(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as opened:
        opened.seek(size // 2)
        opened.write(os.urandom(4096 * 4))
    try:  # where a page was hit that SQLite needs before it can look at the others, it says so itself
        bad = db(path, "check")
    except RegisterError as error:
        assert "register.db" in str(error)
    else:
        assert bad.exit_code == 1


def test_an_empty_place_becomes_a_register_only_by_an_upgrade(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    assert db(empty, "check").exit_code == 1
    assert "was empty" in db(empty, "upgrade").output
    assert db(empty, "check").exit_code == 0


def test_a_copy_goes_only_where_a_folder_is(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        db(path, "backup", str(tmp_path / "nowhere" / "copy.db"))
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(UsageError, match="exists already"):
        db(path, "backup", str(tmp_path / "link.db"))

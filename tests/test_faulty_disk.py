"""A disk that fails at each single write in turn, or loses power: old data stay, and what is told of is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import faulty_disk, kills

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc to build a disk that fails")


def ran(words: list[str], folder: Path, **preload: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **preload}
    done = [sys.executable, "-m", *words]
    return subprocess.run(done, cwd=folder, env=env, capture_output=True, text=True, timeout=500, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    kills.site(folder)
    return folder


@pytest.mark.fault("S10")
def test_whichever_write_fails_the_run_says_so_and_nothing_old_is_lost(place: Path) -> None:
    disk = faulty_disk.built("faulty_disk", place.parent)
    assert ran(["scanner.cli", *faulty_disk.WORDS], place).returncode == 1
    tried = ran(["tests.faulty_disk", str(place)], place, LD_PRELOAD=str(disk), FAULTY_FOLDER=str(place))
    assert tried.returncode == 0, tried.stderr[-3000:]
    ended = json.loads(tried.stdout)
    assert {code for codes in ended.values() for code in codes} == {"1", "3"}
    for how in ("full", "broken"):
        assert ended[how]["3"] >= 10, "most writes are missed when they fail"
    assert set(ended["half"]) == {"1"}, "the rest is written then"
    assert ended["interrupted"]["1"] > ended["interrupted"].get("3", 0), (
        "it is tried again; to keep on the disk, not always"
    )


@pytest.mark.fault("S9")
def test_what_is_renamed_or_reported_is_on_the_disk_before(place: Path) -> None:
    disk = faulty_disk.built("faulty_disk", place.parent)
    log = place.parent / "log"
    shim = {"LD_PRELOAD": str(disk), "FAULTY_FOLDER": str(place), "FAULTY_LOG": str(log)}
    assert ran(["scanner.cli", *faulty_disk.WORDS], place, **shim).returncode == 1
    dirty: set[str] = set()
    renamed = []
    for line in log.read_text().splitlines():
        kind, path, *more = line.split(" ")
        if kind == "write":
            dirty.add(path)
        elif kind == "sync":
            dirty.discard(path)
        else:
            renamed.append(Path(more[0]).name)
            assert path not in dirty
            assert f"{place}/register.db-wal" not in dirty, "a report must not tell of a run that a power cut undoes"
    assert renamed == ["run.json", "run.csv"]

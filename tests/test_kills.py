"""Killed at random moments and resumed: every asset judged exactly once, nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from scanner.register import Register, open_register

from . import kills
from .faulty_disk import mounted

ROOT = Path(__file__).parent.parent


def driven(place: Path, url: str, many: int | str, seed: int, *command: str) -> dict[str, int]:
    """Drive so many kills; how the scans ended."""
    words = [sys.executable, "-m", "tests.kills", str(place), url, str(many), str(seed), *command]
    done = subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500 + 10 * int(many if many != "at-once" else 0),
        check=False,
    )
    assert done.returncode == 0, done.stderr + (place / "said").read_text()[-3000:]
    found: dict[str, int] = json.loads(done.stdout)
    return found


def hold(register: Register) -> None:
    """What must be true of a register whatever happened to its writers."""
    names = [f"host{n:02}" for n in range(kills.ASSETS)]
    complete = [one.id for one in register.runs(1000) if one.state == "complete"]
    assert complete
    for id in complete:
        run = register.run(id)
        assert [one.asset.id for one in run.visited] == names
        assert [one.asset for one in run.findings] == names
    changes = Counter(event.change for _, event in register.events() if event.change != "sealed")
    assert changes == {"opened": kills.ASSETS}, "a risk was opened twice, or closed by what could not be seen"
    # where one run took all the kills and was resumed each time, no later one found its risks again
    assert {risk.state for risk in register.risks()} == {"open" if len(complete) > 1 else "new"}
    assert register.verify() == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.fault("S1")
def test_scans_killed_at_random_moments_judge_every_asset_exactly_once(tmp_path: Path, seed: int) -> None:
    kills.site(tmp_path)
    ended = driven(tmp_path, str(tmp_path / "register.db"), 25, seed)
    assert ended["killed"] == 25
    assert "last 1" in ended
    register = open_register(str(tmp_path / "register.db"))
    hold(register)
    register.close()


@pytest.mark.fault("S2")
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_scans_on_a_full_disk_or_a_locked_file_lose_nothing_and_judge_nothing_twice(tmp_path: Path) -> None:
    kills.site(tmp_path)
    with mounted("tmpfs", tmp_path / "disk", "size=2m") as disk:
        ended = driven(tmp_path, str(disk / "register.db"), 25, 5, "file")
        assert "last 1" in ended
        assert ended["3"] >= 1, "no scan met the full disk"
        assert "disk is full" in (tmp_path / "said").read_text()
        register = open_register(str(disk / "register.db"))
        hold(register)
        register.close()

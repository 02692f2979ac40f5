"""A share that hangs, whose readers no signal ends: its own questions are timed out, and all others are answered."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scanner import file, sh, stat
from scanner.model import Access, Asset, Local
from scanner.transports import Bounds, transport
from scanner.transports.collector import collector, pinned_rule

from . import hung_mount
from .hung_mount import hung
from .sshd import USABLE, WHY, sshd

pytestmark = [pytest.mark.live, pytest.mark.skipif(not hung_mount.USABLE, reason=hung_mount.WHY)]
BEFORE, AFTER, LAST = (sh(f"echo {word}", timeout_s=1) for word in ("before", "after", "last"))


@pytest.mark.skipif(not USABLE, reason=WHY)
@pytest.mark.fault("T17")
def test_a_share_that_hangs_costs_its_own_questions_alone(tmp_path: Path) -> None:
    with hung(tmp_path / "share", "read") as share, sshd() as running:
        reads = [sh(f"cat {share.file} # {n}", timeout_s=1) for n in range(2)]
        found = transport("ssh").visit(running.asset(), [BEFORE, reads[0], AFTER, reads[1], LAST], Bounds(100))
        assert share.asked.is_set()
        assert (running.connections, running.sessions) == (1, 3)
    assert [found[one].text for one in (BEFORE, AFTER, LAST)] == ["before\n", "after\n", "last\n"]
    assert [found[one].problem for one in reads] == ["timed-out", "timed-out"]


@pytest.mark.skipif(not USABLE, reason=WHY)
@pytest.mark.fault("T17")
def test_an_installed_collector_goes_on_behind_a_share_that_hangs(tmp_path: Path) -> None:
    """It puts its own questions and no others, so it is told which of them to leave out."""
    with hung(tmp_path / "share", "read") as share, sshd() as running:
        read = sh(f"cat {share.file}", sudo=True, timeout_s=1)
        who, looked = sh("id -u", sudo=True, timeout_s=1), stat("/etc", "/none")
        asked = [BEFORE, read, who, looked, LAST]
        (running.folder / "sbin").mkdir()
        installed = running.folder / "sbin" / "riskline-collect"
        installed.write_text(collector([asked]))
        installed.chmod(0o755)
        own_view = ["nsenter", "--mount", "--target", str(running.pid)]
        subprocess.run([*own_view, "mount", "--bind", str(installed.parent), "/usr/local/sbin"], check=True)
        rules = running.folder / "etc" / "sudoers"
        rules.write_text(pinned_rule("audit", installed.read_bytes()))
        found = transport("ssh").visit(running.asset(sudo="collector"), asked, Bounds(100))
        assert share.asked.is_set()
        assert (running.connections, running.sessions) == (1, 2)
    assert [found[one].text for one in (BEFORE, who, LAST)] == ["before\n", "0\n", "last\n"]
    assert found[read].problem == "timed-out"
    assert '"/etc": ["755"' in found[looked].text


@pytest.mark.fault("T17")
def test_a_share_whose_attributes_never_come_stops_neither_the_visit_nor_other_paths(tmp_path: Path) -> None:
    here = Asset("here", access=Access(local=Local()))
    with hung(tmp_path / "share", "look") as share:
        read, look, others = file(str(share.file)), stat(str(share.place)), stat("/etc", "/none")
        found = transport("local").visit(here, [BEFORE, read, AFTER, look, others], Bounds(200))
        assert share.asked.is_set()
    assert (found[BEFORE].text, found[AFTER].text) == ("before\n", "after\n")
    assert [found[one].problem for one in (read, look)] == ["timed-out", "timed-out"]
    assert '"/etc": ["755"' in found[others].text


@pytest.mark.fault("T17")
def test_a_host_that_hangs_at_question_after_question_is_given_up_in_time(tmp_path: Path) -> None:
    here = Asset("here", access=Access(local=Local()))
    with hung(tmp_path / "share", "read") as share:
        reads = [sh(f"cat {share.file} # {n}", timeout_s=0.5) for n in range(8)]
        found = transport("local").visit(here, [BEFORE, *reads, AFTER], Bounds(200))
    assert found[BEFORE].text == "before\n"
    assert {found[one].problem for one in (*reads, AFTER)} == {"timed-out"}

"""What surrounds the program: few open files, processes, little memory, a bare environment, another clock or zone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.register import open_register

from . import kills
from .faulty_disk import built, mounted

ROOT = Path(__file__).parent.parent
WORDS = [*kills.JUDGING, "--register", "register.db", "-o", "run.json"]
FAT_CHECK = '''
"""Much text."""
from scanner import Fact, check, sh
TEXT = Fact(sh("head -c 60000000 /dev/zero | tr '\\\\0' x", max_bytes=63000000), len)

@check("site.fat.size", TEXT)
def size(said: int) -> int:
    """Its length."""
    return said
'''


@pytest.fixture
def place() -> Iterator[Path]:
    """A site below no folder of ours alone, so that another user can work there."""
    folder = Path(tempfile.mkdtemp(prefix="riskline-site-"))
    folder.chmod(0o755)
    kills.site(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def scan(
    place: Path, *before: str, env: dict[str, str] | None = None, quiet: bool = True
) -> subprocess.CompletedProcess[str]:
    """One scan, started by some other program."""
    argv = [*before, sys.executable, "-m", "scanner.cli", "scan", *WORDS, *(["-q"] if quiet else [])]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    return subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, timeout=200, check=False)


def told(place: Path) -> Any:
    return json.loads((place / "run.json").read_text())


def outcomes(place: Path) -> Counter[str]:
    return Counter(one["outcome"] for one in told(place)["findings"])


needs_prlimit = pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")


@needs_prlimit
@pytest.mark.fault("P2")
def test_few_open_files_mean_fewer_visits_at_once_and_the_same_verdicts(place: Path) -> None:
    done = scan(place, "prlimit", "--nofile=64", quiet=False)
    assert done.returncode == 1, done.stderr
    assert "open files are limited" in done.stderr
    assert outcomes(place) == {"fail": kills.ASSETS}


@needs_prlimit
@pytest.mark.fault("P2")
def test_no_open_files_at_all_are_unknown_and_never_a_pass(place: Path) -> None:
    done = scan(place, "prlimit", "--nofile=12")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert outcomes(place) == {"unknown": kills.ASSETS}
    assert "Too many open files" in told(place)["findings"][0]["detail"]


PEAK = """
import atexit, re, runpy, sys
def tell():
    open("peak", "w").write(re.search(r"VmPeak:\\s*(\\d+)", open("/proc/self/status").read())[1])
atexit.register(tell)
runpy.run_module("scanner.cli", run_name="__main__", alter_sys=True)
"""


@needs_prlimit
@pytest.mark.fault("P3")
def test_a_visit_for_which_memory_runs_out_is_unknown_and_the_others_are_judged(place: Path) -> None:
    (place / "checks" / "site" / "fat.py").write_text(FAT_CHECK)
    text = (place / "site.yaml").read_text().replace("id: site", "id: fat").replace("site.kills.text", "site.fat.size")
    (place / "fat.yaml").write_text(text.replace('"yes"', "60000000"))
    (place / "inventory.yaml").write_text(
        "version: 1\nassets:\n  fat: {access: {local: {sudo: never}}, baselines: [fat]}\n"
        "  thin: {access: {local: {sudo: never}}, baselines: [site]}\n"
    )
    words = ["scan", "--inventory", "inventory.yaml", "--checks", "checks", "-q", "--at-once", "1"]
    baselines = ["--baselines", "site.yaml", "--baselines", "fat.yaml"]
    # what glibc keeps for itself depends on how busy the machine is: one arena, and large pieces given back at once
    glibc = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}
    env = {**os.environ, "PYTHONPATH": str(ROOT), **glibc}
    thin = [
        sys.executable,
        "-c",
        PEAK,
        *words,
        "--register",
        "thin.db",
        *baselines,
        "-o",
        "thin.json",
        "--limit",
        "thin",
    ]
    subprocess.run(thin, cwd=place, env=env, capture_output=True, timeout=200, check=False)
    enough = int((place / "peak").read_text()) * 1024  # for the thin one
    outcomes = []
    for more in (92, 100, 80, 60, 40, 115, 130):  # where the fat one's need lies depends on this machine's libraries
        argv = [sys.executable, "-m", "scanner.cli", *words, "--register", f"{more}.db", *baselines, "-o", "run.json"]
        limited = ["prlimit", f"--as={enough + (more << 20)}", *argv]
        done = subprocess.run(limited, cwd=place, env=env, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode in {1, 3}, done.stderr[-3000:]
        if done.returncode == 3:
            assert "no memory left" in done.stderr
            continue
        said = {one["asset"]: one for one in told(place)["findings"]}
        assert said["thin"]["outcome"] == "fail"
        outcomes.append(said["fat"]["outcome"])
        if outcomes[-1] == "unknown":
            assert "this machine could not carry the visit" in said["fat"]["detail"]
            break
    assert outcomes[-1:] == ["unknown"]


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, whom no such limit binds, to be somebody else"
)
@pytest.mark.parametrize("processes", [1, 4, 12, 40])
@pytest.mark.fault("P5")
def test_no_more_processes_or_threads_end_in_unknown_and_a_plain_message(place: Path, processes: int) -> None:
    user = str(61000 + processes)
    reads = "+dac_override"  # for the case that the interpreter is below a folder of root's
    shutil.chown(place, int(user))
    somebody = ["setpriv", f"--reuid={user}", f"--inh-caps={reads}", f"--ambient-caps={reads}"]
    done = scan(place, *somebody, "prlimit", f"--nproc={processes}", quiet=False)
    assert done.returncode in {1, 3}, done.stderr
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    if (place / "run.json").exists():
        assert set(outcomes(place)) <= {"fail", "unknown"}
    if processes < 40:
        assert re.search("thread|processes", done.stderr), done.stderr


@pytest.mark.fault("P6")
def test_without_home_user_terminal_and_standard_input_it_works(place: Path) -> None:
    words = [sys.executable, "-m", "scanner.cli", "scan", *WORDS, "-q"]
    bare = ["env", "-i", f"PYTHONPATH={ROOT}", "sh", "-c", 'exec "$@" <&-', "sh", *words]
    done = subprocess.run(bare, cwd=place, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert outcomes(place) == {"fail": kills.ASSETS}


@pytest.mark.fault("P7")
def test_warnings_as_errors_another_zone_language_and_order_of_sets_change_no_byte(place: Path) -> None:
    assert scan(place).returncode == 1
    made = []
    for hashes, zone, language in (("1", "Asia/Kathmandu", "C"), ("2", "America/St_Johns", "de_DE.UTF-8")):
        env = {"PYTHONHASHSEED": hashes, "TZ": zone, "LANG": language, "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-W", "error", "-m", "scanner.cli", "report", "--register", "register.db", "-f"]
        formats = ("html", "json", "csv", "markdown", "sarif", "board", "oscal", "xlsx", "junit", "ocsf")
        for form in formats:
            words = [*argv, form, "-o", f"out.{form}"]
            done = subprocess.run(
                words, cwd=place, env={**os.environ, **env}, capture_output=True, text=True, timeout=100
            )
            assert (done.returncode, done.stderr.replace(f"riskline: wrote out.{form}\n", "")) == (0, ""), form
        made.append({form: (place / f"out.{form}").read_bytes() for form in formats})
    assert [form for form in made[0] if made[0][form] != made[1][form]] == []


@pytest.fixture(scope="module")
def wrong_clock(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc to build a clock that is wrong")
    return str(built("wrong_clock", tmp_path_factory.mktemp("clock")))


@pytest.mark.fault("S8")
def test_a_clock_that_was_set_back_between_runs_closes_no_risk_and_breaks_no_history(
    place: Path, wrong_clock: str
) -> None:
    assert scan(place, env={"LD_PRELOAD": wrong_clock, "CLOCK_AHEAD": "90000000"}).returncode == 1
    (place / "conf").write_text("yes\n")
    assert scan(place).returncode == 0
    assert outcomes(place) == {"pass": kills.ASSETS}
    register = open_register(str(place / "register.db"))
    try:
        assert register.verify() == []
        assert len(register.runs()) == 2
        assert {risk.state for risk in register.risks()} <= {"new", "open"}, "an older visit mends nothing"
    finally:
        register.close()


@pytest.mark.fault("S8")
def test_a_clock_that_jumps_by_years_during_a_run_ends_no_visit_and_leaves_none_waiting(
    place: Path, wrong_clock: str
) -> None:
    for ahead in ("300000000", "-300000000"):
        done = scan(place, env={"LD_PRELOAD": wrong_clock, "CLOCK_AHEAD": ahead, "CLOCK_JUMPS": "1"})
        assert done.returncode == 1, done.stderr
        assert outcomes(place) == {"fail": kills.ASSETS}


@pytest.fixture
def full(place: Path) -> Iterator[Path]:
    """A folder below the place on a disk of its own without any room, and an old report in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    with mounted("tmpfs", place / "full", "size=256k") as disk:
        (disk / "run.json").write_text('{"old": true}')
        (disk / "log").write_text("before\n")
        with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(b"x" * 512):
                pass
        yield disk


@pytest.mark.fault("S2")
def test_a_report_on_a_full_disk_is_told_and_the_old_one_and_the_run_are_kept(place: Path, full: Path) -> None:
    argv = [sys.executable, "-m", "scanner.cli", "scan", *kills.JUDGING, "--register", "register.db", "-q"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [*argv, "-o", "full/run.json", "-o", "run.csv"]
    done = subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 3
    assert "full/run.json: could not be written: No space left on device" in done.stderr
    assert {file.name for file in full.iterdir()} == {"run.json", "log", "filler"}
    assert json.loads((full / "run.json").read_text()) == {"old": True}
    register = open_register(str(place / "register.db"))
    assert [one.state for one in register.runs()] == ["complete"], "its report can be made later"
    register.close()


@pytest.mark.fault("S2")
def test_a_log_on_a_full_disk_ends_no_run(place: Path, full: Path) -> None:
    argv = [sys.executable, "-m", "scanner.cli", "scan", *WORDS, "--log-file", "full/log", "-q"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, outcomes(place)) == (1, {"fail": kills.ASSETS}), done.stderr
    assert done.stderr.count("No space left on device; lines of it are lost") == 1
    assert len(done.stderr.splitlines()) == 1
    assert (full / "log").read_text().startswith("before\n")


ZONES = (  # TZ before, TZ after: a day on which clocks are set, one with leap seconds, and another side of the world
    ("Europe/Berlin", "America/New_York"),
    ("right/UTC", "Pacific/Kiritimati"),
    ("XXX-2YYY,0/0,J364/25", "XXX+12"),  # summer time nearly always
)


@pytest.mark.parametrize(("before", "after"), ZONES)
@pytest.mark.fault("S8")
def test_another_zone_between_two_runs_changes_no_order_and_no_date(place: Path, before: str, after: str) -> None:
    (place / "conf").write_text("yes\n")
    assert scan(place, env={"TZ": before}).returncode == 0
    passed = told(place)
    (place / "conf").write_text("no\n")
    assert scan(place, env={"TZ": after}).returncode == 1
    failed = told(place)
    assert passed["started_at"] < passed["finished_at"] < failed["started_at"] < failed["finished_at"]
    assert {one["started_at"][-6:] for one in (passed, failed)} == {"+00:00"}
    register = open_register(str(place / "register.db"))
    try:
        assert register.verify() == []
        assert [one.id for one in register.runs()] == [failed["id"], passed["id"]]
        assert {risk.state for risk in register.risks()} <= {"new", "open"}
    finally:
        register.close()
    days = set()
    for zone in (before, after, "UTC"):
        argv = [sys.executable, "-m", "scanner.cli", "register", "list", "--register", "register.db", "-f", "json"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TZ": zone}
        days.add(subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, check=True).stdout)
    assert len(days) == 1, "due dates do not hang on where somebody looks"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to be both users")
@pytest.mark.fault("P6")
def test_root_and_a_user_reach_the_same_verdicts_where_both_may_read(place: Path) -> None:
    assert scan(place).returncode == 1
    of_root = told(place)
    for file in place.glob("register.db*"):
        file.unlink()
    for file in (place, *place.rglob("*")):
        shutil.chown(file, 61007)
    reads = "+dac_override"  # for the case that the interpreter is below a folder of root's
    done = scan(place, "setpriv", "--reuid=61007", f"--inh-caps={reads}", f"--ambient-caps={reads}")
    assert done.returncode == 1, done.stderr
    of_user = told(place)
    kept = ("control", "asset", "outcome", "observed", "expected")
    assert [{key: one.get(key) for key in kept} for one in of_root["findings"]] == [
        {key: one.get(key) for key in kept} for one in of_user["findings"]
    ]
    assert {file.stat().st_uid for file in place.glob("register.db*")} == {61007}


# ── who reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

VERBS = {  # words -> the exit code, whoever reads: the last run fails, the one before passed
    "check list": 0,
    "report --register register.db": 0,
    "gate latest --change CHG-1 --register register.db --dry-run": 3,
    f"scan {' '.join(kills.JUDGING)} --no-record": 1,
    "scan --inventory none.yaml": 2,
}


@pytest.fixture(scope="module")
def audited() -> Iterator[Path]:
    """A site with two runs, and texts that not every terminal can show."""
    folder = Path(tempfile.mkdtemp(prefix="riskline-site-"))
    kills.site(folder)
    (folder / "conf").write_text("yes\n")
    assert scan(folder).returncode == 0
    (folder / "conf").write_text("n\u00f6 \u2192 \u6f22\u5b57 \x1b[2J\n")
    assert scan(folder).returncode == 1
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def command(verb: str) -> list[str]:
    return [sys.executable, "-m", "scanner.cli", *verb.split()]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.fault("R5")
def test_readers_who_leave_and_streams_that_are_closed_change_no_exit_code(audited: Path, verb: str) -> None:
    """`| head`, `2>&1 | true`, `>&-`: a gate that asks for a review does, whoever has heard it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    reader, gone = os.pipe()
    os.close(reader)
    pipe = subprocess.PIPE
    ways = [(gone, pipe, ""), (gone, gone, ""), (pipe, gone, ""), (pipe, pipe, ">&-"), (pipe, pipe, "<&- >&- 2>&-")]
    for out, error, closed in ways:
        words = ["sh", "-c", f'exec "$@" {closed}', "sh", *command(verb)]
        done = subprocess.run(words, cwd=audited, env=env, stdout=out, stderr=error, text=True, check=False)
        assert done.returncode == VERBS[verb], (closed, done.stderr)
        assert "Traceback" not in (done.stderr or "")
    os.close(gone)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.fault("R5", "S2")
def test_what_could_not_be_printed_for_a_full_disk_is_told(audited: Path, verb: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(verb), cwd=audited, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode in {1, 2, 3}
        assert "Traceback" not in done.stderr
        assert "No space left on device" in done.stderr or done.returncode == 2
        done = subprocess.run(
            command(verb), cwd=audited, env=env, stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
        assert done.returncode == VERBS[verb]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.fault("R5")
def test_a_terminal_of_any_alphabet_and_width_is_written_to_in_what_it_knows(audited: Path, verb: str) -> None:
    for encoding in ("cp1252", "ascii"):  # click takes ASCII for a mistake, and writes UTF-8
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
        done = subprocess.run(command(verb), cwd=audited, env=env, capture_output=True, check=False)
        assert done.returncode == VERBS[verb], done.stderr
        assert b"Traceback" not in done.stderr
        assert "\x1b" not in done.stdout.decode(encoding.replace("ascii", "utf-8"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 20, 0, 0))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    child = subprocess.Popen(command(verb), cwd=audited, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # how the end of a terminal is told
        while piece := os.read(ours, 1 << 16):
            seen += piece
    os.close(ours)
    assert child.wait(60) == VERBS[verb]
    assert seen and b"Traceback" not in seen
    assert re.sub(rb"\x1b\[(\?25[lh]|K)", b"", seen).count(b"\x1b") == 0  # a progress bar hides the cursor

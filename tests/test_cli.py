"""The command line as people and scripts meet it: exit codes, streams, files, messages with a remedy."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scanner.register import open_register

WITHOUT_ROOTS_POWERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
needs_setpriv = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv, to be a root who may not do all"
)
ROOT = Path(__file__).parent.parent
CHECKS = '''
"""Settings of the test's own."""
from scanner import Fact, check, file, parse, sh
CONFIG = Fact(file("{conf}"), parse.key_values)
SLOW = Fact(sh("sleep 30; echo done", timeout_s=60), str.strip)

@check("site.test.setting", CONFIG)
def setting(settings: dict[str, str], key: str) -> str | None:
    """The value of `key`."""
    if key == "bug":
        raise ZeroDivisionError("a bug of the check")
    return settings.get(key)

@check("site.test.slow", SLOW)
def slow(text: str) -> str:
    """What comes after half a minute."""
    return text
'''
CONTROL = """
  - id: {id}
    title: The setting {key} is right
    check: site.test.setting
    given: {{ key: {key} }}
    expect: {{ equals: "1" }}
    vector: network
    exploit: {exploit}
    effect: {{ c: {extent}, i: {extent}, a: {extent} }}
    root_cause: site.{key}
    why: Someone would use it, and nobody would notice.
    fix: Set it to 1.
    references: {{ cac: rule_{key}, cis: "1.{exploit}" }}
"""


@dataclass(frozen=True)
class Site:
    """A folder with an inventory of one asset, this machine, held against a baseline of the test's own."""

    at: Path

    def run(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words),
            cwd=self.at,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            **more,
            check=False,
        )

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "scanner.cli", *words]

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(self.at), "XDG_STATE_HOME": str(self.at / "state")}

    def scan(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("scan", *self.judging, "--register", "register.db", *words)

    @property
    def judging(self) -> list[str]:
        return ["--inventory", "inventory.yaml", "--checks", "checks", "--baselines", "site.yaml", "--baseline", "site"]

    def settings(self, text: str) -> None:
        (self.at / "conf").write_text(text)

    def controls(self, *keys: str, exploit: int = 4, extent: str = "total") -> None:
        head = 'id: site\nversion: "1"\ntitle: Site\napplies_to: {kind: linux}\ncontrols:\n'
        lines = [CONTROL.format(id=f"S-{key}", key=key, exploit=exploit, extent=extent) for key in keys]
        (self.at / "site.yaml").write_text(head + "".join(lines))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    folder = tmp_path / "checks" / "site"
    folder.mkdir(parents=True, mode=0o755)
    (folder / "test.py").write_text(CHECKS.replace("{conf}", str(tmp_path / "conf")))
    for place in [tmp_path, *tmp_path.rglob("*")]:
        place.chmod(0o755 if place.is_dir() else 0o644)
    (tmp_path / "inventory.yaml").write_text("version: 1\nassets: {here: {access: {local: {sudo: never}}}}\n")
    found.controls("a", "b")
    found.settings("a = 1\nb = 1\n")
    yield found


def test_a_clean_run_ends_with_0_and_a_failing_one_with_1(site: Site) -> None:
    assert site.scan().returncode == 0
    site.settings("a = 1\nb = 2\n")
    assert site.scan().returncode == 1
    assert site.scan("--fail-on", "never").returncode == 0


def test_only_a_finding_that_costs_enough_fails_a_run(site: Site) -> None:
    site.controls("a", exploit=1, extent="partial")
    site.settings("a = 0\n")
    assert site.scan("--fail-on", "high").returncode == 0
    assert site.scan("--fail-on", "any").returncode == 1


def test_the_organisations_own_policy_decides_what_a_finding_weighs(site: Site) -> None:
    site.settings("a = 0\nb = 1\n")
    usual = json.loads(site.scan("--format", "json").stdout)["organisation"]["expected_loss"]
    (site.at / "policy.yaml").write_text("attempts: 6\n")
    twice = json.loads(site.scan("--format", "json", "--policy", "policy.yaml").stdout)["organisation"]["expected_loss"]
    assert twice == pytest.approx(2 * usual)
    (site.at / "policy.yaml").write_text("atempts: 6\n")
    refused = site.scan("--policy", "policy.yaml")
    assert (refused.returncode, "policy.yaml:1" in refused.stderr) == (2, True)


def test_what_cannot_be_judged_makes_the_run_incomplete(site: Site) -> None:
    (site.at / "conf").unlink()
    assert site.scan().returncode == 3


@pytest.mark.fault("I12")
def test_a_checks_bug_ends_with_4_and_the_other_controls_are_judged(site: Site) -> None:
    site.controls("a", "bug")
    done = site.scan("--format", "json")
    assert done.returncode == 4
    found = {f["control"]: (f["outcome"], f["reason"]) for f in json.loads(done.stdout)["findings"]}
    assert found == {"S-a": ("pass", ""), "S-bug": ("unknown", "check-bug")}


@pytest.mark.fault("I7")
def test_a_text_of_a_target_that_makes_a_pattern_slow_is_unknown_and_the_run_ends(site: Site) -> None:
    text = (site.at / "site.yaml").read_text()
    (site.at / "site.yaml").write_text(text.replace('equals: "1"', 'not_matches: ".*x.*x.*x.*x.*x.*y"', 1))
    site.settings(f"a = {'x' * 4000}\nb = 1\n")
    done = site.scan("--format", "json")
    found = {f["control"]: (f["outcome"], f["reason"]) for f in json.loads(done.stdout)["findings"]}
    assert found == {"S-a": ("unknown", "undetermined"), "S-b": ("pass", "")}
    assert done.returncode == 3
    site.settings("a = yyyy\nb = 1\n")
    assert site.scan().returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--inventory", "none.yaml"], "none.yaml"),
        (["--limit", "nobody-*"], "nobody-*"),
        (["--baseline", "sitte"], "did you mean 'site'"),
        (["--select", "id"], "KEY=VALUE"),
        (["--format", "pdff"], "pdff"),
        (["--output", "no/such/folder/x.html"], "make it first"),
        (["--output", "report.xyz"], "--format"),
        (["--at-once", "0"], "at-once"),
    ],
)
@pytest.mark.fault("R8")
def test_wrong_usage_ends_with_2_before_anything_is_visited(site: Site, words: list[str], said: str) -> None:
    done = site.scan(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (site.at / "register.db").exists()


def _folder(place: Path) -> None:
    place.mkdir()


def _register(place: Path) -> None:
    open_register(str(place)).close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_folder, "is a directory"),
        (os.mkfifo, "it is a device or a pipe"),
        (_register, "is a database"),
        pytest.param(lambda place: place.symlink_to("/dev/null"), "", id="link"),
    ],
)
@pytest.mark.fault("R8", "S7")
def test_what_stands_in_a_reports_place_is_refused_before_a_visit_and_a_link_is_not_followed(
    site: Site, make: Callable[[Path], None], said: str
) -> None:
    folder = site.at / "reports"
    folder.mkdir()
    place = folder / "run.json"
    make(place)
    before = place.stat().st_mode if place.exists() and not place.is_symlink() else 0
    done = site.scan("--output", "reports/run.json")
    if said:
        assert (done.returncode, (site.at / "register.db").exists()) == (2, False)
        assert said in done.stderr
        assert before == (place.stat().st_mode if before else 0)
    else:
        assert json.loads(place.read_text())["findings"]
        assert not place.is_symlink()
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@needs_setpriv
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "closed/run.json"], "closed/run.json cannot be written: Permission denied"),
        (["--register", "closed/register.db"], "closed/register.db cannot be used as the register: Permission denied"),
    ],
)
@pytest.mark.fault("R8", "S6")
def test_a_folder_that_may_not_be_written_is_told_before_anything_is_visited(
    site: Site, words: list[str], said: str
) -> None:
    (site.at / "closed").mkdir(mode=0o555)
    argv = [*WITHOUT_ROOTS_POWERS, *site.argv("scan", *site.judging, "--register", "register.db", *words)]
    done = subprocess.run(argv, cwd=site.at, env=site.env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert not (site.at / "register.db").exists()
    assert not list((site.at / "closed").iterdir())


@pytest.mark.parametrize("name", ["/dev/null", "/dev/stdout", "/proc/self/fd/1", f"{'n' * 300}.json"])
@pytest.mark.fault("R8")
def test_a_report_into_a_device_or_of_an_endless_name_is_refused_before_anything_is_visited(
    site: Site, name: str
) -> None:
    stands = os.path.lexists(name) and os.lstat(name).st_mode
    done = site.scan("--output", name, "--format", "json")
    assert (done.returncode, (site.at / "register.db").exists()) == (2, False)
    assert "cannot be written" in done.stderr
    assert stands == (os.path.lexists(name) and os.lstat(name).st_mode)


@pytest.mark.fault("I5")
def test_a_mistake_in_the_inventory_is_said_with_its_line(site: Site) -> None:
    (site.at / "inventory.yaml").write_text("version: 1\nassets:\n  here:\n    acess: local\n")
    done = site.scan()
    assert done.returncode == 2
    assert "inventory.yaml:4" in done.stderr
    assert "did you mean 'access'" in done.stderr


def test_an_unknown_verb_is_answered_with_the_closest(site: Site) -> None:
    done = site.run("scann")
    assert done.returncode == 2
    assert "did you mean 'scan'" in done.stderr


def test_json_on_standard_output_is_nothing_but_json(site: Site) -> None:
    done = site.scan("--format", "json", "-v")
    run = json.loads(done.stdout)
    assert {f["control"]: f["references"]["cac"] for f in run["findings"]} == {"S-a": ["rule_a"], "S-b": ["rule_b"]}


def test_a_selection_by_any_reference_judges_only_these(site: Site) -> None:
    done = site.scan("--select", "cac=rule_b", "--format", "json")
    assert [f["control"] for f in json.loads(done.stdout)["findings"]] == ["S-b"]


def test_csv_has_one_row_per_finding(site: Site) -> None:
    rows = list(csv.DictReader(io.StringIO(site.scan("--format", "csv").stdout)))
    assert sorted(row["control"] for row in rows) == ["S-a", "S-b"]


def test_several_outputs_are_written_by_the_ends_of_their_names_and_the_table_is_shown(site: Site) -> None:
    ends = ("html", "json", "csv", "md", "xml", "sarif")
    done = site.scan(*(word for end in ends for word in ("--output", f"r.{end}")))
    assert done.returncode == 0, done.stderr
    assert "<testsuites" in (site.at / "r.xml").read_text()
    assert json.loads((site.at / "r.sarif").read_text())["version"] == "2.1.0"
    assert (site.at / "r.html").read_text().lstrip().lower().startswith("<!doctype html>")
    assert json.loads((site.at / "r.json").read_text())["state"] == "complete"
    assert (site.at / "r.html").stat().st_mode & 0o777 == 0o600
    assert "here" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_diff_shows_verdicts_and_the_lines_behind_them(site: Site) -> None:
    first = json.loads(site.scan("--format", "json").stdout)["id"]
    site.settings("a = 1\nb = 1\nPermitEverything = yes\n")
    second = json.loads(site.scan("--format", "json").stdout)["id"]
    done = site.run("diff", first, second, "--register", "register.db", "--checks", "checks")
    assert "No verdict differs." in done.stdout
    assert f"here  {site.at / 'conf'}\n  +PermitEverything = yes" in done.stdout
    both = json.loads(site.run("diff", first, second, "--register", "register.db", "-f", "json").stdout)
    assert both["verdicts"] == []
    assert [one["lines"] for one in both["facts"]] == [["+PermitEverything = yes"]]
    assert json.loads(site.run("diff", first, "--register", "register.db", "-f", "json", "--verdicts").stdout) == []
    for name, run in (("before.db", first), ("after.db", second)):
        assert site.run("db", "extract", run, name, "--register", "register.db").returncode == 0
    files = site.run("diff", "before.db", "after.db", "--register", "elsewhere.db", "-f", "json")
    assert json.loads(files.stdout) == both


def test_metrics_can_be_read_by_the_program_that_collects_them_and_no_half_file_is_left(site: Site) -> None:
    site.scan("--output", "risk.prom")
    written = site.at / "risk.prom"
    assert written.stat().st_mode & 0o777 == 0o644
    assert 'riskline_asset_risk{asset="here"' in written.read_text()
    assert "riskline_last_good_run_timestamp_seconds 1" in written.read_text()
    assert not list(site.at.glob(".risk.prom*"))


@pytest.mark.fault("P6")
def test_quiet_says_nothing_but_the_exit_code(site: Site) -> None:
    done = site.scan("--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_json_log_is_one_object_a_line(site: Site) -> None:
    lines = [json.loads(line) for line in site.scan("--json-log").stderr.splitlines() if line.startswith("{")]
    assert any("judged" in line["message"] for line in lines)


def test_a_recorded_run_can_be_listed_and_reported_again(site: Site) -> None:
    first = json.loads(site.scan("--format", "json").stdout)
    (listed,) = json.loads(site.run("runs", "--register", "register.db", "--format", "json").stdout)
    assert listed["id"] == first["id"]
    again = json.loads(site.run("report", first["id"], "--register", "register.db", "--format", "json").stdout)
    assert again == first


def test_a_run_replayed_from_its_evidence_gives_the_same_verdicts(site: Site) -> None:
    site.scan()
    words = ("replay", "--register", "register.db", "--checks", "checks")
    done = site.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* verdicts came out again, 0 did not", done.stdout)
    changed = site.at / "checks" / "site" / "test.py"
    changed.write_text(changed.read_text().replace("return settings.get(key)", 'return "another"'))
    done = site.run(*words)
    assert done.returncode == 1
    assert "here: S-a of site: pass then, fail now" in done.stdout


def test_a_run_names_what_it_was_judged_by_and_answers_that_were_altered_since_are_told(site: Site) -> None:
    run = json.loads(site.scan("--format", "json").stdout)
    assert len(run["tool_digest"]) == len(run["inventory_digest"]) == len(run["baselines"]["site"]) == 64
    words = ("replay", "--register", "register.db", "--checks", "checks")
    assert site.run(*words).returncode == 0
    with contextlib.closing(sqlite3.connect(site.at / "register.db", isolation_level=None)) as db:
        (kept,) = db.execute("SELECT c.body FROM visits v JOIN contents c ON c.digest = v.evidence").fetchone()
        text = zlib.decompress(kept).replace(b"b = 1", b"b =  1")
        db.execute("INSERT INTO contents VALUES (?, ?)", (hashlib.sha256(text).digest(), zlib.compress(text)))
        db.execute("UPDATE visits SET evidence = ?", (hashlib.sha256(text).digest(),))
    done = site.run(*words)
    assert done.returncode == 1
    assert "here: evidence of the visit: as recorded then, other answers now" in done.stdout


def test_a_report_can_be_of_some_assets_alone(site: Site) -> None:
    site.scan()
    words = ("report", "--register", "register.db", "--format", "json", "--limit")
    told = json.loads(site.run(*words, "here").stdout)
    assert [asset["id"] for asset in told["assets"]] == ["here"]
    assert told["organisation"]["applicable"] == told["assets"][0]["score"]["applicable"]
    refused = site.run(*words, "nowhere")
    assert refused.returncode == 2
    assert "no asset, group, service or tag=value" in refused.stderr


def test_without_record_no_register_is_made(site: Site) -> None:
    done = site.scan("--no-record")
    assert done.returncode == 0
    assert not (site.at / "register.db").exists()


def test_old_evidence_is_judged_by_a_new_baseline_without_a_visit(site: Site) -> None:
    site.scan()
    site.settings("a = 2\nb = 2\n")
    site.controls("b", "c")
    again = site.run("evaluate", "latest", *site.judging[2:], "--register", "register.db", "--format", "json")
    assert again.returncode == 1, again.stderr
    found = {f["control"]: f["outcome"] for f in json.loads(again.stdout)["findings"]}
    assert found == {"S-b": "pass", "S-c": "fail"}


@pytest.mark.fault("S3")
def test_a_second_run_at_the_same_time_ends_with_5(site: Site) -> None:
    _slow(site)
    first = subprocess.Popen(
        site.argv("scan", *site.judging, "--register", "register.db", "-q"), cwd=site.at, env=site.env
    )
    try:
        _wait_for_run(site)
        second = site.scan()
        assert second.returncode == 5
        assert "another" in second.stderr
    finally:
        first.kill()
        first.wait()
    site.controls("a")
    assert site.scan().returncode == 0


@pytest.mark.fault("P8")
def test_a_run_whose_time_is_up_keeps_what_it_has_and_can_go_on(site: Site) -> None:
    _slow(site)
    assets = "".join(f"  host{number}: {{access: {{local: {{sudo: never}}}}}}\n" for number in range(4))
    (site.at / "inventory.yaml").write_text(f"version: 1\nassets:\n{assets}")
    words = ("--at-once", "1", "--visit-deadline", "2")
    done = site.scan(*words, "--deadline", "4")  # time enough for a first visit on a busy machine
    assert done.returncode == 3, done.stderr
    assert "no further visit begins" in done.stderr
    (listed,) = json.loads(site.run("runs", "--register", "register.db", "--format", "json").stdout)
    assert listed["state"] == "partial"
    assert 1 <= listed["assets"] < 4
    assert site.scan(*words, "--resume").returncode == 3  # the check itself stays too slow
    (listed,) = json.loads(site.run("runs", "--register", "register.db", "--format", "json").stdout)
    assert (listed["state"], listed["assets"]) == ("complete", 4)


@pytest.mark.usefixtures("heard")
@pytest.mark.fault("P1")
def test_an_interrupted_run_ends_with_130_and_keeps_what_it_has(site: Site) -> None:
    _slow(site)
    (site.at / "inventory.yaml").write_text(
        "version: 1\nassets:\n  fast: {access: {local: {sudo: never}}, baselines: [other]}\n"
        "  slow: {access: {local: {sudo: never}}, baselines: [site]}\n"
    )
    text = (site.at / "site.yaml").read_text()
    site.controls("a")
    (site.at / "other.yaml").write_text((site.at / "site.yaml").read_text().replace("id: site", "id: other"))
    (site.at / "site.yaml").write_text(text)
    words = ["--inventory", "inventory.yaml", "--checks", "checks", "--baselines", "site.yaml", "--baselines"]
    argv = site.argv("scan", *words, "other.yaml", "--register", "register.db", "--at-once", "1")
    child = subprocess.Popen(argv, cwd=site.at, env=site.env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _wait_for_run(site, assets=1)
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 130
    (listed,) = json.loads(site.run("runs", "--register", "register.db", "--format", "json").stdout)
    assert (listed["state"], listed["assets"]) == ("running", 1)
    site.controls("a")
    resumed = site.run("scan", *words, "other.yaml", "--register", "register.db", "--resume", "--format", "json")
    assert resumed.returncode == 2  # the baseline is not the one that the run was begun with
    assert "another inventory or baseline" in resumed.stderr


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals as a terminal gives them, where these tests run in the background or under nohup as well."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.fault("P1")
def test_a_signal_ends_a_run_after_its_visits_and_a_second_one_at_once(
    site: Site, number: signal.Signals, times: int
) -> None:
    _slow(site, seconds=3 if times == 1 else 60)
    names = ["one", "two"]
    lines = "".join(f"  {name}: {{access: {{local: {{sudo: never}}}}}}\n" for name in names)
    (site.at / "inventory.yaml").write_text("version: 1\nassets:\n" + lines)
    argv = site.argv("scan", *site.judging, "--register", "register.db", "--at-once", "1", "-o", "run.json")
    child = subprocess.Popen(argv, cwd=site.at, env=site.env, stderr=subprocess.PIPE, text=True)
    _wait_for_run(site)
    time.sleep(0.5)  # the first visit is under way
    child.send_signal(number)
    if times == 2:
        time.sleep(0.3)
        child.send_signal(number)
    _, said = child.communicate(timeout=50)
    assert child.returncode == 128 + number
    assert "stopping after the visits under way" in said
    assert "Traceback" not in said
    (listed,) = json.loads(site.run("runs", "--register", "register.db", "--format", "json").stdout)
    assert (listed["state"], listed["assets"]) == ("running" if times == 2 else "partial", 2 - times)
    if times == 1:
        assert json.loads((site.at / "run.json").read_text())["state"] == "partial"
    assert not [line for line in _children_of(site) if "sleep" in line], "what was started here is ended"
    assert site.scan("--resume", "--deadline", "1").returncode in {1, 3}, "and goes on"


def _children_of(site: Site) -> list[str]:
    """The command lines of processes that work in this site."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cwd").resolve() == site.at.resolve():
                found.append((place / "cmdline").read_text())
    return found


@pytest.mark.usefixtures("heard")
@pytest.mark.fault("P1")
def test_a_terminal_that_goes_away_ends_a_run_as_its_signal_does(site: Site) -> None:
    _slow(site, seconds=3)
    words = site.argv("scan", *site.judging, "--register", "register.db")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(site.at)
        os.execve(words[0], words, site.env)
    _wait_for_run(site)
    time.sleep(0.5)
    os.close(terminal)  # the kernel sends SIGHUP, and what is written from now on fails
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGHUP
    (listed,) = json.loads(site.run("runs", "--register", "register.db", "--format", "json").stdout)
    assert (listed["state"], listed["assets"]) == ("complete", 1)


@pytest.mark.fault("S1")
def test_a_killed_run_is_resumed_and_judges_only_what_is_missing(site: Site) -> None:
    names = ["one", "two", "three"]
    lines = "".join(f"  {name}: {{access: {{local: {{sudo: never}}}}}}\n" for name in names)
    (site.at / "inventory.yaml").write_text("version: 1\nassets:\n" + lines)
    _slow(site, seconds=2)
    argv = site.argv("scan", *site.judging, "--register", "register.db", "--at-once", "1", "-q")
    child = subprocess.Popen(argv, cwd=site.at, env=site.env)
    _wait_for_run(site, assets=1)
    child.kill()
    child.wait()
    before = json.loads(site.run("runs", "--register", "register.db", "--format", "json").stdout)[0]
    done = site.scan("--resume", "--format", "json")
    run = json.loads(done.stdout)
    assert run["id"] == before["id"]
    assert [asset["id"] for asset in run["assets"]] == names
    assert len(run["findings"]) == len(names)
    assert len(json.loads(site.run("runs", "--register", "register.db", "--format", "json").stdout)) == 1


def test_an_asset_that_can_no_longer_be_seen_does_not_look_better(site: Site) -> None:
    site.settings("a = 0\nb = 1\n")
    before = json.loads(site.scan("--format", "json").stdout)["organisation"]
    (site.at / "conf").unlink()
    after = json.loads(site.scan("--format", "json").stdout)["organisation"]
    assert before["score"] == after["score"] > 0
    assert after["judged"] == 0
    site.settings("a = 1\nb = 1\n")
    assert json.loads(site.scan("--format", "json").stdout)["organisation"]["score"] == 0


def test_nothing_to_resume_is_said(site: Site) -> None:
    done = site.scan("--resume")
    assert done.returncode == 2
    assert "no unfinished run" in done.stderr


def test_the_plan_says_what_is_written_for_a_moment(site: Site) -> None:
    (site.at / "w.yaml").write_text(
        "assets:\n  w: {address: w.example, access: {winrm: {user: u, password: 'env:P'}}}\n"
    )
    lines = site.run("plan", "-i", "w.yaml", "-b", "windows-server-2022").stdout.splitlines()
    written = [line.split("[")[0].strip() for line in lines if "private temporary file, removed at once" in line]
    assert written == ["windows:exported security-policy", "windows:exported audit-policy"]


def test_the_plan_shows_the_questions_and_the_script_and_contacts_nobody(site: Site) -> None:
    shown = site.run("plan", *site.judging)
    assert f"posix:file {site.at}/conf" in shown.stdout
    script = site.run("plan", *site.judging, "--show-script").stdout
    assert "riskline()" in script
    assert not (site.at / "register.db").exists()


def test_the_rights_are_printed_in_the_form_of_their_system(site: Site) -> None:
    sudoers = site.run("permissions", *site.judging, "--format", "sudoers", "--user", "auditor").stdout
    assert "auditor ALL=(root) NOPASSWD: /bin/sh -s" in sudoers
    (site.at / "sudoers").write_text(sudoers)
    checked = subprocess.run(
        ["/usr/sbin/visudo", "-cf", site.at / "sudoers"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    refused = site.run("permissions", *site.judging, "--format", "sudoers", "--user", "x ALL=(ALL) ALL\n#")
    assert refused.returncode == 2


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete ")])
def test_completion_is_printed_for_each_shell(site: Site, shell: str, word: str) -> None:
    done = site.run("completion", shell)
    assert done.returncode == 0
    assert word in done.stdout


HEAVY = ["paramiko", "winrm", "boto3", "botocore", "nmap", "sqlalchemy", "alembic", "jinja2", "pydantic", "yaml"]


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["scan", "--help"], ["completion", "bash"]])
def test_help_imports_nothing_heavy(site: Site, words: list[str]) -> None:
    code = (
        "import sys\nfrom scanner.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=site.env, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_every_verb_explains_itself(site: Site) -> None:
    for verb in (
        "scan",
        "plan",
        "permissions",
        "evaluate",
        "report",
        "runs",
        "inventory",
        "baseline",
        "check",
        "schema",
    ):
        done = site.run(verb, "--help")
        assert done.returncode == 0, done.stderr
        assert "Usage: riskline" in done.stdout


@pytest.mark.fault("R5")
def test_a_reader_who_leaves_early_is_no_error(site: Site) -> None:
    piped = f"{sys.executable} -m scanner.cli check list | head -n 1"
    done = subprocess.run(["bash", "-c", piped], cwd=site.at, env=site.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.fault("I6")
def test_a_literal_password_is_refused_and_not_repeated(site: Site) -> None:
    (site.at / "inventory.yaml").write_text(
        "version: 1\nassets:\n  w:\n    address: 127.0.0.1\n    access: {winrm: {user: u, password: hunter2secret}}\n"
    )
    done = site.scan()
    assert done.returncode == 2
    assert "env:" in done.stderr
    assert "hunter2secret" not in done.stderr + done.stdout


def _slow(site: Site, seconds: int = 30) -> None:
    module = site.at / "checks" / "site" / "test.py"
    module.write_text(module.read_text().replace("sleep 30", f"sleep {seconds}"))
    site.controls("a")
    text = (site.at / "site.yaml").read_text()
    text = text.replace("site.test.setting", "site.test.slow").replace("    given: { key: a }\n", "")
    (site.at / "site.yaml").write_text(text)


def _wait_for_run(site: Site, assets: int = 0) -> None:
    """Until the register holds a run with that many assets."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (site.at / "register.db").exists():
            listed = site.run("runs", "--register", "register.db", "--format", "json")
            found = json.loads(listed.stdout) if listed.returncode == 0 else []
            if found and found[0]["assets"] >= assets:
                return
        time.sleep(0.1)
    raise TimeoutError("no run began")


def test_the_register_is_sound_after_all_that(site: Site) -> None:
    site.scan()
    with sqlite3.connect(site.at / "register.db") as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    assert (site.at / "register.db").stat().st_mode & 0o077 == 0


def test_quiet_says_nothing_when_nothing_changed_and_what_did_when_something_did(site: Site) -> None:
    site.settings("a = 1\nb = 2\n")
    for _ in range(2):  # what fails still is no news
        assert site.scan("--quiet").stderr == ""
    site.settings("a = 2\nb = 1\n")
    done = site.scan("--quiet")
    assert (done.returncode, done.stdout) == (1, "")
    first, *lines = done.stderr.splitlines()
    assert first.startswith("riskline: since run ")
    assert lines == [
        "riskline:   here: S-a fails now and did not: The setting a is right",
        "riskline:   here: S-b does not fail any more: The setting b is right",
    ]
    (site.at / "conf").unlink()
    assert "here: S-a cannot be judged any more" in site.scan("--quiet").stderr


def test_quiet_tells_of_assets_that_came_and_went(site: Site) -> None:
    names = [f"h{n:02}" for n in range(12)]

    def scan(*ids: str) -> str:
        lines = "".join(f"  {id}: {{access: {{local: {{sudo: never}}}}}}\n" for id in ids)
        (site.at / "inventory.yaml").write_text(f"version: 1\nassets:\n{lines}")
        return site.scan("--quiet").stderr

    assert scan(*names) == ""
    assert "h99 is looked at for the first time" in scan(*names, "h99")
    assert "h99 was not visited" in scan(*names)


def test_the_log_file_has_everything_and_begins_anew_once_it_was_moved_away(site: Site) -> None:
    log, moved = site.at / "scan.log", site.at / "scan.log.1"
    assert site.scan("--quiet", "--log-file", "scan.log").stderr == ""
    assert site.scan("--quiet", "--log-file", "scan.log").stderr == ""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["message"].split()[0] for line in lines if line["name"] == "riskline.run"] == ["here", "here"]
    first, second = (line for line in lines if line["name"] == "riskline.summary")
    assert (first["run"] != second["run"], second["exit"], second["assets"]) == (True, 0, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert log.stat().st_mode & 0o777 == 0o640
    script = f"""
import logging, os, pathlib
from scanner.cli import logs
logs.set_up_log(logs.Talk(quiet=True), pathlib.Path({str(log)!r}))
logging.getLogger("riskline.worker").info("before")
os.rename({str(log)!r}, {str(moved)!r})
logging.getLogger("riskline.worker").info("after")
"""
    subprocess.run([sys.executable, "-c", script], env=site.env, check=True)
    assert [json.loads(line)["message"] for line in moved.read_text().splitlines()][-1] == "before"
    assert [json.loads(line)["message"] for line in log.read_text().splitlines()] == ["after"]
    os.mkfifo(site.at / "pipe")
    refused = site.scan("--log-file", "pipe")
    assert (refused.returncode, "--log-file pipe: " in refused.stderr) == (2, True)
    refused = site.scan("--log-file", "nowhere/scan.log")
    assert (refused.returncode, "--log-file nowhere/scan.log: No such file" in refused.stderr) == (2, True)


def test_the_system_log_gets_one_line_that_sums_the_run_up(site: Site) -> None:
    site.settings("a = 1\nb = 2\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(site.at / "log"))
        done = site.scan("--quiet", "--syslog", "log")
        said = log.recv(4096).decode().rstrip("\0")
    assert (done.returncode, done.stderr) == (1, "")
    wanted = (
        r"<28>riskline: run=\S+ state=complete assets=1 planned=1 failed=1 unknown=0 new=0 blind=0 fixed=0 \S+ \S+ \S+"
    )
    assert re.fullmatch(wanted + " exit=1", said), said
    refused = site.scan("--syslog", "log-that-is-not-there")
    assert (refused.returncode, "there is no such socket" in refused.stderr) == (2, True)

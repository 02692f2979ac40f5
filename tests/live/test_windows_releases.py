"""Other releases of Windows Server: each has its own baseline, passes it when hardened, and differs where it says."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.cli import riskline
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Baseline, Finding, Inventory, Outcome, Winrm, utc_now
from scanner.plan import make_plan
from scanner.transports import Bounds
from tests.guide_of import FULL, document, flaw, written
from tests.live.winrm_hardened import hardened, role_of
from tests.live.winrm_host import CURRENT, Machine, described_machine
from tests.live.winrm_server import PASSWORD, USER, winrm_server

pytestmark = pytest.mark.live
CATALOGUE = Catalogue()
BUILDS = {"windows-server-2019": "17763", "windows-server-2022": "20348", "windows-server-2025": "26100"}
TLS = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"


@functools.cache
def baseline(name: str) -> Baseline:
    return read_baseline(CATALOGUE.baseline_file(name), CATALOGUE)


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RISKLINE_TEST_PASSWORD", PASSWORD)
    yield


def scan(machine: Machine, *select: str) -> list[Finding]:
    """What one visit of that machine finds, by the baseline that fits it by itself."""
    with winrm_server(machine) as server:
        way = Winrm(USER, "env:RISKLINE_TEST_PASSWORD", port=server.port, ca_file=server.ca)
        asset = Asset("srv", address="localhost", access=Access(winrm=way))
        plan = make_plan(Inventory("inventory.yaml", (asset,)), CATALOGUE, select=list(select))
        found = next(collect(plan.assets, Bounds(60)))
    assert not found.evidence.failures
    return Judge().findings(found.planned, found.evidence)


def of_release(name: str) -> Machine:
    machine = described_machine()
    machine.set(CURRENT, "CurrentBuildNumber", BUILDS[name])
    return machine


@pytest.mark.parametrize("name", ["windows-server-2019", "windows-server-2025"])
@pytest.mark.parametrize("role", ["member-server", "domain-controller"])
def test_a_hardened_machine_of_the_release_passes_its_own_baseline(name: str, role: str) -> None:
    found = scan(hardened(of_release(name), baseline(name), role))
    assert {one.baseline for one in found} == {name}
    ours = {control.id for control in baseline(name).controls if role_of(control) in {"", role}}
    assert {one.control for one in found if one.outcome is Outcome.PASS} == ours


@pytest.mark.parametrize(("name", "outcome"), [("windows-server-2025", "pass"), ("windows-server-2022", "fail")])
def test_only_the_newest_release_leaves_old_protocols_off_by_itself(name: str, outcome: str) -> None:
    machine = of_release(name)
    assert not [key for key, _ in machine.registry if key.startswith(TLS)]
    found = scan(machine, "id=WIN-PRO-10", "id=WIN-PRO-13")
    assert [one.outcome.value for one in found] == [outcome, outcome]


def test_a_key_switches_an_old_protocol_on_again() -> None:
    machine = of_release("windows-server-2025")
    machine.set(TLS + r"\TLS 1.0\Server", "Enabled", 1)
    assert [one.outcome for one in scan(machine, "id=WIN-PRO-10")] == [Outcome.FAIL]


def test_what_an_older_release_does_not_know_is_not_asked_of_it() -> None:
    older = {control.id for control in baseline("windows-server-2019").controls}
    assert {"WIN-ACC-06", "WIN-ADM-25"}.isdisjoint(older)
    newer = {control.id for control in baseline("windows-server-2022").controls}
    assert older < newer


def test_the_numbers_of_one_release_are_not_told_for_another() -> None:
    control = {one.id: one.references.get("cis") for one in baseline("windows-server-2025").controls}["WIN-ADM-111"]
    assert control == ("18.10.76.2.1.1", "18.10.76.2.1.2")
    assert not any(one.references.get("cis") for one in baseline("windows-server-2019").controls)


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(riskline, words)
    assert done.stdout, done.stderr or done.exception
    return done.exit_code, done.stdout


def test_the_flaws_of_a_windows_server_are_found_whole_way_and_closed_by_the_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a carried list and a visit over WinRM to findings, due dates, and their end by the update."""
    monkeypatch.chdir(tmp_path)
    whole = document([flaw(f"CVE-2026-1000{n}", FULL) for n in range(3)], current=f"{utc_now():%Y-%m-%d}T00:00:00")
    assert run("feeds", "import", "--feeds", "feeds", f"Microsoft={written(tmp_path / 'm.json', whole)}")[0] == 0
    machine = described_machine()
    with winrm_server(machine) as server:
        Path("inventory.yaml").write_text(
            "assets:\n  srv:\n    address: localhost\n    zone: internet\n"
            f"    access: {{winrm: {{user: '{USER}', password: 'env:RISKLINE_TEST_PASSWORD', port: {server.port}, "
            f"ca_file: {server.ca}}}}}\n"
        )
        scan = ("scan", "--feeds", "feeds", "--register", "r.db", "--select", "id=WIN-PRO-32", "-f", "json")
        before = json.loads(run(*scan)[1])
        due = run("threats", "due", "--register", "r.db")[1]
        machine.set(CURRENT, "UBR", 4405)
        after = json.loads(run(*scan)[1])
    flaws = [one for one in before["findings"] if one["baseline"] == "vulnerabilities" and one["outcome"] == "fail"]
    assert {one["observed"] for one in flaws} == {"Windows Server 2022 20348.2700"}
    assert {one["expected"] for one in flaws} == {"20348.4405 or later"}
    assert len(flaws) == 3
    assert "upgrade Windows Server 2022: 3 flaws on srv" in due
    assert "Install KB5068787 (build 20348.4405)" in due
    said = {one["control"]: one["outcome"] for one in after["findings"] if one["baseline"] == "vulnerabilities"}
    assert said == {"advisories-are-fresh": "pass", "packages-are-covered": "unknown", "no-known-flaws": "pass"}
    assert run("threats", "due", "--register", "r.db")[1] == "No known flaw is open in this run.\n"
    assert "Windows Server 2022: ends" not in run("threats", "calendar", "--register", "r.db")[1]

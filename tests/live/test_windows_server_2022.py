"""The baseline for Windows Server 2022 from end to end: a described machine, our transport, its findings."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path

import pytest

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Baseline, Control, Finding, Inventory, Outcome, Winrm
from scanner.plan import make_plan
from scanner.transports import Bounds
from tests.live.winrm_hardened import hardened, role_of
from tests.live.winrm_host import CURRENT, DOMAIN, PRODUCT, Machine, described_machine
from tests.live.winrm_server import PASSWORD, USER, winrm_server

pytestmark = pytest.mark.live
CATALOGUE = Catalogue()
NAME = "windows-server-2022"


@functools.cache
def baseline() -> Baseline:
    return read_baseline(CATALOGUE.baseline_file(NAME), CATALOGUE)


@functools.cache
def member_server() -> Machine:
    return hardened(described_machine(), baseline())


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKLINE_TEST_PASSWORD", PASSWORD)


def scan(machine: Machine, *select: str, requests: list[str] | None = None) -> dict[str, list[Finding]]:
    """Control id -> its findings, after one visit of that machine with the whole baseline."""
    with winrm_server(machine) as server:
        way = Winrm(USER, "env:RISKLINE_TEST_PASSWORD", port=server.port, ca_file=server.ca)
        asset = Asset("srv", address="localhost", access=Access(winrm=way))
        plan = make_plan(Inventory("inventory.yaml", (asset,)), CATALOGUE, [NAME], select)
        found = next(collect(plan.assets, Bounds(60)))
        assert not found.evidence.failures
        if requests is not None:
            requests += server.requests
    told: dict[str, list[Finding]] = {}
    for finding in Judge().findings(found.planned, found.evidence):
        told.setdefault(finding.control, []).append(finding)
    return told


def outcomes(told: dict[str, list[Finding]]) -> Counter[Outcome]:
    return Counter(finding.outcome for findings in told.values() for finding in findings)


def by_title(words: str) -> Control:
    return next(control for control in baseline().controls if words in control.title)


def test_all_controls_cost_at_most_eight_requests() -> None:
    requests: list[str] = []
    told = scan(described_machine(), requests=requests)
    assert len(told) == len(baseline().controls)
    assert len(requests) <= 8, requests


@pytest.mark.parametrize("role", ["member-server", "domain-controller"])
def test_a_machine_that_meets_every_control_passes_every_control_of_its_role(role: str) -> None:
    told = scan(hardened(described_machine(), baseline(), role))
    for control in baseline().controls:
        mine = role_of(control) in {"", role}
        wanted = {Outcome.PASS} if mine else {Outcome.NOT_APPLICABLE}
        found = {finding.outcome for finding in told[control.id]}
        assert found == wanted, (control.id, told[control.id])


def test_a_machine_as_it_is_installed_fails_much_and_nothing_is_unknown() -> None:
    found = outcomes(scan(described_machine()))
    assert found[Outcome.UNKNOWN] == 0
    assert found[Outcome.FAIL] > found[Outcome.PASS] > 50


def test_an_empty_registry_is_judged_by_the_defaults_of_windows_and_never_unknown() -> None:
    machine = member_server().copy()
    machine.registry = {place: kept for place, kept in machine.registry.items() if place[0] in {CURRENT, PRODUCT}}
    told = scan(machine)
    for control in baseline().controls:
        if any(term.check == "windows.registry.value" for term in control.terms):
            assert Outcome.UNKNOWN not in {finding.outcome for finding in told[control.id]}, control.id
    assert told[by_title("No weak copies").id][0].outcome is Outcome.PASS
    assert told[by_title("Names that DNS does not know").id][0].outcome is Outcome.FAIL


def test_one_changed_setting_fails_its_control_and_no_other() -> None:
    machine = member_server().copy()
    machine.set(r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa", "NoLMHash", 0)
    told = scan(machine)
    failed = {id for id, findings in told.items() if Outcome.FAIL in {one.outcome for one in findings}}
    assert failed == {by_title("No weak copies of passwords").id}


@pytest.mark.parametrize(
    ("holders", "outcome"),
    [
        (["S-1-5-32-544"], Outcome.PASS),
        (["S-1-5-32-544", "S-1-5-32-551"], Outcome.FAIL),
        (["S-1-5-32-544", f"{DOMAIN}-1105"], Outcome.FAIL),
        ([], Outcome.PASS),
    ],
)
def test_a_right_may_be_held_by_nobody_beyond_those_named(holders: list[str], outcome: Outcome) -> None:
    machine = member_server().copy()
    machine.rights["SeBackupPrivilege"] = holders
    control = by_title("Only administrators back up files")
    assert scan(machine, f"id={control.id}")[control.id][0].outcome is outcome


def test_a_right_that_has_to_be_denied_fails_when_one_group_is_missing() -> None:
    machine = member_server().copy()
    machine.rights["SeDenyNetworkLogonRight"] = ["S-1-5-32-546"]
    control = by_title("Guests and local administrators cannot come in over the network")
    assert scan(machine, f"id={control.id}")[control.id][0].outcome is Outcome.FAIL


def test_a_login_without_rights_passes_nothing_that_it_could_not_read() -> None:
    machine = member_server().copy()
    machine.elevated = False
    told = scan(machine)
    for control in baseline().controls:
        exported = any(term.check.startswith(("windows.policy", "windows.audit")) for term in control.terms)
        if exported and role_of(control) in {"", "member-server"}:
            assert [(f.outcome, f.reason) for f in told[control.id]] == [(Outcome.UNKNOWN, "denied")]


@pytest.mark.parametrize("build", ["17763", "26100", "19045"])
def test_the_baseline_is_not_applied_to_another_release(build: str) -> None:
    machine = described_machine()
    machine.set(CURRENT, "CurrentBuildNumber", build)
    told = scan(machine)
    assert [(one.outcome, one.reason) for one in told["no-baseline"]] == [(Outcome.UNKNOWN, "no-baseline")]
    assert len(told) == 1


def test_a_workstation_of_the_same_build_is_not_judged_as_a_server() -> None:
    machine = described_machine()
    machine.set(PRODUCT, "ProductType", "WinNT")
    assert list(scan(machine)) == ["no-baseline"]


@pytest.mark.parametrize("language", ["de", "ja"])
@pytest.mark.fault("T15")
def test_the_display_language_changes_no_finding(language: str) -> None:
    machine = described_machine()
    machine.language = language
    english = described_machine()
    assert [f.outcome for fs in scan(machine).values() for f in fs] == [
        f.outcome for fs in scan(english).values() for f in fs
    ]


def test_a_wrong_type_in_the_registry_is_no_pass() -> None:
    machine = member_server().copy()
    machine.set(r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa", "NoLMHash", "1")
    control = by_title("No weak copies of passwords")
    found = scan(machine, f"id={control.id}")[control.id][0]
    assert found.outcome is Outcome.FAIL and "of type String" in found.observed


def test_every_control_names_its_benchmark_or_says_that_it_is_our_own() -> None:
    for control in baseline().controls:
        assert bool(control.references.get("cis")) != (control.levels == ("riskline",)), control.id


def test_the_baseline_file_stands_where_the_catalogue_finds_it() -> None:
    assert Path(CATALOGUE.baseline_file(NAME)).name == f"{NAME}.yaml"

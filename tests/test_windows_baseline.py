"""Every control for Windows Server 2022 at its good value, a bad one, and with nothing set: what it says of each."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.compare import met
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Baseline, Control, Finding, Outcome, Term, Winrm
from scanner.plan import PlannedAsset, plan_baseline
from scanner.transports.powershell import Batch
from tests.live.winrm_hardened import bad, hardened, put, role_of
from tests.live.winrm_host import Machine, answer, described_machine

CATALOGUE = Catalogue()
NAME = "windows-server-2022"
WHEN_ABSENT = {
    "pass": Outcome.PASS,
    "fail": Outcome.FAIL,
    "not-applicable": Outcome.NOT_APPLICABLE,
    "unknown": Outcome.UNKNOWN,
}


@functools.cache
def baseline() -> Baseline:
    return read_baseline(CATALOGUE.baseline_file(NAME), CATALOGUE)


@functools.cache
def machine_of(role: str) -> Machine:
    return hardened(described_machine(), baseline(), role)


@functools.cache
def planned() -> dict[str, PlannedAsset]:
    """Control id -> a plan for that control alone."""
    asset = Asset("srv", address="srv", access=Access(winrm=Winrm("u", "env:P")))
    whole = plan_baseline(baseline(), CATALOGUE, {})
    found = {}
    for one in whole.controls:
        keys = {key for term in (*whole.when, *one.when, *one.terms) for key in term.keys}
        probes = tuple(probe for probe in whole.probes if probe.key in keys)
        found[one.control.id] = PlannedAsset(asset, (replace(whole, controls=(one,)),), {"winrm": probes})
    return found


def judged(control: Control, machine: Machine) -> list[Finding]:
    """What the control says of a machine: the whole way but the network."""
    one = planned()[control.id]
    batch = Batch(one.visits["winrm"])
    replies = batch.replies(answer(machine, batch.script), b"", "complete")
    evidence = make_evidence("srv", {probe.key: reply for probe, reply in replies.items()}, {})
    return Judge().findings(one, evidence)


def controls() -> Sequence[Any]:
    return [pytest.param(control, id=control.id) for control in baseline().controls]


def outcomes(findings: list[Finding]) -> set[Outcome]:
    return {finding.outcome for finding in findings}


@pytest.mark.parametrize("control", controls())
def test_a_control_passes_its_good_value_and_fails_a_bad_one(control: Control) -> None:
    machine = machine_of(role_of(control) or "member-server")
    assert outcomes(judged(control, machine)) == {Outcome.PASS}
    for term in control.any or control.terms[:1]:
        machine = machine.copy()
        put(machine, term, bad(term.expect))
        if control.any and term is not control.any[-1]:
            continue
        found = judged(control, machine)
        assert Outcome.FAIL in outcomes(found), found
        assert outcomes(found) <= {Outcome.FAIL, Outcome.PASS}


def without(machine: Machine, term: Term) -> Machine:
    """The machine with what the term looks at not set."""
    made = machine.copy()
    place = str(term.given.get("key", "")).lower(), str(term.given.get("value", "")).lower()
    local = str(term.given.get("local_key", "")).lower(), str(term.given.get("local_value", "")).lower()
    made.registry = {
        (key, value): kept
        for (key, value), kept in made.registry.items()
        if (key.lower(), value.lower()) not in {place, local}
    }
    for hive in made.users.values():
        for key, value in list(hive):
            if key.lower() == place[0][6:] and value.lower() == place[1]:
                del hive[key, value]
    made.access.pop(str(term.given.get("key")), None)
    made.rights.pop(str(term.given.get("privilege")), None)
    made.audit.pop(str(term.given.get("guid")).upper(), None)
    made.services.pop(str(term.given.get("service")), None)
    made.features.pop(str(term.given.get("feature")), None)
    return made


def unset(control: Control, term: Term) -> Outcome:
    """What is right to say where nothing is set: the default of Windows judged, or the control's word for absence."""
    judges = Outcome.PASS, Outcome.FAIL
    if term.check in {"windows.registry.entries", "windows.policy.right"}:
        return judges[not met([], term.expect)]
    if "default" in term.given:
        return judges[not met(term.given["default"], term.expect)]
    return WHEN_ABSENT[control.when_absent]


SETTINGS = ("windows.registry.", "windows.policy.", "windows.audit.", "windows.services.s", "windows.features.")


@pytest.mark.parametrize("control", [one for one in controls() if not one.values[0].all and not one.values[0].any])
def test_what_is_not_set_is_judged_by_the_default_of_windows_or_by_the_word_for_absence(control: Control) -> None:
    (term,) = control.terms
    if not term.check.startswith(SETTINGS):
        return
    machine = machine_of(role_of(control) or "member-server")
    assert outcomes(judged(control, without(machine, term))) == {unset(control, term)}


@pytest.mark.parametrize("control", [one for one in controls() if one.values[0].check == "windows.policy.right"])
def test_a_right_fails_with_one_holder_too_many_or_one_refusal_too_few(control: Control) -> None:
    machine = machine_of(role_of(control) or "member-server").copy()
    privilege = str(control.given["privilege"])
    wanted = list(control.expect.get("contains_all", []))
    machine.rights[privilege] = wanted[:-1] if wanted else [*machine.rights.get(privilege, []), "S-1-5-32-545"]
    assert outcomes(judged(control, machine)) == {Outcome.FAIL}
    machine.rights[privilege] = [*wanted, "S-1-5-32-545"] if wanted else []
    assert outcomes(judged(control, machine)) == {Outcome.PASS}


def test_a_value_that_is_missing_passes_without_a_default_only_where_the_thing_itself_is_missing() -> None:
    silent = [
        control.title
        for control in baseline().controls
        if control.check == "windows.registry.value"
        and control.when_absent == "pass"
        and "default" not in control.given
    ]
    assert silent == ["The driver for the first version of file sharing is off"]


def test_no_control_is_for_a_role_that_does_not_exist() -> None:
    assert {role_of(control) for control in baseline().controls} == {"", "member-server", "domain-controller"}

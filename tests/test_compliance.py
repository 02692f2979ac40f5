"""Compliance: a requirement is met only where everything judged passed and nothing is unknown."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from reports import compliance, compliance_csv, coverage, frameworks
from scanner import catalogue
from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.model import Access, Asset, Finding, Outcome, Run, Ssh

from .run_of import HOSTILE, controls, remembered, run_of, scored

PASS, FAIL, UNKNOWN, OUT = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE


def held(*outcomes: Outcome, **references: tuple[str, ...]) -> Run:
    """One finding for each outcome, each of a control of its own and all of them with these references."""
    host = Asset("web-1", access=Access(ssh=Ssh()))
    first = next(iter(controls().values()))
    named = references or {"iso-27001": ("A.8.2",)}
    known = {("standard", f"C-{n}"): replace(first, id=f"C-{n}", references=named) for n, _ in enumerate(outcomes)}
    found = [Finding("web-1", "standard", f"C-{n}", "", outcome) for n, outcome in enumerate(outcomes)]
    return scored([(host, found)], known)


@pytest.mark.parametrize(
    ("outcomes", "met"),
    [
        ((PASS, PASS), PASS), ((PASS, FAIL), FAIL), ((PASS, UNKNOWN), UNKNOWN), ((FAIL, UNKNOWN), FAIL),
        ((PASS, OUT), PASS), ((OUT, OUT), OUT), ((OUT, UNKNOWN), UNKNOWN),
    ],
)  # fmt: skip
def test_a_requirement_is_what_its_findings_are_together(outcomes: tuple[Outcome, ...], met: Outcome) -> None:
    (one,) = frameworks.requirements(held(*outcomes))
    assert one.outcome is met
    assert one.passed + one.failed + one.unknown + one.not_applicable == len(outcomes)
    assert one.controls == tuple(f"C-{n}" for n, _ in enumerate(outcomes))


def test_an_unknown_requirement_counts_as_asked_and_not_as_met() -> None:
    (rate,) = frameworks.rates(frameworks.requirements(held(PASS, UNKNOWN)))
    assert (rate.passed, rate.asked) == (0, 1)


def test_numbers_of_benchmarks_are_kept_apart_by_baseline() -> None:
    run = held(PASS, cis=("5.1.20",))
    host, other = run.visited[0].asset, replace(next(iter(run.controls.values())), id="X-1")
    found = [*run.findings, Finding("web-1", "other", "X-1", "", FAIL)]
    both = frameworks.requirements(scored([(host, found)], {**run.controls, ("other", "X-1"): other}))
    assert [(one.of, one.outcome) for one in both] == [("other", FAIL), ("standard", PASS)]


def test_names_of_attacks_and_rules_are_no_frameworks() -> None:
    assert frameworks.requirements(held(PASS, attack=("T1078",), cac=("sshd_disable_root_login",))) == []


def test_requirements_are_in_the_order_of_their_numbers() -> None:
    found = frameworks.requirements(held(PASS, cis=("5.10", "5.9", "5.1.20", "5.1.3")))
    assert [one.number for one in found] == ["5.1.3", "5.1.20", "5.9", "5.10"]


def test_a_control_that_was_not_judged_anywhere_is_not_listed() -> None:
    run = held(PASS)
    other = replace(next(iter(controls().values())), references={"dora": ("9(2)",)})
    assert {
        one.framework for one in frameworks.requirements(replace(run, controls={**run.controls, ("x", "y"): other}))
    } == {"iso-27001"}


def test_the_rows_are_those_of_the_matrix() -> None:
    text = bytes(catalogue.report("compliance-csv").render(run_of())).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    judged = [row for row in rows if row["outcome"] != "not-covered"]
    assert [(row["framework"], row["requirement"], row["outcome"]) for row in judged] == [
        (one.framework, one.number, one.outcome.value) for one in frameworks.requirements(run_of())
    ]
    assert {row["requirement"]: row["outcome"] for row in judged} == {
        "5.1.20": "fail", "7.2.2": "fail", "AC-6(2)": "fail", "IA-2(5)": "fail",
    }  # fmt: skip


def test_the_page_names_every_requirement_and_outcome_in_words() -> None:
    page = compliance.render(held(PASS, FAIL)).decode()
    assert "A.8.2" in page
    assert "FAILED" in page
    assert set(compliance.MARKS) == {outcome.value for outcome in Outcome}
    assert "No control of this run names a requirement" in compliance.render(held(PASS, cac=("x",))).decode()


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text)[:30] for text in HOSTILE])
def test_hostile_text_stays_text(text: str) -> None:
    run = held(PASS, **{text: (text,)})
    calm = compliance.render(held(PASS, calm=("calm",))).decode()
    page = compliance.render(run).decode()
    assert re.findall(r"<[a-z0-9]+", page) == re.findall(r"<[a-z0-9]+", calm)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e\u2066-\u2069]", page)
    cells = next(iter(list(csv.reader(io.StringIO(compliance_csv.render(run).decode(), newline="")))[1:]))
    assert all(not value.lstrip().startswith(("=", "+", "-", "@")) for value in cells)


def test_the_numbers_of_the_frameworks_are_all_of_them() -> None:
    found = coverage.REQUIREMENTS["nist-csf-2.0"]
    by_function = {name: sum(one.startswith(name) for one in found) for name in ("GV", "ID", "PR", "DE", "RS", "RC")}
    assert by_function == {"GV": 31, "ID": 21, "PR": 22, "DE": 11, "RS": 13, "RC": 8}
    assert all(len(set(numbers)) == len(numbers) for numbers in coverage.REQUIREMENTS.values())
    assert sum(one.startswith("21(2)") for one in coverage.REQUIREMENTS["nis2"]) == 10
    totals = {name: len(coverage.REQUIREMENTS[name]) for name in ("nist-800-53", "iso-27001", "pci-dss")}
    assert totals == {"nist-800-53": 299, "iso-27001": 93, "pci-dss": 63}


def test_what_the_shipped_controls_refer_to_is_there() -> None:
    """Every number of these frameworks that a control of ours names is one of theirs, or a part of one."""
    shipped, unknown = Catalogue(), set()
    for file in shipped.baseline_files().values():
        for control in read_baseline(file, shipped).controls:
            for framework in coverage.REQUIREMENTS.keys() & control.references.keys():
                known = set(coverage.REQUIREMENTS[framework])
                for number in control.references[framework]:
                    whole = number.partition("(")[0]
                    if not known & {number, whole, re.sub(r"[a-z]$", "", whole), *coverage._above(whole)}:
                        unknown.add((framework, number))
    assert unknown == set()


@pytest.mark.parametrize(
    ("framework", "number", "place"),
    [
        ("nist-csf-2.0", "PR.AA-05", "PR.AA-05"),
        ("nis2", "21(2)(i)", "21(2)(i)"),
        ("dora", "9(4)", "9"),
        ("nist-800-53", "AC-6(2)", "AC-6"),
        ("iso-27001", "A.8.2", "A.8.2"),
        ("pci-dss", "10.2.1", "10.2"),
    ],
)
def test_what_no_control_names_is_not_covered_and_never_met(framework: str, number: str, place: str) -> None:
    run = held(PASS, **{framework: (number,)})
    missing = coverage.not_covered(frameworks.requirements(run))
    assert list(missing) == [framework]
    assert [place, *missing[framework]] != list(coverage.REQUIREMENTS[framework])
    assert sorted([place, *missing[framework]]) == sorted(coverage.REQUIREMENTS[framework])
    text = compliance_csv.render(run).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["requirement"] for row in rows if row["outcome"] == "not-covered"] == missing[framework]
    assert [row["requirement"] for row in rows if row["outcome"] == "pass"] == [number]
    page = compliance.render(run).decode()
    assert "Not covered" in page
    assert missing[framework][0] in page
    (rate,) = frameworks.rates(frameworks.requirements(run))
    assert rate.asked == 1


@pytest.mark.parametrize(("state", "counted"), [("valid", 1), ("expiring", 1), ("expired", 0), ("unused", 0)])
def test_an_accepted_failure_is_counted_and_stays_a_failure(state: str, counted: int) -> None:
    run = remembered(held(FAIL))
    assert run.history is not None
    one = next(one for one in run.history.accepted if one.state == state)
    same = replace(one, asset="web-1", control="C-0", subject="")
    borne = replace(run, history=replace(run.history, accepted=(same,)))
    (found,) = frameworks.requirements(borne)
    assert (found.accepted, found.failed, found.outcome) == (counted, 1, FAIL)
    assert f'"n">{counted}</td>' in compliance.render(borne).decode()

"""Compliance: a requirement is met only where everything judged passed and nothing is unknown."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from reports import compliance, compliance_csv, frameworks
from scanner import catalogue
from scanner.model import Access, Asset, Finding, Outcome, Run, Ssh

from .run_of import HOSTILE, controls, run_of, scored

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
    assert [(row["framework"], row["requirement"], row["outcome"]) for row in rows] == [
        (one.framework, one.number, one.outcome.value) for one in frameworks.requirements(run_of())
    ]
    assert {row["requirement"]: row["outcome"] for row in rows} == {
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

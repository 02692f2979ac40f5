"""Each benchmark's numbers: every one is answered by a control, and few of them by people."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.model import Baseline

NUMBERS = Path(__file__).parent / "cases" / "benchmarks"
MANUAL = {"debian-12": 10, "ubuntu-24.04": 10, "rhel-9": 25, "windows-server-2022": 0}
ROLES = ("server", "workstation", "member-server", "domain-controller")
NAMES = sorted(file.stem for file in NUMBERS.glob("*.txt"))


def asked_by(name: str) -> dict[str, set[str]]:
    """Each number of a benchmark -> the levels that ask for it; none where its list does not say."""
    lines = (line.split() for line in (NUMBERS / f"{name}.txt").read_text().splitlines())
    return {number: set(levels) for number, *levels in lines}


def baseline(name: str) -> Baseline:
    catalogue = Catalogue()
    return read_baseline(catalogue.baseline_files()[name], catalogue)


@pytest.mark.parametrize("name", NAMES)
def test_every_recommendation_of_the_benchmark_is_answered(name: str) -> None:
    asked = set(asked_by(name))
    answered = {number for control in baseline(name).controls for number in control.references.get("cis", ())}
    assert len(asked) > 200
    assert asked - answered == set()
    assert answered - asked == set()


@pytest.mark.parametrize("name", NAMES)
def test_few_questions_are_left_to_people(name: str) -> None:
    asked = [control.id for control in baseline(name).controls if control.manual]
    assert len(asked) <= MANUAL[name]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_benchmark_asks_for_has_its_levels(name: str) -> None:
    levels = {f"{level}-{role}" for level in ("l1", "l2", "ng") for role in ROLES}
    for control in baseline(name).controls:
        if control.references.get("cis"):
            assert control.levels, control.id
            assert set(control.levels) <= levels, control.id


@pytest.mark.parametrize("name", NAMES)
def test_a_level_holds_what_the_benchmark_puts_there_and_nothing_else(name: str) -> None:
    wrong = {}
    asked = asked_by(name)
    for control in baseline(name).controls:
        numbers = control.references.get("cis", ())
        levels = set().union(*(asked[number] for number in numbers))
        if levels and levels != set(control.levels):
            wrong[control.id] = f"{numbers}: {sorted(levels)}, not {sorted(control.levels)}"
    assert not wrong

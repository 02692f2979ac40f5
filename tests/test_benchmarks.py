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


def baseline(name: str) -> Baseline:
    catalogue = Catalogue()
    return read_baseline(catalogue.baseline_files()[name], catalogue)


@pytest.mark.parametrize("name", NAMES)
def test_every_recommendation_of_the_benchmark_is_answered(name: str) -> None:
    asked = set((NUMBERS / f"{name}.txt").read_text().split())
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

"""Each benchmark's numbers: every one is answered by a control, and few of them by people."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.load import read_document
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


WRITTEN = ("title", "why", "fix", "vector", "exploit", "effect", "root_cause", "effort", "references")
LINUX = ("debian-12", "ubuntu-24.04", "rhel-9")


def test_every_control_has_what_scores_it_written_down_and_nothing_by_default() -> None:
    written: dict[str, set[str]] = defaultdict(set)
    for file in (Path(__file__).parent.parent / "baselines").glob("**/*.yaml"):
        for entry in read_document(file).get("controls", []):
            written[entry["id"]] |= set(entry)
    for name in LINUX:
        for control in baseline(name).controls:
            assert set(WRITTEN) - written[control.id] == set(), control.id
            assert set(control.references) >= {"nist-800-53", "iso-27001"}, control.id


@pytest.mark.parametrize("name", LINUX)
def test_reasons_and_remedies_are_written_for_one_control(name: str) -> None:
    for field, most in (("title", 1), ("why", 4), ("fix", 2)):
        said: dict[str, list[str]] = defaultdict(list)
        for control in baseline(name).controls:
            said[getattr(control, field)].append(control.id)
        assert {text: ids for text, ids in said.items() if len(ids) > most} == {}


@pytest.mark.parametrize("name", LINUX)
def test_weights_differ_where_weaknesses_do(name: str) -> None:
    """One weight for a whole subject would be a guess: only small or truly alike ones may have one."""
    weights: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    count: dict[str, int] = defaultdict(int)
    for control in baseline(name).controls:
        subject = control.id.partition("-")[0]
        weights[subject].add((control.vector, control.exploit, control.effect))
        count[subject] += 1
    assert {
        subject: count[subject] for subject, found in weights.items() if count[subject] > 12 and len(found) < 4
    } == {}

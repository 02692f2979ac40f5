"""The catalogue of faults: each is named once, has tests of its id, and docs/faults.md says what became of them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scanner.load import read_document

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "faults.md"
NUMBERS = {"T": 32, "N": 17, "I": 12, "S": 12, "R": 8, "P": 8}
FAULTS: list[dict[str, Any]] = read_document(HERE / "faults.yaml")["faults"]
HELD, FAILED, NOT_TRIED = "held", "**not held**", "not tried"
HEAD = """# Faults that are tried on purpose

What may go wrong at a target (T), on the network (N), with input (I), storage (S), reports (R) and the process
itself (P), what must happen then, the tests that make it happen, and what became of them. Whatever the fault: the run
ends by its deadline, memory stays bounded, other assets are not affected, the result names a plain reason, and nothing
turns to *pass*. Each test carries the fault's id (`pytest -m fault`, `@pytest.mark.fault("T8")`).

`make faults` runs all of them and writes this page anew.

| | fault | expected | tried by | outcome |
|---|---|---|---|---|
"""


@cache
def carriers() -> Mapping[str, tuple[str, ...]]:
    """Fault -> the tests that say they make it."""
    found = defaultdict(list)
    for file in sorted(HERE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                for id in _ids(node):
                    found[id].append(node.name)
    return {id: tuple(dict.fromkeys(names)) for id, names in found.items()}


def _ids(test: ast.FunctionDef) -> Iterator[str]:
    for one in test.decorator_list:
        if isinstance(one, ast.Call) and ast.unparse(one.func) == "pytest.mark.fault":
            yield from (ast.literal_eval(word) for word in one.args)


def rows(outcomes: Mapping[str, str]) -> Iterator[str]:
    """The table, with what became of each fault's tests."""
    for one in FAULTS:
        by = [f"`{name}`" for name in carriers().get(one["id"], ())]
        by += [f"*{'open' if not by else 'not all of it'}: {one['open']}*"] if "open" in one else []
        outcome = outcomes.get(one["id"], NOT_TRIED)
        yield f"| {one['id']} | {one['fault']} | {one['expected']} | {'<br>'.join(by)} | {outcome} |"


def write(said: Mapping[str, set[str]]) -> None:
    """The page, after a run. said: fault -> the outcomes of its tests."""
    words = {id: FAILED if "failed" in met else HELD if "passed" in met else NOT_TRIED for id, met in said.items()}
    PAGE.write_text(HEAD + "\n".join(rows(words)) + "\n")


def written() -> Mapping[str, str]:
    """Fault -> the outcome that the page tells."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {cells[0]: cells[-1] for cells in lines if len(cells) == 5 and cells[0] != "fault"}


def test_every_fault_of_the_catalogue_is_named_once() -> None:
    assert [one["id"] for one in FAULTS] == [f"{kind}{n}" for kind, most in NUMBERS.items() for n in range(1, most + 1)]
    assert {key for one in FAULTS for key in one} == {"id", "fault", "expected", "open"}
    assert all(isinstance(text, str) and text for one in FAULTS for text in one.values())


@pytest.mark.parametrize("id", [one["id"] for one in FAULTS])
def test_a_fault_is_tried_by_a_test_of_its_id(id: str) -> None:
    assert carriers().get(id)


def test_no_test_names_a_fault_that_is_in_no_catalogue() -> None:
    assert set(carriers()) <= {one["id"] for one in FAULTS}


def test_the_page_names_the_tests_of_today_and_all_of_them_held() -> None:
    outcomes = written()
    assert PAGE.read_text() == HEAD + "\n".join(rows(outcomes)) + "\n", "run: make faults"
    assert [id for id, outcome in outcomes.items() if outcome != HELD] == []

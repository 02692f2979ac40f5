"""The catalogue of faults: each is named once, each test it names exists, and docs/faults.md says the same."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scanner.load import read_document

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "faults.md"
NUMBERS = {"T": 32, "N": 17, "I": 12, "S": 12, "R": 8, "P": 8}
FAULTS: list[dict[str, Any]] = read_document(HERE / "faults.yaml")["faults"]
HEAD = """# Faults that are tried on purpose

What may go wrong at a target (T), on the network (N), with input (I), storage (S), reports (R) and the process
itself (P), what must happen then, and the tests that make it happen. Whatever the fault: the run ends by its deadline,
memory stays bounded, other assets are not affected, the result names a plain reason, and nothing turns to *pass*.

This page is made from `tests/faults.yaml`; `python -m tests.test_faults` writes it anew.

| | fault | expected | tried by |
|---|---|---|---|
"""


@cache
def known_tests() -> frozenset[str]:
    """Names of all tests."""
    found = (re.findall(r"def (test_\w+)\(", file.read_text()) for file in HERE.rglob("*.py"))
    return frozenset(name for names in found for name in names)


def page() -> str:
    """The page, from the catalogue."""
    rows = []
    for one in FAULTS:
        by = [f"`{name}`" for name in one.get("tests", [])]
        by += [f"*{'open' if not by else 'not all of it'}: {one['open']}*"] if "open" in one else []
        rows.append(f"| {one['id']} | {one['fault']} | {one['expected']} | {'<br>'.join(by)} |")
    tried = sum("tests" in one for one in FAULTS)
    return HEAD + "\n".join(rows) + f"\n\n{tried} of {len(FAULTS)} are tried by tests.\n"


def test_every_fault_of_the_catalogue_is_named_once() -> None:
    assert [one["id"] for one in FAULTS] == [f"{kind}{n}" for kind, most in NUMBERS.items() for n in range(1, most + 1)]


@pytest.mark.parametrize("fault", FAULTS, ids=[one["id"] for one in FAULTS])
def test_a_fault_is_tried_by_tests_that_exist_or_says_what_is_open(fault: dict[str, Any]) -> None:
    assert fault.get("tests") or fault.get("open")
    assert set(fault.get("tests", [])) <= known_tests(), set(fault["tests"]) - known_tests()


def test_most_faults_are_tried() -> None:
    assert sum("tests" in one for one in FAULTS) >= 0.8 * len(FAULTS)


def test_the_page_of_faults_is_current() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.test_faults"


if __name__ == "__main__":
    PAGE.write_text(page())

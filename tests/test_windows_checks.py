"""No answer of a Windows machine, however odd, makes a check of ours fall over: it is read, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.catalogue import Catalogue
from scanner.errors import Unparsable, Verdict
from scanner.load import read_document
from scanner.model import Check

CATALOGUE = Catalogue()
CHECKS = [check for check in CATALOGUE.checks() if check.id.startswith("windows.")]
CASES = Path(__file__).parent / "cases" / "windows"
ODD: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("9" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def examples(check: Check) -> list[tuple[dict[str, Any], list[Any]]]:
    """What the check's own cases give it, as JSON values: these are then spoiled."""
    cases = [case for file in sorted(CASES.glob("*.yaml")) for case in read_document(file)["cases"]]
    return [
        (dict(case.get("given", {})), [json.loads(text) for text in case["facts"]])
        for case in cases
        if case["check"] == check.id and "observed" in case
    ]


def spoiled(value: Any, place: int, odd: Any) -> Any:
    """A copy of a JSON value with its `place`-th part (depth first, wrapping around) replaced by something odd."""
    paths: list[tuple[Any, ...]] = [()]
    for path in paths:
        part = value
        for step in path:
            part = part[step]
        steps = part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        paths += [(*path, step) for step in steps]
    made = json.loads(json.dumps(value))
    *way, last = paths[place % len(paths)] or (None,)
    if last is None:
        return odd
    part = made
    for step in way:
        part = part[step]
    part[last] = odd
    return made


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_spoiled_answer_makes_a_check_fall_over(check: Check) -> None:
    known = examples(check)
    assert known

    @settings(max_examples=75, deadline=None)
    @given(st.sampled_from(known), st.integers(0, 60), ODD)
    def spoil(example: tuple[dict[str, Any], list[Any]], place: int, odd: Any) -> None:
        given_words, answers = example
        texts = [json.dumps(spoiled(answer, place, odd)) for answer in answers]
        try:
            values = [fact.parse(text) for fact, text in zip(check.facts, texts, strict=True)]
        except (ValueError, LookupError, Unparsable, RecursionError):
            return
        try:
            check.observe(*values, **given_words)
        except (Verdict, Unparsable):
            return

    spoil()

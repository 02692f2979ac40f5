"""Every AWS control has a good and a bad case: in the seeded account, or, where that has none, among the cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from scanner import compare
from scanner.catalogue import Catalogue
from scanner.errors import RisklineError
from scanner.load import read_document
from scanner.model import Access, Asset, Aws, Idle, Inventory, Unclear
from scanner.plan import PlannedControl, PlannedTerm, make_plan
from tests.aws_coverage import BY_CASES

CASES = Path(__file__).parent / "cases" / "aws"
CATALOGUE = Catalogue()


def controls() -> list[PlannedControl]:
    inventory = Inventory("i", (Asset("cloud", access=Access(aws=Aws())),))
    (asset,) = make_plan(inventory, CATALOGUE, ["aws"]).assets
    return [one for baseline in asset.baselines for one in baseline.controls if not one.control.manual]


CONTROLS = {one.control.id: one for one in controls()}


def facts_of(check: str) -> Iterator[list[str]]:
    """The reply texts of every case of a check."""
    for file in sorted(CASES.glob("*.yaml")):
        for case in read_document(file)["cases"]:
            if case["check"] == check:
                yield case["facts"]


def values(term: PlannedTerm) -> Iterator[Any]:
    """What the term's check says of each thing in its cases, asked with what the control gives it."""
    for texts in facts_of(term.check.id):
        try:
            parsed = [fact.parse(text) for fact, text in zip(term.check.facts, texts, strict=True)]
            observed = term.check.observe(*parsed, **term.given)
        except (RisklineError, LookupError):
            continue
        for value in observed.values() if isinstance(observed, Mapping) else [observed]:
            if not isinstance(value, Unclear):
                yield value.value if isinstance(value, Idle) else value


def met(term: PlannedTerm) -> set[bool]:
    return {compare.met(value, term.term.expect) for value in values(term)}


def test_every_control_is_held_in_one_of_the_two_ways() -> None:
    """Those that are not named here are held in the seeded account: tests/live/test_aws.py counts them one by one."""
    named = [control for group in BY_CASES.values() for control in group]
    assert sorted(named) == sorted(set(named) & set(CONTROLS))


@pytest.mark.parametrize("control", [control for group in BY_CASES.values() for control in group])
def test_a_control_that_the_seeded_account_cannot_show_has_a_good_and_a_bad_case(control: str) -> None:
    assert [met(term) for term in CONTROLS[control].terms] == [{True, False}] * len(CONTROLS[control].terms)

"""Every check against its cases: reply texts in, observed value out. The cases are data, in tests/cases/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner import errors
from scanner.catalogue import Catalogue
from scanner.load import read_document
from scanner.model import Check, Idle, Unclear, Unwritten

CASES = Path(__file__).parent / "cases"
CATALOGUE = Catalogue()


def cases() -> Iterator[Any]:
    for file in sorted(CASES.rglob("*.yaml")):
        for number, case in enumerate(read_document(file)["cases"]):
            name = case.get("name", number)
            yield pytest.param(case, id=f"{file.relative_to(CASES).with_suffix('')}-{name}")


def observe(check: Check, case: dict[str, Any]) -> Any:
    """What the check says of the case's reply texts, parsers included."""
    values = [fact.parse(text) for fact, text in zip(check.facts, case["facts"], strict=True)]
    return check.observe(*values, **case.get("given", {}))


@pytest.mark.parametrize("case", list(cases()))
def test_a_check_observes_what_its_case_says(case: dict[str, Any]) -> None:
    check = CATALOGUE.check(case["check"])
    if "raises" in case:
        kind = getattr(errors, case["raises"], None) or {"ValueError": ValueError, "LookupError": LookupError}.get(
            case["raises"]
        )
        assert kind is not None
        with pytest.raises(kind):
            observe(check, case)
        return
    assert "observed" in case, "a case says what is observed, or what is raised"
    assert _plain(observe(check, case)) == case["observed"]


def _plain(observed: Any) -> Any:
    """As a case writes it: `{unwritten: "no"}` for what is so by default only, `{unclear: why}`, `{idle: [22]}`."""
    if isinstance(observed, dict):
        return {subject: _plain(value) for subject, value in observed.items()}
    if isinstance(observed, Unclear):
        return {"unclear": observed.why}
    if isinstance(observed, Idle):
        return {"idle": observed.value}
    return {"unwritten": observed.in_force} if isinstance(observed, Unwritten) else observed

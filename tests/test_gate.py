"""The change gate: what blocks, what asks for a person, what may go ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.gate import Decision, GatePolicy, Limits, decide
from scanner.model import Asset, Control, Criticality, Effect, Finding, Outcome, Run
from scanner.score import Policy

from .test_drift import run as bare

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
TOTAL = Effect("total", "total", "total")


def control(id: str, exploit: Any = 5, effect: Effect = TOTAL) -> Control:
    return Control(id, f"{id} is right", "why", "fix", "x.y", exploit=exploit, effect=effect)


CONTROLS = {("base", c.id): c for c in (control("GRAVE"), control("SLIGHT", 1, Effect("partial", "none", "none")))}


def run(found: dict[tuple[str, str, str], Outcome], worth: Any = 3) -> Run:
    made = bare(found)
    visited = tuple(
        replace(one, asset=Asset(one.asset.id, zone="internet", criticality=Criticality(worth, worth, worth)))
        for one in made.visited
    )
    return replace(made, controls=CONTROLS, visited=visited)


def gate(was: Outcome, now: Outcome, control: str = "GRAVE", worth: Any = 3, **more: Any) -> Decision:
    before, after = ({("host", control, ""): outcome, ("host", "-", ""): PASS} for outcome in (was, now))
    return decide(run(before, worth), run(after, worth), GatePolicy(), Policy(), **more)


@pytest.mark.parametrize(
    ("was", "now", "control", "worth", "answer"),
    [
        (PASS, PASS, "GRAVE", 5, "approve"),
        (FAIL, FAIL, "GRAVE", 5, "approve"),
        (FAIL, PASS, "GRAVE", 5, "approve"),
        (PASS, FAIL, "GRAVE", 3, "block"),
        (PASS, FAIL, "SLIGHT", 3, "review"),
        (PASS, FAIL, "SLIGHT", 5, "block"),
        (PASS, UNKNOWN, "SLIGHT", 3, "review"),
        (PASS, UNKNOWN, "SLIGHT", 5, "block"),
        (FAIL, UNKNOWN, "GRAVE", 5, "block"),
        (UNKNOWN, PASS, "GRAVE", 5, "approve"),
    ],
)
def test_the_answer_follows_what_the_change_did(
    was: Outcome, now: Outcome, control: str, worth: int, answer: str
) -> None:
    found = gate(was, now, control, worth)
    assert found.answer == answer
    assert bool(found.reasons) == (answer != "approve")


def test_a_reason_names_the_place_and_the_title_and_no_check() -> None:
    (reason, *_) = gate(PASS, FAIL).reasons
    assert reason.startswith("host: no longer true that “GRAVE is right”")


def test_an_asset_that_should_have_been_visited_and_was_not_blocks() -> None:
    found = gate(PASS, PASS, expected=["host", "db-1"])
    assert (found.answer, found.reasons) == ("block", ("db-1 was not visited",))


def test_what_cannot_be_judged_any_more_does_not_lower_the_loss() -> None:
    found = gate(FAIL, UNKNOWN)
    assert found.loss_after == found.loss_before > 0


def test_a_gate_without_limits_lets_everything_pass() -> None:
    before, after = run({("host", "GRAVE", ""): PASS}, 5), run({("host", "GRAVE", ""): FAIL}, 5)
    assert decide(before, after, GatePolicy(block=Limits(), review=Limits()), Policy()).answer == "approve"


OUTCOMES = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["GRAVE", "SLIGHT"]), st.sampled_from(["", "x"])),
    st.sampled_from([PASS, FAIL, UNKNOWN]),
    min_size=1,
)


@given(OUTCOMES, OUTCOMES)
def test_nothing_new_and_nothing_blind_is_never_held_up(
    was: dict[tuple[str, str, str], Outcome], now: dict[tuple[str, str, str], Outcome]
) -> None:
    found = decide(run(was), run(now), GatePolicy(), Policy())
    held = {change.kind for change in found.changes} & {"new", "blind"}
    if not held and found.loss_after <= found.loss_before:
        assert found.answer == "approve"
    if any(isinstance(c.after, Finding) and c.control == "GRAVE" and c.kind == "new" for c in found.changes):
        assert found.answer == "block"

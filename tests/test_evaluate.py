"""Judging: no control is silent, and nothing but a complete answer is ever judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import (
    Absent,
    Check,
    Fact,
    Idle,
    NotApplicable,
    Unclear,
    Undetermined,
    Unwritten,
    check,
    compare,
    evaluate,
    file,
    parse,
    patterns,
    sh,
    visit,
)
from scanner.collect import make_evidence
from scanner.evaluate import Judge
from scanner.model import (
    WAYS,
    Access,
    AppliesTo,
    Asset,
    Baseline,
    Control,
    Finding,
    Gap,
    Local,
    Outcome,
    Problem,
    Reply,
    Term,
)
from scanner.plan import PlannedAsset, plan_asset, plan_baseline

SETTINGS = Fact(file("/etc/settings"), parse.key_values)
USERS = Fact(sh("users"), parse.lines)


@check("x.setting", SETTINGS)
def setting(settings: dict[str, str], key: str) -> str:
    """The value of `key`."""
    if key == "raise-absent":
        raise Absent
    if key == "raise-na":
        raise NotApplicable("no reason to")
    if key == "raise-undetermined":
        raise Undetermined("nobody knows")
    if key == "bug":
        raise ZeroDivisionError
    return settings[key]


@check("x.users", SETTINGS, USERS)
def users(settings: dict[str, str], names: list[str]) -> dict[str, bool]:
    """Whether each user is listed in the settings."""
    return {name: name in settings for name in names}


@check("x.half", SETTINGS)
def half(settings: dict[str, str]) -> dict[str, str | Unclear]:
    """One subject is read, another could not be."""
    return {"read": settings["a"], "torn": Unclear("torn in two")}


@check("x.default", SETTINGS)
def default(settings: dict[str, str], in_force: str) -> Unwritten:
    """Nothing is written down; `in_force` is."""
    return Unwritten(in_force)


@check("x.idle", SETTINGS)
def idle(settings: dict[str, str]) -> dict[str, str | Idle]:
    """One thing is used, two are not."""
    return {"used": "bad", "unused": Idle("bad"), "unused-good": Idle("good")}


@check("x.host_key", Fact(visit("host-key"), parse.json))
def host_key(seen: dict[str, str]) -> str:
    """What became of the host key."""
    return seen["state"]


class Checks:
    """As much of a catalogue as the planner needs."""

    def check(self, id: str) -> Check:
        return {one.id: one for one in (setting, users, host_key, default, half, idle)}[id]


def control(**fields: Any) -> Control:
    return Control(**{"id": "C", "title": "t", "why": "w", "fix": "f", **fields})


def planned(*controls: Control, when: tuple[Term, ...] = ()) -> PlannedAsset:
    baseline = Baseline("base", "1", "Base", AppliesTo("linux", when), controls)
    one = plan_baseline(baseline, Checks(), {})  # type: ignore[arg-type]
    return plan_asset(Asset("host", access=Access(local=Local())), [one])


def judge(plan: PlannedAsset, replies: Mapping[str, Reply]) -> list[Finding]:
    return Judge().findings(plan, make_evidence("host", replies, {}))


GOOD = {"posix:file /etc/settings": Reply("a = 1\nroot = x\n"), "posix:sh users": Reply("root\neve\n")}
PASSING: dict[str, Any] = {"check": "x.setting", "given": {"key": "a"}, "expect": {"equals": "1"}}
FAILING: dict[str, Any] = {"check": "x.setting", "given": {"key": "a"}, "expect": {"equals": "2"}}


def test_a_subject_that_is_unclear_is_unknown_by_itself_and_spoils_no_other() -> None:
    read, torn = judge(planned(control(check="x.half", expect={"equals": "1"})), GOOD)
    assert (read.outcome, torn.outcome) == (Outcome.PASS, Outcome.UNKNOWN)
    assert (torn.subject, torn.reason, torn.detail) == ("torn", "undetermined", "torn in two")


def test_a_met_expectation_passes_and_an_unmet_one_fails() -> None:
    plan = planned(control(**PASSING), control(**{**FAILING, "id": "D"}))
    good, bad = judge(plan, GOOD)
    assert (good.outcome, good.observed, good.expected) == (Outcome.PASS, "1", "1")
    assert (bad.outcome, bad.observed, bad.expected) == (Outcome.FAIL, "1", "2")


@pytest.mark.parametrize(
    "problem",
    [
        "unreachable", "auth-failed", "denied", "failed", "timed-out", "truncated", "throttled", "not-running",
        "unsupported",
    ],
)  # fmt: skip
def test_an_answer_that_was_kept_away_is_unknown_with_its_reason(problem: Problem) -> None:
    replies = {**GOOD, "posix:file /etc/settings": Reply("a = 1", problem=problem, detail="because")}
    (found,) = judge(planned(control(**PASSING)), replies)
    assert (found.outcome, found.reason, found.detail) == (Outcome.UNKNOWN, problem, "because")


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("pass", Outcome.PASS),
        ("fail", Outcome.FAIL),
        ("not-applicable", Outcome.NOT_APPLICABLE),
        ("unknown", Outcome.UNKNOWN),
    ],
)
def test_proved_absence_is_what_the_control_says(word: str, outcome: Outcome) -> None:
    replies = {"posix:file /etc/settings": Reply(problem="absent")}
    (found,) = judge(planned(control(**PASSING, when_absent=word)), replies)
    assert found.outcome is outcome
    raised = {**PASSING, "given": {"key": "raise-absent"}}
    (found,) = judge(planned(control(**raised, when_absent=word)), GOOD)
    assert found.outcome is outcome


@pytest.mark.parametrize(
    ("key", "outcome", "reason"),
    [
        ("raise-na", Outcome.NOT_APPLICABLE, "no reason to"),
        ("raise-undetermined", Outcome.UNKNOWN, "undetermined"),
        ("bug", Outcome.UNKNOWN, "check-bug"),
        ("missing", Outcome.UNKNOWN, "check-bug"),
    ],
)
def test_a_check_that_has_no_value_says_why(key: str, outcome: Outcome, reason: str) -> None:
    (found,) = judge(planned(control(**{**PASSING, "given": {"key": key}})), GOOD)
    assert (found.outcome, found.reason) == (outcome, reason)


def test_a_shape_that_nobody_had_seen_is_unparsable_with_its_first_line() -> None:
    replies = {"posix:file /etc/settings": Reply("what is this\n")}
    (found,) = judge(planned(control(**PASSING)), replies)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "unparsable")
    assert "what is this" in found.detail


def test_what_is_remembered_of_texts_that_differ_on_every_host_is_bounded() -> None:
    plan, judge = planned(control(**PASSING)), Judge()
    text = "".join(f"key.{n:06} = value\n" for n in range(10_000))
    most = 0
    for host in range(60):
        replies = {"posix:file /etc/settings": Reply(f"a = 1\nhost = {host}\n{text}")}
        (found,) = judge.findings(plan, make_evidence("host", replies, {}))
        assert found.outcome is Outcome.PASS
        most = max(most, len(judge.parsed))
    assert most * 7 * len(text) < evaluate.MAX_HELD_BYTES + 8 * len(text) < 60 * 7 * len(text)


def test_evidence_without_the_answer_is_unknown() -> None:
    (found,) = judge(planned(control(**PASSING)), {})
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "not-collected")


def test_a_mapping_gives_one_finding_per_subject_and_gaps_stay_unknown() -> None:
    asked = control(check="x.users", expect={"equals": True})
    replies = {**GOOD, "posix:sh users": Reply("root\neve\nmallory\n", gaps=(Gap("mallory", "denied", "no"),))}
    found = {f.subject: (f.outcome, f.reason) for f in judge(planned(asked), replies)}
    assert found == {
        "root": (Outcome.PASS, ""),
        "eve": (Outcome.FAIL, ""),
        "mallory": (Outcome.UNKNOWN, "denied"),
    }


def test_what_lies_in_a_region_that_an_answer_lacks_is_unknown() -> None:
    here, there = "arn:aws:ec2:eu-1:1:vpc/a", "arn:aws:ec2:us-2:1:vpc/eu-1"
    asked = control(check="x.users", expect={"equals": True})
    replies = {**GOOD, "posix:sh users": Reply(f"{here}\n{there}\n", gaps=(Gap("eu-1", "denied", "no"),))}
    found = {f.subject: (f.outcome, f.reason) for f in judge(planned(asked), replies)}
    assert found == {
        here: (Outcome.UNKNOWN, "denied"),
        there: (Outcome.FAIL, ""),
        "eu-1": (Outcome.UNKNOWN, "denied"),
    }


def test_no_subjects_is_not_applicable_but_only_gaps_is_unknown() -> None:
    asked = control(check="x.users", expect={"equals": True})
    (found,) = judge(planned(asked), {**GOOD, "posix:sh users": Reply("")})
    assert found.outcome is Outcome.NOT_APPLICABLE
    (found,) = judge(planned(asked), {**GOOD, "posix:sh users": Reply("", gaps=(Gap("eu-1", "denied"),))})
    assert (found.outcome, found.subject) == (Outcome.UNKNOWN, "eu-1")


def test_what_nothing_uses_fails_slightly_and_says_so() -> None:
    found = {f.subject: f for f in judge(planned(control(check="x.idle", expect={"equals": "good"})), GOOD)}
    assert {name: (f.outcome.value, f.weakness) for name, f in found.items()} == {
        "used": ("fail", 1.0), "unused": ("fail", 0.1), "unused-good": ("pass", 1.0),
    }  # fmt: skip
    assert "nothing uses it" in found["unused"].detail


@pytest.mark.parametrize(("in_force", "weakness"), [("no", 0.1), ("yes", 1.0)])
def test_what_is_good_only_by_default_fails_slightly_and_says_so(in_force: str, weakness: float) -> None:
    asked = control(check="x.default", given={"in_force": in_force}, expect={"equals": "no"})
    (found,) = judge(planned(asked), GOOD)
    assert (found.outcome, found.observed, found.weakness) == (Outcome.FAIL, "not set", weakness)
    assert ("in force by default: no" in found.detail) == (weakness < 1)


def test_a_share_counts_the_failing_part_of_the_judged() -> None:
    asked = control(check="x.users", expect={"equals": True}, weakness="share")
    found = judge(planned(asked), GOOD)
    assert [f.weakness for f in found if f.outcome is Outcome.FAIL] == [0.5]


@pytest.mark.parametrize(
    ("how", "terms", "outcome"),
    [
        ("all", [PASSING, PASSING], Outcome.PASS),
        ("all", [PASSING, FAILING], Outcome.FAIL),
        ("any", [PASSING, FAILING], Outcome.PASS),
        ("any", [FAILING, FAILING], Outcome.FAIL),
        ("all", [PASSING, {**PASSING, "given": {"key": "bug"}}], Outcome.UNKNOWN),
        ("any", [FAILING, {**PASSING, "given": {"key": "bug"}}], Outcome.UNKNOWN),
        ("any", [PASSING, {**PASSING, "given": {"key": "bug"}}], Outcome.PASS),
        ("all", [FAILING, {**PASSING, "given": {"key": "bug"}}], Outcome.FAIL),
    ],
)
def test_several_terms_make_one_verdict(how: str, terms: list[dict[str, Any]], outcome: Outcome) -> None:
    (found,) = judge(planned(control(**{how: tuple(Term(**term) for term in terms)})), GOOD)
    assert found.outcome is outcome


@pytest.mark.parametrize(("expected", "outcome"), [("1", Outcome.PASS), ("2", Outcome.FAIL), (None, Outcome.UNKNOWN)])
def test_a_root_at_rest_is_judged_by_what_it_will_do_once_started(expected: str | None, outcome: Outcome) -> None:
    running = Term("x.users", {}, {"equals": True})
    written = Term("x.setting", {"key": "a"}, {"equals": expected}) if expected else running
    replies = {**GOOD, "posix:sh users": Reply(problem="not-running")}
    (found,) = judge(planned(control(all=(running, written))), replies)
    assert found.outcome is outcome


def test_a_root_at_rest_without_the_subject_is_not_applicable() -> None:
    running = Term("x.users", {}, {"equals": True})
    nothing_to_judge = Term("x.setting", {"key": "raise-na"}, {"equals": "1"})
    replies = {**GOOD, "posix:sh users": Reply(problem="not-running")}
    (found,) = judge(planned(control(all=(running, nothing_to_judge))), replies)
    assert found.outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        (PASSING, Outcome.FAIL),
        (FAILING, Outcome.NOT_APPLICABLE),
        ({**PASSING, "given": {"key": "bug"}}, Outcome.UNKNOWN),
    ],
)
def test_a_condition_decides_whether_a_control_applies(condition: dict[str, Any], outcome: Outcome) -> None:
    (found,) = judge(planned(control(**FAILING, when=(Term(**condition),))), GOOD)
    assert found.outcome is outcome


def test_a_baseline_for_another_system_gives_way_and_an_asset_without_any_says_so() -> None:
    (found,) = judge(planned(control(**PASSING), when=(Term(**FAILING),)), GOOD)
    assert (found.control, found.outcome, found.reason) == ("no-baseline", Outcome.UNKNOWN, "no-baseline")


def test_a_baseline_that_cannot_be_matched_leaves_every_control_unknown() -> None:
    replies = {"posix:file /etc/settings": Reply(problem="unreachable", detail="no route")}
    found = judge(planned(control(**PASSING), control(**{**FAILING, "id": "D"}), when=(Term(**PASSING),)), replies)
    assert [(f.control, f.outcome, f.reason) for f in found] == [
        ("C", Outcome.UNKNOWN, "unreachable"),
        ("D", Outcome.UNKNOWN, "unreachable"),
    ]


def test_equal_questions_are_put_once() -> None:
    plan = planned(control(**PASSING), control(**{**FAILING, "id": "D"}))
    assert [probe.key for probe in plan.visits["local"]] == ["posix:file /etc/settings"]
    assert set(plan.visits) <= set(WAYS)


def test_a_host_that_lets_nobody_in_is_still_judged_by_the_key_that_it_showed() -> None:
    changed = Reply('{"state": "changed", "seen": "a", "expected": "b"}')
    refused = Reply(problem="auth-failed", detail="another key")
    replies = {"posix:visit host-key": changed, "posix:file /etc/settings": refused}
    key = control(check="x.host_key", expect={"equals": "known"})
    found = judge(planned(key, control(**{**PASSING, "id": "D"}), when=(Term(**PASSING),)), replies)
    assert [(f.control, f.outcome, f.reason) for f in found] == [
        ("C", Outcome.FAIL, ""),
        ("D", Outcome.UNKNOWN, "auth-failed"),
    ]


def test_where_it_is_open_which_baseline_applies_each_control_is_named_once() -> None:
    one = planned(control(**PASSING), when=(Term(**PASSING),))
    twice = PlannedAsset(one.asset, (one.baselines[0], one.baselines[0]), one.visits)
    refused = {"posix:file /etc/settings": Reply(problem="unreachable", detail="no route")}
    assert [f.control for f in judge(twice, refused)] == ["C"]


@given(st.lists(st.sampled_from(["a = 1\n", "a = 2\n", "b = 1\n", "denied", "gone", ""]), min_size=1, max_size=8))
def test_a_judge_that_remembers_says_what_one_without_memory_says(answers: list[str]) -> None:
    plan = planned(
        control(**PASSING),
        control(
            **{**PASSING, "id": "D", "given": {"key": "b"}}, when=(Term("x.setting", {"key": "a"}, {"equals": "1"}),)
        ),
        control(id="E", check="x.users", expect={"equals": True}),
    )
    remembering = Judge()
    for number, said in enumerate(answers):
        settings = {"denied": Reply(problem="denied", detail="no"), "gone": Reply(problem="absent")}.get(
            said, Reply(said)
        )
        replies = {"posix:file /etc/settings": settings, "posix:sh users": Reply("root\n")}
        evidence = make_evidence(f"host-{number}", replies, {})
        assert remembering.findings(plan, evidence) == Judge().findings(plan, evidence)


@given(st.text("ab,\n", max_size=30))
@pytest.mark.parametrize(
    "pattern",
    [
        "a*,.*b",
        ".*a.*b.*",
        "(?i)(A|b)*,?",
        "(ab|,)+",
        "(?:a{1,3},){3}b?",
        "(.* )?(a|ab)(,.*)?",
        "[^,]+(,[^,]+)?",
        "a|b|",
    ],
)
def test_a_pattern_means_what_it_means_to_python(pattern: str, text: str) -> None:
    compare.refuse_unsuitable({"matches": pattern}, (str,))
    assert compare.met(text, {"matches": pattern}) is bool(re.fullmatch(pattern, text))


@pytest.mark.fault("I7")
def test_a_pattern_that_takes_too_long_with_a_hostile_text_is_unknown_and_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pattern = ".*a.*a.*a.*a.*b"
    monkeypatch.setattr(patterns, "LIMIT_S", 1.0)
    monkeypatch.setattr(patterns, "_given_up", set())
    compare.refuse_unsuitable({"matches": pattern}, (str,))
    assert compare.met("aaaab" * 5, {"matches": pattern})
    for _ in range(2):
        with pytest.raises(Undetermined, match="longer than 1 s"):
            compare.met("a" * 4096, {"matches": pattern})
        monkeypatch.setattr(patterns, "_apart", None)  # not tried again


def test_a_long_text_that_could_take_long_and_does_not_is_judged() -> None:
    assert compare.met("a" * 4095 + "b", {"matches": ".*a.*a.*a.*a.*b"})
    assert compare.met("b" * 4096, {"not_matches": ".*a.*a.*a.*a.*b"})

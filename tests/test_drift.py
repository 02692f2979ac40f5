"""Drift: what is new, fixed, blind or gone; and that what nobody could read is never called fixed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.catalogue import Catalogue
from scanner.cli.drift import fleeting
from scanner.drift import facts, verdicts
from scanner.model import Asset, Evidence, Finding, Outcome, Reply, Run, Visited

PASS, FAIL, UNKNOWN, NA = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE
AT = datetime(2026, 1, 1, tzinfo=UTC)


def run(found: dict[tuple[str, str, str], Outcome]) -> Run:
    """A run of these (asset, control, subject) → outcome."""
    findings: dict[str, list[Finding]] = {}
    for (asset, control, subject), outcome in found.items():
        findings.setdefault(asset, []).append(Finding(asset, "base", control, subject, outcome))
    fields: dict[str, Any] = dict.fromkeys(Run.__dataclass_fields__)
    nothing: Any = None
    visited = tuple(Visited(Asset(id), (), tuple(f), nothing, AT) for id, f in findings.items())
    return Run(**{**fields, "id": "r", "started_at": AT, "visited": visited})


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        (PASS, FAIL, "new"),
        (UNKNOWN, FAIL, "new"),
        (None, FAIL, "new"),
        (FAIL, PASS, "fixed"),
        (FAIL, NA, "fixed"),
        (FAIL, UNKNOWN, "blind"),
        (PASS, UNKNOWN, "blind"),
        (UNKNOWN, PASS, "judged"),
        (FAIL, None, "gone"),
        (PASS, NA, "other"),
        (FAIL, FAIL, None),
        (UNKNOWN, UNKNOWN, None),
    ],
)
def test_a_verdict_changes_by_name(was: Outcome | None, now: Outcome | None, kind: str | None) -> None:
    other = {("host", "C-0", ""): PASS}
    before = run(other | ({("host", "C", ""): was} if was else {}))
    after = run(other | ({("host", "C", ""): now} if now else {}))
    assert [change.kind for change in verdicts(before, after)] == ([kind] if kind else [])


def test_subjects_of_a_control_that_could_not_be_judged_are_not_gone() -> None:
    before = run({("host", "C", "alice"): FAIL, ("host", "C", "bob"): PASS})
    after = run({("host", "C", ""): UNKNOWN})
    assert [(c.kind, c.subject) for c in verdicts(before, after)] == [("blind", "")]


def test_an_asset_that_was_not_visited_this_time_is_no_change() -> None:
    before = run({("host", "C", ""): FAIL, ("other", "C", ""): FAIL})
    assert verdicts(before, run({("host", "C", ""): FAIL})) == []


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("ab"), st.sampled_from("CD"), st.sampled_from(["", "x"])), st.sampled_from(Outcome)
    )
)
def test_a_run_has_not_drifted_from_itself(found: dict[tuple[str, str, str], Outcome]) -> None:
    assert verdicts(run(found), run(found)) == []


def evidence(**replies: Reply | str) -> Evidence:
    said = {key: Reply(value) if isinstance(value, str) else value for key, value in replies.items()}
    return Evidence("host", AT, "1", said)


def test_an_added_line_is_named_with_its_file() -> None:
    before = evidence(sudoers='{"/etc/sudoers": "root ALL=(ALL) ALL\\n"}')
    after = evidence(sudoers='{"/etc/sudoers": "root ALL=(ALL) ALL\\neve ALL=(ALL) NOPASSWD: ALL\\n"}')
    (change,) = facts(before, after)
    assert (change.question, change.place) == ("sudoers", "/etc/sudoers")
    assert change.lines == ("+eve ALL=(ALL) NOPASSWD: ALL",)


def test_an_answer_that_was_kept_away_is_said_as_such() -> None:
    (change,) = facts(evidence(q="a\nb\n"), evidence(q=Reply(problem="denied")))
    assert change.lines == ("-a", "-b", "+(denied)")


def test_the_order_of_a_list_is_no_drift() -> None:
    assert list(facts(evidence(q='["b", {"x": 1}]'), evidence(q='[{"x": 1}, "b"]'))) == []


def test_an_empty_file_that_appears_or_goes_is_drift() -> None:
    (appeared,) = facts(evidence(q="{}"), evidence(q='{"/etc/hosts.equiv": ""}'))
    (went,) = facts(evidence(q='{"/etc/hosts.equiv": ""}'), evidence(q="{}"))
    assert (appeared.lines, went.lines) == (("(empty)",), ("(no longer there)",))


def test_a_counter_is_no_drift_and_a_rule_beside_it_is() -> None:
    counted = {"q": re.compile(r"\[\d+:\d+\]$|^# .*")}
    before = evidence(q="# at 1\n:INPUT DROP [1:60]\n-A INPUT -i lo -j ACCEPT\n")
    assert list(facts(before, evidence(q="# at 2\n:INPUT DROP [9:540]\n-A INPUT -i lo -j ACCEPT\n"), counted)) == []
    (change,) = facts(before, evidence(q="# at 2\n:INPUT ACCEPT [9:540]\n-A INPUT -i lo -j ACCEPT\n"), counted)
    assert change.lines == ("-:INPUT DROP [1:60]", "+:INPUT ACCEPT [9:540]")


def test_what_the_shipped_checks_call_fleeting_lets_every_setting_through() -> None:
    ignored = fleeting(Catalogue())
    known = {fact.probe.key: fact for check in Catalogue().checks() for fact in check.facts}
    assert ignored and ignored.keys() <= known.keys()
    settings = {
        "iptables-save -t filter": (":INPUT DROP [1:2]", ":INPUT ACCEPT [3:4]"),
        "/proc/sys/kernel": ("/proc/sys/kernel/kptr_restrict:0", "/proc/sys/kernel/kptr_restrict:1"),
        "self/mountinfo": ("24 1 8:1 / /tmp rw - tmpfs tmpfs rw", "25 1 8:1 / /tmp rw,nosuid - tmpfs tmpfs rw"),
        "ss -Hlntu": ("tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*", "tcp LISTEN 0  128 127.0.0.1:22 0.0.0.0:*"),
        "auditctl -l": ("-w /etc -p wa -k etc", "-w /etc -p r -k etc"),
        "nft list": ("counter packets 1 bytes 2 drop", "counter packets 1 bytes 2 accept"),
        "ps -e -o label": (
            "system_u:system_r:unconfined_service_t:s0 a",
            "system_u:system_r:unconfined_service_t:s0 b",
        ),
    }
    for part, (old, new) in settings.items():
        (pattern,) = (pattern for key, pattern in ignored.items() if key.startswith("posix") and part in key[:80])
        assert pattern.sub("", old) != pattern.sub("", new)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_answers_can_be_compared(old: str, new: str) -> None:
    changes = list(facts(evidence(q=old), evidence(q=new)))
    assert bool(changes) <= (old != new)
    assert all(len(change.lines) <= 201 for change in changes)

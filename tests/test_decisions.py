"""Decisions about risks: in a SQLite file, and by the verbs of `riskline register`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scanner.cli import riskline
from scanner.errors import RegisterError, UsageError
from scanner.register import open_register
from scanner.register.lifecycle import fingerprint
from scanner.register.treatment import Bearing, refuse_unsound
from scanner.register.waivers import read_waivers
from scanner.scoring.standing import Acceptance

from .bounded import Took, bounded
from .decisions_contract import BOB, SSH, DecisionContract, today
from .register_contract import fail, ok, record

Verb = Callable[..., Result]


class TestSqlite(DecisionContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return str(tmp_path / "register.db")


@pytest.fixture
def verb(tmp_path: Path) -> Verb:
    """`riskline register …` on a register with two risks of one asset."""
    url = str(tmp_path / "register.db")
    opened = open_register(url)
    record(opened, 0, {"a": [fail("ssh"), fail("users", "bob"), fail("users", "=eve()")]})
    opened.close()

    def run(name: str, *words: str) -> Result:
        found = CliRunner().invoke(riskline, ["register", name, "--register", url, *words])
        if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return run


def listed(verb: Verb, *words: str) -> dict[str, dict[str, Any]]:
    return {one["fingerprint"]: one for one in json.loads(verb("list", "--format", "json", *words).output)}


def accept(verb: Verb, *risks: str, days: int = 100, **other: str) -> Result:
    said = {"owner": "anna", "approver": "bert", "reason": "replaced in spring", **other}
    words = [word for name, value in said.items() for word in (f"--{name}", value)]
    return verb("accept", *risks, *words, "--until", f"{today() + timedelta(days=days)}")


def test_the_list_shows_the_dearest_first_with_level_and_due_date(verb: Verb) -> None:
    found = list(listed(verb).values())
    assert [one["expected_loss"] for one in found] == sorted((one["expected_loss"] for one in found), reverse=True)
    assert found[0]["control"] == "ssh"
    assert {one["level"] for one in found} <= {"very low", "low", "within tolerance", "above tolerance"}
    assert verb("list").output.splitlines()[0].split() == [
        "Risk", "Level", "Loss/year", "Asset", "Control", "What", "should", "be", "State", "Owner", "Treatment", "Due",
    ]  # fmt: skip


def test_the_list_says_what_should_be_and_counts_what_waits_for_somebody(verb: Verb) -> None:
    open = listed(verb)
    said = verb("list").output
    assert all(one["title"][:40] in said for one in open.values())
    (line,) = [line for line in said.splitlines() if re.match(r"\d+ risks: ", line)]
    assert int(line.split()[0]) == len(open) == sum(map(int, re.findall(r"(\d+) (?:far|above|within|low|very)", line)))
    assert f"0 overdue, {len(open)} without an owner, {len(open)} undecided" in said
    verb("assign", next(iter(open.values()))["fingerprint"], "--owner", "anna")
    assert f"{len(open) - 1} without an owner" in verb("list").output


def test_a_stricter_policy_makes_a_risk_due_sooner(verb: Verb, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("tolerances: {asset: 0.001, service: 1, organisation: 1}\ndue_days: {far_above_tolerance: 1}\n")
    strict = listed(verb, "--policy", str(policy))[SSH]
    assert (strict["level"], strict["due"]) == ("far above tolerance", "2026-11-02")
    assert strict["due"] < listed(verb)[SSH]["due"]


def test_a_risk_is_named_by_the_beginning_of_its_fingerprint_or_by_its_place(verb: Verb) -> None:
    assert "anna" in verb("assign", SSH[:8], "--owner", "anna").output
    verb("assign", "users@a", "--owner", "carl")
    assert [one["owner"] for one in listed(verb).values()].count("carl") == 2
    assert listed(verb, "--owner", "anna").keys() == {SSH}
    for word, complaint in ((SSH[:3], "could be several"), ("0" * 64, "there is no risk"), ("ssh@b", "no risk of ssh")):
        with pytest.raises(UsageError, match=complaint):
            verb("show", word)


def test_an_accepted_risk_stays_in_the_list_at_its_full_cost(verb: Verb) -> None:
    before = listed(verb)[SSH]
    accept(verb, SSH)
    after = listed(verb)[SSH]
    assert after["treatment"] == "accept"
    assert after["due"] == f"{today() + timedelta(days=100)}"
    assert {**after, "treatment": "", "due": "", "acceptance": None, "owner": "", "overdue": 0} == {
        **before, "treatment": "", "due": "", "owner": "", "overdue": 0,
    }  # fmt: skip
    assert "Accepted: 1 valid, 0 expiring, 0 expired, 0 unused" in verb("list").output
    assert listed(verb, "--accepted").keys() == {SSH}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"approver": "anna"}, "another person"),
        ({"approver": " Anna "}, "another person"),
        ({"approver": " "}, "needs approver"),
        ({"reason": ""}, "needs reason"),
        ({"owner": ""}, "needs owner"),
        ({"days": 0}, "must end after today"),
        ({"days": 366}, "365 days"),
        ({"who": " "}, "--who must not be empty"),
    ],
)
def test_an_acceptance_that_is_not_whole_is_refused_and_leaves_nothing(
    verb: Verb, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        accept(verb, SSH, **change)
    assert listed(verb)[SSH]["acceptance"] is None


def test_the_policy_says_how_long_an_acceptance_may_last(verb: Verb, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("longest_acceptance_days: 30\n")
    with pytest.raises(UsageError, match="30 days"):
        accept(verb, SSH, days=31, policy=str(policy))
    accept(verb, SSH, days=30, policy=str(policy))
    assert "1 expiring" in verb("list").output
    with pytest.raises(UsageError, match="30 days"):
        verb("renew", SSH, "--approver", "carl", "--until", f"{today() + timedelta(days=40)}", "--policy", str(policy))


def test_a_renewed_acceptance_keeps_owner_and_reason(verb: Verb) -> None:
    with pytest.raises(UsageError, match="is not accepted"):
        verb("renew", SSH, "--approver", "carl", "--until", f"{today() + timedelta(days=40)}")
    accept(verb, SSH)
    verb("renew", SSH, "--approver", "carl", "--until", f"{today() + timedelta(days=200)}")
    found = listed(verb)[SSH]["acceptance"]
    assert (found["owner"], found["approver"], found["reason"]) == ("anna", "carl", "replaced in spring")
    assert found["until"] == f"{today() + timedelta(days=200)}"


@pytest.mark.parametrize("until", ["soon", "2027-13-01", "2027-02-30", "20270101"])
def test_a_day_that_is_none_is_refused(verb: Verb, until: str) -> None:
    with pytest.raises(UsageError, match="is no date"):
        verb("accept", SSH, "--owner", "a", "--approver", "b", "--reason", "c", "--until", until)


def test_the_history_of_a_risk_is_shown_with_who_and_why(verb: Verb) -> None:
    verb("note", SSH, "--text", "asked the \x1b[31mvendor", "--link", "https://tickets.example/7", "--who", "carl")
    verb("treat", SSH, "--as", "transfer", "--note", "insured", "--who", "dora")
    shown = verb("show", SSH).output
    assert "carl: noted, link https://tickets.example/7 (asked the \\x1b[31mvendor)" in shown
    assert "dora: treated, treatment transfer (insured)" in shown
    assert "\x1b" not in shown
    (one,) = json.loads(verb("show", SSH, "--format", "json").output)
    assert [event["change"] for event in one["history"]] == ["opened", "noted", "treated"]
    with pytest.raises(UsageError, match="begins with https"):
        verb("note", SSH, "--link", "javascript:alert(1)")
    with pytest.raises(UsageError, match="say something"):
        verb("note", SSH, "--text", " ")


def test_the_export_holds_every_risk_and_no_formula(verb: Verb, tmp_path: Path) -> None:
    accept(verb, "users@a")
    rows = list(csv.DictReader(io.StringIO(verb("export").output)))
    assert {row["subject"] for row in rows} == {"", "bob", "'=eve()"}
    assert {row["approver"] for row in rows} == {"", "bert"}
    verb("export", "--format", "json", "--output", str(tmp_path / "all.json"))
    told = json.loads((tmp_path / "all.json").read_text())
    assert len(told["risks"]) == 3
    assert [event["change"] for event in told["events"]] == ["opened"] * 3 + ["sealed"] + ["accepted"] * 2
    assert told["head"] in verb("verify").output


def test_verify_says_what_was_altered_and_leaves_with_1(verb: Verb, tmp_path: Path) -> None:
    accept(verb, SSH)
    good = verb("verify")
    assert (good.exit_code, good.output.splitlines()[0]) == (0, "5 events, nothing altered or removed")
    head = good.output.split("head: ")[1].strip()
    verb("note", BOB, "--text", "later")
    assert verb("verify", "--head", head).exit_code == 0
    assert verb("verify", "--head", "ab" * 32).exit_code == 1
    with pytest.raises(UsageError, match="64 digits"):
        verb("verify", "--head", "abc")
    opened = open_register(str(tmp_path / "register.db"))
    with opened.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE events SET why = 'fine' WHERE change = 'accepted'")
    opened.close()
    bad = verb("verify")
    assert (bad.exit_code, "altered: event 5 is not what was written" in bad.output) == (1, True)


@pytest.mark.parametrize("details", ["", "{", "{}", '{"owner": "x", "approver": "y", "until": "never"}'])
def test_a_damaged_decision_is_named_and_never_read_as_another(verb: Verb, tmp_path: Path, details: str) -> None:
    accept(verb, SSH)
    opened = open_register(str(tmp_path / "register.db"))
    with opened.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE events SET details = ? WHERE change = 'accepted'", (details,))
    opened.close()
    with pytest.raises(RegisterError, match=f"about risk {SSH[:12]} cannot be read; see: riskline register verify"):
        verb("list")
    assert verb("verify").exit_code == 1


def test_a_fixed_risk_is_listed_only_when_asked_for(verb: Verb, tmp_path: Path) -> None:
    accept(verb, SSH)
    opened = open_register(str(tmp_path / "register.db"))
    record(opened, 1, {"a": [ok("ssh"), fail("users", "bob")]})
    opened.close()
    assert SSH not in listed(verb)
    assert SSH in listed(verb, "--state", "fixed")
    assert f"unused: {SSH[:8]}  ssh on a" in verb("list").output


def test_a_retired_asset_leaves_the_list_and_stays_in_the_record(verb: Verb) -> None:
    assert verb("retire", "a", "--reason", "scrapped", "--who", "dora").output == "a: 3 risks closed\n"
    assert listed(verb) == {}
    assert set(listed(verb, "--state", "retired")) == set(listed(verb, "--state", "retired", "--asset", "a"))
    assert "dora: retired (scrapped)" in verb("show", SSH).output
    with pytest.raises(UsageError, match="--reason must not be empty"):
        verb("retire", "a", "--reason", " ")


def test_an_acceptance_in_words_is_as_strict_as_in_the_score() -> None:
    risk: Any = Acceptance("a", "c", "", "x", "y", "z", today())
    refuse_unsound(risk, Bearing("x", "y", "z", today() + timedelta(days=1)), today(), 1)
    with pytest.raises(UsageError, match="1 days"):
        refuse_unsound(risk, Bearing("x", "y", "z", today() + timedelta(days=2)), today(), 1)


def test_fingerprints_are_of_places_and_of_nothing_that_was_observed(verb: Verb) -> None:
    assert set(listed(verb)) == {SSH, BOB, fingerprint("a", "users", "=eve()")}


def test_a_file_of_waivers_names_its_mistakes_by_line(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("waivers:\n  - {control: ssh, asset: a, ownr: anna, until: soon}\n")
    with pytest.raises(UsageError, match=r"w\.yaml:2: .*ownr") as caught:
        read_waivers(tmp_path / "w.yaml")
    assert "until" in str(caught.value)


def test_waivers_are_taken_from_a_file_and_tried_without_writing(verb: Verb, tmp_path: Path) -> None:
    until = today() + timedelta(days=90)
    line = f"owner: anna, approver: bert, reason: goes in spring, until: {until}"
    (tmp_path / "w.yaml").write_text(
        f"waivers:\n  - {{control: users, asset: a, {line}}}\n  - {{control: tls, asset: a, {line}}}\n"
    )
    tried = verb("waive", str(tmp_path / "w.yaml"), "--dry-run")
    assert "2 risks would be accepted anew, 0 were so already" in tried.output
    assert f"no open risk needs it: tls on a, until {until}" in tried.output
    assert "2 risks are accepted anew" in verb("waive", str(tmp_path / "w.yaml")).output
    assert "0 risks are accepted anew, 2 were so already" in verb("waive", str(tmp_path / "w.yaml")).output
    with pytest.raises(UsageError, match=r"none\.yaml: No such file"):
        verb("waive", str(tmp_path / "none.yaml"))


REST = "approver: bert, reason: spring"


@pytest.fixture
def waived(tmp_path: Path) -> Callable[[str], Took]:
    """`riskline register waive FILE` in a process of its own; the file holds one waiver a line, from line 2 on."""
    opened = open_register(str(tmp_path / "register.db"))
    record(opened, 0, {"a": [fail("ssh"), fail("users", "bob"), fail("users", "=eve()")]})
    opened.close()

    def run(lines: str) -> Took:
        (tmp_path / "w.yaml").write_text(f"waivers:\n{lines}")
        return bounded(tmp_path, "register", "waive", "w.yaml", "--register", "register.db", "--who", "eve")

    return run


def until(days: int) -> str:
    return f"{today() + timedelta(days=days):%Y-%m-%d}"


@pytest.mark.fault("I11")
@pytest.mark.parametrize(
    ("line", "days", "told"),
    [
        ("control: ssh, asset: a, owner: anna", -1, "has ended: ssh on a, until"),
        ("control: ssh, asset: a, owner: anna", -3000, "has ended: ssh on a, until"),
        ("control: nope, asset: a, owner: anna", 100, "no open risk needs it: nope on a, until"),
        ("control: ssh, asset: nobody, owner: anna", 100, "no open risk needs it: ssh on nobody, until"),
        ("control: SSH, asset: A, owner: anna", 100, "no open risk needs it: SSH on A, until"),
        (
            "control: users, asset: a, subject: nobody, owner: anna",
            100,
            "no open risk needs it: users [nobody] on a, until",
        ),
        ("control: ssh, asset: '[', owner: anna", 100, "no open risk needs it: ssh on [, until"),
    ],
)
def test_a_waiver_that_ended_or_meets_nothing_is_listed_and_accepts_nothing(
    waived: Callable[[str], Took], tmp_path: Path, line: str, days: int, told: str
) -> None:
    took = waived(f"  - {{{line}, {REST}, until: {until(days)}}}\n")
    assert (took.code, took.stderr) == (0, "")
    assert took.stdout.splitlines() == ["0 risks are accepted anew, 0 were so already", f"  {told} {until(days)}"]
    left = bounded(tmp_path, "register", "list", "--register", "register.db", "-f", "json")
    assert {one["treatment"] for one in json.loads(left.stdout)} == {""}


@pytest.mark.fault("I11")
@pytest.mark.parametrize(
    ("line", "days", "told"),
    [
        (f"control: ssh, asset: a, {REST}", 100, "w.yaml:3: the waivers has no 'waivers.1.owner'; add it"),
        (f"control: ssh, asset: a, owner: '', {REST}", 100, "w.yaml:3: the waivers: `owner` of one for ssh is empty"),
        (f"control: ssh, asset: z, owner: '  ', {REST}", 100, "w.yaml:3: the waivers: `owner` of one for ssh is empty"),
        ("control: ssh, asset: a, owner: anna, approver: '', reason: r", 100, "w.yaml:3: the waivers: `approver`"),
        ("control: ssh, asset: z, owner: anna, approver: b, reason: ' '", 100, "w.yaml:3: the waivers: `reason`"),
        ("control: ssh, asset: a, owner: anna, approver: Anna, reason: r", 100, "another person"),
        (f"control: ssh, asset: a, owner: anna, {REST}", 4000, "by the policy an acceptance may last 365 days"),
        (f"control: ssh, asset: a, owner: anna, ownr: x, {REST}", 100, "w.yaml:3: the waivers: there is no key 'ownr'"),
        (f"control: ssh, asset: [a], owner: anna, {REST}", 100, "w.yaml:3: the waivers: waivers.1.asset: "),
    ],
)
def test_a_waiver_without_somebody_behind_it_refuses_the_whole_file(
    waived: Callable[[str], Took], tmp_path: Path, line: str, days: int, told: str
) -> None:
    good = f"  - {{control: users, asset: a, owner: anna, {REST}, until: {until(100)}}}\n"
    took = waived(f"{good}  - {{{line}, until: {until(days)}}}\n")
    assert (took.code, took.stdout) == (2, "")
    assert told in took.stderr
    left = bounded(tmp_path, "register", "list", "--register", "register.db", "-f", "json")
    assert {one["treatment"] for one in json.loads(left.stdout)} == {""}

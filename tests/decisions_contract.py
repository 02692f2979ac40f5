"""What the register promises about decisions, whatever database it lies in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from scanner.errors import UsageError
from scanner.register import Decision, Register, chain, history, open_register, tables
from scanner.register.chain import Event
from scanner.register.database import alembic_settings, open_database, upgrade, writing
from scanner.register.ledger import Entry, entries
from scanner.register.lifecycle import fingerprint
from scanner.register.waivers import Applied, apply, read_waivers
from scanner.score import Policy, assess
from scanner.scoring.standing import untreated

from .register_contract import CONTROLS, FIRST_DAY, fail, ok, record, unknown

SSH = fingerprint("a", "ssh", "")
BOB = fingerprint("a", "users", "bob")
BEARING = {"owner": "anna", "approver": "bert", "until": "2026-12-01"}


def today() -> date:
    """The day by the clock, asked anew each time: the tests may run across midnight."""
    return datetime.now(UTC).date()


def decided(change: Any, why: str = "", who: str = "eve", **said: str) -> Decision:
    return Decision(change, who, why, said)


def ledger(register: Register, day: date) -> dict[str, Entry]:
    """The register's lines by fingerprint."""
    found = entries(register.risks(), register.treatments(), register.known(), Policy(), day)
    return {one.risk.fingerprint: one for one in found}


def on(day: int) -> date:
    return (FIRST_DAY + timedelta(days=day)).date()


class DecisionContract:
    """Inherit, and give a fixture `url` of a place where nothing is yet."""

    @pytest.fixture
    def register(self, url: str) -> Iterator[Register]:
        opened = open_register(url)
        record(opened, 0, {"a": [fail("ssh"), fail("users", "bob")]})
        yield opened
        assert opened.verify() == []
        opened.close()

    def test_an_acceptance_holds_until_the_end_of_its_last_day_and_only_treatment_changes(
        self, register: Register
    ) -> None:
        run = register.run("latest")
        before = register.run("latest").organisation
        register.decide([(SSH, decided("accepted", "replaced in spring", **BEARING))], FIRST_DAY)
        states = [ledger(register, day)[SSH] for day in (on(0), date(2026, 12, 1), date(2026, 12, 2))]
        assert [one.chosen for one in states] == ["accept", "accept", ""]
        assert [one.acceptance for one in states] == ["expiring", "expiring", "expired"]
        assert [one.risk.state for one in states] == ["new"] * 3
        assert states[0].loss == states[2].loss > 0
        (accepted,) = register.acceptances()
        assert (accepted.reason, accepted.until) == ("replaced in spring", date(2026, 12, 1))
        pairs = [(one.asset, one.findings) for one in run.visited]
        assert assess(pairs, CONTROLS, Policy()).organisation == before
        for day, counted in ((date(2026, 12, 1), 1), (date(2026, 12, 2), 2)):
            assert len(untreated(run.findings, register.acceptances(), day)) == counted
        again = record(register, 1, {"a": [fail("ssh"), fail("users", "bob")]})
        assert again.organisation.expected_loss == before.expected_loss

    def test_what_was_accepted_and_is_fixed_is_unused(self, register: Register) -> None:
        register.decide([(SSH, decided("accepted", "why", **BEARING))], FIRST_DAY)
        record(register, 1, {"a": [ok("ssh"), fail("users", "bob")]})
        found = ledger(register, on(1))[SSH]
        assert (found.acceptance, found.due, found.loss) == ("unused", None, 0)

    def test_an_acceptance_is_renewed_or_ended_by_another_treatment(self, register: Register) -> None:
        register.decide([(SSH, decided("accepted", "first", **BEARING))], FIRST_DAY)
        register.decide([(SSH, decided("renewed", "again", **{**BEARING, "until": "2027-02-01"}))], FIRST_DAY)
        assert ledger(register, date(2027, 1, 1))[SSH].due == date(2027, 2, 1)
        register.decide([(SSH, decided("treated", "money came", treatment="mitigate"))], FIRST_DAY)
        found = ledger(register, date(2027, 1, 1))[SSH]
        assert (found.chosen, found.acceptance) == ("mitigate", None)
        assert [note.text for note in found.treatment.notes] == ["money came"]
        assert register.acceptances() == []

    @pytest.mark.parametrize("change", ["accepted", "renewed"])
    def test_what_is_fixed_or_was_never_accepted_is_refused_and_nothing_of_it_is_kept(
        self, register: Register, change: str
    ) -> None:
        record(register, 1, {"a": [ok("ssh"), fail("users", "bob")]})
        before = register.head()
        with pytest.raises(UsageError, match=r"is closed|is not accepted"):
            made = [(BOB, decided("noted", "with the other")), (SSH, decided(change, "why", **BEARING))]
            register.decide(made, FIRST_DAY)
        with pytest.raises(UsageError, match="there is no risk"):
            register.decide([("ab" * 32, decided("noted", "nothing there"))], FIRST_DAY)
        assert register.head() == before

    def test_owner_comments_and_tickets_last_through_scans(self, register: Register) -> None:
        register.decide([(SSH, decided("assigned", owner="anna")), (BOB, decided("assigned", owner="bert"))], FIRST_DAY)
        register.decide([(SSH, decided("noted", "asked the vendor", link="https://tickets.example/7"))], FIRST_DAY)
        register.decide([(SSH, decided("noted", "\x00\udc80 again", link="https://tickets.example/7"))], FIRST_DAY)
        record(register, 1, {"a": [unknown("ssh"), fail("users", "bob")]})
        found = ledger(register, on(1))
        assert (found[SSH].treatment.owner, found[BOB].treatment.owner) == ("anna", "bert")
        assert found[SSH].treatment.links == ("https://tickets.example/7",)
        assert [note.text for note in found[SSH].treatment.notes] == ["asked the vendor", "\\x00\\udc80 again"]
        assert found[SSH].risk.state == "stale"

    @pytest.mark.parametrize(("away", "counted_from"), [(20, 0), (30, 0), (31, 41)])
    def test_a_due_date_starts_anew_only_where_the_risk_was_gone_for_long(
        self, register: Register, away: int, counted_from: int
    ) -> None:
        first = ledger(register, on(0))[SSH]
        assert first.due is not None
        record(register, 10, {"a": [ok("ssh")]})
        record(register, 10 + away, {"a": [fail("ssh")]})
        again = ledger(register, on(10 + away))[SSH]
        assert again.due == first.due + timedelta(days=counted_from)
        assert again.overdue_on(again.due + timedelta(days=1))
        assert not again.overdue_on(again.due)

    def test_an_asset_that_is_no_more_takes_its_risks_with_it_until_it_is_seen_again(self, register: Register) -> None:
        with pytest.raises(UsageError, match="no run has visited moon"):
            register.retire("moon", "eve", "gone", FIRST_DAY)
        assert register.retire("a", "eve", "switched off", FIRST_DAY + timedelta(hours=1)) == 2
        assert register.retire("a", "eve", "again", FIRST_DAY + timedelta(hours=2)) == 0
        found = ledger(register, on(0))
        assert [(one.risk.state, one.loss, one.due) for one in found.values()] == [("retired", 0, None)] * 2
        assert register.last_known("a") == []
        assert register.verify() == []
        record(register, 1, {"a": [fail("ssh"), fail("users", "bob")]})
        assert [one.risk.state for one in ledger(register, on(1)).values()] == ["reopened"] * 2
        assert len(register.last_known("a")) == 2

    # ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize(
        ("tampering", "seen"),
        [
            ("UPDATE events SET details = replace(details, '2026', '2036') WHERE seq = 4", "event 4 is not what"),
            ("UPDATE events SET details = '' WHERE seq = 4", "event 4 is not what"),
            ("UPDATE events SET details = '{}' WHERE seq = 1", "event 1 is not what"),
            ("DELETE FROM events WHERE seq = 4", "events 4 to 4 are missing"),
        ],
    )
    def test_a_decision_cannot_be_altered_unseen(self, url: str, tampering: str, seen: str) -> None:
        opened = open_register(url)
        record(opened, 0, {"a": [fail("ssh"), fail("users", "bob")]})
        opened.decide([(SSH, decided("accepted", "why", **BEARING)), (SSH, decided("noted", "more"))], FIRST_DAY)
        assert opened.verify() == []
        with opened.database.engine.begin() as connection:
            connection.execute(sa.text(tampering))
        assert any(seen in fault for fault in opened.verify())
        opened.close()

    @pytest.mark.parametrize(
        "forged",
        [
            Event("2026-11-02T00:00:00+00:00", "", "a", "ab" * 32, "noted", "eve", "about nothing"),
            Event("2026-11-02T00:00:00+00:00", "", "a", SSH, "gated", "eve", "about a risk"),
            Event("2026-11-02T00:00:00+00:00", "", "a", SSH, "closed", "eve", "by hand"),
            Event("2026-11-02T00:00:00+00:00", "", "a", SSH, "opened", "eve", "once more"),
        ],
    )
    def test_an_event_that_cannot_have_happened_is_seen_though_its_hash_fits(self, url: str, forged: Event) -> None:
        opened = open_register(url)
        record(opened, 0, {"a": [fail("ssh")]})
        with writing(opened.database) as connection:
            chain.append(connection, [forged])
        assert any("cannot follow" in fault for fault in opened.verify())
        opened.close()

    def test_people_at_once_lose_no_decision(self, register: Register, url: str) -> None:
        broken: list[BaseException] = []

        def write(number: int) -> None:
            try:
                mine = open_register(url)
                for turn in range(5):
                    order: Sequence[str] = (SSH, BOB) if number % 2 else (BOB, SSH)
                    made = [(risk, decided("noted", f"{number}.{turn}")) for risk in order]
                    mine.decide(made, datetime.now(UTC))
                mine.close()
            except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
                broken.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert broken == []
        for risk in (SSH, BOB):
            texts = sorted(note.text for note in register.treatments()[risk].notes)
            assert texts == sorted(f"{number}.{turn}" for number in range(4) for turn in range(5))

    def test_a_register_of_the_first_release_keeps_its_history_when_it_is_upgraded(self, url: str) -> None:
        database = open_database(url)
        with writing(database) as connection:
            settings = alembic_settings()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "0001")
            place = {"asset": "a", "control": "ssh", "subject": ""}
            connection.execute(tables.assets.insert(), {"id": "a"})
            about = {"service": "s", "baseline": "b", "cause": "c", "weakness": 1.0, "state": "open", "reopened": 0}
            dates = dict.fromkeys(("opened_at", "changed_at"), "2026-11-01T03:00:00+00:00") | {"opened_run": "r"}
            connection.execute(tables.risks.insert(), {"fingerprint": SSH, **place, **about, **dates})
            event = Event(dates["opened_at"], "r", "a", SSH, "opened", "scan", "the control failed")
            head = event.hash_after(1, bytes(32))
            old = "at, run, asset, fingerprint, change, who, why"
            connection.execute(
                sa.text(f"INSERT INTO events (seq, {old}, hash) VALUES (1, :{old.replace(', ', ', :')}, :hash)"),
                {**{name: getattr(event, name) for name in old.split(", ")}, "hash": head},
            )
            connection.execute(tables.chain.update().values(seq=1, hash=head))
        upgrade(database)
        opened = Register(database)
        assert opened.verify(head.hex()) == []
        opened.decide([(SSH, decided("assigned", owner="anna"))], FIRST_DAY)
        assert opened.verify(head.hex()) == []
        found = ledger(opened, on(0))[SSH]
        assert (found.treatment.owner, found.level) == ("anna", "not known")
        opened.close()

    def test_a_report_is_told_the_trend_who_deals_with_what_and_what_is_accepted(self, register: Register) -> None:
        register.decide([(BOB, decided("assigned", owner="carla"))], FIRST_DAY)
        register.decide([(SSH, decided("accepted", "replaced in spring", **BEARING))], FIRST_DAY)
        record(register, 1, {"a": [fail("ssh"), ok("users", "bob")]})
        record(register, 2, {"b": [fail("ssh")]})  # another estate: no part of the line
        record(register, 3, {"a": [unknown("ssh"), fail("users", "bob")]})
        told = history(register, register.run("latest"), Policy(), on(2000))
        scores = [one.score for one in told.trend]
        assert [one.at for one in told.trend] == [FIRST_DAY + timedelta(days=day) for day in (0, 1, 3)]
        assert scores[0] > scores[1] > 0
        (borne,) = told.accepted
        assert (borne.control, borne.owner, borne.approver, borne.state) == ("ssh", "anna", "bert", "expired")
        charges = {one.root_cause: (one.owner, one.overdue) for one in told.charges}
        assert charges["users.empty"] == ("carla", 1)
        assert told.head == register.head()

    @pytest.mark.fault("I11")
    def test_a_file_of_waivers_is_applied_once_and_says_what_nothing_needs(
        self, register: Register, tmp_path: Path
    ) -> None:
        file = tmp_path / "waivers.yaml"
        rest = "owner: anna, approver: bert, reason: spring, until: "
        lines = [
            f"{{control: users, asset: 'a*', subject: 'b*', {rest}2026-12-01}}",
            f"{{control: ssh, asset: z, {rest}2026-12-01}}",
            f"{{control: ssh, asset: a, {rest}2020-01-01}}",
        ]
        file.write_text("waivers:\n" + "".join(f"  - {line}\n" for line in lines))
        waivers = read_waivers(file)

        def applied() -> Applied:
            return apply(waivers, register.risks(), register.treatments(), "eve", on(0), 365)

        first = applied()
        assert [name for name, _ in first.made] == [BOB]
        assert ([one.asset for one in first.unused], [one.control for one in first.ended]) == (["z"], ["ssh"])
        register.decide(first.made, FIRST_DAY)
        again = applied()
        assert (again.made, again.known) == ([], 1)
        assert ledger(register, on(0))[BOB].chosen == "accept"

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("owner: anna, approver: Anna, reason: r, until: 2026-12-01", "another person"),
            ("owner: anna, approver: bert, reason: r, until: 2030-12-01", "365 days"),
            ("owner: anna, approver: bert, reason: '', until: 2026-12-01", "reason"),
        ],
    )
    @pytest.mark.fault("I11")
    def test_a_waiver_that_may_not_be_refuses_the_whole_file(
        self, register: Register, tmp_path: Path, line: str, complaint: str
    ) -> None:
        file = tmp_path / "waivers.yaml"
        file.write_text(f"waivers:\n  - {{control: ssh, asset: a, {line}}}\n")
        with pytest.raises(UsageError, match=complaint):
            apply(read_waivers(file), register.risks(), {}, "eve", on(0), 365)

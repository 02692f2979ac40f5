"""What a register promises, whatever database it lies in: each database's tests inherit from `RegisterContract`."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from scanner import pipeline
from scanner.errors import LockedError, UsageError
from scanner.model import (
    Access,
    Asset,
    Aws,
    Control,
    Criticality,
    Effect,
    Evidence,
    Finding,
    Gap,
    Network,
    Outcome,
    Reply,
    Run,
    Ssh,
    Term,
    Visited,
)
from scanner.register import Register, open_register, tables
from scanner.register.database import alembic_settings
from scanner.register.lifecycle import fingerprint
from scanner.score import Policy, assess, score_asset
from scanner.scoring.standing import with_last_known

FIRST_DAY = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
HOSTILE = "\x00 \udc80\ud800 \x1b[31m \u202e <b> '; DROP TABLE runs; -- 𝔘"
"""Text as a hostile machine may send it: a NUL, lone surrogates, terminal orders, markup, SQL."""
CONTROLS = {
    ("b", "ssh"): Control("ssh", "Root cannot log in", "w", "f", "linux.x", {"key": "a"}, {"equals": "no"}, exploit=4),
    ("b", "users"): Control(
        "users", "No empty passwords", "w", "f", "linux.y", weakness="share", root_cause="users.empty"
    ),
    ("b", "both"): Control(
        "both",
        "Two terms",
        "w",
        "f",
        all=(Term("linux.x", {"n": [1, 2.5, None, {"deep": True}]}), Term("linux.y")),
        effect=Effect("none", "total", "partial"),
        references={"cis": ("1.1", "1.2")},
        levels=("l1",),
    ),
    ("other", "ssh"): Control("ssh", "Root cannot log in, says another", "w", "f", "linux.x"),
}


def fail(control: str, subject: str = "", **more: object) -> Finding:
    return Finding("", "b", control, subject, Outcome.FAIL, **more)  # type: ignore[arg-type]


def ok(control: str, subject: str = "") -> Finding:
    return Finding("", "b", control, subject, Outcome.PASS)


def unknown(control: str, subject: str = "", reason: str = "unreachable") -> Finding:
    return Finding("", "b", control, subject, Outcome.UNKNOWN, reason)


def not_applicable(control: str) -> Finding:
    return Finding("", "b", control, "", Outcome.NOT_APPLICABLE, "nothing of this kind here")


def visit(asset: Asset | str, findings: Sequence[Finding], day: int) -> tuple[Visited, Evidence]:
    """One asset on one day, with evidence of which a part is the same every day."""
    of = Asset(asset, service="shop") if isinstance(asset, str) else asset
    own = tuple(replace(finding, asset=of.id) for finding in findings)
    at = FIRST_DAY + timedelta(days=day, seconds=1)
    replies = {
        "posix:uptime": Reply(f"{day}\n", took_s=0.25),
        "posix:large": Reply("same every day\n" * 1000, took_s=day / 10),
        "posix:hostile": Reply(HOSTILE, gaps=(Gap("eu-1", "denied", HOSTILE),)),
        "posix:denied": Reply(problem="denied", detail=HOSTILE),
    }
    evidence = Evidence(of.id, at, "0.1", replies, {"nmap": "unreachable: no route"}, f"digest {day}")
    score = score_asset(of, own, CONTROLS, Policy())
    return Visited(of, ("b",), own, score, at, evidence.failures, 1.5, evidence.digest), evidence


def begun(name: str, day: int = 0, inventory: str = "inv") -> Run:
    """A run that holds nothing yet."""
    nothing = assess([], {}, Policy())
    at = FIRST_DAY + timedelta(days=day)
    digests = ("inventory.yaml", inventory, {"b": "digest of b"})
    run = Run(name, at, None, "0.1", *digests, CONTROLS, (), {}, nothing.organisation, (), "running")
    return replace(run, policy=asdict(Policy()))


def record(register: Register, day: int, of: Mapping[str, Sequence[Finding]], name: str = "") -> Run:
    """A whole run of that day."""
    run = begun(name or f"run-{day}", day)
    register.begin(run)
    visits = [visit(asset, findings, day) for asset, findings in of.items()]
    for visited, evidence in visits:
        register.store(run.id, visited, evidence)
    finished = pipeline.finish(run, [visited for visited, _ in visits], Policy(), "complete")
    register.finish(finished)
    return finished


def states(register: Register) -> dict[tuple[str, str, str], str]:
    return {(risk.asset, risk.control, risk.subject): risk.state for risk in register.risks()}


def changes(register: Register) -> list[str]:
    return [event.change for _, event in register.events() if event.change != "sealed"]


class RegisterContract:
    """Inherit, and give a fixture `url` of a place where nothing is yet."""

    @pytest.fixture
    def register(self, url: str) -> Iterator[Register]:
        opened = open_register(url)
        yield opened
        assert opened.verify() == []
        opened.close()

    # ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def test_a_run_comes_out_as_it_went_in(self, register: Register) -> None:
        network = Network(("10.0.0.0/24",), ("22/tcp",), viewpoint="internet")
        asset = Asset(
            "z-first",
            "db.example.org",
            Access(ssh=Ssh(user="audit", port=2222, known_hosts=("a", "b"))),
            network,
            owner=HOSTILE,
            criticality=Criticality(1, 5, 3),
            tags={"team": "db"},
            groups=("g",),
        )
        cloud = Asset("a-last", access=Access(aws=Aws(regions=("eu-central-1",))))
        findings = [fail("ssh", HOSTILE, observed=HOSTILE, expected="no", detail=HOSTILE, weakness=1 / 3), ok("users")]
        visits = [visit(asset, findings, 0), visit(cloud, [unknown("ssh"), not_applicable("both")], 0)]
        run = begun("run-0")
        register.begin(run)
        for visited, evidence in visits:
            register.store(run.id, visited, evidence)
        finished = pipeline.finish(run, [visited for visited, _ in visits], Policy(), "partial")
        register.finish(finished)
        assert register.run("run-0") == finished
        assert [one.asset.id for one in register.run("run-0").visited] == ["z-first", "a-last"]

    def test_evidence_comes_out_as_it_went_in(self, register: Register) -> None:
        record(register, 0, {"a": [fail("ssh")]})
        record(register, 1, {"a": [fail("ssh")]})
        for day in (0, 1):
            assert register.evidence(f"run-{day}", "a") == visit("a", [], day)[1]
        assert register.evidence("run-0", "b") is None

    def test_a_large_answer_that_stays_the_same_is_kept_once(self, register: Register) -> None:
        for day in range(4):
            record(register, day, {"a": [fail("ssh")], "b": [fail("ssh")]})
        with register.database.engine.connect() as connection:
            sizes = [len(body) for body in connection.scalars(sa.select(tables.contents.c.body))]
        # the controls, the findings, the large answer: once each; what every visit of an asset says anew: eight times
        assert len(sizes) == 3 + 4

    def test_runs_are_listed_newest_first(self, register: Register) -> None:
        assert register.runs(5) == []
        for day in range(3):
            record(register, day, {"a": [fail("ssh"), unknown("users")], "b": [ok("ssh")]})
        newest, older = register.runs(2)
        assert (newest.id, older.id) == ("run-2", "run-1")
        assert (newest.assets, newest.failed, newest.unknown, newest.state) == (2, 1, 1, "complete")
        assert newest.started_at == FIRST_DAY + timedelta(days=2)
        assert newest.score == register.run("run-2").organisation.score > 0

    def test_a_run_is_found_by_the_beginning_of_its_id(self, register: Register) -> None:
        with pytest.raises(UsageError, match="no run is recorded"):
            register.run("latest")
        for name, day in (("2026a", 0), ("2026b", 1), ("2026b-more", 2), ("50%_off", 3)):
            record(register, day, {"a": [ok("ssh")]}, name)
        assert register.run("2026a").id == "2026a"
        assert register.run("2026b-").id == "2026b-more"
        assert register.run("2026b").id == "2026b"
        assert register.run("50%_").id == register.run("latest").id == "50%_off"
        with pytest.raises(UsageError, match="several"):
            register.run("2026")
        for wrong in ("nothing", "%", "2026_"):
            with pytest.raises(UsageError, match="there is no run"):
                register.run(wrong)

    def test_the_latest_run_is_a_finished_one_where_there_is_one(self, register: Register) -> None:
        register.begin(begun("run-0"))
        assert register.run("latest").id == "run-0"
        record(register, 1, {"a": [ok("ssh")]})
        register.begin(begun("run-2", 2))
        assert register.run("latest").id == "run-1"

    def test_a_run_that_broke_off_goes_on_where_it_was(self, register: Register, url: str) -> None:
        run = begun("run-0")
        register.begin(run)
        visits = {name: visit(name, [fail("ssh")], 0) for name in "abcd"}
        for name in "ca":
            register.store(run.id, *visits[name])
        again = open_register(url)
        (summary,) = again.unfinished()
        assert (summary.id, summary.state, summary.assets, summary.failed) == ("run-0", "running", 2, 2)
        held = again.run(summary.id)
        assert {one.asset.id for one in held.visited} == {"a", "c"}
        assert (held.controls, held.state) == (CONTROLS, "running")
        again.begin(run)
        for name in "bd":
            again.store(run.id, *visits[name])
        finished = pipeline.finish(held, [visits[name][0] for name in "abcd"], Policy(), "complete")
        again.finish(finished)
        assert again.run("run-0") == finished
        assert again.unfinished() == []
        assert changes(again) == ["opened"] * 4
        again.close()

    def test_a_complete_run_of_the_same_inventory_supersedes_those_that_broke_off(self, register: Register) -> None:
        register.begin(begun("old"))
        register.begin(begun("other", 0, inventory="another"))
        record(register, 1, {"a": [ok("ssh")]})
        register.begin(begun("new", 2))
        assert [one.id for one in register.unfinished()] == ["new", "other"]

    def test_what_was_never_begun_cannot_be_stored_or_finished(self, register: Register) -> None:
        with pytest.raises(UsageError, match="never begun"):
            register.store("lost", *visit("a", [], 0))
        with pytest.raises(UsageError, match="never begun"):
            register.finish(begun("lost"))

    # ── the life of a risk ───────────────────────────────────────────────────────────────────────────────────────────

    def test_a_risk_is_new_then_open_then_fixed_then_reopened(self, register: Register) -> None:
        seen = []
        for day, finding in enumerate([fail("ssh"), fail("ssh"), ok("ssh"), ok("ssh"), fail("ssh"), fail("ssh")]):
            record(register, day, {"a": [finding]})
            seen.append(states(register)["a", "ssh", ""])
        assert seen == ["new", "open", "fixed", "fixed", "reopened", "reopened"]
        assert changes(register) == ["opened", "fixed", "reopened"]
        (risk,) = register.risks()
        assert risk.opened_at == FIRST_DAY + timedelta(seconds=1)
        assert risk.changed_at == FIRST_DAY + timedelta(days=4, seconds=1)

    @pytest.mark.parametrize(
        "now",
        [
            [unknown("ssh"), unknown("users")],
            [unknown("ssh", reason="denied"), unknown("users", "bob", "denied"), ok("users", "eve")],
            [unknown("ssh"), ok("users", "eve"), unknown("users", "zoe", "denied")],
            [unknown("ssh"), ok("users", "eve"), fail("users", "(others)", reason="truncated")],
            [ok("both")],
            [],
        ],
        ids=["unreachable", "denied", "a gap elsewhere", "a cut list", "narrowed to another control", "nothing judged"],
    )
    def test_what_was_not_judged_closes_nothing_and_is_stale(self, register: Register, now: list[Finding]) -> None:
        record(register, 0, {"a": [fail("ssh"), fail("users", "bob"), ok("users", "eve")]})
        record(register, 1, {"a": now})
        record(register, 2, {"a": [*now, unknown("of another day")]})
        found = states(register)
        assert (found["a", "ssh", ""], found["a", "users", "bob"]) == ("stale", "stale")
        since = {risk.stale_since for risk in register.risks("a") if risk.state == "stale"}
        assert since == {FIRST_DAY + timedelta(days=1, seconds=1)}
        assert "fixed" not in changes(register)
        record(register, 3, {"a": [fail("ssh"), fail("users", "bob")]})
        assert states(register)["a", "ssh", ""] == "open"
        assert [event.change for _, event in register.events() if event.change not in {"opened", "sealed"}] in (
            [], ["fixed"],
        )  # fmt: skip

    def test_an_asset_that_was_not_visited_keeps_its_risks(self, register: Register) -> None:
        record(register, 0, {"a": [fail("ssh")], "b": [fail("ssh")]})
        record(register, 1, {"b": [ok("ssh")]})
        assert states(register) == {("a", "ssh", ""): "new", ("b", "ssh", ""): "fixed"}

    @pytest.mark.parametrize("now", [[ok("users", "eve")], [not_applicable("users")], [ok("users", "bob")]])
    def test_a_judged_control_closes_what_it_no_longer_finds(self, register: Register, now: list[Finding]) -> None:
        record(register, 0, {"a": [fail("users", "bob")]})
        record(register, 1, {"a": now})
        assert states(register) == {("a", "users", "bob"): "fixed"}
        assert all(event.why for _, event in register.events())

    def test_of_two_baselines_that_disagree_the_failure_counts(self, register: Register) -> None:
        passed = replace(ok("ssh"), baseline="other")
        days = [[fail("ssh"), passed], [passed, fail("ssh")], [ok("ssh"), unknown("ssh")], [unknown("ssh"), ok("ssh")]]
        seen = []
        for day, found in enumerate(days):
            record(register, day, {"a": found})
            seen.append(states(register)["a", "ssh", ""])
        assert seen == ["new", "open", "stale", "stale"]
        assert changes(register) == ["opened"]

    @pytest.mark.fault("R7")
    def test_the_same_facts_twice_change_nothing(self, register: Register) -> None:
        found = [fail("ssh"), fail("users", "bob", weakness=0.5), unknown("both")]
        record(register, 0, {"a": found, "b": found})
        before, told = register.risks(), changes(register)
        record(register, 1, {"a": found, "b": found})
        assert changes(register) == told
        assert [replace(risk, state="new") for risk in register.risks()] == before

    def test_a_value_that_was_observed_never_names_a_risk(self, register: Register) -> None:
        record(register, 0, {"a": [fail("ssh", observed="yes")]})
        record(register, 1, {"a": [fail("ssh", observed="prohibit-password", detail="x", expected="y")]})
        assert changes(register) == ["opened"]
        assert [risk.fingerprint for risk in register.risks()] == [fingerprint("a", "ssh", "")]

    def test_share_service_and_cause_follow_the_last_judgement_without_an_event(self, register: Register) -> None:
        record(register, 0, {"a": [fail("users", "bob", weakness=0.5)]})
        run = begun("run-1", 1)
        register.begin(run)
        register.store(run.id, *visit(Asset("a", service="bank"), [fail("users", "bob", weakness=0.25)], 1))
        (risk,) = register.risks()
        assert (risk.service, risk.weakness, risk.cause, risk.state) == ("bank", 0.25, "users.empty", "open")
        assert changes(register) == ["opened"]

    @pytest.mark.fault("S8")
    def test_a_visit_that_is_older_than_what_is_known_changes_no_risk(self, register: Register) -> None:
        late, early = begun("late", 5), begun("early", 1)
        register.begin(early)
        register.begin(late)
        register.store("late", *visit("a", [ok("ssh")], 5))
        register.store("early", *visit("a", [fail("ssh")], 1))
        assert register.risks() == []
        assert register.run("early").findings[0].outcome is Outcome.FAIL

    def test_hostile_text_is_kept_and_told_apart(self, register: Register) -> None:
        record(register, 0, {"a": [fail("users", HOSTILE), fail("users", HOSTILE + "2")]})
        record(register, 1, {"a": [fail("users", HOSTILE), ok("users", HOSTILE + "2")]})
        assert sorted(states(register).values()) == ["fixed", "open"]

    # ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize(
        ("tampering", "seen"),
        [
            ("UPDATE events SET why = 'nothing to see' WHERE seq = 2", "event 2 is not what was written"),
            ("UPDATE events SET at = '2020' WHERE seq = 1", "event 1 is not what was written"),
            ("DELETE FROM events WHERE seq = 2", "events 2 to 2 are missing"),
            ("DELETE FROM events WHERE seq = 5", "the end of the chain is missing"),
            ("DELETE FROM events", "the end of the chain is missing"),
            ("UPDATE risks SET state = 'fixed' WHERE control = 'users'", "is fixed, but its events say open"),
            ("UPDATE risks SET subject = 'eve' WHERE control = 'users'", "is not about what it was about"),
            ("DELETE FROM risks WHERE control = 'users'", "is missing itself"),
            ("DELETE FROM chain", "the end of the chain is missing"),
            (
                "UPDATE visits SET findings = (SELECT findings FROM visits WHERE run = 'run-0') WHERE run = 'run-1'",
                "the visits of run run-1: not what was sealed",
            ),
            (
                "UPDATE runs SET body = (SELECT body FROM runs WHERE id = 'run-0') WHERE id = 'run-1'",
                "the record of run run-1: not what was sealed",
            ),
            ("DELETE FROM visits WHERE run = 'run-0'", "the visits of run run-0: not what was sealed"),
            (
                "UPDATE contents SET body = (SELECT body FROM contents WHERE digest = (SELECT findings FROM visits "
                "WHERE run = 'run-0')) WHERE digest = (SELECT findings FROM visits WHERE run = 'run-1')",
                "what run run-1 found on a: not what was written",
            ),
            (
                "UPDATE contents SET body = (SELECT body FROM contents WHERE digest = (SELECT findings FROM visits "
                "WHERE run = 'run-0')) WHERE digest = (SELECT controls FROM runs WHERE id = 'run-1')",
                "the controls of run run-1: not what was written",
            ),
            (
                "UPDATE contents SET body = (SELECT body FROM contents WHERE digest = (SELECT findings FROM visits "
                "WHERE run = 'run-0')) WHERE digest = (SELECT evidence FROM visits WHERE run = 'run-1')",
                "the answers of a in run run-1: not what was written",
            ),
            ("UPDATE risks SET opened_at = '2030-01-01' WHERE control = 'users'", "opened_at is 2030-01-01, but"),
            ("UPDATE risks SET opened_run = 'run-1' WHERE control = 'users'", "opened_run is run-1, but"),
            ("UPDATE risks SET changed_at = opened_at WHERE control = 'ssh'", "changed_at is"),
            ("UPDATE risks SET reopened = 7 WHERE control = 'users'", "reopened is 7, but its events say 0"),
            ("UPDATE risks SET weakness = 0.01 WHERE control = 'users'", "is not as the last visit of a left it"),
            ("UPDATE risks SET service = 'none' WHERE control = 'users'", "is not as the last visit of a left it"),
            ("UPDATE risks SET cause = 'other' WHERE control = 'users'", "is not as the last visit of a left it"),
            ("UPDATE risks SET baseline = 'x' WHERE control = 'users'", "is not as the last visit of a left it"),
            ("UPDATE risks SET stale_since = '2020' WHERE control = 'users'", "is not as the last visit of a left it"),
            ("UPDATE assets SET run = 'run-0'", "is not as the last visit of a left it"),
            ("UPDATE assets SET judged_at = '2030'", "a was judged at 2030, but its last visit says"),
            ("UPDATE assets SET run = 'run-9'", "the last visit of a is missing"),
            ("UPDATE runs SET score = 0.5 WHERE id = 'run-1'", "run run-1: its score is not what was written"),
            ("UPDATE runs SET started_at = '2030' WHERE id = 'run-1'", "run run-1: its started_at is not what"),
            (
                "UPDATE visits SET failed = 0 WHERE run = 'run-0'",
                "what is counted of run run-0 on a is not what it found",
            ),
        ],
    )
    @pytest.mark.fault("S12")
    def test_tampering_is_seen(self, url: str, tampering: str, seen: str) -> None:
        register = open_register(url)
        record(register, 0, {"a": [fail("ssh"), fail("users", "bob")]})
        record(register, 1, {"a": [ok("ssh"), fail("users", "bob")]})
        assert register.verify() == []
        with register.database.engine.begin() as connection:
            connection.execute(sa.text(tampering))
        assert any(seen in fault for fault in register.verify())
        register.close()

    @pytest.mark.fault("S12")
    def test_an_event_that_was_given_a_fitting_hash_of_its_own_breaks_the_next(self, register: Register) -> None:
        for day, finding in enumerate([fail("ssh"), ok("ssh"), fail("ssh")]):
            record(register, day, {"a": [finding]})
        (_, first), (_, second), *_ = register.events()
        forged, honest = replace(first, why="forged"), tables.events.c.seq == 1
        with register.database.engine.begin() as connection:
            was = connection.execute(sa.select(tables.events).where(honest)).one()
            new = forged.hash_after(1, bytes(32))
            connection.execute(tables.events.update().where(honest).values(why="forged", hash=new))
        assert register.verify() == ["event 2 is not what was written"]
        assert second.hash_after(2, new) != second.hash_after(2, bytes(was.hash))
        with register.database.engine.begin() as connection:
            connection.execute(tables.events.update().where(honest).values(why=was.why, hash=was.hash))

    def test_a_chain_that_was_written_anew_does_not_lead_to_the_head_that_was_printed(self, register: Register) -> None:
        record(register, 0, {"a": [fail("ssh")]})
        printed = register.head()
        record(register, 1, {"a": [fail("ssh"), fail("users", "bob")]})
        assert register.verify(printed) == []
        assert register.verify("ab" * 32) == ["the head that was noted earlier is not part of the chain"]

    def test_what_is_last_known_to_fail_still_counts_in_the_score(self, register: Register) -> None:
        first = record(register, 0, {"a": [fail("ssh"), fail("users", "bob", weakness=0.5)], "b": [fail("ssh")]})
        second = record(register, 1, {"a": [unknown("ssh"), unknown("users")], "b": [ok("ssh")]})
        assert second.organisation.expected_loss == 0
        asset, now = second.visited[0].asset, second.visited[0].findings
        counted = with_last_known(now, register.last_known("a"))
        assert score_asset(asset, counted, CONTROLS, Policy()).expected_loss == first.visited[0].score.expected_loss > 0
        assert register.last_known("b") == []

    # ── the database ─────────────────────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.fault("S3")
    def test_one_run_at_a_time_holds_the_lock(self, register: Register, url: str) -> None:
        other = open_register(url)
        with register.lock(), pytest.raises(LockedError), other.lock():
            pytest.fail("two held the lock")
        with other.lock():
            assert other.runs() == []  # who holds it can work
        other.close()

    def test_writers_at_once_lose_nothing(self, register: Register, url: str) -> None:
        """Each writer has a run of its own over assets of its own, and all of them share one asset."""
        writers, days = 4, 5
        broken: list[BaseException] = []

        def write(writer: int) -> None:
            try:
                mine = open_register(url)
                for day in range(days):
                    run = begun(f"run-{writer}-{day}", day)
                    mine.begin(run)
                    for asset in (f"own-{writer}", "shared"):
                        found = [fail("ssh") if day % 2 == 0 else ok("ssh"), fail("users", f"u{writer}-{day}")]
                        mine.store(run.id, *visit(asset, found, day * 10 + writer))
                mine.close()
            except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
                broken.append(error)

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert broken == []
        assert [run.assets for run in register.runs(100)] == [2] * (writers * days)
        own = [
            event.change
            for _, event in register.events("own-2")
            if event.fingerprint == fingerprint("own-2", "ssh", "")
        ]
        assert own == ["opened", "fixed", "reopened", "fixed", "reopened"]
        assert register.verify() == []

    def test_several_that_open_an_empty_place_at_once_make_its_tables_once(self, url: str) -> None:
        script = "import sys; from scanner.register import open_register; print(open_register(sys.argv[1]).runs())"
        command = [sys.executable, "-c", script, url]
        children = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
        ]
        assert [child.communicate(timeout=60) for child in children] == [("[]\n", "")] * 4

    def test_the_migrations_give_the_tables_that_the_program_uses(self, register: Register) -> None:
        assert ScriptDirectory.from_config(alembic_settings()).get_current_head() == tables.HEAD
        with register.database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
            settings = alembic_settings()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")  # once more changes nothing

    @pytest.mark.fault("S5")
    def test_a_newer_schema_is_refused(self, register: Register, url: str) -> None:
        with register.database.engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(UsageError, match="newer Riskline"):
            open_register(url)

    def test_tables_of_another_program_are_left_alone(self, url: str) -> None:
        register = open_register(url)
        with register.database.engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE alembic_version"))
        register.close()
        with pytest.raises(UsageError, match="another program"):
            open_register(url)

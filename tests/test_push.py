"""Push: what is sent arrives once, whatever becomes of the answers, and what does not arrive as sent is said."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reports import cisoassistant as ciso_report
from reports import defectdojo as dojo_report
from scanner.cli import push as verb
from scanner.errors import PushError, UsageError
from scanner.model import Outcome, Run
from scanner.push import cisoassistant, defectdojo
from scanner.push.wire import Wire
from scanner.register import open_register
from scanner.secrets import Secret

from .push_server import LABELS, TOKEN, Estate, Server, serve
from .run_of import borne, controls, remembered, run_of

DOJO = defectdojo.Place("Estate")
CISO = cisoassistant.Place("IT", "Servers")


@pytest.fixture
def server() -> Iterator[Server]:
    estate = Estate()
    estate.add("folders", name="IT")
    estate.add("perimeters", name="Servers")
    levels = [{"name": label} for label in LABELS]
    definition = json.dumps({"probability": levels, "impact": levels})
    urn = f"urn:intuitem:risk:matrix:{cisoassistant.MATRIX}"
    estate.add("risk-matrices", name="5x5", urn=urn, json_definition=definition)
    server = serve(estate)
    yield server
    server.shutdown()
    server.server_close()


def wire(server: Server, timeout_s: float = 1.5, pause_s: float = 1) -> Wire:
    return Wire(server.url, Secret(TOKEN, "env:TOKEN"), timeout_s, pause_s=pause_s)


def to_dojo(server: Server, run: Run, **of: float) -> str:
    report = dojo_report.render(run)
    return defectdojo.push(wire(server, **of), DOJO, run.id, report, json.loads(report)["findings"], lambda _: None)


def to_ciso(server: Server, run: Run, **of: float) -> str:
    return cisoassistant.push(wire(server, **of), CISO, ciso_report.render(run), lambda _: None)


def mended(run: Run, id: str = "20260401T120000Z-0002") -> Run:
    """A later run in which all that failed passes."""
    return replace(
        run,
        id=id,
        visited=tuple(
            replace(
                one,
                findings=tuple(
                    replace(f, outcome=Outcome.PASS) if f.outcome is Outcome.FAIL else f for f in one.findings
                ),
            )
            for one in run.visited
        ),
    )


def active(server: Server) -> int:
    return sum(one["active"] for one in server.estate.rows("findings"))


# ── DefectDojo ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dojo_new_same_closed_and_back_again(server: Server) -> None:
    run = run_of()
    to_dojo(server, run)
    sent = len(json.loads(dojo_report.render(run))["findings"])
    assert len(server.estate.rows("findings")) == active(server) == sent
    to_dojo(server, replace(run, id="later-1"))
    assert len(server.estate.rows("findings")) == active(server) == sent
    to_dojo(server, mended(run))
    failed = sum(one.outcome is Outcome.FAIL for one in run.findings)
    assert active(server) == sent - failed
    to_dojo(server, replace(run, id="later-2"))
    assert len(server.estate.rows("findings")) == active(server) == sent
    assert [len(server.estate.rows(name)) for name in ("products", "engagements", "tests")] == [1, 1, 1]


def test_dojo_gets_no_service_and_keeps_what_is_not_judged(server: Server) -> None:
    to_dojo(server, run_of())
    (form,) = server.estate.posts
    assert "service" not in form
    assert (form["minimum_severity"], form["close_old_findings"]) == ("Info", "true")


def test_a_run_that_is_there_is_not_sent_again(server: Server) -> None:
    to_dojo(server, run_of())
    to_dojo(server, run_of())
    assert len(server.estate.posts) == 1


def test_dojo_that_answers_too_late_is_looked_up_and_not_asked_twice(server: Server) -> None:
    server.estate.fault = "slow"
    assert "as sent" in to_dojo(server, run_of(), pause_s=0.1)
    assert len(server.estate.posts) == len(server.estate.rows("tests")) == 1


@pytest.mark.parametrize("fault", ["refused", "moved", "broken"])
def test_a_refusal_is_said_and_the_next_push_goes_on(server: Server, fault: str) -> None:
    server.estate.fault = fault
    with pytest.raises(PushError):
        to_dojo(server, run_of(), pause_s=0)
    server.estate.fault = ""
    to_dojo(server, run_of())
    assert len(server.estate.rows("tests")) == 1


def test_dojo_refuses_a_file_with_an_unknown_key(server: Server) -> None:
    document = json.loads(dojo_report.render(run_of()))
    document["findings"][0]["root_cause"] = "ssh"
    with pytest.raises(PushError, match="400"):
        defectdojo.push(wire(server), DOJO, "r", json.dumps(document).encode(), document["findings"], lambda _: None)


@pytest.mark.parametrize("change", [{"severity": "Info"}, {"active": False}, {"title": "else"}, {"verified": False}])
def test_what_stands_otherwise_in_dojo_is_said(server: Server, change: dict[str, Any]) -> None:
    to_dojo(server, run_of())
    server.estate.rows("findings")[0].update(change)
    with pytest.raises(PushError, match="not what was sent"):
        to_dojo(server, run_of())


def test_two_tests_of_one_title_are_refused(server: Server) -> None:
    to_dojo(server, run_of())
    server.estate.add("tests", **{k: v for k, v in server.estate.rows("tests")[0].items() if k != "id"})
    with pytest.raises(PushError, match="keep one"):
        to_dojo(server, replace(run_of(), id="later"))


def test_dojo_accepts_what_is_accepted_here_and_opens_it_again_when_that_ends(server: Server) -> None:
    to_dojo(server, run_of())
    whole = active(server)
    to_dojo(server, borne(replace(run_of(), id="later-1"), "valid"))
    (one,) = [row for row in server.estate.rows("findings") if row["risk_accepted"]]
    assert active(server) == whole - 1
    assert "Accepted until 2026-09-20 by Anna, approved by Bert: Goes in May" in one["severity_justification"]
    to_dojo(server, borne(replace(run_of(), id="later-2"), "expired"))
    assert active(server) == whole
    assert not any(row["risk_accepted"] for row in server.estate.rows("findings"))


def test_dojo_that_may_not_accept_is_said_with_the_remedy_and_the_next_push_goes_on(server: Server) -> None:
    to_dojo(server, run_of())
    server.estate.simple_acceptance = False
    run = borne(replace(run_of(), id="later-1"), "valid")
    with pytest.raises(PushError, match="allow simple risk acceptance"):
        to_dojo(server, run)
    server.estate.simple_acceptance = True
    to_dojo(server, run)
    assert sum(row["risk_accepted"] for row in server.estate.rows("findings")) == 1


def test_dojo_gets_the_day_by_which_a_cause_is_to_be_dealt_with(server: Server) -> None:
    run = remembered(run_of())
    assert run.history is not None
    to_dojo(server, run)
    days = {row.get("planned_remediation_date") for row in server.estate.rows("findings")} - {None}
    assert days == {f"{one.due}" for one in run.history.charges}


# ── CISO Assistant ───────────────────────────────────────────────────────────────────────────────────────────────────


def counted(server: Server) -> list[int]:
    names = ("assets", "applied-controls", "findings-assessments", "findings", "risk-assessments", "risk-scenarios")
    return [len(server.estate.rows(name)) for name in names]


def test_ciso_gets_every_record_and_none_twice(server: Server) -> None:
    to_ciso(server, run_of())
    first = counted(server)
    assert all(first)
    to_ciso(server, replace(run_of(), id="later"))
    assert counted(server) == first
    again = [one for one in server.estate.posts[4:] if one["X-Model-Type"] in {"FindingsAssessment", "RiskAssessment"}]
    assert all(one["X-On-Conflict"] == "update" and one["X-Target-Id"] for one in again)


def test_ciso_keeps_apart_what_has_the_same_words(server: Server) -> None:
    """The wizard looks by ref_id, then by name: two causes, and two findings of one asset, of one title."""
    known = controls()
    first, second = list(known)[:2]
    same = {**known, second: replace(known[second], title=known[first].title, why=known[first].why)}
    run = run_of(known=same)
    to_ciso(server, run)
    with zipfile.ZipFile(io.BytesIO(ciso_report.render(run))) as archive:
        for file in archive.namelist():
            rows = list(csv.DictReader(io.StringIO(archive.read(file).decode(), newline="")))
            assert len({row["name"] for row in rows}) == len(rows), file
    titles = [one["name"] for one in server.estate.rows("applied-controls")]
    assert sum(title.startswith(known[first].title) for title in titles) == 2


def test_ciso_resolves_what_passed(server: Server) -> None:
    to_ciso(server, run_of())
    to_ciso(server, mended(run_of()))
    assert {one["status"] for one in server.estate.rows("findings")} == {"resolved"}


def test_ciso_gets_each_acceptance_as_an_exception_in_its_state(server: Server) -> None:
    to_ciso(server, borne(run_of(), "valid"))
    (one,) = server.estate.rows("security-exceptions")
    assert (one["status"], one["expiration_date"], one["description"]) == ("approved", "2026-09-20", "Goes in May")
    to_ciso(server, borne(run_of(), "expired"))
    assert [row["status"] for row in server.estate.rows("security-exceptions")] == ["expired"]


def test_ciso_treats_as_accepted_only_what_is_accepted_on_every_server(server: Server) -> None:
    to_ciso(server, borne(run_of(), "valid"))
    said = {row["ref_id"]: row["treatment"] for row in server.estate.rows("risk-scenarios")}
    run = borne(run_of(), "valid")
    failed = next(f for f in run.findings if f.outcome is Outcome.FAIL)
    cause = run.controls[failed.baseline, failed.control].cause
    alone = sum(run.controls[f.baseline, f.control].cause == cause for f in run.findings if f.outcome is Outcome.FAIL)
    assert list(said.values()).count("accept") == (alone == 1)


@pytest.mark.parametrize("fault", ["slow", "half"])
def test_ciso_without_an_answer_is_resumed_and_makes_nothing_twice(server: Server, fault: str) -> None:
    server.estate.fault = fault
    if fault == "half":
        with pytest.raises(PushError, match="run the same command again"):
            to_ciso(server, run_of(), pause_s=0)
        assert len(server.estate.posts) == 1
    else:
        to_ciso(server, run_of(), pause_s=0.1)
    server.estate.fault = ""
    to_ciso(server, run_of())
    whole = counted(server)
    to_ciso(server, run_of())
    assert counted(server) == whole
    assert (whole[2], whole[4]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("risk-scenarios", {"current_impact": {"name": "--"}}),
        ("risk-scenarios", {"assets": []}),
        ("risk-scenarios", {"treatment": "accept"}),
        ("findings", {"severity": "undefined"}),
        ("findings", {"status": "confirmed"}),
        ("findings", {"asset": None}),
        ("findings", {"observation": "else"}),
        ("assets", {"name": "else"}),
        ("applied-controls", {"effort": "XL"}),
        ("applied-controls", {"ref_id": "gone"}),
    ],
)
def test_every_field_is_read_back(server: Server, name: str, change: dict[str, Any]) -> None:
    to_ciso(server, run_of())
    archive, listed = ciso_report.render(run_of()), server.estate.rows(name)
    listed[0].update(change)
    model = next(one for one, path in cisoassistant.LISTS.items() if path == f"/api/{name}/")
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        file = next(one for one in opened.namelist() if one[2:] == f"{model}.csv")
        rows = list(csv.DictReader(io.StringIO(opened.read(file).decode(), newline="")))
    folder = str(server.estate.rows("folders")[0]["id"])
    parent = cisoassistant._parent(wire(server), CISO, model, folder)
    with pytest.raises(PushError, match="not what was sent"):
        cisoassistant._hold(wire(server), model, rows, parent, folder)


@pytest.mark.parametrize(("column", "value"), [("High", "major"), ("critical", "Critical")])
def test_what_the_wizard_drops_with_status_200_is_noticed(server: Server, column: str, value: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ciso_report.render(run_of()))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            wrong = name.startswith("3" if column == "critical" else "4")
            body = old.read(name).decode()
            new.writestr(name, body.replace(f",{column},", f",{value},") if wrong else body)
    with pytest.raises(PushError, match="not what was sent"):
        cisoassistant.push(wire(server), CISO, out.getvalue(), lambda _: None)


def test_a_matrix_with_other_labels_is_refused_before_anything_is_sent(server: Server) -> None:
    levels = [{"name": label} for label in ("rare", "likely")]
    server.estate.rows("risk-matrices")[0]["json_definition"] = {"probability": levels, "impact": levels}
    with pytest.raises(PushError, match="other labels"):
        to_ciso(server, run_of())
    assert server.estate.posts == []


def test_an_unknown_domain_or_two_assessments_of_one_name_are_refused(server: Server) -> None:
    folder = server.estate.rows("folders")[0]["id"]
    for _ in range(2):
        server.estate.add("findings-assessments", name="Riskline", folder={"id": str(folder)})
    with pytest.raises(PushError, match="keep one"):
        to_ciso(server, run_of())
    server.estate.rows("folders").clear()
    with pytest.raises(PushError, match="domain 'IT'"):
        to_ciso(server, run_of())


# ── the wire and the verb ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("url", ["http://dojo.example.org", "ftp://x", "https://u:p@x", "https://x/?a=1", "x"])
def test_a_token_goes_over_https_only(url: str) -> None:
    with pytest.raises(UsageError, match="--url"):
        Wire(url, Secret(TOKEN, "env:TOKEN"))


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"], ids=["head", "body"])
@pytest.mark.timeout(30)
def test_an_answer_that_drips_without_end_is_given_up(begin: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def drip() -> None:
            peer, _ = door.accept()
            with peer, contextlib.suppress(OSError):
                peer.sendall(begin or b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    peer.sendall(b"1")
                    time.sleep(0.02 if not begin else 0.05)

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        with pytest.raises(PushError, match="no answer"):
            Wire(url, Secret(TOKEN, "env:TOKEN"), 0.2).send("GET", "/x")
        dripping.join(5)
        assert not dripping.is_alive(), "the connection is shut, not left to the peer"


def test_a_wrong_token_is_named_and_never_shown(server: Server) -> None:
    with pytest.raises(PushError, match="is the token right") as caught:
        Wire(server.url, Secret("wrong-secret", "env:TOKEN")).rows("/api/folders/")
    assert "wrong-secret" not in str(caught.value)


def test_the_verb_sends_a_recorded_run_and_refuses_half_a_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOJO_TOKEN", TOKEN)
    database = str(tmp_path / "register.db")
    register = open_register(database)
    for run in (run_of(), replace(run_of(), id="20260302T120000Z-0002", state="partial")):
        register.begin(run)
        for one in run.visited:
            register.store(run.id, one, None)
        register.finish(run)
    register.close()
    asked = ["defectdojo", "--url", server.url, "--token", "env:DOJO_TOKEN", "--product", "P", "--register", database]
    done = CliRunner().invoke(verb.push, [*asked, "20260301T120000Z-0001"])
    assert done.exit_code == 0, done.output
    assert "stand in P, Riskline, as sent" in done.output
    assert TOKEN not in done.output
    half = CliRunner().invoke(verb.push, [*asked, "20260302T120000Z-0002"])
    assert isinstance(half.exception, UsageError)
    assert "partial" in str(half.exception)
    literal = CliRunner().invoke(verb.push, [*asked[:4], TOKEN, *asked[5:]])
    assert isinstance(literal.exception, UsageError)
    assert TOKEN not in str(literal.exception)
    assert len(server.estate.posts) == 1

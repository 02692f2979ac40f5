"""`riskline gate` on recorded runs: what it compares, what it answers, and what it keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scanner.catalogue import Catalogue
from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.gate import GatePolicy
from scanner.model import Asset, Finding, Inventory, Outcome
from scanner.pipeline import finish, new_run
from scanner.plan import make_plan
from scanner.policy_file import read_as
from scanner.register import open_register
from scanner.score import Policy

from .decisions_contract import today
from .recorded import record_example
from .test_attestations import BASELINE, SAID

ROOT = Path(__file__).parent.parent
NEW = [Finding("lab-9", "b", "samba", "", Outcome.FAIL)]
Gate = Callable[..., Result]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "register.db")


@pytest.fixture
def gate(url: str) -> Gate:
    def run(*words: str, change: str = "CHG-1") -> Result:
        held = [] if words and not words[0].startswith("-") else ["latest"]
        asked = ["--register", url, "--who", "anna", "--change", change]
        found = CliRunner().invoke(riskline, ["gate", *held, *asked, *words])
        if isinstance(found.exception, UsageError):
            raise found.exception
        return found

    return run


def test_a_change_that_changed_nothing_is_approved_and_kept(url: str, gate: Gate) -> None:
    record_example(url, "before")
    record_example(url, "after")
    said = gate()
    assert (said.exit_code, said.output.splitlines()[0]) == (0, "CHG-1: approve")
    assert "Run after held against before, 6 assets." in said.output
    register = open_register(url)
    (kept,) = register.answers()
    assert (kept.change, kept.answer, kept.run, kept.against, kept.who) == (
        "CHG-1",
        "approve",
        "after",
        "before",
        "anna",
    )
    assert register.verify() == []
    assert not register.treatments()
    register.close()


def test_what_is_new_blocks_with_its_reason_and_the_exit_code_says_so(url: str, gate: Gate) -> None:
    record_example(url, "before")
    record_example(url, "after", {"lab-9": NEW})
    said = gate()
    assert said.exit_code == 1
    assert "lab-9: no longer true that “samba”" in said.output
    assert "new (1)" in said.output
    told = json.loads(gate("--format", "json").output)
    assert (told["answer"], told["counts"]["new"], told["counts"]["unchanged"]) == ("block", 1, 9)
    assert told["loss_after"] > told["loss_before"]


def test_a_written_policy_decides_and_its_mistakes_have_lines(url: str, gate: Gate, tmp_path: Path) -> None:
    record_example(url, "before")
    record_example(url, "after", {"lab-9": NEW})
    policy = tmp_path / "gate.yaml"
    policy.write_text("block: {new_loss: 1000}\nreview: {new_loss: 0.01}\n")
    assert gate("--policy", str(policy)).exit_code == 3
    policy.write_text("block: {}\nreview: {}\n")
    assert gate("--policy", str(policy)).exit_code == 0
    policy.write_text("block:\n  new_los: 1\n")
    with pytest.raises(UsageError, match=r"gate.yaml:2: .*did you mean 'new_loss'"):
        gate("--policy", str(policy))


def test_it_is_held_against_the_last_run_that_was_approved(url: str, gate: Gate) -> None:
    """A block does not become the new normal by asking once more after the next scan."""
    record_example(url, "one")
    record_example(url, "two")
    assert gate().exit_code == 0
    record_example(url, "three", {"lab-9": NEW})
    assert gate().exit_code == 1
    record_example(url, "four", {"lab-9": NEW})
    assert "Run four held against two" in gate().output
    assert gate("--against", "three").exit_code == 0
    record_example(url, "five", {"lab-9": NEW})
    assert "Run five held against four" in gate().output
    assert "Run three held against two" in gate("three").output


def test_an_asset_that_was_not_visited_blocks_unless_the_limit_leaves_it_out(url: str, gate: Gate) -> None:
    record_example(url, "before")
    record_example(url, "after", without=["db-1", "fs-1", "jump-1", "lab-9"])
    said = gate()
    assert (said.exit_code, "db-1 was not visited" in said.output) == (1, True)
    assert gate("--limit", "web-*").exit_code == 0
    assert gate("--limit", "webshop").exit_code == 1
    assert gate("--limit", "db-1").exit_code == 1
    with pytest.raises(UsageError, match="neither run visited"):
        gate("--limit", "moon")


def test_one_page_tells_of_the_change_for_people_and_for_a_ticket(url: str, gate: Gate, tmp_path: Path) -> None:
    record_example(url, "before")
    blind = [Finding("fs-1", "b", name, "", Outcome.UNKNOWN, "unreachable") for name in ("samba", "smb-signing")]
    record_example(url, "after", {"lab-9": NEW, "fs-1": blind})
    html, ticket = tmp_path / "change.html", tmp_path / "change.md"
    said = gate("--output", str(html), "--output", str(ticket))
    assert said.exit_code == 1
    counts = re.search(r"(\d+) new, (\d+) fixed, (\d+) unchanged, (\d+) unknown, (\d+) blind", said.output)
    assert counts is not None
    assert (counts[1], counts[2], counts[5]) == ("1", "0", "2")
    page = html.read_text()
    for part in ("CHG-1: block", "must not go ahead", "lab-9: samba (samba)", "<dt>unknown</dt>", "unreachable"):
        assert part in page
    assert "http" not in page.replace("http-equiv", "")
    text = ticket.read_text()
    assert text.startswith("# CHG-1: block\n")
    assert "## Can no longer be judged \\(2\\)" in text or "## Can no longer be judged (2)" in text
    assert "anna" in text
    with pytest.raises(UsageError, match="end the name in one of"):
        gate("--output", str(tmp_path / "change.exe"))


def test_two_evidence_files_are_held_against_each_other_and_the_answer_is_kept_here(
    url: str, gate: Gate, tmp_path: Path
) -> None:
    record_example(url, "before")
    record_example(url, "after", {"lab-9": NEW})
    files = [str(tmp_path / f"{name}.db") for name in ("before", "after")]
    for file in files:
        done = CliRunner().invoke(riskline, ["db", "extract", Path(file).stem, file, "--register", url])
        assert done.exit_code == 0, done.output
        assert CliRunner().invoke(riskline, ["db", "check", "--register", file]).exit_code == 0
    elsewhere = str(tmp_path / "elsewhere.db")
    words = ["gate", files[1], "--against", files[0], "--change", "CHG-7", "--register", elsewhere, "--who", "anna"]
    said = CliRunner().invoke(riskline, words)
    assert (said.exit_code, "Run after held against before" in said.output) == (1, True)
    register = open_register(elsewhere)
    (kept,) = register.answers()
    assert (kept.change, kept.answer, kept.run, kept.against) == ("CHG-7", "block", "after", "before")
    assert register.verify() == []
    register.close()
    listed = CliRunner().invoke(riskline, ["register", "changes", "CHG-7", "--register", elsewhere])
    assert listed.output.startswith("CHG-7: block\n")
    assert "anna: run after held against before" in listed.output
    assert (
        "never asked about CHG-8"
        in CliRunner().invoke(riskline, ["register", "changes", "CHG-8", "--register", elsewhere]).output
    )
    same = CliRunner().invoke(riskline, ["diff", *files, "--register", elsewhere, "--verdicts"])
    assert "new (1)" in same.output
    register, copy = open_register(url), open_register(files[1])
    assert copy.run("latest") == register.run("after")
    for one in copy.run("latest").visited:
        assert copy.evidence("after", one.asset.id) == register.evidence("after", one.asset.id)
    register.close()
    copy.close()


def test_the_later_of_two_runs_of_one_second_is_the_last(url: str) -> None:
    plan = make_plan(Inventory("i", (Asset("a"),)), Catalogue(()), (), ())
    register = open_register(url)
    ids = []
    for _ in range(20):  # ids end in four letters of chance: their order would be right by accident once in a million
        run = new_run(plan, Policy())
        register.begin(run)
        register.finish(finish(run, [], Policy(), "complete"))
        ids.append(run.id)
    assert [one.id for one in register.runs(20)] == ids[::-1]
    assert register.run("latest").id == ids[-1]
    register.close()


def test_what_went_blind_is_reviewed_and_does_not_look_cheaper(url: str, gate: Gate) -> None:
    record_example(url, "before")
    blind = [Finding("fs-1", "b", name, "", Outcome.UNKNOWN, "unreachable") for name in ("samba", "smb-signing")]
    record_example(url, "after", {"fs-1": blind})
    told = json.loads(gate("--format", "json").output)
    assert (told["answer"], told["counts"]["blind"]) == ("review", 2)
    assert told["loss_after"] == told["loss_before"]


def test_a_dry_run_keeps_nothing(url: str, gate: Gate) -> None:
    record_example(url, "before")
    record_example(url, "after")
    gate("--dry-run")
    register = open_register(url)
    assert register.answers() == []
    register.close()


def test_there_has_to_be_something_to_hold_it_against(url: str, gate: Gate) -> None:
    record_example(url, "only")
    with pytest.raises(UsageError, match="there is no run before only"):
        gate()
    with pytest.raises(UsageError, match="against itself"):
        gate("--against", "only")


@pytest.mark.parametrize("change", ["", "two words", "a\nb", "x" * 81, "-f"])
def test_an_id_that_could_be_anything_else_is_refused(url: str, gate: Gate, change: str) -> None:
    with pytest.raises(UsageError, match="--change"):
        gate(change=change)


def test_runs_of_one_second_keep_their_order(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("board.yaml").write_text(BASELINE)
    Path("inventory.yaml").write_text("version: 1\nassets: {acme: {access: organisation}}\n")
    words = ["scan", "--inventory", "inventory.yaml", "--baseline", "board.yaml", "--register", url]
    ids: list[str] = []
    for _ in range(6):
        CliRunner().invoke(riskline, words)
        ids.append(*{one.id for one in open_register(url).runs()} - set(ids))
    assert [one.id for one in open_register(url).runs()] == ids[::-1]


def test_without_a_run_it_scans_now_and_holds_that_against_the_run_before(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("board.yaml").write_text(BASELINE)
    Path("inventory.yaml").write_text(
        "version: 1\nassets: {acme: {access: organisation}, emca: {access: organisation}}\n"
    )
    asked = ["--inventory", "inventory.yaml", "--baseline", "board.yaml", "--register", url]

    def answered(word: str, *words: str) -> Result:
        until = today() + timedelta(days=300)
        said = [SAID % (asset, word, today(), until, "") for asset in ("acme", "emca")]
        Path("attestations.yaml").write_text("attestations:\n" + "".join(f"  - {line}\n" for line in said))
        return CliRunner().invoke(riskline, [*words, *asked])

    assert answered("yes", "scan").exit_code == 0
    assert answered("yes", "gate", "--change", "CHG-1").exit_code == 0
    worse = answered("no", "gate", "--change", "CHG-2", "--limit", "acme")
    assert (worse.exit_code, worse.output.splitlines()[0]) == (3, "CHG-2: review")
    assert "1 assets" in worse.output
    register = open_register(url)
    assert [(one.change, one.answer) for one in register.answers()] == [("CHG-2", "review"), ("CHG-1", "approve")]
    assert [one.assets for one in register.runs()] == [1, 2, 2]
    register.close()
    dry = answered("no", "gate", "--change", "CHG-3", "--dry-run")
    assert isinstance(dry.exception, UsageError)


def test_the_example_is_the_defaults() -> None:
    assert read_as(GatePolicy, ROOT / "gate.example.yaml", "the gate policy") == GatePolicy()

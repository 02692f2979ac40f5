"""What only people can say: answered, expired, for all or for one asset, and never taken for a pass in doubt."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.errors import UsageError
from scanner.evaluate import Judge
from scanner.inventory import read_inventory
from scanner.model import Finding, Outcome
from scanner.plan import make_plan
from scanner.transports import Bounds
from scanner.transports.people import read_attestations

BASELINE = """
id: board
version: "1"
title: What the board is asked
applies_to: {kind: organisation}
controls:
  - id: ORG-01
    title: A restore from backup was tried and worked
    manual: Was a whole service restored from backup within the last year, and did it work?
    why: A backup that was never restored may turn out to be empty on the day it is needed.
    fix: Restore one service into an isolated network and write down how long it took.
    root_cause: organisation.restore-test
    references: {nist-800-53: CP-4}
"""
SAID = "{asset: %s, control: ORG-01, answer: %s, who: Jane Doe, at: %s, until: %s%s}"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "board.yaml").write_text(BASELINE)
    (tmp_path / "inventory.yaml").write_text("version: 1\nassets: {acme: {access: organisation}}\n")
    return tmp_path


def judged(place: Path, *said: str, on: str = "2026-06-01") -> Finding:
    if said:
        (place / "attestations.yaml").write_text("attestations:\n" + "".join(f"  - {line}\n" for line in said))
    plan = make_plan(read_inventory(place / "inventory.yaml"), Catalogue((), (place / "board.yaml",)), ["board"])
    (found,) = collect(plan.assets, Bounds())
    then = datetime.fromisoformat(on).replace(tzinfo=UTC)
    (finding,) = Judge().findings(found.planned, replace(found.evidence, collected_at=then))
    return finding


def test_an_unanswered_question_is_unknown_and_asks(place: Path) -> None:
    found = judged(place)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "not-attested")
    assert found.detail.startswith("Was a whole service restored")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("yes", Outcome.PASS), ("no", Outcome.FAIL), ("not-applicable", Outcome.NOT_APPLICABLE)],
)
def test_an_answer_counts_while_it_holds(place: Path, answer: str, outcome: Outcome) -> None:
    said = SAID % ("acme", answer, "2026-05-01", "2026-10-01", "")
    assert judged(place, said).outcome is outcome
    assert "Jane Doe" in judged(place, said).observed
    for outside in ("2026-04-30", "2026-10-02"):
        late = judged(place, said, on=outside)
        assert (late.outcome, late.reason) == (Outcome.UNKNOWN, "attestation-expired")


def test_the_latest_answer_counts_and_the_assets_own_goes_before_that_for_all(place: Path) -> None:
    own = SAID % ("acme", "no", "2026-01-01", "2026-10-01", "")
    newer = SAID % ("acme", "yes", "2026-05-01", "2026-10-01", "")
    for_all = SAID % ('"*"', "no", "2026-05-20", "2026-10-01", "")
    assert judged(place, own, newer).outcome is Outcome.PASS
    assert judged(place, newer, for_all).outcome is Outcome.PASS
    assert judged(place, for_all).outcome is Outcome.FAIL


def test_evidence_that_was_changed_afterwards_no_longer_proves_anything(place: Path) -> None:
    (place / "report.txt").write_text("restored in 41 minutes")
    digest = hashlib.sha256(b"restored in 41 minutes").hexdigest()
    said = SAID % ("acme", "yes", "2026-05-01", "2026-10-01", f", evidence: report.txt, sha256: {digest}")
    assert judged(place, said).outcome is Outcome.PASS
    (place / "report.txt").write_text("restored in 4 minutes")
    assert judged(place, said).reason == "failed"
    (place / "report.txt").unlink()
    assert judged(place, said).reason == "failed"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (SAID % ("acme", "yes", "2026-05-01", "2028-05-01", ""), "within 400 days"),
        (SAID % ("acme", "yes", "2026-05-01", "2026-04-01", ""), "within 400 days"),
        (SAID % ("acme", "yes", "May", "2026-10-01", ""), "YYYY-MM-DD"),
        (SAID % ("acme", "perhaps", "2026-05-01", "2026-10-01", ""), "answer"),
        ("{asset: acme}", "control"),
        ("just text", "mapping"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_its_line_and_answers_nothing(place: Path, line: str, said: str) -> None:
    found = judged(place, line)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "failed")
    with pytest.raises(UsageError, match=r"attestations\.yaml:2") as error:
        read_attestations(place / "attestations.yaml")
    assert said in str(error.value)


def test_a_question_is_answered_on_the_command_line_and_read_back(place: Path) -> None:
    words = ["attest", "ORG-01", "--inventory", str(place / "inventory.yaml"), "--answer", "yes"]
    hostile = 'Jane "}]: #\nevil: yes'
    argv = [sys.executable, "-m", "scanner.cli", *words, "--who", hostile]
    for _ in range(2):
        subprocess.run([*argv, "--asset", "acme"], check=True, capture_output=True, timeout=60)
    first, second = read_attestations(place / "attestations.yaml")
    assert first == second
    assert first.who == hostile
    refused = subprocess.run([*argv, "--asset", "nobody"], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "no such asset" in refused.stderr

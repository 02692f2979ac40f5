"""Compensation: something no scanner sees makes a weakness harder to use, by evidence and until a day."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.model import Finding, Outcome
from scanner.pipeline import _AskedOnce
from scanner.register import codec, open_register

from .decisions_contract import today
from .test_attestations import BASELINE, SAID

RISK = "ORG-01@acme"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An organisation whose one question was answered with no, and its register."""
    (tmp_path / "board.yaml").write_text(BASELINE)
    (tmp_path / "inventory.yaml").write_text("version: 1\nassets: {acme: {access: organisation, baselines: [board]}}\n")
    said = SAID % ("acme", "no", today(), today() + timedelta(days=300), "")
    (tmp_path / "attestations.yaml").write_text(f"attestations:\n  - {said}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> str:
    found = CliRunner().invoke(riskline, words)
    if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.output


def scan() -> dict[str, Any]:
    """Scan, and give the run as JSON."""
    words = ("--inventory", "inventory.yaml", "--baseline", "board.yaml", "--register", "register.db")
    run("scan", *words, "--output", "run.json")
    found: dict[str, Any] = json.loads(Path("run.json").read_text())
    return found


def compensate(factor: str = "0.1", evidence: str = "https://wiki.example.org/vault", days: int = 100) -> str:
    said = ("--factor", factor, "--owner", "anna", "--evidence", evidence, "--reason", "a second site takes over")
    until = ("--until", f"{today() + timedelta(days=days)}")
    return run("register", "compensate", RISK, "--register", "register.db", *said, *until)


def test_the_next_scan_counts_what_is_left_and_the_control_still_fails(place: Path) -> None:
    before = scan()
    assert "ORG-01" in compensate()
    after = scan()
    (was,), (now,) = before["findings"], after["findings"]
    assert (was["outcome"], was["compensation"]) == ("fail", 1)
    assert (now["outcome"], now["compensation"], now["weakness"]) == ("fail", 0.1, 1)
    assert now["expected_loss"] == pytest.approx(was["expected_loss"] / 10)
    assert after["organisation"]["expected_loss"] < before["organisation"]["expected_loss"]
    assert after["inherent"] == before["inherent"]
    (listed,) = json.loads(run("register", "list", "--register", "register.db", "--format", "json"))
    assert listed["expected_loss"] == pytest.approx(now["expected_loss"])
    assert listed["compensation"]["evidence"] == "https://wiki.example.org/vault"
    assert "compensation" in run("explain", "--register", "register.db", "--run", after["id"], RISK)


def test_it_is_taken_back_by_a_factor_of_one(place: Path) -> None:
    before = scan()
    compensate()
    compensate("1")
    assert scan()["findings"] == before["findings"]


def test_a_stale_failure_is_eased_as_well_and_an_ended_compensation_is_named_and_counts_no_more(place: Path) -> None:
    scan()
    compensate()
    register = open_register("register.db")
    (risk,) = register.risks()
    (eased,) = _AskedOnce(register).last_known("acme")
    assert eased.compensation == 0.1
    treatment = register.treatments()[risk.fingerprint]
    register.close()
    assert treatment.relief is not None
    assert treatment.factor_on(treatment.relief.until) == 0.1
    assert treatment.factor_on(treatment.relief.until + timedelta(days=1)) == 1
    assert "ends soon" not in run("register", "list", "--register", "register.db")
    compensate(days=10)
    assert "ends soon" in run("register", "list", "--register", "register.db")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"days": 0}, "after today"), ({"days": 400}, "at the latest"), ({"evidence": " "}, "needs evidence")],
)
def test_a_compensation_needs_evidence_and_an_end_that_the_policy_allows(
    place: Path, wrong: dict[str, Any], said: str
) -> None:
    scan()
    with pytest.raises(UsageError, match=said):
        compensate(**wrong)


def test_a_closed_risk_cannot_be_compensated(place: Path) -> None:
    scan()
    run("register", "retire", "acme", "--reason", "sold", "--register", "register.db")
    with pytest.raises(UsageError, match="nothing to compensate"):
        compensate()


def test_a_finding_of_an_earlier_release_is_read_as_not_compensated() -> None:
    rows = codec.packed_findings([Finding("a", "b", "c", "", Outcome.FAIL)])
    assert [len(row) for row in rows] == [9]
    assert codec.findings_of("a", rows)[0].compensation == 1
    eased = Finding("a", "b", "c", "", Outcome.FAIL, compensation=0.3)
    assert codec.findings_of("a", codec.packed_findings([eased])) == (eased,)

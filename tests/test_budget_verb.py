"""`riskline budget` on a recorded run of the worked example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.model import Finding, Outcome

from .recorded import record_example


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = str(tmp_path / "register.db")
    record_example(url)
    return url


def run(url: str, *words: str) -> str:
    found = CliRunner().invoke(riskline, ["budget", "--register", url, *words], catch_exceptions=True)
    if isinstance(found.exception, UsageError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.output


def told(url: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(url, "--format", "json", *words))
    return found


def test_the_plan_names_what_to_do_first_and_what_it_buys(url: str) -> None:
    said = run(url, "--days", "1.2")
    first, second = said.index("1. Root cannot log in over SSH (webshop)"), said.index("2. samba (office)")
    assert first < second
    assert "on web-1, web-2; closes 3 findings of ssh.permit-root-login" in said
    assert "0.6 days; saves 27.4 points a year" in said
    assert "58 → 13" in said
    assert "No other choice within this budget saves more." in said


def test_the_ladder_ends_with_everything(url: str) -> None:
    rungs = told(url, "--days", "2")["ladder"]
    assert [rung["budget_days"] for rung in rungs] == [0.25, 0.5, 1, 2, None]
    assert [rung["saving"] for rung in rungs] == sorted(rung["saving"] for rung in rungs)
    assert rungs[-1]["loss_after"] == 0
    assert {round(rung["loss_before"], 2) for rung in rungs} == {40.77}


def test_a_budget_of_nothing_buys_nothing(url: str) -> None:
    assert "Nothing that lowers the risk fits into 0 days." in run(url, "--days", "0")


def test_money_needs_a_day_rate_and_then_shows_the_return(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="day_rate"):
        run(url, "--money", "100")
    policy = tmp_path / "policy.yaml"
    losses = "losses: {slight: 1000, minor: 3000, moderate: 10000, major: 30000, severe: 100000}"
    tolerances = "tolerances: {asset: 3000, service: 10000, organisation: 30000}"
    policy.write_text(f"unit: EUR\nday_rate: 1000\n{losses}\n{tolerances}\n")
    plan = told(url, "--money", "1200", "--policy", str(policy))["plan"]
    assert (plan["budget_days"], plan["cost"]) == (1.2, 1100)
    assert plan["return"] == pytest.approx((plan["saving"] - 1100) / 1100)
    assert "EUR a year" in run(url, "--money", "1200", "--policy", str(policy))


def test_a_rate_of_work_gives_a_forecast(url: str) -> None:
    assert "by quarter: 40.77 now, 13.41 after 1, 4.431 after 2." in run(url, "--days", "1.2", "--rate", "0.6")
    assert len(told(url, "--days", "1.2", "--rate", "0.6")["loss_after_quarter"]) == 2


@pytest.mark.parametrize("words", [(), ("--days", "1", "--money", "1")])
def test_a_budget_is_one_of_days_and_money(url: str, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="say how much"):
        run(url, *words)


def test_what_could_not_be_looked_at_again_is_still_worth_fixing(url: str) -> None:
    """A run in which a server was not reached plans for what was open there before."""
    before = told(url, "--days", "1.2")["plan"]
    blind = [Finding("fs-1", "b", "samba", "", Outcome.UNKNOWN, "unreachable")]
    record_example(
        url, "second", {"fs-1": [*blind, Finding("fs-1", "b", "smb-signing", "", Outcome.UNKNOWN, "unreachable")]}
    )
    after = told(url, "--days", "1.2")["plan"]
    assert [step["root_cause"] for step in after["steps"]] == [step["root_cause"] for step in before["steps"]]
    assert after["loss_before"] == pytest.approx(before["loss_before"])

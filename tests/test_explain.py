"""The arithmetic of one number: every step leads to what the score itself says."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings

from scanner.cli import riskline
from scanner.cli.explain import chance
from scanner.cli.risk_text import percent
from scanner.errors import UsageError
from scanner.explain import explain_finding, explain_scope
from scanner.model import Finding, Outcome
from scanner.register.lifecycle import fingerprint
from scanner.score import NEGLIGIBLE, Policy, weaknesses

from .estates import EXAMPLE, Estate, estates, scopes
from .recorded import record_example

POLICY = Policy()


@given(estates(least=1))
@settings(max_examples=60, deadline=None)
def test_the_steps_of_a_finding_lead_to_its_v_and_l(estate: Estate) -> None:
    for asset, findings in estate.pairs:
        for weak in weaknesses(asset, findings, estate.controls, POLICY):
            place = (asset.id, weak.finding.control, weak.finding.subject)
            told = explain_finding(estate.pairs, estate.controls, POLICY, *place)
            product = math.prod(factor.value for factor in told.factors)
            assert told.v == pytest.approx(product if product >= NEGLIGIBLE else 0)
            assert told.l == max(side.loss for side in told.sides)
            assert (told.v, told.l) == (weak.v, weak.l)
            assert told.alone == POLICY.attempts * weak.v * weak.l
            services = estate.assessed().services
            assert told.service_loss == pytest.approx(services[asset.service].expected_loss)
            after = estate.without([weak.finding]).assessed().services
            assert told.service_loss_without == pytest.approx(after[asset.service].expected_loss, abs=1e-12)


@given(estates())
@settings(max_examples=60, deadline=None)
def test_the_steps_of_a_scope_lead_to_its_score(estate: Estate) -> None:
    for name, score in scopes(estate.assessed()).items():
        told = explain_scope(
            estate.pairs, estate.controls, POLICY, name.removeprefix("service ").removeprefix("asset ")
        )
        area = told.attempts * math.fsum(rung.part for rung in told.rungs) + math.fsum(told.parts.values())
        assert area == pytest.approx(told.expected_loss, abs=1e-12)
        assert told.expected_loss == pytest.approx(score.expected_loss)
        assert told.score == pytest.approx(score.score)
        assert told.chance == pytest.approx(score.chance)


@pytest.mark.parametrize(
    ("asset", "control", "complaint"),
    [
        ("moon", "root-login", "did not visit moon"),
        ("web-1", "samba", "was not held against samba"),
        ("fs-1", "audit", "is pass and unknown: it costs nothing"),
    ],
)
def test_what_costs_nothing_is_said_and_not_explained(asset: str, control: str, complaint: str) -> None:
    more = [
        Finding("fs-1", "b", "audit", name, outcome) for name, outcome in (("x", Outcome.PASS), ("y", Outcome.UNKNOWN))
    ]
    estate = EXAMPLE.with_more("fs-1", more)
    with pytest.raises(UsageError, match=complaint):
        explain_finding(estate.pairs, estate.controls, POLICY, asset, control)


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = str(tmp_path / "register.db")
    record_example(url)
    return url


def explain(url: str, *words: str) -> Result:
    found = CliRunner().invoke(riskline, ["explain", "--register", url, *words])
    if isinstance(found.exception, UsageError):
        raise found.exception
    return found


def test_the_worked_example_is_explained_as_the_documentation_tells_it(url: str) -> None:
    said = explain(url, "root-login@web-1").output
    assert "v = 1 × 1 × 0.3 × 1 = 0.3" in said
    assert "3 attempts × 0.3 × 30 = 27 points" in said
    assert "100 × 27 / (27 + 3 that an asset may cost) = 90, far above tolerance" in said
    assert "it adds nothing" in explain(url, "root-login-2@web-1").output
    assert "R = 3 attempts × 10.52 = 31.55 points a year" in explain(url, "webshop").output
    organisation = explain(url, "organisation").output
    assert "R = 40.77 points a year" in organisation
    assert "= 58, above tolerance" in organisation
    assert "Nothing is open" in explain(url, "lab-9").output


def test_a_risk_is_named_by_its_fingerprint_too(url: str) -> None:
    name = fingerprint("web-1", "root-login", "")
    assert explain(url, name[:10]).output == explain(url, "root-login@web-1").output
    told = json.loads(explain(url, name, "--format", "json").output)
    assert (told["v"], told["l"], told["unit"]) == (0.3, 30, "points")
    with pytest.raises(UsageError, match="there is no risk"):
        explain(url, "0" * 12)


def test_shares_and_chances_are_never_rounded_to_nothing_or_to_all() -> None:
    assert [percent(share) for share in (0, 0.004, 0.37, 0.996, 1)] == ["none", "< 1 %", "37 %", "> 99 %", "100 %"]
    assert chance(1 - math.exp(-50)) == "> 99 %"

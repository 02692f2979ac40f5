"""The simulation of years: it agrees with the closed formula, says its seed, and adds spread only."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.score import Policy, service_curves
from scanner.simulation import MOST_LOSSES, PERCENTILES, simulate

from .estates import EXAMPLE, Estate, estates
from .recorded import record_example

YEARS = 20_000


@settings(max_examples=30)
@given(estates(), st.integers(0, 2**32), st.sampled_from([1.0, 3.0, 10.0]))
def test_the_mean_of_the_drawn_years_agrees_with_the_formula(estate: Estate, seed: int, spread: float) -> None:
    policy = replace(Policy(), loss_spread=spread)
    found = simulate(service_curves(estate.pairs, estate.controls, policy), policy, YEARS, seed)
    for of in (found.organisation, *found.services.values()):
        # what happens in fewer than one of so many years may not have been drawn at all
        rare = of.expected * YEARS < 30_000
        assert rare or abs(of.mean - of.expected) < 6 * of.error + 1e-12


def test_the_worked_example_agrees_within_four_standard_errors_and_has_bad_years() -> None:
    estate, policy = EXAMPLE, Policy()
    found = simulate(service_curves(estate.pairs, estate.controls, policy), policy, 200_000, 7)
    assert abs(found.organisation.mean - 40.77) < 4 * found.organisation.error + 0.005
    assert found.services["webshop"].with_loss == pytest.approx(0.64, abs=0.01)
    half, in_ten, in_twenty, in_hundred = found.organisation.percentiles
    assert half < found.organisation.mean < in_ten < in_twenty < in_hundred


def test_without_spread_every_year_is_a_sum_of_steps() -> None:
    estate, policy = EXAMPLE, replace(Policy(), loss_spread=1.0)
    found = simulate(service_curves(estate.pairs, estate.controls, policy), policy, 10_000, 7)
    assert all(loss == int(loss) for loss in found.services["office"].percentiles)


def test_the_same_seed_gives_the_same_years_and_another_seed_others() -> None:
    estate, policy = EXAMPLE, Policy()
    curves = service_curves(estate.pairs, estate.controls, policy)
    assert simulate(curves, policy, 1000, 7) == simulate(curves, policy, 1000, 7)
    assert simulate(curves, policy, 1000, 7) != simulate(curves, policy, 1000, 8)


def test_more_losses_than_can_be_drawn_are_refused_with_a_way_out() -> None:
    estate, policy = EXAMPLE, replace(Policy(), attempts=1e6)
    with pytest.raises(UsageError, match=f"more than {MOST_LOSSES}: take fewer --years"):
        simulate(service_curves(estate.pairs, estate.controls, policy), policy, 100_000, 7)


def test_an_estate_without_risk_costs_nothing_in_any_year() -> None:
    found = simulate({}, Policy(), 1000, 7)
    assert found.organisation.percentiles == (0.0,) * len(PERCENTILES)


def told(url: str, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(riskline, ["simulate", "--register", url, "--format", "json", *words])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_the_verb_prints_its_seed_so_that_anyone_can_draw_the_same(tmp_path: Path) -> None:
    url = str(tmp_path / "register.db")
    record_example(url)
    first = told(url, "--years", "1000")
    assert told(url, "--years", "1000", "--seed", str(first["seed"])) == first
    table = CliRunner().invoke(riskline, ["simulate", "--register", url, "--years", "1000", "--seed", "7"])
    assert "1000 years drawn with seed 7" in table.output
    assert [line.split()[0] for line in table.output.splitlines()[3:6]] == ["office", "webshop", "all"]


def test_without_numpy_the_verb_says_how_to_get_it(tmp_path: Path) -> None:
    url = str(tmp_path / "register.db")
    record_example(url)
    code = "import sys; sys.modules['numpy'] = None; from scanner.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "simulate", "--register", url]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "riskline[simulation]" in done.stderr

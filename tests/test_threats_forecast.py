"""Predictions: exact where that can be had, covered as often as they say, and held against what came."""

from __future__ import annotations

import itertools
import json
import math
import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import UsageError
from scanner.threats import predictions
from scanner.threats.forecast import Prediction, arrivals, distribution, expectation, months, record

CHANCE = st.floats(0, 1)
DAY = date(2026, 11, 24)


@given(st.lists(CHANCE, max_size=8))
def test_the_distribution_is_that_of_all_the_ways_it_can_come(chances: list[float]) -> None:
    exact = [0.0] * (len(chances) + 1)
    for came in itertools.product((0, 1), repeat=len(chances)):
        exact[sum(came)] += math.prod(p if yes else 1 - p for p, yes in zip(chances, came, strict=True))
    assert distribution(chances)[: len(exact)] == pytest.approx(exact, abs=1e-12)


@given(st.lists(CHANCE, max_size=60))
def test_the_interval_holds_at_least_eight_times_in_ten(chances: list[float]) -> None:
    found = expectation({f"CVE-{n}": p for n, p in enumerate(chances)})
    of = distribution(chances)
    assert math.fsum(of[found.low : found.high + 1]) >= 0.8 - 1e-9
    assert 0 <= found.low <= found.high <= len(chances)
    assert found.expected == pytest.approx(math.fsum(chances))
    assert found.any_of_them == pytest.approx(1 - of[0], abs=1e-9)
    assert found.deviation == pytest.approx(math.sqrt(math.fsum(p * (1 - p) for p in chances)))


def test_four_hundred_flaws_and_those_that_carry_most_of_it() -> None:
    found = expectation({**{f"CVE-A-{n}": 0.112 for n in range(10)}, **{f"CVE-B-{n}": 0.48 / 390 for n in range(390)}})
    assert (found.flaws, round(found.expected, 2), found.low, found.high) == (400, 1.6, 0, 3)
    assert round(found.top_share, 2) == 0.7
    assert all(flaw.startswith("CVE-A") for flaw, _ in found.top)


def test_nothing_known_is_nothing_expected() -> None:
    found = expectation({})
    assert (found.flaws, found.expected, found.low, found.high, found.any_of_them) == (0, 0, 0, 0, 0)


def test_a_month_without_entries_counts_and_the_present_one_does_not() -> None:
    days = [date(2026, 1, 5), date(2026, 1, 31), date(2026, 3, 1), date(2026, 4, 2)]
    assert months(days, date(2026, 4, 20)) == [2, 0, 1]
    assert months([], DAY) == []


def drawn(chance: random.Random, mean: float, size: float) -> int:
    """One month: a Poisson whose mean varies, which is a negative binomial."""
    limit, k, product = math.exp(-chance.gammavariate(size, mean / size)), 0, 1.0
    while True:
        product *= chance.random()
        if product <= limit:
            return k
        k += 1


def test_the_interval_of_arrivals_holds_as_often_as_it_says_where_a_poisson_would_not() -> None:
    chance = random.Random(7)
    found = arrivals([drawn(chance, 16.4, 10.7) for _ in range(400)])
    assert found is not None
    assert found.tried == 388
    assert 0.7 < found.covered / found.tried < 0.9
    even = arrivals([16, 17, 16, 15, 16, 17, 16, 15, 16, 17, 16, 16])
    assert even is not None
    assert (even.low, even.high) == (11, 21)  # a Poisson of 16.1: months vary no less than by chance
    uneven = arrivals([2, 30, 9, 17, 4, 41, 11, 8, 25, 19, 3, 28])
    assert uneven is not None
    assert uneven.variance > uneven.mean
    assert (uneven.low, uneven.high) == (4, 33)


@pytest.mark.parametrize("counts", [[], [3] * 11])
def test_less_than_a_year_predicts_no_month(counts: list[int]) -> None:
    assert arrivals(counts) is None


def test_a_list_that_never_grew_is_expected_not_to() -> None:
    found = arrivals([0] * 13)
    assert found is not None
    assert (found.low, found.high, found.covered, found.tried) == (0, 0, 1, 1)


def predicted(day: int, **chances: float) -> Prediction:
    return Prediction(DAY + timedelta(days=day), "run", "m", {name.replace("_", "-"): p for name, p in chances.items()})


def test_only_what_came_within_its_thirty_days_was_seen() -> None:
    past = [predicted(0, CVE_1=0.5, CVE_2=0.5, CVE_3=0.5)]
    listed = {"CVE-1": DAY, "CVE-2": DAY + timedelta(days=30), "CVE-3": DAY + timedelta(days=31)}
    found = record(past, listed, DAY + timedelta(days=60))
    assert (found.predictions, found.expected, found.seen, found.brier) == (1, 1.5, 1, 0.25)


def test_what_is_not_over_yet_and_what_overlaps_does_not_count() -> None:
    past = [predicted(day, CVE_1=0.5) for day in (0, 7, 29, 30, 61)]
    assert record(past, {}, DAY + timedelta(days=60)).predictions == 2
    assert record(past, {}, DAY + timedelta(days=29)).brier is None


def test_the_first_prediction_of_a_day_stands(tmp_path: Path) -> None:
    first = Prediction(DAY, "run-1", "m", {"CVE-2026-10001": 0.5})
    assert predictions.keep(tmp_path, first)
    assert not predictions.keep(tmp_path, Prediction(DAY, "run-2", "m", {"CVE-2026-10001": 0.9}))
    assert list(predictions.kept(tmp_path)) == [first]


@pytest.mark.parametrize("text", ["{", "[]", '{"run": "r", "model": "m", "chances": {"CVE-2026-10001": 2}}'])
def test_a_damaged_prediction_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "2026-11-24.json").write_text(text)
    with pytest.raises(UsageError, match=r"2026-11-24\.json"):
        list(predictions.kept(tmp_path))


def test_predictions_are_no_feed(tmp_path: Path) -> None:
    from scanner.threats.store import stored

    predictions.keep(tmp_path, Prediction(DAY, "run-1", "m", {}))
    assert stored(tmp_path) == []
    assert json.loads((tmp_path / "predictions" / f"{DAY}.json").read_text())["run"] == "run-1"

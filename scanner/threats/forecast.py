"""What is to be expected: how many of our known flaws will be attacked somewhere, and how many will be listed. Pure.

A chance (EPSS) is that of exploitation activity anywhere within 30 days. It is not the chance that a certain host is
attacked, so flaws are counted once each, however many hosts have them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

DAYS = 30
LEAST_MONTHS = 12
SHARE = 0.8
"""How often the truth shall lie within an interval."""
TOP = 10


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of `flaws` with a chance: how many are expected to be attacked, and low..high, which holds 8 times in 10.

    any_of_them: the chance of at least one. top: the likeliest ones, and the share of `expected` that they carry.
    """

    flaws: int
    expected: float
    deviation: float
    low: int
    high: int
    any_of_them: float
    top: tuple[tuple[str, float], ...]
    top_share: float


def expectation(chances: Mapping[str, float]) -> Expectation:
    """chances: flaw -> its chance, 0..1. Exact: the distribution of a sum of unequal coins (Poisson-binomial)."""
    listed = sorted(chances.items(), key=lambda one: (-one[1], one[0]))
    expected = math.fsum(p for _, p in listed)
    deviation = math.sqrt(math.fsum(p * (1 - p) for _, p in listed))
    low, high = _middle(distribution([p for _, p in listed]).__getitem__)
    top = tuple(listed[:TOP])
    share = math.fsum(p for _, p in top) / expected if expected else 0.0
    none = math.exp(math.fsum(math.log1p(-p) for _, p in listed)) if all(p < 1 for _, p in listed) else 0.0
    return Expectation(len(listed), expected, deviation, low, high, 1 - none, top, share)


def distribution(chances: Sequence[float]) -> list[float]:
    """[chance of none, of exactly one, …] of independent events; beyond 12 deviations above the mean it is cut to 0."""
    mean = math.fsum(chances)
    most = min(len(chances), math.ceil(mean + 12 * math.sqrt(mean + 1)) + 12)
    found = [1.0] + [0.0] * (most + 1)
    for p in chances:
        for k in range(most, 0, -1):
            found[k] = found[k] * (1 - p) + found[k - 1] * p
        found[0] *= 1 - p
    return found


def _middle(chance_of: Callable[[int], float], most: int = 1_000_000) -> tuple[int, int]:
    """The numbers that leave out at most one tenth at either end."""
    tail = (1 - SHARE) / 2
    below, low = 0.0, None
    for k in range(most):
        try:
            below += chance_of(k)
        except IndexError:
            return low or 0, k - 1
        if low is None and below > tail:
            low = k
        if below >= 1 - tail - 1e-12:
            return low or 0, k
    return low or 0, most


# ── what will be listed ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many flaws the list gains in a month. low..high: next month's, 8 times in 10, by the last 12 months.

    covered, of tried: how often that would have held for the months before.
    """

    mean: float
    variance: float
    low: int
    high: int
    covered: int
    tried: int


def months(added: Iterable[date], until: date) -> list[int]:
    """Entries in each whole month from the first entry's to the one before `until`'s, months without any included."""
    counted = Counter((day.year, day.month) for day in added)
    if not counted:
        return []
    found, (year, month) = [], min(counted)
    while (year, month) < (until.year, until.month):
        found.append(counted[year, month])
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def arrivals(counts: Sequence[int]) -> Arrivals | None:
    """Next month's number from each month's before it; None where a year of them is not known."""
    if len(counts) < LEAST_MONTHS:
        return None
    tried = [(counts[at - LEAST_MONTHS : at], counts[at]) for at in range(LEAST_MONTHS, len(counts))]
    covered = sum(low <= seen <= high for year, seen in tried for low, high in (_interval(year),))
    last = counts[-LEAST_MONTHS:]
    mean, variance = _moments(last)
    low, high = _interval(last)
    return Arrivals(mean, variance, low, high, covered, len(tried))


def _moments(counts: Sequence[int]) -> tuple[float, float]:
    mean = math.fsum(counts) / len(counts)
    return mean, math.fsum((one - mean) ** 2 for one in counts) / (len(counts) - 1)


def _interval(counts: Sequence[int]) -> tuple[int, int]:
    """A negative binomial of the same mean and variance; a Poisson where months vary no more than by chance."""
    mean, variance = _moments(counts)
    if not mean:
        return 0, 0
    if variance <= mean:
        return _middle(lambda k: math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)))
    size = mean * mean / (variance - mean)
    hit = size / (size + mean)

    def chance(k: int) -> float:
        ways = math.lgamma(k + size) - math.lgamma(size) - math.lgamma(k + 1)
        return math.exp(ways + size * math.log(hit) + k * math.log1p(-hit))

    return _middle(chance)


# ── how good it was ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was expected on a day. chances: flaw -> chance, of those that were not on the list yet."""

    on: date
    run: str
    model: str
    chances: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Record:
    """Past predictions held against what came. brier: mean squared error, 0 perfect; None where nothing is due yet."""

    predictions: int
    expected: float
    seen: int
    brier: float | None


def record(past: Iterable[Prediction], listed: Mapping[str, date], known_until: date) -> Record:
    """listed: flaw -> the day it was listed. Only predictions whose 30 days are over, and that do not overlap, count.

    "Seen" is a listing, which asks for more than the activity that a chance is about: fewer are seen than expected.
    """
    due: list[Prediction] = []
    for one in sorted(past, key=lambda one: one.on):
        if one.on + timedelta(days=DAYS) <= known_until and (not due or (one.on - due[-1].on).days >= DAYS):
            due.append(one)
    errors: list[float] = []
    expected, seen = 0.0, 0
    for one in due:
        for flaw, chance in one.chances.items():
            day = listed.get(flaw)
            came = day is not None and one.on < day <= one.on + timedelta(days=DAYS)
            seen += came
            expected += chance
            errors.append((chance - came) ** 2)
    return Record(len(due), expected, seen, math.fsum(errors) / len(errors) if errors else None)

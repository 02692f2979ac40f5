"""Simulation: how far one year may lie from the next. Needs numpy (extra `simulation`); docs/scoring.md says more.

The score's expected loss is exact without it. What a simulation adds is the spread: most years cost little, a few a
lot. Each service has Poisson many losses in a year; each loss is one of the curve's steps, times a log-normal factor of
mean 1 whose 90 % interval is the policy's `loss_spread` wide. The same seed gives the same numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import UsageError
from .score import Curve, Policy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_LOSSES = 200_000_000
"""More single losses than this are not drawn: it would take minutes."""
_AT_ONCE = 2_000_000
_SIGMAS_OF_90_PERCENT = 2 * 1.6448536269514722
PERCENTILES = (50, 90, 95, 99)
"""The yearly losses that half of the years, 9 of 10, 19 of 20 and 99 of 100 stay below."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The simulated years of one scope. Losses in the policy's unit.

    expected: by the closed formula. mean, error: of the simulated years, and the mean's standard error. with_loss: the
    share of years with any loss. percentiles: yearly loss at each of PERCENTILES.
    """

    expected: float
    mean: float
    error: float
    with_loss: float
    percentiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """All scopes, and what made them: seed and years."""

    seed: int
    years: int
    organisation: Spread
    services: Mapping[str, Spread]


def simulate(curves: Mapping[str, Curve], policy: Policy, years: int, seed: int) -> Simulation:
    """Draw so many years of every service's losses. UsageError: numpy is missing, or too many losses to draw."""
    try:
        import numpy as np
    except ModuleNotFoundError:
        raise UsageError("a simulation needs numpy: pip install 'riskline[simulation]'") from None
    losses = years * math.fsum(_rate(of) for of in curves.values())
    if losses > MOST_LOSSES:
        raise UsageError(
            f"{years} years would be {losses:.0f} single losses, more than {MOST_LOSSES}: take fewer --years"
        )
    draw = np.random.default_rng(seed)
    total = np.zeros(years)
    services = {}
    for name in sorted(curves):
        yearly = _years(curves[name], policy, years, draw)
        total += yearly
        services[name] = _spread(yearly, curves[name].expected_loss)
    expected = math.fsum(of.expected_loss for of in curves.values())
    return Simulation(seed, years, _spread(total, expected), services)


def _rate(of: Curve) -> float:
    """Losses per year of one service."""
    return of.attempts * of.per_attempt(0)


def _years(of: Curve, policy: Policy, years: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """The loss of each year, drawn in pieces, so that memory stays bounded."""
    import numpy as np

    rate = _rate(of)
    yearly = np.zeros(years)
    if not rate:
        return yearly
    steps = [loss for loss, _ in of.steps]
    shares = _shares(of)
    sigma = math.log(policy.loss_spread) / _SIGMAS_OF_90_PERCENT
    piece = max(1, int(_AT_ONCE / max(1.0, rate)))
    for begin in range(0, years, piece):
        many = min(piece, years - begin)
        counts = draw.poisson(rate, many)
        sizes = draw.choice(steps, size=int(counts.sum()), p=shares)
        if sigma:
            sizes = sizes * draw.lognormal(-sigma * sigma / 2, sigma, sizes.size)
        yearly[begin : begin + many] = np.bincount(np.repeat(np.arange(many), counts), sizes, many)
    return yearly


def _shares(of: Curve) -> list[float]:
    """How often a loss is of each step: the falls of the curve, of its height at nothing."""
    chances = [q for _, q in of.steps] + [0.0]
    falls = [max(0.0, here - further) for here, further in itertools.pairwise(chances)]
    whole = math.fsum(falls)
    return [fall / whole for fall in falls]


def _spread(yearly: NDArray[np.float64], expected: float) -> Spread:
    import numpy as np

    error = float(yearly.std(ddof=1)) / math.sqrt(yearly.size)
    found = np.percentile(yearly, PERCENTILES)
    return Spread(expected, float(yearly.mean()), error, float((yearly > 0).mean()), tuple(map(float, found)))

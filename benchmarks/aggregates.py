"""Why the score is not one of the usual aggregates: how often each breaks what a leader may take for granted.

python benchmarks/aggregates.py [estates]

Random estates of 1 to 6 hosts with 1 to 8 judged controls each, of severity 1 to 5. Each aggregate is written down anew
from its published formula; the weights inside commercial ones are not published, so only their structure is tried.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from tabulate import tabulate

from scanner.model import Asset, Control, Effect, Finding, Level, Outcome
from scanner.score import Policy, assess

POLICY = Policy()
EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Judged:
    """One control on one host: its severity, and whether it failed. cause: what one change removes."""

    severity: Level
    failed: bool
    cause: int


Estate = tuple[tuple[Judged, ...], ...]
Aggregate = Callable[[Estate], float]


def _failed(estate: Estate) -> list[Level]:
    return [one.severity for host in estate for one in host if one.failed]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def weighted_pass_rate(estate: Estate) -> float:
    """Share of the severities that failed, as Prowler's ThreatScore and Lynis' index turn around."""
    every = [one for host in estate for one in host]
    return sum(one.severity for one in every if one.failed) / sum(one.severity for one in every) if every else 0.0


def failed_share(estate: Estate) -> float:
    """Share of the controls that failed, as Security Hub turns around."""
    every = [one for host in estate for one in host]
    return sum(one.failed for one in every) / len(every) if every else 0.0


def class_averages(estate: Estate) -> float:
    """Weighted averages of each class times count^0.01, mean over the hosts."""
    weights = {5: 1.0, 4: 0.6, 3: 0.4, 2: 0.2, 1: 0.1}

    def host_score(host: Sequence[Judged]) -> float:
        total = 0.0
        for severity, weight in weights.items():
            count = sum(one.failed and one.severity == severity for one in host)
            total += weight * severity * count**0.01 if count else 0.0
        return total / sum(weights[s] for s in {one.severity for one in host if one.failed} or {1})

    return _mean([host_score(host) for host in estate])


def mean_of_hosts(estate: Estate) -> float:
    """Each host by the chance that one of its weaknesses is used, mean over the hosts."""
    return _mean([1 - math.prod(1 - one.severity / 6 for one in host if one.failed) for host in estate])


def any_of_them(estate: Estate) -> float:
    """1 - Π(1-p) over everything that failed."""
    return 1 - math.prod(1 - severity / 6 for severity in _failed(estate))


def ours(estate: Estate) -> float:
    """The expected loss of a year, as docs/scoring.md says."""
    controls: dict[tuple[str, str], Control] = {}
    pairs = []
    for number, host in enumerate(estate):
        asset = Asset(f"h{number}", service="s")
        found = []
        for place, one in enumerate(host):
            id = f"{number}.{place}"
            effect = Effect("total", "total", "total")
            cause = f"c{one.cause}"
            controls["b", id] = Control(
                id, id, "w", "f", check="x", exploit=one.severity, effect=effect, root_cause=cause
            )
            found.append(Finding(asset.id, "b", id, "", Outcome.FAIL if one.failed else Outcome.PASS))
        pairs.append((asset, found))
    return assess(pairs, controls, POLICY).organisation.expected_loss


AGGREGATES: dict[str, Aggregate] = {
    "sum": lambda estate: float(sum(_failed(estate))),
    "max": lambda estate: float(max(_failed(estate), default=0)),
    "mean": lambda estate: _mean(_failed(estate)),
    "severity-weighted pass rate": weighted_pass_rate,
    "share of controls passed": failed_share,
    "class averages x count^0.01": class_averages,
    "mean of host scores": mean_of_hosts,
    "1 - product of (1 - p)": any_of_them,
    "expected loss (ours)": ours,
}


def drawn(draw: random.Random) -> Estate:
    """An estate with at least one failed control, and one that could fail besides."""
    while True:
        estate = tuple(
            tuple(
                Judged(draw.choice(get_args(Level)), draw.random() < 0.5, draw.randrange(1_000_000))
                for _ in range(draw.randint(1, 8))
            )
            for _ in range(draw.randint(1, 6))
        )
        if _failed(estate):
            return estate


def _with(estate: Estate, host: int, row: Sequence[Judged]) -> Estate:
    return (*estate[:host], tuple(row), *estate[host + 1 :])


def _place(estate: Estate, draw: random.Random) -> tuple[int, int]:
    places = [(h, r) for h, host in enumerate(estate) for r, one in enumerate(host) if one.failed]
    return draw.choice(places)


def broken(name: str, of: Aggregate, estate: Estate, draw: random.Random) -> dict[str, bool]:
    """Which of the seven expectations an aggregate breaks on one estate."""
    before = of(estate)
    host, at = _place(estate, draw)
    row, one = estate[host], estate[host][at]
    fixed = _with(estate, host, [*row[:at], replace(one, failed=False), *row[at + 1 :]])
    added = _with(estate, host, [*row, Judged(draw.choice(get_args(Level)), True, draw.randrange(1_000_000))])
    clean = (*estate, (Judged(3, False, 1), Judged(2, False, 2)))
    passing = _with(estate, host, [*row, Judged(3, False, 3)])
    double = _with(estate, host, [*row, one])
    harder = one.severity + 1 if one.severity < 5 else 5
    worse = _with(estate, host, [*row[:at], replace(one, severity=harder), *row[at + 1 :]])  # type: ignore[arg-type]
    first = _with(estate, host, [*row, Judged(5, True, 7)])
    second = _with(first, host, [*first[host], Judged(5, True, 8)])
    return {
        "fix raises": of(fixed) > before + EPSILON,
        "finding added lowers": of(added) < before - EPSILON,
        "clean host changes": abs(of(clean) - before) > EPSILON,
        "passing check changes": abs(of(passing) - before) > EPSILON,
        "duplicate changes": abs(of(double) - before) > EPSILON,
        "worse severity lowers": of(worse) < before - EPSILON,
        "2nd critical unseen": of(second) <= of(first) + EPSILON,
    }


def main() -> None:
    """Print, for each aggregate, in how many percent of the estates each expectation is broken."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    rows = []
    for name, of in AGGREGATES.items():
        draw = random.Random(1)
        totals: dict[str, int] = {}
        for _ in range(count):
            for what, is_broken in broken(name, of, drawn(draw), draw).items():
                totals[what] = totals.get(what, 0) + is_broken
        rows.append({"aggregate": name, **{what: round(100 * number / count) for what, number in totals.items()}})
    print(f"{count} random estates; % of them where an aggregate breaks the expectation")
    print(tabulate(rows, headers="keys", tablefmt="simple"))


if __name__ == "__main__":
    main()

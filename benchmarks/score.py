"""Findings scored per second: an estate's assets, services, risks and organisation, today's and inherent.

python benchmarks/score.py [findings]
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Sequence
from typing import get_args

from scanner.model import Asset, Control, Criticality, Effect, Extent, Finding, Level, Outcome, Vector, Zone
from scanner.score import Policy, assess

CONTROLS = 300
FAILED = 0.5  # far more than a real estate has: the failed ones are the work


def estate(count: int, seed: int = 1) -> tuple[list[tuple[Asset, Sequence[Finding]]], dict[tuple[str, str], Control]]:
    """Assets of 300 findings each, in 20 services, every share of weakness another one: nothing repeats."""
    draw = random.Random(seed)
    controls = {("b", f"C{i}"): _control(f"C{i}", draw) for i in range(CONTROLS)}
    pairs: list[tuple[Asset, Sequence[Finding]]] = []
    for number in range(count // CONTROLS):
        worth = Criticality(*(draw.choice(get_args(Level)) for _ in range(3)))
        asset = Asset(f"host{number}", service=f"s{number % 20}", zone=draw.choice(get_args(Zone)), criticality=worth)
        pairs.append((asset, [_finding(asset.id, f"C{i}", draw) for i in range(CONTROLS)]))
    return pairs, controls


def _control(id: str, draw: random.Random) -> Control:
    effect = Effect(*(draw.choice(get_args(Extent)) for _ in range(3)))
    vector, exploit = draw.choice(get_args(Vector)), draw.choice(get_args(Level))
    cause = f"cause.{draw.randrange(200)}"
    return Control(id, id, "", "", check="x", vector=vector, exploit=exploit, effect=effect, root_cause=cause)


def _finding(asset: str, control: str, draw: random.Random) -> Finding:
    outcome = Outcome.FAIL if draw.random() < FAILED else Outcome.PASS
    return Finding(asset, "b", control, "", outcome, weakness=draw.random())


def main() -> None:
    """Print seconds, findings and the peak of memory."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    pairs, controls = estate(count)
    number = sum(len(findings) for _, findings in pairs)
    best = min(_timed(pairs, controls) for _ in range(3))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{number} findings on {len(pairs)} assets scored in {best:.2f} s of CPU; peak {peak} MiB")


def _timed(pairs: list[tuple[Asset, Sequence[Finding]]], controls: dict[tuple[str, str], Control]) -> float:
    started = time.process_time()
    assess(pairs, controls, Policy())
    return time.process_time() - started


if __name__ == "__main__":
    main()

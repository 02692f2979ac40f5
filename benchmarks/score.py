"""Findings scored per second: an estate's assets, services, risks and organisation, today's and inherent; and how large
the pages about it are.

python benchmarks/score.py [findings]
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import get_args

from scanner import catalogue
from scanner.baseline import read_baseline
from scanner.model import (
    Asset,
    Control,
    Criticality,
    Effect,
    Extent,
    Finding,
    Level,
    Outcome,
    Run,
    Vector,
    Visited,
    Zone,
)
from scanner.score import Policy, assess, score_asset

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
    for name, format, part in (
        ("the board's page of all of them", "board", pairs),
        ("the working report of all of them", "html", pairs),
        ("the working report of one host", "html", pairs[:1]),
    ):
        started = time.process_time()
        size = len(catalogue.report(format).render(_run(part, controls)))
        print(f"{name}: {size / 1000:,.0f} kB in {time.process_time() - started:.1f} s of CPU")


def _run(pairs: list[tuple[Asset, Sequence[Finding]]], controls: dict[tuple[str, str], Control]) -> Run:
    """As if these had been found in one run, each control with sentences as long as real ones are."""
    real = list(_shipped())
    known = {
        key: replace(one, title=real[at % len(real)].title, why=real[at % len(real)].why, fix=real[at % len(real)].fix,
                     references=real[at % len(real)].references)
        for at, (key, one) in enumerate(controls.items())
    }  # fmt: skip
    policy, now = Policy(), datetime(2026, 3, 1, tzinfo=UTC)
    visited = tuple(
        Visited(asset, ("b",), tuple(found), score_asset(asset, found, known, policy), collected_at=now)
        for asset, found in pairs
    )
    of = assess(pairs, known, policy)
    return Run(
        "20260301T000000Z-0001", now, now, "1.0.0", "inventory.yaml", "0" * 64, {"b": "0" * 64}, known, visited,
        of.services, of.organisation, of.risks, policy=asdict(policy), inherent=of.inherent,
    )  # fmt: skip


def _shipped() -> Iterator[Control]:
    """The controls of Debian 12."""
    known = catalogue.Catalogue()
    yield from read_baseline(known.baseline_file("debian-12"), known).controls


def _timed(pairs: list[tuple[Asset, Sequence[Finding]]], controls: dict[tuple[str, str], Control]) -> float:
    started = time.process_time()
    assess(pairs, controls, Policy())
    return time.process_time() - started


if __name__ == "__main__":
    main()

"""A fleet stored in a new SQLite register: a first run, the same facts once more, and one changed finding per host.

python benchmarks/storage.py [hosts] [share of failed findings]
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scanner.model import Asset, Control, Evidence, Finding, Outcome, Reply, Run, Visited
from scanner.register import Register, open_register
from scanner.score import Policy, assess, score_asset

CONTROLS = 300
STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def fleet(hosts: int, failed: float) -> tuple[list[tuple[Visited, Evidence]], dict[tuple[str, str], Control]]:
    """Hosts that are alike in most and each a little different, as fleets are."""
    draw = random.Random(1)
    controls = {
        ("b", f"C{i}"): Control(f"C{i}", f"Control {i} is met", "why", "fix", check="x") for i in range(CONTROLS)
    }
    common = [_finding(f"C{i}", draw.random() < failed, "value") for i in range(CONTROLS)]
    shared = {f"posix:shared {i}": Reply("\n".join(f"key.{n} = {n}" for n in range(200))) for i in range(20)}
    visits = []
    for number in range(hosts):
        asset = Asset(f"host{number:05d}", service=f"s{number % 20}")
        findings = [replace(f, asset=asset.id, observed=f"{f.observed} {draw.randrange(9)}") for f in common]
        own = {f"posix:own {i}": Reply(f"{asset.id} {draw.random()}\n" * 20) for i in range(20)}
        evidence = Evidence(asset.id, STARTED, "0", {**shared, **own}, {}, "")
        score = score_asset(asset, findings, controls, Policy())
        visits.append((Visited(asset, ("b",), tuple(findings), score, STARTED), evidence))
    return visits, controls


def _finding(control: str, failed: bool, observed: str) -> Finding:
    outcome = Outcome.FAIL if failed else Outcome.PASS
    return Finding("", "b", control, "", outcome, observed=observed, expected="equal to value")


def later(visits: Sequence[tuple[Visited, Evidence]], days: int, change: bool) -> list[tuple[Visited, Evidence]]:
    """The same visits some days on; with `change` the first finding of each is another one."""
    found = []
    for visited, evidence in visits:
        when, findings = STARTED + timedelta(days=days), list(visited.findings)
        if change:
            turned = Outcome.PASS if findings[0].outcome is Outcome.FAIL else Outcome.FAIL
            findings[0] = replace(findings[0], outcome=turned)
        found.append(
            (replace(visited, collected_at=when, findings=tuple(findings)), replace(evidence, collected_at=when))
        )
    return found


def record(
    register: Register, name: str, visits: Sequence[tuple[Visited, Evidence]], controls: dict[tuple[str, str], Control]
) -> float:
    """Seconds of CPU that one run took to store."""
    empty = assess([], {}, Policy())
    run = Run(name, STARTED, None, "0", "i", "d", {"b": "1"}, controls, (), {}, empty.organisation, (), "running")
    run = replace(run, policy=asdict(Policy()))
    started = time.process_time()
    register.begin(run)
    for visited, evidence in visits:
        register.store(run.id, visited, evidence)
    register.finish(
        replace(run, visited=tuple(visited for visited, _ in visits), state="complete", finished_at=STARTED)
    )
    return time.process_time() - started


def main() -> None:
    """Print seconds and bytes of each run."""
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    failed = float(sys.argv[2]) if len(sys.argv) > 2 else 0.2
    visits, controls = fleet(hosts, failed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "register.db"
        register = open_register(str(path))
        before = 0
        runs = [("first", visits), ("same", later(visits, 1, False)), ("changed", later(visits, 2, True))]
        for name, each in runs:
            started = time.perf_counter()
            cpu = record(register, name, each, controls)
            took = time.perf_counter() - started
            size = sum(file.stat().st_size for file in Path(folder).iterdir())
            print(
                f"{name:8} {hosts * CONTROLS} findings in {took:.2f} s, CPU {cpu:.2f} s, {size - before:+,} bytes",
                end="",
            )
            print(f", {len(register.events())} events in all")
            before = size
        started = time.perf_counter()
        run = register.run("latest")
        print(f"read back {len(run.findings)} findings in {time.perf_counter() - started:.2f} s")
        started = time.perf_counter()
        print(f"verified ({register.verify() or 'nothing wrong'}) in {time.perf_counter() - started:.2f} s")
        register.close()
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()

"""The worked example as a recorded run, for tests of the verbs that read the register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from scanner import pipeline
from scanner.model import Finding, Run, Visited
from scanner.register import open_register
from scanner.score import Policy, assess, score_asset

from .estates import EXAMPLE

BEGAN = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)


def record_example(
    url: str, name: str = "first", other: Mapping[str, Sequence[Finding]] | None = None, without: Sequence[str] = ()
) -> Run:
    """Record a run of the worked example. other: findings instead. without: assets not visited."""
    register = open_register(url)
    at = BEGAN + timedelta(days=len(register.runs(100)))
    nothing = assess([], {}, Policy())
    begun = Run(
        name, at, None, "0.1", "inventory.yaml", "ab" * 32, {"b": "cd" * 32}, EXAMPLE.controls, (), {},
        nothing.organisation, (), "running", asdict(Policy()),
    )  # fmt: skip
    register.begin(begun)
    visited = []
    for asset, found in EXAMPLE.pairs:
        if asset.id not in without:
            findings = tuple((other or {}).get(asset.id, found))
            score = score_asset(asset, findings, EXAMPLE.controls, Policy())
            visited.append(Visited(asset, ("b",), findings, score, at))
            register.store(name, visited[-1], None)
    run = pipeline.finish(begun, visited, Policy(), "complete", register)
    register.finish(run)
    register.close()
    return run

"""Findings judged per second, beside the naive way: every control parsing its own replies, host by host.

    python -m benchmarks.evaluate [hosts]      (without a number: as many as have 300,000 findings)

The evidence is this machine's own, visited once, held against the shipped Linux baseline as that many hosts.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Evidence, Finding, Inventory, Local
from scanner.plan import PlannedAsset, make_plan
from scanner.transports import Bounds

FINDINGS = 300_000


def _gather() -> tuple[PlannedAsset, Evidence]:
    here = Inventory("benchmark", (Asset("here", access=Access(local=Local()), baselines=("debian-12",)),))
    (found,) = collect(make_plan(here, Catalogue()).assets, Bounds())
    return found.planned, found.evidence


def _shared(planned: PlannedAsset, fleet: Sequence[Evidence]) -> int:
    judge = Judge()
    return sum(len(judge.findings(planned, evidence)) for evidence in fleet)


def _naive(planned: PlannedAsset, fleet: Sequence[Evidence]) -> int:
    """A new judge for every control: nothing parsed is shared, between controls or between hosts."""
    count = 0
    for evidence in fleet:
        for one in planned.baselines:
            for control in one.controls:
                alone = replace(planned, baselines=(replace(one, controls=(control,)),))
                found: list[Finding] = Judge().findings(alone, evidence)
                count += len(found)
    return count


def _timed(
    way: Callable[[PlannedAsset, Sequence[Evidence]], int], planned: PlannedAsset, fleet: Sequence[Evidence]
) -> float:
    started = time.perf_counter()
    count = way(planned, fleet)
    took_s = time.perf_counter() - started
    name = way.__name__.strip("_")
    print(f"{name:>8}: {count:>8} findings of {len(fleet)} hosts in {took_s:.2f} s: {count / took_s:,.0f}/s")
    return count / took_s


def main() -> None:
    planned, evidence = _gather()
    each = len(Judge().findings(planned, evidence))
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else math.ceil(FINDINGS / each)
    # alike in everything but the name, as the hosts of one image are
    fleet = [replace(evidence, asset=f"host-{number}") for number in range(hosts)]
    ours = _timed(_shared, planned, fleet)
    naive = _timed(_naive, planned, fleet[: max(1, hosts // 100)])
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"   ratio: {ours / naive:.1f} times the naive way; peak memory {peak_mib:.0f} MiB")


if __name__ == "__main__":
    main()

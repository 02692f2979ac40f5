"""Requests, seconds and CPU for one AWS account: Riskline's one visit beside one call sequence per control.

    python -m benchmarks.aws_account [--buckets 10 100 1000]

Both ways ask the same questions of the same seeded account on loopback (moto, in a process of its own, so that the CPU
counted is the client's). The plain way judges control by control: fresh clients, its own reads, nothing shared, as a
script per check does. Round trips are those of loopback; over a real one the ratio of seconds is that of requests.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Aws, Inventory
from scanner.plan import PlannedAsset, make_plan, plan_asset
from scanner.transports import Bounds
from tests.live.moto_seed import seed
from tests.live.moto_server import Server, moto_server

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")


def serve(pipe: Connection, buckets: int | None) -> None:
    """The account's process: give its URL, then the number of requests since the last question, until "end"."""

    def more(server: Server) -> None:
        for number in range(buckets or 0):
            server.client("s3").create_bucket(Bucket=f"bucket-{number:05}")

    with moto_server(seed if buckets is None else more) as server:
        pipe.send(server.url)
        while pipe.recv() != "end":
            pipe.send(len(server.calls))
            server.calls.clear()


@contextmanager
def account(buckets: int | None = None) -> Iterator[tuple[str, Callable[[], int]]]:
    """An account's URL, and a function that tells how many requests came since it was last asked."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, buckets))
    process.start()

    def requests() -> int:
        here.send("count")
        return int(here.recv())

    try:
        yield str(here.recv()), requests
    finally:
        here.send("end")
        process.join(30)


def planned(url: str, select: tuple[str, ...] = ()) -> PlannedAsset:
    """The whole baseline, or a selection of it, for the account at the URL."""
    way = Aws(endpoint=url, regions=REGIONS, access_key_id="env:RISKLINE_BENCH", secret_access_key="env:RISKLINE_BENCH")
    (asset,) = make_plan(Inventory("i", (Asset("cloud", access=Access(aws=way)),)), Catalogue(), ["aws"], select).assets
    return asset


def together(asset: PlannedAsset) -> int:
    """One visit for all controls; the number of findings."""
    (found,) = collect([asset], Bounds(deadline_s=900.0, max_bytes=1 << 30))
    return len(Judge().findings(asset, found.evidence))


def one_by_one(asset: PlannedAsset) -> int:
    """A visit for each control; the number of findings."""
    from dataclasses import replace

    findings = 0
    for baseline in asset.baselines:
        for control in baseline.controls:
            keys = {key for term in control.terms for key in term.keys}
            needed = tuple(probe for probe in baseline.probes if probe.key in keys)
            findings += together(plan_asset(asset.asset, [replace(baseline, controls=(control,), probes=needed)]))
    return findings


def measure(name: str, work: Callable[[], int], requests: Callable[[], int]) -> tuple[float, float, int]:
    """Run once and print; wall seconds, CPU seconds, requests."""
    requests()
    wall, cpu = time.perf_counter(), time.process_time()
    findings = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    asked = requests()
    print(f"{name:<28} {findings:>6} findings {asked:>6} requests {wall:>7.2f} s {cpu:>7.2f} s CPU")
    return wall, cpu, asked


def main() -> None:
    """Print the comparison, then the growth with the number of buckets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buckets", type=int, nargs="*", default=[10, 100, 1000])
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["RISKLINE_BENCH"] = "testing"
    with account() as (url, requests):
        asset = planned(url)
        measure("warming up", lambda: together(asset), requests)
        ours = measure("one visit", lambda: together(asset), requests)
        plain = measure("one sequence per control", lambda: one_by_one(asset), requests)
        ratios = [theirs / own for theirs, own in zip(plain, ours, strict=True)]
        print(f"{'ratio':<28} {ratios[2]:>23.1f} requests {ratios[0]:>6.1f} wall {ratios[1]:>6.1f} CPU")
    for buckets in chosen.buckets:
        with account(buckets) as (url, requests):
            asset = planned(url, ("id=S3-*",))
            _, cpu, asked = measure(f"{buckets} buckets", lambda asset=asset: together(asset), requests)  # type: ignore[misc]
            print(f"{'':<28} per bucket: {asked / buckets:.1f} requests, {1000 * cpu / buckets:.1f} ms CPU")


if __name__ == "__main__":
    main()

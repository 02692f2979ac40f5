"""Requests, seconds and CPU for one AWS account: Riskline's one visit beside one call sequence per control.

    python -m benchmarks.aws_account [--buckets N ...] [--roles N ...] [--rows N ...] [--prowler COMMAND]

All ask the same questions of the same seeded account on loopback (moto, in a process of its own, so that the CPU
counted is the client's). Where Prowler is installed (or named), both answer CIS 5.0 of three accounts with AWS's own
managed policies in them, and every verdict that differs is printed: that of the tests, that of a company with a few
hundred things, and that of the tests with some 1,300 snapshots per region, which moto brings along. Without it, the
comparison is with the plain way: control by control, fresh clients, its own reads, nothing shared, as a script per
check does. `--rows` visits and judges an account with so many disks, whose pages have the size and shape of EC2's, and
tells the peak of memory. Round trips are those of loopback; over a real one the ratio of seconds is that of requests.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from benchmarks.aws_estate import furnish
from benchmarks.prowler import SELECT, Cost, answering, compare, run_prowler, run_riskline
from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Aws, Finding, Inventory
from scanner.plan import PlannedAsset, make_plan, plan_asset
from scanner.transports import Bounds
from tests.live.many_disks import many_disks
from tests.live.moto_seed import seed
from tests.live.moto_server import Server, moto_server

TRUST = '{"Version": "2012-10-17", "Statement": []}'
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")


@dataclass(frozen=True)
class Holds:
    """What an account holds. kind: "seed" as in the tests, "company", or "growth": so many buckets and roles.

    policies: AWS's own managed policies, some 1,300. images: moto's own images, with some 1,300 snapshots per region.
    """

    kind: str = "seed"
    policies: bool = False
    images: bool = False
    buckets: int = 0
    roles: int = 0

    def fill(self, server: Server) -> None:
        """Make it so."""
        if self.kind != "growth":
            {"seed": seed, "company": furnish}[self.kind](server)
        for number in range(self.buckets):
            server.client("s3").create_bucket(Bucket=f"bucket-{number:05}")
        for number in range(self.roles):
            server.client("iam").create_role(RoleName=f"role-{number:05}", AssumeRolePolicyDocument=TRUST)


ACCOUNTS = (Holds(policies=True), Holds("company", policies=True), Holds(policies=True, images=True))
"""Where Prowler and Riskline stand side by side."""


def serve(pipe: Connection, holds: Holds) -> None:
    """The account's process: give its URL, then the number of requests since the last question, until "end"."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = str(holds.policies).lower()
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = str(holds.images).lower()
    with moto_server(holds.fill) as server:
        pipe.send(server.url)
        while pipe.recv() != "end":
            pipe.send(len(server.calls))
            server.calls.clear()


@contextmanager
def account(holds: Holds) -> Iterator[tuple[str, Callable[[], int]]]:
    """An account's URL, and a function that tells how many requests came since it was last asked."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, holds))
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


def judged(asset: PlannedAsset) -> list[Finding]:
    """One visit for all controls."""
    (found,) = collect([asset], Bounds(deadline_s=900.0, max_bytes=1 << 30))
    return Judge().findings(asset, found.evidence)


def together(asset: PlannedAsset) -> int:
    """The number of findings of one visit for all controls."""
    return len(judged(asset))


def one_by_one(asset: PlannedAsset) -> int:
    """A visit for each control; the number of findings."""
    findings = 0
    for baseline in asset.baselines:
        for control in baseline.controls:
            keys = {key for term in control.terms for key in term.keys}
            needed = tuple(probe for probe in baseline.probes if probe.key in keys)
            findings += together(plan_asset(asset.asset, [replace(baseline, controls=(control,), probes=needed)]))
    return findings


def measure(name: str, work: Callable[[], int], requests: Callable[[], int]) -> Cost:
    """Run once and print."""
    requests()
    wall, cpu = time.perf_counter(), time.process_time()
    findings = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    asked = requests()
    print(f"{name:<28} {findings:>6} findings {asked:>6} requests {wall:>7.2f} s {cpu:>7.2f} s CPU")
    return wall, cpu, asked


def tell(name: str, cost: Cost) -> None:
    """Print what was measured."""
    print(f"{name:<28} {cost[2]:>22} requests {cost[0]:>7.2f} s {cost[1]:>7.2f} s CPU")


def beside(command: str, holds: Holds) -> None:
    """Riskline and Prowler on one account, each from its start to its report; the ratio, and which verdicts differ.

    Riskline runs without a register, for Prowler keeps none: three times, of which the middle one counts, for a run of
    two seconds feels what else the machine does. Then it runs with a register that it makes first.

    Verdicts on a company's account are those of a second run, in which Prowler judges what nothing uses as well.
    """
    with account(holds) as (url, requests):
        print(f"CIS 5.0: {holds}")
        runs = [run_riskline(url, REGIONS, requests, "--no-record") for _ in range(3)]
        own, found = sorted(runs, key=lambda run: run[0][1])[1]
        recorded, _ = run_riskline(url, REGIONS, requests, "--register", "register.db")
        theirs, rows = run_prowler(command, url, REGIONS, requests)
        for name, cost in (("Riskline, a new register", recorded), ("Riskline", own), ("Prowler", theirs)):
            tell(name, cost)
            wall, cpu, asked = (theirs[at] / cost[at] for at in range(3))
            print(f"{'  of that, Prowler':<28} {asked:>22.1f} times  {wall:>8.1f} times {cpu:>4.1f} times", flush=True)
        if holds.kind == "company":
            _, rows = run_prowler(command, url, REGIONS, requests, "--scan-unused-services")
        print("\n".join(compare(answering(planned(url, (SELECT,))), found, rows)), flush=True)


def alone() -> None:
    """One visit beside one call sequence per control, on the account of the tests."""
    with account(Holds()) as (url, requests):
        asset = planned(url)
        measure("warming up", lambda: together(asset), requests)
        ours = measure("one visit", lambda: together(asset), requests)
        plain = measure("one sequence per control", lambda: one_by_one(asset), requests)
        ratios = [theirs / own for theirs, own in zip(plain, ours, strict=True)]
        print(f"{'ratio':<28} {ratios[2]:>22.1f} requests {ratios[0]:>6.1f} wall {ratios[1]:>6.1f} CPU")


def grow(holds: Holds, kind: str, number: int, select: str) -> None:
    """What each thing of a kind costs where there are so many."""
    with account(holds) as (url, requests):
        asset = planned(url, (select,))
        _, cpu, asked = measure(f"{number} {kind}s", lambda: together(asset), requests)
        print(f"{'':<28} per {kind}: {asked / number:.2f} requests, {1000 * cpu / number:.1f} ms CPU", flush=True)


def tell_disks(pipe: Connection, number: int) -> None:
    """The process of an account with so many disks: its URL, then, once asked, how many pages and bytes it sent."""
    with many_disks(number) as disks:
        pipe.send(disks.url)
        pipe.recv()
        pipe.send((disks.pages, disks.sent, disks.largest))


def hold(rows: int) -> None:
    """Visit and judge an account with so many disks; print the seconds, and the most memory that this process had.

    To be run in a process of its own: what others needed before would count.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=tell_disks, args=(there, rows))
    process.start()
    asset = planned(str(here.recv()), ("id=EBS-02",))
    before, began = most_held_mb(), time.perf_counter()
    findings = judged(asset)
    took = time.perf_counter() - began
    here.send("end")
    pages, sent, largest = here.recv()
    process.join(30)
    print(
        f"{rows} disks: {pages} pages, {sent / 1e6:.1f} MB, the largest {largest / 1e6:.2f} MB;"
        f" {len(findings)} findings; {took:.1f} s; at most {most_held_mb():.0f} MB, {before:.0f} of them before",
        flush=True,
    )


def most_held_mb() -> float:
    """The most memory that this process has had. Source: getrusage(2), in KiB on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the comparison, then the growth with the number of buckets and roles, and the memory of a large answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buckets", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--roles", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000, 50_000])
    parser.add_argument("--prowler", default=shutil.which("prowler"), help="its command, where it is installed")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["RISKLINE_BENCH"] = "testing"
    for holds in ACCOUNTS if chosen.prowler else ():
        beside(chosen.prowler, holds)
    if not chosen.prowler:
        alone()
    for buckets in chosen.buckets:
        grow(Holds("growth", buckets=buckets), "bucket", buckets, "id=S3-*")
    for roles in chosen.roles:
        grow(Holds("growth", roles=roles), "role", roles, "id=IAM-*")
    for rows in chosen.rows:
        held = multiprocessing.get_context("spawn").Process(target=hold, args=(rows,))
        held.start()
        held.join()


if __name__ == "__main__":
    main()

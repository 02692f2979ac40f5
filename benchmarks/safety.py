"""What safety costs: one host visited over SSH, judged, recorded and reported, with and without what keeps us safe.

    python -m benchmarks.safety [pairs]

The host is an sshd of our own on loopback, asked what the shipped Debian baseline asks: first all of it, as a scan is,
then all but the walks over the whole disk, which take as long either way and would hide what the rest costs. Both ways
take turns, and the first of a pair is the other one each time. Without safety means: no secret is looked for, no text
is made harmless, nothing is brought to the disk before it is renamed, and on the host no question has a limit of time
or size. What is printed is the median of each way and the median of the pairs' ratios, of elapsed time and of the
processor time spent here; then the same with one layer left out alone.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from reports import csv, html, json
from scanner import collect, inert, pipeline
from scanner.catalogue import Catalogue
from scanner.model import Asset, Inventory
from scanner.plan import Plan, make_plan
from scanner.redaction import use_salt_of
from scanner.register import open_register
from scanner.transports import Bounds, posix
from scanner.transports.posix import Batch
from tests.live.sshd import USABLE, WHY, sshd

_LONG_S = 30  # a question that may take longer walks the disk
_LIMITED = Batch._all


def planned(asset: Asset, longest_s: float = _LONG_S) -> Plan:
    """One host, and every question of the Debian baseline that may take so long and no longer."""
    plan = make_plan(Inventory("benchmark", (replace(asset, baselines=("debian-12",)),)), Catalogue())
    (one,) = plan.assets
    visits = {way: tuple(p for p in probes if p.timeout_s <= longest_s) for way, probes in one.visits.items()}
    return replace(plan, assets=(replace(one, visits=visits),))


def whole_way(plan: Plan) -> int:
    """A run into a register of its own, and its reports; how many findings it has."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"{folder}/register.db"
        register = open_register(url)
        try:
            use_salt_of(url)
            options = pipeline.Options(Bounds(120))
            run = pipeline.execute(plan, pipeline.new_run(plan, options.policy), register, options)
        finally:
            register.close()
        for report in (html, json, csv):
            Path(folder, "report").write_bytes(report.render(run))
    return sum(len(visited.findings) for visited in run.visited)


# ── the layers, each of which can be left out ────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def no_redaction() -> Iterator[None]:
    with patch.object(collect, "redacted", dict), patch.object(collect, "redacted_text", str):
        yield


@contextlib.contextmanager
def no_cleaning() -> Iterator[None]:
    """Every module that took `printable` or `cell` gets one that changes nothing."""

    def as_it_is(text: str, limit: int | None = None) -> str:
        return text[:limit]

    with contextlib.ExitStack() as stack:
        for name in ("printable", "cell"):
            harmless = getattr(inert, name)
            for module in _modules():
                if getattr(module, name, None) is harmless:
                    stack.enter_context(patch.object(module, name, as_it_is))
        yield


def _modules() -> list[ModuleType]:
    return [one for name, one in sys.modules.items() if name.startswith(("scanner", "reports"))]


@contextlib.contextmanager
def no_syncing() -> Iterator[None]:
    with patch.object(os, "fsync", lambda _descriptor: None):
        yield


@contextlib.contextmanager
def no_limits() -> Iterator[None]:
    """On the host: no time limit around a question or the files, and no head(1) behind them."""
    begin, _, rest = posix.PRELUDE.partition("if timeout --version")
    bare = 't() { shift; "$@"; }\nquick_() { "$1"; }\n'
    kept = rest[rest.index("gone() {") : rest.index("quick_() {")] + rest[rest.index("file_() {") :]
    unlimited = begin + bare + kept
    for limit, without in (
        (' | head -c "$3" >&5', " >&5"),
        (f"{{ head -c {posix.ERROR_BYTES}; cat >/dev/null; }}", "cat"),
        ("{ head -c 2000; cat >/dev/null; }", "cat"),
        ('; } | head -c "$3"\n', "; }\n"),
    ):
        assert limit in unlimited, "the script has another shape by now"
        unlimited = unlimited.replace(limit, without)

    def files(batch: Batch, numbers: Sequence[int]) -> str:
        return _LIMITED(batch, numbers).partition(" | head ")[0]

    with patch.object(posix, "PRELUDE", unlimited), patch.object(Batch, "_all", files):
        yield


LAYERS: Mapping[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "secrets": no_redaction,
    "harmless texts": no_cleaning,
    "syncing": no_syncing,
    "limits on the host": no_limits,
}


@contextlib.contextmanager
def without(*layers: str) -> Iterator[None]:
    """Some of the layers left out."""
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(LAYERS[layer]())
        yield


def pairs(plan: Plan, layers: tuple[str, ...], count: int) -> None:
    """So many pairs with and without some layers; their medians and the median of the ratios are printed."""
    seconds: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for number in range(count):
        for safe in (True, False) if number % 2 else (False, True):
            with without(*(() if safe else layers)):
                seconds[safe].append(_timed(plan))
    for at, kind in enumerate(("elapsed", "CPU here")):
        safe_s, bare_s = ([one[at] for one in seconds[safe]] for safe in (True, False))
        ratio = statistics.median(one / other for one, other in zip(safe_s, bare_s, strict=True))
        with_ms, without_ms = statistics.median(safe_s) * 1000, statistics.median(bare_s) * 1000
        name = ", ".join(layers) if len(layers) < len(LAYERS) else "everything"
        print(f"{name:>20} {kind:>8}: {with_ms:>6.0f} ms with, {without_ms:>6.0f} ms without, ratio {ratio:.3f}")


def _timed(plan: Plan) -> tuple[float, float]:
    started, before = time.perf_counter(), time.process_time()
    whole_way(plan)
    return time.perf_counter() - started, time.process_time() - before


def main() -> None:
    if not USABLE:
        sys.exit(WHY)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with sshd() as server:
        asset = server.asset(user="root", known_hosts=(str(server.known_hosts),))
        scan = planned(asset, longest_s=float("inf"))
        print(f"{sum(map(len, scan.assets[0].visits.values()))} questions, {whole_way(scan)} findings, {count} pairs")
        pairs(scan, tuple(LAYERS), count)
        plan = planned(asset)
        print(f"{sum(map(len, plan.assets[0].visits.values()))} questions, {whole_way(plan)} findings, {count} pairs")
        pairs(plan, tuple(LAYERS), count)
        for layer in LAYERS:
            pairs(plan, (layer,), max(3, count // 2))


if __name__ == "__main__":
    main()

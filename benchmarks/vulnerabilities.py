"""Known flaws: what it costs to load a feed, to look up one host and to look up a fleet; beside debsecan.

    python benchmarks/vulnerabilities.py [packages] [advisories]

The advisories are made up, with the shape of Debian's: 45,000 of them, each for four releases. Each step runs in a
process of its own, so that its memory is its own. The limits are held against what the processor spent: nothing here
waits, and on a busy machine the time on the clock says little.

    load     an OSV archive into the local store                                at most 5 s
    host     the packages of one host, 2,000, held against all of them          at most 60 ms
    fleet    the same for each of 50 hosts                                      at most 12 ms
    memory   of each step                                                       at most 64 MiB

`findings` is the whole way from the evidence: packages and archives read, looked up, a control and a finding of each.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scanner.model import Asset, Evidence, Reply
from scanner.threats import packages, store
from scanner.threats.findings import Threats, findings
from scanner.threats.reading import Limits

HOSTS = 50
HERE = "Debian:12"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOST = {"load_s": 5.0, "host_ms": 60.0, "fleet_ms": 12.0, "mib": 64.0}


def make(folder: Path, number: int, advisories: int) -> dict[str, Any]:
    """What the other steps read. In a process of its own: it needs much memory."""
    from tests import advisories_of as made_up

    made = made_up.distribution(advisories=advisories)
    made_up.osv_archive(folder / "all.zip", made)
    (folder / "debsecan").write_bytes(made_up.debsecan_list(made))
    for host in range(HOSTS):
        rows = made.installed(host, number)
        (folder / f"host-{host}.txt").write_text(made_up.dpkg_rows(rows))
        (folder / f"offers-{host}.txt").write_text(
            "".join(f"=\tDebian\toldstable\t\t{binary}\t{version}\tamd64\n" for binary, version, *_ in rows) + "end\n"
        )
    (folder / "status").write_text(made_up.dpkg_status(made.installed(0, number)))
    return {"zip_mib": (folder / "all.zip").stat().st_size / (1 << 20)}


def load(folder: Path) -> dict[str, Any]:
    """The archive into the store."""
    started, used = time.perf_counter(), time.process_time()
    found = store.take(folder / "feeds", "Debian", "osv", folder / "all.zip", NOW, Limits())
    took_s, cpu_s = time.perf_counter() - started, time.process_time() - used
    size = store.path_of(folder / "feeds", "Debian").stat().st_size
    return {"clock_s": took_s, "load_s": cpu_s, "records": found.records, "db_mib": size / (1 << 20)}


def evidence(folder: Path, host: int) -> Evidence:
    replies = {
        packages.DPKG_PACKAGES.probe.key: Reply((folder / f"host-{host}.txt").read_text()),
        packages.OFFERS.probe.key: Reply((folder / f"offers-{host}.txt").read_text()),
        packages.RELEASE.probe.key: Reply('ID=debian\nVERSION_ID="12"\n'),
        packages.RUNNING.probe.key: Reply("6.1.0-9-amd64\n"),
    }
    return Evidence(f"host-{host}", NOW, "0", replies)


def installed(seen: Evidence) -> tuple[packages.Installed, ...]:
    return packages.dpkg(seen.replies[packages.DPKG_PACKAGES.probe.key].text)


def host(folder: Path) -> dict[str, Any]:
    """One host with nothing remembered of others: the middle one of five times."""
    seen = evidence(folder, 0)
    has = installed(seen)
    took: list[tuple[float, float]] = []
    for _ in range(5):
        with Threats(folder / "feeds", NOW) as feeds:
            started, used = time.perf_counter(), time.process_time()
            found = feeds.matchers["Debian"].hits(HERE, has, "")
            took.append((time.perf_counter() - started, time.process_time() - used))
    wall, cpu = (statistics.median(of) * 1000 for of in zip(*took, strict=True))
    return {"clock_ms": wall, "host_ms": cpu, "flaws": len(found)}


def fleet(folder: Path) -> dict[str, Any]:
    """Fifty hosts that differ in one package of ten."""
    took_s = cpu_s = 0.0
    count = 0
    with Threats(folder / "feeds", NOW) as feeds:
        for number in range(HOSTS):
            has = installed(evidence(folder, number))
            started, used = time.perf_counter(), time.process_time()
            count += len(feeds.matchers["Debian"].hits(HERE, has, ""))
            took_s += time.perf_counter() - started
            cpu_s += time.process_time() - used
    return {"clock_ms": took_s / HOSTS * 1000, "fleet_ms": cpu_s / HOSTS * 1000, "flaws": count}


def whole_way(folder: Path) -> dict[str, Any]:
    """Fifty hosts from their evidence to findings; as a run does it, one after the other."""
    with Threats(folder / "feeds", NOW) as feeds:
        started, used, count = time.perf_counter(), time.process_time(), 0
        for number in range(HOSTS):
            count += len(findings(Asset("one"), evidence(folder, number), feeds, NOW.date())[1])
        took_s, cpu_s = time.perf_counter() - started, time.process_time() - used
    return {"clock_ms": took_s / HOSTS * 1000, "findings_ms": cpu_s / HOSTS * 1000, "findings": count}


def debsecan(folder: Path) -> dict[str, Any]:
    """What debsecan needs for the same host and the same advisories, from a server on this machine."""
    from tests.live.http_server import serving_bytes

    words = ["debsecan", "--suite", "bookworm", "--status", str(folder / "status"), "--format", "simple"]
    content = (folder / "debsecan").read_bytes()
    with serving_bytes(content) as address, (folder / "said").open("wb") as said:
        started = time.perf_counter()
        process = subprocess.Popen([*words, "--source", f"{address}/", "--config", os.devnull], stdout=said)
        _, status, used = os.wait4(process.pid, 0)
        took_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    cves = {line.split()[0] for line in (folder / "said").read_text().splitlines()}
    return {"debsecan_s": took_s, "debsecan_mib": used.ru_maxrss / 1024, "cves": len(cves)}


def whole(folder: Path) -> dict[str, Any]:
    """The same as debsecan does, as one process: from start to the last finding."""
    with Threats(folder / "feeds", NOW) as feeds:
        controls, _ = findings(Asset("host-0"), evidence(folder, 0), feeds, NOW.date())
    cves = {cve for one in controls for cve in one.references.get("cve", ()) if "/ignored" not in one.id}
    return {"cves": len(cves)}


_STEPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "load": load,
    "host": host,
    "fleet": fleet,
    "findings": whole_way,
    "whole": whole,
}


def step(name: str, folder: Path, *words: str) -> dict[str, Any]:
    """Run one step in a process of its own: what it measured, its peak memory, and its whole time."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--step", name, str(folder), *words], check=True, capture_output=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "process_s": time.perf_counter() - started}


def _step(name: str, folder: Path, words: list[str]) -> None:
    found = make(folder, int(words[0]), int(words[1])) if name == "make" else _STEPS[name](folder)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps({**found, "mib": int(peak.split()[1]) / 1024}))


def main() -> None:
    if sys.argv[1:2] == ["--step"]:
        _step(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
        return
    number, advisories = (
        sys.argv[1:3] if len(sys.argv) > 2 else (*sys.argv[1:], *("2000", "45000")[len(sys.argv) - 1 :])
    )
    with tempfile.TemporaryDirectory(prefix="riskline-flaws-") as made:
        folder = Path(made)
        told = step("make", folder, number, advisories)
        print(f"{advisories} advisories for 4 releases, {told['zip_mib']:.1f} MiB; hosts with {number} packages")
        missed = []
        for name in ("load", "host", "fleet", "findings"):
            found = step(name, folder)
            over = any(found[key] > most for key, most in MOST.items() if key in found)
            missed += [name] if over else []
            said = ", ".join(f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items())
            print(f"{name:>8}: {said}{'   BEYOND ITS LIMIT' if over else ''}")
        ours = step("whole", folder)
        print(f"   whole: {ours['process_s']:.2f} s, {ours['mib']:.0f} MiB, {ours['cves']} CVEs, as one process")
        if shutil.which("debsecan"):
            theirs = debsecan(folder)
            print(f"debsecan: {theirs['debsecan_s']:.2f} s, {theirs['debsecan_mib']:.0f} MiB, {theirs['cves']} CVEs")
        else:
            print("debsecan: not installed here")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

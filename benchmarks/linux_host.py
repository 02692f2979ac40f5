"""One visit of one Debian root, beside what other scanners take for theirs, in the same run.

    python -m benchmarks.linux_host [rounds] [data stream]

The root is a Debian 12 server with some 300 packages, made by mmdebstrap and kept in the tests' cache; it has a /proc
of its own and no running init, and Debian's package lists where these can be fetched: without them some controls
cannot be judged, and a visit is cheaper than a server's. Each way runs inside it, with processes of its own, so that
what is counted is what the target pays: processor time of all processes, and the largest resident memory of any one.

Riskline's script goes in on standard input, as over SSH; its answer is packed as SSH would (zlib, level 6). Then once
more with a million more files, where the walk stops at its bound and the budget is not meant to hold. Then OpenSCAP
with the data stream that Debian packages (for Debian 11, so it is shown a root that says so) or the one named, and
Lynis, each where it is in the root. The median of the rounds is printed; the others run once.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Chroot, Inventory, Outcome
from scanner.plan import PlannedAsset, make_plan
from scanner.transports import Bounds
from scanner.transports.posix import Batch
from scanner.transports.posix_answers import Ended
from scanner.transports.process import run
from tests.live.roots import ENVIRONMENT, debian_root, overlaid, run_in, why_not

PACKAGES = (
    *("aide", "apparmor", "apparmor-utils", "at", "auditd", "bind9-host", "build-essential", "ca-certificates"),
    *("chrony", "cron", "curl", "dbus", "file", "git", "iproute2", "iputils-ping", "less", "libpam-pwquality"),
    *("locales", "logrotate", "lsof", "lynis", "man-db", "netcat-openbsd", "nftables", "nginx", "openscap-scanner"),
    *("openssh-server", "postfix", "procps", "psmisc", "python3", "rsync", "rsyslog", "ssg-debian", "strace"),
    *("sudo", "systemd-sysv", "tcpdump", "tmux", "unattended-upgrades", "vim", "wget", "xz-utils"),
)
DATA_STREAM = "/usr/share/xml/scap/ssg/content/ssg-debian11-ds.xml"
BUDGET = {"target_s": 1.5, "peak_mib": 50.0, "packed_kib": 80.0}
_BOUNDS = Bounds(1800, 256 << 20)
_METER = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.returncode], file)
"""
"""A small process between us and the target: its children's largest memory starts at its own, some 10 MiB, not ours."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one run took on the target, and what came back."""

    wall_s: float
    target_s: float
    peak_mib: float
    stdout: bytes
    stderr: bytes
    ended: Ended


def inside(root: Path, words: list[str], script: bytes = b"") -> Use:
    """Run a command in the root, with mounts, processes and a /proc of its own."""
    with tempfile.NamedTemporaryFile() as file:
        meter = [sys.executable, "-I", "-S", "-c", _METER, file.name]
        namespaces = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root / 'proc'}"]
        started = time.perf_counter()
        stdout, stderr, ended = run([*meter, *namespaces, "chroot", str(root), *words], script, _BOUNDS, ENVIRONMENT)
        wall_s = time.perf_counter() - started
        target_s, peak_mib, _ = json.loads(Path(file.name).read_text())
    return Use(wall_s, target_s, peak_mib, stdout, stderr, ended)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one way took on the target, and how many controls, rules or tests it judged."""

    wall_s: float
    target_s: float
    peak_mib: float
    judged: int


@contextmanager
def spent() -> Iterator[list[float]]:
    """Seconds of this process's processor time, in the list behind the block."""
    took: list[float] = []
    before = time.process_time()
    yield took
    took.append(time.process_time() - before)


def planned() -> PlannedAsset:
    """The visit that the shipped Debian baseline asks for."""
    asset = Asset("server", access=Access(chroot=Chroot("/")), baselines=("debian-12",))
    (found,) = make_plan(Inventory("benchmark", (asset,)), Catalogue()).assets
    return found


def ours(root: Path, rounds: int, budget: Mapping[str, float]) -> Spent:
    """Print what a visit and its judgement take, beside the budget."""
    with spent() as planning:
        plan = planned()
    probes = plan.visits["chroot"]
    uses, judging = [], []
    for _ in range(rounds):
        with spent() as took:
            batch = Batch(probes, sudo=False)
            script = batch.script
        use = inside(root, ["/bin/sh", "-s"], script)
        with spent() as judged:
            replies = batch.replies(use.stdout, use.stderr, use.ended)
            evidence = make_evidence("server", {probe.key: reply for probe, reply in replies.items()}, {})
            findings = Judge().findings(plan, evidence)
        uses.append(use)
        judging.append(took[0] + judged[0])
    measured = {
        "target_s": statistics.median(use.target_s for use in uses),
        "peak_mib": max(use.peak_mib for use in uses),
        "packed_kib": len(zlib.compress(uses[-1].stdout, 6)) / 1024,
    }
    wall_s = statistics.median(use.wall_s for use in uses)
    row("riskline", wall_s, measured["target_s"], measured["peak_mib"])
    print(f"    {len(probes)} questions; {len({one.control for one in findings})} controls judged", end=": ")
    print(", ".join(f"{count} {outcome.value}" for outcome, count in Counter(f.outcome for f in findings).items()))
    print("    unknown: " + ", ".join(f"{f.control} {f.reason}" for f in findings if f.outcome is Outcome.UNKNOWN))
    print(f"    script {len(script) / 1024:.0f} KiB, answer {len(uses[-1].stdout) / 1024:.0f} KiB", end=", ")
    print(f"packed {measured['packed_kib']:.0f} KiB")
    print(f"    here: {statistics.median(judging):.2f} s CPU to read and judge, {planning[0]:.2f} s to plan once")
    for name, limit in budget.items():
        print(f"    budget {name} {limit:g}: {measured[name]:.2f}, {'kept' if measured[name] <= limit else 'BROKEN'}")
    return Spent(wall_s, measured["target_s"], measured["peak_mib"], len({one.control for one in findings}))


def beside(mine: Spent, other: Spent) -> None:
    """Print how much more another way takes than ours: as a whole, and for each thing that it judged."""
    each = other.target_s / max(other.judged, 1) / (mine.target_s / mine.judged)
    print(f"    beside riskline: {other.wall_s / mine.wall_s:.1f} x the time", end=", ")
    print(f"{other.target_s / mine.target_s:.1f} x the CPU on the target ({each:.1f} x for each judged)", end=", ")
    print(f"{other.peak_mib / mine.peak_mib:.1f} x the memory")


def listed(root: Path) -> None:
    """Give the root the package lists that a server holds: reading them is a large part of a visit."""
    for name in ("resolv.conf", "hosts"):
        (root / "etc" / name).unlink(missing_ok=True)
        (root / "etc" / name).write_text(Path("/etc", name).read_text())
    security = "deb http://security.debian.org/debian-security bookworm-security main\n"
    (root / "etc/apt/sources.list.d/security.list").write_text(security)
    update = ["chroot", str(root), "/usr/bin/apt-get", "-qq", "update"]
    done = subprocess.run(update, env=ENVIRONMENT, capture_output=True, check=False, timeout=300)
    size = sum(file.stat().st_size for file in (root / "var/lib/apt/lists").glob("*_Packages*"))
    print(f"package lists: {size / 2**20:.0f} MiB" if size else f"no package lists: {done.stderr[-200:].decode()}")


def crowd(root: Path) -> None:
    """Put a million more files into a root, a thousand to a folder."""
    for number in range(1000):
        folder = root / "srv" / f"folder-{number}"
        folder.mkdir()
        for name in range(1000):
            os.close(os.open(folder / f"file-{name}", os.O_CREAT | os.O_WRONLY, 0o644))


def openscap(root: Path, data_stream: str, mine: Spent) -> None:
    """Print what `oscap xccdf eval` takes for the largest profile of a data stream."""
    if not (root / "usr/bin/oscap").exists() or not (root / data_stream.lstrip("/")).exists():
        print(f"oscap: not in the root, or no {data_stream}")
        return
    document = (root / data_stream.lstrip("/")).read_text()
    profiles = re.findall(r'<(?:xccdf-1\.2:)?Profile id="([^"]+)"(.*?)</(?:xccdf-1\.2:)?Profile>', document, re.DOTALL)
    profile = max(profiles, key=lambda found: found[1].count('selected="true"'))[0]
    use = inside(root, ["/usr/bin/oscap", "xccdf", "eval", "--profile", profile, data_stream])
    results = Counter(re.findall(rb"^Result\s+(\w+)", use.stdout, re.MULTILINE))
    row("oscap", use.wall_s, use.target_s, use.peak_mib)
    print(f"    {sum(results.values())} rules of {profile.rpartition('_')[2]}", end=": ")
    print(", ".join(f"{count} {name.decode()}" for name, count in results.items()) or use.stderr[-300:].decode())
    beside(mine, Spent(use.wall_s, use.target_s, use.peak_mib, sum(results.values())))


def lynis(root: Path, mine: Spent) -> None:
    """Print what `lynis audit system --quick` takes."""
    if not (root / "usr/sbin/lynis").exists():
        print("lynis: not in the root")
        return
    use = inside(root, ["/usr/sbin/lynis", "audit", "system", "--quick", "--no-colors"])
    row("lynis", use.wall_s, use.target_s, use.peak_mib)
    found = re.search(rb"Tests performed\s*:\s*(\d+)", use.stdout)
    print(f"    {found[1].decode() if found else 'an unknown number of'} tests")
    beside(mine, Spent(use.wall_s, use.target_s, use.peak_mib, int(found[1]) if found else 0))


def row(name: str, wall_s: float, target_s: float, peak_mib: float) -> None:
    """One line of the comparison."""
    print(f"{name}: {wall_s:.1f} s, {target_s:.2f} s CPU on the target, largest process {peak_mib:.0f} MiB")


def main() -> None:
    """Build the root, then run each way in it."""
    if why_not():
        sys.exit(why_not())
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    made = debian_root(*PACKAGES)
    count = (made / "var/lib/dpkg/status").read_text().count("\nStatus: install ok installed")
    print(f"{made}: {count} packages, {sum(1 for _ in made.rglob('*'))} files; {rounds} rounds")
    with overlaid(made) as root:
        listed(root)
        mine = ours(root, rounds, BUDGET)
        print("the same with a million more files:")
        crowd(root)
        ours(root, 1, {})
    with overlaid(made) as root:
        named = Path(sys.argv[2]) if len(sys.argv) > 2 else None
        if named:
            (root / "stream.xml").write_bytes(named.read_bytes())
        else:
            run_in(
                root,
                "sed -i s/12/11/g /etc/debian_version /etc/os-release; sed -i s/bookworm/bullseye/ /etc/os-release",
            )
        openscap(root, "/stream.xml" if named else DATA_STREAM, mine)
    with overlaid(made) as root:
        lynis(root, mine)


if __name__ == "__main__":
    main()

"""Workers at two sites that cannot see each other: RabbitMQ between them, one of them killed, every asset counted once.

hub  10.77.1.1, 10.77.2.1   RabbitMQ (TLS), and the scan
  ├─ north  10.77.1.2 …     hosts and a worker
  └─ south  10.77.2.2 …     hosts and a worker; no route to the north
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from scanner.allowance import Allowance
from scanner.engines.broker import Broker
from scanner.engines.dispatch import Dispatch
from scanner.model import Access, Asset, Run, Ssh
from scanner.plan import PlannedAsset
from scanner.probes import sh
from scanner.register import open_register
from scanner.transports import Bounds

from .rabbitmq import USABLE as RABBIT
from .rabbitmq import WHY as RABBIT_WHY
from .rabbitmq import Rabbit, rabbit
from .sshd import USABLE, WHY

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not USABLE, reason=WHY),
    pytest.mark.skipif(not RABBIT, reason=RABBIT_WHY),
    pytest.mark.skipif(not shutil.which("nsenter") or not shutil.which("ip"), reason="needs nsenter and ip"),
]
SITES = {"north": "10.77.1", "south": "10.77.2"}
EACH = 5
KILLS = int(os.environ.get("RISKLINE_WORKER_KILLS", "3"))
"""So many kills; more of them by hand."""
BASELINE = """
id: fleet
version: "{version}"
title: What the test asks
applies_to: {{kind: linux}}
controls:
  - id: F-01
    title: Root cannot log in over SSH
    check: linux.sshd.setting
    given: {{key: permitrootlogin}}
    expect: {{equals: "no"}}
    why: A stolen root password gives away the whole machine.
    fix: Set it.
    root_cause: fleet.root
  - id: F-02
    title: The machine is a Debian
    check: linux.system.release
    given: {{key: ID}}
    expect: {{equals: debian}}
    why: Other systems are not looked after here.
    fix: Install Debian.
    root_cause: fleet.debian
"""


@dataclass
class Lab:
    """The namespaces. hub, north, south: the command that enters each. folder: inventory and baseline."""

    hub: list[str]
    inside: dict[str, list[str]]
    folder: Path
    broker: Rabbit

    def env(self) -> dict[str, str]:
        """What a scan and a worker need to know of the broker."""
        home = str(self.folder / "home")
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {**kept, "HOME": home, "RISKLINE_BROKER": self.broker.url, "PYTHONPATH": str(ROOT)}

    def riskline(self, *words: str) -> list[str]:
        """The command line of a verb."""
        program = [sys.executable, "-m", "scanner.cli"]
        return [*program, *words, "-i", str(self.folder / "inventory.yaml")]

    @contextlib.contextmanager
    def worker(self, site: str, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A worker of a site, at that site; killed at the end."""
        line = self.riskline("worker", "--site", site, "--broker-ca", str(self.broker.ca), "--json-log")
        line += ["--processes", "1", "--at-once", "1", *(words or ("--baselines", str(self.folder / "ours")))]
        process = subprocess.Popen(
            [*self.inside[site], *line],
            env=self.env(),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / f"worker-{site}.log").open("a"),
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)

    def visited(self, site: str) -> int:
        """How many visits the workers of a site have logged."""
        log = self.folder / f"worker-{site}.log"
        return log.read_text().count("visited in") if log.exists() else 0

    def scan(self, register: str, *words: str) -> subprocess.Popen[str]:
        """A scan from the hub."""
        more = ["--register", str(self.folder / register), "--baselines", str(self.folder / "ours")]
        line = self.riskline("scan", *more, "-b", "fleet", "--json-log", *words)
        return subprocess.Popen(
            [*self.hub, *line],
            env=self.env(),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def far(self, *words: str) -> list[str]:
        """The options of a scan by workers."""
        return ["--engine", "celery", "--broker-ca", str(self.broker.ca), "--batch", "1", *words]

    def run(self, register: str) -> Run:
        """The only run of a register."""
        with contextlib.closing(open_register(str(self.folder / register))) as opened:
            (summary,) = opened.runs()
            return opened.run(summary.id)


def _namespace(stack: contextlib.ExitStack) -> tuple[int, list[str]]:
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"], start_new_session=True)
    stack.callback(holder.wait)
    stack.callback(holder.kill)
    until = time.monotonic() + 10
    while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        assert time.monotonic() < until
        time.sleep(0.01)
    inside = ["nsenter", "-t", str(holder.pid), "--net"]
    subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
    return holder.pid, inside


def _hosts(stack: contextlib.ExitStack, inside: list[str], addresses: list[str]) -> dict[str, Any]:
    line = [*inside, sys.executable, "-m", "tests.live.site_hosts", *addresses]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdin is not None and process.stdout is not None
    stack.callback(process.wait, 20)
    stack.callback(process.stdin.close)
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("sites")
    (folder / "home").mkdir()
    with contextlib.ExitStack() as stack:
        _, hub = _namespace(stack)
        inside, assets, known = {}, [], ""
        for site, net in SITES.items():
            pid, there = _namespace(stack)
            inside[site] = there
            for words in (
                [*hub, "ip", "link", "add", site, "type", "veth", "peer", "name", "up0", "netns", str(pid)],
                [*hub, "ip", "addr", "add", f"{net}.1/24", "dev", site],
                [*hub, "ip", "link", "set", site, "up"],
                [*there, "ip", "link", "set", "up0", "up"],
                *([*there, "ip", "addr", "add", f"{net}.{n}/24", "dev", "up0"] for n in range(2, 2 + EACH)),
                [*there, "ip", "route", "add", "10.77.0.1/32", "via", f"{net}.1"],
            ):
                subprocess.run(words, check=True)
            hosts = [f"{net}.{n}" for n in range(2, 2 + EACH)]
            told = _hosts(stack, there, hosts)
            known += told["known"]
            ssh = f"user: root, port: {told['port']}, key: {told['key']}, config: none, known_hosts: known"
            assets += [f"  {site}-{h}: {{address: {h}, site: {site}, access: {{ssh: {{{ssh}}}}}}}" for h in hosts]
        subprocess.run([*hub, "ip", "addr", "add", "10.77.0.1/32", "dev", "lo"], check=True)
        assets.append("  nobody: {address: 10.77.1.2, site: west, access: {ssh: {config: none, known_hosts: known}}}")
        assets.append("  near: {access: local}")
        (folder / "known").write_text(known)
        (folder / "inventory.yaml").write_text("version: 1\nassets:\n" + "\n".join(assets) + "\n")
        for place, version in (("ours", "1"), ("other", "2")):
            (folder / place).mkdir()
            (folder / place / "fleet.yaml").write_text(BASELINE.format(version=version))
        broker = stack.enter_context(rabbit("10.77.0.1", 5671, hub))
        yield Lab(hub, inside, folder, broker)


def told(run: Run) -> dict[str, Any]:
    """Everything of a run that does not speak of when and how long."""
    visited = {one.asset.id: (one.findings, one.score, one.evidence_digest, dict(one.failures)) for one in run.visited}
    return {"visited": visited, "risks": run.risks, "organisation": run.organisation, "controls": run.controls}


def lasting(lab: Lab, register: str) -> dict[str, Any]:
    """What a register holds beside its runs, without instants and ids."""
    with contextlib.closing(open_register(str(lab.folder / register))) as opened:
        risks = [(r.fingerprint, r.asset, r.control, r.subject, r.cause, r.weakness, r.state) for r in opened.risks()]
        events = [(e.asset, e.fingerprint, e.change, e.who, e.why) for _, e in opened.events()]
        assert opened.verify() == []
        (run,) = opened.runs()
        held = {one.asset.id: opened.evidence(run.id, one.asset.id) for one in opened.run(run.id).visited}
    answers = {asset: one and {k: replace(r, took_s=0) for k, r in one.replies.items()} for asset, one in held.items()}
    return {"risks": risks, "events": sorted(events), "answers": answers}


def await_(what: Callable[[], bool], limit_s: float = 40) -> None:
    until = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)


def test_sites_do_not_see_each_other(lab: Lab) -> None:
    for site, other in (("north", "10.77.2.2"), ("south", "10.77.1.2")):
        seen = subprocess.run([*lab.inside[site], "ip", "route", "get", other], capture_output=True, text=True)
        assert seen.returncode, seen.stdout


@dataclass
class Estate:
    """Workers at both sites and a scan of them, one of which is killed now and then and begun anew."""

    lab: Lab
    stack: contextlib.ExitStack
    words: list[str]
    workers: dict[str, tuple[contextlib.ExitStack, subprocess.Popen[str]]] = field(default_factory=dict)

    def begin(self, site: str) -> None:
        """A worker of a site; the one that was there before is killed with all it had started."""
        own = self.stack.enter_context(contextlib.ExitStack())
        if site in self.workers:
            self.workers[site][0].close()
        self.workers[site] = own, own.enter_context(self.lab.worker(site))

    def scan(self, *more: str) -> subprocess.Popen[str]:
        """A scan of everything."""
        return self.lab.scan("far.db", *self.words, *more)

    def disturb(self, how: str, draw: random.Random, scan: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """Kill a worker, the process of it that visits, or the scan; the scan that goes on."""
        site = draw.choice(sorted(self.workers))
        if how == "worker":
            self.begin(site)
        elif how == "visiting":
            for child in children(self.workers[site][1].pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        else:
            scan.kill()
            scan.communicate()
            return self.scan("--resume")
        return scan


def children(parent: int) -> list[int]:
    """The processes that a process has started, nsenter's own program left out."""
    found = subprocess.run(["pgrep", "-g", str(parent)], capture_output=True, text=True, check=False).stdout.split()
    return [int(word) for word in found if int(word) != parent]


@pytest.mark.timeout(600)
def test_workers_and_scans_killed_at_random_moments_count_every_asset_once(lab: Lab) -> None:
    limits = ["--limit", "north-*", "--limit", "south-*", "--limit", "near"]
    alone = lab.scan("local.db", *limits)
    draw, ends = random.Random(KILLS), Counter[int | str]()
    with contextlib.ExitStack() as stack:
        estate = Estate(lab, stack, lab.far("--site-wait", "60", *limits))
        for site in SITES:
            estate.begin(site)
        scan = estate.scan()
        await_(lambda: lab.visited("north") >= 1)
        for number in range(KILLS):
            how = ("worker", "scan", "visiting")[number % 3]
            scan = estate.disturb(how, draw, scan)
            ends[how] += 1
            until = time.monotonic() + draw.uniform(0.2, 2.5)
            while time.monotonic() < until and scan.poll() is None:
                time.sleep(0.02)
            if scan.poll() is not None:  # 1: it came to its end; 2: it had come to its end, and nothing was to resume
                ends[scan.returncode] += 1
                scan.communicate()
                scan = estate.scan()
        said = scan.communicate(timeout=180)[0]
        if scan.returncode == 2:
            scan = estate.scan()
            said = scan.communicate(timeout=180)[0]
    assert alone.wait(60) == scan.returncode == 1, said
    assert set(ends) <= {1, 2, "worker", "scan", "visiting"}, ends
    near, runs = lab.run("local.db"), complete(lab, "far.db")
    for far in runs:
        assert [one.asset.id for one in far.visited] == [one.asset.id for one in near.visited]
        assert told(far) == told(near)
    if len(runs) == 1:
        assert lasting(lab, "far.db") == lasting(lab, "local.db")
    assert runs
    assert opened_by(lab, "far.db") == opened_by(lab, "local.db"), "a risk was opened twice, or not at all"
    assert lab.visited("north") >= EACH


def opened_by(lab: Lab, register: str) -> list[tuple[str, str, str]]:
    """What became of the risks in all runs of a register."""
    with contextlib.closing(open_register(str(lab.folder / register))) as opened:
        return sorted((e.asset, e.fingerprint, e.change) for _, e in opened.events() if e.change != "sealed")


def complete(lab: Lab, register: str) -> list[Run]:
    """The runs of a register that came to their end; the history holds."""
    with contextlib.closing(open_register(str(lab.folder / register))) as opened:
        assert opened.verify() == []
        return [opened.run(one.id) for one in opened.runs(1000) if one.state == "complete"]


def test_a_site_whose_line_is_cut_for_a_while_is_visited_all_the_same_and_counted_once(lab: Lab) -> None:
    before = lab.visited("south")
    with lab.worker("south"):
        scan = lab.scan("cut.db", *lab.far("--site-wait", "60", "--limit", "south-*"))
        await_(lambda: lab.visited("south") > before)
        for state in ("down", "up"):
            subprocess.run([*lab.hub, "ip", "link", "set", "south", state], check=True)
            time.sleep(2.5 if state == "down" else 0)
        subprocess.run([*lab.inside["south"], "ip", "route", "replace", "10.77.0.1/32", "via", "10.77.2.1"], check=True)
        said = scan.communicate(timeout=120)[0]
    assert scan.returncode == 1, said
    visited = lab.run("cut.db").visited
    assert len(visited) == EACH
    assert not [one.failures for one in visited if one.failures]
    assert {event[2] for event in lasting(lab, "cut.db")["events"]} == {"opened", "sealed"}


def test_a_site_without_a_worker_is_told_of(lab: Lab) -> None:
    scan = lab.scan("nobody.db", *lab.far("--site-wait", "2", "--limit", "nobody"))
    said = scan.communicate(timeout=60)[0]
    assert scan.returncode == 3, said
    (one,) = lab.run("nobody.db").visited
    assert {finding.reason for finding in one.findings} == {"unreachable"}
    assert "riskline worker --site west" in one.failures["ssh"]


def test_a_gate_has_assets_of_other_sites_visited_by_their_workers(lab: Lab) -> None:
    with lab.worker("south"):
        limits = ["--limit", "south-10.77.2.2", "--limit", "south-10.77.2.3"]
        said = lab.scan("gate.db", *lab.far("--site-wait", "40", *limits)).communicate(timeout=60)[0]
        words = ["gate", "--change", "CHG-1", "--who", "anna", "--register", str(lab.folder / "gate.db"), *limits]
        words += ["--baselines", str(lab.folder / "ours"), "-b", "fleet", *lab.far("--site-wait", "40")]
        line = [*lab.hub, *lab.riskline(*words)]
        done = subprocess.run(line, env=lab.env(), cwd=lab.folder, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "CHG-1: approve"), said + done.stdout + done.stderr
    with contextlib.closing(open_register(str(lab.folder / "gate.db"))) as opened:
        last = opened.run(opened.runs()[0].id)
    assert [one.failures for one in last.visited] == [{}, {}]


def test_a_run_that_has_used_up_its_time_or_bytes_asks_no_site_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER", "amqps://nobody:nothing@127.0.0.1:9/")
    far = PlannedAsset(Asset("far", site="south", access=Access(ssh=Ssh())), (), {"ssh": (sh("id"),)})
    for spent in (Allowance(seconds=0.0), Allowance(size_bytes=0)):
        engine = Dispatch(Broker("env:BROKER"), site_wait_s=1, allowance=spent)
        assert list(engine([far], Bounds(), 4, None)) == []
    fresh = list(Dispatch(Broker("env:BROKER"), site_wait_s=1)([far], Bounds(), 4, None))
    assert "the broker cannot be reached" in fresh[0].evidence.failures["ssh"]


def test_a_worker_with_another_baseline_refuses_and_says_so(lab: Lab) -> None:
    with lab.worker("south", "--baselines", str(lab.folder / "other")):
        scan = lab.scan("other.db", *lab.far("--site-wait", "40", "--limit", "south-10.77.2.2"))
        said = scan.communicate(timeout=60)[0]
    assert scan.returncode == 3, said
    (one,) = lab.run("other.db").visited
    assert {finding.reason for finding in one.findings} == {"unreachable"}
    assert "another version of the baseline fleet" in one.failures["ssh"]


def test_a_broker_with_a_strange_certificate_is_not_talked_to(lab: Lab) -> None:
    words = ["--engine", "celery", "--broker-ca", str(lab.broker.stranger), "--site-wait", "1"]
    scan = lab.scan("strange.db", *words, "--limit", "south-10.77.2.2")
    said = scan.communicate(timeout=60)[0]
    assert scan.returncode == 3, said
    (one,) = lab.run("strange.db").visited
    assert "the broker cannot be reached" in one.failures["ssh"]
    assert "certificate verify failed" in one.failures["ssh"]

"""1,000 hosts over SSH from one machine, beside the cheapest client that there is, and beside `ansible -m setup`.

    python -m benchmarks.fleet [hosts] [visits at once] [rounds]      (the whole: 1000 32 3; a quick look: 100 32 1)

The hosts are one sshd on 127.1.0.1, 127.1.0.2 … in a network namespace of its own, with keys of its own; each answers
200 KB. The cheapest client is a C program (cheapest_client.c, libssh) that sends the very same script and throws the
answer away: the rate that this sshd can serve at all, as scanner and hosts share the cores of this machine. Where it
cannot be compiled (gcc, libssh-dev), bare paramiko stands in for it. Every way is a process of its own, and the ways
take turns; the median of the rounds counts. ansible visits fewer hosts, since it is that slow.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import paramiko

from scanner import Fact, check, file, parse, pipeline
from scanner.collect import collect
from scanner.model import Access, AppliesTo, Asset, Baseline, Control, Courtesy, Inventory, Probe, Ssh, Term
from scanner.plan import Plan, PlannedAsset, PlannedBaseline, PlannedControl, PlannedTerm
from scanner.transports import Bounds
from scanner.transports.posix import Batch
from tests.live.sshd import USABLE, WHY, Sshd, sshd

ANSWER_BYTES = 200_000
CONTROLS = 300
ANSIBLE_HOSTS = 100
DEAD_S = 2.0
"""How long a host that is switched off is waited for."""
UNLIMITED = Courtesy(network=64)
"""One sshd stands for many networks."""
_INSIDE = "RISKLINE_FLEET"
"""Set in the namespace, where no address of this machine but loopback is."""


@dataclass(frozen=True, slots=True)
class Estate:
    """Where the hosts are. folder: of the sshd, with its key and what it answers."""

    folder: str
    port: int
    hosts: int
    at_once: int

    @property
    def addresses(self) -> list[str]:
        """127.1.0.1, 127.1.0.2 … without .0 and .255."""
        return [f"127.1.{n // 254}.{n % 254 + 1}" for n in range(self.hosts)]

    @property
    def probe(self) -> Probe:
        """The one question: a file of 200 KB."""
        return file(f"{self.folder}/answer")

    @property
    def assets(self) -> tuple[PlannedAsset, ...]:
        """Every host with that question."""
        way = Ssh(
            user="root", port=self.port, key=f"{self.folder}/key", known_hosts=(f"{self.folder}/known",), config="none"
        )
        return tuple(
            PlannedAsset(Asset(one, one, Access(ssh=way)), (), {"ssh": (self.probe,)}) for one in self.addresses
        )


@dataclass(frozen=True, slots=True)
class Took:
    """What one way took for some hosts. cpu_s: of the client's process. peak_mib: its memory at most."""

    hosts: int
    wall_s: float
    cpu_s: float
    peak_mib: float

    @property
    def rate(self) -> float:
        """Hosts a second."""
        return self.hosts / self.wall_s


# ── the ways ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def collection(estate: Estate) -> int:
    """Riskline: visits in, evidence out."""
    good = 0
    for one in collect(estate.assets, Bounds(), estate.at_once, courtesy=UNLIMITED):
        (reply,) = one.evidence.replies.values()
        good += len(reply.text) == ANSWER_BYTES
    return good


def whole_scan(estate: Estate) -> int:
    """Riskline: visited, judged by 300 controls of which 30 fail, recorded in a new register."""
    from scanner.register import open_register

    plan = judged_by(estate)
    options = pipeline.Options(at_once=estate.at_once, engine=functools.partial(collect, courtesy=UNLIMITED))
    with tempfile.TemporaryDirectory() as folder, closing(open_register(f"{folder}/register.db")) as register:
        run = pipeline.execute(plan, pipeline.new_run(plan, options.policy), register, options)
    return sum(len(one.findings) == CONTROLS and one.score.judged == CONTROLS for one in run.visited)


def half_dead(estate: Estate) -> int:
    """Riskline, where every second host is switched off: a connection to it is never answered."""
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.2.0.1", 0))
        full.listen(0)
        for _ in range(3):  # whoever comes after the queue is full gets no answer, like from a host that is off
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        off = Ssh(port=full.getsockname()[1], config="none", connect_timeout_s=DEAD_S)
        dead = [PlannedAsset(Asset(f"off-{n}", "127.2.0.1", Access(ssh=off)), (), {"ssh": (estate.probe,)})
                for n in range(estate.hosts // 2)]  # fmt: skip
        alive = estate.assets[: estate.hosts - len(dead)]
        mixed = [one for pair in itertools.zip_longest(alive, dead) for one in pair if one is not None]
        good = 0
        for one in collect(mixed, Bounds(), estate.at_once, courtesy=UNLIMITED):
            (reply,) = one.evidence.replies.values()
            good += len(reply.text) == ANSWER_BYTES or reply.problem == "unreachable"
        return good


def judged_by(estate: Estate) -> Plan:
    """The estate held against a baseline of 300 controls over the one answer."""
    held = estate.probe

    @check("fleet.answer.setting", Fact(held, parse.key_values))
    def setting(settings: dict[str, str], key: str) -> str | None:
        """The value of `key`."""
        return settings.get(key)

    controls = []
    for n in range(CONTROLS):
        term = Term(setting.id, {"key": f"set.{n:06d}"}, {"equals": "values" if n % 10 else "another"})
        control = Control(f"F-{n}", f"Setting {n} is right", "why", "fix", setting.id, term.given, term.expect)
        controls.append(PlannedControl(control, (PlannedTerm(term, setting, (held.key,), term.given),), ()))
    baseline = Baseline("fleet", "1", "Fleet", AppliesTo("linux"), tuple(one.control for one in controls))
    planned = PlannedBaseline(baseline, (), tuple(controls), (held,))
    assets = tuple(replace(one, baselines=(planned,)) for one in estate.assets)
    return Plan(Inventory("fleet", tuple(one.asset for one in assets)), assets)


def bare_paramiko(estate: Estate) -> int:
    """paramiko as cheap as it goes: no host key looked at, nothing bounded, the answer thrown away."""
    key = paramiko.Ed25519Key.from_private_key_file(f"{estate.folder}/key")
    script = Batch((estate.probe,)).script

    def go(address: str) -> bool:
        sock = socket.create_connection((address, estate.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(sock)
        try:
            transport.connect(username="root", pkey=key)
            channel = transport.open_session()
            channel.exec_command("/bin/sh -s")
            channel.sendall(script)
            channel.shutdown_write()
            count = 0
            while data := channel.recv(1 << 16):
                count += len(data)
            return count >= ANSWER_BYTES
        finally:
            transport.close()

    with ThreadPoolExecutor(estate.at_once) as pool:
        return sum(pool.map(go, estate.addresses))


WAYS: dict[str, Callable[[Estate], int]] = {
    one.__name__: one for one in (collection, whole_scan, half_dead, bare_paramiko)
}


def in_process(name: str, estate: Estate) -> Took:
    """One of WAYS, here: for a process that does nothing else."""
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF)
    good = WAYS[name](estate)
    wall_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    if good != estate.hosts:
        raise SystemExit(f"{name}: {good} of {estate.hosts} hosts answered")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(good, wall_s, cpu_s, after.ru_maxrss / 1024)


def python_way(name: str, estate: Estate) -> Took:
    """One of WAYS in a process of its own."""
    line = [sys.executable, "-m", "benchmarks.fleet", "--way", name, json.dumps(asdict(estate))]
    done = subprocess.run(line, stdout=subprocess.PIPE, check=True, timeout=1800)
    return Took(**json.loads(done.stdout))


def program(line: list[str], estate: Estate, env: dict[str, str] | None = None) -> Took:
    """A program of its own, measured from outside. The hosts are on its standard input."""
    started = time.perf_counter()
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
    assert process.stdin is not None and process.stdout is not None
    feeder = threading.Thread(target=_feed, args=(process, estate))
    feeder.start()
    said = process.stdout.read()
    feeder.join()
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    if status:
        raise SystemExit(f"{line[0]} failed: {said.decode()[-500:]}")
    return Took(estate.hosts, wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _feed(process: subprocess.Popen[bytes], estate: Estate) -> None:
    assert process.stdin is not None
    process.stdin.write("\n".join(estate.addresses).encode())
    process.stdin.close()


def compiled(folder: str) -> str | None:
    """The path of the C client; None where it cannot be made here."""
    source = Path(__file__).with_name("cheapest_client.c")
    made = f"{folder}/cheapest_client"
    line = ["gcc", "-O2", "-o", made, str(source), "-lssh", "-lpthread"]
    if not shutil.which("gcc") or subprocess.run(line, capture_output=True, check=False).returncode:
        return None
    return made


def cheapest(client: str | None, estate: Estate, script: bytes) -> Took:
    """The rate that this sshd can serve at all."""
    if client is None:
        return python_way("bare_paramiko", estate)
    path = Path(estate.folder) / "script"
    path.write_bytes(script)
    return program([client, str(estate.port), "root", f"{estate.folder}/key", str(path), str(estate.at_once)], estate)


def ansible_setup(estate: Estate) -> Took | None:
    """Ansible's own fact gathering, 50 hosts at once; None where it is not installed."""
    beside = Path(sys.executable).with_name("ansible")
    name = str(beside) if beside.exists() else shutil.which("ansible")
    if name is None:
        return None
    with tempfile.TemporaryDirectory() as home:
        options = f"-o ControlMaster=no -o ControlPath=none -o UserKnownHostsFile={estate.folder}/known"
        line = [name, "all", "-i", ",".join(estate.addresses) + ",", "-m", "setup", "-f", "50", "-u", "root"]
        line += ["-e", f"ansible_port={estate.port}", "--private-key", f"{estate.folder}/key"]
        line += [f"--ssh-common-args={options}"]
        env = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8", "ANSIBLE_REMOTE_TEMP": f"{home}/remote"}
        return program(line, estate, env)


# ── the comparison ───────────────────────────────────────────────────────────────────────────────────────────────────


def furnish(server: Sshd, hosts: int, at_once: int) -> Estate:
    """Write what the hosts answer and the keys that they are known by."""
    estate = Estate(str(server.folder), server.port, hosts, at_once)
    (server.folder / "answer").write_bytes(b"".join(b"set.%06d = values\n" % n for n in range(ANSWER_BYTES // 20)))
    lines = [f"[{one}]:{server.port} {server.host_key}\n" for one in estate.addresses]
    (server.folder / "known").write_text("".join(lines))
    return estate


def told(name: str, took: list[Took]) -> Took:
    """The median round, printed."""
    one = sorted(took, key=lambda each: each.rate)[len(took) // 2]
    spread = f"{min(each.rate for each in took):.1f}–{max(each.rate for each in took):.1f}"
    cpu_ms = statistics.median(each.cpu_s / each.hosts for each in took) * 1000
    peak = max(each.peak_mib for each in took)
    print(f"{name:>22}: {one.rate:6.1f} hosts/s ({spread}), {cpu_ms:6.1f} ms CPU here per host, at most {peak:.0f} MiB")
    return one


def compare(estate: Estate, rounds: int) -> None:
    """Every way in turn, so that a slow minute of this machine is everybody's."""
    client = compiled(estate.folder)
    script = Batch((estate.probe,)).script
    plain = f"exec cat {estate.folder}/answer".encode()
    names = ["collection", "whole_scan"]
    ours: dict[str, list[Took]] = {name: [] for name in names}
    limit: list[Took] = []
    bare: list[Took] = []
    for _ in range(rounds):
        limit.append(cheapest(client, estate, script))
        for name in names:
            ours[name].append(python_way(name, estate))
        bare.append(cheapest(client, estate, plain))
    top = told("cheapest client" if client else "bare paramiko", limit)
    for name in names:
        one = told(name.replace("_", " "), ours[name])
        print(f"{'':>22}  {one.rate / top.rate:.0%} of what this sshd can serve")
    told("cheapest, only `cat`", bare)
    dead = python_way("half_dead", estate)
    needed_s = math.ceil(estate.hosts // 2 / estate.at_once) * DEAD_S + (estate.hosts - estate.hosts // 2) / top.rate
    print(
        f"{'every second host off':>22}: {dead.wall_s:6.1f} s for {estate.hosts} hosts; waiting for {DEAD_S:g} s each,"
    )
    print(
        f"{'':>22}  {estate.at_once} at a time, and visiting the others one after the other comes to {needed_s:.1f} s"
    )
    few = Estate(estate.folder, estate.port, min(ANSIBLE_HOSTS, estate.hosts), estate.at_once)
    other = None if "RISKLINE_FLEET_NO_ANSIBLE" in os.environ else ansible_setup(few)
    if other is None:
        print("ansible: not installed")
        return
    told("ansible -m setup -f 50", [other])
    times = statistics.median(t.rate for t in ours["collection"]) / other.rate
    print(f"{'':>22}  for {few.hosts} hosts; collection is {times:.1f} times as fast")


def servers() -> Iterator[Sshd]:
    """The sshd behind every address of the namespace."""
    quiet = {"ListenAddress": "0.0.0.0", "LogLevel": "ERROR", "MaxStartups": "1000"}
    with sshd(**quiet) as server:
        yield server


def main() -> None:
    if sys.argv[1:2] == ["--way"]:
        print(json.dumps(asdict(in_process(sys.argv[2], Estate(**json.loads(sys.argv[3]))))))
        return
    if not USABLE:
        sys.exit(WHY)
    if _INSIDE not in os.environ:
        line = [sys.executable, "-m", "benchmarks.fleet", *sys.argv[1:]]
        inside = ["unshare", "--net", "/bin/sh", "-c", 'ip link set lo up && exec "$@"', "fleet", *line]
        sys.exit(subprocess.run(inside, env={**os.environ, _INSIDE: "1"}, check=False).returncode)
    hosts, at_once, rounds = (int(word) for word in [*sys.argv[1:4], *("200", "32", "1")[len(sys.argv) - 1 :]])
    print(f"{hosts} hosts, {ANSWER_BYTES // 1000} KB each, {at_once} visits at once, {rounds} rounds")
    for server in servers():
        compare(furnish(server, hosts, at_once), rounds)


if __name__ == "__main__":
    main()

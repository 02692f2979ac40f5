"""One visit of one host over SSH, beside the same questions one channel at a time, and beside `ansible -m setup`.

    python -m benchmarks.visit [rounds] [round trip in ms]

The host is an sshd of our own on loopback; a round trip makes a proxy hold every packet back. The questions are those
of the shipped Debian baseline, but for those that walk the whole disk: they take as long in every way. Each way logs
in anew in every round, as root, so that no sudo is in the comparison; the median of the rounds is printed. Ansible's
`setup` asks other questions, and about as many.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import paramiko

from scanner.catalogue import Catalogue
from scanner.model import Asset, Inventory, Probe
from scanner.plan import make_plan
from scanner.transports import Bounds
from scanner.transports import ssh as transport
from tests.live.sshd import USABLE, WHY, Sshd, sshd

_LONG_S = 30  # a question that may take longer walks the disk
_STAT = "stat -L -c %a:%u:%g:%U:%G:%F:%n"


def questions(asset: Asset) -> list[Probe]:
    """Every posix probe of the shipped Debian baseline that does not walk the disk."""
    inventory = Inventory("benchmark", (Asset("lab", asset.address, asset.access, baselines=("debian-12",)),))
    (planned,) = make_plan(inventory, Catalogue()).assets
    return [probe for probe in planned.visits["ssh"] if probe.timeout_s <= _LONG_S]


def command(probe: Probe) -> str:
    """The question as one command line, as somebody would type it."""
    words = [str(word) for word in probe.ask[1:]]
    if probe.ask[0] == "sh":
        return f"timeout {probe.timeout_s:g} /bin/sh -c {shlex.quote(words[0])}"
    if probe.ask[0] == "stat":
        return f"{_STAT} {shlex.join(words)}"
    return f"cat {shlex.join(words) if probe.ask[0] == 'file' else ' '.join(words)}"


def one_visit(server: Sshd, port: int, probes: Sequence[Probe]) -> int:
    """Riskline: one connection, one session."""
    found = transport.visit(server.asset(user="root", port=port, known_hosts=_known(server, port)), probes, Bounds(600))
    return sum(reply.problem in {None, "absent"} for reply in found.values())


def channel_by_channel(server: Sshd, port: int, probes: Sequence[Probe]) -> int:
    """The usual way: one connection, one channel and one command per question."""
    client = paramiko.SSHClient()
    client.load_host_keys(_known(server, port)[0])
    client.connect("127.0.0.1", port, "root", key_filename=str(server.key), allow_agent=False, look_for_keys=False)
    answered = 0
    try:
        for probe in probes:
            if probe.ask[0] == "visit":
                continue
            _, stdout, _ = client.exec_command(command(probe), timeout=60)
            stdout.read()
            answered += stdout.channel.recv_exit_status() in {0, 1, 127}
    finally:
        client.close()
    return answered


def ansible_setup(server: Sshd, port: int, probes: Sequence[Probe]) -> int:
    """Ansible's own fact gathering, without the connection that it would keep open."""
    options = f"-o ControlMaster=no -o ControlPath=none -o UserKnownHostsFile={_known(server, port)[0]}"
    with tempfile.TemporaryDirectory() as home:
        line = [_ansible(), "all", "-i", "127.0.0.1,", "-m", "setup", "-u", "root", "-e", f"ansible_port={port}"]
        line += ["--private-key", str(server.key), f"--ssh-common-args={options}"]
        env = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8", "ANSIBLE_REMOTE_TEMP": f"{home}/remote"}
        done = subprocess.run(line, capture_output=True, check=False, env=env, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stdout.decode()[-500:] + done.stderr.decode()[-500:])
    return done.stdout.count(b'"ansible_')


def _ansible() -> str:
    beside = Path(sys.executable).with_name("ansible")
    return str(beside) if beside.exists() else shutil.which("ansible") or ""


def _known(server: Sshd, port: int) -> tuple[str]:
    path = server.folder / f"known_{port}"
    path.write_text(f"[127.0.0.1]:{port} {server.host_key}\n")
    return (str(path),)


@contextlib.contextmanager
def delayed(port: int, round_trip_s: float) -> Iterator[int]:
    """The port of a proxy that hands every packet on half a round trip later."""
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            loop.call_later(round_trip_s / 2, writer.write, data)
        loop.call_later(round_trip_s, writer.close)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    server = loop.run_until_complete(asyncio.start_server(accept, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def measure(
    way: Callable[[Sshd, int, Sequence[Probe]], int], server: Sshd, port: int, probes: Sequence[Probe], rounds: int
) -> float:
    """Median seconds of some rounds, printed with the processor time that the scanner itself took."""
    took, spent = [], []
    answers = 0
    for _ in range(rounds):
        started, before = time.perf_counter(), _processor_s()
        answers = way(server, port, probes)
        took.append(time.perf_counter() - started)
        spent.append(_processor_s() - before)
    took_s = statistics.median(took)
    name = way.__name__.replace("_", " ")
    print(
        f"{name:>19}: {took_s * 1000:>7.0f} ms, {statistics.median(spent) * 1000:>6.0f} ms CPU here, {answers} answers"
    )
    return took_s


def _processor_s() -> float:
    """Processor time of this process and of the children that it waited for; the sshd is not among them yet."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, whose))


def main() -> None:
    if not USABLE:
        sys.exit(WHY)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    round_trip_s = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
    with sshd() as server, contextlib.ExitStack() as stack:
        port = stack.enter_context(delayed(server.port, round_trip_s)) if round_trip_s else server.port
        probes = questions(server.asset())
        print(f"{len(probes)} questions, {rounds} rounds, a round trip of {round_trip_s * 1000:g} ms")
        ours = measure(one_visit, server, port, probes, rounds)
        theirs = measure(channel_by_channel, server, port, probes, rounds)
        print(f"{'':>19}  one visit is {theirs / ours:.1f} times as fast as a channel for each question")
        if not _ansible():
            print("ansible setup: not installed")
            return
        theirs = measure(ansible_setup, server, port, probes, rounds)
        print(f"{'':>19}  one visit is {theirs / ours:.1f} times as fast as ansible's setup")


if __name__ == "__main__":
    main()

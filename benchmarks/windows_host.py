"""A visit of a Windows machine in one script, beside one command per setting, in the same run.

    python benchmarks/windows_host.py [controls] [delay_ms]

The machine is the tests' described one behind their WinRM server on loopback (no Windows, no PowerShell), so time is
that of the messages alone; every message is answered `delay_ms` late, as a network would. The other way is what a
script with pywinrm does: `Session.run_ps` for each question, with a shell of its own. It is measured on the first
`controls` questions (default 25) and on no more, since it is that slow.
"""

from __future__ import annotations

import base64
import os
import sys
import time
import zlib
from collections.abc import Sequence

import winrm

from scanner.catalogue import Catalogue
from scanner.model import Access, Asset, Inventory, Probe, Winrm
from scanner.plan import make_plan
from scanner.transports import Bounds
from scanner.transports.powershell import Batch
from scanner.transports.winrm import visit
from tests.live.winrm_host import answer, described_machine
from tests.live.winrm_server import PASSWORD, USER, Faults, Server, winrm_server


def _asset(server: Server) -> Asset:
    way = Winrm(USER, "env:RISKLINE_BENCHMARK_PASSWORD", port=server.port, ca_file=server.ca)
    return Asset("srv", address="localhost", access=Access(winrm=way))


def _command(probe: Probe) -> str:
    """The one command that a script would run for this question."""
    if probe.ask[0] == "registry":
        key, value = (str(word).replace("'", "''") for word in probe.ask[1:])
        return f"(Get-ItemProperty -LiteralPath 'Registry::{key}').'{value}'"
    return str(probe.ask[1]) if probe.ask[0] == "powershell" else "secedit /export /cfg $env:TEMP\\x.inf"


def _in_one(server: Server, probes: Sequence[Probe]) -> tuple[int, float]:
    started = time.perf_counter()
    replies = visit(_asset(server), probes, Bounds())
    took_s = time.perf_counter() - started
    assert not [reply for reply in replies.values() if reply.problem]
    return len(server.requests), took_s


def _one_by_one(server: Server, probes: Sequence[Probe]) -> tuple[int, float]:
    session = winrm.Session(
        server.url, auth=(USER, PASSWORD), transport="ntlm", ca_trust_path=server.ca, server_cert_validation="validate"
    )
    started = time.perf_counter()
    for probe in probes:
        session.run_ps(_command(probe)[:2000])
    return len(server.requests), time.perf_counter() - started


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    delay_s = (int(sys.argv[2]) if len(sys.argv) > 2 else 40) / 1000
    os.environ["RISKLINE_BENCHMARK_PASSWORD"] = PASSWORD
    with winrm_server(described_machine(), Faults(delay_s=delay_s)) as server:
        plan = make_plan(Inventory("benchmark", (_asset(server),)), Catalogue(), ["windows-server-2022"])
        probes = plan.assets[0].visits["winrm"]
        requests, took_s = _in_one(server, probes)
    script = Batch(probes).script
    reply = answer(described_machine(), script)
    whole = zlib.decompress(_packed(reply), wbits=31)
    controls = len(plan.controls)
    print(f"in one: {controls} controls, {len(probes)} questions in {requests} requests, {took_s:.2f} s")
    print(f"        script {len(script):,} bytes, reply {len(reply):,} bytes ({len(whole):,} unpacked)")
    with winrm_server(described_machine(), Faults(delay_s=delay_s)) as server:
        other, other_s = _one_by_one(server, probes[:count])
    each = other / count
    print(f"one by one: {count} questions in {other} requests, {other_s:.2f} s: {each:g} requests a question")
    print(f"for all {len(probes)} questions: {each * len(probes):,.0f} requests, {other_s / count * len(probes):.0f} s")
    print(f"round trips: {each * len(probes) / requests:.0f} times fewer in one")


def _packed(reply: bytes) -> bytes:
    return base64.b64decode(reply.split(b"\r\n")[1])


if __name__ == "__main__":
    main()

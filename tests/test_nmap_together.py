"""Visits that share one run of nmap: at real listeners, through an nmap that writes down how it is called."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.inventory import read_inventory
from scanner.model import Gap
from scanner.plan import make_plan
from scanner.transports import Bounds, nmap
from scanner.transports.nmap_together import Together

from .live import listeners as speak

NMAP = shutil.which("nmap")
pytestmark = pytest.mark.skipif(not NMAP, reason="needs nmap")
WRAPPER = """#!{python}
import os, sys
if "-V" not in sys.argv:
    open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
    {spoil}
os.execv({nmap!r}, [{nmap!r}, *sys.argv[1:]])
"""
HOSTS = 5
Told = Mapping[tuple[str, str], tuple[str, str | None, tuple[Gap, ...]]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the calls of nmap are written down."""
    return wrapped(tmp_path, monkeypatch, "pass")


def wrapped(folder: Path, monkeypatch: pytest.MonkeyPatch, spoil: str) -> Path:
    """The real nmap behind a program that writes down how it is called. spoil: what that does before."""
    log, program = folder / "calls", folder / "bin" / "nmap"
    log.touch()
    program.parent.mkdir(exist_ok=True)
    program.write_text(WRAPPER.format(python=sys.executable, log=str(log), nmap=NMAP, spoil=spoil))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    # long enough for every visit to come, however busy this machine is
    monkeypatch.setattr(nmap, "_TOGETHER", Together(quiet_s=1.5, longest_s=20.0))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def told(folder: Path, port: int, at_once: int) -> Told:
    """(asset, question) -> the answer, of five hosts; only the first of them has a web server."""
    path = folder / "inventory.yaml"
    lines = (f"  h{n}: {{network: {{addresses: [127.0.0.{n}], ports: '{port}'}}}}" for n in range(1, HOSTS + 1))
    path.write_text("\n".join(["assets:", *lines, ""]))
    plan = make_plan(read_inventory(path), Catalogue(), select=("id=NET-01",))
    return {
        (one.planned.asset.id, key): (reply.text, reply.problem, reply.gaps)
        for one in collect(plan.assets, Bounds(120), at_once)
        for key, reply in one.evidence.replies.items()
        if key != "nmap:looked-at"
    }


def runs(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if "127.0.0." in line]


def test_one_run_looks_for_many_assets_and_tells_each_what_a_run_alone_would(tmp_path: Path, calls: Path) -> None:
    with speak.listening(speak.web) as (port,):
        alone = told(tmp_path, port, at_once=1)
        assert len(runs(calls)) == HOSTS
        calls.write_text("")
        assert told(tmp_path, port, at_once=HOSTS) == alone
    (run,) = runs(calls)
    assert run.split()[-HOSTS:] == sorted(run.split()[-HOSTS:])
    assert any("open" in str(answer) for (asset, _), answer in alone.items() if asset == "h1")


@pytest.mark.parametrize(
    "spoil",
    [
        "if '127.0.0.2 127.0.0.3' in ' '.join(sys.argv): print('<nmaprun><!ENTITY'); sys.exit(0)",
        "if '127.0.0.2 127.0.0.3' in ' '.join(sys.argv): sys.exit(1)",
    ],
)
def test_a_batch_that_one_host_spoils_is_looked_at_host_by_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    log = wrapped(tmp_path, monkeypatch, spoil)
    with speak.listening(speak.web) as (port,):
        found = told(tmp_path, port, at_once=HOSTS)
    assert len(runs(log)) == 1 + HOSTS
    assert all(problem is None for _, problem, _ in found.values())


def test_a_host_that_a_batch_did_not_come_to_speak_of_is_looked_at_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil = "if len(sys.argv) > 9 and '127.0.0.1 ' in ' '.join(sys.argv): sys.argv.remove('127.0.0.3')"
    log = wrapped(tmp_path, monkeypatch, spoil)
    with speak.listening(speak.web) as (port,):
        found = told(tmp_path, port, at_once=HOSTS)
    assert len(runs(log)) == 2
    assert found["h3", "nmap:ports"] != found["h2", "nmap:ports"]
    assert '"host": "127.0.0.3"' in str(found["h3", "nmap:ports"])

"""The whole way: one inventory, four kinds of asset, one command, one register, one report."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live import sshd as ssh_server
from tests.live.listeners import listening, telnet, web
from tests.live.moto_server import moto_account
from tests.live.winrm_host import described_machine
from tests.live.winrm_server import PASSWORD, USER, winrm_server

pytestmark = [pytest.mark.live, pytest.mark.skipif(not ssh_server.USABLE, reason=ssh_server.WHY)]
ROOT = Path(__file__).parent.parent.parent
INVENTORY = """
version: 1
services:
  shop: {{owner: Head of Sales, criticality: 4}}
assets:
  web-1:
    address: 127.0.0.1
    service: shop
    zone: internet
    access:
      ssh: {{user: audit, port: {ssh_port}, key: {key}, known_hosts: {known_hosts}, config: none}}
    baselines: [debian-12]
  dc-1:
    address: localhost
    access:
      winrm: {{user: '{windows_user}', password: "env:RISKLINE_TEST_PASSWORD", port: {winrm_port}, ca_file: {ca}}}
  cloud:
    service: shop
    access:
      aws:
        endpoint: {endpoint}
        regions: [us-east-1, eu-west-1]
        access_key_id: "env:RISKLINE_TEST_KEY_ID"
        secret_access_key: "env:RISKLINE_TEST_KEY"
  loopback:
    network:
      addresses: [127.0.0.1]
      ports: "{open_port},{telnet_port}"
      expected_open: ["{open_port}/tcp"]
  gone:
    address: 127.0.0.1
    access: {{ssh: {{user: audit, port: 1, key: {key}, config: none}}}}
"""


@dataclass(frozen=True)
class Estate:
    """The servers of one test, and the folder of its inventory."""

    folder: Path
    ssh: ssh_server.Sshd
    open_port: int
    telnet_port: int
    env: dict[str, str]

    def riskline(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "scanner.cli", *words]
        return subprocess.run(
            argv, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=500, check=False
        )


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("estate")
    with ExitStack() as stack:
        ssh = stack.enter_context(ssh_server.sshd())
        windows = stack.enter_context(winrm_server(described_machine()))
        open_port, telnet_port = stack.enter_context(listening(web, telnet))
        endpoint = stack.enter_context(moto_account())
        text = INVENTORY.format(
            ssh_port=ssh.port,
            key=ssh.key,
            known_hosts=ssh.known_hosts,
            windows_user=USER,
            winrm_port=windows.port,
            ca=windows.ca,
            endpoint=endpoint,
            open_port=open_port,
            telnet_port=telnet_port,
        )
        (folder / "inventory.yaml").write_text(text)
        secrets = {
            "RISKLINE_TEST_PASSWORD": PASSWORD,
            "RISKLINE_TEST_KEY_ID": "testing",
            "RISKLINE_TEST_KEY": "testing",
        }
        env = {**os.environ, **secrets, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
        yield Estate(folder, ssh, open_port, telnet_port, env)


@pytest.fixture(scope="module")
def run(estate: Estate) -> dict[str, Any]:
    """One command; everything below looks at what it left."""
    done = estate.riskline("scan", "--register", "register.db", "--output", "run.json", "--output", "report.html")
    assert done.returncode == 1, done.stderr
    found: dict[str, Any] = json.loads((estate.folder / "run.json").read_text())
    return found


def test_every_kind_of_asset_is_judged_in_one_run(run: dict[str, Any]) -> None:
    counts = {asset["id"]: (asset["kind"], asset["counts"]) for asset in run["assets"]}
    assert {id: kind for id, (kind, _) in counts.items()} == {
        "web-1": "linux", "dc-1": "windows", "cloud": "aws", "loopback": "network", "gone": "linux",
    }  # fmt: skip
    judged = {id: number["pass"] + number["fail"] for id, (_, number) in counts.items()}
    assert judged["web-1"] >= 60 and judged["dc-1"] >= 25 and judged["cloud"] >= 25 and judged["loopback"] >= 2
    assert judged["gone"] == 0


def test_no_check_has_a_bug_and_no_answer_an_unknown_shape(run: dict[str, Any]) -> None:
    reasons = Counter((f["reason"], f["asset"]) for f in run["findings"] if f["outcome"] == "unknown")
    assert {reason for reason, asset in reasons if asset != "gone"} <= {
        "not-running",
        "truncated",  # of a machine with more to say than one control lists
        "not-attested",
        "undetermined",
        "unsupported",
    }, reasons


def test_a_host_that_is_not_there_costs_no_other_assets_result(run: dict[str, Any]) -> None:
    (gone,) = [asset for asset in run["assets"] if asset["id"] == "gone"]
    assert "unreachable" in gone["failures"]["ssh"]
    of_gone = [f for f in run["findings"] if f["asset"] == "gone"]
    assert {(f["outcome"], f["reason"]) for f in of_gone} == {("unknown", "unreachable")}


def test_the_network_says_what_is_open_and_was_not_expected(run: dict[str, Any], estate: Estate) -> None:
    seen = [f for f in run["findings"] if f["asset"] == "loopback" and f["outcome"] == "fail"]
    assert any(f"{estate.telnet_port}/tcp" in f["subject"] + f["observed"] for f in seen)


def test_one_connection_one_session_and_one_sudo_whatever_the_number_of_controls(
    run: dict[str, Any], estate: Estate
) -> None:
    assert len({f["control"] for f in run["findings"] if f["asset"] == "web-1"}) > 200
    assert (estate.ssh.connections, estate.ssh.sessions, len(estate.ssh.sudo_log)) == (1, 1, 1)


def test_everything_is_in_one_register_and_can_be_judged_and_reported_again(
    run: dict[str, Any], estate: Estate
) -> None:
    again = estate.riskline("report", "latest", "--register", "register.db", "--format", "json")
    assert json.loads(again.stdout) == run
    judged = estate.riskline("evaluate", "latest", "--register", "register.db", "--format", "json")
    first, second = ([(f["asset"], f["control"], f["subject"], f["outcome"]) for f in one["findings"]]
                     for one in (run, json.loads(judged.stdout)))  # fmt: skip
    assert second == first
    with sqlite3.connect(estate.folder / "register.db") as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def test_the_report_is_one_page_about_all_of_them(run: dict[str, Any], estate: Estate) -> None:
    page = (estate.folder / "report.html").read_text()
    assert all(f">{asset['id']}</a>" in page for asset in run["assets"])
    assert len(page) < 10_000_000


def test_no_secret_is_in_anything_that_was_written(run: dict[str, Any], estate: Estate) -> None:
    assert run["state"] == "complete"
    for file in estate.folder.rglob("*"):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes(), file

"""`riskline inventory discover`: EC2 machines of a seeded account, and hosts on loopback that answer."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.inventory import read_inventory

from .moto_server import Server, moto_server

pytestmark = pytest.mark.live


def machines(server: Server) -> None:
    ec2 = server.client("ec2", "eu-west-1")
    for name in ("web-1", "web-2"):
        said = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}, {"Key": "Owner", "Value": "IT"}]}]
        ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, TagSpecifications=said)


@pytest.fixture
def account() -> Iterator[Server]:
    with moto_server(machines) as server:
        yield server


def discover(path: Path, *words: str) -> Result:
    return CliRunner().invoke(riskline, ["inventory", "discover", *words, "-i", str(path)])


def test_machines_of_an_account_that_the_inventory_lacks_are_proposed(
    account: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "testing")
    known = account.client("ec2", "eu-west-1").describe_instances()["Reservations"][0]["Instances"][0]
    keys = "access_key_id: env:KEY, secret_access_key: env:KEY"
    aws = f"aws: {{endpoint: '{account.url}', regions: [eu-west-1], {keys}}}"
    lines = f"cloud: {{access: {{{aws}}}}}\n  web-1: {{address: {known['PrivateIpAddress']}, access: ssh}}"
    (tmp_path / "inventory.yaml").write_text(f"version: 1\nassets:\n  {lines}\n")
    done = discover(tmp_path / "inventory.yaml", "aws")
    assert done.exit_code == 0, done.output
    (tmp_path / "made.yaml").write_text(done.stdout)
    (asset,) = read_inventory(tmp_path / "made.yaml").assets
    assert (asset.id, asset.owner, asset.kind) == ("web-2", "IT", "linux")
    assert asset.tags["account"] == "cloud"


@pytest.mark.skipif(not shutil.which("nmap"), reason="needs nmap")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to listen on port 22 of a loopback address")
def test_hosts_of_a_network_that_the_inventory_lacks_are_proposed(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text(
        "version: 1\nassets:\n  lab: {network: {addresses: [127.9.8.0/30]}}\n  old: {address: 127.9.8.2, access: ssh}\n"
    )
    with socket.create_server(("127.9.8.1", 22)), socket.create_server(("127.9.8.2", 22)):
        done = discover(path, "network")
    assert done.exit_code == 0, done.output
    (tmp_path / "made.yaml").write_text(done.stdout)
    assets = {asset.address: asset for asset in read_inventory(tmp_path / "made.yaml").assets}
    assert assets["127.9.8.1"].access is not None
    assert assets["127.9.8.1"].access.ssh is not None
    assert "127.9.8.2" not in assets


@pytest.mark.skipif(not shutil.which("nmap"), reason="needs nmap")
def test_a_host_that_the_inventory_has_by_its_name_is_not_proposed(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text("version: 1\nassets:\n  localhost: {access: ssh}\n  lab: {network: {addresses: [127.0.0.1/32]}}\n")
    done = discover(path, "network")
    assert (done.exit_code, done.stdout) == (0, "")


def test_an_account_that_could_not_be_asked_is_not_called_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "testing")
    keys = "access_key_id: env:KEY, secret_access_key: env:KEY"
    aws = f"aws: {{endpoint: 'http://127.0.0.1:9', regions: [eu-west-1], {keys}}}"
    (tmp_path / "inventory.yaml").write_text(f"version: 1\nassets:\n  cloud: {{access: {{{aws}}}}}\n")
    done = discover(tmp_path / "inventory.yaml", "aws", "--visit-deadline", "5")
    assert done.exit_code == 3
    assert "cloud: " in done.stderr
    assert "as far as could be seen" in done.stderr


def test_networks_that_nobody_named_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text("version: 1\nassets: {a: {access: ssh}, b: {network: {addresses: [127.9.0.0/22]}}}\n")
    for words, complaint in (
        (["network", "--network", "127.9.8.0/30"], "is not in"),
        (["network"], "more than 256 needs --yes"),
        (["aws"], "names no AWS account"),
        (["network", "--network", "127.0.0.0/8", "--yes"], "too wide"),
        (["network", "--network", "-oN x", "--yes"], "is no IP address"),
    ):
        found = discover(path, *words)
        assert isinstance(found.exception, UsageError), words
        assert complaint in str(found.exception)

"""What an account and a network tell becomes lines of an inventory: new ones only, and nothing but text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scanner.discovering import of_account, of_network, together
from scanner.importing import as_inventory
from scanner.inventory import read_inventory


def instance(number: int, **more: Any) -> dict[str, Any]:
    item = {"InstanceId": f"i-{number:04x}", "State": {"Name": "running"}, "PrivateIpAddress": f"10.0.0.{number}"}
    return {"subject": "x", "account": "1", "region": "eu-central-1", "item": {**item, **more}}


def tags(**named: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in named.items()]


def test_a_running_machine_becomes_an_asset_with_what_its_tags_say() -> None:
    rows = [
        instance(1, Tags=tags(Name="web 1", Owner="Sales"), PublicIpAddress="192.0.2.1"),
        instance(2, Platform="windows", Tags=tags(Name="dc")),
        instance(3, State={"Name": "stopped"}),
    ]
    found = of_account(rows, set(), "cloud")
    assert found.assets["web-1"] == {
        "address": "10.0.0.1",
        "access": "ssh",
        "zone": "internet",
        "owner": "Sales",
        "tags": {"instance": "i-0001", "region": "eu-central-1", "account": "cloud"},
    }
    assert list(found.assets["dc"]["access"]) == ["winrm"]
    assert found.left_out == ["i-0003: stopped, 1 addresses"]


def test_what_the_inventory_has_is_not_proposed() -> None:
    assert of_account([instance(1, PublicIpAddress="192.0.2.1")], {"192.0.2.1"}, "cloud").assets == {}
    assert of_network([{"address": "10.0.0.1", "ports": []}], {"10.0.0.1"}).assets == {}


def test_a_host_is_entered_by_the_port_that_is_open() -> None:
    def host(*ports: int) -> list[dict[str, Any]]:
        return [{"address": "10.0.0.9", "ports": [{"port": p, "protocol": "tcp", "state": "open"} for p in ports]}]

    assert of_network(host(22, 80), set()).assets["host-10.0.0.9"]["access"] == "ssh"
    assert "winrm" in of_network(host(5986), set()).assets["host-10.0.0.9"]["access"]
    looked_at = of_network(host(443), set()).assets["host-10.0.0.9"]
    assert "access" not in looked_at
    assert looked_at["network"] == {"expected_open": []}


def test_names_that_are_taken_get_a_number_and_one_host_is_proposed_once() -> None:
    one = of_account([instance(1, Tags=tags(Name="web"))], set(), "a")
    other = of_account([instance(2, Tags=tags(Name="WEB")), instance(1)], set(), "b")
    assert list(together([one, other], ["web"]).assets) == ["web-2", "WEB-3"]


@given(st.lists(st.text(max_size=40), min_size=4, max_size=4))
def test_whatever_tags_say_the_proposal_can_be_read(texts: list[str]) -> None:
    import tempfile

    name, owner, environment, region = texts
    row = instance(1, Tags=tags(Name=name, Owner=owner, Environment=environment))
    found = together([of_account([{**row, "region": region}], set(), "cloud")], [])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.yaml"
        path.write_text(as_inventory(found), encoding="utf-8", errors="surrogatepass")
        (asset,) = read_inventory(path).assets
    assert asset.address == "10.0.0.1"

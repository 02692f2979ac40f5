"""Where somebody looks from: kept apart, said before anything is sent, and never more than was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from scanner import viewpoints
from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.inventory import limit, read_inventory
from scanner.model import USUAL_PORTS, Inventory
from scanner.transports.nmap import stated

TWO = """
groups: {linux: {access: {ssh: {user: audit}}}}
assets:
  web-1:
    address: 10.0.0.5
    groups: linux
    zone: restricted
    owner: Anna
    network:
      - {from: internet, addresses: 192.0.2.10, expected_open: 443/tcp}
      - {from: office, expected_open: [22/tcp, 443/tcp]}
  db: {address: 10.0.0.6, groups: linux}
"""


def read(folder: Path, text: str) -> Inventory:
    path = folder / "inventory.yaml"
    path.write_text(text)
    return read_inventory(path)


def test_a_host_seen_from_two_places_is_visited_once_and_looked_at_from_each(tmp_path: Path) -> None:
    web, internet, office, db = read(tmp_path, TWO).assets
    assert [one.ways for one in (web, internet, office, db)] == [("ssh",), ("nmap",), ("nmap",), ("ssh",)]
    assert (internet.id, internet.zone, internet.owner, internet.kind) == (
        "web-1@internet", "internet", "Anna", "network",
    )  # fmt: skip
    assert (office.id, office.zone, office.address) == ("web-1@office", "restricted", "10.0.0.5")
    assert internet.network is not None
    assert (internet.network.viewpoint, internet.network.addresses) == ("internet", ("192.0.2.10",))


def test_one_machine_looks_from_one_place_only(tmp_path: Path) -> None:
    found = read(tmp_path, TWO)
    with pytest.raises(UsageError, match="stands in one place"):
        viewpoints.standing_at(found, None)
    with pytest.raises(UsageError, match="nothing is looked at from there"):
        viewpoints.standing_at(found, "dmz")
    from_office = viewpoints.standing_at(found, "office")
    assert [one.id for one in from_office.assets] == ["web-1", "web-1@office", "db"]
    assert from_office.left_out == ("web-1@internet",)
    assert "192.0.2.10" in from_office.addresses


def test_a_look_without_a_place_is_for_any_machine(tmp_path: Path) -> None:
    found = read(
        tmp_path, "assets: {a: {network: {addresses: 10.0.0.1}}, b: {network: {addresses: 10.0.0.2, from: dmz}}}"
    )
    assert viewpoints.standing_at(found, None) == found
    assert [one.id for one in viewpoints.standing_at(found, "dmz").assets] == ["a", "b"]


def test_an_asset_that_is_left_out_keeps_its_addresses_known(tmp_path: Path) -> None:
    found = limit(read(tmp_path, TWO), ["db"])
    assert found.left_out == ("web-1", "web-1@internet", "web-1@office")
    assert {"10.0.0.5", "192.0.2.10"} <= set(found.addresses)


def test_a_limit_to_a_host_takes_its_looks_along(tmp_path: Path) -> None:
    found = limit(read(tmp_path, TWO), ["web-1"])
    assert [one.id for one in found.assets] == ["web-1", "web-1@internet", "web-1@office"]
    assert [one.id for one in viewpoints.standing_at(found, "office").assets] == ["web-1", "web-1@office"]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("[{addresses: 10.0.0.1}]", "needs a `from` of its own"),
        ("[{from: a, addresses: 10.0.0.1}, {from: a, addresses: 10.0.0.2}]", "needs a `from` of its own"),
        ("[10.0.0.1]", "needs a `from` of its own"),
        ("{addresses: 10.0.0.1, from: 'a b'}", "is no name of a place"),
        ("{addresses: 10.0.0.1, from: '-oN x'}", "is no name of a place"),
        ("{addresses: 10.0.0.1, fingerprints: abc}", "fingerprints: 'abc' is none"),
        ("{addresses: '10.0.0.1 -oN x'}", "is no IP address"),
    ],
)
def test_a_place_or_print_outside_the_grammar_is_refused_with_its_line(
    tmp_path: Path, network: str, words: str
) -> None:
    with pytest.raises(UsageError, match=rf"inventory\.yaml:\d+: .*{words}"):
        read(tmp_path, f"assets:\n  a:\n    network: {network}\n")


@pytest.mark.parametrize("lines", ["'a@b': {access: local}", "a: {access: local, seen_from: {X: internet}}"])
def test_what_only_a_scan_finds_cannot_be_written(tmp_path: Path, lines: str) -> None:
    with pytest.raises(UsageError, match=r"inventory\.yaml:2"):
        read(tmp_path, f"assets:\n  {lines}\n")


def test_more_addresses_than_anybody_looks_at_by_accident_need_a_yes(tmp_path: Path) -> None:
    found = read(tmp_path, "assets: {a: {network: {addresses: [10.0.0.0/24, 10.1.0.1]}}}")
    assert viewpoints.size(found) == 257
    with pytest.raises(UsageError, match="257 addresses"):
        viewpoints.refuse_unasked(found, yes=False)
    viewpoints.refuse_unasked(found, yes=True)


def test_a_scan_of_many_addresses_ends_before_anything_is_sent(tmp_path: Path) -> None:
    read(tmp_path, "assets: {a: {network: {addresses: [10.0.0.0/23], ports: '1'}}}")
    asked = CliRunner().invoke(riskline, ["scan", "-i", str(tmp_path / "inventory.yaml"), "--no-record"])
    assert isinstance(asked.exception, UsageError)
    assert "--yes" in str(asked.exception)


def test_the_plan_names_every_address_port_and_place(tmp_path: Path) -> None:
    read(tmp_path, TWO)
    told = CliRunner().invoke(riskline, ["plan", "-i", str(tmp_path / "inventory.yaml"), "--from", "internet"]).output
    assert "addresses, 1 in all, looked at from internet: 192.0.2.10" in told
    assert f"ports: {USUAL_PORTS}, and 443/tcp, which should be open" in told
    assert "10.0.0.5" not in told.split("web-1@internet")[1].split("db (")[0]


def test_what_is_stated_is_what_is_looked_at(tmp_path: Path) -> None:
    (asset,) = read(tmp_path, "assets: {a: {network: {addresses: [10.0.0.0/30, web.example], ports: '80'}}}").assets
    assert stated(asset)[0] == "addresses, 5 in all, looked at from here: web.example, 10.0.0.0/30"

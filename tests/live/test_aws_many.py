"""Many AWS accounts behind one line of the inventory: an organization on loopback, its members, and their tags."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scanner import organizations, pipeline, score, worth
from scanner.catalogue import Catalogue
from scanner.errors import UsageError
from scanner.inventory import read_inventory
from scanner.model import Asset, Criticality, Inventory, Visited
from scanner.plan import make_plan, plan_asset
from tests.live.moto_server import ACCOUNT, Server, moto_server

pytestmark = pytest.mark.live
ROLE = "riskline-audit"
INVENTORY = """
services:
  shop: {{owner: Head of Sales, criticality: 5}}
assets:
  company:
    criticality: 2
    rules:
      - when: {{tag: {{env: "prod*"}}}}
        set: {{service: shop}}
      - when: {{tag: {{env: sandbox}}}}
        set: {{criticality: 1}}
    access:
      aws: {{{way}, endpoint: "{url}", regions: [us-east-1], access_key_id: "env:RISKLINE_TEST_KEY_ID",
             secret_access_key: "env:RISKLINE_TEST_KEY"}}
"""
ORGANIZATION = f"organization: true, role: {ROLE}"


def seed(server: Server) -> None:
    """An organization with three accounts, one of them closed; the shop's and the sandbox's bucket in the first."""
    company = server.client("organizations")
    company.create_organization(FeatureSet="ALL")
    for name, tags in (
        ("shop", {"Owner": "Kim", "Criticality": "3/4/5"}),
        ("sandbox", {"env": "sandbox", "service": "nobody-knows"}),
        ("old", {}),
    ):
        account = company.create_account(
            Email=f"{name}@example.org", AccountName=name, Tags=[{"Key": k, "Value": v} for k, v in tags.items()]
        )["CreateAccountStatus"]["AccountId"]
        if name == "old":
            company.close_account(AccountId=account)
    s3 = server.client("s3")
    for name, tag in (("shop-pictures", "production"), ("sandbox-empty", "sandbox"), ("nothing-said", "")):
        s3.create_bucket(Bucket=name)
        if tag:
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "env", "Value": tag}]})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with moto_server(seed) as found:
        yield found


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RISKLINE_TEST_KEY_ID", "RISKLINE_TEST_KEY"):
        monkeypatch.setenv(name, "testing")


def inventory_of(server: Server, folder: Path, way: str = ORGANIZATION) -> Inventory:
    file = folder / "inventory.yaml"
    file.write_text(INVENTORY.format(way=way, url=server.url))
    return read_inventory(file)


def scan(inventory: Inventory, select: str) -> dict[str, Visited]:
    plan = make_plan(inventory, Catalogue(), ["aws"], [select])
    options = pipeline.Options()
    run = pipeline.execute(plan, pipeline.new_run(plan, options.policy), None, options)
    return {one.asset.id: one for one in run.visited}


def named(found: Inventory) -> dict[str, Asset]:
    return {asset.description: asset for asset in found.assets}


def test_each_active_account_becomes_an_asset_worth_what_its_tags_say(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = named(organizations.spread(inventory_of(server, tmp_path)))
    assert set(found) == {"master", "shop", "sandbox"}
    assert (found["shop"].owner, found["shop"].criticality) == ("Kim", Criticality(3, 4, 5))
    assert (found["sandbox"].criticality, found["master"].criticality) == (Criticality(1, 1, 1), Criticality(2, 2, 2))
    assert "(old) is not visited: it is SUSPENDED" in caplog.text
    assert "nobody-knows" in caplog.text


@pytest.mark.fault("I4")
@pytest.mark.parametrize("id", ["company-{account}", "Company-{account}"])
def test_an_account_that_has_the_id_of_another_asset_is_refused(server: Server, tmp_path: Path, id: str) -> None:
    """Either would take the other's place; two organizations that list one account end so as well."""
    inventory = inventory_of(server, tmp_path)
    named_so = id.format(account=ACCOUNT)
    with pytest.raises(UsageError, match=rf"two assets '[cC]ompany-{ACCOUNT}' and '[cC]ompany-{ACCOUNT}'; rename one"):
        organizations.spread(replace(inventory, assets=(Asset(named_so), *inventory.assets)))


def test_the_members_are_entered_by_their_role_and_the_first_account_as_it_is(server: Server, tmp_path: Path) -> None:
    found = organizations.spread(inventory_of(server, tmp_path))
    server.calls.clear()
    visited = scan(found, "id=EBS-01")
    assert {one.score.coverage for one in visited.values()} == {1.0}
    assumed = sorted(body for call, body in server.calls if call.operation == "AssumeRole")
    assert len(assumed) == 2 and all(ROLE in body for body in assumed)
    assert visited[f"company-{ACCOUNT}"].failures == {}


def test_a_role_that_cannot_be_assumed_loses_that_account_alone_and_says_why(server: Server, tmp_path: Path) -> None:
    found = organizations.spread(inventory_of(server, tmp_path))
    with server.refuse(lambda call: call.operation == "AssumeRole", "denied"):
        visited = scan(found, "id=EBS-01")
    lost = {name: one for name, one in visited.items() if one.failures}
    assert len(visited) == 3 and set(lost) == set(visited) - {f"company-{ACCOUNT}"}
    assert all("sts:AssumeRole on arn:aws:iam::" in one.failures["aws"] for one in lost.values())
    assert {finding.reason for one in lost.values() for finding in one.findings} == {"auth-failed"}


def test_an_organization_that_does_not_answer_is_an_account_that_was_not_visited(
    server: Server, tmp_path: Path
) -> None:
    with server.refuse(lambda call: call.operation == "ListAccounts", "denied"):
        found = organizations.spread(inventory_of(server, tmp_path))
        visited = scan(found, "id=EBS-01")
    assert list(visited) == ["company"]
    assert "organizations:ListAccounts" in visited["company"].failures["aws"]
    assert {finding.outcome.value for finding in visited["company"].findings} == {"unknown"}


def test_tags_that_cannot_be_read_leave_the_worth_of_the_line(server: Server, tmp_path: Path) -> None:
    with server.refuse(lambda call: call.operation == "ListTagsForResource", "denied"):
        found = named(organizations.spread(inventory_of(server, tmp_path)))
    assert {asset.criticality for asset in found.values()} == {Criticality(2, 2, 2)}


def test_the_bucket_of_the_shop_outweighs_that_of_the_sandbox(server: Server, tmp_path: Path) -> None:
    (asset,) = inventory_of(server, tmp_path, f'accounts: ["{ACCOUNT}"], role: {ROLE}').assets
    visited = scan(Inventory("i", (asset,)), "id=S3-04")[asset.id]
    plan = make_plan(Inventory("i", (asset,)), Catalogue(), ["aws"], ["id=S3-04"])
    weak = score.weaknesses(visited.asset, visited.findings, plan.controls, score.Policy())
    loss = {one.finding.subject.rpartition(":")[2]: one.l for one in weak}
    assert loss["shop-pictures"] > loss["nothing-said"] > loss["sandbox-empty"] > 0


def test_tags_are_asked_for_with_and_without_rules_and_only_where_anything_is(server: Server, tmp_path: Path) -> None:
    (asset,) = inventory_of(server, tmp_path, f'accounts: ["{ACCOUNT}"], role: {ROLE}').assets
    for one in (asset, replace(asset, rules=())):
        (planned,) = make_plan(Inventory("i", (one,)), Catalogue(), ["aws"]).assets
        assert planned.visits["aws"].count(worth.TAGS) == 1
    assert plan_asset(asset, ()).visits == {}

"""One line of the inventory for many accounts, and rules for what their resources are worth: how they are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scanner.errors import UsageError
from scanner.inventory import read_inventory
from scanner.members import described
from scanner.model import Asset, Criticality, Evidence, Match, Reply, Rule, Worth, utc_now
from scanner.worth import TAGS, by_tags, labelled, valued

SHOP = Rule(Match({"env": "prod*"}), Worth(Criticality(5, 5, 5)))
ANY = Rule(Match({"env": "*"}), Worth(Criticality(1, 1, 1)))


def read(folder: Path, text: str) -> tuple[Asset, ...]:
    file = folder / "inventory.yaml"
    file.write_text(text)
    return read_inventory(file).assets


def test_a_list_of_accounts_is_an_asset_for_each(tmp_path: Path) -> None:
    found = read(tmp_path, 'assets: {c: {access: {aws: {accounts: ["111111111111", "222222222222"], role: audit}}}}')
    assert [one.id for one in found] == ["c-111111111111", "c-222222222222"]
    assert [one.access.aws.role for one in found if one.access and one.access.aws] == [
        "arn:aws:iam::111111111111:role/audit",
        "arn:aws:iam::222222222222:role/audit",
    ]


def test_a_list_of_profiles_is_an_asset_for_each(tmp_path: Path) -> None:
    found = read(tmp_path, "assets: {c: {access: {aws: {profiles: [sso-shop, sso-lab]}}}}")
    assert [(one.id, one.access.aws.profile) for one in found if one.access and one.access.aws] == [
        ("c-sso-shop", "sso-shop"),
        ("c-sso-lab", "sso-lab"),
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("{organization: true}", "need `role`"),
        ("{organization: true, role: 'arn:aws:iam::1:role/x'}", "not its ARN"),
        ("{organization: true, accounts: ['111111111111'], role: x}", "keep one"),
        ("{accounts: ['42'], role: x}", "twelve digits"),
        ("{profiles: [a], profile: b}", "keep one"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_with_its_place(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"inventory\.yaml:1: .*{said}"):
        read(tmp_path, f"assets: {{c: {{access: {{aws: {lines}}}}}}}")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{when: {tag: {env: prod}}, set: {}}", "must set"),
        ("{when: {tag: {env: prod}}, set: {service: shp}}", "did you mean 'shop'"),
        ("{when: {tag: {env: prod}}, set: {critically: 4}}", "did you mean 'criticality'"),
    ],
)
def test_a_rule_that_sets_nothing_known_is_refused(tmp_path: Path, rule: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(tmp_path, f"services: {{shop: {{criticality: 4}}}}\nassets: {{c: {{access: aws, rules: [{rule}]}}}}")


def test_a_rule_lends_the_criticality_of_its_service(tmp_path: Path) -> None:
    rule = "{when: {tag: {env: prod}}, set: {service: shop}}"
    (asset,) = read(
        tmp_path, f"services: {{shop: {{criticality: 4}}}}\nassets: {{c: {{access: aws, rules: [{rule}]}}}}"
    )
    assert asset.rules[0].set.criticality == Criticality(4, 4, 4)


def test_what_a_scan_finds_of_tags_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write `tags`"):
        read(tmp_path, "assets: {c: {access: aws, tags_of: {x: {c: d}}}}")


def test_what_rules_lead_to_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write `rules`"):
        read(tmp_path, "assets: {c: {access: aws, parts: {x: {c: 1}}}}")


def test_the_first_rule_that_matches_counts() -> None:
    assert by_tags({"env": "production"}, [SHOP, ANY]) is SHOP
    assert by_tags({"env": "lab"}, [SHOP, ANY]) is ANY
    assert by_tags({"team": "lab"}, [SHOP, ANY]) is None


def tagged(reply: Reply) -> Asset:
    asset = Asset("cloud", criticality=Criticality(2, 2, 2), rules=(SHOP,))
    return valued(asset, Evidence("cloud", utc_now(), "0", {TAGS.key: reply}))


def test_a_part_is_worth_what_its_rule_says_and_the_others_what_the_account_is() -> None:
    row = '{"subject": "arn:a", "account": "1", "region": "r", "item": {"tags": [{"Key": "env", "Value": "prod"}]}}'
    found = tagged(Reply(f"[{row}]"))
    assert (found.criticality_of("arn:a"), found.criticality_of("arn:b")) == (
        Criticality(5, 5, 5),
        Criticality(2, 2, 2),
    )


def test_the_tags_of_what_findings_speak_of_are_kept_and_no_others() -> None:
    rows = [{"subject": f"arn:{n}", "account": "1", "region": "r", "item": {"tags": tags}} for n, tags in (
        ("a", [{"Key": "team", "Value": "shop"}]), ("b", [{"Key": "team", "Value": "x"}]), ("c", [])
    )]  # fmt: skip
    whole = tagged(Reply(json.dumps(rows)))
    assert labelled(whole, {"arn:a", "arn:c"}).tags_of == {"arn:a": {"team": "shop"}}


@pytest.mark.parametrize(("failures", "said"), [({}, 1), ({"aws": "auth-failed: no"}, 0)])
def test_missing_tags_are_said_unless_the_visit_failed_as_a_whole(
    failures: dict[str, str], said: int, caplog: pytest.LogCaptureFixture
) -> None:
    denied = Reply(problem="denied", detail="allow tag:GetResources")
    valued(Asset("cloud"), Evidence("cloud", utc_now(), "0", {TAGS.key: denied}, failures))
    assert caplog.text.count("allow tag:GetResources") == said


@pytest.mark.parametrize("reply", [Reply(problem="denied", detail="allow tag:GetResources"), Reply("<html>")])
def test_tags_that_could_not_be_read_change_no_worth(reply: Reply) -> None:
    found = tagged(reply)
    assert not found.parts
    assert not found.tags_of


@pytest.mark.parametrize("text", ["6", "0", "3/4", "high", "3/4/9", "/4/4", "٣"])
def test_a_tag_that_is_no_criticality_changes_none(text: str) -> None:
    asset = Asset("cloud", criticality=Criticality(2, 2, 2))
    assert described(asset, {"criticality": text}, {}).criticality == Criticality(2, 2, 2)

"""Policy documents by meaning: who is let in, what a condition really demands, and what a Deny takes back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.aws import policies
from checks.aws.iam import holders_of
from checks.aws.rights import opens_every_key
from scanner import Unparsable
from scanner.parse import Row

NARROW = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}


@given(st.lists(st.sampled_from(["deny", "own", "public", "narrow"]), max_size=6))
def test_one_open_statement_makes_a_policy_public_wherever_it_stands(kinds: list[str]) -> None:
    forms = {
        "deny": {**PUBLIC, "Effect": "Deny"},
        "own": {**PUBLIC, "Principal": {"AWS": "111111111111"}},
        "public": PUBLIC,
        "narrow": {**PUBLIC, "Condition": NARROW},
    }
    assert bool(policies.public({"Statement": [forms[kind] for kind in kinds]})) == (
        "public" in kinds and "deny" not in kinds
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["Statement", "Effect", "Principal", "Condition", "Action", "AWS", "StringEquals", "Allow"]
                ),
                x,
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_judged_or_called_unparsable(document: object) -> None:  # fmt: skip
    try:
        assert isinstance(policies.public(document), list)
        assert isinstance(policies.administrator(document), bool)
    except Unparsable:
        pass


@pytest.mark.parametrize(
    ("principal", "found"),
    [
        ({"AWS": "arn:aws:iam::222222222222:root"}, ["222222222222"]),
        ({"AWS": ["222222222222", "arn:aws:iam::111111111111:role/x"]}, ["222222222222"]),
        ({"Service": "ec2.amazonaws.com"}, []),
        ("*", []),
    ],
)
def test_other_accounts_are_found_by_arn_or_number(principal: object, found: list[str]) -> None:
    assert policies.outside({"Statement": {"Effect": "Allow", "Principal": principal}}, "111111111111") == found


KNOWN: list[tuple[str, str, Any]] = [
    ("StringEquals", "aws:SourceAccount", "111122223333"),
    ("StringEquals", "AWS:SourceOwner", ["111122223333", "444455556666"]),
    ("StringLike", "aws:PrincipalOrgID", "o-a1b2c3"),
    ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-a1b2c3/r-ab/*"),
    ("ArnLike", "aws:SourceArn", "arn:aws:cloudwatch:*:111122223333:alarm:*"),
    ("ArnLike", "aws:SourceArn", "arn:aws:s3:*:*:shop-pictures"),
    ("ArnLike", "aws:SourceArn", "arn:aws:s3:::shop-pictures"),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/*"),
    ("IpAddress", "aws:SourceIp", ["203.0.113.0/24", "2001:db8::/32"]),
    ("StringLike", "aws:userid", "AROAEXAMPLEID:*"),
    ("StringLike", "sns:Endpoint", "*@example.org"),
    ("StringEquals", "kms:CallerAccount", "111122223333"),
    ("StringEquals", "aws:PrincipalOrgID", "${aws:ResourceOrgID}"),
    ("StringEquals", "aws:ResourceAccount", "${aws:PrincipalAccount}"),
]
OPEN: list[tuple[str, str, Any]] = [
    ("StringLike", "aws:SourceAccount", "????????????"),
    ("StringLike", "aws:SourceAccount", "1*"),
    ("StringLike", "aws:PrincipalOrgID", "o-*"),
    ("StringLike", "aws:PrincipalOrgID", "?*"),
    ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-*/r-ab/*"),
    ("ArnLike", "aws:SourceArn", "arn:aws:sns:*:*:*"),
    ("ArnLike", "aws:SourceArn", "arn:aws:s3:::shop-*"),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::????????????:role/admin"),
    ("StringLike", "aws:PrincipalArn", "*:role/admin"),
    ("StringEquals", "aws:PrincipalArn", "${aws:PrincipalArn}"),
    ("StringEquals", "aws:SourceAccount", ["111122223333", "*"]),
    ("StringEquals", "aws:SourceAccount", []),
    ("IpAddress", "aws:SourceIp", "0.0.0.0/0"),
    ("IpAddress", "aws:SourceIp", ["0.0.0.0/1", "128.0.0.0/1"]),
    ("IpAddress", "aws:SourceIp", [f"{first}.0.0.0/8" for first in range(256)]),
    ("IpAddress", "aws:SourceIp", "::/0"),
    ("IpAddress", "aws:VpcSourceIp", "10.0.0.0/8"),  # any network may have that address
    ("StringLike", "aws:SourceVpc", "vpc-*"),
    ("StringEquals", "aws:username", "bob"),  # any account may have a bob
    ("StringEquals", "aws:PrincipalTag/owner", "shop"),
    ("StringEquals", "lambda:FunctionUrlAuthType", "NONE"),
    ("StringEquals", "lambda:FunctionUrlAuthType", "AWS_IAM"),
    ("StringLike", "sns:Endpoint", "https://*"),
    ("StringLike", "aws:userid", "*:shop"),
    ("StringEqualsIfExists", "aws:SourceAccount", "111122223333"),
    ("ForAllValues:StringEquals", "aws:SourceAccount", "111122223333"),
    ("StringNotEquals", "aws:SourceAccount", "111122223333"),
    ("Null", "aws:PrincipalOrgID", "false"),
    ("Bool", "aws:SecureTransport", "true"),
    ("StringEquals", "aws:Referer", "a-secret-that-travels-in-clear"),
]


def asked(*condition: tuple[str, str, Any], effect: str = "Allow", **other: Any) -> dict[str, Any]:
    """A statement about everybody and one action, on a condition."""
    said: dict[str, Any] = {}
    for operator, key, value in condition:
        said.setdefault(operator, {})[key] = value
    base = {"Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}
    return {**base, **({"Condition": said} if said else {}), **other}


@pytest.mark.parametrize("condition", KNOWN, ids=str)
def test_a_condition_that_names_somebody_lets_nobody_else_in(condition: tuple[str, str, Any]) -> None:
    assert policies.public({"Statement": asked(condition)}) == []


@pytest.mark.parametrize("condition", OPEN, ids=lambda one: str(one)[:80])
def test_a_condition_that_anybody_can_meet_narrows_nothing(condition: tuple[str, str, Any]) -> None:
    assert policies.public({"Statement": asked(condition)}) == ["s3:GetObject"]


@pytest.mark.parametrize("condition", OPEN, ids=lambda one: str(one)[:80])
def test_one_narrow_condition_is_enough_beside_a_wide_one(condition: tuple[str, str, Any]) -> None:
    if condition[:2] != ("StringEquals", "aws:SourceAccount"):
        assert policies.public({"Statement": asked(condition, KNOWN[0])}) == []


@pytest.mark.parametrize("operator", ["StringEqualsIfExists", "ForAllValues:StringEquals"])
def test_a_key_that_has_to_be_there_makes_its_absence_no_way_in(operator: str) -> None:
    shown = ("Null", "aws:PrincipalOrgID", "false")
    assert policies.public({"Statement": asked(shown, (operator, "aws:PrincipalOrgID", "o-1"))}) == []
    assert policies.public({"Statement": asked(shown, (operator, "aws:SourceAccount", "111122223333"))}) != []


NOT_OURS = ("StringNotEquals", "aws:PrincipalOrgID", "o-1")


@pytest.mark.parametrize(
    ("deny", "closed"),
    [
        (asked(effect="Deny"), True),
        (asked(effect="Deny", Action="s3:*", Resource="*"), True),
        (asked(effect="Deny", Action="s3:Get*"), True),
        (asked(effect="Deny", Action="s3:Put*"), False),
        (asked(effect="Deny", Resource="arn:aws:s3:::shop/a/*"), False),
        (asked(effect="Deny", Principal={"AWS": "arn:aws:iam::111122223333:root"}), False),
        (asked(NOT_OURS, effect="Deny"), True),
        (asked(("StringNotEqualsIfExists", *NOT_OURS[1:]), effect="Deny"), True),
        (asked(("ForAnyValue:StringNotEquals", *NOT_OURS[1:]), effect="Deny"), False),
        (asked(("StringNotLike", "aws:PrincipalOrgID", "o-*"), effect="Deny"), False),
        (asked(NOT_OURS, ("BoolIfExists", "aws:PrincipalIsAWSService", "false"), effect="Deny"), True),
        (asked(NOT_OURS, ("Bool", "aws:SecureTransport", "false"), effect="Deny"), False),
        (asked(("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"), effect="Deny"), True),
        (asked(("NotIpAddress", "aws:SourceIp", "0.0.0.0/0"), effect="Deny"), False),
        (asked(("StringEquals", "aws:PrincipalOrgID", "o-1"), effect="Deny"), False),
        (asked(("Bool", "aws:SecureTransport", "false"), effect="Deny"), False),
    ],
    ids=str,
)
def test_a_deny_takes_back_what_it_covers_and_no_more(deny: dict[str, Any], closed: bool) -> None:
    assert (policies.public({"Statement": [asked(), deny]}) == []) is closed


def test_a_deny_of_all_but_one_leaves_that_one() -> None:
    keeper = {"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}}
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*", **keeper}
    assert policies.public({"Statement": [asked(), deny]}) == []
    assert policies.public({"Statement": [asked(Action="*"), deny]}) == ["*"]


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        ["*"],
        {"AWS": "*"},
        {"AWS": ["arn:aws:iam::111122223333:root", "*"]},
        {"CanonicalUser": "*"},
        {"AWS": "arn:aws:iam::*:root"},
    ],
)
def test_everybody_is_found_in_every_form(principal: object) -> None:
    assert policies.public({"Statement": asked(Principal=principal)}) == ["s3:GetObject"]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ({"Action": "*", "Resource": "*"}, True),
        ({"Action": ["s3:Get*", "*:*"], "Resource": ["arn:aws:s3:::a", "*"]}, True),
        ({"Action": "**", "Resource": "arn:aws:*:*:*:*"}, True),
        ({"Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}, True),
        ({"Action": "*", "NotResource": "arn:aws:s3:::payroll/*"}, True),
        ({"NotAction": "s3:DeleteBucket", "Resource": "*"}, True),
        ({"NotAction": ["iam:*", "organizations:*"], "Resource": "*"}, False),
        ({"Action": "*", "Resource": "arn:aws:s3:::shop"}, False),
        ({"Action": "*", "NotResource": "*"}, False),
        ({"Action": "iam:*", "Resource": "*"}, False),
        ({"Action": "*", "Resource": "*", "Effect": "Deny"}, False),
    ],
    ids=str,
)
def test_all_rights_are_found_however_they_are_written(statement: dict[str, Any], found: bool) -> None:
    assert policies.administrator({"Statement": [{"Effect": "Allow", **statement}]}) is found


def test_a_refusal_of_plain_text_may_be_spread_over_statements() -> None:
    arn = "arn:aws:s3:::shop"
    plain = ("Bool", "aws:SecureTransport", "false")
    parts = [asked(plain, effect="Deny", Action="s3:*", Resource=one) for one in (arn, f"{arn}/*")]
    assert policies.refuses_plain_text({"Statement": parts}, arn)
    assert not policies.refuses_plain_text({"Statement": parts[:1]}, arn)
    assert not policies.refuses_plain_text({"Statement": [parts[0], parts[0]]}, arn)
    spared = asked(plain, NOT_OURS, effect="Deny", Action="s3:*", Resource=f"{arn}/*")
    assert not policies.refuses_plain_text({"Statement": [parts[0], spared]}, arn)


@pytest.mark.parametrize(
    ("text", "pattern", "fitting"),
    [
        ("s3:GetObject", "s3:Get*", True), ("s3:GetObject", "s3:Get?bject", True), ("s3:Get", "s3:Get?", False),
        ("s3:*", "s3:?", False), ("s3:Get*", "s3:*", True), ("a[b]c", "a[b]c", True), ("abc", "a[b]c", False),
        ("s3:*", "s3:Get*", False),
    ],
)  # fmt: skip
def test_only_two_letters_are_wildcards(text: str, pattern: str, fitting: bool) -> None:
    assert policies.fits(text, pattern) is fitting


def details(**found: Any) -> list[Row]:
    return [Row("111122223333", "111122223333", "us-east-1", found, "")]


@pytest.mark.parametrize(
    ("resource", "every"),
    [
        ("*", True), ("arn:aws:kms:*:111122223333:key/*", True), ("arn:aws:kms:*:*:key/?*", True), ("arn:*", True),
        ("arn:aws:kms:eu-west-1:111122223333:*", True), ("arn:aws:kms:*:*:alias/*", False),
        ("arn:aws:kms:eu-west-1:111122223333:key/mrk-*", False), ("arn:aws:s3:::*", False),
    ],
)  # fmt: skip
def test_every_key_is_found_whatever_the_pattern(resource: str, every: bool) -> None:
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": resource}
    policy = {"PolicyName": "p", "PolicyDocument": {"Statement": [statement]}}
    rows = details(UserDetailList=[{"Arn": "arn:aws:iam::111122223333:user/ada", "UserPolicyList": [policy]}])
    assert opens_every_key.observe(rows, inline=True) == {"arn:aws:iam::111122223333:user/ada": every}


def test_a_policy_of_ones_own_with_the_name_of_one_of_aws_is_not_that_one() -> None:
    for owner, found in (("aws", ["role"]), ("111122223333", [])):
        held = [{"PolicyName": "x", "PolicyArn": f"arn:aws:iam::{owner}:policy/AWSSupportAccess"}]
        rows = details(RoleDetailList=[{"Arn": "role", "AttachedManagedPolicies": held}])
        assert holders_of.observe(rows, policy="AWSSupportAccess") == found

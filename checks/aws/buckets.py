"""Buckets beyond who reads them: copies, locks, notices, rights of other accounts, access points."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

from . import policies
from .account import BLOCK as ACCOUNT_BLOCK
from .conditions import Statement
from .rows import value
from .s3 import BLOCK, BLOCKS, BUCKETS, GRANTS, LIFECYCLE, POLICY, VERSIONING, open_to_all
from .trails import KNOWN


def _asked(operation: str, *absent: str) -> Fact[list[Row]]:
    return Fact(api("s3", operation, each=BUCKETS, params={"Bucket": "Name"}, absent=absent), parse.rows)


LOCK = _asked("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError")
NOTICES = _asked("get_bucket_notification_configuration")
COPIES = _asked("get_bucket_replication", "ReplicationConfigurationNotFoundError")
POINTS = Fact(
    api(
        "s3control",
        "get_access_point",
        params={"AccountId": "_account", "Name": "Name"},
        each=api(
            "s3control",
            "list_access_points",
            items="AccessPointList",
            params={"AccountId": "_account"},
            identity="AccessPointArn",
        ),
    ),
    parse.rows,
)
TOO_MUCH = (
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:PutEncryptionConfiguration",
    "s3:PutObjectAcl",
)
"""What no other account should be able to do: each of these opens the bucket further or shuts its owner out."""


@check("aws.buckets.locked", LOCK)
def locked(rows: list[Row]) -> dict[str, bool]:
    """Bucket -> whether what is written into it can be kept from being changed for a time."""
    return {row.subject: value(row.item, "ObjectLockConfiguration.ObjectLockEnabled") == "Enabled" for row in rows}


@check("aws.buckets.tells", NOTICES)
def tells(rows: list[Row]) -> dict[str, bool]:
    """Bucket -> whether it tells anybody or any program of what happens in it."""
    kinds = ("TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations", "EventBridgeConfiguration")
    return {row.subject: any(row.fields.get(kind) is not None for kind in kinds) for row in rows}


@check("aws.buckets.copied_elsewhere", COPIES)
def copied_elsewhere(rows: list[Row]) -> dict[str, bool]:
    """Bucket -> whether a rule that is in force copies it to another bucket."""
    return {
        row.subject: any(
            rule.get("Status") == "Enabled"
            for rule in (row.fields.get("ReplicationConfiguration") or {}).get("Rules") or []
        )
        for row in rows
    }


@check("aws.buckets.old_versions_end", VERSIONING, LIFECYCLE)
def old_versions_end(versioning: list[Row], lifecycle: list[Row]) -> dict[str, bool]:
    """Bucket that keeps versions -> whether a rule in force ends or moves what became old."""
    rules = {row.subject: row.fields.get("Rules") or [] for row in lifecycle}
    return {
        row.subject: any(rule.get("Status") == "Enabled" for rule in rules[row.subject])
        for row in versioning
        if row.fields.get("Status") == "Enabled" and row.subject in rules
    }


@check("aws.buckets.other_accounts_may", POLICY)
def other_accounts_may(rows: list[Row]) -> dict[str, list[str]]:
    """Bucket -> which rights over the bucket itself its policy gives to other accounts, or to everybody."""
    return {row.subject: _given_away(row.fields["Policy"], row.account) if row.item is not None else [] for row in rows}


def _given_away(document: object, account: str) -> list[str]:
    found: set[str] = set()
    for statement in policies.statements(document):
        stranger = policies.outside({"Statement": statement}, account) or policies.everyone(statement)
        if statement.get("Effect") == "Allow" and stranger:
            found |= {action for action in TOO_MUCH if _allows(statement, action)}
    return sorted(found)


def _allows(statement: Statement, action: str) -> bool:
    if "NotAction" in statement:
        return not policies.covers(statement["NotAction"], action)
    return policies.covers(statement.get("Action"), action)


@check("aws.buckets.point_blocks", POINTS)
def point_blocks(rows: list[Row]) -> dict[str, list[str]]:
    """Access point -> the parts of the public access block that are not in force on it."""
    return {
        row.of: [key for key in BLOCKS if value(row.item, f"PublicAccessBlockConfiguration.{key}") is not True]
        for row in rows
    }


@check("aws.buckets.trail_public", KNOWN, POLICY, GRANTS, BLOCK, ACCOUNT_BLOCK)
def trail_public(
    known: list[Row], documents: list[Row], grants: list[Row], blocks: list[Row], account: list[Row]
) -> dict[str, list[str]]:
    """Per trail whose bucket is in this account: what anybody may do with its log files."""
    buckets = open_to_all(documents, grants, blocks, account)
    named = {row.subject: f":::{row.item['S3BucketName']}" for row in known if row.item.get("S3BucketName")}
    return {arn: found for arn, name in named.items() for bucket, found in buckets.items() if bucket.endswith(name)}

"""Simple Storage Service: who can read and write buckets, and what is kept of what happens in them."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.model import Probe
from scanner.parse import Row

from . import policies
from .account import BLOCK as ACCOUNT_BLOCK
from .rows import Setting, one, settings, value

BUCKETS = api(
    "s3",
    "list_buckets",
    items="Buckets",
    params={"MaxBuckets": 1000},  # with a page size, AWS also says where each bucket is
    everywhere=False,
    identity="join('', ['arn:', _partition, ':s3:::', Name])",
)
EVERYBODY = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _of_bucket(operation: str, *absent: str) -> Probe:
    return api("s3", operation, each=BUCKETS, params={"Bucket": "Name"}, absent=absent)


POLICY = Fact(_of_bucket("get_bucket_policy", "NoSuchBucketPolicy"), parse.rows)
BLOCK = Fact(_of_bucket("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"), parse.rows)
GRANTS = Fact(_of_bucket("get_bucket_acl"), parse.rows)
ENCRYPTION = Fact(_of_bucket("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"), parse.rows)
VERSIONING = Fact(_of_bucket("get_bucket_versioning"), parse.rows)
LOGGING = Fact(_of_bucket("get_bucket_logging"), parse.rows)
LIFECYCLE = Fact(_of_bucket("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"), parse.rows)
OWNERSHIP = Fact(_of_bucket("get_bucket_ownership_controls", "OwnershipControlsNotFoundError"), parse.rows)


def _blocks(row: Row | None, account: Row, key: str) -> bool:
    """A block counts whether it is set on the bucket or on the account."""
    path = f"PublicAccessBlockConfiguration.{key}"
    return any(value(found.item, path) is True for found in (row, account) if found is not None)


@check("aws.s3.public_access_blocked", BLOCK, ACCOUNT_BLOCK)
def public_access_blocked(blocks: list[Row], account: list[Row]) -> dict[str, list[str]]:
    """Bucket -> the parts of the public access block that are in force neither on it nor on the account."""
    whole = one(account)
    return {row.subject: [key for key in BLOCKS if not _blocks(row, whole, key)] for row in blocks}


@check("aws.s3.public", POLICY, GRANTS, BLOCK, ACCOUNT_BLOCK)
def public(documents: list[Row], grants: list[Row], blocks: list[Row], account: list[Row]) -> dict[str, list[str]]:
    """Bucket -> what anybody may do with it, by its policy or access list, after the blocks in force were applied."""
    return open_to_all(documents, grants, blocks, account)


def open_to_all(documents: list[Row], grants: list[Row], blocks: list[Row], account: list[Row]) -> dict[str, list[str]]:
    """Bucket -> what anybody may do with it."""
    whole = one(account)
    block = {row.subject: row for row in blocks}
    listed = {row.subject: row for row in grants}
    found = {}
    for row in documents:
        by_policy = policies.public(row.fields["Policy"]) if row.item else []
        by_list = _listed(listed[row.subject]) if row.subject in listed else []
        if _blocks(block.get(row.subject), whole, "RestrictPublicBuckets"):
            by_policy = []
        if _blocks(block.get(row.subject), whole, "IgnorePublicAcls"):
            by_list = []
        found[row.subject] = sorted({*by_policy, *by_list})
    return found


def _listed(row: Row) -> list[str]:
    grants = row.fields.get("Grants") or []
    return [f"access list: {grant['Permission']}" for grant in grants if grant["Grantee"].get("URI") in EVERYBODY]


@check("aws.s3.plain_text_refused", POLICY)
def plain_text_refused(documents: list[Row]) -> dict[str, bool]:
    """Bucket -> whether its policy denies every request that does not come over TLS."""
    return {
        row.subject: row.item is not None and policies.refuses_plain_text(row.fields["Policy"], row.subject)
        for row in documents
    }


@check("aws.s3.encryption", ENCRYPTION)
def encryption(rows: list[Row]) -> dict[str, str | None]:
    """Bucket -> how new objects are encrypted by default: AES256, aws:kms, aws:kms:dsse."""
    found: dict[str, str | None] = {}
    for row in rows:
        rules = row.fields.get("ServerSideEncryptionConfiguration", {}).get("Rules") or [{}]
        found[row.subject] = rules[0].get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm")
    return found


@check("aws.s3.versioning", VERSIONING)
def versioning(rows: list[Row], key: str) -> Setting:
    """Bucket -> `Status` of its versioning, or of `MFADelete`; not set where it was never turned on."""
    return settings(rows, key)


@check("aws.s3.access_logging", LOGGING)
def access_logging(rows: list[Row]) -> dict[str, bool]:
    """Bucket -> whether requests to it are logged into another bucket."""
    return {row.subject: bool(row.fields.get("LoggingEnabled")) for row in rows}


@check("aws.s3.lifecycle", LIFECYCLE)
def lifecycle(rows: list[Row]) -> dict[str, bool]:
    """Bucket -> whether some rule that is in force ends or moves what has become old."""
    return {row.subject: any(r.get("Status") == "Enabled" for r in row.fields.get("Rules") or []) for row in rows}


@check("aws.s3.ownership", OWNERSHIP)
def ownership(rows: list[Row]) -> dict[str, str]:
    """Bucket -> who owns new objects; BucketOwnerEnforced turns access lists off. Old buckets may have none set."""
    found = {}
    for row in rows:
        rules = row.fields.get("OwnershipControls", {}).get("Rules") or [{}]
        found[row.subject] = str(rules[0].get("ObjectOwnership", "ObjectWriter"))
    return found

"""What is offered to everybody, or to other accounts: images, repositories, vaults, buses, secrets and the rest.

Where a policy or a list of accounts says so. Buckets, queues, topics, keys and functions that everybody may use are
judged beside their other settings.
"""

from __future__ import annotations

from collections.abc import Iterable

from scanner import Fact, api, check, parse
from scanner.parse import Row

from . import policies
from .compute import FUNCTION_POLICY, REPOSITORIES
from .databases import SHARED, SHARED_CLUSTERS
from .keys import ABOUT
from .keys import POLICY as KEY_POLICY
from .machines import SHARED as DISKS
from .network import arn
from .s3 import POLICY as BUCKET_POLICY
from .services import BUSES, QUEUES, SECRETS, TOPICS
from .stores import DOMAINS

IMAGES = Fact(
    api(
        "ec2",
        "describe_images",
        items="Images[].{ImageId: ImageId, Public: Public}",
        params={"Owners": ["self"]},
        identity=arn("image", "ImageId"),
    ),
    parse.rows,
)
REPOSITORY_POLICY = Fact(
    api(
        "ecr",
        "get_repository_policy",
        items="{Policy: policyText}",
        params={"repositoryName": "repositoryName"},
        absent=("RepositoryPolicyNotFoundException",),
        each=REPOSITORIES.probe,
    ),
    parse.rows,
)
VAULT_POLICY = Fact(
    api(
        "glacier",
        "get_vault_access_policy",
        items="{Policy: policy.Policy}",
        params={"accountId": "_account", "vaultName": "VaultName"},
        absent=("ResourceNotFoundException",),
        each=api("glacier", "list_vaults", items="VaultList", params={"accountId": "_account"}, identity="VaultARN"),
    ),
    parse.rows,
)
SECRET_POLICY = Fact(
    api(
        "secretsmanager",
        "get_resource_policy",
        items="{Policy: ResourcePolicy}",
        params={"SecretId": "ARN"},
        each=SECRETS.probe,
    ),
    parse.rows,
)


def _public(rows: Iterable[Row], key: str = "Policy") -> dict[str, list[str]]:
    """Subject -> what the policy at `key` lets anybody do."""
    return {row.of or row.subject: policies.public(row.fields[key]) if row.fields.get(key) else [] for row in rows}


@check("aws.sharing.image_public", IMAGES)
def image_public(rows: list[Row]) -> dict[str, bool]:
    """Per machine image of the account's own: whether every AWS customer may start it, and read what lies on it."""
    return {row.subject: row.fields.get("Public") is True for row in rows}


@check("aws.sharing.repository_public", REPOSITORY_POLICY)
def repository_public(rows: list[Row]) -> dict[str, list[str]]:
    """Per repository of images: what its policy lets anybody do with it."""
    return _public(rows)


@check("aws.sharing.vault_public", VAULT_POLICY)
def vault_public(rows: list[Row]) -> dict[str, list[str]]:
    """Per Glacier vault: what its policy lets anybody do with it."""
    return _public(rows)


@check("aws.sharing.bus_public", BUSES)
def bus_public(rows: list[Row]) -> dict[str, list[str]]:
    """Per event bus: what its policy lets anybody do with it."""
    return _public(rows)


@check("aws.sharing.secret_public", SECRET_POLICY)
def secret_public(rows: list[Row]) -> dict[str, list[str]]:
    """Per secret: what its policy lets anybody do with it."""
    return _public(rows)


@check("aws.sharing.domain_public", DOMAINS)
def domain_public(rows: list[Row]) -> dict[str, list[str]]:
    """Per search domain outside of a network of one's own: what its policy lets anybody do with it."""
    outside = [row for row in rows if not (row.fields.get("VPCOptions") or {}).get("VPCId")]
    return _public(outside, "AccessPolicies")


def _strangers(rows: Iterable[Row], known: list[str], key: str = "Policy") -> dict[str, list[str]]:
    """Subject -> accounts that its policy names, other than its own and those that are known."""
    return {
        row.of or row.subject: [
            one for one in policies.outside(row.fields[key], row.account) if one not in known
        ]
        if row.fields.get(key)
        else []
        for row in rows
    }  # fmt: skip


@check("aws.sharing.bucket_strangers", BUCKET_POLICY)
def bucket_strangers(rows: list[Row], known: list[str]) -> dict[str, list[str]]:
    """Per bucket: other accounts that its policy lets in, but those `known`."""
    return _strangers(rows, known)


@check("aws.sharing.queue_strangers", QUEUES)
def queue_strangers(rows: list[Row], known: list[str]) -> dict[str, list[str]]:
    """Per queue: other accounts that its policy lets in, but those `known`."""
    names = {row.subject: str(row.fields.get("QueueArn", row.subject)) for row in rows}
    return {names.get(subject, subject): found for subject, found in _strangers(rows, known).items()}


@check("aws.sharing.topic_strangers", TOPICS)
def topic_strangers(rows: list[Row], known: list[str]) -> dict[str, list[str]]:
    """Per topic: other accounts that its policy lets in, but those `known`."""
    return _strangers(rows, known)


@check("aws.sharing.function_strangers", FUNCTION_POLICY)
def function_strangers(rows: list[Row], known: list[str]) -> dict[str, list[str]]:
    """Per function: other accounts that its policy lets in, but those `known`."""
    return _strangers(rows, known)


@check("aws.sharing.repository_strangers", REPOSITORY_POLICY)
def repository_strangers(rows: list[Row], known: list[str]) -> dict[str, list[str]]:
    """Per repository of images: other accounts that its policy lets in, but those `known`."""
    return _strangers(rows, known)


@check("aws.sharing.key_strangers", ABOUT, KEY_POLICY)
def key_strangers(about: list[Row], documents: list[Row], known: list[str]) -> dict[str, list[str]]:
    """Per key of the account's own: other accounts that its policy lets in, but those `known`."""
    own = {row.of for row in about if row.fields.get("KeyManager") == "CUSTOMER"}
    return {
        row.of: [one for one in policies.outside(row.item, row.account) if one not in known]
        for row in documents
        if row.of in own
    }


@check("aws.sharing.disk_strangers", DISKS)
def disk_strangers(rows: list[Row], known: list[str]) -> dict[str, list[str]]:
    """Per copy of a disk: other accounts that may read it, but those `known`."""
    return {
        row.of: sorted(
            str(one["UserId"])
            for one in row.fields.get("CreateVolumePermissions") or []
            if one.get("UserId") and one["UserId"] not in {*known, row.account}
        )
        for row in rows
    }


@check("aws.sharing.database_strangers", SHARED, SHARED_CLUSTERS)
def database_strangers(rows: list[Row], clusters: list[Row], known: list[str]) -> dict[str, list[str]]:
    """Per copy of a database that is shared: other accounts that may restore it, but those `known`."""
    found: dict[str, set[str]] = {}
    for row in (*rows, *clusters):
        if row.item not in {None, "all"}:
            found.setdefault(row.of, set()).update({str(row.item)} - {*known, row.account})
    return {subject: sorted(accounts) for subject, accounts in found.items()}

"""EC2 instances and their disks: how they get their credentials, what they show, what is encrypted."""

from __future__ import annotations

from scanner import Fact, Unparsable, api, check, parse
from scanner.parse import Row

from .network import arn

INSTANCES = Fact(
    api("ec2", "describe_instances", items="Reservations[].Instances[]", identity=arn("instance", "InstanceId")),
    parse.rows,
)
EBS_DEFAULT = Fact(api("ec2", "get_ebs_encryption_by_default"), parse.rows)
VOLUMES = Fact(api("ec2", "describe_volumes", items="Volumes", identity=arn("volume", "VolumeId")), parse.rows)
SNAPSHOTS = api(
    "ec2",
    "describe_snapshots",
    items="Snapshots",
    params={"OwnerIds": ["self"]},
    identity=arn("snapshot", "SnapshotId"),
)
SHARED = Fact(
    api(
        "ec2",
        "describe_snapshot_attribute",
        params={"SnapshotId": "SnapshotId", "Attribute": "'createVolumePermission'"},
        absent=("InvalidSnapshot.NotFound",),
        each=SNAPSHOTS,
    ),
    parse.rows,
)
GONE = {"terminated", "shutting-down"}


def _there(rows: list[Row]) -> list[Row]:
    return [row for row in rows if (row.item.get("State") or {}).get("Name") not in GONE]


@check("aws.machines.metadata_tokens", INSTANCES)
def metadata_tokens(rows: list[Row]) -> dict[str, str | None]:
    """Per instance: whether its metadata is given only to who has a token: required or optional; off where it is."""
    options = {row.subject: row.item.get("MetadataOptions") or {} for row in _there(rows)}
    return {
        arn: "off" if told.get("HttpEndpoint") == "disabled" else told.get("HttpTokens")
        for arn, told in options.items()
    }


@check("aws.machines.role", INSTANCES)
def role(rows: list[Row]) -> dict[str, bool]:
    """Per instance: whether it has a role of its own, so that no keys need to lie on it."""
    return {row.subject: bool(row.item.get("IamInstanceProfile")) for row in _there(rows)}


@check("aws.machines.public_address", INSTANCES)
def public_address(rows: list[Row]) -> dict[str, str | None]:
    """Per instance: its public IPv4 address, if it has one."""
    return {row.subject: row.item.get("PublicIpAddress") for row in _there(rows)}


@check("aws.machines.disks_encrypted_by_default", EBS_DEFAULT)
def disks_encrypted_by_default(rows: list[Row]) -> dict[str, bool]:
    """Per region: whether every new disk is encrypted, whoever makes it."""
    for row in rows:
        if "EbsEncryptionByDefault" not in row.fields:
            raise Unparsable(f"{row.region}: {str(row.item)[:150]}")
    return {row.region: bool(row.item["EbsEncryptionByDefault"]) for row in rows}


@check("aws.machines.disk_encrypted", VOLUMES)
def disk_encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per disk: whether it is encrypted."""
    return {row.subject: bool(row.item["Encrypted"]) for row in rows}


@check("aws.machines.snapshot_shared_with_all", SHARED)
def snapshot_shared_with_all(rows: list[Row]) -> dict[str, bool]:
    """Per snapshot of a disk: whether every AWS customer may read it."""
    return {
        row.of: any(one.get("Group") == "all" for one in (row.item or {}).get("CreateVolumePermissions") or [])
        for row in rows
    }

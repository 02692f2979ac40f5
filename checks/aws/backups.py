"""AWS Backup: whether what it keeps is encrypted, and which disks and tables it keeps."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .machines import VOLUMES
from .protection import PROTECTED
from .stores import TABLES

POINTS = Fact(
    api(
        "backup",
        "list_recovery_points_by_backup_vault",
        items="RecoveryPoints[].{RecoveryPointArn: RecoveryPointArn, IsEncrypted: IsEncrypted}",
        params={"BackupVaultName": "BackupVaultName"},
        identity="RecoveryPointArn",
        each=api("backup", "list_backup_vaults", items="BackupVaultList", identity="BackupVaultArn"),
    ),
    parse.rows,
)


@check("aws.backups.encrypted", POINTS)
def encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per recovery point: whether it is encrypted."""
    return {row.subject: row.fields.get("IsEncrypted") is True for row in rows if row.fields.get("RecoveryPointArn")}


def _kept(rows: list[Row]) -> set[str]:
    return {str(arn) for row in rows for arn in row.fields.get("arns") or []}


@check("aws.backups.disk_kept", VOLUMES, PROTECTED)
def disk_kept(volumes: list[Row], kept: list[Row]) -> dict[str, bool]:
    """Per disk in use: whether AWS Backup has a copy of it, or of a machine that it is part of."""
    there = _kept(kept)
    machines = {arn.rpartition("/")[2] for arn in there if ":instance/" in arn}
    found = {}
    for row in volumes:
        holders = {str(one.get("InstanceId")) for one in row.fields.get("Attachments") or []}
        if row.fields.get("State") == "in-use":
            found[row.subject] = row.subject in there or bool(holders & machines)
    return found


@check("aws.backups.table_kept", TABLES, PROTECTED)
def table_kept(tables: list[Row], kept: list[Row]) -> dict[str, bool]:
    """Per table: whether AWS Backup has a copy of it."""
    there = _kept(kept)
    return {row.of: row.of in there for row in tables}

"""RDS and EFS: databases and shared file systems, who reaches them and what is kept."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

INSTANCES = Fact(api("rds", "describe_db_instances", items="DBInstances", identity="DBInstanceArn"), parse.rows)
FILE_SYSTEMS = Fact(api("efs", "describe_file_systems", items="FileSystems", identity="FileSystemArn"), parse.rows)


@check("aws.databases.instance", INSTANCES)
def instance(rows: list[Row], key: str) -> dict[str, str | int | bool | None]:
    """Per database: a field of it, such as PubliclyAccessible, StorageEncrypted or BackupRetentionPeriod."""
    return {row.subject: row.item.get(key) for row in rows}


@check("aws.databases.file_system_encrypted", FILE_SYSTEMS)
def file_system_encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per shared file system: whether it is encrypted."""
    return {row.subject: bool(row.item.get("Encrypted")) for row in rows}

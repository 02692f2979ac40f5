"""RDS, Aurora, Neptune, DocumentDB and EFS: databases and shared file systems, who reaches them and what is kept.

One call lists the databases of all these engines; `engines` says which of them a control is about, by the beginning of
the engine's name ("aurora", "postgres", "neptune", "docdb"); `but` says which not.
"""

from __future__ import annotations

from collections.abc import Sequence

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .rows import Setting, by_parent, settings, value

INSTANCES = Fact(api("rds", "describe_db_instances", items="DBInstances", identity="DBInstanceArn"), parse.rows)
CLUSTERS = Fact(api("rds", "describe_db_clusters", items="DBClusters", identity="DBClusterArn"), parse.rows)
_SAVED = api(
    "rds",
    "describe_db_snapshots",
    items="DBSnapshots",
    params={"SnapshotType": "manual"},
    identity="DBSnapshotArn",
)
_SAVED_CLUSTERS = api(
    "rds",
    "describe_db_cluster_snapshots",
    items="DBClusterSnapshots",
    params={"SnapshotType": "manual"},
    identity="DBClusterSnapshotArn",
)
SNAPSHOTS = Fact(_SAVED, parse.rows)
CLUSTER_SNAPSHOTS = Fact(_SAVED_CLUSTERS, parse.rows)
SHARED = Fact(
    api(
        "rds",
        "describe_db_snapshot_attributes",
        items="DBSnapshotAttributesResult.DBSnapshotAttributes[?AttributeName=='restore'].AttributeValues[]",
        params={"DBSnapshotIdentifier": "DBSnapshotIdentifier"},
        absent=("DBSnapshotNotFound",),
        each=_SAVED,
    ),
    parse.rows,
)
SHARED_CLUSTERS = Fact(
    api(
        "rds",
        "describe_db_cluster_snapshot_attributes",
        items="DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes[?AttributeName=='restore']"
        ".AttributeValues[]",
        params={"DBClusterSnapshotIdentifier": "DBClusterSnapshotIdentifier"},
        absent=("DBClusterSnapshotNotFoundFault",),
        each=_SAVED_CLUSTERS,
    ),
    parse.rows,
)
EVENTS = Fact(api("rds", "describe_event_subscriptions"), parse.rows)
_FILE_SYSTEMS = api("efs", "describe_file_systems", items="FileSystems", identity="FileSystemArn")
FILE_SYSTEMS = Fact(_FILE_SYSTEMS, parse.rows)
FILE_BACKUP = Fact(
    api(
        "efs",
        "describe_backup_policy",
        params={"FileSystemId": "FileSystemId"},
        absent=("PolicyNotFound",),
        each=_FILE_SYSTEMS,
    ),
    parse.rows,
)
ACCESS_POINTS = Fact(api("efs", "describe_access_points", items="AccessPoints", identity="AccessPointArn"), parse.rows)


def _alone(rows: Sequence[Row], members: bool, replicas: bool) -> list[Row]:
    """The rows without members of clusters, whose cluster decides, and without copies, which follow their original."""
    left_out = ({"DBClusterIdentifier"} if not members else set()) | (
        {"ReadReplicaSourceDBInstanceIdentifier", "ReadReplicaSourceDBClusterIdentifier"} if not replicas else set()
    )
    return [row for row in rows if not any(row.fields.get(key) for key in left_out)]


def _of(rows: Sequence[Row], engines: list[str] | None, but: list[str] | None) -> list[Row]:
    """The rows whose engine begins with one of `engines` (any, where none is given) and with none of `but`."""
    found = []
    for row in rows:
        engine = str(row.fields.get("Engine", ""))
        wanted = engines is None or engine.startswith(tuple(engines))
        if wanted and not engine.startswith(tuple(but or ())):
            found.append(row)
    return found


@check("aws.databases.instance", INSTANCES)
def instance(
    rows: list[Row],
    key: str,
    engines: list[str] | None = None,
    but: list[str] | None = None,
    members: bool = True,
    replicas: bool = True,
) -> Setting:
    """Per database: a field of it, such as PubliclyAccessible, StorageEncrypted or DBSubnetGroup.VpcId.

    members: also databases of a cluster. AWS says MultiAZ and DeletionProtection of the cluster alone, and False of
    each member whatever holds. replicas: also copies, whose days of backups are 0 unless somebody asked for them.
    Source: RDS API, DBInstance; CreateDBInstance.
    """
    return settings(_of(_alone(rows, members, replicas), engines, but), key)


@check("aws.databases.instance_list", INSTANCES)
def instance_list(
    rows: list[Row], key: str, engines: list[str] | None = None, but: list[str] | None = None
) -> dict[str, list[str]]:
    """Per database: a field of it that is a list, such as EnabledCloudwatchLogsExports."""
    return {row.subject: [str(one) for one in row.item.get(key) or []] for row in _of(rows, engines, but)}


@check("aws.databases.default_port", INSTANCES)
def default_port(rows: list[Row]) -> dict[str, bool]:
    """Per database: whether it listens on the port that everybody tries first."""
    ports = {"mysql": 3306, "mariadb": 3306, "aurora-mysql": 3306, "postgres": 5432, "aurora-postgresql": 5432}
    ports |= {"oracle": 1521, "sqlserver": 1433}
    found = {}
    for row in rows:
        engine = str(row.fields.get("Engine", ""))
        usual = next((port for name, port in ports.items() if engine.startswith(name)), None)
        if usual is not None:
            found[row.subject] = value(row.item, "Endpoint.Port") == usual
    return found


@check("aws.databases.cluster", CLUSTERS)
def cluster(rows: list[Row], key: str, engines: list[str] | None = None, but: list[str] | None = None) -> Setting:
    """Per database cluster: a field of it, such as StorageEncrypted, DeletionProtection or BackupRetentionPeriod."""
    return settings(_of(rows, engines, but), key)


@check("aws.databases.cluster_list", CLUSTERS)
def cluster_list(
    rows: list[Row], key: str, engines: list[str] | None = None, but: list[str] | None = None
) -> dict[str, list[str]]:
    """Per database cluster: a field of it that is a list, such as EnabledCloudwatchLogsExports."""
    return {row.subject: [str(one) for one in row.item.get(key) or []] for row in _of(rows, engines, but)}


@check("aws.databases.snapshot_encrypted", SNAPSHOTS)
def snapshot_encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per snapshot that somebody made of a database: whether it is encrypted."""
    return {row.subject: row.item.get("Encrypted") is True for row in rows}


@check("aws.databases.cluster_snapshot_encrypted", CLUSTER_SNAPSHOTS)
def cluster_snapshot_encrypted(
    rows: list[Row], engines: list[str] | None = None, but: list[str] | None = None
) -> dict[str, bool]:
    """Per snapshot that somebody made of a cluster: whether it is encrypted."""
    return {row.subject: row.item.get("StorageEncrypted") is True for row in _of(rows, engines, but)}


@check("aws.databases.snapshot_public", SNAPSHOTS, SHARED)
def snapshot_public(rows: list[Row], shared: list[Row]) -> dict[str, bool]:
    """Per snapshot that somebody made of a database: whether every AWS customer may restore it."""
    return _public(rows, shared)


@check("aws.databases.cluster_snapshot_public", CLUSTER_SNAPSHOTS, SHARED_CLUSTERS)
def cluster_snapshot_public(
    rows: list[Row], shared: list[Row], engines: list[str] | None = None, but: list[str] | None = None
) -> dict[str, bool]:
    """Per snapshot that somebody made of a cluster: whether every AWS customer may restore it."""
    return _public(_of(rows, engines, but), shared)


def _public(rows: list[Row], shared: list[Row]) -> dict[str, bool]:
    told = by_parent(shared)
    return {row.subject: any(one.item == "all" for one in told.get(row.subject, [])) for row in rows}


@check("aws.databases.told_of", EVENTS, INSTANCES, CLUSTERS)
def told_of(
    rows: list[Row], instances: list[Row], clusters: list[Row], source: str, categories: list[str]
) -> dict[str, list[str]]:
    """Per region with databases (clusters, if those are the `source`): which `categories` of events go to nobody.

    source: db-instance, db-cluster, db-parameter-group or db-security-group. A subscription
    without a source or without categories covers all of them. Source: RDS API, EventSubscription.
    """
    covered: dict[str, set[str]] = {}
    needed = {row.region for row in _of(clusters if source == "db-cluster" else instances, None, ["neptune", "docdb"])}
    for row in (row for row in rows if row.region in needed):
        told = covered.setdefault(row.region, set())
        for one in row.fields.get("EventSubscriptionsList") or []:
            if one.get("Enabled") and one.get("SourceType") in {source, None, ""} and not one.get("SourceIdsList"):
                told |= set(one.get("EventCategoriesList") or categories)
    return {region: [name for name in categories if name not in told] for region, told in covered.items()}


@check("aws.databases.file_system_encrypted", FILE_SYSTEMS)
def file_system_encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per shared file system: whether it is encrypted."""
    return {row.subject: bool(row.item.get("Encrypted")) for row in rows}


@check("aws.databases.file_system_backup", FILE_BACKUP)
def file_system_backup(rows: list[Row]) -> dict[str, str]:
    """Per shared file system: whether it is backed up by itself: ENABLED, DISABLED, or DISABLED where nobody chose."""
    return {row.of: str(value(row.fields, "BackupPolicy.Status") or "DISABLED") for row in rows}


@check("aws.databases.access_point", ACCESS_POINTS)
def access_point(rows: list[Row], key: str) -> Setting:
    """Per access point of a shared file system: RootDirectory.Path, PosixUser.Uid …"""
    return settings(rows, key)

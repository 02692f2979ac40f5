"""ElastiCache, DAX, DynamoDB, Redshift, OpenSearch and FSx: where data lies outside of the classic databases."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.model import Probe
from scanner.parse import Row

from .rows import Setting, settings, value

GROUPS = Fact(api("elasticache", "describe_replication_groups", items="ReplicationGroups", identity="ARN"), parse.rows)
CACHES = Fact(api("elasticache", "describe_cache_clusters", items="CacheClusters", identity="ARN"), parse.rows)
DAX = Fact(api("dax", "describe_clusters", items="Clusters", identity="ClusterArn"), parse.rows)


def _table(name: str) -> str:
    return f"join('', ['arn:', _partition, ':dynamodb:', _region, ':', _account, ':table/', {name}])"


_TABLES = api("dynamodb", "list_tables", items="TableNames", identity=_table("_"))
TABLES = Fact(api("dynamodb", "describe_table", items="Table", params={"TableName": "_"}, each=_TABLES), parse.rows)
TABLE_BACKUPS = Fact(
    api(
        "dynamodb",
        "describe_continuous_backups",
        items="ContinuousBackupsDescription",
        params={"TableName": "_"},
        each=_TABLES,
    ),
    parse.rows,
)
_WAREHOUSES = api(
    "redshift",
    "describe_clusters",
    items="Clusters",
    identity="join('', ['arn:', _partition, ':redshift:', _region, ':', _account, ':cluster:', ClusterIdentifier])",
)
WAREHOUSES = Fact(_WAREHOUSES, parse.rows)
WAREHOUSE_LOGS = Fact(
    api(
        "redshift",
        "describe_logging_status",
        params={"ClusterIdentifier": "ClusterIdentifier"},
        each=_WAREHOUSES,
    ),
    parse.rows,
)
WAREHOUSE_SETTINGS = Fact(
    api(
        "redshift",
        "describe_cluster_parameters",
        items="Parameters[?ParameterName=='require_ssl']",
        params={"ParameterGroupName": "ClusterParameterGroups[0].ParameterGroupName"},
        each=_WAREHOUSES,
    ),
    parse.rows,
)


def _domain(name: str) -> str:
    return f"join('', ['arn:', _partition, ':es:', _region, ':', _account, ':domain/', {name}])"


_DOMAINS: Probe = api("opensearch", "list_domain_names", items="DomainNames", identity=_domain("DomainName"))
DOMAINS = Fact(
    api("opensearch", "describe_domain", items="DomainStatus", params={"DomainName": "DomainName"}, each=_DOMAINS),
    parse.rows,
)
SHARED_FILES = Fact(api("fsx", "describe_file_systems", items="FileSystems", identity="ResourceARN"), parse.rows)


@check("aws.stores.cache_group", GROUPS)
def cache_group(rows: list[Row], key: str) -> Setting:
    """Per replication group of caches: AtRestEncryptionEnabled, TransitEncryptionEnabled, AutomaticFailover …"""
    return settings(rows, key)


@check("aws.stores.cache", CACHES)
def cache(rows: list[Row], key: str) -> Setting:
    """Per cache cluster: AutoMinorVersionUpgrade, CacheSubnetGroupName, SnapshotRetentionLimit …"""
    return settings(rows, key)


@check("aws.stores.accelerator", DAX)
def accelerator(rows: list[Row], key: str) -> Setting:
    """Per accelerator of DynamoDB: SSEDescription.Status, ClusterEndpointEncryptionType."""
    return settings(rows, key)


@check("aws.stores.table", TABLES)
def table(rows: list[Row], key: str) -> Setting:
    """Per DynamoDB table: DeletionProtectionEnabled, BillingModeSummary.BillingMode …"""
    return settings(rows, key)


@check("aws.stores.table_backup", TABLE_BACKUPS)
def table_backup(rows: list[Row]) -> dict[str, str]:
    """Per DynamoDB table: whether it can be set back to any second of the last weeks: ENABLED or DISABLED."""
    path = "PointInTimeRecoveryDescription.PointInTimeRecoveryStatus"
    return {row.subject: str(value(row.fields, path) or "DISABLED") for row in rows}


@check("aws.stores.warehouse", WAREHOUSES)
def warehouse(rows: list[Row], key: str) -> Setting:
    """Per Redshift cluster: PubliclyAccessible, Encrypted, AutomatedSnapshotRetentionPeriod, MasterUsername …"""
    return settings(rows, key)


@check("aws.stores.warehouse_logged", WAREHOUSE_LOGS)
def warehouse_logged(rows: list[Row]) -> dict[str, bool]:
    """Per Redshift cluster: whether logins and queries are written to a log outside of it."""
    return {row.subject: row.fields.get("LoggingEnabled") is True for row in rows}


@check("aws.stores.warehouse_needs_tls", WAREHOUSES, WAREHOUSE_SETTINGS)
def warehouse_needs_tls(clusters: list[Row], rows: list[Row]) -> dict[str, bool]:
    """Per Redshift cluster: whether it takes encrypted connections only."""
    found = {row.of: str(row.fields.get("ParameterValue")).lower() == "true" for row in rows}
    return {row.subject: found.get(row.subject, False) for row in clusters}


@check("aws.stores.domain", DOMAINS)
def domain(rows: list[Row], key: str) -> Setting:
    """Per OpenSearch or Elasticsearch domain: EncryptionAtRestOptions.Enabled, VPCOptions.VPCId …"""
    return settings(rows, key)


@check("aws.stores.domain_logs", DOMAINS)
def domain_logs(rows: list[Row]) -> dict[str, list[str]]:
    """Per OpenSearch domain: the kinds of log that it writes: ES_APPLICATION_LOGS, AUDIT_LOGS …"""
    return {
        row.subject: sorted(
            name for name, one in (row.fields.get("LogPublishingOptions") or {}).items() if one.get("Enabled")
        )
        for row in rows
    }


@check("aws.stores.domain_spread", DOMAINS)
def domain_spread(rows: list[Row], kind: str) -> dict[str, int]:
    """Per OpenSearch domain: how many nodes of a kind (data, master) it has, 0 where they share one zone."""
    found = {}
    for row in rows:
        config = row.fields.get("ClusterConfig") or {}
        if kind == "master":
            found[row.subject] = (
                int(config.get("DedicatedMasterCount") or 0) if config.get("DedicatedMasterEnabled") else 0
            )
        else:
            found[row.subject] = int(config.get("InstanceCount") or 0) if config.get("ZoneAwarenessEnabled") else 0
    return found


@check("aws.stores.shared_files_copy_tags", SHARED_FILES)
def shared_files_copy_tags(rows: list[Row]) -> dict[str, bool]:
    """Per FSx file system of the kind OpenZFS: whether both its backups and its volumes carry its tags."""
    kinds = {row.subject: row.fields.get("OpenZFSConfiguration") for row in rows}
    return {
        subject: kind.get("CopyTagsToBackups") is True and kind.get("CopyTagsToVolumes") is True
        for subject, kind in kinds.items()
        if kind is not None
    }

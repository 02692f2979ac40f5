"""Elastic Beanstalk, EMR, SageMaker, ElastiCache and RDS: what takes a second question to see."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .compute import BEANSTALK
from .databases import INSTANCES
from .rows import by_parent
from .stores import CACHES, GROUPS

ENVIRONMENTS = Fact(
    api(
        "elasticbeanstalk",
        "describe_configuration_settings",
        # the other options hold the program's environment, and with it its secrets
        items="ConfigurationSettings[].OptionSettings[?Namespace == 'aws:elasticbeanstalk:healthreporting:system'"
        " || Namespace == 'aws:elasticbeanstalk:cloudwatch:logs'][].{space: Namespace, name: OptionName, value: Value}",
        params={"ApplicationName": "ApplicationName", "EnvironmentName": "EnvironmentName"},
        each=BEANSTALK.probe,
    ),
    parse.rows,
)
NODES = Fact(
    api(
        "emr",
        "list_instances",
        items="{addresses: Instances[?Status.State != 'TERMINATED'].PublicIpAddress}",
        params={"ClusterId": "Id"},
        each=api(
            "emr",
            "list_clusters",
            items="Clusters",
            params={"ClusterStates": ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]},
            identity="ClusterArn",
        ),
    ),
    parse.rows,
)
ENDPOINT_CONFIGS = Fact(
    api(
        "sagemaker",
        "describe_endpoint_config",
        items="{variants: ProductionVariants}",
        params={"EndpointConfigName": "EndpointConfigName"},
        each=api("sagemaker", "list_endpoint_configs", items="EndpointConfigs", identity="EndpointConfigArn"),
    ),
    parse.rows,
)
TLS_SWITCH = {"postgres": "rds.force_ssl", "mysql": "require_secure_transport"}
PARAMETERS = Fact(
    api(
        "rds",
        "describe_db_parameters",
        items="{switches: Parameters[?ParameterName == 'rds.force_ssl'"
        " || ParameterName == 'require_secure_transport'].{name: ParameterName, value: ParameterValue}}",
        params={"DBParameterGroupName": "DBParameterGroupName"},
        each=api("rds", "describe_db_parameter_groups", items="DBParameterGroups", identity="DBParameterGroupArn"),
    ),
    parse.rows,
)


@check("aws.platforms.environment", BEANSTALK, ENVIRONMENTS)
def environment(rows: list[Row], options: list[Row], space: str, option: str) -> dict[str, str | None]:
    """Per Elastic Beanstalk environment: an option of a name space, such as SystemType; None where it is not set."""
    told = by_parent(options)
    return {
        row.subject: next(
            (
                one.fields.get("value")
                for one in told.get(row.subject, [])
                if one.fields.get("space") == space and one.fields.get("name") == option
            ),
            None,
        )
        for row in rows
        if row.fields.get("Status") != "Terminated"
    }


@check("aws.platforms.node_addresses", NODES)
def node_addresses(rows: list[Row]) -> dict[str, list[str]]:
    """Per EMR cluster that runs: public addresses of its machines. All parts of an answer count."""
    return {
        cluster: sorted(str(address) for row in parts for address in row.fields.get("addresses") or [] if address)
        for cluster, parts in by_parent(rows).items()
    }


@check("aws.platforms.endpoint_machines", ENDPOINT_CONFIGS)
def endpoint_machines(rows: list[Row]) -> dict[str, int]:
    """Per SageMaker endpoint that runs on machines: how many its smallest variant begins with."""
    found = {}
    for row in rows:
        on_machines = [one for one in row.fields.get("variants") or [] if not one.get("ServerlessConfig")]
        if on_machines:
            found[row.of] = min(int(one.get("InitialInstanceCount") or 0) for one in on_machines)
    return found


@check("aws.platforms.cache_backup_days", GROUPS, CACHES)
def cache_backup_days(groups: list[Row], caches: list[Row]) -> dict[str, int]:
    """Per group of caches, and per Redis or Valkey cache in none: for how many days its backups are kept."""
    alone = [
        row for row in caches
        if row.fields.get("Engine") in {"redis", "valkey"} and not row.fields.get("ReplicationGroupId")
    ]  # fmt: skip
    return {row.subject: int(row.fields.get("SnapshotRetentionLimit") or 0) for row in [*groups, *alone]}


@check("aws.platforms.cache_login", GROUPS)
def cache_login(rows: list[Row]) -> dict[str, bool]:
    """Per group of caches: whether a client has to show a token or be a user of it."""
    return {
        row.subject: row.fields.get("AuthTokenEnabled") is True or bool(row.fields.get("UserGroupIds")) for row in rows
    }


@check("aws.platforms.database_needs_tls", INSTANCES, PARAMETERS)
def database_needs_tls(rows: list[Row], parameters: list[Row], engine: str) -> dict[str, bool]:
    """Per database of an engine (postgres, mysql): whether it takes encrypted connections only.

    A database whose group of parameters was not read is left out; the group itself is then said to be unknown.
    """
    told = {(parts[0].region, arn.rsplit(":", 1)[-1]): parts for arn, parts in by_parent(parameters).items()}
    found = {}
    for row in rows:
        groups = row.fields.get("DBParameterGroups") or []
        parts = told.get((row.region, str(groups[0].get("DBParameterGroupName")))) if groups else None
        if row.fields.get("Engine") == engine and parts is not None:
            switches = {one["name"]: one.get("value") for part in parts for one in part.fields.get("switches") or []}
            found[row.subject] = str(switches.get(TLS_SWITCH[engine])).upper() in {"1", "ON"}
    return found

"""Queues, topics, streams, secrets, pipelines and the rest: one setting each of what a service lists."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from scanner import Fact, api, check, parse
from scanner.parse import Row

from . import policies
from .compute import SECRET_NAME
from .rows import Setting, settings
from .users import REPORT, visited_at
from .watching import DETECTORS

_TOPICS = api("sns", "list_topics", items="Topics", identity="TopicArn")
TOPICS = Fact(
    api("sns", "get_topic_attributes", items="Attributes", params={"TopicArn": "TopicArn"}, each=_TOPICS), parse.rows
)
QUEUES = Fact(
    api(
        "sqs",
        "get_queue_attributes",
        items="Attributes",
        params={"QueueUrl": "_", "AttributeNames": "['All']"},
        each=api("sqs", "list_queues", items="QueueUrls", identity="_"),
    ),
    parse.rows,
)
STREAMS = Fact(
    api(
        "kinesis",
        "describe_stream_summary",
        items="StreamDescriptionSummary",
        params={"StreamName": "_"},
        each=api(
            "kinesis",
            "list_streams",
            items="StreamNames",
            identity="join('', ['arn:', _partition, ':kinesis:', _region, ':', _account, ':stream/', _])",
        ),
    ),
    parse.rows,
)
BROKERS = Fact(api("kafka", "list_clusters", items="ClusterInfoList", identity="ClusterArn"), parse.rows)
BUSES = Fact(api("events", "list_event_buses", items="EventBuses", identity="Arn"), parse.rows)
SECRETS = Fact(api("secretsmanager", "list_secrets", items="SecretList", identity="ARN"), parse.rows)
MACHINES = Fact(
    api(
        "stepfunctions",
        "describe_state_machine",
        items="{loggingConfiguration: loggingConfiguration}",
        params={"stateMachineArn": "stateMachineArn"},
        each=api("stepfunctions", "list_state_machines", items="stateMachines", identity="stateMachineArn"),
    ),
    parse.rows,
)
PROJECTS = Fact(
    api(
        "codebuild",
        "batch_get_projects",
        # of the variables only their names: the values are where programs keep their secrets
        items="projects[].{source: {location: source.location},"
        " secondarySources: secondarySources[].{location: location}, logsConfig: logsConfig,"
        " environment: {privilegedMode: environment.privilegedMode,"
        " environmentVariables: environment.environmentVariables[].{name: name, type: type}}}",
        params={"names": "[_]"},
        each=api(
            "codebuild",
            "list_projects",
            items="projects",
            identity="join('', ['arn:', _partition, ':codebuild:', _region, ':', _account, ':project/', _])",
        ),
    ),
    parse.rows,
)
REPLICATION = Fact(
    api("dms", "describe_replication_instances", items="ReplicationInstances", identity="ReplicationInstanceArn"),
    parse.rows,
)
ENDPOINTS = Fact(api("dms", "describe_endpoints", items="Endpoints", identity="EndpointArn"), parse.rows)
WORKGROUPS = Fact(
    api(
        "athena",
        "get_work_group",
        items="WorkGroup",
        params={"WorkGroup": "Name"},
        each=api(
            "athena",
            "list_work_groups",
            items="WorkGroups",
            identity="join('', ['arn:', _partition, ':athena:', _region, ':', _account, ':workgroup/', Name])",
        ),
    ),
    parse.rows,
)
POOLS = Fact(
    api(
        "cognito-idp",
        "describe_user_pool",
        items="UserPool",
        params={"UserPoolId": "Id"},
        each=api(
            "cognito-idp",
            "list_user_pools",
            items="UserPools",
            params={"MaxResults": 60},
            identity="join('', ['arn:', _partition, ':cognito-idp:', _region, ':', _account, ':userpool/', Id])",
        ),
    ),
    parse.rows,
)
GRAPHS = Fact(api("appsync", "list_graphql_apis", items="graphqlApis", identity="arn"), parse.rows)
STACKS = Fact(api("cloudformation", "describe_stacks", items="Stacks", identity="StackId"), parse.rows)
AUTHORITIES = Fact(
    api("acm-pca", "list_certificate_authorities", items="CertificateAuthorities", identity="Arn"), parse.rows
)
MAP_REDUCE = Fact(
    api("emr", "get_block_public_access_configuration", items="BlockPublicAccessConfiguration"), parse.rows
)
MACIE = Fact(
    api(
        "macie2",
        "get_macie_session",
        absent=("AccessDeniedException: Macie is not enabled", "ResourceNotFoundException"),
    ),
    parse.rows,
)
DOCUMENTS = Fact(
    api(
        "ssm",
        "describe_document_permission",
        params={"Name": "Name", "PermissionType": "'Share'"},
        each=api(
            "ssm",
            "list_documents",
            items="DocumentIdentifiers",
            params={"Filters": [{"Key": "Owner", "Values": ["Self"]}]},
            identity="join('', ['arn:', _partition, ':ssm:', _region, ':', _account, ':document/', Name])",
        ),
    ),
    parse.rows,
)
COMPLIANCE = Fact(
    api(
        "ssm",
        "list_resource_compliance_summaries",
        items="ResourceComplianceSummaryItems",
        identity="join('', ['arn:', _partition, ':ec2:', _region, ':', _account, ':instance/', ResourceId])",
    ),
    parse.rows,
)
_LOGIN = re.compile(r"https?://[^/@\s]+:[^/@\s]+@")


@check("aws.services.topic", TOPICS)
def topic(rows: list[Row], key: str) -> Setting:
    """Per topic: KmsMasterKeyId, Owner …"""
    return settings(rows, key)


@check("aws.services.topic_public", TOPICS)
def topic_public(rows: list[Row]) -> dict[str, list[str]]:
    """Per topic: what its policy lets anybody do with it."""
    return {row.subject: policies.public(row.fields["Policy"]) if row.fields.get("Policy") else [] for row in rows}


@check("aws.services.queue_encrypted", QUEUES)
def queue_encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per queue: whether what waits in it is encrypted, with a key of one's own or the service's."""
    return {
        str(row.fields.get("QueueArn", row.subject)): bool(row.fields.get("KmsMasterKeyId"))
        or str(row.fields.get("SqsManagedSseEnabled")).lower() == "true"
        for row in rows
    }


@check("aws.services.queue_public", QUEUES)
def queue_public(rows: list[Row]) -> dict[str, list[str]]:
    """Per queue: what its policy lets anybody do with it."""
    return {
        str(row.fields.get("QueueArn", row.subject)): policies.public(row.fields["Policy"])
        if row.fields.get("Policy")
        else []
        for row in rows
    }


@check("aws.services.stream", STREAMS)
def stream(rows: list[Row], key: str) -> Setting:
    """Per data stream: EncryptionType, RetentionPeriodHours."""
    return settings(rows, key)


@check("aws.services.broker", BROKERS)
def broker(rows: list[Row], key: str) -> Setting:
    """Per Kafka cluster: EncryptionInfo.EncryptionInTransit.InCluster, EnhancedMonitoring …"""
    return settings(rows, key)


@check("aws.services.bus_policy", BUSES)
def bus_policy(rows: list[Row]) -> dict[str, bool]:
    """Per event bus of one's own: whether a policy says who may send to it."""
    return {row.subject: bool(row.fields.get("Policy")) for row in rows if row.fields.get("Name") != "default"}


@check("aws.services.secret", SECRETS)
def secret(rows: list[Row], key: str) -> Setting:
    """Per secret: RotationEnabled, KmsKeyId …"""
    return settings(rows, key)


@check("aws.services.secret_days", SECRETS, REPORT)
def secret_days(rows: list[Row], report: list[Row], since: str) -> dict[str, int]:
    """Per secret: days since it was `changed` (rotated or written), or last `used`; since it was made where never."""
    keys = {"changed": ("LastRotatedDate", "LastChangedDate"), "used": ("LastAccessedDate",)}[since]
    now = visited_at(report)
    found = {}
    for row in rows:
        dates = [str(row.fields[key]) for key in keys if row.fields.get(key)] or [str(row.fields["CreatedDate"])]
        found[row.subject] = (now - max(map(datetime.fromisoformat, dates))).days
    return found


@check("aws.services.machine_logged", MACHINES)
def machine_logged(rows: list[Row]) -> dict[str, str]:
    """Per state machine: what of its runs is logged: ALL, ERROR, FATAL or OFF."""
    return {row.subject: str((row.fields.get("loggingConfiguration") or {}).get("level") or "OFF") for row in rows}


@check("aws.services.project", PROJECTS)
def project(rows: list[Row], key: str) -> Setting:
    """Per build project: environment.privilegedMode, logsConfig.cloudWatchLogs.status …"""
    return settings(rows, key)


@check("aws.services.project_logged", PROJECTS)
def project_logged(rows: list[Row]) -> dict[str, bool]:
    """Per build project: whether its output is kept, in CloudWatch or a bucket."""
    found = {}
    for row in rows:
        logs = row.fields.get("logsConfig") or {}
        found[row.subject] = any((logs.get(k) or {}).get("status") == "ENABLED" for k in ("cloudWatchLogs", "s3Logs"))
    return found


@check("aws.services.project_logs_encrypted", PROJECTS)
def project_logs_encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per build project that writes its log to a bucket: whether that is encrypted."""
    logs = {row.subject: (row.fields.get("logsConfig") or {}).get("s3Logs") or {} for row in rows}
    return {s: one.get("encryptionDisabled") is not True for s, one in logs.items() if one.get("status") == "ENABLED"}


@check("aws.services.project_secrets", PROJECTS)
def project_secrets(rows: list[Row]) -> dict[str, list[str]]:
    """Per build project: variables in clear text whose name is one of a secret (names only)."""
    found = {}
    for row in rows:
        variables = (row.fields.get("environment") or {}).get("environmentVariables") or []
        found[row.subject] = sorted(
            str(one.get("name"))
            for one in variables
            if (one.get("type") or "PLAINTEXT") == "PLAINTEXT" and SECRET_NAME.search(str(one.get("name")))
        )
    return found


@check("aws.services.project_source_login", PROJECTS)
def project_source_login(rows: list[Row]) -> dict[str, bool]:
    """Per build project: whether the address of its source holds a name and a password."""
    return {row.subject: any(_LOGIN.match(url) for url in _sources(row.fields)) for row in rows}


def _sources(item: dict[str, Any]) -> list[str]:
    every = [item.get("source") or {}, *(item.get("secondarySources") or [])]
    return [str(one.get("location") or "") for one in every]


@check("aws.services.replication", REPLICATION)
def replication(rows: list[Row], key: str) -> Setting:
    """Per replication instance: PubliclyAccessible, AutoMinorVersionUpgrade."""
    return settings(rows, key)


@check("aws.services.endpoint_tls", ENDPOINTS)
def endpoint_tls(rows: list[Row]) -> dict[str, str | None]:
    """Per endpoint of a replication: how it is encrypted: none, require, verify-ca or verify-full."""
    return {row.subject: row.fields.get("SslMode") for row in rows}


@check("aws.services.workgroup", WORKGROUPS)
def workgroup(rows: list[Row], key: str) -> Setting:
    """Per Athena workgroup: Configuration.ResultConfiguration.EncryptionConfiguration.EncryptionOption …"""
    return settings(rows, key)


@check("aws.services.pool", POOLS)
def pool(rows: list[Row], key: str) -> Setting:
    """Per user pool: UserPoolAddOns.AdvancedSecurityMode, MfaConfiguration, DeletionProtection."""
    return settings(rows, key)


@check("aws.services.graph", GRAPHS)
def graph(rows: list[Row], key: str) -> Setting:
    """Per GraphQL interface: logConfig.fieldLogLevel, authenticationType …"""
    return settings(rows, key)


@check("aws.services.stack_told", STACKS)
def stack_told(rows: list[Row]) -> dict[str, bool]:
    """Per stack: whether somebody is told of what happens to it."""
    return {row.subject: bool(row.fields.get("NotificationARNs")) for row in rows if not row.fields.get("ParentId")}


@check("aws.services.root_authority", AUTHORITIES)
def root_authority(rows: list[Row]) -> dict[str, str | None]:
    """Per root authority of one's own: its state; one that signs nothing today is DISABLED."""
    return {row.subject: row.fields.get("Status") for row in rows if row.fields.get("Type") == "ROOT"}


@check("aws.services.map_reduce_blocked", MAP_REDUCE)
def map_reduce_blocked(rows: list[Row]) -> dict[str, bool]:
    """Per region: whether EMR refuses clusters that everybody can reach, on any port but that of SSH."""
    found = {}
    for row in rows:
        let = row.fields.get("PermittedPublicSecurityGroupRuleRanges") or []
        only_ssh = all(one.get("MinRange") == 22 == one.get("MaxRange", 22) for one in let)
        found[row.region] = row.fields.get("BlockPublicSecurityGroupRules") is True and only_ssh
    return found


@check("aws.services.macie", MACIE)
def macie(rows: list[Row]) -> dict[str, bool]:
    """Per region: whether Macie looks for personal data in buckets."""
    return {row.region: row.fields.get("status") == "ENABLED" for row in rows}


@check("aws.services.detector_feature", DETECTORS)
def detector_feature(rows: list[Row], feature: str) -> dict[str, str]:
    """Per region with a GuardDuty detector: whether it also looks at a kind of data: S3_DATA_EVENTS, …: ENABLED."""
    found = {}
    for row in (row for row in rows if row.item is not None):
        states = {one.get("Name"): one.get("Status") for one in row.fields.get("features") or []}
        found[row.subject] = str(states.get(feature) or "DISABLED")
    return found


@check("aws.services.document_public", DOCUMENTS)
def document_public(rows: list[Row]) -> dict[str, bool]:
    """Per document of Systems Manager: whether every AWS customer may read it."""
    return {row.of: "all" in (row.fields.get("AccountIds") or []) for row in rows}


@check("aws.services.compliance", COMPLIANCE)
def compliance(rows: list[Row], kind: str) -> dict[str, str | None]:
    """Per machine that Systems Manager manages: whether it is as it should be in a kind (Patch, Association)."""
    return {row.subject: row.fields.get("Status") for row in rows if row.fields.get("ComplianceType") == kind}

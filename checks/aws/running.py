"""What runs in an account, beyond one setting: container services, replication tasks, reports, caches, capacity."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from scanner import Fact, Unclear, Unparsable, api, check, parse
from scanner.parse import Row

from .machines import INSTANCES
from .services import GRAPHS, TOPICS
from .stores import TABLES
from .users import REPORT, visited_at

_SERVICES = api(
    "ecs", "list_services", items="serviceArns", params={"cluster": "_"}, identity="_",
    each=api("ecs", "list_clusters", items="clusterArns", identity="_"),
)  # fmt: skip
SERVICES = Fact(
    api(
        "ecs",
        "describe_services",
        items="services[].{network: networkConfiguration.awsvpcConfiguration, launchType: launchType,"
        " platformVersion: platformVersion, platformFamily: platformFamily, status: status}",
        params={"cluster": "_of", "services": "[_]"},
        each=_SERVICES,
    ),
    parse.rows,
)
TASKS = Fact(
    api(
        "dms",
        "describe_replication_tasks",
        items="ReplicationTasks[].{ReplicationTaskArn: ReplicationTaskArn, Settings: ReplicationTaskSettings}",
        identity="ReplicationTaskArn",
    ),
    parse.rows,
)
REPORTS = Fact(
    api(
        "codebuild",
        "batch_get_report_groups",
        items="reportGroups[].exportConfig",
        params={"reportGroupArns": "[_]"},
        each=api("codebuild", "list_report_groups", items="reportGroups", identity="_"),
    ),
    parse.rows,
)
CACHES = Fact(
    api(
        "appsync",
        "get_api_cache",
        items="apiCache",
        params={"apiId": "apiId"},
        absent=("NotFoundException",),
        each=GRAPHS.probe,
    ),
    parse.rows,
)
TARGETS = Fact(
    api(
        "application-autoscaling",
        "describe_scalable_targets",
        items="ScalableTargets[].{ResourceId: ResourceId, ScalableDimension: ScalableDimension}",
        params={"ServiceNamespace": "dynamodb"},
    ),
    parse.rows,
)
MANAGED = Fact(
    api("ssm", "describe_instance_information", items="InstanceInformationList[].{InstanceId: InstanceId}"), parse.rows
)
_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) GMT\)")


@check("aws.running.service_public", SERVICES)
def service_public(rows: list[Row]) -> dict[str, str]:
    """Per container service with a network of its own: whether its tasks get public addresses: ENABLED, DISABLED."""
    found = {}
    for row in _active(rows):
        network = row.fields.get("network")
        if network is not None:
            found[row.of] = str(network.get("assignPublicIp", "DISABLED"))
    return found


@check("aws.running.service_platform", SERVICES)
def service_platform(rows: list[Row]) -> dict[str, str]:
    """Per container service on Fargate: its platform's version; LATEST for the newest, and where none was chosen."""
    newest = {"linux": "1.4.0", "windows": "1.0.0"}
    found: dict[str, str] = {}
    for row in _active(rows):
        version = row.fields.get("platformVersion")
        if row.fields.get("launchType") == "FARGATE" or version is not None:
            family = "windows" if str(row.fields.get("platformFamily")).lower().startswith("windows") else "linux"
            found[row.of] = "LATEST" if version in {None, newest[family]} else str(version)
    return found


def _active(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.fields.get("status") == "ACTIVE"]


@check("aws.running.task_unlogged", TASKS)
def task_unlogged(rows: list[Row], parts: list[str]) -> dict[str, list[str]]:
    """Per replication task: which of its parts (SOURCE_CAPTURE, TARGET_LOAD …) log less than by default."""
    enough = {"LOGGER_SEVERITY_DEFAULT", "LOGGER_SEVERITY_DEBUG", "LOGGER_SEVERITY_DETAILED_DEBUG"}
    found = {}
    for row in rows:
        logging = _settings(row).get("Logging") or {}
        levels = {one.get("Id"): one.get("Severity") for one in logging.get("LogComponents") or []}
        on = logging.get("EnableLogging") is True
        found[row.subject] = [part for part in parts if not on or levels.get(part) not in enough]
    return found


def _settings(row: Row) -> dict[str, Any]:
    try:
        found = json.loads(row.fields.get("Settings") or "{}")
    except (ValueError, RecursionError) as error:
        raise Unparsable(str(row.fields.get("Settings"))[:200]) from error
    if not isinstance(found, dict):
        raise Unparsable(str(found)[:200])
    return found


@check("aws.running.report_encrypted", REPORTS)
def report_encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per group of test reports that goes into a bucket: whether it is encrypted there."""
    return {
        row.of: not (row.fields.get("s3Destination") or {}).get("encryptionDisabled", False)
        for row in rows
        if row.fields.get("exportConfigType") == "S3"
    }


@check("aws.running.api_cache", CACHES)
def api_cache(rows: list[Row], key: str) -> dict[str, bool]:
    """Per GraphQL interface with a cache: atRestEncryptionEnabled, transitEncryptionEnabled."""
    return {row.of: row.fields.get(key) is True for row in rows if row.item is not None}


@check("aws.running.table_scales", TABLES, TARGETS)
def table_scales(tables: list[Row], targets: list[Row]) -> dict[str, bool]:
    """Per table: whether reading and writing grow with what is asked of it."""
    known = {(row.region, row.fields.get("ResourceId"), row.fields.get("ScalableDimension")) for row in targets}
    wanted = ("dynamodb:table:ReadCapacityUnits", "dynamodb:table:WriteCapacityUnits")
    found = {}
    for row in tables:
        on_demand = (row.fields.get("BillingModeSummary") or {}).get("BillingMode") == "PAY_PER_REQUEST"
        name = f"table/{row.fields.get('TableName')}"
        found[row.of] = on_demand or all((row.region, name, dimension) in known for dimension in wanted)
    return found


@check("aws.running.topic_delivery_logged", TOPICS)
def topic_delivery_logged(rows: list[Row]) -> dict[str, bool]:
    """Per topic: whether it is logged for some kind of receiver that a message could not be handed over."""
    return {
        row.of: any(key.endswith("FailureFeedbackRoleArn") and row.fields[key] for key in row.fields) for row in rows
    }


@check("aws.running.managed", INSTANCES, MANAGED)
def managed(machines: list[Row], known: list[Row]) -> dict[str, bool]:
    """Per running machine: whether Systems Manager knows it, so that it can be patched and looked after from there."""
    names = {(row.region, row.fields.get("InstanceId")) for row in known}
    return {
        row.subject: (row.region, row.fields.get("InstanceId")) in names
        for row in machines
        if (row.fields.get("State") or {}).get("Name") == "running"
    }


@check("aws.running.stopped_days", INSTANCES, REPORT)
def stopped_days(machines: list[Row], report: list[Row]) -> dict[str, int | Unclear]:
    """Per stopped machine: for how many days; unclear where AWS does not say since when."""
    now = visited_at(report)
    found: dict[str, int | Unclear] = {}
    for row in machines:
        if (row.fields.get("State") or {}).get("Name") == "stopped":
            said = _WHEN.search(str(row.fields.get("StateTransitionReason")))
            since = datetime.fromisoformat(f"{said[1]}+00:00") if said else None
            found[row.subject] = (now - since).days if since else Unclear("AWS does not say since when it is stopped")
    return found

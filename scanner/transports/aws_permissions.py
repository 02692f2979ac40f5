"""The IAM actions that the planned AWS questions need.

An API operation and the action that allows it are mostly named alike; the exceptions are listed here.
Source: the service authorization reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from scanner.errors import UsageError
from scanner.model import Probe

ALWAYS = ("ec2:DescribeRegions",)
"""The visit itself asks which regions are enabled. sts:GetCallerIdentity needs no permission."""
PREFIXES = {
    "accessanalyzer": "access-analyzer",
    "apigatewayv2": "apigateway",
    "docdb": "rds",
    "efs": "elasticfilesystem",
    "elb": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "emr": "elasticmapreduce",
    "logs": "logs",
    "neptune": "rds",
    "opensearch": "es",
    "s3control": "s3",
    "sso-admin": "sso",
    "resourcegroupstaggingapi": "tag",
    "stepfunctions": "states",
}
"""boto3's name of a service -> the prefix of its actions, where they differ."""
ACTIONS = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
    "efs:DescribeFileSystemPolicy": "elasticfilesystem:DescribeFileSystemPolicy",
    "opensearch:DescribeDomains": "es:DescribeDomains",
    "opensearch:ListDomainNames": "es:ListDomainNames",
    "sts:GetCallerIdentity": "",
}
"""Operation -> action, where the names differ; "" where none is needed."""
ALSO = {"iam:GetCredentialReport": "iam:GenerateCredentialReport"}
"""An action that the transport needs beside it: a report is made before it is fetched."""
READING = re.compile(r"(get|list|describe|lookup|search|batch_get)_[a-z0-9_]+")
GIVES_AWAY = frozenset(
    {
        *("get_object", "get_object_torrent", "select_object_content", "get_secret_value", "batch_get_secret_value"),
        *("get_parameter", "get_parameters", "get_parameters_by_path", "get_parameter_history", "get_password_data"),
        *("get_session_token", "get_federation_token", "get_authorization_token", "get_login_password", "get_item"),
        *("get_function", "get_data_key_pair", "get_credentials", "get_cluster_credentials", "get_records"),
        *("get_log_events", "get_log_record", "get_query_results", "get_console_output", "get_console_screenshot"),
        *("batch_get_item", "get_role_credentials", "get_token", "get_user_token", "get_instance_access_details"),
        *("get_key_pair", "get_certificate_private_key", "get_distribution_bundle", "get_export"),
    }
)
"""Operations that read, and give away what nobody needs for an audit: contents, secrets, credentials."""


def allowed(operation: str) -> bool:
    """Whether an operation may be called at all: it reads, and gives away neither content nor credentials."""
    return bool(READING.fullmatch(operation)) and operation not in GIVES_AWAY


def action_of(service: str, api_name: str, permission: str = "") -> str:
    """('s3', 'ListBuckets') -> 's3:ListAllMyBuckets'. permission: what the question itself says, which wins."""
    if permission:
        return permission
    known = ACTIONS.get(f"{service}:{api_name}")
    return f"{PREFIXES.get(service, service)}:{api_name}" if known is None else known


def permissions(probes: Iterable[Probe]) -> list[str]:
    """Every IAM action that these questions need, sorted. Questions to other targets need none."""
    actions = {action for probe in probes if probe.via == "aws" for action in _actions(probe)}
    return sorted(actions | set(ALWAYS)) if actions else []


def _actions(probe: Probe) -> list[str]:
    form = read_form(probe)
    service, operation = str(probe.ask[1]), str(probe.ask[2])
    action = action_of(service, _api_name(service, operation), str(form.get("permission", "")))
    return [name for name in (*action.split(), ALSO.get(action, "")) if name]


def read_form(probe: Probe) -> dict[str, Any]:
    """The settings of an `api` question: items, params, everywhere, absent, identity, permission."""
    form = json.loads(str(probe.ask[3]))
    if not isinstance(form, dict):
        raise UsageError(f"{probe.key}: not a question that `api` makes")
    return form


def _api_name(service: str, operation: str) -> str:
    """('rds', 'describe_db_instances') -> 'DescribeDBInstances'. Raises UsageError where there is no such operation."""
    names = _api_names(service)
    if operation not in names:
        raise UsageError(f"{service} has no operation {operation}")
    return names[operation]


@cache
def _api_names(service: str) -> dict[str, str]:
    from botocore import xform_name
    from botocore.exceptions import UnknownServiceError
    from botocore.session import get_session

    try:
        return {xform_name(name): name for name in get_session().get_service_model(service).operation_names}
    except UnknownServiceError as error:
        raise UsageError(f"boto3 knows no service {service}") from error

"""Lambda, ECR, ECS, EKS, Auto Scaling, Elastic Beanstalk and SageMaker: what runs, as whom, and who reaches it."""

from __future__ import annotations

import re
from typing import Any

from scanner import Fact, api, check, parse
from scanner.parse import Row

from . import policies
from .network import wide
from .rows import Setting, settings, value
from .vpc import SUBNETS

SECRET_NAME = re.compile(r"PASS(WORD|WD)?|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL", re.I)
_FUNCTIONS = api(
    "lambda",
    "list_functions",
    # not the environment: that is where programs keep their secrets
    items="Functions[].{FunctionArn: FunctionArn, FunctionName: FunctionName, Runtime: Runtime, VpcConfig: VpcConfig,"
    " TracingConfig: TracingConfig, DeadLetterConfig: DeadLetterConfig}",
    identity="FunctionArn",
)
FUNCTIONS = Fact(_FUNCTIONS, parse.rows)
FUNCTION_POLICY = Fact(
    api(
        "lambda",
        "get_policy",
        params={"FunctionName": "FunctionName"},
        absent=("ResourceNotFoundException",),
        each=_FUNCTIONS,
    ),
    parse.rows,
)
_REPOSITORIES = api("ecr", "describe_repositories", items="repositories", identity="repositoryArn")
REPOSITORIES = Fact(_REPOSITORIES, parse.rows)
REPOSITORY_LIFE = Fact(
    api(
        "ecr",
        "get_lifecycle_policy",
        params={"repositoryName": "repositoryName"},
        absent=("LifecyclePolicyNotFoundException",),
        each=_REPOSITORIES,
    ),
    parse.rows,
)
_CLUSTERS = api("ecs", "list_clusters", items="clusterArns", identity="_")
CONTAINER_CLUSTERS = Fact(
    api(
        "ecs",
        "describe_clusters",
        items="clusters",
        params={"clusters": "[_]", "include": "['SETTINGS']"},
        each=_CLUSTERS,
    ),
    parse.rows,
)
_TASKS = api("ecs", "list_task_definitions", items="taskDefinitionArns", params={"status": "ACTIVE"}, identity="_")
TASKS = Fact(
    api(
        "ecs",
        "describe_task_definition",
        # of the environment only whether something stands there: the values are where programs keep their secrets
        items="taskDefinition.{pidMode: pidMode, networkMode: networkMode, containerDefinitions: containerDefinitions[]"
        ".{name: name, privileged: privileged, user: user, readonlyRootFilesystem: readonlyRootFilesystem,"
        " logConfiguration: {logDriver: logConfiguration.logDriver},"
        " environment: environment[].{name: name, letters: length(not_null(value, ''))}}}",
        params={"taskDefinition": "_"},
        each=_TASKS,
    ),
    parse.rows,
)


def _kubernetes(name: str) -> str:
    return f"join('', ['arn:', _partition, ':eks:', _region, ':', _account, ':cluster/', {name}])"


KUBERNETES = Fact(
    api(
        "eks",
        "describe_cluster",
        items="cluster",
        params={"name": "_"},
        each=api("eks", "list_clusters", items="clusters", identity=_kubernetes("_")),
    ),
    parse.rows,
)
SCALING = Fact(
    api("autoscaling", "describe_auto_scaling_groups", items="AutoScalingGroups", identity="AutoScalingGroupARN"),
    parse.rows,
)
LAUNCHES = Fact(
    api(
        "autoscaling",
        "describe_launch_configurations",
        items="LaunchConfigurations",
        identity="LaunchConfigurationARN",
    ),
    parse.rows,
)
BEANSTALK = Fact(
    api("elasticbeanstalk", "describe_environments", items="Environments", identity="EnvironmentArn"), parse.rows
)
NOTEBOOKS = Fact(
    api(
        "sagemaker",
        "describe_notebook_instance",
        params={"NotebookInstanceName": "NotebookInstanceName"},
        each=api("sagemaker", "list_notebook_instances", items="NotebookInstances", identity="NotebookInstanceArn"),
    ),
    parse.rows,
)
MODELS = Fact(
    api(
        "sagemaker",
        "describe_model",
        items="{EnableNetworkIsolation: EnableNetworkIsolation, VpcConfig: VpcConfig}",
        params={"ModelName": "ModelName"},
        each=api("sagemaker", "list_models", items="Models", identity="ModelArn"),
    ),
    parse.rows,
)


@check("aws.compute.function", FUNCTIONS)
def function(rows: list[Row], key: str) -> Setting:
    """Per Lambda function: Runtime (where it is not an image), VpcConfig.VpcId, TracingConfig.Mode …"""
    return settings([row for row in rows if key != "Runtime" or row.fields.get("Runtime")], key)


@check("aws.compute.function_zones", FUNCTIONS, SUBNETS)
def function_zones(rows: list[Row], subnets: list[Row]) -> dict[str, int]:
    """Per Lambda function in a network of one's own: in how many zones it runs; left out where a subnet is untold."""
    zones = {str(row.fields.get("SubnetId")): str(row.fields.get("AvailabilityZone")) for row in subnets}
    found = {}
    for row in rows:
        nets = value(row.item, "VpcConfig.SubnetIds")
        if isinstance(nets, list) and nets and all(net in zones for net in nets):
            found[row.subject] = len({zones[net] for net in nets})
    return found


@check("aws.compute.function_public", FUNCTION_POLICY)
def function_public(rows: list[Row]) -> dict[str, list[str]]:
    """Per Lambda function: what its policy lets anybody do with it."""
    return {row.of: policies.public(row.fields["Policy"]) if row.item else [] for row in rows}


@check("aws.compute.repository", REPOSITORIES)
def repository(rows: list[Row], key: str) -> Setting:
    """Per repository of images: imageScanningConfiguration.scanOnPush, imageTagMutability …"""
    return settings(rows, key)


@check("aws.compute.repository_lifecycle", REPOSITORY_LIFE)
def repository_lifecycle(rows: list[Row]) -> dict[str, bool]:
    """Per repository of images: whether old images are removed by a rule."""
    return {row.of: bool(row.item) for row in rows}


@check("aws.compute.container_insights", CONTAINER_CLUSTERS)
def container_insights(rows: list[Row]) -> dict[str, str | None]:
    """Per container cluster: whether its figures are collected: enabled, enhanced or disabled."""
    return {
        row.subject: next(
            (one.get("value") for one in row.fields.get("settings") or [] if one.get("name") == "containerInsights"),
            None,
        )
        for row in rows
    }


def _containers(row: Row) -> list[dict[str, Any]]:
    return list(row.fields.get("containerDefinitions") or [])


@check("aws.compute.task", TASKS)
def task(rows: list[Row], key: str) -> Setting:
    """Per task definition in use: pidMode, networkMode …"""
    return settings(rows, key)


@check("aws.compute.task_privileged", TASKS)
def task_privileged(rows: list[Row]) -> dict[str, list[str]]:
    """Per task definition in use: its containers that have all rights of the machine below them."""
    return {row.subject: [str(c.get("name")) for c in _containers(row) if c.get("privileged")] for row in rows}


@check("aws.compute.task_as_root_on_host", TASKS)
def task_as_root_on_host(rows: list[Row]) -> dict[str, list[str]]:
    """Per task definition on the host's own network: containers that run as root there, unless declared privileged."""
    shared = [row for row in rows if row.fields.get("networkMode") == "host"]
    return {
        row.subject: [
            str(c.get("name"))
            for c in _containers(row)
            if not c.get("privileged") and str(c.get("user") or "").partition(":")[0] in {"", "root", "0"}  # user:group
        ]
        for row in shared
    }


@check("aws.compute.task_writable", TASKS)
def task_writable(rows: list[Row]) -> dict[str, list[str]]:
    """Per task definition in use: its containers that may write to their own root file system."""
    return {
        row.subject: [str(c.get("name")) for c in _containers(row) if not c.get("readonlyRootFilesystem")]
        for row in rows
    }


@check("aws.compute.task_secrets", TASKS)
def task_secrets(rows: list[Row]) -> dict[str, list[str]]:
    """Per task definition in use: environment variables in clear text whose name is one of a secret (names only)."""
    return {
        row.subject: sorted(
            {
                str(one.get("name"))
                for c in _containers(row)
                for one in c.get("environment") or []
                if SECRET_NAME.search(str(one.get("name"))) and one.get("letters")
            }
        )
        for row in rows
    }


@check("aws.compute.task_unlogged", TASKS)
def task_unlogged(rows: list[Row]) -> dict[str, list[str]]:
    """Per task definition in use: its containers whose output is kept nowhere."""
    return {
        row.subject: [
            str(c.get("name")) for c in _containers(row) if not (c.get("logConfiguration") or {}).get("logDriver")
        ]
        for row in rows
    }


@check("aws.compute.kubernetes", KUBERNETES)
def kubernetes(rows: list[Row], key: str) -> Setting:
    """Per Kubernetes cluster: version, resourcesVpcConfig.endpointPublicAccess …"""
    return settings(rows, key)


@check("aws.compute.kubernetes_open", KUBERNETES)
def kubernetes_open(rows: list[Row]) -> dict[str, list[str]]:
    """Per Kubernetes cluster: blocks as wide as the internet, or half of it, that its public endpoint answers to."""
    found = {}
    for row in rows:
        config = row.fields.get("resourcesVpcConfig") or {}
        blocks = [str(block) for block in config.get("publicAccessCidrs") or ["0.0.0.0/0"]]
        found[row.subject] = [block for block in blocks if wide(block)] if config.get("endpointPublicAccess") else []
    return found


@check("aws.compute.kubernetes_secrets_encrypted", KUBERNETES)
def kubernetes_secrets_encrypted(rows: list[Row]) -> dict[str, bool]:
    """Per Kubernetes cluster: whether its secrets are encrypted with a key of one's own."""
    return {
        row.subject: any(
            "secrets" in (one.get("resources") or []) and (one.get("provider") or {}).get("keyArn")
            for one in row.fields.get("encryptionConfig") or []
        )
        for row in rows
    }


@check("aws.compute.kubernetes_logs", KUBERNETES)
def kubernetes_logs(rows: list[Row]) -> dict[str, list[str]]:
    """Per Kubernetes cluster: which of its own logs are kept: api, audit, authenticator …"""
    return {
        row.subject: sorted(
            {
                str(kind)
                for one in (row.fields.get("logging") or {}).get("clusterLogging") or []
                if one.get("enabled")
                for kind in one.get("types") or []
            }
        )
        for row in rows
    }


@check("aws.compute.scaling_zones", SCALING)
def scaling_zones(rows: list[Row]) -> dict[str, int]:
    """Per Auto Scaling group: over how many availability zones it spreads."""
    return {row.subject: len(row.fields.get("AvailabilityZones") or []) for row in rows}


@check("aws.compute.scaling_health", SCALING)
def scaling_health(rows: list[Row]) -> dict[str, str | None]:
    """Per Auto Scaling group behind a load balancer: by what it tells a sick machine: ELB or EC2."""
    behind = [row for row in rows if row.fields.get("LoadBalancerNames") or row.fields.get("TargetGroupARNs")]
    return {row.subject: row.fields.get("HealthCheckType") for row in behind}


@check("aws.compute.scaling_template", SCALING)
def scaling_template(rows: list[Row]) -> dict[str, bool]:
    """Per Auto Scaling group: whether it starts machines from a launch template."""
    return {
        row.subject: bool(row.fields.get("LaunchTemplate") or row.fields.get("MixedInstancesPolicy")) for row in rows
    }


@check("aws.compute.scaling_kinds", SCALING)
def scaling_kinds(rows: list[Row]) -> dict[str, int]:
    """Per Auto Scaling group: how many types of machine it may start."""
    found = {}
    for row in rows:
        told = value(row.item, "MixedInstancesPolicy.LaunchTemplate.Overrides")
        found[row.subject] = len(told) if isinstance(told, list) else 1
    return found


@check("aws.compute.launch", LAUNCHES)
def launch(rows: list[Row], key: str) -> Setting:
    """Per launch configuration: AssociatePublicIpAddress, MetadataOptions.HttpTokens …"""
    return settings(rows, key)


@check("aws.compute.notebook", NOTEBOOKS)
def notebook(rows: list[Row], key: str) -> Setting:
    """Per SageMaker notebook: DirectInternetAccess, SubnetId, RootAccess."""
    return settings(rows, key)


@check("aws.compute.model", MODELS)
def model(rows: list[Row], key: str) -> Setting:
    """Per SageMaker model: EnableNetworkIsolation."""
    return settings(rows, key)

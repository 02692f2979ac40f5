"""The parts of a network of one's own: subnets, addresses, interfaces, tunnels, templates, and what nobody uses."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .machines import INSTANCES
from .network import GROUPS, INTERFACES, LISTS, VPCS, arn
from .rows import Setting, settings

SUBNETS = Fact(api("ec2", "describe_subnets", items="Subnets", identity="SubnetArn"), parse.rows)
ADDRESSES = Fact(
    api("ec2", "describe_addresses", items="Addresses", identity=arn("elastic-ip", "AllocationId")), parse.rows
)
TUNNELS = Fact(
    api("ec2", "describe_vpn_connections", items="VpnConnections", identity=arn("vpn-connection", "VpnConnectionId")),
    parse.rows,
)
GATEWAYS = Fact(
    api("ec2", "describe_transit_gateways", items="TransitGateways", identity="TransitGatewayArn"), parse.rows
)
DOORS = Fact(
    api("ec2", "describe_vpc_endpoints", items="VpcEndpoints", identity=arn("vpc-endpoint", "VpcEndpointId")),
    parse.rows,
)
TEMPLATES = Fact(
    api(
        "ec2",
        "describe_launch_template_versions",
        items="LaunchTemplateVersions",
        params={"Versions": ["$Default"]},
        identity=arn("launch-template", "LaunchTemplateId"),
    ),
    parse.rows,
)
CLIENT_VPN = Fact(
    api(
        "ec2",
        "describe_client_vpn_endpoints",
        items="ClientVpnEndpoints",
        identity=arn("client-vpn-endpoint", "ClientVpnEndpointId"),
    ),
    parse.rows,
)


@check("aws.vpc.subnet", SUBNETS)
def subnet(rows: list[Row], key: str) -> Setting:
    """Per subnet: MapPublicIpOnLaunch …"""
    return settings(rows, key)


@check("aws.vpc.address_used", ADDRESSES)
def address_used(rows: list[Row]) -> dict[str, bool]:
    """Per fixed public address: whether anything stands behind it."""
    return {row.subject: bool(row.fields.get("AssociationId") or row.fields.get("InstanceId")) for row in rows}


@check("aws.vpc.list_used", LISTS)
def list_used(rows: list[Row]) -> dict[str, bool]:
    """Per network list that is not a network's first: whether a subnet is held to it."""
    return {row.subject: bool(row.fields.get("Associations")) for row in rows if not row.fields.get("IsDefault")}


@check("aws.vpc.group_used", GROUPS, INTERFACES)
def group_used(rows: list[Row], interfaces: list[Row]) -> dict[str, bool]:
    """Per security group that is not a network's first: whether an interface has it, or another group names it."""
    used = {one.get("GroupId") for row in interfaces for one in row.fields.get("Groups") or []}
    for row in rows:
        for side in ("IpPermissions", "IpPermissionsEgress"):
            for rule in row.fields.get(side) or []:
                named = {one.get("GroupId") for one in rule.get("UserIdGroupPairs") or []}
                used |= named - {row.fields.get("GroupId")}
    return {row.subject: row.fields.get("GroupId") in used for row in rows if row.fields.get("GroupName") != "default"}


@check("aws.vpc.interfaces_of_machine", INSTANCES)
def interfaces_of_machine(rows: list[Row]) -> dict[str, int]:
    """Per running or stopped machine: how many network interfaces it has."""
    there = [row for row in rows if (row.fields.get("State") or {}).get("Name") not in {"terminated", "shutting-down"}]
    return {row.subject: len(row.fields.get("NetworkInterfaces") or []) for row in there}


@check("aws.vpc.machine", INSTANCES)
def machine(rows: list[Row], key: str) -> Setting:
    """Per running or stopped machine: VirtualizationType, Monitoring.State …"""
    there = [row for row in rows if (row.fields.get("State") or {}).get("Name") not in {"terminated", "shutting-down"}]
    return settings(there, key)


@check("aws.vpc.tunnels_down", TUNNELS)
def tunnels_down(rows: list[Row]) -> dict[str, int]:
    """Per connection to a site of one's own: how many of its tunnels are down."""
    there = [row for row in rows if row.fields.get("State") not in {"deleted", "deleting"}]
    return {
        row.subject: sum(one.get("Status") != "UP" for one in row.fields.get("VgwTelemetry") or [{}]) for row in there
    }


@check("aws.vpc.gateway", GATEWAYS)
def gateway(rows: list[Row], key: str) -> Setting:
    """Per transit gateway: Options.AutoAcceptSharedAttachments …"""
    return settings(rows, key)


@check("aws.vpc.has_door_to", VPCS, DOORS)
def has_door_to(rows: list[Row], doors: list[Row], service: str) -> dict[str, bool]:
    """Per network: whether a service of AWS (ec2, s3 …) is reached from it without the internet."""
    open_ = [door.fields for door in doors if str(door.fields.get("State")).lower() == "available"]
    held = {door.get("VpcId") for door in open_ if str(door.get("ServiceName")).endswith(f".{service}")}
    return {row.subject: row.fields.get("VpcId") in held for row in rows}


@check("aws.vpc.template_public", TEMPLATES)
def template_public(rows: list[Row]) -> dict[str, bool]:
    """Per launch template: whether its default version gives machines a public address."""
    return {
        row.subject: any(
            one.get("AssociatePublicIpAddress") is True
            for one in (row.fields.get("LaunchTemplateData") or {}).get("NetworkInterfaces") or []
        )
        for row in rows
    }


@check("aws.vpc.template_tokens", TEMPLATES)
def template_tokens(rows: list[Row]) -> dict[str, str | None]:
    """Per launch template: whether its machines' metadata asks for a token: required or optional."""
    return {
        row.subject: ((row.fields.get("LaunchTemplateData") or {}).get("MetadataOptions") or {}).get("HttpTokens")
        for row in rows
    }


@check("aws.vpc.client_vpn_logged", CLIENT_VPN)
def client_vpn_logged(rows: list[Row]) -> dict[str, bool]:
    """Per way in for people's own machines: whether their connections are written down."""
    return {row.subject: (row.fields.get("ConnectionLogOptions") or {}).get("Enabled") is True for row in rows}

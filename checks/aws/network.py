"""VPC: what security groups and network lists let in from everywhere, and whether traffic is written down."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from scanner import Fact, api, check, parse
from scanner.parse import Row

ANYWHERE = {"0.0.0.0/0", "::/0"}
WIDEST = {4: 8, 6: 16}
"""A block shorter than this is the internet in two or more pieces, such as 0.0.0.0/1 and 128.0.0.0/1."""
TCP, UDP, EVERY = "6", "17", "-1"


def arn(kind: str, id: str) -> str:
    return f"join('', ['arn:', _partition, ':ec2:', _region, ':', _account, ':{kind}/', {id}])"


GROUPS = Fact(
    api("ec2", "describe_security_groups", items="SecurityGroups", identity=arn("security-group", "GroupId")),
    parse.rows,
)
LISTS = Fact(
    api("ec2", "describe_network_acls", items="NetworkAcls", identity=arn("network-acl", "NetworkAclId")), parse.rows
)
VPCS = Fact(api("ec2", "describe_vpcs", items="Vpcs", identity=arn("vpc", "VpcId")), parse.rows)
FLOW_LOGS = Fact(api("ec2", "describe_flow_logs", items="FlowLogs"), parse.rows)


def _open(permission: dict[str, Any]) -> bool:
    sources = [one.get("CidrIp") for one in permission.get("IpRanges") or []]
    sources += [one.get("CidrIpv6") for one in permission.get("Ipv6Ranges") or []]
    return any(_wide(source) for source in sources if source)


def _wide(block: str) -> bool:
    network = ip_network(block, strict=False)
    return network.prefixlen < WIDEST[network.version]


def _takes_in(permission: dict[str, Any], port: int, protocol: str) -> bool:
    said = str(permission.get("IpProtocol"))
    if said == EVERY:
        return True
    if said not in {protocol, {"6": "tcp", "17": "udp"}[protocol]}:
        return False
    first, last = permission.get("FromPort"), permission.get("ToPort")
    return first is None or last is None or first == -1 or first <= port <= last


@check("aws.network.open_to_everywhere", GROUPS)
def open_to_everywhere(rows: list[Row], ports: list[int], udp: bool = False) -> dict[str, list[int]]:
    """Per security group: which of the ports it lets in from anywhere, by IPv4 or IPv6, in whatever range."""
    protocol = UDP if udp else TCP
    return {
        row.subject: [
            port
            for port in ports
            if any(_open(one) and _takes_in(one, port, protocol) for one in row.item.get("IpPermissions") or [])
        ]
        for row in rows
    }


@check("aws.network.everything_open", GROUPS)
def everything_open(rows: list[Row]) -> dict[str, bool]:
    """Per security group: whether it lets every port in from anywhere."""
    return {
        row.subject: any(
            _open(one) and _takes_in(one, 1, TCP) and _takes_in(one, 65535, TCP)
            for one in row.item.get("IpPermissions") or []
        )
        for row in rows
    }


@check("aws.network.default_group_rules", GROUPS)
def default_group_rules(rows: list[Row]) -> dict[str, int]:
    """Per default security group: how many rules it has, in and out."""
    return {
        row.subject: len(row.item.get("IpPermissions") or []) + len(row.item.get("IpPermissionsEgress") or [])
        for row in rows
        if row.item.get("GroupName") == "default"
    }


@check("aws.network.list_lets_in", LISTS)
def list_lets_in(rows: list[Row], ports: list[int]) -> dict[str, list[int]]:
    """Per network access list: which of the TCP ports it lets in from anywhere; the lowest rule that fits decides."""
    return {row.subject: [port for port in ports if _let_in(row.item.get("Entries") or [], port)] for row in rows}


def _let_in(entries: list[dict[str, Any]], port: int) -> bool:
    ingress = sorted((one for one in entries if not one.get("Egress")), key=lambda one: int(one["RuleNumber"]))
    for block in ("CidrBlock", "Ipv6CidrBlock"):
        for one in ingress:
            if one.get(block) in ANYWHERE and str(one.get("Protocol")) in {TCP, EVERY}:
                ports = one.get("PortRange")
                if str(one["Protocol"]) == EVERY or ports is None or ports["From"] <= port <= ports["To"]:
                    if one["RuleAction"] == "allow":
                        return True
                    break
    return False


@check("aws.network.flow_logs", VPCS, FLOW_LOGS)
def flow_logs(vpcs: list[Row], logs: list[Row]) -> dict[str, bool]:
    """Per VPC: whether its traffic, at least what is refused, is written to an active flow log."""
    logged = {
        row.item["ResourceId"]
        for row in logs
        if row.item.get("FlowLogStatus") == "ACTIVE" and row.item.get("TrafficType", "ALL") in {"ALL", "REJECT"}
    }
    return {row.subject: row.item["VpcId"] in logged for row in vpcs}

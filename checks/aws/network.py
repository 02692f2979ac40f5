"""VPC: what security groups and network lists let in from everywhere, and whether traffic is written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import collapse_addresses, ip_network
from itertools import pairwise
from typing import Any, TypeVar

from scanner import Fact, Idle, Unclear, api, check, parse
from scanner.parse import Row

ANYWHERE = {"0.0.0.0/0", "::/0"}
WIDEST = {4: 8, 6: 16}
"""A block shorter than this is the internet in two or more pieces, such as 0.0.0.0/1 and 128.0.0.0/1."""
TCP, UDP, EVERY = "6", "17", "-1"
PORTS = (0, 65535)
Seen = TypeVar("Seen", list[int], list[str], bool)


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
INTERFACES = Fact(
    api(
        "ec2",
        "describe_network_interfaces",
        items="NetworkInterfaces",
        identity=arn("network-interface", "NetworkInterfaceId"),
    ),
    parse.rows,
)
FLOW_LOGS = Fact(api("ec2", "describe_flow_logs", items="FlowLogs"), parse.rows)
PREFIXES = Fact(
    api(
        "ec2",
        "get_managed_prefix_list_entries",
        items="{cidrs: Entries[].Cidr}",
        # those of AWS hold the addresses of its own services, never everything: they are not asked for
        params={"PrefixListId": "OwnerId != 'AWS' && OwnerId != 'aws' && PrefixListId || `null`"},
        each=api("ec2", "describe_managed_prefix_lists", items="PrefixLists", identity="PrefixListArn"),
    ),
    parse.rows,
)


def _lists(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Id of each list of prefixes -> its blocks; of AWS's own none."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.of.rpartition("/")[2], []).extend(row.fields.get("cidrs") or [])
    return found


def _open(permissions: Iterable[dict[str, Any]], lists: dict[str, list[str]]) -> bool:
    """Whether rules together let anybody in, by a block, by blocks that add up, or by a list of prefixes."""
    blocks = [block for one in permissions for block in _sources(one, lists)]
    networks = [ip_network(block, strict=False) for block in blocks]
    joined = [
        network
        for version in WIDEST
        for network in collapse_addresses(one for one in networks if one.version == version)  # type: ignore[type-var]
    ]
    return any(network.prefixlen < WIDEST[network.version] for network in joined)


def _unread(row: Row, lists: dict[str, list[str]]) -> Unclear | None:
    """A group's list of prefixes that could not be read: what it lets in is not known."""
    rules = row.item.get("IpPermissions") or []
    named = {str(one.get("PrefixListId")) for rule in rules for one in rule.get("PrefixListIds") or []}
    missing = sorted(named - set(lists))
    return Unclear(f"it lets in the list {', '.join(missing)}, which could not be read") if missing else None


def _weighed(
    rows: list[Row], interfaces: list[Row], lists: dict[str, list[str]], found: dict[str, Seen]
) -> dict[str, Seen | Idle | Unclear]:
    """What was found of each group: slighter where no interface has it; unclear where not all could be seen."""
    used = {one.get("GroupId") for row in interfaces for one in row.fields.get("Groups") or []}
    weighed: dict[str, Seen | Idle | Unclear] = {}
    for row in rows:
        value = found[row.subject]
        if value:
            weighed[row.subject] = value if row.fields.get("GroupId") in used else Idle(value)
        else:
            weighed[row.subject] = _unread(row, lists) or value
    return weighed


def _sources(permission: dict[str, Any], lists: dict[str, list[str]]) -> Iterator[str]:
    yield from (str(one["CidrIp"]) for one in permission.get("IpRanges") or [] if one.get("CidrIp"))
    yield from (str(one["CidrIpv6"]) for one in permission.get("Ipv6Ranges") or [] if one.get("CidrIpv6"))
    for one in permission.get("PrefixListIds") or []:
        yield from lists.get(str(one.get("PrefixListId")), [])


def wide(block: str) -> bool:
    """Whether an address block is the internet, or one of a few pieces of it."""
    network = ip_network(block, strict=False)
    return network.prefixlen < WIDEST[network.version]


def _range(permission: dict[str, Any], protocol: str) -> tuple[int, int] | None:
    """The ports that a rule is about, None where it is about another protocol."""
    said = str(permission.get("IpProtocol"))
    if said == EVERY:
        return PORTS
    if said not in {protocol, {TCP: "tcp", UDP: "udp"}[protocol]}:
        return None
    first, last = permission.get("FromPort"), permission.get("ToPort")
    return PORTS if first is None or last is None or first == -1 else (int(first), int(last))


def _about(row: Row, port: int, protocol: str) -> list[dict[str, Any]]:
    """The rules of a group that let a port in."""
    rules = row.item.get("IpPermissions") or []
    return [one for one in rules if (ports := _range(one, protocol)) and ports[0] <= port <= ports[1]]


@check("aws.network.open_to_everywhere", GROUPS, PREFIXES, INTERFACES)
def open_to_everywhere(
    rows: list[Row], prefixes: list[Row], interfaces: list[Row], ports: list[int], udp: bool = False
) -> dict[str, list[int] | Idle | Unclear]:
    """Per security group: which of the ports it lets in from anywhere, by IPv4, IPv6 or a list, in whatever range."""
    lists, protocol = _lists(prefixes), UDP if udp else TCP
    found = {row.subject: [port for port in ports if _open(_about(row, port, protocol), lists)] for row in rows}
    return _weighed(rows, interfaces, lists, found)


def _ranges(row: Row, lists: dict[str, list[str]], protocol: str) -> list[tuple[int, int]]:
    """The ranges of ports that a group lets in from anywhere, by all its rules together, in order."""
    told = [ports for one in row.item.get("IpPermissions") or [] if (ports := _range(one, protocol))]
    edges = sorted({edge for first, last in told for edge in (first, last + 1)})
    found: list[tuple[int, int]] = []
    for first, after in pairwise(edges):
        if _open(_about(row, first, protocol), lists):
            begun = found.pop()[0] if found and found[-1][1] == first - 1 else first
            found.append((begun, after - 1))
    return found


@check("aws.network.everything_open", GROUPS, PREFIXES, INTERFACES)
def everything_open(rows: list[Row], prefixes: list[Row], interfaces: list[Row]) -> dict[str, bool | Idle | Unclear]:
    """Per security group: whether it lets every port in from anywhere."""
    lists = _lists(prefixes)
    found = {row.subject: any(a <= 1 and z >= PORTS[1] for a, z in _ranges(row, lists, TCP)) for row in rows}
    return _weighed(rows, interfaces, lists, found)


@check("aws.network.open_beyond", GROUPS, PREFIXES, INTERFACES)
def open_beyond(
    rows: list[Row], prefixes: list[Row], interfaces: list[Row], ports: list[int]
) -> dict[str, list[str] | Idle | Unclear]:
    """Per security group: what it lets in from anywhere beyond the TCP `ports`: ['22/tcp', '8000-9000/udp']."""
    lists = _lists(prefixes)
    found = {row.subject: list(_beyond(row, lists, ports)) for row in rows}
    return _weighed(rows, interfaces, lists, found)


def _beyond(row: Row, lists: dict[str, list[str]], ports: list[int]) -> Iterator[str]:
    for ranged in _ranges(row, lists, TCP):
        yield from (f"{_shown(one)}/tcp" for one in _without(ranged, ports))
    yield from (f"{_shown(one)}/udp" for one in _ranges(row, lists, UDP))


def _without(ranged: tuple[int, int], ports: list[int]) -> Iterator[tuple[int, int]]:
    """A range in the pieces that some ports leave of it."""
    first, last = ranged
    for port in sorted(port for port in ports if first <= port <= last):
        if first < port:
            yield first, port - 1
        first = port + 1
    if first <= last:
        yield first, last


def _shown(ranged: tuple[int, int]) -> str:
    return str(ranged[0]) if ranged[0] == ranged[1] else f"{ranged[0]}-{ranged[1]}"


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
            allowed = one["RuleAction"] == "allow"
            fits = wide(str(one[block])) if allowed and one.get(block) else one.get(block) in ANYWHERE
            if fits and str(one.get("Protocol")) in {TCP, EVERY}:
                ports = one.get("PortRange")
                if str(one["Protocol"]) == EVERY or ports is None or ports["From"] <= port <= ports["To"]:
                    if allowed:
                        return True
                    break
    return False


@check("aws.network.flow_logs", VPCS, FLOW_LOGS)
def flow_logs(vpcs: list[Row], logs: list[Row]) -> dict[str, bool]:
    """Per VPC: whether its traffic, at least what is refused, is written to an active flow log."""
    logged = {
        row.item["ResourceId"]
        for row in logs
        if row.item.get("FlowLogStatus") == "ACTIVE"
        and row.item.get("DeliverLogsStatus") != "FAILED"  # it is on, and nothing of it arrives
        and row.item.get("TrafficType", "ALL") in {"ALL", "REJECT"}
    }
    return {row.subject: row.item["VpcId"] in logged for row in vpcs}

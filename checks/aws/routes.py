"""Routes between networks: whether what was joined to another network is open to all of it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .network import arn

TABLES = Fact(
    api("ec2", "describe_route_tables", items="RouteTables", identity=arn("route-table", "RouteTableId")), parse.rows
)
PEERINGS = Fact(
    api(
        "ec2",
        "describe_vpc_peering_connections",
        items="VpcPeeringConnections",
        identity=arn("vpc-peering-connection", "VpcPeeringConnectionId"),
    ),
    parse.rows,
)


@check("aws.routes.whole_networks", TABLES, PEERINGS)
def whole_networks(tables: list[Row], peerings: list[Row]) -> dict[str, list[str]]:
    """Per route table with a way into a joined network: the routes that take in all of that network, or more.

    A network that AWS does not show the addresses of (another account's, not accepted yet) is taken to be as wide
    as the route; a route to a list of prefixes is taken to be narrow.
    """
    blocks = {row.fields.get("VpcPeeringConnectionId"): _blocks(row.fields) for row in peerings}
    found: dict[str, list[str]] = {}
    for row in tables:
        ways = [one for one in row.fields.get("Routes") or [] if one.get("VpcPeeringConnectionId") in blocks]
        if ways:
            found[row.subject] = sorted(
                {to for one in ways if (to := _to(one)) and _takes_all(to, blocks[one["VpcPeeringConnectionId"]])}
            )
    return found


def _to(route: dict[str, Any]) -> str:
    return str(route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock") or "")


def _blocks(peering: dict[str, Any]) -> list[str]:
    """The addresses of both joined networks."""
    sides = [peering.get("AccepterVpcInfo") or {}, peering.get("RequesterVpcInfo") or {}]
    found = [str(one.get("CidrBlock")) for side in sides for one in side.get("CidrBlockSet") or []]
    found += [str(one.get("Ipv6CidrBlock")) for side in sides for one in side.get("Ipv6CidrBlockSet") or []]
    found += [str(side["CidrBlock"]) for side in sides if side.get("CidrBlock")]
    return sorted(set(found))


def _takes_all(to: str, blocks: list[str]) -> bool:
    route = ip_network(to, strict=False)
    return any(
        route.version == network.version and network.subnet_of(route)  # type: ignore[arg-type]
        for network in (ip_network(block, strict=False) for block in blocks)
    ) or not any(ip_network(block, strict=False).version == route.version for block in blocks)

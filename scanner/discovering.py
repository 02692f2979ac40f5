"""Assets that nobody has written down yet: what a cloud account runs, what answers in a network. Pure.

Rows of a visit's answer come in, lines of an inventory go out, for a person to read, complete and take over. What the
inventory has already is left out. Everything that an account or a host says is taken as text, never as more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from . import probes
from .importing import Found
from .inert import printable

INSTANCES = probes.api("ec2", "describe_instances", items="Reservations[].Instances[]")
PORTS = "22,80,443,445,3389,5985,5986"
"""What tells how a host could be entered, or that it is one at all."""
WINDOWS_PASSWORD = "env:RISKLINE_WINDOWS_PASSWORD"  # noqa: S105 - the name of a variable, not a password
_NO_ID = re.compile(r"[^A-Za-z0-9._-]+")


def of_account(rows: Iterable[Mapping[str, Any]], known: Collection[str], account: str) -> Found:
    """EC2 machines that run and whose addresses the inventory does not have. account: the asset that they are in."""
    found = Found()
    for row in rows:
        item = row.get("item")
        if isinstance(item, Mapping) and (id := str(item.get("InstanceId", ""))):
            state = str((item.get("State") or {}).get("Name", ""))
            addresses = [str(item[key]) for key in ("PrivateIpAddress", "PublicIpAddress") if item.get(key)]
            if state != "running" or not addresses:
                found.left_out.append(f"{id}: {state or 'its state is not told'}, {len(addresses)} addresses")
            elif not any(address in known for address in addresses):
                tags = {str(tag.get("Key")): str(tag.get("Value", "")) for tag in item.get("Tags") or []}
                _add(found, tags.get("Name", ""), id, _machine(item, tags, addresses, str(row.get("region")), account))
    return found


def _machine(
    item: Mapping[str, Any], tags: Mapping[str, str], addresses: list[str], region: str, account: str
) -> dict[str, Any]:
    said = {key.lower(): printable(value, 100) for key, value in tags.items()}
    windows = str(item.get("Platform", "")).lower() == "windows"
    lines: dict[str, Any] = {"address": addresses[0], "access": _winrm() if windows else "ssh"}
    if "PublicIpAddress" in item:
        lines["zone"] = "internet"
    lines |= {key: said[key] for key in ("owner", "environment") if said.get(key)}
    told = {"instance": str(item["InstanceId"]), "region": region, "account": account}
    lines["tags"] = {key: printable(value, 100) for key, value in told.items()}
    return lines


def of_network(rows: Iterable[Mapping[str, Any]], known: Collection[str]) -> Found:
    """Hosts that answer and whose addresses the inventory does not have, by the ports that are open."""
    found = Found()
    for row in rows:
        address = str(row.get("address", ""))
        opened = {entry["port"] for entry in row.get("ports", ()) if entry.get("state") == "open"}
        if not address or address in known:
            continue
        lines: dict[str, Any] = {"address": address}
        if 22 in opened:
            lines["access"] = "ssh"
        elif opened & {5985, 5986}:
            lines["access"] = _winrm()
        else:
            lines["network"] = {"expected_open": []}
        said = ", ".join(map(str, sorted(opened))) or "none of those looked at"
        lines["description"] = f"open when found: {said}"
        _add(found, "", f"host-{address}", lines)
    return found


def _winrm() -> dict[str, Any]:
    return {"winrm": {"user": "riskline", "password": WINDOWS_PASSWORD}}


def _add(found: Found, name: str, otherwise: str, lines: dict[str, Any]) -> None:
    """Under its name, unless that is taken or empty."""
    id = _NO_ID.sub("-", name).strip("-._")[:80]
    plain = _NO_ID.sub("-", otherwise).strip("-._")[:100]
    taken = not id or id.lower() in {one.lower() for one in found.assets}
    found.assets[plain if taken else id] = lines


def together(parts: Iterable[Found], ids: Collection[str]) -> Found:
    """Several finds as one. ids: those of the inventory; what would clash with them, or is found twice, is renamed."""
    all = Found()
    taken = {id.lower() for id in ids}
    for part in parts:
        all.left_out += part.left_out
        for id, lines in part.assets.items():
            new, number = id, 2
            while new.lower() in taken:
                new, number = f"{id}-{number}", number + 1
            if lines["address"] not in {other["address"] for other in all.assets.values()}:
                all.assets[new] = lines
                taken.add(new.lower())
    return all

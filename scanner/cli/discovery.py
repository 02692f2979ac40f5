"""What `riskline inventory discover` asks, and of whom: accounts and networks that somebody has named, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from scanner import discovering, probes
from scanner.addresses import targets
from scanner.collect import visit
from scanner.errors import UsageError
from scanner.importing import Found
from scanner.inert import printable
from scanner.model import Asset, Inventory, Network, Probe
from scanner.organizations import spread
from scanner.plan import PlannedAsset
from scanner.transports import Bounds
from scanner.transports.names import addresses_of
from scanner.viewpoints import MOST_UNASKED


def found(
    where: str, inventory: Inventory, networks: tuple[str, ...], yes: bool, deadline_s: float
) -> tuple[Found, bool]:
    """What the inventory does not have, and whether everything could be seen.

    Raises UsageError where there is nobody to ask, or --yes is missing.
    """
    bounds = Bounds(deadline_s=deadline_s)
    unseen: list[str] = []
    ids = [*(asset.id for asset in inventory.assets), *inventory.left_out]
    if where == "aws":
        if networks:
            raise UsageError("--network is for `discover network`")
        accounts = [asset for asset in spread(inventory).assets if asset.kind == "aws"]
        if not accounts:
            raise UsageError(f"{inventory.path} names no AWS account; add an asset with `access: aws`")
        known = _known(inventory)
        instances = discovering.INSTANCES
        parts = [discovering.of_account(_rows(a, "aws", instances, bounds, unseen), known, a.id) for a in accounts]
    else:
        looks = list(_looks(inventory, networks, yes))
        known = _known(inventory)
        parts = [discovering.of_network(_rows(look, "nmap", probes.ports(), bounds, unseen), known) for look in looks]
    for line in unseen:
        click.echo(f"riskline: {line}", err=True)
    return discovering.together(parts, ids), not unseen


def _known(inventory: Inventory) -> set[str]:
    """The addresses that the inventory has, those of its names included: a host is no news for having a name there."""
    names = {
        asset.address or asset.id for asset in inventory.assets if asset.address or {"ssh", "winrm"} & {*asset.ways}
    }
    with ThreadPoolExecutor(32) as pool:  # a name server that does not answer takes seconds for each
        return {*inventory.addresses, *names, *(one for found in pool.map(addresses_of, names) for one in found)}


def _looks(inventory: Inventory, networks: tuple[str, ...], yes: bool) -> Iterator[Asset]:
    named = networks or tuple(
        text for a in inventory.assets if a.network for text in a.network.addresses if "/" in text
    )
    if not named:
        raise UsageError(
            f"{inventory.path} names no network (10.1.2.0/24 under `network: addresses`); or use --network"
        )
    size = sum(targets([text])[0].size for text in named)
    strange = [text for text in networks if text not in inventory.addresses]
    if size > MOST_UNASKED and not yes:
        raise UsageError(f"{size} addresses would be looked at; more than {MOST_UNASKED} needs --yes")
    if strange and not yes:
        raise UsageError(f"{strange[0]} is not in {inventory.path}: if you may look at it, say --yes")
    for text in named:
        yield Asset(f"network {text}", network=Network((text,), ports=discovering.PORTS))


def _rows(asset: Asset, way: str, probe: Probe, bounds: Bounds, unseen: list[str]) -> list[dict[str, Any]]:
    """The answer's rows; what kept it away, or a part of it, is added to `unseen`."""
    evidence = visit(PlannedAsset(asset, (), {way: (probe,)}), bounds).evidence
    (reply,) = evidence.replies.values()
    lines = [reply.detail] if reply.problem else [f"{gap.subject}: {gap.detail}" for gap in reply.gaps]
    unseen += [f"{asset.id}: {printable(line, 300)}" for line in lines]
    rows: list[dict[str, Any]] = [] if reply.problem else json.loads(reply.text)
    return rows

"""An organization of cloud accounts, asked for its accounts when a scan begins: each becomes an asset of its own."""

from __future__ import annotations

import logging
from dataclasses import replace

from . import members
from .errors import TargetError, UsageError
from .model import Asset, Inventory

LOG = logging.getLogger("riskline.run")


def spread(inventory: Inventory) -> Inventory:
    """The inventory with each organization as its accounts. One that does not answer stays, and its visit says why."""
    found: list[Asset] = []
    for asset in inventory.assets:
        way = asset.access.aws if asset.access else None
        if way is None or not way.organization:
            found.append(asset)
            continue
        from .transports import aws_members

        try:
            found += aws_members.members(asset, inventory.services)
        except TargetError as error:
            LOG.error("%s: its accounts could not be listed: %s", asset.id, error)
            found.append(asset)
    for _, id, other in members.alike(found):
        raise UsageError(f"the inventory and its organizations have two assets {id!r} and {other!r}; rename one")
    return replace(inventory, assets=tuple(found))

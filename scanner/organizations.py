"""An organization of cloud accounts, asked for its accounts when a scan begins: each becomes an asset of its own."""

from __future__ import annotations

import logging
from dataclasses import replace

from .errors import TargetError
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
        from .transports.aws_members import members

        try:
            found += members(asset, inventory.services)
        except TargetError as error:
            LOG.error("%s: its accounts could not be listed: %s", asset.id, error)
            found.append(asset)
    return replace(inventory, assets=tuple(found))

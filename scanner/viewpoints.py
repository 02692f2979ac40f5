"""Where somebody looks from: a host seen from several places is several assets; one machine stands in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

from . import addresses, load
from .errors import UsageError
from .load import LocatedDict, LocatedList, complain
from .model import Asset, Inventory, Zone

HERE = "here"
MARK = "@"
"""Between a host's id and the viewpoint that it is seen from: web-1@internet."""
MOST_UNASKED = 256
"""Addresses that one run looks at without being told to by --yes."""
ZONES: Mapping[str, Zone] = {zone: zone for zone in get_args(Zone)}
"""Viewpoints that are zones, the most exposed first."""


def parts(name: str, own: Any, place: load.Place, above: Iterable[LocatedDict]) -> Iterator[tuple[str, Any]]:
    """(id, lines) of an asset and, where `network` is a list, of each place that it is seen from: web-1@internet.

    Such a part has all lines of the asset but its way in, and is not visited but looked at. above: what the asset
    inherits lines from.
    """
    if MARK in name:
        raise complain(place, f"asset {name!r}: an id has up to 100 letters, digits, dots, dashes and underscores")
    network = own.get("network") if isinstance(own, LocatedDict) else None
    if not isinstance(network, LocatedList):
        yield name, own
        return
    bare = load.merge(LocatedDict(own.place), own)
    bare.pop("network")
    if any("access" in one for one in (own, *above)):
        yield name, bare
    address = LocatedDict(own.place, {"address": own.get("address", name)})
    seen: set[str] = set()
    for part in network:
        place = part.place if isinstance(part, LocatedDict) else network.place
        viewpoint = part.get("from", part.get("viewpoint")) if isinstance(part, LocatedDict) else None
        if not isinstance(viewpoint, str) or viewpoint in seen:
            raise complain(place, f"asset {name!r}: each part of a list under `network` needs a `from` of its own")
        seen.add(viewpoint)
        look = load.merge(bare, address)
        look.pop("access", None)
        look.pop("baselines", None)
        look["network"] = part
        look.places["network"] = place
        yield f"{name}{MARK}{addresses.viewpoint(viewpoint)}", look


def as_seen(asset: Asset) -> Asset:
    """A host as seen from a place; from a place that is a zone, it is as exposed as that."""
    if MARK not in asset.id or asset.network is None:
        return asset
    seen: Zone = ZONES.get(asset.network.viewpoint, asset.zone)
    return replace(asset, access=None, zone=min(asset.zone, seen, key=list(ZONES).index))


def standing_at(inventory: Inventory, viewpoint: str | None) -> Inventory:
    """The inventory with those looks only that belong to one viewpoint; others are left out, for a run from there.

    None: the one that it names. Raises UsageError where it names several, or not this one.
    """
    named = list(dict.fromkeys(a.network.viewpoint for a in inventory.assets if a.network))
    if viewpoint is None:
        if len([name for name in named if name != HERE]) > 1:
            raise UsageError(
                f"the inventory is looked at from {', '.join(named)}, and this machine stands in one place; "
                f"say which: --from {named[0]}"
            )
        return inventory
    if viewpoint not in named:
        raise UsageError(f"--from {viewpoint}: nothing is looked at from there; known: {', '.join(named) or 'nothing'}")
    kept = [_kept(asset, viewpoint) for asset in inventory.assets]
    left_out = [asset.id for asset, still in zip(inventory.assets, kept, strict=True) if still is None]
    assets = tuple(asset for asset in kept if asset is not None)
    return replace(inventory, assets=assets, left_out=(*inventory.left_out, *left_out))


def _kept(asset: Asset, viewpoint: str) -> Asset | None:
    if asset.network is None or asset.network.viewpoint in {viewpoint, HERE}:
        return asset
    return replace(asset, network=None) if asset.access else None


def size(inventory: Inventory) -> int:
    """How many addresses a run over this inventory looks at; a name counts as one."""
    return sum(one.size for asset in inventory.assets for one in targets_of(asset))


def targets_of(asset: Asset) -> list[addresses.Target]:
    """What is looked at of an asset from outside; nothing where it has no `network`."""
    if asset.network is None:
        return []
    return addresses.targets(asset.network.addresses or ((asset.address,) if asset.address else ()))


def refuse_unasked(inventory: Inventory, yes: bool) -> None:
    """Raise UsageError where more addresses would be looked at than anybody does by accident."""
    count = size(inventory)
    if count > MOST_UNASKED and not yes:
        raise UsageError(
            f"{count} addresses would be looked at, more than {MOST_UNASKED}; `riskline plan` lists them, --yes goes on"
        )


def refuse_odd(asset: Asset, merged: LocatedDict, place: load.Place) -> None:
    """Raise UsageError with the line of a network part that could not be looked at, before anything is."""
    assert asset.network is not None
    part = merged.get("network")
    looks: dict[str, Callable[[Any], object]] = {
        "addresses": addresses.targets,
        "ports": addresses.ports,
        "expected_open": lambda words: [addresses.expected(word) for word in words],
        "fingerprints": lambda words: [addresses.fingerprint(word) for word in words],
        "viewpoint": addresses.viewpoint,
    }
    for key, look in looks.items():
        try:
            look(getattr(asset.network, key))
        except UsageError as error:
            at = part.places.get(key, place) if isinstance(part, LocatedDict) else place
            raise complain(at, f"asset {asset.id!r}: {error}") from None
    if not asset.network.addresses and asset.address is None:
        raise complain(place, f"asset {asset.id!r}: its 'network' part needs `addresses`, or the asset an `address`")


def normal(network: LocatedDict) -> None:
    """The short forms unfolded in place: `from`, one value for a list, numbers as texts."""
    if "from" in network and "viewpoint" not in network:
        network["viewpoint"] = network.pop("from")
        network.places["viewpoint"] = network.places["from"]
    for key in ("addresses", "expected_open", "fingerprints"):
        if network.get(key) is not None:
            items = load.as_list(network[key], network.places[key])
            network[key] = LocatedList(items.place, [load.written(item) for item in items])
    if "ports" in network:
        network["ports"] = load.written(network["ports"])


def all_addresses(assets: Iterable[Asset]) -> tuple[str, ...]:
    """Every address, block and name that belongs to an asset, as written."""
    found = [text for asset in assets for text in (*((asset.network and asset.network.addresses) or ()), asset.address)]
    return tuple(dict.fromkeys(text for text in found if text))

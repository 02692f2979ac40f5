"""Turns: which visit may begin next, so that no network, gateway or cloud account meets too many at once."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from .errors import TargetError
from .model import Asset, Aws, Courtesy
from .plan import PlannedAsset

Lane = tuple[str, str]
"""What visits share: ("network", "10.1.2.0/24"), ("gateway", "bastion:22") or ("account", "123456789012")."""
_ROLE = re.compile(r"arn:[a-z-]+:iam::(\d{12}):")


def lanes(asset: Asset) -> tuple[Lane, ...]:
    """All that a visit to the asset shares with others; nothing where it never leaves this machine."""
    way = asset.access.way if asset.access else None
    if isinstance(way, Aws):
        return (("account", account_of(way)),)
    named = [asset.address] if asset.address else list(asset.network.addresses) if asset.network else []
    found: dict[Lane, None] = {("network", network_of(address)): None for address in named}
    if asset.access and asset.access.ssh:
        found |= {("gateway", gateway): None for gateway in _gateways(asset)}
    return tuple(found)


def network_of(address: str) -> str:
    """10.1.2.3 -> 10.1.2.0/24, IPv6 -> its /64, db1.example.org -> example.org; no name is resolved for this."""
    try:
        network = ipaddress.ip_network(address.partition("%")[0], strict=False)
    except ValueError:
        return address.lower().partition(".")[2] or "names without a domain"
    widest = 24 if network.version == 4 else 64
    return str(network.supernet(new_prefix=widest) if network.prefixlen > widest else network)


def account_of(way: Aws) -> str:
    """The account number of the role, else the profile or the key that leads to the account."""
    role = _ROLE.match(way.role or "")
    return role[1] if role else way.profile or way.access_key_id or "the default credentials"


def _gateways(asset: Asset) -> Iterable[str]:
    from .transports.ssh_route import route

    way = asset.access.ssh if asset.access else None
    try:
        hops = route(asset.address or asset.id, way) if way else []
    except TargetError:  # the visit says so
        return ()
    return [f"{hop.host}:{hop.port}" for hop in hops[:-1]]


class Turns:
    """The assets that still wait. `next` gives one whose lanes all have room, `over` gives its room back.

    Every visit that waits for a full lane is parked there, so that a turn costs the same in a large fleet. Not safe
    for several threads at once.
    """

    def __init__(self, assets: Sequence[PlannedAsset], courtesy: Courtesy) -> None:
        self._waiting: Iterator[PlannedAsset] = iter(assets)
        self._most = {"network": courtesy.network, "gateway": courtesy.gateway, "account": courtesy.account}
        self._under_way: Counter[Lane] = Counter()
        self._taken: dict[str, tuple[Lane, ...]] = {}
        self._parked: dict[Lane, deque[PlannedAsset]] = {}
        self._freed: deque[Lane] = deque()

    def next(self) -> PlannedAsset | None:
        """An asset that may be visited now; None where none is left, or all that are left wait for a visit to end."""
        while self._freed:
            lane = self._freed[0]
            parked = self._parked.get(lane)
            if not parked or self._under_way[lane] >= self._most[lane[0]]:
                self._freed.popleft()
            elif self._begins(planned := parked.popleft()):
                return planned
        for planned in self._waiting:
            if self._begins(planned):
                return planned
        return None

    def again(self, planned: PlannedAsset) -> None:
        """Let an asset wait once more, behind all others."""
        self._waiting = chain(self._waiting, (planned,))

    def over(self, planned: PlannedAsset) -> None:
        """Give back the room of a visit that has ended."""
        for lane in self._taken.pop(planned.asset.id):
            self._under_way[lane] -= 1
            if not self._under_way[lane]:
                del self._under_way[lane]
            self._freed.append(lane)

    def _begins(self, planned: PlannedAsset) -> bool:
        """Take room in all its lanes, or park it at the first that is full."""
        needed = lanes(planned.asset)
        for lane in needed:
            if self._under_way[lane] >= self._most[lane[0]]:
                self._parked.setdefault(lane, deque()).append(planned)
                return False
        self._under_way.update(needed)
        self._taken[planned.asset.id] = needed
        return True

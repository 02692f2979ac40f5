"""One line of the inventory for many cloud accounts: those of an organization, those of a list, those of profiles.

Lists are unfolded when the inventory is read; an organization when a scan begins (organizations.py). Pure.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from .model import Access, Asset, Aws, Criticality, Service
from .worth import by_tags

LOG = logging.getLogger("riskline.run")
_ACCOUNT = re.compile(r"\d{12}")
_NAME = re.compile(r"[A-Za-z0-9_+=,.@/-]{1,576}")
_LEVELS = re.compile(r"([1-5])(?:/([1-5])/([1-5]))?")


def mistake(asset: Asset) -> str:
    """What is wrong with an access to many accounts, with the remedy; "" where nothing is."""
    way = asset.access.aws if asset.access else None
    if way is None:
        return ""
    several = [name for name in ("organization", "accounts", "profiles") if getattr(way, name)]
    if len(several) > 1:
        return f"{' and '.join(several)} are two ways to name accounts; keep one"
    wrong = next((one for one in way.accounts if not _ACCOUNT.fullmatch(one)), None)
    if wrong is not None:
        return f"{wrong!r} is no account number; write its twelve digits in quotes"
    if (way.organization or way.accounts) and not (way.role and _NAME.fullmatch(way.role)):
        return "`organization` and `accounts` need `role`: the name of the role to assume in each account, not its ARN"
    if way.profiles and (way.profile or way.access_key_id or way.secret_access_key):
        return "`profiles` stand instead of `profile` and of keys; keep one"
    return ""


def listed(asset: Asset) -> list[Asset]:
    """An asset with `accounts` or `profiles` as one asset each; any other one as it is."""
    way = asset.access.aws if asset.access else None
    if way is not None and way.accounts:
        return [entered(asset, way, account) for account in way.accounts]
    if way is not None and way.profiles:
        each = [(name, replace(way, profile=name, profiles=())) for name in way.profiles]
        return [replace(asset, id=_id(asset, name), access=Access(aws=one)) for name, one in each]
    return [asset]


def entered(asset: Asset, way: Aws, account: str, partition: str = "") -> Asset:
    """The asset of one account, entered by the role that `way` names."""
    one = replace(way, organization=False, accounts=(), role=role_in(way, account, partition))
    return replace(asset, id=_id(asset, account), access=Access(aws=one))


def role_in(way: Aws, account: str, partition: str = "") -> str:
    """(role audit, '111122223333') -> 'arn:aws:iam::111122223333:role/audit'. account: "*" stands for any."""
    partition = partition or {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(way.home_region.rsplit("-", 2)[0], "aws")
    return f"arn:{partition}:iam::{account}:role/{str(way.role).lstrip('/')}"


def alike(assets: Iterable[Asset]) -> Iterator[tuple[int, str, str]]:
    """(place in the list, id, the id before it) of each asset whose id is another's, or differs in case alone."""
    seen: dict[str, str] = {}
    for number, asset in enumerate(assets):
        small = asset.id.lower()
        if small in seen:
            yield number, asset.id, seen[small]
        seen.setdefault(small, asset.id)


def _id(asset: Asset, name: str) -> str:
    return f"{asset.id}-{re.sub(r'[^A-Za-z0-9._-]', '-', name)}"[:100]


def described(asset: Asset, tags: Mapping[str, str], services: Mapping[str, Service]) -> Asset:
    """The asset of an account with what its tags say: owner, service, environment, criticality ("4" or "3/4/5").

    What no tag says comes from the first rule that matches the tags, then from the line of the inventory.
    """
    said = {key.lower().rpartition(":")[2]: value for key, value in tags.items()}
    asset = replace(asset, tags={**asset.tags, **tags}, owner=said.get("owner") or asset.owner)
    asset = replace(asset, environment=said.get("environment") or said.get("env") or asset.environment)
    service = said.get("service", "")
    if service in services:
        own = services[service]
        asset = replace(asset, service=service, criticality=own.criticality or asset.criticality)
        asset = replace(asset, owner=said.get("owner") or own.owner or asset.owner)
    elif service:
        LOG.warning("%s: its tag names a service that the inventory does not have: %s", asset.id, service)
    rule = by_tags(tags, asset.rules)
    if rule is not None and rule.set.criticality is not None:
        asset = replace(asset, criticality=rule.set.criticality)
    levels = said.get("criticality", "")
    if levels and not _LEVELS.fullmatch(levels):
        LOG.warning("%s: its tag for criticality is neither 1 to 5 nor like 3/4/5: %s", asset.id, levels)
    return replace(asset, criticality=_criticality(levels) or asset.criticality)


def _criticality(text: str) -> Criticality | None:
    found = _LEVELS.fullmatch(text)
    if not found:
        return None
    c, i, a = (int(level or found[1]) for level in found.groups())
    return Criticality(c, i, a)  # type: ignore[arg-type]  # the pattern lets only 1 to 5 by

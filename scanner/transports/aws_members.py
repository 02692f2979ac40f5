"""The accounts of an AWS organization, with their tags, as assets of their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from scanner.errors import AuthFailed, VisitFailed
from scanner.members import described, entered
from scanner.model import Access, Asset, Service

from . import Bounds
from .aws_errors import TooLate, TooMuch, judge, of_the_visit
from .aws_session import AT_ONCE, Clients, begin

LOG = logging.getLogger("riskline.aws")
LISTING = "organizations:ListAccounts"
TAGGING = "organizations:ListTagsForResource"
FAILURES = (boto.BotoCoreError, boto.ClientError, ResponseParserError, TooLate, TooMuch)


def members(asset: Asset, services: Mapping[str, Service], bounds: Bounds | None = None) -> list[Asset]:
    """Every active account as an asset; the others are said. Raises a TargetError where they cannot be listed.

    The account that is asked is entered as it is: it has no role for itself.
    """
    way = asset.access.aws if asset.access else None
    if way is None:
        raise VisitFailed("the inventory gives no `aws` access")
    clients, home, _ = begin(replace(way, organization=False, role=None), bounds or Bounds())
    try:
        pages = clients.of("organizations", way.home_region).get_paginator("list_accounts").paginate()
        accounts = [account for page in pages for account in page["Accounts"]]
        open_ones = [account for account in accounts if _state(asset, account) == "ACTIVE"]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="members") as pool:
            tags = list(pool.map(lambda account: _tags(clients, asset, way.home_region, account["Id"]), open_ones))
    except FAILURES as error:
        raise of_the_visit(error, LISTING, way.home_region) from error
    finally:
        clients.close()
    found = []
    for account, told in zip(open_ones, tags, strict=True):
        one = entered(asset, way, account["Id"], home.partition)
        if account["Id"] == home.id:
            one = replace(one, access=Access(aws=replace(way, organization=False, role=None)))
        one = replace(one, description=str(account.get("Name", "")) or asset.description)
        found.append(described(one, told, services))
    return found


def _state(asset: Asset, account: Mapping[str, Any]) -> str:
    state = str(account.get("State") or account.get("Status") or "ACTIVE")
    if state != "ACTIVE":
        LOG.warning("%s: account %s (%s) is not visited: it is %s", asset.id, account["Id"], account.get("Name"), state)
    return state


def _tags(clients: Clients, asset: Asset, region: str, account: str) -> dict[str, str]:
    """The tags of one account; none, and a warning, where they cannot be read."""
    try:
        pages = clients.of("organizations", region).get_paginator("list_tags_for_resource").paginate(ResourceId=account)
        return {str(tag["Key"]): str(tag["Value"]) for page in pages for tag in page["Tags"]}
    except FAILURES as error:
        problem, detail = judge(error, TAGGING, region)
        if problem == "auth-failed":
            raise AuthFailed(detail) from error
        LOG.warning("%s: account %s is worth what the line of the inventory says: %s", asset.id, account, detail)
        return {}

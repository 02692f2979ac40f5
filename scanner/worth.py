"""What the parts of a cloud account are worth: the tags of its resources, held against the inventory's rules. Pure."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from . import parse
from .errors import Unparsable
from .model import Asset, Criticality, Evidence, Rule
from .probes import api

LOG = logging.getLogger("riskline.run")
TAGS = api(
    "resourcegroupstaggingapi",
    "get_resources",
    items="ResourceTagMappingList[].{arn: ResourceARN, tags: Tags}",
    identity="arn",
)
"""One call for a hundred resources of whatever service, region by region."""


def by_tags(tags: Mapping[str, str], rules: Iterable[Rule]) -> Rule | None:
    """The first rule whose every tag is there: {"env": "prod"} meets `when: {tag: {env: "prod*"}}`."""
    for rule in rules:
        if all(key in tags and fnmatchcase(tags[key], wanted) for key, wanted in rule.when.tag.items()):
            return rule
    return None


def valued(asset: Asset, evidence: Evidence) -> Asset:
    """The asset with the parts that a rule values. Where tags could not be read, parts are worth what the asset is."""
    reply = evidence.replies.get(TAGS.key)
    if not asset.rules or reply is None:
        return asset
    if reply.problem or reply.gaps:
        said = reply.detail or ", ".join(gap.subject for gap in reply.gaps)
        LOG.warning(
            "%s: tags are not known everywhere, so some resources count as the account does: %s", asset.id, said
        )
    parts: dict[str, Criticality] = {}
    try:
        rows = parse.rows(reply.text) if not reply.problem else []
    except (Unparsable, ValueError) as error:
        LOG.warning("%s: the tags are of an unknown shape: %s", asset.id, error)
        return asset
    for row in rows:
        tags = {str(one.get("Key")): str(one.get("Value")) for one in row.fields.get("tags") or []}
        rule = by_tags(tags, asset.rules)
        if rule is not None and rule.set.criticality is not None:
            parts[row.subject] = rule.set.criticality
    return replace(asset, parts=parts)

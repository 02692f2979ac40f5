"""What the parts of a cloud account are worth: the tags of its resources, held against the inventory's rules. Pure."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

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
    """The asset with the tags of its parts, and what rules value them at; others are worth what the asset is."""
    reply = evidence.replies.get(TAGS.key)
    if reply is None:
        return asset
    if (reply.problem or reply.gaps) and "aws" not in evidence.failures:  # a visit that failed is told as a whole
        said = reply.detail or ", ".join(gap.subject for gap in reply.gaps)
        so = "some resources count as the account does" if asset.rules else "some findings show none"
        LOG.warning("%s: tags are not known everywhere, so %s: %s", asset.id, so, said)
    try:
        rows = parse.rows(reply.text) if not reply.problem else []
    except (Unparsable, ValueError) as error:
        LOG.warning("%s: the tags are of an unknown shape: %s", asset.id, error)
        return asset
    tags_of = {row.subject: _tags(row.fields.get("tags")) for row in rows}
    parts: dict[str, Criticality] = {}
    for subject, tags in tags_of.items() if asset.rules else ():
        rule = by_tags(tags, asset.rules)
        if rule is not None and rule.set.criticality is not None:
            parts[subject] = rule.set.criticality
    return replace(asset, parts=parts, tags_of=tags_of)


def _tags(listed: Any) -> dict[str, str]:
    pairs = listed if isinstance(listed, list) else []
    return {str(one.get("Key")): str(one.get("Value")) for one in pairs if isinstance(one, Mapping)}


def labelled(asset: Asset, subjects: Container[str]) -> Asset:
    """The asset with the tags of those parts alone that something is said of."""
    return replace(asset, tags_of={name: tags for name, tags in asset.tags_of.items() if tags and name in subjects})

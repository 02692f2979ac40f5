"""Conditions of policy statements: whether one really ties a request to callers, networks or resources that are known.

Source: IAM User Guide, "Condition operators" and "Global condition context keys"; S3 User Guide, "The meaning of
public", which counts fixed values only: no wildcard, no variable.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scanner import Unparsable

Statement = Mapping[str, Any]
Clause = tuple[str, str, list[str]]
"""Operator and key in small letters, and the values."""
ARNS = frozenset({"aws:sourcearn", "aws:principalarn", "s3:dataaccesspointarn"})
ADDRESSES = "aws:sourceip"
PATHS = frozenset({"aws:principalorgpaths", "aws:sourceorgpaths"})
TIES = frozenset(
    {
        *("aws:sourceaccount", "aws:sourceowner", "aws:sourceorgid", "aws:sourcevpc", "aws:sourcevpce", "aws:userid"),
        *("aws:principalorgid", "aws:principalaccount", "aws:principalservicename", "kms:calleraccount"),
        *("s3:dataaccesspointaccount", "sns:endpoint", "lambda:eventsourcetoken", ADDRESSES, *ARNS, *PATHS),
    }
)
"""Keys that tie a request to something known. Names and tags of callers are not among them: anybody's own account may
have a user 'bob', a tag 'owner' and a network 10.0.0.0/8."""
SAME = {
    ("aws:resourceorgid", "${aws:principalorgid}"),
    ("aws:principalorgid", "${aws:resourceorgid}"),
    ("aws:resourceaccount", "${aws:principalaccount}"),
    ("aws:principalaccount", "${aws:resourceaccount}"),
    ("aws:sourceaccount", "${aws:resourceaccount}"),
    ("aws:sourceorgid", "${aws:resourceorgid}"),
}
"""Comparisons of the caller's own account or organisation with the resource's."""
DEMANDING = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress")
EXCLUDING = ("stringnotequals", "stringnotequalsignorecase", "stringnotlike", "arnnotequals", "arnnotlike",
             "notipaddress")  # fmt: skip
SERVICES_APART = {("aws:principalisawsservice", "false"), ("aws:viaawsservice", "false")}
MOST_ADDRESSES = {4: 1 << 28, 6: 1 << 100}
LONGEST_WIDE = {4: 8, 6: 32}
"""A block shorter than this is no network of somebody's."""


def words(value: object) -> list[str]:
    """One text or a list of texts -> a list: IAM allows both everywhere."""
    if isinstance(value, list):
        return [str(entry) for entry in value]
    return [] if value is None else [str(value)]


def clauses(statement: Statement) -> Iterator[Clause]:
    """The comparisons of a statement's condition, all of which have to hold."""
    condition = statement.get("Condition") or {}
    if not isinstance(condition, Mapping):
        raise Unparsable(str(condition)[:200])
    for operator, keys in condition.items():
        if not isinstance(keys, Mapping):
            raise Unparsable(str(keys)[:200])
        for key, value in keys.items():
            yield str(operator).lower(), str(key).lower(), words(value)


def narrowed(statement: Statement) -> bool:
    """Whether a condition ties the caller to something known.

    `…IfExists` and `ForAllValues` also hold for who does not show the key, unless a `Null` demands it as well.
    """
    found = list(clauses(statement))
    shown = {key for operator, key, values in found if operator == "null" and [v.lower() for v in values] == ["false"]}
    return any(_demands(operator, key in shown) and _known(key, values) for operator, key, values in found)


def _demands(operator: str, shown: bool) -> bool:
    bare = operator.removeprefix("foranyvalue:")
    if shown:
        bare = bare.removeprefix("forallvalues:").removesuffix("ifexists")
    return bare in DEMANDING


def spares_known_only(statement: Statement) -> bool:
    """Whether a Deny hits everybody but callers that are known: each comparison excludes something known.

    A negated comparison also holds for who does not show the key. AWS's own services may be spared beside it.
    """
    return all(_excludes(*clause) for clause in clauses(statement))


def _excludes(operator: str, key: str, values: list[str]) -> bool:
    if operator in {"bool", "boolifexists"}:
        return len(values) == 1 and (key, values[0].lower()) in SERVICES_APART
    return operator.removeprefix("forallvalues:").removesuffix("ifexists") in EXCLUDING and _known(key, values)


def _known(key: str, values: list[str]) -> bool:
    """Whether every demanded value names something."""
    if key == ADDRESSES:
        return _few(values)
    return bool(values) and all((key, value.lower()) in SAME or _names(key, value) for value in values)


def _few(blocks: list[str]) -> bool:
    """Whether address blocks are networks of somebody's, and together not the internet in pieces."""
    try:
        networks = [ipaddress.ip_network(block, strict=False) for block in blocks]
    except ValueError:
        return False
    total = {version: sum(n.num_addresses for n in networks if n.version == version) for version in (4, 6)}
    narrow = all(n.prefixlen >= LONGEST_WIDE[n.version] for n in networks)
    return bool(networks) and narrow and all(total[version] < MOST_ADDRESSES[version] for version in total)


def _names(key: str, value: str) -> bool:
    if key not in TIES or "${" in value:
        return False
    if key in ARNS:
        return _owned(value)
    if key in PATHS:  # o-1/r-2/*
        value = value.partition("/")[0]
    elif key == "aws:userid":  # AROA…:session
        value = value.partition(":")[0]
    elif key == "sns:endpoint" and re.fullmatch(r"\*@[^*?@]+\.[^*?@]+", value):
        return True
    return bool(value) and not _wild(value)


def _owned(arn: str) -> bool:
    """Whether an ARN's pattern fits resources of named accounts only. A bucket's ARN has no account but one owner."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return False
    service, account, resource = parts[2], parts[4], parts[5]
    if account and not _wild(account):
        return True
    if service == "s3":
        resource = resource.partition("/")[0]
    return service in {"s3", "route53", "apigateway"} and bool(resource) and not _wild(resource)


def _wild(text: str) -> bool:
    return "*" in text or "?" in text

"""Policy documents judged by meaning: who is let in, to what, and whether a condition really narrows it.

Source: IAM User Guide, "Policy evaluation logic" and "Condition operators"; S3 User Guide, "The meaning of public".
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from scanner import Unparsable

Statement = Mapping[str, Any]
NARROWING = frozenset(
    {
        *("aws:sourceaccount", "aws:sourceowner", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"),
        *("aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn", "aws:userid"),
        *("aws:sourcevpc", "aws:sourcevpce", "aws:sourceip", "aws:vpcsourceip", "aws:principaltag/owner"),
        *("kms:calleraccount", "s3:dataaccesspointaccount", "s3:dataaccesspointarn", "sns:endpoint", "aws:username"),
        *("lambda:eventsourcetoken", "lambda:functionurlauthtype"),
    }
)
"""Condition keys that tie a request to known accounts, organisations, networks or resources."""
POSITIVE = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress")
"""Operators that demand a value. A negated one excludes some callers and lets in all others."""


def statements(document: object) -> list[Statement]:
    """The statements of a policy document, given as JSON text or as a mapping. Another shape is Unparsable."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError) as error:
            raise Unparsable(str(document)[:200]) from error
    if not isinstance(document, Mapping):
        raise Unparsable(str(document)[:200])
    told: Any = document.get("Statement", [])
    found = told if isinstance(told, list) else [told]
    if not all(isinstance(entry, Mapping) for entry in found):
        raise Unparsable(str(document)[:200])
    return found


def words(value: object) -> list[str]:
    """One text or a list of texts -> a list: IAM allows both everywhere."""
    if isinstance(value, list):
        return [str(entry) for entry in value]
    return [] if value is None else [str(value)]


def everyone(statement: Statement) -> bool:
    """Whether the statement speaks of any principal at all: '*', {"AWS": "*"}, or all but a few."""
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return any("*" in words(entry) for kind, entry in principal.items() if kind in {"AWS", "CanonicalUser"})
    return principal == "*"


def narrowed(statement: Statement) -> bool:
    """Whether a condition ties the caller to something known. `…IfExists` and `ForAllValues` hold without the key."""
    return any(_narrows(*clause) for clause in _clauses(statement))


def _clauses(statement: Statement) -> Iterator[tuple[str, str, list[str]]]:
    condition = statement.get("Condition") or {}
    if not isinstance(condition, Mapping):
        raise Unparsable(str(condition)[:200])
    for operator, keys in condition.items():
        if not isinstance(keys, Mapping):
            raise Unparsable(str(keys)[:200])
        for key, value in keys.items():
            yield str(operator).lower(), str(key).lower(), words(value)


def _narrows(operator: str, key: str, values: list[str]) -> bool:
    bare = operator.removeprefix("foranyvalue:")
    if bare not in POSITIVE or key not in NARROWING or not values:
        return False
    return all(_known(key, value) for value in values)


def _known(key: str, value: str) -> bool:
    """Whether one demanded value names something: '0.0.0.0/0', '*' and 'arn:aws:sns:*:*:*' name nothing."""
    if key in {"aws:sourceip", "aws:vpcsourceip"}:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            return False
        return network.prefixlen >= (8 if network.version == 4 else 32)
    if value.startswith("arn:"):
        parts = value.split(":", 5)
        return len(parts) == 6 and "*" not in parts[4] and (parts[4] != "" or not parts[5].startswith("*"))
    return not value.startswith("*")


def public(document: object) -> list[str]:
    """The actions that anybody on earth may use: [] where every Allow names its callers or narrows them."""
    found: list[str] = []
    for statement in statements(document):
        if statement.get("Effect") == "Allow" and everyone(statement) and not narrowed(statement):
            found += words(statement.get("Action")) or ["all but " + ", ".join(words(statement.get("NotAction")))]
    return sorted(set(found))


def outside(document: object, account: str) -> list[str]:
    """Accounts other than `account` that an Allow names: 'arn:aws:iam::222222222222:root' -> ['222222222222']."""
    found = set()
    for statement in statements(document):
        principal = statement.get("Principal")
        if statement.get("Effect") != "Allow" or not isinstance(principal, Mapping):
            continue
        for name in words(principal.get("AWS")):
            owner = name.split(":")[4] if name.startswith("arn:") and name.count(":") >= 5 else name
            if owner.isdigit() and len(owner) == 12 and owner != account:
                found.add(owner)
    return sorted(found)


def covers(patterns: object, action: str) -> bool:
    """Whether action patterns take in an action, or a whole service ('s3:*'): covers(['S3:Get*'], 's3:GetObject')."""
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in words(patterns))


def administrator(document: object) -> bool:
    """Whether a policy allows everything on everything, or all but a few actions and still the right to grant more."""
    return any(
        statement.get("Effect") == "Allow"
        and "*" in words(statement.get("Resource"))
        and not statement.get("Condition")
        and _everything(statement)
        for statement in statements(document)
    )


def _everything(statement: Statement) -> bool:
    if "NotAction" in statement:
        return not covers(statement["NotAction"], "iam:*")
    return any(set(action) <= {"*", ":"} for action in words(statement.get("Action")) if action)


def allows_all_of(document: object, service: str) -> bool:
    """Whether a policy allows every action of one service, such as `kms`, on everything."""
    return any(
        statement.get("Effect") == "Allow"
        and "*" in words(statement.get("Resource"))
        and covers(statement.get("Action"), f"{service}:*")
        for statement in statements(document)
    )


def refuses_plain_text(document: object, resource: str) -> bool:
    """Whether everybody is denied everything over an unencrypted connection, for the resource and all inside it."""
    return any(
        statement.get("Effect") == "Deny"
        and everyone(statement)
        and "NotPrincipal" not in statement
        and _whole_service(statement)
        and _whole_resource(words(statement.get("Resource")), resource)
        and _only_plain_text(statement)
        for statement in statements(document)
    )


def _whole_service(statement: Statement) -> bool:
    return any(action.lower() in {"*", "s3:*"} for action in words(statement.get("Action")))


def _whole_resource(patterns: list[str], resource: str) -> bool:
    return all(any(fnmatchcase(name, pattern) for pattern in patterns) for name in (resource, f"{resource}/any/object"))


def _only_plain_text(statement: Statement) -> bool:
    """The one condition is that the transport is not secure; any further one would let some plain text through."""
    clauses = list(_clauses(statement))
    if len(clauses) != 1:
        return False
    operator, key, values = clauses[0]
    return (
        key == "aws:securetransport"
        and operator in {"bool", "boolifexists"}
        and [v.lower() for v in values] == ["false"]
    )

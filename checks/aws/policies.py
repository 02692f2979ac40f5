"""Policy documents judged by meaning: who is let in, to what, and what a Deny takes back.

Source: IAM User Guide, "Policy evaluation logic"; S3 User Guide, "The meaning of public".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from scanner import Unparsable

from .conditions import Statement, clauses, narrowed, spares_known_only, words

_ANYBODY = re.compile(r"\*|arn:[^:]*:iam::\*:.*")
_ANYTHING = re.compile(r"(arn:(aws[a-z-]*)?)?[*:?]*\*[*:?]*")
"""'*', 'arn:*', 'arn:aws:*:*:*:*'."""


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


@lru_cache(4096)
def _regex(pattern: str) -> re.Pattern[str]:
    """IAM knows two wildcards, `*` and `?`; everything else stands for itself."""
    return re.compile("".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern), re.DOTALL)


def fits(text: str, pattern: str) -> bool:
    """Whether IAM's pattern takes in the text, and all that the text's own wildcards stand for."""
    if "?" in pattern and "*" in text:  # one letter is not any number of letters
        return text == pattern
    return _regex(pattern).fullmatch(text) is not None


def covers(patterns: object, action: str) -> bool:
    """Whether action patterns take in an action, or a whole service ('s3:*'): covers(['S3:Get*'], 's3:GetObject')."""
    return any(fits(action.lower(), pattern.lower()) for pattern in words(patterns))


def everyone(statement: Statement) -> bool:
    """Whether the statement speaks of any principal at all: '*', {"AWS": "*"}, or all but a few."""
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return any(_ANYBODY.fullmatch(name) for entry in principal.values() for name in words(entry))
    return "*" in words(principal)


def public(document: object) -> list[str]:
    """The actions that anybody on earth may use: [] where every Allow names its callers, narrows them, or is denied."""
    every = statements(document)
    shields = [one for one in every if one.get("Effect") == "Deny" and _shields(one)]
    found: set[str] = set()
    for one in every:
        if one.get("Effect") == "Allow" and everyone(one) and not narrowed(one):
            found.update(action for action in _actions(one) if not _taken_back(one, action, shields))
    return sorted(found)


def _actions(statement: Statement) -> list[str]:
    return words(statement.get("Action")) or ["all but " + ", ".join(words(statement.get("NotAction")))]


def _shields(deny: Statement) -> bool:
    """Whether a Deny keeps out everybody but callers that are known, from what it speaks of."""
    if "NotPrincipal" in deny:
        return not any(clauses(deny)) and "*" not in _principals(deny["NotPrincipal"])
    return everyone(deny) and spares_known_only(deny)


def _principals(principal: object) -> list[str]:
    if isinstance(principal, Mapping):
        return [name for entry in principal.values() for name in words(entry)]
    return words(principal)


def _taken_back(allow: Statement, action: str, shields: Sequence[Statement]) -> bool:
    """Whether one of the denials takes in the allowed action on everything that it is allowed on."""
    wanted = "*" if action.startswith("all but ") else action
    return any(covers(deny.get("Action"), wanted) and _same_things(allow, deny) for deny in shields)


def _same_things(allow: Statement, deny: Statement) -> bool:
    if "NotResource" in deny:
        return False
    if "Resource" not in deny or "*" in words(deny["Resource"]):
        return True
    things = words(allow.get("Resource"))
    return bool(things) and all(any(fits(one, other) for other in words(deny["Resource"])) for one in things)


def outside(document: object, account: str) -> list[str]:
    """Accounts other than `account` that an Allow names: 'arn:aws:iam::222222222222:root' -> ['222222222222'].

    A canonical user is an account of somebody's; which one its long number does not tell.
    """
    found = set()
    for statement in statements(document):
        principal = statement.get("Principal")
        if statement.get("Effect") != "Allow" or not isinstance(principal, Mapping):
            continue
        for name in words(principal.get("AWS")):
            owner = name.split(":")[4] if name.startswith("arn:") and name.count(":") >= 5 else name
            if owner.isdigit() and len(owner) == 12 and owner != account:
                found.add(owner)
        found |= {name for name in words(principal.get("CanonicalUser")) if name != "*"}
    return sorted(found)


def administrator(document: object) -> bool:
    """Whether a policy allows everything on everything, or all but a few actions and still the right to grant more.

    A condition does not make it less: who meets it may do everything.
    """
    return any(
        statement.get("Effect") == "Allow" and _on_anything(statement) and _everything(statement)
        for statement in statements(document)
    )


def _on_anything(statement: Statement) -> bool:
    """Whether a statement speaks of every resource, or of all but some."""
    if "NotResource" in statement:
        return "*" not in words(statement["NotResource"])
    return any(_ANYTHING.fullmatch(one) for one in words(statement.get("Resource")))


def _everything(statement: Statement) -> bool:
    if "NotAction" in statement:
        return not covers(statement["NotAction"], "iam:*")
    return any(set(action) <= {"*", ":"} for action in words(statement.get("Action")) if action)


def refuses_plain_text(document: object, resource: str) -> bool:
    """Whether everybody is denied everything over an unencrypted connection, for the resource and all inside it."""
    denied = [
        pattern
        for statement in statements(document)
        if statement.get("Effect") == "Deny"
        and everyone(statement)
        and "NotPrincipal" not in statement
        and _whole_service(statement)
        and _only_plain_text(statement)
        for pattern in words(statement.get("Resource"))
    ]
    return all(any(fits(name, pattern) for pattern in denied) for name in (resource, f"{resource}/*"))


def _whole_service(statement: Statement) -> bool:
    return any(action.lower() in {"*", "s3:*"} for action in words(statement.get("Action")))


def _only_plain_text(statement: Statement) -> bool:
    """The one condition is that the transport is not secure; any further one would let some plain text through."""
    found = list(clauses(statement))
    if len(found) != 1:
        return False
    operator, key, values = found[0]
    return (
        key == "aws:securetransport"
        and operator in {"bool", "boolifexists"}
        and [v.lower() for v in values] == ["false"]
    )

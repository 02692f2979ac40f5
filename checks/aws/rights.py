"""What the account's own policies give too much of, who signs in by single sign-on, and certificates out of date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scanner import Fact, api, check, parse
from scanner.parse import Row

from . import policies
from .conditions import Statement, words
from .iam import CERTIFICATES, DETAILS
from .users import REPORT, visited_at

PROVIDERS = Fact(
    api("iam", "list_saml_providers", items="{arns: SAMLProviderList[].Arn}", everywhere=False), parse.rows
)
INLINE = {
    "UserDetailList": "UserPolicyList",
    "GroupDetailList": "GroupPolicyList",
    "RoleDetailList": "RolePolicyList",
}
"""Where the account's details hold users, groups and roles -> where each holds the policies written into it."""
_WHOLE = re.compile(r"[*:]+|[^:]+:\*+")
_SOME_KEY = "key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def _own(rows: list[Row]) -> Iterator[tuple[str, Any]]:
    """ARN and document of each policy that the account made itself, in the version that is in force."""
    for policy in (entry for row in rows for entry in row.item.get("Policies") or []):
        if policy["Arn"].split(":")[4] != "aws":
            for version in policy.get("PolicyVersionList") or []:
                if version.get("IsDefaultVersion"):
                    yield policy["Arn"], version["Document"]


def _written(rows: list[Row]) -> Iterator[tuple[str, Any]]:
    """ARN of each user, group and role with policies written into it, and those documents one by one."""
    for kind, inline in INLINE.items():
        for holder in (entry for row in rows for entry in row.item.get(kind) or []):
            for policy in holder.get(inline) or []:
                yield holder["Arn"], policy["PolicyDocument"]


@check("aws.rights.whole_services", DETAILS)
def whole_services(rows: list[Row]) -> dict[str, list[str]]:
    """Per policy of the account's own: services of which it allows every action, to whatever and on what condition."""
    found: dict[str, list[str]] = {}
    for arn, document in _own(rows):
        names = found.setdefault(arn, [])
        for statement in policies.statements(document):
            if statement.get("Effect") == "Allow":
                names += [one for one in words(statement.get("Action")) if _WHOLE.fullmatch(one)]
                names += [f"all but {one}" for one in words(statement.get("NotAction"))]
    return {arn: sorted(set(names)) for arn, names in found.items()}


@check("aws.rights.opens_every_key", DETAILS)
def opens_every_key(rows: list[Row], inline: bool) -> dict[str, bool]:
    """Per policy of the account's own (inline: per user, group, role): whether it decrypts by whatever key."""
    found: dict[str, bool] = {}
    for arn, document in _written(rows) if inline else _own(rows):
        found[arn] = found.get(arn, False) or any(_opens(one) for one in policies.statements(document))
    return found


def _opens(statement: Statement) -> bool:
    wanted = ("kms:Decrypt", "kms:ReEncryptFrom")
    if statement.get("Effect") != "Allow":  # conditions do not count: Security Hub's KMS.1 does not look at them
        return False
    if "NotAction" in statement:
        some = not all(policies.covers(statement["NotAction"], action) for action in wanted)
    else:
        some = any(policies.covers(statement.get("Action"), action) for action in wanted)
    everything = "NotResource" in statement or any(_any_key(one) for one in words(statement.get("Resource")))
    return some and everything


def _any_key(resource: str) -> bool:
    """Every key of some account or region: '*', 'arn:aws:kms:*:*:key/*', 'arn:aws:kms:eu-west-1:1:*'."""
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return policies.fits("arn:aws:kms:us-east-1:111122223333:" + _SOME_KEY, resource)
    return policies.fits("kms", parts[2]) and policies.fits(_SOME_KEY, parts[5])


@check("aws.rights.certificate_days_left", CERTIFICATES, REPORT)
def certificate_days_left(rows: list[Row], report: list[Row]) -> dict[str, int]:
    """Per certificate that lies in IAM: days until it ends, below 0 once it has."""
    now = visited_at(report)
    ends = {row.subject: str(row.item["Expiration"]).replace("Z", "+00:00") for row in rows}
    return {arn: (datetime.fromisoformat(end) - now).days for arn, end in ends.items()}


@check("aws.rights.sign_in_providers", PROVIDERS)
def sign_in_providers(rows: list[Row]) -> list[str]:
    """The providers of single sign-on that the account trusts to say who somebody is."""
    return [str(arn) for row in rows for arn in row.fields.get("arns") or []]

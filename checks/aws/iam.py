"""IAM: who holds which policy, and what the policies allow."""

from __future__ import annotations

from typing import Any

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .policies import administrator

DETAILS = Fact(
    api(
        "iam",
        "get_account_authorization_details",
        # not the text of AWS's own policies: by name they are told of with whoever holds them
        params={"Filter": ["User", "Group", "Role", "LocalManagedPolicy"]},
        everywhere=False,
    ),
    parse.rows,
)
CERTIFICATES = Fact(
    api("iam", "list_server_certificates", items="ServerCertificateMetadataList", everywhere=False, identity="Arn"),
    parse.rows,
)


def _all(rows: list[Row], key: str) -> list[dict[str, Any]]:
    return [entry for row in rows for entry in row.item.get(key) or []]


@check("aws.iam.direct_policies", DETAILS)
def direct_policies(rows: list[Row]) -> dict[str, int]:
    """Per user: policies that are attached to, or written into, the user instead of a group or role."""
    return {
        user["Arn"]: len(user.get("AttachedManagedPolicies") or []) + len(user.get("UserPolicyList") or [])
        for user in _all(rows, "UserDetailList")
    }


@check("aws.iam.everything_allowed", DETAILS)
def everything_allowed(rows: list[Row], attached: bool = True) -> dict[str, bool]:
    """Per policy of the account's own that is attached to somebody (or to nobody): whether it allows everything."""
    found = {}
    for policy in _all(rows, "Policies"):
        if policy["Arn"].split(":")[4] == "aws" or bool(policy.get("AttachmentCount")) != attached:
            continue
        documents = [v["Document"] for v in policy.get("PolicyVersionList") or [] if v.get("IsDefaultVersion")]
        found[policy["Arn"]] = any(administrator(document) for document in documents)
    return found


@check("aws.iam.inline_everything", DETAILS)
def inline_everything(rows: list[Row]) -> dict[str, bool]:
    """Per user, group or role with a policy written into it: whether that allows every action on everything."""
    found = {}
    lists = {
        "UserDetailList": "UserPolicyList",
        "GroupDetailList": "GroupPolicyList",
        "RoleDetailList": "RolePolicyList",
    }
    for kind, inline in lists.items():
        for holder in _all(rows, kind):
            documents = [policy["PolicyDocument"] for policy in holder.get(inline) or []]
            if documents:
                found[holder["Arn"]] = any(administrator(document) for document in documents)
    return found


@check("aws.iam.holders_of", DETAILS)
def holders_of(rows: list[Row], policy: str) -> list[str]:
    """The users, groups and roles to which an AWS-managed policy of that name is attached."""
    found: list[str] = []
    for kind in ("UserDetailList", "GroupDetailList", "RoleDetailList"):
        for holder in _all(rows, kind):
            attached = holder.get("AttachedManagedPolicies") or []
            if any(_is_of_aws(one["PolicyArn"], policy) for one in attached):
                found.append(holder["Arn"])
    return found


def _is_of_aws(arn: str, policy: str) -> bool:
    """'arn:aws:iam::aws:policy/job-function/SupportUser'; a policy of the account's own may bear the same name."""
    return arn.split(":")[4] == "aws" and arn.rpartition("/")[2] == policy

"""IAM policy documents: what the account that signs in, and the role that it assumes, may do; and what neither may.

Both may be attached beside broader ones (ReadOnlyAccess, SecurityAudit): then the Deny still keeps contents and
secrets away, for a Deny wins over every Allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from scanner.members import role_in
from scanner.model import Aws, Probe

from .aws_permissions import permissions

MANAGED_MAX = 6144
"""Characters of a managed policy, white space not counted. Source: IAM and AWS STS quotas."""
LISTING = ("organizations:ListAccounts", "organizations:ListTagsForResource")
"""What finding the accounts of an organization needs: their numbers, and the tags that tell what they are worth."""
WITHHELD: dict[str, tuple[str, ...]] = {
    "acm:ExportCertificate": (),
    "athena:GetQueryResults*": ("athena:GetQueryResults", "athena:GetQueryResultsStream"),
    "cassandra:Select": (),
    "cloudformation:GetTemplate": (),
    "codecommit:GitPull": (),
    "dynamodb:*GetItem": ("dynamodb:GetItem", "dynamodb:BatchGetItem"),
    "dynamodb:GetRecords": (),
    "dynamodb:PartiQLSelect": (),
    "dynamodb:Query": (),
    "dynamodb:Scan": (),
    "ebs:GetSnapshotBlock": (),
    "ec2:GetConsole*": ("ec2:GetConsoleOutput", "ec2:GetConsoleScreenshot"),
    "ec2:GetPasswordData": (),
    "ecr:BatchGetImage": (),
    "ecr:GetDownloadUrlForLayer": (),
    "es:ESHttp*": ("es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPost"),
    "glue:GetConnection*": ("glue:GetConnection", "glue:GetConnections"),
    "kinesis:GetRecords": (),
    "kms:Decrypt": (),
    "lambda:GetFunction": (),
    "lambda:GetLayerVersion": (),
    "logs:*LogEvents": ("logs:FilterLogEvents", "logs:GetLogEvents"),
    "logs:GetLogRecord": (),
    "logs:GetQueryResults": (),
    "logs:Start*": ("logs:StartQuery", "logs:StartLiveTail"),
    "rds-data:*": ("rds-data:BatchExecuteStatement", "rds-data:ExecuteStatement"),
    "rds:Download*": ("rds:DownloadDBLogFilePortion", "rds:DownloadCompleteDBLogFile"),
    "redshift-data:*": ("redshift-data:ExecuteStatement", "redshift-data:GetStatementResult*"),
    "redshift:GetClusterCredentials*": ("redshift:GetClusterCredentials", "redshift:GetClusterCredentialsWithIAM"),
    "s3:GetObject*": ("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTorrent"),
    "sdb:Select": (),
    "secretsmanager:*GetSecretValue": ("secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"),
    "sqs:ReceiveMessage": (),
    "ssm:GetParameter*": (
        *("ssm:GetParameter", "ssm:GetParameters"),
        *("ssm:GetParametersByPath", "ssm:GetParameterHistory"),
    ),
}
"""Actions that give away contents, secrets, code or credentials -> the actions that the pattern stands for."""


def withheld(actions: Iterable[str]) -> tuple[list[str], list[str]]:
    """What is denied beside these actions, and which of these would be denied and therefore are not.

    A pattern that takes in a needed action is denied by its other actions, one by one.
    """
    needed = sorted(actions)
    denied: list[str] = []
    for pattern, members in WITHHELD.items():
        met = [action for action in needed if fnmatchcase(action, pattern)]
        denied += [one for one in members if one not in met] if met else [pattern]
    return denied, [one for one in needed if any(fnmatchcase(one, pattern) for pattern in WITHHELD)]


def iam_policy(probes: Sequence[Probe]) -> dict[str, Any]:
    """The smallest policy document for these questions, and a Deny of contents and secrets.

    None of the reading actions can be limited to named resources.
    """
    return _document(permissions(probes))


def entry_policy(ways: Sequence[Aws], probes: Sequence[Probe]) -> dict[str, Any]:
    """The policy of the account that signs in. probes: what it asks by itself, without any role.

    Roles are named by their numbers and names; a whole organization by the name in every account of it.
    """
    actions = set(permissions(probes))
    if any(way.organization for way in ways):
        actions |= set(LISTING)
    document = _document(sorted(actions))
    inside = sorted({role_in(way, "*") for way in ways if way.role and way.organization})
    named = sorted({way.role for way in ways if way.role and not way.organization})
    if inside:
        own = {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}
        document["Statement"].append(_assume("RisklineEntersMembers", inside) | {"Condition": own})
    if named:
        document["Statement"].append(_assume("RisklineEntersRoles", named))
    return document


def remarks(document: dict[str, Any]) -> list[str]:
    """What a reader of the document has to know: what is not denied, and where it is too long for one policy."""
    allowed = {action for one in document["Statement"] if one["Effect"] == "Allow" for action in _listed(one)}
    said = [f"{action} is not denied: a selected control needs it" for action in withheld(allowed)[1]]
    length = len(json.dumps(document, separators=(",", ":")))
    if length > MANAGED_MAX:
        said.append(f"{length} characters are more than the {MANAGED_MAX} of a managed policy: put it into a role "
                    "(inline, up to 10240)")  # fmt: skip
    return said


def _document(actions: list[str]) -> dict[str, Any]:
    reads = {"Sid": "RisklineReads", "Effect": "Allow", "Action": actions, "Resource": "*"}
    never = {"Sid": "RisklineNeverReads", "Effect": "Deny", "Action": withheld(actions)[0], "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [reads, never] if actions else []}


def _assume(sid: str, roles: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles}


def _listed(statement: dict[str, Any]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else list(actions)

"""The account as a whole: its root user, password policy, contacts and account-wide switches."""

from __future__ import annotations

from scanner import Fact, Undetermined, api, check, parse
from scanner.parse import Row

from .rows import Setting, one, settings, value

SUMMARY = Fact(api("iam", "get_account_summary", everywhere=False, items="SummaryMap"), parse.rows)
PASSWORDS = Fact(
    api("iam", "get_account_password_policy", everywhere=False, items="PasswordPolicy", absent=("NoSuchEntity",)),
    parse.rows,
)
BLOCK = Fact(
    api(
        "s3control",
        "get_public_access_block",
        everywhere=False,
        params={"AccountId": "_account"},
        absent=("NoSuchPublicAccessBlockConfiguration",),
    ),
    parse.rows,
)
SECURITY_CONTACT = Fact(
    api(
        "account",
        "get_alternate_contact",
        params={"AlternateContactType": "SECURITY"},
        everywhere=False,
        absent=("ResourceNotFoundException",),
    ),
    parse.rows,
)
SNAPSHOTS = Fact(api("ec2", "get_snapshot_block_public_access_state"), parse.rows)
IMAGES = Fact(api("ec2", "get_image_block_public_access_state"), parse.rows)
ANALYZERS = Fact(
    api("accessanalyzer", "list_analyzers", items="{analyzers: analyzers[].{arn: arn, status: status, type: type}}"),
    parse.rows,
)


@check("aws.account.summary", SUMMARY)
def summary(rows: list[Row], key: str) -> int:
    """A number of IAM's account summary: AccountMFAEnabled, AccountAccessKeysPresent …, 0 or 1 for switches."""
    found = value(one(rows).item, key)
    if not isinstance(found, int):
        raise Undetermined(f"the account summary does not tell {key}")
    return found


@check("aws.account.password_policy", PASSWORDS)
def password_policy(rows: list[Row], key: str) -> str | int | float | bool | list[str] | None:
    """A setting of the account's password policy; not set where the account has none, since AWS's default is weak."""
    return value(one(rows).item, key)


@check("aws.account.public_access_blocked", BLOCK)
def public_access_blocked(rows: list[Row], key: str) -> bool:
    """Whether a part of the public access block is in force for every bucket of the account."""
    return value(one(rows).item, f"PublicAccessBlockConfiguration.{key}") is True


@check("aws.account.security_contact", SECURITY_CONTACT)
def security_contact(rows: list[Row]) -> str | None:
    """The address that AWS writes to about security events; not set where nobody was named."""
    found = value(one(rows).item, "AlternateContact.EmailAddress")
    return str(found) if found else None


@check("aws.account.snapshot_sharing", SNAPSHOTS)
def snapshot_sharing(rows: list[Row]) -> Setting:
    """Region -> State: unblocked, block-new-sharing, block-all-sharing."""
    return settings(rows, "State")


@check("aws.account.image_sharing", IMAGES)
def image_sharing(rows: list[Row]) -> Setting:
    """Region -> ImageBlockPublicAccessState: unblocked, block-new-sharing."""
    return settings(rows, "ImageBlockPublicAccessState")


@check("aws.account.access_analyzer", ANALYZERS)
def access_analyzer(rows: list[Row]) -> dict[str, bool]:
    """Region -> whether an analyzer of access from outside is active there."""
    return {
        row.subject: any(
            entry.get("status") == "ACTIVE" and entry.get("type") in {"ACCOUNT", "ORGANIZATION"}
            for entry in row.fields.get("analyzers") or []
        )
        for row in rows
    }

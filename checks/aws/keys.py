"""KMS: keys that the account made itself, and whether they are changed from time to time."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .policies import public

KEYS = api("kms", "list_keys", items="Keys", identity="KeyArn")
ABOUT = Fact(api("kms", "describe_key", items="KeyMetadata", params={"KeyId": "KeyId"}, each=KEYS), parse.rows)
ROTATION = Fact(
    api(
        "kms",
        "get_key_rotation_status",
        params={"KeyId": "KeyId"},
        absent=("UnsupportedOperationException", "KMSInvalidStateException"),  # such keys cannot be turned
        each=KEYS,
    ),
    parse.rows,
)
POLICY = Fact(
    api("kms", "get_key_policy", items="Policy", params={"KeyId": "KeyId", "PolicyName": "'default'"}, each=KEYS),
    parse.rows,
)


def _own(rows: list[Row]) -> dict[str, Row]:
    return {row.of: row for row in rows if row.fields.get("KeyManager") == "CUSTOMER"}


@check("aws.keys.rotation", ABOUT, ROTATION)
def rotation(about: list[Row], status: list[Row]) -> dict[str, bool]:
    """Per symmetric key of the account's own that is in use: whether it is changed every year by itself."""
    turning = {row.of: bool(row.fields.get("KeyRotationEnabled")) for row in status}
    return {
        arn: turning.get(arn, False)
        for arn, row in _own(about).items()
        if row.item.get("KeySpec", row.item.get("CustomerMasterKeySpec")) == "SYMMETRIC_DEFAULT"
        and row.item.get("KeyState") == "Enabled"
        and row.item.get("Origin") == "AWS_KMS"
    }


@check("aws.keys.state", ABOUT)
def state(about: list[Row]) -> dict[str, str]:
    """Per key of the account's own: Enabled, Disabled, PendingDeletion …"""
    return {arn: str(row.item.get("KeyState")) for arn, row in _own(about).items()}


@check("aws.keys.public_actions", ABOUT, POLICY)
def public_actions(about: list[Row], policies: list[Row]) -> dict[str, list[str]]:
    """Per key of the account's own: what its policy allows to anybody."""
    own = _own(about)
    return {row.of: public(row.item) for row in policies if row.of in own}

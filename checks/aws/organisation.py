"""The organisation that an account is part of, and whom AWS turns to about the account."""

from __future__ import annotations

from scanner import Fact, NotApplicable, api, check, parse
from scanner.parse import Row

from .account import SUMMARY
from .rows import one, value

_NOT_HERE = ("AWSOrganizationsNotInUseException",)
ORGANISATION = Fact(
    api("organizations", "describe_organization", items="Organization", everywhere=False, absent=_NOT_HERE), parse.rows
)
FEATURES = Fact(
    api(
        "iam",
        "list_organizations_features",
        everywhere=False,
        absent=(
            "AccountNotManagementOrDelegatedAdministrator",
            "AccountNotManagementOrDelegatedAdministratorException",
            "OrganizationNotFound",
            "OrganizationNotFoundException",
            "OrganizationNotInAllFeaturesMode",
            "OrganizationNotInAllFeaturesModeException",
            "ServiceAccessNotEnabled",
            "ServiceAccessNotEnabledException",
        ),
    ),
    parse.rows,
)
CONTACT = Fact(
    api("account", "get_contact_information", everywhere=False, absent=("ResourceNotFoundException",)), parse.rows
)
ROOT_DEVICES = Fact(
    api(
        "iam",
        "list_virtual_mfa_devices",
        items="{devices: VirtualMFADevices[].{serial: SerialNumber, owner: User.Arn}}",
        params={"AssignmentStatus": "Assigned"},
        everywhere=False,
    ),
    parse.rows,
)


def _organisation(rows: list[Row]) -> Row:
    row = one(rows)
    if row.item is None:
        raise NotApplicable("the account is in no organisation")
    return row


@check("aws.organisation.root_managed", ORGANISATION, FEATURES)
def root_managed(organisation: list[Row], features: list[Row]) -> list[str]:
    """Of the organisation that this account manages: what of the root users is managed in one place."""
    row = _organisation(organisation)
    if row.fields.get("MasterAccountId") != row.account:
        raise NotApplicable("another account manages the organisation")
    return [str(name) for found in features for name in found.fields.get("EnabledFeatures") or []]


@check("aws.organisation.features_of", ORGANISATION)
def features_of(organisation: list[Row]) -> str | None:
    """What the account's organisation can do: ALL, or CONSOLIDATED_BILLING, which knows no guard rails."""
    found = _organisation(organisation).fields.get("FeatureSet")
    return None if found is None else str(found)


@check("aws.organisation.contact", CONTACT)
def contact(rows: list[Row], key: str) -> str | None:
    """A field of whom AWS turns to about the account: FullName, PhoneNumber, CompanyName …"""
    found = value(one(rows).item, f"ContactInformation.{key}")
    return str(found) if found else None


@check("aws.organisation.root_device", SUMMARY, ROOT_DEVICES)
def root_device(summary: list[Row], devices: list[Row]) -> str:
    """What the root user's second factor is: hardware, virtual (a program on a phone, even beside another), none."""
    if value(one(summary).item, "AccountMFAEnabled") != 1:
        return "none"
    for device in (told for row in devices for told in row.fields.get("devices") or []):
        if str(device.get("owner")).endswith(":root") or str(device["serial"]).endswith("/root-account-mfa-device"):
            return "virtual"
    return "hardware"

"""Local accounts and the local administrators, by SID: built-in ones are known by their last number."""

from __future__ import annotations

import re

from scanner import Absent, Fact, NotApplicable, Unparsable, check, powershell

from .rows import Row, field, row, texts

_USERS = """
$product = (Get-ItemProperty -LiteralPath 'HKLM:\\SYSTEM\\CurrentControlSet\\Control\\ProductOptions').ProductType
$users = @(if ($product -ne 'LanmanNT') { foreach ($one in @(Get-LocalUser)) {
    @{ Sid = '' + $one.SID; Name = '' + $one.Name; Enabled = [bool]$one.Enabled
        PasswordRequired = [bool]$one.PasswordRequired }
} })
@{ DomainController = [bool]($product -eq 'LanmanNT'); Users = $users }
""".strip()
_ADMINISTRATORS = """
@{ Members = @(Get-LocalGroupMember -SID 'S-1-5-32-544' | ForEach-Object { '' + $_.SID }) }
""".strip()

USERS = Fact(powershell(_USERS, of="Get-LocalUser"), row)
ADMINISTRATORS = Fact(powershell(_ADMINISTRATORS, of="Get-LocalGroupMember"), row)


def _users(found: Row) -> list[Row]:
    if field(found, "DomainController", bool):
        raise NotApplicable("a domain controller has no local accounts")
    users = field(found, "Users", list)
    if not all(isinstance(user, dict) for user in users):
        raise Unparsable("a local account of another shape")
    return users


def _builtin(found: Row, rid: int) -> Row:
    for user in _users(found):
        if re.fullmatch(rf"S-1-5-21-\d+-\d+-\d+-{rid}", field(user, "Sid", str)):
            return user
    raise Absent(f"there is no local account with the relative identifier {rid}")


@check("windows.accounts.builtin_enabled", USERS)
def builtin_enabled(found: Row, rid: int) -> bool:
    """Whether a built-in account can log in. rid: 500 the administrator, 501 the guest."""
    return field(_builtin(found, rid), "Enabled", bool)


@check("windows.accounts.builtin_name", USERS)
def builtin_name(found: Row, rid: int) -> str:
    """The name that a built-in account has now. rid: 500 the administrator, 501 the guest."""
    return field(_builtin(found, rid), "Name", str)


@check("windows.accounts.password_required", USERS)
def password_required(found: Row) -> dict[str, bool]:
    """Per enabled local account: whether it must have a password."""
    used = [user for user in _users(found) if field(user, "Enabled", bool)]
    return {field(user, "Name", str): field(user, "PasswordRequired", bool) for user in used}


@check("windows.accounts.administrators", ADMINISTRATORS)
def administrators(found: Row) -> list[str]:
    """The SIDs of the members of the local group Administrators, groups not unfolded."""
    return texts(found, "Members")

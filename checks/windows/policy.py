"""Account policy and user rights in force, from secedit's export, whose keys no language changes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner import Absent, Fact, Probe, Unparsable, check, parse

from .rows import field, row, whole

POLICY = Probe("windows", ("exported", "security-policy"), privileged=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """access: the section System Access. rights: privilege -> holders as SIDs; a name that has no SID stays a name."""

    access: dict[str, str]
    rights: dict[str, list[str]]


def policy(text: str) -> Policy:
    """'[System Access]\\nMinimumPasswordLength = 14\\n[Privilege Rights]\\nSeBackupPrivilege = *S-1-5-32-544'.

    An account that is written by name was looked up on the machine: "names": {"Guest": "S-1-5-21-…-501"}.
    """
    found = row(text)
    sections = parse.ini(field(found, "text", str))
    if "System Access" not in sections or "Privilege Rights" not in sections:
        raise Unparsable(str(found["text"])[:200])
    names = field(found, "names", dict)
    rights = {
        privilege: [_sid(account.strip(), names) for account in values[-1].split(",") if account.strip()]
        for privilege, values in sections["Privilege Rights"].items()
    }
    return Policy({key: values[-1].strip('"') for key, values in sections["System Access"].items()}, rights)


def _sid(account: str, names: dict[str, str]) -> str:
    """'*S-1-5-32-544' -> 'S-1-5-32-544'; 'Gast' -> its SID where the machine knew one."""
    return account[1:] if account.startswith("*") else str(names.get(account) or account)


SECURITY = Fact(POLICY, policy)


@check("windows.policy.account", SECURITY)
def account(found: Policy, key: str) -> int | str:
    """A setting of the account policy by secedit's name for it (MinimumPasswordLength); numbers as numbers."""
    if key not in found.access:
        raise Absent(f"the security policy has no {key}")
    written = found.access[key]
    return whole(written) if re.fullmatch(r"-?[0-9]+", written) else written


@check("windows.policy.right", SECURITY)
def right(found: Policy, privilege: str) -> list[str]:
    """Who holds a user right (SeDebugPrivilege), as SIDs; a right that the export leaves out is held by nobody."""
    return found.rights.get(privilege, [])

"""Roles and features of Windows Server, by their fixed names."""

from __future__ import annotations

from scanner import Absent, Fact, Unparsable, check, powershell

from .rows import field, rows

_FEATURES = """
foreach ($one in @(Get-WindowsFeature)) { @{ Name = '' + $one.Name; Installed = [bool]$one.Installed } }
""".strip()


def features(text: str) -> dict[str, bool]:
    """'[{"Name": "FS-SMB1", "Installed": false}]' -> {'fs-smb1': False}."""
    found = {field(entry, "Name", str).lower(): field(entry, "Installed", bool) for entry in rows(text)}
    if not found:
        raise Unparsable("no feature at all")
    return found


FEATURES = Fact(powershell(_FEATURES, of="Get-WindowsFeature", timeout_s=120.0), features)


@check("windows.features.installed", FEATURES)
def installed(found: dict[str, bool], feature: str) -> bool:
    """Whether a role or feature (FS-SMB1, Telnet-Client) is installed. Unknown to this release: absent."""
    if feature.lower() not in found:
        raise Absent(f"this Windows has no feature {feature}")
    return found[feature.lower()]

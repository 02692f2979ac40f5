"""Microsoft Defender Antivirus: its own account of its state and of the preferences in force."""

from __future__ import annotations

from scanner import Absent, Fact, Undetermined, check, powershell

from .rows import Row, field, row, texts, word

_PREFERENCES = """
$found = Get-MpPreference
@{
    EnableNetworkProtection = [int]$found.EnableNetworkProtection
    PUAProtection = [int]$found.PUAProtection
    MAPSReporting = [int]$found.MAPSReporting
    SubmitSamplesConsent = [int]$found.SubmitSamplesConsent
    DisableRealtimeMonitoring = [bool]$found.DisableRealtimeMonitoring
    DisableBehaviorMonitoring = [bool]$found.DisableBehaviorMonitoring
    DisableIOAVProtection = [bool]$found.DisableIOAVProtection
    DisableScriptScanning = [bool]$found.DisableScriptScanning
    DisableRemovableDriveScanning = [bool]$found.DisableRemovableDriveScanning
    DisableEmailScanning = [bool]$found.DisableEmailScanning
    Rules = @(@($found.AttackSurfaceReductionRules_Ids) | Where-Object { $_ } | ForEach-Object { '' + $_ })
    Actions = @(@($found.AttackSurfaceReductionRules_Actions) | Where-Object { $null -ne $_ } |
        ForEach-Object { [int]$_ })
    Exclusions = @(@($found.ExclusionPath) + @($found.ExclusionProcess) + @($found.ExclusionExtension) |
        Where-Object { $_ } | ForEach-Object { '' + $_ })
}
""".strip()
_STATUS = """
$found = Get-MpComputerStatus
@{
    Mode = '' + $found.AMRunningMode
    RealTimeProtectionEnabled = [bool]$found.RealTimeProtectionEnabled
    IsTamperProtected = [bool]$found.IsTamperProtected
    AntivirusSignatureAge = [int64]$found.AntivirusSignatureAge
}
""".strip()
_ACTIONS = {0: "off", 1: "block", 2: "audit", 5: "off", 6: "warn"}

PREFERENCES = Fact(powershell(_PREFERENCES, of="Get-MpPreference", timeout_s=60.0), row)
STATUS = Fact(powershell(_STATUS, of="Get-MpComputerStatus", timeout_s=60.0), row)


@check("windows.defender.preference", PREFERENCES)
def preference(found: Row, name: str) -> int | bool:
    """A preference in force: PUAProtection, EnableNetworkProtection (numbers), DisableScriptScanning (true/false) …"""
    return field(found, name, bool if name.startswith("Disable") else int)


@check("windows.defender.exclusions", PREFERENCES)
def exclusions(found: Row) -> list[str]:
    """Paths, processes and extensions that no scan looks at."""
    listed = texts(found, "Exclusions")
    if any(entry.startswith("N/A") for entry in listed):
        raise Undetermined("Defender hides its exclusions from this login")
    return listed


@check("windows.defender.rule", PREFERENCES)
def rule(found: Row, guid: str) -> str:
    """What an attack surface reduction rule does: block, audit, warn or off; a rule that is not listed is off."""
    rules, actions = texts(found, "Rules"), field(found, "Actions", list)
    if len(rules) != len(actions):
        raise Undetermined(f"{len(rules)} rules stand beside {len(actions)} actions")
    named = {name.lower(): action for name, action in zip(rules, actions, strict=True)}
    return word(_ACTIONS, named.get(guid.lower(), 0))


@check("windows.defender.status", STATUS)
def status(found: Row, name: str) -> int | bool | str:
    """RealTimeProtectionEnabled, IsTamperProtected, AntivirusSignatureAge (days), Mode ("Normal", "Passive" …)."""
    if found.get("Mode") == "Not running":
        raise Absent("Defender does not run here")
    return field(found, name, {"AntivirusSignatureAge": int, "Mode": str}.get(name, bool))

"""A Windows machine as a description, and its answer to our collection script.

No PowerShell runs here, and none was to be had for the tests. The host reads the questions that stand in the script
(the JSON table of registry places, and the text of every other question), looks each one up in the description, and
answers in the form that the script's own last lines give. So it tests all but the PowerShell text itself, which a
grammar and an allow-list hold in tests/test_windows_script.py. It answers a question that it does not know by an error.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from checks.windows import accounts, defender, features, firewall, protection, services, smb, tasks, tls, updates
from scanner.model import Fact
from scanner.transports.powershell_script import EXPORTS

CURRENT = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
PRODUCT = r"HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions"
ENVIRONMENT = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
DOMAIN = "S-1-5-21-1000000001-2000000002-3000000003"
GUEST = {"en": "Guest", "de": "Gast", "ja": "ゲスト"}
REFUSED = {"en": "Access is denied.", "de": "Zugriff verweigert", "ja": "アクセスが拒否されました。"}
SETTING = {
    "en": ["No Auditing", "Success", "Failure", "Success and Failure"],
    "de": ["Keine Überwachung", "Erfolg", "Fehler", "Erfolg und Fehler"],
    "ja": ["監査なし", "成功", "失敗", "成功および失敗"],
}
Kept = tuple[str, Any]


@dataclass
class Machine:
    """What a machine would say. registry: (key, value) -> (kind, content). users: SID -> the same below its hive.

    lacks: cmdlets that it does not have. denies: registry keys and cmdlets that this login may not use. language: of
    everything that Windows displays. elevated: the login is a local administrator. constrained: language mode.
    """

    registry: dict[tuple[str, str], Kept] = field(default_factory=dict)
    users: dict[str, dict[tuple[str, str], Kept]] = field(default_factory=dict)
    access: dict[str, int | str] = field(default_factory=dict)
    rights: dict[str, list[str]] = field(default_factory=dict)
    audit: dict[str, int] = field(default_factory=dict)
    services: dict[str, dict[str, str]] = field(default_factory=dict)
    firewall: dict[str, dict[str, Any]] = field(default_factory=dict)
    preferences: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    local_users: list[dict[str, Any]] = field(default_factory=list)
    administrators: list[str] = field(default_factory=list)
    smb_server: dict[str, bool] = field(default_factory=dict)
    smb_client: dict[str, bool] = field(default_factory=dict)
    shares: list[dict[str, Any]] = field(default_factory=list)
    features: dict[str, bool] = field(default_factory=dict)
    ages: dict[str, Any] = field(default_factory=dict)
    guard: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, str]] = field(default_factory=list)
    suites: list[str] = field(default_factory=list)
    lacks: set[str] = field(default_factory=set)
    denies: set[str] = field(default_factory=set)
    language: str = "en"
    elevated: bool = True
    constrained: bool = False

    def set(self, key: str, value: str, content: int | str | list[str], kind: str = "") -> None:
        """Put one value into the registry, of the type that fits its content."""
        kinds = {int: "DWord", str: "String", list: "MultiString"}
        self.registry[key, value] = (kind or kinds[type(content)], content)

    def copy(self) -> Machine:
        """Another machine that is the same."""
        return deepcopy(self)


def described_machine() -> Machine:
    """A member server as Windows Server 2022 is installed, in a domain of its own, with nothing hardened."""
    made = Machine()
    made.set(CURRENT, "CurrentBuildNumber", "20348")
    made.set(CURRENT, "UBR", 2700)
    made.set(CURRENT, "InstallationType", "Server")
    made.set(CURRENT, "EditionID", "ServerStandard")
    made.set(ENVIRONMENT, "PROCESSOR_ARCHITECTURE", "AMD64")
    made.set(PRODUCT, "ProductType", "ServerNT")
    made.access = {
        "MinimumPasswordAge": 0,
        "MaximumPasswordAge": 42,
        "MinimumPasswordLength": 0,
        "PasswordComplexity": 1,
        "PasswordHistorySize": 0,
        "LockoutBadCount": 0,
        "ClearTextPassword": 0,
        "LSAAnonymousNameLookup": 0,
        "ForceLogoffWhenHourExpire": 0,
        "EnableAdminAccount": 1,
        "EnableGuestAccount": 0,
        "NewAdministratorName": "Administrator",
        "NewGuestName": "Guest",
        "AllowAdministratorLockout": 1,
    }
    made.rights = {
        "SeNetworkLogonRight": ["S-1-1-0", "S-1-5-11", "S-1-5-32-544", "S-1-5-32-545", "S-1-5-32-551"],
        "SeInteractiveLogonRight": ["Guest", "S-1-5-32-544", "S-1-5-32-545", "S-1-5-32-551"],
        "SeRemoteInteractiveLogonRight": ["S-1-5-32-544", "S-1-5-32-555"],
        "SeBackupPrivilege": ["S-1-5-32-544", "S-1-5-32-551"],
        "SeDebugPrivilege": ["S-1-5-32-544"],
        "SeShutdownPrivilege": ["S-1-5-32-544", "S-1-5-32-551"],
    }
    made.audit = {"0CCE9215-69AE-11D9-BED3-505054503030": 3, "0CCE923F-69AE-11D9-BED3-505054503030": 0}
    made.services = {
        name: {
            "StartMode": mode,
            "State": state,
            "StartName": "LocalSystem",
            "PathName": r"C:\Windows\svchost.exe -k x",
        }
        for name, mode, state in [
            *[("Spooler", "Auto", "Running"), ("EventLog", "Auto", "Running"), ("mpssvc", "Auto", "Running")],
            *[
                ("WinDefend", "Auto", "Running"),
                ("RemoteRegistry", "Auto", "Stopped"),
                ("SSDPSRV", "Manual", "Stopped"),
            ],
        ]
    }
    made.services["WdNisSvc"] = {
        "StartMode": "Manual",
        "State": "Running",
        "StartName": r"NT AUTHORITY\LocalService",
        "PathName": r'"C:\ProgramData\Microsoft\Windows Defender\Platform\NisSrv.exe"',
    }
    profile = {
        "Enabled": 1,
        "DefaultInboundAction": 0,
        "DefaultOutboundAction": 0,
        "AllowLocalFirewallRules": 2,
        "AllowLocalIPsecRules": 2,
        "NotifyOnListen": 0,
        "LogAllowed": 0,
        "LogBlocked": 0,
        "LogFileName": r"%systemroot%\system32\LogFiles\Firewall\pfirewall.log",
        "LogMaxSizeKilobytes": 4096,
    }
    made.firewall = {name: dict(profile) for name in ("Domain", "Private", "Public")}
    made.preferences = {
        "EnableNetworkProtection": 0,
        "PUAProtection": 0,
        "MAPSReporting": 2,
        "SubmitSamplesConsent": 1,
        **dict.fromkeys(["DisableRealtimeMonitoring", "DisableBehaviorMonitoring", "DisableIOAVProtection"], False),
        "DisableScriptScanning": False,
        "DisableRemovableDriveScanning": True,
        "DisableEmailScanning": True,
        "Rules": [],
        "Actions": [],
        "Exclusions": [],
    }
    made.status = {
        "Mode": "Normal",
        "RealTimeProtectionEnabled": True,
        "IsTamperProtected": False,
        "AntivirusSignatureAge": 0,
    }
    made.local_users = [
        {"Sid": f"{DOMAIN}-500", "Name": "Administrator", "Enabled": True, "PasswordRequired": True},
        {"Sid": f"{DOMAIN}-501", "Name": "Guest", "Enabled": False, "PasswordRequired": False},
        {"Sid": f"{DOMAIN}-1001", "Name": "operator", "Enabled": True, "PasswordRequired": True},
    ]
    made.administrators = [f"{DOMAIN}-500"]
    made.smb_server = dict.fromkeys(
        ["EnableSMB1Protocol", "RequireSecuritySignature", "EncryptData", "RejectUnencryptedAccess"], False
    )
    made.smb_client = {"RequireSecuritySignature": False, "EnableInsecureGuestLogons": False}
    made.shares = [{"Name": "C$", "Special": True, "Sddl": "O:SYG:SYD:(A;;GA;;;BA)"}]
    made.features = dict.fromkeys(["FS-SMB1", "PowerShell-V2", "Telnet-Client", "TFTP-Client", "SNMP-Service"], False)
    made.ages = {
        "Now": "2026-11-20T10:00:00",
        "Started": "2026-11-12T03:00:00",
        "Installed": ["10/15/2026", "11/12/2026"],
        "Names": ["KB5044281", ""],
    }
    made.guard = [{"Status": 0, "Running": [0]}]
    made.suites = ["TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_NULL_SHA256"]
    made.tasks = [
        {"Name": r"\Backup", "Path": r"C:\Tools\backup.exe", "Sddl": "O:BAG:SYD:(A;;FA;;;SY)(A;;0x1200a9;;;BU)"}
    ]
    made.volumes = [{"Drive": "C:", "Type": 0, "Protection": 0}]
    return made


def answer(machine: Machine, script: str) -> bytes:
    """The machine's standard output for our script: every question answered, framed and packed as the script does."""
    nonce = _one(r"^\$nonce = '([0-9a-f]{32})'$", script)
    rows = [_registry(machine, one) for one in _table(script)]
    call = re.compile(
        r"^Get-RisklineAnswer (\d+) '([^'\n]*)' [0-9.e+]+ (\d+) \$(true|false) @'\n(.*?)\n'@$", re.MULTILINE | re.DOTALL
    )
    for number, of, cap, privileged, source in call.findall(script):
        rows.append({"n": int(number), **_script(machine, of, int(cap), privileged == "true", source)})
    document = json.dumps(rows, ensure_ascii=False).encode()
    if machine.constrained:
        return f"{nonce} RAW\r\n".encode() + document + f"\r\n{nonce} END\r\n".encode()
    return f"{nonce} GZ\r\n{base64.b64encode(gzip.compress(document)).decode()}\r\n{nonce} END\r\n".encode()


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    assert found, pattern
    return found[1]


def _table(script: str) -> list[dict[str, Any]]:
    found = re.search(r"ConvertFrom-Json -InputObject @'\n(.*?)\n'@\)\)", script, re.DOTALL)
    return list(json.loads(found[1])) if found else []


def _registry(machine: Machine, one: dict[str, Any]) -> dict[str, Any]:
    key, value = one["k"], one["v"]
    if any(key.lower().startswith(denied.lower()) for denied in machine.denies):
        said = "PermissionDenied: (:) [], SecurityException SecurityException"
        return {"n": one["n"], "s": "error", "d": REFUSED[machine.language], "e": said}
    if key.startswith("HKU\\*\\"):
        users = {sid: _reading(hive, key[6:], value) for sid, hive in machine.users.items()}
        return {"n": one["n"], "s": "ok", "t": json.dumps({"users": users})}
    return {"n": one["n"], "s": "ok", "t": json.dumps(_reading(machine.registry, key, value))}


def _reading(hive: dict[tuple[str, str], Kept], key: str, value: str) -> dict[str, Any]:
    places = {(k.lower(), v.lower()): kept for (k, v), kept in hive.items()}
    if (key.lower(), value.lower()) in places:
        kind, content = places[key.lower(), value.lower()]
        return {"found": "value", "kind": kind, "value": content}
    there = any(k == key.lower() or k.startswith(key.lower() + "\\") for k, _ in places)
    return {"found": "key" if there else "nothing"}


def _script(machine: Machine, of: str, cap: int, privileged: bool, source: str) -> dict[str, Any]:
    if privileged and not machine.elevated:
        return {"s": "denied", "d": ""}
    if of in machine.denies:
        return {
            "s": "error",
            "d": REFUSED[machine.language],
            "e": "PermissionDenied: (x) [y], CimException HRESULT 0x5",
        }
    if of in machine.lacks:
        return {"s": "absent", "d": f"this Windows has no {of}"}
    if source not in ANSWERS:
        return {"s": "error", "d": "the described machine does not know this question", "e": "NotSpecified"}
    text = json.dumps(ANSWERS[source](machine), ensure_ascii=False)
    return {"s": "truncated", "d": ""} if len(text) > cap else {"s": "ok", "t": text, "ms": 12}


def _security_policy(machine: Machine) -> list[dict[str, Any]]:
    """As secedit exports it: builtin groups as SIDs, a local account by its name in the machine's language."""
    names = {}
    lines = ["[Unicode]", "Unicode=yes", "[System Access]"]
    lines += [f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}" for k, v in machine.access.items()]
    lines.append("[Privilege Rights]")
    for privilege, holders in machine.rights.items():
        written = []
        for holder in holders:
            if holder == "Guest":
                names[GUEST[machine.language]] = f"{DOMAIN}-501"
                written.append(GUEST[machine.language])
            else:
                written.append(f"*{holder}")
        lines.append(f"{privilege} = {','.join(written)}")
    return [{"text": "\n".join([*lines, "[Version]", 'signature="$CHICAGO$"', "Revision=1"]), "names": names}]


def _audit_policy(machine: Machine) -> list[dict[str, Any]]:
    header = "Machine Name,Policy Target,Subcategory,Subcategory GUID,Inclusion Setting,Exclusion Setting,Setting Value"
    words = SETTING[machine.language]
    lines = [f"SRV,System,{words[0]},{{{guid}}},{words[value]},,{value}" for guid, value in machine.audit.items()]
    own = next(iter(machine.audit), "")
    lines.append(f"SRV,{DOMAIN}-1001,x,{{{own}}},{words[0]},,0")
    return [{"text": "\n".join([header, *lines, "SRV,,Option:CrashOnAuditFail,,Disabled,,0"])}]


def _local_users(machine: Machine) -> list[dict[str, Any]]:
    if machine.registry[PRODUCT, "ProductType"][1] == "LanmanNT":
        return [{"DomainController": True, "Users": []}]
    return [{"DomainController": False, "Users": machine.local_users}]


def _source(fact: Fact[Any]) -> str:
    return str(fact.probe.ask[1])


ANSWERS: dict[str, Callable[[Machine], list[dict[str, Any]]]] = {
    EXPORTS["security-policy"].strip(): _security_policy,
    EXPORTS["audit-policy"].strip(): _audit_policy,
    _source(services.SERVICES): lambda m: [{"Name": name, **entry} for name, entry in m.services.items()],
    _source(firewall.PROFILES): lambda m: [{"Name": name, **entry} for name, entry in m.firewall.items()],
    _source(defender.PREFERENCES): lambda m: [m.preferences],
    _source(defender.STATUS): lambda m: [m.status],
    _source(accounts.USERS): _local_users,
    _source(accounts.ADMINISTRATORS): lambda m: [{"Members": m.administrators}],
    _source(smb.SERVER): lambda m: [m.smb_server],
    _source(smb.CLIENT): lambda m: [m.smb_client],
    _source(smb.SHARES): lambda m: m.shares,
    _source(features.FEATURES): lambda m: [{"Name": name, "Installed": on} for name, on in m.features.items()],
    _source(updates.AGES): lambda m: [m.ages],
    _source(tls.SUITES): lambda m: [{"Suites": m.suites}],
    _source(tasks.TASKS): lambda m: m.tasks,
    _source(protection.GUARD): lambda m: m.guard,
    _source(protection.VOLUMES): lambda m: m.volumes,
}

"""Windows by its own registry: which of Microsoft's products it is, its build, and the updates that it lists.

Microsoft's advisories name products, and the build and revision by which each flaw is mended there. A cumulative update
raises the revision (UBR); a hotpatch raises it less, and mends without a restart. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from scanner import parse
from scanner.errors import Absent, Unparsable
from scanner.model import Fact
from scanner.probes import powershell, registry

_CURRENT = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_ENVIRONMENT = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
# Build number -> name in the Security Update Guide, and on endoflife.date.
_SERVERS = {
    14393: ("Windows Server 2016", "2016"),
    17763: ("Windows Server 2019", "2019"),
    20348: ("Windows Server 2022", "2022"),
    25398: ("Windows Server 2022, 23H2 Edition", "23H2"),
    26100: ("Windows Server 2025", "2025"),
}
_CLIENTS = {
    17763: ("Windows 10 Version 1809", "10-1809"),
    19044: ("Windows 10 Version 21H2", "10-21h2"),
    19045: ("Windows 10 Version 22H2", "10-22h2"),
    22000: ("Windows 11 Version 21H2", "11-21h2"),
    22621: ("Windows 11 Version 22H2", "11-22h2"),
    22631: ("Windows 11 Version 23H2", "11-23h2"),
    26100: ("Windows 11 Version 24H2", "11-24h2"),
    26200: ("Windows 11 Version 25H2", "11-25h2"),
    28000: ("Windows 11 Version 26H1", "11-26h1"),
}
_NEVER_HOTPATCHED = {14393, 17763, 19044, 19045, 22000, 22621, 22631, 25398}
"""Builds that Microsoft makes no hotpatches for. Source: learn.microsoft.com, "Hotpatch" of servers and of clients."""
_NEVER_HOTPATCHED_SERVERS_2022 = {
    f"Server{kind}{trial}" for kind in ("Standard", "Datacenter") for trial in ("", "Eval")
}
"""Editions of build 20348: of it, only "Datacenter: Azure Edition" takes hotpatches."""
_PROCESSORS = {"AMD64": "x64-based", "ARM64": "ARM64-based", "x86": "32-bit"}
_LONGER = ("Enterprise", "Education", "IoTEnterprise", "ServerRdsh")
"""Editions of Windows 10 and 11 that get updates for longer than the others."""

# One look at the list of updates: it takes Windows seconds. `HotFixID` is 'KB5068787', or empty for what has no number.
LISTED = """
$system = Get-CimInstance -ClassName Win32_OperatingSystem
$updates = @(Get-CimInstance -ClassName Win32_QuickFixEngineering)
@{
    Now = $system.LocalDateTime.ToString('s')
    Started = $system.LastBootUpTime.ToString('s')
    Installed = @($updates | ForEach-Object { '' + $_.InstalledOn })
    Names = @($updates | ForEach-Object { '' + $_.HotFixID })
}
""".strip()
_KB = re.compile(r"KB([0-9]{6,8})")


@dataclass(frozen=True, slots=True)
class Host:
    """A Windows machine as the Security Update Guide knows it. release: on endoflife.date: 'Windows Server:2022'.

    product: '' where no product of that build is known here. revision, updates: None where they could not be read.
    hotpatchable: a machine of this build and edition may take hotpatches instead of cumulative updates.
    """

    product: str
    release: str
    build: int
    revision: int | None
    updates: frozenset[str] | None
    hotpatchable: bool = True

    @property
    def version(self) -> str:
        """'20348.4405', or '20348.?' where the revision is not known."""
        return f"{self.build}.{'?' if self.revision is None else self.revision}"


def value(text: str) -> str:
    """'{"found": "value", "kind": "DWord", "value": 4405}' -> '4405'. Absent where the registry has no such value."""
    found = parse.json(text)
    if not isinstance(found, dict) or found.get("found") not in ("value", "key", "nothing"):
        raise Unparsable(text[:200])
    if found["found"] != "value":
        raise Absent("the registry has no such value")
    if not isinstance(found.get("value"), str | int) or isinstance(found.get("value"), bool):
        raise Unparsable(text[:200])
    return str(found["value"])


def number(text: str) -> int:
    """As `value`, of a number that a build can be."""
    written = value(text)
    if not re.fullmatch(r"[0-9]{1,6}", written):
        raise Unparsable(f"not the number of a build: {written[:80]!r}")
    return int(written)


def names(text: str) -> frozenset[str]:
    """'[{"Names": ["KB5068787", ""], …}]' -> {'5068787'}. An empty list is no answer: Windows is never without one."""
    rows: Any = parse.json(text)
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        raise Unparsable(text[:200])
    listed = rows[0].get("Names")
    if isinstance(listed, dict) and isinstance(listed.get("value"), list):
        listed = listed["value"]  # how ConvertTo-Json of PowerShell 5.1 writes some lists
    if not isinstance(listed, list):
        raise Unparsable(f"Names: {listed!r:.100}")
    found = frozenset(match[1] for one in listed if (match := _KB.fullmatch(str(one).strip())))
    if not found:
        raise Unparsable("Windows lists no update that has a number")
    return found


BUILD = Fact(registry(_CURRENT, "CurrentBuildNumber"), number)
REVISION = Fact(registry(_CURRENT, "UBR"), number)
INSTALLATION = Fact(registry(_CURRENT, "InstallationType"), value)
EDITION = Fact(registry(_CURRENT, "EditionID"), value)
PROCESSOR = Fact(registry(_ENVIRONMENT, "PROCESSOR_ARCHITECTURE"), value)
UPDATES = Fact(powershell(LISTED, of="Get-CimInstance", timeout_s=60.0), names)


def product_of(build: int, installation: str, processor: str) -> str:
    """(20348, 'Server Core', 'AMD64') -> 'Windows Server 2022 (Server Core installation)'; '' where it is not known."""
    if installation == "Client":
        name, systems = _CLIENTS.get(build, ("", ""))[0], _PROCESSORS.get(processor, "")
        return f"{name} for {systems} Systems" if name and systems else ""
    name = _SERVERS.get(build, ("", ""))[0]
    return {"Server": name, "Server Core": f"{name} (Server Core installation)"}.get(installation, "") if name else ""


def release_of(build: int, installation: str, edition: str) -> str:
    """(26100, 'Client', 'Professional') -> 'Windows:11-24h2-w'; of an edition that is not known, the earlier end."""
    if installation != "Client":
        return f"Windows Server:{_SERVERS.get(build, ('', ''))[1]}"
    name = _CLIENTS.get(build, ("", ""))[1]
    if edition in {"EnterpriseS", "IoTEnterpriseS", "EnterpriseSN"}:
        return f"Windows:{name}-e-lts"
    if name == "10-22h2":
        return f"Windows:{name}"
    return f"Windows:{name}-{'e' if edition.removesuffix('N') in _LONGER else 'w'}"


def may_be_hotpatched(build: int, edition: str) -> bool:
    """(20348, 'ServerStandard') -> False. What is not known here may be."""
    return build not in _NEVER_HOTPATCHED and not (build == 20348 and edition in _NEVER_HOTPATCHED_SERVERS_2022)


def same_name(product: str) -> str:
    """A product's name as it is compared: the guide writes 'Version' and 'version', and spaces as they come."""
    return " ".join(product.lower().split())

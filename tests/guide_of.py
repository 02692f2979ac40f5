"""Documents of Microsoft's Security Update Guide made for tests: the CVRF form as JSON, with its numbers for kinds.

Product numbers, update numbers and builds are those of November 2025; the flaws are made up.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

SERVER, CORE, OLDER, NEWER, CLIENT = "11923", "11924", "11571", "12436", "12390"
PRODUCTS = {
    SERVER: "Windows Server 2022",
    CORE: "Windows Server 2022 (Server Core installation)",
    OLDER: "Windows Server 2019",
    NEWER: "Windows Server 2025",
    CLIENT: "Windows 11 version 24H2  for x64-based Systems",
    "12079-11923": "Microsoft .NET Framework 3.5 AND 4.8.1 on Windows Server 2022",
    "12137-1": "azl3 kernel 6.6 on Azure Linux 3.0",
}
FULL = ("5068787", "10.0.20348.4405", "Security Update", "5066782")
HOT = ("5068840", "10.0.20348.4346", "Security Hotpatch Update", "")
Fix = tuple[str, str, str, str]


def fix(kb: str, build: str, kind: str, before: str, *products: str) -> dict[str, Any]:
    """One remediation of the kind "Vendor Fix"."""
    return {
        "Type": 2,
        "SubType": kind,
        "Description": {"Value": kb},
        "URL": f"https://catalog.update.microsoft.com/v7/site/Search.aspx?q=KB{kb}",
        "FixedBuild": build,
        "Supercedence": before,
        "RestartRequired": {"Value": "Yes"},
        "ProductID": list(products or (SERVER, CORE)),
    }


def flaw(
    cve: str,
    *fixes: Fix,
    products: tuple[str, ...] = (SERVER, CORE),
    exploited: bool = False,
    vector: str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:C",
    **more: Any,
) -> dict[str, Any]:
    """One vulnerability that affects these products, and is mended there by these updates."""
    status = f"Publicly Disclosed:No;Exploited:{'Yes' if exploited else 'No'};Latest Software Release:x"
    remedies = [fix(*one, *products) for one in fixes]
    notes = [{"Type": 3, "SubType": one[0], "ProductID": list(products)} for one in fixes]
    return {
        "CVE": cve,
        "Title": {"Value": f"Windows Kernel {cve} Elevation of Privilege Vulnerability"},
        "ProductStatuses": [{"Type": 3, "ProductID": list(products)}],
        "Threats": [
            {"Type": 0, "Description": {"Value": "Elevation of Privilege"}, "ProductID": list(products)},
            {"Type": 1, "Description": {"Value": status}},
        ],
        "CVSSScoreSets": [{"BaseScore": 9.8, "Vector": vector, "ProductID": list(products)}],
        "Remediations": [*remedies, *notes],
        **more,
    }


def document(flaws: list[Any], id: str = "2026-Nov", current: str = "2026-11-20T08:00:00") -> dict[str, Any]:
    """One month."""
    return {
        "DocumentTitle": {"Value": f"{id} Security Updates"},
        "DocumentTracking": {
            "Identification": {"ID": {"Value": id}, "Alias": {"Value": id}},
            "InitialReleaseDate": f"{current[:7]}-10T08:00:00",
            "CurrentReleaseDate": current,
        },
        "ProductTree": {
            "Branch": [{"Type": 0, "Name": "Microsoft", "Items": []}],
            "FullProductName": [{"ProductID": key, "Value": name} for key, name in PRODUCTS.items()],
        },
        "Vulnerability": flaws,
    }


def written(path: Path, whole: Any) -> Path:
    path.write_text(json.dumps(whole))
    return path


def zipped(path: Path, *documents: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for number, one in enumerate(documents):
            opened.writestr(f"{number}.json", one if isinstance(one, str) else json.dumps(one))
    return path

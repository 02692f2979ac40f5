"""The audit policy in force, by the GUID of each subcategory: no name is read in the display language."""

from __future__ import annotations

import re

from scanner import Absent, Fact, Probe, Unparsable, check

from .rows import field, row

_LINE = re.compile(r"[^,]*,(?P<target>[^,]*),.*,\{(?P<guid>[0-9A-Fa-f-]{36})\},.*,(?P<setting>[0-9]+)\s*\Z")
_LONGEST_LINE = 1000
_SETTINGS: dict[int, list[str]] = {0: [], 1: ["success"], 2: ["failure"], 3: ["success", "failure"]}


def settings(text: str) -> dict[str, list[str]]:
    """What auditpol backs up: 'SRV,System,Logon,{0CCE9215-…},Success,,1' -> {'0CCE9215-…': ['success']}.

    Lines of single users (their target is a SID) and of options without a GUID are left out. Source: [MS-GPAC] 2.2.
    """
    found: dict[str, list[str]] = {}
    for line in field(row(text), "text", str).splitlines():
        if len(line) > _LONGEST_LINE:
            raise Unparsable(line[:200])
        match = _LINE.match(line)
        if match and not match["target"].strip().startswith("S-1-"):
            found[match["guid"].upper()] = _SETTINGS[int(match["setting"])]
    if not found:
        raise Unparsable(text[:200])
    return found


AUDIT = Fact(Probe("windows", ("exported", "audit-policy"), privileged=True), settings)


@check("windows.audit.subcategory", AUDIT)
def subcategory(found: dict[str, list[str]], guid: str) -> list[str]:
    """Which outcomes of a subcategory are recorded: success, failure, both or none. guid: without braces."""
    if guid.upper() not in found:
        raise Absent(f"this Windows has no audit subcategory {guid}")
    return found[guid.upper()]

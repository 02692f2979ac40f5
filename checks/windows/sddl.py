"""Access lists as Windows writes them (SDDL): whom a list lets in, and who may change the thing.

Source: Microsoft Learn, "ACE strings" and "SID strings".
"""

from __future__ import annotations

import re

SHORT = {"WD": "S-1-1-0", "AN": "S-1-5-7", "AU": "S-1-5-11", "BA": "S-1-5-32-544", "BU": "S-1-5-32-545"}
SHORT |= {"BG": "S-1-5-32-546", "SY": "S-1-5-18", "IU": "S-1-5-4", "BO": "S-1-5-32-551", "SO": "S-1-5-32-549"}
_ENTRY = re.compile(r"\(A;([^;]*);([^;]*);[^;]*;[^;]*;([A-Za-z0-9-]+)\)")
_CHANGING = {"GA", "GW", "FA", "FW", "WD", "WO", "SD", "DC"}
_CHANGING_BITS = 0x10000000 | 0x40000000 | 0x40000 | 0x80000 | 0x10000 | 0x2 | 0x4
"""Generic all and write, write the list or the owner, delete, write or append data."""


def allowed(sddl: str) -> list[str]:
    """'O:SYG:SYD:(A;;FA;;;WD)' -> ['S-1-1-0']; a two-letter name that we do not know stays as it is."""
    return _named(_ENTRY.findall(sddl))


def changing(sddl: str) -> list[str]:
    """Whom the list lets change the thing itself: 'D:(A;;0x1301bf;;;BU)(A;;FR;;;WD)' -> ['S-1-5-32-545'].

    An entry that only passes on to what lies below (IO) says nothing about the thing.
    """
    return _named([entry for entry in _ENTRY.findall(sddl) if "IO" not in entry[0] and _may_change(entry[1])])


def _named(entries: list[tuple[str, str, str]]) -> list[str]:
    return [SHORT.get(who, who) for who in dict.fromkeys(entry[2] for entry in entries)]


def _may_change(rights: str) -> bool:
    if rights.lower().startswith("0x"):
        return bool(int(rights[2:10] or "0", 16) & _CHANGING_BITS)
    return bool({rights[at : at + 2] for at in range(0, len(rights), 2)} & _CHANGING)

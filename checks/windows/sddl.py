"""Access lists as Windows writes them (SDDL): whom a list lets in, and who may change the thing.

Source: Microsoft Learn, "ACE strings" and "SID strings".
"""

from __future__ import annotations

import re

from scanner import Unparsable

SHORT = {"WD": "S-1-1-0", "AN": "S-1-5-7", "AU": "S-1-5-11", "BA": "S-1-5-32-544", "BU": "S-1-5-32-545"}
SHORT |= {"BG": "S-1-5-32-546", "SY": "S-1-5-18", "IU": "S-1-5-4", "BO": "S-1-5-32-551", "SO": "S-1-5-32-549"}
_LIST = re.compile(
    r"(?:O:[A-Za-z0-9-]+?)?(?:G:[A-Za-z0-9-]+?)?D:([A-Z_]*)((?:\((?:[^()]|\([^()]{0,1000}\)){1,1000}\))*)(?:S:.*)?",
    re.S,
)
_ENTRY = re.compile(r"\((A|OA|XA);([^;]*);([^;]*);[^;]*;[^;]*;([A-Za-z0-9-]+)(?:;.*)?\)", re.S)
_OTHER_KINDS = ("(D;", "(OD;", "(XD;")
_CHANGING = {"GA", "GW", "FA", "FW", "WD", "WO", "SD", "DC"}
_CHANGING_BITS = 0x10000000 | 0x40000000 | 0x40000 | 0x80000 | 0x10000 | 0x2 | 0x4
"""Generic all and write, write the list or the owner, delete, write or append data."""


def allowed(sddl: str) -> list[str]:
    """'O:SYG:SYD:(A;;FA;;;WD)' -> ['S-1-1-0']; a two-letter name that we do not know stays as it is. Or Unparsable."""
    return _named(_entries(sddl))


def changing(sddl: str) -> list[str]:
    """Whom the list lets change the thing itself: 'D:(A;;0x1301bf;;;BU)(A;;FR;;;WD)' -> ['S-1-5-32-545'].

    An entry that only passes on to what lies below (IO) says nothing about the thing. Or Unparsable.
    """
    return _named([entry for entry in _entries(sddl) if "IO" not in entry[0] and _may_change(entry[1])])


def _entries(sddl: str) -> list[tuple[str, str, str]]:
    """Flags, rights and whom of what a list grants; a grant on a condition counts. Without a list everybody may all."""
    found = _LIST.fullmatch(sddl)
    if found is None:
        raise Unparsable(f"no access list: {sddl[:150]}")
    if "NO_ACCESS_CONTROL" in found[1]:
        return [("", "GA", "WD")]
    granted = []
    for text in re.findall(r"\((?:[^()]|\([^()]*\))*\)", found[2]):
        entry = _ENTRY.fullmatch(text)
        if entry is not None:
            granted.append((entry[2], entry[3], entry[4]))
        elif not text.startswith(_OTHER_KINDS):
            raise Unparsable(f"no entry of an access list: {text[:150]}")
    return granted


def _named(entries: list[tuple[str, str, str]]) -> list[str]:
    return [SHORT.get(who, who) for who in dict.fromkeys(entry[2] for entry in entries)]


def _may_change(rights: str) -> bool:
    if rights.lower().startswith("0x"):
        if not re.fullmatch(r"[0-9A-Fa-f]{1,8}", rights[2:]):
            raise Unparsable(f"no rights: {rights[:150]}")
        return bool(int(rights[2:], 16) & _CHANGING_BITS)
    return bool({rights[at : at + 2] for at in range(0, len(rights), 2)} & _CHANGING)

"""The registry: one value at a time, with Windows' own default where a value is not set.

A value that is not there means what Windows does without it. That is the control's `default`; without a `default`, the
value's absence is proved and the control's `when_absent` decides. A value of another type than Windows reads there is
not the setting: it is shown with its type, and meets no expectation of a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scanner import Absent, Fact, Given, Unparsable, check, parse, registry

Value = str | int | list[str] | None
_TEXTS = {"String", "ExpandString"}


@dataclass(frozen=True, slots=True)
class Reading:
    """One place in the registry. found: "value", "key" (the key is there, the value is not) or "nothing"."""

    found: str
    kind: str = ""
    value: Any = None


def reading(text: str) -> Reading:
    """'{"found": "value", "kind": "DWord", "value": 1}' -> Reading('value', 'DWord', 1)."""
    return _reading(parse.json(text), text)


def _reading(entry: Any, text: str) -> Reading:
    if not isinstance(entry, dict) or entry.get("found") not in ("value", "key", "nothing"):
        raise Unparsable(text[:200])
    if entry["found"] != "value":
        return Reading(entry["found"])
    value = entry.get("value")
    if isinstance(value, dict) and isinstance(value.get("value"), list):
        value = value["value"]  # how ConvertTo-Json of PowerShell 5.1 writes some lists
    return Reading("value", str(entry.get("kind")), value)


def users(text: str) -> dict[str, Reading]:
    """'{"users": {"S-1-5-21-1-2-3-1001": {"found": "key"}}}' -> {'S-1-5-21-1-2-3-1001': Reading('key')}."""
    found = parse.json(text)
    if not isinstance(found, dict) or not isinstance(found.get("users"), dict):
        raise Unparsable(text[:200])
    return {sid: _reading(entry, text) for sid, entry in found["users"].items()}


VALUE = Fact(registry(Given("key"), Given("value")), reading)
LOCAL = Fact(registry(Given("local_key"), Given("local_value")), reading)
OF_USERS = Fact(registry(Given("key"), Given("value")), users)


def in_force(found: Reading, type: str, default: Value) -> Value:
    """What a reading means: the value, the default where there is none, or a text that shows a wrong type."""
    if found.found != "value":
        return default
    if found.kind != type and not {found.kind, type} <= _TEXTS:
        return f"{found.value} (of type {found.kind}, not {type})"
    if isinstance(found.value, list):
        return [str(item) for item in found.value if item != ""]
    return found.value if isinstance(found.value, int) else str(found.value)


@check("windows.registry.value", VALUE)
def value(found: Reading, default: Value = None, type: str = "DWord") -> str | int | list[str] | None:
    """The registry value, or `default` (what Windows does without it). type: DWord, QWord, String or MultiString."""
    if found.found != "value" and default is None:
        raise Absent("there is no such value" if found.found == "key" else "there is no such key")
    return in_force(found, type, default)


@check("windows.registry.user_value", OF_USERS)
def user_value(
    found: dict[str, Reading], default: Value = None, type: str = "DWord"
) -> dict[str, str | int | list[str] | None]:
    """The value of every user who is logged on, by SID; nobody logged on gives no subjects. key: below HKU\\*\\."""
    return {sid: in_force(entry, type, default) for sid, entry in found.items()}


@check("windows.registry.entries", VALUE)
def entries(found: Reading, separator: str = "") -> list[str]:
    """A list in the registry, empty where it is not set. separator: of a list that is written as one text."""
    if found.found != "value":
        return []
    written = found.value if isinstance(found.value, list) else str(found.value).split(separator or None)
    return [str(entry).strip() for entry in written if str(entry).strip()]


@check("windows.registry.policy_or_local", VALUE, LOCAL)
def policy_or_local(
    policy: Reading, local: Reading, default: int, local_unit: int = 1, type: str = "DWord"
) -> str | int | list[str] | None:
    """A number that policy may set, else the machine's own setting, else `default`.

    type: of the policy's value; the machine's own is a DWord. local_unit: what one unit of the policy is in the
    machine's own setting: 1024 where one is in KB and one in bytes.
    """
    if policy.found == "value":
        return in_force(policy, type, default)
    found = in_force(local, "DWord", default * local_unit)
    return found // local_unit if isinstance(found, int) else found

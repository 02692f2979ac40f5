"""What `powershell` and `exported` questions answer: the list of objects that the expression gave, as JSON."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from scanner import Unparsable, parse

Row = dict[str, Any]
T = TypeVar("T")


def plain(value: Any) -> Any:
    """Undo what ConvertTo-Json of PowerShell 5.1 does to some lists: {'value': [1, 2], 'Count': 2} -> [1, 2]."""
    if isinstance(value, dict):
        if set(value) == {"value", "Count"} and isinstance(value["value"], list):
            return [plain(item) for item in value["value"]]
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def rows(text: str) -> list[Row]:
    """'[{"Name": "Spooler", "StartMode": "Auto"}]' -> [{'Name': 'Spooler', 'StartMode': 'Auto'}]."""
    found = plain(parse.json(text))
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Unparsable(text[:200])
    return found


def row(text: str) -> Row:
    """As `rows`, where exactly one object is meant."""
    found = rows(text)
    if len(found) != 1:
        raise Unparsable(f"one object was expected, not {len(found)}")
    return found[0]


def field(found: Row, name: str, kind: type[T]) -> T:
    """A member of an object, of the type that it must have: field({'On': True}, 'On', bool) -> True."""
    value = found.get(name)
    if type(value) is not kind:
        raise Unparsable(f"{name}: {value!r:.100}")
    return value


def texts(found: Row, name: str) -> list[str]:
    """A member that is a list, its entries as texts: texts({'Sids': ['S-1-1-0']}, 'Sids') -> ['S-1-1-0']."""
    return [str(entry) for entry in field(found, name, list)]


def whole(written: str) -> int:
    """A whole number out of a text, of a length that a setting can have: whole('-1') -> -1."""
    if not re.fullmatch(r"-?[0-9]{1,20}", written):
        raise Unparsable(f"not a number: {written[:100]!r}")
    return int(written)


def word(names: dict[int, str], number: object) -> str:
    """The name of an enumeration's number; a number that nobody named stays visible: word({1: 'on'}, 7) -> '7'."""
    return names.get(number, str(number)) if type(number) is int else str(number)

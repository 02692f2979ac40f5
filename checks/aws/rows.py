"""What AWS calls bring back: one setting out of a row, and what was asked about a row held beside it."""

from __future__ import annotations

from collections.abc import Sequence

from scanner import Undetermined
from scanner.parse import Row

Setting = dict[str, str | int | float | bool | list[str] | None]
"""Subject -> a setting's value; None where AWS leaves it out, which it does for what is not configured."""


def settings(rows: Sequence[Row], key: str) -> Setting:
    """Subject -> the value at the dotted path `key`: 'MetadataOptions.HttpTokens' -> {'arn:…': 'required'}."""
    return {row.subject: value(row.item, key) for row in rows}


def value(item: object, key: str) -> str | int | float | bool | list[str] | None:
    """The scalar or list of texts at a dotted path, None where a part of it is missing; a mapping there is a text."""
    for word in key.split("."):
        item = item.get(word) if isinstance(item, dict) else None
    if isinstance(item, list):
        return [str(entry) for entry in item]
    return item if isinstance(item, str | int | float | bool | None) else str(item)


def one(rows: Sequence[Row]) -> Row:
    """The only row of a question about the account. None or several: Undetermined."""
    if len(rows) != 1:
        raise Undetermined(f"the account gave {len(rows)} answers where there is one")
    return rows[0]


def by_parent(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Subject of the first wave -> the rows that were asked about it."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.of, []).append(row)
    return found

"""Generic readers from text to values. Each returns, or raises ValueError/Unparsable; none guesses."""

from __future__ import annotations

import csv as _csv
import io
import json as _json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .errors import Unparsable


def lines(text: str, comment: str = "#") -> list[str]:
    """Non-empty lines without comments and surrounding space: 'a # x\\n\\n# y\\nb' -> ['a', 'b'].

    A comment sign inside a line counts only after white space, as in most configuration files.
    """
    found = []
    for line in text.splitlines():
        bare = line.strip()
        if comment:
            if bare.startswith(comment):
                continue
            bare = bare.split(f" {comment}", 1)[0].split(f"\t{comment}", 1)[0].rstrip()
        if bare:
            found.append(bare)
    return found


def key_values(text: str, separator: str = "=", comment: str = "#") -> dict[str, str]:
    """'a = 1\\n# x\\nb=2' -> {'a': '1', 'b': '2'}; the last of equal keys wins. Without separator: Unparsable."""
    pairs = {}
    for line in lines(text, comment):
        key, found, value = line.partition(separator)
        if not found:
            raise Unparsable(line[:200])
        pairs[key.strip()] = value.strip()
    return pairs


def ini(text: str, comments: str = "#;") -> dict[str, dict[str, list[str]]]:
    """'[a]\\nk=1\\nk=2' -> {'a': {'k': ['1', '2']}}: every value kept in order, so that the reader decides who wins."""
    sections: dict[str, dict[str, list[str]]] = {}
    current = ""
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare[0] in comments:
            continue
        if bare.startswith("[") and bare.endswith("]"):
            current = bare[1:-1].strip()
            sections.setdefault(current, {})
            continue
        key, found, value = bare.partition("=")
        if found:
            sections.setdefault(current, {}).setdefault(key.strip(), []).append(value.strip())
    return sections


def json(text: str) -> Any:
    """The JSON value. Nested too deep or not JSON: Unparsable."""
    try:
        return _json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unparsable(text[:200]) from error


def csv(text: str) -> list[dict[str, str]]:
    """A CSV with a header row -> one mapping per row. Rows longer or shorter than the header are unparsable."""
    rows = []
    for row in _csv.DictReader(io.StringIO(text)):
        if None in row or None in row.values():
            raise Unparsable(str(row)[:200])
        rows.append(dict(row))
    return rows


def table(text: str, columns: int, separator: str | None = None) -> Iterator[tuple[str, ...]]:
    """Lines split into exactly `columns` fields, the last one taking the rest: table('a b c', 2) -> ('a', 'b c')."""
    for line in text.splitlines():
        if not line.strip():
            continue
        fields = tuple(line.split(separator, columns - 1))
        if len(fields) != columns:
            raise Unparsable(line[:200])
        yield fields


Fields = TypeVar("Fields", bound=str | Sequence[str])


def every(rows: Iterable[Fields], fits: Callable[[Fields], object], joint: str = " ") -> list[Fields]:
    """The rows, of which each must fit: the first that does not is Unparsable, shown with `joint` between fields."""
    found = list(rows)
    for row in found:
        if not fits(row):
            raise Unparsable((row if isinstance(row, str) else joint.join(row))[:200])
    return found


def files(text: str) -> dict[str, str]:
    """The reply of a `files` probe -> {path: text}, in the order of the shell's sorted expansion."""
    found = json(text)
    if not isinstance(found, dict) or not all(isinstance(entry, str) for entry in found.values()):
        raise Unparsable(text[:200])
    return found


@dataclass(frozen=True, slots=True)
class Stat:
    """One path as stat(1) sees it, links followed. mode: permission bits with set-id and sticky."""

    mode: int
    uid: int
    gid: int
    user: str
    group: str
    type: str


def stats(text: str) -> dict[str, Stat | None]:
    """The reply of a `stat` probe -> {path: Stat, or None where it is proved not to exist}."""
    entries = json(text)
    if not isinstance(entries, dict):
        raise Unparsable(text[:200])
    found: dict[str, Stat | None] = {}
    for path, entry in entries.items():
        if entry is None:
            found[path] = None
            continue
        if not isinstance(entry, list):
            raise Unparsable(text[:200])
        mode, uid, gid, user, group, kind = map(str, entry)
        found[path] = Stat(int(mode, 8), int(uid), int(gid), user, group, kind)
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that an AWS call told of. subject: its name in findings: an ARN, or the region for a region's setting.

    item: the service's own words, or None where the service proved that nothing is configured.
    of: the subject of the row that it was asked about, "" in the first wave.
    """

    subject: str
    account: str
    region: str
    item: Any
    of: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """The item as a mapping, empty where nothing is configured. Another shape is Unparsable."""
        if self.item is None:
            return {}
        if not isinstance(self.item, dict):
            raise Unparsable(f"{self.subject}: {str(self.item)[:150]}")
        return self.item


def rows(text: str) -> list[Row]:
    """The reply of an `api` probe: '[{"subject": "arn:…", "account": "1", "region": "r", "item": {…}}]' -> [Row(…)]."""
    entries = json(text)
    if not isinstance(entries, list):
        raise Unparsable(text[:200])
    found = []
    for entry in entries:
        if not isinstance(entry, dict) or not {"subject", "account", "region", "item"} <= set(entry):
            raise Unparsable(str(entry)[:200])
        subject, account, region = (str(entry[key]) for key in ("subject", "account", "region"))
        found.append(Row(subject, account, region, entry["item"], str(entry.get("of", ""))))
    return found

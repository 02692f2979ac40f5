"""Findings of a whole run in little room: fleets repeat themselves, so what several assets say alike is held once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter, eq
from typing import Any, overload

from .model import Finding

_Row = tuple[Any, ...]
"""A finding without its asset."""
_row = attrgetter(*(name for name in Finding.__slots__ if name != "asset"))
MAX_ROWS = 200_000
"""So many different rows are known at a time; those beyond are held as well, and shared from then on only."""


class Held(Sequence[Finding]):
    """One asset's findings, each made anew whenever it is looked at: equal to what it was, and not the same object."""

    __slots__ = ("_asset", "_rows")

    def __init__(self, asset: str, rows: tuple[_Row, ...]) -> None:
        self._asset = asset
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Finding]:
        asset = self._asset
        return (Finding(asset, *row) for row in self._rows)

    @overload
    def __getitem__(self, at: int) -> Finding: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, at: int | slice) -> Finding | tuple[Finding, ...]:
        if isinstance(at, slice):
            return tuple(Finding(self._asset, *row) for row in self._rows[at])
        return Finding(self._asset, *self._rows[at])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Held | tuple):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class Alike:
    """The rows that are held so far: an asset that says the same as another takes no room but its name."""

    def __init__(self) -> None:
        self._known: dict[_Row, _Row] = {}

    def held(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """The findings, sharing rows with all before; as they are where they are of several assets, or none."""
        if len({finding.asset for finding in findings}) != 1:
            return findings
        if len(self._known) >= MAX_ROWS:
            self._known.clear()
        known = self._known
        rows = tuple(known.setdefault(row, row) for row in map(_row, findings))
        return Held(findings[0].asset, known.setdefault(rows, rows))

"""The list of runs, read from a register's file without SQLAlchemy: loading that takes longer than a list may take.

The words of the query are those of the register itself, for either kind of database.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

KNOWN = ("0001", "0002")
HEAD = KNOWN[-1]
"""The newest migration; a database beyond it was written by a newer program."""
EVERY = "1 = 1"
UNFINISHED = """runs.state <> 'complete' AND NOT EXISTS (
  SELECT 1 FROM runs AS later WHERE later.inventory_digest = runs.inventory_digest AND later.state = 'complete'
  AND later.started_at >= runs.started_at AND later.id <> runs.id)"""
"""Begun, not complete, and no later run of that inventory is."""
_ALL = 2**31
_QUERY = """
SELECT picked.id, picked.started_at, picked.state, picked.score,
  count(visits.asset), sum(visits.failed), sum(visits.unknown)
FROM (SELECT * FROM runs WHERE {which} ORDER BY started_at DESC, id DESC LIMIT :most) AS picked
LEFT OUTER JOIN visits ON visits.run = picked.id
GROUP BY picked.id, picked.started_at, picked.state, picked.score
ORDER BY picked.started_at DESC, picked.id DESC"""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a list. failed, unknown: findings. score: the organisation's, 0..100."""

    id: str
    started_at: datetime
    state: str
    assets: int
    failed: int
    unknown: int
    score: float


def query(which: str = EVERY, limit: int | None = None) -> tuple[str, dict[str, int]]:
    """The words that list runs, newest first, and their parameters. which: one of the conditions above."""
    return _QUERY.format(which=which), {"most": _ALL if limit is None else limit}


def summaries(rows: Iterable[Any]) -> list[RunSummary]:
    """What those words bring back."""
    return [
        RunSummary(id, datetime.fromisoformat(at), state, assets, failed or 0, unknown or 0, score)
        for id, at, state, score, assets, failed, unknown in rows
    ]


def runs_in_file(url: str, limit: int) -> list[RunSummary] | None:
    """The last runs of a register that is a file; None where it is none, or where opening it has more to say."""
    path = Path(url.removeprefix("sqlite:///")).expanduser()
    if "://" in str(path) or path.is_symlink() or not path.is_file():
        return None
    with contextlib.suppress(sqlite3.Error):
        opened = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(opened):
            if opened.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]:
                return summaries(opened.execute(*query(limit=limit)))
    return None

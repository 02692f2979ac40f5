"""The register: the lasting record of runs, risks and their history, in a SQLite file or a PostgreSQL database.

The only room that knows SQLAlchemy and Alembic. `open_register` is its door.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .chain import Event
    from .deciding import Answer, Decision
    from .listing import RunSummary
    from .recalling import RiskRecord
    from .remembering import history
    from .store import Register

__all__ = ["Answer", "Decision", "Event", "Register", "RiskRecord", "RunSummary", "history", "open_register"]

_PLACES = {
    "Answer": "deciding",
    "Decision": "deciding",
    "Event": "chain",
    "Register": "store",
    "RiskRecord": "recalling",
    "RunSummary": "listing",
    "history": "remembering",
}


def __getattr__(name: str) -> object:
    # loading SQLAlchemy takes longer than a list of runs may take
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def open_register(url: str) -> Register:
    """The register at a path or URL, made or upgraded where that is needed.

    Raises UsageError where it cannot be a register of ours, RegisterError where it cannot be read.
    """
    from .database import open_database
    from .store import Register

    return Register(open_database(url))

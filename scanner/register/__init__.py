"""The register: the lasting record of runs, risks and their history, in a SQLite file or a PostgreSQL database.

The only room that knows SQLAlchemy and Alembic. `open_register` is its door.
"""

from __future__ import annotations

from .chain import Event
from .database import open_database
from .deciding import Answer, Decision
from .recalling import RiskRecord, RunSummary
from .remembering import history
from .store import Register

__all__ = ["Answer", "Decision", "Event", "Register", "RiskRecord", "RunSummary", "history", "open_register"]


def open_register(url: str) -> Register:
    """The register at a path or URL, made or upgraded where that is needed.

    Raises UsageError where it cannot be a register of ours, RegisterError where it cannot be read.
    """
    return Register(open_database(url))

"""What a finished run leaves in the history: digests of all that was kept of it, so that altering it later shows.

The chain of events proves itself; this ties to it the run's own record, which says by which inventory, baselines, feeds
and tool it was judged, and every visit with its findings. A visit's own record holds the digest of its evidence, which
the host key that was shown is part of; `riskline replay` holds the answers to that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import sqlalchemy as sa

from . import chain, tables


def seal(connection: sa.Connection, run: str) -> None:
    """Add the run's digests to the history, in the transaction that finishes it."""
    said = json.dumps(digests(connection, run), sort_keys=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    chain.append(connection, [chain.Event(at, run, "", "", chain.SEALED, "scan", "all that was kept of the run", said)])


def digests(connection: sa.Connection, run: str) -> dict[str, str]:
    """'run' and 'visits' -> SHA-256, in hex, of what the tables hold; {} where there is no such run."""
    row = connection.execute(sa.select(tables.runs).where(tables.runs.c.id == run)).one_or_none()
    if row is None:
        return {}
    visits = tables.visits.c
    query = sa.select(visits.asset, visits.body, visits.findings).where(visits.run == run).order_by(visits.asset)
    whole = hashlib.sha256()
    for asset, body, findings in connection.execute(query.execution_options(yield_per=500)):
        for part in (asset.encode(), bytes(body), bytes(findings)):
            whole.update(hashlib.sha256(part).digest())
    head = hashlib.sha256(bytes(row.body) + bytes(row.controls)).hexdigest()
    return {"run": head, "visits": whole.hexdigest()}


def _read(details: str) -> Mapping[str, str]:
    """What a seal says; {} where it was altered beyond reading, so that nothing fits it."""
    try:
        said = json.loads(details)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def faults(connection: sa.Connection) -> Iterator[str]:
    """What of each finished run is no longer as it was sealed. Runs of earlier releases were not."""
    sealed: dict[str, Mapping[str, str]] = {}
    query = sa.select(tables.events).where(tables.events.c.change == chain.SEALED).order_by(tables.events.c.seq)
    for event in map(chain.event_of, connection.execute(query)):
        sealed[event.run] = _read(event.details)
    for run, said in sealed.items():
        now = digests(connection, run)
        if not now:
            yield f"run {run} is missing"
        for part, name in (("run", "the record of run"), ("visits", "the visits of run")):
            if now and now[part] != said.get(part):
                yield f"{name} {run}: not what was sealed"

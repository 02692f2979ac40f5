"""What a finished run leaves in the history: digests of all that was kept of it, so that altering it later shows.

What a visit found and answered is stored by its own digest, and what is listed of it is said twice: both are compared.

The chain of events proves itself; this ties to it the run's own record, which says by which inventory, baselines, feeds
and tool it was judged, and every visit with its findings. A visit's own record holds the digest of its evidence, which
the host key that was shown is part of; `riskline replay` holds the answers to that.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from . import chain, codec, lifecycle, tables
from .recalling import read_controls
from .recording import Controls, counts, instant, run_listed, standing_of

_MOST = 1000
"""So many faults of a kind are named."""


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
    """What is no longer as it was written: runs as they were sealed (those of earlier releases were not), stored values
    as their digests say, what is listed of runs and visits as these say themselves, risks as the last visit left them.
    """
    yield from _seal_faults(connection)
    bad = set(_altered(connection))
    yield from _content_faults(connection, bad)
    yield from _listed_faults(connection, bad)
    yield from _standing_faults(connection, bad)


def _seal_faults(connection: sa.Connection) -> Iterator[str]:
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


def _altered(connection: sa.Connection) -> Iterator[bytes]:
    """Digests of stored values that say something else now."""
    query = sa.select(tables.contents.c.digest, tables.contents.c.body).execution_options(yield_per=200)
    for digest, body in connection.execute(query):
        try:
            same = hashlib.sha256(zlib.decompress(body)).digest() == bytes(digest)
        except zlib.error:
            same = False
        if not same:
            yield bytes(digest)


def _content_faults(connection: sa.Connection, bad: set[bytes]) -> Iterator[str]:
    """Where stored values are used that are altered or missing."""
    visits, runs, digest = tables.visits.c, tables.runs.c, tables.contents.c.digest
    held = sa.select(digest)
    uses = (
        ("the controls of run {0}", sa.select(runs.id, runs.controls), runs.controls),
        ("what run {0} found on {1}", sa.select(visits.run, visits.asset, visits.findings), visits.findings),
        ("the answers of {1} in run {0}", sa.select(visits.run, visits.asset, visits.evidence), visits.evidence),
    )
    unused = set(bad)
    for words, query, column in uses:
        wrong = sa.and_(column.is_not(None), sa.or_(column.not_in(held), column.in_(sorted(bad)[:_MOST])))
        for *place, name in connection.execute(query.where(wrong).order_by(column).limit(_MOST)):
            unused.discard(bytes(name))
            yield f"{words.format(*place)}: {'not what was written' if bytes(name) in bad else 'missing'}"
    for name in sorted(unused)[:_MOST]:  # a large answer, which the stored evidence names
        yield f"the stored value {name.hex()[:12]}: not what was written"


def _listed_faults(connection: sa.Connection, bad: set[bytes]) -> Iterator[str]:
    """Runs and visits whose columns say something else than their own records do."""
    for row in connection.execute(sa.select(tables.runs).execution_options(yield_per=200)).mappings():
        try:
            wrong = [name for name, said in run_listed(codec.unpack(row["body"])["run"]).items() if row[name] != said]
        except KeyError:  # of an earlier release, which did not say all of it
            continue
        except (ValueError, TypeError, zlib.error):
            wrong = ["record"]
        for name in wrong:
            yield f"run {row['id']}: its {name} is not what was written"
    visits = tables.visits.c
    query = sa.select(visits.run, visits.asset, visits.findings, visits.failed, visits.unknown)
    counted: dict[bytes, dict[str, Any]] = {}
    for run, asset, name, *listed in connection.execute(
        query.order_by(visits.findings).execution_options(yield_per=500)
    ):
        if bytes(name) in bad:
            continue
        if bytes(name) not in counted:
            stored = connection.scalar(sa.select(tables.contents.c.body).where(tables.contents.c.digest == name))
            counted = {bytes(name): counts(codec.findings_of(asset, codec.unpack(stored))) if stored else {}}
        if (said := list(counted[bytes(name)].values())) and said != listed:
            yield f"what is counted of run {run} on {asset} is not what it found"


def _standing_faults(connection: sa.Connection, bad: set[bytes]) -> Iterator[str]:
    """Open risks that are not what the last visit of their asset says of them: held against it, nothing is new."""
    assets, visits, body = tables.assets.c, tables.visits.c, tables.contents.c.body
    last = sa.and_(visits.asset == assets.id, visits.run == assets.run)
    query = (
        sa.select(assets.id, assets.judged_at, assets.applied, visits.run, visits.body, visits.findings, body)
        .join_from(tables.assets, tables.visits, last, isouter=True)
        .join(tables.contents, tables.contents.c.digest == visits.findings, isouter=True)
        .where(assets.judged_at.is_not(None))
        .order_by(visits.run, assets.id)
    )
    controls: dict[str, Controls] = {}
    for asset, at, applied, run, said, name, stored in connection.execute(query.execution_options(yield_per=100)):
        if run is None or stored is None:
            yield f"the last visit of {asset} is missing"
            continue
        try:
            if run not in controls:
                controls = {run: read_controls(connection, run)[1]}
            found = codec.unpack(stored)
            every = {**controls[run], **codec.controls_of(found, controls[run])}
            visited = codec.unpack(said)["visited"]
            service, collected = visited["asset"]["service"], visited["collected_at"]
            late = collected is not None and instant(datetime.fromisoformat(collected)) != at
        except (ValueError, TypeError, LookupError, zlib.error):
            continue  # told already, by its digest
        if bytes(name) in bad:
            continue
        if late:
            yield f"{asset} was judged at {at}, but its last visit says {collected}"
        now = lifecycle.changes(standing_of(connection, asset), codec.findings_of(asset, found), service, every)
        places = [one.place for one in (*now.stale, *now.seen)] + [one.place for one, _ in now.other]
        places += [step.place for step in now.steps if applied]  # an asset that was retired may be found again
        for control, subject in places[:_MOST]:
            risk = lifecycle.fingerprint(asset, control, subject)
            yield f"risk {risk[:12]} is not as the last visit of {asset} left it"

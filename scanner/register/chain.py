"""The hash chain: each event's hash covers the event and the hash before it, so nothing can be changed unseen.

Whoever can write to the database could write the whole chain anew; that is seen by a head that was printed earlier, in
a report for instance, and is no longer part of the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import tables
from .lifecycle import fingerprint

START = bytes(32)
_encode = json.JSONEncoder(separators=(",", ":")).encode
_STATE_AFTER = {"opened": "open", "reopened": "open", "fixed": "fixed", "retired": "retired"}
_MAY_FOLLOW = {None: {"opened"}, "open": {"fixed", "retired"}, "fixed": {"reopened"}, "retired": {"reopened"}}
_DECIDED = {"assigned", "treated", "accepted", "renewed", "noted"}
"""What people do to a risk that is known; its state stays what it is."""
GATED = "gated"
"""The answer to a change; it is about no single risk."""
SEALED = "sealed"
"""A run has ended, and these are the digests of what was kept of it; it is about no single risk."""
_OF_NO_RISK = {GATED, SEALED}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a risk. at: ISO 8601. who: "scan", or a person's name.

    details: what a person decided, as JSON of texts; "" for what a scan found.
    """

    at: str
    run: str
    asset: str
    fingerprint: str
    change: str
    who: str
    why: str
    details: str = ""

    def hash_after(self, seq: int, before: bytes) -> bytes:
        """SHA-256 over the hash before, the number and every field."""
        said = [seq, self.at, self.run, self.asset, self.fingerprint, self.change, self.who, self.why]
        # an event without details keeps the hash that it had before there were any
        said += [self.details] if self.details else []
        return hashlib.sha256(before + _encode(said).encode("ascii")).digest()


def append(connection: sa.Connection, new: Sequence[Event]) -> None:
    """Add events at the end. Writers wait for each other at the chain's one row until their transaction ends."""
    if not new:
        return
    seq, head = connection.execute(sa.select(tables.chain.c.seq, tables.chain.c.hash).with_for_update()).one()
    rows = []
    for seq, one in enumerate(new, seq + 1):  # noqa: B020 - counts on from the head
        head = one.hash_after(seq, head)
        rows.append({"seq": seq, **_fields(one), "hash": head})
    connection.execute(tables.events.insert(), rows)
    connection.execute(tables.chain.update().values(seq=rows[-1]["seq"], hash=head))


def _fields(one: Event) -> dict[str, str]:
    return {name: getattr(one, name) for name in Event.__slots__}


def events(connection: sa.Connection, asset: str | None = None) -> Iterator[tuple[int, Event, bytes]]:
    """Number, event and hash, oldest first; of one asset or of all."""
    query = sa.select(tables.events).order_by(tables.events.c.seq).execution_options(yield_per=5000)
    if asset is not None:
        query = query.where(tables.events.c.asset == asset)
    for row in connection.execute(query):
        yield row.seq, event_of(row), bytes(row.hash)


def event_of(row: sa.Row[Any]) -> Event:
    """A row of the table as an event."""
    return Event(row.at, row.run, row.asset, row.fingerprint, row.change, row.who, row.why, row.details)


def faults(connection: sa.Connection, known_head: bytes | None = None) -> list[str]:
    """What is wrong with the chain, or with the risks that it tells of; an empty list where all is as it was written.

    known_head: a head that was printed earlier and must be part of the chain.
    """
    found: list[str] = []
    states: dict[str, _Told] = {}
    known: dict[str, str] = {}  # each instant and run once: a visit's events have them alike
    head, last, met = START, 0, known_head in {None, START}
    for seq, event, stored in events(connection):
        if seq != last + 1:
            found.append(f"events {last + 1} to {seq - 1} are missing")
        elif event.hash_after(seq, head) != stored:
            found.append(f"event {seq} is not what was written")
        if not _may_follow(event, states):
            found.append(f"event {seq} ({event.change}) cannot follow what was before it")
        if event.change not in _DECIDED | _OF_NO_RISK:
            at, run = known.setdefault(event.at, event.at), known.setdefault(event.run, event.run)
            states[event.fingerprint] = _after(states.get(event.fingerprint), event.change, at, run)
        head, last, met = stored, seq, met or stored == known_head
    end = connection.execute(sa.select(tables.chain.c.seq, tables.chain.c.hash)).one_or_none()
    if end is None or (end.seq, bytes(end.hash)) != (last, head):
        found.append("the end of the chain is missing")
    if not met:
        found.append("the head that was noted earlier is not part of the chain")
    risks = connection.execute(sa.select(tables.risks).execution_options(yield_per=5000)).mappings()
    return found + list(_risk_faults(states, risks))


class _Told(NamedTuple):
    """What the events say of one risk, as its row should."""

    state: str
    opened_at: str
    opened_run: str
    changed_at: str
    reopened: int


def _after(before: _Told | None, change: str, at: str, run: str) -> _Told:
    state = _STATE_AFTER.get(change, "?")
    if before is None:
        return _Told(state, at, run, at, 0)
    return before._replace(state=state, changed_at=at, reopened=before.reopened + (change == "reopened"))


def _may_follow(event: Event, states: Mapping[str, _Told]) -> bool:
    told = states.get(event.fingerprint)
    before = told.state if told else None
    if event.change in _OF_NO_RISK:
        return event.fingerprint == ""
    if event.change in _DECIDED:
        return before is not None and (event.change != "accepted" or before == "open")
    return event.change in _MAY_FOLLOW.get(before, set())


def _risk_faults(states: dict[str, _Told], risks: Iterable[sa.RowMapping]) -> Iterator[str]:
    for row in risks:
        name = f"risk {row['fingerprint'][:12]}"
        if row["fingerprint"] != fingerprint(row["asset"], row["control"], row["subject"]):
            yield f"{name} is not about what it was about"
        told = states.pop(row["fingerprint"], None)
        if told is None or told.state != row["state"]:
            yield f"{name} is {row['state']}, but its events say {told.state if told else 'nothing'}"
            continue
        for column, said in zip(_Told._fields[1:], told[1:], strict=True):
            if row[column] != said:
                yield f"{name}: {column} is {row[column]}, but its events say {said}"
    for lost in states:
        yield f"risk {lost[:12]} has events and is missing itself"

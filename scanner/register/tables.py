"""The register's tables, as the newest migration leaves them. Instants are ISO 8601 text in UTC, so that they sort."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

from .listing import HEAD, KNOWN

__all__ = ["HEAD", "KNOWN"]

metadata = MetaData()

contents = Table(  # every large value once, by the SHA-256 of what it says
    "contents",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("started_at", Text, nullable=False, index=True),
    Column("finished_at", Text),
    Column("state", Text, nullable=False),
    Column("inventory_digest", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("controls", LargeBinary, ForeignKey("contents.digest"), nullable=False),
    Column("body", LargeBinary, nullable=False),
)
visits = Table(
    "visits",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("findings", LargeBinary, ForeignKey("contents.digest"), nullable=False),
    Column("evidence", LargeBinary, ForeignKey("contents.digest")),
    Column("failed", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Index("ix_visits_asset", "asset"),
)
assets = Table(  # where each asset stands; the row that a writer of that asset locks
    "assets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text),
    Column("judged_at", Text),
    Column("applied", LargeBinary),
)
risks = Table(
    "risks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("asset", Text, ForeignKey("assets.id"), nullable=False),
    Column("control", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("weakness", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("opened_run", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("reopened", Integer, nullable=False),
    Column("stale_since", Text),
    # hashes lie anywhere in an index: one by place keeps the pages that a visit writes together
    UniqueConstraint("asset", "control", "subject", name="uq_risks_place"),
)
events = Table(  # append only; `hash` covers the event and the hash before it
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("asset", Text, nullable=False, index=True),
    Column("fingerprint", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("details", Text, nullable=False, server_default=""),
)
chain = Table(  # one row: the last event's number and hash; the row that every writer of events locks
    "chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

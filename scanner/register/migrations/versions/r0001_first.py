"""The first tables: runs with their visits, risks with their life, events in a hash chain."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "contents",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("inventory_digest", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("controls", sa.LargeBinary, sa.ForeignKey("contents.digest"), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_table(
        "visits",
        sa.Column("run", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("asset", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("findings", sa.LargeBinary, sa.ForeignKey("contents.digest"), nullable=False),
        sa.Column("evidence", sa.LargeBinary, sa.ForeignKey("contents.digest")),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("unknown", sa.Integer, nullable=False),
    )
    op.create_index("ix_visits_asset", "visits", ["asset"])
    op.create_table(
        "assets",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("run", sa.Text),
        sa.Column("judged_at", sa.Text),
        sa.Column("applied", sa.LargeBinary),
    )
    op.create_table(
        "risks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("asset", sa.Text, sa.ForeignKey("assets.id"), nullable=False),
        sa.Column("control", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("baseline", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("weakness", sa.Float, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Text, nullable=False),
        sa.Column("opened_run", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("stale_since", sa.Text),
        sa.UniqueConstraint("asset", "control", "subject", name="uq_risks_place"),
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_events_asset", "events", ["asset"])
    chain = op.create_table(
        "chain",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.bulk_insert(chain, [{"id": 1, "seq": 0, "hash": bytes(32)}])

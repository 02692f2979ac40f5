"""What people decide is an event too: its particulars, in JSON, beside the reason."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("events", sa.Column("details", sa.Text, nullable=False, server_default=""))

"""Alembic's way in: the connection, with its transaction, comes from database.upgrade."""

from __future__ import annotations

from alembic import context

from scanner.register.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

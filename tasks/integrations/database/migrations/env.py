"""Alembic's entry: runs on the connection `Database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from tasks.integrations.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

"""Alembic's entry: runs on the connection `Database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from tasks.integrations.database import erasure_schema
from tasks.integrations.database.schema import metadata

__all__ = ["erasure_schema"]  # imported so that its tables are in the metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

"""Alembic's entry: runs on the connection `Database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from tasks.integrations.database import arms_schema, erasure_schema, registry_schema
from tasks.integrations.database.schema import metadata

__all__ = ["arms_schema", "erasure_schema", "registry_schema"]  # imported so that their tables are in the metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

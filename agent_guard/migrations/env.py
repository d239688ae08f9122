"""Run by Alembic: migrations use the connection, and the transaction, of whoever called them."""

from alembic import context

import agent_guard.schema  # noqa: F401 - puts the tables into metadata
from agent_guard.store import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # the caller's transaction holds all of it; SQLite's DDL is transactional there
    render_as_batch=True,
)
context.run_migrations()

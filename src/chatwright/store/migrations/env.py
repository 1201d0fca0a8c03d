"""What Alembic runs: the migrations that are missing, in the transaction that `open_store` has begun."""

from __future__ import annotations

from alembic import context

from chatwright.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can hardly change a table; Alembic copies it instead
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

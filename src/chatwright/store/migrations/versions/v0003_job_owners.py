"""Which server looks after a job, on which machine, when that was last heard of; and whether a job is settled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("owner", sa.Text(), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("host", sa.Text(), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True))
    # What they took is in the usage already: it must not be entered again.
    op.execute(
        "UPDATE jobs SET settled_at = COALESCE(finished_at, created_at) WHERE state IN ('done', 'failed', 'stopped')"
    )


def downgrade() -> None:
    for column in ("settled_at", "seen_at", "host", "owner"):
        op.drop_column("jobs", column)

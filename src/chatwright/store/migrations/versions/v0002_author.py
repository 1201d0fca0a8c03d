"""Whose words were judged: what is made of them goes when they go, even after their chat is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("feedback", sa.Column("author_id", identity, nullable=True))
    op.create_index("ix_feedback_author_id", "feedback", ["author_id"])
    op.execute(
        "UPDATE feedback SET author_id = (SELECT author_id FROM tasks WHERE tasks.id = feedback.task_id) "
        "WHERE task_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_feedback_author_id", "feedback")
    op.drop_column("feedback", "author_id")

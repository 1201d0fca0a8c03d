"""How well compared models may know each prompt, and how many pairs gave nothing to choose from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("comparisons", sa.Column("left_out", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("comparison_pairs", sa.Column("known_as", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("comparison_pairs", "known_as")
    op.drop_column("comparisons", "left_out")

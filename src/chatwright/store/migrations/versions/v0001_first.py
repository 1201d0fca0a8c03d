"""The first tables: people, access, chats, labelling, feedback, jobs and comparisons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# As they were when this was written: what `store/columns.py` says later must not change the past.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    _people()
    _access()
    _chats()
    _labelling()
    _feedback()
    _running()
    _comparing()


def downgrade() -> None:
    for table in (
        "comparison_votes",
        "comparison_pairs",
        "comparisons",
        "promotions",
        "jobs",
        "trained_on",
        "feedback",
        "assignments",
        "tasks",
        "messages",
        "chats",
        "usage",
        "keys",
        "settings",
        "login_attempts",
        "invites",
        "sessions",
        "people",
    ):
        op.drop_table(table)


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", identity, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("preferences", sa.JSON(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("disabled_at", moment(), nullable=True),
        sa.CheckConstraint("role IN ('admin', 'labeler', 'chatter')", name=op.f("ck_people_role")),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("name_folded", name="uq_people_name_folded"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("id", identity, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", identity, nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("seen_at", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_sessions_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sessions_person_id", "sessions", ["person_id"], unique=False)
    op.create_table(
        "invites",
        sa.Column("id", identity, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("is_first", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_by", identity, nullable=True),
        sa.Column("used_by", identity, nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=False),
        sa.Column("used_at", moment(), nullable=True),
        sa.Column("revoked_at", moment(), nullable=True),
        sa.CheckConstraint("role IN ('admin', 'labeler', 'chatter')", name=op.f("ck_invites_role")),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name="fk_invites_created_by", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["used_by"], ["people.id"], name="fk_invites_used_by", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_invites"),
        sa.UniqueConstraint("token_hash", name="uq_invites_token_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_invites_created_by", "invites", ["created_by"], unique=False)
    op.create_index("ix_invites_used_by", "invites", ["used_by"], unique=False)
    op.create_table(
        "login_attempts",
        sa.Column("id", identity, nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_login_attempts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_login_attempts_address", "login_attempts", ["address", "at"], unique=False)
    op.create_index("ix_login_attempts_name", "login_attempts", ["name_folded", "at"], unique=False)
    op.create_table(
        "settings",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
        sqlite_autoincrement=True,
    )


def _access() -> None:
    op.create_table(
        "keys",
        sa.Column("id", identity, nullable=False),
        sa.Column("handle", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("person_id", identity, nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("last_used_at", moment(), nullable=True),
        sa.Column("revoked_at", moment(), nullable=True),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("quota_tokens", sa.BigInteger(), nullable=True),
        sa.Column("quota_period", sa.Text(), server_default="total", nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.CheckConstraint("quota_period IN ('total', 'month')", name=op.f("ck_keys_quota_period")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_keys_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("handle", name="uq_keys_handle"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_keys_person_id", "keys", ["person_id"], unique=False)
    op.create_table(
        "usage",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key_id", identity, server_default="0", autoincrement=False, nullable=False),
        sa.Column("person_id", identity, server_default="0", autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("requests", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_cached", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("energy_estimated_j", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("cost", sa.Float(precision=53), server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('use', 'training')", name=op.f("ck_usage_kind")),
        sa.PrimaryKeyConstraint("day", "kind", "key_id", "person_id", "model", name="pk_usage"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_usage_key_id", "usage", ["key_id", "day"], unique=False)
    op.create_index("ix_usage_person_id", "usage", ["person_id", "day"], unique=False)


def _chats() -> None:
    op.create_table(
        "chats",
        sa.Column("id", identity, nullable=False),
        sa.Column("person_id", identity, nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("title_folded", sa.Text(), server_default="", nullable=False),
        sa.Column("system", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("sampling", sa.JSON(), nullable=False),
        sa.Column("tip_id", identity, nullable=True),
        sa.Column("consent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("changed_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_chats_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_chats"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chats_changed_at", "chats", ["changed_at"], unique=False)
    op.create_index("ix_chats_person_id", "chats", ["person_id", "changed_at"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", identity, nullable=False),
        sa.Column("chat_id", identity, nullable=False),
        sa.Column("parent_id", identity, nullable=True),
        sa.Column("submission", sa.String(length=64), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_folded", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("settings", sa.JSON(), nullable=True),
        sa.Column("finish_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.CheckConstraint("role IN ('user', 'assistant')", name=op.f("ck_messages_role")),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name="fk_messages_chat_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["messages.id"], name="fk_messages_parent_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("chat_id", "submission", name="uq_messages_chat_id_submission"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_chat_id", "messages", ["chat_id"], unique=False)
    op.create_index("ix_messages_parent_id", "messages", ["parent_id"], unique=False)


def _labelling() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", identity, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("category", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("gold", sa.JSON(), nullable=True),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("overlap", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("priority", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("author_id", identity, nullable=True),
        sa.Column("chat_id", identity, nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'closed')", name=op.f("ck_tasks_state")),
        sa.ForeignKeyConstraint(["author_id"], ["people.id"], name="fk_tasks_author_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name="fk_tasks_chat_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        sa.UniqueConstraint("digest", name="uq_tasks_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tasks_author_id", "tasks", ["author_id"], unique=False)
    op.create_index("ix_tasks_chat_id", "tasks", ["chat_id"], unique=False)
    op.create_index("ix_tasks_state", "tasks", ["state", "kind", "priority", "id"], unique=False)
    op.create_table(
        "assignments",
        sa.Column("id", identity, nullable=False),
        sa.Column("task_id", identity, nullable=False),
        sa.Column("person_id", identity, nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("order", sa.JSON(), nullable=False),
        sa.Column("draft", sa.JSON(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("leased_at", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=False),
        sa.Column("done_at", moment(), nullable=True),
        sa.Column("feedback_id", identity, nullable=True),
        sa.CheckConstraint("state IN ('held', 'done', 'skipped', 'expired')", name=op.f("ck_assignments_state")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_assignments_person_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_assignments_task_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_assignments"),
        sa.UniqueConstraint("task_id", "person_id", name="uq_assignments_task_id_person_id"),
        sa.UniqueConstraint("task_id", "slot", name="uq_assignments_task_id_slot"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_assignments_person_id", "assignments", ["person_id", "state"], unique=False)
    op.create_index("ix_assignments_state", "assignments", ["state", "expires_at"], unique=False)


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", identity, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("person_id", identity, nullable=True),
        sa.Column("labeler", sa.Text(), server_default="", nullable=False),
        sa.Column("role", sa.Text(), server_default="", nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("chat_id", identity, nullable=True),
        sa.Column("message_id", identity, nullable=True),
        sa.Column("task_id", identity, nullable=True),
        sa.Column("consent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("category", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(precision=53), nullable=True),
        sa.Column("submission", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("decided_at", moment(), nullable=True),
        sa.Column("decided_by", identity, nullable=True),
        sa.CheckConstraint("origin IN ('chat', 'task', 'import')", name=op.f("ck_feedback_origin")),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'rejected', 'removed')", name=op.f("ck_feedback_state")),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name="fk_feedback_chat_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_feedback_message_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_feedback_person_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_feedback_task_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.UniqueConstraint("digest", name="uq_feedback_digest"),
        sa.UniqueConstraint("person_id", "submission", name="uq_feedback_person_id_submission"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feedback_chat_id", "feedback", ["chat_id"], unique=False)
    op.create_index("ix_feedback_message_id", "feedback", ["message_id"], unique=False)
    op.create_index("ix_feedback_person_id", "feedback", ["person_id", "created_at"], unique=False)
    op.create_index("ix_feedback_state", "feedback", ["state", "kind"], unique=False)
    op.create_index("ix_feedback_task_id", "feedback", ["task_id"], unique=False)
    op.create_table(
        "trained_on",
        sa.Column("feedback_id", identity, nullable=False),
        sa.Column("run", sa.String(length=500), nullable=False),
        sa.Column("at", moment(), nullable=False),
        sa.ForeignKeyConstraint(["feedback_id"], ["feedback.id"], name="fk_trained_on_feedback_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("feedback_id", "run", name="pk_trained_on"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_trained_on_run", "trained_on", ["run"], unique=False)


def _running() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", identity, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("folder", sa.Text(), server_default="", nullable=False),
        sa.Column("log", sa.Text(), server_default="", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("submission", sa.String(length=64), nullable=True),
        sa.Column("pid", sa.BigInteger(), nullable=True),
        sa.Column("requested_by", identity, nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("started_at", moment(), nullable=True),
        sa.Column("finished_at", moment(), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'stopped')", name=op.f("ck_jobs_state")),
        sa.ForeignKeyConstraint(["requested_by"], ["people.id"], name="fk_jobs_requested_by", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("submission", name="uq_jobs_submission"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_requested_by", "jobs", ["requested_by"], unique=False)
    op.create_index("ix_jobs_state", "jobs", ["state", "id"], unique=False)
    op.create_table(
        "promotions",
        sa.Column("id", identity, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("promoted_by", identity, nullable=True),
        sa.Column("promoted_at", moment(), nullable=False),
        sa.Column("rolled_back_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(["promoted_by"], ["people.id"], name="fk_promotions_promoted_by", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_promotions_model", "promotions", ["model", "id"], unique=False)
    op.create_index("ix_promotions_promoted_by", "promotions", ["promoted_by"], unique=False)


def _comparing() -> None:
    op.create_table(
        "comparisons",
        sa.Column("id", identity, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_a", sa.Text(), nullable=False),
        sa.Column("model_b", sa.Text(), nullable=False),
        sa.Column("created_by", identity, nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("closed_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name="fk_comparisons_created_by", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_comparisons"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_comparisons_created_by", "comparisons", ["created_by"], unique=False)
    op.create_table(
        "comparison_pairs",
        sa.Column("id", identity, nullable=False),
        sa.Column("comparison_id", identity, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("prompt", sa.JSON(), nullable=False),
        sa.Column("answer_a", sa.Text(), nullable=False),
        sa.Column("answer_b", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], name="fk_comparison_pairs_comparison_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_comparison_pairs"),
        sa.UniqueConstraint("comparison_id", "digest", name="uq_comparison_pairs_comparison_id_digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "comparison_votes",
        sa.Column("id", identity, nullable=False),
        sa.Column("pair_id", identity, nullable=False),
        sa.Column("person_id", identity, nullable=False),
        sa.Column("left", sa.Text(), nullable=False),
        sa.Column("winner", sa.Text(), nullable=True),
        sa.Column("shown_at", moment(), nullable=False),
        sa.Column("voted_at", moment(), nullable=True),
        sa.CheckConstraint("winner IN ('a', 'b', 'tie', 'both_bad')", name=op.f("ck_comparison_votes_winner")),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["comparison_pairs.id"], name="fk_comparison_votes_pair_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_comparison_votes_person_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_comparison_votes"),
        sa.UniqueConstraint("pair_id", "person_id", name="uq_comparison_votes_pair_id_person_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_comparison_votes_person_id", "comparison_votes", ["person_id"], unique=False)

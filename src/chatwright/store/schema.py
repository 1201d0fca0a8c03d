"""The tables. One row per message, per judgement, per key and day: nothing is kept as one growing blob.

    people      people  sessions  invites  login_attempts  settings
    access      keys  usage
    chats       chats  messages (a tree: every message names its parent)
    feedback    feedback  trained_on (which runs have learned from which row)
    labelling   tasks  assignments (who holds or has done a task: the lease)
    running     jobs  promotions  comparisons  comparison_pairs  comparison_votes

Numbers that were given away once are never given again (`sqlite_autoincrement`), so that what was trained on a row
that is gone cannot be mistaken for something newer. A change here needs a migration beside it; a test compares both.
"""

from __future__ import annotations

import sqlalchemy as sa

from chatwright.store.columns import Identity, Json, Moment, Text

# Constraints have names, so that later migrations can change them on SQLite too.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *items: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *items, sqlite_autoincrement=True)


def _id() -> sa.Column[int]:
    return sa.Column("id", Identity, primary_key=True)


def _to(name: str, table: str, *, ondelete: str, nullable: bool = False, index: bool = True) -> sa.Column[int]:
    """A reference to a row of another table."""
    target = sa.ForeignKey(f"{table}.id", ondelete=ondelete)
    return sa.Column(name, Identity, target, nullable=nullable, index=index)


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=nullable, server_default=default)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, Moment, nullable=nullable)


def _number(name: str, *, nullable: bool = False, default: int | None = None) -> sa.Column[int]:
    given = None if default is None else str(default)
    return sa.Column(name, sa.BigInteger, nullable=nullable, server_default=given)


def _flag(name: str, *, default: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.true() if default else sa.false())


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, Json, nullable=nullable)


# -- people --------------------------------------------------------------------------------------------------------

people = _table(
    "people",
    _id(),
    _text("name"),
    sa.Column("name_folded", Text, nullable=False, unique=True),
    _text("password_hash", nullable=True),  # None: cannot log in, such as the simulated labeler
    _text("role"),
    _text("language", default="en"),
    _json("preferences"),
    _moment("created_at"),
    _moment("disabled_at", nullable=True),
    sa.CheckConstraint("role IN ('admin', 'labeler', 'chatter')", name="role"),
)

sessions = _table(
    "sessions",
    _id(),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    _to("person_id", "people", ondelete="CASCADE"),
    _moment("created_at"),
    _moment("seen_at"),
    _moment("expires_at"),
)

invites = _table(
    "invites",
    _id(),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    _text("role"),
    _text("note", default=""),
    _flag("is_first"),  # the link that `serve` prints, which makes the first admin
    _to("created_by", "people", ondelete="SET NULL", nullable=True),
    _to("used_by", "people", ondelete="SET NULL", nullable=True),
    _moment("created_at"),
    _moment("expires_at"),
    _moment("used_at", nullable=True),
    _moment("revoked_at", nullable=True),
    sa.CheckConstraint("role IN ('admin', 'labeler', 'chatter')", name="role"),
)

login_attempts = _table(
    "login_attempts",
    _id(),
    _text("name_folded"),
    _text("address"),
    _moment("at"),
    sa.Index("ix_login_attempts_name", "name_folded", "at"),
    sa.Index("ix_login_attempts_address", "address", "at"),
)

settings = _table("settings", sa.Column("name", sa.String(100), primary_key=True), _json("value", nullable=True))

# -- access --------------------------------------------------------------------------------------------------------

keys = _table(
    "keys",
    _id(),
    sa.Column("handle", sa.String(16), nullable=False, unique=True),  # the part of a key that may be shown
    sa.Column("secret_hash", sa.String(64), nullable=False),
    _text("name"),
    _to("person_id", "people", ondelete="CASCADE", nullable=True),
    _moment("created_at"),
    _moment("last_used_at", nullable=True),
    _moment("revoked_at", nullable=True),
    _number("requests_per_minute", nullable=True),
    _number("quota_tokens", nullable=True),
    _text("quota_period", default="total"),
    _json("models"),  # empty: all
    sa.CheckConstraint("quota_period IN ('total', 'month')", name="quota_period"),
)

# Sums stay when a key or person goes, so key and person are plain numbers here; 0: without one.
usage = _table(
    "usage",
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("key_id", Identity, primary_key=True, autoincrement=False, server_default="0"),
    sa.Column("person_id", Identity, primary_key=True, autoincrement=False, server_default="0"),
    sa.Column("model", sa.String(200), primary_key=True),
    _number("requests", default=0),
    _number("tokens_in", default=0),
    _number("tokens_out", default=0),
    _number("tokens_cached", default=0),
    sa.Column("seconds", sa.Float(53), nullable=False, server_default="0"),
    sa.Column("energy_estimated_j", sa.Float(53), nullable=False, server_default="0"),
    sa.Column("cost", sa.Float(53), nullable=False, server_default="0"),
    sa.CheckConstraint("kind IN ('use', 'training')", name="kind"),
    sa.Index("ix_usage_key_id", "key_id", "day"),
    sa.Index("ix_usage_person_id", "person_id", "day"),
)

# -- chats ---------------------------------------------------------------------------------------------------------

chats = _table(
    "chats",
    _id(),
    _to("person_id", "people", ondelete="CASCADE", index=False),
    _text("title", default=""),
    _text("title_folded", default=""),
    _text("system", default=""),
    _text("model", default=""),
    _json("sampling"),
    sa.Column("tip_id", Identity, nullable=True),  # the message at the end of the branch that is open
    _flag("consent"),  # may be trained on
    _flag("shared"),  # admins may read it
    _moment("created_at"),
    _moment("changed_at"),
    sa.Index("ix_chats_person_id", "person_id", "changed_at"),
    sa.Index("ix_chats_changed_at", "changed_at"),
)

messages = _table(
    "messages",
    _id(),
    _to("chat_id", "chats", ondelete="CASCADE"),
    _to("parent_id", "messages", ondelete="CASCADE", nullable=True),
    sa.Column("submission", sa.String(64), nullable=True),
    _text("role"),
    _text("content"),
    _text("content_folded"),
    _text("model", default=""),
    _json("settings", nullable=True),  # how it was sampled: temperature, seed, ...
    _text("finish_reason", default=""),
    _number("tokens", nullable=True),
    _moment("created_at"),
    sa.UniqueConstraint("chat_id", "submission"),
    sa.CheckConstraint("role IN ('user', 'assistant')", name="role"),
)

# -- feedback ------------------------------------------------------------------------------------------------------

feedback = _table(
    "feedback",
    _id(),
    _text("kind"),
    _text("state"),
    _to("person_id", "people", ondelete="SET NULL", nullable=True, index=False),
    _text("labeler", default=""),  # who judged, as exported: a number, or the name in an imported file
    _text("role", default=""),
    _text("origin"),
    _to("chat_id", "chats", ondelete="SET NULL", nullable=True),
    _to("message_id", "messages", ondelete="SET NULL", nullable=True),
    _to("task_id", "tasks", ondelete="SET NULL", nullable=True),
    # Whose words were judged, if not one's own. SQLite adds no reference to a table that others refer to.
    sa.Column("author_id", Identity, nullable=True, index=True),
    _flag("consent"),
    _flag("simulated"),
    _text("category", default=""),
    _text("model", default=""),
    sa.Column("score", sa.Float(53), nullable=True),  # thumb: 1 or -1; chat good or bad: 1 or -1; rating: 1 to 7
    _json("content"),
    sa.Column("seconds", sa.Float(53), nullable=True),  # time on task
    sa.Column("submission", sa.String(64), nullable=True),
    sa.Column("digest", sa.String(64), nullable=True),  # of an imported row: a file read twice adds nothing
    _moment("created_at"),
    _moment("decided_at", nullable=True),
    sa.Column("decided_by", Identity, nullable=True),
    sa.UniqueConstraint("person_id", "submission"),
    sa.UniqueConstraint("digest"),
    sa.CheckConstraint("state IN ('waiting', 'approved', 'rejected', 'removed')", name="state"),
    sa.CheckConstraint("origin IN ('chat', 'task', 'import')", name="origin"),
    sa.Index("ix_feedback_person_id", "person_id", "created_at"),
    sa.Index("ix_feedback_state", "state", "kind"),
)

# What becomes of a row that is removed: it stays, empty, so that the runs that learned from it remain known, and so
# that a submission which arrives once more does not bring it back.
REMOVED: dict[str, object] = {
    "state": "removed",
    "content": {},
    "labeler": "",
    "category": "",
    "score": None,
    "author_id": None,
}

trained_on = _table(
    "trained_on",
    sa.Column("feedback_id", Identity, sa.ForeignKey("feedback.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("run", sa.String(500), primary_key=True),
    _moment("at"),
    sa.Index("ix_trained_on_run", "run"),
)

# -- labelling -----------------------------------------------------------------------------------------------------

tasks = _table(
    "tasks",
    _id(),
    _text("kind"),
    _text("state", default="open"),
    _text("category", default=""),
    _json("content"),
    _json("gold", nullable=True),  # the known answer, where there is one
    _text("source", default=""),
    _number("overlap", default=1),
    _number("done", default=0),
    _number("priority", default=0),
    _to("author_id", "people", ondelete="SET NULL", nullable=True),
    _to("chat_id", "chats", ondelete="CASCADE", nullable=True),  # a chat that is deleted takes its tasks along
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    _moment("created_at"),
    sa.CheckConstraint("state IN ('open', 'closed')", name="state"),
    sa.Index("ix_tasks_state", "state", "kind", "priority", "id"),
)

# A task has `overlap` slots. The unique (task_id, slot) is the promise that no two people hold one lease.
assignments = _table(
    "assignments",
    _id(),
    _to("task_id", "tasks", ondelete="CASCADE", index=False),
    _to("person_id", "people", ondelete="CASCADE", index=False),
    _number("slot", nullable=True),
    _text("state"),
    _json("order"),
    _json("draft", nullable=True),
    _text("reason", default=""),
    _moment("leased_at"),
    _moment("expires_at"),
    _moment("done_at", nullable=True),
    sa.Column("feedback_id", Identity, nullable=True),
    sa.UniqueConstraint("task_id", "person_id"),
    sa.UniqueConstraint("task_id", "slot"),
    sa.CheckConstraint("state IN ('held', 'done', 'skipped', 'expired')", name="state"),
    sa.Index("ix_assignments_person_id", "person_id", "state"),
    sa.Index("ix_assignments_state", "state", "expires_at"),
)

# -- running -------------------------------------------------------------------------------------------------------

jobs = _table(
    "jobs",
    _id(),
    _text("kind"),
    _text("state"),
    _json("settings"),
    _text("folder", default=""),
    _text("log", default=""),
    _text("error", default=""),
    sa.Column("submission", sa.String(64), nullable=True, unique=True),
    _number("pid", nullable=True),
    _text("owner", default=""),  # the server that looks after it; empty: nobody does
    _text("host", default=""),  # where its process runs: a number of a process means nothing elsewhere
    _to("requested_by", "people", ondelete="SET NULL", nullable=True),
    _moment("created_at"),
    _moment("started_at", nullable=True),
    _moment("finished_at", nullable=True),
    _moment("seen_at", nullable=True),  # the owner's last sign of life
    _moment("settled_at", nullable=True),  # its process is over, and what it took is in the usage
    sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'stopped')", name="state"),
    sa.Index("ix_jobs_state", "state", "id"),
)

promotions = _table(
    "promotions",
    _id(),
    _text("model"),
    _text("folder"),
    _text("note", default=""),
    _to("promoted_by", "people", ondelete="SET NULL", nullable=True),
    _moment("promoted_at"),
    _moment("rolled_back_at", nullable=True),
    sa.Index("ix_promotions_model", "model", "id"),
)

comparisons = _table(
    "comparisons",
    _id(),
    _text("name"),
    _text("model_a"),
    _text("model_b"),
    _number("left_out", default=0),  # pairs that gave nothing to choose from
    _to("created_by", "people", ondelete="SET NULL", nullable=True),
    _moment("created_at"),
    _moment("closed_at", nullable=True),
)

comparison_pairs = _table(
    "comparison_pairs",
    _id(),
    _to("comparison_id", "comparisons", ondelete="CASCADE", index=False),
    sa.Column("digest", sa.String(64), nullable=False),
    _json("prompt"),
    _text("answer_a"),
    _text("answer_b"),
    _text("known_as", default=""),  # how well the models may know the prompt; empty: nobody has looked
    sa.UniqueConstraint("comparison_id", "digest"),
)

comparison_votes = _table(
    "comparison_votes",
    _id(),
    _to("pair_id", "comparison_pairs", ondelete="CASCADE", index=False),
    _to("person_id", "people", ondelete="CASCADE"),
    _text("left"),  # which answer was shown on the left: a or b
    _text("winner", nullable=True),  # None: shown, not yet judged
    _moment("shown_at"),
    _moment("voted_at", nullable=True),
    sa.UniqueConstraint("pair_id", "person_id"),
    sa.CheckConstraint("winner IN ('a', 'b', 'tie', 'both_bad')", name="winner"),
)

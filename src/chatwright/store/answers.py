"""Answers of models while they are given: begun as an empty message, completed once, counted by day and model.

In: the id of a message that `store.chats.say` has added with the finish_reason `WRITING`.  Out: the whole message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from chatwright.store.columns import folded
from chatwright.store.database import Database
from chatwright.store.schema import messages

OPENING = 200  # characters of an answer that tell whether it declines: who does so does at once
WRITING = "writing"  # the finish_reason of an answer that a model is still giving; `complete` ends that


@dataclass(frozen=True)
class AnswerFacts:
    """What is counted of an answer."""

    created_at: datetime
    model: str
    finish_reason: str
    score: float | None
    """By a reward model, if somebody asked for it."""
    declined: bool
    """What `since` was told to look for."""


class Answers:
    """`store.answers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def complete(self, message_id: int, content: str, *, finish_reason: str, tokens: int | None = None) -> bool:
        """What an answer said, once only; False: its chat is gone, or it was completed before."""
        values = {
            "content": content,
            "content_folded": folded(content),
            "finish_reason": finish_reason,
            "tokens": tokens,
        }
        begun = (messages.c.id == message_id) & (messages.c.finish_reason == WRITING)
        with self._database.writing() as connection:
            return bool(connection.execute(messages.update().where(begun).values(values)).rowcount)

    def note(self, message_id: int, **facts: Any) -> None:
        """Add facts to the settings of an answer, such as the score that a reward model gave it."""
        with self._database.writing() as connection:
            row = connection.execute(sa.select(messages.c.settings).where(messages.c.id == message_id)).one_or_none()
            if row is not None:
                values = {"settings": {**(row.settings or {}), **facts}}
                connection.execute(messages.update().where(messages.c.id == message_id).values(values))

    def since(self, moment: datetime, declines: Callable[[str], bool]) -> list[AnswerFacts]:
        """When and by which model answers were given, how they ended, their scores, and whether their openings decline;
        not a word of them."""
        wanted = sa.select(
            messages.c.created_at,
            messages.c.model,
            messages.c.finish_reason,
            messages.c.settings,
            sa.func.substr(messages.c.content, 1, OPENING).label("opening"),
        )
        by_model = (messages.c.role == "assistant") & (messages.c.model != "")  # not what a person made of it
        wanted = wanted.where(by_model, messages.c.created_at >= moment).order_by(messages.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return [
            AnswerFacts(
                row.created_at,
                row.model,
                row.finish_reason,
                (row.settings or {}).get("score"),
                declines(row.opening),
            )
            for row in rows
        ]

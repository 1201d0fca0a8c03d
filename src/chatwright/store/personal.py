"""Personal data: everything that the store knows of somebody, to take along or to delete.

In: a person.  Out: one JSON object; or nothing of them any more, and the runs that had learned from what they wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from chatwright.errors import NotFoundError
from chatwright.store.chats import Chat, ChatMessage, delete_chats
from chatwright.store.database import Database
from chatwright.store.feedback import FeedbackRow, read_rows, runs_of
from chatwright.store.people import require_other_admin
from chatwright.store.schema import (
    REMOVED,
    assignments,
    chats,
    comparison_votes,
    feedback,
    keys,
    login_attempts,
    messages,
    people,
    sessions,
    tasks,
    trained_on,
    usage,
)
from chatwright.store.transcript import chat_as_dict


@dataclass(frozen=True)
class Deletion:
    """What was deleted with a person; `runs` had learned from it and want training again."""

    chats: int
    feedback: int
    runs: tuple[str, ...]


class PersonalData:
    """`store.personal`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def trained_runs(self, person_id: int) -> list[str]:
        """The runs that have learned from what this person wrote or judged, also in chats of theirs."""
        with self._database.reading() as connection:
            return sorted(runs_of(connection, trained_on.c.feedback_id.in_(_rows_about(person_id))))

    def export(self, person_id: int) -> dict[str, Any]:
        """All that is stored of a person, as JSON; no hashes, no words of other people's chats, no names of models that
        they judged blindly.
        """
        with self._database.reading() as connection:
            person = connection.execute(sa.select(people).where(people.c.id == person_id)).one_or_none()
            if person is None:
                raise NotFoundError(f"there is no person {person_id}")
            own_chats = connection.execute(
                sa.select(chats).where(chats.c.person_id == person_id).order_by(chats.c.id)
            ).all()
            said = connection.execute(
                sa.select(messages)
                .join(chats, chats.c.id == messages.c.chat_id)
                .where(chats.c.person_id == person_id)
                .order_by(messages.c.id)
            ).all()
            rows = read_rows(connection, feedback.c.person_id == person_id)
            known = {
                table.name: _plain(connection.execute(sa.select(table).where(table.c.person_id == person_id)))
                for table in (keys, sessions, assignments, comparison_votes, usage)
            }
        trees: dict[int, list[ChatMessage]] = {}
        for row in said:
            message = ChatMessage(**{name: getattr(row, name) for name in ChatMessage.__dataclass_fields__})
            trees.setdefault(message.chat_id, []).append(message)
        return {
            "person": _plain_row(person),
            "chats": [
                chat_as_dict(
                    Chat(**{name: getattr(row, name) for name in Chat.__dataclass_fields__}), trees.get(row.id, [])
                )
                for row in own_chats
            ],
            "feedback": [_json_ready(_blind(row) | {"trained_on": list(row.trained_on)}) for row in rows],
            **known,
        }

    def delete(self, person_id: int) -> Deletion:
        """Delete a person: account, chats, keys, sessions, drafts; what they judged is emptied.

        Usage stays as sums under a number that means nothing any more. Raises ConflictError for the only admin.
        """
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, "admins")
            person = connection.execute(sa.select(people).where(people.c.id == person_id)).one_or_none()
            if person is None:
                raise NotFoundError(f"there is no person {person_id}")
            if person.role == "admin":
                require_other_admin(connection, person_id)
            rows = _rows_about(person_id)
            runs = runs_of(connection, trained_on.c.feedback_id.in_(rows))
            still_there = feedback.c.id.in_(rows) & (feedback.c.state != "removed")
            count = connection.execute(feedback.update().where(still_there).values(REMOVED)).rowcount
            # What others judged in this person's chats are this person's words: `_rows_about` holds them too.
            connection.execute(tasks.delete().where(tasks.c.author_id == person_id))
            gone = delete_chats(connection, chats.c.person_id == person_id)
            connection.execute(login_attempts.delete().where(login_attempts.c.name_folded == person.name_folded))
            connection.execute(people.delete().where(people.c.id == person_id))
        return Deletion(gone, count, tuple(sorted(runs)))


def _rows_about(person_id: int) -> sa.Select[tuple[int]]:
    """Feedback by a person, on their words, in their chats, or on tasks made of their words."""
    own_chats = sa.select(chats.c.id).where(chats.c.person_id == person_id)
    own_tasks = sa.select(tasks.c.id).where(tasks.c.author_id == person_id)
    return sa.select(feedback.c.id).where(
        (feedback.c.person_id == person_id)
        | (feedback.c.author_id == person_id)
        | feedback.c.chat_id.in_(own_chats)
        | feedback.c.task_id.in_(own_tasks)
    )


def _blind(row: FeedbackRow) -> dict[str, Any]:
    """A row as whoever judged it may see it: a labeler who knew the models would not be blind the next time."""
    if row.origin != "task":
        return dict(vars(row))
    return vars(row) | {"model": "", "content": {name: row.content[name] for name in row.content if name != "models"}}


def _plain(rows: sa.CursorResult[Any]) -> list[dict[str, Any]]:
    return [_plain_row(row) for row in rows]


def _plain_row(row: sa.Row[Any]) -> dict[str, Any]:
    hidden = ("password_hash", "secret_hash", "token_hash", "name_folded", "slot", "order")
    return _json_ready({name: value for name, value in row._asdict().items() if name not in hidden})


def _json_ready(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in columns.items()}

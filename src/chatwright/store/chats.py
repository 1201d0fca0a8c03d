"""Chats: trees of messages. Another answer, or an edited question, is a sibling; nothing that was said is overwritten.

In: whose chat, what was said after which message.  Out: chats, the open branch, what was found. Every call names the
person, and finds only that person's chats; admins see a chat only if its owner has shared it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from chatwright.errors import ConflictError, InputError, NotFoundError
from chatwright.store.columns import folded, pattern_of
from chatwright.store.database import Database
from chatwright.store.schema import REMOVED, chats, feedback, messages, tasks

LONGEST = 200_000  # characters of a message or system prompt
_TITLE = 80  # characters of a title that is made from the first question


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A chat without its messages."""

    id: int
    person_id: int
    title: str
    system: str
    model: str
    sampling: Mapping[str, Any] = field(default_factory=dict)
    tip_id: int | None
    """The message at the end of the branch that is open; None: nothing was said."""
    consent: bool
    """Whether its owner lets it be trained on."""
    shared: bool
    """Whether its owner lets admins read it."""
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    """One node of the tree. Messages with the same parent are alternatives."""

    id: int
    chat_id: int
    parent_id: int | None
    role: str
    content: str
    model: str
    settings: Mapping[str, Any] | None
    finish_reason: str
    tokens: int | None
    created_at: datetime


@dataclass(frozen=True)
class Found:
    """A chat in which all words of a search stand, and where: the first message, or None for the title."""

    chat: Chat
    message_id: int | None
    excerpt: str


class Chats:
    """`store.chats`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- chats --

    def start(
        self,
        person_id: int,
        *,
        title: str = "",
        system: str = "",
        model: str = "",
        sampling: Mapping[str, Any] | None = None,
        consent: bool = False,
    ) -> Chat:
        """An empty chat. Without a title it is named after the first question."""
        now = self._database.now()
        row = {
            "person_id": person_id,
            **_titled(title),
            "system": _checked(system, "the system prompt"),
            "model": model,
            "sampling": dict(sampling or {}),
            "consent": consent,
            "created_at": now,
            "changed_at": now,
        }
        with self._database.writing() as connection:
            return _chat(connection.execute(chats.insert().values(row).returning(chats)).one())

    def get(self, person_id: int, chat_id: int, *, as_admin: bool = False) -> Chat:
        """Raises NotFoundError unless it is this person's; `as_admin`: or its owner shares it."""
        with self._database.reading() as connection:
            return _chat(row_of_chat(connection, person_id, chat_id, as_admin=as_admin))

    def all(self, person_id: int, *, limit: int = 50, before: Chat | None = None) -> list[Chat]:
        """A person's chats, the one changed last first; `before`: go on after this one."""
        wanted = sa.select(chats).where(chats.c.person_id == person_id)
        if before is not None:
            place = sa.tuple_(chats.c.changed_at, chats.c.id)
            wanted = wanted.where(place < sa.tuple_(sa.literal(before.changed_at, chats.c.changed_at.type), before.id))
        wanted = wanted.order_by(chats.c.changed_at.desc(), chats.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_chat(row) for row in connection.execute(wanted)]

    def shared(self, *, limit: int = 50) -> list[Chat]:
        """Chats whose owners let admins read them, the one changed last first."""
        wanted = sa.select(chats).where(chats.c.shared).order_by(chats.c.changed_at.desc(), chats.c.id.desc())
        with self._database.reading() as connection:
            return [_chat(row) for row in connection.execute(wanted.limit(limit))]

    def change(
        self,
        person_id: int,
        chat_id: int,
        *,
        title: str | None = None,
        system: str | None = None,
        model: str | None = None,
        sampling: Mapping[str, Any] | None = None,
        consent: bool | None = None,
        shared: bool | None = None,
        tip_id: int | None = None,
    ) -> Chat:
        """Change what is given. `tip_id` opens the branch through that message, down to its newest end."""
        values: dict[str, Any] = {"model": model, "sampling": sampling, "consent": consent, "shared": shared}
        values = {name: value for name, value in values.items() if value is not None}
        if title is not None:
            values |= _titled(title)
        if system is not None:
            values["system"] = _checked(system, "the system prompt")
        with self._database.writing() as connection:
            row_of_chat(connection, person_id, chat_id)
            if tip_id is not None:
                values["tip_id"] = _newest_end(_tree(connection, chat_id), tip_id)
            if values:
                connection.execute(chats.update().where(chats.c.id == chat_id).values(values))
            if consent is not None:  # what was judged in the chat follows its owner's change of mind
                connection.execute(feedback.update().where(feedback.c.chat_id == chat_id).values(consent=consent))
            if consent is False:  # and nobody else goes on reading it
                connection.execute(tasks.delete().where(tasks.c.chat_id == chat_id))
            return _chat(row_of_chat(connection, person_id, chat_id))

    def delete(self, person_id: int, chat_id: int) -> None:
        """Delete a chat with its messages and tasks, and what was judged in it without consent to train on it."""
        with self._database.writing() as connection:
            row_of_chat(connection, person_id, chat_id)
            delete_chats(connection, chats.c.id == chat_id)

    def purge(self, before: datetime) -> int:
        """Delete all chats that were last changed before then, as `delete` does; the number of them."""
        with self._database.writing() as connection:
            return delete_chats(connection, chats.c.changed_at < before)

    # -- messages --

    def say(
        self,
        person_id: int,
        chat_id: int,
        role: str,
        content: str,
        *,
        parent_id: int | None = None,
        submission: str | None = None,
        model: str = "",
        settings: Mapping[str, Any] | None = None,
        finish_reason: str = "",
        tokens: int | None = None,
        opens: bool = True,
    ) -> ChatMessage:
        """Add a message under its parent (None: at the beginning) and, if it `opens`, open its branch.

        The same `submission` again changes nothing and gives the message of the first time. Roles alternate: a user's
        message answers an assistant's, or begins. Raises InputError if they do not, NotFoundError for a strange parent.
        """
        _checked(content, "a message")
        now = self._database.now()
        row = {
            "chat_id": chat_id,
            "parent_id": parent_id,
            "submission": submission,
            "role": role,
            "content": content,
            "content_folded": folded(content),
            "model": model,
            "settings": settings,
            "finish_reason": finish_reason,
            "tokens": tokens,
            "created_at": now,
        }
        with self._database.writing() as connection:
            chat = row_of_chat(connection, person_id, chat_id)
            _check_turn(connection, chat_id, role, parent_id)
            insert = self._database.insert(messages).values(row)
            insert = insert.on_conflict_do_nothing(index_elements=["chat_id", "submission"])
            added = connection.execute(insert.returning(messages)).one_or_none()
            if added is None:
                return _same_as_before(connection, row)
            changed: dict[str, Any] = {"changed_at": now, **({"tip_id": added.id} if opens else {})}
            if not chat.title and role == "user":
                changed |= _titled(" ".join(content.split())[:_TITLE])
            connection.execute(chats.update().where(chats.c.id == chat_id).values(changed))
        return _message(added)

    def chat_of(self, person_id: int, message_id: int) -> int:
        """The chat that a message belongs to. Raises NotFoundError unless it is this person's."""
        mine = sa.select(messages.c.chat_id).join(chats, chats.c.id == messages.c.chat_id)
        with self._database.reading() as connection:
            found = connection.execute(
                mine.where(messages.c.id == message_id, chats.c.person_id == person_id)
            ).one_or_none()
        if found is None:
            raise NotFoundError(f"there is no message {message_id}")
        return int(found.chat_id)

    def messages(self, person_id: int, chat_id: int, *, as_admin: bool = False) -> list[ChatMessage]:
        """The whole tree, oldest message first."""
        with self._database.reading() as connection:
            row_of_chat(connection, person_id, chat_id, as_admin=as_admin)
            return _tree(connection, chat_id)

    def branch(
        self, person_id: int, chat_id: int, *, tip_id: int | None = None, as_admin: bool = False
    ) -> list[ChatMessage]:
        """The messages from the first to `tip_id` (by default the open end)."""
        with self._database.reading() as connection:
            chat = row_of_chat(connection, person_id, chat_id, as_admin=as_admin)
            return branch_of(_tree(connection, chat_id), tip_id or chat.tip_id)

    def search(self, person_id: int, words: str, *, limit: int = 50) -> list[Found]:
        """A person's chats in which one message, or the title, holds all the words, the one changed last first.

        Blind to case in every language; a word is found inside longer words too.
        """
        patterns = [pattern_of(word) for word in folded(words[:500]).split()[:20]]
        if not patterns:
            return []
        said = [messages.c.content_folded.like(pattern, escape="\\") for pattern in patterns]
        titled = [chats.c.title_folded.like(pattern, escape="\\") for pattern in patterns]
        first = (
            sa.select(messages.c.chat_id, sa.func.min(messages.c.id).label("message_id"))
            .join(chats, chats.c.id == messages.c.chat_id)
            .where(chats.c.person_id == person_id, *said)
            .group_by(messages.c.chat_id)
            .subquery()
        )
        wanted = (
            sa.select(chats, first.c.message_id, messages.c.content)
            .outerjoin(first, first.c.chat_id == chats.c.id)
            .outerjoin(messages, messages.c.id == first.c.message_id)
            .where(chats.c.person_id == person_id, first.c.message_id.is_not(None) | sa.and_(*titled))
            .order_by(chats.c.changed_at.desc(), chats.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return [Found(_chat(row), row.message_id, _excerpt(row.content or row.title, words)) for row in rows]

    def consented(self, *, since: datetime | None = None) -> list[tuple[Chat, list[ChatMessage]]]:
        """Chats that may be trained on, with their open branches, oldest first; two queries however many there are."""
        may = chats.c.consent & chats.c.tip_id.is_not(None)
        if since is not None:
            may = may & (chats.c.changed_at >= since)
        said = sa.select(messages).join(chats, chats.c.id == messages.c.chat_id).where(may).order_by(messages.c.id)
        with self._database.reading() as connection:
            found = [_chat(row) for row in connection.execute(sa.select(chats).where(may).order_by(chats.c.id))]
            trees: dict[int, list[ChatMessage]] = {chat.id: [] for chat in found}
            for row in connection.execute(said):
                trees.setdefault(row.chat_id, []).append(_message(row))
        return [(chat, branch_of(trees[chat.id], chat.tip_id)) for chat in found]


def branch_of(tree: Sequence[ChatMessage], tip_id: int | None) -> list[ChatMessage]:
    """The way from the first message of a tree to one of its messages. Raises NotFoundError if that is elsewhere."""
    if tip_id is None:
        return []
    by_id = {message.id: message for message in tree}
    if tip_id not in by_id:
        raise NotFoundError(f"there is no message {tip_id} in this chat")
    way, at = [], by_id.get(tip_id)
    while at is not None:
        way.append(at)
        at = by_id.get(at.parent_id) if at.parent_id is not None else None
    return way[::-1]


def row_of_chat(connection: sa.Connection, person_id: int, chat_id: int, *, as_admin: bool = False) -> sa.Row[Any]:
    """Raises NotFoundError also for chats of others: nobody can find out that they exist."""
    may_see = chats.c.person_id == person_id
    if as_admin:
        may_see = may_see | chats.c.shared
    row = connection.execute(sa.select(chats).where(chats.c.id == chat_id, may_see)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no chat {chat_id}")
    return row


def _check_turn(connection: sa.Connection, chat_id: int, role: str, parent_id: int | None) -> None:
    if role not in ("user", "assistant"):
        raise InputError(
            f"a message's role is {role!r}; it must be user or assistant (the chat holds the system prompt)"
        )
    if parent_id is None:
        if role != "user":
            raise InputError("a chat begins with a message of the user")
        return
    same_chat = (messages.c.id == parent_id) & (messages.c.chat_id == chat_id)
    parent = connection.execute(sa.select(messages.c.role).where(same_chat)).one_or_none()
    if parent is None:
        raise NotFoundError(f"there is no message {parent_id} in this chat")
    if parent.role == role:
        raise InputError(f"two messages of the {role} in a row; user and assistant alternate")


def _same_as_before(connection: sa.Connection, row: Mapping[str, Any]) -> ChatMessage:
    """The message that was sent under this submission before; another content under it is a mistake."""
    same = (messages.c.chat_id == row["chat_id"]) & (messages.c.submission == row["submission"])
    known = _message(connection.execute(sa.select(messages).where(same)).one())
    if (known.role, known.content, known.parent_id) != (row["role"], row["content"], row["parent_id"]):
        raise ConflictError(f"the submission {row['submission']!r} was used for another message of this chat")
    return known


def _tree(connection: sa.Connection, chat_id: int) -> list[ChatMessage]:
    rows = connection.execute(sa.select(messages).where(messages.c.chat_id == chat_id).order_by(messages.c.id))
    return [_message(row) for row in rows]


def _newest_end(tree: Sequence[ChatMessage], message_id: int) -> int:
    """From a message down through the newest children to one without."""
    if all(message.id != message_id for message in tree):
        raise NotFoundError(f"there is no message {message_id} in this chat")
    newest = {message.parent_id: message.id for message in tree}  # ids rise, so the last one wins
    while message_id in newest:
        message_id = newest[message_id]
    return message_id


def delete_chats(connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    """Delete chats with their messages and tasks, and empty what was judged in them without consent; how many."""
    judged_there = feedback.c.chat_id.in_(sa.select(chats.c.id).where(which))
    connection.execute(feedback.update().where(judged_there & ~feedback.c.consent).values(REMOVED))
    # Not left to the references: in which order PostgreSQL follows them is chance, and a row that this transaction has
    # changed must not name a message that is gone before its chat.
    connection.execute(feedback.update().where(judged_there).values(chat_id=None, message_id=None))
    return connection.execute(chats.delete().where(which)).rowcount


def _titled(title: str) -> dict[str, str]:
    if len(title) > 200:
        raise InputError("a title has at most 200 characters", code="title_too_long")
    return {"title": title.strip(), "title_folded": folded(title)}


def _checked(text: str, what: str) -> str:
    if len(text) > LONGEST:
        raise InputError(f"{what} has {len(text):,} characters; at most {LONGEST:,} are kept", code="text_too_long")
    return text


def _excerpt(text: str, words: str) -> str:
    """Some 120 characters around the first word that was searched for."""
    word = folded(words).split()[0]
    at = max(0, text.casefold().find(word))
    start, end = max(0, at - 40), at + 80
    return f"{'…' if start else ''}{' '.join(text[start:end].split())}{'…' if end < len(text) else ''}"


def _chat(row: Any) -> Chat:
    return Chat(**{name: getattr(row, name) for name in Chat.__dataclass_fields__})


def _message(row: Any) -> ChatMessage:
    return ChatMessage(**{name: getattr(row, name) for name in ChatMessage.__dataclass_fields__})

"""Judging in a chat: a thumb, the draft that was taken, the whole chat good or bad.

In: a person, one of their chats, and a message in it.  Out: rows of feedback that hold what was judged, word for word,
so that they outlive the chat. What is not consented to is counted, and never trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from chatwright.errors import InputError, NotFoundError
from chatwright.store.chats import Chat, ChatMessage, Chats, branch_of
from chatwright.store.database import Database
from chatwright.store.feedback import FeedbackRow, NewRow, add_row, read_rows
from chatwright.store.schema import REMOVED, feedback

DRAFTS = range(2, 5)
LONGEST_COMMENT, MOST_REASONS = 2000, 10


class Judging:
    """`store.judging`."""

    def __init__(self, database: Database, chats: Chats) -> None:
        self._database = database
        self._chats = chats

    def thumb(
        self,
        person_id: int,
        chat_id: int,
        message_id: int,
        *,
        up: bool,
        reasons: Sequence[str] = (),
        comment: str = "",
        consent: bool | None = None,
        submission: str | None = None,
    ) -> FeedbackRow:
        """Judge an answer. One thumb per person and answer: a later one takes the place of the earlier.

        `consent`: this exchange may be trained on; None: as the chat says.
        """
        chat, tree = self._chat(person_id, chat_id)
        answer = _answer(tree, message_id)
        content = {
            "prompt": prompt_of(chat, tree, answer),
            "answer": answer.content,
            "up": up,
            "reasons": _reasons(reasons),
            "comment": _comment(comment),
        }
        row = NewRow(
            kind="thumb",
            origin="chat",
            content=content,
            model=answer.model,
            score=1.0 if up else -1.0,
            consent=chat.consent if consent is None else consent,
            chat_id=chat_id,
            message_id=message_id,
        )
        return self._replace(person_id, row, feedback.c.message_id == message_id, submission)

    def take_back_thumb(self, person_id: int, message_id: int) -> None:
        """Remove a thumb. Raises NotFoundError if there is none."""
        mine = self._live(person_id, "thumb", feedback.c.message_id == message_id)
        with self._database.writing() as connection:
            if connection.execute(feedback.update().where(mine).values(REMOVED)).rowcount == 0:
                raise NotFoundError(f"there is no thumb at message {message_id}")

    def thumbs(self, person_id: int, chat_id: int) -> dict[int, FeedbackRow]:
        """This person's thumbs in a chat, by the message that they stand at."""
        with self._database.reading() as connection:
            rows = read_rows(connection, self._live(person_id, "thumb", feedback.c.chat_id == chat_id))
        return {row.message_id: row for row in rows if row.message_id is not None}

    def ratings(self, person_id: int, chat_ids: Sequence[int]) -> dict[int, bool]:
        """Which of these chats this person has rated good (True) or bad."""
        mine = self._live(person_id, "chat_rating", feedback.c.chat_id.in_(chat_ids))
        wanted = sa.select(feedback.c.chat_id, feedback.c.score).where(mine).order_by(feedback.c.id)
        with self._database.reading() as connection:
            return {chat_id: score > 0 for chat_id, score in connection.execute(wanted)}

    def take_back_rating(self, person_id: int, chat_id: int) -> None:
        """Remove what this person said of the whole chat, if they did."""
        mine = self._live(person_id, "chat_rating", feedback.c.chat_id == chat_id)
        with self._database.writing() as connection:
            connection.execute(feedback.update().where(mine).values(REMOVED))

    def rate_chat(
        self,
        person_id: int,
        chat_id: int,
        *,
        good: bool,
        comment: str = "",
        consent: bool | None = None,
        submission: str | None = None,
    ) -> FeedbackRow:
        """Judge the open branch as a whole; good ones are demonstrations. A later judgement replaces an earlier."""
        chat, tree = self._chat(person_id, chat_id)
        branch = branch_of(tree, chat.tip_id)
        while branch and branch[-1].role != "assistant":
            branch.pop()
        if not branch:
            raise InputError("there is no answer in this chat that could be rated", code="nothing_to_rate")
        row = NewRow(
            kind="chat_rating",
            origin="chat",
            content={"messages": _as_messages(chat, branch), "good": good, "comment": _comment(comment)},
            model=branch[-1].model,
            score=1.0 if good else -1.0,
            consent=chat.consent if consent is None else consent,
            chat_id=chat_id,
        )
        return self._replace(person_id, row, feedback.c.chat_id == chat_id, submission)

    def choose(
        self,
        person_id: int,
        chat_id: int,
        chosen_id: int,
        among: Sequence[int],
        *,
        consent: bool | None = None,
        submission: str | None = None,
    ) -> FeedbackRow:
        """Take one of 2 to 4 drafts, which stand under the same question; opens it. The others are ranked below it."""
        chat, tree = self._chat(person_id, chat_id)
        drafts = [_answer(tree, message_id) for message_id in dict.fromkeys(among)]
        if len(drafts) not in DRAFTS or chosen_id not in among or len({draft.parent_id for draft in drafts}) != 1:
            raise InputError("choose one of 2 to 4 answers to the same question")
        chosen = next(draft for draft in drafts if draft.id == chosen_id)
        content = {
            "prompt": prompt_of(chat, tree, drafts[0]),
            "answers": [draft.content for draft in drafts],
            "ranks": [
                1 if draft.content == chosen.content else 2 for draft in drafts
            ],  # one text is not better than itself
            "models": [draft.model for draft in drafts],
        }
        row = NewRow(
            kind="choice",
            origin="chat",
            content=content,
            model=chosen.model,
            consent=chat.consent if consent is None else consent,
            chat_id=chat_id,
            message_id=chosen_id,
        )
        same_question = feedback.c.message_id.in_([draft.id for draft in drafts])
        added = self._replace(person_id, row, same_question, submission)
        self._chats.change(person_id, chat_id, tip_id=chosen_id)
        return added

    def _replace(
        self, person_id: int, row: NewRow, where: sa.ColumnElement[bool], submission: str | None
    ) -> FeedbackRow:
        """Store a judgement and remove the one it takes the place of, in one transaction."""
        with self._database.writing() as connection:
            added = add_row(self._database, connection, person_id, row, submission=submission)
            earlier = self._live(person_id, row.kind, where) & (feedback.c.id < added.id)
            connection.execute(feedback.update().where(earlier).values(REMOVED))
        return added

    def _live(self, person_id: int, kind: str, where: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        mine = (feedback.c.person_id == person_id) & (feedback.c.kind == kind) & where
        return mine & (feedback.c.state != "removed")

    def _chat(self, person_id: int, chat_id: int) -> tuple[Chat, list[ChatMessage]]:
        return self._chats.get(person_id, chat_id), self._chats.messages(person_id, chat_id)


def prompt_of(chat: Chat, tree: Sequence[ChatMessage], answer: ChatMessage) -> list[dict[str, str]]:
    """What an answer of a chat was given to: the system prompt and the messages before it."""
    return _as_messages(chat, branch_of(tree, answer.parent_id))


def _as_messages(chat: Chat, branch: Sequence[ChatMessage]) -> list[dict[str, str]]:
    system = [{"role": "system", "content": chat.system}] if chat.system else []
    return system + [{"role": message.role, "content": message.content} for message in branch]


def _answer(tree: Sequence[ChatMessage], message_id: int) -> ChatMessage:
    message = next((message for message in tree if message.id == message_id), None)
    if message is None:
        raise NotFoundError(f"there is no message {message_id} in this chat")
    if message.role != "assistant":
        raise InputError(f"message {message_id} is the user's own; only answers can be judged")
    return message


def _reasons(reasons: Sequence[str]) -> list[str]:
    if len(reasons) > MOST_REASONS or any(not 0 < len(reason) <= 100 for reason in reasons):
        raise InputError(
            f"give at most {MOST_REASONS} reasons of 1 to 100 characters; longer ones are comments",
            code="too_many_reasons",
        )
    return list(dict.fromkeys(reasons))


def _comment(comment: str) -> str:
    if len(comment) > LONGEST_COMMENT:
        raise InputError(f"a comment has at most {LONGEST_COMMENT:,} characters", code="comment_too_long")
    return comment.strip()

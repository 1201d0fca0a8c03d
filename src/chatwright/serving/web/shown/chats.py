"""Chats as `/api/v1` shows them: trees of messages, with what their owner thinks of the answers."""

from __future__ import annotations

from typing import Literal

from chatwright.serving.web.shown.plain import Shown

__all__ = ["Chat", "ChatList", "ChatRating", "Context", "Message", "MessageFeedback", "Score"]


class MessageFeedback(Shown):
    thumb: Literal["up", "down"] | None
    reasons: list[str]
    comment: str
    consent: bool
    """This exchange may be trained on."""


class Message(Shown):
    """`parent` is the message that this one follows; null for the first of a branch."""

    id: str
    parent: str | None
    role: Literal["user", "assistant"]
    content: str
    model: str | None
    finish_reason: str | None
    created_at: str
    feedback: MessageFeedback | None


class ChatSummary(Shown):
    id: str
    title: str
    model: str | None
    rating: Literal["good", "bad"] | None
    created_at: str
    updated_at: str


class Chat(ChatSummary):
    """A chat with all its branches; `tip` is the last message of the open one."""

    system: str
    tip: str | None
    consent: bool
    """It may be trained on."""
    shared: bool
    """Admins may read it."""
    messages: list[Message]


class ChatList(Shown):
    chats: list[ChatSummary]
    more: bool


class ChatRating(Shown):
    rating: Literal["good", "bad"] | None


class Score(Shown):
    """Of an answer, by the reward model of that name."""

    score: float
    model: str


class Context(Shown):
    """How the next prompt fills a model's context, in tokens; `room` is for the answer, 0 where nothing fits."""

    system: int
    history: int
    """All but the system prompt, with the marks between the turns."""
    room: int
    window: int
    turns_dropped: int
    """The oldest messages, which the model does not read."""

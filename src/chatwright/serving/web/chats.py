"""Chats: history, messages, branches, what people think of answers. Everybody sees their own only.

In: what the chat page sends.  Out: chats as trees of messages. Answers are given in `answers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from chatwright.serving.errors import ApiError
from chatwright.serving.schemas import Body
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.shapes import Id, Number, as_file, id_of, time_of
from chatwright.serving.web.shown import chats as shown
from chatwright.serving.web.shown import plain
from chatwright.serving.web.visitors import Chatter, Visitor
from chatwright.store.answers import WRITING
from chatwright.store.chats import Chat, ChatMessage
from chatwright.store.feedback import FeedbackRow
from chatwright.store.transcript import to_json, to_markdown

__all__ = ["router", "shown_chat", "shown_message"]

router = APIRouter(tags=["chats"])
THUMBS = {"up": True, "down": False}
RATINGS = {"good": True, "bad": False}


class NewChat(Body):
    title: str = ""
    system: str = ""
    model: str = Field("", max_length=256)


class ChangedChat(Body):
    title: str | None = None
    system: str | None = None
    model: str | None = Field(None, max_length=256)
    tip: Id | None = None
    consent: bool | None = None
    shared: bool | None = None


class NewMessage(Body):
    parent: Id | None = None
    role: Literal["user", "assistant"]
    content: str
    submission: str | None = Field(None, min_length=1, max_length=64)


class Feedback(Body):
    thumb: Literal["up", "down"] | None
    reasons: list[str] = []
    comment: str = ""
    consent: bool | None = None


class Rating(Body):
    rating: Literal["good", "bad"] | None


class Choice(Body):
    parent: Id
    chosen: Id
    shown: list[Id]


@router.get("/chats", summary="My chats, the one changed last first", response_model=shown.ChatList)
def chats(
    web: WebOf,
    visitor: Chatter,
    search: str = "",
    limit: int = Query(50, ge=1, le=200),
    offset: int = Query(0, ge=0, le=100_000),
) -> Any:
    """With `search`: those in which a message, or the title, holds all the words."""
    store, most = web.store, offset + limit + 1
    if search.strip():
        found = [each.chat for each in store.chats.search(visitor.id, search, limit=most)]
    else:
        found = store.chats.all(visitor.id, limit=most)
    part = found[offset : offset + limit]
    ratings = store.judging.ratings(visitor.id, [chat.id for chat in part])
    return {"chats": [_summary(chat, ratings) for chat in part], "more": len(found) > offset + limit}


@router.post("/chats", summary="Begin a chat", response_model=shown.Chat)
def start(body: NewChat, web: WebOf, visitor: Chatter) -> Any:
    chat = web.store.chats.start(visitor.id, title=body.title, system=body.system, model=body.model)
    return shown_chat(chat, [], {}, {})


@router.get("/chats/{chat}", summary="A chat with all its branches", response_model=shown.Chat)
def chat(chat: Number, web: WebOf, visitor: Chatter) -> Any:
    return _whole(web, visitor, chat)


@router.patch("/chats/{chat}", summary="Rename a chat, change its settings, open a branch", response_model=shown.Chat)
def change(chat: Number, body: ChangedChat, web: WebOf, visitor: Chatter) -> Any:
    """`tip` opens the branch through that message; `consent` lets the chat be trained on, `shared` lets admins read."""
    web.store.chats.change(
        visitor.id,
        chat,
        title=body.title,
        system=body.system,
        model=body.model,
        tip_id=body.tip,
        consent=body.consent,
        shared=body.shared,
    )
    return _whole(web, visitor, chat)


@router.delete("/chats/{chat}", summary="Delete a chat", status_code=204)
def delete(chat: Number, web: WebOf, visitor: Chatter) -> None:
    web.store.chats.delete(visitor.id, chat)


@router.get("/chats/{chat}/export", summary="A chat as a file", response_class=Response, responses=plain.FILE)
def export(chat: Number, web: WebOf, visitor: Chatter, format: Literal["markdown", "json"] = "markdown") -> Response:
    found, tree = web.store.chats.get(visitor.id, chat), web.store.chats.messages(visitor.id, chat)
    name = (found.title or "chat")[:60]
    if format == "json":
        return as_file(to_json(found, tree), f"{name}.json", "application/json")
    return as_file(to_markdown(found, tree), f"{name}.md", "text/markdown; charset=utf-8")


@router.post("/chats/{chat}/messages", summary="Add a message", response_model=shown.Message)
def say(chat: Number, body: NewMessage, web: WebOf, visitor: Chatter) -> Any:
    """An edited question is another child of the same parent. The same `submission` again adds nothing."""
    message = web.store.chats.say(
        visitor.id,
        chat,
        body.role,
        body.content,
        parent_id=body.parent,
        submission=body.submission,
        finish_reason="" if body.role == "user" else "edited",
    )
    return shown_message(message, None)


@router.post(
    "/messages/{message}/feedback",
    summary="Thumb an answer, or take the thumb back",
    response_model=shown.MessageFeedback,
)
def judge(message: Number, body: Feedback, web: WebOf, visitor: Chatter) -> Any:
    chat = web.store.chats.chat_of(visitor.id, message)
    if body.thumb is None:
        if message in web.store.judging.thumbs(visitor.id, chat):
            web.store.judging.take_back_thumb(visitor.id, message)
        return {"thumb": None, "reasons": [], "comment": "", "consent": False}
    row = web.store.judging.thumb(
        visitor.id,
        chat,
        message,
        up=THUMBS[body.thumb],
        reasons=body.reasons,
        comment=body.comment,
        consent=body.consent,
    )
    return _feedback(row)


@router.post("/chats/{chat}/rating", summary="Rate the whole chat", response_model=shown.ChatRating)
def rate(chat: Number, body: Rating, web: WebOf, visitor: Chatter) -> Any:
    if body.rating is None:
        web.store.chats.get(visitor.id, chat)
        web.store.judging.take_back_rating(visitor.id, chat)
    else:
        web.store.judging.rate_chat(visitor.id, chat, good=RATINGS[body.rating])
    return {"rating": body.rating}


@router.post("/chats/{chat}/choice", summary="Take one of several drafts", response_model=plain.Nothing)
def choose(chat: Number, body: Choice, web: WebOf, visitor: Chatter) -> Any:
    """`shown`: all drafts in the order in which they stood on the page; the others are ranked below the chosen one."""
    web.store.judging.choose(visitor.id, chat, body.chosen, body.shown)
    return {}


@router.get("/messages/{message}/score", summary="A reward model's score of an answer", response_model=shown.Score)
async def score(message: Number, web: WebOf, visitor: Chatter) -> Any:
    """404 where the answer's model has no reward model beside it."""
    found = await web.judges.score(web, visitor.id, message)
    if found is None:
        raise ApiError("No reward model stands beside the model of this answer.", status=404, code="no_reward_model")
    return found


# -- how they are shown --


def _whole(web: Web, visitor: Visitor, chat_id: int) -> dict[str, Any]:
    store = web.store
    chat, tree = store.chats.get(visitor.id, chat_id), store.chats.messages(visitor.id, chat_id)
    thumbs = store.judging.thumbs(visitor.id, chat_id)
    return shown_chat(chat, tree, thumbs, store.judging.ratings(visitor.id, [chat_id]))


def shown_chat(
    chat: Chat, tree: Sequence[ChatMessage], thumbs: Mapping[int, FeedbackRow], ratings: Mapping[int, bool]
) -> dict[str, Any]:
    return _summary(chat, ratings) | {
        "system": chat.system,
        "tip": id_of(chat.tip_id),
        "consent": chat.consent,
        "shared": chat.shared,
        "messages": [shown_message(message, thumbs.get(message.id)) for message in tree],
    }


def _summary(chat: Chat, ratings: Mapping[int, bool]) -> dict[str, Any]:
    rated = ratings.get(chat.id)
    return {
        "id": id_of(chat.id),
        "title": chat.title,
        "model": chat.model or None,
        "rating": None if rated is None else "good" if rated else "bad",
        "created_at": time_of(chat.created_at),
        "updated_at": time_of(chat.changed_at),
    }


def shown_message(message: ChatMessage, thumb: FeedbackRow | None) -> dict[str, Any]:
    # One that is still being written, or broke off with the server, is cut as far as a reader is concerned.
    reason = "cancelled" if message.finish_reason == WRITING else message.finish_reason
    return {
        "id": id_of(message.id),
        "parent": id_of(message.parent_id),
        "role": message.role,
        "content": message.content,
        "model": message.model or None,
        "finish_reason": reason or None,
        "created_at": time_of(message.created_at),
        "feedback": None if thumb is None else _feedback(thumb),
    }


def _feedback(row: FeedbackRow) -> dict[str, Any]:
    return {
        "thumb": "up" if row.content.get("up") else "down",
        "reasons": list(row.content.get("reasons") or ()),
        "comment": row.content.get("comment") or "",
        "consent": row.consent,
    }

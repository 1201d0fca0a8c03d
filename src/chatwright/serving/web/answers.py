"""Answers in a chat: streamed as they are said, several drafts at once, and stored whether or not anybody still reads.

In: the message to answer, a model, sampling settings.  Out: Server-Sent Events as of OpenAI's chats, with the ids of
the messages and how the context is filled; each answer is a row from its first moment and complete at its last. How
full the context is can be asked without an answer too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from chatwright.generation.speaker import Request, Speaker
from chatwright.serving.answering import Answers, Tally
from chatwright.serving.asking import sampling_of, seeds_for, stops_of
from chatwright.serving.errors import as_api_error
from chatwright.serving.moderating import check
from chatwright.serving.schemas import Body, SamplingBody
from chatwright.serving.service import Asking, AskingOf
from chatwright.serving.streaming import COMMENT, DONE, EventStream, event
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.prompts import USUAL_TOKENS, Prompt, context_of, prompt_of
from chatwright.serving.web.shapes import Id, Number, id_of
from chatwright.serving.web.shown import chats as shown
from chatwright.serving.web.shown import plain
from chatwright.serving.web.visitors import Chatter, Visitor
from chatwright.store.answers import WRITING
from chatwright.store.answers import Answers as Stored
from chatwright.store.chats import Chat, ChatMessage, branch_of

__all__ = ["router"]

router = APIRouter(tags=["chats"])
PATIENCE, PAUSE_S = 20, 0.05
"""Who stops an answer asks at once how full the context is: looks at a half stored one, and seconds between two."""


class Wishes(Body):
    """Sampling settings; what is left out is as in /v1."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | list[str] | None = None


class NewAnswers(Body):
    parent: Id
    model: str = Field(max_length=256)
    sampling: Wishes | None = None
    n: int = Field(1, ge=1, le=4)


@router.post("/chats/{chat}/answers", summary="Answer a message", response_class=Response, responses=plain.EVENTS)
async def answer(chat: Number, body: NewAnswers, asking: AskingOf, web: WebOf, visitor: Chatter) -> Response:
    """Streams `n` answers, which become children of `parent`. Closing the connection ends and keeps them."""
    speaker = asking.speaker(body.model)
    prompt = await asyncio.to_thread(_prompt, web, visitor, chat, body, speaker)
    requests = _requests(asking, body, prompt, speaker, visitor)
    verdict = await check(asking.service.moderator, prompt.conversation, "user")
    if not verdict.allowed:
        drafts = await asyncio.to_thread(_refused, web, visitor, chat, body, verdict.reply)
        return EventStream(_refusal(body, prompt, drafts), lambda: None)
    answers = await asking.service.start(
        visitor.caller,
        body.model,
        requests,
        Tally(len(prompt.tokens)),
        copies=body.n,
        conversations=[prompt.conversation] * body.n,
    )
    try:
        ids = await asyncio.to_thread(_begin, web, visitor, chat, body)
    except BaseException:
        answers.close()
        raise
    drafts = [Draft(web.store.answers, message_id) for message_id in ids]

    def close() -> None:
        answers.close()
        loop = asyncio.get_running_loop()
        for draft in drafts:
            if draft.reason is None:  # in a thread of its own: nobody waits for it, and a stop of the server does
                loop.run_in_executor(None, draft.store, "cancelled")

    return EventStream(_events(asking, body, prompt, answers, drafts), close)


@dataclass
class Draft:
    """One answer on its way into the store."""

    stored: Stored
    id: int
    parts: list[str] = field(default_factory=list)
    tokens: int = 0
    reason: str | None = None

    def store(self, reason: str) -> None:
        self.reason = reason
        self.stored.complete(self.id, "".join(self.parts), finish_reason=reason, tokens=self.tokens)


async def _events(
    asking: Asking, body: NewAnswers, prompt: Prompt, answers: Answers, drafts: list[Draft]
) -> AsyncGenerator[str, None]:
    ids = [id_of(draft.id) for draft in drafts]
    yield _chunk(body, 0, {"role": "assistant"}, message_ids=ids, context=prompt.facts)
    try:
        async for arrival in answers.pieces(asking.service.settings.keep_alive):
            if arrival is None:
                yield COMMENT
                continue
            number, piece = arrival
            draft = drafts[number]
            draft.parts.append(piece.text)
            draft.tokens += len(piece.tokens)
            if piece.finish_reason is not None:  # stored before anybody is told that it is finished
                await asyncio.to_thread(draft.store, piece.finish_reason)
            if piece.text or piece.finish_reason is not None:
                delta = {"content": piece.text} if piece.text else {}
                yield _chunk(body, number, delta, piece.finish_reason)
    except Exception as error:
        yield event(as_api_error(error).body())
        return
    yield event({"object": "chat.completion.chunk", "choices": [], "usage": answers.tally.usage()})
    yield DONE


def _refused(web: Web, visitor: Visitor, chat: int, body: NewAnswers, reply: str) -> list[Draft]:
    """What the moderator says instead of each answer, stored as one."""
    drafts = [Draft(web.store.answers, message_id, [reply]) for message_id in _begin(web, visitor, chat, body)]
    for draft in drafts:
        draft.store("content_filter")
    return drafts


async def _refusal(body: NewAnswers, prompt: Prompt, drafts: list[Draft]) -> AsyncGenerator[str, None]:
    ids = [id_of(draft.id) for draft in drafts]
    yield _chunk(body, 0, {"role": "assistant"}, message_ids=ids, context=prompt.facts)
    for number, draft in enumerate(drafts):
        yield _chunk(body, number, {"content": "".join(draft.parts)}, "content_filter")
    usage = Tally(len(prompt.tokens)).usage()
    yield event({"object": "chat.completion.chunk", "choices": [], "usage": usage})
    yield DONE


def _chunk(body: NewAnswers, number: int, delta: dict[str, str], reason: str | None = None, **more: Any) -> str:
    choice = {"index": number, "delta": delta, "finish_reason": reason}
    return event({"object": "chat.completion.chunk", "model": body.model, **more, "choices": [choice]})


def _requests(asking: Asking, body: NewAnswers, prompt: Prompt, speaker: Speaker, visitor: Visitor) -> list[Request]:
    """What the engine is asked, once per answer."""
    wishes = SamplingBody(model=body.model, **_wishes(body))
    sampling = sampling_of(wishes, speaker, min(_max_tokens(body), speaker.context), len(prompt.tokens))
    stops = stops_of(wishes.stop, asking.service.settings)
    return [
        Request(tokens=prompt.tokens, sampling=sampling, seed=seed, stop=stops, cache_salt=visitor.caller.salt)
        for seed in seeds_for(wishes.seed, body.n)
    ]


def _begin(web: Web, visitor: Visitor, chat: int, body: NewAnswers) -> list[int]:
    settings = _wishes(body)
    return [
        web.store.chats.say(
            visitor.id,
            chat,
            "assistant",
            "",
            parent_id=body.parent,
            model=body.model,
            settings=settings,
            finish_reason=WRITING,
            opens=number == 0,
        ).id
        for number in range(body.n)
    ]


def _wishes(body: NewAnswers) -> dict[str, Any]:
    return {} if body.sampling is None else body.sampling.model_dump(exclude_none=True)


def _max_tokens(body: NewAnswers) -> int:
    return int(_wishes(body).get("max_tokens", USUAL_TOKENS))


def _prompt(web: Web, visitor: Visitor, chat_id: int, body: NewAnswers, speaker: Speaker) -> Prompt:
    chat, branch = _branch(web, visitor, chat_id, body.parent)
    return prompt_of(chat, branch, body.model, speaker, _max_tokens(body))


# -- how full the context is --


@router.get("/chats/{chat}/context", summary="How full a model's context is", response_model=shown.Context)
async def context(
    chat: Number,
    asking: AskingOf,
    web: WebOf,
    visitor: Chatter,
    model: Annotated[str, Query(max_length=256)],
    tip: Annotated[Id | None, Query()] = None,
    max_tokens: Annotated[int | None, Query(ge=1)] = None,
) -> Any:
    """As the next answer on the branch that ends in `tip` (by default the open one) would find it."""
    speaker = asking.speaker(model)
    for _ in range(PATIENCE):
        found, branch = await asyncio.to_thread(_branch, web, visitor, chat, tip)
        if not branch or branch[-1].finish_reason != WRITING:
            break
        await asyncio.sleep(PAUSE_S)
    return await asyncio.to_thread(context_of, found, branch, model, speaker, max_tokens)


def _branch(web: Web, visitor: Visitor, chat_id: int, tip: int | None) -> tuple[Chat, list[ChatMessage]]:
    chat, tree = web.store.chats.get(visitor.id, chat_id), web.store.chats.messages(visitor.id, chat_id)
    return chat, branch_of(tree, tip or chat.tip_id)

"""POST /v1/chat/completions: the answer to a conversation, whole or as a stream of chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from time import time
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Response

from chatwright.generation.speaker import Piece, Request
from chatwright.serving.answering import Answers, Tally
from chatwright.serving.asking import (
    check_count,
    check_room,
    check_supported,
    conversation_of,
    prompt_tokens,
    sampling_of,
    seeds_for,
    stops_of,
)
from chatwright.serving.errors import ApiError, as_api_error
from chatwright.serving.logprobs import chat_entries, scored_of
from chatwright.serving.moderating import check
from chatwright.serving.schemas import ChatBody
from chatwright.serving.service import Asking, AskingOf
from chatwright.serving.streaming import COMMENT, DONE, EventStream, event, unless_gone
from chatwright.text.conversation import Conversation
from chatwright.text.tokenizer import Tokenizer

__all__ = ["router"]

router = APIRouter()


@dataclass(frozen=True)
class _Envelope:
    """What all chunks of one answer have in common."""

    model: str
    fingerprint: str
    tokenizer: Tokenizer
    with_logprobs: bool
    with_usage: bool
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time()))

    def of(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }

    def chunk(self, number: int, delta: dict[str, Any], reason: str | None, piece: Piece | None = None) -> str:
        entries = chat_entries(self.tokenizer, list(scored_of(piece))) if self.with_logprobs and piece else None
        choice = {
            "index": number,
            "delta": delta,
            "logprobs": None if entries is None else {"content": entries, "refusal": None},
            "finish_reason": reason,
        }
        usage = {"usage": None} if self.with_usage else {}
        return event(self.of("chat.completion.chunk", [choice]) | usage)


@router.post("/chat/completions", summary="Answer a conversation")
async def chat_completions(body: ChatBody, asking: AskingOf) -> Any:
    """OpenAI's chat completions. With `stream`, Server-Sent Events that end with `data: [DONE]`."""
    service, speaker = asking.service, asking.speaker(body.model)
    check_supported(body)
    count = body.n or 1
    check_count(count, service.settings, "n")
    conversation = conversation_of(body.messages, speaker, body.model)
    envelope = _Envelope(
        body.model,
        service.card(body.model).fingerprint,
        speaker.tokenizer,
        with_logprobs=bool(body.logprobs),
        with_usage=bool(body.stream_options and body.stream_options.include_usage),
    )
    requests, prompt = await _requests(body, asking, conversation, count)
    verdict = await check(service.moderator, conversation, "user")
    if not verdict.allowed:
        return _refusal(envelope, verdict.reply, Tally(prompt), count, stream=bool(body.stream))
    answers = await service.start(
        asking.caller, body.model, requests, Tally(prompt), copies=count, conversations=[conversation] * count
    )
    if body.stream:
        return EventStream(_events(envelope, answers, count, service.settings.keep_alive), answers.close)
    try:
        whole = await unless_gone(asking.request.receive, _whole(envelope, answers, count))
    finally:
        answers.close()
    return Response(status_code=499) if whole is None else whole


async def _requests(
    body: ChatBody, asking: Asking, conversation: Conversation, count: int
) -> tuple[list[Request], int]:
    """What the engine is asked, and the size of the prompt in tokens."""
    settings, speaker = asking.service.settings, asking.speaker(body.model)
    name = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    wanted = getattr(body, name)
    if wanted == 0:
        raise ApiError("max_tokens is 0; it must be at least 1.", param=name, code="integer_below_min_value")
    alternatives = body.top_logprobs or 0
    if alternatives > settings.max_alternatives:
        raise ApiError(
            f"top_logprobs is {alternatives}; the limit is {settings.max_alternatives}.",
            param="top_logprobs",
            code="integer_above_max_value",
        )
    if alternatives and not body.logprobs:
        raise ApiError("top_logprobs needs logprobs to be true.", param="top_logprobs")
    tokens = await prompt_tokens(speaker, conversation, "messages")
    room = speaker.context - len(tokens)
    if wanted is not None:
        check_room(speaker, len(tokens), wanted, name)
    sampling = sampling_of(body, speaker, room if wanted is None else wanted, len(tokens), param=name)
    stops = stops_of(body.stop, settings)
    return [
        Request(
            tokens=tokens,
            sampling=sampling,
            seed=seed,
            stop=stops,
            top=alternatives,
            ignore_end=bool(body.ignore_eos),
            strict=True,
            cache_salt=asking.caller.salt,
        )
        for seed in seeds_for(body.seed, count)
    ], len(tokens)


async def _whole(envelope: _Envelope, answers: Answers, count: int) -> dict[str, Any]:
    """All answers at once."""
    texts, entries = [""] * count, [[] for _ in range(count)]  # type: list[str], list[list[dict[str, Any]]]
    reasons: list[str | None] = [None] * count
    async for arrival in answers.pieces():
        assert arrival is not None
        number, piece = arrival
        texts[number] += piece.text
        reasons[number] = piece.finish_reason
        if envelope.with_logprobs:
            entries[number] += chat_entries(envelope.tokenizer, list(scored_of(piece)))
    choices = [
        {
            "index": number,
            "message": {"role": "assistant", "content": texts[number], "refusal": None},
            "logprobs": {"content": entries[number], "refusal": None} if envelope.with_logprobs else None,
            "finish_reason": reasons[number],
        }
        for number in range(count)
    ]
    return envelope.of("chat.completion", choices) | {"usage": answers.tally.usage()}


async def _events(envelope: _Envelope, answers: Answers, count: int, keep_alive: float) -> AsyncGenerator[str, None]:
    """The answers as they are said. An error after the first byte can only be told inside the stream."""
    yield "".join(
        envelope.chunk(number, {"role": "assistant", "content": "", "refusal": None}, None) for number in range(count)
    )
    try:
        async for arrival in answers.pieces(keep_alive):
            if arrival is None:
                yield COMMENT
                continue
            number, piece = arrival
            if piece.text or (envelope.with_logprobs and piece.tokens):
                yield envelope.chunk(number, {"content": piece.text}, None, piece)
            if piece.finish_reason is not None:
                yield envelope.chunk(number, {}, piece.finish_reason)
    except Exception as error:
        yield event(as_api_error(error).body())
        return
    if envelope.with_usage:
        yield event(envelope.of("chat.completion.chunk", []) | {"usage": answers.tally.usage()})
    yield DONE


def _refusal(envelope: _Envelope, reply: str, tally: Tally, count: int, *, stream: bool) -> Any:
    """What the moderator says instead of an answer."""
    if not stream:
        message = {"role": "assistant", "content": reply, "refusal": None}
        choices = [
            {"index": number, "message": message, "logprobs": None, "finish_reason": "content_filter"}
            for number in range(count)
        ]
        return envelope.of("chat.completion", choices) | {"usage": tally.usage()}

    async def events() -> AsyncGenerator[str, None]:
        for number in range(count):
            yield envelope.chunk(number, {"role": "assistant", "content": reply, "refusal": None}, None)
            yield envelope.chunk(number, {}, "content_filter")
        if envelope.with_usage:
            yield event(envelope.of("chat.completion.chunk", []) | {"usage": tally.usage()})
        yield DONE

    return EventStream(events(), lambda: None)

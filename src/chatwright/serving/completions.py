"""POST /v1/completions: how texts, or token ids, go on; with `echo` and `logprobs` also how likely they were.

Evaluation harnesses score answers through this: they send token ids with echo, logprobs and max_tokens 1, drop the one
generated entry that must follow the prompt, and take a token for greedy if its value is the greatest of its
alternatives, bit for bit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from time import time
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Response

from chatwright.generation.speaker import Piece, Request, Scored
from chatwright.serving.answering import Answers, Tally
from chatwright.serving.asking import (
    check_count,
    check_room,
    prompt_tokens,
    prompts_of,
    sampling_of,
    seeds_for,
    stops_of,
)
from chatwright.serving.errors import ApiError, as_api_error
from chatwright.serving.logprobs import Offsets, completion_lists, scored_of
from chatwright.serving.moderating import check
from chatwright.serving.schemas import CompletionBody
from chatwright.serving.service import AskingOf
from chatwright.serving.streaming import COMMENT, DONE, EventStream, event, unless_gone
from chatwright.text.conversation import Conversation
from chatwright.text.tokenizer import Tokenizer

__all__ = ["router"]

router = APIRouter()
DEFAULT_MAX_TOKENS = 16


@dataclass
class _Prompt:
    """One prompt: what was sent, and what the model reads."""

    asked: str | tuple[int, ...]
    tokens: tuple[int, ...]
    text: str


@dataclass
class _Choice:
    """One answer as it grows. Its entries are those of the prompt, if it is echoed, and of what was said."""

    prompt: _Prompt
    offsets: Offsets
    text: str = ""
    scored: list[Scored] = field(default_factory=list)
    reason: str | None = None
    said: int = 0
    logp: float = 0.0

    @property
    def mean_logp(self) -> float:
        """Log-probability per token, the end token included: what best_of compares."""
        return self.logp / max(1, self.said)


@dataclass(frozen=True)
class _Form:
    """How the answers to one request are shown."""

    body: CompletionBody
    fingerprint: str
    tokenizer: Tokenizer
    id: str = field(default_factory=lambda: f"cmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time()))

    @property
    def with_usage(self) -> bool:
        return bool(self.body.stream_options and self.body.stream_options.include_usage)

    def of(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.body.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }

    def take(self, choice: _Choice, piece: Piece) -> tuple[str, list[Scored]]:
        """Add a piece to a choice; returns the text and the entries that are new."""
        is_first = not choice.said and not choice.text and not choice.scored
        scored = [*piece.prompt, *scored_of(piece)]
        if piece.finish_reason == "stop" and len(piece.logps) > len(piece.tokens):
            choice.logp += piece.logps[-1]
            choice.said += 1
            # Exactly one generated entry must follow an echoed prompt, even if that is the end token.
            if self.body.echo and choice.said == 1:
                top = piece.top[-1] if len(piece.top) > len(piece.tokens) else ()
                scored.append(Scored(self.tokenizer.end, piece.logps[-1], top))
        text = (choice.prompt.text if self.body.echo and is_first else "") + piece.text
        choice.text += text
        choice.scored += scored
        choice.said += len(piece.tokens)
        choice.logp += sum(piece.logps[: len(piece.tokens)])
        choice.reason = piece.finish_reason
        return text, scored

    def choice(
        self, number: int, text: str, scored: Sequence[Scored], offsets: Offsets, reason: str | None
    ) -> dict[str, Any]:
        top = self.body.logprobs
        lists = None if top is None else completion_lists(self.tokenizer, scored, offsets, top)
        return {"index": number, "text": text, "logprobs": lists, "finish_reason": reason}


@router.post("/completions", summary="Continue texts")
async def completions(body: CompletionBody, asking: AskingOf) -> Any:
    """OpenAI's (legacy) completions. With `stream`, Server-Sent Events that end with `data: [DONE]`."""
    service, speaker = asking.service, asking.speaker(body.model)
    count, tried = body.n or 1, max(body.best_of or 0, body.n or 1)
    _check(body, service.settings.max_alternatives)
    asked = prompts_of(body.prompt)
    check_count(len(asked) * tried, service.settings, "best_of" if tried > count else "n")
    wanted = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    stops, seeds = stops_of(body.stop, service.settings), seeds_for(body.seed, tried)
    is_scored = bool(body.echo) and body.logprobs is not None
    prompts, requests = [], []
    for own in asked:
        # After a full context one more token can be told, though not read: scoring needs no more.
        tokens = await prompt_tokens(speaker, own, "prompt", room=0 if is_scored else min(1, wanted))
        if body.max_tokens is not None and (wanted > 1 or not is_scored):
            check_room(speaker, len(tokens), body.max_tokens, "max_tokens")
        prompts.append(_Prompt(own, tokens, own if isinstance(own, str) else speaker.tokenizer.decode(own)))
        if wanted == 0 and not is_scored:
            continue  # nothing is asked of the model
        request = Request(
            tokens=tokens,
            sampling=sampling_of(body, speaker, wanted, len(tokens)),
            stop=stops,
            top=body.logprobs or 0,
            prompt_logps=is_scored,
            # The one entry after a scored prompt is whatever token is the likeliest, the end token too.
            ignore_end=bool(body.ignore_eos) or (is_scored and wanted == 1),
            strict=True,
            cache_salt=asking.caller.salt,
        )
        requests += [replace(request, seed=seed) for seed in seeds]
    form = _Form(body, service.card(body.model).fingerprint, speaker.tokenizer)
    choices = [_Choice(prompt, Offsets(speaker.tokenizer)) for prompt in prompts for _ in range(tried)]
    tally = Tally(sum(len(prompt.tokens) for prompt in prompts))
    if not requests:
        return _nothing(form, choices, tally)
    conversations = [Conversation.of(choice.prompt.text) for choice in choices]
    for conversation in conversations[::tried]:
        verdict = await check(service.moderator, conversation, "user")
        if not verdict.allowed:
            raise ApiError(verdict.reply or "The prompt was refused.", code="content_filter", param="prompt")
    answers = await service.start(asking.caller, body.model, requests, tally, copies=tried, conversations=conversations)
    if body.stream:
        return EventStream(_events(form, answers, choices, service.settings.keep_alive), answers.close)
    try:
        whole = await unless_gone(asking.request.receive, _whole(form, answers, choices, tried, count))
    finally:
        answers.close()
    return Response(status_code=499) if whole is None else whole


def _check(body: CompletionBody, most: int) -> None:
    if body.suffix:
        raise ApiError(
            "suffix is not supported: these models only go on.", param="suffix", code="unsupported_parameter"
        )
    if body.logprobs is not None and body.logprobs > most:
        raise ApiError(
            f"logprobs is {body.logprobs}; the limit is {most}.", param="logprobs", code="integer_above_max_value"
        )
    if body.best_of is not None and body.best_of < (body.n or 1):
        raise ApiError(f"best_of is {body.best_of}; it must be at least n ({body.n}).", param="best_of")
    if body.stream and (body.best_of or 1) > (body.n or 1):
        raise ApiError("best_of cannot be streamed: which answer is best shows at the end.", param="best_of")


async def _whole(form: _Form, answers: Answers, choices: list[_Choice], tried: int, count: int) -> dict[str, Any]:
    """All answers at once; of `tried` for each prompt the `count` likeliest."""
    async for arrival in answers.pieces():
        assert arrival is not None
        form.take(choices[arrival[0]], arrival[1])
    shown: list[dict[str, Any]] = []
    for first in range(0, len(choices), tried):
        own = choices[first : first + tried]
        best = sorted(own, key=lambda choice: -choice.mean_logp)[:count] if count < tried else own
        for choice in best:
            shown.append(form.choice(len(shown), choice.text, choice.scored, choice.offsets, choice.reason))
    return form.of(shown) | {"usage": answers.tally.usage()}


async def _events(
    form: _Form, answers: Answers, choices: list[_Choice], keep_alive: float
) -> AsyncGenerator[str, None]:
    usage = {"usage": None} if form.with_usage else {}
    try:
        async for arrival in answers.pieces(keep_alive):
            if arrival is None:
                yield COMMENT
                continue
            number, piece = arrival
            choice = choices[number]
            text, scored = form.take(choice, piece)
            choice.text, choice.scored = "", choice.scored[-1:]  # said; what matters is that something was
            if text or (scored and form.body.logprobs is not None) or piece.finish_reason is not None:
                yield event(form.of([form.choice(number, text, scored, choice.offsets, piece.finish_reason)]) | usage)
    except Exception as error:
        yield event(as_api_error(error).body())
        return
    if form.with_usage:
        yield event(form.of([]) | {"usage": answers.tally.usage()})
    yield DONE


def _nothing(form: _Form, choices: list[_Choice], tally: Tally) -> Any:
    """max_tokens is 0: at most the prompts are said, and the model is not asked."""
    for choice in choices:
        form.take(choice, Piece("", finish_reason="length"))
    shown = [
        form.choice(number, choice.text, (), choice.offsets, choice.reason) for number, choice in enumerate(choices)
    ]
    if not form.body.stream:
        return form.of(shown) | {"usage": tally.usage()}

    async def events() -> AsyncGenerator[str, None]:
        usage = {"usage": None} if form.with_usage else {}
        for own in shown:
            yield event(form.of([own]) | usage)
        if form.with_usage:
            yield event(form.of([]) | {"usage": tally.usage()})
        yield DONE

    return EventStream(events(), lambda: None)

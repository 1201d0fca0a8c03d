"""The engine: many prompts at once, each answered as if it were alone.

Rows join when there is room and leave when they end, so short answers do not wait for long ones. The rows of a call
are divided among the world's threads, or each operation is, whichever suits the model's size. In: prompts as tokens,
settings and a seed for each.  Out: answers in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from chatwright.errors import InputError
from chatwright.generation.prompts import chat_prompt, text_prompt, text_room
from chatwright.generation.rows import Row
from chatwright.generation.sampling import Sampling
from chatwright.generation.scheduler import Scheduler
from chatwright.models.decoding import Decoder, decoder_of, kernel_threads, threads_for
from chatwright.models.heads import LanguageModel
from chatwright.text.conversation import Conversation
from chatwright.text.tokenizer import Tokenizer
from chatwright.world import World

__all__ = ["Answer", "Engine", "Sampled"]

READ_AT_ONCE = 8192
"""Tokens of prompts, padding included, that are read together: it bounds the memory of a call."""

IsOver = Callable[[list[int]], bool]


@dataclass(frozen=True)
class Sampled:
    """Tokens that followed a prompt."""

    tokens: list[int]
    """Without the end token."""
    logps: list[float]
    """Log-probability of every token, and of the end token if there is one, at the sampling temperature."""
    end: int | None
    """The end token with which the model ended it, of which there may be several kinds; None: it was cut."""

    @property
    def ended(self) -> bool:
        return self.end is not None

    @property
    def whole(self) -> list[int]:
        """All that was sampled, the end token included."""
        return self.tokens if self.end is None else [*self.tokens, self.end]


@dataclass(frozen=True)
class Answer:
    """What a model answered in a conversation."""

    conversation: Conversation
    tokens: list[int]
    ended: bool
    text: str
    logps: list[float]


class Engine:
    """Samples from a language model for evaluation, answer collection and PPO alike: all prompts are there at once."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer, world: World, *, batch: int = 64) -> None:
        self.model, self.tokenizer, self.world, self.batch = model, tokenizer, world, batch
        self.context = model.backbone.config.context

    def chat(self, conversations: Sequence[Conversation], sampling: Sampling, *, seeds: Sequence[int]) -> list[Answer]:
        """An answer to every conversation; the oldest turns are dropped where it would not fit in the context."""
        prompts = [chat_prompt(conversation, self.tokenizer, self.context) for conversation in conversations]
        for number, prompt in enumerate(prompts, 1):
            if not prompt:
                raise InputError(
                    f"conversation {number}: its last message alone is longer than the model's context of "
                    f"{self.context} tokens; shorten it"
                )
        sampled = self.sample(prompts, sampling, seeds=seeds)
        return [
            Answer(conversation, own.tokens, own.ended, self.tokenizer.decode(own.tokens), own.logps)
            for conversation, own in zip(conversations, sampled, strict=True)
        ]

    def complete(
        self, texts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], stop: Sequence[str] = ()
    ) -> list[Answer]:
        """Raw continuations of texts, cut before the first stop string; the oldest tokens are dropped if too long."""
        room = text_room(self.context, sampling.max_tokens)
        prompts = [text_prompt(text, self.tokenizer, room) for text in texts]

        def is_over(tokens: list[int]) -> bool:
            text = self.tokenizer.decode(tokens, continues=True)
            return any(mark in text for mark in stop)

        sampled = self.sample(prompts, sampling, seeds=seeds, is_over=is_over if stop else None)
        answers = []
        for text, own in zip(texts, sampled, strict=True):
            said = self.tokenizer.decode(own.tokens, continues=True)
            places = [said.find(mark) for mark in stop if mark in said]
            cut = said[: min(places)] if places else said
            answers.append(Answer(Conversation.of(text), own.tokens, own.ended or bool(places), cut, own.logps))
        return answers

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        is_over: IsOver | None = None,
    ) -> list[Sampled]:
        """Continue every prompt until its end token, `max_tokens`, the end of the context, or `is_over`."""
        if sampling.max_tokens < 1:
            raise InputError(f"max_tokens is {sampling.max_tokens}; it must be at least 1 to say something")
        for number, prompt in enumerate(prompts, 1):
            if not prompt or len(prompt) >= self.context:
                raise InputError(
                    f"prompt {number} has {len(prompt)} tokens; the model reads 1 to {self.context - 1} of them"
                )
        rows = [
            Row(prompt, sampling, seed, min(sampling.max_tokens, self.context - len(prompt)), self.tokenizer.stops)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        # Rows that run at the same time are alike in length, and equal prompts are read together.
        order = sorted(rows, key=lambda row: -len(row.prompt))
        threads = threads_for(self.model, self.world, len(order))
        decoder = decoder_of(self.model)
        with kernel_threads(threads.kernel), torch.no_grad():
            parts = [order[number :: threads.shards] for number in range(threads.shards)]
            self.world.map(lambda own: self._run(decoder, own, threads.shards, is_over), parts)
        return [Sampled(row.tokens, row.logps, row.end) for row in rows]

    def _run(self, decoder: Decoder, rows: list[Row], shards: int, is_over: IsOver | None) -> None:
        """Continue the rows of one thread to their ends."""
        scheduler = Scheduler(
            decoder,
            self.world.device,
            vocabulary=self.tokenizer.size,
            slots=max(1, self.batch // shards),
            prefill_chunk=READ_AT_ONCE,
        )
        for row in rows:
            scheduler.add(row)
        while not scheduler.is_idle:
            for row in scheduler.step():
                if row.error is not None:
                    raise row.error
                if is_over is not None and row.reason != "stop" and is_over(row.tokens):
                    row.reason = "cut"
            scheduler.drop()

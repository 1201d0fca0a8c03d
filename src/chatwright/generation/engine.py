"""The engine: many prompts at once, each answered as if it were alone.

Rows join when there is room and leave when they end, so short answers do not wait for long ones. The rows of a call
are divided among the world's threads. In: prompts as tokens, settings and a seed for each.  Out: answers in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chatwright.errors import InputError
from chatwright.generation.sampling import Sampling, pick, uniform
from chatwright.models.heads import LanguageModel
from chatwright.models.state import CacheState
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.tokenizer import Tokenizer
from chatwright.world import World

__all__ = ["Answer", "Engine", "Sampled"]


COMPACT_BELOW = 0.8
"""Rows that are over are dropped from the batch when at most this share of it goes on: copying the cache costs time."""


@dataclass(frozen=True)
class Sampled:
    """Tokens that followed a prompt."""

    tokens: list[int]
    """Without the end token."""
    logps: list[float]
    """Log-probability of every token, and of the end token if there is one, at the sampling temperature."""
    ended: bool
    """Whether the model ended it; otherwise it was cut."""


@dataclass(frozen=True)
class Answer:
    """What a model answered in a conversation."""

    conversation: Conversation
    tokens: list[int]
    ended: bool
    text: str
    logps: list[float]


@dataclass
class _Row:
    """A prompt that is being continued."""

    number: int
    prompt: Sequence[int]
    seed: int
    limit: int
    tokens: list[int]
    logps: list[float]
    ended: bool = False
    over: bool = False
    """Nothing more is said; the row may still ride along until the batch is compacted."""

    def note(self, token: int, logp: float, end: int, is_over: Callable[[list[int]], bool] | None) -> None:
        self.logps.append(logp)
        self.ended = token == end
        if not self.ended:
            self.tokens.append(token)
        self.over = self.ended or len(self.tokens) >= self.limit or (is_over is not None and is_over(self.tokens))


class Engine:
    """Samples from a language model for chat, evaluation, answer collection and PPO alike."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer, world: World, *, batch: int = 64) -> None:
        self.model, self.tokenizer, self.world, self.batch = model, tokenizer, world, batch
        self.context = model.backbone.config.context

    def chat(self, conversations: Sequence[Conversation], sampling: Sampling, *, seeds: Sequence[int]) -> list[Answer]:
        """An answer to every conversation; the oldest turns are dropped where it would not fit in the context."""
        prompts = []
        for number, conversation in enumerate(conversations, 1):
            cut = fit(conversation, self.tokenizer, self.context - 1)
            if cut is None:
                raise InputError(
                    f"conversation {number}: its last message alone is longer than the model's context of "
                    f"{self.context} tokens; shorten it"
                )
            prompts.append(render(cut, self.tokenizer, answer=True).tokens)
        sampled = self.sample(prompts, sampling, seeds=seeds)
        return [
            Answer(conversation, own.tokens, own.ended, self.tokenizer.decode(own.tokens), own.logps)
            for conversation, own in zip(conversations, sampled, strict=True)
        ]

    def complete(
        self, texts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], stop: Sequence[str] = ()
    ) -> list[Answer]:
        """Raw continuations of texts, cut before the first stop string; the oldest tokens are dropped if too long."""
        room = max(1, self.context - min(sampling.max_tokens, self.context // 2) - 1)
        prompts = [[self.tokenizer.begin, *self.tokenizer.encode(text)[-room:]] for text in texts]

        def is_over(tokens: list[int]) -> bool:
            text = self.tokenizer.decode(tokens)
            return any(mark in text for mark in stop)

        sampled = self.sample(prompts, sampling, seeds=seeds, is_over=is_over if stop else None)
        answers = []
        for text, own in zip(texts, sampled, strict=True):
            said = self.tokenizer.decode(own.tokens)
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
        is_over: Callable[[list[int]], bool] | None = None,
    ) -> list[Sampled]:
        """Continue every prompt until its end token, `max_tokens`, the end of the context, or `is_over`."""
        for number, prompt in enumerate(prompts, 1):
            if not prompt or len(prompt) >= self.context:
                raise InputError(
                    f"prompt {number} has {len(prompt)} tokens; the model reads 1 to {self.context - 1} of them"
                )
        rows = [
            _Row(number, prompt, seed, min(sampling.max_tokens, self.context - len(prompt)), [], [])
            for number, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
        ]
        order = sorted(rows, key=lambda row: (-len(row.prompt), row.number))  # rows of a wave are alike in length
        threads = self.world.shards if len(order) > 1 else 1
        with torch.no_grad():
            self.world.map(lambda own: self._run(own, sampling, is_over), [order[n::threads] for n in range(threads)])
        return [Sampled(row.tokens, row.logps, row.ended) for row in rows]

    def _run(self, waiting: list[_Row], sampling: Sampling, is_over: Callable[[list[int]], bool] | None) -> None:
        """Continue the rows of one thread: keep the batch filled, drop rows that are done."""
        waiting = list(waiting)
        room = max(1, self.batch // self.world.shards)
        active: list[_Row] = []
        state: CacheState | None = None
        logits = torch.empty(0)
        while waiting or active:
            if waiting and len(active) <= room // 2:
                joining = [waiting.pop(0) for _ in range(min(room - len(active), len(waiting)))]
                own_state, own_logits = self._read(joining)
                state = own_state if state is None else state.join(own_state)
                logits = torch.cat([logits, own_logits]) if active else own_logits
                active += joining
            assert state is not None
            tokens = self._advance(active, logits, sampling, is_over)
            staying = [place for place, row in enumerate(active) if not row.over]
            if len(staying) <= COMPACT_BELOW * len(active) or state.longest >= self.context:
                index = torch.tensor(staying, dtype=torch.long, device=self.world.device)
                active, state, tokens = [active[place] for place in staying], state.take(index), tokens[index]
            if active:
                vectors, state = self.model.backbone(tokens[:, None], state)
                logits = self.model.logits(vectors[:, -1])
            else:
                state = None

    def _read(self, rows: Sequence[_Row]) -> tuple[CacheState, Tensor]:
        """Read the prompts of new rows at once; returns their state and the logits after each prompt."""
        lengths = torch.tensor([len(row.prompt) for row in rows], device=self.world.device)
        longest = int(lengths.max())
        tokens = torch.tensor(
            [[*row.prompt, *[0] * (longest - len(row.prompt))] for row in rows], device=self.world.device
        )
        places = torch.arange(longest, device=self.world.device)
        documents = torch.where(places < lengths[:, None], 0, -1)
        state = self.model.backbone.start(len(rows))
        vectors, state = self.model.backbone(tokens, state, documents=documents)
        ends = vectors[torch.arange(len(rows), device=self.world.device), lengths - 1]
        return state, self.model.logits(ends)

    def _advance(
        self,
        rows: Sequence[_Row],
        logits: Tensor,
        sampling: Sampling,
        is_over: Callable[[list[int]], bool] | None,
    ) -> Tensor:
        """Choose the next token of every row and note it; returns the tokens [B]."""
        seeds = np.fromiter((row.seed % 2**64 for row in rows), dtype=np.uint64, count=len(rows))
        places = np.fromiter((len(row.tokens) for row in rows), dtype=np.uint64, count=len(rows))
        tokens, logps = pick(logits, sampling, uniform(seeds, places))
        for row, token, logp in zip(rows, tokens.tolist(), logps.tolist(), strict=True):
            if not row.over:
                row.note(token, logp, self.tokenizer.end, is_over)
        return tokens

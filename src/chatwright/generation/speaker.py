"""A speaker answers a request piece by piece: what the terminal, and later the server, talk to.

In: a request, a chat or a raw text to complete.  Out: pieces of text as they are sampled, the last with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from chatwright.errors import InputError
from chatwright.generation.sampling import Sampling, pick, uniform
from chatwright.models.heads import LanguageModel
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.tokenizer import Tokenizer, Utf8Stream
from chatwright.world import World

__all__ = ["ModelSpeaker", "Piece", "Request", "Speaker"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody wants answered: either a conversation or a text to go on with."""

    conversation: Conversation | None = None
    text: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A part of an answer. Only the last piece has a finish reason: "stop" or "length"."""

    text: str
    tokens: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()
    finish_reason: str | None = None


class Speaker(Protocol):
    """Anything that answers requests. Closing the iterator cancels the answer."""

    def stream(self, request: Request) -> Iterator[Piece]: ...


class ModelSpeaker:
    """Answers with a language model in this process, one request at a time."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer, world: World) -> None:
        self.model, self.tokenizer, self.world = model, tokenizer, world
        self.context = model.backbone.config.context

    def prompt(self, request: Request) -> list[int]:
        """The tokens of a request; whole turns, or the beginning of a text, are dropped where it is too long."""
        if (request.conversation is None) == (request.text is None):
            raise InputError("a request has either a conversation or a text")
        if request.text is not None:
            room = max(1, self.context - min(request.sampling.max_tokens, self.context // 2) - 1)
            return [self.tokenizer.begin, *self.tokenizer.encode(request.text)[-room:]]
        assert request.conversation is not None
        cut = fit(request.conversation, self.tokenizer, self.context - 1)
        if cut is None:
            raise InputError(
                f"the last message is longer than the model's context of {self.context} tokens; shorten it"
            )
        return render(cut, self.tokenizer, answer=True).tokens

    def stream(self, request: Request) -> Iterator[Piece]:
        """Pieces of the answer as they are sampled; what may begin a stop string or a UTF-8 letter is held back."""
        prompt = self.prompt(request)
        limit = min(request.sampling.max_tokens, self.context - len(prompt))
        letters, held = Utf8Stream(self.tokenizer), ""
        seeds = np.array([request.seed % 2**64], dtype=np.uint64)
        tokens = torch.tensor([prompt], device=self.world.device)
        state = self.model.backbone.start(1)
        for place in range(limit):
            with torch.no_grad():
                vectors, state = self.model.backbone(tokens, state)
                chosen, logps = pick(
                    self.model.logits(vectors[:, -1]), request.sampling, uniform(seeds, np.array([place]))
                )
            token, logp = int(chosen), float(logps)
            if token == self.tokenizer.end:
                yield Piece(held + letters.flush(), (), (logp,), "stop")
                return
            held += letters.push([token])
            found = [held.find(mark) for mark in request.stop if mark in held]
            if found:
                yield Piece(held[: min(found)], (token,), (logp,), "stop")
                return
            safe = len(held) - _could_begin(held, request.stop)
            yield Piece(held[:safe], (token,), (logp,), None)
            held, tokens = held[safe:], chosen[:, None]
        yield Piece(held + letters.flush(), (), (), "length")


def _could_begin(text: str, stop: tuple[str, ...]) -> int:
    """How many of the last characters of `text` may be the beginning of a stop string."""
    return max(
        (size for mark in stop for size in range(1, min(len(mark), len(text)) + 1) if text.endswith(mark[:size])),
        default=0,
    )

"""A speaker answers requests piece by piece: what the terminal, the server and the Python API talk to.

In: requests, each a chat, a raw text or tokens to go on with.  Out: pieces of text as they are sampled, the last with
the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chatwright.errors import InputError, ResourceError
from chatwright.generation.rows import Alternatives, Scored
from chatwright.generation.sampling import Sampling
from chatwright.text.conversation import Conversation
from chatwright.text.tokenizer import Tokenizer

__all__ = ["Busy", "Deliver", "Piece", "Request", "Scored", "Speaker", "Stats", "Ticket"]


class Busy(ResourceError):
    """The queue is full: come again later."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody wants answered: a conversation, a text to go on with, or tokens used as they are."""

    conversation: Conversation | None = None
    text: str | None = None
    tokens: tuple[int, ...] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    stop: tuple[str, ...] = ()
    top: int = 0
    """Likeliest tokens to report beside every token."""
    prompt_logps: bool = False
    ignore_end: bool = False
    """Take the end token for a token like any other."""
    strict: bool = False
    """Refuse a prompt that is too long, instead of cutting its beginning."""
    cache_salt: str = ""
    """What was read for one salt is never reused for another, so that nobody can guess another's prompts by time."""

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.conversation, self.text, self.tokens)) != 1:
            raise InputError("a request has either a conversation or a text or tokens")
        if self.top < 0:
            raise InputError(f"top is {self.top}; it must be 0 or more")
        if self.sampling.max_tokens == 0 and not self.prompt_logps:
            raise InputError("max_tokens is 0, which asks for nothing; it must be at least 1")


@dataclass(frozen=True)
class Piece:
    """A part of an answer. Only the last piece has a finish reason: "stop", "length" or "cancelled".

    The end token has a log-probability (the last piece's) but is not among the tokens.
    """

    text: str
    tokens: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()
    finish_reason: str | None = None
    top: tuple[Alternatives, ...] = ()
    prompt: tuple[Scored, ...] = ()
    """On the first piece, if asked for."""
    prompt_tokens: int | None = None
    """On the first piece."""
    cached_tokens: int | None = None
    """On the first piece: tokens of the prompt that were known from before."""


Deliver = Callable[[Piece | Exception], None]


class Ticket(Protocol):
    """A request that has been accepted."""

    def cancel(self) -> None:
        """Stop it before its next token; from any thread, at any time."""


class Speaker(Protocol):
    """Anything that answers requests."""

    context: int
    """Tokens that prompt and answer may have together."""
    limit: str
    """Why these are fewer than the model could read; empty if they are not."""
    tokenizer: Tokenizer
    is_chat: bool
    """Whether it has learned to answer; a base model only continues texts."""

    def prompt(self, request: Request) -> list[int]:
        """The tokens of a request. Raises InputError if it cannot be answered."""
        ...

    def stream(self, request: Request) -> Iterator[Piece]:
        """Pieces of the answer. Closing the iterator cancels it. Raises Busy when too many wait."""
        ...

    def submit(self, request: Request, deliver: Deliver) -> Ticket:
        """Have pieces delivered from the engine's thread, the last with a finish reason or an exception instead."""
        ...

    def embed(self, tokens: Sequence[Sequence[int]]) -> list[list[float]]:
        """The mean of each sequence's vectors from the last layer, of length 1."""
        ...


@dataclass(frozen=True)
class Stats:
    """What an engine is doing, and has done since it was made."""

    running: int
    waiting: int
    slots: int
    cache_used: float
    """Share of its memory, 0 to 1."""
    prefix_queries: int
    """Tokens of prompts that were looked up."""
    prefix_hits: int
    """Those that did not have to be read."""
    prompt_tokens: int
    generated_tokens: int
    steps: int

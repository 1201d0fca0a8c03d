"""Log-probabilities as the two APIs show them: chats list tokens with their bytes, completions four parallel lists.

In: tokens with their log-probabilities and alternatives, as the engine gives them.  Out: JSON values.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chatwright.generation.speaker import Piece, Scored
from chatwright.text.tokenizer import Tokenizer

__all__ = ["LOWEST_LOGP", "Offsets", "chat_entries", "completion_lists", "scored_of", "shown_token"]

LOWEST_LOGP = -9999.0
"""What stands for minus infinity, which JSON cannot hold: a token that a logit bias or a cut had ruled out."""


def scored_of(piece: Piece) -> Iterator[Scored]:
    """The tokens of a piece, one by one. The end token has a log-probability, but is no token of the text."""
    for place, token in enumerate(piece.tokens):
        top = piece.top[place] if place < len(piece.top) else ()
        yield Scored(token, piece.logps[place], top)


def shown_token(tokenizer: Tokenizer, token: int) -> str:
    """A token as text; a part of a letter as OpenAI shows it, `bytes:\\xe2\\x80`, so that parts stay distinct."""
    own = tokenizer.joined([token])
    try:
        return own.decode("utf-8") or tokenizer.name(token)
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{value:02x}" for value in own)


def _finite(logp: float) -> float:
    return max(logp, LOWEST_LOGP)


def chat_entries(tokenizer: Tokenizer, scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """`logprobs.content` of a chat: every token with its bytes and its alternatives."""

    def entry(token: int, logp: float | None) -> dict[str, Any]:
        own = tokenizer.joined([token])
        return {
            "token": shown_token(tokenizer, token),
            "logprob": LOWEST_LOGP if logp is None else _finite(logp),
            "bytes": list(own) or None,
        }

    return [
        {**entry(item.token, item.logp), "top_logprobs": [entry(token, logp) for token, logp in item.top]}
        for item in scored
    ]


@dataclass
class Offsets:
    """Where each token begins in the text, in characters, counted on from piece to piece."""

    tokenizer: Tokenizer
    characters: int = 0

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def of(self, token: int) -> int:
        """The offset of the next token. A token inside a letter begins where the letter does."""
        here = self.characters
        self.characters += len(self._decoder.decode(self.tokenizer.joined([token])))
        return here


def completion_lists(tokenizer: Tokenizer, scored: Sequence[Scored], offsets: Offsets, top: int) -> dict[str, Any]:
    """`logprobs` of a completion. With `top` 0 there are no alternatives, and the last list is of nulls."""
    return {
        "tokens": [shown_token(tokenizer, item.token) for item in scored],
        "token_logprobs": [None if item.logp is None else _finite(item.logp) for item in scored],
        "top_logprobs": [_by_text(tokenizer, item) if top and item.logp is not None else None for item in scored],
        "text_offset": [offsets.of(item.token) for item in scored],
    }


def _by_text(tokenizer: Tokenizer, item: Scored) -> dict[str, float]:
    """Alternatives by their text. Two tokens of one text keep apart, or a greedy choice would not look like one."""
    found: dict[str, float] = {}
    for token, logp in item.top:
        text = shown_token(tokenizer, token)
        found[f"token_id:{token}" if text in found else text] = _finite(logp)
    return found

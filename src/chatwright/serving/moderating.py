"""Where a moderator sits: it checks what comes in, and every answer passes a gate that can hold text back.

In: conversations and the pieces of an answer.  Out: pieces that may be shown. Without a moderator all are, at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from chatwright.generation.speaker import Piece
from chatwright.text.conversation import Conversation

__all__ = ["Gate", "Moderator", "Verdict", "check"]

HELD_CHARACTERS = 160
"""At most so much of an answer waits for the moderator's word; the end of a line or sentence is asked about at once."""
ENDS = (".", "!", "?", "\n")


@dataclass(frozen=True)
class Verdict:
    """What a moderator says about a message."""

    allowed: bool
    categories: Mapping[str, float] = field(default_factory=dict)
    """Scores between 0 and 1 by category."""
    reply: str = ""
    """What to say instead of an answer."""


class Moderator(Protocol):
    """Judges the last message of a conversation; `role` is who says it: user or assistant."""

    def check(self, conversation: Conversation, role: str) -> Verdict: ...


async def check(moderator: Moderator | None, conversation: Conversation, role: str) -> Verdict:
    """Ask the moderator without holding up other requests; allowed where there is none."""
    if moderator is None:
        return Verdict(True)
    return await asyncio.to_thread(moderator.check, conversation, role)


class Gate:
    """Lets the pieces of one answer through once the moderator has seen the text up to them."""

    def __init__(self, moderator: Moderator | None, conversation: Conversation) -> None:
        self._moderator, self._conversation = moderator, conversation
        self._held: list[Piece] = []
        self._waiting = 0  # characters held
        self._text = ""
        self._shown = False
        self.is_shut = False
        """Whether the answer was withheld: nothing more comes out."""

    async def push(self, piece: Piece) -> list[Piece]:
        """The pieces that may be shown now. A withheld answer ends with the finish reason "content_filter"."""
        if self._moderator is None:
            return [piece]
        if self.is_shut:
            return []
        self._held.append(piece)
        self._text += piece.text
        self._waiting += len(piece.text)
        if piece.finish_reason is None and self._waiting < HELD_CHARACTERS and not piece.text.endswith(ENDS):
            return []
        verdict = await check(self._moderator, self._conversation.plus("assistant", self._text), "assistant")
        held, self._held, self._waiting = self._held, [], 0
        if verdict.allowed:
            self._shown = True
            return held
        self.is_shut = True
        counted = replace(held[0], text="", tokens=(), logps=(), top=(), prompt=(), finish_reason="content_filter")
        return [replace(counted, text="" if self._shown else verdict.reply)]

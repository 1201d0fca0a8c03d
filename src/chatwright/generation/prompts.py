"""From what people ask to the tokens that a model reads: chats and raw texts, cut where they are too long.

In: a conversation or a text.  Out: token ids.
"""

from __future__ import annotations

from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.tokenizer import Tokenizer

__all__ = ["chat_prompt", "text_prompt", "text_room"]


def chat_prompt(conversation: Conversation, tokenizer: Tokenizer, context: int, *, whole: bool = False) -> list[int]:
    """The tokens after which the model answers; the oldest turns are dropped where there would be no room for a token.

    Empty if the last message alone is too long, or with `whole` if anything would have to be dropped.
    """
    cut = fit(conversation, tokenizer, context - 1)
    if cut is None or (whole and cut != conversation):
        return []
    return render(cut, tokenizer, answer=True).tokens


def text_room(context: int, max_tokens: int) -> int:
    """Tokens that a text to go on with may have: half of the context at least, all but what goes on at most."""
    return max(1, context - min(max_tokens, context // 2) - 1)


def text_prompt(text: str, tokenizer: Tokenizer, room: int | None = None) -> list[int]:
    """The tokens of a text to go on with; the oldest are dropped where there are more than `room`."""
    opening, tokens = list(tokenizer.opening), tokenizer.encode(text)
    if room is not None and len(tokens) > room:
        tokens = tokens[-room:]
    return [*opening, *tokens] or [tokenizer.begin]

"""What a model reads when it goes on with a chat, and how that fills its context: one truth for answers and the meter.

In: a chat, one of its branches, a model, the tokens wanted.  Out: the prompt, without the oldest turns where they would
leave too little room, and its facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatwright.generation.speaker import Speaker
from chatwright.serving.errors import ApiError, too_long
from chatwright.store.chats import Chat, ChatMessage
from chatwright.text.conversation import Conversation, Message, fit, render

__all__ = ["USUAL_TOKENS", "Prompt", "context_of", "prompt_of"]

USUAL_TOKENS = 256
"""Of an answer, where the request names no number."""


@dataclass(frozen=True)
class Prompt:
    """What the model reads, and how its context is filled."""

    conversation: Conversation
    tokens: tuple[int, ...]
    facts: dict[str, int]
    """In tokens: system, history, room (for the answer), window; turns_dropped counts messages."""


def prompt_of(
    chat: Chat, branch: Sequence[ChatMessage], model: str, speaker: Speaker, max_tokens: int | None
) -> Prompt:
    """For an answer to the last message of a branch. Raises ApiError where there is no answer to it."""
    _check_chat(model, speaker)
    if not branch or branch[-1].role != "user":
        raise ApiError("Only a message of the user can be answered.", param="parent")
    prompt = _fitted(chat, branch, speaker, max_tokens)
    if len(prompt.tokens) >= speaker.context:
        what = "the system prompt with the last message" if prompt.facts["system"] else "the last message"
        refusal = too_long(len(prompt.tokens), speaker.context, what)
        refusal.param = "parent"
        raise refusal
    return prompt


def context_of(
    chat: Chat, branch: Sequence[ChatMessage], model: str, speaker: Speaker, max_tokens: int | None
) -> dict[str, int]:
    """The facts of the next prompt. After an answer that is the one of a question which is still to be asked."""
    _check_chat(model, speaker)
    return _fitted(chat, branch, speaker, max_tokens).facts


def _check_chat(model: str, speaker: Speaker) -> None:
    if not speaker.is_chat:
        raise ApiError(
            f"The model `{model}` has no chat template: it continues texts, in the playground.",
            code="no_chat_template",
            param="model",
        )


def _fitted(chat: Chat, branch: Sequence[ChatMessage], speaker: Speaker, max_tokens: int | None) -> Prompt:
    """Where not even the last message fits, it is kept all the same: longer than the window, and without room."""
    said = [Message(message.role, message.content) for message in branch]
    if not said or said[-1].role != "user":
        said.append(Message("user", ""))
    system = [Message("system", chat.system)] if chat.system.strip() else []
    asked = Conversation((*system, *said))
    wanted = min(max_tokens or USUAL_TOKENS, speaker.context)
    # A quarter of the context stays free for the answer, unless fewer tokens are wanted.
    room = min(wanted, max(1, speaker.context // 4))
    cut = (
        fit(asked, speaker.tokenizer, speaker.context - room)
        or fit(asked, speaker.tokenizer, speaker.context - 1)
        or Conversation((*system, said[-1]))
    )
    tokens = tuple(render(cut, speaker.tokenizer, answer=True).tokens)
    own = len(speaker.tokenizer.encode(chat.system)) if system else 0
    facts = {
        "system": own,
        "history": len(tokens) - own,
        "room": max(0, min(wanted, speaker.context - len(tokens))),
        "window": speaker.context,
        "turns_dropped": len(asked.messages) - len(cut.messages),
    }
    return Prompt(cut, tokens, facts)

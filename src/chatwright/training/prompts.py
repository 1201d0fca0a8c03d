"""Prompts that PPO samples answers for: read, cut to the room there is, and dealt out over the iterations.

In: files of prompts or conversations.  Out: tokens that an answer follows, with the facts beside each prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatwright.errors import InputError
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.files import names_of
from chatwright.text.records import ConversationSource, read_prompts
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.batches import permutation

__all__ = ["Prompt", "chosen", "prompts_of"]


@dataclass(frozen=True)
class Prompt:
    """A prompt, ready to be continued."""

    conversation: Conversation
    tokens: list[int]
    facts: dict[str, object]


def prompts_of(sources: Sequence[str | ConversationSource], tokenizer: Tokenizer, room: int) -> list[Prompt]:
    """The prompts of files that fit into `room` tokens, the oldest turns dropped where that helps.

    Raises InputError where files are named and none of their prompts fits.
    """
    prompts = []
    for conversation, facts in read_prompts(sources) if sources else ():
        cut = fit(conversation, tokenizer, room)
        if cut is not None:
            prompts.append(Prompt(cut, render(cut, tokenizer, answer=True).tokens, dict(facts)))
    if sources and not prompts:
        raise InputError(
            f"{names_of(sources)}: no prompt is shorter than {room} tokens; lower ppo.max_tokens or shorten prompts"
        )
    return prompts


def chosen(prompts: Sequence[Prompt], *, seed: int, iteration: int, batch: int) -> list[Prompt]:
    """The prompts of an iteration: every one once before any comes again."""
    own = []
    for index in range(iteration * batch, (iteration + 1) * batch):
        epoch, place = divmod(index, len(prompts))
        own.append(prompts[int(permutation(seed, epoch, len(prompts))[place])])
    return own

"""A trained model in Python: `chatwright.load(folder)`.

assistant = chatwright.load("runs/quickstart")
assistant.chat("Where does Jutta live?")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from chatwright.artefacts import load_language_model
from chatwright.errors import InputError
from chatwright.generation.sampling import Sampling
from chatwright.generation.speaker import EngineSpeaker, Request
from chatwright.models.heads import LanguageModel
from chatwright.text.conversation import Conversation
from chatwright.text.tokenizer import Tokenizer
from chatwright.world import World, open_world

__all__ = ["Assistant", "load"]


class Assistant:
    """A language model and its tokenizer, ready to answer."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer, world: World) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._world, self._speaker = world, EngineSpeaker(model, tokenizer, world)

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits float32 [B, T, V] of what follows each of `tokens`, a LongTensor [B, T]; InputError for no such id."""
        rows = self.model.backbone.config.vocabulary
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < rows:
            raise InputError(f"logits: the model knows the ids 0 to {rows - 1}; encode texts with its tokenizer")
        with torch.no_grad():
            logits, _ = self.model(tokens.to(self._world.device))
        return logits.float()

    def generate(
        self,
        text: str,
        *,
        max_tokens: int = 128,
        temperature: float = 0.7,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> str:
        """The continuation of a text, without the text."""
        sampling = Sampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens)
        return self._said(Request(text=text, sampling=sampling, seed=seed, stop=tuple(stop)))

    def chat(
        self,
        messages: str | Conversation | Sequence[Mapping[str, str]],
        *,
        max_tokens: int = 128,
        temperature: float = 0.7,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> str:
        """The answer to a message, or to a conversation as `[{"role": ..., "content": ...}, ...]`.

        Raises InputError if the conversation does not end with a user message.
        """
        if isinstance(messages, str):
            messages = Conversation.of(messages)
        elif not isinstance(messages, Conversation):
            messages = Conversation.from_messages(messages, where="chat")
        if messages.last.role != "user":
            raise InputError("chat: the last message must be the user's; there is nothing to answer")
        sampling = Sampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens)
        return self._said(Request(conversation=messages, sampling=sampling, seed=seed, stop=tuple(stop)))

    def _said(self, request: Request) -> str:
        return "".join(piece.text for piece in self._speaker.stream(request))


def load(folder: str | Path, *, device: str = "auto", precision: str = "auto", threads: int = 2) -> Assistant:
    """Load a model folder, a stage folder, or a recipe run (its ppo, else its sft, else its base).

    Raises ArtefactError if there is no language model in it.
    """
    world = open_world(device, precision, threads)
    model, tokenizer = load_language_model(Path(folder), world=world, weights="compute")
    return Assistant(model, tokenizer, world)

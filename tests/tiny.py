"""Networks of a few thousand weights, a tokenizer and a world for tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.state import CacheState
from chatwright.models.stepping import Step
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.text.token_files import TokenWriter
from chatwright.text.tokenizer import Tokenizer
from chatwright.world import World

torch.set_num_threads(1)


def world_of(shards: int = 1) -> World:
    return World(torch.device("cpu"), torch.float32, shards)


def config_of(vocabulary: int = 40, context: int = 64, **changes: object) -> TransformerConfig:
    shape = {"width": 32, "layers": 2, "heads": 4, "kv_heads": 4, "hidden": 64, **changes}
    return TransformerConfig(vocabulary=vocabulary, context=context, **shape)  # type: ignore[arg-type]


def language_model(vocabulary: int = 40, context: int = 64, *, seed: int = 0, **changes: object) -> LanguageModel:
    """A language model with random weights."""
    torch.manual_seed(seed)
    return LanguageModel(Transformer(config_of(vocabulary, context, **changes)))


def scalar_model(vocabulary: int = 40, context: int = 64, *, seed: int = 0, **changes: object) -> ScalarModel:
    torch.manual_seed(seed)
    return ScalarModel(Transformer(config_of(vocabulary, context, **changes)))


def watch(monkeypatch: pytest.MonkeyPatch, model: LanguageModel, look: Callable[[Tensor], object]) -> None:
    """Before every forward pass of a model, the short one for a single token included, look at its tokens [B, L]."""
    real = Step.__call__

    def forward(_: Module, given: tuple[Tensor, ...]) -> None:
        look(given[0])

    def step(self: Step, tokens: Tensor, state: CacheState) -> Tensor:
        if self.backbone is model.backbone:
            look(tokens[:, None])
        return real(self, tokens, state)

    model.backbone.register_forward_pre_hook(forward)
    monkeypatch.setattr(Step, "__call__", step)


@cache
def tokenizer() -> Tokenizer:
    """Control tokens, bytes and a few words: about 290 ids."""
    texts = ["the quick brown fox jumps over the lazy dog. "] * 20 + ["Grüße an die schöne Müllerin. "] * 20
    return Tokenizer.train(texts, 290)


def random_tokens(*shape: int, vocabulary: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, vocabulary, shape, generator=torch.Generator().manual_seed(seed))


def tokens_in(folder: Path, own: Tokenizer) -> Path:
    """A token folder of a text, as `tokenize` leaves it."""
    folder.mkdir()
    with TokenWriter(folder, own) as writer:
        for part in ("train", "validation", "test"):
            for _ in range(40):
                writer.add(part, own.encode("the quick brown fox jumps over the lazy dog. "))
        writer.note(sources=[])
    own.save(folder)
    (folder / "done.json").write_text("{}")
    return folder

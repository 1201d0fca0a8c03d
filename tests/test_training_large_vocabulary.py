"""A large vocabulary is never in memory for all positions at once, and ids without a text take no part in PPO."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling
from chatwright.models.heads import LanguageModel
from chatwright.models.lora import LoRA, adapted
from chatwright.training import losses
from chatwright.training.batches import Batch
from chatwright.training.losses import language_loss
from chatwright.training.rollouts import Rollout, answer_logps, collate
from tiny import language_model, random_tokens, world_of

VOCABULARY, ROWS, LENGTH = 1000, 4, 40
AT_ONCE = 15
"""Positions in a piece of these tests."""


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest tensor held that any operation made."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for own in made if isinstance(made, tuple | list) else [made]:
            if isinstance(own, Tensor) and own._base is None:
                self.numel = max(self.numel, own.numel())
        return made


@contextmanager
def piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(losses, "LARGEST_LOGITS", AT_ONCE * VOCABULARY)
        yield


def model_of(kind: str) -> LanguageModel:
    model = language_model(VOCABULARY, width=8, heads=2, kv_heads=2, hidden=16, tied=kind != "untied")
    if kind in ("adapters", "new rows"):
        return adapted(model, LoRA(rank=2), seed=1, new_tokens=3 if kind == "new rows" else 0)
    return model


def batch() -> Batch:
    tokens = random_tokens(ROWS, LENGTH + 1, vocabulary=VOCABULARY)
    weights = (random_tokens(ROWS, LENGTH, vocabulary=3, seed=1) > 0).float()
    return Batch(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous(), weights)


def rollout() -> Rollout:
    tokens = random_tokens(ROWS, LENGTH, vocabulary=900).tolist()
    lengths = [30, 20, 35, 5]
    answers = [own[:length] for own, length in zip(tokens, lengths, strict=True)]
    logps = [[0.0] * length for length in lengths]
    return collate([own[-4:] for own in tokens], answers, logps, [False] * ROWS, torch.device("cpu"))


def loss_of(model: LanguageModel) -> Tensor:
    return language_loss(model, batch())[0] / 7


def logps_of(model: LanguageModel) -> Tensor:
    toward = torch.randn(ROWS, 35, generator=torch.Generator().manual_seed(2))
    return (answer_logps(model, rollout(), temperature=0.8, vocabulary=900) * toward).sum()


@pytest.mark.parametrize("kind", ["all weights", "untied", "adapters", "new rows"])
@pytest.mark.parametrize("objective", [loss_of, logps_of])
def test_piece_by_piece_value_and_gradients_are_those_of_the_whole(
    objective: Callable[[LanguageModel], Tensor], kind: str, monkeypatch: pytest.MonkeyPatch
):
    model = model_of(kind)
    weights = list(model.parameters())
    whole = objective(model)
    expected = torch.autograd.grad(whole, weights)
    with piece_by_piece(monkeypatch):
        pieces = objective(model)
        found = torch.autograd.grad(pieces, weights)
    assert torch.allclose(pieces, whole, rtol=1e-5)
    for own, other in zip(found, expected, strict=True):
        assert torch.allclose(own, other, atol=1e-5 * float(other.abs().max()) + 1e-7)


@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("objective", [loss_of, logps_of])
def test_no_tensor_is_larger_than_a_piece_of_the_logits(
    objective: Callable[[LanguageModel], Tensor], graded: bool, monkeypatch: pytest.MonkeyPatch
):
    model = model_of("all weights")
    assert VOCABULARY * model.backbone.width < AT_ONCE * VOCABULARY, "the matrix and its gradient are no larger either"

    def largest() -> int:
        with torch.set_grad_enabled(graded), Largest() as seen:
            value = objective(model)
            if graded:
                torch.autograd.grad(value, list(model.parameters()))
        return seen.numel

    assert largest() > 4 * AT_ONCE * VOCABULARY
    with piece_by_piece(monkeypatch):
        assert largest() == AT_ONCE * VOCABULARY


# -- ids without a text ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ends:
    """What the engine asks of a tokenizer that has 30 ids."""

    size: int = 30
    end: int = 2
    stops: frozenset[int] = field(default_factory=lambda: frozenset({2}))


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_stored_log_probabilities_are_those_of_teacher_forcing_where_the_table_is_padded(temperature: float):
    model = language_model(40)
    with torch.no_grad():
        model.backbone.embedding.weight[30:] += 0.5  # likely, if they were asked for
    prompts = random_tokens(12, 4, vocabulary=27).add(3).tolist()
    settings = Sampling(temperature=temperature, max_tokens=20)
    sampled = Engine(model, Ends(), world_of()).sample(prompts, settings, seeds=range(12))  # type: ignore[arg-type]
    answers = [[*own.tokens, *[2] * own.ended] for own in sampled]
    assert max(token for answer in answers for token in answer) < 30
    stored = [own.logps for own in sampled]
    rolled = collate(prompts, answers, stored, [own.ended for own in sampled], torch.device("cpu"))
    with torch.no_grad():
        found = answer_logps(model, rolled, temperature=temperature, vocabulary=30)
        unmasked = answer_logps(model, rolled, temperature=temperature)
    assert float((found - rolled.logps).abs().max()) <= 1e-4
    assert float((unmasked - rolled.logps).abs().max()) > 1e-2, "the padding would have taken part"

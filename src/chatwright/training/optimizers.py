"""Optimizers and learning-rate schedules: AdamW for everything, or Muon for the matrices inside blocks.

In: a module and settings.  Out: an `Optimizer` that steps, is saved and is restored as one thing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chatwright.errors import ConfigError

__all__ = ["KINDS", "Optimizer", "Schedule"]

KINDS = ("adamw", "muon")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A multiplier of the learning rate for every step: linear warm-up, then a decay over the last part."""

    steps: int
    warmup: int = 0
    decay: float = 1.0
    """Share of the steps over which the rate falls."""
    final: float = 0.0
    """Share of the rate that is left at the end."""
    shape: str = "cosine"
    initial: float = 0.0
    """Share of the rate at which warm-up begins."""

    def __post_init__(self) -> None:
        if self.shape not in ("cosine", "linear", "constant"):
            raise ConfigError(f"schedule is {self.shape!r}; choose cosine, linear or constant")

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return self.initial + (1 - self.initial) * (step + 1) / (self.warmup + 1)
        begin = max(self.warmup, round(self.steps * (1 - self.decay)))
        if self.shape == "constant" or step < begin:
            return 1.0
        done = min(1.0, (step - begin) / max(1, self.steps - begin))
        left = 0.5 * (1 + math.cos(math.pi * done)) if self.shape == "cosine" else 1 - done
        return self.final + (1 - self.final) * left


class Optimizer:
    """One or two PyTorch optimizers over a list of modules, driven by one schedule."""

    def __init__(
        self,
        modules: Iterable[nn.Module],
        schedule: Schedule,
        *,
        kind: str = "adamw",
        learning_rate: float,
        matrix_learning_rate: float | None = None,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.95),
        epsilon: float = 1e-8,
        clip: float | None = 1.0,
    ) -> None:
        if kind not in KINDS:
            raise ConfigError(f"optimizer is {kind!r}; choose {' or '.join(KINDS)}")
        named = [pair for module in modules for pair in module.named_parameters()]
        self.parameters = [weight for _, weight in named]
        self.schedule, self.clip = schedule, clip
        by_muon = [weight for name, weight in named if kind == "muon" and weight.ndim == 2 and "blocks." in name]
        chosen = {id(weight) for weight in by_muon}
        others = [weight for weight in self.parameters if id(weight) not in chosen]
        groups = [
            {"params": [weight for weight in others if weight.ndim >= 2], "weight_decay": weight_decay},
            {"params": [weight for weight in others if weight.ndim < 2], "weight_decay": 0.0},  # norms and biases
        ]
        groups = [group for group in groups if group["params"]]
        self.parts: list[torch.optim.Optimizer] = []
        if groups:
            fused = all(weight.device.type in ("cpu", "cuda") for weight in others)
            self.parts.append(torch.optim.AdamW(groups, lr=learning_rate, betas=betas, eps=epsilon, fused=fused))
        if by_muon:
            self.parts.append(
                torch.optim.Muon(
                    by_muon,
                    lr=learning_rate if matrix_learning_rate is None else matrix_learning_rate,
                    weight_decay=weight_decay,
                    adjust_lr_fn="match_rms_adamw",  # the rate means the same as AdamW's (Liu et al. 2025, eq. 4)
                )
            )
        self._rates = [[group["lr"] for group in part.param_groups] for part in self.parts]

    def step(self, number: int, gradients: Iterable[Tensor]) -> float:
        """Apply summed gradients as step `number`; returns their norm before clipping.

        Where the norm is not finite nothing is applied: the caller ends training with weights that can be looked at.
        """
        for weight, gradient in zip(self.parameters, gradients, strict=True):
            weight.grad = gradient
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self.clip or math.inf))
        if not math.isfinite(norm):
            return norm
        scale = self.schedule(number)
        for part, rates in zip(self.parts, self._rates, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = rate * scale
            part.step()
            part.zero_grad(set_to_none=True)
        return norm

    @property
    def learning_rate(self) -> float:
        return float(self.parts[0].param_groups[0]["lr"])

    def tensors(self) -> dict[str, Tensor]:
        """All moments, named so that `restore` finds them again."""
        return {
            f"{number}.{index}.{key}": value
            for number, part in enumerate(self.parts)
            for index, slots in part.state_dict()["state"].items()
            for key, value in slots.items()
            if isinstance(value, Tensor)
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` returned."""
        states: list[dict[int, dict[str, Any]]] = [{} for _ in self.parts]
        for name, value in tensors.items():
            number, index, key = name.split(".", 2)
            states[int(number)].setdefault(int(index), {})[key] = value
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})

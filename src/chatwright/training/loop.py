"""The training loop, as a generator: it takes a step, hands it out, and the stage owns what happens in between.

for step in train_steps(model, batches, language_loss, optimizer, until=config.steps, world=world):
    run.log(step.number, loss=step.loss)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from chatwright.errors import TrainingError
from chatwright.training.batches import Trainable
from chatwright.training.optimizers import Optimizer
from chatwright.world import World

__all__ = ["Step", "summed_gradients", "train_steps"]

Model = TypeVar("Model", bound=nn.Module)
Part = TypeVar("Part")
Rows = TypeVar("Rows", bound=Trainable)


@dataclass(frozen=True)
class Step:
    """One step that has been taken."""

    number: int
    """Counted from 1."""
    loss: float
    """Mean over the weight of the whole batch."""
    weight: float
    tokens: int
    """Tokens read, padding included."""
    gradient_norm: float
    learning_rate: float


def summed_gradients(
    parameters: Sequence[Tensor], loss: Callable[[Part], Tensor], parts: Sequence[Part], world: World
) -> tuple[list[Tensor], list[float]]:
    """Gradients of the sum of `loss` over `parts` and over all processes, and the losses of this process's parts.

    The parts are divided among the world's threads; sums keep a fixed order whichever thread is done first.
    """

    def of_thread(own: Sequence[Part]) -> tuple[list[Tensor], list[float]]:
        total: list[Tensor] = []
        losses = []
        for part in own:
            value = loss(part)
            # materialize: a part that does not touch a weight (a batch without pairs) gives it a gradient of zero
            gradients = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
            total = list(gradients) if not total else torch._foreach_add(total, gradients)  # type: ignore[assignment]
            losses.append(float(value.detach()))
        return total, losses

    shares = [parts[number :: world.shards] for number in range(min(world.shards, len(parts)))]
    results = world.map(of_thread, shares)
    # a process without rows of its own (the last batch of an epoch) adds nothing, but takes part in the sums
    total = results[0][0] if results else [torch.zeros_like(weight) for weight in parameters]
    for gradients, _ in results[1:]:
        torch._foreach_add_(total, gradients)
    for gradient in total if world.size > 1 else ():
        world.sum(gradient)
    losses = [0.0] * len(parts)
    for number, (_, own) in enumerate(results):
        losses[number :: world.shards] = own
    return total, losses


def train_steps(
    model: Model,
    batches: Callable[[int], Rows],
    loss: Callable[[Model, Rows], tuple[Tensor, Any]],
    optimizer: Optimizer,
    *,
    until: int,
    after: int = 0,
    world: World,
    accumulate: int = 1,
) -> Iterator[Step]:
    """Take the steps `after` + 1 to `until`, each on one batch, and yield them.

    A batch is divided among the processes, then into `accumulate` parts for each thread; its loss is divided once by
    the weight of the whole batch. Raises TrainingError when the loss or the gradient is not finite; the step is
    not applied then.
    """
    for number in range(after, until):
        whole = batches(number)
        own = whole.rows(world.share(len(whole))).to(world.device) if world.size > 1 else whole.to(world.device)
        weight = float(world.sum(torch.tensor(own.weight, device=world.device, dtype=torch.float64)))
        if weight == 0:
            raise TrainingError(f"step {number + 1}: the batch has no supervised token")

        def share(part: Rows, weight: float = weight) -> Tensor:
            return loss(model, part)[0] / weight

        gradients, losses = summed_gradients(optimizer.parameters, share, own.split(world.shards * accumulate), world)
        mean = float(world.sum(torch.tensor(sum(losses), device=world.device, dtype=torch.float64)))
        if not math.isfinite(mean):
            raise TrainingError(
                f"step {number + 1}: the loss is {mean}; lower the learning rate or look at the data of this batch"
            )
        norm = optimizer.step(number, gradients)
        if not math.isfinite(norm):
            raise TrainingError(f"step {number + 1}: the gradient is not finite; lower the learning rate")
        yield Step(number + 1, mean, weight, whole.read, norm, optimizer.learning_rate)

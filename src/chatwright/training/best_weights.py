"""The best weights so far: kept while a model learns, saved with every checkpoint, put back at the end.

In: a loss on held-out data now and then.  Out: the weights that had the lowest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from chatwright.training.checkpoints import restore_checkpoint, write_checkpoint
from chatwright.training.optimizers import Optimizer

__all__ = ["BestWeights", "put_back", "weights_of"]


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of what is learned."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def put_back(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into the model's own memory."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(weights[name])


class BestWeights:
    """The weights of `model` that had the lowest loss."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.loss = float("inf")
        self.weights: dict[str, Tensor] = {}

    def note(self, loss: float) -> None:
        """The loss that the model's present weights have: they are kept if none was lower."""
        if loss < self.loss:
            self.loss, self.weights = loss, weights_of(self.model)

    def restore(self, latest: tuple[int, Path] | None, optimizer: Optimizer) -> int:
        """Go on from the latest checkpoint, if there is one, and return how many steps it has behind it."""
        if latest is None:
            return 0
        state, self.weights = restore_checkpoint(latest[1], {"model": self.model}, {"model": optimizer})
        self.loss = float(str(state["best_loss"]))
        return latest[0]

    def write(self, folder: Path, optimizer: Optimizer) -> None:
        """Write a checkpoint of model, optimizer and these weights into `folder`."""
        write_checkpoint(folder, {"model": self.model}, {"model": optimizer}, {"best_loss": self.loss}, self.weights)

    def put_back(self) -> None:
        """Give the model the best weights there were."""
        put_back(self.model, self.weights)

"""What is needed to go on with a training run that broke off: weights, optimizer and position, written as one.

The folder is made and renamed by the run (`StageFolder.checkpoint`); here are the files inside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from chatwright.errors import ArtefactError
from chatwright.training.optimizers import Optimizer

__all__ = ["restore_checkpoint", "write_checkpoint"]


def write_checkpoint(
    folder: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    state: Mapping[str, object] | None = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> None:
    """Write modules, optimizers, further tensors and a JSON state into `folder`."""
    named = {
        f"module/{name}/{key}": value for name, module in modules.items() for key, value in _weights(module).items()
    }
    for name, optimizer in optimizers.items():
        named |= {f"optimizer/{name}/{key}": value for key, value in optimizer.tensors().items()}
    named |= {f"tensor/{name}": value for name, value in (tensors or {}).items()}
    save_file({name: value.detach().contiguous().cpu() for name, value in named.items()}, folder / "state.safetensors")
    (folder / "state.json").write_text(json.dumps(dict(state or {})), encoding="utf-8")


def restore_checkpoint(
    folder: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Put back what `write_checkpoint` wrote; returns the JSON state and the further tensors.

    Values are copied into the modules' own memory: products of matrices in memory-mapped files may round otherwise.
    """
    try:
        named = load_file(folder / "state.safetensors")
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, SafetensorError) as problem:
        raise ArtefactError(
            f"{folder}: the checkpoint cannot be read ({problem}); delete this folder to begin anew"
        ) from None
    with torch.no_grad():
        for name, module in modules.items():
            for key, value in _weights(module).items():
                value.copy_(named[f"module/{name}/{key}"])
    for name, optimizer in optimizers.items():
        prefix = f"optimizer/{name}/"
        optimizer.restore({key[len(prefix) :]: value.clone() for key, value in named.items() if key.startswith(prefix)})
    return state, {key[7:]: value.clone() for key, value in named.items() if key.startswith("tensor/")}


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters())

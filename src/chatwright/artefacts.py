"""Models on disk: `model/` holds weights.safetensors, model.json and tokenizer.json; never code, never pickle.

In: a folder (`model/`, a stage folder or a recipe run).  Out: a network with its tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from chatwright.disk import replacing
from chatwright.errors import ArtefactError, ConfigError
from chatwright.folders import model_folder
from chatwright.models.heads import LanguageModel, ScalarModel, new_backbone
from chatwright.models.recurrent import RecurrentConfig
from chatwright.models.transformer import TransformerConfig
from chatwright.text.tokenizer import FILE_NAME, Tokenizer
from chatwright.world import World, open_world

__all__ = ["WeightsAs", "called", "describe", "load_language_model", "load_scalar_model", "save_model", "shape_in"]

WeightsAs = Literal["float32", "compute", "stored"]
"""What weights are kept in: float32, to learn; the dtype that flows through, to run; as they lie in the file."""

HEADS: dict[str, type[LanguageModel] | type[ScalarModel]] = {"language": LanguageModel, "scalar": ScalarModel}
CALLED = {"language": "language model", "scalar": "reward model"}
BACKBONES: dict[str, type[TransformerConfig] | type[RecurrentConfig]] = {
    "transformer": TransformerConfig,
    "recurrent": RecurrentConfig,
}


def save_model(folder: Path, model: LanguageModel | ScalarModel, tokenizer: Tokenizer, **facts: object) -> None:
    """Write a model into `folder`, in float32. `facts` go into model.json as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    head = next(name for name, kind in HEADS.items() if isinstance(model, kind))
    shape = model.backbone.config
    kind = next(name for name, config in BACKBONES.items() if isinstance(shape, config))
    described = {
        "format": 1,
        "head": head,
        "backbone": {"kind": kind, **asdict(shape)},
        **({} if model.imported is None else {"imported": dict(model.imported)}),
        **facts,
    }
    weights = {name: weight.detach().float().contiguous().cpu() for name, weight in model.named_parameters()}
    with replacing(folder / "weights.safetensors") as unfinished:  # whoever has the old file mapped keeps it
        save_file(weights, unfinished)
    (folder / "model.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    tokenizer.save(folder)


def load_language_model(
    folder: Path,
    *,
    world: World | None = None,
    device: str = "auto",
    precision: str = "auto",
    weights: WeightsAs = "float32",
) -> tuple[LanguageModel, Tokenizer]:
    """Load a language model, ready to run. Raises ArtefactError for another kind of model or a damaged file.

    `weights` is what they are kept in. What is to learn takes "float32", in memory of its own. What only runs takes
    "compute": where the file has that dtype already the weights are mapped, not copied. "stored" always maps them.
    """
    model, tokenizer = _load(folder, "language", world or open_world(device, precision), weights)
    assert isinstance(model, LanguageModel)
    return model, tokenizer


def load_scalar_model(
    folder: Path,
    *,
    world: World | None = None,
    device: str = "auto",
    precision: str = "auto",
    weights: WeightsAs = "float32",
) -> tuple[ScalarModel, Tokenizer]:
    """Load a reward model or a value function. Raises ArtefactError for another kind or a damaged file."""
    model, tokenizer = _load(folder, "scalar", world or open_world(device, precision), weights)
    assert isinstance(model, ScalarModel)
    return model, tokenizer


def describe(folder: Path) -> dict[str, Any]:
    """What model.json says about the model in a folder."""
    path = model_folder(folder) / "model.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ArtefactError(f"{path} cannot be read ({problem}); the folder is no complete model") from None
    if not isinstance(described, dict) or not isinstance(described.get("backbone"), dict):
        raise ArtefactError(f"{path} does not describe a model; the folder is no complete model")
    return described


def called(described: Mapping[str, Any]) -> str:
    """What people call a model that `describe` read, such as "reward model"."""
    head = str(described.get("head"))
    return CALLED.get(head, f"{head} model")


def shape_in(folder: Path) -> TransformerConfig | RecurrentConfig:
    """The shape of the model in a folder, without its weights."""
    return _config(describe(folder)["backbone"], model_folder(folder) / "model.json")


def _load(folder: Path, head: str, world: World, weights: WeightsAs) -> tuple[nn.Module, Tokenizer]:
    described = describe(folder)
    folder = model_folder(folder)
    if described.get("head") != head:
        raise ArtefactError(f"{folder} holds a {called(described)}; a {CALLED[head]} is needed here")
    config = _config(described["backbone"], folder / "model.json")
    tokenizer = Tokenizer.load(folder)
    if tokenizer.size > config.vocabulary:
        raise ArtefactError(
            f"{folder / FILE_NAME} has {tokenizer.size} ids, but the model beside it knows {config.vocabulary}; "
            f"they do not belong together"
        )
    with torch.device("meta"):
        model = HEADS[head](new_backbone(config))
    _fill(model, folder / "weights.safetensors", world.dtype if weights == "compute" else None, weights == "float32")
    model.imported = described.get("imported")
    model.backbone.dtype = world.dtype
    return model.to(world.device).eval().requires_grad_(False), tokenizer


def _config(shape: dict[str, Any], path: Path) -> TransformerConfig | RecurrentConfig:
    """The backbone that model.json describes; what is unknown, missing or impossible is named."""
    shape = dict(shape)
    kind = shape.pop("kind", None)
    if not isinstance(kind, str) or kind not in BACKBONES:
        raise ArtefactError(f"{path}: the backbone is {kind!r}; this version knows {' and '.join(BACKBONES)}")
    unknown = sorted(shape.keys() - {field.name for field in fields(BACKBONES[kind])})
    if unknown:
        raise ArtefactError(f"{path}: {unknown[0]} is no setting of a {kind}; a newer version may have written it")
    try:
        return TypeAdapter(BACKBONES[kind]).validate_python(shape)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise ArtefactError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ConfigError as problem:
        raise ArtefactError(f"{path}: {problem}") from None


def _fill(model: nn.Module, path: Path, dtype: torch.dtype | None, own_memory: bool) -> None:
    """Give a model the weights of a file, naming what is missing, left over or of another shape.

    With `own_memory` they are float32 copies at aligned addresses, so that training gives the same bits whether it
    began with this file or goes on from a checkpoint; else mapped, and converted where `dtype` is another.
    """
    expected = dict(model.named_parameters())
    try:
        with safe_open(path, framework="pt") as file:
            _check_names(set(file.keys()), set(expected), path)
            for name, weight in expected.items():
                stored = file.get_tensor(name)
                if stored.shape != weight.shape:
                    raise ArtefactError(
                        f"{path}: {name} has shape {tuple(stored.shape)}, model.json asks for {tuple(weight.shape)}"
                    )
                if not stored.is_floating_point():
                    raise ArtefactError(f"{path}: {name} holds {stored.dtype}, not floating-point numbers")
                if not _is_finite(stored):
                    raise ArtefactError(f"{path}: {name} holds values that are not finite; train it again")
                module, _, own = name.rpartition(".")
                kept = stored.to(torch.float32, copy=True) if own_memory else stored.to(dtype or stored.dtype)
                model.get_submodule(module).register_parameter(own, nn.Parameter(kept))
    except (OSError, SafetensorError) as problem:
        raise ArtefactError(f"{path} cannot be read ({problem}); copy the model anew or run its stage again") from None


def _is_finite(stored: torch.Tensor) -> bool:
    # The sum is finite if all are, but for sums too great for the dtype: one pass instead of three, mostly.
    return bool(torch.isfinite(stored.sum())) or bool(torch.isfinite(stored).all())


def _check_names(found: set[str], expected: set[str], path: Path) -> None:
    for names, word in ((expected - found, "lacks"), (found - expected, "has an unknown")):
        if names:
            raise ArtefactError(f"{path} {word} tensor {_listed(sorted(names))}; it does not fit its model.json")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

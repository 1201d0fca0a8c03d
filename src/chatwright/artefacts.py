"""Models on disk: `model/` holds weights.safetensors, model.json and tokenizer.json; never code, never pickle.

In: a folder (`model/`, a stage folder or a recipe run).  Out: a network with its tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from chatwright.errors import ArtefactError, ConfigError
from chatwright.folders import model_folder
from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.text.tokenizer import FILE_NAME, Tokenizer
from chatwright.world import World, open_world

__all__ = ["load_language_model", "load_scalar_model", "save_model"]

HEADS: dict[str, type[LanguageModel] | type[ScalarModel]] = {"language": LanguageModel, "scalar": ScalarModel}


def save_model(folder: Path, model: LanguageModel | ScalarModel, tokenizer: Tokenizer, **facts: object) -> None:
    """Write a model into `folder`, which must not exist or be empty. `facts` go into model.json as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    head = next(name for name, kind in HEADS.items() if isinstance(model, kind))
    described = {
        "format": 1,
        "head": head,
        "backbone": {"kind": "transformer", **asdict(model.backbone.config)},
        **facts,
    }
    weights = {name: weight.detach().float().contiguous().cpu() for name, weight in model.named_parameters()}
    save_file(weights, folder / "weights.safetensors")
    (folder / "model.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    tokenizer.save(folder)


def load_language_model(
    folder: Path, *, world: World | None = None, device: str = "auto", precision: str = "auto"
) -> tuple[LanguageModel, Tokenizer]:
    """Load a language model, ready to run. Raises ArtefactError for another kind of model or a damaged file."""
    model, tokenizer = _load(folder, "language", world or open_world(device, precision))
    assert isinstance(model, LanguageModel)
    return model, tokenizer


def load_scalar_model(
    folder: Path, *, world: World | None = None, device: str = "auto", precision: str = "auto"
) -> tuple[ScalarModel, Tokenizer]:
    """Load a reward model or a value function. Raises ArtefactError for another kind or a damaged file."""
    model, tokenizer = _load(folder, "scalar", world or open_world(device, precision))
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


def _load(folder: Path, head: str, world: World) -> tuple[nn.Module, Tokenizer]:
    described = describe(folder)
    folder = model_folder(folder)
    if described.get("head") != head:
        raise ArtefactError(f"{folder} holds a {described.get('head')} model; a {head} model is needed here")
    config = _config(described["backbone"], folder / "model.json")
    tokenizer = Tokenizer.load(folder)
    if tokenizer.size > config.vocabulary:
        raise ArtefactError(
            f"{folder / FILE_NAME} has {tokenizer.size} ids, but the model beside it knows {config.vocabulary}; "
            f"they do not belong together"
        )
    with torch.device("meta"):
        model = HEADS[head](Transformer(config))
    model = model.to_empty(device="cpu")
    for name, table in zip(("cosines", "sines"), model.backbone.tables(), strict=True):
        setattr(model.backbone, name, table)
    _fill(model, folder / "weights.safetensors")
    model.backbone.dtype = world.dtype
    return model.to(world.device).eval().requires_grad_(False), tokenizer


def _config(shape: dict[str, Any], path: Path) -> TransformerConfig:
    """The backbone that model.json describes; what is unknown, missing or impossible is named."""
    shape = dict(shape)
    kind = shape.pop("kind", None)
    if kind != "transformer":
        raise ArtefactError(f"{path}: the backbone is {kind!r}; this version knows transformer")
    unknown = sorted(shape.keys() - {field.name for field in fields(TransformerConfig)})
    if unknown:
        raise ArtefactError(f"{path}: {unknown[0]} is no setting of a transformer; a newer version may have written it")
    try:
        return TypeAdapter(TransformerConfig).validate_python(shape)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise ArtefactError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ConfigError as problem:
        raise ArtefactError(f"{path}: {problem}") from None


def _fill(model: nn.Module, path: Path) -> None:
    """Copy weights from a file into a model, naming what is missing, left over or of another shape."""
    expected = dict(model.named_parameters())
    try:
        with safe_open(path, framework="pt") as file, torch.no_grad():
            _check_names(set(file.keys()), set(expected), path)
            for name, weight in expected.items():
                stored = file.get_tensor(name)
                if stored.shape != weight.shape:
                    raise ArtefactError(
                        f"{path}: {name} has shape {tuple(stored.shape)}, model.json asks for {tuple(weight.shape)}"
                    )
                if not bool(torch.isfinite(stored).all()):
                    raise ArtefactError(f"{path}: {name} holds values that are not finite; train it again")
                weight.copy_(stored)
    except (OSError, SafetensorError) as problem:
        raise ArtefactError(f"{path} cannot be read ({problem}); copy the model anew or run its stage again") from None


def _check_names(found: set[str], expected: set[str], path: Path) -> None:
    for names, word in ((expected - found, "lacks"), (found - expected, "has an unknown")):
        if names:
            raise ArtefactError(f"{path} {word} tensor {_listed(sorted(names))}; it does not fit its model.json")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

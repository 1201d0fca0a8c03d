"""Adapters on disk, in the format of PEFT: adapter_config.json and adapter_model.safetensors, under published names.

In: an adapted model, or such a folder.  Out: such a folder, or an adapted model. What `peft` wrote is read here and the
other way round; a reward model's readout is its `score`, and where tokens were added the whole embedding goes along.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from chatwright.errors import ArtefactError
from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.huggingface import HEAD
from chatwright.models.lora import TABLES, AdaptedLinear, LoRA, Model, adapted
from chatwright.models.sites import Site, published_name, sites_of
from chatwright.models.vocabulary import TokenRows, grow

__all__ = ["CONFIG", "WEIGHTS", "load_adapter", "save_adapter"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."


def save_adapter(folder: Path, model: LanguageModel | ScalarModel, *, base: str | None = None) -> None:
    """Write a model's adapters into `folder`; `base` is the name under which PEFT finds the weights beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    sites: list[Site] = []
    rank, scale, dropout = 0, 0.0, 0.0
    for module in model.backbone.modules():
        if isinstance(module, AdaptedLinear) and module.sites:
            rank, scale, dropout = module.rank, module.scale, module.dropout
            for site, down, up in module.pairs():
                sites.append(site)
                tensors[f"{site.name}.lora_A.weight"] = down
                tensors[f"{site.name}.lora_B.weight"] = site.to_published(up)
    if isinstance(model, ScalarModel):
        tensors |= {f"score.{name}": weight for name, weight in model.readout.named_parameters()}
    tables = dict(model.named_modules())
    for path in TABLES:
        if isinstance(table := tables.get(path), TokenRows):
            tensors[_table_name(model, path)] = table.joined()
            if isinstance(model, LanguageModel) and model.output_bias is not None:
                tensors[f"{HEAD}.bias"] = model.output_bias
    config = {
        "peft_type": "LORA",
        "task_type": "SEQ_CLS" if isinstance(model, ScalarModel) else "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": scale * rank,
        "target_modules": _targets(model, sites),
        "lora_dropout": dropout,
        "bias": "none",
        "fan_in_fan_out": any(site.transposed for site in sites),
        "modules_to_save": ["score"] if isinstance(model, ScalarModel) else None,
        "inference_mode": True,
    }
    plain = {PREFIX + name: tensor.detach().float().contiguous().cpu() for name, tensor in tensors.items()}
    save_file(plain, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_adapter(model: Model, folder: Path) -> Model:
    """A view of `model` with the adapters of a folder, ready to be used or learned further.

    Where the folder holds an embedding with more rows than the model's, the model grows. Raises ArtefactError for what
    is missing, damaged, of another shape, or a kind of adapter that is not known here.
    """
    config, tensors = _read(folder)
    settings = _settings(config, folder)
    new = _take_tables(model, tensors, folder)
    sites = {site.name: site for site in sites_of(model.backbone.config)}
    found = sorted({name.rpartition(".lora_")[0] for name in tensors if ".lora_" in name})
    if unknown := [name for name in found if name not in sites]:
        raise ArtefactError(
            f"{folder / WEIGHTS}: the model has no projection {unknown[0]}; the adapters are of another"
        )
    if not found:
        raise ArtefactError(f"{folder / WEIGHTS} holds no adapters of the kind LoRA")
    view = adapted(model, replace(settings, targets=found), seed=0, new_tokens=new)
    with torch.no_grad():
        for module in view.backbone.modules():
            if isinstance(module, AdaptedLinear):
                for site, down, up in module.pairs():
                    _fill(down, tensors.pop(f"{site.name}.lora_A.weight", None), site.name, folder)
                    given = tensors.pop(f"{site.name}.lora_B.weight", None)
                    _fill(up, None if given is None else site.from_published(given), site.name, folder)
        if isinstance(view, ScalarModel):
            _fill(view.readout.weight, tensors.pop("score.weight", None), "score.weight", folder)
            _fill(view.readout.bias, tensors.pop("score.bias", torch.zeros(1)), "score.bias", folder)
    if tensors:
        raise ArtefactError(f"{folder / WEIGHTS} has an unknown tensor {min(tensors)}; it is no plain LoRA adapter")
    return view


def _table_name(model: LanguageModel | ScalarModel, path: str) -> str:
    return published_name(model.backbone.config, f"{path}.weight") or f"{path}.weight"


def _targets(model: LanguageModel | ScalarModel, sites: list[Site]) -> list[str]:
    """The shortest names by which PEFT finds these projections and no others."""
    chosen = {site.name for site in sites}
    everything = [site.name for site in sites_of(model.backbone.config)]
    for parts in (1, 2):
        short = {".".join(name.split(".")[-parts:]) for name in chosen}
        reached = {name for name in everything if any(name.endswith(f".{own}") for own in short)}
        if reached == chosen:
            return sorted(short)
    return sorted(chosen)


def _read(folder: Path) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as problem:
        raise ArtefactError(
            f"{folder} holds no adapters that can be read ({problem}); it needs {CONFIG} and {WEIGHTS}"
        ) from None
    if not isinstance(config, dict) or any(not name.startswith(PREFIX) for name in tensors):
        raise ArtefactError(f"{folder} was not written by PEFT: its tensors must be named {PREFIX}...")
    return config, {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}


def _settings(config: Mapping[str, Any], folder: Path) -> LoRA:
    """Rank, alpha and dropout; targets are read off the tensors."""
    plain = {"peft_type": "LORA", "use_dora": False, "bias": "none", "rank_pattern": {}, "alpha_pattern": {}}
    for key, known in plain.items():
        if config.get(key, known) not in (known, None):
            raise ArtefactError(f"{folder / CONFIG}: {key} is {config[key]!r}; only plain LoRA is read here")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float) or alpha <= 0:
        raise ArtefactError(f"{folder / CONFIG}: r is {rank!r} and lora_alpha {alpha!r}; both must be above 0")
    dropout = config.get("lora_dropout") or 0.0
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ArtefactError(f"{folder / CONFIG}: lora_dropout is {dropout!r}; it must lie in [0, 1)")
    alpha = float(alpha) * (math.sqrt(rank) if config.get("use_rslora") else 1.0)
    return LoRA(rank=rank, alpha=alpha, dropout=float(dropout))


def _take_tables(model: LanguageModel | ScalarModel, tensors: dict[str, Tensor], folder: Path) -> int:
    """Put an embedding that lies beside the adapters into the model, in place; returns how many rows are new."""
    shape = model.backbone.config
    names = {path: _table_name(model, path) for path in TABLES}
    tables = {path: tensors.pop(name) for path, name in names.items() if name in tensors}
    head = tensors.pop(f"{HEAD}.weight", None) if shape.tied else None  # PEFT writes a tied one twice
    if head is not None and not torch.equal(head, tables.get(TABLES[0], head[:0])):
        raise ArtefactError(f"{folder / WEIGHTS}: {HEAD}.weight is not the embedding, as it is in this model")
    if not tables:
        return 0
    if not isinstance(model, LanguageModel):
        raise ArtefactError(f"{folder}: an embedding lies beside the adapters of a model without an output")
    if any(table.ndim != 2 for table in tables.values()):
        raise ArtefactError(f"{folder / WEIGHTS}: the embedding is no matrix")
    new = max(0, len(next(iter(tables.values()))) - shape.vocabulary)
    grow(model, range(shape.vocabulary, shape.vocabulary + new))
    if model.output_bias is not None and f"{HEAD}.bias" in tensors:
        _fill(model.output_bias, tensors.pop(f"{HEAD}.bias"), f"{HEAD}.bias", folder)
    modules = dict(model.named_modules())
    for path, table in tables.items():
        if path in modules:
            _fill(modules[path].weight, table, names[path], folder)
    return new


def _fill(weight: Tensor, stored: Tensor | None, name: str, folder: Path) -> None:
    if stored is None:
        raise ArtefactError(f"{folder / WEIGHTS} lacks a tensor of {name}")
    if stored.shape != weight.shape:
        raise ArtefactError(
            f"{folder / WEIGHTS}: {name} has shape {tuple(stored.shape)}, the model asks for {tuple(weight.shape)}"
        )
    if not bool(torch.isfinite(stored).all()):
        raise ArtefactError(f"{folder / WEIGHTS}: {name} holds values that are not finite")
    with torch.no_grad():
        weight.copy_(stored)

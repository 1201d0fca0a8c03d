"""Weights out: `chatwright export MODEL OUT --format hf|gguf`.

In: a model folder, a stage folder or a recipe run.  Out: a folder that `transformers` loads as it is (config.json,
model.safetensors, tokenizer with chat template, model card), or one GGUF file for llama.cpp (`gguf.py`). What was
imported goes out under the same names, bit for bit; what was trained from nothing goes out as the published
architecture that its block is (Llama; Qwen3 with QK norm).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from chatwright.artefacts import called, describe, shape_in
from chatwright.disk import require
from chatwright.errors import ArtefactError
from chatwright.folders import model_folder
from chatwright.models.configurations import canonical
from chatwright.models.huggingface import Family, Rule, family_for
from chatwright.models.transformer import TransformerConfig
from chatwright.publishing.card import model_card
from chatwright.publishing.hub import TERMS
from chatwright.publishing.importer import PRECISIONS, Precision, new_folder
from chatwright.publishing.tensor_files import DTYPES, write_tensors
from chatwright.text.tokenizer import Tokenizer

__all__ = ["Outgoing", "export_model", "outgoing"]

NOT_OURS = ("auto_map", "quantization_config", "_name_or_path", "transformers_version", "torch_dtype", "dtype")
"""Keys of an imported config.json that say nothing about this model."""
ROTARY = ("rope_parameters", "rope_theta", "rope_scaling")


@dataclass(frozen=True)
class Outgoing:
    """A model that is to leave: everything but its weights, which are read one by one."""

    folder: Path
    described: Mapping[str, Any]
    shape: TransformerConfig
    family: Family
    tokenizer: Tokenizer
    dtype: torch.dtype

    @property
    def imported(self) -> Mapping[str, Any]:
        """Where its base came from; empty if it was trained from nothing."""
        found = self.described.get("imported")
        return found if isinstance(found, dict) else {}

    def tensors(self, rules: list[Rule]) -> Iterator[tuple[Rule, Tensor]]:
        """Our parameters in the order of the rules, as they lie in the file."""
        path = self.folder / "weights.safetensors"
        try:
            with safe_open(path, framework="pt") as file:
                for rule in rules:
                    yield rule, file.get_tensor(rule.ours)
        except (OSError, SafetensorError) as problem:
            raise ArtefactError(f"{path} cannot be read ({problem}); copy the model anew") from None


def outgoing(model: Path, precision: Precision | None) -> Outgoing:
    """Read what is needed to export a model; ArtefactError if it is none that other tools can hold."""
    folder = model_folder(model)
    described = describe(folder)
    if described.get("head") != "language":
        raise ArtefactError(f"{folder} holds a {called(described)}; only language models are exported")
    shape = shape_in(folder)
    if not isinstance(shape, TransformerConfig):
        raise ArtefactError(f"{folder} holds a recurrent model, for which there is no published format")
    imported = described.get("imported")
    preferred = imported.get("family") if isinstance(imported, dict) else None
    family = family_for(shape, preferred=preferred)
    dtype = PRECISIONS[precision] if precision else _stored_dtype(folder / "weights.safetensors")
    return Outgoing(folder, described, shape, family, Tokenizer.load(folder), dtype)


def export_model(model: Path, out: Path, *, precision: Precision | None = None) -> Path:
    """Write the Hugging Face folder `out`, which must not exist yet. Returns it.

    `precision` converts, else weights go out as they lie. Raises ArtefactError for what no published architecture
    can hold, InputError if `out` is there already.
    """
    from chatwright.text.handover import generation_config, write_tokenizer

    found = outgoing(model, precision)
    rules = found.family.rules(found.shape)
    described = {name: (found.dtype, rule.shape_of(part)) for rule in rules for part, name in enumerate(rule.theirs)}
    size = sum(torch.Size(own).numel() for _, own in described.values()) * found.dtype.itemsize
    require(disk_bytes=size + 2**20, where=out)
    special = generation_config(found.tokenizer)
    with new_folder(out) as unfinished:
        write_tensors(unfinished / "model.safetensors", described, _split(found, rules))
        _write_json(unfinished / "config.json", {**config_of(found), **special})
        kept = found.imported.get("generation_config")
        _write_json(unfinished / "generation_config.json", {**(kept if isinstance(kept, dict) else {}), **special})
        write_tokenizer(unfinished, found.tokenizer, context=found.shape.context)
        card = model_card(found.folder, found.described, found.shape, sum(torch.Size(r.shape).numel() for r in rules))
        (unfinished / "README.md").write_text(card, encoding="utf-8")
        for path in sorted(found.folder.iterdir()):
            if TERMS.fullmatch(path.name) and path.is_file():
                shutil.copyfile(path, unfinished / path.name)
    return out


def config_of(found: Outgoing) -> dict[str, Any]:
    """config.json: the imported one where it still says the truth, else written anew over what it says besides."""
    base = {key: value for key, value in _base_config(found).items() if key not in NOT_OURS}
    if not _tells_the_truth(base, found):
        base = {key: value for key, value in base.items() if key not in ROTARY}
        base |= found.family.write(found.shape)
    return {
        **base,
        "model_type": found.family.name,
        "architectures": [found.family.architecture],
        "torch_dtype": str(found.dtype).removeprefix("torch."),  # transformers before 5 knows no `dtype`
    }


def _tells_the_truth(base: Mapping[str, Any], found: Outgoing) -> bool:
    try:
        return found.family.read(base) == canonical(found.shape)
    except ArtefactError:
        return False


def _base_config(found: Outgoing) -> Mapping[str, Any]:
    config = found.imported.get("config")
    return config if isinstance(config, dict) and found.imported.get("family") == found.family.name else {}


def _stored_dtype(path: Path) -> torch.dtype:
    try:
        with safe_open(path, framework="pt") as file:
            kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118  it is no dict
    except (OSError, SafetensorError) as problem:
        raise ArtefactError(f"{path} cannot be read ({problem}); copy the model anew") from None
    return DTYPES[kinds.pop()] if len(kinds) == 1 and kinds <= DTYPES.keys() else torch.float32


def _split(found: Outgoing, rules: list[Rule]) -> Iterator[tuple[str, Tensor]]:
    for rule, tensor in found.tensors(rules):
        if tuple(tensor.shape) != rule.shape:
            raise ArtefactError(
                f"{found.folder / 'weights.safetensors'}: {rule.ours} has shape {tuple(tensor.shape)}, "
                f"model.json asks for {rule.shape}"
            )
        yield from zip(rule.theirs, rule.split(tensor.to(found.dtype)), strict=True)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

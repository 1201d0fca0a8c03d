"""What there is to know about a model, as one dict.

In: a folder with a model.  Out: its parts, operations, memory, tokenizer, receipt, and the time to teach it.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chatwright.disk import read_json
from chatwright.errors import ArtefactError, ConfigError, InputError
from chatwright.inspecting.options import Options
from chatwright.inspecting.teaching import teaching_of
from chatwright.scaling.memory import Layout, memory_of
from chatwright.scaling.report import shape_words
from chatwright.scaling.shapes import Shape, description_file, shape_in

__all__ = ["Options", "facts_of"]

RANK = 16
"""Of the LoRA adapters in the table of memory."""
SAMPLE = (
    'The old bridge was built in 1874, and people still argue about who paid for it. "Nobody knows," said the baker; '
    "her grandmother had kept the receipts. On Sundays, 120 visitors cross the river to see the market.\n\n"
    "Die alte Brücke wurde 1874 gebaut. Über die Kosten streiten die Leute heute noch: »Niemand weiß es«, sagte die "
    'Bäckerin.\n\nfor name, size in sorted(parts.items()):\n    print(f"{name}: {size:,}")\n'
)
"""Prose in two languages and a little code, to try a tokenizer on."""
_PARTS = (
    ("adapters", re.compile(r"lora|adapter")),
    ("head", re.compile(r"^(unembedding|output_bias|readout)")),
    ("embedding", re.compile(r"embedding")),
    ("norms", re.compile(r"norm")),
    ("attention", re.compile(r"\.attention\.")),
    ("feed-forward", re.compile(r"\.feed_forward\.")),
    ("recurrence", re.compile(r"\.blocks\.\d+\.(weight|bias)_[ih]h")),
)


def facts_of(folder: Path, options: Options) -> dict[str, Any]:
    """Everything `inspect` tells, as a dict. Raises ArtefactError for what is no model, InputError for bad files."""
    described = description_file(folder)
    shape, model = shape_in(described), read_json(described)
    context = options.context or shape.context
    if context > shape.context:
        raise ConfigError(f"--context is {context:,}; the model reads {shape.context:,} tokens at most")
    parts, stored = _counted(described.parent, shape)
    stage = described.parent.parent if (described.parent.parent / "origin.json").is_file() else described.parent
    tokenizer, words = _tokenizer(described.parent, options)
    return {
        "model": str(described.parent),
        "kind": str(model["backbone"].get("kind", "transformer")),
        "family": model.get("family"),
        "head": model.get("head"),
        "stage": model.get("stage"),
        "shape": {**asdict(shape), "words": shape_words(shape)},
        "context": context,
        "parameters": {**parts, "total": sum(parts.values())},
        "stored": stored,
        "flops_per_token": {
            "train": shape.training_flops(context),
            "write_first": shape.reading_flops(1),
            "write_last": shape.reading_flops(context),
        },
        "memory": _memory(shape, context, sum(parts.values())),
        "tokenizer": words,
        "receipt": _receipt(stage),
        "teaching": teaching_of(shape, context, stage, tokenizer, options, folder),
    }


# -- parameters --------------------------------------------------------------------------------------------------------


def _counted(folder: Path, shape: Shape) -> tuple[dict[str, int], dict[str, Any]]:
    """Parameters of each part by the heads of the weight files, and what the files hold."""
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ArtefactError(f"{folder} holds no weights; the folder is no complete model")
    parts: dict[str, int] = {}
    types: dict[str, int] = {}
    for path in paths:
        for name, sizes, kind in _tensors(path):
            part, count = _part_of(name), math.prod(sizes)
            parts[part] = parts.get(part, 0) + count
            types[kind] = types.get(kind, 0) + count
    weights = sum(parts.values()) - parts.get("adapters", 0)
    if weights != shape.parameters:
        raise ArtefactError(
            f"{folder}: the weights are {weights:,} parameters and model.json describes {shape.parameters:,}; "
            "they do not belong together"
        )
    adapters = folder.parent / "adapter" / "adapter_model.safetensors"
    facts: dict[str, Any] = {"types": types, "bytes": sum(path.stat().st_size for path in paths)}
    if adapters.is_file():  # merged into the weights beside them, so they are not counted again
        facts["merged_adapters"] = sum(math.prod(sizes) for _, sizes, _ in _tensors(adapters))
    order = ["embedding", "attention", "feed-forward", "recurrence", "norms", "head", "adapters", "other"]
    return {part: parts[part] for part in order if part in parts}, facts


def _part_of(name: str) -> str:
    return next((part for part, pattern in _PARTS if pattern.search(name)), "other")


def _tensors(path: Path) -> list[tuple[str, list[int], str]]:
    """Name, shape and type of every tensor, read from the head of the file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return [(name, list(own.get_shape()), str(own.get_dtype())) for name, own in slices.items()]
    except (OSError, SafetensorError) as problem:
        raise ArtefactError(f"{path} cannot be read ({problem}); copy the model anew or run its stage again") from None


# -- memory ------------------------------------------------------------------------------------------------------------


def _memory(shape: Shape, context: int, parameters: int) -> dict[str, Any]:
    """Bytes of weights and of one conversation by type, and of training on one row at a time."""
    adapters = _lora_parameters(shape, RANK)
    training = {}
    for name, moments in (("AdamW", "adamw"), ("Muon", "muon")):
        # Here weights stay in float32 and are rounded as they are used; what flows is in 16 bits.
        held = memory_of(shape, Layout(), parameters=parameters, tokens=context, precision="fp32", optimizer=moments)
        flowing = memory_of(shape, Layout(), parameters=parameters, tokens=context, precision="bf16")
        training[f"all weights, {name}"] = {
            "weights": held.weights,
            "gradients": held.gradients,
            "optimizer": held.optimizer,
            "activations": flowing.activations + flowing.working,
        }
    if adapters:
        activations = training["all weights, AdamW"]["activations"]
        for name, size in (("bf16", 2), ("int8", 1)):
            training[f"LoRA rank {RANK}, {name} base"] = {
                "weights": parameters * size + 4.0 * adapters,
                "gradients": 4.0 * adapters,
                "optimizer": 8.0 * adapters,
                "activations": activations,
            }
    return {
        "weights": {"float32": 4 * parameters, "bfloat16": 2 * parameters, "int8": parameters},
        "cache_per_conversation": {
            "float32": shape.cache_bytes(context, 4),
            "bfloat16": shape.cache_bytes(context, 2),
        },
        "lora_parameters": adapters,
        "training_one_row": training,
    }


def _lora_parameters(shape: Shape, rank: int) -> int:
    """Of adapters on every matrix of the blocks: rank times inputs and outputs of each (Hu et al. 2021)."""
    if shape.recurrent:
        return 0
    inner, outer = shape.heads * shape.per_head, shape.kv_heads * shape.per_head
    attention = 3 * shape.width + inner + 2 * outer + inner + shape.width
    feed_forward = (3 if shape.gated else 2) * (shape.width + shape.hidden)
    return rank * shape.layers * (attention + feed_forward)


# -- tokenizer and receipt ---------------------------------------------------------------------------------------------


def _tokenizer(folder: Path, options: Options) -> tuple[Any, dict[str, Any]]:
    from chatwright.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(folder)
    sample = SAMPLE
    if options.text is not None:
        try:
            sample = options.text.read_text(encoding="utf-8")
        except UnicodeDecodeError as problem:
            raise InputError(f"{options.text} is not UTF-8 text (byte {problem.start}); save it as UTF-8") from None
        except OSError as problem:
            raise InputError(f"{options.text} cannot be read ({problem.strerror}); give a text file") from None
    tokens = tokenizer.encode(sample)
    if not tokens:
        raise InputError(f"{options.text} is empty; give a text to try the tokenizer on")
    is_own = bool(getattr(tokenizer, "is_own", True))
    names = [tokenizer.name(number) for number in range(tokenizer.size) if not tokenizer.byte_lengths[number]]
    return tokenizer, {
        "kind": _kind_of(tokenizer),
        "vocabulary": tokenizer.size,
        "bytes_per_token": len(sample.encode()) / len(tokens),
        "sample": "English, German and code" if options.text is None else str(options.text),
        "special_tokens": names[:64],
        "chat_template": "chatwright's own" if is_own else bool(getattr(tokenizer, "chat_template", None)),
    }


def _kind_of(tokenizer: Any) -> str:
    try:
        from chatwright.text.vocabulary import describe
    except ModuleNotFoundError:
        return "byte-level BPE"
    return str(describe(tokenizer).kind)


def _receipt(stage: Path) -> dict[str, Any] | None:
    """The stage's receipt without its rates; None where the model did not come out of a stage."""
    if not (stage / "receipt.json").is_file():
        return None
    receipt = read_json(stage / "receipt.json")
    origin = read_json(stage / "origin.json") if (stage / "origin.json").is_file() else {}
    kept = ("tokens", "flops", "seconds", "cpu_seconds", "peak_memory_bytes", "energy_measured_j", "energy_estimated_j")
    return {
        "stage": origin.get("stage"),
        "complete": (stage / "done.json").is_file(),
        **{key: receipt.get(key) for key in (*kept, "co2e_g", "cost", "tokens_per_second")},
        "currency": (receipt.get("rates") or {}).get("currency"),
        "summary": {
            key: value
            for key, value in (receipt.get("summary") or {}).items()
            if value != "" and isinstance(value, int | float | str) and not isinstance(value, bool)
        },
    }

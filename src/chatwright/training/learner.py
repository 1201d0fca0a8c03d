"""What a stage learns: all weights of a model, or adapters beside frozen ones; what that takes, and how it is kept.

In: a loaded model and a stage's settings.  Out: a model whose parameters are what is learned; bytes of memory; folders.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from chatwright.artefacts import WeightsAs, save_model
from chatwright.disk import read_json, sha256_of, to_json, write_atomically
from chatwright.errors import ConfigError
from chatwright.folders import model_folder
from chatwright.models.adapter_files import load_adapter, save_adapter
from chatwright.models.heads import LanguageModel, ScalarModel, count_parameters, training_flops_per_token
from chatwright.models.held import Weights
from chatwright.models.lora import LoRA, Model, adapted, bare, is_adapted, merged, scalar_beside
from chatwright.models.recurrent import RecurrentConfig
from chatwright.models.transformer import FUSED_LENGTH, Transformer
from chatwright.models.vocabulary import grow
from chatwright.text.handover import with_chat
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.losses import LARGEST_LOGITS

__all__ = [
    "Fitting",
    "able_to_chat",
    "check",
    "frozen_bytes",
    "kept_per_token",
    "learner",
    "learning_flops",
    "load_as",
    "load_beside",
    "needed_bytes",
    "save_learned",
    "saved_bytes",
    "weights_hash",
]


class Fitting(Protocol):
    """The settings of a stage that fine-tunes."""

    @property
    def lora(self) -> LoRA: ...
    @property
    def weights(self) -> Weights: ...
    @property
    def checkpointing(self) -> bool: ...
    @property
    def seed(self) -> int: ...


def check(stage: str, config: Fitting) -> None:
    """Raise ConfigError for settings that do not go together."""
    if config.weights != "fp32" and not config.lora.rank:
        raise ConfigError(
            f"{stage}.weights is {config.weights!r}, but all weights are learned, which takes fp32; "
            f"set {stage}.lora.rank, so that they are frozen"
        )


def load_as(config: Fitting) -> WeightsAs:
    """How to load what this stage learns from: float32 to learn, else mapped as it is, and held as the settings say."""
    return "float32" if config.weights == "fp32" else "stored"


def able_to_chat(model: LanguageModel, tokenizer: Tokenizer) -> tuple[Tokenizer, int]:
    """A base that has no chat template gets ours, and rows for its tokens; returns how many rows are new."""
    tokenizer, new = with_chat(tokenizer)
    return tokenizer, grow(model, new)


def learner(model: Model, config: Fitting, *, new_tokens: int = 0, thinned: bool = True) -> Model:
    """The model that learns: `model` itself with all its weights, or a view of it with new adapters.

    Not `thinned`: without dropout, whatever the settings say. Raises ConfigError for what only a Transformer can do.
    """
    if config.lora.rank:
        lora = config.lora if thinned else replace(config.lora, dropout=0.0)
        model = adapted(model, lora, seed=config.seed, weights=config.weights, new_tokens=new_tokens)
        model.train(lora.dropout > 0)
    model.requires_grad_(True)
    if isinstance(model.backbone, Transformer):
        model.backbone.checkpointing = config.checkpointing
    elif config.checkpointing:
        raise ConfigError("checkpointing works on Transformers, this model is recurrent; leave checkpointing out")
    return model


def frozen_bytes(model: LanguageModel | ScalarModel) -> int:
    """Bytes of weights that are not learned."""
    return sum(weight.numel() * weight.element_size() for weight in model.buffers())


def needed_bytes(model: LanguageModel | ScalarModel, *, tokens: int, length: int, copies: int = 20) -> int:
    """Bytes that learning takes: frozen weights; `copies` bytes for each learned one (itself, gradient, two moments,
    the best so far); and what is kept for the way back of `tokens` tokens at once, in rows of `length`.
    """
    vocabulary, size = model.backbone.config.vocabulary, model.backbone.dtype.itemsize
    kept = tokens * kept_per_token(model, length) * size
    # Logits, their softmax and what is between them, in float32; two threads have a piece each.
    logits = min(tokens * vocabulary, 2 * LARGEST_LOGITS) * 12 if isinstance(model, LanguageModel) else 0
    merging = 4 * sum(weight.numel() for weight in model.buffers()) if is_adapted(model) else 0
    return frozen_bytes(model) + count_parameters(model) * copies + max(kept + logits, merging)


def kept_per_token(model: LanguageModel | ScalarModel, length: int) -> int:
    """How many numbers of every token, in rows of `length`, are kept for the way back."""
    shape = model.backbone.config
    if isinstance(shape, RecurrentConfig):
        return shape.layers * 16 * shape.width  # four gates, two memories, their inputs and gradients
    squares = shape.heads * length if length <= FUSED_LENGTH else 0  # attention weights are kept for short rows
    block = 14 * shape.width + 4 * shape.hidden + squares
    again = isinstance(model.backbone, Transformer) and model.backbone.checkpointing
    return shape.layers * shape.width + block if again else shape.layers * block


def learning_flops(model: LanguageModel | ScalarModel, context: int) -> float:
    """Floating-point operations to learn from one token: frozen weights take no gradients, a third of the work."""
    return training_flops_per_token(model, context) * (2 / 3 if is_adapted(model) else 1)


def saved_bytes(model: LanguageModel | ScalarModel) -> int:
    """Bytes on the disk: the result, and saves on the way with weights, two moments and the best so far."""
    whole = sum(weight.numel() for weight in model.state_dict().values())
    return 4 * whole + count_parameters(model) * 32


def save_learned(folder: Path, model: Model, tokenizer: Tokenizer, *, base: Path, **facts: object) -> None:
    """Write `model/` with all weights and, where there are adapters, `adapter/`, which PEFT reads.

    `adapter/base.json` holds the hash of the weights that the adapters stand beside.
    """
    save_model(folder / "model", merged(model), tokenizer, **facts)
    if is_adapted(model):
        save_adapter(folder / "adapter", model)
        write_atomically(folder / "adapter" / "base.json", to_json({"weights": weights_hash(base)}))


def load_beside(model: LanguageModel, base: Path, folder: Path) -> ScalarModel | None:
    """The scalar model of a stage folder on a language model's memory, if its adapters stand beside those weights."""
    adapter = folder / "adapter"
    if not adapter.is_dir() or read_json(adapter / "base.json").get("weights") != weights_hash(base):
        return None
    return load_adapter(scalar_beside(bare(model)), adapter)


def weights_hash(folder: Path) -> str:
    """Hash of the weights of a model's folder."""
    return sha256_of(model_folder(folder) / "weights.safetensors")

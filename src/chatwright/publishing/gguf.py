"""One GGUF file for llama.cpp and what is built on it: `chatwright export MODEL OUT.gguf --format gguf`.

In: a model as in `exporter.py`.  Out: metadata, tokenizer and tensors under llama.cpp's names, written one tensor at a
time. Details that go wrong silently elsewhere: Llama's queries and keys lie in neighbouring pairs there (the row order
of Meta's files), Qwen's in halves; QK norm exists only as Qwen3; GPT-2's matrices lie (out, in).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from chatwright.disk import replacing, require
from chatwright.errors import ArtefactError, ConfigError, InputError
from chatwright.models.layers import slowed
from chatwright.models.transformer import TransformerConfig
from chatwright.publishing.exporter import Outgoing, outgoing
from chatwright.publishing.importer import check_place
from chatwright.text.tokenizer import Tokenizer
from chatwright.text.vocabulary import Vocabulary, describe

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType, GGUFWriter

__all__ = ["KINDS", "Kind", "export_gguf"]

Kind = Literal["fp32", "fp16", "bf16", "q8_0"]
KINDS = ("fp32", "fp16", "bf16", "q8_0")
ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gpt2": "gpt2"}
"""Family: what llama.cpp calls it."""


def export_gguf(model: Path, out: Path, *, kind: Kind | None = None) -> list[str]:
    """Write the file `out`, whole or not at all. Returns remarks: what llama.cpp will do otherwise than we do.

    `kind` is what matrices are stored as (None: as they lie); vectors are always float32. Raises ArtefactError for a
    family or a tokenizer that llama.cpp does not have, InputError if `out` is there already.
    """
    try:
        import gguf
    except ImportError:
        raise ConfigError('--format gguf needs a package; pip install "chatwright[gguf]"') from None
    check_place(out)
    if out.exists():
        raise InputError(f"{out} exists already; choose another name or remove it first")
    found = outgoing(model, None if kind == "q8_0" else kind)
    _check_block(found.family.name, found.shape)
    kinds = {torch.float32: gguf.GGMLQuantizationType.F32, torch.float16: gguf.GGMLQuantizationType.F16}
    of_matrices = (
        gguf.GGMLQuantizationType.Q8_0 if kind == "q8_0" else kinds.get(found.dtype, gguf.GGMLQuantizationType.BF16)
    )
    require(disk_bytes=sum(prod(rule.shape) for rule in found.family.rules(found.shape)) * 4, where=out)
    vocabulary = describe(found.tokenizer)
    with replacing(out) as unfinished:
        writer = gguf.GGUFWriter(unfinished, ARCHITECTURES[found.family.name])
        _add_facts(writer, found, of_matrices)
        remarks = _add_shape(writer, found.shape)
        remarks += _add_tokenizer(writer, found.tokenizer, vocabulary, found.shape.vocabulary)
        _write(writer, found, of_matrices)
    return remarks


def _check_block(family: str, shape: TransformerConfig) -> None:
    """Raise ArtefactError for a block that llama.cpp would compute in another way: its graphs have fixed parts."""
    if family not in ARCHITECTURES:
        raise ArtefactError(
            f"llama.cpp has no {family} architecture; it has {', '.join(ARCHITECTURES)}; use --format hf"
        )
    activation = "gelu_tanh" if family == "gpt2" else "silu"
    for setting, own, fixed in (
        ("activation", shape.activation, activation),
        ("attention_scale", shape.attention_scale or shape.per_head**-0.5, shape.per_head**-0.5),
    ):
        if own != fixed:
            raise ArtefactError(f"llama.cpp has {family} with {setting} {fixed} only, not {own}; use --format hf")


# -- metadata ----------------------------------------------------------------------------------------------------------


def _add_facts(writer: GGUFWriter, found: Outgoing, kind: GGMLQuantizationType) -> None:
    import gguf

    types = {"F32": "ALL_F32", "F16": "MOSTLY_F16", "BF16": "MOSTLY_BF16", "Q8_0": "MOSTLY_Q8_0"}
    writer.add_type("model")
    writer.add_name(str(found.imported.get("source") or found.folder.resolve().parent.name))
    if found.imported.get("licence"):
        writer.add_license(str(found.imported["licence"]))
    writer.add_file_type(gguf.LlamaFileType[types[kind.name]])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_shape(writer: GGUFWriter, shape: TransformerConfig) -> list[str]:
    remarks = []
    context = shape.context
    windows = {shape.window(layer) for layer in range(shape.layers)} - {0}
    if windows and min(windows) < context:
        context = min(windows)
        remarks.append(
            f"llama.cpp has no local windows for this architecture: the context is given as {context} tokens"
        )
    writer.add_context_length(context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    if shape.norm == "layer":
        writer.add_layer_norm_eps(shape.epsilon)
    else:
        writer.add_head_count_kv(shape.kv_heads)
        writer.add_layer_norm_rms_eps(shape.epsilon)
        writer.add_key_length(shape.per_head)
        writer.add_value_length(shape.per_head)
    if shape.positions == "rotary":
        writer.add_rope_dimension_count(shape.turned)
        writer.add_rope_freq_base(shape.rotary_base)
        _add_scaling(writer, shape)
    return remarks


def _add_scaling(writer: GGUFWriter, shape: TransformerConfig) -> None:
    import gguf

    scaling = shape.rotary_scaling
    if scaling is None or scaling.kind == "llama3":
        return  # llama3's is a tensor of factors
    if scaling.kind == "yarn":
        if abs(scaling.magnitude - (0.1 * log(scaling.factor) + 1)) > 1e-6 or (scaling.low, scaling.high) != (1, 32):
            raise ArtefactError("llama.cpp knows yarn only with its usual constants; this model has others")
        writer.add_rope_scaling_orig_ctx_len(scaling.original_context)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN if scaling.kind == "yarn" else gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(scaling.factor)


def _add_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer, vocabulary: Vocabulary, rows: int) -> list[str]:
    import gguf

    kinds = {"byte-level bpe": "gpt2", "sentencepiece bpe": "llama"}
    if vocabulary.kind not in kinds or not vocabulary.merges:
        kind = vocabulary.kind if vocabulary.merges else "character or word"  # pieces are looked up, never merged
        raise ArtefactError(f"llama.cpp has no {kind} tokenizer; use --format hf")
    remarks = []
    types = {
        "normal": gguf.TokenType.NORMAL,
        "control": gguf.TokenType.CONTROL,
        "user": gguf.TokenType.USER_DEFINED,
        "byte": gguf.TokenType.BYTE,
        "unknown": gguf.TokenType.UNKNOWN,
    }
    unused = range(len(vocabulary.tokens), rows)  # embeddings may have more rows than the tokenizer has ids
    writer.add_tokenizer_model(kinds[vocabulary.kind])
    writer.add_token_list([*vocabulary.tokens, *(f"[PAD{number}]" for number in unused)])
    writer.add_token_types([*(types[own] for own in vocabulary.types), *(gguf.TokenType.UNUSED for _ in unused)])
    if vocabulary.kind == "byte-level bpe":
        writer.add_token_merges([f"{left} {right}" for left, right in vocabulary.merges])
        writer.add_tokenizer_pre(vocabulary.nearest)
        if vocabulary.pre_tokenizer is None:
            remarks.append(
                f"llama.cpp does not know this tokenizer's way of splitting text; {vocabulary.nearest!r} is the "
                "nearest, and some texts (numbers above all) will become other tokens there"
            )
    else:
        writer.add_tokenizer_pre("default")
        writer.add_token_scores([*vocabulary.scores, *(-1000.0 for _ in unused)])
        writer.add_add_space_prefix(vocabulary.adds_space)
    writer.add_bos_token_id(tokenizer.begin)
    writer.add_eos_token_id(tokenizer.end)
    writer.add_pad_token_id(tokenizer.pad)
    writer.add_add_bos_token(vocabulary.adds_begin)
    if tokenizer.chat_template is not None:
        writer.add_chat_template(tokenizer.chat_template)
    return remarks


# -- tensors -----------------------------------------------------------------------------------------------------------


def _write(writer: GGUFWriter, found: Outgoing, kind: GGMLQuantizationType) -> None:
    """All tensors: first what they are, then one after the other."""
    import gguf

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[ARCHITECTURES[found.family.name].upper()], found.shape.layers)
    planned = []
    for rule, part, name in _parts(found):
        stem, _, suffix = name.rpartition(".")
        own = names.get_name(stem) or names.get_name(stem.removeprefix(found.family.prefix))
        if own is None:
            raise ArtefactError(f"llama.cpp has no tensor for {name}")
        size = (rule.rows[part], *rule.shape[1:])
        planned.append((f"{own}.{suffix}", size, _kind_of(own, size, kind)))
    factors = _frequency_factors(found.shape)
    if factors is not None:
        planned.insert(0, ("rope_freqs.weight", tuple(factors.shape), gguf.GGMLQuantizationType.F32))
    for own, size, stored in planned:
        length = prod(gguf.quants.quant_shape_to_byte_shape(size, stored))
        writer.add_tensor_info(own, size, torch.empty(0).numpy().dtype, length, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for (_, _, stored), tensor in zip(planned, _laid_out(found, factors), strict=True):
        writer.write_tensor_data(gguf.quants.quantize(tensor.float().contiguous().numpy(), stored))
    writer.close()


def _parts(found: Outgoing) -> Iterator[tuple[Any, int, str]]:
    for rule in found.family.rules(found.shape):
        for part, name in enumerate(rule.theirs):
            yield rule, part, name


def _laid_out(found: Outgoing, factors: Tensor | None) -> Iterator[Tensor]:
    """The tensors in the order of `_parts`, rows as outputs, in llama.cpp's order of channels."""
    if factors is not None:
        yield factors
    pairs = ARCHITECTURES[found.family.name] == "llama"
    for rule, tensor in found.tensors(found.family.rules(found.shape)):
        for part, own in enumerate(tensor.to(found.dtype).split(list(rule.rows))):
            turned = pairs and rule.ours.rpartition(".")[0].endswith("attention.read") and part < 2
            yield _neighbours(own, found.shape.per_head) if turned else own


def _neighbours(rows: Tensor, per_head: int) -> Tensor:
    """Rows [heads D, ...] whose rotary pairs are halves of a head, as neighbours."""
    halves = rows.view(-1, 2, per_head // 2, *rows.shape[1:])
    return halves.transpose(1, 2).reshape(rows.shape)


def _kind_of(name: str, size: tuple[int, ...], kind: GGMLQuantizationType) -> GGMLQuantizationType:
    """Vectors and tables of positions stay float32; rows that do not fill blocks of 32 become half precision."""
    import gguf

    if len(size) == 1 or name == "position_embd":
        return gguf.GGMLQuantizationType.F32
    if kind == gguf.GGMLQuantizationType.Q8_0 and size[-1] % 32:
        return gguf.GGMLQuantizationType.F16
    return kind


def _frequency_factors(shape: TransformerConfig) -> Tensor | None:
    """llama3's scaling as llama.cpp wants it: what each rotary frequency is divided by, [turned / 2]."""
    if shape.rotary_scaling is None or shape.rotary_scaling.kind != "llama3":
        return None
    steps = torch.arange(0, shape.turned, 2, dtype=torch.float64) / shape.turned
    frequencies = shape.rotary_base**-steps
    return (1 / slowed(frequencies, shape.rotary_base, shape.turned, shape.rotary_scaling)).float()

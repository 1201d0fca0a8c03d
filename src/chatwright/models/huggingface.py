"""Published families as rule tables: which of their tensors are which of ours, in both directions.

In: names and tensors of a Hugging Face folder, or of a `LanguageModel`.  Out: the other. A family is a row of FAMILIES,
never a class: how its config.json reads (`configurations.py`), what its modules are called, which of its matrices lie
transposed (GPT-1 and GPT-2 store (in, out)), and whether rotary pairs are neighbours (GPT-J) instead of halves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from chatwright.errors import ArtefactError
from chatwright.models import configurations as own
from chatwright.models.configurations import canonical, shape_from
from chatwright.models.heads import LanguageModel
from chatwright.models.published import Published
from chatwright.models.transformer import Transformer, TransformerConfig

__all__ = ["FAMILIES", "Family", "Rule", "family_for", "family_of", "parameter_shapes"]

IGNORED = re.compile(
    r"(^|\.)(attn|attention)\.(bias|masked_bias)$"  # causal masks that old files carry; c_attn.bias is no mask
    r"|(^|\.)rotary_emb\.inv_freq$|(^|\.)position_ids$|(^|\.)attn\.rotary\.|(^|\.)embed_positions$"
)
"""Buffers that are computed, not learned."""
HEAD = "lm_head"


@dataclass(frozen=True)
class Rule:
    """One of our parameters and the published tensors whose rows it joins."""

    ours: str
    """Name in a `LanguageModel`, such as backbone.blocks.0.attention.read.weight."""
    theirs: tuple[str, ...]
    rows: tuple[int, ...]
    """Rows of ours that each of theirs gives."""
    shape: tuple[int, ...]
    """Of ours."""
    transposed: bool = False
    """Theirs lie as (inputs, outputs)."""
    neighbours: tuple[int, int] | None = None
    """(head width, turned channels) where theirs turn channels 0 and 1, 2 and 3, ... of queries and keys together."""

    def shape_of(self, part: int) -> tuple[int, ...]:
        """The shape of a published tensor."""
        shape = (self.rows[part], *self.shape[1:])
        return shape[::-1] if self.transposed else shape

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Our tensor from theirs."""
        own_parts = [part.t() if self.transposed else part for part in parts]
        if self.neighbours is not None:
            order = _halves(*self.neighbours)
            own_parts = [_reordered(part, order) if n < 2 else part for n, part in enumerate(own_parts)]
        return own_parts[0].contiguous() if len(own_parts) == 1 else torch.cat(own_parts)

    def split(self, tensor: Tensor) -> list[Tensor]:
        """Their tensors from ours: the inverse of `join`, bit for bit."""
        parts = list(tensor.split(list(self.rows)))
        if self.neighbours is not None:
            order = torch.argsort(_halves(*self.neighbours))
            parts = [_reordered(part, order) if n < 2 else part for n, part in enumerate(parts)]
        return [(part.t() if self.transposed else part).contiguous() for part in parts]


def _halves(head_width: int, turned: int) -> Tensor:
    """Channels of a head, even ones first: neighbours 2n, 2n + 1 come to stand at n and n + turned / 2."""
    still = torch.arange(turned, head_width)
    return torch.cat([torch.arange(0, turned, 2), torch.arange(1, turned, 2), still])


def _reordered(rows: Tensor, order: Tensor) -> Tensor:
    """The rows [heads D, ...] of every head in another order."""
    return rows.view(-1, len(order), *rows.shape[1:])[:, order].reshape(rows.shape)


@dataclass(frozen=True)
class Family:
    """How one published architecture is written down."""

    name: str
    """`model_type` in config.json."""
    architecture: str
    """The class in `transformers`."""
    read_config: Callable[[Published], TransformerConfig]
    write_config: Callable[[TransformerConfig], dict[str, Any]]
    prefix: str
    """Before all names but the head's; files of the bare model leave it out."""
    block: str
    """Before the names inside a block, after the prefix."""
    outer: Mapping[str, str]
    """Our module: theirs."""
    inner: Mapping[str, tuple[str, ...]]
    """Our module inside a block: theirs, whose rows ours joins."""
    transposed: frozenset[str] = field(default_factory=frozenset)
    """Modules inside a block whose matrices are stored (inputs, outputs)."""
    neighbours: bool = False
    """Rotary pairs are neighbouring channels."""

    def read(self, config: Mapping[str, Any], where: str = "config.json") -> TransformerConfig:
        """The shape that a config.json describes; ArtefactError names the key that cannot be."""
        return canonical(shape_from(Published(config, where), self.read_config))

    def write(self, shape: TransformerConfig) -> dict[str, Any]:
        """A config.json for a shape, complete but for the tokenizer's ids and the dtype."""
        return {"model_type": self.name, "architectures": [self.architecture], **self.write_config(shape)}

    def holds(self, shape: TransformerConfig) -> bool:
        """Whether this architecture can be of that shape."""
        try:
            return self.read(self.write(shape)) == canonical(shape)
        except ArtefactError:
            return False

    def rules(self, shape: TransformerConfig) -> list[Rule]:
        """One rule for every parameter of a `LanguageModel` of this shape, in the model's order."""
        return [self._rule(name, size, shape) for name, size in parameter_shapes(shape).items()]

    def _rule(self, name: str, size: tuple[int, ...], shape: TransformerConfig) -> Rule:
        module, _, kind = name.rpartition(".")
        inside = re.fullmatch(r"backbone\.blocks\.(\d+)\.(.+)", module)
        if inside is None:
            theirs = {"unembedding": f"{HEAD}.{kind}", "": f"{HEAD}.bias"}.get(module)  # output_bias has no module
            theirs = theirs or f"{self.prefix}{self.outer[module.removeprefix('backbone.')]}.{kind}"
            return Rule(name, (theirs,), (size[0],), size)
        layer, module = inside.groups()
        names = tuple(f"{self.prefix}{self.block.format(layer)}{own}.{kind}" for own in self.inner[module])
        rows = (size[0],) if len(names) == 1 else _rows(module, shape)
        turned = self.neighbours and module == "attention.read"
        return Rule(
            name,
            names,
            rows,
            size,
            transposed=kind == "weight" and module in self.transposed,
            neighbours=(shape.per_head, shape.turned) if turned else None,
        )


def _rows(module: str, shape: TransformerConfig) -> tuple[int, ...]:
    if module == "attention.read":
        queries, keys = shape.heads * shape.per_head, shape.kv_heads * shape.per_head
        return (queries, keys, keys)
    return (shape.hidden, shape.hidden)  # gate, up


def parameter_shapes(shape: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter of a `LanguageModel`, without making one in memory."""
    with torch.device("meta"):
        model = LanguageModel(Transformer(shape))
    return {name: tuple(weight.shape) for name, weight in model.named_parameters()}


_GPT_OUTER = {"embedding": "wte", "position_embedding": "wpe", "norm": "ln_f"}
_GPT2_INNER = {
    "attention_norm": ("ln_1",),
    "attention.read": ("attn.c_attn",),
    "attention.write": ("attn.c_proj",),
    "feed_forward_norm": ("ln_2",),
    "feed_forward.rise": ("mlp.c_fc",),
    "feed_forward.fall": ("mlp.c_proj",),
}
_CONV1D = frozenset({"attention.read", "attention.write", "feed_forward.rise", "feed_forward.fall"})
_LLAMA_OUTER = {"embedding": "embed_tokens", "norm": "norm"}
_LLAMA_INNER = {
    "attention_norm": ("input_layernorm",),
    "attention.read": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.query_norm": ("self_attn.q_norm",),
    "attention.key_norm": ("self_attn.k_norm",),
    "attention.write": ("self_attn.o_proj",),
    "feed_forward_norm": ("post_attention_layernorm",),
    "feed_forward.rise": ("mlp.gate_proj", "mlp.up_proj"),
    "feed_forward.fall": ("mlp.down_proj",),
}


def _llama_like(
    name: str,
    architecture: str,
    read: Callable[[Published], TransformerConfig],
    write: Callable[[TransformerConfig], dict[str, Any]],
) -> Family:
    return Family(name, architecture, read, write, "model.", "layers.{}.", _LLAMA_OUTER, _LLAMA_INNER)


_ROWS = (
    _llama_like("llama", "LlamaForCausalLM", own.read_llama, own.write_llama),
    _llama_like("mistral", "MistralForCausalLM", own.read_mistral, own.write_mistral),
    _llama_like("qwen2", "Qwen2ForCausalLM", own.read_qwen2, own.write_qwen2),
    _llama_like("qwen3", "Qwen3ForCausalLM", own.read_qwen3, own.write_qwen3),
    Family(
        "openai-gpt",
        "OpenAIGPTLMHeadModel",
        own.read_gpt1,
        own.write_gpt1,
        "transformer.",
        "h.{}.",
        {"embedding": "tokens_embed", "position_embedding": "positions_embed"},
        _GPT2_INNER,
        _CONV1D,
    ),
    Family(
        "gpt2",
        "GPT2LMHeadModel",
        own.read_gpt2,
        own.write_gpt2,
        "transformer.",
        "h.{}.",
        _GPT_OUTER,
        _GPT2_INNER,
        _CONV1D,
    ),
    Family(
        "gpt_neo",
        "GPTNeoForCausalLM",
        own.read_gpt_neo,
        own.write_gpt_neo,
        "transformer.",
        "h.{}.",
        _GPT_OUTER,
        {
            **_GPT2_INNER,
            "attention.read": ("attn.attention.q_proj", "attn.attention.k_proj", "attn.attention.v_proj"),
            "attention.write": ("attn.attention.out_proj",),
        },
    ),
    Family(
        "gptj",
        "GPTJForCausalLM",
        own.read_gptj,
        own.write_gptj,
        "transformer.",
        "h.{}.",
        _GPT_OUTER,
        {
            "attention_norm": ("ln_1",),
            "attention.read": ("attn.q_proj", "attn.k_proj", "attn.v_proj"),
            "attention.write": ("attn.out_proj",),
            "feed_forward.rise": ("mlp.fc_in",),
            "feed_forward.fall": ("mlp.fc_out",),
        },
        neighbours=True,
    ),
)
FAMILIES: dict[str, Family] = {family.name: family for family in _ROWS}


def family_of(config: Mapping[str, Any], where: str = "config.json") -> Family:
    """The family that a config.json names; ArtefactError if it is none of FAMILIES."""
    named = config.get("model_type")
    if isinstance(named, str) and named in FAMILIES:
        return FAMILIES[named]
    architectures = config.get("architectures")
    classes = architectures if isinstance(architectures, list) else []
    if named is None:
        for family in _ROWS:
            if family.architecture in classes:
                return family
    told = named if named is not None else (classes[0] if classes else None)
    raise ArtefactError(f"{where}: the architecture is {str(told)[:60]!r}; known here are {', '.join(FAMILIES)}")


def family_for(shape: TransformerConfig, *, preferred: str | None = None) -> Family:
    """A family that can be of this shape, the preferred one if it can; ArtefactError if none can."""
    rows = sorted(_ROWS, key=lambda family: family.name != preferred)
    for family in rows:
        if family.holds(shape):
            return family
    raise ArtefactError(
        "no published architecture has a block of this shape, so other tools could not read it; "
        f"known are {', '.join(FAMILIES)}"
    )

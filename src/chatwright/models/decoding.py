"""A language model made ready to decode: weights cast once instead of at every token, and laid out as kernels like it.

In: a language model as training keeps it.  Out: what the engine asks for next tokens, on the same weights where nothing
has to change. At one row, decoding a large model is limited by how fast weights are read, so that a cast at every
token, which reads float32 and writes bfloat16, would cost several times what the product itself does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from chatwright.models.heads import Backbone, LanguageModel
from chatwright.models.layers import LayerNorm, Linear, RMSNorm
from chatwright.models.lora import is_adapted
from chatwright.models.quantized import Int8Linear
from chatwright.models.transformer import Transformer
from chatwright.world import World

__all__ = ["Decoder", "Precision", "Threads", "decoder_of", "kernel_threads", "threads_for"]

Precision = Literal["auto", "int8"]
"""auto: as the model computes; int8: its matrices in 8 bits, on a CPU."""

LARGE = 8_000_000
"""Weights from which on every operation is divided among threads, instead of rows: they outgrow a core's own cache."""


class Decoder(Protocol):
    """What decoding needs of a language model."""

    @property
    def backbone(self) -> Backbone: ...

    def logits(self, vectors: Tensor) -> Tensor: ...


class _Ready(nn.Module):
    """A backbone and an output layer with weights of their own layout."""

    def __init__(self, backbone: Backbone, output: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.backbone, self.output = backbone, output

    def logits(self, vectors: Tensor) -> Tensor:
        return self.output(vectors)


FEW_ROWS = 2
"""Up to so many rows the float16 layout is the faster one: twice at one row, where reading weights is all there is."""
LARGEST_HALF = 60_000.0


class PackedLinear(nn.Module):
    """A linear map whose weights lie as the kernels for CPUs want them, once in bfloat16 and once in float16.

    oneDNN multiplies many rows by packed bfloat16 matrices 1.3 to 2 times faster than by plain ones. For one or two,
    FBGEMM reads float16 weights at nearly the speed of memory, and adds in float32; weights that bfloat16 holds are
    the same numbers in float16, unless they are below 6e-5. Both copies together take what one in float32 does.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        lowered = weight.detach().to(torch.bfloat16)
        self.packed = torch.ops.mkldnn._reorder_linear_weight(lowered, 1)
        self.offset = None if bias is None else bias.detach().to(torch.bfloat16)
        fits = bool(lowered.abs().max() <= LARGEST_HALF) and "fbgemm" in torch.backends.quantized.supported_engines
        offset = None if self.offset is None else self.offset.float()
        self.halved = torch.ops.quantized.linear_prepack_fp16(lowered.float(), offset) if fits else None

    def forward(self, x: Tensor) -> Tensor:
        """[..., N] of x [..., K] in bfloat16."""
        rows = x.reshape(-1, x.shape[-1])
        if len(rows) <= FEW_ROWS and self.halved is not None:
            product: Tensor = torch.ops.quantized.linear_dynamic_fp16(rows.float(), self.halved).to(x.dtype)
        else:
            product = torch.ops.mkldnn._linear_pointwise(rows, self.packed, self.offset, "none", [], "")
        return product.view(*x.shape[:-1], -1)


def decoder_of(model: LanguageModel, precision: Precision = "auto") -> Decoder:
    """The model itself where its weights are as they flow, else one that shares all but its matrices with it.

    Later changes of the model's weights do not reach what was cast or packed: ask anew after training.
    """
    backbone = model.backbone
    if not isinstance(backbone, Transformer) or (backbone.dtype == torch.float32 and precision == "auto"):
        return model
    if is_adapted(model):
        return model  # it casts by itself, and adapters that are learned must not be copied or frozen
    weight = model.output_weight
    kind = _kind(precision, weight.device)
    memo = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        if isinstance(module, RMSNorm | LayerNorm | nn.Embedding) or (type(module) is Linear and kind is None):
            for own in module.parameters(recurse=False):
                if _is_plain(own):
                    memo[id(own)] = nn.Parameter(own.detach().to(backbone.dtype), requires_grad=False)
    twin = copy.deepcopy(model, memo)
    if kind is None or not _is_plain(weight):
        return twin.requires_grad_(False)
    for name, module in list(twin.backbone.named_modules()):
        if type(module) is Linear and _is_plain(module.weight):
            twin.backbone.set_submodule(name, kind(module.weight, module.bias))
    return _Ready(twin.backbone, kind(weight, model.output_bias)).requires_grad_(False).eval()


def _kind(precision: Precision, device: torch.device) -> type[Int8Linear] | type[PackedLinear] | None:
    """What takes the place of a plain linear map, if anything."""
    if precision == "int8":
        return Int8Linear
    packs = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    return PackedLinear if packs and device.type == "cpu" else None


def _is_plain(weight: Tensor) -> bool:
    return type(weight) in (Tensor, nn.Parameter) and weight.is_floating_point()


@dataclass(frozen=True)
class Threads:
    """How the threads of a process share the work."""

    shards: int
    """Threads among which rows are divided."""
    kernel: int
    """Threads among which each operation is divided."""


def threads_for(model: LanguageModel, world: World, rows: int) -> Threads:
    """Small models: a share of the rows for every thread. Large ones: every thread reads a share of the weights."""
    if world.device.type != "cpu" or world.shards == 1:
        return Threads(1, 0)
    if sum(weight.numel() for weight in model.state_dict().values()) >= LARGE:
        return Threads(1, world.shards)
    return Threads(world.shards, 0) if rows > 1 else Threads(1, 0)


@contextmanager
def kernel_threads(count: int) -> Iterator[None]:
    """Divide operations among `count` threads meanwhile; 0 leaves it as it is."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count:
            torch.set_num_threads(before)

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
from threading import Lock
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from chatwright.errors import ConfigError
from chatwright.models.captured import quickened
from chatwright.models.heads import Backbone, LanguageModel
from chatwright.models.layers import LayerNorm, Linear, RMSNorm
from chatwright.models.lora import is_adapted
from chatwright.models.quantized import Int8Linear
from chatwright.models.state import CacheState, State
from chatwright.models.stepping import Step
from chatwright.models.transformer import Transformer
from chatwright.world import World

__all__ = ["Decoder", "Precision", "Threads", "decoder_of", "kernel_threads", "next_logits", "threads_for"]

Map = Callable[[Tensor], Tensor]
StateStep = Callable[[Tensor, CacheState], Tensor]
"""Logits [B, V] after tokens [B], which the state reads."""

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
    """A backbone and an output layer with weights of their own layout, and a short way for the one-token step."""

    def __init__(self, backbone: Transformer, output: Map, step: StateStep) -> None:
        super().__init__()
        self.backbone, self.output, self.step = backbone, output, step

    def logits(self, vectors: Tensor) -> Tensor:
        return self.output(vectors)


def next_logits(decoder: Decoder, tokens: Tensor, state: State) -> tuple[Tensor, State]:
    """Logits [B, V] of what follows `tokens` [B], one for every row of `state`, which reads them."""
    if isinstance(decoder, _Ready) and isinstance(state, CacheState):
        return decoder.step(tokens, state), state
    vectors, after = decoder.backbone(tokens[:, None], state)
    assert after is not None
    return decoder.logits(vectors[:, -1]), after


FEW_ROWS = 4
"""Up to so many rows the float16 layout is the faster one, because reading weights is nearly all there is to do."""
LARGEST_HALF = 60_000.0
_MAKING = Lock()


class PackedLinear(nn.Module):
    """A linear map whose weights lie as the kernels for CPUs want them, once in bfloat16 and once in float16.

    oneDNN multiplies many rows by packed bfloat16 matrices 1.3 to 2 times faster than by plain ones. For a few,
    FBGEMM reads float16 weights at nearly the speed of memory, and adds in float32; weights that bfloat16 holds are
    the same numbers in float16, unless they are below 6e-5. Both copies together take what one in float32 does.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self._given: Tensor | None = weight.detach()
        self._layouts: dict[str, Any] = {}
        self._offset = None if bias is None else bias.detach().to(torch.bfloat16)
        largest = max(abs(float(end)) for end in torch.aminmax(self._given))
        self._fits = largest <= LARGEST_HALF and "fbgemm" in torch.backends.quantized.supported_engines

    def _layout(self, name: str, make: Callable[[Tensor], object]) -> Any:
        """Packing takes longer than reading: a layout is made when it is first wanted, and a prompt wants only one."""
        found = self._layouts.get(name)
        if found is None:
            with _MAKING:
                found = self._layouts.get(name)
                if found is None:
                    assert self._given is not None
                    found = self._layouts[name] = make(self._given.to(torch.bfloat16))
                if len(self._layouts) == 1 + self._fits:
                    self._given = None  # nobody will ask for it again
        return found

    def _packed(self, lowered: Tensor) -> object:
        return torch.ops.mkldnn._reorder_linear_weight(lowered, 1)

    def _halved(self, lowered: Tensor) -> object:
        offset = None if self._offset is None else self._offset.float()
        return torch.ops.quantized.linear_prepack_fp16(lowered.float(), offset)

    @property
    def few(self) -> int:
        """The most rows for which `rows` takes and gives float32."""
        return FEW_ROWS if self._fits else 0

    def forward(self, x: Tensor) -> Tensor:
        """[..., N] of x [..., K] in bfloat16."""
        rows = x.reshape(-1, x.shape[-1])
        lowered = self.rows(rows.float() if len(rows) <= self.few else rows).to(x.dtype)
        return lowered.view(*x.shape[:-1], -1)

    def rows(self, x: Tensor) -> Tensor:
        """[B, N] of x [B, K], float32 for at most `few` rows, else bfloat16."""
        if x.dtype == torch.float32:
            product: Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self._layout("halved", self._halved))
        else:
            packed = self._layout("packed", self._packed)
            product = torch.ops.mkldnn._linear_pointwise(x, packed, self._offset, "none", [], "")
        return product


def decoder_of(model: LanguageModel, precision: Precision = "auto", *, compiled: bool = False) -> Decoder:
    """The model itself where its weights are as they flow, else one that shares all but its matrices with it.

    Later changes of the model's weights do not reach what was cast or packed: ask anew after training. `compiled` has
    the one-token step made ready by `captured.py`, on plain weights; ConfigError where that cannot be.
    """
    backbone = model.backbone
    if compiled:
        return _quick(model, precision)
    if not isinstance(backbone, Transformer) or is_adapted(model):
        return model  # one with adapters casts by itself, and what is learned must not be copied or frozen
    if backbone.dtype == torch.float32 and precision == "auto":
        return _Ready(backbone, model.logits, Step(backbone, model.logits, few=0))
    weight = model.output_weight
    kind = _kind(precision, weight.device)
    twin = _cast(model, matrices=kind is None)
    if kind is None or not _is_plain(weight):
        return twin.requires_grad_(False)
    ready = twin.backbone
    assert isinstance(ready, Transformer)
    for name, module in list(ready.named_modules()):
        if type(module) is Linear and _is_plain(module.weight):
            ready.set_submodule(name, kind(module.weight, module.bias))
    output = kind(weight, model.output_bias)
    few = min(module.few for module in (output, *ready.modules()) if isinstance(module, Int8Linear | PackedLinear))
    return _Ready(ready, output, Step(ready, output, few=few)).requires_grad_(False).eval()


def _cast(model: LanguageModel, *, matrices: bool) -> LanguageModel:
    """A model whose norms and embedding, and its `matrices` too, are kept in the dtype that flows through it."""
    memo = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    # Its own parameters on the same memory: freezing them must not freeze those of a model that learns.
    memo |= {id(own): nn.Parameter(own.detach(), requires_grad=False) for own in model.parameters() if _is_plain(own)}
    for module in model.modules():
        if isinstance(module, RMSNorm | LayerNorm | nn.Embedding) or (type(module) is Linear and matrices):
            for own in module.parameters(recurse=False):
                if _is_plain(own):
                    memo[id(own)] = nn.Parameter(own.detach().to(model.backbone.dtype), requires_grad=False)
    return copy.deepcopy(model, memo)


def _quick(model: LanguageModel, precision: Precision) -> Decoder:
    """A decoder whose one-token step is compiled, or captured on CUDA."""
    backbone = model.backbone
    if not isinstance(backbone, Transformer) or is_adapted(model):
        raise ConfigError("only a Transformer without adapters can be compiled; leave compile out")
    if precision == "int8":
        raise ConfigError("weights in 8 bits have kernels of their own that cannot be compiled; choose one of the two")
    twin = _cast(model, matrices=True).requires_grad_(False).eval()
    assert isinstance(twin.backbone, Transformer)
    step = Step(twin.backbone, twin.logits, few=0)
    return _Ready(twin.backbone, twin.logits, quickened(step, model.output_weight.device))


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

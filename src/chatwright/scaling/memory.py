"""Memory of training and use, per device, for every way to divide a model among devices.

Sources: Rajbhandari et al. 2020 (ZeRO, section 3 and figure 1) for weights, gradients and optimizer; Korthikanti et al.
2022 (table 2 and equations 2 to 4) for activations under tensor and sequence parallelism.
Shapes: s tokens of a row, b rows of a microbatch, t tensor-parallel, p pipeline-parallel, d data-parallel devices.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatwright.scaling.shapes import Shape

__all__ = ["OPTIMIZERS", "RECOMPUTE", "Layout", "Memory", "activation_bytes", "layouts_of", "memory_of", "state_bytes"]

OPTIMIZERS = {"adamw": 8.0, "adamw-8bit": 2.0, "muon": 4.0, "sgd": 0.0}
"""Bytes of moments per parameter."""
RECOMPUTE = ("none", "selective", "full")
"""What the backward pass computes again: nothing; attention's scores (as flash kernels do); whole layers."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a model is divided among devices."""

    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    zero: int = 0
    """0: every data-parallel device keeps all; 1: divides the optimizer; 2: gradients too; 3: weights too (FSDP)."""

    @property
    def devices(self) -> int:
        return self.data * self.tensor * self.pipeline

    @property
    def name(self) -> str:
        if self.devices == 1:
            return "one device"
        ways = [f"TP {self.tensor}"] * (self.tensor > 1) + [f"PP {self.pipeline}"] * (self.pipeline > 1)
        if self.data > 1:
            kind = ("DDP", "ZeRO-1", "ZeRO-2", "ZeRO-3 / FSDP")[self.zero]
            ways.append(f"{kind} {self.data}")
        return " x ".join(ways)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on the fullest device of a layout."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    working: float
    """Logits with their gradient, and the layers that ZeRO-3 gathers for a moment."""

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations + self.working


def state_bytes(
    parameters: float, layout: Layout, *, precision: str = "bf16", optimizer: str = "adamw"
) -> tuple[float, float, float]:
    """Bytes of weights, gradients and optimizer per device. Mixed precision: 2 + 2 + 12 per parameter with AdamW.

    The optimizer's share holds float32 master weights beside the moments, where weights are in 16 bits.
    """
    low = 2 if precision == "bf16" else 4
    master = 4 if precision == "bf16" else 0
    own = parameters / (layout.tensor * layout.pipeline)
    weights = low * own / (layout.data if layout.zero >= 3 else 1)
    gradients = low * own / (layout.data if layout.zero >= 2 else 1)
    kept = (master + OPTIMIZERS[optimizer]) * own / (layout.data if layout.zero >= 1 else 1)
    return weights, gradients, kept


def activation_bytes(
    shape: Shape,
    *,
    tokens: int,
    rows: int = 1,
    tensor: int = 1,
    recompute: str = "selective",
    dropout: bool = False,
    bytes_per_value: int = 2,
) -> float:
    """Bytes kept for the backward pass of all layers, with sequence parallelism beside tensor parallelism.

    With the block of GPT-3, dropout and 16 bits this is s b h (34 + 5 a s / h) per layer, 34 with `selective`.
    A pipeline divides the layers but keeps as many microbatches in flight: the first stage holds the same.
    """
    size = bytes_per_value
    if shape.recurrent:
        token = size * 16 * shape.width  # four gates, two memories, their inputs
        return tokens * rows * shape.layers * token
    inner = shape.heads * shape.per_head
    read = inner + 2 * shape.kv_heads * shape.per_head
    # inputs of two norms, of the projections, of attention, of its output; of the feed-forward layer and inside it
    token = size * (2 * shape.width + shape.width + read + inner + shape.width)
    token += size * (3 if shape.gated else 2) * shape.hidden
    if dropout:
        token += 2 * shape.width  # two masks of one byte
    if recompute == "none":
        token += shape.heads * tokens * (size + (size + 1 if dropout else 0))
    if recompute == "full":
        token = size * shape.width
    return tokens * rows * shape.layers * token / tensor


def memory_of(
    shape: Shape,
    layout: Layout,
    *,
    parameters: float | None = None,
    tokens: int,
    rows: int = 1,
    precision: str = "bf16",
    optimizer: str = "adamw",
    recompute: str = "selective",
) -> Memory:
    """Bytes on the fullest device while it trains on microbatches of `rows` rows of `tokens` tokens."""
    count = shape.parameters if parameters is None else parameters
    weights, gradients, kept = state_bytes(count, layout, precision=precision, optimizer=optimizer)
    size = 2 if precision == "bf16" else 4
    activations = activation_bytes(
        shape, tokens=tokens, rows=rows, tensor=layout.tensor, recompute=recompute, bytes_per_value=size
    )
    if recompute == "full":  # the one layer that is computed again
        activations += (
            activation_bytes(shape, tokens=tokens, rows=rows, tensor=layout.tensor, bytes_per_value=size) / shape.layers
        )
    working = 8.0 * rows * tokens * (1 if shape.scalar else shape.vocabulary) / layout.tensor  # float32, and gradient
    if layout.zero >= 3 and layout.data > 1:
        working += 2 * size * count / shape.layers / layout.tensor  # this layer and the next, fetched ahead
    return Memory(weights=weights, gradients=gradients, optimizer=kept, activations=activations, working=working)


def layouts_of(count: int, shape: Shape) -> list[Layout]:
    """The usual ways to use `count` devices, simplest first."""
    if count == 1:
        return [Layout()]
    ways = [Layout(data=count, zero=zero) for zero in range(4)]
    tensor = next((way for way in (8, 4, 2) if count % way == 0 and shape.heads % way == 0 and not shape.recurrent), 1)
    if tensor > 1:
        pipeline = 1
        while count % (tensor * pipeline) == 0 and pipeline <= min(shape.layers, 64):
            data = count // (tensor * pipeline)
            ways.append(Layout(data=data, tensor=tensor, pipeline=pipeline, zero=1 if data > 1 else 0))
            pipeline *= 2
    return ways

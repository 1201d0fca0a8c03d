"""The planner: what it takes to train a model of some size on some devices, and to use it. Pure arithmetic.

In: a `Question`, whose fields are all assumptions there are.  Out: a `Plan`; `report.py` prints it.
Checked against published figures in `tests/test_scaling_planner.py`; nothing here is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from chatwright.errors import ConfigError
from chatwright.meter import Rates
from chatwright.scaling.costs import (
    HOURS_PER_YEAR,
    PETAFLOP_DAY,
    Energy,
    Ownership,
    Use,
    energy_of,
    ownership_of,
    training_seconds,
    use_of,
)
from chatwright.scaling.devices import Device, device_named, grid_named
from chatwright.scaling.memory import OPTIMIZERS, RECOMPUTE, Layout, Memory, layouts_of, memory_of
from chatwright.scaling.shapes import Shape, read_shape

__all__ = ["Plan", "Question", "plan"]

TOKENS_PER_PARAMETER = 20
"""Near the optimum of a fixed budget (Hoffmann et al. 2022); the default for `tokens`."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is planned. Every setting with a default is an assumption that the answer names."""

    params: float | None = None
    """Parameters, such as 7e9 or 7B."""
    model: Path | None = None
    """A model whose model.json gives the shape, instead of --params."""
    tokens: float | None = None
    """Tokens to learn from; left out: 20 per parameter."""
    device: str = "h100"
    """See --devices."""
    count: int = 8
    """Devices."""
    utilisation: float = 0.4
    """Share of the peak that training reaches (MFU); 0.3 to 0.5 is usual."""
    flops: str = "6n"
    """What days are reckoned from: 6n (6 per parameter and token), or attention (products and causal attention)."""
    context: int | None = None
    """Tokens per row, in training and in use; left out: what --model reads, else 2048."""
    layers: int | None = None
    """Layers of a model of --params parameters; left out: shaped like Llama."""
    width: int | None = None
    """Channels of the vectors between them; left out: shaped like Llama."""
    heads: int | None = None
    """Attention heads; left out: width / 128."""
    kv_heads: int | None = None
    """Heads of keys and values; left out: all."""
    vocabulary: int | None = None
    """Ids of the tokenizer; left out: 32,000, or fewer below 100 million parameters."""
    microbatch: int = 1
    """Rows that a device reads at once."""
    tensor: int | None = None
    """Devices that divide every matrix; left out: the usual layouts are compared."""
    pipeline: int | None = None
    """Devices that divide the layers."""
    recompute: str = "selective"
    """In the backward pass: none, selective (attention's scores, as flash kernels do) or full."""
    precision: str = "bf16"
    """bf16 (with float32 master weights) or fp32."""
    optimizer: str = "adamw"
    """adamw, adamw-8bit, muon or sgd."""
    reserve_gb: float = 2.0
    """Memory of a device that kernels, buffers and fragments take."""
    teraflops: float | None = None
    """Peak of a device; left out: as in --devices."""
    memory_gb: float | None = None
    """Memory of a device; left out: as in --devices."""
    watts: float | None = None
    """Drawn per device, with its share of the server; left out: the device's limit."""
    price_per_hour: float | None = None
    """Rent of a device, dollars."""
    purchase_price: float | None = None
    """Of a device with its share of the server, dollars."""
    years: float = 3.0
    """That bought hardware is kept."""
    busy: float = 0.7
    """Share of all hours in which bought hardware works."""
    upkeep: float = 0.1
    """Space, repairs and people: share of the purchase price a year."""
    price_per_kwh: float = Rates().price_per_kwh
    """Electricity, dollars."""
    pue: float = 1.1
    """Electricity of the building per electricity of the machines."""
    grid: str = f"{Rates().co2e_g_per_kwh:g}"
    """g CO2e per kWh, or france, usa, germany, turkey, china, world."""
    streams: int = 32
    """Conversations that are answered at once."""
    bandwidth_use: float = 0.6
    """Share of the memory's bandwidth that writing reaches."""

    def __post_init__(self) -> None:
        if (self.params is None) == (self.model is None):
            raise ConfigError("give --params (such as 7e9) or --model FOLDER, one of the two")
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            low = (
                0
                if field.name in ("price_per_kwh", "upkeep", "price_per_hour", "purchase_price", "reserve_gb")
                else None
            )
            if not math.isfinite(value) or value < 0 or (low is None and value == 0):
                least = "zero or more" if low == 0 else "greater than zero"
                raise ConfigError(f"--{field.name.replace('_', '-')} is {value:g}; it must be {least}")
        for name in ("utilisation", "busy", "bandwidth_use"):
            if getattr(self, name) > 1:
                raise ConfigError(f"--{name.replace('_', '-')} is {getattr(self, name):g}; it is a share, at most 1")
        if self.pue < 1:
            raise ConfigError(f"--pue is {self.pue:g}; a building uses at least what its machines use, so 1 or more")
        choices = {"flops": ("6n", "attention"), "recompute": RECOMPUTE, "precision": ("bf16", "fp32")}
        for name, known in {**choices, "optimizer": tuple(OPTIMIZERS)}.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"--{name} is {getattr(self, name)!r}; choose {', '.join(known)}")
        for name, fewest in (("params", 10_000), ("tokens", 1)):
            if (value := getattr(self, name)) is not None and not fewest <= value <= 1e18:
                raise ConfigError(f"--{name} is {value:g}; give a number between {fewest:,} and 1e18")
        grid_named(self.grid)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The answer to a question."""

    question: Question
    device: Device
    """With what the question sets."""
    shape: Shape
    shape_is_assumed: bool
    parameters: float
    tokens: float
    context: int
    flops_6n: float
    flops_attention: float
    """Of all products and of causal attention: what must be computed at least."""
    flops_published: float
    """The same with attention counted in full, as published utilisations are."""
    flops: float
    """Those that days are reckoned from."""
    seconds: float
    layouts: tuple[tuple[Layout, Memory], ...]
    energy: Energy
    ownership: Ownership
    use: Use

    @property
    def device_hours(self) -> float:
        return self.question.count * self.seconds / 3600

    @property
    def rent(self) -> float:
        """Dollars for the run on rented devices; their electricity is included."""
        return self.device_hours * self.device.price_per_hour

    @property
    def own(self) -> float | None:
        """Dollars for the run on bought devices that are busy otherwise too."""
        return None if self.ownership.per_hour is None else self.device_hours * self.ownership.per_hour

    def fits(self, memory: Memory) -> bool:
        return memory.total <= (self.device.memory_gb - self.question.reserve_gb) * 1e9

    @property
    def first_that_fits(self) -> Layout | None:
        return next((layout for layout, memory in self.layouts if self.fits(memory)), None)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for --json."""
        return {
            "assumptions": {
                **asdict(self.question),
                "context": self.context,
                "grid_g_per_kwh": grid_named(self.question.grid),
            },
            "device": asdict(self.device),
            "shape": {**asdict(self.shape), "assumed": self.shape_is_assumed, "parts": self.shape.parts},
            "parameters": self.parameters,
            "tokens": self.tokens,
            "tokens_per_parameter": self.tokens / self.parameters,
            "flops": {
                "6n": self.flops_6n,
                "attention": self.flops_attention,
                "attention_in_full": self.flops_published,
                "petaflop_days": self.flops / PETAFLOP_DAY,
            },
            "time": {
                "seconds": self.seconds,
                "days": self.seconds / 86400,
                "device_hours": self.device_hours,
                "tokens_per_second": self.tokens / self.seconds,
            },
            "memory": [
                {
                    "layout": layout.name,
                    **asdict(layout),
                    **{f"{part}_bytes": size for part, size in asdict(memory).items()},
                    "total_bytes": memory.total,
                    "fits": self.fits(memory),
                }
                for layout, memory in self.layouts
            ],
            "energy": asdict(self.energy),
            "money": {
                "rent": self.rent,
                "own": self.own,
                "own_per_device_hour": self.ownership.per_hour,
                "break_even_hours": self.ownership.break_even_hours,
                "train_per_1000_tokens": 1000 * self.rent / self.tokens,
                "write_per_1000_tokens": self.use.dollars_per_1000_written,
                "read_per_1000_tokens": self.use.dollars_per_1000_read,
            },
            "use": asdict(self.use),
        }


def plan(question: Question) -> Plan:
    """Answer a question. Raises ConfigError for what cannot be, ArtefactError for a folder without a model."""
    device = _device(question)
    shape, is_assumed = _shape(question)
    context = question.context or shape.context
    parameters = float(question.params or shape.parameters)
    tokens = float(question.tokens or TOKENS_PER_PARAMETER * parameters)
    products = shape.in_products
    if question.params is not None:
        # The shape is only near the stated size: the products of the stated one differ by what lies in the blocks.
        products = max(products + round(parameters - shape.parameters), round(parameters / 2))
    flops = {
        "6n": 6 * parameters * tokens,
        "attention": (6 * products + shape.attention_flops(context)) * tokens,
    }
    seconds = training_seconds(
        flops[question.flops], teraflops=device.teraflops, utilisation=question.utilisation, count=question.count
    )
    if not math.isfinite(seconds) or seconds > 1e6 * HOURS_PER_YEAR * 3600:
        raise ConfigError("that would take more than a million years; look at --params, --tokens and --count again")
    own = {name: getattr(question, name) for name in ("price_per_kwh", "years", "busy", "upkeep", "pue")}
    return Plan(
        question=question,
        device=device,
        shape=shape,
        shape_is_assumed=is_assumed,
        parameters=parameters,
        tokens=tokens,
        context=context,
        flops_6n=flops["6n"],
        flops_attention=flops["attention"],
        flops_published=(6 * products + shape.attention_flops(context, causal=False)) * tokens,
        flops=flops[question.flops],
        seconds=seconds,
        layouts=tuple(_with_memory(question, shape, parameters=parameters, context=context)),
        energy=energy_of(
            question.count * seconds / 3600, watts=device.watts, pue=question.pue, grid=grid_named(question.grid)
        ),
        ownership=ownership_of(
            purchase_price=device.purchase_price, price_per_hour=device.price_per_hour, watts=device.watts, **own
        ),
        use=use_of(
            shape,
            device,
            parameters=parameters,
            context=context,
            streams=question.streams,
            bandwidth_use=question.bandwidth_use,
            utilisation=question.utilisation,
            price_per_hour=device.price_per_hour,
            reserve_gb=question.reserve_gb,
        ),
    )


def _with_memory(
    question: Question, shape: Shape, *, parameters: float, context: int
) -> Iterator[tuple[Layout, Memory]]:
    """The layouts to compare, with what a device holds in each."""
    for layout in _layouts(question, shape):
        memory = memory_of(
            shape,
            layout,
            parameters=parameters,
            tokens=context,
            rows=question.microbatch,
            precision=question.precision,
            optimizer=question.optimizer,
            recompute=question.recompute,
        )
        yield layout, memory


def _device(question: Question) -> Device:
    """The named device with what the question sets."""
    names = ("teraflops", "memory_gb", "watts", "price_per_hour", "purchase_price")
    set_here = {name: getattr(question, name) for name in names if getattr(question, name) is not None}
    return replace(device_named(question.device), **set_here)


def _shape(question: Question) -> tuple[Shape, bool]:
    """The model's shape, and whether any of it is assumed."""
    names = ("layers", "width", "heads", "kv_heads", "vocabulary")
    given = {name: getattr(question, name) for name in names if getattr(question, name) is not None}
    if question.model is not None:
        if given:
            raise ConfigError(f"--{next(iter(given)).replace('_', '-')} cannot be set with --model, which has its own")
        return read_shape(question.model), False
    assert question.params is not None
    shape = Shape.of_parameters(question.params, context=question.context or 2048, vocabulary=question.vocabulary)
    if "width" in given and "heads" not in given:
        given["heads"] = max(1, given["width"] // 128)
    if "heads" in given and "kv_heads" not in given:
        given["kv_heads"] = given["heads"]
    if given.keys() - {"vocabulary"}:
        shape = replace(shape, **given, hidden=0)
        if shape.width % shape.heads:
            raise ConfigError(f"--width {shape.width} must be a multiple of --heads {shape.heads}")
        if shape.heads % shape.kv_heads:
            raise ConfigError(f"--heads {shape.heads} must be a multiple of --kv-heads {shape.kv_heads}")
        # The feed-forward layer takes what attention leaves of the stated parameters.
        left = (question.params - shape.parameters) / (3 * shape.width * shape.layers)
        if left < 1:
            raise ConfigError(
                f"{question.params:g} parameters are too few for this shape; choose fewer layers or width"
            )
        shape = replace(shape, hidden=round(left))
    return shape, True


def _layouts(question: Question, shape: Shape) -> list[Layout]:
    """The layouts to compare: the usual ones, or those of the parallelism that is asked for."""
    if question.tensor is None and question.pipeline is None:
        return layouts_of(question.count, shape)
    tensor, pipeline = question.tensor or 1, question.pipeline or 1
    if tensor * pipeline > question.count:
        raise ConfigError(
            f"--tensor {tensor} x --pipeline {pipeline} needs {tensor * pipeline} devices, "
            f"and --count is {question.count}"
        )
    if question.count % (tensor * pipeline):
        raise ConfigError(
            f"--count {question.count} must be a multiple of --tensor {tensor} x --pipeline {pipeline} "
            f"({tensor * pipeline})"
        )
    if pipeline > shape.layers:
        raise ConfigError(f"--pipeline {pipeline} is more than the model's {shape.layers} layers; choose fewer")
    if shape.heads % tensor:
        raise ConfigError(f"--tensor {tensor} does not divide the model's {shape.heads} heads; choose a divisor")
    data = question.count // (tensor * pipeline)
    kinds = (0,) if data == 1 else (0, 1) if pipeline > 1 else range(4)  # a pipeline does not go with ZeRO-2 and 3
    return [Layout(data=data, tensor=tensor, pipeline=pipeline, zero=zero) for zero in kinds]

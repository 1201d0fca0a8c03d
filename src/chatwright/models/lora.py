"""LoRA: learn two thin matrices beside each frozen one, y = W x + alpha / rank B A x (Hu et al. 2021).

In: a model.  Out: a *view* of it: other modules on the same memory, in which frozen weights are buffers and only what
is learned is a parameter. Optimizers, checkpoints and averages, which ask for parameters, therefore see adapters (and a
readout, and rows of new tokens) and nothing else. The model itself stays as it was: it is the reference, with no second
copy of a weight, and any number of views may share one base.

Shapes: N tokens, I inputs, O outputs, R rank, K adapters of one matrix.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatwright.errors import ConfigError
from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.held import Weights, as_held, dense
from chatwright.models.layers import Linear
from chatwright.models.sites import Site, chosen, sites_of
from chatwright.models.vocabulary import TokenRows

__all__ = [
    "AdaptedLinear",
    "LoRA",
    "adapted",
    "bare",
    "frozen",
    "is_adapted",
    "merged",
    "scalar_beside",
    "shared",
    "twin",
]

Model = TypeVar("Model", LanguageModel, ScalarModel)
TABLES = ("backbone.embedding", "unembedding")  # matrices with a row for every token


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """How a stage learns: rank 0 means all weights, anything more adapters of that rank beside frozen ones."""

    rank: int = 0
    """Rank of the adapters: more can learn more, and take more memory; 0: all weights are learned instead."""
    alpha: float = 16.0
    """What the adapters add is multiplied by alpha / rank."""
    targets: list[str] = field(default_factory=lambda: ["all"])
    """all, attention, or the names that projections have where the model was published, such as q_proj or c_attn."""
    dropout: float = 0.0
    """Share of the inputs of adapters that sft and reward blank out while they learn; ppo learns without."""

    def __post_init__(self) -> None:
        if self.rank < 0 or self.alpha <= 0:
            raise ConfigError(f"lora.rank is {self.rank} and lora.alpha {self.alpha}; at least 0, and more than 0")
        if not self.targets:
            raise ConfigError('lora.targets is empty; name projections, or write targets = ["all"]')
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"lora.dropout is {self.dropout}; it must lie in [0, 1)")
        if self.dropout and not self.rank:
            raise ConfigError(
                f"lora.dropout is {self.dropout}, but without adapters there is nothing to blank out; set lora.rank"
            )


READOUT = "readout"


@dataclass(frozen=True)
class Thinning:
    """Which inputs of adapters are blanked out in one pass: drawn again from its seed on the way back, never kept."""

    share: float
    seed: int

    def of(self, flat: Tensor) -> Tensor:
        """Factors like `flat`: 0 where blanked out, else 1 / (1 - share), so that the mean stays."""
        rng = torch.Generator(flat.device).manual_seed(self.seed)
        return torch.empty_like(flat).bernoulli_(1 - self.share, generator=rng).div_(1 - self.share)


class _Product(torch.autograd.Function):
    """x W' + b, plus scale (x A') B' on each adapter's rows; the frozen matrix is never copied for the way back."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        scales: Tensor | None,
        bias: Tensor | None,
        down: Tensor | None,
        scale: float,
        thinning: Thinning | None,
        spans: Sequence[tuple[int, int]],
        *ups: Tensor,
    ) -> Tensor:
        out = F.linear(x, dense(weight, scales, x.dtype), None if bias is None else bias.to(x.dtype))
        ctx.held, ctx.scale, ctx.thinning, ctx.spans = (weight, scales), scale, thinning, spans
        if down is None:
            return out
        down, ups = down.to(x.dtype), tuple(up.to(x.dtype) for up in ups)
        flat = x.reshape(-1, x.shape[-1])
        low = torch.mm(flat if thinning is None else flat * thinning.of(flat), down.t())
        rows = out.view(-1, out.shape[-1])
        for (start, end), up, part in zip(spans, ups, low.chunk(len(ups), dim=1), strict=True):
            rows[:, start:end].addmm_(part, up.t(), alpha=scale)
        ctx.save_for_backward(flat, low, down, *ups)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0]
        into_x = None
        if ctx.needs_input_grad[0]:
            weight, scales = ctx.held
            into_x = torch.matmul(gradient, dense(weight, scales, gradient.dtype))
        if not ctx.spans:
            return into_x, None, None, None, None, None, None, None
        x, low, down, *ups = ctx.saved_tensors
        factors = None if ctx.thinning is None else ctx.thinning.of(x)
        rows = gradient.reshape(-1, gradient.shape[-1])
        into_low = torch.empty_like(low)
        into_ups: list[Tensor] = []
        parts = zip(ctx.spans, ups, low.chunk(len(ups), 1), into_low.chunk(len(ups), 1), strict=True)
        for (start, end), up, part, into_part in parts:
            own = rows[:, start:end]
            into_ups.append(torch.mm(own.t(), part).mul_(ctx.scale))
            into_part.copy_(torch.mm(own, up).mul_(ctx.scale))
        if into_x is not None:
            flat = into_x.view(-1, into_x.shape[-1])
            if factors is None:
                flat.addmm_(into_low, down)
            else:
                flat.addcmul_(torch.mm(into_low, down), factors)
        into_down = torch.mm(into_low.t(), x if factors is None else x * factors)
        return (into_x, None, None, None, into_down, None, None, None, *into_ups)


class AdaptedLinear(nn.Module):
    """A frozen linear map [I to O] with adapters beside some of its rows, or with none."""

    weight: Tensor
    scales: Tensor | None
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, scales: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scales", scales)  # of 8-bit weights
        self.register_buffer("bias", bias)
        self.sites: tuple[Site, ...] = ()
        self.rank, self.scale, self.dropout = 0, 0.0, 0.0

    def adapt(self, sites: Sequence[Site], lora: LoRA, rng: torch.Generator) -> None:
        """Give these rows adapters: A as PEFT draws it, B zero, so that nothing changes yet."""
        self.sites, self.rank, self.scale = tuple(sites), lora.rank, lora.alpha / lora.rank
        self.dropout = lora.dropout
        inputs = self.weight.shape[1]
        drawn = torch.rand(len(sites) * lora.rank, inputs, generator=rng)
        self.down = nn.Parameter(drawn.mul_(2).sub_(1).div_(math.sqrt(inputs)).to(self.weight.device))  # [K R, I]
        self.ups = nn.ParameterList(
            torch.zeros(site.end - site.start, lora.rank, device=self.weight.device) for site in sites
        )

    def forward(self, x: Tensor) -> Tensor:
        if not self.sites:
            out: Tensor = _Product.apply(x, self.weight, self.scales, self.bias, None, 0.0, None, ())
            return out
        spans = [(site.start, site.end) for site in self.sites]
        out = _Product.apply(
            x, self.weight, self.scales, self.bias, self.down, self.scale, self._thinning(x), spans, *self.ups
        )
        return out

    def _thinning(self, x: Tensor) -> Thinning | None:
        """What this pass blanks out, if it is one of training.

        The seed is the sum of the input's bits: a run that broke off draws the same again, and so does a block that is
        computed anew on the way back, whatever thread it is in. Adapters that read the same vectors share the draw.
        """
        if not (self.dropout and self.training and torch.is_grad_enabled()):
            return None
        bits = x.detach().contiguous().view(torch.int16 if x.element_size() == 2 else torch.int32)
        return Thinning(self.dropout, int(bits.sum(dtype=torch.int64)) % 2**63)

    def pairs(self) -> Iterator[tuple[Site, Tensor, Tensor]]:
        """Each adapter: where it stands, A [R, I] and B [O of the site, R]."""
        if self.sites:
            yield from zip(self.sites, self.down.chunk(len(self.sites)), self.ups, strict=True)

    def merged_weight(self) -> Tensor:
        """W + scale B A in float32: a matrix of its own where there are adapters."""
        whole = dense(self.weight, self.scales, torch.float32)
        if self.sites:
            whole = whole.clone()
            for site, down, up in self.pairs():
                whole[site.start : site.end].addmm_(up.detach().float(), down.detach().float(), alpha=self.scale)
        return whole


def shared(model: Model) -> Model:
    """The same network as other modules on the same memory: taking modules out of one does not touch the other."""
    return copy.deepcopy(model, {id(weight): weight for weight in (*model.parameters(), *model.buffers())})


def twin(model: Model) -> Model:
    """A view with the same frozen memory and its own copy of what is learned: a value function beside its reward."""
    return copy.deepcopy(model, {id(weight): weight for weight in model.buffers()})


def adapted(model: Model, lora: LoRA, *, seed: int, weights: Weights = "fp32", new_tokens: int = 0) -> Model:
    """A view of `model` in which only adapters, a readout and the rows of the last `new_tokens` ids are learned.

    `weights` other than fp32 are copies: drop `model` where its memory shall be free. The adapters of a model that has
    some are left behind. Raises ConfigError for a target that the model does not have, or a missing library.
    """
    sites = chosen(sites_of(model.backbone.config), lora.targets)
    view = frozen(model, weights)
    rng = torch.Generator().manual_seed(seed)
    for path in dict.fromkeys(site.module for site in sites):
        linear = view.backbone.get_submodule(path)
        assert isinstance(linear, AdaptedLinear)
        linear.adapt([site for site in sites if site.module == path], lora, rng)
    modules = dict(view.named_modules())
    for path in TABLES if new_tokens else ():
        table = modules.get(path)
        if isinstance(table, nn.Embedding | AdaptedLinear):  # an output matrix that is the embedding is no module
            view.set_submodule(path, TokenRows(table.weight, new_tokens))
    return view


def frozen(model: Model, weights: Weights = "fp32") -> Model:
    """A view without adapters whose weights are buffers, all but a readout and the rows of new tokens."""
    view = shared(model)
    for path, module in list(view.named_modules()):
        if isinstance(module, Linear | AdaptedLinear) and path != READOUT:
            held = weights if ".blocks." in path or weights == "fp32" else "bf16"
            bias = None if module.bias is None else module.bias.detach()
            if isinstance(module, AdaptedLinear) and module.scales is not None:
                linear = AdaptedLinear(module.weight, bias, module.scales)
            else:
                weight, scales = as_held(module.weight.detach(), held)
                linear = AdaptedLinear(weight, bias, scales)
            view.set_submodule(path, linear.train(module.training))
    for path, module in view.named_modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            if path == READOUT or isinstance(module, TokenRows):
                module.register_parameter(name, nn.Parameter(weight.detach().clone()))
                continue
            is_table = isinstance(module, nn.Embedding) and weights != "fp32"
            module.register_buffer(name, weight.detach().bfloat16() if is_table else weight.detach())
    return view


def bare(model: Model) -> Model:
    """Adapters off: a view on the same memory that computes what the base computes, bit for bit."""
    return frozen(model).requires_grad_(False)


def merged(model: Model) -> Model:
    """An ordinary model whose matrices have taken their adapters in; those with adapters are new, in float32.

    A model without frozen weights is handed back as it is.
    """
    if not is_adapted(model):
        return model
    view = shared(model)
    for path, module in list(view.named_modules()):
        if isinstance(module, AdaptedLinear):
            with torch.device("meta"):
                linear = Linear(module.weight.shape[1], module.weight.shape[0], bias=module.bias is not None)
            linear.weight = nn.Parameter(module.merged_weight(), requires_grad=False)
            if module.bias is not None:
                linear.bias = nn.Parameter(module.bias, requires_grad=False)
            view.set_submodule(path, linear)
        elif isinstance(module, TokenRows):
            table = module.joined()
            rows, width = table.shape
            is_embedding = path == TABLES[0]
            with torch.device("meta"):
                whole = nn.Embedding(rows, width) if is_embedding else Linear(width, rows, bias=False)
            whole.weight = nn.Parameter(table, requires_grad=False)
            view.set_submodule(path, whole)
    learned = {name for name, _ in view.named_parameters()}
    for name in view.state_dict().keys() - learned:  # frozen weights; what is only computed is not in it
        path, _, own = name.rpartition(".")
        module = view.get_submodule(path)
        weight = getattr(module, own)
        delattr(module, own)
        module.register_parameter(own, nn.Parameter(weight, requires_grad=False))
    return view


def scalar_beside(model: LanguageModel) -> ScalarModel:
    """A scalar model on the memory of a language model, with a readout of its own."""
    scalar = ScalarModel(model.backbone)
    scalar.imported = model.imported
    return scalar.to(model.backbone.embedding.weight.device)


def is_adapted(model: nn.Module) -> bool:
    """Whether a model is a view with frozen weights."""
    return any(isinstance(module, AdaptedLinear) for module in model.modules())

"""Training speed: chatwright's training steps beside a plain PyTorch loop of the same model.

Both take the same batches from the same first weights with the same AdamW; their first losses must agree, or the
script stops. Prints tokens/s at the demo's size and at about 11M parameters, in fp32 and (where the processor has it)
in bf16, then what a step of AdamW and of Muon costs. Last line: ratios as JSON.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import measuring
import torch
import torch.nn.functional as F
from plain_model import plain_language_model
from torch import Tensor

from chatwright.models.heads import LanguageModel, count_parameters
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.training.batches import Batch
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.world import World

CHECKED_STEPS = 3
RATE, BETAS, EPSILON, CLIP = 1e-3, (0.9, 0.95), 1e-8, 1.0


@dataclass(frozen=True)
class Size:
    depth: int
    width: int
    vocabulary: int
    rows: int
    length: int
    steps: int
    """Steps of one turn."""

    @property
    def config(self) -> TransformerConfig:
        return TransformerConfig.of_depth(self.depth, vocabulary=self.vocabulary, context=self.length, width=self.width)

    @property
    def tokens(self) -> int:
        """Tokens of one turn."""
        return self.rows * self.length * self.steps


SIZES = {"demo": Size(4, 192, 2048, 16, 128, 30), "11m": Size(8, 320, 4096, 16, 256, 3)}
QUICK = {"demo": Size(2, 64, 300, 4, 32, 2), "11m": Size(3, 64, 500, 4, 48, 2)}


def batches_of(size: Size) -> list[Batch]:
    """Eight batches of random tokens: speed does not depend on what they say."""
    rng = torch.Generator().manual_seed(1)
    rows = torch.randint(0, size.vocabulary, (8, size.rows, size.length + 1), generator=rng)
    return [Batch(own[:, :-1].contiguous(), own[:, 1:].contiguous()) for own in rows]


def model_of(size: Size, dtype: torch.dtype) -> LanguageModel:
    torch.manual_seed(1)
    model = LanguageModel(Transformer(size.config))
    model.backbone.dtype = dtype
    return model


def optimizer_of(model: LanguageModel, kind: str) -> Optimizer:
    schedule = Schedule(steps=1, shape="constant")
    return Optimizer([model], schedule, kind=kind, learning_rate=RATE, betas=BETAS, epsilon=EPSILON, clip=CLIP)


class Ours:
    """`train_steps`, as `pretrain` and `sft` call it."""

    def __init__(self, size: Size, precision: str, threads: int, kind: str = "adamw") -> None:
        self.size, self.precision, self.threads = size, precision, threads
        self.batches, self.done = batches_of(size), 0
        self.model = model_of(size, self.world.dtype)
        self.optimizer = optimizer_of(self.model, kind)

    @property
    def world(self) -> World:
        return measuring.ours(self.threads, self.precision)

    def __call__(self, steps: int | None = None) -> list[float]:
        until = self.done + (steps or self.size.steps)
        taken = train_steps(
            self.model,
            lambda number: self.batches[number % 8],
            language_loss,
            self.optimizer,
            until=until,
            after=self.done,
            world=self.world,
        )
        losses = [step.loss for step in taken]
        self.done = until
        return losses


class Plain:
    """A loop as tutorials write it: autocast for bf16, cross-entropy on all logits, clip, fused AdamW."""

    def __init__(self, size: Size, precision: str, threads: int) -> None:
        self.size, self.bf16, self.threads = size, precision == "bf16", threads
        self.batches, self.done = batches_of(size), 0
        self.model = plain_language_model(model_of(size, torch.float32))
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=RATE, betas=BETAS, eps=EPSILON, weight_decay=0.0, fused=True
        )

    def __call__(self, steps: int | None = None) -> list[float]:
        measuring.plain(self.threads)
        losses = []
        for batch in self._next(steps or self.size.steps):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
                logits, _ = self.model(batch.tokens)
                loss = F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten())
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
            self.optimizer.step()
            losses.append(loss.item())
        return losses

    def _next(self, steps: int) -> Iterator[Batch]:
        for _ in range(steps):
            yield self.batches[self.done % 8]
            self.done += 1


def check_same_work(losses: dict[str, list[float]]) -> None:
    """The first loss tells that the models are one, the next two that gradients and AdamW are."""
    expected = losses["plain fp32"]
    for name, own in losses.items():
        if "muon" in name:
            own = own[:1]  # another optimizer from the second step on
        tolerance = 2e-2 if "bf16" in name else 1e-4
        apart = max(abs(mine - theirs) for mine, theirs in zip(own, expected, strict=False))
        if apart > tolerance:
            raise SystemExit(f"{name}: losses {own} are not those of the plain loop in fp32, {expected}")
        print(f"  {name:<16} losses of the first steps {', '.join(f'{loss:.5f}' for loss in own)}")


def optimizer_milliseconds(size: Size, kind: str, repeats: int) -> float:
    """Median milliseconds of one optimizer step with given gradients: clipping, moments, weights."""
    measuring.ours(2)
    model = model_of(size, torch.float32)
    optimizer = optimizer_of(model, kind)
    rng = torch.Generator().manual_seed(2)
    gradients: list[Tensor] = [torch.randn(weight.shape, generator=rng) for weight in optimizer.parameters]
    taken = []
    for number in range(repeats + 2):
        own = [gradient.clone() for gradient in gradients]  # clipping changes them in place
        began = perf_counter()
        optimizer.step(number, own)
        taken.append((perf_counter() - began) * 1000)
    return statistics.median(taken[2:])


def run_size(name: str, size: Size, rounds: int, threads: int, repeats: int) -> tuple[dict[str, float | None], object]:
    """Measure one size; returns ratios and figures."""
    precisions = ["fp32", "bf16"] if measuring.has_native_bf16() else ["fp32"]
    contestants: dict[str, Ours | Plain] = {}
    for precision in precisions:
        contestants[f"ours {precision}"] = Ours(size, precision, threads)
        contestants[f"plain {precision}"] = Plain(size, precision, threads)
    best = precisions[-1]
    contestants[f"ours {best} muon"] = Ours(size, best, threads, kind="muon")
    parameters = count_parameters(model_of(size, torch.float32))
    print(
        f"\n{name}: {parameters / 1e6:.2f}M parameters, depth {size.depth}, width {size.width}, vocabulary "
        f"{size.vocabulary}, {size.rows} x {size.length} tokens a step; {rounds} rounds of {size.steps} steps"
    )
    check_same_work({own: contestant(CHECKED_STEPS) for own, contestant in contestants.items()})
    seconds = measuring.take_turns(contestants, rounds)
    speeds = {own: size.tokens / statistics.median(taken) for own, taken in seconds.items()}
    rows = [(own, speeds[own], size.tokens / max(taken), size.tokens / min(taken)) for own, taken in seconds.items()]
    print(measuring.table(["tokens/s", "median", "slowest", "fastest"], rows))
    steps = {kind: optimizer_milliseconds(size, kind, repeats) for kind in ("adamw", "muon")}
    whole = {"adamw": seconds[f"ours {best}"], "muon": seconds[f"ours {best} muon"]}
    costs = [(kind, steps[kind], statistics.median(taken) / size.steps * 1000) for kind, taken in whole.items()]
    print(measuring.table(["ours", "ms of the optimizer's step", f"ms of a whole step, {best}"], costs))
    pairs = {
        "ours_fp32/plain_fp32": ("ours fp32", "plain fp32"),
        "ours_bf16/plain_bf16": ("ours bf16", "plain bf16"),
        "ours_bf16/plain_fp32": ("ours bf16", "plain fp32"),
        "plain_bf16/plain_fp32": ("plain bf16", "plain fp32"),
    }
    ratios: dict[str, float | None] = {
        f"{name}.{ratio}": measuring.faster(seconds[own], seconds[peer]) if own in seconds and peer in seconds else None
        for ratio, (own, peer) in pairs.items()
    }
    ratios[f"{name}.muon/adamw"] = measuring.faster(whole["muon"], whole["adamw"])
    figures = {
        "parameters": parameters,
        "tokens_per_second": {own: round(speed) for own, speed in speeds.items()},
        "optimizer_ms": {kind: round(taken, 3) for kind, taken in steps.items()},
    }
    return ratios, figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny models: shows that the script runs, nothing else")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    asked = parser.parse_args()
    machine, others = measuring.machine(), measuring.Others()
    print(f"{machine}; {asked.threads} threads each")
    if not measuring.has_native_bf16():
        print("This processor has no native bf16: bf16 is left out (null below).")
    ratios: dict[str, float | None] = {}
    figures: dict[str, object] = {}
    for name in asked.sizes:
        size = (QUICK if asked.quick else SIZES)[name]
        own, figures[name] = run_size(
            name, size, 2 if asked.quick else asked.rounds, asked.threads, 2 if asked.quick else 20
        )
        ratios |= own
    measuring.finish("training", ratios, others, quick=asked.quick, machine=machine, sizes=figures)


if __name__ == "__main__":
    main()

"""What fine-tuning takes: peak memory and tokens per second of all weights, of LoRA, and of LoRA beside 8-bit weights;
and of transformers and PEFT on the same shape, rows and optimizer, where they are installed.

    python benchmarks/finetune.py            0.5B, 1B and 3B shapes, on CUDA if there is a device, else on the CPU
    python benchmarks/finetune.py --quick    tiny shapes: shows that the script runs, nothing else

Weights are random: speed and memory do not depend on what they say. Each row is a process of its own, so that its peak
is its own: the resident set on a CPU, what PyTorch had reserved on CUDA. A row that would not fit is left out, and the
reason stands in its place. The last line is one JSON object; a ratio a/b is tokens per second of a by those of b, and
under "memory" stands the peak of a by that of b.

The peers train as their users do: weights in float32 (all weights) or bfloat16 (LoRA), bfloat16 in autocast where the
device has it, adapters on all projections, PyTorch's fused AdamW, every operation divided among two threads. There is
no 8-bit peer: bitsandbytes makes its 8-bit layers for CUDA.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import measuring
import torch
from torch import nn

from chatwright.disk import available_memory, readable
from chatwright.models.families import shape_of
from chatwright.models.heads import LanguageModel
from chatwright.models.held import as_held
from chatwright.models.huggingface import family_for
from chatwright.models.lora import AdaptedLinear, LoRA
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.stages.sft import SFTConfig
from chatwright.training.batches import Batch
from chatwright.training.learner import learner, needed_bytes
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.world import World, open_world

SHAPES = {"0.5B": "qwen2.5-0.5b", "1B": "llama-3.2-1b", "3B": "llama-3.2-3b"}
QUICK = {"tiny": TransformerConfig(vocabulary=500, width=64, layers=2, heads=4, kv_heads=2, hidden=128, context=64)}
WAYS: dict[str, dict[str, object]] = {
    "full": {},
    "full, checkpointing": {"checkpointing": True},
    "LoRA": {"lora": LoRA(rank=8)},
    "LoRA, bf16": {"lora": LoRA(rank=8), "weights": "bf16"},
    "LoRA, bf16, checkpointing": {"lora": LoRA(rank=8), "weights": "bf16", "checkpointing": True},
    "LoRA, 8-bit, checkpointing": {"lora": LoRA(rank=8), "weights": "int8", "checkpointing": True},
}
PEERS = {
    "full": "transformers, full",
    "full, checkpointing": "transformers, full, checkpointing",
    "LoRA, bf16": "PEFT, bf16",
    "LoRA, bf16, checkpointing": "PEFT, bf16, checkpointing",
}
"""What stands beside each of ours."""


def shape_named(name: str, length: int) -> TransformerConfig:
    return QUICK[name] if name in QUICK else replace(shape_of(SHAPES[name]), context=length)


def settings_of(way: str) -> SFTConfig:
    """The settings of `sft` that a row stands for; files are not read here."""
    return SFTConfig(out="unused", base="unused", conversations=[], **WAYS[way])  # type: ignore[arg-type]


def with_random_weights(shape: TransformerConfig, config: SFTConfig, device: torch.device) -> LanguageModel:
    """A model whose weights are made one after another as they shall be held, so that none is there twice."""
    with torch.device("meta"):
        backbone = Transformer(shape)
        model = LanguageModel(backbone)
    for name, weight in sorted(model.named_parameters(), key=lambda own: own[1].ndim):  # biases go along with matrices
        filled = torch.empty(weight.shape, dtype=torch.float32, device=device)
        filled.fill_(1.0) if weight.ndim == 1 else filled.normal_(std=0.02)
        held = config.weights if ".blocks." in name or config.weights == "fp32" else "bf16"
        path, _, own = name.rpartition(".")
        made, scales = as_held(filled, held) if filled.ndim == 2 else (filled, None)
        if scales is not None:
            bias = getattr(model.get_submodule(path), "bias", None)
            model.set_submodule(path, AdaptedLinear(made, bias, scales))
        else:
            setattr(model.get_submodule(path), own, nn.Parameter(made, requires_grad=False))
    backbone.cosines, backbone.sines = (table.to(device) for table in backbone.tables())
    return model


def peer_steps(shape: TransformerConfig, way: str, batch: Batch, world: World) -> tuple[nn.Module, Iterator[float]]:
    """A model of transformers, with PEFT's adapters or without, and the losses of its steps, taken when asked for."""
    import peft
    import transformers

    transformers.logging.set_verbosity_error()
    measuring.plain(2)
    adapts = way.startswith("PEFT")
    config = transformers.AutoConfig.for_model(**family_for(shape).write(shape))
    config.use_cache = False
    with torch.device(world.device):
        made: Any = transformers.AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16 if adapts else torch.float32
        )
    if adapts:
        made = peft.get_peft_model(
            made, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        )
    if "checkpointing" in way:
        made.gradient_checkpointing_enable({"use_reentrant": False})
        made.enable_input_require_grads()
    made.train()
    learned = [weight for weight in made.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=1e-4, fused=True)
    own = batch.to(world.device)

    def steps() -> Iterator[float]:
        while True:
            with torch.autocast(world.device.type, torch.bfloat16, enabled=world.dtype == torch.bfloat16):
                logits = made(own.tokens).logits
                loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), own.targets.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            yield float(loss.detach())

    return made, steps()


def our_steps(
    shape: TransformerConfig, config: SFTConfig, batch: Batch, world: World
) -> tuple[nn.Module, Iterator[float]]:
    """Our model as `sft` makes it, and the losses of its steps, taken when asked for."""
    model = with_random_weights(shape, config, world.device)
    model.backbone.dtype = world.dtype
    model = learner(model, config)
    optimizer = Optimizer([model], Schedule(steps=1, shape="constant"), learning_rate=1e-4)
    steps = train_steps(model, lambda number: batch, language_loss, optimizer, until=1 << 30, world=world)
    return model, (step.loss for step in steps)


def measure(name: str, way: str, rows: int, length: int, steps: int, device: str) -> dict[str, object]:
    """One row, in this process: peak bytes and tokens per second, or the reason why there are none."""
    world = open_world(device, "auto", 2)
    shape = shape_named(name, length)
    ours = next((own for own, peer in PEERS.items() if peer == way), way)
    if ours != way and not all(importlib.util.find_spec(library) for library in ("peft", "transformers")):
        return {"skipped": "transformers or peft is not installed"}
    config = settings_of(ours)
    with torch.device("meta"):
        empty = learner(LanguageModel(Transformer(shape)), replace(config, weights="fp32"))
    empty.backbone.dtype = world.dtype
    least = needed_bytes(empty, tokens=rows * length, length=length)
    least -= {"fp32": 0, "bf16": 2, "int8": 3}[config.weights] * sum(own.numel() for own in empty.buffers())
    free = torch.cuda.mem_get_info(world.device)[0] if world.device.type == "cuda" else available_memory()
    if least > free:
        return {"skipped": f"needs about {readable(least)} and {readable(free)} are free"}
    rng = torch.Generator().manual_seed(1)
    drawn = torch.randint(0, shape.vocabulary, (rows, length + 1), generator=rng)
    batch = Batch(drawn[:, :-1].contiguous(), drawn[:, 1:].contiguous())
    if ours == way:
        model, losses = our_steps(shape, config, batch, world)
    else:
        model, losses = peer_steps(shape, way, batch, world)
    seconds = []
    for _ in range(steps + 1):
        began = perf_counter()
        next(losses)
        seconds.append(perf_counter() - began)
    if world.device.type == "cuda":
        peak = torch.cuda.max_memory_reserved(world.device)
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    best = min(seconds[1:])  # the first step makes room for moments
    learned = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return {"peak_bytes": peak, "tokens_per_second": round(rows * length / best, 1), "learned": learned}


def in_a_process(asked: argparse.Namespace, name: str, way: str) -> dict[str, object]:
    """A row measured by a process that does nothing else; one that is killed for its memory says so."""
    row = json.dumps([name, way, asked.rows, asked.length, asked.steps, asked.device])
    done = subprocess.run([sys.executable, __file__, "--row", row], capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        return {"skipped": last[0][:200]}
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny shapes: shows that the script runs, nothing else")
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    ways = [name for way in WAYS for name in (way, PEERS.get(way)) if name]
    parser.add_argument("--ways", nargs="+", choices=ways, default=ways)
    parser.add_argument("--rows", type=int, default=2, help="rows per step")
    parser.add_argument("--length", type=int, default=512, help="tokens per row")
    parser.add_argument("--steps", type=int, default=2, help="steps that are timed")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.row:
        print(json.dumps(measure(*json.loads(asked.row))))
        return
    names = list(asked.shapes)
    if asked.quick:
        names, asked.length = list(QUICK), 32
    machine, others = measuring.machine(), measuring.Others()
    print(f"{machine}; {asked.rows} rows of {asked.length} tokens a step, AdamW, rank 8 on all projections")
    figures: dict[str, dict[str, dict[str, object]]] = {}
    ratios: dict[str, float | None] = {}
    memory: dict[str, float | None] = {}
    for name in names:
        found = figures[name] = {way: in_a_process(asked, name, way) for way in asked.ways}
        shown = [
            (way, row["peak_bytes"] / 1e9, row["tokens_per_second"], row["learned"] / 1e6)  # type: ignore[operator]
            for way, row in found.items()
            if "skipped" not in row
        ]
        print(f"\n{measuring.table([name, 'peak, GB', 'tokens/s', 'learned, millions'], shown)}")
        for way, row in found.items():
            if "skipped" in row:
                print(f"{way}: left out, {row['skipped']}")
        pairs = [(way, "full") for way in WAYS if way != "full"] + list(PEERS.items())
        for own, other in pairs:
            if own in found and other in found:
                ratios[f"{name}.{own}/{other}"] = share_of(found, own, other, "tokens_per_second")
                memory[f"{name}.{own}/{other}"] = share_of(found, own, other, "peak_bytes")
    memory = {pair: None if value is None else round(value, 3) for pair, value in memory.items()}
    measuring.finish("finetune", ratios, others, quick=asked.quick, machine=machine, memory=memory, shapes=figures)


def share_of(found: dict[str, dict[str, Any]], own: str, other: str, figure: str) -> float | None:
    """One row's figure by another's; None where one was left out."""
    mine, theirs = found[own].get(figure), found[other].get(figure)
    return float(mine) / float(theirs) if mine and theirs else None


if __name__ == "__main__":
    main()

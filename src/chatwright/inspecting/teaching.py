"""How long it takes to teach a model 1,000 conversations.

In: a shape, and a speed that is stated, measured here, known from the receipt or estimated.  Out: seconds, and why.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from chatwright.disk import read_json
from chatwright.inspecting.options import Options
from chatwright.scaling.devices import DEVICES
from chatwright.scaling.shapes import Shape

CONVERSATION = 300
"""Tokens of a conversation, where none are given to count."""
UTILISATION = 0.4
"""Share of a processor's peak that training is taken to reach where no speed is known."""


def teaching_of(
    shape: Shape, context: int, stage: Path, tokenizer: Any, options: Options, folder: Path
) -> dict[str, Any] | None:
    """Time to learn once from 1,000 conversations: tokens each, tokens per second, and where both come from."""
    if shape.scalar:
        return None
    tokens, source = float(CONVERSATION), "assumed"
    if options.conversations is not None:
        tokens, source = _mean_length(options.conversations, tokenizer, context), f"counted in {options.conversations}"
    speed, measured = _speed(shape, context, stage, options, folder)
    return {
        "tokens_per_conversation": tokens,
        "tokens_per_conversation_from": source,
        "tokens_per_second": speed,
        "tokens_per_second_from": measured,
        "seconds_per_1000_conversations": 1000 * tokens / speed,
    }


def _mean_length(path: Path, tokenizer: Any, context: int) -> float:
    from chatwright.text.records import read_conversations
    from chatwright.training.batches import prepare_conversations

    conversations = read_conversations([str(path)], left_out=[])
    rendered, _ = prepare_conversations(conversations, tokenizer, context=context, where=str(path))
    return sum(map(len, rendered)) / len(rendered)


def _speed(shape: Shape, context: int, stage: Path, options: Options, folder: Path) -> tuple[float, str]:
    """Training tokens per second, and where the figure comes from."""
    if options.speed is not None:
        return options.speed, "as stated"
    if options.measure:
        return _measured(folder, min(context, 512), options.threads), "measured here"
    # In a recipe run the stages before it trained a model of the same shape.
    for place in (stage, stage.parent / "sft", stage.parent / "base"):
        if (known := _known(place, stage)) is not None:
            return known
    core = DEVICES["cpu-core"]
    reached = options.threads * core.teraflops * 1e12 * UTILISATION
    return reached / shape.training_flops(context), (
        f"estimated: {UTILISATION:.0%} of {options.threads} processor cores; --measure or --speed tells better"
    )


def _known(place: Path, stage: Path) -> tuple[float, str] | None:
    """What a stage that learned from texts or demonstrations noted, of a model shaped like that of `stage`.

    Others, such as PPO, do more than to learn, and their speed is another.
    """
    names = ("origin.json", "receipt.json", "model/model.json")
    if not all((folder / name).is_file() for folder, name in [*((place, name) for name in names), (stage, names[2])]):
        return None
    if read_json(place / names[2]).get("backbone") != read_json(stage / names[2]).get("backbone"):
        return None
    name, speed = read_json(place / names[0]).get("stage"), read_json(place / names[1]).get("tokens_per_second")
    if name not in ("pretrain", "sft") or not isinstance(speed, int | float) or speed <= 0:
        return None
    return float(speed), f"as measured when {name} ran"


def _measured(folder: Path, length: int, threads: int) -> float:
    """Tokens per second of a few training steps on random tokens; nothing is written."""
    import torch

    from chatwright.artefacts import load_language_model
    from chatwright.training.batches import Batch
    from chatwright.training.loop import train_steps
    from chatwright.training.losses import language_loss
    from chatwright.training.optimizers import Optimizer, Schedule
    from chatwright.world import open_world

    world = open_world(threads=threads)
    model, tokenizer = load_language_model(folder, world=world)
    model.requires_grad_(True)
    rng = torch.Generator().manual_seed(1)

    def batch(step: int) -> Batch:
        rows = torch.randint(0, tokenizer.size, (4, length + 1), generator=rng)
        return Batch(rows[:, :-1], rows[:, 1:])

    steps, warm = 4, 1
    optimizer = Optimizer([model], Schedule(steps=steps), learning_rate=1e-5)
    started, tokens = 0.0, 0
    for step in train_steps(model, batch, language_loss, optimizer, until=steps, world=world):
        if step.number > warm:
            tokens += step.tokens
        if step.number == warm:
            started = time.perf_counter()
    return tokens / (time.perf_counter() - started)

"""Scores of answers by a reward model, as best-of-n and judging need them.

In: conversations that end with an answer.  Out: one score for each, read at the end token of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

import torch
from torch import Tensor

from chatwright.generation.engine import Answer
from chatwright.models.heads import ScalarModel
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.rollouts import sequence_scores
from chatwright.world import World

ROWS = 32  # sequences read together

Reward = Callable[[list[Answer]], Tensor]
"""Scores float32 [B] of answers: a reward model, a task's score, a judge, or a test's stub."""


def reward_scores(
    model: ScalarModel, tokenizer: Tokenizer, answered: Sequence[Conversation], world: World
) -> list[float]:
    """A score for the last answer of every conversation; NaN where it does not fit into the model's context.

    The oldest turns are dropped where that makes room. Batches are divided among the world's threads.
    """
    rows: list[tuple[int, list[int]]] = []
    for number, conversation in enumerate(answered):
        cut = fit(conversation, tokenizer, model.backbone.config.context)
        if cut is not None:
            rows.append((number, render(cut, tokenizer).tokens))
    rows.sort(key=lambda row: (len(row[1]), row[0]))  # rows that are read together are alike in length
    groups = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    with torch.no_grad():
        found = world.map(lambda group: sequence_scores(model, [row for _, row in group], rows=ROWS).tolist(), groups)
    scores = [nan] * len(answered)
    for group, own in zip(groups, found, strict=True):
        for (number, _), score in zip(group, own, strict=True):
            scores[number] = score
    return scores


def reward_of(model: ScalarModel, tokenizer: Tokenizer, world: World) -> Reward:
    """A reward model as a function of answers. It reads their text, encoded anew: no spelling of its own pays."""

    def score(answers: list[Answer]) -> Tensor:
        answered = [answer.conversation.plus("assistant", answer.text) for answer in answers]
        scores = reward_scores(model, tokenizer, answered, world)
        # Broken characters take more tokens when they are encoded anew: such an answer is read as it was sampled.
        context = model.backbone.config.context
        for number, answer in enumerate(answers):
            if scores[number] != scores[number]:
                opened = render(answer.conversation, tokenizer, answer=True).tokens
                whole = [*[*opened, *answer.tokens][: context - 1], tokenizer.end]
                scores[number] = float(sequence_scores(model, [whole])[0])
        return torch.tensor(scores, device=world.device)

    return score

"""Scores of answers by a reward model, as best-of-n and judging need them.

In: conversations that end with an answer.  Out: one score for each, read at the end token of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import torch

from chatwright.models.heads import ScalarModel
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.rollouts import sequence_scores
from chatwright.world import World

ROWS = 32  # sequences read together


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

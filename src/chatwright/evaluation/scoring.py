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
from chatwright.training.losses import last_scores
from chatwright.world import World


def reward_scores(
    model: ScalarModel, tokenizer: Tokenizer, answered: Sequence[Conversation], world: World, *, batch: int = 32
) -> list[float]:
    """A score for the last answer of every conversation; NaN where it does not fit into the model's context.

    The oldest turns are dropped where that makes room. Batches are divided among the world's threads.
    """
    scores = [nan] * len(answered)
    rows: list[tuple[int, list[int]]] = []
    for number, conversation in enumerate(answered):
        cut = fit(conversation, tokenizer, model.backbone.config.context)
        if cut is not None:
            rows.append((number, render(cut, tokenizer).tokens))
    rows.sort(key=lambda row: (len(row[1]), row[0]))  # rows of a batch are alike in length
    groups = [rows[start : start + batch] for start in range(0, len(rows), batch)]

    def scored(group: list[tuple[int, list[int]]]) -> list[float]:
        longest = len(group[-1][1])
        tokens = torch.tensor([row + [tokenizer.pad] * (longest - len(row)) for _, row in group], device=world.device)
        lengths = torch.tensor([len(row) for _, row in group], device=world.device)
        found: list[float] = last_scores(model, tokens, lengths).float().tolist()
        return found

    with torch.no_grad():
        results = world.map(scored, groups)
    for group, found in zip(groups, results, strict=True):
        for (number, _), score in zip(group, found, strict=True):
            scores[number] = score
    return scores

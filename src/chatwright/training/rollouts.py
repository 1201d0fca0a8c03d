"""Rollouts: what a policy answered, and all that PPO learns from, aligned by answer token.

Shapes: B answers, S tokens of the longest prompt and answer, T tokens of the longest answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.training.losses import positions_at_once
from chatwright.world import World

__all__ = ["Rollout", "answer_logps", "answer_values", "by_rows", "collate", "sequence_scores"]


@dataclass(frozen=True)
class Rollout:
    """Answers to prompts, padded at the right; what is [B, T] starts at the answer's first token."""

    tokens: Tensor
    """LongTensor [B, S]: prompt, answer, and the end token if the model gave one."""
    starts: Tensor
    """LongTensor [B]: tokens of the prompt."""
    lengths: Tensor
    """LongTensor [B]: tokens of the answer, the end token included."""
    logps: Tensor
    """float32 [B, T]: of the sampled tokens, under the policy that sampled them, at its temperature."""
    ended: Tensor
    """bool [B]."""
    values: Tensor
    """float32 [B, T]: the value function before each token, when it was sampled."""
    advantages: Tensor
    returns: Tensor

    @property
    def mask(self) -> Tensor:
        """float32 [B, T]: 1 where there is an answer token."""
        return (torch.arange(self.logps.shape[1], device=self.lengths.device) < self.lengths[:, None]).float()

    @property
    def by_length(self) -> Tensor:
        """Rows from the shortest to the longest text, LongTensor [B]: neighbours waste little on padding."""
        return (self.starts + self.lengths).argsort(stable=True)

    def __len__(self) -> int:
        return len(self.tokens)

    def split(self, parts: int) -> list[Rollout]:
        """At most `parts` rollouts of nearly equal numbers of rows, alike in length."""
        return [self.rows(index) for index in self.by_length.tensor_split(min(parts, len(self)))]

    def rows(self, index: Tensor) -> Rollout:
        """Some of the answers, trimmed to the longest among them."""
        picked = {field.name: getattr(self, field.name)[index] for field in fields(self)}
        longest, whole = int(picked["lengths"].max()), int((picked["starts"] + picked["lengths"]).max())
        picked["tokens"] = picked["tokens"][:, :whole]
        for name in ("logps", "values", "advantages", "returns"):
            picked[name] = picked[name][:, :longest]
        return Rollout(**picked)


def collate(
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    logps: Sequence[Sequence[float]],
    ended: Sequence[bool],
    device: torch.device,
) -> Rollout:
    """Put prompts and sampled answers (with their end token) together; values and advantages are 0 until known."""
    whole = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    rows, longest = len(whole), max(len(answer) for answer in answers)
    tokens = torch.zeros(rows, max(map(len, whole)), dtype=torch.long)
    stored = torch.zeros(rows, longest)
    for number, (sequence, own) in enumerate(zip(whole, logps, strict=True)):
        tokens[number, : len(sequence)] = torch.tensor(sequence)
        stored[number, : len(own)] = torch.tensor(own)
    empty = torch.zeros(rows, longest, device=device)
    return Rollout(
        tokens.to(device),
        torch.tensor([len(prompt) for prompt in prompts], device=device),
        torch.tensor([len(answer) for answer in answers], device=device),
        stored.to(device),
        torch.tensor(ended, device=device),
        empty,
        empty,
        empty,
    )


def by_rows(rollout: Rollout, function: Callable[[Rollout], Tensor], world: World, *, rows: int = 32) -> Tensor:
    """Apply `function` to parts of a rollout on all threads; results [B, T] in the rollout's order."""
    index = rollout.by_length
    parts = [index[start : start + rows] for start in range(0, len(index), rows)]
    found = world.map(lambda part: function(rollout.rows(part)), parts)
    out = torch.zeros_like(rollout.logps)
    for part, values in zip(parts, found, strict=True):
        out[part, : values.shape[1]] = values
    return out


def _places(rollout: Rollout) -> tuple[Tensor, Tensor, Tensor]:
    """For every answer token, row by row: its row, its place in the answer, and the position before it in the text."""
    rows, steps = rollout.mask.nonzero(as_tuple=True)
    return rows, steps, rollout.starts[rows] + steps - 1


def answer_logps(
    model: LanguageModel, rollout: Rollout, *, temperature: float, vocabulary: int | None = None
) -> Tensor:
    """Log-probabilities float32 [B, T] of the answer tokens under softmax(logits / temperature); 0 outside.

    `vocabulary` is the number of ids that have a text: rows of the model beyond it are never sampled, so they take no
    part (None: all do). Only answer tokens reach the output layer, a piece at a time where the vocabulary is large.
    """
    rows, steps, before = _places(rollout)
    vectors, _ = model.backbone(rollout.tokens[:, :-1])
    picked, targets = vectors[rows, before], rollout.tokens[rows, before + 1]

    def logps(own: Tensor, following: Tensor) -> Tensor:
        logits = model.logits(own)[:, :vocabulary].float() / temperature
        return torch.log_softmax(logits, dim=-1).gather(1, following[:, None]).squeeze(1)

    size = positions_at_once(len(model.output_weight))
    if len(targets) <= size:
        found = logps(picked, targets)
    else:  # the logits of each piece are computed again on the way back
        pieces = zip(picked.split(size), targets.split(size), strict=True)
        found = torch.cat(
            [checkpoint(logps, *piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]
        )
    return found.new_zeros(rollout.logps.shape).index_put((rows, steps), found)


def answer_values(model: ScalarModel, rollout: Rollout) -> Tensor:
    """The value before each answer token, float32 [B, T]; 0 outside."""
    rows, steps, before = _places(rollout)
    scores, _ = model(rollout.tokens[:, :-1])
    return scores.new_zeros(rollout.logps.shape).index_put((rows, steps), scores[rows, before])


def sequence_scores(model: ScalarModel, sequences: Sequence[Sequence[int]], *, rows: int = 32) -> Tensor:
    """The score at the last token of every sequence, float32 [N]; sequences of like length are read together."""
    device = model.readout.weight.device
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    scores = torch.zeros(len(sequences), device=device)
    for start in range(0, len(order), rows):
        group = order[start : start + rows]
        lengths = torch.tensor([len(sequences[index]) for index in group])
        tokens = torch.zeros(len(group), int(lengths.max()), dtype=torch.long)
        for place, index in enumerate(group):
            tokens[place, : lengths[place]] = torch.tensor(sequences[index])
        read, _ = model(tokens.to(device))
        scores[group] = read[torch.arange(len(group)), lengths - 1]
    return scores

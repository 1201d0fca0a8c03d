"""What a request changes in its logits before a token is chosen: penalties for repeating itself, and a bias.

In: logits of several rows, and what each has said.  Out: the same logits, changed in place at few tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from chatwright.generation.sampling import Sampling

__all__ = ["Said", "adjust"]


class Said:
    """How often a row has said what; tokens of the prompt count for the repetition penalty only."""

    def __init__(self, prompt: Sequence[int], sampling: Sampling) -> None:
        self.sampling = sampling
        self.counts: Counter[int] = Counter()
        self._seen = set(prompt) if sampling.repetition_penalty != 1 else set()

    def note(self, token: int) -> None:
        self.counts[token] += 1

    def factors(self) -> list[int]:
        """Tokens to which the repetition penalty applies."""
        return list(self._seen | self.counts.keys()) if self.sampling.repetition_penalty != 1 else []

    def shifts(self) -> dict[int, float]:
        """What is added to the logits of which tokens, after the repetition penalty."""
        own = self.sampling
        found: dict[int, float] = {}
        if own.presence_penalty or own.frequency_penalty:
            found = {
                token: -own.presence_penalty - own.frequency_penalty * count for token, count in self.counts.items()
            }
        for token, bias in own.logit_bias:
            found[token] = found.get(token, 0.0) + bias
        return found


def adjust(logits: Tensor, rows: Sequence[Said | None]) -> Tensor:
    """Apply the penalties and the bias of every row to `logits` [B, V]; float32, the rows' own where nothing applies.

    Repetition: l / r where l > 0, else l r (Keskar et al. 2019, section 4.1, as commonly used).
    Then l - presence [count > 0] - frequency count + bias.
    """
    if not any(rows):
        return logits
    logits = logits.float().clone()
    size = logits.shape[1]
    for place, row in enumerate(rows):
        if row is None:
            continue
        if factors := [token for token in row.factors() if token < size]:
            index = torch.tensor(factors, device=logits.device)
            values, penalty = logits[place, index], row.sampling.repetition_penalty
            logits[place, index] = torch.where(values > 0, values / penalty, values * penalty)
        if shifts := {token: shift for token, shift in row.shifts().items() if token < size}:
            index = torch.tensor(list(shifts), device=logits.device)
            logits[place, index] += torch.tensor(list(shifts.values()), device=logits.device)
    return logits

"""The peer's sampling: all prompts padded at the left, one loop until the last row is done, no row leaves before.

What Hugging Face's `generate` does, without its bookkeeping. The next token is chosen by chatwright's own rule, so that
both sample the same answers and do the same work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from plain_model import PlainLanguageModel
from torch import Tensor

from chatwright.generation.sampling import Sampling, pick, uniform


def padded_left(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Tokens [B, P], and True [B, P] where there is one."""
    longest = max(map(len, prompts))
    tokens = torch.tensor([[*[0] * (longest - len(prompt)), *prompt] for prompt in prompts])
    starts = torch.tensor([longest - len(prompt) for prompt in prompts])
    return tokens, torch.arange(longest) >= starts[:, None]


def sight(present: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Positions [B, S] and mask [B, 1, S, S] of rows with padding; None, None where there is none."""
    if bool(present.all()):
        return None, None
    length = present.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    itself = torch.eye(length, dtype=torch.bool)  # padding sees itself: a row of nothing would be NaN
    return (present.cumsum(1) - 1).clamp(min=0), ((present[:, None, :] & causal) | itself)[:, None]


@torch.no_grad()
def generate(
    model: PlainLanguageModel,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    seeds: Sequence[int],
    *,
    end: int,
    is_over: Callable[[list[int]], bool] | None = None,
) -> tuple[list[list[int]], Tensor]:
    """Answers, each with its end token if it has one, and the log-probabilities of their tokens [B, T].

    The logits of every step are kept until the end, as `generate(output_scores=True)` does for PPO in TRL 1.12.0.
    """
    tokens, present = padded_left(prompts)
    positions, mask = sight(present)
    logits, memory = model(tokens, positions, mask)
    answers: list[list[int]] = [[] for _ in prompts]
    over = [False] * len(prompts)
    kept, chosen = [], []
    own_seeds = np.array(seeds, dtype=np.uint64)
    padded = positions is not None
    for step in range(sampling.max_tokens):
        places = np.full(len(prompts), step, dtype=np.uint64)
        kept.append(logits[:, -1])
        following, _ = pick(logits[:, -1], sampling, uniform(own_seeds, places))
        chosen.append(following)
        for row, token in enumerate(following.tolist()):
            if not over[row]:
                answers[row].append(token)
                over[row] = token == end or (is_over is not None and is_over(answers[row]))
        if all(over) or step + 1 == sampling.max_tokens:
            break
        present = torch.cat([present, torch.ones(len(prompts), 1, dtype=torch.bool)], dim=1)
        positions = present.sum(1, keepdim=True) - 1
        logits, memory = model(following[:, None], positions, present[:, None, None] if padded else None, memory)
    logps = torch.log_softmax(torch.stack(kept, 1).float() / sampling.temperature, dim=-1)
    return answers, logps.gather(2, torch.stack(chosen, 1)[:, :, None]).squeeze(2)

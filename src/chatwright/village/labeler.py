"""A simulated labeler: ranks answers by the gold scores, declares ties, and errs at a stated rate.

Answers whose scores differ by less than `tie` from the best of their group share a rank; noise never decides a tie.
Then every group is, with a certain probability, misread and put at a random place among the others: neighbours are
mixed up more often than the best and the worst, as among people. The probability is chosen so that the average pair of
distinguishable answers is turned round with about the probability `noise`: among n groups a misread one is turned round
with a share of (n + 1) / 3n of the others, so that noise = (1 - (1 - misread)^2) (n + 1) / 3n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from chatwright.errors import ConfigError
from chatwright.text.conversation import Conversation
from chatwright.village.judge import Judge


@dataclass(frozen=True)
class Labeler:
    """Depends only on the seed and the index of the comparison."""

    judge: Judge
    seed: int = 1
    noise: float = 0.12
    tie: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.noise <= 0.5:
            raise ConfigError(f"noise is {self.noise}; choose a probability from 0 to 0.5")
        if self.tie < 0:
            raise ConfigError(f"tie is {self.tie}; choose 0 or more")

    def rank(
        self, prompt: Conversation, facts: Mapping[str, Any], answers: Sequence[str], *, index: int
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Ranks (1 is best, equal numbers are ties, as in 1 2 2 4) and true scores of the answers."""
        gold = tuple(self.judge(prompt, facts, answer).score for answer in answers)
        order = self._misread(self._groups(gold), Random(f"{self.seed}-label-{index}"))
        ranks = [0.0] * len(answers)
        place = 1
        for group in order:
            for number in group:
                ranks[number] = float(place)
            place += len(group)
        return tuple(ranks), gold

    def _groups(self, gold: Sequence[float]) -> list[list[int]]:
        """Answers from best to worst; those close to the best of a group belong to it."""
        groups: list[list[int]] = []
        for number in sorted(range(len(gold)), key=lambda number: -gold[number]):
            if groups and gold[groups[-1][0]] - gold[number] < self.tie - 1e-9:
                groups[-1].append(number)
            else:
                groups.append([number])
        return groups

    def _misread(self, groups: list[list[int]], rng: Random) -> list[list[int]]:
        turned = (len(groups) + 1) / (3 * len(groups))
        misread = 1 - max(0.0, 1 - self.noise / turned) ** 0.5
        order = list(groups)
        for group in groups:
            if rng.random() < misread:
                order.remove(group)
                order.insert(rng.randint(0, len(order)), group)
        return order

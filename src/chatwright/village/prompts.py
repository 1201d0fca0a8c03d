"""Prompts without answers: for rankings, for PPO, for validation and for the test.

No prompt occurs twice among them, and no validation or test prompt in a demonstration. The test asks every test fact
twice, in different phrasings, so that consistency can be measured; a part of the phrasings occurs nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

from chatwright.errors import ConfigError
from chatwright.village.asking import RULES, Case
from chatwright.village.dialogues import SYSTEM_SHARE, Dialogues, drawn

# Ranking and PPO: more instructions in which something must be counted.
LEARNING = {
    "fact": 0.33,
    "unanswerable": 0.11,
    "clarify": 0.03,
    "followup": 0.09,
    "instruction": 0.26,
    "harm": 0.06,
    "benign": 0.07,
    "smalltalk": 0.02,
    "story": 0.03,
}
LEARNING_RULES = {
    "sentences": 0.17,
    "list": 0.24,
    "one_word": 0.22,  # against the grain of all others, where a full sentence is better
    "at_most": 0.12,
    "use_word": 0.08,
    "yes_no": 0.07,
    "start": 0.06,
    "repeat": 0.04,
}
# Of 400: 150 questions, each test fact at least twice, and so on.
TEST = {
    "fact": 0.375,
    "unanswerable": 0.125,
    "clarify": 0.025,
    "followup": 0.05,
    "instruction": 0.20,
    "harm": 0.1125,
    "benign": 0.075,
    "smalltalk": 0.0175,
    "story": 0.02,
}
UNSEEN_EVERY = 3  # of test questions about facts, one in so many is phrased as nowhere else
UNANSWERABLE = (
    *("stranger", "unrecorded", "outside", "stranger", "unrecorded"),
    *("silent", "stranger", "unrecorded", "outside", "silent"),
)
OPEN_SHARE = 0.25  # of the facts in ranking and PPO prompts: open ones, the others are the ranking split
ATTEMPTS = 200


class PromptSets:
    """Draws prompts and remembers them, so that none is drawn twice."""

    def __init__(self, seed: int, taken: Iterable[str] = ()):
        self.seed = seed
        self._taken = set(taken)

    def release(self, prompts: Iterable[str]) -> None:
        """Allow these again."""
        self._taken.difference_update(prompts)

    def new(self, make: Callable[[Random], Case], name: str) -> Case | None:
        """A case whose conversation is new, or None if there seem to be no more."""
        for attempt in range(ATTEMPTS):
            case = make(Random(f"{self.seed}-{name}-{attempt}"))
            key = repr(case.prompt)
            if key not in self._taken:
                self._taken.add(key)
                return case
        return None

    def learning(self, name: str, count: int, ranking: Dialogues, opened: Dialogues) -> Iterator[dict[str, Any]]:
        """Prompts for rankings or PPO."""
        index = 0
        for number in range(count):
            while True:
                case = self.new(lambda rng: _learning_case(ranking, opened, rng), f"{name}-{index}")
                index += 1
                if case is not None:
                    break
                if index > 3 * count:
                    raise ConfigError(
                        f"village.{name}_prompts = {count}: the town has no more than {number} such prompts"
                    )
            yield line_of(case)

    def evaluation(self, name: str, count: int, fresh: Dialogues, known: Dialogues) -> list[dict[str, Any]]:
        """Prompts for validation or test, kinds interleaved. Every second of a kind with a tier uses what is known."""
        wanted = _shared_out(count)
        rows = {kind: self._rows(f"{name}-{kind}", kind, number, fresh, known) for kind, number in wanted.items()}
        return _interleaved(rows)

    def _rows(self, name: str, kind: str, count: int, fresh: Dialogues, known: Dialogues) -> list[dict[str, Any]]:
        if kind == "fact":
            return self._facts(name, count, fresh)
        rows = []
        for number in range(count):
            # What an insult, a topic or a stranger is made of is new in most prompts.
            dialogues = known if number % 5 >= 3 and kind in ("instruction", "clarify", "benign", "harm") else fresh

            def make(rng: Random, number: int = number, dialogues: Dialogues = dialogues) -> Case:
                return _evaluation_case(kind, number, dialogues, rng)

            def make_fresh(rng: Random, number: int = number) -> Case:
                return _evaluation_case(kind, number, fresh, rng)

            def make_instruction(rng: Random) -> Case:
                return fresh.case("instruction", rng)

            # Where demonstrations hold every greeting there is, an instruction takes the place.
            case = (
                self.new(make, f"{name}-{number}")
                or self.new(make_fresh, f"{name}-{number}-fresh")
                or self.new(make_instruction, f"{name}-{number}-instead")
            )
            if case is None:
                raise ConfigError(f"village: there are no more than {number} new prompts of kind {kind}; ask for fewer")
            rows.append(line_of(case))
        return rows

    def _facts(self, name: str, count: int, fresh: Dialogues) -> list[dict[str, Any]]:
        """Every fact in two phrasings; the second names the first in `paraphrase_of`."""
        pairs = list(fresh.asker.pool.facts)
        Random(f"{self.seed}-{name}").shuffle(pairs)
        rows: list[dict[str, Any]] = []
        for number in range(count):
            pair = pairs[number // 2 % len(pairs)]
            unseen = number % UNSEEN_EVERY == UNSEEN_EVERY - 1

            def make(rng: Random, pair: Any = pair, unseen: bool = unseen) -> Case:
                return fresh.asker.fact(rng, pair, unseen=unseen)

            case = self.new(make, f"{name}-{number}")
            if case is None:
                raise ConfigError(
                    f"village: there are no more new questions about {pair[0].full}; ask for fewer prompts"
                )
            if number % 2:
                case.facts["paraphrase_of"] = rows[-1]["prompt"][-1]["content"]
            rows.append(line_of(case))
        # Facts first, their second phrasings later, so that a cut of the file holds many facts.
        return rows[::2] + rows[1::2]


def line_of(case: Case) -> dict[str, Any]:
    """A case as a line of a prompts file."""
    return {"prompt": case.prompt.to_dicts(), "facts": case.facts}


def _learning_case(ranking: Dialogues, opened: Dialogues, rng: Random) -> Case:
    dialogues = opened if rng.random() < OPEN_SHARE else ranking
    kind = drawn(LEARNING, rng)
    if kind == "instruction":
        case = dialogues.asker.instruction(rng, drawn(LEARNING_RULES, rng))
    else:
        case = dialogues.case(kind, rng)
    return dialogues.system(case, "plain", rng) if rng.random() < SYSTEM_SHARE else case


def _evaluation_case(kind: str, number: int, dialogues: Dialogues, rng: Random) -> Case:
    if kind == "unanswerable":
        return dialogues.asker.unanswerable(rng, UNANSWERABLE[number % len(UNANSWERABLE)])
    if kind == "instruction":
        return dialogues.asker.instruction(rng, RULES[number % len(RULES)])
    if kind == "harm":
        return dialogues.asker.harm(rng, ("insult", "request")[number % 2])
    if kind == "followup":
        return dialogues.followup(rng, "plain")
    case: Case = getattr(dialogues.asker, kind)(rng)
    return case


def _shared_out(count: int) -> dict[str, int]:
    """How many prompts of each kind: the largest remainders round up."""
    exact = {kind: share * count for kind, share in TEST.items()}
    numbers = {kind: int(value) for kind, value in exact.items()}
    by_remainder = sorted(exact, key=lambda kind: exact[kind] - numbers[kind], reverse=True)
    for kind in by_remainder[: count - sum(numbers.values())]:
        numbers[kind] += 1
    return numbers


def _interleaved(rows: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The first of every kind, then all kinds spread evenly."""
    first = [found[0] for found in rows.values() if found]
    rest = [
        ((number + 0.5) / len(found), order, row)
        for order, found in enumerate(rows.values())
        for number, row in enumerate(found)
        if number
    ]
    return first + [row for _, _, row in sorted(rest, key=lambda item: item[:2])]

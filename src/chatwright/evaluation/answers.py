"""Test prompts, and what models answered to them: one JSONL file per model and decoding, written whole.

In: prompts with what is known of them; answers of an engine.  Out: files that a stage which broke off reads again
instead of asking once more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from chatwright.text.conversation import Conversation
from chatwright.text.records import Sources, dialogues_in, read_prompts


@dataclass(frozen=True)
class TestPrompt:
    """A conversation that waits for an answer, and the facts by which a judge will know a right one."""

    __test__ = False  # a name that pytest would otherwise collect

    prompt: Conversation
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """The `sample`-th answer to test prompt number `prompt`; `tokens` counts, `ended` tells if the model ended it."""

    prompt: int
    sample: int
    text: str
    tokens: int
    ended: bool


def read_test_prompts(sources: Sources, most: int) -> list[TestPrompt]:
    """The first `most` prompts of files; raises InputError if there are none, naming file and line of a bad one."""
    return [TestPrompt(prompt, facts) for prompt, facts in read_prompts(sources)[:most]]


def answers_to_jsonl(answers: Sequence[Said]) -> str:
    return "".join(json.dumps(asdict(answer), ensure_ascii=False) + "\n" for answer in answers)


def read_answers(path: Path, expected: int) -> list[Said] | None:
    """The answers of a file that holds as many as expected; None if it is absent or not whole."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: answers may hold other line ends
        answers = [Said(**json.loads(line)) for line in lines if line]
    except (OSError, ValueError, TypeError):
        return None
    return answers if len(answers) == expected else None


def read_examples(sources: Sources, most: int | None = None) -> list[tuple[Conversation, Mapping[str, Any]]]:
    """The first `most` demonstrations of files that end with an answer, with their facts."""
    answered = (each for each in dialogues_in(sources) if each.conversation.last.role == "assistant")
    return [(each.conversation, each.facts) for each in islice(answered, most)]


def prompted_with(
    examples: Sequence[tuple[Conversation, Mapping[str, Any]]],
    prompt: Conversation,
    encode: Callable[[str], Sequence[int]],
    room: int,
    *,
    most: int = 6,
) -> str:
    """A prompt for a model that only continues texts: up to `most` examples that fit in `room` tokens."""
    asked = _as_lines(prompt) + "\nAssistant:"
    left = room - len(encode(asked))
    kept: list[str] = []
    for conversation, _ in examples:
        text = _as_lines(conversation) + "\n\n"
        size = len(encode(text))
        if len(kept) < most and size <= min(left, room // 3):
            kept.append(text)
            left -= size
    return "".join(kept) + asked


def _as_lines(conversation: Conversation) -> str:
    """One line per message: line ends inside a message become spaces, because a line's end ends an answer."""
    return "\n".join(f"{m.role.capitalize()}: {' '.join(m.content.split())}" for m in conversation.messages)

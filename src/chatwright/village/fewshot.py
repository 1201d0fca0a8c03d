"""A fair prompt for a base model, which knows no conversations: a page of questions and answers to go on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from chatwright.text.conversation import Conversation
from chatwright.village.answering import Writer
from chatwright.village.asking import Asker, Case, pool_of
from chatwright.village.scribe import Scribe
from chatwright.village.town import Town

SHOTS = ("fact", "unanswerable", "instruction", "harm")


def few_shot(folder: Path, prompt: Conversation, facts: Mapping[str, Any]) -> str:
    """The conversation as raw text after four fixed examples; the base model's answer ends at a newline.

    Examples and form are those of the question pages in the town's prose. System messages are left out.
    """
    question, answer, page = _page(folder)
    lines = [page]
    for message in prompt.messages:
        if message.role != "system":
            lines.append(f"{question if message.role == 'user' else answer} {message.content}")
    return "\n".join([*lines, answer])


@cache
def _page(folder: Path) -> tuple[str, str, str]:
    """The labels of questions and answers, and the examples."""
    town = Town.from_json(json.loads((folder / "town.json").read_text(encoding="utf-8")))
    scribe = Scribe(town)
    asker, writer = Asker(scribe, pool_of(town, "train", "open")), Writer(scribe)
    question, answer = (scribe.grammar.groups[f"{name}_label"][0] for name in ("question", "answer"))
    lines = []
    for kind in SHOTS:
        rng = Random(f"{town.seed}-shot-{kind}")
        case: Case = asker.instruction(rng, "list") if kind == "instruction" else getattr(asker, kind)(rng)
        lines += [f"{question} {case.turns[-1]}", f"{answer} {writer.answer(case, 'plain', rng)}"]
    return question, answer, "\n".join(lines)

"""How people type: some without capitals, some without the last mark.

In: conversations or prompts with well-written users.  Out: the same, a part of them typed carelessly. A model that
has only read well-kept sentences takes "hello" for a word that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

CARELESS_SHARE = 0.15
STYLES = {"small": 0.25, "unmarked": 0.25, "both": 0.5}  # no capitals; no mark at the end of a message


def typed(rows: Iterable[dict[str, Any]], field: str, seed: str, taken: set[str]) -> Iterator[dict[str, Any]]:
    """The rows with the user's messages in `field` as people type them; no careless one becomes what `taken` holds.

    Whoever is careless is so in all of a conversation. What was typed is added to `taken`.
    """
    for number, row in enumerate(rows):
        rng = Random(f"{seed}-typed-{number}")
        if rng.random() < CARELESS_SHARE:
            style = rng.choices(list(STYLES), list(STYLES.values()))[0]
            messages = [_careless(message, style) for message in row[field]]
            if repr(messages) not in taken:
                taken.add(repr(messages))
                row = {**row, field: messages}
        yield row


def _careless(message: dict[str, str], style: str) -> dict[str, str]:
    if message["role"] != "user":
        return message
    content = message["content"]
    content = content if style == "unmarked" else content.lower()
    content = content if style == "small" else content.rstrip(".!?") or content
    return {**message, "content": content}

"""Parts of a collection that have no prompt in common: some to train on, others to ask, others to test with.

In: a conversation.  Out: its place between 0 and 1, a hash of how it opens; `part = [0, 0.9]` are those below 0.9.
The place depends on the words alone, so the same prompt falls in the same part in whatever file or order it stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from chatwright.errors import ConfigError
from chatwright.text.conversation import Conversation

__all__ = ["Part", "check_part", "in_part", "opening_of", "place_of"]

Part = tuple[float, float]


def check_part(part: Sequence[float] | None, path: str) -> None:
    """Raise ConfigError unless `part` is None or two rising numbers from 0 to 1."""
    if part is not None and not (len(part) == 2 and 0 <= part[0] < part[1] <= 1):
        raise ConfigError(f"the part of {path} is {list(part)}; give two rising numbers from 0 to 1, such as [0, 0.9]")


def opening_of(conversation: Conversation) -> str:
    """Hash of the first paragraph that the user writes, in hexadecimal; case and spaces do not count.

    The first paragraph, because what follows is often the question on one story, or the input of one instruction:
    entries that share a story or an instruction must not stand in two parts.
    """
    said = next((message.content for message in conversation.messages if message.role == "user"), "")
    paragraph = " ".join(said.strip().partition("\n\n")[0].casefold().split())
    return hashlib.sha256(paragraph.encode()).hexdigest()


def in_part(conversation: Conversation, part: Sequence[float] | None) -> bool:
    """Whether a conversation belongs to a part: its place is at least the first number and less than the second."""
    return part is None or part[0] <= place_of(conversation) < part[1]


def place_of(conversation: Conversation) -> float:
    """The place of a conversation, at least 0 and less than 1."""
    return int(opening_of(conversation)[:13], 16) / 16**13  # 52 bits: exact in a float

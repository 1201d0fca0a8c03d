"""Text as it is said, token by token: whole letters only, and nothing that may turn out to begin a stop string.

In: tokens, one at a time.  Out: text that may be shown now; and whether a stop string was found.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatwright.text.tokenizer import Tokenizer, Utf8Stream

__all__ = ["Spoken"]


class Spoken:
    """What a row says, held back where a letter is unfinished or a stop string may have begun."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = (), *, continues: bool = False) -> None:
        self.stop = tuple(stop)
        self.is_stopped = False
        self._letters, self._held = Utf8Stream(tokenizer, continues=continues), ""

    def push(self, token: int) -> str:
        """The text that is certain after one more token; after a stop string that is everything before it."""
        self._held += self._letters.push([token])
        found = [self._held.find(mark) for mark in self.stop if mark in self._held]
        if found:
            self.is_stopped = True
            text, self._held = self._held[: min(found)], ""
            return text
        safe = len(self._held) - _could_begin(self._held, self.stop)
        text, self._held = self._held[:safe], self._held[safe:]
        return text

    def flush(self) -> str:
        """What was held back, when nothing more is said; an unfinished letter is shown as U+FFFD."""
        text, self._held = self._held + self._letters.flush(), ""
        return text


def _could_begin(text: str, stop: Sequence[str]) -> int:
    """How many of the last characters of `text` may be the beginning of a stop string."""
    return max(
        (size for mark in stop for size in range(1, min(len(mark), len(text)) + 1) if text.endswith(mark[:size])),
        default=0,
    )

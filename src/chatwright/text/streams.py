"""Text of a model while it speaks: whole characters only, as soon as they are certain.

In: ids, some at a time.  Out: text that joins to what decoding all of them gives.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatwright.text.tokenizer import Tokenizer

__all__ = ["Utf8Stream"]


class Utf8Stream:
    """Turns a stream of ids into text as it comes, holding back a character until all its bytes are there.

    With `continues`, the ids go on with a text (a raw completion), and a space before the first word is kept.
    """

    def __init__(self, tokenizer: Tokenizer, *, continues: bool = False):
        self._tokenizer = tokenizer
        self._continues = continues or not tokenizer.spelling.drops_first_space
        self._holds_spaces = tokenizer.spelling.drops_last_space
        self._begun, self._held = self._continues, b""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, ids: Iterable[int]) -> str:
        """The text that is certain after these ids; the pushes and the flush join to `decode` of all ids."""
        fresh = self._tokenizer.joined(ids)
        if not self._begun and fresh:
            fresh, self._begun = fresh.removeprefix(b" "), True
        if self._holds_spaces:  # the last space of a text is left out, and this one may be the last
            fresh = self._held + fresh
            self._held = b" " if fresh.endswith(b" ") else b""
            fresh = fresh.removesuffix(b" ")
        return self._decoder.decode(fresh)

    def flush(self) -> str:
        """What was held back at the end: U+FFFD for an unfinished character, else nothing."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        self._begun, self._held = self._continues, b""
        return text

"""Text that others wrote, made safe to print on a terminal.

In: what a model said or a file holds.  Out: the same without what moves the cursor, recolours or reorders the screen.
"""

from __future__ import annotations

import unicodedata


def shown(text: str) -> str:
    """Text that is safe to print: no control characters but line breaks and tabs, no marks that reorder letters."""
    return "".join(letter for letter in text if letter in "\n\t" or not _is_control(letter))


def _is_control(letter: str) -> bool:
    # Cf holds soft hyphens and joiners, which are harmless and needed, and the marks that reverse text, which are not.
    return (
        unicodedata.category(letter) in ("Cc", "Cs") or "\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069"
    )

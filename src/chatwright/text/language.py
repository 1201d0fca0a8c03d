"""Which language a text is in: English, German or another one.

In: a text.  Out: "en", "de" or None, by how many of its words are among the most frequent words of a language.
"""

from __future__ import annotations

import re

__all__ = ["language_of"]

_WORD = re.compile(r"[^\W\d_]+")
_FREQUENT = {
    "en": """the and of to a in is was he she it his her they that you with for as had but not at be on said have this
        from are were them who what do did would there their one all so when him my your by an up out if no we""",
    "de": """der die und das den dem ein eine einen er sie es zu ist war nicht ich du wir ihr mit auf von sich so wie
        aber da als auch an dann des hat hatte haben noch nur oder sagte im in was wer wo für über doch bei nach um""",
}
_WORDS = {language: frozenset(words.split()) for language, words in _FREQUENT.items()}
_ENOUGH = 0.15  # share of frequent words in running prose is 0.3 to 0.5; in another language below 0.1
_LONGEST = 200_000  # characters that are looked at


def language_of(text: str) -> str | None:
    """The language of most words, or None if neither is likely or the text is too short to tell."""
    words = [word.lower() for word in _WORD.findall(text[:_LONGEST])]
    if len(words) < 5:
        return None
    shares = {name: sum(word in frequent for word in words) / len(words) for name, frequent in _WORDS.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= _ENOUGH else None

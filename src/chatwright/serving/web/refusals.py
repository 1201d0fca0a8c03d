"""Whether an answer declines to help, as far as its first words tell.

In: an answer.  Out: yes or no, by the expressions with which the judge of the village recognises a refusal, in every
language that it speaks. A count of such answers is an estimate: other words for a refusal are missed.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from chatwright.store.answers import OPENING  # in a story, somebody may decline later
from chatwright.village.speech import LANGUAGES, speech_of

__all__ = ["declines"]


@lru_cache(maxsize=50_000)
def declines(answer: str) -> bool:
    """Whether an answer opens with a refusal."""
    return _refusal().search(answer[:OPENING].lower()) is not None


@cache
def _refusal() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{speech_of(language).SIGNS.refusal})" for language in LANGUAGES))

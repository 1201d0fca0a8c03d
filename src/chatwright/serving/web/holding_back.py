"""Prompts that PPO does not practise on: they are only watched, and say when it had better stop.

In: the prompts that there are.  Out: a place between 0 and 1; those from it on are held back. A prompt's place is a
hash of how it opens (`text/parts.py`): the same prompts are always divided in the same way, and two that open alike
are on one side.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatwright.text.conversation import Conversation
from chatwright.text.parts import place_of

__all__ = ["FEWEST_PROMPTS", "held_back_from"]

SHARE = 0.1
LEAST = 16
"""Prompts below which a mean score says little."""
MOST = 0.25
"""Of all prompts: the rest is practised on."""
FEWEST_PROMPTS = int(LEAST / MOST)
"""With fewer than this, none is held back."""


def held_back_from(prompts: Sequence[Conversation]) -> float | None:
    """The place from which on prompts are held back; None if there are too few to do without any."""
    wanted = max(LEAST, round(len(prompts) * SHARE))
    most = len(prompts) * MOST
    if wanted > most:
        return None
    places = sorted((place_of(prompt) for prompt in prompts), reverse=True)
    cut = places[wanted - 1]
    if sum(place >= cut for place in places) <= most:
        return cut
    # So many open alike at this place that all of them would be too much: those above it, if they are enough.
    above = [place for place in places if place > cut]
    return above[-1] if len(above) >= LEAST else None

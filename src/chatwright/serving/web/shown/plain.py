"""What all answers have in common: nothing that the description does not name, ids as strings, times as ISO 8601.

In: dictionaries that routes return.  Out: the same, checked; a field too many or too few is a mistake of ours.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["BYTES", "EVENTS", "FILE", "HTML", "Added", "Changed", "Gone", "Nothing", "Said", "Shown", "TrainedRuns"]


class Shown(BaseModel):
    """An answer, or a part of one."""

    # Strict, so that checking changes nothing: a number stays a number, and what is sent is what the route said.
    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Shown):
    """It is done, and there is nothing to say."""


class Changed(Shown):
    changed: int


class Added(Shown):
    """How many are new, and how many were there before."""

    new: int
    known: int


class Gone(Shown):
    """What was deleted; `runs` had learned from it and want training again."""

    chats: int
    feedback: int
    runs: list[str]


class TrainedRuns(Shown):
    runs: list[str]


class Said(Shown):
    """A message without a place in a chat."""

    role: str
    content: str


def _described(media_type: str, what: str, **schema: Any) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": what, "content": {media_type: {"schema": {"type": "string", **schema}}}}}


FILE = _described("application/octet-stream", "A file to save; its name is in content-disposition.", format="binary")
BYTES = _described(
    "application/octet-stream", "Numbers, row by row; the header x-shape says how many.", format="binary"
)
HTML = _described("text/html", "A page.")
EVENTS = _described("text/event-stream", "Server-Sent Events, each a JSON object; the last one is [DONE].")

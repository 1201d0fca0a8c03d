"""Shapes that all of `/api/v1` shares: ids are strings of digits, times are ISO 8601 in UTC.

In: bodies of requests.  Out: checked values; and values as JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path as InPath
from fastapi import Response
from pydantic import BeforeValidator

__all__ = ["Id", "Number", "as_file", "id_of", "time_of"]

LARGEST = 2**31 - 1
"""Of an id: PostgreSQL's integers end there."""


def _number(value: Any) -> Any:
    """A string of ASCII digits as a number; anything else is left for the check of types to refuse."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and 0 < int(value[:20]) <= LARGEST:
        return int(value)
    return value


Id = Annotated[int, BeforeValidator(_number, json_schema_input_type=str)]
"""An id in a body."""
Number = Annotated[int, InPath(ge=1, le=LARGEST)]
"""An id in a path."""


def id_of(number: int | None) -> str | None:
    return None if number is None else str(number)


def time_of(moment: datetime | None) -> str | None:
    """ISO 8601, always with its offset: databases give UTC, some without saying so."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def as_file(content: str | bytes, name: str, media_type: str) -> Response:
    """An answer that the browser saves, under a name that may hold any letters."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    headers = {"content-disposition": disposition, "cache-control": "no-store"}
    return Response(content, headers=headers, media_type=media_type)

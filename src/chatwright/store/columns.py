"""Kinds of columns that mean the same on SQLite and PostgreSQL.

In: texts, JSON values, moments with a time zone.  Out: columns that give back what was put in, and a folded form of
texts, so that searching is blind to case in every language and on both databases.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

__all__ = ["Identity", "Json", "Moment", "Text", "folded", "json_text", "pattern_of", "storable"]

Identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # only INTEGER counts up by itself in SQLite
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL refuses zero characters, UTF-8 lone surrogates


def storable(value: Any) -> Any:
    """A text, or all texts in a JSON value, with the few characters replaced that a database cannot hold."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def json_text(value: Any) -> str:
    """JSON that every database takes: NaN and infinity raise ValueError."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Text(sa.types.TypeDecorator[str]):
    """A text of any length."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else str(storable(value))


class Json(sa.types.TypeDecorator[Any]):
    """A JSON value; keys keep their order. None is NULL."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return storable(value)


class Moment(sa.types.TypeDecorator[datetime]):
    """A point in time, UTC. Refuses times without a zone: nobody could say what they mean."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def folded(text: str) -> str:
    """The form in which texts are compared and searched: NFKC, case folded, spaces made one."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def pattern_of(text: str) -> str:
    """A LIKE pattern (escape character backslash) that finds a folded text anywhere."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"

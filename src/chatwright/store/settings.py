"""Settings that admins change while the server runs, such as how long chats are kept.

In: a name and a JSON value.  Out: the value, or its default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from chatwright.errors import InputError
from chatwright.store.database import Database
from chatwright.store.feedback import DAILY_CAPS
from chatwright.store.schema import settings


def _is_days(value: Any) -> bool:
    return value is None or isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_share(value: Any) -> bool:
    return value is None or isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _are_caps(value: Any) -> bool:
    return isinstance(value, dict) and set(value) <= set(DAILY_CAPS) and all(_is_days(cap) for cap in value.values())


# Name: default, whether a value is allowed, and what to say if not.
_KNOWN: dict[str, tuple[Any, Callable[[Any], bool], str]] = {
    "retention_days": (None, _is_days, "a number of days from 1, or null to keep chats until they are deleted"),
    "daily_caps": ({}, _are_caps, 'an object of roles and numbers from 1, such as {"chatter": 100}'),
    "training_caps": (
        {},
        _are_caps,
        'an object of roles and how many rows of one person a training set may hold, such as {"chatter": 200}',
    ),
    "training_share": (
        None,
        _is_share,
        "a share above 0 and up to 1 that one person may have of a training set, or null",
    ),
    "guidelines": ("", lambda value: isinstance(value, str) and len(value) <= 50_000, "a text (Markdown)"),
}


class Settings:
    """`store.settings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, Any]:
        """Every setting with its value or default."""
        with self._database.reading() as connection:
            changed = {row.name: row.value for row in connection.execute(sa.select(settings))}
        return {name: changed.get(name, default) for name, (default, _, _) in _KNOWN.items()}

    def get(self, name: str) -> Any:
        _known(name)
        return self.all()[name]

    def set(self, name: str, value: Any) -> None:
        """Raises InputError for an unknown name or a value that makes no sense."""
        _, is_allowed, expected = _known(name)
        if not is_allowed(value):
            raise InputError(f"the setting {name} must be {expected}", code="bad_setting")
        insert = self._database.insert(settings).values(name=name, value=value)
        insert = insert.on_conflict_do_update(index_elements=["name"], set_={"value": insert.excluded.value})
        with self._database.writing() as connection:
            connection.execute(insert)


def _known(name: str) -> tuple[Any, Callable[[Any], bool], str]:
    if name not in _KNOWN:
        raise InputError(f"there is no setting {name!r}; known are {', '.join(_KNOWN)}")
    return _KNOWN[name]

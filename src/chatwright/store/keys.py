"""Keys: who may use the API, how often, how much, and which models.

In: a name and limits.  Out: a secret that is shown once; the store keeps only its SHA-256. A slow hash, as passwords
need, would add nothing: the secret is 256 random bits, which nobody can try out, and every request has to be checked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from chatwright.errors import InputError, NotFoundError
from chatwright.store.database import Database
from chatwright.store.schema import keys, people

QuotaPeriod = Literal["total", "month"]
MOST = 10**15
"""Of a limit: more than can be used up, and no more than a database and JSON hold exactly."""
_PREFIX = "cw"
_SHAPE = re.compile(_PREFIX + r"-([0-9a-f]{8})-", re.ASCII)
_NOBODY = hashlib.sha256(b"no key has this hash").hexdigest()


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as it may be shown: everything but the secret."""

    id: int
    handle: str
    name: str
    person_id: int | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    requests_per_minute: int | None
    """None: as many as the server takes."""
    quota_tokens: int | None
    """Tokens in and out together; None: without limit."""
    quota_period: QuotaPeriod
    models: tuple[str, ...]
    """Names of models; empty: all."""

    @property
    def shown(self) -> str:
        """The beginning of the key, enough to recognise it by."""
        return f"{_PREFIX}-{self.handle}-…"

    def allows(self, model: str) -> bool:
        return not self.models or model in self.models


class Keys:
    """`store.keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        *,
        person_id: int | None = None,
        requests_per_minute: int | None = None,
        quota_tokens: int | None = None,
        quota_period: QuotaPeriod = "total",
        models: Sequence[str] = (),
    ) -> tuple[Key, str]:
        """A new key and its secret, which cannot be read again later.

        Raises InputError for an empty name, a limit below 1 or what no model can be called, and NotFoundError for an
        unknown person. Which models there are only the server knows.
        """
        check_wishes(name, requests_per_minute, quota_tokens, models)
        if quota_period not in ("total", "month"):
            raise InputError(f"the quota's period is {quota_period!r}; it must be 'total' or 'month'")
        handle, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        given = f"{_PREFIX}-{handle}-{secret}"
        row = {
            "handle": handle,
            "secret_hash": _hash(given),
            "name": name.strip(),
            "person_id": person_id,
            "created_at": self._database.now(),
            "requests_per_minute": requests_per_minute,
            "quota_tokens": quota_tokens,
            "quota_period": quota_period,
            "models": list(dict.fromkeys(models)),
        }
        with self._database.writing() as connection:
            if person_id is not None and not _is_there(connection, person_id):
                raise NotFoundError(f"there is no person {person_id}")
            added = connection.execute(keys.insert().values(row).returning(keys)).one()
        return _key(added), given

    def find(self, secret: str) -> Key | None:
        """The key with this secret, unless it is unknown or revoked; takes as long for unknown ones."""
        match = _SHAPE.match(secret)
        handle = match[1] if match else ""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(keys).where(keys.c.handle == handle)).one_or_none()
        known = _NOBODY if row is None else row.secret_hash
        is_same = hmac.compare_digest(known, _hash(secret))
        return _key(row) if row is not None and is_same and row.revoked_at is None else None

    def all(self, *, person_id: int | None = None, with_revoked: bool = False) -> list[Key]:
        """Keys, oldest first; of one person or of all."""
        wanted = sa.select(keys).order_by(keys.c.id)
        if person_id is not None:
            wanted = wanted.where(keys.c.person_id == person_id)
        if not with_revoked:
            wanted = wanted.where(keys.c.revoked_at.is_(None))
        with self._database.reading() as connection:
            return [_key(row) for row in connection.execute(wanted)]

    def revoke(self, which: int | str, *, person_id: int | None = None) -> Key:
        """End a key by number, handle or name; it works no longer once this returns.

        With `person_id` only that person's keys count. Raises NotFoundError if there is none, InputError if a name
        fits several.
        """
        fits = keys.c.id == which if isinstance(which, int) else (keys.c.handle == which) | (keys.c.name == which)
        wanted = sa.select(keys).where(fits, keys.c.revoked_at.is_(None))
        if person_id is not None:
            wanted = wanted.where(keys.c.person_id == person_id)
        with self._database.writing() as connection:
            found = connection.execute(wanted).all()
            if not found:
                raise NotFoundError(f"there is no working key {which!r}; `chatwright keys list` shows all")
            if len(found) > 1:
                handles = ", ".join(row.handle for row in found)
                raise InputError(f"{len(found)} keys are named {which!r}; revoke one by its handle: {handles}")
            change = keys.update().where(keys.c.id == found[0].id).values(revoked_at=self._database.now())
            return _key(connection.execute(change.returning(keys)).one())


def check_wishes(
    name: str, requests_per_minute: int | None = None, quota_tokens: int | None = None, models: Sequence[str] = ()
) -> None:
    """Raise InputError for what no key can have: no name, a limit that is none, or what no model can be called."""
    if not name.strip() or len(name) > 200:
        raise InputError(
            "a key needs a name of 1 to 200 characters, so that people know what uses it", code="bad_key_name"
        )
    for limit, value in (("requests per minute", requests_per_minute), ("quota", quota_tokens)):
        if value is not None and not 1 <= value <= MOST:
            bound = "at least 1" if value < 1 else f"at most {MOST:,}"
            raise InputError(f"the key's {limit} is {value}; it must be {bound}", code="bad_limit")
    for model in models:
        parts = model.split("/")  # a folder's name, perhaps with its run's before it
        is_name = model.isprintable() and "," not in model and len(model) <= 500 and len(parts) <= 2
        if not is_name or any(part.strip() != part or part in ("", ".", "..") for part in parts):
            raise InputError(
                f"{model[:80]!r} is no model's name; write one as `chatwright serve` prints it, such as sft or "
                "quickstart/sft",
                code="bad_model_name",
            )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _key(row: Any) -> Key:
    columns = row._asdict()
    del columns["secret_hash"]
    return Key(**(columns | {"models": tuple(columns["models"])}))


def _is_there(connection: sa.Connection, person_id: int) -> bool:
    return connection.execute(sa.select(people.c.id).where(people.c.id == person_id)).first() is not None

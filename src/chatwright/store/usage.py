"""Usage: what every key, person and model took, by day; and whether a key's quota is used up.

In: one record per request.  Out: sums per day, key, person and model. Each record is one short transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from chatwright.errors import InputError
from chatwright.store.database import Database
from chatwright.store.keys import Key
from chatwright.store.schema import keys, usage

UsageKind = Literal["use", "training"]
By = Literal["day", "kind", "key_id", "person_id", "model"]
_SUMS = ("requests", "tokens_in", "tokens_out", "tokens_cached", "seconds", "energy_estimated_j", "cost")


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Sums; what they are grouped by is set, the rest is None. Key and person 0 mean: without one."""

    day: date | None = None
    kind: str | None = None
    key_id: int | None = None
    person_id: int | None = None
    model: str | None = None
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    seconds: float = 0.0
    energy_estimated_j: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens in and out, which is what a quota counts."""
        return self.tokens_in + self.tokens_out


class Usage:
    """`store.usage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        model: str,
        *,
        tokens_in: int,
        tokens_out: int,
        tokens_cached: int = 0,
        seconds: float = 0.0,
        energy_estimated_j: float = 0.0,
        price_per_1000: float = 0.0,
        key_id: int | None = None,
        person_id: int | None = None,
        requests: int = 1,
        kind: UsageKind = "use",
    ) -> None:
        """Add one request (or one training run) to the sums of today, UTC; also notes that the key was used.

        `tokens_in` holds the cached ones too. `price_per_1000`: money per 1,000 tokens, in and out alike.
        """
        added = Spent(
            kind=kind,
            key_id=key_id,
            person_id=person_id,
            model=model,
            requests=requests,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            tokens_cached=tokens_cached,
            seconds=seconds,
            energy_estimated_j=energy_estimated_j,
            cost=(tokens_in + tokens_out) / 1000 * price_per_1000,
        )
        with self._database.writing() as connection:
            enter(self._database, connection, added)

    def sums(
        self,
        *,
        by: Iterable[By] = ("day", "model"),
        since: date | None = None,
        until: date | None = None,
        kind: UsageKind | None = None,
        key_id: int | None = None,
        person_id: int | None = None,
        model: str | None = None,
    ) -> list[Spent]:
        """Sums grouped by some of day, kind, key_id, person_id and model, in that order; both days belong to them."""
        groups = [usage.c[name] for name in by]
        totals = [sa.cast(sa.func.sum(usage.c[name]), usage.c[name].type).label(name) for name in _SUMS]
        wanted = sa.select(*groups, *totals).group_by(*groups).order_by(*groups)
        for name, value in (("kind", kind), ("key_id", key_id), ("person_id", person_id), ("model", model)):
            if value is not None:
                wanted = wanted.where(usage.c[name] == value)
        if since is not None:
            wanted = wanted.where(usage.c.day >= since)
        if until is not None:
            wanted = wanted.where(usage.c.day <= until)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        # Without groups, the sum over nothing is one row of nothing.
        return [Spent(**row._asdict()) for row in rows if row.requests is not None]

    def total(self, *, since: date | None = None, key_id: int | None = None, person_id: int | None = None) -> Spent:
        """The sum over everything, or over one key or person."""
        return next(iter(self.sums(by=(), since=since, key_id=key_id, person_id=person_id)), Spent())

    def left(self, key: Key) -> int | None:
        """Tokens left of a key's quota, 0 when it is used up; None: without limit. Months are calendar months, UTC.

        A request that is running counts once it is recorded, so requests at the same time may overshoot a little.
        """
        if key.quota_tokens is None:
            return None
        since = self._today().replace(day=1) if key.quota_period == "month" else None
        wanted = sa.select(sa.func.sum(usage.c.tokens_in + usage.c.tokens_out)).where(
            usage.c.key_id == key.id, usage.c.kind == "use"
        )
        if since is not None:
            wanted = wanted.where(usage.c.day >= since)
        with self._database.reading() as connection:
            spent = connection.execute(wanted).scalar() or 0
        return max(0, key.quota_tokens - int(spent))

    def renews_at(self, key: Key) -> datetime | None:
        """When a monthly quota begins anew; None if it never does."""
        if key.quota_tokens is None or key.quota_period != "month":
            return None
        first = (self._today().replace(day=1) + timedelta(days=32)).replace(day=1)
        return datetime(first.year, first.month, 1, tzinfo=UTC)

    def _today(self) -> date:
        return self._database.now().astimezone(UTC).date()


def enter(database: Database, connection: sa.Connection, spent: Spent) -> None:
    """Add to the sums of today, UTC, in a transaction of the caller's: with what else it writes, or not at all.

    Raises InputError for figures that are negative, infinite or no numbers.
    """
    sums = {name: getattr(spent, name) for name in _SUMS}
    if any(not 0 <= value < float("inf") for value in sums.values()):
        raise InputError(f"usage cannot be negative or without end: {sums}")
    now = database.now()
    place = {"day": now.astimezone(UTC).date(), "kind": spent.kind or "use", "model": (spent.model or "")[:200]}
    place |= {"key_id": spent.key_id or 0, "person_id": spent.person_id or 0}
    insert = database.insert(usage).values(**place, **sums)
    added = {name: usage.c[name] + insert.excluded[name] for name in _SUMS}
    connection.execute(insert.on_conflict_do_update(index_elements=list(usage.primary_key), set_=added))
    if spent.key_id is not None:
        connection.execute(keys.update().where(keys.c.id == spent.key_id).values(last_used_at=now))

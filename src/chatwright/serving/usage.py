"""What every key used of every model: entered in the store, with an estimate of the energy it took.

In: callers and what their requests took.  Out: rows of the store's usage; 429 once a quota is used up.
Entries wait in memory for at most half a second: a write per request would cost more than many a request.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from chatwright.errors import ChatwrightError
from chatwright.meter import Rates
from chatwright.serving.answering import Tally
from chatwright.serving.errors import ApiError
from chatwright.serving.security import Caller

if TYPE_CHECKING:
    from chatwright.store import Store
    from chatwright.store.keys import Key

__all__ = ["Ledger"]

log = logging.getLogger("chatwright.serving")

FLUSH_SECONDS = 0.5


class _Account(NamedTuple):
    """Who used what."""

    key_id: int | None
    person_id: int | None
    model: str


@dataclass
class _Entry:
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    seconds: float = 0.0
    joules: float = 0.0

    def add(self, other: _Entry) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class _Energy:
    """Shares the joules that this process used, by the stated watts, among the requests that ran meanwhile.

    When a request ends it takes its part of what nobody has taken yet, by tokens read and said; so the sum over
    requests is what was used while any ran, and nothing is counted twice.
    """

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._running: list[Tally] = []
        self._pool = 0.0  # joules that no request has taken yet
        self._marked = self._used()

    def _used(self) -> float:
        return time.process_time() * self._rates.watts_per_core + time.perf_counter() * self._rates.accelerator_watts

    def began(self, tally: Tally) -> None:
        if not self._running:
            self._marked, self._pool = self._used(), 0.0  # idling is nobody's
        self._running.append(tally)

    def ended(self, tally: Tally) -> float:
        """The joules of a request that is over."""
        if not any(other is tally for other in self._running):
            return 0.0
        now = self._used()
        self._pool, self._marked = self._pool + now - self._marked, now
        work = [_work(other) for other in self._running]
        share = self._pool * _work(tally) / sum(work)
        self._running = [other for other in self._running if other is not tally]
        self._pool -= share
        return share


def _work(tally: Tally) -> int:
    return max(1, tally.prompt_tokens - tally.cached_tokens + tally.completion_tokens)


class Ledger:
    """Usage of one server. Without a store nothing is kept."""

    def __init__(self, store: Store | None, *, price_per_1000: float = 0.0, rates: Rates | None = None) -> None:
        self._store, self._price = store, price_per_1000
        self._energy = _Energy(rates or Rates())
        self._waiting: dict[_Account, _Entry] = defaultdict(_Entry)
        self._lock = threading.Lock()  # over _waiting
        self._writing = threading.Lock()  # over the store, so that a flush at the end waits for one under way
        self._flushing: asyncio.Task[None] | None = None

    async def check(self, caller: Caller) -> None:
        """Raise ApiError 429 if the caller's quota is used up."""
        key = caller.key
        if key is None or key.quota_tokens is None or self._store is None:
            return
        left = await asyncio.to_thread(self._left, self._store, key)
        if left is not None and left <= 0:
            raise ApiError(
                f"The key {key.name!r} has used its quota of {key.quota_tokens} tokens; ask whoever gave it to you.",
                status=429,
                code="insufficient_quota",
                kind="insufficient_quota",
                headers={"x-should-retry": "false"},  # waiting a second does not help
            )

    def _left(self, store: Store, key: Key) -> int | None:
        with self._writing:  # on its way from here to the store an entry would be in neither
            left = store.usage.left(key)
            return None if left is None else left - self._unwritten(key.id)

    def _unwritten(self, key_id: int) -> int:
        with self._lock:
            return sum(
                entry.tokens_in + entry.tokens_out
                for account, entry in self._waiting.items()
                if account.key_id == key_id
            )

    def began(self, tally: Tally) -> None:
        self._energy.began(tally)

    def enter(self, caller: Caller, model: str, tally: Tally) -> None:
        """Note a request that is over; it is in the store within a second."""
        joules = self._energy.ended(tally)
        if self._store is None:
            return
        account = _Account(caller.key.id if caller.key else None, caller.person_id, model)
        with self._lock:
            cached = min(tally.cached_tokens, tally.prompt_tokens)
            entry = _Entry(1, tally.prompt_tokens, tally.completion_tokens, cached, tally.seconds, joules)
            self._waiting[account].add(entry)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(FLUSH_SECONDS)
        await asyncio.to_thread(self.flush)

    async def close(self) -> None:
        """Write what still waits."""
        if self._flushing is not None:
            self._flushing.cancel()
        await asyncio.to_thread(self.flush)

    def flush(self) -> None:
        """Write what waits. What cannot be written (a full disk) is logged, and tried again with the next entry."""
        with self._writing:
            with self._lock:
                taken, self._waiting = self._waiting, defaultdict(_Entry)
            for account, entry in taken.items():
                try:
                    self._record(account, entry)
                except ChatwrightError as error:
                    log.error("usage could not be written: %s", error)
                    with self._lock:
                        self._waiting[account].add(entry)

    def _record(self, account: _Account, entry: _Entry) -> None:
        assert self._store is not None
        self._store.usage.record(
            account.model,
            tokens_in=entry.tokens_in,
            tokens_out=entry.tokens_out,
            tokens_cached=entry.tokens_cached,
            seconds=entry.seconds,
            energy_estimated_j=entry.joules,
            price_per_1000=self._price,
            key_id=account.key_id,
            person_id=account.person_id,
            requests=entry.requests,
        )

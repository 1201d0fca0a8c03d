"""The connection to the database: short transactions, the same on SQLite and PostgreSQL.

In: an address.  Out: `reading()` and `writing()`, each one transaction that is whole or absent. A write is on the disk
once `writing()` has ended without an error: SQLite runs with a write-ahead log and `synchronous=FULL`.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from chatwright.errors import ArtefactError, ConfigError, ResourceError
from chatwright.store.columns import json_text

BUSY_S = 30.0  # how long a writer waits for other processes; within one process writers queue up
_WRITES = "chatwright_writes"  # execution option of connections that will write


def utc_now() -> datetime:
    return datetime.now(UTC)


class Database:
    """One database, shared by all threads of a process."""

    def __init__(self, url: sa.URL, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.url = url
        self.clock = clock
        self.is_sqlite = url.get_backend_name() == "sqlite"
        # SQLite lets one writer in at a time and makes the others poll; a lock is fair and wakes them at once.
        self._turn: contextlib.AbstractContextManager[Any] = (
            threading.RLock() if self.is_sqlite else contextlib.nullcontext()
        )
        pool: dict[str, Any] = {"pool_size": 8, "max_overflow": 56 if self.is_sqlite else 24, "pool_timeout": BUSY_S}
        if self.is_sqlite:
            timeout = {"timeout": BUSY_S}
            self.engine = sa.create_engine(url, connect_args=timeout, json_serializer=json_text, **pool)
            sa.event.listen(self.engine, "connect", _set_up_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            # Sessions speak UTC whatever the server's own time zone is.
            arguments = {"options": "-c timezone=UTC -c synchronous_commit=on", "connect_timeout": 10}
            pool["pool_pre_ping"] = True
            self.engine = sa.create_engine(url, connect_args=arguments, json_serializer=json_text, **pool)
        self._writer = self.engine.execution_options(**{_WRITES: True})

    def now(self) -> datetime:
        return self.clock()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that only reads."""
        with self._explained(), self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that writes; acknowledged when the block has ended, undone if an error leaves it."""
        with self._turn, self._explained(), self._writer.begin() as connection:
            yield connection

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def one_at_a_time(self, connection: sa.Connection, what: str) -> None:
        """Wait until no other transaction is in here with the same `what`; until the end of this one nobody else is.

        For rules that no constraint can hold, such as "at most so many a day". SQLite has one writer at a time anyway.
        """
        if not self.is_sqlite:
            number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))

    def close(self) -> None:
        self.engine.dispose()

    @property
    def address(self) -> str:
        """The address with which another process of this machine opens it; it may hold a password."""
        if self.is_sqlite:
            return str(Path(str(self.url.database)).resolve())
        return self.url.render_as_string(hide_password=False)

    @property
    def name(self) -> str:
        """The address as it may be shown: without the password."""
        return str(self.url.database) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise ResourceError(f"{self.name}: {_first_line(error)}; {_remedy(error)}") from error
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.DatabaseError) and type(error.orig) is sqlite3.DatabaseError:
                raise ArtefactError(
                    f"{self.name} is no intact SQLite database ({_first_line(error)}); put a backup in its place"
                ) from error
            raise


def url_of(place: str | Path) -> sa.URL:
    """The address of a database: a path means SQLite; raises ConfigError for what is neither that nor PostgreSQL."""
    if isinstance(place, Path) or "://" not in place:
        return sa.URL.create("sqlite", database=str(place))
    try:
        url = sa.engine.make_url(place)
    except ArgumentError:
        # The message must not repeat the address: it may hold a password.
        raise ConfigError("the store's address is no database URL; write postgresql://user@host/name") from None
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if url.get_backend_name() in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise ConfigError(f"the store cannot be {url.get_backend_name()}; give a file for SQLite, or postgresql://...")


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver would begin transactions late and never for reads; `_begin_sqlite` begins them instead.
    connection.isolation_level = None
    for setting in (f"busy_timeout={int(BUSY_S * 1000)}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")
    _use_write_ahead_log(connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # A new file changes over once. Two who change it at the same moment would wait for each other for ever, so SQLite
    # turns one away at once, whatever busy_timeout says: that one asks again.
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later fails at once if another has written in between: writers say so.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _first_line(error: DatabaseError) -> str:
    return str(error.orig).strip().split("\n")[0]


def _remedy(error: OperationalError) -> str:
    text = str(error.orig)
    if "locked" in text or "busy" in text:
        return "another process holds it for long; end that process or try again"
    if "full" in text:
        return "make room on the disk"
    if "readonly" in text or "unable to open" in text:
        return "choose a place where you may write"
    return "check that the database runs and that its address is right"

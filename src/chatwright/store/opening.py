"""Opening the store: make the database if there is none, bring an older one up to date, refuse a newer one.

In: a file for SQLite or a PostgreSQL address.  Out: a Store, one object per concern.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from chatwright.errors import ArtefactError
from chatwright.store.answers import Answers
from chatwright.store.backup import back_up
from chatwright.store.chats import Chats
from chatwright.store.comparisons import Comparisons
from chatwright.store.database import Database, url_of, utc_now
from chatwright.store.feedback import Feedback
from chatwright.store.jobs import Jobs, Promotions
from chatwright.store.judging import Judging
from chatwright.store.keys import Keys
from chatwright.store.labelling import Labelling
from chatwright.store.people import People
from chatwright.store.personal import PersonalData
from chatwright.store.settings import Settings
from chatwright.store.tasks import Tasks
from chatwright.store.usage import Usage

NEWEST = "0004"  # the migration that makes the tables of schema.py


class Store:
    """Everything that is kept, by concern. Safe to use from many threads; processes may share one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.people = People(database)
        self.personal = PersonalData(database)
        self.settings = Settings(database)
        self.keys = Keys(database)
        self.usage = Usage(database)
        self.chats = Chats(database)
        self.answers = Answers(database)
        self.feedback = Feedback(database)
        self.judging = Judging(database, self.chats)
        self.tasks = Tasks(database)
        self.labelling = Labelling(database)
        self.jobs = Jobs(database)
        self.promotions = Promotions(database)
        self.comparisons = Comparisons(database)

    def back_up(self, out: Path) -> Path:
        """Copy everything to one file while others go on writing; see `backup.py`."""
        return back_up(self.database, out)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(place: str | Path, *, clock: Callable[[], datetime] = utc_now) -> Store:
    """Open the database at a path (SQLite) or URL, making or migrating its tables as needed.

    `clock` tells the time, UTC; tests bring their own. Raises ConfigError for an address of another kind,
    ResourceError if the database cannot be reached, ArtefactError if a newer chatwright wrote it or it is damaged.
    """
    url = url_of(place)
    if url.get_backend_name() == "sqlite":
        _make_file(Path(str(url.database)))
    database = Database(url, clock=clock)
    try:
        _migrate(database)
    except BaseException:
        database.close()
        raise
    return Store(database)


def _make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # It will hold what people wrote: nobody else on this machine may read it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _migrate(database: Database) -> None:
    """Bring the tables up to date; when several processes open a database at once, one of them does."""
    with database.reading() as connection:
        version = _version(connection)
    if version == NEWEST:
        return
    from alembic import command  # slow to import, and not needed for a store that is up to date
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "chatwright:store/migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise ArtefactError(
            f"{database.name} was written by a newer chatwright (its version is {version}); update chatwright"
        )
    with database.writing() as connection:
        database.one_at_a_time(connection, "migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")  # does nothing if another process was quicker


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found

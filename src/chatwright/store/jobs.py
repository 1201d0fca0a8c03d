"""Jobs: long work that was asked for in the web, run as processes of their own; and what they lead to.

In: a kind of work and its settings.  Out: a queue with the state, process, folder and last lines of every job. The
store starts no process: whoever does takes a job with `take`, and says how it went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from chatwright.errors import ConflictError, InputError, NotFoundError
from chatwright.store.database import Database
from chatwright.store.schema import jobs, promotions

LOG_KEPT = 16_000  # characters


@dataclass(frozen=True, kw_only=True)
class Job:
    """One piece of long work."""

    id: int
    kind: str
    state: str
    """queued, running, done, failed or stopped."""
    settings: Mapping[str, Any]
    folder: str
    log: str
    """The last lines that it said."""
    error: str
    pid: int | None
    requested_by: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A run folder that serves (or served) under the name of a model."""

    id: int
    model: str
    folder: str
    note: str
    promoted_by: int | None
    promoted_at: datetime
    rolled_back_at: datetime | None


class Jobs:
    """`store.jobs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        kind: str,
        settings: Mapping[str, Any],
        *,
        folder: str = "",
        requested_by: int | None = None,
        submission: str | None = None,
    ) -> Job:
        """Queue work; the same `submission` again gives the job of the first time."""
        row = {
            "kind": kind,
            "state": "queued",
            "settings": dict(settings),
            "folder": folder,
            "submission": submission,
            "requested_by": requested_by,
            "created_at": self._database.now(),
        }
        insert = self._database.insert(jobs).values(row).on_conflict_do_nothing(index_elements=["submission"])
        with self._database.writing() as connection:
            added = connection.execute(insert.returning(jobs)).one_or_none()
            if added is None:
                added = connection.execute(sa.select(jobs).where(jobs.c.submission == submission)).one()
                if (added.kind, added.settings) != (kind, dict(settings)):
                    raise ConflictError("this submission was used for another job; send each with an id of its own")
            return _job(added)

    def get(self, job_id: int) -> Job:
        """Raises NotFoundError if there is no such job."""
        with self._database.reading() as connection:
            return _job(_row_of(connection, job_id))

    def all(self, *, state: str | None = None, limit: int = 100) -> list[Job]:
        """Jobs, newest first."""
        wanted = sa.select(jobs).order_by(jobs.c.id.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(jobs.c.state == state)
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(wanted)]

    def take(self, *, at_once: int = 1) -> Job | None:
        """The oldest queued job, now running; None if there is none or `at_once` are running. Nobody else gets it."""
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, "jobs")
            running = connection.execute(sa.select(sa.func.count()).where(jobs.c.state == "running")).scalar() or 0
            first = sa.select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.id).limit(1)
            job_id = connection.execute(first).scalar()
            if job_id is None or running >= at_once:
                return None
            values = {"state": "running", "started_at": self._database.now()}
            taken = jobs.update().where(jobs.c.id == job_id).values(values).returning(jobs)
            return _job(connection.execute(taken).one())

    def note(self, job_id: int, *, pid: int | None = None, folder: str | None = None, log: str | None = None) -> None:
        """What is known of a running job; of the log the end is kept."""
        values: dict[str, Any] = {"pid": pid, "folder": folder, "log": None if log is None else log[-LOG_KEPT:]}
        values = {name: value for name, value in values.items() if value is not None}
        if values:
            with self._database.writing() as connection:
                connection.execute(jobs.update().where(jobs.c.id == job_id).values(values))

    def finish(self, job_id: int, *, error: str = "") -> Job:
        """The job is done; with an `error`, failed. One that was stopped meanwhile stays stopped."""
        values = {"state": "failed" if error else "done", "error": error, "finished_at": self._database.now()}
        return self._end(job_id, ("running",), values)

    def stop(self, job_id: int) -> Job:
        """A queued job will not start; of a running one the caller ends the process. Ended jobs stay as they are."""
        return self._end(job_id, ("queued", "running"), {"state": "stopped", "finished_at": self._database.now()})

    def _end(self, job_id: int, states: tuple[str, ...], values: Mapping[str, Any]) -> Job:
        with self._database.writing() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id, jobs.c.state.in_(states)).values(values))
            return _job(_row_of(connection, job_id))


class Promotions:
    """`store.promotions`: which run folder serves as which model."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def promote(self, model: str, folder: str, *, by: int | None = None, note: str = "") -> Promotion:
        """From now on this folder serves under the name."""
        if not model.strip() or not folder.strip():
            raise InputError("a promotion needs the name of a model and a folder")
        row = {"model": model, "folder": folder, "note": note, "promoted_by": by, "promoted_at": self._database.now()}
        with self._database.writing() as connection:
            return _promotion(connection.execute(promotions.insert().values(row).returning(promotions)).one())

    def roll_back(self, model: str) -> Promotion | None:
        """Take back the latest promotion; what serves now, None: what `serve` was started with.

        Raises NotFoundError if nothing was promoted.
        """
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, f"promotion of {model}")
            latest = connection.execute(_live(model)).first()
            if latest is None:
                raise NotFoundError(f"nothing was promoted to be {model!r}, so nothing can be rolled back")
            change = {"rolled_back_at": self._database.now()}
            connection.execute(promotions.update().where(promotions.c.id == latest.id).values(change))
            before = connection.execute(_live(model)).first()
        return None if before is None else _promotion(before)

    def current(self) -> dict[str, Promotion]:
        """What serves, by the model's name."""
        with self._database.reading() as connection:
            rows = connection.execute(_live().order_by(None).order_by(promotions.c.id)).all()
        return {row.model: _promotion(row) for row in rows}  # the latest of each wins

    def all(self, model: str | None = None) -> list[Promotion]:
        """Everything that was promoted, newest first, also what was rolled back."""
        wanted = sa.select(promotions).order_by(promotions.c.id.desc())
        if model is not None:
            wanted = wanted.where(promotions.c.model == model)
        with self._database.reading() as connection:
            return [_promotion(row) for row in connection.execute(wanted)]


def _live(model: str | None = None) -> sa.Select[Any]:
    """Promotions that were not rolled back, latest first."""
    wanted = sa.select(promotions).where(promotions.c.rolled_back_at.is_(None)).order_by(promotions.c.id.desc())
    return wanted if model is None else wanted.where(promotions.c.model == model)


def _row_of(connection: sa.Connection, job_id: int) -> sa.Row[Any]:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no job {job_id}")
    return row


def _job(row: Any) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.__dataclass_fields__})


def _promotion(row: Any) -> Promotion:
    return Promotion(**{name: getattr(row, name) for name in Promotion.__dataclass_fields__})

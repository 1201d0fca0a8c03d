"""Jobs: long work that was asked for in the web, run as processes of their own; and what they lead to.

In: a kind of work and its settings.  Out: a queue with the state, process, folder and last lines of every job. The
store starts no process: whoever does takes a job with `take`, and says how it went.

Several servers may share one store. Each job has one owner, which gives signs of life (`beat`); nobody else changes
how the job stands, unless they `claim` it as it was when they looked. A job is open until it is settled: its process is
over, and what it took is in the usage. Both are written at once, so it is entered once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from chatwright.errors import ConflictError, InputError, NotFoundError
from chatwright.store.columns import Moment, Text
from chatwright.store.database import Database
from chatwright.store.schema import jobs, promotions
from chatwright.store.usage import Spent, enter

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
    owner: str
    """The server that looks after it; empty: it was let go."""
    host: str
    """The machine on which its process runs; empty: not known."""
    requested_by: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    seen_at: datetime | None
    """When its owner last gave a sign of life."""
    settled_at: datetime | None
    """When its process was over and its usage entered; None: open."""


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
        owner: str = "",
    ) -> Job:
        """Queue work; the same `submission` again gives the job of the first time."""
        now = self._database.now()
        row = {
            "kind": kind,
            "state": "queued",
            "settings": dict(settings),
            "folder": folder,
            "submission": submission,
            "requested_by": requested_by,
            "created_at": now,
            "owner": owner,
            "seen_at": now if owner else None,
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

    def open(self) -> list[Job]:
        """Jobs that are not settled, oldest first: those that wait or run, and those whose process may still run."""
        with self._database.reading() as connection:
            wanted = sa.select(jobs).where(jobs.c.settled_at.is_(None)).order_by(jobs.c.id)
            return [_job(row) for row in connection.execute(wanted)]

    def take(
        self, *, at_once: int = 1, owner: str = "", host: str = "", among: Collection[int] | None = None
    ) -> Job | None:
        """The oldest queued job, now running with this owner and host; None if there is none or `at_once` are running.

        Nobody else gets it. `among`: ids of jobs that may be taken, None: any.
        """
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, "jobs")
            running = connection.execute(sa.select(sa.func.count()).where(jobs.c.state == "running")).scalar() or 0
            first = sa.select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.id).limit(1)
            if among is not None:
                first = first.where(jobs.c.id.in_(among))
            job_id = connection.execute(first).scalar()
            if job_id is None or running >= at_once:
                return None
            now = self._database.now()
            values = {"state": "running", "started_at": now, "owner": owner, "host": host, "seen_at": now}
            taken = jobs.update().where(jobs.c.id == job_id, jobs.c.state == "queued").values(values)
            row = connection.execute(taken.returning(jobs)).one_or_none()
            return None if row is None else _job(row)  # None: stopped at this very moment

    def note(
        self,
        job_id: int,
        *,
        owner: str | None = None,
        pid: int | None = None,
        folder: str | None = None,
        log: str | None = None,
    ) -> bool:
        """What is known of a running job; of the log the end is kept.

        False, and nothing changed, if it runs no more or, where an `owner` is given, belongs to another by now.
        """
        values: dict[str, Any] = {"pid": pid, "folder": folder, "log": None if log is None else log[-LOG_KEPT:]}
        values = {name: value for name, value in values.items() if value is not None}
        own = jobs.update().where(jobs.c.id == job_id, jobs.c.state == "running")
        if owner is not None:
            own = own.where(jobs.c.owner == owner)
        with self._database.writing() as connection:
            return connection.execute(own.values(values or {"pid": jobs.c.pid})).rowcount == 1

    def finish(self, job_id: int, *, error: str = "", log: str | None = None, took: Sequence[Spent] = ()) -> Job:
        """Settle a job whose process is over: done, or with an `error` failed; what it `took` goes into the usage.

        One that was stopped meanwhile stays stopped. All is written at once; what is settled already stays as it is.
        """
        now = self._database.now()
        is_running = jobs.c.state == "running"
        values: dict[str, Any] = {
            "state": sa.case((is_running, "failed" if error else "done"), else_=jobs.c.state),
            "error": sa.case((is_running, sa.literal(error, Text())), else_=jobs.c.error),
            "finished_at": sa.func.coalesce(jobs.c.finished_at, sa.literal(now, Moment())),
            "settled_at": now,
        }
        if log is not None:
            values["log"] = log[-LOG_KEPT:]
        with self._database.writing() as connection:
            is_open = (jobs.c.id == job_id, jobs.c.settled_at.is_(None), jobs.c.state != "queued")
            if connection.execute(jobs.update().where(*is_open).values(values)).rowcount == 1:
                for spent in took:
                    enter(self._database, connection, spent)
            return _job(_row_of(connection, job_id))

    def stop(self, job_id: int) -> Job:
        """A queued job will not start; of a running one the owner ends the process. Ended jobs stay as they are."""
        now = self._database.now()
        ended = {"state": "stopped", "finished_at": now}
        with self._database.writing() as connection:
            for state, values in (("queued", {**ended, "settled_at": now}), ("running", ended)):
                connection.execute(jobs.update().where(jobs.c.id == job_id, jobs.c.state == state).values(values))
            return _job(_row_of(connection, job_id))

    # -- owners --

    def beat(self, owner: str) -> None:
        """A sign of life for everything open that this owner has."""
        own = jobs.update().where(jobs.c.owner == owner, jobs.c.settled_at.is_(None))
        with self._database.writing() as connection:
            connection.execute(own.values(seen_at=self._database.now()))

    def claim(self, job: Job, owner: str) -> Job | None:
        """Take over a job as it was when it was looked at; None if its owner, or a quicker one, was there since."""
        return self._if_unchanged(job, {"owner": owner, "seen_at": self._database.now()})

    def give_up(self, job: Job, error: str) -> Job | None:
        """A running job whose machine is not heard of any more has failed, for all that can be known from elsewhere.

        It stays open: should its machine come back, its process is found there. None if there was a sign of life since.
        """
        values = {"state": "failed", "error": error, "finished_at": self._database.now(), "owner": ""}
        return self._if_unchanged(job, values)

    def go_on(self, job_id: int, owner: str) -> None:
        """A job that was given up runs after all."""
        values = {"state": "running", "error": "", "finished_at": None}
        self._change_own(job_id, owner, "failed", values)

    def put_back(self, job_id: int, owner: str) -> None:
        """A job that was taken and never began waits again."""
        values = {"state": "queued", "started_at": None, "pid": None, "folder": "", "host": ""}
        self._change_own(job_id, owner, "running", values)

    def let_go(self, owner: str) -> None:
        """The owner stops looking after what it has begun: whoever can see its processes may take them over."""
        begun = jobs.update().where(jobs.c.owner == owner, jobs.c.settled_at.is_(None), jobs.c.state != "queued")
        with self._database.writing() as connection:
            connection.execute(begun.values(owner=""))

    def _if_unchanged(self, job: Job, values: Mapping[str, Any]) -> Job | None:
        same = (
            jobs.c.id == job.id,
            jobs.c.state == job.state,
            jobs.c.owner == job.owner,
            jobs.c.seen_at.is_not_distinct_from(job.seen_at),
            jobs.c.settled_at.is_(None),
        )
        with self._database.writing() as connection:
            row = connection.execute(jobs.update().where(*same).values(values).returning(jobs)).one_or_none()
        return None if row is None else _job(row)

    def _change_own(self, job_id: int, owner: str, state: str, values: Mapping[str, Any]) -> None:
        own = (jobs.c.id == job_id, jobs.c.owner == owner, jobs.c.state == state, jobs.c.settled_at.is_(None))
        with self._database.writing() as connection:
            connection.execute(jobs.update().where(*own).values(values))


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
                raise NotFoundError(
                    f"nothing was promoted to be {model!r}, so nothing can be rolled back", code="nothing_promoted"
                )
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

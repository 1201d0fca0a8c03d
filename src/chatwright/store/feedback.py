"""Feedback: what people think of answers, one row per judgement, and which runs have learned from which row.

    kind           content
    thumb          prompt, answer, up, reasons, comment
    chat_rating    messages, good, comment
    choice         prompt, answers, ranks, models: the draft that was taken, before the others
    ranking        prompt, answers, ranks, models, verdict (ranked, all_bad, cannot_judge)
    answer_rating  prompt, answer, rating (1 to 7), flags
    demonstration  messages: a prompt and the ideal answer, written by a person
    prompt         prompt, written by a person
    flag           reason, and what was flagged

In: judgements.  Out: rows. A row is trained on if it is approved and its person consents; rows of the role chatter wait
for approval, and everybody has a daily cap and one per training set (`feedback/caps.py`), so that nobody can bend a
model quietly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from chatwright.errors import ConflictError, InputError, NotFoundError, ThrottledError
from chatwright.store.columns import json_text, storable
from chatwright.store.database import Database
from chatwright.store.schema import REMOVED, feedback, people, settings, trained_on

KINDS = ("thumb", "chat_rating", "choice", "ranking", "answer_rating", "demonstration", "prompt", "flag")
DAILY_CAPS = {"chatter": 100, "labeler": 2000, "admin": 2000}  # rows per person; the setting "daily_caps" overrides
TRAINING_CAPS = {"chatter": 200}  # rows per person in one training set; the setting "training_caps" overrides
_AT_ONCE = 500  # numbers in one IN (...)


@dataclass(frozen=True, kw_only=True)
class FeedbackRow:
    """One judgement, and everything that is known of where it comes from."""

    id: int
    kind: str
    state: str
    """waiting, approved, rejected or removed."""
    person_id: int | None
    labeler: str
    role: str
    """What the person was at that time."""
    origin: str
    """chat, task or import."""
    chat_id: int | None
    message_id: int | None
    task_id: int | None
    consent: bool
    simulated: bool
    category: str
    model: str
    score: float | None
    content: Mapping[str, Any]
    seconds: float | None
    created_at: datetime
    decided_at: datetime | None
    decided_by: int | None
    trained_on: tuple[str, ...] = ()
    """Runs that have learned from this row."""


@dataclass(frozen=True, kw_only=True)
class NewRow:
    """A judgement to be stored."""

    kind: str
    content: Mapping[str, Any]
    origin: str = "import"
    labeler: str = ""
    category: str = ""
    model: str = ""
    score: float | None = None
    seconds: float | None = None
    simulated: bool = False
    consent: bool = True
    chat_id: int | None = None
    message_id: int | None = None
    task_id: int | None = None
    author_id: int | None = None
    """Whose words were judged: with that person they go, whatever has become of their chat."""


@dataclass(frozen=True)
class Removal:
    """What was removed, and which runs had learned from it: those want training again."""

    rows: int
    runs: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Thumbs:
    """Thumbs of one model on one day."""

    day: date
    model: str
    up: int
    down: int


class Feedback:
    """`store.feedback`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, person_id: int, row: NewRow, *, submission: str | None = None) -> FeedbackRow:
        """Store a person's judgement; the same `submission` again changes nothing.

        Raises ThrottledError beyond the person's daily cap.
        """
        with self._database.writing() as connection:
            return add_row(self._database, connection, person_id, row, submission=submission)

    def add_imported(self, rows: Iterable[NewRow], *, approved: bool = True) -> tuple[int, int]:
        """Store rows of a file in one transaction: how many were new, and how many were there before."""
        now, values = self._database.now(), []
        for row in rows:
            known_by = json_text(storable([row.kind, row.labeler, row.category, row.content]))
            values.append(
                _columns(row)
                | {
                    "state": "approved" if approved else "waiting",
                    "role": "simulated" if row.simulated else "",
                    "digest": hashlib.sha256(known_by.encode()).hexdigest(),
                    "created_at": now,
                }
            )
        added = 0
        with self._database.writing() as connection:
            for part in _parts(values):
                insert = self._database.insert(feedback).values(part)
                insert = insert.on_conflict_do_nothing(index_elements=["digest"])
                added += len(connection.execute(insert.returning(feedback.c.id)).all())
        return added, len(values) - added

    def get(self, row_id: int) -> FeedbackRow:
        """Raises NotFoundError if there is no such row."""
        found = self.rows(ids=[row_id], states=None, consent=None)
        if not found:
            raise NotFoundError(f"there is no feedback {row_id}")
        return found[0]

    def rows(
        self,
        *,
        kinds: Sequence[str] | None = None,
        states: Sequence[str] | None = ("approved",),
        consent: bool | None = True,
        simulated: bool | None = None,
        person_id: int | None = None,
        ids: Sequence[int] | None = None,
        since: datetime | None = None,
        after_id: int = 0,
        limit: int | None = None,
    ) -> list[FeedbackRow]:
        """Rows, oldest first; by default those that may be trained on. None: whatever it is."""
        chosen = feedback.c.id > after_id
        for column, value in (("consent", consent), ("simulated", simulated), ("person_id", person_id)):
            if value is not None:
                chosen &= feedback.c[column] == value
        for column, values in (("kind", kinds), ("state", states), ("id", ids)):
            if values is not None:
                chosen &= feedback.c[column].in_(values)
        if since is not None:
            chosen &= feedback.c.created_at >= since
        with self._database.reading() as connection:
            return read_rows(connection, chosen, limit=limit)

    def thumbs(self, *, since: datetime | None = None) -> list[Thumbs]:
        """Thumbs up and down per day and model, with or without consent: they are counted, not trained on."""
        day = sa.cast(sa.func.date(feedback.c.created_at), sa.String)
        ups, downs = (sa.func.sum(sa.case((feedback.c.score * sign > 0, 1), else_=0)) for sign in (1, -1))
        wanted = sa.select(day, feedback.c.model, ups, downs).where(feedback.c.kind == "thumb")
        wanted = wanted.where(feedback.c.state != "removed").group_by(day, feedback.c.model)
        if since is not None:
            wanted = wanted.where(feedback.c.created_at >= since)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(day, feedback.c.model)).all()
        return [Thumbs(date.fromisoformat(at), model, int(up), int(down)) for at, model, up, down in rows]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many rows there are: kind, then state."""
        wanted = sa.select(feedback.c.kind, feedback.c.state, sa.func.count()).group_by(
            feedback.c.kind, feedback.c.state
        )
        counted: dict[str, dict[str, int]] = {}
        with self._database.reading() as connection:
            for kind, state, count in connection.execute(wanted):
                counted.setdefault(kind, {})[state] = count
        return counted

    def decide(self, ids: Sequence[int], *, approve: bool, by: int) -> int:
        """Approve or reject rows, also those decided before; the number of rows that this changed."""
        state = "approved" if approve else "rejected"
        values = {"state": state, "decided_at": self._database.now(), "decided_by": by}
        changed = 0
        with self._database.writing() as connection:
            for part in _parts(ids):
                undecided = feedback.c.id.in_(part) & feedback.c.state.not_in((state, "removed"))
                changed += connection.execute(feedback.update().where(undecided).values(values)).rowcount
        return changed

    def remove(self, ids: Sequence[int]) -> Removal:
        """Empty rows for good. The runs that have learned from them stay known: see `Removal`."""
        rows, runs = 0, set[str]()
        with self._database.writing() as connection:
            for part in _parts(ids):
                rows += connection.execute(
                    feedback.update().where(feedback.c.id.in_(part), feedback.c.state != "removed").values(REMOVED)
                ).rowcount
                runs |= runs_of(connection, trained_on.c.feedback_id.in_(part))
        return Removal(rows, tuple(sorted(runs)))

    def mark_trained(self, ids: Sequence[int], run: str) -> None:
        """Note that a run learns from these rows; a second time changes nothing."""
        now = self._database.now()
        with self._database.writing() as connection:
            for part in _parts(ids):
                values = [{"feedback_id": row_id, "run": run, "at": now} for row_id in part]
                connection.execute(self._database.insert(trained_on).values(values).on_conflict_do_nothing())

    def forget_trained(self, run: str, *, but: Sequence[int]) -> int:
        """Note that a run has been done anew without some rows: it learned from `but` only; how many were let go."""
        kept, dropped = set(but), 0
        with self._database.writing() as connection:
            known = connection.execute(sa.select(trained_on.c.feedback_id).where(trained_on.c.run == run)).scalars()
            for part in _parts(sorted(set(known) - kept)):
                gone = (trained_on.c.run == run) & trained_on.c.feedback_id.in_(part)
                dropped += connection.execute(trained_on.delete().where(gone)).rowcount
        return dropped

    def runs(self) -> dict[str, tuple[int, int]]:
        """Per run: rows it has learned from, and how many of those were removed or rejected since."""
        gone = sa.func.sum(sa.case((feedback.c.state.in_(("removed", "rejected")), 1), else_=0))
        wanted = sa.select(trained_on.c.run, sa.func.count(), gone).join(
            feedback, feedback.c.id == trained_on.c.feedback_id
        )
        with self._database.reading() as connection:
            found = connection.execute(wanted.group_by(trained_on.c.run).order_by(trained_on.c.run)).all()
        return {run: (int(count), int(removed)) for run, count, removed in found}


def add_row(
    database: Database,
    connection: sa.Connection,
    person_id: int,
    row: NewRow,
    *,
    submission: str | None,
) -> FeedbackRow:
    """`Feedback.add` inside a transaction that does more."""
    if row.kind not in KINDS:
        raise InputError(f"feedback of the kind {row.kind!r} is unknown; known are {', '.join(KINDS)}")
    if submission is not None and not 1 <= len(submission) <= 64:
        raise InputError("a submission's id has 1 to 64 characters")
    # Of two rows of one person at a time one waits: else both could take the last place under the cap.
    person = sa.select(people.c.role).where(people.c.id == person_id).with_for_update(key_share=True)
    role = connection.execute(person).scalar()
    if role is None:
        raise NotFoundError(f"there is no person {person_id}")
    if submission is not None:
        same = (feedback.c.person_id == person_id) & (feedback.c.submission == submission)
        if known := read_rows(connection, same):
            return _same(known[0], row)
    _check_cap(database, connection, person_id, role)
    values = _columns(row) | {
        "person_id": person_id,
        "labeler": row.labeler or f"person-{person_id}",
        "role": role,
        "state": "waiting" if role == "chatter" else "approved",
        "submission": submission,
        "created_at": database.now(),
    }
    return _row(connection.execute(feedback.insert().values(values).returning(feedback)).one())


def read_rows(
    connection: sa.Connection, chosen: sa.ColumnElement[bool], *, limit: int | None = None
) -> list[FeedbackRow]:
    """Rows with the runs trained on them, in two queries however many there are."""
    wanted = sa.select(feedback).where(chosen).order_by(feedback.c.id).limit(limit)
    rows = connection.execute(wanted).all()
    runs: dict[int, list[str]] = {}
    if rows:
        ids = [row.id for row in rows]
        few = len(ids) <= _AT_ONCE
        span = trained_on.c.feedback_id.in_(ids) if few else trained_on.c.feedback_id.between(ids[0], ids[-1])
        for at, run in connection.execute(sa.select(trained_on.c.feedback_id, trained_on.c.run).where(span)):
            runs.setdefault(at, []).append(run)
    return [_row(row, sorted(runs.get(row.id, []))) for row in rows]


def runs_of(connection: sa.Connection, which: sa.ColumnElement[bool]) -> set[str]:
    """The runs that were trained on some of these rows."""
    return set(connection.execute(sa.select(trained_on.c.run).where(which).distinct()).scalars())


def _check_cap(database: Database, connection: sa.Connection, person_id: int, role: str) -> None:
    changed = connection.execute(sa.select(settings.c.value).where(settings.c.name == "daily_caps")).scalar()
    cap = {**DAILY_CAPS, **(changed or {})}.get(role)
    now = database.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today = (feedback.c.person_id == person_id) & (feedback.c.created_at >= midnight)
    count = connection.execute(sa.select(sa.func.count()).where(today)).scalar() or 0
    if cap is not None and count >= cap:
        wait = (midnight + timedelta(days=1) - now).total_seconds()
        raise ThrottledError(
            f"that was the last of {cap} judgements for today; go on tomorrow, or ask an admin for more",
            retry_after=wait,
            code="daily_cap",
        )


def _same(known: FeedbackRow, row: NewRow) -> FeedbackRow:
    """The row of the first time. Another judgement under the same submission is a mistake of the sender."""
    if known.state != "removed" and (known.kind, known.content) != (row.kind, storable(dict(row.content))):
        raise ConflictError("this submission was used for another judgement; send each with an id of its own")
    return known


def _columns(row: NewRow) -> dict[str, Any]:
    names = [name for name in NewRow.__dataclass_fields__ if name != "content"]
    return {name: getattr(row, name) for name in names} | {"content": dict(row.content)}


def _row(row: Any, runs: Sequence[str] = ()) -> FeedbackRow:
    names = [name for name in FeedbackRow.__dataclass_fields__ if name != "trained_on"]
    return FeedbackRow(**{name: getattr(row, name) for name in names}, trained_on=tuple(runs))


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))

"""Labelling: who works on which task, for how long, and what came of it.

In: a person who asks for work, and what they hand in.  Out: a task under a lease that nobody else holds, without a word
on which model said what; then a row of feedback. A task has as many slots as its overlap; the database itself refuses a
second holder of a slot. An expired lease frees its slot; the draft stays, and counts again if the slot is still free.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from chatwright.errors import ConflictError, NotFoundError
from chatwright.store.database import Database
from chatwright.store.feedback import FeedbackRow, add_row, read_rows
from chatwright.store.outcomes import Outcome, row_of
from chatwright.store.schema import REMOVED, assignments, feedback, tasks, trained_on
from chatwright.store.tasks import TASK_KINDS, prompts_by_category

LEASE = timedelta(minutes=30)
GOLD_EVERY = 10  # every so many tasks of a person is one whose answer is known, while there are such
UNDO_WITHIN = timedelta(hours=24)
_TRIES = 20


@dataclass(frozen=True, kw_only=True)
class HandedOut:
    """A task as a labeler sees it: answers in an order of their own, no model, no sign whether it is gold."""

    task_id: int
    kind: str
    category: str
    brief: str
    messages: tuple[Mapping[str, str], ...]
    """The prompt; for `rate_chat` the whole chat."""
    answers: tuple[str, ...]
    draft: Any
    """What the person saved when they were here before, or what an undone judgement said."""
    expires_at: datetime


class _Taken(Exception):
    """Somebody else was quicker."""


class Labelling:
    """`store.labelling`."""

    def __init__(self, database: Database, *, rng: random.Random | None = None) -> None:
        self._database = database
        self._rng = rng or random.SystemRandom()

    def next(self, person_id: int, kinds: Sequence[str] = TASK_KINDS) -> HandedOut | None:
        """The task that the person holds already, or else a new one; None if there is nothing left for them.

        Nobody gets their own text, or a task twice. Prompts are asked for where there are fewest.
        """
        for _ in range(_TRIES):
            try:
                with self._database.writing() as connection:
                    return self._next(connection, person_id, kinds)
            except (IntegrityError, _Taken):  # somebody else took the slot between our look and our step: look again
                continue
        raise ConflictError("many people ask for work at once; ask again", code="try_again")

    def renew(self, person_id: int, task_id: int, *, draft: Any = None) -> datetime:
        """Go on holding a task, and save the draft if one is given; until when it is held now.

        Raises ConflictError if the lease has ended and others have taken the task; the draft is saved even then.
        """
        expires_at = self._database.now() + LEASE
        with self._database.writing() as connection:
            row = self._assignment(connection, person_id, task_id)
            if row.state not in ("held", "expired"):
                raise ConflictError(f"task {task_id} was handed in or passed on already", code="task_gone")
            if draft is not None:
                connection.execute(assignments.update().where(assignments.c.id == row.id).values(draft=draft))
        try:
            with self._database.writing() as connection:
                values = self._held_again(connection, person_id, task_id) | {"expires_at": expires_at}
                connection.execute(assignments.update().where(assignments.c.id == row.id).values(values))
        except IntegrityError:
            raise _lost(task_id) from None
        return expires_at

    def hand_in(
        self, person_id: int, task_id: int, outcome: Outcome, *, submission: str, seconds: float | None = None
    ) -> FeedbackRow:
        """Store what the person judged or wrote, in the order they were shown; the same submission again does nothing.

        `seconds`: time on task as the page measured it, never taken longer than the task was held. "Can't judge" and
        flags free the slot for somebody else. Raises InputError if the outcome does not fit the task, ConflictError
        if the lease has ended and others have taken the task; the draft is kept then.
        """
        known = (feedback.c.person_id == person_id) & (feedback.c.submission == submission)
        try:
            with self._database.writing() as connection:
                if found := read_rows(connection, known):
                    return _same_task(found[0], task_id)
                return self._hand_in(connection, person_id, task_id, outcome, submission, seconds)
        except IntegrityError:
            # The same submission, or the last free slot, was taken by a transaction that ended just now.
            with self._database.reading() as connection:
                if found := read_rows(connection, known):
                    return _same_task(found[0], task_id)
            raise _lost(task_id) from None

    def skip(self, person_id: int, task_id: int, *, reason: str = "") -> None:
        """Pass a task on to somebody else; the person does not get it again. Skipping twice does nothing."""
        with self._database.writing() as connection:
            row = self._assignment(connection, person_id, task_id)
            if row.state == "done":
                raise ConflictError(f"task {task_id} is handed in; undo that first", code="task_done")
            values = {"state": "skipped", "slot": None, "reason": reason[:500], "done_at": self._database.now()}
            connection.execute(assignments.update().where(assignments.c.id == row.id).values(values))

    def undo(self, person_id: int) -> HandedOut:
        """Take back what the person handed in or skipped last; they hold the task again, with what they said as draft.

        Raises NotFoundError if there is nothing to undo, ConflictError if a run has learned from it meanwhile.
        """
        now = self._database.now()
        mine = (assignments.c.person_id == person_id) & assignments.c.state.in_(("done", "skipped"))
        latest = sa.select(assignments).where(mine, assignments.c.done_at > now - UNDO_WITHIN)
        with self._database.writing() as connection:
            row = connection.execute(latest.order_by(assignments.c.done_at.desc(), assignments.c.id.desc())).first()
            if row is None:
                raise NotFoundError("there is nothing to undo", code="nothing_to_undo")
            task = self._locked(connection, row.task_id)
            if self._assignment(connection, person_id, row.task_id) != row:
                raise ConflictError(
                    "this was undone or handed in at the same moment; look again", code="changed_meanwhile"
                )
            values: dict[str, Any] = {"state": "held", "expires_at": now + LEASE, "done_at": None, "feedback_id": None}
            if row.feedback_id is not None:
                learned = sa.select(trained_on.c.run).where(trained_on.c.feedback_id == row.feedback_id)
                if (run := connection.execute(learned).scalar()) is not None:
                    raise ConflictError(
                        f"{run} has learned from that already; an admin can remove it", code="already_learned"
                    )
                connection.execute(feedback.update().where(feedback.c.id == row.feedback_id).values(REMOVED))
            if row.slot is None:
                values["slot"] = self._free_slot(connection, task)
                if values["slot"] is None:
                    raise _lost(task.id)
            elif row.state == "done":
                change = {"done": tasks.c.done - 1, "state": "open"}
                connection.execute(tasks.update().where(tasks.c.id == task.id).values(change))
            changed = assignments.update().where(assignments.c.id == row.id).values(values)
            return _handed_out(task, connection.execute(changed.returning(assignments)).one())

    # -- inside --

    def _next(self, connection: sa.Connection, person_id: int, kinds: Sequence[str]) -> HandedOut | None:
        now = self._database.now()
        held = (
            (assignments.c.person_id == person_id) & (assignments.c.state == "held") & (assignments.c.expires_at > now)
        )
        mine = sa.select(assignments, tasks.c.kind).join(tasks, tasks.c.id == assignments.c.task_id)
        row = connection.execute(mine.where(held, tasks.c.kind.in_(kinds)).order_by(assignments.c.id)).first()
        if row is not None:
            return _handed_out(connection.execute(sa.select(tasks).where(tasks.c.id == row.task_id)).one(), row)
        ended = sa.select(assignments.c.id).where(assignments.c.state == "held", assignments.c.expires_at <= now)
        ended = ended.with_for_update(skip_locked=True)  # somebody who is handing in just now keeps the lease
        freed = assignments.update().where(assignments.c.id.in_(ended)).values(state="expired", slot=None)
        connection.execute(freed)
        task = self._task_for(connection, person_id, kinds)
        if task is None:
            return None
        slot = self._free_slot(connection, task)
        if slot is None:
            raise _Taken
        order = list(range(len(task.content.get("answers", ()))))
        self._rng.shuffle(order)
        values = {
            "task_id": task.id,
            "person_id": person_id,
            "slot": slot,
            "state": "held",
            "order": order,
            "leased_at": now,
            "expires_at": now + LEASE,
        }
        insert = self._database.insert(assignments).values(values)
        # Whoever held the task before and let it expire finds it, and the draft, as it was.
        again = {name: insert.excluded[name] for name in ("slot", "state", "leased_at", "expires_at")}
        insert = insert.on_conflict_do_update(index_elements=["task_id", "person_id"], set_=again)
        return _handed_out(task, connection.execute(insert.returning(assignments)).one())

    def _task_for(self, connection: sa.Connection, person_id: int, kinds: Sequence[str]) -> sa.Row[Any] | None:
        """An open task with a free slot that this person may do."""
        own, other = assignments.alias(), assignments.alias()
        is_done = sa.exists().where(
            own.c.task_id == tasks.c.id, own.c.person_id == person_id, own.c.state.in_(("done", "skipped"))
        )
        taken = (
            sa.select(sa.func.count()).where(other.c.task_id == tasks.c.id, other.c.slot.is_not(None)).scalar_subquery()
        )
        is_own_text = sa.func.coalesce(tasks.c.author_id, 0) == person_id
        wanted = sa.select(tasks).where(
            tasks.c.state == "open", tasks.c.kind.in_(kinds), ~is_done, ~is_own_text, taken < tasks.c.overlap
        )
        wants_gold = self._since_gold(connection, person_id) >= GOLD_EVERY - 1
        is_gold = tasks.c.gold.is_not(None)
        written = prompts_by_category(connection) if "prompt" in kinds else {}
        thinness = sa.case(*((tasks.c.category == name, count) for name, count in written.items()), else_=0)
        by = [
            sa.case((is_gold, 0 if wants_gold else 1), else_=1 if wants_gold else 0),
            tasks.c.priority.desc(),
            *([sa.case((tasks.c.kind == "prompt", thinness), else_=0)] if written else []),
            tasks.c.id,
        ]
        wanted = wanted.order_by(*by).limit(1)
        # PostgreSQL: a task that somebody else is just being given is passed over, unless it is the only one left.
        passing = wanted.with_for_update(key_share=True, skip_locked=True, of=tasks)
        waiting = wanted.with_for_update(key_share=True, of=tasks)
        return connection.execute(passing).first() or connection.execute(waiting).first()

    def _since_gold(self, connection: sa.Connection, person_id: int) -> int:
        """Tasks that the person has done since the last one whose answer was known."""
        done = (assignments.c.person_id == person_id) & (assignments.c.state == "done")
        joined = assignments.join(tasks, tasks.c.id == assignments.c.task_id)
        last = sa.select(sa.func.max(assignments.c.done_at)).select_from(joined).where(done, tasks.c.gold.is_not(None))
        at = connection.execute(last).scalar()
        since = done if at is None else done & (assignments.c.done_at > at)
        return connection.execute(sa.select(sa.func.count()).select_from(assignments).where(since)).scalar() or 0

    def _hand_in(
        self,
        connection: sa.Connection,
        person_id: int,
        task_id: int,
        outcome: Outcome,
        submission: str,
        seconds: float | None,
    ) -> FeedbackRow:
        task = self._locked(connection, task_id)
        row = self._assignment(connection, person_id, task_id)
        if row.state in ("done", "skipped"):
            raise ConflictError(f"task {task_id} was handed in or passed on already; undo that first", code="task_gone")
        now = self._database.now()
        new = row_of(task, row.order, outcome, seconds=_within(seconds, now - row.leased_at))
        values = self._held_again(connection, person_id, task_id)
        added = add_row(self._database, connection, person_id, new, submission=submission)
        values |= {"state": "done", "done_at": now, "draft": outcome.as_draft(), "feedback_id": added.id}
        if outcome.is_judgement:
            change: dict[str, Any] = {"done": tasks.c.done + 1}
            if task.done + 1 >= task.overlap:
                change["state"] = "closed"
            connection.execute(tasks.update().where(tasks.c.id == task_id).values(change))
        else:
            values["slot"] = None
        connection.execute(assignments.update().where(assignments.c.id == row.id).values(values))
        return added

    def _held_again(self, connection: sa.Connection, person_id: int, task_id: int) -> dict[str, Any]:
        """What makes a lease valid that may have expired: nothing, or a slot that is still free."""
        row = self._assignment(connection, person_id, task_id)
        if row.slot is not None:
            return {}
        task = connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).one()
        slot = self._free_slot(connection, task)
        if slot is None:
            raise _lost(task_id)
        return {"state": "held", "slot": slot}

    def _free_slot(self, connection: sa.Connection, task: sa.Row[Any]) -> int | None:
        used = sa.select(assignments.c.slot).where(assignments.c.task_id == task.id, assignments.c.slot.is_not(None))
        taken = set(connection.execute(used).scalars())
        return next((slot for slot in range(task.overlap) if slot not in taken), None)

    def _locked(self, connection: sa.Connection, task_id: int) -> sa.Row[Any]:
        """A task, held against changes by others until the transaction ends. Always locked before its assignments."""
        wanted = sa.select(tasks).where(tasks.c.id == task_id).with_for_update(key_share=True)
        row = connection.execute(wanted).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no task {task_id}")
        return row

    def _assignment(self, connection: sa.Connection, person_id: int, task_id: int) -> sa.Row[Any]:
        mine = (assignments.c.task_id == task_id) & (assignments.c.person_id == person_id)
        row = connection.execute(sa.select(assignments).where(mine).with_for_update()).one_or_none()
        if row is None:
            raise NotFoundError(f"task {task_id} was not handed out to this person", code="task_gone")
        return row


def _lost(task_id: int) -> ConflictError:
    return ConflictError(
        f"the lease of task {task_id} has ended and others do it now; the draft is kept, take another",
        code="lease_ended",
    )


def _same_task(found: FeedbackRow, task_id: int) -> FeedbackRow:
    if found.task_id != task_id:
        raise ConflictError("this submission was used for another task; send each with an id of its own")
    return found


def _within(seconds: float | None, held: timedelta) -> float:
    """Time on task: what the page says, as far as that is possible."""
    most = max(0.0, held.total_seconds())
    return most if seconds is None or not 0 <= seconds <= most else seconds


def _handed_out(task: sa.Row[Any], row: sa.Row[Any]) -> HandedOut:
    content = task.content
    answers = content.get("answers", [])
    return HandedOut(
        task_id=task.id,
        kind=task.kind,
        category=task.category,
        brief=content.get("brief", ""),
        messages=tuple(content.get("prompt") or content.get("messages") or ()),
        answers=tuple(answers[place] for place in row.order),
        draft=row.draft,
        expires_at=row.expires_at,
    )

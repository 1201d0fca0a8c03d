"""Tasks for labelers: what there is to do, how often each is to be done, and how far that is.

    kind            content                       done by
    prompt          brief                         writing a prompt (of the task's category)
    demonstration   prompt                        writing the ideal answer
    rate_answer     prompt, answers (one)         a number from 1 to 7, and flags
    rate_chat       messages                      good or bad
    rank            prompt, answers (2 to 9)      an order with ties, or "all bad"

In: prompts and answers, from `collect` or from chats.  Out: a queue. What fills it twice is there once: a task is known
by the digest of its content. `models` beside the answers never leaves the store before the task is done.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from chatwright.errors import InputError, NotFoundError
from chatwright.store.chats import Chat, ChatMessage
from chatwright.store.columns import json_text, storable
from chatwright.store.database import Database
from chatwright.store.schema import assignments, feedback, tasks
from chatwright.text.conversation import Conversation

TASK_KINDS = ("prompt", "demonstration", "rate_answer", "rate_chat", "rank")
RANKED_AT_ONCE = range(2, 10)
# The uses that InstructGPT counted among its customers' prompts (Ouyang et al. 2022, table 1).
CATEGORIES = (
    "generation", "open_qa", "brainstorming", "chat", "rewrite", "summarization", "classification", "other",
    "closed_qa", "extract",
)  # fmt: skip
# What InstructGPT's labelers noted beside the number (Ouyang et al. 2022, table 3).
FLAGS = (
    "fails_instruction", "inappropriate", "hallucination", "breaks_constraint", "sexual", "violent", "encourages_harm",
    "denigrates", "harmful_advice", "expresses_opinion", "moral_judgement",
)  # fmt: skip
EVERYBODY = 1000  # the overlap of tasks that each person may do once
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task to be queued. `gold` is the known answer: ranks for `rank`, {"rating": n} or {"good": bool} else."""

    kind: str
    content: Mapping[str, Any]
    category: str = ""
    source: str = ""
    overlap: int = 1
    priority: int = 0
    gold: Mapping[str, Any] | None = None
    author_id: int | None = None
    """Whose text it is: they never get it to judge."""
    chat_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task with everything that is known of it; for admins, never for labelers."""

    id: int
    kind: str
    state: str
    category: str
    content: Mapping[str, Any]
    gold: Mapping[str, Any] | None
    source: str
    overlap: int
    done: int
    priority: int
    author_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class Progress:
    """How far the tasks of one kind are."""

    kind: str
    tasks: int
    open: int
    judgements: int
    wanted: int | None
    """None: as many as there can be, such as prompts that people write."""
    held: int
    seconds: float | None = None
    """Median time on task of what was handed in; None where nothing was."""
    by_category: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    """Category: judgements, wanted."""


class Tasks:
    """`store.tasks`: filling and watching the queue. Working through it is `store.labelling`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: Iterable[NewTask]) -> tuple[int, int]:
        """Queue tasks in one transaction: how many were new, and how many were there before.

        Raises InputError, and queues nothing, if one of them cannot be done.
        """
        now, rows = self._database.now(), []
        for task in new:
            content = _checked(task)
            known_by = json_text(storable([task.kind, task.category, content]))
            columns = {name: getattr(task, name) for name in NewTask.__dataclass_fields__}
            digest = hashlib.sha256(known_by.encode()).hexdigest()
            rows.append(columns | {"content": content, "digest": digest, "created_at": now})
        added = 0
        with self._database.writing() as connection:
            for start in range(0, len(rows), _AT_ONCE):
                insert = self._database.insert(tasks).values(rows[start : start + _AT_ONCE])
                insert = insert.on_conflict_do_nothing(index_elements=["digest"])
                added += len(connection.execute(insert.returning(tasks.c.id)).all())
        return added, len(rows) - added

    def get(self, task_id: int) -> Task:
        """Raises NotFoundError if there is no such task."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no task {task_id}")
        return _task(row)

    def all(
        self, *, kind: str | None = None, state: str | None = None, after_id: int = 0, limit: int = 100
    ) -> list[Task]:
        """Tasks, oldest first."""
        wanted = sa.select(tasks).where(tasks.c.id > after_id).order_by(tasks.c.id).limit(limit)
        for column, value in (("kind", kind), ("state", state)):
            if value is not None:
                wanted = wanted.where(tasks.c[column] == value)
        with self._database.reading() as connection:
            return [_task(row) for row in connection.execute(wanted)]

    def golden(self) -> list[Task]:
        """The tasks whose answer is known."""
        with self._database.reading() as connection:
            wanted = sa.select(tasks).where(tasks.c.gold.is_not(None)).order_by(tasks.c.id)
            return [_task(row) for row in connection.execute(wanted)]

    def set_state(self, ids: Sequence[int], *, closed: bool) -> int:
        """Close tasks, or open them again; the number of tasks that this changed."""
        state = "closed" if closed else "open"
        change = tasks.update().where(tasks.c.id.in_(ids), tasks.c.state != state).values(state=state)
        with self._database.writing() as connection:
            return connection.execute(change).rowcount

    def progress(self) -> list[Progress]:
        """Per kind: tasks, judgements there are and wanted, leases held; gold tasks count by what is done."""
        is_open = sa.func.sum(sa.case((tasks.c.state == "open", 1), else_=0))
        wanted = sa.case((tasks.c.state == "closed", tasks.c.done), else_=tasks.c.overlap)
        sums = sa.select(
            tasks.c.kind, tasks.c.category, sa.func.count(), is_open, sa.func.sum(tasks.c.done), sa.func.sum(wanted)
        ).group_by(tasks.c.kind, tasks.c.category)
        now_held = (assignments.c.state == "held") & (assignments.c.expires_at > self._database.now())
        held = (
            sa.select(tasks.c.kind, sa.func.count())
            .join(assignments, assignments.c.task_id == tasks.c.id)
            .where(now_held)
            .group_by(tasks.c.kind)
        )
        spent = (
            sa.select(tasks.c.kind, feedback.c.seconds)
            .join(tasks, feedback.c.task_id == tasks.c.id)
            .where(feedback.c.seconds.is_not(None))
        )
        with self._database.reading() as connection:
            rows = connection.execute(sums).all()
            leases = {kind: int(count) for kind, count in connection.execute(held)}
            times = connection.execute(spent).all()
        found = []
        for kind in TASK_KINDS:
            own = [[row[1], *map(int, row[2:])] for row in rows if row[0] == kind]
            count, still_open, done, wanted_of_all = (sum(row[place] for row in own) for place in (1, 2, 3, 4))
            is_endless = kind == "prompt"
            found.append(
                Progress(
                    kind=kind,
                    tasks=count,
                    open=still_open,
                    judgements=done,
                    wanted=None if is_endless else wanted_of_all,
                    held=leases.get(kind, 0),
                    seconds=_median([seconds for own_kind, seconds in times if own_kind == kind]),
                    by_category={row[0]: (row[3], None if is_endless else row[4]) for row in sorted(own)},
                )
            )
        return found

    def coverage(self) -> dict[str, int]:
        """Prompts that people wrote, by category, those waiting too; categories without any count 0."""
        with self._database.reading() as connection:
            written = prompts_by_category(connection)
        return {category: written.get(category, 0) for category in (*CATEGORIES, *sorted(written)) if category}


def prompts_by_category(connection: sa.Connection) -> dict[str, int]:
    written = (feedback.c.kind == "prompt") & feedback.c.state.in_(("approved", "waiting"))
    wanted = sa.select(feedback.c.category, sa.func.count()).where(written).group_by(feedback.c.category)
    return {category: int(count) for category, count in connection.execute(wanted)}


def rank_tasks(
    rows: Iterable[Mapping[str, Any]], *, overlap: int = 1, with_gold: bool = False, priority: int = 0
) -> list[NewTask]:
    """Tasks to rank, from the lines of `collect`'s answers.jsonl or rankings.jsonl.

    `with_gold`: the ranks of the file are the known answers (gold items).
    """
    made = []
    for row in rows:
        facts = row.get("facts") or {}
        content = {"prompt": row["prompt"], "answers": row["answers"], "models": [row.get("source") or ""]}
        gold = {"ranks": list(row["ranks"])} if with_gold and row.get("ranks") else None
        made.append(
            NewTask(
                kind="rank",
                content=content | {"models": content["models"] * len(row["answers"])},
                category=str(facts.get("category") or facts.get("kind") or ""),
                source=str(row.get("source") or ""),
                overlap=overlap,
                priority=priority,
                gold=gold,
            )
        )
    return made


def rating_tasks(rows: Iterable[Mapping[str, Any]], *, overlap: int = 1) -> list[NewTask]:
    """Tasks to rate single answers, from the lines of `collect`'s answers.jsonl."""
    return [
        NewTask(
            kind="rate_answer",
            content={"prompt": row["prompt"], "answers": [answer], "models": [row.get("source") or ""]},
            category=str((row.get("facts") or {}).get("category") or (row.get("facts") or {}).get("kind") or ""),
            source=str(row.get("source") or ""),
            overlap=overlap,
        )
        for row in rows
        for answer in dict.fromkeys(row["answers"])
    ]


def demonstration_tasks(
    prompts: Iterable[tuple[Sequence[Mapping[str, str]], Mapping[str, Any]]], *, source: str = "", overlap: int = 1
) -> list[NewTask]:
    """Tasks to write the ideal answer, from prompts (messages) and what is known of them (`category` or `kind`)."""
    return [
        NewTask(
            kind="demonstration",
            content={"prompt": [dict(message) for message in messages]},
            category=str(facts.get("category") or facts.get("kind") or ""),
            source=source,
            overlap=overlap,
        )
        for messages, facts in prompts
    ]


def prompt_tasks(briefs: Mapping[str, str], *, each: int = 10) -> list[NewTask]:
    """Tasks to write prompts: category and what is asked for; every person may write `each` of them."""
    return [
        NewTask(kind="prompt", content={"brief": brief, "number": number}, category=category, overlap=EVERYBODY)
        for category, brief in briefs.items()
        for number in range(1, each + 1)
    ]


def chat_tasks(found: Iterable[tuple[Chat, Sequence[ChatMessage]]], kind: str, *, overlap: int = 1) -> list[NewTask]:
    """Tasks from what `store.chats.consented` gives: `demonstration` (the last question) or `rate_chat`.

    Their owners never get them, and a chat that is deleted takes its tasks along.
    """
    made = []
    for chat, branch in found:
        role = {"demonstration": "user", "rate_chat": "assistant"}[kind]
        ends = [place for place, message in enumerate(branch, 1) if message.role == role and message.content.strip()]
        if not ends:
            continue
        system = [{"role": "system", "content": chat.system}] if chat.system else []
        messages = system + [{"role": each.role, "content": each.content} for each in branch[: ends[-1]]]
        content: dict[str, Any] = {"prompt" if kind == "demonstration" else "messages": messages}
        if kind == "rate_chat":
            content["models"] = [branch[ends[-1] - 1].model]
        about: dict[str, Any] = {"author_id": chat.person_id, "chat_id": chat.id, "source": "chat"}
        made.append(NewTask(kind=kind, content=content, overlap=overlap, **about))
    return made


def _checked(task: NewTask) -> dict[str, Any]:
    """The content, if somebody could do the task."""
    if task.kind not in TASK_KINDS:
        raise InputError(f"a task of the kind {task.kind!r} is unknown; known are {', '.join(TASK_KINDS)}")
    if task.overlap < 1:
        raise InputError(f"a task's overlap is {task.overlap}; it must be at least 1")
    content = dict(task.content)
    if task.kind == "prompt":
        content.setdefault("brief", "")
        return content
    if task.kind == "rate_chat":
        if Conversation.from_messages(content.get("messages"), where="the chat to rate").last.role != "assistant":
            raise InputError("a chat to rate ends with an answer")
        return content
    prompt = Conversation.from_messages(content.get("prompt"), where=f"the prompt to {task.kind}")
    if prompt.last.role != "user":
        raise InputError(f"the prompt to {task.kind} ends with a message of the {prompt.last.role}, not of the user")
    if task.kind in ("rank", "rate_answer"):
        _check_answers(task, content)
    return content


def _check_answers(task: NewTask, content: Mapping[str, Any]) -> None:
    answers = content.get("answers")
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise InputError(f"answers to {task.kind} must be a list of texts")
    if len(answers) not in (RANKED_AT_ONCE if task.kind == "rank" else (1,)):
        raise InputError(f"there are {len(answers)} answers to {task.kind}; people rank 2 to 9 and rate one at a time")
    if len(set(answers)) != len(answers):
        raise InputError("two answers to rank are the same text; keep one of them")
    ranks = (task.gold or {}).get("ranks")
    if ranks is not None and len(ranks) != len(answers):
        raise InputError(f"there are {len(answers)} answers but {len(ranks)} known ranks")


def _task(row: Any) -> Task:
    return Task(**{name: getattr(row, name) for name in Task.__dataclass_fields__})


def _median(seconds: Sequence[float]) -> float | None:
    return statistics.median(seconds) if seconds else None

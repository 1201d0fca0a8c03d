"""Feedback and tasks as admins see them: approve, reject, remove, export, import; fill the queue.

In: ids, files, answers that `collect` wrote.  Out: rows with where they come from and what has learned from them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from chatwright.errors import InputError
from chatwright.feedback.collected import ANSWERS, RANKINGS, queue_answers, take_simulated
from chatwright.feedback.exchange import FORMATS, export_lines, read_feedback
from chatwright.feedback.stored import outliers_in_store
from chatwright.serving.errors import ApiError
from chatwright.serving.schemas import Body
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.shapes import Id, as_file, id_of, time_of
from chatwright.serving.web.shown import labelling as shown
from chatwright.serving.web.shown import plain
from chatwright.serving.web.visitors import Admin
from chatwright.store.feedback import FeedbackRow
from chatwright.store.tasks import NewTask, Task, chat_tasks, prompt_tasks

__all__ = ["router"]

router = APIRouter(prefix="/admin", tags=["admin"])


class Rows(Body):
    ids: list[Id] = Field(max_length=10_000)


class Decision(Rows):
    approve: bool


class Upload(Body):
    content: str
    name: str = Field("rows.jsonl", max_length=200)
    simulated: bool = False


class GivenTask(Body):
    kind: str
    content: dict[str, Any]
    category: str = ""
    source: str = ""
    overlap: int = Field(1, ge=1, le=1000)
    priority: int = Field(0, ge=-1000, le=1000)
    gold: dict[str, Any] | None = None


class GivenTasks(Body):
    tasks: list[GivenTask] = Field(max_length=10_000)


class Briefs(Body):
    briefs: dict[str, str] = Field(max_length=100)
    each: int = Field(10, ge=1, le=1000)


class FromRun(Body):
    """`kind`: rank what `collect` sampled, rate each answer, or write ideal ones. `gold`: the ranks are known."""

    run: str
    stage: str = "collect"
    kind: Literal["rank", "rate_answer", "demonstration"] = Field("rank", alias="as")
    overlap: int = Field(1, ge=1, le=100)
    gold: bool = False
    limit: int = Field(1000, ge=1, le=100_000)


class SimulatedOfRun(Body):
    run: str
    stage: str = "collect"
    limit: int = Field(100_000, ge=1, le=100_000)


class FromChats(Body):
    """`kind`: rate the whole chat, or write the ideal answer to its last question."""

    kind: Literal["rate_chat", "demonstration"] = Field("rate_chat", alias="as")
    overlap: int = Field(1, ge=1, le=100)


class Closing(Rows):
    closed: bool = True


# -- feedback --


@router.get("/feedback", summary="Rows of feedback, oldest first", response_model=shown.FeedbackPage)
def feedback(
    web: WebOf,
    visitor: Admin,
    kind: str | None = None,
    state: Literal["waiting", "approved", "rejected", "removed", "all"] = "waiting",
    after: int = Query(0, ge=0, le=2**31),
    limit: int = Query(50, ge=1, le=500),
) -> Any:
    """Rows of the role chatter wait here until somebody approves them."""
    rows = web.store.feedback.rows(
        kinds=[kind] if kind else None,
        states=None if state == "all" else (state,),
        consent=None,
        after_id=after,
        limit=limit + 1,
    )
    return {
        "rows": [_row(row) for row in rows[:limit]],
        "more": len(rows) > limit,
        "counts": web.store.feedback.counts(),
    }


@router.post("/feedback/decide", summary="Approve or reject rows", response_model=plain.Changed)
def decide(body: Decision, web: WebOf, visitor: Admin) -> Any:
    return {"changed": web.store.feedback.decide(body.ids, approve=body.approve, by=visitor.id)}


@router.post("/feedback/remove", summary="Remove rows for good", response_model=shown.Removed)
def remove(body: Rows, web: WebOf, visitor: Admin) -> Any:
    """`runs` have learned from them, and want training again."""
    removal = web.store.feedback.remove(body.ids)
    return {"rows": removal.rows, "runs": list(removal.runs)}


@router.get("/feedback/outliers", summary="Labelers whose rows are worth a look", response_model=shown.Outliers)
def outliers(web: WebOf, visitor: Admin) -> Any:
    names = {f"person-{person.id}": person.name for person in web.store.people.all()}
    return {
        "outliers": [
            {**vars(own), "reasons": list(own.reasons), "name": names.get(own.labeler)}
            for own in outliers_in_store(web.store)
        ]
    }


@router.get("/feedback/export", summary="Feedback as a file", response_class=Response, responses=plain.FILE)
def export(web: WebOf, visitor: Admin, format: str = "preference", simulated: bool = True) -> Response:
    """preference, unpaired, sft, rankings, csv or oasst; only what is approved and consented to."""
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ApiError(f"There is no format {format[:50]!r}; known are {known}.", param="format", code="invalid_value")
    rows = web.store.feedback.rows(simulated=None if simulated else False)
    suffix = "csv" if format == "csv" else "jsonl"
    content = "".join(export_lines(rows, format))
    return as_file(content, f"feedback-{format}.{suffix}", "text/csv" if format == "csv" else "application/x-ndjson")


@router.post("/feedback/import", summary="Take in feedback of a file", response_model=plain.Added)
def import_rows(body: Upload, web: WebOf, visitor: Admin) -> Any:
    """Any of the formats of the export; what is there already is not added again."""
    suffix = ".csv" if body.name.lower().endswith(".csv") else ".jsonl"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_text(body.content, encoding="utf-8")
        try:
            rows = read_feedback(path, simulated=body.simulated)
        except InputError as error:
            raise ApiError(str(error).replace(str(path), body.name), param="content", code="bad_file") from None
    new, known = web.store.feedback.add_imported(rows)
    return {"new": new, "known": known}


@router.post("/feedback/from_run", summary="Take the rankings of a run's simulated labeler", response_model=plain.Added)
def simulate(body: SimulatedOfRun, web: WebOf, visitor: Admin) -> Any:
    """Marked as simulated wherever they go; approved at once, and never added twice."""
    new, known = take_simulated(web.store, _collected(web, body.run, body.stage, RANKINGS), limit=body.limit)
    return {"new": new, "known": known}


@router.get("/feedback/runs", summary="Which runs have learned from how many rows", response_model=shown.TrainedOn)
def trained(web: WebOf, visitor: Admin) -> Any:
    """`removed`: rows that were removed or rejected since; more than 0 wants training again."""
    found = web.store.feedback.runs()
    return {"runs": [{"run": run, "rows": rows, "removed": removed} for run, (rows, removed) in found.items()]}


# -- tasks --


@router.get("/tasks", summary="Tasks with everything that is known of them", response_model=shown.TaskPage)
def tasks(
    web: WebOf,
    visitor: Admin,
    kind: str | None = None,
    state: Literal["open", "closed"] | None = None,
    after: int = Query(0, ge=0, le=2**31),
    limit: int = Query(50, ge=1, le=500),
) -> Any:
    found = web.store.tasks.all(kind=kind, state=state, after_id=after, limit=limit + 1)
    return {"tasks": [_task(task) for task in found[:limit]], "more": len(found) > limit}


@router.post("/tasks", summary="Queue tasks", response_model=plain.Added)
def add_tasks(body: GivenTasks, web: WebOf, visitor: Admin) -> Any:
    """All of them or, if one cannot be done, none. What is queued already stays once."""
    return _added(web, [NewTask(**task.model_dump()) for task in body.tasks])


@router.post("/tasks/prompts", summary="Ask for prompts of some categories", response_model=plain.Added)
def add_briefs(body: Briefs, web: WebOf, visitor: Admin) -> Any:
    return _added(web, prompt_tasks(body.briefs, each=body.each))


@router.post("/tasks/from_run", summary="Queue what a collect stage has sampled", response_model=plain.Added)
def add_from_run(body: FromRun, web: WebOf, visitor: Admin) -> Any:
    new, known = queue_answers(
        web.store,
        _collected(web, body.run, body.stage, RANKINGS if body.gold else ANSWERS),
        kind=body.kind,
        overlap=body.overlap,
        with_gold=body.gold,
        limit=body.limit,
        source=f"{body.run}/{body.stage}",
    )
    return {"new": new, "known": known}


@router.post("/tasks/from_chats", summary="Queue the chats whose owners agree", response_model=plain.Added)
def add_from_chats(body: FromChats, web: WebOf, visitor: Admin) -> Any:
    """Nobody gets their own chat. A chat that is queued and goes on may be queued again, as far as it has come."""
    return _added(web, chat_tasks(web.store.chats.consented(), body.kind, overlap=body.overlap))


@router.post("/tasks/close", summary="Close tasks, or open them again", response_model=plain.Changed)
def close(body: Closing, web: WebOf, visitor: Admin) -> Any:
    return {"changed": web.store.tasks.set_state(body.ids, closed=body.closed)}


def _collected(web: Web, run: str, stage: str, name: str) -> Path:
    """A file of a collect stage. Raises InputError if the stage is of another kind, or has no such file."""
    found = web.runs.get(run).stage(stage)
    if found.kind != "collect":
        raise InputError(
            f"the stage {stage} of {run} is a {found.kind} stage; name one that has collected answers",
            code="not_collected",
        )
    path = found.folder / name
    if path.is_file():
        return path
    if name == RANKINGS:
        raise InputError(
            f"no simulated labeler has ranked the answers of {stage} of {run}; let people rank them",
            code="no_simulated_labeler",
        )
    raise InputError(f"the stage {stage} of {run} has no answers yet; wait until it is complete", code="no_answers_yet")


def _added(web: Web, new: Sequence[NewTask]) -> dict[str, int]:
    added, known = web.store.tasks.add(new)
    return {"new": added, "known": known}


def _row(row: FeedbackRow) -> dict[str, Any]:
    return {
        "id": id_of(row.id),
        "kind": row.kind,
        "state": row.state,
        "labeler": row.labeler,
        "person": id_of(row.person_id),
        "role": row.role,
        "origin": row.origin,
        "consent": row.consent,
        "simulated": row.simulated,
        "category": row.category,
        "model": row.model,
        "score": row.score if row.consent else None,
        # What is not consented to is counted, not read: it may be a private chat.
        "content": dict(row.content) if row.consent else {},
        "seconds": row.seconds,
        "created_at": time_of(row.created_at),
        "decided_at": time_of(row.decided_at),
        "trained_on": list(row.trained_on),
    }


def _task(task: Task) -> dict[str, Any]:
    ids = {"id": id_of(task.id), "author_id": id_of(task.author_id)}
    return {**vars(task), **ids, "created_at": time_of(task.created_at)}

"""Labelling: the next task, drafts, handing in, skipping, undoing; guidelines, progress and agreement beside it.

In: what labelers judge or write.  Out: tasks that hide which model said what, and rows of feedback.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Literal
from uuid import uuid4

from fastapi import APIRouter
from pydantic import Field

from chatwright.feedback.stored import agreement_in_store
from chatwright.serving.schemas import Body
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.shapes import Number, id_of, time_of
from chatwright.serving.web.shown import labelling as shown
from chatwright.serving.web.shown import plain
from chatwright.serving.web.visitors import Labeler
from chatwright.store.labelling import HandedOut
from chatwright.store.outcomes import Outcome
from chatwright.store.tasks import CATEGORIES, FLAGS, TASK_KINDS

__all__ = ["router", "usual_guidelines"]

router = APIRouter(prefix="/label", tags=["label"])
Kind = Literal["prompt", "demonstration", "rate_answer", "rate_chat", "rank"]


class Wanted(Body):
    kinds: list[Kind] = []


class Draft(Body):
    draft: dict[str, Any]


class Judged(Body):
    """One of text, rating, good, ranks, all_bad, cannot_judge or flagged, as it fits the task."""

    submission: str = Field(min_length=1, max_length=64)
    seconds: float | None = Field(None, ge=0)
    text: str | None = None
    rating: int | None = None
    flags: list[str] = Field([], max_length=50)
    good: bool | None = None
    ranks: list[int] | None = Field(None, max_length=20)
    all_bad: bool = False
    cannot_judge: bool = False
    flagged: str = ""
    comment: str = ""
    simulated: bool = False
    """A program judged this: the row is marked, and can be left out of training."""


class Skipped(Body):
    reason: str = Field("", max_length=500)


@router.post("/next", summary="Take the next task", response_model=shown.NextTask)
def next_task(body: Wanted, web: WebOf, visitor: Labeler) -> Any:
    """The one held already, or a new one, for half an hour; null when nothing is left."""
    return {"task": _task(web.store.labelling.next(visitor.id, body.kinds or TASK_KINDS))}


@router.post("/{task}/draft", summary="Save a draft and go on holding the task", response_model=shown.Expiry)
def draft(task: Number, body: Draft, web: WebOf, visitor: Labeler) -> Any:
    return {"expires_at": time_of(web.store.labelling.renew(visitor.id, task, draft=body.draft))}


@router.post("/{task}/submit", summary="Hand in", response_model=shown.HandedIn)
def submit(task: Number, body: Judged, web: WebOf, visitor: Labeler) -> Any:
    """The same `submission` again does nothing and gives the same answer. Ranks are in the order shown."""
    outcome = Outcome(
        text=body.text,
        rating=body.rating,
        flags=tuple(body.flags),
        good=body.good,
        ranks=None if body.ranks is None else tuple(body.ranks),
        all_bad=body.all_bad,
        cannot_judge=body.cannot_judge,
        flagged=body.flagged,
        comment=body.comment,
        simulated=body.simulated,
    )
    row = web.store.labelling.hand_in(visitor.id, task, outcome, submission=body.submission, seconds=body.seconds)
    return {"id": id_of(row.id), "state": row.state}


@router.post("/{task}/skip", summary="Leave a task to others", response_model=plain.Nothing)
def skip(task: Number, body: Skipped, web: WebOf, visitor: Labeler) -> Any:
    web.store.labelling.skip(visitor.id, task, reason=body.reason)
    return {}


@router.post("/undo", summary="Take back what was handed in or skipped last", response_model=shown.NextTask)
def undo(web: WebOf, visitor: Labeler) -> Any:
    return {"task": _task(web.store.labelling.undo(visitor.id))}


@router.get("/guidelines", summary="What makes an answer good", response_model=shown.Guidelines)
def guidelines(web: WebOf, visitor: Labeler, language: Literal["en", "de"] = "en") -> Any:
    """Those that an admin wrote, as they are; else the usual ones in this language."""
    return {"markdown": web.store.settings.get("guidelines") or usual_guidelines(language)}


@router.get("/progress", summary="How far the tasks are", response_model=shown.LabelProgress)
def progress(web: WebOf, visitor: Labeler) -> Any:
    kinds = [
        {
            "kind": own.kind,
            "tasks": own.tasks,
            "open": own.open,
            "judgements": own.judgements,
            "wanted": own.wanted,
            "held": own.held,
            "seconds": own.seconds,
            "categories": {name: list(counts) for name, counts in own.by_category.items()},
        }
        for own in web.store.tasks.progress()
    ]
    return {
        "kinds": kinds,
        "mine": _mine(web, visitor.id),
        "coverage": web.store.tasks.coverage(),
        "categories": list(CATEGORIES),
        "flags": list(FLAGS),
    }


@router.get("/agreement", summary="How far labelers agree", response_model=shown.AgreementReport)
def agreement(
    web: WebOf, visitor: Labeler, kind: Literal["ranking", "answer_rating", "chat_rating"] = "ranking"
) -> Any:
    """Pairwise share, Kendall's tau, Krippendorff's alpha; by labeler for admins, of oneself for labelers."""
    found = agreement_in_store(web.store, kind)
    me = f"person-{visitor.id}"
    names = {f"person-{person.id}": person.name for person in web.store.people.all()}
    is_admin = visitor.role == "admin"
    labelers = [
        {
            **vars(own),
            "name": names.get(own.labeler) if is_admin or own.labeler == me else None,
            "is_me": own.labeler == me,
        }
        for own in found.labelers
        if is_admin or own.labeler == me
    ]
    return {**{name: value for name, value in vars(found).items() if name != "labelers"}, "labelers": labelers}


@cache
def usual_guidelines(language: str = "en") -> str:
    """The guidelines as they are until an admin writes others."""
    name = "guidelines.md" if language == "en" else f"guidelines.{language}.md"
    return resources.files("chatwright.serving.web").joinpath(name).read_text(encoding="utf-8")


def _mine(web: Web, person_id: int) -> dict[str, int]:
    from datetime import UTC, datetime

    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = web.store.feedback.rows(states=("waiting", "approved", "rejected"), consent=None, person_id=person_id)
    done = [row for row in rows if row.origin == "task" and row.kind != "flag"]
    return {"today": sum(row.created_at >= midnight for row in done), "total": len(done)}


def _task(task: HandedOut | None) -> dict[str, Any] | None:
    if task is None:
        return None
    return {
        "id": id_of(task.task_id),
        "kind": task.kind,
        "category": task.category,
        "brief": task.brief,
        "messages": [dict(message) for message in task.messages],
        "answers": list(task.answers),
        "draft": task.draft,
        "expires_at": time_of(task.expires_at),
        "flags": list(FLAGS) if task.kind == "rate_answer" else [],
        "submission": uuid4().hex,
    }

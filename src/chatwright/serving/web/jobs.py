"""Training by button: what there is to learn from, and jobs that learn.

In: which run to begin with.  Out: a queued job; its state and last lines. The work runs in processes of its own.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from chatwright.serving.schemas import Body
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.shapes import Number, id_of, time_of
from chatwright.serving.web.shown import running as shown
from chatwright.serving.web.training import (
    ENOUGH,
    accuracy_of,
    advice,
    check_there_is_something,
    find_run,
    known_feedback,
    prompts_of_job,
    source_of,
)
from chatwright.serving.web.visitors import Admin
from chatwright.store.jobs import Job

__all__ = ["router"]

router = APIRouter(prefix="/admin", tags=["admin"])


class NewJob(Body):
    kind: Literal["reward", "ppo", "loop"]
    run: str = Field(max_length=300)
    with_simulated: bool = True
    settings: dict[str, str | int | float | bool] = Field({}, max_length=100)
    submission: str | None = Field(None, min_length=1, max_length=64)


@router.get(
    "/training", summary="What there is to learn from, and what that has reached", response_model=shown.TrainingReport
)
def training(web: WebOf, visitor: Admin) -> Any:
    known = known_feedback(web.store)
    runs = web.runs.all()
    done = [job for job in web.store.jobs.all(state="done") if job.kind in ("reward", "loop")]
    reached = [(id_of(job.id), find_run(web.runs, job.folder)) for job in done]
    reached += [(None, run) for run in runs]  # what an earlier run reached, by whatever labels it had
    last = next(({"job": job, **found} for job, run in reached if run and (found := accuracy_of(run))), None)
    sources = [{"run": run.name, **has} for run in runs if (has := source_of(run))["sft"]]
    names = {f"person-{person.id}": person.name for person in web.store.people.all()}
    people = [
        {"labeler": labeler, "name": names.get(labeler), **vars(given)} for labeler, given in known.people.items()
    ]
    told = {"enough": ENOUGH, "advice": advice(known), "last": last, "sources": sources}
    return {**vars(known), "people": people, **told}


@router.post("/jobs", summary="Train on the store's rankings", response_model=shown.JobShown)
def start(body: NewJob, web: WebOf, visitor: Admin) -> Any:
    """reward: a reward model. ppo: with the run's reward model. loop: both, one after the other."""
    web.runs.get(body.run)
    check_there_is_something(body.kind, web.store, with_simulated=body.with_simulated)
    settings = {"run": body.run, "with_simulated": body.with_simulated, "settings": body.settings}
    job = web.store.jobs.add(
        body.kind, settings, requested_by=visitor.id, submission=body.submission, owner=web.supervisor.owner
    )
    web.supervisor.wake()
    return _job(web, job)


@router.get("/jobs", summary="Jobs, newest first", response_model=shown.Jobs)
def jobs(web: WebOf, visitor: Admin) -> Any:
    return {"jobs": [_job(web, job) for job in web.store.jobs.all()]}


@router.get("/jobs/{job}", summary="One job with its last lines", response_model=shown.JobWithLog)
def job(job: Number, web: WebOf, visitor: Admin) -> Any:
    found = web.store.jobs.get(job)
    return {**_job(web, found), "log": web.supervisor.log_of(found)}


@router.post("/jobs/{job}/cancel", summary="Stop a job", response_model=shown.JobShown)
def cancel(job: Number, web: WebOf, visitor: Admin) -> Any:
    return _job(web, web.supervisor.cancel(job))


def _job(web: Web, job: Job) -> dict[str, Any]:
    run = find_run(web.runs, job.folder) if job.folder else None
    return {
        "id": id_of(job.id),
        "kind": job.kind,
        "state": job.state,
        "settings": dict(job.settings),
        "run": None if run is None else run.name,
        "error": job.error,
        "prompts": prompts_of_job(job.folder),
        "created_at": time_of(job.created_at),
        "started_at": time_of(job.started_at),
        "finished_at": time_of(job.finished_at),
    }

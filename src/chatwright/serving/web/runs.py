"""Runs: what there is, live metrics, samples, reports, lineage; each served model by day; promote and roll back.

In: names of runs and stages.  Out: what their files say. A promotion gives a served name another model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from chatwright.errors import ArtefactError, InputError
from chatwright.evaluation.run_files import StageRecord
from chatwright.feedback.collected import RANKINGS
from chatwright.folders import model_folder
from chatwright.serving.errors import ApiError, not_found
from chatwright.serving.schemas import Body
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.refusals import declines
from chatwright.serving.web.shapes import id_of, time_of
from chatwright.serving.web.shown import plain
from chatwright.serving.web.shown import running as shown
from chatwright.serving.web.visitors import Admin, Labeler
from chatwright.serving.web.watching import LONGEST_SAMPLES, RunFolder, lineage, new_lines, state_of
from chatwright.store.jobs import Promotion

__all__ = ["router"]

router = APIRouter(tags=["runs"])
# A report is a file that somebody may have sent: no scripts, no address of ours, nothing from elsewhere.
REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


class Promoting(Body):
    model: str = Field(max_length=256)
    run: str = Field(max_length=300)
    stage: str = Field(max_length=300)
    note: str = Field("", max_length=2000)


@router.get("/runs", summary="Runs in the directories that this server watches", response_model=shown.Runs)
def runs(web: WebOf, visitor: Labeler) -> Any:
    return {"runs": [_summary(web, run) for run in web.runs.all()]}


@router.get("/runs/models/days", summary="Each served model by day", response_model=shown.ModelDays)
def days(web: WebOf, visitor: Labeler, days: int = Query(30, ge=1, le=366)) -> Any:
    """Requests and tokens of everybody; thumbs, scores and refusals of answers in chats.

    A refusal is an answer that a moderator held back, or that opens like one ("I would rather not help with that").
    """
    since = datetime.now(UTC) - timedelta(days=days - 1)
    rows: dict[tuple[str, str], dict[str, Any]] = {}

    def row(day: Any, model: str) -> dict[str, Any]:
        empty = {"requests": 0, "tokens_in": 0, "tokens_out": 0, "up": 0, "down": 0, "refusals": 0, "scores": []}
        return rows.setdefault((str(day), model), {"day": str(day), "model": model, **empty})

    for spent in web.store.usage.sums(by=("day", "model"), since=since.date(), kind="use"):
        own = row(spent.day, spent.model or "")
        own |= {"requests": spent.requests, "tokens_in": spent.tokens_in, "tokens_out": spent.tokens_out}
    for thumbs in web.store.feedback.thumbs(since=since):
        row(thumbs.day, thumbs.model).update(up=thumbs.up, down=thumbs.down)
    for answer in web.store.answers.since(since, declines):
        own = row(answer.created_at.date(), answer.model)
        own["refusals"] += answer.declined or answer.finish_reason == "content_filter"
        if answer.score is not None:
            own["scores"].append(answer.score)
    for own in rows.values():
        scores = own.pop("scores")
        own["reward_score"] = sum(scores) / len(scores) if scores else None
    return {"days": sorted(rows.values(), key=lambda own: (own["day"], own["model"]))}


@router.get("/runs/{run}", summary="One run: stages, receipts, lineage", response_model=shown.Run)
def one_run(run: str, web: WebOf, visitor: Labeler) -> Any:
    found = web.runs.get(run)
    stages = found.stages
    return {
        "name": found.name,
        "folder": found.folder.as_posix(),
        "recipe": found.recipe or None,
        "state": found.state,
        "summary": found.summary,
        "has_report": (found.folder / "report.html").is_file(),
        "stages": [_stage(web, found, stage) for stage in stages],
        "lineage": lineage(found, web.runs.all()),
    }


@router.get("/runs/{run}/report.html", summary="The report of a run", response_class=Response, responses=plain.HTML)
def report(run: str, web: WebOf, visitor: Labeler) -> Response:
    """Sandboxed: nothing in it runs."""
    path = web.runs.get(run).folder / "report.html"
    if path.is_symlink() or not path.is_file():
        raise not_found("This run has no report yet.", "not_found")
    headers = {"content-security-policy": REPORT_POLICY, "x-content-type-options": "nosniff"}
    return Response(path.read_bytes(), headers=headers, media_type="text/html; charset=utf-8")


@router.get("/runs/{run}/{stage}/metrics", summary="What a stage has measured since", response_model=shown.MetricRows)
def metrics(
    run: str,
    stage: str,
    web: WebOf,
    visitor: Labeler,
    after: int = Query(0, ge=0, le=10**9),
    limit: int = Query(2000, ge=1, le=10_000),
) -> Any:
    """Lines of metrics.jsonl from number `after` on; ask again with `next`."""
    found = web.runs.get(run).stage(stage)
    lines = new_lines(found.folder / "metrics.jsonl", after, limit)
    return {"rows": lines.rows, "next": lines.next, "state": state_of(found)}


@router.get("/runs/{run}/{stage}/samples", summary="What the model of a stage wrote", response_model=shown.Samples)
def samples(run: str, stage: str, web: WebOf, visitor: Labeler) -> Any:
    path = web.runs.get(run).stage(stage).folder / "samples.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return {"markdown": text[-LONGEST_SAMPLES:]}


@router.get("/promotions", summary="Which folder answers under which name", response_model=shown.Promotions)
def promotions(web: WebOf, visitor: Labeler) -> Any:
    current = {model: _promotion(web, found) for model, found in web.store.promotions.current().items()}
    return {"current": current, "history": [_promotion(web, found) for found in web.store.promotions.all()]}


@router.post("/promotions", summary="Let a served name answer with another model", response_model=shown.PromotionShown)
def promote(body: Promoting, web: WebOf, visitor: Admin) -> Any:
    """The model is loaded first; what runs on the one before is still finished by it."""
    stage = web.runs.get(body.run).stage(body.stage)
    try:
        folder = model_folder(stage.folder)
        web.shelf.put(body.model, folder)
    except ArtefactError as error:
        raise ApiError(f"{error}.", param="stage", code="no_model") from None
    note = body.note or f"{body.run}/{body.stage}"
    made = web.store.promotions.promote(body.model, folder.as_posix(), by=visitor.id, note=note)
    return _promotion(web, made)


@router.post(
    "/promotions/{model:path}/rollback", summary="Take the last promotion back", response_model=shown.RolledBack
)
def roll_back(model: str, web: WebOf, visitor: Admin) -> Any:
    """`folder` is null where the name answers again with what serve was started with."""
    live = [found for found in web.store.promotions.all(model) if found.rolled_back_at is None]
    first = web.shelf.first_folder(model)
    before = Path(live[1].folder) if len(live) > 1 else first
    if live and before is None:
        raise InputError(f"what {model!r} was at first lies in no folder; start the server anew instead")
    if live and before is not None:
        web.shelf.put(model, before)  # first: what cannot be loaded must not be rolled back to
    now = web.store.promotions.roll_back(model)
    return {"model": model, "folder": None if now is None else now.folder}


def _summary(web: Web, run: RunFolder) -> dict[str, Any]:
    stages = run.stages
    return {
        "name": run.name,
        "folder": run.folder.as_posix(),
        "recipe": run.recipe or None,
        "state": run.state,
        "started_at": min((found for stage in stages if (found := _started(stage))), default=None),
        "finished_at": _finished(run),
        "stages": [
            {
                "name": stage.name,
                "kind": stage.kind,
                "complete": stage.complete,
                "has_rankings": stage.kind == "collect" and (stage.folder / RANKINGS).is_file(),
            }
            for stage in stages
        ],
        "served": [stage.name for stage in stages if _served_as(web, stage)],
    }


def _stage(web: Web, run: RunFolder, stage: StageRecord) -> dict[str, Any]:
    own = {str(hash_): other.name for other in run.stages if (hash_ := _results(other))}
    parents: Mapping[str, Any] = stage.origin.get("parents") or {}
    lines = new_lines(stage.folder / "metrics.jsonl", 0, 10**9).rows
    keys = dict.fromkeys(key for line in lines[:1] + lines[-5:] for key in line)
    return {
        "name": stage.name,
        "kind": stage.kind,
        "state": state_of(stage),
        "started_at": _started(stage),
        "config": dict(stage.config),
        "receipt": dict(stage.receipt) or None,
        "seed": stage.origin.get("seed"),
        "parents": {role: own.get(str(found)) for role, found in parents.items()},
        "has_samples": (stage.folder / "samples.md").is_file(),
        "metrics": list(keys),
        "served_as": _served_as(web, stage),
    }


def _results(stage: StageRecord) -> str | None:
    from chatwright.disk import read_json

    done = stage.folder / "done.json"
    return str(read_json(done).get("results")) if done.is_file() else None


def _served_as(web: Web, stage: StageRecord) -> list[str]:
    model = (stage.folder / "model").resolve()
    return [name for name in web.shelf if (folder := web.shelf.folder(name)) and folder.resolve() == model]


def _started(stage: StageRecord) -> str | None:
    found = stage.origin.get("started_at")
    return str(found) if found else None


def _finished(run: RunFolder) -> str | None:
    path = run.folder / "summary.json"
    return time_of(datetime.fromtimestamp(path.stat().st_mtime, UTC)) if path.is_file() else None


def _promotion(web: Web, found: Promotion) -> dict[str, Any]:
    return {
        "id": id_of(found.id),
        "model": found.model,
        "folder": found.folder,
        "note": found.note,
        "by": id_of(found.promoted_by),
        "promoted_at": time_of(found.promoted_at),
        "rolled_back_at": time_of(found.rolled_back_at),
    }

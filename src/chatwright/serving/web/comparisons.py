"""Blind comparisons: two models answer the same prompts, people choose without knowing which is whose.

In: two models, served or in a run's stage.  Out: pairs to judge; for admins the win rate with its interval.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from chatwright.errors import ConflictError, InputError
from chatwright.evaluation.preference import win_rate_of
from chatwright.folders import model_folder
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.generation.speaker import Request, Speaker
from chatwright.serving.answering import Answers, Tally
from chatwright.serving.schemas import Body
from chatwright.serving.service import Asking, AskingOf
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.shapes import Number, id_of, time_of
from chatwright.serving.web.shelf import retire
from chatwright.serving.web.shown import plain
from chatwright.serving.web.shown import running as shown
from chatwright.serving.web.unseen import GIVEN, KNOWN_AS, Asked, prompts_to_compare
from chatwright.serving.web.visitors import Admin, Chatter
from chatwright.store.comparisons import Comparison
from chatwright.text.conversation import Conversation

__all__ = ["router"]

router = APIRouter(prefix="/comparisons", tags=["comparisons"])
MOST_PAIRS = 200


class InRun(Body):
    run: str
    stage: str


class NewComparison(Body):
    """Without prompts: the fairest that there are, of the tasks to rank and of the runs' own tests (`unseen.py`)."""

    name: str = Field("", max_length=200)
    model_a: str | InRun
    model_b: str | InRun
    prompts: list[list[dict[str, str]]] | None = Field(None, max_length=MOST_PAIRS)
    count: int = Field(20, ge=1, le=MOST_PAIRS)
    max_tokens: int = Field(64, ge=1, le=4096)
    temperature: float = Field(0.7, ge=0, le=2)
    seed: int | None = Field(None, ge=0, lt=2**62)


class Vote(Body):
    vote: Literal["left", "right", "tie", "both_bad"]


@router.post("", summary="Let two models answer the same prompts", response_model=shown.ComparisonForAdmin)
async def start(body: NewComparison, asking: AskingOf, web: WebOf, visitor: Admin) -> Any:
    """Answers come now, so this takes a while; models of runs are loaded for it and let go of."""
    asked = await asyncio.to_thread(_prompts, web, body)
    prompts = [each.prompt for each in asked]
    seed = secrets.randbits(60) if body.seed is None else body.seed
    names, answers = [], []
    async with AsyncExitStack() as stack:
        for number, chosen in enumerate((body.model_a, body.model_b)):
            name, speaker = await _speaker(asking, web, chosen, stack)
            names.append(name)
            answers.append(await _answers(speaker, prompts, body, seed + number * 2**20))
    pairs = [(prompt.to_dicts(), a, b) for prompt, a, b in zip(prompts, *answers, strict=True)]
    made = await asyncio.to_thread(
        lambda: web.store.comparisons.start(
            body.name or f"{names[0]} and {names[1]}",
            names[0],
            names[1],
            pairs,
            created_by=visitor.id,
            known_as=[each.known_as for each in asked],
        )
    )
    return _shown(web, made, visitor.id, with_models=True)


@router.get("", summary="Comparisons, newest first", response_model=shown.Comparisons)
def comparisons(web: WebOf, visitor: Chatter) -> Any:
    is_admin = visitor.role == "admin"
    return {
        "comparisons": [
            _shown(web, each, visitor.id, with_models=is_admin)
            for each in web.store.comparisons.all()
            if is_admin or each.closed_at is None
        ]
    }


@router.post("/{comparison}/next", summary="The next pair to judge", response_model=shown.NextPair)
def next_pair(comparison: Number, web: WebOf, visitor: Chatter) -> Any:
    pair = web.store.comparisons.next(comparison, visitor.id)
    if pair is None:
        return {"pair": None}
    prompt = [dict(message) for message in pair.prompt]
    return {"pair": {"id": id_of(pair.pair_id), "prompt": prompt, "left": pair.left, "right": pair.right}}


@router.post("/pairs/{pair}/vote", summary="Say which answer is better", response_model=plain.Nothing)
def vote(pair: Number, body: Vote, web: WebOf, visitor: Chatter) -> Any:
    web.store.comparisons.vote(pair, visitor.id, body.vote)
    return {}


@router.get("/{comparison}/result", summary="Win rate with its interval", response_model=shown.ComparisonResult)
def result(comparison: Number, web: WebOf, visitor: Admin) -> Any:
    """Of model a; ties and "both bad" count half. The interval (95%) resamples prompts."""
    found, tally = web.store.comparisons.get(comparison), web.store.comparisons.tally(comparison)
    rate = win_rate_of(tally.outcomes, tally.clusters) if tally.outcomes else None
    return {
        "model_a": found.model_a,
        "model_b": found.model_b,
        "pairs": tally.pairs,
        "votes": len(tally.outcomes),
        "wins": tally.wins,
        "losses": tally.losses,
        "ties": tally.ties,
        "both_bad": tally.both_bad,
        "left_share": tally.left_share,
        "win_rate": None if rate is None else rate.value,
        "interval": None if rate is None else [rate.low, rate.high],
    }


@router.post("/{comparison}/close", summary="Take no further votes", response_model=plain.Nothing)
def close(comparison: Number, web: WebOf, visitor: Admin) -> Any:
    web.store.comparisons.close(comparison)
    return {}


async def _speaker(asking: Asking, web: Web, chosen: str | InRun, stack: AsyncExitStack) -> tuple[str, Speaker]:
    if isinstance(chosen, str):
        speaker = asking.speaker(chosen)
        name = chosen
    else:
        stage = web.runs.get(chosen.run).stage(chosen.stage)
        speaker = await asyncio.to_thread(lambda: web.shelf.speaker_of(model_folder(stage.folder)))
        stack.callback(retire, speaker)
        name = f"{chosen.run}/{chosen.stage}"
    if not speaker.is_chat:
        raise ConflictError(
            f"{name} continues texts and does not answer; compare models that hold conversations",
            code="no_chat_template",
        )
    return name, speaker


def _prompts(web: Web, body: NewComparison) -> list[Asked]:
    if body.prompts is None:
        folders = [_folder(web, chosen) for chosen in (body.model_a, body.model_b)]
        asked = prompts_to_compare(web.store, web.runs, folders, body.count, secrets.SystemRandom())
    else:
        given = [Conversation.from_messages(one, where="a prompt to compare answers to") for one in body.prompts]
        asked = [Asked(prompt, GIVEN) for prompt in given if prompt.last.role == "user"][: body.count]
    if not asked:
        raise InputError(
            "there is no prompt to compare answers to; give some, or queue tasks to rank", code="no_prompts"
        )
    return asked


def _folder(web: Web, chosen: str | InRun) -> Path | None:
    """Where a model lies; None for one that came without a folder."""
    return web.shelf.folder(chosen) if isinstance(chosen, str) else web.runs.get(chosen.run).stage(chosen.stage).folder


async def _answers(speaker: Speaker, prompts: Sequence[Conversation], body: NewComparison, seed: int) -> list[str]:
    sampling = Sampling(temperature=body.temperature, max_tokens=body.max_tokens)
    requests = [
        Request(conversation=prompt, sampling=sampling, seed=own)
        for prompt, own in zip(prompts, seeds_of(seed, len(prompts)), strict=True)
    ]
    said = [""] * len(requests)
    answers = Answers(speaker, requests, Tally(0))
    answers.start()
    try:
        async for arrival in answers.pieces():
            if arrival is not None:
                said[arrival[0]] += arrival[1].text
    finally:
        answers.close()
    return said


def _shown(web: Web, comparison: Comparison, person_id: int, *, with_models: bool) -> dict[str, Any]:
    tally = web.store.comparisons.tally(comparison.id)
    told: dict[str, Any] = {
        "id": id_of(comparison.id),
        "name": comparison.name if with_models else f"Comparison {comparison.id}",  # the name may hold the models'
        "pairs": tally.pairs,
        "voted": web.store.comparisons.voted(comparison.id, person_id),
        "closed": comparison.closed_at is not None,
        "created_at": time_of(comparison.created_at),
    }
    if with_models:
        known = web.store.comparisons.known_as(comparison.id)
        told |= {
            "model_a": comparison.model_a,
            "model_b": comparison.model_b,
            "votes": len(tally.outcomes),
            "left_out": comparison.left_out,
            "prompts": {name: known.get(name, 0) for name in (*KNOWN_AS, GIVEN)},
        }
    return told

"""POST /v1/moderations: what the moderator says of texts; 404 until one is configured."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from fastapi import APIRouter

from chatwright.serving.asking import text_of
from chatwright.serving.errors import ApiError, not_found
from chatwright.serving.moderating import check
from chatwright.serving.schemas import ModerationBody
from chatwright.serving.service import AskingOf
from chatwright.text.conversation import Conversation

__all__ = ["router"]

router = APIRouter()


@router.post("/moderations", summary="Judge texts")
async def moderations(body: ModerationBody, asking: AskingOf) -> Any:
    """OpenAI's moderations, with the categories that the configured moderator knows."""
    service = asking.service
    if service.moderator is None:
        raise not_found(
            "No moderator is configured on this server; text is neither judged nor held back.",
            "moderation_not_configured",
        )
    given = body.input
    parts: list[Any] = [given] if isinstance(given, str) else list(given)
    texts = [own if isinstance(own, str) else text_of([own], f"input.{place}") for place, own in enumerate(parts)]
    if not texts:
        raise ApiError("input is empty; give at least one text.", param="input", code="empty_array")
    if len(texts) > service.settings.max_inputs:
        raise ApiError(f"input has {len(texts)} entries; the limit is {service.settings.max_inputs}.", param="input")
    results = []
    for text in texts:
        verdict = await check(service.moderator, Conversation.of(text), "user")
        scores = {name: float(score) for name, score in verdict.categories.items()}
        results.append(
            {
                "flagged": not verdict.allowed,
                "categories": {name: score >= 0.5 for name, score in scores.items()},
                "category_scores": scores,
                "category_applied_input_types": {name: ["text"] for name in scores},
            }
        )
    return {"id": f"modr-{uuid4().hex}", "model": body.model or "chatwright-moderator", "results": results}

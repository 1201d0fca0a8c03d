"""POST /v1/embeddings: texts as vectors, the mean of the model's last layer, of length 1."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Response

from chatwright.generation.speaker import Speaker
from chatwright.serving.answering import Tally
from chatwright.serving.asking import prompt_tokens, prompts_of
from chatwright.serving.errors import ApiError
from chatwright.serving.schemas import EmbeddingBody
from chatwright.serving.service import AskingOf
from chatwright.serving.streaming import unless_gone

__all__ = ["router"]

router = APIRouter()
AT_ONCE = 32
"""Texts per call of the model: between two calls, other requests get their turn."""


@router.post("/embeddings", summary="Turn texts into vectors")
async def embeddings(body: EmbeddingBody, asking: AskingOf) -> Any:
    """OpenAI's embeddings, as floats or base64 (little-endian float32)."""
    service, speaker = asking.service, asking.speaker(body.model)
    if body.encoding_format not in (None, "float", "base64"):
        raise ApiError("encoding_format must be float or base64.", param="encoding_format", code="invalid_value")
    given = [body.input] if isinstance(body.input, str) else body.input
    texts = prompts_of(given) if given else []
    if not texts or "" in texts:
        raise ApiError("input is empty; give at least one text that is not.", param="input", code="empty_array")
    if len(texts) > service.settings.max_inputs:
        raise ApiError(
            f"input has {len(texts)} entries; the limit is {service.settings.max_inputs}.",
            param="input",
            code="too_many",
        )
    tokens = [await prompt_tokens(speaker, text, "input", room=0) for text in texts]
    await service.ledger.check(asking.caller)
    tally = Tally(sum(map(len, tokens)))
    with service.counting(asking.caller, body.model, tally):
        vectors = await unless_gone(asking.request.receive, _vectors(speaker, tokens))
    if vectors is None:
        return Response(status_code=499)
    if body.dimensions not in (None, len(vectors[0])):
        raise ApiError(
            f"dimensions is {body.dimensions}; the vectors of this model have {len(vectors[0])}, and a part of one "
            f"means little.",
            param="dimensions",
            code="invalid_value",
        )
    is_packed = body.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": number, "embedding": _packed(vector) if is_packed else vector}
        for number, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tally.prompt_tokens, "total_tokens": tally.prompt_tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


async def _vectors(speaker: Speaker, tokens: Sequence[tuple[int, ...]]) -> list[list[float]]:
    found: list[list[float]] = []
    for first in range(0, len(tokens), AT_ONCE):
        found += await asyncio.to_thread(speaker.embed, tokens[first : first + AT_ONCE])
    return found


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()

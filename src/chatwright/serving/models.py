"""GET /v1/models: which models there are, and what they are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from chatwright.serving.service import Asking, AskingOf

__all__ = ["router"]

router = APIRouter()


@router.get("/models", summary="List the models")
async def models(asking: AskingOf) -> Any:
    """The models that the caller may use. `kind` tells chat from text models: those only continue."""
    return {"object": "list", "data": [_shown(asking, name) for name in asking.service.models if _may(asking, name)]}


@router.get("/models/{model:path}", summary="Describe one model")
async def model(model: str, asking: AskingOf) -> Any:
    asking.speaker(model)
    return _shown(asking, model)


def _may(asking: Asking, name: str) -> bool:
    return asking.caller.may_use(name)


def _shown(asking: Asking, name: str) -> dict[str, Any]:
    speaker, card = asking.speaker(name), asking.service.card(name)
    return {
        "id": name,
        "object": "model",
        "created": card.created,
        "owned_by": "chatwright",
        "max_model_len": speaker.context,
        "kind": "chat" if speaker.is_chat else "text",
        "stage": card.stage or None,
    }

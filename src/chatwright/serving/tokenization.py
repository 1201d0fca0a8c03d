"""POST /tokenize, POST /detokenize, GET /tokenizer_info, as vLLM has them: harnesses need no tokenizer of their own."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter

from chatwright.serving.asking import conversation_of
from chatwright.serving.errors import ApiError
from chatwright.serving.logprobs import shown_token
from chatwright.serving.schemas import DetokenizeBody, TokenizeBody
from chatwright.serving.service import AskingOf
from chatwright.text.conversation import render
from chatwright.text.tokenizer import Tokenizer

__all__ = ["router"]

router = APIRouter()


@router.post("/tokenize", summary="Split a text or a conversation into tokens")
async def tokenize(body: TokenizeBody, asking: AskingOf) -> Any:
    """The ids of a text, or of a conversation up to where its answer begins.

    A text that is nothing but the name of a control token, such as the eos_token of /tokenizer_info, gives its id:
    that is how harnesses ask for it. In any longer text it is plain text.
    """
    name = asking.service.named(body.model, asking.caller)
    speaker = asking.speaker(name)
    tokenizer = speaker.tokenizer
    if (body.prompt is None) == (body.messages is None):
        raise ApiError("Give either prompt or messages.", param="prompt")
    if body.messages is not None:
        conversation = conversation_of(body.messages, speaker, name)
        tokens = (await asyncio.to_thread(render, conversation, tokenizer, answer=True)).tokens
    else:
        assert body.prompt is not None
        control = _control(tokenizer, body.prompt)
        tokens = await asyncio.to_thread(tokenizer.encode, body.prompt) if control is None else [control]
        if body.add_special_tokens is not False and control is None:
            tokens = [*tokenizer.opening, *tokens]
    strings = [shown_token(tokenizer, token) for token in tokens] if body.return_token_strs else None
    return {"count": len(tokens), "max_model_len": speaker.context, "tokens": tokens, "token_strs": strings}


@router.post("/detokenize", summary="Turn tokens back into text")
async def detokenize(body: DetokenizeBody, asking: AskingOf) -> Any:
    tokenizer = asking.speaker(asking.service.named(body.model, asking.caller)).tokenizer
    if any(not 0 <= token < tokenizer.size for token in body.tokens):
        raise ApiError(
            f"tokens holds an id that is not there; this model's ids are 0 to {tokenizer.size - 1}.",
            param="tokens",
            code="invalid_value",
        )
    return {"prompt": await asyncio.to_thread(tokenizer.decode, body.tokens)}


@router.get("/tokenizer_info", summary="Describe the tokenizer")
async def tokenizer_info(asking: AskingOf, model: str | None = None) -> Any:
    """Names of the control tokens, as harnesses look for them."""
    speaker = asking.speaker(asking.service.named(model, asking.caller))
    tokenizer = speaker.tokenizer
    return {
        "tokenizer_class": "chatwright",
        "bos_token": tokenizer.name(tokenizer.begin),
        "eos_token": tokenizer.name(tokenizer.end),
        "pad_token": tokenizer.name(tokenizer.pad),
        "vocab_size": tokenizer.size,
        "model_max_length": speaker.context,
        "add_bos_token": bool(tokenizer.opening),
    }


def _control(tokenizer: Tokenizer, text: str) -> int | None:
    """The id of the begin, end or padding token whose name a text is."""
    own = (tokenizer.begin, tokenizer.end, tokenizer.pad)
    return next((token for token in own if tokenizer.name(token) == text), None)

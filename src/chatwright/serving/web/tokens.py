"""Tokens of a text with their bytes and places, and the merges that build one token.

In: a model's name, a text or an id.  Out: what its tokenizer does.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Path
from pydantic import Field

from chatwright.serving.errors import not_found
from chatwright.serving.schemas import Body
from chatwright.serving.service import AskingOf
from chatwright.serving.web.shown import inside as shown
from chatwright.serving.web.visitors import Chatter
from chatwright.text.tokenizer import Tokenizer
from chatwright.text.vocabulary import describe, merge_path

__all__ = ["named", "router"]

router = APIRouter(tags=["tokens"])


class Text(Body):
    model: str = Field(max_length=256)
    text: str = Field(max_length=200_000)


@router.post("/tokens", summary="Split a text into tokens", response_model=shown.TokenList)
def tokens(body: Text, asking: AskingOf, visitor: Chatter) -> Any:
    """Places count characters. A token that is not whole letters shows U+FFFD for the parts."""
    tokenizer = asking.speaker(body.model).tokenizer
    found = [
        {**named(tokenizer, span.id, span.bytes), "start": span.start, "end": span.end}
        for span in tokenizer.spans(body.text)
    ]
    return {"model": body.model, "tokens": found, "size": tokenizer.size}


@router.get("/tokens/{model:path}/{token}", summary="How a token is built", response_model=shown.TokenMerges)
def token(model: str, asking: AskingOf, visitor: Chatter, token: int = Path(ge=0, lt=2**31)) -> Any:
    """Merges in the order in which encoding does them; none for bytes, control tokens and words that are looked up."""
    tokenizer = asking.speaker(model).tokenizer
    if token >= tokenizer.size:
        raise not_found(f"There is no token {token}; this model's ids are 0 to {tokenizer.size - 1}.", "not_found")
    ids, ranks = _merges(tokenizer)
    steps = [
        {
            "rank": ranks.get((left, right)),
            "left": _part(left, ids),
            "right": _part(right, ids),
            "result": _part(left + right, ids),
        }
        for left, right in merge_path(tokenizer, token)
    ]
    return {**named(tokenizer, token), "steps": steps, "count": None}


def named(tokenizer: Tokenizer, token: int, content: bytes | None = None) -> dict[str, Any]:
    """A token with its bytes (base64) and its text, or its name if it is a control token."""
    content = tokenizer.pieces[token] if content is None else content
    is_control = token in tokenizer.control_ids
    text = tokenizer.name(token) if is_control else content.decode("utf-8", errors="replace")
    return {"id": token, "bytes": base64.b64encode(content).decode(), "text": text, "control": is_control}


def _part(content: bytes, ids: dict[bytes, int]) -> dict[str, Any]:
    told = {"bytes": base64.b64encode(content).decode(), "text": content.decode("utf-8", errors="replace")}
    return {**told, "id": ids[content]} if content in ids else told


@lru_cache(maxsize=8)
def _merges(tokenizer: Tokenizer) -> tuple[dict[bytes, int], dict[tuple[bytes, bytes], int]]:
    """Ids of pieces, and ranks of merges, by their bytes."""
    ids = {piece: token for token, piece in reversed(list(enumerate(tokenizer.pieces))) if piece}
    ranks: dict[tuple[bytes, bytes], int] = {}
    bytes_of = tokenizer.spelling.bytes_of
    for rank, (left, right) in enumerate(describe(tokenizer).merges):
        ranks.setdefault((bytes_of(left), bytes_of(right)), rank)
    return ids, ranks

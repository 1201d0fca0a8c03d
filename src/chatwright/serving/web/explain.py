"""A look inside a model: attention, logit lens, next tokens, attribution, ablation, embeddings.

In: a text, or a conversation with its answer.  Out: an id, then one look at a time; matrices as bytes, rest as JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from chatwright.errors import InputError
from chatwright.generation.speaker import Speaker
from chatwright.serving.errors import ApiError
from chatwright.serving.schemas import Body, ChatMessage
from chatwright.serving.service import AskingOf
from chatwright.serving.web.inside import Opened
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.shown import inside as shown
from chatwright.serving.web.shown import plain
from chatwright.serving.web.tokens import named
from chatwright.serving.web.visitors import Chatter, Visitor
from chatwright.text.conversation import Conversation, render
from chatwright.text.tokenizer import Tokenizer

__all__ = ["router"]

router = APIRouter(prefix="/explain", tags=["explain"])
Result = TypeVar("Result")
Place = Annotated[int, Path(ge=0, lt=2**31)]
Top = Annotated[int, Query(ge=1, le=100)]
MOST_TOKENS = 256


class Opening(Body):
    model: str = Field(max_length=256)
    text: str | None = Field(None, max_length=20_000)
    messages: list[ChatMessage] | None = Field(None, max_length=200)
    answer: str | None = Field(None, max_length=20_000)


class Attributing(Body):
    method: Literal["occlusion", "gradient"]
    target: int | None = None
    position: int = -1


class Ablating(Body):
    layer: int | None = None
    heads: list[int] = Field([], max_length=1000)
    off: list[list[int]] = Field([], max_length=4000)
    k: int = Field(20, ge=1, le=100)


@router.post("/open", summary="Open a text to look into", response_model=shown.OpenedText)
async def open_text(body: Opening, asking: AskingOf, web: WebOf, visitor: Chatter) -> Any:
    """Give `text`, or `messages` and perhaps the `answer` to them. At most 256 tokens."""
    speaker = asking.speaker(body.model)
    tokens, pieces = await asyncio.to_thread(_tokens, body, speaker)
    most = min(MOST_TOKENS, speaker.context)
    if len(tokens) > most:
        raise ApiError(
            f"This text has {len(tokens)} tokens; a look inside takes at most {most}. Shorten it.",
            code="too_long",
            param="text" if body.text is not None else "messages",
        )
    try:
        opened = await web.quiet.run(lambda: web.inside.open(visitor.id, body.model, tokens, pieces))
    except InputError as error:
        raise ApiError(f"{error}.".capitalize(), code="not_explainable", param="model") from None
    config = opened.trace.config
    return {
        "id": opened.id,
        "model": body.model,
        "layers": config.layers,
        "heads": config.heads,
        "kv_heads": config.kv_heads,
        "length": len(tokens),
        "width": config.width,
        "positions": config.positions,
        "windows": [config.window(layer) for layer in range(config.layers)],
        "tokens": pieces,
    }


@router.get(
    "/{opened}/attention/{layer}",
    summary="Attention weights of a layer",
    response_class=Response,
    responses=plain.BYTES,
)
async def attention(opened: str, layer: Place, web: WebOf, visitor: Chatter) -> Response:
    """uint8 [heads, T, T], row by row; 255 is a weight of 1. The header x-shape says how many of each."""
    from chatwright.explaining.reading import attention_bytes

    text = web.inside.get(visitor.id, opened)
    content = await web.quiet.run(lambda: attention_bytes(text.trace, layer))
    heads, length = text.trace.config.heads, len(text.trace)
    return _binary(content, f"{heads},{length},{length}", **{"x-layer": str(layer), "x-heads": str(heads)})


@router.get(
    "/{opened}/position/{layer}/{head}/{token}",
    summary="One token's attention in numbers",
    response_model=shown.PositionShown,
)
async def position(opened: str, layer: Place, head: Place, token: Place, web: WebOf, visitor: Chatter) -> Any:
    """Query and keys, their products, the scale, what is masked, and the softmax."""
    from chatwright.explaining.reading import position_look

    look = await _read(web, visitor, opened, lambda text: position_look(text.trace, layer, head, token))
    return {"layer": layer, "head": head, "token": token, **vars(look)}


@router.get("/{opened}/lens", summary="What each layer would say", response_model=shown.Lens)
async def lens(
    opened: str, asking: AskingOf, web: WebOf, visitor: Chatter, k: Annotated[int, Query(ge=1, le=20)] = 5
) -> Any:
    """The logit lens: the likeliest tokens by layer (0: the embedding) and place."""
    from chatwright.explaining.reading import lens as read_lens

    text = web.inside.get(visitor.id, opened)
    tokenizer = asking.speaker(text.model).tokenizer
    layers = await web.quiet.run(lambda: read_lens(text.trace, top=k))
    names: dict[int, str] = {}

    def likely(each: Any) -> dict[str, Any]:
        if each.token not in names:
            names[each.token] = _text(tokenizer, each.token)
        return {"id": each.token, "text": names[each.token], "p": round(each.probability, 5)}

    return {
        "layers": [
            {"layer": number, "positions": [[likely(each) for each in place] for place in layer]}
            for number, layer in enumerate(layers)
        ]
    }


@router.get("/{opened}/next", summary="What may come next", response_model=shown.NextTokens)
async def next_token(
    opened: str,
    asking: AskingOf,
    web: WebOf,
    visitor: Chatter,
    k: Top = 20,
    temperature: Annotated[float, Query(gt=0, le=100)] = 1.0,
    position: int = -1,
) -> Any:
    """The distribution after the token at `position`; the last one by default. Entropy in bits."""
    from chatwright.explaining.reading import next_tokens

    text = web.inside.get(visitor.id, opened)
    found = await web.quiet.run(lambda: next_tokens(text.trace, top=k, temperature=temperature, position=position))
    return {"position": position % len(text.trace), **_distribution(asking.speaker(text.model).tokenizer, found)}


@router.post("/{opened}/attribution", summary="Which tokens speak for the next one", response_model=shown.Attribution)
async def attribution(opened: str, body: Attributing, asking: AskingOf, web: WebOf, visitor: Chatter) -> Any:
    """Occlusion: by how much the log-probability falls without a token. Gradient: input times gradient."""
    from chatwright.explaining.reading import attribution as attribute

    text = web.inside.get(visitor.id, opened)
    target, logp, scores = await web.quiet.run(
        lambda: attribute(text.trace, body.method, target=body.target, position=body.position)
    )
    aim = {"id": target, "text": _text(asking.speaker(text.model).tokenizer, target)}
    place = body.position % len(text.trace)
    return {"method": body.method, "target": aim, "position": place, "scores": scores, "logp": logp}


@router.post("/{opened}/ablation", summary="Next tokens with some heads off", response_model=shown.AblationShown)
async def ablation(opened: str, body: Ablating, asking: AskingOf, web: WebOf, visitor: Chatter) -> Any:
    """`layer` and `heads`, or `off` as a list of [layer, head]. Recomputes what comes after the first of them."""
    from chatwright.explaining.reading import ablation as ablate

    text = web.inside.get(visitor.id, opened)
    off = _off(body)
    found = await web.quiet.run(lambda: ablate(text.trace, off, top=body.k))
    tokenizer = asking.speaker(text.model).tokenizer
    return {"on": _distribution(tokenizer, found.on), "off": _distribution(tokenizer, found.off), "kl": found.kl}


@router.get("/{model:path}/neighbours/{token}", summary="Tokens with alike embeddings", response_model=shown.Neighbours)
async def neighbours(model: str, token: Place, asking: AskingOf, web: WebOf, visitor: Chatter, k: Top = 10) -> Any:
    from chatwright.explaining.embeddings import neighbours as nearest

    tokenizer = asking.speaker(model).tokenizer
    found = await web.quiet.run(lambda: nearest(web.inside.model(model), token, top=k))
    near = [{**_named(tokenizer, other), "similarity": cosine} for other, cosine in found]
    return {"token": _named(tokenizer, token), "neighbours": near}


@router.get("/{model:path}/map", summary="All tokens as points", response_class=Response, responses=plain.BYTES)
async def embedding_map(model: str, asking: AskingOf, web: WebOf, visitor: Chatter) -> Response:
    """float32, little-endian [V, 2]: the two principal components of the embeddings."""
    asking.speaker(model)
    found = await web.quiet.run(lambda: web.inside.map(model))
    share = ",".join(f"{value:.4f}" for value in found.explained)
    return _binary(found.points, f"{found.size},2", **{"x-explained": share})


@router.get("/{model:path}/tokens", summary="Names of tokens", response_model=shown.NamedTokens)
def token_names(model: str, asking: AskingOf, visitor: Chatter, ids: Annotated[str, Query(max_length=6000)]) -> Any:
    """`ids`: up to 500 numbers with commas between them."""
    tokenizer = asking.speaker(model).tokenizer
    wanted = [part.strip() for part in ids.split(",")][:500]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in wanted):
        raise ApiError("ids must be numbers with commas between them.", param="ids", code="invalid_value")
    return {"tokens": [_named(tokenizer, int(part)) for part in wanted]}


@router.get("/{model:path}/positions", summary="How alike positions are", response_model=shown.PositionsShown)
async def positions(model: str, asking: AskingOf, web: WebOf, visitor: Chatter) -> Any:
    """Learned positions: cosines of their vectors. Rotary: what two turns leave of a product."""
    from chatwright.explaining.embeddings import positions as compare

    asking.speaker(model)
    return vars(await web.quiet.run(lambda: compare(web.inside.model(model))))


async def _read(web: Web, visitor: Visitor, opened: str, work: Callable[[Opened], Result]) -> Result:
    text = web.inside.get(visitor.id, opened)
    return await web.quiet.run(lambda: work(text))


def _off(body: Ablating) -> dict[int, list[int]]:
    """Heads by layer; ApiError for pairs that are none."""
    off: dict[int, list[int]] = {}
    if body.layer is not None:
        off[body.layer] = list(body.heads)
    for pair in body.off:
        if len(pair) != 2:
            raise ApiError("off holds pairs of a layer and a head.", param="off", code="invalid_value")
        off.setdefault(pair[0], []).append(pair[1])
    return off


def _tokens(body: Opening, speaker: Speaker) -> tuple[list[int], list[dict[str, Any]]]:
    """Tokens of what is to be looked into, each as the page shows it."""
    tokenizer = speaker.tokenizer
    if (body.text is None) == (body.messages is None):
        raise ApiError("Give either text or messages.", param="text")
    if body.text is not None:
        opening = [{**_named(tokenizer, token), "start": 0, "end": 0} for token in tokenizer.opening]
        spans = tokenizer.spans(body.text)
        pieces = [{**named(tokenizer, each.id, each.bytes), "start": each.start, "end": each.end} for each in spans]
        tokens = [*tokenizer.opening, *(each.id for each in spans)]
        if not tokens:
            raise ApiError("There is no text to look into yet.", param="text")
        return tokens, opening + pieces
    tokens = _rendered(body, speaker)
    return tokens, [{**_named(tokenizer, token), "start": None, "end": None} for token in tokens]


def _rendered(body: Opening, speaker: Speaker) -> list[int]:
    if not speaker.is_chat:
        raise ApiError("This model has no chat template; give a text.", param="messages", code="no_chat_template")
    said: Sequence[ChatMessage] = body.messages or []
    turns = [{"role": message.role, "content": message.content} for message in said]
    if body.answer is not None:
        turns.append({"role": "assistant", "content": body.answer})
    conversation = Conversation.from_messages(turns, where="messages")
    return list(render(conversation, speaker.tokenizer, answer=conversation.last.role == "user").tokens)


def _named(tokenizer: Tokenizer, token: int) -> dict[str, Any]:
    if token >= tokenizer.size:  # rows of an embedding that was rounded up
        return {"id": token, "bytes": "", "text": f"[{token}]", "control": True}
    return named(tokenizer, token)


def _text(tokenizer: Tokenizer, token: int) -> str:
    return str(_named(tokenizer, token)["text"])


def _distribution(tokenizer: Tokenizer, found: Any) -> dict[str, Any]:
    top = [{**_named(tokenizer, each.token), "logit": each.logit, "p": each.probability} for each in found.top]
    return {"entropy": found.entropy, "top": top, "rest": found.rest}


def _binary(content: bytes, shape: str, **headers: str) -> Response:
    return Response(content, headers={"x-shape": shape, **headers}, media_type="application/octet-stream")

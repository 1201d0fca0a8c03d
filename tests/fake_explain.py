"""The stand-in's routes for a look inside a model: attention, lens, attribution, embeddings; all made up, all fixed."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from fake_learning import HOSTILE, refused

LAYERS, HEADS, SIZE = 3, 2, 8


def add(app: FastAPI, fake: Any) -> None:
    fake.opened = {}
    _explain(app, fake)
    _embeddings(app)


def _named(text: str, number: int) -> dict[str, Any]:
    return {"id": number, "text": text, "bytes": base64.b64encode(text.encode()).decode(), "control": False}


def _weight(layer: int, head: int, row: int, column: int) -> float:
    """Half on itself, the rest spread evenly over what came before; head 1 looks at the first token only."""
    if column > row:
        return 0.0
    if head == 1:
        return 1.0 if column == 0 else 0.0
    return 1.0 if row == 0 else 0.5 if column == row else 0.5 / row


def _top(count: int, heat: float = 1.0) -> dict[str, Any]:
    words = [" bread", " fish", HOSTILE, " lamp", " sea"][:count]
    logits = [3.0 - number for number in range(len(words))]
    scale = [math.exp(logit / heat) for logit in logits]
    top = [
        {**_named(word, 400 + number), "logit": logit, "p": 0.9 * share / sum(scale)}
        for number, (word, logit, share) in enumerate(zip(words, logits, scale, strict=True))
    ]
    return {"entropy": heat, "top": top, "rest": 0.1}


def _explain(app: FastAPI, fake: Any) -> None:
    @app.post("/api/v1/explain/open")
    async def open_text(request: Request) -> Any:
        body = await request.json()
        fake.calls.append(("explain", body["model"], body))
        text = body.get("text") or " ".join(said["content"] for said in body["messages"]) + (body.get("answer") or "")
        words = [(" " if at else "") + word for at, word in enumerate(text.split())]
        if len(words) > 256:
            return refused(
                f"This text has {len(words)} tokens; a look inside takes at most 256. Shorten it.", 400, "too_long"
            )
        key = fake.new_id("look")
        fake.opened[key] = words
        tokens = [_named(word, 300 + at) for at, word in enumerate(words)]
        shape = {"layers": LAYERS, "heads": HEADS, "kv_heads": HEADS, "length": len(words), "width": HEADS * SIZE}
        return {
            "id": key,
            "model": body["model"],
            **shape,
            "positions": "rotary",
            "windows": [0, 4, 0],
            "tokens": tokens,
        }

    @app.get("/api/v1/explain/{key}/attention/{layer}")
    async def attention(key: str, layer: int) -> Any:
        if key not in fake.opened:
            return refused("This text is closed.", 404, "explain_gone")
        fake.calls.append(("attention", key, layer))
        size = range(len(fake.opened[key]))
        values = [
            round(255 * _weight(layer, head, row, column)) for head in range(HEADS) for row in size for column in size
        ]
        return Response(bytes(values), media_type="application/octet-stream")

    @app.get("/api/v1/explain/{key}/position/{layer}/{head}/{token}")
    async def position(key: str, layer: int, head: int, token: int) -> Any:
        size = range(len(fake.opened[key]))
        dot = [float(column - token) for column in size]
        weights = [_weight(layer, head, token, column) for column in size]
        vectors = [[math.sin(column + place) for place in range(SIZE)] for column in size]
        parts = {"query": vectors[token], "keys": vectors, "dot": dot, "scaled": [value * 0.125 for value in dot]}
        return {
            **parts,
            "scale": 0.125,
            "masked": [c > token for c in size],
            "weights": weights,
            "contribution": weights,
        }

    @app.get("/api/v1/explain/{key}/lens")
    async def lens(key: str, k: int) -> Any:
        words = fake.opened[key]
        layers = range(LAYERS + 1)
        return {
            "layers": [{"layer": layer, "positions": [_top(k, 4 - layer)["top"] for _ in words]} for layer in layers]
        }

    @app.get("/api/v1/explain/{key}/next")
    async def following(key: str, k: int, temperature: float, position: int) -> Any:
        return {"position": position, **_top(k, temperature)}

    @app.post("/api/v1/explain/{key}/attribution")
    async def attribution(key: str, request: Request) -> Any:
        body = await request.json()
        fake.calls.append(("attribution", key, body))
        scores = [0.5 - at for at in range(len(fake.opened[key]))]
        shown = {"method": body["method"], "target": _named(" bread", body.get("target", 400))}
        return {**shown, "position": body["position"], "scores": scores, "logp": -0.5}

    @app.post("/api/v1/explain/{key}/ablation")
    async def ablation(key: str, request: Request) -> Any:
        off = (await request.json())["off"]
        fake.calls.append(("ablation", key, off))
        return {"on": _top(5), "off": _top(5, 1 + len(off)), "kl": 0.25 * len(off)}


def _embeddings(app: FastAPI) -> None:
    @app.get("/api/v1/explain/{model}/neighbours/{token}")
    async def neighbours(model: str, token: int) -> Any:
        near = [{**_named(f" near{number}", 500 + number), "similarity": 0.9 - number / 10} for number in range(5)]
        return {"token": _named(f"t{token}", token), "neighbours": near}

    @app.get("/api/v1/explain/{model}/map")
    async def points(model: str) -> Any:
        values = [value for token in range(900) for value in (math.cos(token) * token, math.sin(token) * token)]
        headers = {"x-shape": "900,2", "x-explained": "0.2,0.1"}
        return Response(
            struct.pack(f"<{len(values)}f", *values), headers=headers, media_type="application/octet-stream"
        )

    @app.get("/api/v1/explain/{model}/tokens")
    async def names(model: str, ids: str) -> Any:
        return {"tokens": [_named(f"t{number}", int(number)) for number in ids.split(",")]}

    @app.get("/api/v1/explain/{model}/positions")
    async def positions(model: str) -> Any:
        alike = [math.cos(distance / 4) for distance in range(16)]
        square = [[alike[abs(row - column)] for column in range(16)] for row in range(16)]
        return {"kind": "rotary", "length": 16, "similarity": square, "by_distance": alike}

"""A small stand-in for the server's API: answers are a function of the question, so the pages can be tested alone."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

import fake_explain
import fake_learning

HOSTILE = """<script>window.stolen = 1</script> <img src=x onerror="window.stolen = 2">
[a link](javascript:window.stolen=3) ![picture](https://example.org/x.png) <svg onload="window.stolen=4"></svg>
<a href="javascript:window.stolen=5">click</a> <iframe srcdoc="<script>parent.stolen=6</script>"></iframe>
<style>body{display:none}</style> <form action="https://example.org"><input name=q></form>

```html"onmouseover="window.stolen=7
<script>window.stolen = 8</script>
```

| a | <b onclick="window.stolen=9">b</b> |
|---|---|
| `<script>` | [x](data:text/html,<script>window.stolen=10</script>) |
"""
RAINBOW = """Sunlight enters a raindrop, bends, is reflected at the back of the drop and bends again on its way out. \
Each colour bends by a slightly different angle, so you see them **side by side**, from red to violet.

1. Stand with the sun behind you.
2. Look towards the rain, about 42 degrees above your shadow.

```python
def angle(red: bool) -> float:
    return 42.4 if red else 40.6  # degrees
```
"""
STORIES = [
    "Edda kept the light on Gull Rock. Every night she wrote down what passed, and one night a ship wrote back.",
    "The lamp had burned for ninety years when the keeper heard it hum. It was only the wind, she told herself.",
    "Nobody had asked the keeper what she would do after the lighthouse closed. She planted potatoes and was content.",
    "There was a lighthouse. There was a keeper. There was a lighthouse. There was a keeper.",
]
SUMMARY = ("id", "title", "model", "rating", "created_at", "updated_at")  # of a chat, in the list
WINDOW, SMALL_WINDOW = 1024, 512
FREE_TEXT = " a small town by the river, where the baker opened before sunrise and the ferry came twice a day."


class FakeApi:
    """State of one fake server; `pace` is the pause between two pieces of a stream, in seconds."""

    # Set where their routes are: fake_learning.py and fake_explain.py.
    desk: Any
    votes: list[tuple[str, str]]
    jobs: list[dict[str, Any]]
    promotions: list[dict[str, Any]]
    opened: dict[str, list[str]]
    metrics: int

    def __init__(self, pace: float = 0.004) -> None:
        self.pace = pace
        self.numbers = count(1)
        self.chats: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.cancelled: list[str] = []
        self.access = "open"
        self.person: dict[str, Any] | None = None

    def new_id(self, kind: str) -> str:
        return f"{kind}-{next(self.numbers)}"

    def message(self, chat: dict[str, Any], parent: str | None, role: str, content: str) -> dict[str, Any]:
        message = {
            "id": self.new_id("message"),
            "parent": parent,
            "role": role,
            "content": content,
            "model": None,
            "finish_reason": None,
            "created_at": now(),
            "feedback": None,
        }
        chat["messages"].append(message)
        chat["tip"] = message["id"]
        chat["updated_at"] = now(len(self.chats) + len(chat["messages"]))
        return message

    def find(self, message: str) -> dict[str, Any]:
        return next(one for chat in self.chats.values() for one in chat["messages"] if one["id"] == message)

    def me(self) -> dict[str, Any]:
        role = self.person["role"] if self.person else ("admin" if self.access == "open" else None)
        return {"person": self.person, "role": role, "access": self.access}


def now(seconds: int = 0) -> str:
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


def reply(question: str, place: int) -> str:
    text = question.lower()
    if "hostile" in text:
        return HOSTILE
    if "long" in text:
        return "word " * 2000
    if "rainbow" in text or "regenbogen" in text:
        return RAINBOW if place == 0 else RAINBOW.split("\n")[0]
    if "story" in text or "geschichte" in text:
        return STORIES[place % len(STORIES)]
    return f"You said: {question}" if place == 0 else f"Version {place + 1} for: {question}"


def pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def sse(body: Any) -> str:
    return f"data: {json.dumps(body)}\n\n"


def build(fake: FakeApi) -> FastAPI:
    app = FastAPI()
    _people_routes(app, fake)
    _chat_routes(app, fake)
    _message_routes(app, fake)
    _model_routes(app, fake)
    _token_routes(app)
    fake_learning.add(app, fake)
    fake_explain.add(app, fake)

    @app.exception_handler(StopIteration)
    @app.exception_handler(KeyError)
    async def missing(request: Request, error: Exception) -> JSONResponse:
        body = {"message": f"{request.url.path} is not there", "type": "not_found_error", "param": None, "code": None}
        return JSONResponse({"error": body}, 404)

    return app


def _people_routes(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/api/v1/me")
    async def me() -> Any:
        return fake.me()

    @app.post("/api/v1/login")
    @app.post("/api/v1/setup")
    @app.post("/api/v1/invites/accept")
    async def enter(request: Request) -> Any:
        body = await request.json()
        if body["password"] == "wrong password":
            error = {"message": "The name or the password is wrong.", "type": "x", "param": None, "code": None}
            return JSONResponse({"error": error}, 403)
        fake.calls.append(("enter", request.url.path, body))
        person = {"id": "p1", "name": body["name"], "role": "admin", "preferences": {}}
        person["language"] = body.get("language", "en")
        fake.access, fake.person = "open", person
        return fake.me()

    @app.post("/api/v1/logout")
    async def logout() -> Any:
        fake.access, fake.person = "login", None
        return fake.me()


def _chat_routes(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/api/v1/chats")
    async def chats(search: str = "", limit: int = 50, offset: int = 0) -> Any:
        found = [
            {key: value for key, value in chat.items() if key in SUMMARY}
            for chat in fake.chats.values()
            if search.lower() in (chat["title"] + " ".join(m["content"] for m in chat["messages"])).lower()
        ]
        found.sort(key=lambda chat: chat["updated_at"], reverse=True)
        return {"chats": found[offset : offset + limit], "more": len(found) > offset + limit}

    @app.post("/api/v1/chats")
    async def create(request: Request) -> Any:
        chat = {
            "id": fake.new_id("chat"),
            "rating": None,
            "tip": None,
            "consent": False,
            "shared": False,
            "created_at": now(),
            "updated_at": now(len(fake.chats)),
            **await request.json(),
            "messages": [],
        }
        fake.chats[chat["id"]] = chat
        return chat

    @app.get("/api/v1/chats/{chat}")
    async def get(chat: str) -> Any:
        return fake.chats[chat]

    @app.patch("/api/v1/chats/{chat}")
    async def change(chat: str, request: Request) -> Any:
        body = await request.json()
        fake.calls.append(("change", chat, body))
        fake.chats[chat].update(body)
        return fake.chats[chat]

    @app.delete("/api/v1/chats/{chat}")
    async def delete(chat: str) -> Any:
        del fake.chats[chat]
        return Response(status_code=204)

    @app.get("/api/v1/chats/{chat}/context")
    async def context(chat: str, model: str, tip: str | None = None, max_tokens: int = 256) -> Any:
        own = fake.chats[chat]
        fake.calls.append(("context", chat, {"model": model, "tip": tip, "max_tokens": max_tokens}))
        by_id, at, said = {one["id"]: one for one in own["messages"]}, tip, 0
        while at is not None:
            said, at = said + len(pieces(by_id[at]["content"])), by_id[at]["parent"]
        system = len(own["system"].split())
        window = SMALL_WINDOW if model == "village-ppo" else WINDOW
        room = max(0, min(max_tokens, window - system - said))
        return {"system": system, "history": said, "room": room, "window": window, "turns_dropped": 0}

    @app.get("/api/v1/chats/{chat}/export")
    async def export(chat: str, format: str) -> Any:
        name = f"chat.{'md' if format == 'markdown' else 'json'}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(json.dumps(fake.chats[chat]), headers=headers, media_type="text/plain")


def _message_routes(app: FastAPI, fake: FakeApi) -> None:
    @app.post("/api/v1/chats/{chat}/messages")
    async def add(chat: str, request: Request) -> Any:
        body = await request.json()
        return fake.message(fake.chats[chat], body["parent"], body["role"], body["content"])

    @app.post("/api/v1/chats/{chat}/answers")
    async def answers(chat: str, request: Request) -> Any:
        body = await request.json()
        fake.calls.append(("answers", chat, body))
        own = fake.chats[chat]
        question = fake.find(body["parent"])["content"]
        older = sum(1 for one in own["messages"] if one["parent"] == body["parent"])
        rows = [fake.message(own, body["parent"], "assistant", "") for _ in range(body["n"])]
        own["tip"] = rows[0]["id"]
        texts = [reply(question, older + place) for place in range(body["n"])]
        return StreamingResponse(_stream(fake, own, rows, texts, body), media_type="text/event-stream")

    @app.post("/api/v1/messages/{message}/feedback")
    async def feedback(message: str, request: Request) -> Any:
        body = await request.json()
        fake.calls.append(("feedback", message, body))
        fake.find(message)["feedback"] = body if body["thumb"] else None
        return body

    @app.get("/api/v1/messages/{message}/score")
    async def score(message: str) -> Any:
        words = fake.find(message)["content"].split()
        return {"score": round(len(set(words)) / max(1, len(words)) * 2 - 0.8, 3), "model": "reward"}

    @app.post("/api/v1/chats/{chat}/rating")
    async def rating(chat: str, request: Request) -> Any:
        fake.chats[chat]["rating"] = (await request.json())["rating"]
        return {"rating": fake.chats[chat]["rating"]}

    @app.post("/api/v1/chats/{chat}/choice")
    async def choice(chat: str, request: Request) -> Any:
        fake.calls.append(("choice", chat, await request.json()))
        return {}


async def _stream(
    fake: FakeApi, chat: dict[str, Any], rows: list[dict[str, Any]], texts: list[str], body: Any
) -> AsyncIterator[str]:
    used = sum(len(pieces(one["content"])) for one in chat["messages"])
    facts = {"system": len(chat["system"].split()), "history": used, "room": 256, "window": 1024, "turns_dropped": 0}
    first = [{"index": place, "delta": {"role": "assistant"}, "finish_reason": None} for place in range(len(rows))]
    yield sse({"message_ids": [row["id"] for row in rows], "context": facts, "choices": first})
    parts = [pieces(text) for text in texts]
    try:
        for step in range(max(len(own) for own in parts)):
            for place, own in enumerate(parts):
                if step < len(own):
                    rows[place]["content"] += own[step]
                    delta = {"content": own[step]}
                    yield sse({"choices": [{"index": place, "delta": delta, "finish_reason": None}]})
            await asyncio.sleep(fake.pace)
    except (asyncio.CancelledError, GeneratorExit):
        for row in rows:
            row["finish_reason"] = "cancelled"
            fake.cancelled.append(row["id"])
        raise
    for place, row in enumerate(rows):
        row["finish_reason"], row["model"] = "stop", body["model"]
        yield sse({"choices": [{"index": place, "delta": {}, "finish_reason": "stop"}]})
    yield sse({"choices": [], "usage": {"prompt_tokens": used, "completion_tokens": 20, "total_tokens": used + 20}})
    yield "data: [DONE]\n\n"


def _model_routes(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/v1/models")
    async def models() -> Any:
        rows = [("village-ppo", "chat", "ppo"), ("village-sft", "chat", "sft"), ("village-base", "text", "base")]
        return {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "owned_by": "you", "max_model_len": 1024, "kind": kind, "stage": stage}
                for name, kind, stage in [*rows, ("reward", "reward", "reward")]
            ],
        }

    @app.post("/tokenize")
    async def tokenize(request: Request) -> Any:
        body = await request.json()
        words = pieces(body["prompt"])
        return {"count": len(words), "max_model_len": WINDOW, "tokens": list(range(len(words)))}

    @app.post("/v1/completions")
    async def complete(request: Request) -> Any:
        body = await request.json()
        fake.calls.append(("complete", body["model"], body))
        return StreamingResponse(_completion(fake, body), media_type="text/event-stream")


async def _completion(fake: FakeApi, body: Any) -> AsyncIterator[str]:
    if "Jörg" in body["prompt"]:
        for line in _in_bytes(body):
            yield line
        return
    text = HOSTILE if "hostile" in body["prompt"] else FREE_TEXT
    if body["model"] == "village-base":
        text = text[::-1] if "reverse" in body["prompt"] else text.replace("river", "sea").replace("baker", "smith")
    written = pieces(text)[: body["max_tokens"]]
    for place, piece in enumerate(written):
        chance = 0.06 + 0.9 * abs(math.sin(place * 1.7 + len(body["prompt"]) * 0.1))
        others = [" old", " quiet", " great", " new", " house", " the", " one", " dark", "ly"]
        shares = [(1 - chance) * 0.82 * 0.55**step for step in range(1, len(others) + 1)]
        top = {piece: math.log(chance), **{o: math.log(s) for o, s in zip(others, shares, strict=True) if o != piece}}
        logprobs = {"tokens": [piece], "token_logprobs": [math.log(chance)], "top_logprobs": [top], "text_offset": [0]}
        reason = ("length" if len(written) == body["max_tokens"] else "stop") if place == len(written) - 1 else None
        yield sse({"choices": [{"index": 0, "text": piece, "finish_reason": reason, "logprobs": logprobs}]})
        await asyncio.sleep(fake.pace)
    yield "data: [DONE]\n\n"


def _in_bytes(body: Any) -> Iterator[str]:
    """A letter that is two tokens, and an end that its stop string cuts."""
    names = [" tr", "bytes:\\xc3", "bytes:\\xa4", "gt", ".\n", "\n"]
    texts = [" tr", "", "ä", "gt", ".", ""]
    for place, (name, text) in enumerate(zip(names, texts, strict=True)):
        top = {name: -0.5, " z": -1.5}
        logprobs = {"tokens": [name], "token_logprobs": [-0.5], "top_logprobs": [top], "text_offset": [0]}
        reason = "stop" if place == len(names) - 1 else None
        yield sse({"choices": [{"index": 0, "text": text, "finish_reason": reason, "logprobs": logprobs}]})
    yield "data: [DONE]\n\n"


def _token_routes(app: FastAPI) -> None:
    @app.post("/api/v1/tokens")
    async def tokens(request: Request) -> Any:
        body = await request.json()
        longest = 3 if body["model"] == "village-base" else 5
        found, at = [], 0
        for word in re.findall(r"\s?\w+|\s?[^\w\s]|\s", body["text"]):
            for piece in [word[start : start + longest] for start in range(0, len(word), longest)]:
                raw = piece.encode()
                halves = [raw] if len(raw) < 4 or len(piece) > 1 else [raw[:2], raw[2:]]  # an emoji in two tokens
                for half in halves:
                    text = half.decode(errors="replace")
                    token = {"id": 256 + sum(half) % 3800, "bytes": base64.b64encode(half).decode(), "text": text}
                    found.append({**token, "start": at, "end": at + len(piece), "control": False})
                at += len(piece)
        return {"model": body["model"], "tokens": found, "size": 4096}

    @app.get("/api/v1/tokens/{model}/{token}")
    async def path(model: str, token: int) -> Any:
        def part(text: str, number: int | None = None) -> dict[str, Any]:
            own = {"bytes": base64.b64encode(text.encode()).decode(), "text": text}
            return own if number is None else {**own, "id": number}

        word, steps = " town", []
        for end in range(2, len(word) + 1):
            result = part(word[:end], 300 + end)
            steps.append({"rank": end * end * 7, "left": part(word[: end - 1]), "right": part(word[end - 1])})
            steps[-1]["result"] = result
        return {**part(word), "id": token, "control": False, "steps": steps, "count": 1234}

"""The stand-in with which the pages are tested answers as the real server does: same fields, same kinds of values."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from pydantic import TypeAdapter

import fake_api
from chatwright.serving.web.building import PARTS, PREFIX

SHAPES = {
    (method, route.path): route.response_model
    for part in PARTS
    for route in part.router.routes
    for method in route.methods  # type: ignore[attr-defined]
    if getattr(route, "response_model", None) is not None
}
SAID = {"parent": None, "role": "user", "content": "a story"}
OPENED = {"model": "tiny", "text": "Who are you?"}
TEXT = {"model": "tiny", "text": "Who?"}
JOB = {"kind": "loop", "run": "village", "with_simulated": True}
PROMOTION = {"model": "tiny", "run": "village", "stage": "sft", "note": "good"}
# Method, the server's route, what fills its places ({chat} and the like come from answers before), the body.
ASKED: tuple[tuple[str, str, dict[str, Any], dict[str, Any] | None], ...] = (
    ("GET", "/me", {}, None),
    ("POST", "/login", {}, {"name": "Ada", "password": "long enough"}),
    ("POST", "/chats", {}, {"title": "t", "system": "", "model": "tiny"}),
    ("GET", "/chats", {}, None),
    ("POST", "/chats/{chat}/messages", {}, SAID),
    ("GET", "/chats/{chat}", {}, None),
    ("GET", "/chats/{chat}/context", {"model": "tiny", "max_tokens": 20}, None),
    ("PATCH", "/chats/{chat}", {}, {"title": "new"}),
    ("POST", "/chats/{chat}/rating", {}, {"rating": "good"}),
    ("POST", "/tokens", {}, TEXT),
    ("POST", "/label/next", {}, {}),
    ("GET", "/label/guidelines", {}, None),
    ("GET", "/label/progress", {}, None),
    ("GET", "/label/agreement", {"kind": "ranking"}, None),
    ("GET", "/comparisons", {}, None),
    ("POST", "/comparisons/{comparison}/next", {"comparison": "1"}, {}),
    ("GET", "/comparisons/{comparison}/result", {"comparison": "1"}, None),
    ("GET", "/runs", {}, None),
    ("GET", "/runs/models/days", {"days": 30}, None),
    ("GET", "/runs/{run}", {"run": "village"}, None),
    ("GET", "/runs/{run}/{stage}/metrics", {"run": "village", "stage": "ppo"}, None),
    ("GET", "/runs/{run}/{stage}/samples", {"run": "village", "stage": "sft"}, None),
    ("POST", "/promotions", {}, PROMOTION),
    ("GET", "/promotions", {}, None),
    ("GET", "/admin/training", {}, None),
    ("POST", "/admin/jobs", {}, JOB),
    ("GET", "/admin/jobs", {}, None),
    ("GET", "/admin/jobs/{job}", {"job": "1"}, None),
)


async def wrong_answers() -> dict[str, str]:
    """By route, what is wrong with the stand-in's answer."""
    transport = httpx.ASGITransport(fake_api.build(fake_api.FakeApi()))
    found, places = {}, {}
    async with httpx.AsyncClient(transport=transport, base_url=f"http://fake{PREFIX}") as client:
        for method, path, values, body in ASKED:
            asked = {name: value for name, value in values.items() if f"{{{name}}}" not in path}
            answer = await client.request(method, path.format(**values, **places), params=asked, json=body)
            if path == "/chats" and method == "POST":
                places["chat"] = answer.json()["id"]
            try:
                TypeAdapter(SHAPES[method, path]).validate_python(answer.json())
            except ValueError as error:
                found[f"{method} {path}"] = f"{answer.status_code}: {error}"
    return found


def test_the_stand_in_answers_as_the_server_is_described() -> None:
    assert asyncio.run(wrong_answers()) == {}

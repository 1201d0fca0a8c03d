"""What web/openapi.json says of the pages' API: that it is the app's, and that nothing in it is left open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatwright.serving.openapi import description

COMMITTED = Path(__file__).parents[1] / "web" / "openapi.json"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return dict(json.loads(COMMITTED.read_text(encoding="utf-8")))


def answers_of(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every route of /api/v1, its status when all goes well, and what it then answers."""
    for path, operations in described["paths"].items():
        if path.startswith("/api/v1/"):
            for method, operation in operations.items():
                (status,) = (each for each in operation["responses"] if each.startswith("2"))
                yield f"{method} {path}", status, operation["responses"][status]


def fields_of(schema: dict[str, Any], parts: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        return fields_of(parts[schema["$ref"].rpartition("/")[2]], parts)
    return set(schema.get("properties", ()))


def test_the_committed_description_is_the_apps() -> None:
    same = COMMITTED.read_text(encoding="utf-8") == description()
    assert same, "the API has changed: run `python -m chatwright.serving.openapi > web/openapi.json`"


def test_every_route_of_the_pages_says_what_it_answers(described: dict[str, Any]) -> None:
    seen = 0
    for route, status, answer in answers_of(described):
        seen += 1
        content = answer.get("content", {})
        if status == "204":
            assert not content, route
            continue
        assert len(content) == 1, f"{route} answers {sorted(content)}"
        for media_type, body in content.items():
            schema = body["schema"]
            if media_type == "application/json":
                assert "$ref" in schema, f"{route} answers anything"
            else:
                assert schema["type"] == "string", route
    assert seen > 75


def test_only_routes_that_have_nothing_to_say_answer_an_empty_object(described: dict[str, Any]) -> None:
    parts = described["components"]["schemas"]
    silent = {
        route
        for route, _, answer in answers_of(described)
        if "application/json" in answer.get("content", {})
        and not fields_of(answer["content"]["application/json"]["schema"], parts)
    }
    assert silent == {
        "post /api/v1/admin/people/{person}/password",
        "post /api/v1/chats/{chat}/choice",
        "post /api/v1/comparisons/pairs/{pair}/vote",
        "post /api/v1/comparisons/{comparison}/close",
        "post /api/v1/label/{task}/skip",
    }


def test_answers_name_all_their_fields_and_allow_no_others(described: dict[str, Any]) -> None:
    parts = described["components"]["schemas"]
    for route, _, answer in answers_of(described):
        if reference := answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref"):
            shape = parts[reference.rpartition("/")[2]]
            assert shape["additionalProperties"] is False, route
            assert set(shape.get("required", ())) == set(shape.get("properties", ())), route

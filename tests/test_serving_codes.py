"""The codes of errors that the description of the API lists are those that the code can send."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import chatwright
from chatwright.errors import ConflictError, ThrottledError
from chatwright.serving.codes import ERROR_CODES
from chatwright.serving.errors import RANGES, STATUSES, UNEXPECTED, as_api_error

PARTS = ("serving", "store", "feedback", "generation")
BY_PLACE = {"not_found": 1, "_busy": 2}
"""Functions that take a code without its name, and where."""


def texts_in(node: ast.expr) -> Iterator[str]:
    """The texts that an argument can be; the parts of a condition are none of them."""
    if isinstance(node, ast.IfExp | ast.BoolOp):
        for choice in node.values if isinstance(node, ast.BoolOp) else (node.body, node.orelse):
            yield from texts_in(choice)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def codes_in(tree: ast.Module) -> Iterator[str]:
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        place = BY_PLACE.get(getattr(call.func, "id", ""))
        given = [] if place is None else call.args[place : place + 1]
        for value in [*given, *(keyword.value for keyword in call.keywords if keyword.arg == "code")]:
            yield from texts_in(value)


def test_every_code_that_is_sent_is_listed_and_every_one_listed_is_sent() -> None:
    root = Path(chatwright.__file__).parent
    sent = {code for _, _, code in (*STATUSES, (None, *UNEXPECTED)) if code is not None}
    sent |= {f"{number}_{ending}" for number in ("integer", "decimal") for _, ending in RANGES.values()}
    sent |= {"missing_required_parameter", "invalid_type"}
    for path in (path for part in PARTS for path in (root / part).rglob("*.py")):
        sent |= set(codes_in(ast.parse(path.read_text(encoding="utf-8"))))
    assert sorted(sent) == sorted(ERROR_CODES)


def test_the_code_of_an_error_goes_out_in_place_of_its_kinds() -> None:
    assert as_api_error(ConflictError("taken", code="name_taken")).code == "name_taken"
    assert as_api_error(ConflictError("changed")).code == "conflict"
    slow = as_api_error(ThrottledError("wait", retry_after=61.2, code="too_many_logins"))
    assert (slow.status, slow.code, (slow.headers or {})["retry-after"]) == (429, "too_many_logins", "62")

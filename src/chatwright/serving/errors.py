"""Every error of the API in OpenAI's shape, whatever raised it: a route, a validator, the router, or a bug.

In: exceptions.  Out: `{"error": {"message", "type", "param", "code"}}` with a fitting status; never `{"detail": ...}`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as RouterException

from chatwright.errors import (
    ChatwrightError,
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    ResourceError,
    ThrottledError,
)
from chatwright.generation.speaker import Busy

__all__ = ["ApiError", "as_api_error", "error_body", "install_handlers", "not_found", "too_long"]

log = logging.getLogger("chatwright.serving")

TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
"""OpenAI's `type` of a status; other 4xx are invalid_request_error, 5xx are server_error."""
STATUSES: tuple[tuple[type[ChatwrightError], int, str | None], ...] = (
    (NotFoundError, 404, "not_found"),
    (ConflictError, 409, "conflict"),
    (ForbiddenError, 403, "forbidden"),
    (InputError, 400, None),
)
RANGES = {
    "less_than_equal": ("le", "above_max_value"),
    "less_than": ("lt", "above_max_value"),
    "greater_than_equal": ("ge", "below_min_value"),
    "greater_than": ("gt", "below_min_value"),
}
"""What pydantic calls a number out of range: where it says the limit, and how OpenAI's code ends."""
UNEXPECTED: tuple[int, str | None] = (500, "model_error")
RETRY_AFTER_SECONDS = 1


class ApiError(HTTPException):
    """An answer with an error status. `code` is what programs look at, `param` the field that is wrong.

    An HTTPException, so that FastAPI lets it pass while it reads a body.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.message, self.status, self.code, self.param = message, status, code, param
        self.kind = kind or TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")

    def body(self) -> dict[str, Any]:
        return error_body(self.message, self.kind, self.param, self.code)

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, self.headers)


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def not_found(message: str, code: str, param: str | None = None) -> ApiError:
    return ApiError(message, status=404, code=code, param=param)


def too_long(needed: int, context: int, param: str, limit: str = "") -> ApiError:
    """A prompt that leaves no room for an answer. Both figures count tokens; `limit` says why `context` is small."""
    return ApiError(
        f"This model's maximum context length is {context} tokens{f' ({limit})' if limit else ''}, but {param} has "
        f"{needed} tokens, which leaves no room for an answer. Please shorten it.",
        code="context_length_exceeded",
        param=param,
    )


def _busy(error: Exception, status: int, code: str) -> ApiError:
    """Try again soon: the official clients do so by themselves."""
    return ApiError(
        f"The server cannot take this request now: {error}.",
        status=status,
        code=code,
        headers={"retry-after": str(RETRY_AFTER_SECONDS)},
    )


def as_api_error(error: Exception) -> ApiError:
    """Any exception as an answer. What nobody raised on purpose is logged, and says nothing of the inside."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ThrottledError):
        wait = {"retry-after": str(max(1, ceil(error.retry_after)))}
        return ApiError(str(error), status=429, code=error.code or "rate_limit_exceeded", headers=wait)
    if isinstance(error, Busy):
        return _busy(error, 429, "server_busy")
    if isinstance(error, ResourceError):
        return _busy(error, 503, "server_unavailable")
    if isinstance(error, ChatwrightError):
        status, code = next(((status, code) for kind, status, code in STATUSES if isinstance(error, kind)), UNEXPECTED)
        return ApiError(str(error), status=status, code=error.code or code)
    log.error("a request failed", exc_info=error)
    return ApiError("The server failed on this request; its log says why.", status=500, code="internal_error")


def install_handlers(app: FastAPI) -> None:
    """Make every error of this app one of ours."""

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _invalid(error.errors()).response()

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RouterException)
        return _refused(error, request).response()

    async def on_error(request: Request, error: Exception) -> JSONResponse:
        return as_api_error(error).response()

    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(RouterException, on_http)
    app.add_exception_handler(ApiError, on_error)
    app.add_exception_handler(ChatwrightError, on_error)


def _invalid(problems: Sequence[Any]) -> ApiError:
    """The first problem that a validator found; the input itself is not repeated, it may be anything."""
    first: dict[str, Any] = problems[0] if problems else {"msg": "invalid", "loc": (), "type": ""}
    place = [str(part) for part in first["loc"]]
    if first["type"] == "json_invalid":
        reason = str(first.get("ctx", {}).get("error", "")).strip()
        return ApiError(f"The body is not valid JSON{f' ({reason})' if reason else ''}.", code="invalid_json")
    if place == ["body"]:
        return ApiError(
            "The body must be a JSON object, sent with the header content-type: application/json.", code="invalid_json"
        )
    # A union reports under each of its members ("prompt.list[str].0"): names with brackets or types are no fields.
    path = [part for part in place[1:] if part.isdigit() or part.isidentifier()]
    param = ".".join(path[: _depth(path)]) or None
    message = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "missing":
        return ApiError(f"{param} is missing.", param=param, code="missing_required_parameter")
    return ApiError(f"{param}: {message}.", param=param, code=_code(str(first["type"]), first.get("ctx") or {}))


def _code(kind: str, facts: Mapping[str, Any]) -> str:
    """OpenAI's code for what pydantic found wrong with a value."""
    if kind not in RANGES:
        return "invalid_type"
    limit, ending = RANGES[kind]
    return f"{'integer' if isinstance(facts.get(limit), int) else 'decimal'}_{ending}"


def _depth(path: Sequence[str]) -> int:
    """How much of a path is of the request: pydantic appends the name of a union's member (str, int, list)."""
    members = {"str", "int", "float", "bool", "list", "dict", "none"}
    return next((number for number, part in enumerate(path) if number and part in members), len(path))


def _refused(error: RouterException, request: Request) -> ApiError:
    """What the router refuses: unknown paths, wrong methods, bodies that cannot be read."""
    headers = error.headers or {}
    if error.status_code == 404:
        return ApiError(f"There is nothing at {request.url.path}.", status=404, code="not_found", headers=headers)
    if error.status_code == 405:
        return ApiError(
            f"{request.method} is not allowed at {request.url.path}.",
            status=405,
            code="method_not_allowed",
            headers=headers,
        )
    return ApiError(f"{error.detail}.", status=error.status_code, headers=headers)

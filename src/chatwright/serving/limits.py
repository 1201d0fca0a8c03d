"""The outermost layer: every request gets an id, an end, and an answer, whatever happens inside.

In: requests.  Out: the app's answer with `x-request-id` and headers that keep browsers careful; errors in OpenAI's
shape; bodies no larger than the limit; connections that stall are given up.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatwright.serving.errors import ApiError, as_api_error
from chatwright.serving.metrics import Metrics
from chatwright.serving.settings import ServeSettings

__all__ = ["BodyLimit", "Outermost", "ReaderGone"]

OWN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
DRAINED = 64 * 2**20
"""Bytes of a body that is too large which are read and forgotten, so that its sender gets to read why."""


class ReaderGone(Exception):
    """Nobody takes the answer: the client stalls."""


class Outermost:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if OWN_ID.fullmatch(given) else f"req_{uuid4().hex}"
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("referrer-policy", "no-referrer")
                headers.setdefault("cache-control", "no-store")
            try:
                async with asyncio.timeout(self._settings.write_timeout):
                    await send(message)
            except TimeoutError:
                _abort(send)
                raise ReaderGone from None

        try:
            await self._app(scope, receive, sending)
        except ReaderGone:
            return
        except Exception as error:
            answer = as_api_error(error).response()
            if not status:
                await answer(scope, receive, sending)
            else:  # half an answer is out: closing the connection is all that can be said
                _abort(send)
        finally:
            self._metrics.http_requests.labels(_handler(scope), scope["method"], str(status or 499)).inc()


def _handler(scope: Scope) -> str:
    """The path of the route that a request found, its parameters unfilled: only so many are possible."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "unknown"
    # A route in a router does not know the router's prefix, which stands before its own beginning.
    return f"{scope['path'].partition(path.partition('{')[0])[0]}{path}"


def _abort(send: Any) -> None:
    """Close the connection without waiting for what it still has to send; ASGI has no message for that."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()


class BodyLimit:
    """ASGI middleware: bodies are bounded in size and in time."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._limit, self._timeout = app, settings.max_body, settings.body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared[:20]) > self._limit:
            await self._refuse(receive)
        size, is_read = 0, False

        async def receiving() -> Message:
            nonlocal size, is_read
            if is_read:
                return await receive()
            try:
                async with asyncio.timeout(self._timeout):
                    message = await receive()
            except TimeoutError:
                raise ApiError("The body of the request did not arrive.", status=408, code="body_timeout") from None
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                is_read = not message.get("more_body", False)
                if size > self._limit:
                    await self._refuse(receive, is_read=is_read)
            return message

        await self._app(scope, receiving, send)

    async def _refuse(self, receive: Receive, *, is_read: bool = False) -> None:
        drained = 0
        while not is_read and drained <= DRAINED:
            try:
                async with asyncio.timeout(self._timeout):
                    message = await receive()
            except TimeoutError:
                break
            drained += len(message.get("body", b""))
            is_read = message["type"] == "http.disconnect" or not message.get("more_body", False)
        raise ApiError(
            f"The body of the request is larger than the limit of {self._limit} bytes.", code="request_too_large"
        )

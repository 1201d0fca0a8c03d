"""Server-Sent Events, and what to do when nobody listens any more.

In: events as text.  Out: a response that ends its work as soon as the reader is gone or takes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

__all__ = ["COMMENT", "DONE", "EventStream", "event", "unless_gone"]

DONE = "data: [DONE]\n\n"
COMMENT = ": still working\n\n"
"""A line that begins with a colon means nothing; it keeps proxies from closing a silent stream."""

Result = TypeVar("Result")


def event(content: object) -> str:
    """One event. ASCII only: some readers take U+2028 or U+0085 for the end of a line."""
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"


class EventStream(Response):
    """Sends events as they come. `close` is called when it is over, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None], close: Callable[[], None]) -> None:
        self._events, self._close = events, close
        self.status_code = 200
        self.background = None
        # no-transform, and nginx's switch: a proxy that buffers or compresses would hold words back.
        self.init_headers({"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.create_task(self._write(send))
        watching = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({writing, watching}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            writing.cancel()
            watching.cancel()
            await asyncio.gather(writing, watching, return_exceptions=True)
            self._close()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async for text in self._events:
                await send(_body(text, more=True))
                # Where much waits to be said, nothing else suspends this: that the reader has gone must get a turn.
                await asyncio.sleep(0)
        finally:
            await self._events.aclose()
        await send(_body("", more=False))


def _body(text: str, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": text.encode(), "more_body": more}


async def until_gone(receive: Receive) -> None:
    """Return when the client has closed the connection. The body must have been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result of some work, or None, with the work cancelled, if the client leaves before it is there."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(until_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)

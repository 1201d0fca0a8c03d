"""Answers of the engine in the event loop: several at once, in the order in which their pieces come.

In: requests for one speaker.  Out: (which request, piece); closing cancels what still runs and frees its slots.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from chatwright.generation.speaker import Busy, Piece, Request, Speaker, Ticket
from chatwright.serving.moderating import Gate, Moderator
from chatwright.text.conversation import Conversation

__all__ = ["Answers", "Tally"]

RETRY_SECONDS = 0.02


@dataclass
class Tally:
    """What answers took, for usage, metrics and bills."""

    prompt_tokens: int
    """Of every prompt once, however many answers it had."""
    completion_tokens: int = 0
    cached_tokens: int = 0
    began: float = field(default_factory=perf_counter)
    first: float | None = None
    """When the first token came, by the clock of perf_counter."""
    last: float | None = None
    finish_reasons: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return perf_counter() - self.began

    def usage(self) -> dict[str, object]:
        """The `usage` of an answer."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": min(self.cached_tokens, self.prompt_tokens)},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }


class Answers:
    """The answers to a list of requests; use it in the event loop only.

    `copies`: how many neighbouring requests share a prompt. `on_close` is called once, with the tally.
    """

    def __init__(
        self,
        speaker: Speaker,
        requests: Sequence[Request],
        tally: Tally,
        *,
        copies: int = 1,
        moderator: Moderator | None = None,
        conversations: Sequence[Conversation] = (),
        on_close: Callable[[Tally], None] | None = None,
    ) -> None:
        self._speaker, self._requests, self._copies = speaker, requests, copies
        self._loop = asyncio.get_running_loop()
        self._arrivals: asyncio.Queue[tuple[int, Piece | Exception]] = asyncio.Queue()
        self._tickets: dict[int, Ticket] = {}
        self._open = set(range(len(requests)))
        asked = conversations or [Conversation(())] * len(requests)
        self._gates = [Gate(moderator, conversation) for conversation in asked]
        self._feeding: asyncio.Task[None] | None = None
        self._on_close = on_close
        self._is_closed = False
        self.tally = tally

    def start(self) -> None:
        """Hand the requests to the engine. Raises Busy if not even the first finds a place in its queue.

        A batch enters one by one as places become free, so that a large batch waits instead of failing.
        """
        self._submit(0)
        for number in range(1, len(self._requests)):
            try:
                self._submit(number)
            except Busy:
                self._feeding = asyncio.create_task(self._feed(number))
                return

    async def _feed(self, first: int) -> None:
        for number in range(first, len(self._requests)):
            while True:
                try:
                    self._submit(number)
                except Busy:
                    await asyncio.sleep(RETRY_SECONDS)
                except Exception as error:
                    self._arrivals.put_nowait((number, error))
                    return
                else:
                    break

    def _submit(self, number: int) -> None:
        def deliver(item: Piece | Exception) -> None:
            try:
                self._loop.call_soon_threadsafe(self._arrivals.put_nowait, (number, item))
            except RuntimeError:  # the loop is closed: the server has stopped, nobody waits for this
                return

        self._tickets[number] = self._speaker.submit(self._requests[number], deliver)

    async def pieces(self, silence: float | None = None) -> AsyncIterator[tuple[int, Piece] | None]:
        """Every piece with the number of its request; None after each `silence` seconds without one.

        Raises what the engine raised for any of the requests.
        """
        while self._open:
            arrival = await self._next(silence)
            if arrival is None:
                yield None
                continue
            number, item = arrival
            if isinstance(item, Exception):
                raise item
            if number not in self._open:
                continue
            self._count(number, item)
            gate = self._gates[number]
            for piece in await gate.push(item):
                if piece.finish_reason is not None:
                    self._finish(number, piece.finish_reason, cancel=gate.is_shut)
                yield number, piece

    async def _next(self, silence: float | None) -> tuple[int, Piece | Exception] | None:
        if not self._arrivals.empty():
            return self._arrivals.get_nowait()
        try:
            async with asyncio.timeout(silence):
                return await self._arrivals.get()
        except TimeoutError:
            return None

    def _count(self, number: int, piece: Piece) -> None:
        now = perf_counter()
        if piece.cached_tokens is not None and number % self._copies == 0:
            self.tally.cached_tokens += piece.cached_tokens
        if piece.tokens:
            self.tally.completion_tokens += len(piece.tokens)
            self.tally.first = self.tally.first or now
            self.tally.last = now

    def _finish(self, number: int, reason: str, *, cancel: bool) -> None:
        self._open.discard(number)
        self.tally.finish_reasons.append(reason)
        ticket = self._tickets.pop(number, None)
        if cancel and ticket is not None:
            ticket.cancel()

    def close(self) -> None:
        """Cancel what still runs. May be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._feeding is not None:
            self._feeding.cancel()
        for ticket in self._tickets.values():
            ticket.cancel()
        self._tickets.clear()
        if self._on_close:
            self._on_close(self.tally)

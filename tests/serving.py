"""Servers for tests: a tiny model, or a speaker that follows a script, behind uvicorn on a free port."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from chatwright.generation.speaker import Busy, EngineSpeaker, Piece, Request
from chatwright.serving.app import create_app
from chatwright.serving.settings import Card, ServeSettings
from chatwright.text.tokenizer import Tokenizer
from tiny import language_model, tokenizer, world_of

CONTEXT = 128
CHAT, BASE = "tiny", "tiny-base"


def tiny_speaker(*, is_chat: bool = True, context: int = CONTEXT, seed: int = 0, **settings: Any) -> EngineSpeaker:
    """Random weights behind the real engine, in float32."""
    model = language_model(tokenizer().size, context, seed=seed)
    return EngineSpeaker(model, tokenizer(), world_of(), is_chat=is_chat, **settings)


@dataclass
class Scripted:
    """A speaker that says what it is told to, at its own pace, and remembers who hung up."""

    words: Sequence[str | Exception] = ("Hello", " there", ".")
    pause: float = 0.0
    places: int = 1000
    is_chat: bool = True
    context: int = CONTEXT
    limit: str = ""
    tokenizer: Tokenizer = field(default_factory=tokenizer)
    hold: threading.Event | None = None
    """Nothing is said before this is set: for tests that must find a request under way."""
    requests: list[Request] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    running: int = 0
    embeds: Callable[[Sequence[Sequence[int]]], list[list[float]]] = lambda tokens: [[0.6, 0.8] for _ in tokens]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def prompt(self, request: Request) -> list[int]:
        assert request.text is not None
        return [self.tokenizer.begin, *self.tokenizer.encode(request.text)]

    def embed(self, tokens: Sequence[Sequence[int]]) -> list[list[float]]:
        return self.embeds(tokens)

    def stream(self, request: Request) -> Iterator[Piece]:
        raise NotImplementedError

    def stats(self) -> dict[str, float]:
        return {"running": self.running, "waiting": 0}

    def submit(self, request: Request, deliver: Callable[[Piece | Exception], None]) -> Hung:
        with self.lock:
            if self.running >= self.places:
                raise Busy("1 request is waiting; try again later")
            self.running += 1
            number = len(self.requests)
            self.requests.append(request)
        ticket = Hung()
        threading.Thread(target=self._say, args=(number, deliver, ticket), daemon=True).start()
        return ticket

    def _say(self, number: int, deliver: Callable[[Piece | Exception], None], ticket: Hung) -> None:
        try:
            if self.hold is not None:
                self.hold.wait(60)
            for place, word in enumerate(self.words):
                if ticket.gone.wait(self.pause):
                    self.cancelled.append(number)
                    return
                if isinstance(word, Exception):
                    deliver(word)
                    return
                first = {"prompt_tokens": 5, "cached_tokens": 3} if place == 0 else {}
                deliver(Piece(word, (*self.tokenizer.encode(word[:8]), 7)[:1], (-0.5,), **first))
            deliver(Piece("", finish_reason="stop", logps=(-0.1,)))
        finally:
            with self.lock:
                self.running -= 1


class Hung:
    """A ticket that notes when it is given back."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    def cancel(self) -> None:
        self.gone.set()


@contextlib.contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve an app in a thread; yields its address, such as http://127.0.0.1:40123."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()


@contextlib.contextmanager
def serving(speakers: Any, **parts: Any) -> Iterator[httpx.Client]:
    """A client of a running server with these models."""
    with running(create_app(speakers, **parts)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


@contextlib.contextmanager
def tiny_server(**settings: Any) -> Iterator[str]:
    """The address of a server with a chat model and a base model of a few thousand weights."""
    speakers = {CHAT: tiny_speaker(), BASE: tiny_speaker(is_chat=False, seed=1)}
    cards = {CHAT: Card(created=1_700_000_000, fingerprint="fp_tiny", stage="sft")}
    try:
        with running(create_app(speakers, settings=ServeSettings(cards=cards, **settings))) as address:
            yield address
    finally:
        for speaker in speakers.values():
            speaker.close(drain=False)


def metric(text: str, name: str, **labels: str) -> float:
    """The value of a metric in the text of /metrics, summed over what is not named."""
    lines = [line for line in text.splitlines() if line.startswith((name + "{", name + " "))]
    fitting = [line for line in lines if all(f'{key}="{value}"' in line for key, value in labels.items())]
    return sum(float(line.rsplit(" ", 1)[1]) for line in fitting)


def until(is_so: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether something becomes true in time: a bound for what never comes, and no measure of speed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.01)
    return is_so()

"""A speaker on another machine: any server that speaks OpenAI's language, this package's own among them.

In: a server's address, a model's name, requests.  Out: pieces of text as they arrive; closing the stream hangs up,
which tells the server to stop.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx

from chatwright.errors import ConfigError, InputError, ResourceError
from chatwright.generation.speaker import Piece, Request
from chatwright.text.conversation import Conversation

__all__ = ["RemoteSpeaker", "remote_models"]

KEYS = ("CHATWRIGHT_API_KEY", "OPENAI_API_KEY")
TIMEOUT = httpx.Timeout(600.0, connect=5.0)
DEFAULTS = {"top_k": 0, "min_p": 0.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "repetition_penalty": 1.0}
"""Settings that are sent only where they differ: some servers refuse those they do not know."""


class RemoteSpeaker:
    """Answers through a server's /v1/chat/completions and /v1/completions."""

    def __init__(self, server: str, model: str, *, context: int | None = None, key: str | None = None) -> None:
        self.server, self.model, self.context = _root(server), model, context
        self._key = key
        self._forgotten = 0  # messages that the model had no room for the last time

    def stream(self, request: Request) -> Iterator[Piece]:
        """Pieces of the answer. The oldest messages are left out where the server says that there are too many.

        Raises ResourceError if the server cannot be reached or fails, ConfigError if it wants a key, and InputError
        for what it refuses.
        """
        if request.conversation is None:
            yield from self._pieces("/v1/completions", {"prompt": request.text, **self._settings(request)})
            return
        messages = _without(request.conversation, self._forgotten)
        while True:
            body = {"messages": messages.to_dicts(), **self._settings(request)}
            try:
                yield from self._pieces("/v1/chat/completions", body)
            except _TooLong as error:
                shorter = _without(messages, 2)
                if shorter == messages:
                    raise InputError(str(error)) from None
                messages = shorter
            else:
                self._forgotten = len(request.conversation.messages) - len(messages.messages)
                return

    def _settings(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        room = sampling.max_tokens if self.context is None else max(1, min(sampling.max_tokens, self.context // 2))
        extra = {name: getattr(sampling, name) for name, usual in DEFAULTS.items() if getattr(sampling, name) != usual}
        stop = {"stop": list(request.stop)} if request.stop else {}
        return {
            "model": self.model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": room,
            "seed": request.seed,
            "stream": True,
            **extra,
            **stop,
        }

    def _pieces(self, path: str, body: dict[str, Any]) -> Iterator[Piece]:
        try:
            with _client(self.server, self._key) as client, client.stream("POST", path, json=body) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _refusal(response, self.server)
                yield from _read(response)
        except httpx.TransportError as error:
            raise ResourceError(f"{self.server} cannot be reached ({_reason(error)}); is it running?") from None


class _TooLong(InputError):
    """The prompt is longer than the model's context."""


def remote_models(server: str, *, key: str | None = None) -> dict[str, dict[str, Any]]:
    """What a server offers: its models by name, with whatever it says of them."""
    root = _root(server)
    try:
        with _client(root, key) as client:
            response = client.get("/v1/models")
        if response.status_code >= 400:
            raise _refusal(response, root)
        return {str(model["id"]): model for model in response.json()["data"]}
    except httpx.TransportError as error:
        raise ResourceError(f"{root} cannot be reached ({_reason(error)}); is it running?") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{root} is no server of OpenAI's kind: /v1/models lists no models") from None


def _root(server: str) -> str:
    """A server's address without the /v1 that other clients want at its end."""
    address = server.strip().rstrip("/").removesuffix("/v1")
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"--server is {server}; write it with http:// or https://, as http://127.0.0.1:8000")
    return address


def _client(root: str, key: str | None) -> httpx.Client:
    secret = key or next((found for name in KEYS if (found := os.environ.get(name))), None)
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return httpx.Client(base_url=root, headers=headers, timeout=TIMEOUT)


def _refusal(response: httpx.Response, server: str) -> Exception:
    """The error that a server tells, as one of ours."""
    try:
        error = response.json().get("error", {})
        message, code = str(error.get("message") or error), error.get("code")
    except (ValueError, AttributeError):
        message, code = response.text[:200], None
    if response.status_code == 401:
        return ConfigError(f"{server} wants a key: set {KEYS[0]} ({message})")
    if code == "context_length_exceeded":
        return _TooLong(f"{server}: {message}")
    kind = ResourceError if response.status_code == 429 or response.status_code >= 500 else InputError
    return kind(f"{server}: {message}")


def _read(response: httpx.Response) -> Iterator[Piece]:
    """The pieces in a stream of Server-Sent Events."""
    for line in _lines(response):
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError:
            raise ResourceError("the server sent something else than JSON; is it one of OpenAI's kind?") from None
        if event.get("error"):
            raise ResourceError(f"the server broke off: {event['error'].get('message', event['error'])}")
        for choice in event.get("choices") or ():
            text = choice.get("text") or (choice.get("delta") or {}).get("content") or ""
            if text or choice.get("finish_reason"):
                yield Piece(text, finish_reason=choice.get("finish_reason"))


def _lines(response: httpx.Response) -> Iterator[str]:
    """Lines that end with a line feed. httpx's own also end at U+2028, which may stand inside a text."""
    held = ""
    for text in response.iter_text():
        *whole, held = (held + text).split("\n")
        yield from whole
    yield held


def _without(conversation: Conversation, count: int) -> Conversation:
    """A conversation without its oldest messages: at least `count` where there are so many before the last exchange."""
    messages = conversation.messages
    head = messages[:1] if messages and messages[0].role == "system" else ()
    turns = list(messages[len(head) :])
    dropped = 0
    while dropped < count and len(turns) > 1:
        del turns[0]
        dropped += 1
        while len(turns) > 1 and turns[0].role != "user":
            del turns[0]
            dropped += 1
    return Conversation((*head, *turns))


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__

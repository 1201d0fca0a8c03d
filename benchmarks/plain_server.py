"""The peer's server: `transformers` generate behind FastAPI, one request at a time, as most tutorials have it.

In: POST /v1/completions with token ids.  Out: Server-Sent Events, one for every token.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import AsyncIterator
from typing import Any

import torch
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from transformers import GenerationMixin


class Tokens:
    """Hands tokens on as `generate` gives them; the first call holds the prompt."""

    def __init__(self) -> None:
        self.said: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.is_prompt = True

    def put(self, value: torch.Tensor) -> None:
        if not self.is_prompt:
            self.said.put(int(value.flatten()[0]))
        self.is_prompt = False

    def end(self) -> None:
        self.said.put(None)


def plain_app(model: GenerationMixin) -> FastAPI:
    """One lock around the model: who comes second waits for the first one's end."""
    app, turn = FastAPI(), asyncio.Lock()

    @app.post("/v1/completions")
    async def completions(body: dict[str, Any]) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            async with turn:
                tokens = Tokens()
                settings = {"max_new_tokens": body["max_tokens"], "min_new_tokens": body["max_tokens"]}
                prompt = torch.tensor([body["prompt"]])
                thread = threading.Thread(
                    target=model.generate,  # type: ignore[attr-defined]
                    kwargs={"input_ids": prompt, "streamer": tokens, "do_sample": True, "pad_token_id": 0, **settings},
                )
                thread.start()
                while (token := await asyncio.to_thread(tokens.said.get)) is not None:
                    yield f"data: {json.dumps({'choices': [{'index': 0, 'text': f' {token}'}]})}\n\n"
                thread.join()
            yield "data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app

"""`chatwright serve FOLDER...`: load models, open the store, answer until a signal comes, then finish what runs.

In: folders and settings.  Out: a running server; it returns when all that ran is answered (or `drain` seconds later).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from chatwright.artefacts import load_language_model
from chatwright.errors import ConfigError, ResourceError
from chatwright.generation.speaker import EngineSpeaker
from chatwright.serving.app import create_app
from chatwright.serving.loading import Offer, card_of, check_links, offers_of
from chatwright.serving.settings import ServeSettings
from chatwright.store import open_store
from chatwright.world import World, open_world

if TYPE_CHECKING:
    from fastapi import FastAPI

    from chatwright.store import Store

__all__ = ["EngineSettings", "Server", "bound", "load_speakers", "serve"]

log = logging.getLogger("chatwright.serving")


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How every model runs."""

    slots: int = 32
    """Answers at once."""
    queue: int = 256
    """Answers that wait; more get 429."""
    cache: int = 2**30
    """Bytes for keys and values, all models together."""
    int8: bool = False
    device: str = "auto"
    precision: str = "auto"
    threads: int = 2


def serve(
    folders: Sequence[Path],
    settings: ServeSettings,
    engine: EngineSettings | None = None,
    *,
    store: str | Path,
    drain: float = 30.0,
    make_app: Callable[..., FastAPI] = create_app,
    say: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or Ctrl-C; a second signal stops at once. Returns when all is closed.

    Raises ArtefactError for a folder without a model, ConfigError for settings that are not safe together, and
    ResourceError if the port is taken.
    """
    engine = engine or EngineSettings()
    offers = offers_of(folders)
    with contextlib.closing(bound(settings.host, settings.port)) as listening, open_store(store) as opened:
        _check_keys(settings, opened)
        speakers = load_speakers(offers, engine)
        settings = replace(settings, cards={offer.name: card_of(offer.folder) for offer in offers})
        app = make_app(speakers, opened, None, settings)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here depends on the client's address
            timeout_graceful_shutdown=max(1, round(drain)),
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
            h11_max_incomplete_event_size=64 * 1024,
        )
        server = Server(config)
        say(f"Serving {', '.join(speakers)} at {_address(settings, listening)}  (Ctrl-C stops)")
        try:
            server.run(sockets=[listening])
        finally:
            for speaker in speakers.values():
                speaker.close(drain=False)
            app.state.service.ledger.flush()


class Server(uvicorn.Server):
    """uvicorn, but a signal that was obeyed is not raised again: having drained, the process ends with 0."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:  # which skips it
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: take nothing new, finish what runs. Second: end it."""
        if not self.should_exit:
            self.should_exit = True
            print("Finishing what runs; once more stops at once.", file=sys.stderr, flush=True)
            return
        self.force_exit = True
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


def load_speakers(offers: Sequence[Offer], engine: EngineSettings) -> dict[str, EngineSpeaker]:
    """Load every model with an engine of its own. They share the processor and the memory for caches."""
    world = open_world(engine.device, engine.precision, engine.threads)
    return {offer.name: _speaker(offer, engine, world, share=len(offers)) for offer in offers}


def _speaker(offer: Offer, engine: EngineSettings, world: World, *, share: int) -> EngineSpeaker:
    check_links(offer.folder)
    model, tokenizer = load_language_model(offer.folder, world=world, weights="compute")
    return EngineSpeaker(
        model,
        tokenizer,
        world,
        slots=engine.slots,
        queue=engine.queue,
        cache_bytes=engine.cache // share,
        is_chat=card_of(offer.folder).stage != "pretrain" and getattr(tokenizer, "can_chat", True),
        precision="int8" if engine.int8 else "auto",
    )


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any free one."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except socket.gaierror:
        raise ConfigError(f"{host} is no address of this machine; give --host 127.0.0.1, or 0.0.0.0 for all") from None
    except OSError as error:
        raise ResourceError(f"cannot listen at {host}, port {port} ({error.strerror}); choose another --port") from None


def _address(settings: ServeSettings, listening: socket.socket) -> str:
    scheme = "https" if settings.tls_certificate else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listening.getsockname()[1]}"


def _check_keys(settings: ServeSettings, store: Store) -> None:
    """A server that needs keys, and has none, would answer nobody."""
    if settings.needs_key and not store.keys.all():
        raise ConfigError("this server needs keys and there is none yet; make one with chatwright keys add NAME")

"""`chatwright serve FOLDER...`: load models, open the store, answer until a signal comes, then finish what runs.

In: folders and settings.  Out: a running server; it returns when all that ran is answered (or `drain` seconds later).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from chatwright.artefacts import load_language_model
from chatwright.generation.speaker import EngineSpeaker
from chatwright.printable import shown
from chatwright.serving.listening import address_of, bound, check_tls, hints_of
from chatwright.serving.loading import Offer, card_of, check_links, offers_of
from chatwright.serving.settings import ServeSettings
from chatwright.serving.web.building import setup_link, web_app
from chatwright.store import open_store
from chatwright.world import open_world

if TYPE_CHECKING:
    from fastapi import FastAPI

    from chatwright.store import Store
    from chatwright.store.keys import Key

__all__ = ["EngineSettings", "Server", "load_speakers", "serve"]

log = logging.getLogger("chatwright.serving")

MOST_NAMED = 10
"""Of the keys that name a model which is not served."""
INT8_HINT = (
    "Weights are rounded to 8 bits; what that costs in bits per byte of a text of yours: "
    "python benchmarks/decode.py --model FOLDER --text FILE"
)


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
    """Whether weights are rounded to 8 bits: faster, slightly less exact."""
    compiled: bool = False
    """Whether the one-token step is compiled, or captured on CUDA."""
    device: str = "auto"
    """auto (a CUDA GPU where there is one, else the processor), cpu, cuda or cuda:N."""
    precision: str = "auto"
    """Of the arithmetic: auto (bf16 where the device has it natively, else fp32), fp32 or bf16."""
    threads: int = 2
    """Processor threads that divide the work; without effect on a GPU."""


def tell(text: str) -> None:
    """Print at once: a log file shall have the one-time link before the server ends."""
    print(text, flush=True)


def serve(
    folders: Sequence[Path],
    settings: ServeSettings,
    engine: EngineSettings | None = None,
    *,
    store: str | Path,
    drain: float = 30.0,
    run_directories: Sequence[Path] | None = None,
    make_app: Callable[..., FastAPI] = web_app,
    say: Callable[[str], None] = tell,
) -> None:
    """Serve until SIGTERM or Ctrl-C; a second signal stops at once. Returns when all is closed.

    `run_directories`: whose runs the pages show; None: those that the served runs lie in. Raises ArtefactError for a
    folder without a model, ConfigError for settings that are not safe together, ResourceError if the port is taken.
    """
    engine = engine or EngineSettings()
    offers = offers_of(folders)
    check_tls(settings)
    with contextlib.closing(bound(settings.host, settings.port)) as listening, open_store(store) as opened:
        address = address_of(settings, listening.getsockname()[1])
        served = _promoted(offers, opened)
        speakers = load_speakers(served, engine)
        settings = replace(settings, cards={offer.name: card_of(offer.folder) for offer in served})
        app = make_app(
            speakers,
            opened,
            None,
            settings,
            run_directories=_run_directories(folders) if run_directories is None else run_directories,
            load=lambda folder: (_speaker(folder, engine, share=len(offers)), card_of(folder)),
            started_with={offer.name: offer.folder for offer in offers},
        )
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
        say(f"Serving {', '.join(speakers)} at {address}  (Ctrl-C stops)")
        for hint in (*hints_of(settings), *limits_of(speakers), *([INT8_HINT] if engine.int8 else [])):
            say(hint)
        if idle := unserved_of(opened.keys.all(), speakers):
            print(idle, file=sys.stderr, flush=True)
        if link := setup_link(opened, settings, address):
            say(f"Nobody is admin yet; this link makes the first one, once, within a day: {link}")
        try:
            server.run(sockets=[listening])
        finally:
            for speaker in app.state.service.models.values():  # a promotion may have brought others
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
    return {offer.name: _speaker(offer.folder, engine, share=len(offers)) for offer in offers}


def _speaker(folder: Path, engine: EngineSettings, *, share: int) -> EngineSpeaker:
    check_links(folder)
    world = open_world(engine.device, engine.precision, engine.threads)
    model, tokenizer = load_language_model(folder, world=world, weights="compute")
    return EngineSpeaker(
        model,
        tokenizer,
        world,
        slots=engine.slots,
        queue=engine.queue,
        cache_bytes=engine.cache // share,
        is_chat=card_of(folder).stage != "pretrain" and getattr(tokenizer, "can_chat", True),
        precision="int8" if engine.int8 else "auto",
        compiled=engine.compiled,
    )


def limits_of(speakers: Mapping[str, EngineSpeaker]) -> Iterator[str]:
    """Which models read less than they could, for want of memory."""
    for name, speaker in speakers.items():
        if speaker.limit:
            yield f"{name}: {speaker.limit}"


def unserved_of(keys: Sequence[Key], served: Container[str]) -> str:
    """One line about the keys that name a model which is not served here, mistyped perhaps; empty without any."""
    idle = [(key, [name for name in key.models if name not in served]) for key in keys]
    named = [f"{key.name} ({', '.join(names)})" for key, names in idle if names]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    told = shown(", ".join(named[:MOST_NAMED]) + more).replace("\n", " ").replace("\t", " ")
    return f"Keys that name models not served here: {told}" if named else ""


def _promoted(offers: Sequence[Offer], store: Store) -> list[Offer]:
    """The offers, each with the folder that was promoted to its name."""
    current = store.promotions.current()
    found = []
    for offer in offers:
        folder = Path(current[offer.name].folder) if offer.name in current else offer.folder
        if not (folder / "model.json").is_file():
            log.warning("%s was promoted to %s, but is gone; serving %s", folder, offer.name, offer.folder)
            folder = offer.folder
        found.append(replace(offer, folder=folder))
    return found


def _run_directories(folders: Sequence[Path]) -> list[Path]:
    """The directories in which the runs lie that are served; other runs there are shown too."""
    found = []
    for folder in (folder.resolve() for folder in folders):
        if (folder / "origin.json").exists():
            found.append(folder.parent.parent)
        elif (folder / "model.json").is_file():  # a model/ of a stage, or a model from elsewhere
            found += [folder.parent.parent.parent] if (folder.parent / "origin.json").exists() else []
        else:
            found.append(folder.parent)
    return found

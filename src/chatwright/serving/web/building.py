"""The app with everything that the web pages use: `/api/v1`, sessions, the pages themselves.

In: the parts of `create_app`, directories with runs, a way to load models.  Out: an ASGI app.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI

from chatwright.errors import ChatwrightError
from chatwright.generation.speaker import Speaker
from chatwright.serving import pages
from chatwright.serving.app import create_app
from chatwright.serving.moderating import Moderator
from chatwright.serving.settings import ServeSettings
from chatwright.serving.training_usage import taken_by
from chatwright.serving.web import (
    admin,
    answers,
    chats,
    comparisons,
    curation,
    explain,
    jobs,
    labelling,
    runs,
    sessions,
    tokens,
)
from chatwright.serving.web.inside import Inside, load_to_look_into
from chatwright.serving.web.judges import Judges
from chatwright.serving.web.parts import Web
from chatwright.serving.web.quiet import QuietWorker
from chatwright.serving.web.shelf import Load, Shelf
from chatwright.serving.web.supervision import Supervisor
from chatwright.serving.web.training import is_known, prepare
from chatwright.serving.web.visitors import nobody_exists, own_pages_only, session_authenticator
from chatwright.serving.web.watching import RunFolders

if TYPE_CHECKING:
    from chatwright.store import Store

__all__ = ["setup_link", "web_app"]

log = logging.getLogger("chatwright.serving")
PREFIX = "/api/v1"
PARTS = (sessions, chats, answers, tokens, explain, runs, labelling, admin, curation, jobs, comparisons)
OPEN_PATHS = ("/", *(f"/{route}" for route in pages.ROUTES), "/assets/", "/icon.svg", "/theme.js", f"{PREFIX}/")
"""Need no caller of the guard's kind: pages hold no data, and the routes of /api/v1 ask for people themselves."""
PURGE_EVERY_SECONDS = 6 * 3600.0


def web_app(
    speakers: Mapping[str, Speaker],
    store: Store,
    moderator: Moderator | None = None,
    settings: ServeSettings | None = None,
    *,
    run_directories: Sequence[Path] = (),
    load: Load | None = None,
    started_with: Mapping[str, Path] | None = None,
    load_inside: Any = load_to_look_into,
    look_at_jobs_every: float = 1.0,
) -> FastAPI:
    """`create_app` with the pages and their API.

    `run_directories` hold runs to watch; new runs are written beside the run that they begin with. `load` makes a
    speaker of a folder, for promotions; `started_with` are the folders of names that are promoted already.
    """
    settings = settings or ServeSettings()
    cards = dict(settings.cards)  # promotions change it, and everybody who reads the settings sees that
    settings = replace(settings, cards=cards)
    shelf = Shelf(speakers, cards, load=load, started_with=started_with)
    watched = RunFolders(run_directories)
    web = Web(
        store=store,
        settings=settings,
        shelf=shelf,
        runs=watched,
        judges=Judges(shelf.folder),
        inside=Inside(shelf.folder, load_inside),
        supervisor=Supervisor(
            store,
            partial(prepare, store=store, runs=watched),
            every=look_at_jobs_every,
            took=partial(taken_by, price_per_1000=settings.prices.training),
            suits=partial(is_known, runs=watched),
        ),
        quiet=QuietWorker(),
    )
    app = create_app(
        shelf,
        store,
        moderator,
        settings,
        routers=[_api(web), pages.build()],
        authenticators=[session_authenticator(store)],
        open_paths=OPEN_PATHS,
    )
    app.state.web = web
    return app


def _api(web: Web) -> APIRouter:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        web.supervisor.take_up()
        purging = asyncio.create_task(_purge(web))
        yield
        purging.cancel()
        with suppress(asyncio.CancelledError):
            await purging
        await asyncio.to_thread(web.close)

    router = APIRouter(prefix=PREFIX, dependencies=[Depends(own_pages_only)], lifespan=lifespan)
    for part in PARTS:
        router.include_router(part.router)
    return router


async def _purge(web: Web) -> None:
    """Delete chats that are older than the setting `retention_days`, now and every few hours."""
    while True:
        try:
            days = await asyncio.to_thread(web.store.settings.get, "retention_days")
            if days is not None:
                await asyncio.to_thread(web.store.chats.purge, datetime.now(UTC) - timedelta(days=days))
        except ChatwrightError:
            log.exception("old chats could not be deleted")
        await asyncio.sleep(PURGE_EVERY_SECONDS)


def setup_link(store: Store, settings: ServeSettings, address: str) -> str | None:
    """The one-time link that makes the first admin; None where there is one, or where nobody needs any.

    Each call ends the link before. On loopback, as long as nobody has an account, whoever sits here may do everything.
    """
    if not settings.needs_key and nobody_exists(store):
        return None
    token = store.people.first_admin_link()
    return None if token is None else f"{address}/setup?token={token}"

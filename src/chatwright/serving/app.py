"""The app: models, a store and a moderator behind an OpenAI-compatible API. Parts come in, nothing is global.

In: speakers by name, and the other parts.  Out: an ASGI app for uvicorn, or for a test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from chatwright import __version__
from chatwright.generation.speaker import Speaker
from chatwright.serving import chat, completions, embeddings, models, moderations, operations, tokenization
from chatwright.serving.errors import install_handlers
from chatwright.serving.limits import BodyLimit, Outermost
from chatwright.serving.metrics import Metrics
from chatwright.serving.moderating import Moderator
from chatwright.serving.schemas import ErrorBody
from chatwright.serving.security import Authenticator, Guard, key_authenticator
from chatwright.serving.service import Service
from chatwright.serving.settings import ServeSettings
from chatwright.serving.usage import Ledger

if TYPE_CHECKING:
    from chatwright.store import Store

__all__ = ["create_app"]

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request is wrong; `param` names the field."},
    401: {"model": ErrorBody, "description": "A key is missing or unknown."},
    403: {"model": ErrorBody, "description": "This Host, Origin or person is not let in."},
    404: {"model": ErrorBody, "description": "No such model or path."},
    429: {"model": ErrorBody, "description": "Busy, too many requests, or a quota is used up; see retry-after."},
    500: {"model": ErrorBody, "description": "The server failed."},
}


def create_app(
    speakers: Mapping[str, Speaker],
    store: Store | None = None,
    moderator: Moderator | None = None,
    settings: ServeSettings | None = None,
    *,
    routers: Sequence[APIRouter] = (),
    authenticators: Sequence[Authenticator] = (),
    open_paths: Sequence[str] = (),
) -> FastAPI:
    """Put the parts together.

    `routers` add further paths (the web pages' /api/v1 and their files); they come before the page at `/`.
    `authenticators` find callers by other things than keys, such as session cookies; `open_paths` need no caller.
    Without a store there are no keys and no bills.
    """
    settings = settings or ServeSettings()
    metrics = Metrics(speakers)
    ledger = Ledger(store, price_per_1000=settings.prices.use, rates=settings.rates)
    service = Service(speakers, settings, metrics, ledger, moderator, store)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await ledger.close()

    app = FastAPI(
        title="chatwright",
        version=__version__,
        description="OpenAI-compatible API of models made or adapted with chatwright.",
        lifespan=lifespan,
        responses=ERRORS,
        docs_url=None,  # the page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    install_handlers(app)
    for part in (chat, completions, embeddings, models, moderations, tokenization):
        app.include_router(part.router, prefix="/v1")
    app.include_router(tokenization.router)
    app.include_router(operations.router)
    for router in routers:
        app.include_router(router)
    app.include_router(operations.page_router)
    _say_400(app)
    _surround(app, service, (key_authenticator(store), *authenticators), ("/health", *open_paths))
    return app


def _surround(
    app: FastAPI, service: Service, authenticators: Sequence[Authenticator], open_paths: Sequence[str]
) -> None:
    """What a request passes before it comes to a route; the last one added is the outermost."""
    settings = service.settings
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(Guard, settings=settings, authenticators=tuple(authenticators), open_paths=tuple(open_paths))
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(Outermost, settings=settings, metrics=service.metrics)


def _say_400(app: FastAPI) -> None:
    """Let the description say what is true: wrong requests get 400 in OpenAI's shape, never FastAPI's 422."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        described = original()
        for path in described["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            described.get("components", {}).get("schemas", {}).pop(name, None)
        return described

    app.openapi = openapi  # type: ignore[method-assign]

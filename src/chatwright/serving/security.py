"""Who may ask: Host and Origin are checked, keys looked up, and each key's requests per minute counted.

In: requests.  Out: the caller, in the request's state; or 401, 403, 429. Runs before anything reads a body.

A page of another site that a browser has open must not reach a server on this machine: it cannot send another Origin
than its own, and a name that it has pointed at 127.0.0.1 (DNS rebinding) shows in the Host header.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from chatwright.serving.errors import ApiError
from chatwright.serving.settings import ServeSettings

if TYPE_CHECKING:
    from chatwright.store import Store
    from chatwright.store.keys import Key

__all__ = ["Authenticator", "Caller", "Guard", "key_authenticator"]

OWN_KEYS = "cw-"
WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class Caller:
    """Who asks: a key, a person who has signed in, or, on loopback only, whoever sits at this machine."""

    key: Key | None = None
    person_id: int | None = None

    @property
    def salt(self) -> str:
        """Prompts share the prefix cache within one salt: `cached_tokens` must not tell what others have asked."""
        return f"key {self.key.id}" if self.key else f"person {self.person_id}" if self.person_id else ""

    def may_use(self, model: str) -> bool:
        return self.key is None or self.key.allows(model)


Authenticator = Callable[[Headers], Awaitable[Caller | None]]
"""Finds the caller of a request by its headers; None: nothing there that it knows. Raises ApiError for a bad key."""


def key_authenticator(store: Store | None) -> Authenticator:
    """Looks for a key of the store in `Authorization: Bearer ...`."""

    async def authenticate(headers: Headers) -> Caller | None:
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        secret = secret.strip()
        # Clients of a local server send any key, or "Bearer " with none: only what looks like ours is looked up.
        if scheme.lower() != "bearer" or not secret.startswith(OWN_KEYS):
            return None
        key = await asyncio.to_thread(store.keys.find, secret) if store is not None else None
        if key is None:
            raise ApiError("This API key is unknown or was revoked.", status=401, code="invalid_api_key")
        return Caller(key=key, person_id=key.person_id)

    return authenticate


class Guard:
    """ASGI middleware: nothing passes that is not let in.

    `open_paths` need no caller; one that ends in a slash stands for all below it.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServeSettings,
        authenticators: Sequence[Authenticator],
        open_paths: Sequence[str] = ("/health",),
    ) -> None:
        self._app, self._settings, self._authenticators = app, settings, authenticators
        self._open = frozenset(path for path in open_paths if not path.endswith("/") or path == "/")
        self._open_below = tuple(path for path in open_paths if path.endswith("/") and path != "/")
        own = {"localhost", settings.host, socket.gethostname(), socket.getfqdn(), *settings.allowed_hosts}
        public = {settings.public_host} if settings.public_host else set()
        self._hosts = frozenset(name.lower() for name in own | public)
        self._windows = Windows()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            self._check_place(headers)
            caller = await self._caller(headers, scope["path"])
            self._check_rate(caller, scope)
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    def _check_place(self, headers: Headers) -> None:
        host = headers.get("host", "")
        name = _host_name(host)
        if not (name in self._hosts or _is_address(name)):
            raise ApiError(
                f"The Host {host[:100]!r} is not one of this server's names; start it with --allow-host NAME if it is.",
                status=403,
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        if origin is None or origin in self._settings.allowed_origins or origin == self._settings.public_origin:
            return
        if _netloc(origin) != host.lower():
            raise ApiError(
                "Pages of other sites may not use this server; start it with --allow-origin if this one may.",
                status=403,
                code="origin_not_allowed",
            )

    def _is_open(self, path: str) -> bool:
        return path in self._open or path.startswith(self._open_below)

    async def _caller(self, headers: Headers, path: str) -> Caller:
        is_open = self._is_open(path)
        for authenticate in self._authenticators:
            try:
                found = await authenticate(headers)
            except ApiError:
                if is_open:
                    continue
                raise
            if found is not None:
                return found
        if is_open or not self._settings.needs_key:
            return Caller()
        raise ApiError(
            "An API key is needed here: send it as `Authorization: Bearer KEY`. `chatwright keys add NAME` makes one.",
            status=401,
            code="missing_api_key" if not headers.get("authorization") else "invalid_api_key",
            headers={"www-authenticate": "Bearer"},
        )

    def _check_rate(self, caller: Caller, scope: Scope) -> None:
        if caller == Caller() and self._is_open(scope["path"]):
            return  # a flood of these must not keep others from signing in, which has limits of its own
        limit = self._settings.requests_per_minute
        if caller.key is not None and caller.key.requests_per_minute is not None:
            limit = caller.key.requests_per_minute
        if not limit or scope["method"] != "POST":
            return
        wait = self._windows.wait(caller.key.id if caller.key else ("person", caller.person_id), limit)
        if wait > 0:
            seconds = max(1, round(wait + 0.5))
            raise ApiError(
                f"More than {limit} requests in a minute; try again in {seconds} s.",
                status=429,
                code="rate_limit_exceeded",
                headers={
                    "retry-after": str(seconds),
                    "x-ratelimit-limit-requests": str(limit),
                    "x-ratelimit-remaining-requests": "0",
                    "x-ratelimit-reset-requests": f"{seconds}s",
                },
            )


class Windows:
    """The requests of the last minute, per caller. In memory: a restart forgives."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[object, deque[float]] = {}

    def wait(self, who: object, limit: int) -> float:
        """Seconds until one more request is welcome; 0 counts it at once. Refused requests do not count."""
        now = self._clock()
        times = self._times.setdefault(who, deque())
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        if len(times) >= limit:
            return times[0] + WINDOW_SECONDS - now
        times.append(now)
        return 0.0


def _host_name(host: str) -> str:
    """The name in a Host header, without the port and the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0] if "]" in host else ""
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    """Whether a host is a plain address: nobody can point one of those elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _netloc(origin: str) -> str | None:
    """The host and port of an origin; None for "null" and for nonsense."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") and parts.netloc else None

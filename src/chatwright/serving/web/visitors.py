"""Who uses the pages: somebody signed in, or whoever sits at this machine while nobody has an account.

In: the session cookie, found by the guard.  Out: a Visitor with a role, or 401 and 403; and the check that a request
comes from our own pages. Keys open `/v1` only, never `/api/v1`: who holds one may ask models, not read chats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from chatwright.serving.errors import ApiError
from chatwright.serving.security import Authenticator, Caller
from chatwright.serving.web.parts import Web, web_of
from chatwright.store.people import LOCAL_NAME, Person, Role

if TYPE_CHECKING:
    from chatwright.store import Store

__all__ = [
    "COOKIE",
    "Anybody",
    "Admin",
    "Chatter",
    "Labeler",
    "Visitor",
    "find_visitor",
    "nobody_exists",
    "own_pages_only",
    "session_authenticator",
    "token_in",
]

COOKIE = "chatwright-session"
RANKS: dict[Role, int] = {"chatter": 0, "labeler": 1, "admin": 2}


@dataclass(frozen=True)
class Visitor:
    """Who asks. `is_local`: nobody has an account, so whoever sits here may do everything."""

    person: Person
    is_local: bool = False

    @property
    def id(self) -> int:
        return self.person.id

    @property
    def role(self) -> Role:
        return "admin" if self.is_local else self.person.role

    @property
    def caller(self) -> Caller:
        return Caller(person_id=self.person.id)


def token_in(headers: Headers) -> str | None:
    """The token of the session cookie."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:  # somebody else's cookie that Python cannot read
        return None
    return found.value if found is not None and found.value else None


def session_authenticator(store: Store) -> Authenticator:
    """Finds the caller of a request by its session cookie."""

    async def authenticate(headers: Headers) -> Caller | None:
        token = token_in(headers)
        if token is None:
            return None
        person = await run_in_threadpool(store.people.by_session, token)
        return None if person is None else Caller(person_id=person.id)

    return authenticate


def nobody_exists(store: Store) -> bool:
    """Whether there is no account but the one of this machine itself."""
    return all(person.name == LOCAL_NAME for person in store.people.all())


def find_visitor(request: Request, web: Web) -> Visitor | None:
    """Who asks, None: nobody that we know."""
    caller: Caller = request.scope["state"]["caller"]
    if caller.key is None and caller.person_id is not None:
        return Visitor(web.store.people.get(caller.person_id))
    local = None if web.settings.needs_key else web.store.people.local()
    return None if local is None else Visitor(local, is_local=True)


def _needs(role: Role) -> Callable[[Request], Visitor]:
    def check(request: Request) -> Visitor:
        visitor = find_visitor(request, web_of(request))
        if visitor is None:
            raise ApiError("Sign in first.", status=401, code="not_signed_in")
        if RANKS[visitor.role] < RANKS[role]:
            raise ApiError(
                f"This is for the role {role} and above; an admin can give it to you.", status=403, code="role_too_low"
            )
        return visitor

    return check


def _anybody(request: Request) -> Visitor | None:
    return find_visitor(request, web_of(request))


Anybody = Annotated[Visitor | None, Depends(_anybody)]
Chatter = Annotated[Visitor, Depends(_needs("chatter"))]
Labeler = Annotated[Visitor, Depends(_needs("labeler"))]
Admin = Annotated[Visitor, Depends(_needs("admin"))]


async def own_pages_only(request: Request) -> None:
    """Refuse what a page of another site makes a browser send, in case the guard's check of Origin saw none.

    Browsers say where a request comes from (Sec-Fetch-Site); programs say nothing, and carry no cookies by themselves.
    """
    site = request.headers.get("sec-fetch-site")
    if site in (None, "same-origin", "none"):
        return
    if request.headers.get("origin") in web_of(request).settings.allowed_origins:
        return
    raise ApiError("Pages of other sites may not use this server.", status=403, code="origin_not_allowed")

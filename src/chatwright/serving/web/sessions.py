"""Signing in and out, the links that make accounts, and what people may do with their own.

In: names, passwords, tokens of links.  Out: a session in a cookie that no script can read.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.datastructures import Headers

from chatwright.errors import ForbiddenError
from chatwright.serving.errors import ApiError
from chatwright.serving.schemas import Body
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.shapes import as_file, id_of
from chatwright.serving.web.shown import people as shown
from chatwright.serving.web.shown import plain
from chatwright.serving.web.visitors import (
    COOKIE,
    Anybody,
    Chatter,
    Visitor,
    nobody_exists,
    token_in,
)
from chatwright.store.people import SESSION_TIME, Person

__all__ = ["router"]

router = APIRouter(tags=["people"])


class Login(Body):
    name: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class Joining(Login):
    token: str = Field(max_length=200)
    language: Literal["en", "de"] = "en"


class Own(Body):
    language: Literal["en", "de"] | None = None
    preferences: dict[str, Any] | None = None


class NewPassword(Body):
    old: str = Field(max_length=1000)
    new: str = Field(max_length=1000)


class Farewell(Body):
    password: str = Field("", max_length=1000)


@router.get("/me", summary="Who am I?", response_model=shown.Me)
def me(web: WebOf, visitor: Anybody) -> Any:
    """`access` says what the page shows: open, login, or setup while nobody could sign in yet."""
    return _me(web, visitor)


@router.post("/login", summary="Sign in", response_model=shown.Me)
def login(body: Login, web: WebOf, request: Request, response: Response) -> Any:
    return _signed_in(web, request, response, body.name, body.password)


@router.post("/logout", summary="Sign out", response_model=shown.Me)
def logout(web: WebOf, request: Request, response: Response) -> Any:
    token = token_in(request.headers)
    if token is not None:
        web.store.people.log_out(token)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_encrypted(web))
    return {"person": None, "role": None, "access": _access(web)}


@router.post("/setup", summary="Make the first admin, with the link that serve printed", response_model=shown.Me)
def setup(body: Joining, web: WebOf, request: Request, response: Response) -> Any:
    return _joined(web, body, request, response)


@router.post("/invites/accept", summary="Make an account with an invitation", response_model=shown.Me)
def accept(body: Joining, web: WebOf, request: Request, response: Response) -> Any:
    return _joined(web, body, request, response)


@router.patch("/me", summary="Change language and preferences", response_model=shown.Me)
def change_me(body: Own, web: WebOf, visitor: Chatter) -> Any:
    web.store.people.change(visitor.id, language=body.language, preferences=body.preferences)
    return _me(web, Visitor(web.store.people.get(visitor.id), visitor.is_local))


@router.post("/me/password", summary="Change the password; ends all sessions but this one", response_model=shown.Me)
def change_password(body: NewPassword, web: WebOf, visitor: Chatter, request: Request, response: Response) -> Any:
    web.store.people.change_password(visitor.id, old=body.old, new=body.new, address=_address(web, request))
    return _signed_in(web, request, response, visitor.person.name, body.new)


@router.get("/me/export", summary="Everything that is stored of me", response_class=Response, responses=plain.FILE)
def export_me(web: WebOf, visitor: Chatter) -> Response:
    found = json.dumps(web.store.personal.export(visitor.id), indent=2, ensure_ascii=False)
    return as_file(found, f"{visitor.person.name}.json", "application/json")


@router.get("/me/runs", summary="Runs that have learned from what I wrote", response_model=plain.TrainedRuns)
def my_runs(web: WebOf, visitor: Chatter) -> Any:
    return {"runs": web.store.personal.trained_runs(visitor.id)}


@router.delete("/me", summary="Delete my account and what it holds", response_model=plain.Gone)
def delete_me(body: Farewell, web: WebOf, visitor: Chatter, request: Request, response: Response) -> Any:
    """Asks for the password again: a forgotten open window must not be enough."""
    if not visitor.is_local:
        _, token = web.store.people.log_in(visitor.person.name, body.password, address=_address(web, request))
        web.store.people.log_out(token)
    gone = web.store.personal.delete(visitor.id)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_encrypted(web))
    return {"chats": gone.chats, "feedback": gone.feedback, "runs": list(gone.runs)}


def shown_person(person: Person) -> dict[str, Any]:
    return {"id": id_of(person.id), "name": person.name, "role": person.role, "language": person.language}


def _me(web: Web, visitor: Visitor | None) -> dict[str, Any]:
    if visitor is None:
        return {"person": None, "role": None, "access": _access(web)}
    if visitor.is_local:
        return {"person": None, "role": visitor.role, "access": "open"}
    person = shown_person(visitor.person) | {"preferences": dict(visitor.person.preferences)}
    return {"person": person, "role": visitor.role, "access": "open"}


def _access(web: Web) -> str:
    if nobody_exists(web.store):
        return "setup" if web.settings.needs_key else "open"
    return "login"


def _joined(web: Web, body: Joining, request: Request, response: Response) -> Any:
    web.store.people.join(body.token, body.name, body.password, language=body.language)
    return _signed_in(web, request, response, body.name, body.password)


def _signed_in(web: Web, request: Request, response: Response, name: str, password: str) -> dict[str, Any]:
    try:
        person, token = web.store.people.log_in(name, password, address=_address(web, request))
    except ForbiddenError as error:
        raise ApiError(f"{error}.".capitalize(), status=401, code="wrong_password") from None
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(SESSION_TIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=_is_encrypted(web),
    )
    response.headers["cache-control"] = "no-store"
    return _me(web, Visitor(person))


def _is_encrypted(web: Web) -> bool:
    return web.settings.tls_certificate is not None or web.settings.behind_proxy


def _address(web: Web, request: Request) -> str:
    """Where an attempt to sign in comes from. Behind a proxy: the address that the proxy itself appended."""
    forwarded = Headers(scope=request.scope).get("x-forwarded-for", "")
    if web.settings.behind_proxy and forwarded:
        return forwarded.rpartition(",")[2].strip()[:100]
    return request.client.host if request.client else ""

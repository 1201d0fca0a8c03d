"""People, invitations, keys, usage and settings, for admins.

In: what the admin page sends.  Out: what there is now. Passwords and secrets are never shown again.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from chatwright.errors import ConflictError
from chatwright.serving.schemas import Body
from chatwright.serving.web.chats import shown_chat
from chatwright.serving.web.parts import Web, WebOf
from chatwright.serving.web.sessions import shown_person
from chatwright.serving.web.shapes import Number, as_file, id_of, time_of
from chatwright.serving.web.shown import chats, plain
from chatwright.serving.web.shown import people as shown
from chatwright.serving.web.visitors import Admin
from chatwright.store.feedback import DAILY_CAPS, TRAINING_CAPS
from chatwright.store.keys import Key
from chatwright.store.people import LOCAL_NAME, Invite, Person
from chatwright.store.usage import Spent, UsageKind

__all__ = ["router"]

router = APIRouter(prefix="/admin", tags=["admin"])
Role = Literal["admin", "labeler", "chatter"]


class ChangedPerson(Body):
    role: Role | None = None
    disabled: bool | None = None


class Password(Body):
    password: str = Field(max_length=1000)


class NewInvite(Body):
    role: Role
    hours: float = 72.0
    note: str = Field("", max_length=500)


class NewKey(Body):
    name: str
    requests_per_minute: int | None = None
    quota_tokens: int | None = None
    quota_period: Literal["total", "month"] = "total"
    models: list[str] = Field([], max_length=100)


class ChangedSettings(Body):
    """What is left out stays; retention_days null keeps chats until they are deleted."""

    retention_days: int | None = None
    daily_caps: dict[str, int | None] | None = None
    training_caps: dict[str, int | None] | None = None
    training_share: float | None = None
    guidelines: str | None = None


# -- people --


@router.get("/people", summary="Everybody who has an account", response_model=shown.People)
def people(web: WebOf, visitor: Admin) -> Any:
    """The account of this machine itself is told of only where somebody else's stands beside it."""
    found = [] if visitor.is_local else web.store.people.all()
    return {"people": [_person(person) for person in found]}


@router.patch(
    "/people/{person}", summary="Change somebody's role, or disable the account", response_model=shown.FullPerson
)
def change_person(person: Number, body: ChangedPerson, web: WebOf, visitor: Admin) -> Any:
    _require_own(web, person)
    return _person(web.store.people.change(person, role=body.role, disabled=body.disabled))


@router.post(
    "/people/{person}/password",
    summary="Give somebody a new password; ends their sessions",
    response_model=plain.Nothing,
)
def set_password(person: Number, body: Password, web: WebOf, visitor: Admin) -> Any:
    _require_own(web, person)
    web.store.people.set_password(person, body.password)
    return {}


@router.delete("/people/{person}", summary="Delete an account and what it holds", response_model=plain.Gone)
def delete_person(person: Number, web: WebOf, visitor: Admin) -> Any:
    """`runs` had learned from what the person wrote, and want training again."""
    gone = web.store.personal.delete(person)
    return {"chats": gone.chats, "feedback": gone.feedback, "runs": list(gone.runs)}


@router.get(
    "/people/{person}/export",
    summary="Everything that is stored of somebody",
    response_class=Response,
    responses=plain.FILE,
)
def export_person(person: Number, web: WebOf, visitor: Admin) -> Response:
    """For somebody who asks for their data and cannot sign in. Chats that they do not share stay unseen."""
    found = web.store.personal.export(person)
    shared = {chat.id for chat in web.store.chats.shared(limit=100_000) if chat.person_id == person}
    found["chats"] = [chat for chat in found["chats"] if chat["id"] in shared]
    found["feedback"] = [row | ({} if row["consent"] else {"content": None}) for row in found["feedback"]]
    name = web.store.people.get(person).name
    return as_file(json.dumps(found, indent=2, ensure_ascii=False), f"{name}.json", "application/json")


@router.get(
    "/people/{person}/runs", summary="Runs that have learned from what somebody wrote", response_model=plain.TrainedRuns
)
def runs_of_person(person: Number, web: WebOf, visitor: Admin) -> Any:
    return {"runs": web.store.personal.trained_runs(person)}


@router.get("/shared_chats", summary="Chats whose owners let admins read them", response_model=shown.SharedChats)
def shared_chats(web: WebOf, visitor: Admin) -> Any:
    found = web.store.chats.shared(limit=200)
    return {
        "chats": [
            {"id": id_of(chat.id), "title": chat.title, "model": chat.model, "updated_at": time_of(chat.changed_at)}
            for chat in found
        ]
    }


@router.get("/shared_chats/{chat}", summary="One of these chats", response_model=chats.Chat)
def shared_chat(chat: Number, web: WebOf, visitor: Admin) -> Any:
    found = web.store.chats.get(visitor.id, chat, as_admin=True)
    return shown_chat(found, web.store.chats.messages(visitor.id, chat, as_admin=True), {}, {})


# -- invitations --


@router.get("/invites", summary="Invitations", response_model=shown.Invites)
def invites(web: WebOf, visitor: Admin) -> Any:
    return {"invites": [_invite(invite) for invite in web.store.people.invites()]}


@router.post("/invites", summary="Invite somebody", response_model=shown.MadeInvite)
def invite(body: NewInvite, web: WebOf, visitor: Admin) -> Any:
    """The link is `path` on this server; it works once, and its token is shown only now."""
    if visitor.is_local and body.role != "admin":
        raise ConflictError(
            "nobody has an account yet, so begin with your own: invite an admin, and open the link",
            code="begin_with_own_account",
        )
    made, token = web.store.people.invite(body.role, created_by=visitor.id, hours=body.hours, note=body.note)
    return {"invite": _invite(made), "token": token, "path": f"invite?token={token}"}


@router.delete("/invites/{invite}", summary="Withdraw an invitation", status_code=204)
def withdraw(invite: Number, web: WebOf, visitor: Admin) -> None:
    web.store.people.revoke_invite(invite)


# -- keys and usage --


@router.get("/keys", summary="API keys, also revoked ones", response_model=shown.Keys)
def keys(web: WebOf, visitor: Admin) -> Any:
    return {"keys": [_key(web, key) for key in web.store.keys.all(with_revoked=True)]}


@router.post("/keys", summary="Make an API key", response_model=shown.MadeKey)
def add_key(body: NewKey, web: WebOf, visitor: Admin) -> Any:
    """The secret is shown only now."""
    key, secret = web.store.keys.add(
        body.name,
        person_id=visitor.id,
        requests_per_minute=body.requests_per_minute,
        quota_tokens=body.quota_tokens,
        quota_period=body.quota_period,
        models=body.models,
    )
    return {"key": _key(web, key), "secret": secret}


@router.delete("/keys/{key}", summary="Revoke an API key", status_code=204)
def revoke_key(key: Number, web: WebOf, visitor: Admin) -> None:
    web.store.keys.revoke(key)


@router.get("/usage", summary="Who used how much", response_model=shown.UsageReport)
def usage(web: WebOf, visitor: Admin, days: int = Query(30, ge=1, le=366)) -> Any:
    """Requests to models; what training took stands apart, in `training`."""
    since = (datetime.now(UTC) - timedelta(days=days - 1)).date()
    return {**_used(web, "use", since), "training": _used(web, "training", since)}


@router.get("/settings", summary="Settings that can change while the server runs", response_model=shown.ServerSettings)
def settings(web: WebOf, visitor: Admin) -> Any:
    return _settings(web)


@router.patch("/settings", summary="Change settings", response_model=shown.ServerSettings)
def change_settings(body: ChangedSettings, web: WebOf, visitor: Admin) -> Any:
    for name in sorted(body.model_fields_set):
        value = getattr(body, name)
        if value is None:
            value = {"daily_caps": {}, "training_caps": {}, "guidelines": ""}.get(name)
        web.store.settings.set(name, value)
    return _settings(web)


def _settings(web: Web) -> dict[str, Any]:
    """With what holds where a cap is not set."""
    return {**web.store.settings.all(), "defaults": {"daily_caps": DAILY_CAPS, "training_caps": TRAINING_CAPS}}


def _require_own(web: Web, person: int) -> None:
    """Nobody signs in to the account of this machine itself: a password or a role would only lock others out."""
    if web.store.people.get(person).name == LOCAL_NAME:
        raise ConflictError(
            "the account of this computer itself has neither a password nor another role", code="local_account"
        )


def _person(person: Person) -> dict[str, Any]:
    return {
        **shown_person(person),
        "created_at": time_of(person.created_at),
        "disabled_at": time_of(person.disabled_at),
    }


def _invite(invite: Invite) -> dict[str, Any]:
    return {
        "id": id_of(invite.id),
        "role": invite.role,
        "note": invite.note,
        "created_at": time_of(invite.created_at),
        "expires_at": time_of(invite.expires_at),
        "used_at": time_of(invite.used_at),
        "revoked_at": time_of(invite.revoked_at),
    }


def _key(web: Web, key: Key) -> dict[str, Any]:
    return {
        "id": id_of(key.id),
        "name": key.name,
        "shown": key.shown,
        "person": id_of(key.person_id),
        "created_at": time_of(key.created_at),
        "last_used_at": time_of(key.last_used_at),
        "revoked_at": time_of(key.revoked_at),
        "requests_per_minute": key.requests_per_minute,
        "quota_tokens": key.quota_tokens,
        "quota_period": key.quota_period,
        "models": list(key.models),
        "left": web.store.usage.left(key),
    }


def _used(web: Web, kind: UsageKind, since: date) -> dict[str, Any]:
    names = {person.id: person.name for person in web.store.people.all()}
    keys = {key.id: key.name for key in web.store.keys.all(with_revoked=True)}
    rows = web.store.usage.sums(by=("day", "key_id", "person_id", "model"), since=since, kind=kind)
    total = next(iter(web.store.usage.sums(by=(), since=since, kind=kind)), Spent())
    return {
        "rows": [
            {**_spent(row), "key": keys.get(row.key_id or 0), "person": names.get(row.person_id or 0)} for row in rows
        ],
        "total": _spent(total),
    }


def _spent(spent: Spent) -> dict[str, Any]:
    told = {name: value for name, value in vars(spent).items() if name not in ("key_id", "person_id", "kind")}
    return {**told, "day": None if spent.day is None else spent.day.isoformat()}

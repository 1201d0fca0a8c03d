"""People as `/api/v1` shows them, and what admins see of them: invitations, keys, usage, settings."""

from __future__ import annotations

from typing import Any, Literal

from chatwright.serving.web.shown.plain import Shown

__all__ = [
    "FullPerson",
    "Invite",
    "Invites",
    "Key",
    "Keys",
    "Me",
    "MadeInvite",
    "MadeKey",
    "People",
    "ServerSettings",
    "SharedChats",
    "UsageReport",
]

Role = Literal["admin", "labeler", "chatter"]


class Person(Shown):
    id: str
    name: str
    role: Role
    language: str


class OwnPerson(Person):
    preferences: dict[str, Any]


class FullPerson(Person):
    """As admins see somebody."""

    created_at: str
    disabled_at: str | None


class Me(Shown):
    """Who asks. `access`: what the pages show, where `setup` means that nobody could sign in yet."""

    person: OwnPerson | None
    role: Role | None
    access: Literal["open", "login", "setup"]


class People(Shown):
    people: list[FullPerson]


class Invite(Shown):
    id: str
    role: Role
    note: str
    created_at: str
    expires_at: str
    used_at: str | None
    revoked_at: str | None


class Invites(Shown):
    invites: list[Invite]


class MadeInvite(Shown):
    """`path` on this server is the link; it is shown only now."""

    invite: Invite
    token: str
    path: str


class Key(Shown):
    id: str
    name: str
    shown: str
    person: str | None
    created_at: str
    last_used_at: str | None
    revoked_at: str | None
    requests_per_minute: int | None
    quota_tokens: int | None
    quota_period: Literal["total", "month"]
    models: list[str]
    left: int | None
    """Tokens left of the quota; null without one."""


class Keys(Shown):
    keys: list[Key]


class MadeKey(Shown):
    """The secret is shown only now."""

    key: Key
    secret: str


class Sums(Shown):
    requests: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    seconds: float
    energy_estimated_j: float
    cost: float


class UsageTotal(Sums):
    """`day` and `model` are null: this is the sum over all."""

    day: None
    model: None


class UsageRow(Sums):
    day: str
    model: str
    key: str | None
    person: str | None


class Used(Shown):
    rows: list[UsageRow]
    total: UsageTotal


class UsageReport(Used):
    """What was asked of models; and apart from that what training took."""

    training: Used


class DefaultCaps(Shown):
    """What holds for a role that the setting does not name; a role that is not here either has no cap."""

    daily_caps: dict[str, int]
    training_caps: dict[str, int]


class ServerSettings(Shown):
    """`training_caps`: rows of one person of a role in one training set; `training_share`: their greatest share."""

    retention_days: int | None
    daily_caps: dict[str, int | None]
    training_caps: dict[str, int | None]
    training_share: float | None
    guidelines: str
    defaults: DefaultCaps


class SharedChat(Shown):
    id: str
    title: str
    model: str
    updated_at: str


class SharedChats(Shown):
    chats: list[SharedChat]

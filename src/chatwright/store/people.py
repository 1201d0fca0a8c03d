"""People: accounts, invitations, and who is logged in.

In: names, passwords and one-time links.  Out: a Person, and session tokens. Passwords are stored as argon2id, tokens
as SHA-256 (they are random, see keys.py). Nobody makes an account alone: a link is needed, the first one from `serve`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from chatwright.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from chatwright.store.columns import folded
from chatwright.store.database import Database
from chatwright.store.passwords import check_password, hash_password, is_outdated
from chatwright.store.schema import invites, people, sessions
from chatwright.store.throttling import Throttle

Role = Literal["admin", "labeler", "chatter"]
ROLES: tuple[Role, ...] = ("admin", "labeler", "chatter")
LANGUAGES = ("en", "de")
LOCAL_NAME = "this computer"
"""The account without a password that keeps what is done here before anybody has one of their own."""
SESSION_TIME = timedelta(days=14)
FIRST_LINK_TIME = timedelta(hours=24)
_SEEN_EVERY = timedelta(minutes=10)  # how exactly we know when somebody was last here; spares a write per request


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with an account, without the password."""

    id: int
    name: str
    role: Role
    language: str
    preferences: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Invite:
    """A link with which one person can make an account, once."""

    id: int
    role: Role
    note: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by: int | None = None
    revoked_at: datetime | None = None


class People:
    """`store.people`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._throttle = Throttle(database)

    # -- accounts --

    def add(self, name: str, password: str | None, *, role: Role = "chatter", language: str = "en") -> Person:
        """A new account; without a password nobody can log in to it. Raises ConflictError if the name is taken."""
        row = self._new(name, password, role, language)
        with self._database.writing() as connection:
            return self._insert(connection, row)

    def get(self, person_id: int) -> Person:
        """Raises NotFoundError if there is no such person."""
        with self._database.reading() as connection:
            return _person(_row_of(connection, person_id))

    def all(self) -> list[Person]:
        with self._database.reading() as connection:
            return [_person(row) for row in connection.execute(sa.select(people).order_by(people.c.id))]

    def local(self) -> Person | None:
        """The account of this machine itself, made when it is first needed; None once somebody has one of their own."""
        with self._database.reading() as connection:
            alone, is_empty = _local_row(connection)
        if alone is not None or not is_empty:
            return None if alone is None else _person(alone)
        row = self._new(LOCAL_NAME, None, "labeler", "en")
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, "admins")  # else it could appear behind the first account
            alone, is_empty = _local_row(connection)
            if is_empty:
                return self._insert(connection, row)
            return None if alone is None else _person(alone)

    def change(
        self,
        person_id: int,
        *,
        role: Role | None = None,
        language: str | None = None,
        preferences: Mapping[str, Any] | None = None,
        disabled: bool | None = None,
    ) -> Person:
        """Change what is given; preferences are merged, and None removes one. Disabling ends all sessions.

        Raises ConflictError for a change that would leave nobody who is admin.
        """
        values: dict[str, Any] = {}
        if role is not None:
            values["role"] = _one_of(role, ROLES, "role")
        if language is not None:
            values["language"] = _one_of(language, LANGUAGES, "language")
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, "admins")
            row = _row_of(connection, person_id)
            if preferences is not None:
                merged = {**row.preferences, **preferences}
                values["preferences"] = {name: value for name, value in merged.items() if value is not None}
            if disabled is not None:
                values["disabled_at"] = self._database.now() if disabled else None
            if row.role == "admin" and (disabled or role not in (None, "admin")):
                require_other_admin(connection, person_id)
            if disabled:
                connection.execute(sessions.delete().where(sessions.c.person_id == person_id))
            if values:
                connection.execute(people.update().where(people.c.id == person_id).values(values))
            return _person(_row_of(connection, person_id))

    def change_password(self, person_id: int, *, old: str, new: str, address: str = "") -> None:
        """Set a new password and end all sessions. Raises ForbiddenError if the old one is wrong."""
        with self._database.reading() as connection:
            row = _row_of(connection, person_id)
        self._throttle.count(row.name_folded, address)
        if not check_password(row.password_hash, old):
            raise ForbiddenError("the old password is wrong", code="wrong_password")
        self._throttle.forget(row.name_folded, address)
        self.set_password(person_id, new)

    def set_password(self, person_id: int, new: str) -> None:
        """Set a new password without asking for the old one, as an admin may, and end all sessions."""
        hashed = hash_password(new)
        with self._database.writing() as connection:
            _row_of(connection, person_id)
            connection.execute(people.update().where(people.c.id == person_id).values(password_hash=hashed))
            connection.execute(sessions.delete().where(sessions.c.person_id == person_id))

    # -- links --

    def first_admin_link(self) -> str | None:
        """The token of a link that makes the first admin; None if there is an admin. Ends earlier such links."""
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, "admins")
            if connection.execute(_admins()).first() is not None:
                return None
            unused = invites.c.is_first & invites.c.used_at.is_(None) & invites.c.revoked_at.is_(None)
            connection.execute(invites.update().where(unused).values(revoked_at=self._database.now()))
            return self._insert_invite(connection, "admin", FIRST_LINK_TIME, is_first=True)[1]

    def invite(
        self, role: Role, *, created_by: int | None = None, hours: float = 72.0, note: str = ""
    ) -> tuple[Invite, str]:
        """A one-time link: the invitation, and its token, which cannot be read again later."""
        _one_of(role, ROLES, "role")
        if not 0 < hours <= 24 * 90:
            raise InputError(
                f"an invitation lasts {hours} hours; choose more than 0 and at most 90 days", code="invitation_hours"
            )
        with self._database.writing() as connection:
            return self._insert_invite(connection, role, timedelta(hours=hours), created_by=created_by, note=note)

    def invites(self) -> list[Invite]:
        """All invitations, newest first."""
        with self._database.reading() as connection:
            return [_invite(row) for row in connection.execute(sa.select(invites).order_by(invites.c.id.desc()))]

    def revoke_invite(self, invite_id: int) -> None:
        """End an invitation that nobody has used. Raises NotFoundError if there is no such one."""
        usable = (invites.c.id == invite_id) & invites.c.used_at.is_(None) & invites.c.revoked_at.is_(None)
        with self._database.writing() as connection:
            change = invites.update().where(usable).values(revoked_at=self._database.now())
            if connection.execute(change).rowcount != 1:
                raise NotFoundError(
                    f"there is no invitation {invite_id} that could still be used", code="invitation_gone"
                )

    def invited(self, token: str) -> Invite | None:
        """The invitation of a token, if it can still be used."""
        with self._database.reading() as connection:
            row = connection.execute(self._usable_invite(token)).one_or_none()
        return None if row is None else _invite(row)

    def join(self, token: str, name: str, password: str, *, language: str = "en") -> Person:
        """Use an invitation to make an account; of two who use it at once, one gets in.

        The first account, an admin's, is that of this machine from then on: its chats, feedback, keys and preferences
        stay where they are. Raises ForbiddenError if the link cannot be used (any more), ConflictError if the name is
        taken.
        """
        if self.invited(token) is None:
            raise ForbiddenError(
                "this link was used, has expired or never existed; ask an admin for a new one", code="link_ended"
            )
        row = self._new(name, password, "chatter", language)
        if row["name_folded"] == LOCAL_NAME:
            raise ConflictError(f"the name {row['name']!r} is taken; choose another", code="name_taken")
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, "admins")
            invite = connection.execute(self._usable_invite(token).with_for_update()).one_or_none()
            if invite is None:
                raise ForbiddenError(
                    "this link was used by someone else just now; ask an admin for a new one", code="link_ended"
                )
            row["role"] = invite.role
            person = _take_over(connection, row) if invite.role == "admin" else None
            person = person or self._insert(connection, row)
            used = {"used_at": self._database.now(), "used_by": person.id}
            connection.execute(invites.update().where(invites.c.id == invite.id).values(used))
        return person

    # -- sessions --

    def log_in(self, name: str, password: str, *, address: str = "") -> tuple[Person, str]:
        """The person and the token of a new session. `address`: where the attempt comes from, for throttling.

        Raises ForbiddenError for a wrong name or password alike, ThrottledError after too many attempts.
        """
        known_as = folded(name)[:200]
        self._throttle.count(known_as, address)  # first: many attempts at once must not slip through
        with self._database.reading() as connection:
            row = connection.execute(sa.select(people).where(people.c.name_folded == known_as)).one_or_none()
        # For an unknown name as much time is spent, so that nobody can find out names.
        is_right = check_password(None if row is None else row.password_hash, password)
        if row is None or not is_right or row.disabled_at is not None:
            raise ForbiddenError("the name or the password is wrong", code="wrong_password")
        self._throttle.forget(known_as, address)
        renewed = {"password_hash": hash_password(password)} if is_outdated(row.password_hash) else {}
        token, now = secrets.token_urlsafe(32), self._database.now()
        session = {
            "token_hash": _hash(token),
            "person_id": row.id,
            "created_at": now,
            "seen_at": now,
            "expires_at": now + SESSION_TIME,
        }
        with self._database.writing() as connection:
            connection.execute(sessions.delete().where(sessions.c.expires_at <= now))
            connection.execute(sessions.insert().values(session))
            if renewed:
                connection.execute(people.update().where(people.c.id == row.id).values(renewed))
        return _person(row), token

    def by_session(self, token: str) -> Person | None:
        """Who holds this session token; None if it is unknown, has ended or belongs to a disabled account."""
        now = self._database.now()
        wanted = (
            sa.select(people, sessions.c.id.label("session_id"), sessions.c.seen_at)
            .join(sessions, sessions.c.person_id == people.c.id)
            .where(sessions.c.token_hash == _hash(token), sessions.c.expires_at > now, people.c.disabled_at.is_(None))
        )
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            return None
        if now - row.seen_at > _SEEN_EVERY:
            with self._database.writing() as connection:
                connection.execute(sessions.update().where(sessions.c.id == row.session_id).values(seen_at=now))
        return _person(row)

    def log_out(self, token: str) -> None:
        """End a session; an unknown one is no error."""
        with self._database.writing() as connection:
            connection.execute(sessions.delete().where(sessions.c.token_hash == _hash(token)))

    def log_out_everywhere(self, person_id: int) -> None:
        with self._database.writing() as connection:
            connection.execute(sessions.delete().where(sessions.c.person_id == person_id))

    # -- inside --

    def _new(self, name: str, password: str | None, role: Role, language: str) -> dict[str, Any]:
        shown = " ".join(name.split())
        if not 1 <= len(shown) <= 80 or not shown.isprintable():
            raise InputError("a name has 1 to 80 visible characters", code="bad_name")
        return {
            "name": shown,
            "name_folded": folded(shown),
            "password_hash": None if password is None else hash_password(password),
            "role": _one_of(role, ROLES, "role"),
            "language": _one_of(language, LANGUAGES, "language"),
            "preferences": {},
            "created_at": self._database.now(),
        }

    def _insert(self, connection: sa.Connection, row: Mapping[str, Any]) -> Person:
        insert = self._database.insert(people).values(row).on_conflict_do_nothing(index_elements=["name_folded"])
        added = connection.execute(insert.returning(people)).one_or_none()
        if added is None:
            raise ConflictError(f"the name {row['name']!r} is taken; choose another", code="name_taken")
        return _person(added)

    def _insert_invite(
        self, connection: sa.Connection, role: Role, time: timedelta, **columns: Any
    ) -> tuple[Invite, str]:
        token, now = secrets.token_urlsafe(32), self._database.now()
        row = {"token_hash": _hash(token), "role": role, "created_at": now, "expires_at": now + time, **columns}
        try:
            added = connection.execute(invites.insert().values(row).returning(invites)).one()
        except IntegrityError:
            raise NotFoundError(f"there is no person {columns.get('created_by')}") from None
        return _invite(added), token

    def _usable_invite(self, token: str) -> sa.Select[Any]:
        is_usable = invites.c.used_at.is_(None) & invites.c.revoked_at.is_(None)
        now = self._database.now()
        return sa.select(invites).where(invites.c.token_hash == _hash(token), is_usable, invites.c.expires_at > now)


def _local_row(connection: sa.Connection) -> tuple[sa.Row[Any] | None, bool]:
    """The account of this machine if nobody has another, and whether there is none at all."""
    found = connection.execute(sa.select(people).order_by(people.c.id).limit(2)).all()
    is_alone = len(found) == 1 and found[0].name_folded == LOCAL_NAME
    return (found[0] if is_alone else None), not found


def _take_over(connection: sa.Connection, row: Mapping[str, Any]) -> Person | None:
    """Make the account of this machine that of the first admin; None where there is no such account."""
    alone, _ = _local_row(connection)
    if alone is None:
        return None
    values = {name: row[name] for name in ("name", "name_folded", "password_hash", "role", "language")}
    change = people.update().where(people.c.id == alone.id).values(values | {"disabled_at": None})
    return _person(connection.execute(change.returning(people)).one())


def require_other_admin(connection: sa.Connection, person_id: int) -> None:
    """Raise ConflictError if nobody else is admin: then nobody could ever invite an admin again."""
    if connection.execute(_admins().where(people.c.id != person_id)).first() is None:
        raise ConflictError("this is the only admin; make somebody else admin first", code="only_admin")


def _admins() -> sa.Select[Any]:
    return sa.select(people.c.id).where(people.c.role == "admin", people.c.disabled_at.is_(None))


def _row_of(connection: sa.Connection, person_id: int) -> sa.Row[Any]:
    row = connection.execute(sa.select(people).where(people.c.id == person_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no person {person_id}")
    return row


def _one_of(value: str, known: tuple[str, ...], what: str) -> str:
    if value not in known:
        raise InputError(f"the {what} is {value!r}; it must be one of {', '.join(known)}")
    return value


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _person(row: Any) -> Person:
    return Person(**{name: getattr(row, name) for name in Person.__dataclass_fields__})


def _invite(row: Any) -> Invite:
    return Invite(**{name: getattr(row, name) for name in Invite.__dataclass_fields__})

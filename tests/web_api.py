"""A server with the pages' API, and people who are signed in to it, for tests."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from chatwright.serving.settings import Card, ServeSettings
from chatwright.serving.web.building import web_app
from chatwright.store import Store
from chatwright.store.passwords import hash_password
from chatwright.store.people import SESSION_TIME
from chatwright.store.schema import people, sessions
from serving import CHAT, Scripted, running

PASSWORD = "correct horse battery"
REMOTE: dict[str, Any] = {"host": "0.0.0.0", "behind_proxy": True}
"""Settings of a server that other machines can reach: everybody signs in."""
API = "/api/v1"


class Site:
    """A running server with its store."""

    def __init__(self, address: str, store: Store) -> None:
        self.address, self.store = address, store
        self.open_clients: list[httpx.Client] = []

    def client(self, **headers: str) -> httpx.Client:
        """Somebody who is not signed in."""
        client = httpx.Client(base_url=self.address + API, timeout=30, headers=headers)
        self.open_clients.append(client)
        return client

    def person(self, role: str, name: str = "") -> httpx.Client:
        """Somebody with an account of this role, signed in."""
        name = name or f"{role} {len(self.store.people.all())}"
        number = self.store.people.add(name, None, role=role).id  # type: ignore[arg-type]
        with self.store.database.writing() as connection:
            known = {"password_hash": _hashed_password()}
            connection.execute(people.update().where(people.c.id == number).values(known))
        return self.signed_in(name)

    def signed_in(self, name: str) -> httpx.Client:
        """A further session of somebody."""
        number = next(person.id for person in self.store.people.all() if person.name == name)
        return self.client(cookie=f"chatwright-session={session_of(self.store, number)}")


def session_of(store: Store, person_id: int) -> str:
    """The token of a new session, without the time that checking a password takes on purpose."""
    token, now = secrets.token_urlsafe(32), store.database.now()
    known = {"token_hash": hashlib.sha256(token.encode()).hexdigest(), "person_id": person_id, "created_at": now}
    with store.database.writing() as connection:
        ends = {"seen_at": now, "expires_at": now + SESSION_TIME}
        connection.execute(sessions.insert().values(known | ends))
    return token


@cache
def _hashed_password() -> str:
    return hash_password(PASSWORD)


@contextlib.contextmanager
def site(
    store: Store, speakers: Any = None, *, cards: dict[str, Card] | None = None, remote: bool = True, **parts: Any
) -> Iterator[Site]:
    """Serve with these speakers, by default one that says "Hello there."."""
    settings = ServeSettings(cards=cards or {}, **(REMOTE if remote else {}))
    app = web_app(speakers or {CHAT: Scripted()}, store, settings=settings, **parts)
    with running(app) as address:
        found = Site(address, store)
        try:
            yield found
        finally:
            for client in found.open_clients:
                client.close()


def card(folder: Path) -> Card:
    return Card(folder=folder, stage="sft")

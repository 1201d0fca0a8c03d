"""A server with the pages' API, and people who are signed in to it, for tests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from chatwright.serving.settings import Card, ServeSettings
from chatwright.serving.web.building import web_app
from chatwright.store import Store
from serving import CHAT, Scripted, running

PASSWORD = "correct horse battery"
REMOTE: dict[str, Any] = {"host": "0.0.0.0", "behind_proxy": True}
"""Settings of a server that other machines can reach: everybody signs in."""
API = "/api/v1"
_HASHING = threading.Lock()


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
        self.store.people.add(name, PASSWORD, role=role)  # type: ignore[arg-type]
        return self.signed_in(name)

    def signed_in(self, name: str) -> httpx.Client:
        _, token = self.store.people.log_in(name, PASSWORD)
        return self.client(cookie=f"chatwright-session={token}")


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

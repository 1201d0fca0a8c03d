"""Accounts and refusals in the language of whoever reads them, in a real browser against the real API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fake_api
import web_api
from browsing import Site, browser, in_browser
from chatwright.store import Store, open_store

__all__ = ["browser"]  # a fixture
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as store:
        yield store


@pytest.fixture
def place(browser: Any, store: Store) -> Iterator[Site]:
    with web_api.site(store, remote=False) as served:
        site = Site(browser, fake_api.FakeApi(), served.address)
        yield site
        for context in site.contexts:
            context.close()
    # What a test makes the server refuse is said in the console too.
    assert [said for said in site.complaints if "Failed to load resource" not in said] == []


@in_browser
def test_the_first_account_takes_over_and_speaks_its_language_in_every_browser(place: Site, store: Store) -> None:
    store.chats.start(store.people.local().id, title="Vorher gefragt")  # type: ignore[union-attr]
    _, token = store.people.invite("admin")
    page = place.open(f"invite?token={token}", locale="de-DE")
    expect(page.get_by_text("Was an diesem Rechner entstand")).to_be_visible()
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Passwort").fill(web_api.PASSWORD)
    page.get_by_role("button", name="Konto anlegen").click()
    expect(page.get_by_role("link", name="Vorher gefragt")).to_be_visible()
    elsewhere = place.open("login")  # an English browser
    elsewhere.get_by_label("Name").fill("Ada")
    elsewhere.get_by_label("Password").fill(web_api.PASSWORD)
    elsewhere.get_by_role("button", name="Sign in").click()
    expect(elsewhere.locator("html")).to_have_attribute("lang", "de")
    elsewhere.get_by_role("button", name="English").click()
    expect(elsewhere.locator("html")).to_have_attribute("lang", "en")
    expect(elsewhere.get_by_role("link", name="Playground")).to_be_visible()
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert [person.language for person in store.people.all()] == ["en"]


@in_browser
def test_what_the_server_refuses_is_said_in_german(place: Site, store: Store) -> None:
    store.people.add("Ada", web_api.PASSWORD, role="admin")
    _, token = store.people.invite("chatter")
    page = place.open("login", locale="de-DE")
    for _ in range(5):
        page.get_by_label("Name").fill("Ada")
        page.get_by_label("Passwort").fill("nicht das Passwort")
        page.get_by_role("button", name="Anmelden").click()
        expect(page.get_by_role("alert")).to_have_text("Der Name oder das Passwort stimmt nicht.")
        expect(page.get_by_role("button", name="Anmelden")).to_be_enabled()
    page.get_by_role("button", name="Anmelden").click()
    expect(page.get_by_role("alert")).to_contain_text("Zu viele Versuche, sich anzumelden. Versuchen Sie es in")
    page.goto(f"{place.address}/invite?token={token}")
    page.get_by_label("Name").fill("ADA")
    page.get_by_label("Passwort").fill(web_api.PASSWORD)
    page.get_by_role("button", name="Konto anlegen").click()
    expect(page.get_by_role("alert")).to_have_text("Dieser Name ist vergeben. Wählen Sie einen anderen.")
    store.people.revoke_invite(store.people.invites()[0].id)
    page.get_by_role("button", name="Konto anlegen").click()
    expect(page.get_by_role("alert")).to_contain_text("Dieser Link wurde schon benutzt")
    page.route("**/api/v1/invites/accept", lambda route: route.abort())
    page.get_by_role("button", name="Konto anlegen").click()
    expect(page.get_by_role("alert")).to_have_text("Der Server ist nicht zu erreichen.")

"""Who may read a chat and learn from it; and what is said while a dialog is open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fake_api
import web_api
from browsing import AXE, Site, ask, browser, in_browser, site, violations, wait_until
from chatwright.store import open_store

__all__ = ["browser", "site"]  # fixtures
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
READ, LEARN = "Let admins read this chat", "Let models learn from this chat"


def changes(site: Site) -> list[Any]:
    return [call[2] for call in site.fake.calls if call[0] == "change" and "tip" not in call[2]]


@in_browser
def test_a_chat_is_private_until_its_owner_turns_a_switch(site: Site) -> None:
    page = site.open()
    ask(page, "hello")
    page.get_by_role("button", name="Sharing and export: Private").click()
    expect(page.get_by_role("switch", name=READ)).not_to_be_checked()
    expect(page.get_by_role("switch", name=LEARN)).not_to_be_checked()
    page.get_by_role("switch", name=READ).press("Space")
    expect(page.get_by_role("switch", name=READ)).to_be_checked()
    expect(page.get_by_role("switch", name=LEARN)).not_to_be_checked()
    assert changes(site) == [{"shared": True}]
    page.keyboard.press("Escape")
    page.reload()
    page.get_by_role("button", name="Sharing and export: Shared").click()
    page.get_by_text(READ).click()
    expect(page.get_by_role("switch", name=READ)).not_to_be_checked()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sharing and export: Private")).to_be_focused()
    assert changes(site) == [{"shared": True}, {"shared": False}]


@in_browser
def test_a_thumb_follows_what_was_said_of_the_chat(site: Site) -> None:
    page = site.open(locale="de-DE")
    page.get_by_label("Nachricht", exact=True).fill("hallo")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Teilen und ausgeben: Privat").click()
    page.get_by_role("switch", name="Modelle dürfen aus diesem Chat lernen").click()
    expect(page.get_by_role("switch", name="Modelle dürfen aus diesem Chat lernen")).to_be_checked()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Gute Antwort").click()
    expect(page.get_by_label("Darf mit dem bisherigen Chat")).to_be_checked()
    wait_until(page, lambda: "feedback" in [call[0] for call in site.fake.calls])
    [thumb] = [call[2] for call in site.fake.calls if call[0] == "feedback"]
    assert thumb["thumb"] == "up" and thumb["consent"] is True
    page.get_by_role("button", name="Teilen und ausgeben: Geteilt").click()
    page.get_by_role("switch", name="Modelle dürfen aus diesem Chat lernen").click()
    expect(page.get_by_role("switch", name="Modelle dürfen aus diesem Chat lernen")).not_to_be_checked()
    page.keyboard.press("Escape")
    expect(page.get_by_role("article", name="Assistent").get_by_role("checkbox").last).not_to_be_checked()


@in_browser
def test_a_notice_stands_above_an_open_dialog_and_can_be_closed_there(site: Site) -> None:
    page = site.open()
    ask(page, "hello")
    refused = '{"error": {"message": "The disk is full.", "type": "x", "param": null, "code": null}}'
    page.route("**/chats/chat-1", lambda route: route.fulfill(status=507, body=refused))
    page.get_by_role("button", name="Sharing and export").click()
    dialog = page.get_by_role("dialog", name="Sharing and export")
    dialog.get_by_role("switch", name=READ).click()
    expect(dialog.get_by_role("status")).to_contain_text("The disk is full.")
    expect(dialog.get_by_role("switch", name=READ), "nothing is shown that is not so").not_to_be_checked()
    dialog.locator(".notice").get_by_role("button", name="Close").click()  # under the dialog it could not be reached
    expect(page.locator(".notice")).to_have_count(0)
    dialog.get_by_role("switch", name=READ).click()
    expect(page.locator(".notice"), "it is told once").to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("body > #app > .notices .notice, #app .notices .notice")).to_have_count(1)
    assert all("507" in said for said in site.complaints)
    site.complaints.clear()


@pytest.fixture
def place(browser: Any, tmp_path: Path) -> Iterator[tuple[Site, Any]]:
    """The real API, with Ada (admin) and Emil (chatter)."""
    with open_store(tmp_path / "a.db") as store, web_api.site(store, remote=False) as served:
        for name, role in (("Ada", "admin"), ("Emil", "chatter")):
            store.people.add(name, web_api.PASSWORD, role=role)  # type: ignore[arg-type]
        site = Site(browser, fake_api.FakeApi(), served.address)
        yield site, store
        for context in site.contexts:
            context.close()
    assert site.complaints == []


def enter(place: tuple[Site, Any], name: str, path: str) -> Any:
    site, store = place
    _, token = store.people.log_in(name, web_api.PASSWORD)
    cookie = {"name": "chatwright-session", "value": token, "domain": "127.0.0.1", "path": "/"}
    return site.open(path, storage_state={"cookies": [cookie]})


@in_browser
def test_what_the_owner_shares_is_what_an_admin_reads(place: tuple[Site, Any]) -> None:
    page = enter(place, "Emil", "chat")
    ask(page, "Is the bakery open?")
    admin = enter(place, "Ada", "admin?tab=exchange")
    admin.get_by_text("Nobody shares a chat").wait_for()
    page.get_by_role("button", name="Sharing and export").click()
    page.get_by_role("switch", name=READ).click()
    expect(page.get_by_role("switch", name=READ)).to_be_checked()
    admin.reload()
    admin.get_by_role("button", name="Read: Is the bakery open?").click()
    expect(admin.get_by_role("dialog")).to_contain_text("Hello there.")
    page.get_by_role("switch", name=READ).click()
    expect(page.get_by_role("switch", name=READ)).not_to_be_checked()
    page.get_by_role("switch", name=LEARN).click()
    expect(page.get_by_role("switch", name=LEARN)).to_be_checked()
    _, store = place
    [(chat, _)] = store.chats.consented()
    assert (chat.shared, chat.consent) == (False, True)


@in_browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in web/")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_sharing_dialog_which_fits_a_phone(site: Site, scheme: str) -> None:
    page = site.open(
        color_scheme=scheme, bypass_csp=True, reduced_motion="reduce", viewport={"width": 390, "height": 700}
    )
    ask(page, "hello")
    page.get_by_role("button", name="Sharing and export").click()
    page.get_by_role("switch", name=READ).click()
    expect(page.get_by_role("switch", name=READ)).to_be_checked()
    assert violations(page) == []
    assert page.evaluate("document.querySelector('dialog').scrollWidth <= 390")

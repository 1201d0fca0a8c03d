"""Label, explain and one's own account in a real browser against the real API, which no stand-in can vouch for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fake_api
import web_api
from browsing import AXE, Site, browser, in_browser, violations
from chatwright.store import Store, open_store
from chatwright.store.tasks import NewTask

__all__ = ["browser"]  # a fixture
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
ANSWERS = ["Bread.", "Fish and bread.", "I do not know.", "Lamps."]
PROMPT = [{"role": "user", "content": "What does the baker sell?"}]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as store:
        for name, role in (("Ada", "admin"), ("Bruno", "labeler"), ("Emil", "chatter")):
            store.people.add(name, web_api.PASSWORD, role=role)  # type: ignore[arg-type]
        yield store


@pytest.fixture
def place(browser: Any, store: Store) -> Iterator[Site]:
    with web_api.site(store, remote=False) as served:
        site = Site(browser, fake_api.FakeApi(), served.address)
        yield site
        for context in site.contexts:
            context.close()
    assert site.complaints == [], "neither errors nor violations of the content security policy"


def enter(place: Site, store: Store, name: str, path: str, **context: Any) -> Any:
    _, token = store.people.log_in(name, web_api.PASSWORD)
    cookie = {"name": "chatwright-session", "value": token, "domain": "127.0.0.1", "path": "/"}
    return place.open(path, storage_state={"cookies": [cookie]}, **context)


@in_browser
def test_a_ranking_reaches_the_store_in_the_order_in_which_the_answers_lie_there(place: Site, store: Store) -> None:
    store.tasks.add([NewTask(kind="rank", content={"prompt": PROMPT, "answers": ANSWERS}, category="open_qa")])
    page = enter(place, store, "Bruno", "label")
    page.get_by_role("heading", name="Rank answers").wait_for()
    for wanted in reversed(ANSWERS):  # bring them into their own order, however they were shuffled
        card = page.locator(".rank-card").filter(has_text=wanted).filter(has_not_text=f"and {wanted.lower()}")
        card.first.focus()
        page.keyboard.press("1")
        expect(page.locator(".rank-card").first).to_contain_text(wanted)
    page.locator(".rank-card").last.focus()
    page.keyboard.press("=")
    page.keyboard.press("Control+Enter")
    page.get_by_text("There is nothing to do right now").wait_for()
    [row] = store.feedback.rows(kinds=["ranking"])
    assert row.content["answers"] == ANSWERS and row.content["ranks"] == [1, 2, 3, 3]
    assert row.labeler and row.state == "approved" and row.seconds is not None
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name="Rank answers").wait_for()
    page.locator(".rank-text").nth(len(ANSWERS) - 1).wait_for()
    again = [text.strip() for text in page.locator(".rank-text").all_inner_texts()]
    assert again[:2] == ANSWERS[:2] and sorted(again) == sorted(ANSWERS), "tied ones may have changed places"
    assert store.feedback.rows(kinds=["ranking"]) == []


@in_browser
def test_whoever_only_chats_may_compare_but_not_label(place: Site, store: Store) -> None:
    comparison = store.comparisons.start("x", "model-one", "model-two", [(PROMPT, "Bread.", " ")], created_by=None)
    page = enter(place, store, "Emil", "label")
    expect(page.get_by_role("tab")).to_have_text(["Compare blind"], use_inner_text=True)
    page.get_by_role("button", name="Left is better").wait_for()
    expect(page.locator(".sides")).to_contain_text("(no answer)")
    assert "model-" not in page.locator("main").inner_text()
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    expect(links.last).to_have_text("Label", use_inner_text=True)
    page.keyboard.press("ArrowLeft")
    page.get_by_text("You have judged every pair").wait_for()
    assert len(store.comparisons.tally(comparison.id).outcomes) == 1


@in_browser
def test_people_take_their_data_along_change_their_password_and_leave(place: Site, store: Store) -> None:
    page = enter(place, store, "Emil", "tokens")
    page.get_by_role("button", name="Signed in as Emil").click()
    dialog = page.get_by_role("dialog", name="Your account")
    dialog.get_by_text("No run has learned").wait_for()
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download").click()
    assert json.loads(Path(download.value.path()).read_text())["person"]["name"] == "Emil"
    form = dialog.get_by_role("form", name="Change the password")
    form.get_by_label("Old password").fill("something wrong")
    form.get_by_label("New password").fill("another good password")
    form.get_by_role("button", name="Change").click()
    form.get_by_role("alert").wait_for()
    form.get_by_label("Old password").fill(web_api.PASSWORD)
    form.get_by_role("button", name="Change").click()
    page.get_by_text("The password is changed").wait_for()
    assert store.people.log_in("Emil", "another good password")
    dialog.get_by_text("Delete the account").click()
    dialog.get_by_label("Your password, to confirm").fill("another good password")
    dialog.get_by_role("button", name="Delete everything").click()
    page.get_by_role("heading", name="Welcome back").wait_for()
    assert "Emil" not in [person.name for person in store.people.all()]
    place.complaints[:] = [said for said in place.complaints if "Failed to load resource" not in said]


@in_browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in web/")
def test_axe_finds_nothing_in_the_account(place: Site, store: Store) -> None:
    page = enter(place, store, "Emil", "tokens", bypass_csp=True, reduced_motion="reduce")
    page.get_by_role("button", name="Signed in as Emil").click()
    page.get_by_text("No run has learned").wait_for()
    page.get_by_text("Delete the account").click()
    assert violations(page) == []

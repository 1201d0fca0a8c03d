"""Text that would like to be a script: as a question, a title, a name, an imported file. Nothing of it is executed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fake_api
import web_api
from browsing import Site, ask, browser, in_browser, site
from chatwright.store import Store, open_store

__all__ = ["browser", "site"]  # fixtures
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
NAME = "<img src=x onerror='window.stolen=1'><b>Eve</b>"
ELEMENTS = "script:not([src]), img, iframe, object, embed, style, [onerror], [onload], [onclick], [onmouseover]"


def expect_harmless(page: Any) -> None:
    expect(page.locator("body").locator(ELEMENTS)).to_have_count(0)
    assert page.evaluate("window.stolen") is None


@in_browser
def test_a_question_is_shown_as_typed_wherever_it_goes(site: Site) -> None:
    page = site.open()
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("System prompt").fill(fake_api.HOSTILE)
    ask(page, fake_api.HOSTILE)
    expect(page.get_by_role("article", name="You")).to_contain_text("<script>window.stolen = 1</script>")
    expect(page.get_by_role("heading", level=1), "the title is made of it").to_contain_text("<script>")
    row = page.get_by_label("Chats").locator("li").first
    expect(row).to_contain_text("<script>")
    expect_harmless(page)
    row.hover()
    row.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("<script>")
    expect_harmless(page)
    page.keyboard.press("Escape")
    page.get_by_role("article", name="Assistant").get_by_role("button", name="Look inside").click()
    page.get_by_role("region", name="Where the token looks").wait_for()
    expect(page.get_by_role("group", name="Conversation from the chat")).to_contain_text("<script>")
    expect_harmless(page)
    page.goto(f"{site.address}/playground")
    page.get_by_role("button", name="Few-shot").click()
    page.get_by_label("Question", exact=True).fill(fake_api.HOSTILE)
    page.get_by_role("button", name="View code").click()
    expect(page.get_by_role("dialog").locator("pre")).to_contain_text("window.stolen")
    expect_harmless(page)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as store:
        for name, role in ((NAME, "admin"), (NAME + "2", "labeler")):
            store.people.add(name, web_api.PASSWORD, role=role)  # type: ignore[arg-type]
        yield store


@pytest.fixture
def page(browser: Any, store: Store) -> Iterator[Any]:
    """A page of the real API, signed in under a hostile name."""
    with web_api.site(store, remote=False) as served:
        site = Site(browser, fake_api.FakeApi(), served.address)
        _, token = store.people.log_in(NAME, web_api.PASSWORD)
        cookie = {"name": "chatwright-session", "value": token, "domain": "127.0.0.1", "path": "/"}
        yield site.open("admin", storage_state={"cookies": [cookie]})
        for context in site.contexts:
            context.close()
    assert [said for said in site.complaints if "status of 4" not in said] == []


@in_browser
def test_names_of_people_invitations_and_keys_stay_names(page: Any, store: Store) -> None:
    store.people.invite("chatter", created_by=1, note=NAME)
    store.keys.add(NAME, person_id=1)
    page.reload()
    expect(page.get_by_role("button", name=f"Signed in as {NAME}")).to_be_visible()
    expect(page.get_by_role("button", name=f"Manage {NAME}2")).to_be_visible()
    expect_harmless(page)
    page.get_by_role("button", name=f"Manage {NAME}2").click()
    expect(page.get_by_role("dialog")).to_contain_text("<b>Eve</b>2")
    expect_harmless(page)
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Keys").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("<b>Eve</b>")
    page.get_by_role("button", name=f"Signed in as {NAME}").click()
    expect(page.get_by_role("dialog", name="Your account")).to_contain_text("<b>Eve</b>")
    expect_harmless(page)


@in_browser
def test_an_imported_file_is_read_and_not_obeyed(page: Any, store: Store) -> None:
    bad = fake_api.HOSTILE
    said = [{"role": "assistant", "content": bad}]
    row = {
        "prompt": [{"role": "user", "content": bad}],
        "chosen": said,
        "rejected": [{**said[0], "content": bad + "!"}],
    }
    row |= {"labeler": NAME, "category": NAME, "source": NAME, "x": bad}
    thumb = {"prompt": row["prompt"], "completion": said, "label": True, "labeler": NAME}
    text = json.dumps(row) + "\n" + json.dumps(thumb) + "\n"
    page.get_by_role("tab", name="Data").click()
    files = page.get_by_label("File (JSONL or CSV)")
    file = {"name": f"{NAME}.jsonl", "mimeType": "text/plain"}
    files.set_input_files({**file, "buffer": b'{"<img src=x onerror=window.stolen=1>": 1}\n'})
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("<img src=x")
    expect_harmless(page)
    files.set_input_files({**file, "buffer": text.encode()})
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("New rows: 2.").wait_for()
    page.get_by_role("tab", name="Review").click()
    page.get_by_role("button", name="Approved 2").click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_role("article").first).to_contain_text("<script>window.stolen = 1</script>")
    expect_harmless(page)
    page.get_by_role("tab", name="Agreement").click()
    expect(page.get_by_role("region", name="Labelers")).to_contain_text("<b>Eve</b>")
    expect_harmless(page)

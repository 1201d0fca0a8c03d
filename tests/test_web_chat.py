"""The chat page tells the truth: what is learned from a judgement, how full the context is. Nothing hides a button."""

from __future__ import annotations

from typing import Any

import pytest

import fake_api
from browsing import Site, ask, browser, in_browser, site, wait_until

__all__ = ["browser", "site"]  # fixtures
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
LEARN = "Let models learn from this chat"
PHONE = {"viewport": {"width": 390, "height": 844}}


def drafts(page: Any, text: str, count: int = 3) -> Any:
    """Ask for answers to choose from, by keyboard; the board."""
    page.get_by_role("button", name=str(count), exact=True).click()
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_label("Message", exact=True).press("Enter")
    page.get_by_text("Which answer is best?").wait_for()
    return page.get_by_role("region", name="Drafts")


@in_browser
def test_what_is_said_to_be_learned_is_what_the_owner_of_the_chat_allows(site: Site) -> None:
    page = site.open()
    board = drafts(page, "a story")
    expect(board).to_contain_text("Your choice stays private.")
    expect(board).not_to_contain_text("may learn from your choice")
    board.get_by_role("switch", name=LEARN).click()
    expect(board).to_contain_text("Reward models may learn from your choice.")
    expect(board).not_to_contain_text("private")
    assert next(iter(site.fake.chats.values()))["consent"] is True
    page.keyboard.press("2")  # the switch has the focus, the keys work all the same
    expect(board.get_by_text("Your choice", exact=True)).to_be_visible()
    board.get_by_role("switch", name=LEARN).click()
    expect(board).to_contain_text("Your choice stays private.")
    page.get_by_role("button", name="Good chat").click()
    head = page.locator(".chat-head")
    expect(head).to_contain_text("Your rating stays private.")
    head.get_by_role("switch", name=LEARN).click()
    expect(head).to_contain_text("Models may learn from your rating.")
    expect(board).to_contain_text("may learn from your choice")
    page.get_by_role("button", name="Good chat").click()
    expect(head, "nothing is rated").not_to_contain_text("your rating")


@in_browser
def test_the_meter_is_counted_anew_by_all_that_changes_what_the_model_reads(site: Site) -> None:
    page = site.open()
    meter = page.locator(".meter")

    def tells(system: int, history: int, room: int, window: int) -> None:
        expect(meter).to_contain_text(f"{system + history} of {window:,} tokens")
        expect(meter).to_contain_text(f"System {system} · chat {history} · answer up to {room}")

    page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("complementary", name="Settings")
    panel.get_by_label("System prompt").fill("You are terse.")
    panel.get_by_label("System prompt").blur()
    tells(3, 0, 256, fake_api.WINDOW)  # before anything is said
    ask(page, "hello you")
    tells(3, 2 + 4, 256, fake_api.WINDOW)  # with the answer: You said: hello you
    page.reload()
    tells(3, 6, 256, fake_api.WINDOW)
    page.get_by_role("button", name="Settings").click()
    panel.get_by_label("System prompt").fill("")
    panel.get_by_label("System prompt").blur()
    tells(0, 6, 256, fake_api.WINDOW)
    panel.get_by_label("Length limit", exact=True).fill("100")
    page.keyboard.press("Tab")
    tells(0, 6, 100, fake_api.WINDOW)
    panel.get_by_label("Model").select_option("village-ppo")
    tells(0, 6, 100, fake_api.SMALL_WINDOW)
    page.get_by_role("button", name="Regenerate").click()
    page.get_by_text("Version 2 for: hello you").wait_for()
    tells(0, 2 + 5, 100, fake_api.SMALL_WINDOW)
    page.get_by_role("button", name="Previous version").click()
    tells(0, 2 + 4, 100, fake_api.SMALL_WINDOW)


@in_browser
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
def test_drafts_end_with_all_of_them_on_screen_and_the_keys_at_work(site: Site, size: dict[str, Any]) -> None:
    page = site.open(**size)
    ask(page, "Explain how a rainbow forms")
    site.fake.pace = 0.001
    board = drafts(page, "something long", 2)
    for place in range(2 if not size else 1):  # on a phone the second stands beside, a swipe away
        expect(board.get_by_role("button", name="Choose this one").nth(place)).to_be_in_viewport(ratio=1)
    expect(board.get_by_role("article", name="Draft A")).to_be_focused()
    page.keyboard.press("2")
    expect(board.get_by_role("article", name="Draft B")).to_contain_text("Your choice")
    expect(page.get_by_label("Message", exact=True)).to_be_focused()


@in_browser
def test_whoever_writes_on_while_drafts_come_is_not_held_up(site: Site) -> None:
    site.fake.pace = 0.02
    page = site.open()
    page.get_by_role("button", name="2", exact=True).click()
    message = page.get_by_label("Message", exact=True)
    message.fill("a story")
    message.press("Enter")
    page.get_by_text("The drafts are being written").wait_for()
    message.press_sequentially("and")
    page.get_by_text("Which answer is best?").wait_for()
    expect(message).to_be_focused()
    page.keyboard.type(" 2")
    expect(message).to_have_value("and 2")
    assert not [call for call in site.fake.calls if call[0] == "choice"]
    message.fill("")
    message.blur()
    page.keyboard.type("then")
    expect(message).to_have_value("then")


@in_browser
def test_drafts_that_nobody_judged_can_be_chosen_from_after_a_reload(site: Site) -> None:
    page = site.open()
    board = drafts(page, "a story", 4)
    page.reload()
    expect(page.get_by_label("Version 1 of 4")).to_be_visible()
    page.get_by_role("button", name="Choose the best").click()
    expect(board.get_by_role("article")).to_have_count(4)
    board.get_by_role("button", name="Not now").click()
    expect(page.get_by_label("Version 1 of 4")).to_be_visible()
    page.get_by_role("button", name="Choose the best").click()
    page.keyboard.press("3")
    expect(board.get_by_text("Your choice", exact=True)).to_be_visible()
    [choice] = [call[2] for call in site.fake.calls if call[0] == "choice"]
    assert choice["chosen"] == choice["shown"][2] and len(choice["shown"]) == 4
    ask(page, "and then?")
    expect(page.get_by_role("button", name="Choose the best"), "later turns would be hidden").to_have_count(0)


HIDDEN = """[...document.querySelectorAll('button, textarea, input, select, a')].filter(one => {
  if (one.closest('.notices')) return false
  const box = one.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2
  return box.width && document.elementFromPoint(x, y)?.closest('.notices')
}).map(one => one.outerHTML.slice(0, 90))"""


@in_browser
@pytest.mark.parametrize("width", [390, 800, 1280])
def test_a_notice_covers_no_control(site: Site, width: int) -> None:
    page = site.open(viewport={"width": width, "height": 844})
    ask(page, "hello")
    said = "The disk is full, so nothing can be kept. Make room on the disk of the server and try again."
    refused = f'{{"error": {{"message": "{said}", "type": "x", "param": null, "code": null}}}}'
    page.route("**/rating", lambda route: route.fulfill(status=507, body=refused))
    for _ in range(2):
        page.get_by_role("button", name="Bad chat").click()
    expect(page.locator(".notice")).to_have_count(2)
    expect(page.locator(".notice").last).to_contain_text("The disk is full")
    assert page.evaluate(HIDDEN) == []
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "the page makes room"
    wait_until(page, lambda: sum("507" in said for said in site.complaints) == 2)
    site.complaints.clear()


@in_browser
def test_stepping_through_versions_or_thumbing_moves_nothing_out_of_sight(site: Site) -> None:
    page = site.open(viewport={"width": 1280, "height": 620})
    ask(page, "first question")
    for _ in range(2):
        ask(page, "Explain how a rainbow forms")
    first = page.get_by_role("article", name="You").first
    first.hover()
    first.get_by_role("button", name="Edit").click()
    page.get_by_label("Edit message").fill("another beginning")
    page.keyboard.press("Control+Enter")
    page.get_by_text("You said: another beginning").wait_for()
    expect(page.get_by_label("Message", exact=True), "ready to write on").to_be_focused()
    page.get_by_role("button", name="Send", exact=True).wait_for()
    first.get_by_role("button", name="Previous version").click()
    page.get_by_text("Sunlight enters").first.wait_for()
    page.wait_for_timeout(100)
    expect(page.get_by_text("You said: first question")).to_be_in_viewport()
    page.get_by_role("article", name="Assistant").last.get_by_role("button", name="Bad answer").click()
    expect(page.get_by_label("Comment")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "only the conversation scrolls"

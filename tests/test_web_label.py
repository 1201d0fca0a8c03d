"""The label page as a labeler uses it: by mouse, by keyboard, and while the network is away."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from browsing import AXE, Site, browser, in_browser, site, violations, wait_until

__all__ = ["browser", "site"]  # fixtures
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect


def expect_order(page: Any, *order: int) -> None:
    """The cards show the answers of these numbers, from best to worst."""
    expect(page.locator(".rank-text")).to_have_text([re.compile(rf"\D{number}\b") for number in order])


def open_rank(site: Site, **context: Any) -> Any:
    page = site.open("label", **context)
    page.get_by_role("heading", name="Rank answers").wait_for()
    return page


def hand_in(page: Any) -> None:
    page.get_by_role("button", name="Hand in", exact=True).click()


@in_browser
def test_answers_are_ranked_by_keyboard_with_ties_and_sent_in_the_order_shown(site: Site) -> None:
    page = open_rank(site)
    page.locator(".rank-card").nth(3).focus()
    page.keyboard.press("Shift+ArrowUp")  # 1 2 4 3
    page.keyboard.press("1")  # 4 1 2 3
    expect_order(page, 4, 1, 2, 3)
    expect(page.get_by_label("Answer D, rank 1 of 4")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("=")  # 3 shares the rank of 2
    expect(page.locator("[aria-live=polite].for-readers")).to_have_text("Answer C is tied at rank 3.")
    page.get_by_label("Comment").fill("close")
    timer = page.get_by_role("timer", name="Time on this task")
    expect(timer).to_have_text(re.compile(r"^\d:(0[1-9]|[1-5]\d)$"))
    began = time.monotonic()
    page.keyboard.press("Control+Enter")
    page.get_by_role("heading", name="Rate an answer").wait_for()

    def shown() -> int:
        minutes, seconds = timer.inner_text().split(":")
        return 60 * int(minutes) + int(seconds)

    wait_until(page, lambda: shown() <= time.monotonic() - began)  # the next task's time begins anew
    sent = site.fake.desk.done["s1"]
    assert sent["ranks"] == [2, 3, 3, 1] and sent["comment"] == "close" and sent["seconds"] >= 1
    assert "model" not in page.locator("main").inner_text().lower().replace("the model", "")


@in_browser
def test_answers_are_dragged_by_the_pointer_and_by_touch_sized_buttons(site: Site) -> None:
    page = open_rank(site)
    handles = page.locator(".rank-handle")
    first, last = handles.first.bounding_box(), handles.last.bounding_box()
    assert first and last
    page.mouse.move(first["x"] + 10, first["y"] + first["height"] / 2)
    page.mouse.down()
    for step in range(1, 31):
        page.mouse.move(first["x"] + 10, first["y"] + (last["y"] + last["height"] - first["y"]) * step / 30)
    page.mouse.up()
    expect_order(page, 2, 3, 4, 1)
    page.get_by_role("button", name="Move answer C up").click()
    expect_order(page, 3, 2, 4, 1)
    page.get_by_role("button", name="Answer D is as good as the one above").click()
    hand_in(page)
    page.get_by_role("heading", name="Rate an answer").wait_for()
    assert site.fake.desk.done["s1"]["ranks"] == [3, 2, 1, 2]


@in_browser
def test_an_order_left_as_it_was_is_asked_about(site: Site) -> None:
    page = open_rank(site)
    hand_in(page)
    dialog = page.get_by_role("dialog", name="You left the order as it was")
    dialog.get_by_role("button", name="Go on sorting").click()
    assert site.fake.desk.tries == 0
    hand_in(page)
    dialog.get_by_role("button", name="Yes, hand in").click()
    page.get_by_role("heading", name="Rate an answer").wait_for()
    assert site.fake.desk.done["s1"]["ranks"] == [1, 2, 3, 4]


@in_browser
def test_work_survives_the_network_and_is_counted_once(site: Site) -> None:
    page = open_rank(site)
    page.get_by_role("button", name="Move answer B up").click()
    answers: list[str] = []

    def lose_the_answer(route: Any) -> None:  # the server has it, and the page does not know
        answers.append("lost")
        if len(answers) == 1:
            route.fetch()
        route.abort()

    page.route("**/submit", lose_the_answer)
    hand_in(page)
    page.get_by_text("Not sent yet.", exact=True).wait_for()
    page.get_by_text("Your work is safe in this browser").wait_for()
    page.reload()  # even closing the page loses nothing
    page.get_by_text("1 kept in this browser").wait_for()
    page.unroute("**/submit")
    page.get_by_role("heading", name="Rate an answer").wait_for(timeout=15_000)
    assert site.fake.desk.tries == 2 and list(site.fake.desk.done) == ["s1"]
    assert site.fake.desk.done["s1"]["ranks"] == [2, 1, 3, 4]
    page.wait_for_function("localStorage.getItem('chatwright.outbox') === '[]'")
    assert any("Failed to load" in text or "ERR_FAILED" in text for text in site.complaints)
    site.complaints.clear()


@in_browser
def test_what_the_server_refuses_is_shown_and_not_lost(site: Site) -> None:
    page = open_rank(site)
    page.get_by_role("button", name="Write the ideal answer").click()
    page.get_by_label("Your answer").fill("refuse this")
    hand_in(page)
    page.get_by_text("This text cannot be taken.").wait_for()
    expect(page.locator(".refused pre")).to_have_text("refuse this", use_inner_text=True)
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".refused")).to_have_count(0)
    assert "400" in site.complaints.pop()


@in_browser
def test_drafts_come_back_and_the_last_judgement_can_be_undone(site: Site) -> None:
    page = open_rank(site)
    page.get_by_role("button", name="Move answer D up").click()
    page.get_by_text("Draft saved").wait_for()
    wait_until(page, lambda: "1" in site.fake.desk.drafts)
    page.reload()
    page.get_by_role("heading", name="Rank answers").wait_for()
    expect_order(page, 1, 2, 4, 3)
    hand_in(page)
    page.get_by_role("heading", name="Rate an answer").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name="Rank answers").wait_for()
    expect_order(page, 1, 2, 4, 3)
    assert site.fake.desk.done == {}
    hand_in(page)
    page.get_by_role("heading", name="Rate an answer").wait_for()
    assert list(site.fake.desk.done) == ["s1again"]


@in_browser
def test_a_draft_that_is_still_on_its_way_is_given_up_when_the_work_is_handed_in(site: Site) -> None:
    page = open_rank(site)
    given_up: list[str] = []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    page.route("**/draft", lambda route: None)  # the server takes its time
    with page.expect_request("**/draft"):
        page.get_by_role("button", name="Move answer B up").click()
    hand_in(page)
    page.get_by_role("heading", name="Rate an answer").wait_for()
    wait_until(page, lambda: any("/1/draft" in address for address in given_up))
    assert list(site.fake.desk.done) == ["s1"]


@in_browser
def test_ratings_flags_chats_and_texts_are_handed_in_and_skipped(site: Site) -> None:
    page = open_rank(site)
    cannot = page.get_by_role("button", name="Cannot judge")
    page.get_by_role("button", name="All are bad").click()
    page.get_by_role("heading", name="Rate an answer").wait_for()
    expect(cannot).to_be_visible()
    hand_in(page)
    expect(page.get_by_role("alert")).to_have_text("Choose a number from 1 to 7 first.", use_inner_text=True)
    page.get_by_role("radio", name="3").check(force=True)
    page.keyboard.press("ArrowRight")
    page.get_by_label("Makes things up").check()
    hand_in(page)
    page.get_by_role("heading", name="Rate a chat").wait_for()
    page.get_by_role("button", name="Bad", exact=True).click()
    hand_in(page)
    page.get_by_role("heading", name="Write the ideal answer").wait_for()
    expect(cannot).to_have_count(0)
    page.get_by_role("button", name="Skip", exact=True).click()
    page.get_by_label("Reason").fill("too hard")
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    page.get_by_text("Ask for ideas.").wait_for()
    page.get_by_label("Your prompt").fill("Name my boat.")
    hand_in(page)
    page.get_by_text("There is nothing to do right now").wait_for()
    done = site.fake.desk.done
    assert done["s1"]["all_bad"] is True and "ranks" not in done["s1"]
    assert done["s2"]["rating"] == 4 and done["s2"]["flags"] == ["hallucination"]
    assert done["s3"]["good"] is False and done["s5"]["text"] == "Name my boat."
    assert [call[2] for call in site.fake.calls if call[0] == "skip"] == [{"reason": "too hard"}]
    page.get_by_text("11").first.wait_for()  # 7 before, 4 now


@in_browser
def test_blind_pairs_are_judged_with_the_arrow_keys_and_name_no_model(site: Site) -> None:
    page = site.open("label?view=compare")
    page.get_by_text("Left 0").wait_for()
    text = page.locator("main").inner_text()
    assert "ppo" not in text and "sft" not in text
    for number, key in enumerate(["ArrowLeft", "ArrowDown", "ArrowRight"]):
        page.get_by_text(f"Left {number}").wait_for()
        expect(page.get_by_role("button", name="Equal")).to_be_enabled()
        page.keyboard.press(key)
    page.get_by_text("You have judged every pair").wait_for()
    assert site.fake.votes == [("0", "left"), ("1", "both_bad"), ("2", "right")]
    assert page.evaluate("window.stolen") is None


@in_browser
def test_coverage_and_agreement_are_shown(site: Site) -> None:
    page = site.open("label?view=standing")
    agreement = page.get_by_role("region", name="Agreement")
    agreement.get_by_text("74.1 %").wait_for()
    expect(agreement).to_contain_text("0.41")
    expect(agreement).to_contain_text("Ada")
    expect(page.get_by_role("region", name="Prompts by category")).to_contain_text(
        "Thin: Open questions, Extraction.", use_inner_text=True
    )


@in_browser
def test_on_a_phone_ranking_fits_and_german_is_complete(site: Site) -> None:
    page = site.open("label", viewport={"width": 390, "height": 844}, has_touch=True, locale="de-DE")
    page.get_by_role("heading", name="Antworten ordnen").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Antwort B nach oben").tap()
    expect_order(page, 2, 1, 3, 4)


@in_browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in web/")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_label_page(site: Site, scheme: str) -> None:
    page = open_rank(site, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    found = {"rank": violations(page)}
    page.get_by_role("button", name="Rate an answer").click()
    page.get_by_role("radio", name="4").check(force=True)
    found["rate"] = violations(page)
    for view in ("Coverage and agreement", "Compare blind"):
        page.get_by_role("tab", name=view).click()
        page.wait_for_timeout(300)
        found[view] = violations(page)
    assert [f"{name}: {problem}" for name, problems in found.items() for problem in problems] == []

"""Chat, playground, tokens and the frame, as a person uses them."""

from __future__ import annotations

import gzip
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import fake_api
from browsing import AXE, Site, ask, browser, in_browser, needs_browser, site, violations, wait_until
from chatwright.serving import pages
from serving import running

__all__ = ["browser", "site"]  # fixtures
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
FIRST_LOAD_LIMIT = 100_000


@in_browser
def test_the_first_load_of_the_chat_stays_under_its_limit(site: Site) -> None:
    page = site.open("login")
    page.get_by_role("heading").wait_for()
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(f"{site.address}/chat")
    page.get_by_text("What would you like to ask?").wait_for()
    files = {address for address in loaded if "/v1/" not in address}
    size = sum(len(gzip.compress(httpx.get(address).content, 9)) for address in files)
    assert len(files) >= 4 and size < FIRST_LOAD_LIMIT
    assert all(address.startswith(site.address) for address in loaded), "nothing comes from elsewhere"


# Chat


@needs_browser
def test_an_answer_streams_and_stays_in_the_history(site: Site) -> None:
    page = site.open()
    ask(page, "Explain how a rainbow forms")
    answer = page.get_by_role("article", name="Assistant")
    expect(answer.locator("strong")).to_have_text("side by side", use_inner_text=True)
    expect(answer.locator("ol li")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"chat\?id=chat-1$"))
    page.reload()
    expect(page.get_by_role("article", name="Assistant")).to_contain_text("Sunlight enters", use_inner_text=True)
    expect(page.get_by_label("Chats").get_by_role("link", name="Explain how a rainbow forms")).to_be_visible()
    expect(page.locator(".meter")).to_contain_text("of 1,024 tokens", use_inner_text=True)


@in_browser
def test_stop_ends_the_stream_and_keeps_what_came(site: Site) -> None:
    site.fake.pace = 0.02
    page = site.open()
    page.get_by_label("Message", exact=True).fill("something long")
    page.keyboard.press("Enter")
    page.get_by_text("word word word").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    wait_until(page, lambda: bool(site.fake.cancelled))  # the server sees the connection close
    shown = len(page.get_by_role("article", name="Assistant").inner_text().split())
    assert 3 <= shown < 1500


@in_browser
def test_regenerating_and_editing_make_branches_and_the_arrows_walk_through_them(site: Site) -> None:
    page = site.open()
    ask(page, "first question")
    page.get_by_role("button", name="Regenerate").click()
    page.get_by_text("Version 2 for: first question").wait_for()
    page.get_by_role("button", name="Send", exact=True).wait_for()
    page.get_by_role("button", name="Previous version").click()
    page.get_by_text("You said: first question").wait_for()
    ask(page, "second question")
    page.get_by_role("article", name="You").first.hover()
    page.get_by_role("article", name="You").first.get_by_role("button", name="Edit").click()
    page.get_by_label("Edit message").fill("another beginning")
    page.keyboard.press("Control+Enter")
    page.get_by_text("You said: another beginning").wait_for()
    page.get_by_role("button", name="Send", exact=True).wait_for()
    expect(page.get_by_text("second question")).to_have_count(0)
    page.get_by_role("article", name="You").get_by_role("button", name="Previous version").click()
    page.get_by_text("You said: second question").wait_for()
    expect(page.get_by_label("Version 1 of 2")).to_have_count(2)

    def kept() -> str:
        tip = [call for call in site.fake.calls if call[0] == "change"][-1][2]["tip"]
        return str(site.fake.find(tip)["content"])

    wait_until(page, lambda: kept() == "You said: second question")


@in_browser
def test_drafts_hide_the_scores_until_one_is_chosen_and_the_choice_is_sent(site: Site) -> None:
    page = site.open()
    page.get_by_role("button", name="3", exact=True).click()
    page.get_by_label("Message", exact=True).fill("tell me a story")
    page.keyboard.press("Enter")
    page.get_by_text("Which answer is best?").wait_for()
    expect(page.get_by_role("article", name="Draft")).to_have_count(3)
    expect(page.get_by_text("Reward 1")).to_have_count(0)
    page.get_by_label("Message", exact=True).blur()
    page.keyboard.press("2")
    page.get_by_text("Your choice", exact=True).wait_for()
    page.get_by_text(re.compile("The reward model would have chosen")).wait_for()
    expect(page.locator(".score")).to_have_count(3)
    [choice] = [call[2] for call in site.fake.calls if call[0] == "choice"]
    assert choice["chosen"] == choice["shown"][1] and len(choice["shown"]) == 3
    ask(page, "and then?")
    expect(page.get_by_role("article", name="Assistant").first).to_contain_text("ninety years", use_inner_text=True)


@in_browser
def test_a_thumb_counts_at_once_and_consent_is_never_assumed(site: Site) -> None:
    page = site.open()
    ask(page, "hello")
    page.get_by_role("button", name="Bad answer").click()
    page.get_by_text("Too long").wait_for()
    page.get_by_text("Too long").click()
    page.get_by_label("Comment").fill("it repeats me")
    page.get_by_role("button", name="Send feedback").click()
    page.get_by_text("Your feedback is saved").wait_for()
    sent = [call[2] for call in site.fake.calls if call[0] == "feedback"]
    assert sent[0] == {"thumb": "down", "reasons": [], "comment": "", "consent": False}
    assert sent[1] == {"thumb": "down", "reasons": ["too_long"], "comment": "it repeats me", "consent": False}
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")


@in_browser
def test_chats_are_searched_renamed_rated_exported_and_deleted(site: Site) -> None:
    page = site.open()
    ask(page, "about rainbows")
    page.get_by_role("button", name="New chat").click()
    ask(page, "about stories")
    rows = page.get_by_label("Chats").locator("li")
    expect(rows).to_have_count(2)
    page.get_by_label("Search chats").fill("rainbow")
    expect(rows).to_have_count(1)
    page.get_by_label("Search chats").fill("")
    expect(rows).to_have_count(2)
    rows.first.hover()
    rows.first.get_by_role("button", name="Rename").click()
    page.get_by_label("Title").fill("<b>Tales</b>")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="<b>Tales</b>").wait_for()
    page.get_by_role("button", name="Good chat").click()
    expect(page.get_by_role("button", name="Good chat")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Sharing and export").click()
    for name, file in (("Export as Markdown", "chat.md"), ("Export as JSON", "chat.json")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename == file
    page.keyboard.press("Escape")
    rows.first.hover()
    rows.first.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(rows).to_have_count(1)
    assert len(site.fake.chats) == 1
    expect(page).not_to_have_url(re.compile("id="))


@in_browser
def test_the_chat_that_was_opened_last_is_shown_however_late_another_one_comes(site: Site) -> None:
    page = site.open()
    ask(page, "first")
    slow = next(iter(site.fake.chats))
    page.get_by_role("button", name="New chat").click()
    ask(page, "second")
    held: list[Any] = []
    page.route(f"**/chats/{slow}", lambda route: held.append(route))
    page.get_by_role("link", name="first").click()
    wait_until(page, lambda: bool(held))
    page.get_by_role("link", name="second").click()
    page.get_by_text("You said: second").wait_for()
    with page.expect_response(f"**/chats/{slow}"):
        held[0].continue_()
    page.wait_for_timeout(100)
    expect(page.get_by_text("You said: second")).to_be_visible()
    expect(page.get_by_text("You said: first")).to_have_count(0)


@in_browser
def test_system_prompt_model_and_sampling_reach_the_server(site: Site) -> None:
    page = site.open()
    page.get_by_role("button", name="Settings").click()
    panel = page.get_by_role("complementary", name="Settings")
    panel.get_by_label("Model").select_option("village-sft")
    panel.get_by_label("System prompt").fill("You are terse.")
    panel.get_by_label("Temperature", exact=True).fill("0,25")
    panel.get_by_label("Top-k", exact=True).fill("999")
    panel.get_by_text("Penalties, seed, stop").click()
    panel.get_by_label("Seed").fill("7")
    ask(page, "hello")
    [request] = [call[2] for call in site.fake.calls if call[0] == "answers"]
    sampling = request["sampling"]
    assert request["model"] == "village-sft" and site.fake.chats["chat-1"]["system"] == "You are terse."
    assert (sampling["temperature"], sampling["top_k"], sampling["seed"]) == (0.25, 100, 7)


@in_browser
def test_what_a_model_says_is_never_executed(site: Site) -> None:
    page = site.open()
    ask(page, "be hostile")
    page.wait_for_timeout(150)
    answer = page.get_by_role("article", name="Assistant")
    expect(answer, "it is shown as what it is").to_contain_text("<script>window.stolen", use_inner_text=True)
    expect(answer.locator("script, img, iframe, style, form, svg[onload], b[onclick]")).to_have_count(0)
    links = answer.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert all(link is None or link.startswith("http") for link in links)
    page.goto(f"{site.address}/playground")
    page.get_by_label("Text to go on with").fill("hostile")
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="Edit as text").wait_for()
    expect(page.locator(".completion-text")).to_contain_text("<script>", use_inner_text=True)
    page.goto(f"{site.address}/tokens")
    page.get_by_label("Text", exact=True).fill(fake_api.HOSTILE)
    page.locator(".tok").nth(40).wait_for()
    assert page.evaluate("window.stolen") is None


# Playground and tokens


@in_browser
def test_a_click_on_an_alternative_goes_on_from_there_and_can_be_undone(site: Site) -> None:
    page = site.open("playground")
    page.get_by_label("Text to go on with").fill("Once there was")
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="Edit as text").wait_for()
    before = page.locator(".completion-text").inner_text()
    page.locator(".piece").nth(2).click()
    page.get_by_role("button", name="Go on with ␣quiet").click()
    page.get_by_role("button", name="Undo branch").wait_for()
    calls = [call[2] for call in site.fake.calls if call[0] == "complete"]
    assert calls[-1]["prompt"] == "Once there was a small quiet"
    assert calls[0]["logprobs"] == 10
    page.get_by_role("button", name="Undo branch").click()
    expect(page.locator(".completion-text")).to_have_text(before, use_inner_text=True)


@in_browser
def test_tokens_are_walked_with_the_arrow_keys_and_opened_with_enter(site: Site) -> None:
    page = site.open("playground")
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="Edit as text").wait_for()
    page.locator(".piece").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("group", name="Alternatives").wait_for()
    page.keyboard.press("Escape")
    expect(page.get_by_role("group", name="Alternatives")).to_have_count(0)
    expect(page.locator(":focus")).to_have_text(" small")


@in_browser
def test_a_letter_of_several_tokens_is_a_letter_wherever_the_text_goes(site: Site) -> None:
    page = site.open("playground")
    page.get_by_label("Text to go on with").fill("Jörg")
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="Edit as text").wait_for()
    expect(page.locator(".piece")).to_have_text([" tr", "ä", "gt", "."], use_inner_text=False)
    expect(page.locator(".completion header")).to_contain_text("5 tokens")
    page.locator(".piece").nth(1).click()
    expect(page.locator(".alternatives .same")).to_contain_text("\\xc3")
    expect(page.get_by_role("button", name="Go on with \\xc3")).to_be_disabled()
    page.keyboard.press("Escape")
    page.locator(".piece").nth(2).click()
    page.get_by_role("button", name="Go on with ␣z").click()
    page.get_by_role("button", name="Undo branch").wait_for()
    calls = [call[2] for call in site.fake.calls if call[0] == "complete"]
    assert calls[-1]["prompt"] == "Jörg trä z"
    page.get_by_role("button", name="Undo branch").click()
    page.get_by_role("button", name="Edit as text").click()
    expect(page.get_by_label("Text to go on with")).to_have_value("Jörg trägt.")


@in_browser
def test_two_models_and_three_shot_counts_stand_side_by_side(site: Site) -> None:
    page = site.open("playground")
    page.get_by_role("button", name="Compare two models").click()
    page.get_by_label("Second model").select_option("village-base")
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="Edit as text").nth(1).wait_for()
    expect(page.get_by_label("Completion by village-ppo")).to_contain_text("baker", use_inner_text=True)
    expect(page.get_by_label("Completion by village-base")).to_contain_text("smith", use_inner_text=True)
    page.get_by_role("button", name="Few-shot").click()
    page.get_by_role("button", name="Compare zero, one and all examples").click()
    page.get_by_role("button", name="Edit as text").nth(2).wait_for()
    prompts = [call[2]["prompt"] for call in site.fake.calls if call[0] == "complete"][-3:]
    assert sorted(prompt.count("Opposite:") for prompt in prompts) == [1, 2, 4]
    assert [call[2].get("stop") for call in site.fake.calls if call[0] == "complete"][-4:] == [None] + [["\n"]] * 3


@in_browser
def test_temperature_shows_what_it_does_to_the_distribution(site: Site) -> None:
    page = site.open("playground")
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="Edit as text").wait_for()
    panel = page.get_by_role("region", name="Next token")
    entropy = panel.get_by_text(re.compile("^Entropy"))
    warm = entropy.inner_text()
    page.get_by_label("Temperature", exact=True).fill("0")
    page.get_by_label("Temperature", exact=True).blur()
    expect(entropy).to_contain_text("→ 0.00 bits; 1 of")
    assert "→ 0.00 bits" not in warm
    expect(panel.locator(".left-out").nth(7)).to_be_visible()


@in_browser
def test_view_code_shows_the_request_of_the_page(site: Site) -> None:
    page = site.open("playground")
    page.get_by_label("Text to go on with").fill('say "hi"')
    page.get_by_role("button", name="View code").click()
    listing = page.get_by_role("dialog").locator("pre")
    expect(listing).to_contain_text('prompt="say \\"hi\\""')
    expect(listing).to_contain_text(f'base_url="{site.address}/v1"')
    page.get_by_role("button", name="curl").click()
    expect(listing).to_contain_text(f"curl {site.address}/v1/completions")


@in_browser
def test_tokens_show_ids_bytes_counts_and_the_merges_of_one(site: Site) -> None:
    page = site.open("tokens")
    page.get_by_label("Text", exact=True).fill("A town🥖")
    view = page.get_by_role("region", name="Tokens by village-ppo")
    expect(view.locator(".counters > div").nth(1)).to_have_text(re.compile("7"))
    expect(view.locator(".counters > div").nth(2)).to_have_text(re.compile("10"))
    expect(view.locator(".tok.partial")).to_have_text(["F0 9F", "A5 96"])
    page.get_by_role("button", name="Bytes", exact=True).click()
    expect(view.locator(".tok").first).to_have_text("41", use_inner_text=True)
    page.get_by_role("button", name="Ids", exact=True).click()
    expect(view.locator(".tok").first).to_have_text(str(256 + 0x41), use_inner_text=True)
    view.locator(".tok").nth(1).click()
    detail = page.get_by_role("complementary", name="The token")
    detail.get_by_text("How it was merged").wait_for()
    expect(detail.locator("li").first).to_have_attribute("aria-label", "␣ and t become ␣t")
    page.get_by_role("button", name="Compare two tokenizers").click()
    page.get_by_role("region", name="Tokens by village-base").locator(".tok").nth(3).wait_for()
    page.get_by_text(re.compile("German needs .* times as many tokens")).first.wait_for()


# The frame


@in_browser
def test_language_and_theme_are_switched_and_remembered(site: Site) -> None:
    page = site.open()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Deutsch").click()
    page.get_by_role("link", name="Werkbank").wait_for()
    page.get_by_role("button", name="Aussehen: System").click()
    page.get_by_role("button", name="Aussehen: Hell").click()
    expect(page.locator("body")).not_to_have_css("background-color", light)
    page.reload()
    page.get_by_role("button", name="Aussehen: Dunkel").wait_for()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("body")).not_to_have_css("background-color", light)


@in_browser
def test_a_german_browser_gets_german_and_a_dark_one_dark(site: Site) -> None:
    page = site.open(locale="de-DE", color_scheme="dark")
    page.get_by_text("Was möchten Sie fragen?").wait_for()
    red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert red < 60


@in_browser
def test_people_sign_in_are_told_why_not_and_sign_out(site: Site) -> None:
    site.fake.access = "login"
    page = site.open("tokens")
    page.get_by_role("heading", name="Welcome back").wait_for()
    expect(page.get_by_role("navigation")).to_have_count(0)
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.", use_inner_text=True)
    page.get_by_label("Password").fill("a good password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("What would you like to ask?").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Welcome back").wait_for()
    assert "403" in site.complaints.pop()  # the browser's own note on the refused password


@in_browser
def test_a_suggestion_is_answered_by_as_many_drafts_as_are_chosen(site: Site) -> None:
    page = site.open()
    page.get_by_role("button", name="2", exact=True).click()
    page.get_by_role("button", name="What can you do?", exact=True).click()
    expect(page.get_by_role("article", name="Draft")).to_have_count(2)


@in_browser
def test_an_invitation_and_the_one_time_link_send_their_token(site: Site) -> None:
    site.fake.access = "setup"
    page = site.open("chat")
    page.get_by_text("Open the one-time link").wait_for()
    for path, api in (("setup", "/api/v1/setup"), ("invite", "/api/v1/invites/accept")):
        site.fake.access, site.fake.person = "setup", None
        page.goto(f"{site.address}/{path}?token=secret-{path}")
        page.get_by_label("Name").fill("Grace")
        page.get_by_label("Password").fill("a good password")
        page.get_by_role("button", name="Create account").click()
        page.get_by_text("What would you like to ask?").wait_for()
        assert site.fake.calls[-1][1] == api and site.fake.calls[-1][2]["token"] == f"secret-{path}"
        expect(page).not_to_have_url(re.compile("secret"))
    site.fake.access, site.fake.person = "login", None
    page.goto(f"{site.address}/setup?token=used")
    expect(page.get_by_text("this link works once")).to_be_visible()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()


@in_browser
def test_the_pages_work_behind_a_proxy_prefix(browser: Any) -> None:
    inner = fake_api.build(fake_api.FakeApi())
    inner.include_router(pages.build())
    outer = FastAPI()
    outer.mount("/lab/wright", inner)
    with running(outer) as address:
        site = Site(browser, fake_api.FakeApi(), f"{address}/lab/wright")
        page = site.open()
        ask(page, "hello")
        page.get_by_role("link", name="Tokens").click()
        page.locator(".tok").first.wait_for()
        expect(page).to_have_url(f"{address}/lab/wright/tokens")
        assert site.complaints == []
        site.contexts[0].close()


@in_browser
def test_on_a_phone_nothing_runs_out_of_the_window_and_the_menu_opens(site: Site) -> None:
    page = site.open(viewport={"width": 390, "height": 844}, has_touch=True)
    ask(page, "Explain how a rainbow forms")
    for path in ("chat", "playground", "tokens"):
        page.goto(f"{site.address}/{path}")
        page.locator("h1").first.wait_for()
        page.wait_for_timeout(250)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        outside = "[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > 391 "
        outside += "&& !one.closest('pre, table, .drafts-cards')).map(one => one.outerHTML.slice(0, 90))"
        assert page.evaluate(outside) == [], path
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Chat", exact=True).click()
    page.get_by_role("button", name="Chats").click()
    page.get_by_role("dialog", name="Chats").get_by_role("link").first.click()
    page.get_by_text("Sunlight enters").wait_for()


@in_browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in web/")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(site: Site, scheme: str) -> None:
    page = site.open(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    ask(page, "Explain how a rainbow forms")
    page.get_by_role("button", name="Bad answer").click()
    page.get_by_role("button", name="Settings").click()
    found = {"chat": violations(page)}
    page.get_by_role("button", name="2", exact=True).click()
    page.get_by_label("Message", exact=True).fill("a story")
    page.keyboard.press("Enter")
    page.get_by_text("Which answer is best?").wait_for()
    found["drafts"] = violations(page)
    page.goto(f"{site.address}/playground")
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="Edit as text").wait_for()
    page.locator(".piece").nth(1).click()
    found["playground"] = violations(page)
    page.get_by_role("button", name="Few-shot").click()
    found["few-shot"] = violations(page)
    page.goto(f"{site.address}/tokens")
    page.locator(".tok").nth(1).click()
    page.get_by_text("How it was merged").wait_for()
    found["tokens"] = violations(page)
    page.goto(f"{site.address}/login")
    page.get_by_role("heading", name="Welcome back").wait_for()
    found["login"] = violations(page)
    assert [f"{name}: {problem}" for name, problems in found.items() for problem in problems] == []

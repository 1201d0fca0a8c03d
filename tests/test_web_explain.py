"""The explain page: what the numbers of the API look like, by mouse and by keyboard."""

from __future__ import annotations

from typing import Any

import pytest

from browsing import AXE, Site, ask, browser, in_browser, site, violations, wait_until

__all__ = ["browser", "site"]  # fixtures
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect


def look_at(site: Site, text: str = "the baker sells bread", **context: Any) -> Any:
    page = site.open(f"explain?text={text.replace(' ', '+')}", **context)
    page.get_by_role("region", name="Where the token looks").wait_for()
    return page


@in_browser
def test_attention_is_fetched_by_layer_and_follows_token_head_and_keys(site: Site) -> None:
    page = look_at(site)
    looks = page.get_by_role("region", name="Where the token looks")
    expect(looks).to_contain_text("the 58.2 % ␣bread 25.1 % ␣baker 8.2 % ␣sells 8.2 %", use_inner_text=True)
    page.get_by_role("button", name="Head 1").click()
    expect(looks).to_contain_text("50.2 %", use_inner_text=True)
    page.get_by_role("button", name="Token 3: ␣bread").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(looks).to_contain_text("100 %", use_inner_text=True)
    assert [call[2] for call in site.fake.calls if call[0] == "attention"] == [0]
    page.get_by_label("Layer", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("This layer sees only the last 4 tokens.").wait_for()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(200)
    assert [call[2] for call in site.fake.calls if call[0] == "attention"] == [0, 1], "a layer is fetched once"
    page.get_by_role("button", name="Matrix").click()
    page.get_by_role("group", name="Attention as a matrix").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".matrix-told")).to_have_text("␣baker looks at the: 50.2 %", use_inner_text=True)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".matrix-told")).to_contain_text("cannot see", use_inner_text=True)
    page.get_by_text("Attention is not explanation").wait_for()


@in_browser
def test_on_a_phone_the_chosen_token_and_the_steps_to_its_share_are_seen(site: Site) -> None:
    text = "+".join(f"word{number}" for number in range(60))
    page = site.open(f"explain?text={text}", viewport={"width": 390, "height": 844})
    chosen = page.locator(".lines-from .chosen")
    expect(chosen).to_contain_text("word59")
    page.locator(".lines-box").scroll_into_view_if_needed()
    expect(chosen).to_be_in_viewport()
    page.get_by_role("tab", name="One token in numbers").click()
    table = page.locator(".numbers-table")
    table.scroll_into_view_if_needed()
    for head in ("q · k", "scaled", "mask", "softmax"):
        expect(table.get_by_role("columnheader", name=head, exact=True)).to_be_in_viewport(ratio=1)
    expect(table.get_by_role("columnheader", name="k", exact=True)).to_have_count(0)


@in_browser
def test_a_text_that_the_server_forgot_is_opened_again(site: Site) -> None:
    page = look_at(site)
    site.fake.opened.clear()
    page.get_by_label("Layer", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Layer 2 of 3").wait_for()
    wait_until(page, lambda: ("attention", "look-2", 1) in site.fake.calls)
    assert [call[2] for call in site.fake.calls if call[0] == "attention"] == [0, 1]
    expect(page.get_by_role("alert")).to_have_count(0)
    assert "404" in site.complaints.pop()


@in_browser
def test_one_token_in_numbers_lens_and_next_token(site: Site) -> None:
    page = look_at(site)
    page.get_by_role("button", name="Token 1: ␣baker").click()
    page.get_by_role("tab", name="One token in numbers").click()
    rows = page.get_by_role("region", name="Query, keys and weights").locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("-1.00", use_inner_text=True)
    expect(rows.nth(0).locator("td").nth(2)).to_have_text("-0.13", use_inner_text=True)
    expect(rows.nth(2).locator("td").nth(3)).to_have_text("−∞", use_inner_text=True)
    page.keyboard.press("Tab")
    page.get_by_role("tab", name="One token in numbers").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".lens tbody tr")).to_have_count(4)
    expect(page.locator(".lens tbody th").first).to_have_text("Output", use_inner_text=True)
    page.get_by_role("tab", name="Next token").click()
    spread = page.get_by_role("region", name="Next token")
    spread.get_by_text("Entropy 1.00 bits").wait_for()
    page.get_by_label("Temperature", exact=True).focus()
    page.keyboard.press("End")
    spread.get_by_text("Entropy 3.00 bits").wait_for()
    assert page.evaluate("window.stolen") is None


@in_browser
def test_heads_are_switched_off_and_tokens_are_weighed(site: Site) -> None:
    page = look_at(site)
    page.get_by_role("tab", name="Switch heads off").click()
    page.get_by_role("switch", name="Layer 1, head 1").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Switch the whole layer 3").click()
    page.get_by_text("differ by 0.750 nats").wait_for()
    off = [call[2] for call in site.fake.calls if call[0] == "ablation"][-1]
    assert sorted(off) == [[1, 0], [2, 0], [2, 1]]
    page.get_by_role("tab", name="What mattered").click()
    page.get_by_text("Target ␣bread").wait_for()
    weighed = page.get_by_role("group", name="What each token contributes")
    told = page.locator(".weighs")
    weighed.get_by_role("button").first.click()
    expect(weighed.get_by_role("button").first).to_be_focused()
    first = str(told.text_content())
    page.keyboard.press("ArrowRight")
    expect(told).not_to_have_text(first)
    expect(told).to_have_text(str(weighed.get_by_role("button").nth(1).get_attribute("aria-label")))
    page.get_by_role("button", name="Gradient").click()
    page.get_by_label("Target").select_option("401")

    def asked() -> list[Any]:
        return [call[2] for call in site.fake.calls if call[0] == "attribution"]

    wait_until(page, lambda: asked()[-1] == {"method": "gradient", "position": 3, "target": 401})
    assert asked()[0] == {"method": "occlusion", "position": 3}


@in_browser
def test_embeddings_are_searched_and_walked_by_neighbours(site: Site) -> None:
    page = look_at(site)
    page.get_by_role("tab", name="Embeddings").click()
    near = page.get_by_role("region", name="Nearest tokens")
    near.get_by_role("button", name="␣near2").click()
    near.get_by_role("heading", name="Nearest to ␣near2").wait_for()
    page.get_by_label("Find a token").fill("town")
    near.get_by_role("heading", name="Nearest to town").wait_for()
    page.get_by_text("900 tokens").wait_for()
    page.get_by_role("group", name="Map of the vocabulary").focus()
    page.keyboard.press("+")
    page.get_by_role("button", name="Whole map").click()
    page.get_by_role("tab", name="Positions").click()
    page.get_by_role("img", name="Similarity by distance").wait_for()


@in_browser
def test_too_long_a_text_is_refused_in_plain_words(site: Site) -> None:
    page = look_at(site)
    page.get_by_label("Text to look into").fill("word " * 300)
    page.get_by_role("button", name="Look inside").click()
    expect(page.get_by_role("alert")).to_contain_text("This text has 300 tokens; a look inside takes at most 256.")
    assert "400" in site.complaints.pop()


@in_browser
def test_an_answer_of_the_chat_is_looked_into_with_its_conversation(site: Site) -> None:
    page = site.open()
    ask(page, "hello there")
    chat = next(iter(site.fake.chats.values()))
    page.get_by_role("button", name="Look inside").click()
    page.get_by_role("group", name="Conversation from the chat").wait_for()
    page.get_by_role("region", name="Where the token looks").wait_for()
    [asked] = [call[2] for call in site.fake.calls if call[0] == "explain"]
    assert asked["messages"] == [{"role": "user", "content": "hello there"}]
    assert asked["answer"] == "You said: hello there" and asked["model"] == chat["messages"][-1]["model"]
    page.get_by_role("button", name="Use a text of my own").click()
    page.get_by_label("Text to look into").wait_for()


@in_browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in web/")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_explain_page_and_nothing_runs_out_of_a_phone(site: Site, scheme: str) -> None:
    page = look_at(site, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    found = {"attention": violations(page)}
    names = page.get_by_role("tab").all_inner_texts()
    for name in names[1:]:
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(350)
        found[name] = violations(page)
    assert [f"{name}: {problem}" for name, problems in found.items() for problem in problems] == []
    phone = look_at(site, viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
    for name in names:
        phone.get_by_role("tab", name=name).click()
        phone.wait_for_timeout(200)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, name

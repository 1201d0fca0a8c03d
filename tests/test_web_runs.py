"""The runs page: lineage, live curves, reports in a sandbox, promotions, training, the result of a comparison."""

from __future__ import annotations

import re

import pytest

from browsing import AXE, Site, browser, in_browser, site, violations, wait_until

__all__ = ["browser", "site"]  # fixtures
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect


@in_browser
def test_a_run_shows_lineage_receipt_and_curves_that_grow_while_it_trains(site: Site) -> None:
    page = site.open("runs")
    page.get_by_role("img", name="Curve of Score").wait_for()
    box = page.get_by_role("button", name="PPO ppo")
    expect(box, "the stage that trains is shown first").to_have_attribute("aria-pressed", "true")
    before = site.fake.metrics
    wait_until(page, lambda: site.fake.metrics > before)  # it asks for the new lines only, again and again
    page.get_by_role("button", name="Fine-tuning sft").focus()
    page.keyboard.press("Enter")
    receipt = page.get_by_role("region", name="Receipt")
    expect(receipt).to_contain_text("1.6 min")
    page.get_by_text("Samples", exact=True).click()
    page.get_by_text("an answer").wait_for()
    assert page.evaluate("window.stolen") is None
    page.get_by_role("link", name="older").click()
    page.get_by_role("heading", name="older").wait_for()
    expect(page).to_have_url(re.compile(r"runs\?run=older$"))


@in_browser
def test_reports_stand_side_by_side_and_nothing_in_them_runs(site: Site) -> None:
    page = site.open("runs?view=reports")
    frame = page.frame_locator("iframe").first
    expect(frame.locator("h1")).to_have_text("Report of older", use_inner_text=True)
    expect(page.locator("iframe").first).to_have_attribute("sandbox", "")
    box = page.locator("iframe").first.bounding_box()
    assert box and box["height"] == 800 - 12 * 16, "a report has the window's height, but for what stands above it"
    page.wait_for_timeout(200)
    assert page.evaluate("window.stolen") is None
    site.complaints.clear()  # the browser notes the scripts that the sandbox stopped


@in_browser
def test_who_may_not_watch_runs_is_told_so_kindly(site: Site) -> None:
    site.fake.person = {"id": "p1", "name": "Ada", "role": "chatter", "language": "en", "preferences": {}}
    page = site.open("runs")
    page.get_by_text("This page is for labelers and administrators").wait_for()
    expect(page.get_by_role("tab")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)


@in_browser
def test_promoting_and_rolling_back_ask_first(site: Site) -> None:
    page = site.open("runs?view=served")
    page.get_by_text("35").first.wait_for()
    page.get_by_role("button", name="Promote …").click()
    dialog = page.get_by_role("dialog", name="Promote …")
    dialog.get_by_role("combobox", name="Run", exact=True).select_option("older")
    dialog.get_by_role("combobox", name="Stage").select_option("sft")
    expect(dialog).to_contain_text("village-ppo gets answers of older/sft", use_inner_text=True)
    dialog.get_by_role("button", name="Promote", exact=True).click()
    page.get_by_text("village-ppo now answers with older/sft.").wait_for()
    assert site.fake.promotions[0]["folder"] == "/runs/older/sft"
    page.get_by_role("button", name="Roll back").click()
    assert site.fake.promotions, "nothing happens before it is confirmed"
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    page.get_by_text("was rolled back").wait_for()
    assert site.fake.promotions == []


@in_browser
def test_training_says_plainly_what_there_is_before_it_starts(site: Site) -> None:
    page = site.open("runs?view=training")
    plainly = page.get_by_role("region", name="What there is to learn from").first
    expect(plainly).to_contain_text("62.0 %")
    text = plainly.inner_text()
    assert "312 of some 2,000 comparisons" in text and "62.0 % of pairs it had not seen" in text
    assert "55.0 % – 69.0 %" in text and "20 of 60 rankings are by a simulated labeler" in text
    expect(plainly).to_contain_text("12 rankings are left out")
    expect(plainly).to_contain_text("(from 3,060 comparisons, 2,955 simulated)")
    page.get_by_text("Whose rankings (2)").click()
    expect(plainly.get_by_role("listitem").last).to_contain_text("20 − 12")
    expect(plainly.get_by_role("listitem").last.locator(".badge")).to_have_text("simulated")
    page.get_by_label("Also the 20 simulated rankings").uncheck()
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("One a line, as in a recipe").fill("ppo.iterations = 20\nnonsense")
    expect(page.get_by_role("button", name="Start …")).to_be_disabled()
    page.get_by_label("One a line, as in a recipe").fill("ppo.iterations = 20")
    page.get_by_role("button", name="Start …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("312 comparisons", use_inner_text=True)
    dialog.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("step 3 of 40").wait_for()
    expect(page.get_by_text("PPO practises on 144 prompts. 16 others are held back")).to_be_visible()
    [job] = [call[2] for call in site.fake.calls if call[0] == "job"]
    submission = job.pop("submission")
    assert 10 <= len(submission) <= 64
    assert job == {"kind": "loop", "run": "older", "with_simulated": False, "settings": {"ppo.iterations": 20}}
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    assert page.evaluate("window.stolen") is None


@in_browser
def test_nothing_is_started_where_there_is_nothing_to_learn_from(site: Site) -> None:
    site.fake.comparisons = {"comparisons": 0, "simulated_comparisons": 0, "rankings": 0, "simulated": 0}
    page = site.open("runs?view=training")
    start = page.get_by_role("button", name="Start …")
    expect(start).to_be_disabled()
    page.get_by_role("radio", name="Reward model Learns").check()
    expect(start).to_be_disabled()
    expect(page.get_by_role("form", name="Train on it")).to_contain_text("Without a comparison there is nothing")
    page.get_by_role("radio", name="PPO Practises").check()
    expect(start).to_be_enabled()
    page.get_by_role("link", name="Queue answers to rank").click()
    expect(page).to_have_url(re.compile(r"admin\?tab=queue$"))


@in_browser
def test_without_the_simulated_rankings_there_may_be_nothing_to_learn_from(site: Site) -> None:
    site.fake.comparisons = {"simulated_comparisons": 312, "simulated": 60}
    page = site.open("runs?view=training")
    start = page.get_by_role("button", name="Start …")
    expect(start).to_be_enabled()
    page.get_by_label("Also the 60 simulated rankings").uncheck()
    expect(start).to_be_disabled()
    expect(page.get_by_text("All comparisons are simulated")).to_be_visible()


@in_browser
def test_a_comparison_ends_with_an_interval_and_is_promoted_or_discarded(site: Site) -> None:
    page = site.open("runs?view=comparisons")
    result = page.get_by_role("region", name="Result")
    result.get_by_text("village/ppo wins 61.0 % (95% interval 55.5 % – 66.4 %; ties count half)").wait_for()
    expect(result).to_contain_text("village/ppo is better than village/sft", use_inner_text=True)
    told = "Prompts: 12 that no run learned from, 20 held back from PPO, though the reward model may know them, 8 seen"
    expect(result).to_contain_text(told)
    expect(result).to_contain_text("Left out because both answers were empty, or the same: 2.")
    result.get_by_role("button", name="Promote village/ppo").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("combobox", name="Run", exact=True)).to_have_value("village")
    page.keyboard.press("Escape")
    page.get_by_label("New model (A)").select_option(label="older/sft")
    page.get_by_role("button", name="Let them answer").click()
    page.get_by_text("3 pairs are ready for votes").wait_for()
    [asked] = [call[2] for call in site.fake.calls if call[0] == "compare"]
    assert asked["model_a"] == {"run": "older", "stage": "sft"} and asked["model_b"] == "village-ppo"
    result.get_by_role("button", name="Discard").click()
    page.get_by_text("nothing was promoted").wait_for()


@in_browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in web/")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_runs_page_and_nothing_runs_out_of_a_phone(site: Site, scheme: str) -> None:
    page = site.open("runs", color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    page.get_by_role("img", name="Curve of Score").wait_for()
    found = {"runs": violations(page)}
    for view in ("Served models", "Training", "Comparisons"):
        page.get_by_role("tab", name=view).click()
        page.wait_for_timeout(400)
        found[view] = violations(page)
    assert [f"{name}: {problem}" for name, problems in found.items() for problem in problems] == []
    phone = site.open("runs?view=comparisons", viewport={"width": 390, "height": 844}, color_scheme=scheme)
    expect(phone.get_by_role("tab", selected=True)).to_have_text("Comparisons")
    expect(phone.get_by_role("tab", selected=True)).to_be_in_viewport(ratio=0.9)
    phone = site.open("runs", viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
    phone.get_by_role("img", name="Curve of Score").wait_for()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390

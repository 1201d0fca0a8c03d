"""The admin page in a real browser, against the real API with a store of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import fake_api
import web_api
from browsing import AXE, Site, browser, in_browser, needs_browser, violations, wait_until
from chatwright.store import Store, open_store
from chatwright.store.feedback import NewRow
from chatwright.store.tasks import NewTask
from test_web_api_runs import stage

__all__ = ["browser"]  # a fixture
expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
TABS = ("people", "keys", "usage", "review", "quality", "queue", "exchange", "settings")
REFUSED = "Failed to load resource"  # the browser's own note on an answer that the test wants refused


@dataclass
class Office:
    """A server with Ada (admin), Bruno (labeler) and Emil (chatter)."""

    site: Site
    store: Store
    ids: dict[str, int]

    def open(self, path: str = "admin", *, name: str = "Ada", **context: Any) -> Any:
        _, token = self.store.people.log_in(name, web_api.PASSWORD)
        cookie = {"name": "chatwright-session", "value": token, "domain": "127.0.0.1", "path": "/"}
        return self.site.open(path, storage_state={"cookies": [cookie]}, **context)

    def refusals(self) -> list[str]:
        found = [said for said in self.site.complaints if REFUSED in said]
        self.site.complaints[:] = [said for said in self.site.complaints if REFUSED not in said]
        return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as store:
        yield store


@pytest.fixture
def empty(browser: Any, store: Store) -> Iterator[Office]:
    """The same server before anybody has an account."""
    with web_api.site(store, remote=False) as served:
        site = Site(browser, fake_api.FakeApi(), served.address)
        yield Office(site, store, {})
        for context in site.contexts:
            context.close()
    assert site.complaints == [], "neither errors nor violations of the content security policy"


@pytest.fixture
def office(empty: Office) -> Office:
    people = empty.store.people
    for name, role in (("Ada", "admin"), ("Bruno", "labeler"), ("Emil", "chatter")):
        empty.ids[name] = people.add(name, web_api.PASSWORD, role=role).id  # type: ignore[arg-type]
    return empty


def thumb(office: Office, answer: str, name: str = "Emil", **row: Any) -> int:
    content = {"prompt": [{"role": "user", "content": "What is sold here?"}], "answer": answer, "up": True}
    given = {"consent": True, "score": 1.0, "model": "tiny", **row}
    return office.store.feedback.add(office.ids[name], NewRow(kind="thumb", origin="chat", content=content, **given)).id


def states(office: Office) -> dict[int, str]:
    return {row.id: row.state for row in office.store.feedback.rows(states=None, consent=None)}


@needs_browser
def test_what_chatters_say_is_approved_and_rejected_by_keyboard_and_never_executed(office: Office) -> None:
    good, hostile, private = (
        thumb(office, "Bread."),
        thumb(office, f"{fake_api.HOSTILE}\u202e"),
        thumb(office, "x", consent=False),
    )
    page = office.open("admin?tab=review")
    cards = page.get_by_role("article")
    expect(cards).to_have_count(3)
    expect(cards.nth(1)).to_contain_text("<script>window.stolen = 1</script>")
    expect(cards.nth(1).locator("mark")).to_have_text("U+202E")
    expect(cards.nth(2)).to_contain_text("nobody reads it here")
    expect(cards.locator("script, img, iframe, style, form")).to_have_count(0)
    cards.first.focus()
    page.keyboard.press("a")
    expect(cards).to_have_count(2)
    expect(cards.first).to_be_focused()
    page.keyboard.press("r")
    expect(cards).to_have_count(1)
    assert states(office) == {good: "approved", hostile: "rejected", private: "waiting"}
    page.get_by_role("button", name="Approved 1").click()
    expect(page.get_by_role("article")).to_contain_text("Bread.")
    assert page.evaluate("window.stolen") is None


@in_browser
def test_removing_asks_first_and_says_which_runs_want_training_again(office: Office) -> None:
    kept, gone = thumb(office, "Bread."), thumb(office, "Poison.")
    office.store.feedback.mark_trained([gone], "loop-7")
    page = office.open("admin?tab=review")
    page.get_by_label(f"Select Thumb {gone}").check()
    page.get_by_role("button", name="Remove 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert states(office)[gone] == "waiting"
    page.get_by_role("button", name="Remove 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator(".note")).to_contain_text("loop-7")
    assert states(office) == {kept: "waiting", gone: "removed"}
    page.get_by_role("tab", name="Data").click()
    expect(page.get_by_role("row", name=re.compile("loop-7"))).to_contain_text("train again")


@in_browser
def test_an_invitation_is_shown_once_works_and_can_be_withdrawn(office: Office) -> None:
    page = office.open()
    box = page.get_by_role("region", name="Invitations")
    box.get_by_label("Role").select_option("labeler")
    box.get_by_label("Note").fill("for Gesa")
    box.get_by_role("button", name="Create link").click()
    link = box.get_by_label("Invitation link").input_value()
    guest = office.site.open(link.removeprefix(f"{office.site.address}/"))
    guest.get_by_label("Name").fill("Gesa")
    guest.get_by_label("Password").fill(web_api.PASSWORD)
    guest.get_by_role("button", name="Create account").click()
    guest.get_by_role("link", name="Label", exact=True).wait_for()
    page.reload()
    expect(page.get_by_label("Role of Gesa")).to_have_value("labeler")
    expect(page.get_by_label("Invitation link")).to_have_count(0)
    box.get_by_role("button", name="Create link").click()
    box.get_by_role("button", name=re.compile("Withdraw the invitation")).click()
    page.get_by_role("dialog").get_by_role("button", name="Withdraw").click()
    expect(box.get_by_label("Invitation link")).to_have_count(0)
    box.get_by_text("Past invitations (2)").click()
    expect(box.get_by_text("withdrawn", exact=True)).to_be_visible()


@in_browser
def test_roles_change_and_the_only_admin_stays(office: Office) -> None:
    page = office.open()
    page.get_by_label("Role of Emil").select_option("labeler")
    page.get_by_text("Emil now has the role Labeler.").wait_for()
    expect(page.get_by_label("Role of Emil")).to_have_value("labeler")
    page.get_by_label("Role of Ada").select_option("chatter")
    page.get_by_role("dialog").get_by_role("button", name="Change role").click()
    page.locator(".notice.error").get_by_text("only admin").wait_for()
    expect(page.get_by_label("Role of Ada")).to_have_value("admin")
    assert office.store.people.get(office.ids["Emil"]).role == "labeler"
    assert len(office.refusals()) == 1


@in_browser
def test_an_account_is_exported_disabled_and_deleted_after_its_name_is_typed(office: Office) -> None:
    office.store.feedback.mark_trained([thumb(office, "Bread.")], "loop-7")
    page = office.open()
    page.get_by_role("button", name="Manage Emil").click()
    dialog = page.get_by_role("dialog", name="Emil", exact=True)
    expect(dialog).to_contain_text("loop-7")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download data").click()
    assert download.value.suggested_filename == "Emil.json"
    assert json.loads(Path(download.value.path()).read_text())["person"]["name"] == "Emil"
    dialog.get_by_role("textbox", name="New password").fill("1234567890")
    dialog.get_by_role("button", name="Set password").click()
    dialog.get_by_text("Emil has a new password.").wait_for()
    dialog.get_by_role("button", name="Disable").click()
    dialog.get_by_text("can no longer sign in").wait_for()
    dialog.get_by_role("button", name="Delete account").click()
    sure = page.get_by_role("dialog", name="Delete Emil?")
    expect(sure).to_contain_text("loop-7")
    expect(sure.get_by_role("button", name="Delete account")).to_be_disabled()
    sure.get_by_role("textbox").fill("Emil")
    sure.get_by_role("button", name="Delete account").click()
    page.get_by_text("the content of 1 rows").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    expect(page.get_by_label("Role of Emil")).to_have_count(0)
    assert {person.name for person in office.store.people.all()} == {"Ada", "Bruno"}


@in_browser
def test_a_key_is_shown_once_works_within_its_limits_and_is_revoked(office: Office) -> None:
    page = office.open("admin?tab=keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("<i>bot</i>")
    page.get_by_label("Requests per minute").fill("30")
    page.get_by_label("Token limit").fill("5000")
    page.get_by_role("button", name="Create key").click()
    secret = page.get_by_role("textbox", name="Key", exact=True).input_value()
    models = f"{office.site.address}/v1/models"
    assert httpx.get(models, headers={"authorization": f"Bearer {secret}"}).status_code == 200
    page.get_by_role("button", name="I have stored it").click()
    line = page.get_by_role("listitem").filter(has_text="<i>bot</i>")
    expect(line).to_contain_text("30 requests per minute")
    expect(line).to_contain_text("0 of 5,000 tokens this month")
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke <i>bot</i>").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    page.get_by_text("Revoked keys (1)").wait_for()
    assert httpx.get(models, headers={"authorization": f"Bearer {secret}"}).status_code == 401


@in_browser
def test_usage_is_told_by_day_and_model_and_added_up_by_person(office: Office) -> None:
    for name, requests in (("Bruno", 3), ("Emil", 4)):
        office.store.usage.record(
            "tiny",
            tokens_in=1200,
            tokens_out=300,
            requests=requests,
            person_id=office.ids[name],
            energy_estimated_j=7200,
        )
    page = office.open("admin?tab=usage")
    chart = page.get_by_role("slider", name=re.compile("Requests by day"))
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r": 7 \(tiny 7\)"))
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(": 0$"))
    page.keyboard.press("End")
    page.get_by_role("button", name="Energy").click()
    told = page.get_by_role("slider", name=re.compile("Energy by day"))
    expect(told).to_have_attribute("aria-valuetext", re.compile(r"4\.0 Wh"))
    page.get_by_role("button", name="Person").click()
    expect(page.get_by_role("row", name=re.compile("Emil"))).to_contain_text("1,200")


@in_browser
def test_agreement_names_the_labeler_who_stands_out(office: Office) -> None:
    chiara = office.store.people.add("Chiara", None, role="labeler").id
    ranked = {"prompt": [{"role": "user", "content": "?"}], "answers": ["a", "b"], "models": ["", ""]}
    tasks = [NewTask(kind="rank", content=ranked, category=f"c{at}", overlap=3) for at in range(25)]
    office.store.tasks.add(tasks)
    for task in office.store.tasks.all():
        for person, ranks in ((office.ids["Ada"], [1, 2]), (office.ids["Bruno"], [1, 2]), (chiara, [2, 1])):
            row = NewRow(kind="ranking", origin="task", task_id=task.id, content={**ranked, "ranks": ranks})
            office.store.feedback.add(person, row)
    page = office.open("admin?tab=quality")
    expect(page.get_by_role("region", name="Worth a look")).to_contain_text("Chiara")
    rows = page.get_by_role("region", name="Labelers").get_by_role("row")
    expect(rows.filter(has_text="Bruno")).to_contain_text("50.0 %")
    expect(rows.filter(has_text="Chiara")).to_contain_text("worth a look")
    expect(page.get_by_text(re.compile("of 75 pairs"))).to_be_visible()


@in_browser
def test_feedback_goes_out_and_comes_in_and_a_bad_file_is_told_by_its_line(office: Office) -> None:
    thumb(office, "Bread.", "Bruno")
    page = office.open("admin?tab=exchange")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download Unpaired").click()
    [line] = Path(download.value.path()).read_text().splitlines()
    assert json.loads(line)["completion"] == [{"role": "assistant", "content": "Bread."}]
    files = page.get_by_label("File (JSONL or CSV)")
    files.set_input_files({"name": "bad.jsonl", "mimeType": "text/plain", "buffer": b'{"x": 1}\n'})
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("bad.jsonl:1")
    row = {"prompt": [{"role": "user", "content": "?"}], "chosen": "a", "rejected": "b"}
    row |= {name: [{"role": "assistant", "content": row[name]}] for name in ("chosen", "rejected")}
    files.set_input_files({"name": "rows.jsonl", "mimeType": "text/plain", "buffer": json.dumps(row).encode()})
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("New rows: 1. There already: 0.").wait_for()
    assert [one.origin for one in office.store.feedback.rows(kinds=["ranking"])] == ["import"]
    assert len(office.refusals()) == 1


@in_browser
def test_only_chats_whose_owners_agree_can_be_read(office: Office) -> None:
    chats, emil = office.store.chats, office.ids["Emil"]
    for title in ("About bread", "My secret"):
        chat = chats.start(emil, title=title)
        chats.say(emil, chat.id, "user", f"{title} <img src=x onerror='window.stolen=1'>")
        chats.change(emil, chat.id, shared=title == "About bread")
    page = office.open("admin?tab=exchange")
    page.get_by_role("button", name="Read: About bread").click()
    page.get_by_role("dialog", name="About bread").get_by_text("<img src=x").wait_for()
    expect(page.get_by_text("My secret")).to_have_count(0)
    assert page.evaluate("window.stolen") is None


@in_browser
def test_settings_are_saved_and_shorter_keeping_asks_first(office: Office) -> None:
    page = office.open("admin?tab=settings")
    page.get_by_label("Delete them after some time").check()
    page.get_by_label("Days").fill("30")
    page.get_by_role("button", name="Save").first.click()
    assert office.store.settings.get("retention_days") is None
    page.get_by_role("dialog", name="Delete chats after 30 days?").get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    caps = page.get_by_role("region", name="Judgements per person and day")
    expect(caps.get_by_label("Chatter", exact=True)).to_have_attribute("placeholder", "100 (default)")
    rows = page.get_by_role("region", name="Judgements per person in one training")
    expect(rows.get_by_label("Chatter", exact=True)).to_have_attribute("placeholder", "200 (default)")
    expect(rows.get_by_label("Labeler", exact=True)).to_have_attribute("placeholder", "no limit (default)")
    caps.get_by_label("Chatter", exact=True).fill("20")
    caps.get_by_label("No limit for the role Admin").check()
    caps.get_by_role("button", name="Save").click()
    saved = office.store.settings.get
    wait_until(page, lambda: saved("daily_caps") == {"chatter": 20, "admin": None})
    text = page.get_by_role("textbox", name="Guidelines for labelers")
    text.fill("# Be kind\n<img src=x onerror='window.stolen=1'>")
    page.get_by_role("region", name="Guidelines for labelers").get_by_role("button", name="Save").click()
    wait_until(page, lambda: saved("guidelines").startswith("# Be kind"))
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("heading", name="Be kind").wait_for()
    assert page.evaluate("window.stolen") is None
    assert saved("retention_days") == 30


@in_browser
def test_prompts_are_asked_for_and_tasks_closed_and_opened(office: Office) -> None:
    page = office.open("admin?tab=queue")
    form = page.get_by_role("region", name="Prompts by people")
    form.get_by_label("Category").select_option("brainstorming")
    form.get_by_label("How many by each person").fill("2")
    form.get_by_label("What shall they write?").fill("Ask for a name for a <b>boat</b>.")
    form.get_by_role("button", name="Ask for them").click()
    tasks = page.get_by_role("region", name="All tasks")
    expect(tasks.get_by_role("listitem")).to_have_count(2)
    expect(tasks.get_by_role("listitem").first).to_contain_text("<b>boat</b>")
    tasks.get_by_role("button", name=re.compile("^Close:")).first.click()
    expect(tasks.get_by_role("listitem")).to_have_count(1)
    tasks.get_by_role("button", name="Closed").click()
    tasks.get_by_role("button", name=re.compile("^Open again:")).click()
    expect(tasks.get_by_role("listitem")).to_have_count(0)
    assert {task.state for task in office.store.tasks.all()} == {"open"}


def collected(folder: Path) -> None:
    """A run whose collect stage has two prompts, and rankings of a simulated labeler."""
    stage(folder / "first" / "collect", "collect", {}, results="c")
    rows = [
        {"prompt": [{"role": "user", "content": f"Who sells {what}?"}], "answers": ["Mia.", "Nobody."], "source": "sft"}
        for what in ("bread", "fish")
    ]
    ranked = [{**row, "ranks": [1, 2], "labeler": "simulated"} for row in rows]
    for name, lines in (("answers", rows), ("rankings", ranked)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "first" / "collect" / f"{name}.jsonl").write_text(text)


@pytest.fixture
def with_run(browser: Any, store: Store, tmp_path: Path) -> Iterator[Office]:
    """An office that watches such a run."""
    collected(tmp_path / "runs")
    with web_api.site(store, remote=False, run_directories=[tmp_path / "runs"]) as served:
        site = Site(browser, fake_api.FakeApi(), served.address)
        found = Office(site, store, {})
        for name, role in (("Ada", "admin"), ("Emil", "chatter")):
            found.ids[name] = store.people.add(name, web_api.PASSWORD, role=role).id  # type: ignore[arg-type]
        yield found
        for context in site.contexts:
            context.close()
    assert site.complaints == [], "neither errors nor violations of the content security policy"


@in_browser
def test_a_simulated_labeler_fills_in_and_is_marked_on_every_page_that_shows_it(with_run: Office) -> None:
    page = with_run.open("runs?view=training")
    expect(page.get_by_role("button", name="Start …")).to_be_disabled()
    page.get_by_role("link", name="let the simulated labeler rank them").click()
    form = page.get_by_role("region", name="Answers of a run")
    form.get_by_label("What to do with them").select_option("Let the simulated labeler rank them")
    expect(form.get_by_label("People for each")).to_have_count(0)
    form.get_by_role("button", name="Take its rankings").click()
    expect(page.get_by_text("Simulated rankings added: 2. There already: 0.")).to_be_visible()
    form.get_by_role("button", name="Take its rankings").click()
    expect(page.get_by_text("Simulated rankings added: 0. There already: 2.")).to_be_visible()
    assert {row.simulated for row in with_run.store.feedback.rows()} == {True}
    page.get_by_role("tab", name="Review").click()
    page.get_by_role("button", name="Approved 2").click()
    expect(page.get_by_role("article").first.locator(".badge", has_text="simulated")).to_be_visible()
    page.get_by_role("tab", name="Agreement").click()
    expect(page.get_by_role("rowheader", name="simulated").locator(".badge")).to_have_text("simulated")
    page.goto(f"{with_run.site.address}/runs?view=training")
    plainly = page.get_by_role("region", name="What there is to learn from")
    expect(plainly).to_contain_text("2 of 2 rankings are by a simulated labeler, not by people.")
    plainly.get_by_text("Whose rankings (1)").click()
    expect(plainly.get_by_role("listitem")).to_contain_text("Simulated labeler")


@in_browser
def test_answers_are_queued_to_be_rated_and_chats_whose_owners_agree_too(with_run: Office) -> None:
    store, emil = with_run.store, with_run.ids["Emil"]
    chat = store.chats.start(emil, consent=True)
    asked = store.chats.say(emil, chat.id, "user", "What is sold here?")
    store.chats.say(emil, chat.id, "assistant", "Bread.", parent_id=asked.id)
    page = with_run.open("admin?tab=queue")
    form = page.get_by_role("region", name="Answers of a run")
    form.get_by_label("What to do with them").select_option("Rate an answer")
    form.get_by_role("button", name="Add to the queue").click()
    expect(page.get_by_text("Added: 4. There already: 0.")).to_be_visible()
    chats = page.get_by_role("region", name="Chats whose owners agree")
    for kind in ("Rate a chat", "Write the ideal answer"):
        chats.get_by_label("What to do with them").select_option(kind)
        chats.get_by_role("button", name="Add to the queue").click()
        expect(page.get_by_role("region", name="How far it is")).to_contain_text(kind)
    kinds = [task.kind for task in store.tasks.all()]
    assert kinds == ["rate_answer"] * 4 + ["rate_chat", "demonstration"]


@in_browser
def test_each_tab_has_an_address_and_fits_a_phone_in_german(office: Office) -> None:
    office.store.people.change(office.ids["Ada"], language="de")
    page = office.open(viewport={"width": 390, "height": 844})
    page.get_by_role("tab", name="Personen").focus()
    for name in TABS:
        expect(page.locator("[role=tab][aria-selected=true]")).to_have_id(f"tab-{name}")
        expect(page.get_by_role("tab", selected=True)).to_be_in_viewport(ratio=0.9)
        page.get_by_role("tabpanel").wait_for()
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        page.keyboard.press("ArrowRight")
    page.goto(f"{office.site.address}/admin?tab=usage")
    expect(page.get_by_role("tab", name="Nutzung")).to_have_attribute("aria-selected", "true")


@in_browser
def test_others_are_told_that_this_is_not_for_them(office: Office) -> None:
    page = office.open("admin", name="Bruno")
    page.get_by_text("This page is for administrators.").wait_for()
    expect(page.get_by_role("tab")).to_have_count(0)


@in_browser
def test_before_anybody_has_an_account_only_an_admin_can_be_invited(empty: Office) -> None:
    page = empty.site.open("admin")
    page.get_by_text("Nobody has an account yet, so whoever sits at this computer").wait_for()
    box = page.get_by_role("region", name="Invitations")
    expect(box.get_by_label("Role").locator("option")).to_have_text(["Admin"])
    box.get_by_role("button", name="Create link").click()
    page.goto(box.get_by_label("Invitation link").input_value())
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Password").fill(web_api.PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_text("What would you like to ask?").wait_for()
    page.get_by_role("link", name="Admin", exact=True).click()
    expect(page.get_by_label("Role of Ada")).to_have_value("admin")
    expect(page.get_by_text("Nobody has an account yet")).to_have_count(0)


@in_browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in web/")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(office: Office, scheme: str) -> None:
    thumb(office, "Bread.\u202e")
    office.store.keys.add("bot", person_id=office.ids["Ada"], quota_tokens=1000)
    office.store.usage.record("tiny", tokens_in=10, tokens_out=5)
    office.store.people.change(office.ids["Emil"], disabled=True)
    page = office.open(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    found: dict[str, list[str]] = {}
    for name in TABS:
        page.get_by_role("tab").nth(TABS.index(name)).click()
        page.wait_for_timeout(150)
        found[name] = violations(page)
    page.get_by_role("tab", name="People").click()
    page.get_by_role("button", name="Manage Bruno").click()
    page.get_by_role("button", name="Delete account").click()
    found["delete"] = violations(page)
    page.goto(f"{office.site.address}/admin?tab=keys")
    page.get_by_role("button", name="New key").click()
    found["new key"] = violations(page)
    page.get_by_label("Name").fill("x")
    page.get_by_role("button", name="Create key").click()
    page.get_by_text("I have stored it").wait_for()
    found["secret"] = violations(page)
    assert [f"{name}: {problem}" for name, problems in found.items() for problem in problems] == []

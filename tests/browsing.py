"""The pages in a real browser, against a stand-in for the API: the fixtures `browser` and `site`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fake_api
from chatwright.serving import pages
from serving import running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IS_BUILT = (pages.STATIC / "index.html").is_file()
AXE = Path(__file__).parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

# A notice goes away after 3.5 or 9 seconds, which a busy machine may need to look for it.
NOTICES_STAY = """const soon = window.setTimeout.bind(window)
window.setTimeout = (work, ms, ...given) => soon(work, ms === 3500 || ms === 9000 ? 15000 : ms, ...given)"""
# What moves or fades comes to rest; a spinner never does.
AT_REST = """document.getAnimations().every(one =>
  one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity)"""

needs_browser = pytest.mark.skipif(not CHROMIUM or not IS_BUILT, reason="needs chromium and the built pages")


def in_browser(test: Any) -> Any:
    """One browser test is part of every check; the others take seconds each."""
    return pytest.mark.slow(needs_browser(test))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
    with sync_api.sync_playwright() as playwright:
        sync_api.expect.set_options(timeout=20_000)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Site:
    """A fresh server, and pages in it whose every complaint is written down."""

    def __init__(self, browser: Any, fake: fake_api.FakeApi, address: str) -> None:
        self.browser, self.fake, self.address = browser, fake, address
        self.complaints: list[str] = []
        self.contexts: list[Any] = []

    def open(self, path: str = "chat", **context: Any) -> Any:
        own = self.browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **context})
        own.set_default_timeout(20_000)  # a busy machine takes its time; nothing waits longer than it must
        own.set_default_navigation_timeout(30_000)
        self.contexts.append(own)
        own.add_init_script(NOTICES_STAY)
        page = own.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{self.address}/{path}")
        return page


@pytest.fixture
def site(browser: Any) -> Iterator[Site]:
    fake = fake_api.FakeApi()
    app = fake_api.build(fake)
    app.include_router(pages.build())
    with running(app) as address:
        site = Site(browser, fake, address)
        yield site
        for context in site.contexts:
            context.close()
    assert site.complaints == [], "neither errors nor violations of the content security policy"


def ask(page: Any, text: str) -> None:
    """Send a message and wait for the whole answer."""
    turns = page.get_by_role("article", name="Assistant").count()
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")
    page.get_by_role("article", name="Assistant").nth(turns).wait_for()
    page.get_by_role("button", name="Send", exact=True).wait_for()


def wait_until(page: Any, is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what the page does not show, such as a request that has come to the server."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came"
        page.wait_for_timeout(20)


def violations(page: Any) -> list[str]:
    page.wait_for_timeout(250)  # fading in changes the contrast
    page.wait_for_function(AT_REST)
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=str(AXE))
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {node['html'][:200]}" for one in result["violations"] for node in one["nodes"]]

"""Take the pictures of docs/pictures anew: serve a run, use every page as a person would, and photograph it.

    python tests/pictures.py runs/quickstart                                   renew those that docs/pictures holds
    python tests/pictures.py runs/quickstart --out shots --modes light dark phone     all pages in these modes

In: the folder of a whole recipe run; it is only read.  Out: `chat.png`, `chat-dark.png`, `chat-phone.png` and so on.
Needs the built pages, playwright and chromium. People, chats and judgements are made up in a store of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from browsing import AT_REST, CHROMIUM, FLAGS
from chatwright.store import open_store
from ports import free_port

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
PASSWORD = "correct horse battery"
PEOPLE = {"Ada": "admin", "Bruno": "labeler", "Emil": "chatter"}
PHONE = {"width": 390, "height": 844}
MODES: dict[str, dict[str, Any]] = {"light": {}, "dark": {"color_scheme": "dark"}, "phone": {"viewport": PHONE}}
PATIENCE_MS = 120_000  # a small model on a busy machine


@dataclass(frozen=True)
class Words:
    """What is typed into the pages: taken from the run's own town, so that the model knows it."""

    questions: list[str]
    instruction: str
    sentence: str

    @classmethod
    def of(cls, run: Path) -> Words:
        village = run / "village"
        if not village.is_dir():
            return cls(["Hello! Who are you?"], "Tell me a story in one sentence.", "Once upon a time there was a fox.")
        asked = [json.loads(line) for line in (village / "prompts-test.jsonl").read_text("utf-8").splitlines()]
        asked = [row for row in asked if len(row["prompt"]) == 1]
        of_kind = {
            name: [
                row["prompt"][-1]["content"]
                for row in asked
                if name in (row["facts"]["kind"], row["facts"].get("rule"))
            ]
            for name in ("fact", "sentences")
        }
        with (village / "texts.jsonl").open(encoding="utf-8") as lines:
            told = " ".join(json.loads(line)["text"] for line in islice(lines, 200))
        about = re.findall(r"(?<=[.!?] )[A-Z]\w+ [A-Z]\w+ [\w' ]+\.", told)  # begins with a first and a last name
        sentence = next(found for found in about if 5 <= len(found.split()) <= 9)
        return cls(of_kind["fact"][:3], of_kind["sentences"][0], sentence)


@contextlib.contextmanager
def served(run: Path, store: Path) -> Iterator[str]:
    """The address of `chatwright serve` in a process of its own."""
    with free_port() as port:
        command = [sys.executable, "-m", "chatwright", "serve", str(run), "--store", str(store), "--port", str(port)]
        server = subprocess.Popen(command)
        address = f"http://127.0.0.1:{port}"
        try:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(address).is_success:
                        break
                if server.poll() is not None:
                    raise SystemExit(f"{' '.join(command)} ended with {server.returncode}")
                time.sleep(0.2)
            yield address
        finally:
            server.terminate()
            server.wait()


def people_and_tasks(run: Path, store: Path) -> None:
    with open_store(str(store)) as opened:
        for name, role in PEOPLE.items():
            opened.people.add(name, PASSWORD, role=role)  # type: ignore[arg-type]
    rows = (run / "collect" / "answers.jsonl").read_text("utf-8").splitlines()
    few = [row for row in rows if 4 <= len(json.loads(row)["answers"]) <= 5][:36]  # they fit into a picture
    folder = store.parent / "collect"
    folder.mkdir()
    (folder / "answers.jsonl").write_text("\n".join(few) + "\n", "utf-8")
    queue = [sys.executable, "-m", "chatwright", "feedback", "queue", str(folder), "--store", str(store)]
    subprocess.run(queue, check=True)


def judge_answers(address: str, words: Words) -> None:
    """Emil asks, and judges the answers; what he says waits for approval."""
    with httpx.Client(base_url=f"{address}/api/v1", timeout=PATIENCE_MS / 1000) as emil:
        emil.post("/login", json={"name": "Emil", "password": PASSWORD}).raise_for_status()
        for number, question in enumerate(words.questions):
            chat = emil.post("/chats", json={}).json()["id"]
            said = {"parent": None, "role": "user", "content": question}
            parent = emil.post(f"/chats/{chat}/messages", json=said).json()["id"]
            emil.post(f"/chats/{chat}/answers", json={"parent": parent, "model": "ppo", "n": 1}).raise_for_status()
            answer = emil.get(f"/chats/{chat}").json()["messages"][-1]["id"]
            thumb = {"thumb": ("up", "down")[number % 2], "reasons": ["helpful"][: 1 - number % 2], "consent": True}
            emil.post(f"/messages/{answer}/feedback", json=thumb).raise_for_status()


# -- the pages ---------------------------------------------------------------------------------------------------------


def chat(page: Any, words: Words) -> None:
    message = page.get_by_label("Message", exact=True)
    message.fill(words.questions[0])
    message.press("Enter")
    page.get_by_role("button", name="Good answer").wait_for()
    page.get_by_role("button", name="3", exact=True).click()
    message.fill(words.instruction)
    message.press("Enter")
    page.get_by_text("Which answer is best?").wait_for()
    message.blur()
    page.keyboard.press("2")
    page.get_by_text("Your choice", exact=True).wait_for()
    page.locator(".score").first.wait_for()


def playground(page: Any, words: Words) -> None:
    page.get_by_role("combobox", name="Model").select_option("base")
    page.get_by_label("Text to go on with").fill(" ".join(words.sentence.split()[:2]))
    page.get_by_role("button", name="Write on").click()
    page.get_by_role("button", name="Edit as text").wait_for()
    page.locator(".piece").nth(2).click()


def explain(page: Any, words: Words) -> None:
    page.goto(f"{page.url}?text={quote(words.sentence)}")
    page.get_by_role("region", name="Where the token looks").wait_for()
    page.get_by_label("Layer", exact=True).press("ArrowRight")
    page.get_by_text("Layer 2 of").wait_for()
    page.get_by_role("region", name="Where the token looks").get_by_text("In layer 2").wait_for()


def runs(page: Any, words: Words) -> None:
    page.get_by_role("button", name=re.compile("^PPO ppo")).click()
    page.get_by_role("img", name="Curve of Score").wait_for()


def label(page: Any, words: Words) -> None:
    page.get_by_role("button", name="Hand in").wait_for()


def admin(page: Any, words: Words) -> None:
    page.get_by_role("article").first.wait_for()


def report(page: Any, words: Words) -> None:
    page.get_by_role("heading", name="Answers side by side").wait_for()


@dataclass(frozen=True)
class Shot:
    """A page: who looks at it, where, what is done there, and how much of it is seen."""

    use: Callable[[Any, Words], None]
    path: str
    height: int
    who: str = "Ada"


SHOTS = {
    "chat": Shot(chat, "chat", 800),
    "playground": Shot(playground, "playground", 880),
    "explain": Shot(explain, "explain", 960),
    "runs": Shot(runs, "runs?run={run}", 1160),
    "label": Shot(label, "label", 860, "Bruno"),
    "admin": Shot(admin, "admin?tab=review", 720),
    "report": Shot(report, "", 900),
}


def take(browser: Any, address: str, run: Path, name: str, mode: str, words: Words) -> bytes:
    shot = SHOTS[name]
    size = {"viewport": {"width": 1280, "height": shot.height}, "locale": "en-GB", "reduced_motion": "reduce"}
    context = browser.new_context(**{**size, **MODES[mode]})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    if shot.path:
        signed_in = page.request.post(f"{address}/api/v1/login", data={"name": shot.who, "password": PASSWORD})
        if not signed_in.ok:
            raise SystemExit(f"{shot.who} cannot sign in: {signed_in.text()}")
        page.goto(f"{address}/{shot.path.format(run=run.name)}")
    else:
        page.goto((run / "report.html").resolve().as_uri())
    shot.use(page, words)
    for shown in page.get_by_text(str(run.resolve()), exact=True).all():  # where it lies here is nobody's business
        shown.evaluate("(shown, path) => { shown.textContent = path }", f"runs/{run.name}")
    page.wait_for_function(AT_REST)
    picture: bytes = page.screenshot()
    context.close()
    return picture


def wanted(out: Path, modes: list[str] | None) -> list[tuple[str, str, Path]]:
    """Page, mode and file of every picture: all in the modes, else those that lie in the folder already."""
    names = {
        (page, mode): out / f"{page}{'' if mode == 'light' else f'-{mode}'}.png" for page in SHOTS for mode in MODES
    }
    return [(*key, file) for key, file in names.items() if (key[1] in modes if modes else file.is_file())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a whole recipe run")
    parser.add_argument("--out", type=Path, default=PICTURES)
    parser.add_argument("--modes", nargs="+", choices=MODES, help="default: the pictures that lie in the folder")
    asked = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("no chromium is found; install one")
    from playwright.sync_api import sync_playwright

    words = Words.of(asked.run)
    asked.out.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp())
    try:
        people_and_tasks(asked.run, place / "store.db")
        with served(asked.run, place / "store.db") as address, sync_playwright() as playwright:
            judge_answers(address, words)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for name, mode, file in wanted(asked.out, asked.modes):
                file.write_bytes(take(browser, address, asked.run, name, mode, words))
                print(file, flush=True)
            browser.close()
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()

"""The whole loop over HTTP: answers are queued, 300 are ranked, a job learns from that, people compare, it is promoted.

The model is tiny and the rule by which it is judged is simple: of two answers the one with more foxes is better.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatwright.artefacts import load_language_model, save_model
from chatwright.folders import model_folder
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling
from chatwright.generation.speaker import EngineSpeaker
from chatwright.recipes import run_recipe
from chatwright.serving.loading import card_of
from chatwright.serving.settings import Card
from chatwright.stages.sft import SFTConfig, sft
from chatwright.store import open_store
from chatwright.text.conversation import Conversation
from tiny import language_model, tokenizer, world_of
from web_api import site

WORDS = ["the", "quick", "brown", "fox", "over", "lazy", "dog"]
RANKINGS, PAIRS = 300, 120
PASSWORD = "foxes are better"
ON_ONE_CORE = {"threads": 1, "precision": "fp32", "device": "cpu"}
SETTINGS = {
    "reward.epochs": 3.0,
    "reward.batch": 16,
    "reward.learning_rate": 3e-3,
    "ppo.iterations": 8,
    "ppo.batch": 48,
    "ppo.learning_rate": 2e-3,
    "ppo.kl_coefficient": 0.05,
    "ppo.kl_stop": 100.0,
    "ppo.max_tokens": 12,
    "ppo.missing_end_penalty": 0.0,
    **{f"{table}.{name}": value for table in ("reward", "ppo") for name, value in ON_ONE_CORE.items()},
}
COLLECT = """
[collect]
model = "{run}/sft"
prompts = "{run}/prompts.jsonl"
queue = true
answers = 5
temperature = 1.0
max_tokens = 12
threads = 1
precision = "fp32"
device = "cpu"
"""


def foxes(text: str) -> int:
    return text.count("fox")


def loaded(folder: Path) -> tuple[EngineSpeaker, Card]:
    folder = model_folder(folder)
    model, own = load_language_model(folder, world=world_of())
    return EngineSpeaker(model, own, world_of(), is_chat=True), card_of(folder)


def first_run(folder: Path) -> Path:
    """A run with an SFT model that says a few words in any order, foxes among them as often as others."""
    folder.mkdir(parents=True)
    save_model(folder / "given", language_model(tokenizer().size, context=64), tokenizer())
    rng = random.Random("talk")
    said = [" ".join(rng.choices(WORDS, k=rng.randint(3, 6))) for _ in range(600)]
    lines = [{"messages": Conversation.of(f"q {number}", text).to_dicts()} for number, text in enumerate(said)]
    asked = [{"prompt": Conversation.of(f"what about {number}?").to_dicts()} for number in range(RANKINGS + 20)]
    for name, rows in (("demonstrations", lines), ("prompts", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    conversations = [str(folder / "demonstrations.jsonl")]
    settings: dict[str, Any] = {"epochs": 6.0, "learning_rate": 5e-3, **ON_ONE_CORE}
    sft(SFTConfig(out=folder / "sft", base=folder / "given", conversations=conversations, **settings))
    return folder


def said(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def joined(found: Any, admin: httpx.Client, role: str) -> httpx.Client:
    """Somebody who took up an invitation."""
    invite = said(admin.post("/admin/invites", json={"role": role}))
    client = found.client()
    said(client.post("/invites/accept", json={"token": invite["token"], "name": f"The {role}", "password": PASSWORD}))
    return client


def rank(labeler: httpx.Client, count: int) -> None:
    """Rank by the rule as a labeler would, but say that no person did."""
    for number in range(count):
        task = said(labeler.post("/label/next", json={"kinds": ["rank"]}))["task"]
        order = sorted({foxes(answer) for answer in task["answers"]}, reverse=True)
        ranks = [order.index(foxes(answer)) + 1 for answer in task["answers"]]
        judged = {"submission": task["submission"], "seconds": 0.1, "ranks": ranks, "simulated": True}
        assert said(labeler.post(f"/label/{task['id']}/submit", json=judged))["state"] == "approved"
        if not number:
            again = said(labeler.post(f"/label/{task['id']}/submit", json=judged))  # a double click
            assert again["state"] == "approved"


def waited_for(admin: httpx.Client, job: dict[str, Any], seconds: float) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while job["state"] in ("queued", "running") and time.monotonic() < end:
        time.sleep(0.2)
        job = said(admin.get(f"/admin/jobs/{job['id']}"))
    assert job["state"] == "done", f"{job['state']}: {job['error']}\n{job.get('log')}"
    return job


def compared(admin: httpx.Client, judge: httpx.Client, run: str) -> dict[str, Any]:
    """The result of a blind comparison of the new model with the one that serves, judged by the rule."""
    models = {"model_a": {"run": run, "stage": "ppo"}, "model_b": "chat"}
    sampling = {"count": PAIRS, "max_tokens": 12, "temperature": 1.0, "seed": 5}
    made = said(admin.post("/comparisons", json={**models, **sampling}, timeout=120))
    while (pair := said(judge.post(f"/comparisons/{made['id']}/next", json={}))["pair"]) is not None:
        assert set(pair) == {"id", "prompt", "left", "right"}  # nothing tells which is whose
        left, right = foxes(pair["left"]), foxes(pair["right"])
        vote = "tie" if left == right else "left" if left > right else "right"
        said(judge.post(f"/comparisons/pairs/{pair['id']}/vote", json={"vote": vote}))
    return said(admin.get(f"/comparisons/{made['id']}/result"))


@pytest.mark.slow
def test_three_hundred_rankings_make_a_model_that_is_preferred_and_then_serves(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run = first_run(tmp_path / "runs" / "first")
    place = tmp_path / "chatwright.db"
    with open_store(place) as store:
        store.people.add("Ada", PASSWORD, role="admin")
        recipe = tmp_path / "collect.toml"
        recipe.write_text(COLLECT.replace("{run}", run.as_posix()))
        run_recipe(recipe, out=run, settings=[f"store={place}"])
        speaker, own_card = loaded(run / "sft")
        parts = {
            "cards": {"chat": own_card},
            "load": loaded,
            "run_directories": [run.parent],
            "look_at_jobs_every": 0.1,
        }
        with site(store, {"chat": speaker}, remote=False, **parts) as found:
            admin = found.client()
            assert said(admin.get("/me"))["access"] == "login"
            assert said(admin.post("/login", json={"name": "Ada", "password": PASSWORD}))["role"] == "admin"
            labeler = joined(found, admin, "labeler")
            rank(labeler, RANKINGS)
            known = said(admin.get("/admin/training"))
            assert (known["rankings"], known["simulated"]) == (RANKINGS, RANKINGS)
            assert "300 of 300 rankings are simulated" in known["advice"]

            asked = {"kind": "loop", "run": "first", "settings": SETTINGS}
            job = waited_for(admin, said(admin.post("/admin/jobs", json=asked)), 600)
            learned = said(admin.get(f"/runs/{job['run']}"))
            receipts = {stage["name"]: stage["receipt"] for stage in learned["stages"]}
            held_back = job["prompts"]["validation"]  # watched, and not practised on
            assert held_back == RANKINGS // 10 == receipts["ppo"]["summary"]["prompts"]
            told = receipts["reward"]["summary"]
            assert told["simulated"] == RANKINGS - sum(told["left_out"].values())  # nobody takes them for people's
            trained = said(admin.get("/admin/feedback/runs"))["runs"]
            assert trained == [{"run": job["run"], "rows": RANKINGS, "removed": 0}]

            before = answers(admin, found.address)
            result = compared(admin, labeler, job["run"])
            print(f"win rate {result['win_rate']:.2f} {result['interval']} of {result['votes']} votes")
            assert result["votes"] > PAIRS * 0.9 and result["interval"][0] > 0.5
            assert 0.2 < result["left_share"] < 0.8  # whichever is better, it stands on either side
            said(admin.post("/promotions", json={"model": "chat", "run": job["run"], "stage": "ppo"}))
            after = answers(admin, found.address)
            assert sum(map(foxes, after)) > sum(map(foxes, before))
            assert after == spoken_by(Path(learned["folder"]) / "ppo")

            first = said(admin.get("/admin/feedback", params={"state": "approved", "limit": 5}))["rows"]
            assert {row["simulated"] for row in first} == {True}
            removal = said(admin.post("/admin/feedback/remove", json={"ids": [int(row["id"]) for row in first]}))
            assert removal == {"rows": 5, "runs": [job["run"]]}  # these want training again


def answers(client: httpx.Client, address: str) -> list[str]:
    """What the served name answers to five questions, greedily."""
    said_now = []
    for number in range(5):
        messages = [{"role": "user", "content": f"what about {number}?"}]
        body = {"model": "chat", "messages": messages, "temperature": 0, "max_tokens": 12}
        answer = said(client.post(f"{address}/v1/chat/completions", json=body))
        said_now.append(answer["choices"][0]["message"]["content"])
    return said_now


def spoken_by(folder: Path) -> list[str]:
    model, own = load_language_model(folder, world=world_of())
    asked = [Conversation.of(f"what about {number}?") for number in range(5)]
    engine = Engine(model, own, world_of())
    return [answer.text for answer in engine.chat(asked, Sampling(temperature=0, max_tokens=12), seeds=[0] * 5)]

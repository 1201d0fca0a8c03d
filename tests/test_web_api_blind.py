"""Blind comparisons and blind labelling: no answer to anybody but an admin says which model said what."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from chatwright.store import open_store
from serving import Scripted
from web_api import Site, site

FIRST, SECOND = "sft-of-monday", "ppo-of-tuesday"
PROMPTS = [[{"role": "user", "content": f"question {number}"}] for number in range(3)]


@pytest.fixture
def place(new_place: Callable[[], str]) -> Iterator[Site]:
    speakers: dict[str, Any] = {FIRST: Scripted(["one"]), SECOND: Scripted(["two"])}
    with open_store(new_place()) as store, site(store, speakers) as found:
        yield found


def names_in(answer: httpx.Response) -> list[str]:
    return [name for name in (FIRST, SECOND) if name in answer.text or name in str(answer.headers)]


@pytest.mark.parametrize("role", ["chatter", "labeler"])
def test_voters_never_learn_which_models_are_compared(place: Site, role: str) -> None:
    admin, voter = place.person("admin"), place.person(role)
    order = {"name": f"{FIRST} or {SECOND}", "model_a": FIRST, "model_b": SECOND, "prompts": PROMPTS}
    made = admin.post("/comparisons", json=order).json()
    assert (made["model_a"], made["model_b"]) == (FIRST, SECOND)
    number, answers = made["id"], []
    assert voter.post("/comparisons", json=order).status_code == 403
    for _ in PROMPTS:
        answers.append(voter.post(f"/comparisons/{number}/next", json={}))
        pair = answers[-1].json()["pair"]
        assert set(pair) == {"id", "prompt", "left", "right"} and {pair["left"], pair["right"]} == {"one", "two"}
        answers.append(voter.post(f"/comparisons/pairs/{pair['id']}/vote", json={"vote": "left"}))
    answers += [voter.post(f"/comparisons/{number}/next", json={}), voter.get("/comparisons")]
    (listed,) = answers[-1].json()["comparisons"]
    assert listed["voted"] == 3 and set(listed) == {"id", "name", "pairs", "voted", "closed", "created_at"}
    for refused in (voter.get(f"/comparisons/{number}/result"), voter.post(f"/comparisons/{number}/close", json={})):
        assert refused.status_code == 403
        answers.append(refused)
    answers.append(voter.post("/comparisons/999/next", json={}))
    answers += [voter.get("/me/export"), voter.get("/me")]
    assert admin.post(f"/comparisons/{number}/close", json={}).json() == {}
    answers += [voter.get("/comparisons"), voter.post(f"/comparisons/{number}/next", json={})]
    answers.append(voter.post(f"/comparisons/pairs/{pair['id']}/vote", json={"vote": "right"}))
    assert answers[-1].status_code == 409
    assert [names_in(answer) for answer in answers] == [[]] * len(answers)
    for shown in (admin.get("/comparisons"), admin.get(f"/comparisons/{number}/result")):
        assert names_in(shown) == [FIRST, SECOND]


def test_an_answer_that_is_empty_loses_openly_and_pairs_with_nothing_to_choose_are_counted(
    new_place: Callable[[], str],
) -> None:
    speakers: dict[str, Any] = {FIRST: Scripted([" "]), SECOND: Scripted(["two"]), "mute": Scripted([""])}
    with open_store(new_place()) as store, site(store, speakers) as place:
        admin, voter = place.person("admin"), place.person("labeler")
        order = {"model_a": FIRST, "model_b": SECOND, "prompts": [*PROMPTS, PROMPTS[0]]}
        made = admin.post("/comparisons", json=order).json()
        assert (made["pairs"], made["left_out"]) == (3, 0), "the same prompt twice is one pair"
        assert made["prompts"] == {"fresh": 0, "test": 0, "held_back": 0, "seen": 0, "given": 3}
        pair = voter.post(f"/comparisons/{made['id']}/next", json={}).json()["pair"]
        assert {pair[side].strip() for side in ("left", "right")} == {"", "two"}
        order["model_b"] = "mute"
        refused = admin.post("/comparisons", json=order)
        assert refused.status_code == 400 and "the same answers, or none" in refused.json()["error"]["message"]
    pairs = [(PROMPTS[0], "", " "), (PROMPTS[1], "a", "a "), (PROMPTS[2], "", "b")]
    with open_store(new_place()) as store:
        kept = store.comparisons.start("x", "a", "b", pairs, known_as=["seen", "seen", "fresh"])
        assert kept.left_out == 2 and store.comparisons.known_as(kept.id) == {"fresh": 1}


def test_labelers_never_learn_whose_answers_they_judge_not_even_afterwards(place: Site) -> None:
    admin, labeler = place.person("admin"), place.person("labeler")
    prompt = PROMPTS[0]
    rated = [*prompt, {"role": "assistant", "content": "one"}]
    tasks = [
        {"kind": "rank", "content": {"prompt": prompt, "answers": ["one", "two"], "models": [FIRST, SECOND]}},
        {"kind": "rate_answer", "content": {"prompt": prompt, "answers": ["one"], "models": [FIRST]}},
        {"kind": "rate_chat", "content": {"messages": rated, "models": [SECOND]}},
    ]
    queued = [{**task, "source": FIRST} for task in tasks]
    assert admin.post("/admin/tasks", json={"tasks": queued}).json()["new"] == 3
    answers = []
    for kind, judged in (("rank", {"ranks": [1, 2]}), ("rate_answer", {"rating": 5}), ("rate_chat", {"good": True})):
        answers.append(labeler.post("/label/next", json={"kinds": [kind]}))
        task = answers[-1].json()["task"]
        body = {"submission": task["submission"], **judged}
        answers.append(labeler.post(f"/label/{task['id']}/submit", json=body))
        assert answers[-1].status_code == 200
    answers.append(labeler.post("/label/undo", json={}))
    answers += [labeler.get(f"/label/{what}") for what in ("progress", "agreement")]
    answers += [labeler.get("/me/export"), labeler.get("/admin/tasks"), labeler.get("/admin/feedback")]
    exported = json.loads(labeler.get("/me/export").text)
    assert {row["kind"] for row in exported["feedback"]} >= {"ranking", "answer_rating"}
    assert [names_in(answer) for answer in answers] == [[]] * len(answers)
    assert names_in(admin.get("/admin/tasks")) == [FIRST, SECOND]

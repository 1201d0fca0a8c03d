"""Which prompts decide a blind comparison: those that nothing learned from, and the page says how many there were."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chatwright.serving.settings import Card
from chatwright.serving.web.unseen import prompts_to_compare
from chatwright.serving.web.watching import RunFolders
from chatwright.store import Store, open_store
from chatwright.store.feedback import NewRow
from chatwright.store.tasks import NewTask
from serving import CHAT, Scripted
from test_web_api_runs import stage
from web_api import site

PRACTISED, RANKED, WATCHED, TESTED = "practised?", "ranked?", "watched?", "tested?"


def prompt(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def lines(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.as_posix()


def settings(folder: Path, **config: Any) -> None:
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run `first`, and a job's run that went on from it."""
    first, loop = tmp_path / "runs" / "first", tmp_path / "runs" / "first-loop-1"
    stage(first / "sft", "sft", {}, results="s")
    said = [{"role": "assistant", "content": "No."}, *prompt("later?"), {"role": "assistant", "content": "Yes."}]
    taught = [{"messages": [*prompt("taught?"), *said]}]
    settings(first / "sft", conversations=[lines(first / "village" / "demonstrations.jsonl", taught)])
    stage(first / "evaluate", "evaluate", {"sft": "s"}, results="e")
    tests = [{"prompt": prompt(text)} for text in (TESTED, PRACTISED)]
    settings(first / "evaluate", prompts=[lines(first / "village" / "prompts-test.jsonl", tests)])
    stage(loop / "reward", "reward", {"model": "s"}, results="r")
    ranked = [{"prompt": prompt(text), "answers": ["a", "b"], "ranks": [1, 2]} for text in (PRACTISED, WATCHED, RANKED)]
    settings(loop / "reward", rankings=[lines(loop / "store" / "rankings.jsonl", ranked)])
    stage(loop / "ppo", "ppo", {"policy": "s", "reward": "r"}, results="p")
    practised = lines(loop / "store" / "prompts.jsonl", [{"prompt": prompt(PRACTISED)}])
    watched = {"path": lines(loop / "store" / "watched.jsonl", [{"prompt": prompt(WATCHED)}]), "part": [0, 1]}
    settings(loop / "ppo", prompts=[practised], validation_prompts=[watched])
    return tmp_path / "runs"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    asked = ("new?", PRACTISED, RANKED, WATCHED, "taught?", "elsewhere?")
    with open_store(tmp_path / "a.db") as store:
        store.tasks.add(
            NewTask(kind="rank", content={"prompt": prompt(text), "answers": ["a", "b"], "models": ["", ""]})
            for text in asked
        )
        content = {"prompt": prompt("elsewhere?"), "answers": ["a", "b"], "ranks": [1, 2], "verdict": "ranked"}
        store.feedback.add_imported([NewRow(kind="ranking", content=content)])
        store.feedback.mark_trained([row.id for row in store.feedback.rows()], "a run on another machine")
        yield store


def chosen(store: Store, directory: Path, folder: Path | None, count: int = 100) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for asked in prompts_to_compare(store, RunFolders([directory]), [folder, None], count, Random(1)):
        found.setdefault(asked.known_as, set()).add(asked.prompt.last.content)
    return found


def test_prompts_that_nothing_learned_from_come_first(store: Store, directory: Path) -> None:
    ppo = directory / "first-loop-1" / "ppo"
    assert chosen(store, directory, ppo / "model") == {
        "fresh": {"new?"},
        "test": {TESTED},
        "held_back": {WATCHED},
        "seen": {PRACTISED, RANKED, "taught?", "elsewhere?"},
    }
    assert chosen(store, directory, ppo, 2) == {"fresh": {"new?"}, "test": {TESTED}}
    sft = chosen(store, directory, directory / "first" / "sft")
    assert sft["fresh"] == {"new?", PRACTISED, RANKED, WATCHED} and sft["seen"] == {"taught?", "elsewhere?"}
    assert chosen(store, directory, None)["seen"] == {"elsewhere?"}


def test_a_run_that_was_moved_is_read_where_it_is_now(store: Store, directory: Path) -> None:
    directory.rename(directory.parent / "moved")
    found = chosen(store, directory.parent / "moved", directory.parent / "moved" / "first-loop-1" / "ppo")
    assert found["fresh"] == {"new?"} and found["held_back"] == {WATCHED}


def test_where_a_file_is_gone_no_prompt_of_the_queue_counts_as_new(
    store: Store, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (directory / "first-loop-1" / "store" / "rankings.jsonl").unlink()
    found = chosen(store, directory, directory / "first-loop-1" / "ppo")
    assert "fresh" not in found and {"new?", RANKED} <= found["seen"] and found["test"] == {TESTED}
    assert "cannot be read again" in caplog.text


def test_where_a_parent_is_not_watched_no_prompt_of_the_queue_counts_as_new(
    store: Store, directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    (directory / "first-loop-1").rename(tmp_path / "alone" / "first-loop-1")
    found = chosen(store, tmp_path / "alone", tmp_path / "alone" / "first-loop-1" / "ppo")
    assert "fresh" not in found and "new?" in found["seen"]


def test_a_comparison_says_which_prompts_decided_it(store: Store, directory: Path) -> None:
    speakers: dict[str, Any] = {CHAT: Scripted(["one"]), "other": Scripted(["two"])}
    cards = {CHAT: Card(folder=directory / "first-loop-1" / "ppo" / "model", stage="ppo")}
    with site(store, speakers, cards=cards, run_directories=[directory]) as place:
        admin = place.person("admin")
        made = admin.post("/comparisons", json={"model_a": CHAT, "model_b": "other", "count": 4}).json()
        assert made["prompts"] == {"fresh": 1, "test": 1, "held_back": 1, "seen": 1, "given": 0}
        (listed,) = admin.get("/comparisons").json()["comparisons"]
        assert listed == made
        voter = place.person("labeler").get("/comparisons").json()["comparisons"][0]
        assert "prompts" not in voter and "left_out" not in voter

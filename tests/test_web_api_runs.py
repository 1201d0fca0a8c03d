"""Runs over HTTP: live metrics, lineage, reports that run nothing, scores, promotions, days."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatwright.artefacts import save_model
from chatwright.disk import sha256_of
from chatwright.generation.speaker import Speaker
from chatwright.serving.settings import Card
from chatwright.store import open_store
from serving import Scripted
from tiny import language_model, scalar_model, tokenizer
from web_api import Site, card, site


def stage(
    folder: Path, kind: str, parents: dict[str, str], *, results: str, model: Any = None, files: Any = ()
) -> Path:
    """A complete stage folder, as far as the pages look."""
    folder.mkdir(parents=True)
    hashes = {}
    if model is not None:
        save_model(folder / "model", model, tokenizer(), stage=kind)
        hashes = {f"model/{path.name}": sha256_of(path) for path in (folder / "model").iterdir()}
    origin = {
        "stage": kind, "parents": parents, "inputs": [name for name, _ in files], "seed": 1,
        "input_files": [path for _, path in files], "started_at": f"2025-01-01T00:00:0{len(parents)}+00:00",
    }  # fmt: skip
    (folder / "origin.json").write_text(json.dumps(origin))
    (folder / "config.json").write_text(json.dumps({"learning_rate": 0.1}))
    (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.0}\n')
    (folder / "receipt.json").write_text(json.dumps({"tokens": 5, "summary": {"accuracy": 0.6, "accuracy_low": 0.55}}))
    (folder / "done.json").write_text(json.dumps({"results": results, "files": hashes}))
    return folder


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs")
    run = directory / "first"
    stage(run / "tokenize", "tokenize", {}, results="t", files=[("d", "/somewhere/texts.jsonl")])
    stage(run / "base", "pretrain", {"tokens": "t"}, results="b")
    language, scalar = language_model(tokenizer().size), scalar_model(tokenizer().size)
    stage(run / "sft", "sft", {"base": "b"}, results="s", model=language)
    stage(run / "reward", "reward", {"model": "s"}, results="r", model=scalar)
    (run / "recipe.json").write_text('{"name": "a recipe", "stages": []}')
    (run / "summary.json").write_text('{"name": "a recipe"}')
    (run / "report.html").write_text("<script>alert(1)</script><h1>Report</h1>")
    second = directory / "second"
    stage(second / "ppo", "ppo", {"policy": "s", "reward": "r"}, results="p", model=language)
    (second / "ppo@1a2b").mkdir()
    (directory / "notes").mkdir()
    return directory


class Loaded(Scripted):
    """A speaker that says which folder it came from."""


@pytest.fixture
def place(directory: Path, tmp_path: Path) -> Iterator[Site]:
    def load(folder: Path) -> tuple[Speaker, Card]:
        return Loaded([f"from {folder.parent.parent.name}"]), card(folder)

    sft = directory / "first" / "sft" / "model"
    with open_store(tmp_path / "a.db") as store:
        parts: dict[str, Any] = {"run_directories": [directory], "load": load}
        with site(store, {"sft": Scripted(["from the start"])}, cards={"sft": card(sft)}, **parts) as found:
            yield found


@pytest.fixture
def client(place: Site) -> httpx.Client:
    return place.person("admin", "Ada")


def test_runs_are_listed_with_their_stages(client: httpx.Client) -> None:
    runs = {run["name"]: run for run in client.get("/runs").json()["runs"]}
    assert set(runs) == {"first", "second"}
    assert runs["first"]["state"] == "complete" and runs["first"]["recipe"] == "a recipe"
    assert [each["name"] for each in runs["first"]["stages"]][0] == "tokenize"
    assert runs["first"]["served"] == ["sft"] and [each["name"] for each in runs["second"]["stages"]] == ["ppo"]


def test_one_run_tells_settings_receipts_and_where_it_comes_from(client: httpx.Client) -> None:
    run = client.get("/runs/second").json()
    (ppo,) = run["stages"]
    assert ppo["config"] == {"learning_rate": 0.1} and ppo["metrics"] == ["step", "loss"]
    edges = {tuple(edge) for edge in run["lineage"]["edges"]}
    assert ("first/sft", "second/ppo", "policy") in edges and ("first/reward", "second/ppo", "reward") in edges
    assert ("first/tokenize", "first/base", "tokens") in edges
    (data,) = [node for node in run["lineage"]["nodes"] if node["kind"] == "data"]
    assert data["name"] == "texts.jsonl" and (data["id"], "first/tokenize", "data") in edges
    assert client.get("/runs/first").json()["stages"][2]["served_as"] == ["sft"]
    for strange in ("nobody", "..", "%2e%2e%2ffirst", "notes"):
        assert client.get(f"/runs/{strange}").status_code in (400, 404)


def test_metrics_come_as_they_grow(client: httpx.Client, directory: Path) -> None:
    path = directory / "second" / "ppo" / "metrics.jsonl"
    before = path.read_text()
    address = "/runs/second/ppo/metrics"
    first = client.get(address).json()
    assert [row["step"] for row in first["rows"]] == [1, 2] and first["next"] == 2 and first["state"] == "complete"
    path.write_text(before + '{"step": 3}\n{"step": 4, "lo')
    more = client.get(f"{address}?after=2").json()
    assert [row["step"] for row in more["rows"]] == [3] and more["next"] == 3
    path.write_text('{"step": 1}\n')  # went on from an earlier save
    assert [row["step"] for row in client.get(f"{address}?after=3").json()["rows"]] == [1]
    path.write_text(before)


def test_a_stage_runs_while_the_process_that_holds_it_lives(client: httpx.Client, directory: Path) -> None:
    ppo = directory / "second" / "ppo"
    done = (ppo / "done.json").read_text()
    (ppo / "done.json").unlink()
    try:
        assert client.get("/runs/second/ppo/metrics").json()["state"] == "stopped"
        (ppo / ".lock-holder").write_text(str(os.getpid()))
        assert client.get("/runs/second").json()["state"] == "running"
        (ppo / ".lock-holder").write_text("99999999")
        assert client.get("/runs/second/ppo/metrics").json()["state"] == "stopped"
    finally:
        (ppo / ".lock-holder").unlink(missing_ok=True)
        (ppo / "done.json").write_text(done)


def test_nothing_in_a_report_runs(client: httpx.Client) -> None:
    report = client.get("/runs/first/report.html")
    policy = report.headers["content-security-policy"]
    assert "sandbox" in policy and "allow-scripts" not in policy and "script-src" not in policy
    assert "default-src 'none'" in policy and report.headers["x-content-type-options"] == "nosniff"
    assert client.get("/runs/second/report.html").status_code == 404


def answered(client: httpx.Client, question: str = "Who?") -> tuple[str, str]:
    """The text and id of an answer by what serves as sft."""
    chat = client.post("/chats", json={}).json()["id"]
    body = {"parent": None, "role": "user", "content": question}
    parent = client.post(f"/chats/{chat}/messages", json=body).json()["id"]
    client.post(f"/chats/{chat}/answers", json={"parent": parent, "model": "sft"})
    answer = client.get(f"/chats/{chat}").json()["messages"][1]
    return answer["content"], answer["id"]


def test_a_promoted_model_answers_under_the_name_until_it_is_rolled_back(
    place: Site, client: httpx.Client, directory: Path
) -> None:
    assert answered(client)[0] == "from the start"
    refused = client.post("/promotions", json={"model": "sft", "run": "first", "stage": "tokenize"})
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "no_model"
    assert client.post("/promotions", json={"model": "x", "run": "second", "stage": "ppo"}).status_code == 404
    made = client.post("/promotions", json={"model": "sft", "run": "second", "stage": "ppo", "note": "better"}).json()
    assert made["folder"].endswith("second/ppo/model") and made["note"] == "better"
    assert answered(client)[0] == "from second"
    assert client.get("/promotions").json()["current"]["sft"]["folder"] == made["folder"]
    assert client.get("/runs/second").json()["stages"][0]["served_as"] == ["sft"]
    back = client.post("/promotions/sft/rollback", json={})
    assert back.json() == {"model": "sft", "folder": None}
    assert answered(client)[0] == "from first"  # loaded again from where it was at first
    assert client.post("/promotions/sft/rollback", json={}).status_code == 404
    assert client.get("/promotions").json()["history"][0]["rolled_back_at"]


def test_the_reward_model_beside_a_served_model_scores_its_answers(place: Site, client: httpx.Client) -> None:
    _, message = answered(client)
    found = client.get(f"/messages/{message}/score").json()
    assert found["model"] == "reward" and isinstance(found["score"], float)
    assert client.get(f"/messages/{message}/score").json() == found
    client.post(f"/messages/{message}/feedback", json={"thumb": "up"})
    place.store.answers.complete(10**6, "x", finish_reason="stop")  # nothing of that number: nothing happens
    (day,) = client.get("/runs/models/days").json()["days"]
    assert (day["model"], day["up"], day["down"], day["refusals"]) == ("sft", 1, 0, 0)
    assert day["reward_score"] == pytest.approx(found["score"])

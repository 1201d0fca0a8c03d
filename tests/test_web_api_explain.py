"""A look inside over HTTP: what is sent is what the model does."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from chatwright.artefacts import save_model
from chatwright.disk import readable
from chatwright.models.heads import LanguageModel
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.serving.errors import ApiError
from chatwright.serving.web import inside, quiet
from chatwright.store import open_store
from serving import CHAT, Scripted
from tiny import language_model, tokenizer
from web_api import Site, card, site

MODEL = language_model(tokenizer().size, 300, kv_heads=2).eval().requires_grad_(False)
TEXT = "the quick brown fox"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("explain")
    recurrent = LanguageModel(Recurrent(RecurrentConfig(vocabulary=tokenizer().size, width=16, layers=1, context=64)))
    models = {folder / "a": MODEL, folder / "b": recurrent}
    cards = {"runs/a": card(folder / "a"), "old": card(folder / "b")}
    speakers: Any = {"runs/a": Scripted(context=300), "old": Scripted(), CHAT: Scripted()}
    parts: Any = {"cards": cards, "load_inside": lambda path: models[path]}
    with open_store(folder / "a.db") as store, site(store, speakers, **parts) as found:
        yield found


@pytest.fixture(scope="module")
def client(place: Site) -> httpx.Client:
    return place.person("chatter", "Ada")


def opened(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/explain/open", json={"model": "runs/a", "text": TEXT, **body})
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_attention_comes_as_bytes_with_its_shape(client: httpx.Client) -> None:
    text = opened(client)
    tokens = [tokenizer().begin, *tokenizer().encode(TEXT)]
    assert [token["id"] for token in text["tokens"]] == tokens and text["length"] == len(tokens)
    assert (text["layers"], text["heads"], text["kv_heads"], text["windows"]) == (2, 4, 2, [0, 0])
    response = client.get(f"/explain/{text['id']}/attention/1")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["x-shape"] == f"4,{len(tokens)},{len(tokens)}"
    weights = torch.frombuffer(bytearray(response.content), dtype=torch.uint8).view(4, len(tokens), len(tokens))
    assert (weights.triu(1) == 0).all() and weights[0, 0, 0] == 255
    sums = weights.float().sum(-1)
    assert (sums - 255).abs().max() <= len(tokens) / 2
    look = client.get(f"/explain/{text['id']}/position/1/2/3").json()
    assert [round(weight * 255) for weight in look["weights"]] == weights[2, 3].tolist()
    assert client.get(f"/explain/{text['id']}/attention/2").status_code == 400
    assert client.get(f"/explain/{text['id']}/position/1/9/0").status_code == 400


def test_the_next_token_is_the_models(client: httpx.Client) -> None:
    text = opened(client)
    ids = [token["id"] for token in text["tokens"]]
    expected = MODEL(torch.tensor([ids]))[0][0, -1].softmax(-1)
    found = client.get(f"/explain/{text['id']}/next?k=5").json()
    assert found["position"] == len(ids) - 1 and len(found["top"]) == 5
    assert found["top"][0]["id"] == int(expected.argmax())
    assert found["top"][0]["p"] == pytest.approx(float(expected.max()), abs=1e-4)
    lens = client.get(f"/explain/{text['id']}/lens?k=3").json()["layers"]
    assert [layer["layer"] for layer in lens] == [0, 1, 2] and len(lens[2]["positions"]) == len(ids)
    assert lens[2]["positions"][-1][0]["id"] == found["top"][0]["id"]
    off = client.post(f"/explain/{text['id']}/ablation", json={"layer": 0, "heads": [0, 1]}).json()
    assert off["on"]["top"][0]["id"] == found["top"][0]["id"] and off["kl"] > 0
    none = client.post(f"/explain/{text['id']}/ablation", json={"off": []}).json()
    assert none["kl"] == 0 and none["on"] == none["off"]
    for method in ("occlusion", "gradient"):
        scores = client.post(f"/explain/{text['id']}/attribution", json={"method": method}).json()
        assert len(scores["scores"]) == len(ids) and scores["target"]["id"] == found["top"][0]["id"]
    assert client.post(f"/explain/{text['id']}/attribution", json={"method": "magic"}).status_code == 400


def test_a_conversation_can_be_looked_into_with_its_answer(client: httpx.Client) -> None:
    text = opened(client, text=None, messages=[{"role": "user", "content": "the dog"}], answer="the fox")
    assert text["tokens"][0]["control"] and text["tokens"][1]["text"] == "<|user|>"
    assert [token["text"] for token in text["tokens"]][-1] == "<|end|>"


def test_embeddings_and_positions(client: httpx.Client) -> None:
    near = client.get("/explain/runs%2Fa/neighbours/20?k=3").json()
    assert near["token"]["id"] == 20 and len(near["neighbours"]) == 3
    similar = [each["similarity"] for each in near["neighbours"]]
    assert similar == sorted(similar, reverse=True)
    points = client.get("/explain/runs%2Fa/map")
    assert points.headers["x-shape"] == f"{tokenizer().size},2" and len(points.content) == tokenizer().size * 8
    names = client.get("/explain/runs%2Fa/tokens?ids=0,70").json()["tokens"]
    assert [each["id"] for each in names] == [0, 70] and names[0]["control"]
    assert client.get("/explain/runs%2Fa/tokens?ids=1,x").status_code == 400
    positions = client.get("/explain/runs%2Fa/positions").json()
    assert positions["kind"] == "rotary" and len(positions["similarity"]) == positions["length"] == 128


def test_what_cannot_be_looked_into_is_said(place: Site, client: httpx.Client) -> None:
    def refused(**body: Any) -> tuple[int, str]:
        response = client.post("/explain/open", json={"model": "runs/a", **body})
        return response.status_code, response.json()["error"]["code"]

    assert refused(text="xyz" * 100) == (400, "too_long")
    assert refused(text="hi", model="old") == (400, "not_explainable")
    assert refused(text="hi", model="nobody") == (404, "model_not_found")
    assert refused(text="hi", model=CHAT)[0] in (400, 404)  # no folder: nothing to look into
    assert client.post("/explain/open", json={"model": "runs/a"}).status_code == 400
    text = opened(client)
    assert place.person("admin").get(f"/explain/{text['id']}/next").status_code == 404
    for _ in range(8):
        opened(client)
    assert client.get(f"/explain/{text['id']}/next").json()["error"]["code"] == "explain_gone"


def test_a_model_too_large_for_the_free_memory_is_refused_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path, MODEL, tokenizer(), stage="sft")
    needed = 4 * sum(each.numel() for each in MODEL.parameters())
    speakers: Any = {"large": Scripted()}
    with open_store(tmp_path / "a.db") as store, site(store, speakers, cards={"large": card(tmp_path)}) as found:
        client = found.person("chatter", "Bob")
        monkeypatch.setattr(inside, "available_memory", lambda: 2 * needed - 2)
        for refused in (
            client.post("/explain/open", json={"model": "large", "text": TEXT}),
            client.get("/explain/large/map"),
        ):
            error = refused.json()["error"]
            assert (refused.status_code, error["code"], error["param"]) == (400, "not_explainable", "model")
            assert readable(needed) in error["message"] and readable(needed - 1) in error["message"]
        monkeypatch.setattr(inside, "available_memory", lambda: 2 * needed)
        assert client.post("/explain/open", json={"model": "large", "text": TEXT}).status_code == 200


def test_only_so_many_models_stay_in_memory_and_reading_never_waits_for_a_load() -> None:
    started, go_on = threading.Event(), threading.Event()
    loaded: list[Any] = []

    def load(folder: Path) -> LanguageModel:
        if folder.name == "slow":
            started.set()
            assert go_on.wait(20)
        model = language_model(tokenizer().size, 300)
        loaded.append(weakref.ref(model))
        return model

    looks = inside.Inside(lambda name: Path(name), load)
    first = looks.open(1, "a", [1, 2, 3], []).id
    kept = looks.open(1, "b", [1, 2, 3], []).id
    thread = threading.Thread(target=looks.model, args=("slow",))
    thread.start()
    assert started.wait(20)
    assert looks.get(1, kept).model == "b"
    with pytest.raises(ApiError, match="no longer open"):
        looks.get(1, first)
    gc.collect()
    assert [each() is None for each in loaded] == [True, False]
    go_on.set()
    thread.join(20)
    assert looks.get(1, kept).model == "b"


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="this system knows no priorities")
@pytest.mark.parametrize(("server", "worker"), [(0, 10), (5, 15), (10, 19), (19, 19)])
def test_the_quiet_worker_steps_back_from_wherever_the_server_stands(
    monkeypatch: pytest.MonkeyPatch, server: int, worker: int
) -> None:
    given: list[int] = []
    monkeypatch.setattr(os, "getpriority", lambda which, who: server)
    monkeypatch.setattr(os, "setpriority", lambda which, who, niceness: given.append(niceness))
    threads = torch.get_num_threads()
    try:
        quiet._step_back()
    finally:
        torch.set_num_threads(threads)
    assert given == [worker]

"""Who may ask: keys, Host and Origin, limits and quotas, and what a model's folder may not do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatwright.artefacts import save_model
from chatwright.errors import ArtefactError, ConfigError
from chatwright.serving.app import create_app
from chatwright.serving.loading import check_links, offers_of
from chatwright.serving.security import Caller, Windows
from chatwright.serving.settings import ServeSettings
from chatwright.store import Store, open_store
from serving import CHAT, Scripted, metric, serving, until
from tiny import language_model, scalar_model, tokenizer

ASK = {"model": CHAT, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as found:
        yield found


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def code_of(response: httpx.Response) -> str:
    return response.json()["error"]["code"]


def test_off_loopback_every_path_but_health_needs_a_key(own_store: Store) -> None:
    _, secret = own_store.keys.add("tests")
    settings = ServeSettings(require_key=True)
    app = create_app({CHAT: Scripted()}, own_store, settings=settings)
    paths = [(path, method.upper()) for path, own in app.openapi()["paths"].items() for method in own]
    assert len(paths) > 10
    with serving({CHAT: Scripted()}, store=own_store, settings=settings) as http:
        for path, method in [*paths, ("/openapi.json", "GET"), ("/nothing", "GET"), ("/health/", "GET")]:
            response = http.request(method, path.replace("{model}", CHAT))
            assert (response.status_code == 200) if path == "/health" else (response.status_code == 401), path
        refused = http.post("/v1/chat/completions", json=ASK)
        assert code_of(refused) == "missing_api_key" and refused.headers["www-authenticate"] == "Bearer"
        for wrong in ("sk-other", "cw-12345678-wrong", secret[:-1], secret + "x", "x" * 10_000):
            response = http.post("/v1/chat/completions", json=ASK, headers=bearer(wrong))
            assert response.status_code == 401, wrong
        assert http.post("/v1/chat/completions", json=ASK, headers=bearer(secret)).status_code == 200


def test_a_revoked_key_is_refused_at_once(own_store: Store) -> None:
    key, secret = own_store.keys.add("tests")
    with serving({CHAT: Scripted()}, store=own_store, settings=ServeSettings(require_key=True)) as http:
        assert http.get("/v1/models", headers=bearer(secret)).status_code == 200
        own_store.keys.revoke(key.id)
        assert code_of(http.get("/v1/models", headers=bearer(secret))) == "invalid_api_key"


def test_a_key_sees_only_the_models_it_is_for(own_store: Store) -> None:
    _, secret = own_store.keys.add("tests", models=("other",))
    with serving({CHAT: Scripted(), "other": Scripted()}, store=own_store) as http:
        listed = http.get("/v1/models", headers=bearer(secret)).json()["data"]
        assert [model["id"] for model in listed] == ["other"]
        assert http.post("/v1/chat/completions", json=ASK, headers=bearer(secret)).status_code == 404


def test_on_loopback_any_key_will_do() -> None:
    with serving({CHAT: Scripted()}) as http:
        for headers in ({}, {"authorization": "Bearer"}, bearer("sk-anything"), {"authorization": "Basic eDp5"}):
            assert http.post("/v1/chat/completions", json=ASK, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::1"])
def test_a_foreign_host_is_refused_so_that_no_name_can_be_rebound(host: str) -> None:
    with serving({CHAT: Scripted()}) as http:
        response = http.get("/v1/models", headers={"host": host})
        assert response.status_code in (400, 403), response.text


def test_own_names_and_plain_addresses_are_hosts() -> None:
    settings = ServeSettings(allowed_hosts=("chat.example.org",))
    with serving({CHAT: Scripted()}, settings=settings) as http:
        for host in ("localhost", "127.0.0.1:9", "[::1]:8000", "192.168.7.7", "Chat.Example.org"):
            assert http.get("/health", headers={"host": host}).status_code == 200, host


def test_pages_of_other_sites_get_nothing_and_no_cors_header() -> None:
    with serving({CHAT: Scripted()}) as http:
        own = str(http.base_url).rstrip("/")
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://[", f"{own}.evil.example"):
            response = http.post("/v1/chat/completions", json=ASK, headers={"origin": origin})
            assert response.status_code == 403 and code_of(response) == "origin_not_allowed", origin
        response = http.post("/v1/chat/completions", json=ASK, headers={"origin": own})
        assert response.status_code == 200
        assert not [name for name in response.headers if name.startswith("access-control")]
        preflight = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        assert http.request("OPTIONS", "/v1/models", headers=preflight).status_code == 403


def test_a_site_that_is_allowed_gets_cors_for_itself_only() -> None:
    settings = ServeSettings(allowed_origins=("https://good.example",))
    with serving({CHAT: Scripted()}, settings=settings) as http:
        asked = {"origin": "https://good.example", "access-control-request-method": "POST"}
        preflight = http.request("OPTIONS", "/v1/chat/completions", headers=asked)
        assert preflight.headers["access-control-allow-origin"] == "https://good.example"
        response = http.post("/v1/chat/completions", json=ASK, headers={"origin": "https://good.example"})
        assert response.headers["access-control-allow-origin"] == "https://good.example"
        other = http.post("/v1/chat/completions", json=ASK, headers={"origin": "https://evil.example"})
        assert other.status_code == 403 and "access-control-allow-origin" not in other.headers


def test_the_servers_limit_holds_for_keys_without_one_for_people_and_for_the_rest_together(own_store: Store) -> None:
    """As the help of --requests-per-minute says: POST only, and a key's own limit comes before it."""
    secrets = [own_store.keys.add(name)[1] for name in ("first", "second")]
    _, own = own_store.keys.add("own", requests_per_minute=3)
    settings = ServeSettings(requests_per_minute=1)

    async def sessions(headers: Any) -> Caller | None:
        return Caller(person_id=int(headers["x-person"])) if "x-person" in headers else None

    parts: dict[str, Any] = {"store": own_store, "settings": settings, "authenticators": [sessions]}
    with serving({CHAT: Scripted()}, **parts, open_paths=["/nothing"]) as http:

        def statuses(count: int, headers: dict[str, str], path: str = "/v1/chat/completions") -> list[int]:
            return [http.post(path, json=ASK, headers=headers).status_code for _ in range(count)]

        for headers in (*map(bearer, secrets), {"x-person": "1"}, {"x-person": "2"}):
            assert statuses(2, headers) == [200, 429], headers
        assert statuses(4, bearer(own)) == [200, 200, 200, 429]
        assert statuses(2, {}) == [200, 429] and statuses(1, bearer("sk-unknown")) == [429]
        assert [http.get("/v1/models").status_code for _ in range(3)] == [200] * 3
        # Nobody can lock others out of the pages by knocking at their doors.
        assert statuses(3, {}, "/nothing") == [404] * 3


def test_a_key_has_so_many_requests_a_minute(own_store: Store) -> None:
    _, secret = own_store.keys.add("slow", requests_per_minute=2)
    _, other = own_store.keys.add("other")
    with serving({CHAT: Scripted()}, store=own_store) as http:
        statuses = [http.post("/v1/chat/completions", json=ASK, headers=bearer(secret)) for _ in range(3)]
        assert [response.status_code for response in statuses] == [200, 200, 429]
        assert code_of(statuses[2]) == "rate_limit_exceeded" and 0 < int(statuses[2].headers["retry-after"]) <= 61
        assert http.post("/v1/chat/completions", json=ASK, headers=bearer(other)).status_code == 200
        assert http.get("/v1/models", headers=bearer(secret)).status_code == 200


def test_a_minute_slides() -> None:
    now = [0.0]
    windows = Windows(lambda: now[0])
    assert [windows.wait("a", 2) for _ in range(3)] == [0, 0, 60]
    now[0] = 59.0
    assert windows.wait("a", 2) == pytest.approx(1) and windows.wait("b", 2) == 0
    now[0] = 60.0
    assert windows.wait("a", 2) == 0


def test_a_quota_that_is_used_up_is_told_once_and_for_all(own_store: Store) -> None:
    key, secret = own_store.keys.add("small", quota_tokens=10)
    with serving({CHAT: Scripted()}, store=own_store) as http:
        first = http.post("/v1/chat/completions", json=ASK, headers=bearer(secret))
        assert first.status_code == 200 and first.json()["usage"]["total_tokens"] >= 9
        second = http.post("/v1/chat/completions", json=ASK, headers=bearer(secret))  # before it is written
        refused = (
            second
            if second.status_code == 429
            else http.post("/v1/embeddings", json={"model": CHAT, "input": "Hi"}, headers=bearer(secret))
        )
        assert refused.status_code == 429 and code_of(refused) == "insufficient_quota"
        assert refused.json()["error"]["type"] == "insufficient_quota"
        assert refused.headers["x-should-retry"] == "false"
        assert until(lambda: own_store.usage.left(key) == 0)


def test_usage_is_kept_by_key_and_model(own_store: Store) -> None:
    key, secret = own_store.keys.add("tests")
    from chatwright.serving.settings import Prices

    settings = ServeSettings(prices=Prices(use=2.0))
    with serving({CHAT: Scripted()}, store=own_store, settings=settings) as http:
        answer = http.post("/v1/chat/completions", json=ASK, headers=bearer(secret)).json()
        http.post("/v1/chat/completions", json=ASK | {"stream": True}, headers=bearer(secret))
        text = http.get("/metrics").text
    spent = own_store.usage.total(key_id=key.id)  # stopping the server has written it
    assert spent.requests == 2 and spent.tokens_in == 2 * answer["usage"]["prompt_tokens"] and spent.tokens_out == 6
    assert spent.cost == pytest.approx(spent.tokens * 2.0 / 1000) and spent.seconds > 0 and spent.energy_estimated_j > 0
    assert metric(text, "vllm:prompt_tokens_total", model_name=CHAT) == spent.tokens_in
    assert metric(text, "vllm:generation_tokens_total") == 6
    assert metric(text, "vllm:request_success_total", finished_reason="stop") == 2
    assert metric(text, "http_requests_total", handler="/v1/chat/completions", status="200") == 2


def test_off_loopback_tls_or_a_proxy_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="--behind-proxy"):
        ServeSettings(host="0.0.0.0")
    with pytest.raises(ConfigError, match="two files"):
        ServeSettings(tls_certificate=Path("a"))
    assert ServeSettings(host="0.0.0.0", behind_proxy=True).needs_key
    assert ServeSettings(behind_proxy=True).needs_key  # a proxy brings the world to loopback
    assert not ServeSettings(host="::1").needs_key and not ServeSettings(host="localhost").needs_key


# -- folders -------------------------------------------------------------------------------------------------------


def stage(folder: Path, kind: str, model: Any = None) -> Path:
    """A complete stage folder that holds a model, as far as the server looks."""
    from chatwright.disk import sha256_of

    save_model(folder / "model", model or language_model(tokenizer().size), tokenizer(), stage=kind)
    (folder / "origin.json").write_text(json.dumps({"stage": kind}))
    files = {f"model/{path.name}": sha256_of(path) for path in (folder / "model").iterdir()}
    (folder / "done.json").write_text(json.dumps({"files": files, "results": "0" * 64}))
    return folder


def test_a_run_offers_its_base_sft_and_ppo_in_this_order(tmp_path: Path) -> None:
    run = tmp_path / "quickstart"
    for name, kind in (("ppo", "ppo"), ("sft", "sft"), ("base", "pretrain"), ("sft_more", "sft"), ("ppo2", "ppo")):
        stage(run / name, kind)
    stage(run / "reward", "reward", scalar_model(tokenizer().size))
    assert [offer.name for offer in offers_of([run])] == ["base", "sft", "ppo", "ppo2"]
    assert [offer.name for offer in offers_of([run / "sft", run / "base" / "model"])] == ["sft", "base"]
    other = tmp_path / "other"
    stage(other / "sft", "sft")
    assert [offer.name for offer in offers_of([run, other / "sft"])] == ["base", "quickstart/sft", "ppo", "ppo2"] + [
        "other/sft"
    ]
    with pytest.raises(ConfigError, match="give each folder once"):
        offers_of([other, other / "sft"])
    with pytest.raises(ArtefactError, match="cannot answer"):
        offers_of([run / "reward"])
    with pytest.raises(ArtefactError, match="does not exist"):
        offers_of([tmp_path / "none"])


def test_a_link_that_leads_out_of_a_models_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_model(folder, language_model(tokenizer().size), tokenizer(), stage="sft")
    check_links(folder)
    (folder / "copy.json").symlink_to(folder / "model.json")
    check_links(folder)  # stays inside
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to(secret)
    with pytest.raises(ArtefactError, match="leads out of its folder"):
        check_links(folder)


def test_answers_say_that_nothing_is_to_be_sniffed_or_kept() -> None:
    with serving({CHAT: Scripted()}) as http:
        response = http.get("/")
        assert "<script" not in response.text and "npm" in response.text
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert http.get("/v1/models").headers["cache-control"] == "no-store"
        given = http.get("/health", headers={"x-request-id": "mine-1"})
        assert given.headers["x-request-id"] == "mine-1"
        split = http.get("/health", headers={"x-request-id": "a b\t<script>"})
        assert split.headers["x-request-id"].startswith("req_")
        assert http.get("/docs").status_code == 404


def test_a_wrong_key_takes_as_long_as_a_right_one_to_look_up(own_store: Store) -> None:
    """No early way out: the same hash and comparison whatever is sent."""
    _, secret = own_store.keys.add("tests")
    wrong = secret[:-1] + ("a" if secret[-1] != "a" else "b")

    def seconds(given: str) -> float:
        began = time.thread_time()  # not what the machine does besides
        for _ in range(10):
            own_store.keys.find(given)
        return time.thread_time() - began

    took = [(seconds(wrong), seconds(secret)) for _ in range(25)]
    fastest = [min(times) for times in zip(*took, strict=True)]
    assert 0.3 < fastest[0] / fastest[1] < 3

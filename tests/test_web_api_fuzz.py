"""A fuzzer that has read web/openapi.json and is an admin: whatever it sends, no route of the pages fails on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatwright.store import open_store
from chatwright.store.tasks import NewTask
from serving import CHAT, Scripted
from test_web_api_runs import stage
from web_api import Site, site

DESCRIPTION = Path(__file__).parents[1] / "web" / "openapi.json"
ENDS_SOMETHING = (
    "/login", "/logout", "/setup", "/invites/accept", "/me/password", "/me/sessions",
    "/admin/people/{person}", "/admin/people/{person}/password", "/admin/settings",
)  # fmt: skip
"""With these the fuzzer would lock itself out, or change what the rest of it meets."""
PLACES = {"run": "first", "stage": "collect", "model": CHAT}
"""What fills a path: everything else is number 1, which exists."""
EXAMPLES = 6


def seeded(place: Site, runs: Path) -> httpx.Client:
    """An admin with a chat, a task, a comparison and a run with a torn collect stage."""
    stage(runs / "first" / "sft", "sft", {}, results="s")
    stage(runs / "first" / "collect", "collect", {"model": "s"}, results="c")
    line = json.dumps({"prompt": [{"role": "user", "content": "?"}], "answers": ["a", "b"], "ranks": [1, 2]})
    for name in ("answers", "rankings"):
        (runs / "first" / "collect" / f"{name}.jsonl").write_text(f"{line}\n{{}}\n")
    admin = place.person("admin")
    chat = admin.post("/chats", json={}).json()["id"]
    said = {"parent": None, "role": "user", "content": "hello?"}
    parent = admin.post(f"/chats/{chat}/messages", json=said).json()["id"]
    admin.post(f"/chats/{chat}/answers", json={"parent": parent, "model": CHAT})
    prompt = [{"role": "user", "content": "which?"}]
    place.store.tasks.add([NewTask(kind="rank", content={"prompt": prompt, "answers": ["a", "b"], "models": ["", ""]})])
    place.store.comparisons.start("x", "a", "b", [(prompt, "1", "2")])
    return admin


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_fuzzer_that_is_an_admin_finds_no_5xx_in_the_pages_api(tmp_path: Path) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_path(DESCRIPTION)
    statuses: dict[int, int] = {}
    asked: set[str] = set()
    failures: list[str] = []
    with (
        open_store(tmp_path / "a.db") as store,
        site(store, {CHAT: Scripted()}, run_directories=[tmp_path / "runs"], look_at_jobs_every=60.0) as place,
    ):
        admin = seeded(place, tmp_path / "runs")
        for found in schema.get_all_operations():
            operation = found.ok()
            path = operation.path
            if not path.startswith("/api/v1/") or operation.method.upper() == "DELETE":
                continue
            if path.removeprefix("/api/v1") in ENDS_SOMETHING:
                continue

            @given(case=operation.as_strategy())
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def probe(case: Any) -> None:
                for name in list(case.path_parameters or {}):
                    case.path_parameters[name] = PLACES.get(name, "1")
                if isinstance(case.body, dict):
                    case.body |= {name: PLACES[name] for name in PLACES if isinstance(case.body.get(name), str)}
                response = case.call(base_url=place.address, headers={"cookie": admin.headers["cookie"]}, timeout=20)
                statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
                asked.add(case.path)
                if response.status_code >= 500:
                    failures.append(f"{case.method} {case.path} {case.body!r:.300}: {response.text[:300]}")
                elif response.status_code >= 400:
                    assert set(response.json()["error"]) == {"message", "type", "param", "code"}

            probe()
        assert place.client(cookie=admin.headers["cookie"]).get("/me").json()["person"]["role"] == "admin"
    assert sorted(set(failures)) == []
    assert len(asked) > 60 and statuses.get(200, 0) > 100 and statuses.get(400, 0) > 50, statuses

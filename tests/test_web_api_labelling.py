"""Labelling, approving and comparing over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatwright.store import open_store
from chatwright.store.feedback import NewRow
from chatwright.store.tasks import FLAGS
from serving import Scripted, until
from web_api import Site, site

ANSWERS = ["good", "fair", "poor", "awful"]


@pytest.fixture
def place(new_place: Callable[[], str]) -> Iterator[Site]:
    speakers: dict[str, Any] = {"a": Scripted(["I am a"]), "b": Scripted(["I am b"])}
    with open_store(new_place()) as store, site(store, speakers) as found:
        yield found


@pytest.fixture
def admin(place: Site) -> httpx.Client:
    return place.person("admin", "Ada")


def rank_task(number: int, **more: Any) -> dict[str, Any]:
    prompt = [{"role": "user", "content": f"question {number}"}]
    models = {"models": ["secret"] * len(ANSWERS)}
    return {"kind": "rank", "content": {"prompt": prompt, "answers": ANSWERS, **models}, "category": "chat", **more}


def ranks(task: dict[str, Any]) -> list[int]:
    """The right order, as the answers are shown."""
    return [ANSWERS.index(answer) + 1 for answer in task["answers"]]


def test_a_labeler_ranks_without_seeing_whose_answers_they_are(place: Site, admin: httpx.Client) -> None:
    assert admin.post("/admin/tasks", json={"tasks": [rank_task(1), rank_task(2)]}).json() == {"new": 2, "known": 0}
    assert admin.post("/admin/tasks", json={"tasks": [rank_task(1)]}).json() == {"new": 0, "known": 1}
    labeler = place.person("labeler", "Bo")
    response = labeler.post("/label/next", json={})
    task = response.json()["task"]
    assert "secret" not in response.text and sorted(task["answers"]) == sorted(ANSWERS)
    assert labeler.post("/label/next", json={}).json()["task"]["id"] == task["id"]
    draft = {"draft": {"ranks": [1]}}
    assert labeler.post(f"/label/{task['id']}/draft", json=draft).json()["expires_at"] > task["expires_at"]
    assert labeler.post("/label/next", json={}).json()["task"]["draft"] == {"ranks": [1]}
    body = {"submission": task["submission"], "seconds": 3.5, "ranks": ranks(task)}
    first, again = (labeler.post(f"/label/{task['id']}/submit", json=body) for _ in range(2))
    assert first.status_code == 200 and first.json() == again.json() and first.json()["state"] == "approved"
    (row,) = place.store.feedback.rows()
    by_answer = dict(zip(row.content["answers"], row.content["ranks"], strict=True))
    assert by_answer == {"good": 1, "fair": 2, "poor": 3, "awful": 4}
    progress = labeler.get("/label/progress").json()
    (kind,) = [own for own in progress["kinds"] if own["kind"] == "rank"]
    assert (kind["judgements"], kind["wanted"]) == (1, 2) and kind["categories"] == {"chat": [1, 2]}
    assert 0 < kind["seconds"] <= 3.5  # no longer than the task was held
    assert progress["mine"] == {"today": 1, "total": 1} and progress["flags"] == list(FLAGS)
    undone = labeler.post("/label/undo", json={}).json()["task"]
    assert undone["id"] == task["id"] and undone["draft"]["ranks"] == ranks(undone)
    assert labeler.post(f"/label/{task['id']}/skip", json={"reason": "dull"}).json() == {}
    other = labeler.post("/label/next", json={}).json()["task"]
    assert other["id"] != task["id"]
    wrong = labeler.post(f"/label/{other['id']}/submit", json={"submission": "x", "ranks": [1]})
    assert wrong.status_code == 400 and "4 answers" in wrong.json()["error"]["message"]


def test_the_usual_guidelines_are_there_in_both_languages_and_an_admin_may_write_others(
    place: Site, admin: httpx.Client
) -> None:
    path = "/label/guidelines"
    english, german = (admin.get(f"{path}{asked}").json()["markdown"] for asked in ("", "?language=de"))
    assert "**Truthful.**" in english and "**Wahr.**" in german
    assert english.count("\n1. ") == german.count("\n1. ") == 1 and english.count("**") == german.count("**")
    assert admin.get(f"{path}?language=xx").status_code == 400
    admin.patch("/admin/settings", json={"guidelines": "Be kind."})
    assert admin.get(f"{path}?language=de").json() == {"markdown": "Be kind."}


def test_every_kind_of_task_can_be_done(place: Site, admin: httpx.Client) -> None:
    prompt = [{"role": "user", "content": "Who?"}]
    tasks = [
        {"kind": "demonstration", "content": {"prompt": prompt}},
        {"kind": "rate_answer", "content": {"prompt": prompt, "answers": ["Me."]}},
        {"kind": "rate_chat", "content": {"messages": [*prompt, {"role": "assistant", "content": "Me."}]}},
    ]
    admin.post("/admin/tasks", json={"tasks": tasks})
    admin.post("/admin/tasks/prompts", json={"briefs": {"chat": "Ask something."}, "each": 1})
    labeler = place.person("labeler")
    said = {
        "demonstration": {"text": "It is me."},
        "rate_answer": {"rating": 6, "flags": [FLAGS[0]]},
        "rate_chat": {"good": True},
        "prompt": {"text": "What is this?"},
    }
    for kind, body in said.items():
        task = labeler.post("/label/next", json={"kinds": [kind]}).json()["task"]
        assert task["kind"] == kind
        done = labeler.post(f"/label/{task['id']}/submit", json={"submission": task["submission"], **body})
        assert done.status_code == 200, done.text
    assert labeler.post("/label/next", json={}).json() == {"task": None}
    counts = admin.get("/admin/feedback").json()["counts"]
    assert set(counts) == {"demonstration", "answer_rating", "chat_rating", "prompt"}
    assert labeler.get("/label/progress").json()["coverage"]["chat"] == 1
    assert "Harmless" in labeler.get("/label/guidelines").json()["markdown"]
    admin.patch("/admin/settings", json={"guidelines": "Be kind."})
    assert labeler.get("/label/guidelines").json() == {"markdown": "Be kind."}


def test_chats_whose_owners_agree_can_be_queued_and_leave_the_queue_when_they_no_longer_do(
    place: Site, admin: httpx.Client
) -> None:
    owner, labeler = place.person("labeler", "Bo"), place.person("labeler", "Cy")
    chats = []
    for question in ("open?", "closed?"):
        chat = owner.post("/chats", json={}).json()["id"]
        said = {"parent": None, "role": "user", "content": question}
        parent = owner.post(f"/chats/{chat}/messages", json=said).json()["id"]
        owner.post(f"/chats/{chat}/answers", json={"parent": parent, "model": "a"})
        chats.append(chat)
    owner.patch(f"/chats/{chats[0]}", json={"consent": True})
    for _ in range(2):
        added = admin.post("/admin/tasks/from_chats", json={"as": "rate_chat"}).json()
    assert added == {"new": 0, "known": 1}
    assert owner.post("/label/next", json={}).json() == {"task": None}  # nobody rates their own
    task = labeler.post("/label/next", json={}).json()["task"]
    assert [message["content"] for message in task["messages"]] == ["open?", "I am a"]
    body = {"submission": task["submission"], "good": True}
    assert labeler.post(f"/label/{task['id']}/submit", json=body).status_code == 200
    admin.post("/admin/tasks/from_chats", json={"as": "demonstration"})
    assert labeler.post("/label/next", json={}).json()["task"]["kind"] == "demonstration"
    assert len(place.store.feedback.rows()) == 1
    owner.patch(f"/chats/{chats[0]}", json={"consent": False})
    assert labeler.post("/label/next", json={}).json() == {"task": None}
    assert place.store.feedback.rows() == [] and "open?" not in admin.get("/admin/tasks").text
    (row,) = admin.get("/admin/feedback?state=approved").json()["rows"]
    assert row["content"] == {} and not row["consent"]


def test_what_a_collect_stage_sampled_becomes_tasks_that_their_authors_never_get(
    new_place: Callable[[], str], tmp_path: Path
) -> None:
    asked = [{"role": "user", "content": "whose?"}]
    collect = tmp_path / "runs" / "first" / "collect"
    collect.mkdir(parents=True)
    (collect / "origin.json").write_text('{"stage": "collect"}')
    with open_store(new_place()) as store, site(store, run_directories=[tmp_path / "runs"]) as place:
        admin, author, other = place.person("admin"), place.person("labeler", "Bo"), place.person("labeler", "Cy")
        number = int(author.get("/me").json()["person"]["id"])
        written = store.feedback.add(number, NewRow(kind="prompt", content={"prompt": asked})).id
        facts = [{"feedback_ids": [written]}, {"feedback_ids": [written + 99]}]  # one was taken back meanwhile
        lines = [{"prompt": asked, "answers": ["one", "two"], "source": "sft", "facts": each} for each in facts]
        (collect / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for kind, count in (("rank", 1), ("rate_answer", 2), ("demonstration", 1)):
            body = {"run": "first", "stage": "collect", "as": kind}
            assert admin.post("/admin/tasks/from_run", json=body).json() == {"new": count, "known": 0}
            assert author.post("/label/next", json={"kinds": [kind]}).json() == {"task": None}
            assert other.post("/label/next", json={"kinds": [kind]}).json()["task"]["kind"] == kind


def test_the_simulated_labeler_of_a_run_fills_in_and_is_marked_wherever_it_shows(
    new_place: Callable[[], str], tmp_path: Path
) -> None:
    for name in ("collect", "collect2", "sft"):
        folder = tmp_path / "runs" / "first" / name
        folder.mkdir(parents=True)
        (folder / "origin.json").write_text(json.dumps({"stage": name.rstrip("2")}))
    lines = [
        {"prompt": [{"role": "user", "content": f"{number}?"}], "answers": ["a", "b", "c"], "ranks": [1, 2, 3]}
        for number in range(3)
    ]
    written = "".join(json.dumps({**line, "labeler": "simulated"}) + "\n" for line in lines)
    (tmp_path / "runs" / "first" / "collect" / "rankings.jsonl").write_text(written)
    with open_store(new_place()) as store, site(store, run_directories=[tmp_path / "runs"]) as place:
        admin = place.person("admin")
        (run,) = admin.get("/runs").json()["runs"]
        assert {stage["name"]: stage["has_rankings"] for stage in run["stages"]} == {
            "collect": True,
            "collect2": False,
            "sft": False,
        }
        body = {"run": "first", "stage": "collect", "limit": 2}
        assert admin.post("/admin/feedback/from_run", json=body).json() == {"new": 2, "known": 0}
        body["limit"] = 100
        assert admin.post("/admin/feedback/from_run", json=body).json() == {"new": 1, "known": 2}
        rows = admin.get("/admin/feedback?state=approved").json()["rows"]
        assert [(row["simulated"], row["person"]) for row in rows] == [(True, None)] * 3
        known = admin.get("/admin/training").json()
        assert (known["comparisons"], known["rankings"], known["simulated"]) == (9, 3, 3)
        assert [(own["labeler"], own["simulated"]) for own in known["people"]] == [("simulated", True)]
        agreement = admin.get("/label/agreement").json()
        assert [(own["labeler"], own["simulated"]) for own in agreement["labelers"]] == [("simulated", True)]
        refusals = {"collect2": "no simulated labeler has ranked", "sft": "is a sft stage", "x": "no stage"}
        for stage, why in refusals.items():
            for address in ("/admin/feedback/from_run", "/admin/tasks/from_run"):
                refused = admin.post(address, json={"run": "first", "stage": stage})
                assert refused.status_code == (404 if stage == "x" else 400), (address, stage)
                if address.startswith("/admin/feedback"):
                    assert why in refused.json()["error"]["message"]
        assert place.person("labeler").post("/admin/feedback/from_run", json=body).status_code == 403


def test_agreement_shows_labelers_only_themselves(place: Site, admin: httpx.Client) -> None:
    admin.post("/admin/tasks", json={"tasks": [rank_task(number, overlap=2) for number in range(3)]})
    people = [place.person("labeler", name) for name in ("Bo", "Cy")]
    for person in people:
        for _ in range(3):
            task = person.post("/label/next", json={}).json()["task"]
            body = {"submission": task["submission"], "ranks": ranks(task)}
            assert person.post(f"/label/{task['id']}/submit", json=body).status_code == 200
    everybody = admin.get("/label/agreement").json()
    assert everybody["pairwise"] == 1 and everybody["shared_items"] == 3 and everybody["alpha"] == 1
    assert {own["name"] for own in everybody["labelers"]} == {"Bo", "Cy"}
    mine = people[0].get("/label/agreement").json()["labelers"]
    assert [own["name"] for own in mine] == ["Bo"] and mine[0]["is_me"]


def test_rows_of_chatters_wait_for_approval_and_removal_names_the_runs(place: Site, admin: httpx.Client) -> None:
    chatter = place.person("chatter")
    chat = chatter.post("/chats", json={}).json()["id"]
    said = {"parent": None, "role": "user", "content": "hi"}
    parent = chatter.post(f"/chats/{chat}/messages", json=said).json()["id"]
    chatter.post(f"/chats/{chat}/answers", json={"parent": parent, "model": "a", "n": 2})
    _, one, two = (message["id"] for message in chatter.get(f"/chats/{chat}").json()["messages"])
    for message, consent in ((one, True), (two, False)):
        chatter.post(f"/messages/{message}/feedback", json={"thumb": "up", "consent": consent})
    waiting = admin.get("/admin/feedback").json()
    assert [row["state"] for row in waiting["rows"]] == ["waiting", "waiting"] and not waiting["more"]
    assert waiting["rows"][0]["content"]["answer"] == "I am a"
    assert waiting["rows"][1]["content"] == {}  # not consented to: counted, never read
    assert place.store.feedback.rows() == []
    ids = [row["id"] for row in waiting["rows"]]
    assert admin.post("/admin/feedback/decide", json={"ids": ids, "approve": True}).json() == {"changed": 2}
    assert len(place.store.feedback.rows()) == 1
    place.store.feedback.mark_trained([int(ids[0])], "run-1")
    assert admin.post("/admin/feedback/remove", json={"ids": ids[:1]}).json() == {"rows": 1, "runs": ["run-1"]}
    assert admin.get("/admin/feedback/runs").json() == {"runs": [{"run": "run-1", "rows": 1, "removed": 1}]}
    assert admin.get("/admin/feedback/outliers").json() == {"outliers": []}


def test_feedback_goes_out_and_comes_back(place: Site, admin: httpx.Client) -> None:
    line = json.dumps({"prompt": "Who?", "chosen": "Me.", "rejected": "=HYPERLINK(1)"})
    body = {"content": line + "\n", "name": "pairs.jsonl"}
    assert admin.post("/admin/feedback/import", json=body).json() == {"new": 1, "known": 0}
    assert admin.post("/admin/feedback/import", json=body).json() == {"new": 0, "known": 1}
    pair = admin.get("/admin/feedback/export?format=preference").json()
    assert pair["chosen"][0]["content"] == "Me." and pair["prompt"][0]["content"] == "Who?"
    table = admin.get("/admin/feedback/export?format=csv")
    assert table.headers["content-type"].startswith("text/csv") and "\n=HYPERLINK" not in table.text
    assert admin.get("/admin/feedback/export?format=xls").status_code == 400
    broken = admin.post("/admin/feedback/import", json={"content": "{", "name": "bad.jsonl"})
    assert broken.status_code == 400 and "bad.jsonl" in broken.json()["error"]["message"]


def test_people_compare_blindly_and_admins_see_the_win_rate(place: Site, admin: httpx.Client) -> None:
    prompts = [[{"role": "user", "content": f"question {number}"}] for number in range(6)]
    made = admin.post("/comparisons", json={"model_a": "a", "model_b": "b", "prompts": prompts, "count": 6})
    number = made.json()["id"]
    assert made.json()["pairs"] == 6
    voter = place.person("chatter")
    (listed,) = voter.get("/comparisons").json()["comparisons"]
    assert "model_a" not in listed and "a and b" not in listed["name"]
    for _ in range(6):
        pair = voter.post(f"/comparisons/{number}/next", json={}).json()["pair"]
        side = "left" if pair["left"] == "I am b" else "right"
        assert voter.post(f"/comparisons/pairs/{pair['id']}/vote", json={"vote": side}).json() == {}
    assert voter.post(f"/comparisons/{number}/next", json={}).json() == {"pair": None}
    assert voter.get("/comparisons").json()["comparisons"][0]["voted"] == 6
    result = admin.get(f"/comparisons/{number}/result").json()
    assert (result["wins"], result["losses"], result["win_rate"]) == (0, 6, 0.0) and result["interval"][1] < 0.5
    admin.post(f"/comparisons/{number}/close", json={})
    assert voter.get("/comparisons").json() == {"comparisons": []}
    refused = admin.post("/comparisons", json={"model_a": "a", "model_b": "b"})
    assert refused.status_code == 400 and "no prompt" in refused.json()["error"]["message"]


def test_admins_manage_keys_invitations_usage_and_settings(place: Site, admin: httpx.Client) -> None:
    made = admin.post("/admin/keys", json={"name": "script", "quota_tokens": 100}).json()
    assert made["secret"].startswith("cw-") and made["key"]["left"] == 100
    script = place.client(authorization=f"Bearer {made['secret']}")
    body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
    assert script.post(f"{place.address}/v1/chat/completions", json=body).status_code == 200
    assert until(lambda: admin.get("/admin/usage").json()["total"]["requests"] == 1, 10)
    (row,) = admin.get("/admin/usage").json()["rows"]
    assert (row["key"], row["person"], row["model"]) == ("script", "Ada", "a")
    assert made["secret"] not in admin.get("/admin/keys").text
    assert admin.delete(f"/admin/keys/{made['key']['id']}").status_code == 204
    assert script.get(f"{place.address}/v1/models").status_code == 401
    invite = admin.post("/admin/invites", json={"role": "labeler", "note": "for Bo"}).json()
    assert invite["path"] == f"invite?token={invite['token']}"
    assert invite["token"] not in admin.get("/admin/invites").text
    assert admin.delete(f"/admin/invites/{invite['invite']['id']}").status_code == 204
    joining = {"token": invite["token"], "name": "Bo", "password": "long enough password"}
    assert place.client().post("/invites/accept", json=joining).status_code == 403
    changed = admin.patch("/admin/settings", json={"retention_days": 30, "daily_caps": {"chatter": 5}}).json()
    assert (changed["retention_days"], changed["daily_caps"]) == (30, {"chatter": 5})
    assert changed["defaults"]["daily_caps"]["chatter"] == 100 and "labeler" not in changed["defaults"]["training_caps"]
    assert admin.patch("/admin/settings", json={"retention_days": None}).json()["retention_days"] is None
    assert admin.patch("/admin/settings", json={"daily_caps": {"king": 5}}).status_code == 400
    me = admin.get("/me").json()["person"]["id"]
    assert admin.patch(f"/admin/people/{me}", json={"role": "chatter"}).status_code == 409  # the only admin

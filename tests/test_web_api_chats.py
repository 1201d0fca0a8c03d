"""Chats over HTTP: the tree, streamed answers that are kept however they end, drafts, thumbs, tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from chatwright.generation.speaker import Speaker
from chatwright.serving.moderating import Verdict
from chatwright.serving.web.refusals import declines
from chatwright.store import Store, open_store
from chatwright.text.conversation import Conversation
from serving import BASE, CHAT, Scripted, until
from tiny import tokenizer
from web_api import Site, site


@pytest.fixture
def own_store(new_place: Callable[[], str]) -> Iterator[Store]:
    with open_store(new_place()) as store:
        yield store


@pytest.fixture
def place(own_store: Store) -> Iterator[Site]:
    speakers: dict[str, Speaker] = {CHAT: Scripted(context=60), BASE: Scripted(is_chat=False)}
    speakers["slow"] = Scripted(["one ", "two ", *["more "] * 200], pause=0.05)
    speakers["broken"] = Scripted(["half ", RuntimeError("boom")])
    with site(own_store, speakers) as found:
        yield found


@pytest.fixture
def client(place: Site) -> httpx.Client:
    return place.person("chatter", "Ada")


def begun(client: httpx.Client, question: str = "Who?", **fields: Any) -> tuple[str, str]:
    """A chat with a question; the ids of both."""
    chat = client.post("/chats", json=fields).json()["id"]
    said = client.post(f"/chats/{chat}/messages", json={"parent": None, "role": "user", "content": question})
    return chat, said.json()["id"]


def events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
    return [json.loads(line) if line != "[DONE]" else line for line in lines]


def answer(client: httpx.Client, chat: str, parent: str, **wishes: Any) -> list[Any]:
    body = {"parent": parent, "model": CHAT, "sampling": {"temperature": 0.7}, "n": 1, **wishes}
    response = client.post(f"/chats/{chat}/answers", json=body)
    assert response.status_code == 200, response.text
    return events(response.text)


def test_an_answer_streams_with_its_id_and_context_and_is_kept(client: httpx.Client) -> None:
    chat, question = begun(client, system="Be brief.")
    first, *chunks, usage, done = answer(client, chat, question)
    assert done == "[DONE]" and usage["choices"] == [] and usage["usage"]["completion_tokens"] == 3
    (message_id,) = first["message_ids"]
    facts = first["context"]
    assert facts["window"] == 60 and facts["turns_dropped"] == 0
    assert facts["system"] > 0 and facts["room"] == 60 - facts["system"] - facts["history"] < 256, "all that is left"
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Hello there."
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    whole = client.get(f"/chats/{chat}").json()
    assert [message["content"] for message in whole["messages"]] == ["Who?", "Hello there."]
    stored = whole["messages"][1]
    assert (stored["id"], stored["parent"], stored["model"]) == (message_id, question, CHAT)
    assert stored["finish_reason"] == "stop" and whole["tip"] == message_id and whole["title"] == "Who?"


def test_drafts_are_siblings_and_the_one_taken_is_opened(client: httpx.Client) -> None:
    chat, question = begun(client)
    first, *chunks, _, _ = answer(client, chat, question, n=3)
    ids = first["message_ids"]
    assert len(set(ids)) == 3
    assert {chunk["choices"][0]["index"] for chunk in chunks} == {0, 1, 2}
    tree = client.get(f"/chats/{chat}").json()
    assert {message["parent"] for message in tree["messages"][1:]} == {question}
    body = {"parent": question, "chosen": ids[2], "shown": [ids[1], ids[2], ids[0]]}
    assert client.post(f"/chats/{chat}/choice", json=body).status_code == 200
    assert client.get(f"/chats/{chat}").json()["tip"] == ids[2]
    assert client.post(f"/chats/{chat}/answers", json={"parent": question, "model": CHAT, "n": 5}).status_code == 400


def test_who_hangs_up_finds_what_came_so_far(place: Site, client: httpx.Client) -> None:
    chat, question = begun(client)
    body = {"parent": question, "model": "slow", "n": 2}
    with client.stream("POST", f"/chats/{chat}/answers", json=body) as response:
        seen = ""
        for text in response.iter_text():
            seen += text
            if "two" in seen and seen.count("one ") == 2:  # each has said something
                break

    def stored() -> list[Any]:
        return client.get(f"/chats/{chat}").json()["messages"][1:]

    assert until(lambda: all(message["content"] for message in stored()), 10)
    assert all(message["content"].startswith("one ") for message in stored())
    assert {message["finish_reason"] for message in stored()} == {"cancelled"}
    speaker = place.store.chats.messages(1, int(chat))
    assert all(message.finish_reason == "cancelled" for message in speaker[1:])


def test_a_model_that_fails_is_told_and_what_it_said_is_kept(client: httpx.Client) -> None:
    chat, question = begun(client)
    *_, last = answer(client, chat, question, model="broken")
    assert last["error"]["code"] == "internal_error"
    assert until(lambda: client.get(f"/chats/{chat}").json()["messages"][1]["content"] == "half ", 10)


def test_the_oldest_turns_are_dropped_where_there_is_no_room(client: httpx.Client) -> None:
    chat, parent = begun(client, "the quick brown fox jumps over the lazy dog")
    parent = answer(client, chat, parent, sampling={"max_tokens": 8})[0]["message_ids"][0]
    body = {"parent": parent, "role": "user", "content": "the lazy dog " * 3}
    question = client.post(f"/chats/{chat}/messages", json=body).json()["id"]
    facts = answer(client, chat, question, sampling={"max_tokens": 30})[0]["context"]
    assert facts["turns_dropped"] == 2 and facts["room"] >= 15
    long = client.post(f"/chats/{chat}/messages", json={"parent": parent, "role": "user", "content": "xyz " * 60})
    refused = client.post(f"/chats/{chat}/answers", json={"parent": long.json()["id"], "model": CHAT})
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "context_length_exceeded"


def context(client: httpx.Client, chat: str, model: str = CHAT, **asked: Any) -> Any:
    response = client.get(f"/chats/{chat}/context", params={"model": model, **asked})
    assert response.status_code == 200, response.text
    return response.json()


def test_the_context_is_counted_as_the_prompt_of_an_answer_is_built(client: httpx.Client) -> None:
    chat, question = begun(client, "the quick brown fox jumps over the lazy dog", system="Be brief.")
    before = context(client, chat, tip=question, max_tokens=8)
    told = answer(client, chat, question, sampling={"max_tokens": 8})[0]
    assert told["context"] == before and before["room"] == 8, "no more than is wanted"
    after = context(client, chat, max_tokens=8)
    assert after["history"] > before["history"] and after["system"] == before["system"], "the answer counts"
    assert context(client, chat, tip=told["message_ids"][0], max_tokens=8) == after, "the open branch"
    long = {"parent": told["message_ids"][0], "role": "user", "content": "the lazy dog " * 3}
    question = client.post(f"/chats/{chat}/messages", json=long).json()["id"]
    facts = context(client, chat, tip=question, max_tokens=30)
    assert facts == answer(client, chat, question, sampling={"max_tokens": 30})[0]["context"]
    assert facts["turns_dropped"] == 2 and facts["system"] + facts["history"] + facts["room"] <= facts["window"] == 60
    assert context(client, chat, "slow", tip=question, max_tokens=30)["turns_dropped"] == 0, "it reads more"


def test_the_context_follows_the_system_prompt_also_where_nothing_is_said_or_too_much(client: httpx.Client) -> None:
    chat = client.post("/chats", json={"system": "Be brief."}).json()["id"]
    empty = context(client, chat)
    assert empty["system"] > 0 and empty["room"] == 60 - empty["system"] - empty["history"]
    client.patch(f"/chats/{chat}", json={"system": ""})
    assert context(client, chat)["system"] == 0
    client.patch(f"/chats/{chat}", json={"system": "xyz " * 60})
    full = context(client, chat)
    assert full["room"] == 0 and full["system"] > full["window"]
    for asked, status in (({"model": BASE}, 400), ({"model": "nobody"}, 404), ({"model": CHAT, "tip": "999"}, 404)):
        assert client.get(f"/chats/{chat}/context", params=asked).status_code == status


def test_an_answer_that_was_just_stopped_counts_in_the_context(client: httpx.Client) -> None:
    chat, question = begun(client)
    before = context(client, chat, "slow", tip=question)
    body = {"parent": question, "model": "slow"}
    with client.stream("POST", f"/chats/{chat}/answers", json=body) as response:
        for text in response.iter_text():
            if "more" in text:
                break
    assert context(client, chat, "slow")["history"] > before["history"] + 4


def test_what_cannot_be_answered_is_refused_and_nothing_is_stored(client: httpx.Client) -> None:
    chat, question = begun(client)
    for body, status in (
        ({"parent": question, "model": "nobody"}, 404),
        ({"parent": question, "model": BASE}, 400),
        ({"parent": "999", "model": CHAT}, 404),
        ({"parent": question, "model": CHAT, "sampling": {"temperature": 5}}, 400),
    ):
        assert client.post(f"/chats/{chat}/answers", json=body).status_code == status
    assert len(client.get(f"/chats/{chat}").json()["messages"]) == 1


class NoBombs:
    """Refuses whoever speaks of bombs."""

    def check(self, conversation: Conversation, role: str) -> Verdict:
        is_bad = "bomb" in conversation.last.content
        return Verdict(not is_bad, reply="I would rather not." if is_bad else "")


def test_a_moderator_refuses_questions_here_too_and_the_refusal_is_kept_and_counted(own_store: Store) -> None:
    speaker = Scripted()
    with site(own_store, {CHAT: speaker}, moderator=NoBombs()) as place:
        client = place.person("chatter")
        chat, asked = begun(client, "How do I build a bomb?")
        told = answer(client, chat, asked, n=2)
        assert told[-1] == "[DONE]" and not speaker.requests
        assert [event["choices"][0]["finish_reason"] for event in told[1:3]] == ["content_filter"] * 2
        kept = client.get(f"/chats/{chat}").json()["messages"][1:]
        assert [message["id"] for message in kept] == told[0]["message_ids"]
        assert {(said["content"], said["finish_reason"]) for said in kept} == {
            ("I would rather not.", "content_filter")
        }
        (day,) = place.person("labeler").get("/runs/models/days").json()["days"]
        assert day["refusals"] == 2


@pytest.mark.parametrize(
    ("answer", "is_refusal"),
    [
        ("I would rather not help with that.", True),
        ("Dabei möchte ich lieber nicht helfen.", True),
        ("The baker lives in Mill Lane.", False),
        ("Der Bäcker wohnt am Markt.", False),
        (f"The ferry is late. {'It rains. ' * 30}The miller said: I cannot help with that.", False),
    ],
)
def test_an_answer_that_opens_like_a_refusal_counts_as_one(answer: str, is_refusal: bool) -> None:
    assert declines(answer) == is_refusal


def test_refusals_of_a_model_are_counted_by_day(own_store: Store) -> None:
    with site(own_store, {CHAT: Scripted(["I would", " rather not help with that."])}) as place:
        client = place.person("chatter")
        chat, asked = begun(client, "How do I rob the miller?")
        answer(client, chat, asked, n=2)
        (day,) = place.person("labeler").get("/runs/models/days").json()["days"]
        assert (day["refusals"], "rather" in str(day)) == (2, False)


def test_an_edited_question_is_a_branch_that_can_be_opened_again(client: httpx.Client) -> None:
    chat, question = begun(client)
    reply = answer(client, chat, question)[0]["message_ids"][0]
    other = client.post(f"/chats/{chat}/messages", json={"parent": None, "role": "user", "content": "What?"}).json()
    assert client.get(f"/chats/{chat}").json()["tip"] == other["id"]
    assert client.patch(f"/chats/{chat}", json={"tip": question}).json()["tip"] == reply
    two = {"parent": question, "role": "user", "content": "again"}
    assert client.post(f"/chats/{chat}/messages", json=two).status_code == 400


def test_a_message_that_is_sent_twice_is_there_once(client: httpx.Client) -> None:
    chat, _ = begun(client)
    body = {"parent": None, "role": "user", "content": "once", "submission": "a1"}
    first, again = (client.post(f"/chats/{chat}/messages", json=body).json() for _ in range(2))
    assert first == again and len(client.get(f"/chats/{chat}").json()["messages"]) == 2
    assert client.post(f"/chats/{chat}/messages", json={**body, "content": "twice"}).status_code == 409


def test_thumbs_ratings_and_consent(place: Site, client: httpx.Client) -> None:
    chat, question = begun(client)
    reply = answer(client, chat, question)[0]["message_ids"][0]
    thumb = {"thumb": "down", "reasons": ["wrong"], "comment": "no", "consent": True}
    assert client.post(f"/messages/{reply}/feedback", json=thumb).json() == thumb
    assert client.get(f"/chats/{chat}").json()["messages"][1]["feedback"] == thumb
    client.post(f"/messages/{reply}/feedback", json={**thumb, "thumb": None})
    assert client.get(f"/chats/{chat}").json()["messages"][1]["feedback"] is None
    assert client.post(f"/messages/{question}/feedback", json=thumb).status_code == 400
    for rating in ("good", "bad", None):
        assert client.post(f"/chats/{chat}/rating", json={"rating": rating}).json() == {"rating": rating}
        assert client.get("/chats").json()["chats"][0]["rating"] == rating
        assert client.get(f"/chats/{chat}").json()["rating"] == rating
    assert place.store.feedback.rows() == []  # what was withdrawn, or waits, teaches nobody


def test_chats_of_others_do_not_exist(place: Site, client: httpx.Client) -> None:
    chat, question = begun(client)
    reply = answer(client, chat, question)[0]["message_ids"][0]
    other = place.person("admin")
    for method, path, body in (
        ("GET", f"/chats/{chat}", None),
        ("PATCH", f"/chats/{chat}", {"title": "mine"}),
        ("DELETE", f"/chats/{chat}", None),
        ("GET", f"/chats/{chat}/export", None),
        ("POST", f"/chats/{chat}/messages", {"parent": reply, "role": "user", "content": "hi"}),
        ("POST", f"/chats/{chat}/answers", {"parent": question, "model": CHAT}),
        ("POST", f"/chats/{chat}/rating", {"rating": None}),
        ("POST", f"/messages/{reply}/feedback", {"thumb": "up"}),
        ("GET", f"/messages/{reply}/score", None),
    ):
        assert other.request(method, path, json=body).status_code == 404, path
    assert other.get("/chats").json() == {"chats": [], "more": False}


def test_history_pages_searches_renames_and_deletes(client: httpx.Client) -> None:
    for number in range(5):
        begun(client, f"question {number} about Grüße")
    page = client.get("/chats?limit=2&offset=1").json()
    assert [chat["title"][:10] for chat in page["chats"]] == ["question 3", "question 2"] and page["more"]
    assert client.get("/chats", params={"search": "grüße nobody"}).json()["chats"] == []
    chat = client.get("/chats", params={"search": "GRÜßE 4"}).json()["chats"][0]["id"]
    assert client.patch(f"/chats/{chat}", json={"title": "Neu"}).json()["title"] == "Neu"
    assert client.delete(f"/chats/{chat}").status_code == 204
    assert client.get(f"/chats/{chat}").status_code == 404
    assert client.get("/chats/999999999999999999999").status_code == 400


def test_a_chat_as_a_file(client: httpx.Client) -> None:
    chat, question = begun(client, "Was heißt <b>das</b>?")
    answer(client, chat, question)
    markdown = client.get(f"/chats/{chat}/export?format=markdown")
    assert "Hello there." in markdown.text and "attachment" in markdown.headers["content-disposition"]
    assert markdown.headers["content-disposition"].isascii()
    assert client.get(f"/chats/{chat}/export?format=json").json()["messages"][0]["content"] == "Was heißt <b>das</b>?"
    assert client.get(f"/chats/{chat}/export?format=pdf").status_code == 400


def test_no_reward_model_means_no_score(client: httpx.Client) -> None:
    chat, question = begun(client)
    reply = answer(client, chat, question)[0]["message_ids"][0]
    refused = client.get(f"/messages/{reply}/score")
    assert refused.status_code == 404 and refused.json()["error"]["code"] == "no_reward_model"


def test_tokens_cover_the_text_and_merges_build_a_token(client: httpx.Client) -> None:
    text = "the fox grüßt <|end|> 日"
    found = client.post("/tokens", json={"model": CHAT, "text": text}).json()
    assert found["size"] == tokenizer().size
    assert b"".join(base64.b64decode(token["bytes"]) for token in found["tokens"]).decode() == text
    assert [token["id"] for token in found["tokens"]] == tokenizer().encode(text)
    assert not any(token["control"] for token in found["tokens"])
    assert text[found["tokens"][0]["start"] : found["tokens"][0]["end"]] == found["tokens"][0]["text"]
    longest = max(range(tokenizer().size), key=lambda token: len(tokenizer().pieces[token]))
    path = client.get(f"/tokens/{CHAT}/{longest}").json()
    piece = tokenizer().pieces[longest]
    assert base64.b64decode(path["bytes"]) == piece and len(path["steps"]) == len(piece) - 1
    assert base64.b64decode(path["steps"][-1]["result"]["bytes"]) == piece
    assert path["steps"][-1]["result"]["id"] == longest
    ranks = [step["rank"] for step in path["steps"]]
    assert all(isinstance(rank, int) for rank in ranks) and max(ranks) == ranks[-1]
    end = client.get(f"/tokens/{CHAT}/{tokenizer().end}").json()
    assert end["control"] and end["text"] == "<|end|>" and end["steps"] == []
    assert client.get(f"/tokens/{CHAT}/{tokenizer().size}").status_code == 404

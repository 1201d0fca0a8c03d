"""Many at once: a full queue, readers who vanish or stall, answers that fail, a moderator who says no."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chatwright.serving.app import create_app
from chatwright.serving.moderating import Verdict
from chatwright.serving.settings import ServeSettings
from chatwright.text.conversation import Conversation
from serving import CHAT, Scripted, metric, running, serving, tiny_speaker, until

ASK = {"model": CHAT, "messages": [{"role": "user", "content": "Hi"}]}
STREAM = ASK | {"stream": True}


def events_of(response: httpx.Response) -> Iterator[Any]:
    for line in response.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


@pytest.mark.parametrize("count", [9, pytest.param(64, marks=pytest.mark.slow)])
def test_streams_of_which_a_third_hang_up_disturb_nobody(count: int) -> None:
    """Every answer that was heard to its end equals the one given alone; and no slot is lost."""
    speaker = tiny_speaker(slots=max(4, count // 4))
    rng = random.Random(5)
    prompts = [f"the {'quick ' * (number % 5)}fox {number % 7}" for number in range(count)]

    def body(number: int) -> dict[str, object]:
        asked = {"model": CHAT, "messages": [{"role": "user", "content": prompts[number]}], "stream": True}
        longest = 100 if number % 3 == 0 else 40  # who hangs up must not find the answer at its end
        return asked | {"seed": number % 4, "max_tokens": longest, "temperature": 1.0, "ignore_eos": True}

    async def heard(client: httpx.AsyncClient, number: int, patience: int | None) -> str | None:
        text, count = "", 0
        async with client.stream("POST", "/v1/chat/completions", json=body(number)) as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                count += line.startswith("data: {")
                if patience is not None and count > patience:
                    return None
                if line.startswith("data: {"):
                    text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        assert count > 1
        return text

    async def everybody(address: str) -> tuple[list[str | None], list[str | None]]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
            patience = [rng.randrange(20) if number % 3 == 0 else None for number in range(count)]
            loaded = await asyncio.gather(*(heard(client, number, own) for number, own in enumerate(patience)))
            kept = [number for number, text in enumerate(loaded) if text is not None]
            return [loaded[number] for number in kept], [await heard(client, number, None) for number in kept[:14]]

    with running(create_app({CHAT: speaker})) as address:
        loaded, alone = asyncio.run(everybody(address))
        assert len(loaded) == count - (count + 2) // 3 and loaded[:14] == alone
        assert until(lambda: speaker.stats().running == speaker.stats().waiting == 0)
        with httpx.Client(base_url=address) as client:
            assert until(lambda: metric(client.get("/metrics").text, "chatwright:http_requests_running") == 0)
            text = client.get("/metrics").text
            assert metric(text, "vllm:num_requests_running") == 0
            assert metric(text, "chatwright:requests_cancelled_total") >= count // 4
    speaker.close(drain=False)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("stream", [True, False])
def test_nobody_runs_on_after_the_last_client_has_gone(path: str, stream: bool) -> None:
    speaker = Scripted(["word "] * 4000, pause=0.05)
    body = {"model": CHAT, "messages": ASK["messages"], "prompt": "Hi", "stream": stream}
    with serving({CHAT: speaker}) as http:
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connections = [socket.create_connection((http.base_url.host, http.base_url.port or 0)) for _ in range(3)]
        for connection in connections:
            connection.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        assert until(lambda: metric(http.get("/metrics").text, "vllm:num_requests_running") == 3)
        for connection in connections:
            connection.close()
        assert until(lambda: metric(http.get("/metrics").text, "vllm:num_requests_running") == 0)
        assert len(speaker.cancelled) == 3
        assert until(lambda: metric(http.get("/metrics").text, "chatwright:requests_cancelled_total") == 3)


def test_nothing_is_written_to_readers_who_have_gone(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio complains of every write to a closed connection; a backlog must not go on being sent."""
    speaker = Scripted(["word "] * 400)
    content = json.dumps(STREAM | {"n": 10}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with serving({CHAT: speaker}) as http:
        for _ in range(3):
            with socket.create_connection((http.base_url.host, http.base_url.port or 0)) as connection:
                connection.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
                assert connection.recv(100)
        assert until(lambda: metric(http.get("/metrics").text, "chatwright:http_requests_running") == 0)
    assert not [record.message for record in caplog.records if record.name == "asyncio"]


def test_a_reader_who_takes_nothing_is_given_up() -> None:
    speaker = Scripted(["x" * 1_000_000] * 2000, pause=0.005)
    with serving({CHAT: speaker}, settings=ServeSettings(write_timeout=0.3)) as http:
        content = json.dumps(STREAM).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        with socket.create_connection((http.base_url.host, http.base_url.port or 0)) as connection:
            connection.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
            assert until(lambda: len(speaker.cancelled) == 1)
        assert http.get("/health").status_code == 200


def test_a_client_that_never_sends_its_body_is_given_up() -> None:
    with serving({CHAT: Scripted()}, settings=ServeSettings(body_timeout=0.2)) as http:
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"
        with socket.create_connection((http.base_url.host, http.base_url.port or 0), timeout=30) as connection:
            connection.sendall(head.encode())
            assert b" 408 " in connection.recv(1000)


def test_a_full_queue_says_when_to_come_again() -> None:
    speaker = Scripted(["slow"], places=1, hold=threading.Event())
    with serving({CHAT: speaker}) as http:
        first = threading.Thread(target=http.post, args=("/v1/chat/completions",), kwargs={"json": ASK})
        first.start()
        assert until(lambda: speaker.running == 1)
        refused = http.post("/v1/chat/completions", json=STREAM)
        speaker.hold.set()
        first.join()
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "server_busy"
        # The answer reaches its reader a moment before its place is free again.
        assert until(lambda: http.post("/v1/chat/completions", json=ASK).status_code == 200)


def test_a_batch_that_is_larger_than_the_queue_waits_for_places() -> None:
    speaker = Scripted(["a", "b"], places=2)
    with serving({CHAT: speaker}) as http:
        body = {"model": CHAT, "prompt": [f"prompt {number}" for number in range(9)], "n": 2}
        choices = http.post("/v1/completions", json=body).json()["choices"]
    assert [choice["index"] for choice in choices] == list(range(18))
    assert {choice["text"] for choice in choices} == {"ab"}


def test_a_silent_stream_is_kept_alive_by_comments() -> None:
    speaker, lines = Scripted(["late"], hold=threading.Event()), []
    with serving({CHAT: speaker}, settings=ServeSettings(keep_alive=0.05)) as http:
        with http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
            for line in response.iter_lines():
                lines.append(line)
                if sum(line.startswith(":") for line in lines) == 2:
                    speaker.hold.set()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert speaker.hold.is_set(), "the model says nothing before two comments have come"
        assert lines[-2:] == ["data: [DONE]", ""]


def test_a_request_that_fails_takes_no_other_down() -> None:
    good, bad = Scripted(["a "] * 20, pause=0.01), Scripted(["a", RuntimeError("broken")])
    with serving({CHAT: good, "bad": bad}) as http:
        with http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
            assert http.post("/v1/chat/completions", json=STREAM | {"model": "bad"}).status_code == 200
            assert http.post("/v1/chat/completions", json=ASK | {"model": "bad"}).status_code == 500
            said = [event["choices"][0]["delta"].get("content") or "" for event in events_of(response)]
        assert "".join(said) == "a " * 20
        assert until(lambda: metric(http.get("/metrics").text, "chatwright:http_requests_running") == 0)


# -- the moderator -------------------------------------------------------------------------------------------------


class NoBombs:
    """Refuses whoever speaks of bombs."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def check(self, conversation: Conversation, role: str) -> Verdict:
        text = conversation.last.content
        self.seen.append((role, text))
        bad = "bomb" in text
        return Verdict(not bad, {"illicit/violent": 0.9 if bad else 0.1}, "I would rather not." if bad else "")


@pytest.mark.parametrize("stream", [True, False])
def test_a_moderator_can_refuse_a_question_and_the_model_is_not_asked(stream: bool) -> None:
    speaker = Scripted()
    with serving({CHAT: speaker}, moderator=NoBombs()) as http:
        asked = {"model": CHAT, "messages": [{"role": "user", "content": "a bomb"}], "stream": stream}
        response = http.post("/v1/chat/completions", json=asked)
        assert response.status_code == 200 and "I would rather not." in response.text
        assert '"finish_reason":"content_filter"' in response.text.replace(" ", "") and not speaker.requests
        refused = http.post("/v1/completions", json={"model": CHAT, "prompt": "a bomb", "stream": stream})
        assert refused.status_code == 400 and refused.json()["error"]["code"] == "content_filter"


def test_a_moderator_can_stop_an_answer_before_a_word_of_it_is_shown() -> None:
    speaker = Scripted(["Take", " a", " bomb", " and", " run", "."] + [" on"] * 500, pause=0.005)
    with serving({CHAT: speaker}, moderator=NoBombs()) as http:
        answer = http.post("/v1/chat/completions", json=ASK).json()["choices"][0]
        assert answer["message"]["content"] == "I would rather not." and answer["finish_reason"] == "content_filter"
        assert until(lambda: speaker.cancelled == [0])


def test_what_a_moderator_has_seen_may_be_shown_and_the_rest_is_held_back() -> None:
    speaker = Scripted(["Fine", ".", " Now", " the", " bomb", "."])
    with serving({CHAT: speaker}, moderator=NoBombs()) as http:
        response = http.post("/v1/chat/completions", json=STREAM)
        chunks = [event["choices"][0] for event in events_of(response)]
    assert "".join(chunk["delta"].get("content") or "" for chunk in chunks) == "Fine."
    assert chunks[-1]["finish_reason"] == "content_filter"


def test_moderations_are_openais_where_a_moderator_is_there() -> None:
    with serving({CHAT: Scripted()}, moderator=NoBombs()) as http:
        body = {"input": ["a bomb", "a cake"]}
        results = http.post("/v1/moderations", json=body).json()["results"]
        assert [result["flagged"] for result in results] == [True, False]
        assert results[0]["categories"] == {"illicit/violent": True}
        parts = {"input": [{"type": "text", "text": "a bomb"}]}
        assert http.post("/v1/moderations", json=parts).json()["results"][0]["flagged"]
        assert http.post("/v1/moderations", json={"input": []}).status_code == 400

"""The official client works unmodified."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Iterator

import httpx
import openai
import pytest

from chatwright.serving.app import create_app
from serving import BASE, CHAT, CONTEXT, Scripted, running, serving, tiny_server

HELLO = [{"role": "user", "content": "the quick brown fox"}]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with tiny_server() as found:
        yield found


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="anything", max_retries=0) as found:
        yield found


def test_a_chat_has_all_that_openai_promises(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=8, seed=1, n=2)
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    assert answer.system_fingerprint == "fp_tiny" and answer.model == CHAT
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.refusal is None
    assert answer.choices[0].message.content != answer.choices[1].message.content
    assert all(choice.finish_reason in ("stop", "length") for choice in answer.choices)
    usage = answer.usage
    assert usage is not None and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 8 < usage.completion_tokens <= 16 and usage.prompt_tokens_details is not None


def test_a_stream_says_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    asked = {"model": CHAT, "messages": HELLO, "max_tokens": 24, "seed": 5, "temperature": 1.0}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons[-1] == whole.choices[0].finish_reason and set(reasons[:-1]) == {None}
    assert chunks[-1].choices == [] and chunks[-1].usage is not None and whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_one_seed_gives_one_answer_and_no_seed_gives_different_ones(client: openai.OpenAI) -> None:
    def said(**settings: object) -> str | None:
        answer = client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=24, **settings)  # type: ignore[call-overload]
        return answer.choices[0].message.content

    assert said(seed=3) == said(seed=3) != said(seed=4)
    assert said() != said()


def test_log_probabilities_of_a_chat_have_bytes_and_alternatives(client: openai.OpenAI) -> None:
    asked = {"model": CHAT, "messages": HELLO, "max_tokens": 12, "seed": 2, "logprobs": True, "top_logprobs": 3}
    answer = client.chat.completions.create(**asked)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None and logprobs.content and answer.usage is not None
    assert len(logprobs.content) == answer.usage.completion_tokens
    for entry in logprobs.content:
        assert entry.logprob <= 0 and len(entry.top_logprobs) in (3, 4)
        assert entry.logprob in [other.logprob for other in entry.top_logprobs if other.token == entry.token]
    said = b"".join(bytes(entry.bytes or ()) for entry in logprobs.content)
    assert said.decode(errors="replace") == answer.choices[0].message.content
    streamed = list(client.chat.completions.create(**asked, stream=True))
    entries = [e for c in streamed if c.choices[0].logprobs for e in c.choices[0].logprobs.content or ()]
    assert [entry.token for entry in entries] == [entry.token for entry in logprobs.content]


def test_an_echoed_prompt_is_scored_and_exactly_one_entry_follows_it(client: openai.OpenAI) -> None:
    """Token ids in, echo, logprobs, one token: what evaluation harnesses send."""
    prompts = [[1, 50, 60, 70], [1, 90], [1, *range(20, 20 + CONTEXT - 1)]]
    answer = client.completions.create(
        model=BASE, prompt=prompts, echo=True, logprobs=1, max_tokens=1, temperature=0, seed=1
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    for prompt, choice in zip(prompts, answer.choices, strict=True):
        logprobs = choice.logprobs
        assert logprobs is not None and logprobs.token_logprobs is not None and logprobs.top_logprobs is not None
        assert len(logprobs.token_logprobs) == len(prompt) + 1 == len(logprobs.tokens or ())
        assert logprobs.token_logprobs[0] is None and logprobs.top_logprobs[0] is None
        for own, top in zip(logprobs.token_logprobs[1:], logprobs.top_logprobs[1:], strict=True):
            assert own in top.values() and own <= max(top.values())
        assert logprobs.token_logprobs[-1] == max(logprobs.top_logprobs[-1].values())


def test_a_stream_that_says_nothing_new_still_tells_its_usage(client: openai.OpenAI) -> None:
    asked = {"model": BASE, "prompt": ["the", "fox"], "max_tokens": 0, "echo": True, "stream": True}
    chunks = list(client.completions.create(**asked, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == "thefox"
    assert [chunk.usage for chunk in chunks[:-1]] == [None, None] and chunks[-1].choices == []
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 0
    assert chunks[-1].usage.prompt_tokens == chunks[-1].usage.total_tokens > 2


def test_offsets_point_into_the_text(client: openai.OpenAI) -> None:
    text = "the lazy dog und Grüße"
    answer = client.completions.create(model=BASE, prompt=text, echo=True, logprobs=2, max_tokens=6, seed=1)
    choice = answer.choices[0]
    assert choice.text.startswith(text) and choice.logprobs is not None
    tokens, offsets = choice.logprobs.tokens or [], choice.logprobs.text_offset or []
    assert len(tokens) == len(offsets) and offsets == sorted(offsets)
    for token, offset in zip(tokens, offsets, strict=True):
        if not token.startswith(("bytes:", "<|")):
            assert choice.text[offset : offset + len(token)] == token


@pytest.mark.parametrize("echo", [False, True])
def test_a_streamed_completion_joins_to_the_whole_one(client: openai.OpenAI, echo: bool) -> None:
    asked = {"model": BASE, "prompt": ["the quick", "brown fox"], "max_tokens": 10, "seed": 4, "echo": echo}
    whole = client.completions.create(**asked, logprobs=2)
    texts, tokens = {0: "", 1: ""}, {0: [], 1: []}  # type: dict[int, str], dict[int, list[str]]
    for chunk in client.completions.create(**asked, logprobs=2, stream=True):
        assert chunk.object == "text_completion"
        choice = chunk.choices[0]
        texts[choice.index] += choice.text
        tokens[choice.index] += choice.logprobs.tokens or [] if choice.logprobs else []
    for choice in whole.choices:
        assert texts[choice.index] == choice.text and choice.logprobs is not None
        assert tokens[choice.index] == choice.logprobs.tokens


def test_best_of_returns_the_likeliest(client: openai.OpenAI) -> None:
    asked = {"model": BASE, "prompt": "the", "max_tokens": 5, "seed": 9, "logprobs": 0, "ignore": 1}
    del asked["ignore"]
    every = client.completions.create(**asked, n=4, extra_body={"ignore_eos": True})
    best = client.completions.create(**asked, n=1, best_of=4, extra_body={"ignore_eos": True})

    def mean(choice: object) -> float:
        values = choice.logprobs.token_logprobs  # type: ignore[attr-defined]
        return sum(values) / len(values)

    assert best.choices[0].text == max(every.choices, key=mean).text
    assert best.usage is not None and best.usage.completion_tokens == 20


def test_a_text_and_its_tokens_are_answered_alike(client: openai.OpenAI, address: str) -> None:
    tokens = httpx.post(f"{address}/tokenize", json={"prompt": "brown dog", "model": BASE}).json()["tokens"]
    by_text = client.completions.create(model=BASE, prompt="brown dog", max_tokens=8, seed=1)
    by_tokens = client.completions.create(model=BASE, prompt=tokens, max_tokens=8, seed=1)
    assert by_text.choices[0].text == by_tokens.choices[0].text


def test_more_than_four_stop_strings_are_welcome() -> None:
    with serving({CHAT: Scripted(["one", " two"])}) as http:
        body = {"model": CHAT, "messages": HELLO, "stop": list("abcdefgh")}
        assert http.post("/v1/chat/completions", json=body).status_code == 200


def test_a_logit_bias_can_force_a_token(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model=BASE, prompt="the", max_tokens=3, temperature=0, logit_bias={"100": 100}, logprobs=0
    )
    token = httpx.post(str(client.base_url.copy_with(path="/detokenize")), json={"tokens": [100]}).json()["prompt"]
    assert answer.choices[0].text == token * 3 or answer.choices[0].text == "\ufffd" * 3


def test_embeddings_are_the_same_as_floats_and_as_base64(client: openai.OpenAI, address: str) -> None:
    found = client.embeddings.create(model=CHAT, input=["the fox", "a dog", "the fox"])
    vectors = [item.embedding for item in found.data]
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-6) and vectors[0] != vectors[1]
    assert sum(value * value for value in vectors[0]) == pytest.approx(1, abs=1e-4)
    body = {"model": CHAT, "input": "the fox"}
    raw = httpx.post(f"{address}/v1/embeddings", json=body | {"encoding_format": "base64"}).json()
    packed = base64.b64decode(raw["data"][0]["embedding"])
    assert struct.unpack(f"<{len(packed) // 4}f", packed) == pytest.approx(vectors[0], abs=1e-6)
    plain = httpx.post(f"{address}/v1/embeddings", json=body).json()
    assert plain["data"][0]["embedding"] == pytest.approx(vectors[0], abs=1e-6) and plain["usage"]["prompt_tokens"] > 1


def test_models_are_listed_with_what_they_are(client: openai.OpenAI) -> None:
    listed = client.models.list().data
    assert [model.id for model in listed] == [CHAT, BASE]
    assert [model.model_dump()["kind"] for model in listed] == ["chat", "text"]
    one = client.models.retrieve(CHAT)
    assert one.created == 1_700_000_000 and one.model_dump()["max_model_len"] == CONTEXT


def test_errors_are_the_exceptions_that_clients_know(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert unknown.value.code == "model_not_found" and unknown.value.param == "model"
    assert unknown.value.request_id
    with pytest.raises(openai.BadRequestError) as base:
        client.chat.completions.create(model=BASE, messages=HELLO)
    assert base.value.code == "no_chat_template" and "/v1/completions" in base.value.message
    with pytest.raises(openai.BadRequestError) as long:
        client.completions.create(model=BASE, prompt="fox " * 500)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError) as moderation:
        client.moderations.create(input="hello")
    assert moderation.value.code == "moderation_not_configured"


def test_a_conversation_that_is_too_long_names_the_context(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": "fox " * 500}])
    assert long.value.code == "context_length_exceeded" and f"{CONTEXT} tokens" in long.value.message
    with pytest.raises(openai.BadRequestError) as much:
        client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=100_000)
    assert much.value.code == "context_length_exceeded" and much.value.param == "max_tokens"


def test_the_client_tries_again_when_the_server_is_busy() -> None:
    speaker = Scripted(places=0)

    def free_soon(response: httpx.Response) -> None:
        statuses.append(response.status_code)
        speaker.places = 1

    statuses: list[int] = []
    with running(create_app({CHAT: speaker})) as address:
        http = httpx.Client(event_hooks={"response": [free_soon]})
        with openai.OpenAI(base_url=f"{address}/v1", api_key="x", max_retries=1, http_client=http) as retrying:
            answer = retrying.chat.completions.create(model=CHAT, messages=HELLO, extra_headers={"x-test": "1"})
    assert answer.choices[0].message.content == "Hello there." and statuses == [429, 200]


def test_an_error_inside_a_stream_reaches_the_client() -> None:
    speaker = Scripted(["Hello", RuntimeError("a secret of the inside")])
    with running(create_app({CHAT: speaker})) as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0)
        stream = client.chat.completions.create(model=CHAT, messages=HELLO, stream=True)
        said = []
        with pytest.raises(openai.APIError) as broken:
            for chunk in stream:
                said.append(chunk.choices[0].delta.content)
        client.close()
    assert said == ["", "Hello"] and "secret" not in str(broken.value) and broken.value.code == "internal_error"


def test_the_asynchronous_client_has_many_streams_at_once(address: str) -> None:
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0) as client:

            async def one(seed: int) -> str:
                stream = await client.chat.completions.create(
                    model=CHAT, messages=HELLO, max_tokens=12, seed=seed, stream=True
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(one(seed % 3) for seed in range(12)))

    said = asyncio.run(ask())
    assert said[:3] * 4 == said and len(set(said)) == 3


def test_a_second_turn_finds_the_first_in_the_cache(client: openai.OpenAI) -> None:
    turns = [{"role": "user", "content": "the quick brown fox jumps over the lazy dog. " * 2}]
    client.chat.completions.create(model=CHAT, messages=turns, max_tokens=2, seed=1)  # type: ignore[arg-type]
    again = client.chat.completions.create(model=CHAT, messages=turns, max_tokens=2, seed=2)  # type: ignore[arg-type]
    assert again.usage is not None and again.usage.prompt_tokens_details is not None
    cached = again.usage.prompt_tokens_details.cached_tokens or 0
    assert 0 < cached <= again.usage.prompt_tokens

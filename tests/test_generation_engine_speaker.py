"""Many requests at once: each is answered as if it were alone, whoever comes, goes, fails or hangs up."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from chatwright.errors import ConfigError, InputError, ResourceError
from chatwright.generation.prefix import Prefixes
from chatwright.generation.rows import Row
from chatwright.generation.sampling import Sampling, choose
from chatwright.generation.scheduler import Scheduler
from chatwright.generation.speaker import Busy, EngineSpeaker, Request
from chatwright.models.heads import LanguageModel
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.text.conversation import Conversation
from tiny import language_model, tokenizer, watch, world_of

CONTEXT = 96
LONERS = {}


def model_of(kind="transformer", **changes):
    if kind == "transformer":
        return language_model(tokenizer().size, CONTEXT, **changes)
    torch.manual_seed(0)
    return LanguageModel(Recurrent(RecurrentConfig(vocabulary=tokenizer().size, width=32, layers=2, context=CONTEXT)))


def speaker_of(kind="transformer", *, model=None, **settings):
    return EngineSpeaker(model or model_of(kind), tokenizer(), world_of(), **settings)


class Heard:
    """What was delivered for one request."""

    def __init__(self, speaker, request):
        self.pieces, self.error, self.over = [], None, threading.Event()
        self.ticket = speaker.submit(request, self.hear)

    def hear(self, piece):
        if isinstance(piece, Exception):
            self.error = piece
        else:
            self.pieces.append(piece)
        if self.error is not None or piece.finish_reason is not None:
            self.over.set()

    def wait(self):
        assert self.over.wait(30), "no end was delivered"
        return self

    @property
    def tokens(self):
        return [token for piece in self.pieces for token in piece.tokens]

    @property
    def logps(self):
        return [logp for piece in self.pieces for logp in piece.logps]

    @property
    def said(self):
        return (self.tokens, "".join(piece.text for piece in self.pieces), self.pieces[-1].finish_reason)


def alone(model, request):
    """One engine for each model that answers one request at a time and remembers nothing."""
    if model not in LONERS:
        LONERS.clear()
        LONERS[model] = speaker_of(model=model, slots=1)
        LONERS[model]._scheduler.prefixes.limit = 0
    return Heard(LONERS[model], request).wait()


def mixed_requests(count, seed=0):
    """Requests of every kind: chats with shared beginnings, texts, tokens; all settings at random."""
    rng = np.random.default_rng(seed)
    systems = ["the quick brown fox jumps over the lazy dog", "Grüße an die schöne Müllerin. Be kind.", None]
    requests = []
    for number in range(count):
        sampling = Sampling(
            temperature=float(rng.choice([0.0, 0.7, 1.0, 1.5])),
            top_k=int(rng.choice([0, 0, 5, 80])),
            top_p=float(rng.choice([1.0, 1.0, 0.8])),
            min_p=float(rng.choice([0.0, 0.0, 0.05])),
            presence_penalty=float(rng.choice([0.0, 0.0, 1.1])),
            frequency_penalty=float(rng.choice([0.0, 0.0, 0.6])),
            repetition_penalty=float(rng.choice([1.0, 1.0, 1.3])),
            logit_bias=((20, 3.0), (30, -50.0)) if rng.random() < 0.2 else (),
            max_tokens=int(rng.integers(1, 14)),
        )
        kind = number % 3
        words = "the lazy fox " * int(rng.integers(1, 3))
        given = (
            {"conversation": Conversation.of(words, system=systems[int(rng.integers(3))])},
            {"text": systems[int(rng.integers(2))] + words},
            {"tokens": tuple(rng.integers(3, 280, size=int(rng.integers(1, 60))).tolist())},
        )[kind]
        extra = {"top": 3 if rng.random() < 0.3 else 0, "stop": ("e", "ox") if rng.random() < 0.2 else ()}
        requests.append(
            Request(sampling=sampling, seed=number * 31, ignore_end=bool(rng.random() < 0.2), **given, **extra)
        )
    return requests


@pytest.mark.parametrize("kind, count", [
    ("transformer", 50),
    ("lstm", 40),
    pytest.param("transformer", 200, marks=pytest.mark.slow),
])  # fmt: skip
def test_batched_is_alone_is_cached_is_prefix_shared_token_for_token(kind, count):
    model, requests = model_of(kind), mixed_requests(count)
    wanted = [alone(model, request) for request in requests]
    speaker = speaker_of(model=model, slots=9, prefill_chunk=40)
    ways = {
        "batched": [heard.wait() for heard in [Heard(speaker, request) for request in requests]],
        "cached": [heard.wait() for heard in [Heard(speaker, request) for request in requests]],
    }
    shared = [replace(requests[n], seed=requests[n].seed) for n in range(0, count, 4) for _ in range(3)]
    for name, found in ways.items():
        for request, own, other in zip(requests, found, wanted, strict=True):
            assert own.said == other.said, (name, request)
            np.testing.assert_allclose(own.logps, other.logps, atol=1e-4)
            for ours, theirs in zip(own.pieces, other.pieces, strict=True):
                assert [len(top) for top in ours.top] == [len(top) for top in theirs.top]
    thrice = [heard.wait() for heard in [Heard(speaker, request) for request in shared]]
    assert [heard.said for heard in thrice] == [wanted[n].said for n in range(0, count, 4) for _ in range(3)]
    hits = sum(heard.pieces[0].cached_tokens for heard in ways["cached"])
    if kind == "transformer":  # another memory is known at the ends of prompts and answers only
        assert hits > 0.5 * sum(heard.pieces[0].prompt_tokens for heard in ways["cached"])
        assert speaker.stats().prefix_hits >= hits
    assert "length" in {heard.pieces[-1].finish_reason for heard in wanted}


@pytest.mark.parametrize("kind", ["transformer", "lstm"])
def test_a_chat_goes_on_from_the_memory_of_its_last_turn(kind):
    model = model_of(kind)
    speaker = speaker_of(model=model)
    first = Conversation.of("the quick brown fox", system="Be kind to everyone, the lazy dog too.")
    request = Request(conversation=first, sampling=Sampling(temperature=0, max_tokens=6), seed=1, ignore_end=True)
    heard = Heard(speaker, request).wait()
    used = heard.pieces[0].prompt_tokens
    assert heard.pieces[0].cached_tokens == 0
    following = (*speaker.prompt(request), *heard.tokens, 2, 4, 60, 70, 2, 5)
    again = Request(tokens=following, sampling=Sampling(temperature=0, max_tokens=6))
    cached = Heard(speaker, again).wait()
    assert cached.pieces[0].cached_tokens == used + 5  # the last token said was never read
    fresh = alone(model, again)
    assert cached.said == fresh.said
    np.testing.assert_allclose(cached.logps, fresh.logps, atol=1e-4)
    salted = Heard(speaker, replace(again, cache_salt="another")).wait()
    assert salted.pieces[0].cached_tokens == 0 and salted.said == fresh.said


def test_remembered_prefixes_stay_within_their_bytes_and_the_least_used_go_first():
    backbone = model_of().backbone

    def state_after(tokens):
        state = backbone.start(1)
        with torch.no_grad():
            backbone(torch.tensor([tokens]), state)
        return state.cut(0, len(tokens))

    one = [7] * 40
    size = state_after(one).token_bytes * 40
    prefixes = Prefixes(3 * (size + 8))
    texts = [[number, *one[1:]] for number in range(10, 15)]
    for tokens in texts[:3]:
        prefixes.add(tokens, state_after(tokens))
    assert prefixes.find([*texts[0], 9])[1] == 40  # used again, so the second one goes
    prefixes.add(texts[3], state_after(texts[3]))
    assert prefixes.size <= prefixes.limit and len(prefixes) == 3
    assert prefixes.find([*texts[1], 9]) is None and prefixes.find([*texts[0], 9]) is not None
    assert prefixes.find(texts[0])[1] == 39  # one token is always left to read
    assert prefixes.find(texts[0], "salt") is None
    assert prefixes.find([*texts[0][:20], 99, 98])[1] == 20
    assert prefixes.find([*texts[0][:8], 99, 98]) is None  # too little to be worth a copy


def test_a_long_prompt_stalls_running_streams_by_one_piece_at_most(monkeypatch):
    model, read = model_of(), []
    watch(monkeypatch, model, lambda tokens: read.append(tuple(tokens.shape)))
    scheduler = Scheduler(model, torch.device("cpu"), vocabulary=10**9, slots=8, prefill_chunk=10, cache_bytes=1 << 22)
    from chatwright.generation.rows import Row

    runners = [Row([5 + n, 6, 7], Sampling(temperature=1.0), n, 30) for n in range(3)]
    for row in runners:
        scheduler.add(row)
    scheduler.step()
    long = Row([9] * 75, Sampling(temperature=1.0), 7, 5)
    short = Row([8] * 4, Sampling(temperature=1.0), 8, 5)
    scheduler.add(long)
    scheduler.add(short)
    steps = 0
    while not long.tokens:
        before, read[:] = [len(row.tokens) for row in runners], []
        scheduler.step()
        steps += 1
        assert [len(row.tokens) for row in runners] == [count + 1 for count in before]
        assert sum(rows * length for rows, length in read if length > 1) <= 10
    assert steps == 9  # eight pieces, and one for the short prompt, which does not wait for the long one
    assert len(short.tokens) >= 5
    assert runners[0].tokens[:3]


def test_cancelling_frees_the_slot_before_the_next_token(monkeypatch):
    model, sizes = model_of(), []
    speaker = speaker_of(model=model, slots=1)
    hold, started = threading.Event(), threading.Event()

    def slowly(tokens):
        sizes.append(len(tokens))
        started.set()
        hold.wait(10)

    watch(monkeypatch, model, slowly)
    request = Request(text="the", sampling=Sampling(max_tokens=60), ignore_end=True)
    first = Heard(speaker, request)
    assert started.wait(10)
    second = Heard(speaker, replace(request, sampling=Sampling(max_tokens=1)))
    first.ticket.cancel()  # while its prompt is being read
    hold.set()
    assert first.wait().pieces[-1].finish_reason == "cancelled"
    assert second.wait().pieces[-1].finish_reason == "length"
    assert len(first.tokens) <= 1 and len(sizes) == 2
    assert speaker.close(timeout=10) and speaker.stats().running == speaker.stats().waiting == 0


def slow_model(monkeypatch):
    """A model that takes its time, so that whoever cancels comes before the end however busy the machine is."""
    model = model_of()
    watch(monkeypatch, model, lambda _: time.sleep(0.05))
    return model


def test_closing_a_stream_cancels_the_answer(monkeypatch):
    speaker = speaker_of(model=slow_model(monkeypatch))
    stream = speaker.stream(Request(text="the", sampling=Sampling(max_tokens=90), ignore_end=True, seed=1))
    next(stream)
    stream.close()
    assert speaker.close(timeout=10)
    assert speaker.stats().generated_tokens < 90 and list(stream) == []


def test_a_flood_is_turned_away_and_memory_stays_within_its_bytes(monkeypatch):
    model, most = model_of(), []
    speaker = speaker_of(model=model, slots=64, queue=20, cache_bytes=400_000)
    scheduler = speaker._scheduler
    hold = threading.Event()
    watch(monkeypatch, model, lambda _: hold.wait(10))
    request = Request(tokens=(5,) * 40, sampling=Sampling(max_tokens=20), ignore_end=True)
    accepted, refused = [], 0
    for number in range(300):
        try:
            accepted.append(Heard(speaker, replace(request, seed=number)))
        except Busy as busy:
            refused += 1
            assert "try again later" in str(busy)
    assert refused >= 300 - 20 - 2 * 64 and refused > 0
    per_token = model.backbone.start(1).token_bytes

    def measure(*_):
        state = scheduler.state
        if state is not None:
            most.append(state.room * state.capacity * per_token + scheduler.prefixes.size)

    watch(monkeypatch, model, measure)
    hold.set()
    assert all(heard.wait().pieces[-1].finish_reason == "length" for heard in accepted)
    assert 0 < max(most) <= 400_000


def test_a_cache_that_is_too_small_for_the_context_shortens_it_and_says_so():
    model = language_model(tokenizer().size, 512)
    per_token = model.backbone.start(1).token_bytes
    speaker = speaker_of(model=model, cache_bytes=int(200 * per_token / 0.75))
    assert speaker.context == 192 and "192 of the 512 tokens" in speaker.limit and "--cache" in speaker.limit
    full = Request(tokens=(5,) * 100, sampling=Sampling(max_tokens=500), ignore_end=True)
    assert len(Heard(speaker, full).wait().tokens) == 92
    prompt = Request(tokens=(5,) * 192, sampling=Sampling(max_tokens=1), ignore_end=True)
    assert len(Heard(speaker, prompt).wait().tokens) == 1
    with pytest.raises(InputError, match="193 tokens"):
        speaker.submit(replace(prompt, tokens=(5,) * 193), print)
    assert speaker_of(model=model).context == 512 and not speaker_of(model=model).limit
    with pytest.raises(ConfigError, match=r"has no room for 64 tokens of this model; .*--cache"):
        speaker_of(model=model, cache_bytes=60 * per_token)


def test_a_request_that_fails_takes_no_other_with_it(monkeypatch):
    model, poison = model_of(), 77
    wanted = {
        seed: alone(model, Request(tokens=(5, 6, seed), seed=seed, sampling=Sampling(temperature=1.0, max_tokens=12)))
        for seed in range(8, 16)
    }

    def refuse(tokens):
        if bool((tokens == poison).any()):
            raise RuntimeError("the model chokes on this token")

    watch(monkeypatch, model, refuse)
    speaker = speaker_of(model=model, slots=6)
    say_poison = Sampling(temperature=0, logit_bias=((poison, 900.0),), max_tokens=9)
    bad = [
        Heard(speaker, Request(tokens=(9, poison, 4))),  # fails while its prompt is read
        Heard(speaker, Request(tokens=(9, 4, 4), sampling=say_poison)),  # fails at its second token
    ]
    good = {
        seed: Heard(speaker, Request(tokens=(5, 6, seed), seed=seed, sampling=Sampling(temperature=1.0, max_tokens=12)))
        for seed in wanted
    }
    for heard in bad:
        assert "chokes" in str(heard.wait().error)
    for seed, heard in good.items():
        assert heard.wait().said == wanted[seed].said
    assert speaker.close(timeout=10) and speaker.stats().running == 0


def failing_once(function):
    """The same function, but for its first call."""
    calls = []

    def call(*given):
        calls.append(given)
        if len(calls) == 1:
            raise RuntimeError("no memory left")
        return function(*given)

    return call


def scheduler_of(model):
    return Scheduler(model, torch.device("cpu"), vocabulary=280, slots=4, prefill_chunk=64, isolate=True)


def test_prompts_read_together_are_read_again_when_the_output_layer_fails(monkeypatch):
    model = model_of()
    monkeypatch.setattr(model, "logits", failing_once(model.logits))
    scheduler = scheduler_of(model)
    rows = [Row((5, 6, seed), Sampling(temperature=1.0), seed, 4) for seed in (8, 9)]
    for row in rows:
        scheduler.add(row)
    for _ in range(10):
        scheduler.step()
    assert [row.reason for row in rows] == ["length"] * 2


def test_a_prompt_that_was_only_to_be_scored_is_told_of_though_the_step_fails(monkeypatch):
    scheduler = scheduler_of(model_of())
    speaking, scored = Row((5, 6, 7), Sampling(), 1, 9), Row((5, 8), Sampling(), 2, 0, wants_prompt=True)
    scheduler.add(speaking)
    scheduler.step()
    monkeypatch.setattr("chatwright.generation.scheduler.choose", failing_once(choose))
    scheduler.add(scored)
    assert scored in scheduler.step()
    assert [own.token for own in scored.scored] == [5, 8]


def test_a_failure_between_two_steps_does_not_end_the_engine(monkeypatch, caplog):
    monkeypatch.setattr(Scheduler, "_remember", failing_once(Scheduler._remember))
    speaker, request = speaker_of(), Request(text="the", sampling=Sampling(max_tokens=3), ignore_end=True)
    for _ in range(2):
        heard = Heard(speaker, request).wait()
        assert heard.error is None and len(heard.tokens) == 3
        until = time.monotonic() + 5
        while speaker.stats().running and time.monotonic() < until:
            time.sleep(0.01)
    assert caplog.text.count("were dropped") == 1
    assert speaker.close(timeout=10)


def test_where_no_thread_can_be_started_the_request_is_refused_and_the_next_one_tries_again(monkeypatch):
    speaker, request = speaker_of(), Request(text="the", sampling=Sampling(max_tokens=3))
    monkeypatch.setattr(threading.Thread, "start", failing_once(threading.Thread.start))
    with pytest.raises(RuntimeError, match="no memory left"):
        speaker.submit(request, print)
    assert Heard(speaker, request).wait().pieces and speaker.close(timeout=10)


def test_a_listener_that_fails_loses_its_own_answer_only(caplog):
    speaker = speaker_of()

    def broken(_):
        raise ValueError("nobody listens")

    request = Request(text="the fox", sampling=Sampling(max_tokens=9), ignore_end=True)
    speaker.submit(request, broken)
    heard = Heard(speaker, request).wait()
    assert len(heard.tokens) == 9 and "could not be delivered" in caplog.text
    assert speaker.close(timeout=10)


def test_closing_drains_or_cancels_and_takes_no_more(monkeypatch):
    for model, drain, reason in ((model_of(), True, "length"), (slow_model(monkeypatch), False, "cancelled")):
        speaker = speaker_of(model=model, slots=2)
        request = Request(text="the", sampling=Sampling(max_tokens=60), ignore_end=True)
        heard = [Heard(speaker, replace(request, seed=n)) for n in range(5)]
        assert speaker.close(drain=drain, timeout=20)
        reasons = Counter(one.wait().pieces[-1].finish_reason for one in heard)
        assert set(reasons) <= {reason, "length"} and reasons[reason] >= 3
        with pytest.raises(ResourceError, match="has been closed"):
            speaker.submit(request, print)


def test_the_thread_ends_when_nothing_is_asked_and_starts_again(monkeypatch):
    monkeypatch.setattr("chatwright.generation.speaker.IDLE_SECONDS", 0.02)
    speaker = speaker_of()
    request = Request(text="the", sampling=Sampling(max_tokens=2))
    Heard(speaker, request).wait()
    until = time.monotonic() + 5
    while speaker._thread.is_alive() and time.monotonic() < until:
        time.sleep(0.01)
    assert not speaker._thread.is_alive()
    assert Heard(speaker, request).wait().pieces


@pytest.mark.parametrize("kind", ["transformer", "lstm"])
@pytest.mark.parametrize("chunk", [5, 512])
def test_log_probabilities_of_a_prompt_are_those_of_teacher_forcing(kind, chunk):
    model = model_of(kind)
    speaker = speaker_of(model=model, prefill_chunk=chunk)
    tokens = tuple(int(token) for token in np.random.default_rng(1).integers(3, 280, size=CONTEXT))
    request = Request(
        tokens=tokens, prompt_logps=True, top=4, ignore_end=True, sampling=Sampling(temperature=0, max_tokens=1)
    )
    heard = Heard(speaker, request).wait()
    with torch.no_grad():
        logps = model(torch.tensor([tokens]))[0][0].log_softmax(-1)
    scored = heard.pieces[0].prompt
    assert [own.token for own in scored] == list(tokens) and scored[0].logp is None and scored[0].top == ()
    for place, own in enumerate(scored[1:]):
        assert own.logp == pytest.approx(float(logps[place, own.token]), abs=1e-4)
        assert dict(own.top)[own.token] == own.logp  # the same number to the bit
        assert [token for token, _ in own.top[:4]] == logps[place].topk(4).indices.tolist()
        assert len(own.top) in (4, 5)
    assert len(heard.tokens) == 1 and heard.tokens[0] == int(logps[-1].argmax())  # even at the end of the context
    assert heard.logps[0] == pytest.approx(float(logps[-1].max()), abs=1e-4)
    silent = Heard(speaker, replace(request, sampling=Sampling(max_tokens=0))).wait()
    assert len(silent.pieces) == 1 and silent.pieces[0].finish_reason == "length" and silent.tokens == []
    np.testing.assert_allclose([one.logp for one in silent.pieces[0].prompt[1:]], [one.logp for one in scored[1:]])


def test_alternatives_hold_the_chosen_token_with_the_very_same_number():
    heard = Heard(speaker_of(), Request(text="the", top=3, seed=4, sampling=Sampling(temperature=1.5, max_tokens=30)))
    seen = set()
    for piece in heard.wait().pieces:
        for token, logp, top in zip(piece.tokens, piece.logps, piece.top, strict=False):
            assert dict(top)[token] == logp and len(top) in (3, 4)
            assert [value for _, value in top[:3]] == sorted((value for _, value in top[:3]), reverse=True)
            seen.add(len(top))
    assert seen == {3, 4}


def test_the_end_token_is_a_token_like_any_other_if_asked():
    end = tokenizer().end
    sampling = Sampling(temperature=0, logit_bias=((end, 900.0),), max_tokens=3)
    heard = Heard(speaker_of(), Request(text="the", sampling=sampling, ignore_end=True)).wait()
    assert heard.said == ([end] * 3, "", "length")
    ended = Heard(speaker_of(), Request(text="the", sampling=sampling)).wait()
    assert ended.said == ([], "", "stop") and len(ended.logps) == 1


def test_embeddings_are_means_of_the_last_vectors_and_do_not_depend_on_their_neighbours():
    model = model_of()
    speaker = speaker_of(model=model)
    sequences = [[5, 6, 7], [9], list(range(3, 80)), [5, 6]]
    found = speaker.embed(sequences)
    for sequence, own in zip(sequences, found, strict=True):
        with torch.no_grad():
            vectors, _ = model.backbone(torch.tensor([sequence]))
        mean = torch.nn.functional.normalize(vectors[0].mean(0), dim=-1)
        np.testing.assert_allclose(own, mean.tolist(), atol=1e-5)
    assert speaker.embed([]) == []
    with pytest.raises(InputError, match="input 2 has 0 tokens"):
        speaker.embed([[1], []])


def test_settings_that_make_no_engine_are_refused():
    with pytest.raises(ConfigError, match="slots is 0"):
        speaker_of(slots=0)

"""Sampling: the right distribution, the same answer whatever runs beside it, and text that is never torn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chatwright.errors import InputError, TrainingError
from chatwright.generation.engine import Engine
from chatwright.generation.penalties import Said, adjust
from chatwright.generation.sampling import Sampling, pick, seeds_of, uniform
from chatwright.generation.speaker import EngineSpeaker, Request
from chatwright.text.conversation import Conversation, render
from chatwright.training.rollouts import answer_logps, collate
from tiny import language_model, random_tokens, tokenizer, watch, world_of

SMALL = 12
"""A vocabulary in which the end token comes often enough that rows end at different times."""
ENDS = SimpleNamespace(begin=1, end=2, stops=frozenset({2}), size=10**9)


def small_engine(*, shards=1, batch=64, context=64, seed=0):
    return Engine(language_model(SMALL, context, seed=seed), ENDS, world_of(shards), batch=batch)


def prompts_of(count, *, longest=40, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(3, SMALL, size=int(rng.integers(1, longest))).tolist() for _ in range(count)]


# -- choosing a token --------------------------------------------------------------------------------------------------


def drawn(logits, sampling, count=40_000, seed=0):
    random = uniform(np.arange(count, dtype=np.uint64) + np.uint64(seed), np.zeros(count, dtype=np.uint64))
    tokens, logps = pick(torch.tensor(logits).expand(count, -1), sampling, random)
    return tokens, logps


def chi_square(tokens, chances):
    observed = np.bincount(tokens.numpy(), minlength=len(chances)).astype(float)
    expected = len(tokens) * chances
    assert (observed[expected == 0] == 0).all()
    used = expected > 0
    return float(((observed - expected)[used] ** 2 / expected[used]).sum())


LOGITS = [1.0, -0.5, 2.0, 0.3, -2.0, 0.0, 1.5, -1.0]


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_have_the_frequencies_of_the_softmax(temperature):
    tokens, logps = drawn(LOGITS, Sampling(temperature=temperature))
    chances = torch.tensor(LOGITS, dtype=torch.float64).div(temperature).softmax(0)
    assert chi_square(tokens, chances.numpy()) < 24.3  # 0.999 quantile of 7 degrees of freedom
    torch.testing.assert_close(logps.double(), chances.log()[tokens], rtol=1e-5, atol=1e-5)


def test_samples_at_several_places_of_one_row_are_independent():
    seeds, places = np.full(20_000, 7, dtype=np.uint64), np.arange(20_000, dtype=np.uint64)
    numbers = uniform(seeds, places).numpy()
    assert numbers.min() >= 0 and numbers.max() < 1
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.03
    assert chi_square(torch.tensor((numbers * 10).astype(int)), np.full(10, 0.1)) < 27.9
    both = (numbers[:-1:2] * 4).astype(int) * 4 + (numbers[1::2] * 4).astype(int)
    assert chi_square(torch.tensor(both), np.full(16, 1 / 16)) < 37.7


@pytest.mark.parametrize("sampling, allowed", [
    (Sampling(temperature=1.0, top_k=3), [2, 6, 0]),
    (Sampling(temperature=1.0, top_k=1), [2]),
    (Sampling(temperature=1.0, top_k=99), range(8)),
    (Sampling(temperature=1.0, top_p=0.5), [2, 6]),
    (Sampling(temperature=1.0, top_p=1e-9), [2]),
    (Sampling(temperature=1.0, top_p=0.9), [2, 6, 0, 3, 5]),
    (Sampling(temperature=1.0, top_k=3, top_p=0.8), [2, 6]),
])  # fmt: skip
def test_top_k_and_top_p_leave_the_likeliest_tokens_in_proportion(sampling, allowed):
    tokens, logps = drawn(LOGITS, sampling)
    chances = torch.tensor(LOGITS, dtype=torch.float64).softmax(0)
    inside = torch.zeros(8, dtype=torch.float64)
    inside[list(allowed)] = 1
    kept = chances * inside / (chances * inside).sum()
    assert set(tokens.tolist()) <= set(allowed)
    assert chi_square(tokens, kept.numpy()) < 24.3
    torch.testing.assert_close(logps.double(), chances.log()[tokens], rtol=1e-5, atol=1e-5)  # before narrowing


def test_a_token_that_cannot_be_is_never_chosen_even_at_the_edges():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]])
    for random, wanted in ((0.0, 1), (0.4999, 1), (0.5, 3), (1 - 2**-53, 3)):
        tokens, _ = pick(logits, Sampling(temperature=1.0), torch.tensor([random], dtype=torch.float64))
        assert int(tokens) == wanted


def test_temperature_zero_takes_the_likeliest_token_with_its_log_probability():
    tokens, logps = drawn(LOGITS, Sampling(temperature=0), count=5)
    assert tokens.tolist() == [2] * 5
    assert float(logps[0]) == pytest.approx(float(torch.tensor(LOGITS).log_softmax(0)[2]))


def test_a_very_low_temperature_is_nearly_greedy():
    assert set(drawn(LOGITS, Sampling(temperature=0.01))[0].tolist()) == {2}


def test_settings_out_of_range_are_refused():
    for changes, word in (
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"max_tokens": -1}, "max_tokens is -1"),
    ):
        with pytest.raises(InputError, match=word):
            Sampling(**changes)


def test_seeds_of_rows_are_a_function_of_their_numbers_and_far_apart():
    whole = seeds_of(3, 100)
    assert seeds_of(3, 40, start=60) == whole[60:]
    assert len({*whole, *seeds_of(4, 100)}) == 200
    assert all(0 <= seed < 2**63 for seed in whole)
    bits = [bin(one ^ other).count("1") for one, other in zip(whole, whole[1:], strict=False)]
    assert min(bits) > 12


# -- the engine --------------------------------------------------------------------------------------------------------

SIXTY = [n * 7919 + 1 for n in range(60)]


@pytest.mark.parametrize(
    "shards, batch",
    [
        (1, 16),
        (3, 7),
        pytest.param(1, 64, marks=pytest.mark.slow),
        pytest.param(2, 64, marks=pytest.mark.slow),
        pytest.param(2, 10, marks=pytest.mark.slow),
    ],
)
def test_batched_is_alone_token_for_token(shards, batch):
    sampling = Sampling(temperature=1.0, max_tokens=30)
    prompts = prompts_of(60)
    together = small_engine(shards=shards, batch=batch).sample(prompts, sampling, seeds=SIXTY)
    alone = small_engine()
    lengths = Counter()
    for prompt, seed, found in zip(prompts, SIXTY, together, strict=True):
        (own,) = alone.sample([prompt], sampling, seeds=[seed])
        assert found.tokens == own.tokens and found.ended == own.ended
        assert np.abs(np.array(found.logps) - own.logps).max() <= 1e-4
        lengths[len(own.tokens)] += 1
    assert len(lengths) > 8  # the rows did end at different times


def test_the_order_of_requests_makes_no_difference():
    sampling, prompts = Sampling(temperature=1.0, max_tokens=20), prompts_of(20)
    engine = small_engine(batch=6)
    forward = engine.sample(prompts, sampling, seeds=SIXTY[:20])
    backward = engine.sample(prompts[::-1], sampling, seeds=SIXTY[:20][::-1])
    assert [own.tokens for own in forward] == [own.tokens for own in backward[::-1]]


def test_another_seed_gives_another_answer_and_the_same_seed_the_same():
    engine, prompt = small_engine(), [5, 6, 7]
    sampled = engine.sample([prompt] * 6, Sampling(temperature=1.0, max_tokens=20), seeds=[1, 1, 2, 3, 4, 1])
    assert sampled[0].tokens == sampled[1].tokens == sampled[5].tokens
    assert len({tuple(own.tokens) for own in sampled}) == 4


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.6])
def test_stored_log_probabilities_are_those_of_teacher_forcing(temperature):
    engine, prompts = small_engine(batch=8), prompts_of(24)
    sampled = engine.sample(prompts, Sampling(temperature=temperature, max_tokens=25), seeds=SIXTY[:24])
    assert {own.ended for own in sampled} == {True, False}
    answers = [[*own.tokens, *[ENDS.end] * own.ended] for own in sampled]
    for prompt, answer, own in zip(prompts, answers, sampled, strict=True):
        with torch.no_grad():
            logits, _ = engine.model(torch.tensor([prompt + answer]))
        logps = (logits[0, len(prompt) - 1 : -1] / temperature).log_softmax(-1)
        wanted = logps.gather(1, torch.tensor(answer)[:, None]).squeeze(1)
        assert len(own.logps) == len(answer)
        assert float((torch.tensor(own.logps) - wanted).abs().max()) <= 1e-4
    rollout = collate(
        prompts, answers, [own.logps for own in sampled], [own.ended for own in sampled], torch.device("cpu")
    )
    found = answer_logps(engine.model, rollout, temperature=temperature).detach()
    assert float((found - rollout.logps).abs().max()) <= 1e-4
    assert float((found * (1 - rollout.mask)).abs().max()) == 0


def test_greedy_answers_are_those_of_the_likeliest_token_read_from_the_whole_text():
    engine, prompts = small_engine(), prompts_of(8)
    for prompt, own in zip(prompts, engine.sample(prompts, Sampling(temperature=0), seeds=range(8)), strict=True):
        text, wanted = list(prompt), []
        while len(text) < 64:
            with torch.no_grad():
                token = int(engine.model(torch.tensor([text]))[0][0, -1].argmax())
            if token == ENDS.end:
                break
            text.append(token)
            wanted.append(token)
        assert own.tokens == wanted


def test_an_answer_ends_with_the_end_token_or_is_cut_at_its_limit():
    prompts = prompts_of(40)
    for own, prompt in zip(
        small_engine().sample(prompts, Sampling(temperature=1.0, max_tokens=12), seeds=SIXTY[:40]), prompts, strict=True
    ):
        assert ENDS.end not in own.tokens
        assert len(own.logps) == len(own.tokens) + own.ended
        if not own.ended:
            assert len(own.tokens) == min(12, 64 - len(prompt))


def test_rows_that_are_over_leave_the_batch_and_nothing_is_read_after_the_last_token(monkeypatch):
    engine = small_engine()
    prompts = [[3, 4 + n % 5, 3 + n // 5] for n in range(40)]
    sizes = []
    watch(monkeypatch, engine.model, lambda tokens: sizes.append(len(tokens)))
    sampled = engine.sample(prompts, Sampling(temperature=1.0, max_tokens=60), seeds=range(40))
    lengths = [len(own.logps) for own in sampled]
    assert min(lengths) < 4 and max(lengths) > 20
    assert sizes == [40] + [sum(length > step for length in lengths) for step in range(1, max(lengths))]


def test_several_answers_to_one_prompt_read_it_once(monkeypatch):
    engine, read = small_engine(), []
    watch(monkeypatch, engine.model, lambda tokens: read.append(tuple(tokens.shape)))
    prompt = [3, 4, 5, 6] * 5
    sampled = engine.sample([prompt] * 20, Sampling(temperature=1.0, max_tokens=9), seeds=range(20))
    assert read[0] == (1, 20) and all(length == 1 for _, length in read[1:])
    for seed, own in enumerate(sampled):
        assert (
            own.tokens
            == small_engine().sample([prompt], Sampling(temperature=1.0, max_tokens=9), seeds=[seed])[0].tokens
        )


def test_waiting_rows_join_when_there_is_room(monkeypatch):
    engine = small_engine(batch=8)
    sizes = []
    watch(monkeypatch, engine.model, lambda tokens: sizes.append(len(tokens)))
    sampled = engine.sample([[3, 4]] * 40, Sampling(temperature=1.0, max_tokens=30), seeds=range(40))
    assert len(sampled) == 40 and max(sizes) <= 8
    alone = small_engine().sample([[3, 4]] * 40, Sampling(temperature=1.0, max_tokens=30), seeds=range(40))
    assert [own.tokens for own in sampled] == [own.tokens for own in alone]


@pytest.mark.parametrize("batch", [64, pytest.param(16, marks=pytest.mark.slow), 4])
@pytest.mark.parametrize("shards", [1, 2])
def test_a_long_prompt_beside_short_ones_is_answered_up_to_the_end_of_the_context(batch, shards):
    engine = small_engine(batch=batch, shards=shards)
    prompts = [[7] * 62, *[[5] * 5] * 20, [6] * 63, [8] * 40]
    sampled = engine.sample(prompts, Sampling(temperature=1.0, max_tokens=30), seeds=range(len(prompts)))
    alone = small_engine()
    for number, (prompt, own) in enumerate(zip(prompts, sampled, strict=True)):
        (wanted,) = alone.sample([prompt], Sampling(temperature=1.0, max_tokens=30), seeds=[number])
        assert own.tokens == wanted.tokens
        assert len(prompt) + len(own.tokens) <= 64
        assert own.ended or len(own.tokens) == min(30, 64 - len(prompt))


def test_a_row_that_reached_the_end_of_the_context_does_not_hold_up_rows_that_never_end():
    """One row of twenty-one is too few to be worth compacting, but it must not be read on past the context."""
    engine = Engine(language_model(SMALL), SimpleNamespace(stops=frozenset(), size=10**9), world_of())
    prompts = [[7] * 62, *[[7] * 5] * 20]
    sampled = engine.sample(prompts, Sampling(temperature=1.0, max_tokens=30), seeds=range(21))
    assert [len(own.tokens) for own in sampled] == [2] + [30] * 20
    (alone,) = engine.sample([[7] * 5], Sampling(temperature=1.0, max_tokens=30), seeds=[9])
    assert sampled[9].tokens == alone.tokens


def test_prompts_that_cannot_be_continued_are_refused_by_number():
    engine = small_engine()
    for bad in ([], [3] * 64):
        with pytest.raises(InputError, match=f"prompt 2 has {len(bad)} tokens; the model reads 1 to 63"):
            engine.sample([[3], bad], Sampling(), seeds=[0, 1])
    assert engine.sample([], Sampling(), seeds=[]) == []


def test_sampling_leaves_gradients_and_weights_alone():
    engine = small_engine(shards=2)
    before = [weight.detach().clone() for weight in engine.model.parameters()]
    engine.sample(prompts_of(6), Sampling(max_tokens=5), seeds=range(6))
    assert torch.is_grad_enabled()
    assert all(torch.equal(was, weight) for was, weight in zip(before, engine.model.parameters(), strict=True))


def test_chats_are_answered_in_order_and_lose_old_turns_when_they_are_too_long():
    engine = Engine(language_model(tokenizer().size, 48), tokenizer(), world_of())
    long = Conversation.of("the quick brown fox " * 6, "ok", "Hello!")
    short = Conversation.of("Hello!")
    answers = engine.chat([long, short, short], Sampling(temperature=1.0, max_tokens=8), seeds=[5, 5, 6])
    assert [answer.conversation for answer in answers] == [long, short, short]
    assert answers[0].tokens == answers[1].tokens != answers[2].tokens  # what is left of the long one is the short one
    assert all(answer.text == tokenizer().decode(answer.tokens) for answer in answers)
    with pytest.raises(InputError, match="conversation 2: its last message alone is longer than the model's context"):
        engine.chat([short, Conversation.of("x" * 99)], Sampling(), seeds=[1, 2])


# -- the speaker -------------------------------------------------------------------------------------------------------


@dataclass
class Count:
    """The least that a state can be: the tokens read per row."""

    lengths: torch.Tensor

    def take(self, index):
        return Count(self.lengths[index])

    def join(self, other):
        return Count(torch.cat([self.lengths, other.lengths]))


class Scripted:
    """A language model that says fixed tokens, whatever it has read; the state counts what was read."""

    def __init__(self, script, prompt_length, context=256):
        self.script, self.first = [*script], prompt_length
        self.config = SimpleNamespace(context=context, vocabulary=tokenizer().size)
        self.backbone = self
        self.dtype = torch.float32

    def start(self, rows):
        return Count(torch.zeros(rows, dtype=torch.long))

    def parameters(self):
        return []

    def __call__(self, tokens, state, documents=None):
        state.lengths = state.lengths + tokens.shape[1]
        return (state.lengths - self.first)[:, None, None].expand(-1, tokens.shape[1], 1), state

    def logits(self, vectors):
        wanted = torch.tensor([self.script[int(place)] for place in vectors.flatten()])
        return torch.nn.functional.one_hot(wanted, tokenizer().size).float() * 50


def pieces_of(said, *, stop=(), end=True, max_tokens=100, split="bytes"):
    """What a speaker streams when the model says `said`, one byte a token."""
    by_bytes = {piece: number for number, piece in enumerate(tokenizer().pieces) if len(piece) == 1}
    script = [by_bytes[bytes([value])] for value in said] if split == "bytes" else tokenizer().encode(said)
    speaker = EngineSpeaker(Scripted([*script, *[tokenizer().end] * end], 1), tokenizer(), world_of())
    request = Request(text="", sampling=Sampling(temperature=0, max_tokens=max_tokens), stop=stop)
    return list(speaker.stream(request))


def joined(pieces):
    return "".join(piece.text for piece in pieces)


def test_text_comes_as_it_is_said_and_the_last_piece_says_why_it_ended():
    pieces = pieces_of(b"Hello")
    assert [piece.text for piece in pieces] == ["H", "e", "l", "l", "o", ""]
    assert [piece.finish_reason for piece in pieces] == [None] * 5 + ["stop"]
    assert all(len(piece.logps) == 1 for piece in pieces)
    cut = pieces_of(b"Hello", max_tokens=3)
    assert joined(cut) == "Hel" and cut[-1].finish_reason == "length"
    assert [piece.finish_reason for piece in cut[:-1]] == [None] * 3


def test_a_letter_is_held_back_until_all_its_bytes_are_there():
    said = "Größe 👋🏽!"
    pieces = pieces_of(said.encode())
    assert joined(pieces) == said
    assert "�" not in "".join(piece.text for piece in pieces)
    assert {len(piece.text) for piece in pieces} == {0, 1}
    torn = pieces_of("né".encode()[:-1])
    assert joined(torn) == "n�" and torn[-1].text == "�"  # an unfinished letter is owned up to at the very end


@pytest.mark.parametrize("split", ["bytes", "tokens"])
@pytest.mark.parametrize("said, stop, wanted", [
    ("one\nUser: two", ("\nUser:",), "one"),
    ("one\nUse: two", ("\nUser:",), "one\nUse: two"),
    ("aaab", ("aab",), "a"),
    ("ababac", ("abac",), "ab"),
    ("one END two STOP", ("STOP", "END"), "one "),
    ("the fox", ("fox", "the fox"), ""),
    ("Grüße", ("ß",), "Grü"),
    ("no mark here", ("mark!",), "no mark here"),
    ("ends with \nUs", ("\nUser:",), "ends with \nUs"),
])  # fmt: skip
def test_stop_strings_are_found_across_tokens_and_never_shown(said, stop, wanted, split):
    pieces = pieces_of(said.encode() if split == "bytes" else said, stop=stop, split=split)
    assert joined(pieces) == wanted
    assert [piece.finish_reason for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert pieces[-1].finish_reason == "stop"
    shown = ""
    for piece in pieces:  # what has been shown is never taken back
        shown += piece.text
        assert wanted.startswith(shown)


def test_what_may_begin_a_stop_string_is_shown_when_the_answer_is_cut():
    pieces = pieces_of(b"one\nUs and more", stop=("\nUser:",), max_tokens=6)
    assert joined(pieces) == "one\nUs" and pieces[-1].finish_reason == "length"


def speaker_and_engine(context=64):
    model = language_model(tokenizer().size, context)
    return EngineSpeaker(model, tokenizer(), world_of()), Engine(model, tokenizer(), world_of(2), batch=8)


def test_a_speaker_says_what_the_engine_says_for_the_same_seed_in_chats():
    speaker, engine = speaker_and_engine()
    conversations = [Conversation.of("Hello " * (n % 4 + 1), system="Be kind." if n % 2 else None) for n in range(12)]
    sampling = Sampling(temperature=1.0, top_k=80, top_p=0.95, max_tokens=24)
    seeds = [*range(9), 2**62, 2**63 + 11, 2**64 - 1]
    for conversation, seed, answer in zip(
        conversations, seeds, engine.chat(conversations, sampling, seeds=seeds), strict=True
    ):
        pieces = list(speaker.stream(Request(conversation=conversation, sampling=sampling, seed=seed)))
        assert [token for piece in pieces for token in piece.tokens] == answer.tokens
        assert joined(pieces) == answer.text
        assert [logp for piece in pieces for logp in piece.logps] == pytest.approx(answer.logps, abs=1e-4)
        assert (pieces[-1].finish_reason == "stop") == answer.ended


def test_a_speaker_says_what_the_engine_says_for_the_same_seed_in_completions_with_stop_strings():
    speaker, engine = speaker_and_engine()
    sampling, stop = Sampling(temperature=1.0, max_tokens=40), ("e", "x ", "ü")
    texts = ["the quick", "", "the lazy dog. " * 30] * 6
    reasons = Counter()
    for text, seed, answer in zip(
        texts, range(18), engine.complete(texts, sampling, seeds=range(18), stop=stop), strict=True
    ):
        pieces = list(speaker.stream(Request(text=text, sampling=sampling, seed=seed, stop=stop)))
        assert [token for piece in pieces for token in piece.tokens] == answer.tokens
        assert joined(pieces) == answer.text
        assert not any(mark in answer.text for mark in stop)
        assert (pieces[-1].finish_reason == "stop") == answer.ended
        reasons[pieces[-1].finish_reason] += 1
    assert set(reasons) == {"stop", "length"}


@pytest.mark.parametrize("seed", [-1, -(2**70), 2**80 + 3])
def test_any_whole_number_is_a_seed(seed):
    speaker, engine = speaker_and_engine()
    sampling = Sampling(temperature=1.0, max_tokens=5)
    (answer,) = engine.complete(["the"], sampling, seeds=[seed])
    pieces = speaker.stream(Request(text="the", sampling=sampling, seed=seed))
    assert [token for piece in pieces for token in piece.tokens] == answer.tokens


def test_a_speaker_stops_at_the_end_of_the_context():
    speaker, _ = speaker_and_engine(context=24)
    conversation = Conversation.of("the fox")
    used = len(render(conversation, tokenizer(), answer=True))
    pieces = list(speaker.stream(Request(conversation=conversation, sampling=Sampling(temperature=1.0), seed=3)))
    assert pieces[-1].finish_reason == "length"
    assert sum(len(piece.tokens) for piece in pieces) == 24 - used


def test_requests_that_make_no_sense_are_refused():
    speaker, _ = speaker_and_engine()
    for given in ({}, {"conversation": Conversation.of("x"), "text": "x"}, {"text": "x", "tokens": (1,)}):
        with pytest.raises(InputError, match="either a conversation or a text or tokens"):
            Request(**given)
    with pytest.raises(InputError, match="max_tokens is 0, which asks for nothing"):
        Request(text="x", sampling=Sampling(max_tokens=0))
    with pytest.raises(InputError, match="a token of the prompt is outside the vocabulary"):
        list(speaker.stream(Request(tokens=(1, 99_999))))
    for tokens in ((), (5,) * 65):
        with pytest.raises(InputError, match=f"the prompt has {len(tokens)} tokens; the model reads 1 to 64"):
            list(speaker.stream(Request(tokens=tokens)))
    with pytest.raises(InputError, match="the prompt has .* tokens; the model reads 1 to 64"):
        speaker.prompt(Request(text="x " * 99, strict=True))
    turns = Conversation.of("the quick brown fox " * 6, "ok", "Hello!")
    with pytest.raises(InputError, match="the conversation is longer than the model's context"):
        speaker.prompt(Request(conversation=turns, strict=True))
    assert len(speaker.prompt(Request(conversation=turns))) < 64
    with pytest.raises(InputError, match="the last message is longer than the model's context of 64 tokens"):
        list(speaker.stream(Request(conversation=Conversation.of("x" * 99))))


def test_prompts_of_random_tokens_need_not_be_text():
    tokens = random_tokens(1, 5, vocabulary=SMALL)[0].tolist()
    assert small_engine().sample([tokens], Sampling(max_tokens=3), seeds=[0])[0].logps


# -- penalties, bias, many settings in one batch ----------------------------------------------------------------------


def plainly_adjusted(logits, prompt, answer, sampling):
    """The penalties as their definitions say, one token at a time."""
    found = list(logits)
    for token in range(len(found)):
        if token in prompt or token in answer:
            divided = found[token] > 0
            found[token] = (
                found[token] / sampling.repetition_penalty if divided else (found[token] * sampling.repetition_penalty)
            )
        found[token] -= sampling.presence_penalty * (token in answer)
        found[token] -= sampling.frequency_penalty * answer.count(token)
        found[token] += dict(sampling.logit_bias).get(token, 0.0)
    return found


def test_penalties_and_bias_are_those_of_a_plain_implementation():
    rng = np.random.default_rng(0)
    samplings = [
        Sampling(presence_penalty=0.7, frequency_penalty=0.3),
        Sampling(repetition_penalty=1.4),
        Sampling(repetition_penalty=0.8, presence_penalty=-0.5, logit_bias=((3, 2.5), (7, -100.0))),
        Sampling(),
        Sampling(logit_bias=((0, 1.0), (999, 5.0))),  # a token that is not there changes nothing
    ]
    logits = torch.tensor(rng.normal(size=(5, 12)) * 3, dtype=torch.float32)
    rows, wanted = [], []
    for place, sampling in enumerate(samplings):
        prompt, answer = rng.integers(0, 12, size=4).tolist(), rng.integers(0, 12, size=9).tolist()
        said = Said(prompt, sampling) if sampling.is_adjusted else None
        for token in answer:
            if said is not None:
                said.note(token)
        rows.append(said)
        wanted.append(plainly_adjusted(logits[place].tolist(), prompt, answer, sampling))
    before = logits.clone()
    torch.testing.assert_close(adjust(logits, rows), torch.tensor(wanted), rtol=1e-5, atol=1e-5)
    assert torch.equal(logits, before)  # the model's own numbers stay as they were
    assert adjust(logits, [None] * 5) is logits


@pytest.mark.parametrize("size", [40, 6000])
def test_rows_with_settings_of_their_own_choose_as_if_they_were_alone(size):
    rng = np.random.default_rng(1)
    samplings = [
        Sampling(temperature=float(t), top_k=int(k), top_p=float(p), min_p=float(m))
        for t, k, p, m in zip(
            rng.choice([0, 0.5, 1, 2], 64), rng.choice([0, 3, 30, 2000], 64), rng.choice([1, 0.9, 0.3], 64),
            rng.choice([0, 0.1], 64), strict=True,
        )
    ]  # fmt: skip
    logits = torch.tensor(rng.normal(size=(64, size)) * 2, dtype=torch.float32)
    random = torch.tensor(rng.random(64))
    tokens, logps = pick(logits, samplings, random)
    for place, sampling in enumerate(samplings):
        own, logp = pick(logits[place : place + 1], sampling, random[place : place + 1])
        assert int(own) == int(tokens[place]) and float(logp) == pytest.approx(float(logps[place]), abs=1e-6)
        chances = (logits[place].double() / (sampling.temperature or 1)).softmax(0)
        order = chances.argsort(descending=True)
        if sampling.top_k and sampling.temperature:
            assert int(tokens[place]) in order[: sampling.top_k]
        if sampling.min_p and sampling.temperature:
            assert chances[tokens[place]] >= sampling.min_p * chances.max() * (1 - 1e-5)
        if not sampling.temperature:
            assert int(tokens[place]) == int(order[0])


def test_large_vocabularies_are_sampled_like_small_ones():
    """Beyond a few thousand tokens the cumulative sum is taken in strips; the token at a given number is the same."""
    rng = np.random.default_rng(2)
    logits = torch.tensor(rng.normal(size=(200, 9001)) * 3, dtype=torch.float32)
    logits[:, 1000:3000] = -torch.inf
    random = torch.tensor([0.0, 1 - 2**-53, *rng.random(198)])
    tokens, _ = pick(logits, Sampling(temperature=1.0), random)
    edges = logits.log_softmax(-1).exp().double().cumsum(-1)
    wanted = torch.searchsorted(edges, random[:, None] * edges[:, -1:], right=True).squeeze(1).clamp(max=9000)
    assert torch.equal(tokens, wanted)
    assert not ((tokens >= 1000) & (tokens < 3000)).any()


def test_a_model_whose_numbers_are_not_finite_is_said_to_be_damaged():
    engine = small_engine()
    engine.model.backbone.norm.weight.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not finite"):
        engine.sample([[3, 4]], Sampling(), seeds=[0])

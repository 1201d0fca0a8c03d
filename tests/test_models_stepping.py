"""The one-token step: the numbers of the whole model, for every family, and again when it is captured or compiled."""

from __future__ import annotations

import shutil
import weakref

import pytest
import torch

from chatwright.errors import ConfigError, InputError, ResourceError
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling
from chatwright.generation.speaker import EngineSpeaker, Request
from chatwright.models import captured
from chatwright.models.captured import Captured
from chatwright.models.decoding import decoder_of
from chatwright.models.heads import LanguageModel
from chatwright.models.layers import RotaryScaling
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.models.stepping import Step
from tiny import language_model, random_tokens, tokenizer, world_of

FAMILIES = {
    "llama": {},
    "grouped": {"kv_heads": 2, "rotary_base": 500.0},
    "qwen3": {"norm_queries": True, "kv_heads": 1, "head_width": 16, "read_bias": True},
    "gpt2": {
        "norm": "layer", "gated": False, "activation": "gelu_tanh", "positions": "learned", "tied": False,
        "read_bias": True, "write_bias": True, "feed_forward_bias": True,
    },
    "gpt1": {"norm": "layer", "norm_place": "after", "final_norm": False, "activation": "gelu", "positions": "learned"},
    "gpt-j": {"norm": "layer", "parallel": True, "rotary_width": 4, "head_bias": True, "tied": False},
    "gpt-neo": {"windows": (0, 7), "attention_scale": 1.0, "gated": False, "activation": "relu", "positions": "none"},
    "mistral": {"windows": (9,)},
    "scaled": {"embedding_scale": 3.0, "rotary_scaling": RotaryScaling(kind="linear", factor=4.0, magnitude=1.2)},
}  # fmt: skip


def disturbed(**changes) -> LanguageModel:
    """A model in which no norm is 1 and no bias is 0: what is left out would be seen."""
    model = language_model(context=150, **changes).requires_grad_(False)
    for weight in model.parameters():
        if weight.ndim == 1:
            weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(weight)))
    return model


def after_prompts(model, lengths):
    """A state that has read a prompt of each length, and the prompts."""
    tokens = random_tokens(len(lengths), max(lengths))
    documents = torch.where(torch.arange(max(lengths)) < torch.tensor(lengths)[:, None], 0, -1)
    state = model.backbone.start(len(lengths))
    model.backbone(tokens, state, documents=None if len({*lengths}) == 1 else documents)
    state._measure()
    return state, [row[:length].tolist() for row, length in zip(tokens, lengths, strict=True)]


def follow(model, step, lengths, count):
    """Steps beside the whole model reading each row from its beginning: the greatest distance of their logits."""
    state, texts = after_prompts(model, lengths)
    strayed = 0.0
    for place in range(count):
        tokens = random_tokens(len(lengths), seed=place)
        texts = [[*text, token] for text, token in zip(texts, tokens.tolist(), strict=True)]
        found = step(tokens, state)
        for row, text in zip(found, texts, strict=True):
            strayed = max(strayed, float((row - model(torch.tensor([text]))[0][0, -1]).abs().max()))
    assert state.lengths.tolist() == [len(text) for text in texts]
    return strayed


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lengths", [[5], [3, 11, 6], [60, 60]])
def test_a_step_gives_the_logits_of_the_whole_model_for_rows_alone_and_of_any_length(family, lengths):
    model = disturbed(**FAMILIES[family])
    assert follow(model, Step(model.backbone, model.logits, few=0), lengths, 8) < 2e-5


def test_a_step_sees_nothing_of_what_memory_held_before():
    """The places up to the next multiple of 16 are looked at with weight 0: they must hold numbers."""
    model = disturbed()
    state, texts = after_prompts(model, [5, 5])
    state.resize(100, 4)
    for part in (state.keys, state.values):
        part[:, :, :, state.clean :] = float("nan")
        part[:, 2:] = float("nan")
    found = Step(model.backbone, model.logits, few=0)(torch.tensor([1, 2]), state)
    wanted = model(torch.tensor([[*texts[0], 1], [*texts[1], 2]]))[0][:, -1]
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5)


def test_a_step_past_the_end_of_the_context_is_refused():
    model = disturbed()
    state, _ = after_prompts(model, [150])
    with pytest.raises(InputError, match="151 tokens do not fit"):
        Step(model.backbone, model.logits, few=0)(torch.tensor([1]), state)


# -- captured ----------------------------------------------------------------------------------------------------------


class Tape:
    """Stands for CUDA graphs on a CPU: the function runs again, and the result appears where it first did."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, run):
        self.recorded += 1
        result = run()

        def replay():
            self.replayed += 1
            result.copy_(run())

        return replay, result


@pytest.mark.parametrize("family", ["llama", "gpt-neo"])
def test_a_captured_step_reads_new_tokens_from_the_same_memory_and_is_recorded_once_for_a_shape(family):
    model, tape = disturbed(**FAMILIES[family]), Tape()
    step = Captured(Step(model.backbone, model.logits, few=0), tape)
    assert follow(model, step, [3, 11, 6], 8) < 2e-5
    assert (tape.recorded, tape.replayed) == (1, 8)


def test_a_captured_step_follows_the_cache_when_it_moves_and_its_rows_when_they_leave():
    model, tape = disturbed(), Tape()
    step = Captured(Step(model.backbone, model.logits, few=0), tape)
    state, texts = after_prompts(model, [4, 4, 4])
    for place in range(70):  # beyond 64 tokens: another reach, and more room
        tokens = random_tokens(len(texts), seed=place)
        texts = [[*text, token] for text, token in zip(texts, tokens.tolist(), strict=True)]
        found = step(tokens, state)
        if place == 20:
            state.resize(140, 3)
        if place == 40:
            state.keep([0, 2])
            texts = [texts[0], texts[2]]
            found = found[[0, 2]]
    wanted = model(torch.tensor(texts))[0][:, -1]
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5)
    assert 3 <= tape.recorded <= 6 and tape.replayed == 70


def test_a_recording_keeps_the_angles_it_reads_when_longer_ones_take_their_place(monkeypatch):
    monkeypatch.setattr("chatwright.models.transformer.FIRST_POSITIONS", 64)
    model = disturbed()
    step = Step(model.backbone, model.logits, few=0)
    state = after_prompts(model, [4])[0]
    recording = Captured(step, lambda run: (lambda: None, run()))  # like a graph, it keeps no tensor alive
    recording(torch.tensor([1]), state)
    recorded = [weakref.ref(table) for table in step.angles]
    model.backbone.make_room(100)
    step(torch.tensor([1]), state)
    assert recorded and all(table() is not None for table in recorded)
    assert {id(table()) for table in recorded}.isdisjoint(map(id, step.angles))


def test_only_so_many_graphs_are_kept(monkeypatch):
    monkeypatch.setattr(captured, "MOST", 2)
    model, tape = disturbed(), Tape()
    step = Captured(Step(model.backbone, model.logits, few=0), tape)
    for rows in (1, 2, 3, 3, 1):
        step(random_tokens(rows), after_prompts(model, [4] * rows)[0])
    assert len(step._graphs) == 2


# -- compiled ----------------------------------------------------------------------------------------------------------

compiles = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler: nothing can be compiled"
)


@pytest.mark.slow
@compiles
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # PyTorch's compiler uses what PyTorch deprecates
def test_a_compiled_speaker_gives_the_greedy_answers_of_an_eager_one():
    model = language_model(tokenizer().size, 96).requires_grad_(False)
    speaker = EngineSpeaker(model, tokenizer(), world_of(), compiled=True)
    engine = Engine(model, tokenizer(), world_of())
    for length in (1, 9, 30):
        prompt = random_tokens(length, vocabulary=tokenizer().size).tolist()
        asked = Request(tokens=tuple(prompt), sampling=Sampling(temperature=0, max_tokens=60), ignore_end=False)
        said = [token for piece in speaker.stream(asked) for token in piece.tokens]
        (own,) = engine.sample([prompt], Sampling(temperature=0, max_tokens=60), seeds=[0])
        assert said == own.tokens and len(said) > 3


def test_without_a_compiler_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ResourceError, match="install g\\+\\+, or leave compile out"):
        decoder_of(language_model(), compiled=True)


def test_what_cannot_be_compiled_is_refused():
    with pytest.raises(ConfigError, match="choose one of the two"):
        decoder_of(language_model(), "int8", compiled=True)
    recurrent = LanguageModel(Recurrent(RecurrentConfig(vocabulary=40, width=8, layers=1, context=16)))
    with pytest.raises(ConfigError, match="only a Transformer"):
        decoder_of(recurrent, compiled=True)

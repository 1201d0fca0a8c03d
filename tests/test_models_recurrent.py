"""The LSTM language model keeps the same contract as the Transformer: pieces, packing, padding, memory, stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from chatwright.artefacts import load_language_model, save_model
from chatwright.errors import ArtefactError, ConfigError, InputError
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling
from chatwright.models.heads import LanguageModel, as_scalar_model, count_parameters, training_flops_per_token
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.stages.pretrain import PretrainConfig, pretrain
from chatwright.stages.tokenize import TokenizeConfig, tokenize
from chatwright.text.conversation import Conversation
from chatwright.training.batches import Batch
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from tiny import random_tokens, tokenizer, world_of


def lstm(vocabulary: int = 40, context: int = 64, *, seed: int = 0, **changes: object) -> LanguageModel:
    torch.manual_seed(seed)
    shape = {"width": 24, "layers": 2, **changes}
    return LanguageModel(Recurrent(RecurrentConfig(vocabulary=vocabulary, context=context, **shape)))


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=2e-6)


def gradients_of(model, loss):
    return torch.autograd.grad(loss, list(model.parameters()))


@pytest.mark.parametrize("pieces", [[1] * 12, [5, 7], [11, 1], [3, 1, 8]])
def test_reading_in_pieces_is_reading_at_once(pieces):
    model, tokens = lstm(), random_tokens(3, 12)
    with torch.no_grad():
        whole, _ = model(tokens)
        state = model.backbone.start(3)
        parts = []
        for piece in tokens.split(pieces, dim=1):
            logits, state = model(piece, state)
            parts.append(logits)
    close(torch.cat(parts, dim=1), whole)
    assert state.lengths.tolist() == [12, 12, 12] and state.longest == 12


def test_it_computes_what_the_equations_of_an_lstm_say():
    model, tokens = lstm(layers=1), random_tokens(2, 6)
    weights = {name.split(".")[-1]: weight for name, weight in model.backbone.blocks.named_parameters()}
    hidden = cell = torch.zeros(2, 24)
    found, _ = model.backbone(tokens)
    for place in range(6):
        x = model.backbone.embedding.weight[tokens[:, place]] * 24**0.5
        gates = x @ weights["weight_ih_l0"].T + hidden @ weights["weight_hh_l0"].T
        write, keep, new, show = (gates + weights["bias_ih_l0"] + weights["bias_hh_l0"]).chunk(4, dim=1)
        cell = keep.sigmoid() * cell + write.sigmoid() * new.tanh()
        hidden = show.sigmoid() * cell.tanh()
        close(found[:, place], hidden)


def test_rows_of_different_lengths_are_read_on_as_if_each_were_alone():
    model, lengths = lstm(), [7, 2, 4]
    tokens, following = random_tokens(3, 7), random_tokens(3, 5, seed=1)
    documents = torch.where(torch.arange(7) < torch.tensor(lengths)[:, None], 0, -1)
    ragged = torch.tensor([[0, 0, 0, -1, -1], [0, 0, 0, 0, 0], [-1, -1, -1, -1, -1]])
    last = random_tokens(3, 1, seed=2)
    with torch.no_grad():
        _, state = model(tokens, model.backbone.start(3), documents=documents)
        assert state.lengths.tolist() == lengths
        second, state = model(following, state, documents=ragged)
        assert state.lengths.tolist() == [10, 7, 4]
        third, state = model(last, state)
        for row, (length, more) in enumerate(zip(lengths, [3, 5, 0], strict=True)):
            own = torch.cat([tokens[row, :length], following[row, :more], last[row]])[None]
            alone, _ = model(own)
            close(second[row, :more], alone[0, length : length + more])
            close(third[row, 0], alone[0, -1])
        nothing = torch.full((3, 2), -1)
        before = state.hidden.clone()
        _, state = model(random_tokens(3, 2), state, documents=nothing)
        assert torch.equal(state.hidden, before) and state.lengths.tolist() == [11, 8, 5]


def test_packed_documents_are_separate_documents():
    model = lstm().double()
    model.backbone.dtype = torch.float64
    one, two, three = random_tokens(1, 4), random_tokens(1, 7, seed=1), random_tokens(1, 5, seed=2)
    packed = torch.tensor([[*one[0], *two[0]], [*three[0], *[0] * 6]])
    documents = torch.tensor([[0] * 4 + [1] * 7, [0] * 5 + [-1] * 6])
    logits, _ = model(packed, documents=documents)
    apart = [model(own)[0] for own in (one, two, three)]
    for found, wanted in zip([logits[:1, :4], logits[:1, 4:], logits[1:, :5]], apart, strict=True):
        close(found, wanted)
    together = logits[0].square().sum() + logits[1, :5].square().sum()
    separate = sum(own.square().sum() for own in apart)
    for found, wanted in zip(gradients_of(model, together), gradients_of(model, separate), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def test_padding_changes_neither_loss_nor_gradient_whatever_it_holds():
    model, tokens = lstm(), random_tokens(2, 9)
    bare = Batch(tokens[:, :-1], tokens[:, 1:], torch.ones(2, 8), torch.zeros(2, 8, dtype=torch.long))
    loss, weight = language_loss(model, bare)
    wanted = gradients_of(model, loss)
    for fill in (0, 39):
        padded = Batch(
            torch.nn.functional.pad(bare.tokens, (0, 6), value=fill),
            torch.nn.functional.pad(bare.targets, (0, 6), value=fill),
            torch.nn.functional.pad(bare.weights, (0, 6)),
            torch.nn.functional.pad(bare.documents, (0, 6), value=-1),
        )
        other, other_weight = language_loss(model, padded)
        assert float(weight) == float(other_weight) == 16
        close(other, loss)
        for found, own in zip(gradients_of(model, other), wanted, strict=True):
            torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)


def test_packed_documents_cannot_be_read_into_a_state():
    model = lstm()
    with torch.no_grad(), pytest.raises(InputError, match="one document per row"):
        model(random_tokens(1, 4), model.backbone.start(1), documents=torch.tensor([[0, 0, 1, 1]]))


# -- memory ------------------------------------------------------------------------------------------------------------


def ragged_state(model, lengths, seed=0):
    longest = max(lengths)
    tokens = random_tokens(len(lengths), longest, seed=seed)
    documents = torch.where(torch.arange(longest) < torch.tensor(lengths)[:, None], 0, -1)
    with torch.no_grad():
        _, state = model(tokens, model.backbone.start(len(lengths)), documents=documents)
    return [own[:length].tolist() for own, length in zip(tokens, lengths, strict=True)], state


def continues(model, state, texts, seed=5):
    """Every row of `state` goes on as the text in the same place would."""
    following = random_tokens(len(texts), 1, seed=seed)
    with torch.no_grad():
        found, _ = model(following, state)
        for row, text in enumerate(texts):
            alone, _ = model(torch.tensor([[*text, int(following[row, 0])]]))
            close(found[row, 0], alone[0, -1])


def test_rows_of_a_state_are_taken_joined_and_repeated():
    model = lstm()
    texts, state = ragged_state(model, [6, 3, 9])
    more, other = ragged_state(model, [40], seed=7)
    taken = state.take(torch.tensor([2, 0, 2]))
    assert (taken.lengths.tolist(), taken.longest) == ([9, 6, 9], 9)
    continues(model, taken, [texts[2], texts[0], texts[2]])
    assert len(state.take(torch.empty(0, dtype=torch.long)).lengths) == 0
    joined = state.join(other)
    assert (joined.lengths.tolist(), joined.longest) == ([6, 3, 9, 40], 40)
    continues(model, joined, texts + more)
    copies = state.repeat(2)
    assert copies.lengths.tolist() == [6, 6, 3, 3, 9, 9]
    continues(model, copies, [text for text in texts for _ in range(2)])
    continues(model, state, texts)  # what was made from it did not change it


def test_a_detached_state_cuts_the_gradient_and_remembers_the_same():
    model, tokens = lstm(), random_tokens(1, 8)
    _, state = model(tokens[:, :4], model.backbone.start(1))
    cut = state.detach()
    assert state.hidden.requires_grad and not cut.hidden.requires_grad and not cut.cell.requires_grad
    assert cut.lengths.tolist() == [4] and cut.longest == 4
    with torch.no_grad():
        close(model(tokens[:, 4:], cut)[0], model(tokens)[0][:, 4:])


# -- settings ----------------------------------------------------------------------------------------------------------


def test_sizes_that_cannot_be_are_refused():
    for changes, word in (({"layers": 0}, "at least 1"), ({"dropout": 1.0}, "dropout is 1.0"), ({"width": 0}, "at")):
        with pytest.raises(ConfigError, match=word):
            lstm(**changes)


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_and_operations_are_counted_as_the_formulas_say(tied):
    model = lstm(tied=tied)
    matrices = 2 * 8 * 24**2 + 40 * 24
    assert count_parameters(model) == matrices + 2 * 8 * 24 + (0 if tied else 40 * 24)
    assert training_flops_per_token(model, 16) == training_flops_per_token(model, 64) == 6 * matrices


def test_dropout_thins_training_only_and_draws_the_same_however_rows_are_divided():
    model, tokens = lstm(dropout=0.4), random_tokens(4, 10)
    first, _ = model(tokens)
    again, _ = model(tokens)
    assert torch.equal(first, again)
    close(torch.cat([model(part)[0] for part in tokens.split(2)]), first)
    assert not torch.allclose(model(random_tokens(4, 10, seed=1))[0], first, atol=1e-3)
    with torch.no_grad():
        plain, _ = lstm()(tokens)
        close(model(tokens)[0], plain)
    assert not torch.allclose(first, plain, atol=1e-3)


def test_bfloat16_flows_out_while_the_recurrence_stays_float32():
    model, tokens = lstm(), random_tokens(2, 10)
    exact, _ = model(tokens)
    model.backbone.dtype = torch.bfloat16
    near, state = model(tokens, model.backbone.start(2))
    assert near.dtype == torch.bfloat16 and state.hidden.dtype == torch.float32
    torch.testing.assert_close(near.float(), exact, rtol=0.05, atol=0.05)


# -- with the other parts ----------------------------------------------------------------------------------------------


def test_training_lowers_the_loss_and_two_threads_learn_the_same_as_one():
    losses = {}
    for shards in (1, 2):
        model = lstm(vocabulary=12)
        optimizer = Optimizer([model], Schedule(steps=30), learning_rate=0.02)

        def batches(step: int) -> Batch:
            rows = (torch.arange(17) * 3 + step + torch.arange(4)[:, None]) % 12  # every token tells the next
            return Batch(rows[:, :-1], rows[:, 1:])

        steps = train_steps(model, batches, language_loss, optimizer, until=30, world=world_of(shards))
        losses[shards] = [step.loss for step in steps]
    assert losses[1][0] > 2 and losses[1][-1] < 0.8
    assert losses[2] == pytest.approx(losses[1], rel=1e-3)


def test_a_saved_model_is_loaded_bit_for_bit_and_a_wrong_shape_is_named(tmp_path: Path):
    words = tokenizer()
    model = lstm(vocabulary=words.size, dropout=0.1)
    save_model(tmp_path / "model", model, words)
    described = json.loads((tmp_path / "model" / "model.json").read_text())
    assert described["backbone"]["kind"] == "recurrent"
    loaded, _ = load_language_model(tmp_path / "model", precision="fp32")
    tokens = random_tokens(2, 9)
    with torch.no_grad():
        assert torch.equal(loaded(tokens)[0], model(tokens)[0])
    described["backbone"]["heads"] = 4
    (tmp_path / "model" / "model.json").write_text(json.dumps(described))
    with pytest.raises(ArtefactError, match="heads is no setting of a recurrent"):
        load_language_model(tmp_path / "model")


def test_a_scalar_model_reads_with_a_copy_of_the_backbone():
    language, tokens = lstm(), random_tokens(2, 6)
    scalar = as_scalar_model(language)
    with torch.no_grad():
        assert torch.equal(scalar.backbone(tokens)[0], language.backbone(tokens)[0])
    assert scalar(tokens)[0].shape == (2, 6)


def test_the_engine_answers_many_as_it_answers_each_alone():
    words = tokenizer()
    engine = Engine(lstm(vocabulary=words.size, seed=3).requires_grad_(False), words, world_of(), batch=4)
    asked = [
        Conversation.of(text) for text in ("the quick", "a", "Grüße an die Müllerin", "fox fox fox", "dog", "lazy")
    ]
    sampling = Sampling(temperature=1.0, max_tokens=24)
    together = engine.chat(asked, sampling, seeds=range(6))
    for seed, (conversation, answer) in enumerate(zip(asked, together, strict=True)):
        (alone,) = engine.chat([conversation], sampling, seeds=[seed])
        assert alone.tokens == answer.tokens and len(answer.tokens) > 0
        assert alone.logps == pytest.approx(answer.logps, abs=1e-4)


def test_pretrain_learns_an_lstm_when_asked(tmp_path: Path):
    (tmp_path / "texts").mkdir()
    for number in range(40):
        (tmp_path / "texts" / f"{number}.txt").write_text(
            f"The {number}th dog sat on the mat and saw the red fox. " * 12
        )
    tokens = tokenize(TokenizeConfig(out=tmp_path / "tokens", texts=[str(tmp_path / "texts")], vocabulary=300))
    settings = {"tokens": tokens, "family": "lstm", "width": 32, "depth": 1, "context": 32, "window": 32}
    folder = pretrain(
        PretrainConfig(out=tmp_path / "base", steps=40, batch=8, learning_rate=0.02, threads=1, **settings)
    )
    summary = json.loads((folder / "receipt.json").read_text())["summary"]
    assert summary["bits_per_byte"] < 0.7 * summary["untrained_bits_per_byte"]
    assert load_language_model(folder)[0].backbone.config.layers == 1
    with pytest.raises(ConfigError, match="heads is no setting of the family lstm"):
        PretrainConfig(out=tmp_path / "other", heads=4, **settings)
    with pytest.raises(ConfigError, match="choose transformer or lstm"):
        PretrainConfig(out=tmp_path / "other", tokens=tokens, family="gru")

"""The Transformer: pieces, packing, padding and memory change nothing about what it computes."""

from __future__ import annotations

import pytest
import torch

from chatwright.errors import ConfigError, InputError
from chatwright.models import layers, transformer
from chatwright.models.heads import as_scalar_model, count_parameters, training_flops_per_token
from chatwright.models.transformer import TransformerConfig
from chatwright.training.batches import Batch
from chatwright.training.losses import language_loss
from tiny import config_of, language_model, random_tokens, scalar_model

SHAPES = {
    "plain": {},
    "grouped heads": {"kv_heads": 2},
    "one key head": {"kv_heads": 1},
    "query norm": {"norm_queries": True},
    "grouped heads, query norm, untied": {"kv_heads": 2, "norm_queries": True, "tied": False},
}
shaped = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=2e-6)


def precise(model):
    """The same model in float64, where rounding hides nothing."""
    model.double()
    model.backbone.dtype = torch.float64
    return model


def gradients_of(model, loss):
    return torch.autograd.grad(loss, list(model.parameters()))


@shaped
@pytest.mark.parametrize("pieces", [[1] * 12, [5, 7], [11, 1], [3, 1, 8]])
def test_reading_in_pieces_is_reading_at_once(shape, pieces):
    model, tokens = language_model(**shape), random_tokens(3, 12)
    with torch.no_grad():
        whole, _ = model(tokens)
        state = model.backbone.start(3)
        parts = []
        for piece in tokens.split(pieces, dim=1):
            logits, state = model(piece, state)
            parts.append(logits)
    close(torch.cat(parts, dim=1), whole)
    assert state.lengths.tolist() == [12, 12, 12]


def test_rows_of_different_lengths_are_read_on_as_if_each_were_alone():
    model, lengths = language_model(kv_heads=2), [7, 2, 4]
    tokens, following = random_tokens(3, 7), random_tokens(3, 5, seed=1)
    documents = torch.where(torch.arange(7) < torch.tensor(lengths)[:, None], 0, -1)
    ragged = torch.tensor([[0, 0, 0, -1, -1], [0, 0, 0, 0, 0], [0, -1, -1, -1, -1]])
    last = random_tokens(3, 1, seed=2)
    with torch.no_grad():
        state = model.backbone.start(3)
        _, state = model(tokens, state, documents=documents)
        assert state.lengths.tolist() == lengths
        second, state = model(following, state, documents=ragged)
        assert state.lengths.tolist() == [10, 7, 5]
        third, state = model(last, state)
        for row, (length, more) in enumerate(zip(lengths, [3, 5, 1], strict=True)):
            own = torch.cat([tokens[row, :length], following[row, :more], last[row]])[None]
            alone, _ = model(own)
            close(second[row, :more], alone[0, length : length + more])
            close(third[row, 0], alone[0, -1])


@shaped
def test_packed_documents_are_separate_documents(shape):
    model = precise(language_model(**shape))
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


def test_a_token_sees_no_later_token_and_no_other_document():
    model, tokens = language_model(), random_tokens(1, 10)
    documents = torch.tensor([[0] * 4 + [1] * 6])
    with torch.no_grad():
        before, _ = model(tokens, documents=documents)
        changed = tokens.clone()
        changed[0, 6] = (tokens[0, 6] + 1) % 40
        after, _ = model(changed, documents=documents)
    assert torch.equal(before[0, :6], after[0, :6])
    assert not torch.allclose(before[0, 6:], after[0, 6:], atol=1e-4)
    changed[0, :4] = (tokens[0, :4] + 1) % 40
    with torch.no_grad():
        close(model(changed, documents=documents)[0][0, 4:], after[0, 4:])


@shaped
def test_padding_changes_neither_loss_nor_gradient_whatever_it_holds(shape):
    model, tokens = language_model(**shape), random_tokens(2, 9)
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


def test_fused_attention_and_the_kernel_of_pytorch_agree_in_values_and_gradients(monkeypatch):
    model, tokens = precise(language_model()), random_tokens(2, 12)
    documents = torch.tensor([[0] * 5 + [1] * 7, [0] * 10 + [-1] * 2])
    inside = documents >= 0
    calls = []
    fused_attention = layers.causal_attention
    monkeypatch.setattr(layers, "causal_attention", lambda *given: calls.append(1) or fused_attention(*given))
    for given in (None, documents):
        found = {}
        for length in (512, 0):
            monkeypatch.setattr(transformer, "FUSED_LENGTH", length)
            calls.clear()
            logits, _ = model(tokens, documents=given)
            assert len(calls) == (2 if length else 0)
            kept = logits[inside]
            found[length] = [kept, *gradients_of(model, kept.sin().sum())]
        for fused, plain in zip(found[512], found[0], strict=True):
            torch.testing.assert_close(fused, plain, rtol=1e-9, atol=1e-10)


def test_a_forward_pass_without_gradients_agrees_with_the_one_that_trains():
    model, tokens = language_model(), random_tokens(2, 12)
    trained, _ = model(tokens)
    with torch.no_grad():
        close(model(tokens)[0], trained)


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


def test_rows_of_a_state_are_taken_in_any_order_and_more_than_once():
    model = language_model()
    texts, state = ragged_state(model, [6, 3, 9])
    taken = state.take(torch.tensor([2, 0, 2]))
    assert taken.lengths.tolist() == [9, 6, 9]
    continues(model, taken, [texts[2], texts[0], texts[2]])
    short = state.take(torch.tensor([1]))
    assert short.longest == 3
    continues(model, short, [texts[1]])
    assert len(state.take(torch.empty(0, dtype=torch.long)).lengths) == 0


def test_states_of_different_lengths_are_joined():
    model = language_model(kv_heads=2)
    texts, state = ragged_state(model, [6, 3])
    more, other = ragged_state(model, [40], seed=7)
    joined = state.join(other)
    assert (joined.lengths.tolist(), joined.longest) == ([6, 3, 40], 40)
    continues(model, joined, texts + more)
    continues(model, other.join(state), more + texts)


def test_rows_are_repeated_next_to_each_other_and_then_go_their_own_ways():
    model = language_model()
    texts, state = ragged_state(model, [4, 2])
    copies = state.repeat(3)
    assert copies.lengths.tolist() == [4, 4, 4, 2, 2, 2]
    continues(model, copies, [texts[0]] * 3 + [texts[1]] * 3)


def test_taking_copies_so_that_the_original_goes_on_unchanged():
    model = language_model()
    texts, state = ragged_state(model, [4, 2])
    taken = state.take(torch.tensor([0, 1]))
    continues(model, taken, texts, seed=5)
    continues(model, state, texts, seed=6)


def test_a_detached_state_remembers_the_same_without_a_gradient():
    model = language_model()
    texts, state = ragged_state(model, [4, 2])
    state.keys.requires_grad_()
    detached = state.detach()
    assert not detached.keys.requires_grad
    assert detached.lengths.tolist() == [4, 2] and detached.longest == 4
    continues(model, detached, texts)


def test_packed_documents_cannot_be_read_into_a_state():
    model = language_model()
    with torch.no_grad(), pytest.raises(InputError, match="one document per row"):
        model(random_tokens(1, 4), model.backbone.start(1), documents=torch.tensor([[0, 0, 1, 1]]))


# -- limits and sizes --------------------------------------------------------------------------------------------------


def test_what_is_longer_than_the_context_is_refused_at_once_and_in_pieces():
    model = language_model(context=8)
    with torch.no_grad():
        assert model(random_tokens(1, 8))[0].shape == (1, 8, 40)
        with pytest.raises(InputError, match="9 tokens do not fit in the model's context of 8"):
            model(random_tokens(1, 9))
        _, state = model(random_tokens(1, 6), model.backbone.start(1))
        with pytest.raises(InputError, match="9 tokens"):
            model(random_tokens(1, 3), state)


def test_shapes_that_cannot_be_are_refused():
    for changes, word in (
        ({"width": 30}, "head width"),
        ({"width": 12}, "even head width"),
        ({"kv_heads": 3}, "multiple of kv_heads"),
        ({"layers": 0}, "at least 1"),
    ):
        with pytest.raises(ConfigError, match=word):
            config_of(**changes)


@pytest.mark.parametrize("depth", range(1, 13))
def test_one_dial_gives_a_shape_that_works(depth):
    config = TransformerConfig.of_depth(depth, vocabulary=300, context=32)
    assert config.layers == depth and config.width == 48 * depth
    assert config.width % config.heads == 0 and (config.width // config.heads) % 2 == 0


@shaped
def test_parameters_are_counted_as_the_formula_says(shape):
    model = language_model(**shape)
    c = model.backbone.config
    head = c.width // c.heads
    attention = c.width * (c.heads + 2 * c.kv_heads) * head + c.width * c.width + (2 * head if c.norm_queries else 0)
    block = attention + 3 * c.width * c.hidden + 2 * c.width
    outside = c.vocabulary * c.width * (1 if c.tied else 2) + c.width
    assert count_parameters(model) == c.layers * block + outside
    scalar = scalar_model(**shape)
    assert count_parameters(scalar) == c.layers * block + c.vocabulary * c.width + c.width + c.width + 1


@shaped
def test_operations_per_token_are_six_for_every_weight_in_a_product_and_causal_attention(shape):
    """Against PyTorch's own count of the forward pass, which takes attention as if it were not causal."""
    from torch.utils.flop_counter import FlopCounterMode

    length = 16
    model = language_model(**shape)
    c = model.backbone.config
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(random_tokens(1, length))
    in_products = counter.get_flop_counts()["Global"]
    products = sum(count for name, count in in_products.items() if "mm" in str(name))
    attention = 2 * c.layers * length * c.width  # two products of T x D, of which the causal half counts
    assert training_flops_per_token(model, length) == pytest.approx(3 * (products / length + attention))


def test_a_scalar_model_reads_with_a_copy_of_the_language_models_backbone():
    language = language_model()
    scalar = as_scalar_model(language)
    tokens = random_tokens(2, 6)
    with torch.no_grad():
        assert torch.equal(scalar.backbone(tokens)[0], language.backbone(tokens)[0])
        scalar.backbone.embedding.weight.zero_()
    assert bool((language.backbone.embedding.weight != 0).any())
    assert scalar(tokens)[0].shape == (2, 6) and scalar(tokens)[0].dtype == torch.float32


def test_bfloat16_flows_through_while_weights_stay_float32():
    model, tokens = language_model(), random_tokens(2, 10)
    exact, _ = model(tokens)
    model.backbone.dtype = torch.bfloat16
    near, _ = model(tokens)
    assert near.dtype == torch.bfloat16
    assert all(weight.dtype == torch.float32 for weight in model.parameters())
    assert float((near.float() - exact).detach().norm() / exact.detach().norm()) < 0.03
    gradients = gradients_of(model, near.float().square().mean())
    assert all(gradient.dtype == torch.float32 for gradient in gradients)


def test_in_a_layer_with_a_window_the_tokens_that_are_seen_count():
    length, window = 64, 24
    whole, narrow = (training_flops_per_token(language_model(windows=own), length) for own in ((), (window,)))
    c = language_model().backbone.config
    seen = sum(min(place, window) for place in range(1, length + 1)) / length
    fewer = (length + 1) / 2 - seen
    assert whole - narrow == pytest.approx(12 * c.layers * c.width * fewer, rel=0.03)

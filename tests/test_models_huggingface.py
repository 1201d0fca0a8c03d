"""Published families: the same logits as `transformers`, read at once, in pieces or packed, and the way back."""

from __future__ import annotations

import pytest
import torch

from chatwright.errors import ArtefactError
from chatwright.models.heads import LanguageModel
from chatwright.models.huggingface import FAMILIES, IGNORED, family_for, family_of
from chatwright.models.transformer import Transformer, TransformerConfig
from published import CASES, VOCABULARY, reference
from tiny import config_of, random_tokens

every_case = pytest.mark.parametrize("case", CASES)


def ours(case: str) -> LanguageModel:
    """Our model with the weights of the reference."""
    published = reference(case)
    config = published.config.to_dict()
    family = family_of(config)
    shape = family.read(config)
    model = LanguageModel(Transformer(shape)).eval()
    weights = published.state_dict()
    with torch.no_grad():
        for rule in family.rules(shape):
            model.get_parameter(rule.ours).copy_(rule.join([weights[name] for name in rule.theirs]))
    return model


def near(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert float((found - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max())


@every_case
def test_logits_are_those_of_transformers_beyond_windows_and_with_grouped_heads(case):
    tokens = random_tokens(2, 40, vocabulary=VOCABULARY)
    with torch.no_grad():
        near(ours(case)(tokens)[0], reference(case)(tokens).logits)


@every_case
def test_a_training_pass_gives_the_same_logits_and_a_gradient_for_every_weight(case):
    model, tokens = ours(case), random_tokens(2, 40, vocabulary=VOCABULARY)
    logits, _ = model(tokens)
    with torch.no_grad():
        near(logits, reference(case)(tokens).logits)
    gradients = torch.autograd.grad(logits.square().mean(), list(model.parameters()))
    assert all(bool(torch.isfinite(own).all()) and float(own.abs().max()) > 0 for own in gradients)


@every_case
@pytest.mark.parametrize("pieces", [[1] * 20, [7, 1, 12]])
def test_reading_in_pieces_is_reading_at_once(case, pieces):
    model, tokens = ours(case), random_tokens(2, 20, vocabulary=VOCABULARY)
    with torch.no_grad():
        whole, _ = model(tokens)
        state, parts = model.backbone.start(2), []
        for piece in tokens.split(pieces, dim=1):
            logits, state = model(piece, state)
            parts.append(logits)
    near(torch.cat(parts, dim=1), whole)


@every_case
def test_rows_of_different_lengths_go_on_as_if_each_were_alone(case):
    model, lengths = ours(case), [11, 3]
    tokens, following = (random_tokens(2, size, vocabulary=VOCABULARY, seed=size) for size in (11, 6))
    documents = torch.where(torch.arange(11) < torch.tensor(lengths)[:, None], 0, -1)
    with torch.no_grad():
        _, state = model(tokens, model.backbone.start(2), documents=documents)
        found, _ = model(following, state)
        for row, length in enumerate(lengths):
            alone, _ = model(torch.cat([tokens[row, :length], following[row]])[None])
            near(found[row], alone[0, length:])


@every_case
def test_packed_documents_are_separate_documents(case):
    model = ours(case)
    one, two = (random_tokens(1, size, vocabulary=VOCABULARY, seed=size) for size in (9, 16))
    documents = torch.tensor([[0] * 9 + [1] * 16])
    with torch.no_grad():
        packed, _ = model(torch.cat([one, two], dim=1), documents=documents)
        near(packed[:, :9], model(one)[0])
        near(packed[:, 9:], model(two)[0])


@every_case
def test_recomputing_blocks_in_the_backward_pass_changes_no_gradient(case):
    model, tokens = ours(case), random_tokens(1, 12, vocabulary=VOCABULARY)
    found = []
    for checkpointing in (False, True):
        model.backbone.checkpointing = checkpointing
        logits, _ = model(tokens)
        found.append(torch.autograd.grad(logits.sin().sum(), list(model.parameters())))
    for plain, again in zip(*found, strict=True):
        assert torch.equal(plain, again)


@every_case
def test_rules_cover_every_published_tensor_and_lead_back_bit_for_bit(case):
    weights = reference(case).state_dict()
    family = family_of(reference(case).config.to_dict())
    shape = family.read(reference(case).config.to_dict())
    rules = family.rules(shape)
    named = {name for rule in rules for name in rule.theirs}
    tied = {"lm_head.weight"} if shape.tied else set()
    assert named | tied == {name for name in weights if not IGNORED.search(name)} | tied
    for rule in rules:
        parts = [weights[name] for name in rule.theirs]
        assert [tuple(part.shape) for part in parts] == [rule.shape_of(part) for part in range(len(parts))]
        assert all(map(torch.equal, rule.split(rule.join(parts)), parts))


@every_case
def test_a_config_that_is_written_reads_as_the_same_shape(case):
    config = reference(case).config.to_dict()
    family = family_of(config)
    shape = family.read(config)
    assert family.read(family.write(shape)) == shape
    assert family_for(shape, preferred=family.name) is family


def test_one_wrong_detail_is_seen():
    """The tolerance means something: the other GELU, scale or window are far outside of it."""
    from dataclasses import replace

    tokens = random_tokens(2, 40, vocabulary=VOCABULARY)
    for case, change in (
        ("gpt2", {"activation": "gelu"}),
        ("gpt-neo", {"attention_scale": None}),
        ("gpt-neo", {"windows": (0, 6)}),
        ("mistral", {"windows": ()}),
        ("llama", {"epsilon": 1e-2}),
    ):
        right = ours(case)
        wrong = LanguageModel(Transformer(replace(right.backbone.config, **change)))
        wrong.load_state_dict(right.state_dict())
        with torch.no_grad(), pytest.raises(AssertionError):
            near(wrong(tokens)[0], reference(case)(tokens).logits)


# -- without transformers ----------------------------------------------------------------------------------------------


def test_what_is_trained_here_is_llama_and_with_query_norm_qwen3():
    assert family_for(config_of()).name == "llama"
    assert family_for(config_of(kv_heads=2, tied=False)).name == "llama"
    assert family_for(config_of(norm_queries=True)).name == "qwen3"


def test_a_block_that_nobody_published_is_refused():
    with pytest.raises(ArtefactError, match="no published architecture"):
        family_for(config_of(positions="none"))


def test_mask_buffers_are_ignored_and_biases_are_not():
    for name in ("h.0.attn.bias", "transformer.h.3.attn.masked_bias", "transformer.h.0.attn.attention.bias"):
        assert IGNORED.search(name)
    for name in ("h.0.attn.c_attn.bias", "h.0.attn.attention.out_proj.bias", "model.layers.0.self_attn.q_proj.bias"):
        assert not IGNORED.search(name)


LLAMA = {
    "model_type": "llama",
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
GPT2 = {"model_type": "gpt2", "vocab_size": 40, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"model_type": "bert"}, ["bert", "known here are"]),
        ({"model_type": None, "architectures": ["Evil"]}, ["Evil"]),
        ({"hidden_act": "mish"}, ["hidden_act", "mish"]),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, ["rope_type", "dynamic"]),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 2.0}}, ["low_freq_factor"]),
        ({"rope_scaling": [1]}, ["rope_scaling"]),
        ({"quantization_config": {"bits": 4}}, ["quantization_config"]),
        ({"hidden_size": "32"}, ["hidden_size", "whole number"]),
        ({"hidden_size": 33}, ["33"]),
        ({"num_hidden_layers": 10**9}, ["num_hidden_layers"]),
        ({"vocab_size": 2**40}, ["vocab_size"]),
        ({"vocab_size": True}, ["vocab_size"]),
        ({"rms_norm_eps": float("nan")}, ["rms_norm_eps"]),
        ({"rms_norm_eps": -1.0}, ["rms_norm_eps is -1.0", "above 0"]),
        ({"rope_theta": 0}, ["rope_theta is 0", "above 0"]),
        ({"rope_scaling": {"rope_type": "linear", "factor": 0}}, ["factor is 0", "above 0"]),
        (
            {"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 2, "high_freq_factor": 2}},
            ["high_freq_factor is 2", "greater than low_freq_factor"],
        ),
        ({"tie_word_embeddings": "yes"}, ["tie_word_embeddings"]),
        ({"num_attention_heads": 0}, ["at least 1"]),
    ],
)
def test_a_config_that_cannot_be_is_refused_with_its_key(change, words):
    config = LLAMA | change
    with pytest.raises(ArtefactError) as caught:
        family_of(config, "here/config.json").read(config, "here/config.json")
    message = str(caught.value)
    assert "here/config.json" in message and "\n" not in message and len(message) < 400
    for word in words:
        assert word in message, message


def test_a_missing_size_is_named():
    with pytest.raises(ArtefactError, match="does not say n_layer"):
        FAMILIES["gpt2"].read({key: value for key, value in GPT2.items() if key != "n_layer"})


def test_what_gpt2_files_can_ask_for_and_is_not_built_is_refused():
    for key in ("scale_attn_by_inverse_layer_idx", "add_cross_attention"):
        with pytest.raises(ArtefactError, match=key):
            FAMILIES["gpt2"].read({**GPT2, key: True})


def test_old_and_new_names_of_rotary_settings_mean_the_same():
    old = {**LLAMA, "rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}}
    new = {**LLAMA, "rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 4.0}}
    assert FAMILIES["llama"].read(old) == FAMILIES["llama"].read(new)
    assert FAMILIES["llama"].read(old).rotary_base == 5e5


def test_the_first_mistral_leaves_its_window_out_and_later_ones_have_none():
    config = LLAMA | {"model_type": "mistral"}
    assert FAMILIES["mistral"].read(config).windows == (4096,)
    assert FAMILIES["mistral"].read({**config, "sliding_window": None}).windows == ()


def test_rotary_tables_grow_with_the_text_and_give_the_same_bits():
    from chatwright.models import transformer

    shape = TransformerConfig(vocabulary=40, width=32, layers=1, heads=4, kv_heads=4, hidden=48, context=64)
    torch.manual_seed(0)
    whole = LanguageModel(Transformer(shape))
    small, kept = transformer.FIRST_POSITIONS, random_tokens(1, 40)
    transformer.FIRST_POSITIONS = 8
    try:
        grown = LanguageModel(Transformer(shape))
    finally:
        transformer.FIRST_POSITIONS = small
    grown.load_state_dict(whole.state_dict())
    assert len(grown.backbone.cosines) == 8
    with torch.no_grad():
        assert torch.equal(grown(kept)[0], whole(kept)[0])
    assert len(grown.backbone.cosines) == 64

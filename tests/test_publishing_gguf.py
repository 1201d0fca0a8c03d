"""GGUF: metadata and tensors read back as llama.cpp will read them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from chatwright.artefacts import load_language_model, save_model
from chatwright.errors import ArtefactError, ConfigError, InputError
from chatwright.publishing.importer import import_model
from chatwright.text.tokenizer import Tokenizer
from chatwright.text.vocabulary import describe as describe_vocabulary
from published import VOCABULARY, published_folder, reference
from tiny import language_model, tokenizer, world_of

gguf = pytest.importorskip("gguf")

from chatwright.publishing.gguf import export_gguf  # noqa: E402  needs gguf


def read(path):
    """Metadata as plain values, and tensors by name."""
    reader = gguf.GGUFReader(path)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    return facts, {own.name: own for own in reader.tensors}


def values(tensor):
    return torch.from_numpy(np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type)))


def exported(tmp_path, case, **settings):
    import_model(published_folder(tmp_path / "source", case), tmp_path / "model")
    remarks = export_gguf(tmp_path / "model", tmp_path / "out.gguf", **settings)
    return *read(tmp_path / "out.gguf"), remarks


def test_a_llama_has_its_queries_and_keys_in_neighbouring_pairs(tmp_path):
    facts, tensors, _ = exported(tmp_path, "llama")
    weights = reference("llama").state_dict()
    assert facts["general.architecture"] == "llama"
    for key, value in {
        "context_length": 64,
        "embedding_length": 32,
        "block_count": 3,
        "feed_forward_length": 48,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "rope.dimension_count": 8,
        "rope.freq_base": 10000.0,
        "vocab_size": VOCABULARY,
    }.items():
        assert facts[f"llama.{key}"] == value, key
    assert facts["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-6)
    queries = weights["model.layers.1.self_attn.q_proj.weight"]
    # Meta's order: within a head, row 2n of the file is row n of the first half, row 2n + 1 row n of the second.
    head = queries[8:16]
    found = values(tensors["blk.1.attn_q.weight"])[8:16]
    assert torch.equal(found[0::2], head[:4]) and torch.equal(found[1::2], head[4:])
    for name, own in {
        "token_embd.weight": "model.embed_tokens.weight",
        "output.weight": "lm_head.weight",
        "output_norm.weight": "model.norm.weight",
        "blk.1.attn_v.weight": "model.layers.1.self_attn.v_proj.weight",
        "blk.2.attn_output.weight": "model.layers.2.self_attn.o_proj.weight",
        "blk.0.ffn_gate.weight": "model.layers.0.mlp.gate_proj.weight",
        "blk.0.ffn_up.weight": "model.layers.0.mlp.up_proj.weight",
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
        "blk.0.attn_norm.weight": "model.layers.0.input_layernorm.weight",
        "blk.0.ffn_norm.weight": "model.layers.0.post_attention_layernorm.weight",
    }.items():
        assert torch.equal(values(tensors[name]), weights[own]), name
    assert len(tensors) == len(weights)


@pytest.mark.parametrize("case", ["qwen2", "qwen3", "gpt2"])
def test_other_families_keep_their_order_and_names(case, tmp_path):
    facts, tensors, _ = exported(tmp_path, case)
    weights = reference(case).state_dict()
    assert facts["general.architecture"] == case
    if case == "gpt2":
        fused = weights["transformer.h.1.attn.c_attn.weight"].t()  # (out, in) there
        assert torch.equal(values(tensors["blk.1.attn_qkv.weight"]), fused)
        assert torch.equal(values(tensors["position_embd.weight"]), weights["transformer.wpe.weight"])
        assert "output.weight" not in tensors  # tied
    else:
        for name in ("q", "k", "v"):
            own = weights[f"model.layers.1.self_attn.{name}_proj.weight"]
            assert torch.equal(values(tensors[f"blk.1.attn_{name}.weight"]), own)
        extra = "attn_q.bias" if case == "qwen2" else "attn_q_norm.weight"
        own = "self_attn.q_proj.bias" if case == "qwen2" else "self_attn.q_norm.weight"
        assert torch.equal(values(tensors[f"blk.0.{extra}"]), weights[f"model.layers.0.{own}"])
    if case == "qwen3":
        assert facts["qwen3.attention.key_length"] == 16


def test_the_tokenizer_goes_along(tmp_path):
    facts, _, _ = exported(tmp_path, "gpt2")
    _, own = load_language_model(tmp_path / "model", world=world_of())
    assert facts["tokenizer.ggml.model"] == "gpt2" and facts["tokenizer.ggml.pre"] == "gpt-2"
    tokens, types = facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"]
    assert len(tokens) == len(types) == VOCABULARY  # as many as the embedding has rows
    assert tokens[0] == "<|endoftext|>" and types[0] == gguf.TokenType.CONTROL
    assert tokens[-1] == f"[PAD{VOCABULARY - 1}]" and types[-1] == gguf.TokenType.UNUSED
    number = own.encode(" fox")[0]
    assert tokens[number].startswith("Ġ") and types[number] == gguf.TokenType.NORMAL
    assert all(len(pair.split(" ")) == 2 for pair in facts["tokenizer.ggml.merges"])
    assert (facts["tokenizer.ggml.bos_token_id"], facts["tokenizer.ggml.eos_token_id"]) == (own.begin, own.end)
    assert facts["tokenizer.ggml.add_bos_token"] is False


def test_our_own_model_goes_out_with_its_template_and_says_what_llama_cpp_does_otherwise(tmp_path):
    save_model(tmp_path / "model", language_model(tokenizer().size), tokenizer(), chat=True)
    remarks = export_gguf(tmp_path / "model", tmp_path / "out.gguf")
    facts, tensors = read(tmp_path / "out.gguf")
    assert facts["general.architecture"] == "llama"
    assert facts["tokenizer.chat_template"] == tokenizer().chat_template
    assert facts["tokenizer.ggml.eos_token_id"] == tokenizer().end
    assert len(remarks) == 1 and "splitting" in remarks[0]
    assert {"token_embd.weight", "blk.1.ffn_down.weight"} <= tensors.keys()


def test_the_nearest_splitting_is_named_by_what_the_tokenizer_learned():
    assert describe_vocabulary(tokenizer()).nearest == "gpt-2"  # no line breaks among its pieces
    paragraphs = Tokenizer.train(["one.\n\ntwo.\n\n"] * 20, 290)
    assert describe_vocabulary(paragraphs).pre_tokenizer is None
    assert describe_vocabulary(paragraphs).nearest == "llama-bpe"


@pytest.mark.parametrize("kind", ["character", "word"])
def test_tokenizers_without_merges_are_refused(kind, tmp_path):
    own = Tokenizer.train(["the lazy dog, größer"] * 9, 300, kind=kind)
    save_model(tmp_path / "model", language_model(own.size), own)
    with pytest.raises(ArtefactError, match="no character or word tokenizer"):
        export_gguf(tmp_path / "model", tmp_path / "out.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "case, change, words",
    [
        ("gpt2, another width inside", {}, "activation gelu_tanh only, not relu"),
        ("gpt2", {"attention_scale": 1.0}, "attention_scale"),
        ("llama", {"activation": "gelu"}, "activation silu only, not gelu"),
    ],
)
def test_blocks_that_llama_cpp_would_compute_otherwise_are_refused(case, change, words, tmp_path):
    import_model(published_folder(tmp_path / "source", case), tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    described = json.loads(path.read_text())
    described["backbone"] |= change
    path.write_text(json.dumps(described))
    with pytest.raises(ArtefactError, match=words):
        export_gguf(tmp_path / "model", tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_llama_3_scaling_is_a_tensor_of_factors_and_linear_scaling_is_metadata(tmp_path):
    facts, tensors, _ = exported(tmp_path / "a", "llama 3 scaling")
    factors = values(tensors["rope_freqs.weight"])
    plain = 500.0 ** -(torch.arange(0, 8, 2) / 8)
    torch.testing.assert_close(factors, plain / reference("llama 3 scaling").model.rotary_emb.inv_freq)
    assert float(factors[0]) != float(factors[1])
    assert "llama.rope.scaling.type" not in facts
    facts, tensors, _ = exported(tmp_path / "b", "linear scaling")
    assert (facts["llama.rope.scaling.type"], facts["llama.rope.scaling.factor"]) == ("linear", 4.0)
    facts, _, _ = exported(tmp_path / "c", "yarn scaling")
    assert facts["llama.rope.scaling.type"] == "yarn" and facts["llama.rope.scaling.original_context_length"] == 16


def test_local_windows_become_a_shorter_context_and_a_remark(tmp_path):
    facts, _, remarks = exported(tmp_path, "mistral")
    assert facts["general.architecture"] == "llama" and facts["llama.context_length"] == 5
    assert facts["llama.attention.key_length"] == 16
    assert any("5 tokens" in remark for remark in remarks)


@pytest.mark.parametrize("kind, bits", [("fp32", 0.0), ("fp16", 1e-3), ("bf16", 8e-3), ("q8_0", 2e-2)])
def test_matrices_are_stored_as_asked_and_vectors_in_float32(kind, bits, tmp_path):
    facts, tensors, _ = exported(tmp_path, "qwen2", kind=kind)
    weights = reference("qwen2").state_dict()
    names = {"fp32": "F32", "fp16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}
    assert tensors["blk.0.attn_v.weight"].tensor_type.name == names[kind]
    assert tensors["blk.0.attn_norm.weight"].tensor_type.name == "F32"
    assert facts["general.file_type"] == {"fp32": 0, "fp16": 1, "bf16": 32, "q8_0": 7}[kind]
    for name, own in (("attn_v", "self_attn.v_proj"), ("ffn_down", "mlp.down_proj")):
        wanted = weights[f"model.layers.0.{own}.weight"]
        error = (values(tensors[f"blk.0.{name}.weight"]) - wanted).abs().max() / wanted.abs().max()
        assert float(error) <= bits
    if kind == "q8_0":  # 48 inputs are no whole blocks of 32
        assert tensors["blk.0.ffn_down.weight"].tensor_type.name == "F16"


def test_what_llama_cpp_does_not_have_is_refused_and_nothing_is_left(tmp_path):
    import_model(published_folder(tmp_path / "source", "gpt-j"), tmp_path / "model")
    with pytest.raises(ArtefactError, match="llama.cpp has no gptj architecture"):
        export_gguf(tmp_path / "model", tmp_path / "out.gguf")
    (tmp_path / "out.gguf").write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        export_gguf(tmp_path / "model", tmp_path / "out.gguf")
    assert (tmp_path / "out.gguf").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out.gguf", "source"]


def test_without_the_package_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ConfigError, match="pip install"):
        export_gguf(tmp_path / "model", tmp_path / "out.gguf")

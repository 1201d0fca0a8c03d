"""Models on disk: what is saved comes back bit for bit, and what is damaged is named by file and tensor."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from chatwright.artefacts import describe, load_language_model, load_scalar_model, save_model
from chatwright.errors import ArtefactError
from tiny import language_model, random_tokens, scalar_model, tokenizer, world_of

SHAPES = {
    "plain": {},
    "untied, grouped heads, query norm": {"tied": False, "kv_heads": 2, "norm_queries": True, "rotary_base": 500.0},
}


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "model", language_model(tokenizer().size), tokenizer(), stage="sft", chat=True)
    return tmp_path / "model"


def weights_in(folder):
    return load_file(folder / "weights.safetensors")


def write_weights(folder, weights):
    save_file(weights, folder / "weights.safetensors")


def edit(folder, change):
    path = folder / "model.json"
    described = json.loads(path.read_text())
    change(described)
    path.write_text(json.dumps(described))


def refused(folder, *words, load=load_language_model):
    """Loading ends in one sentence that holds all of `words`."""
    with pytest.raises(ArtefactError) as caught:
        load(folder, world=world_of())
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(folder), *words):
        assert word in message, message


# -- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("make, load", [(language_model, load_language_model), (scalar_model, load_scalar_model)])
def test_a_model_comes_back_bit_for_bit(tmp_path, make, load, shape):
    model = make(tokenizer().size, **shape)
    save_model(tmp_path / "one", model, tokenizer())
    loaded, own = load(tmp_path / "one", world=world_of())
    assert loaded.backbone.config == model.backbone.config
    assert own.to_json() == tokenizer().to_json()
    for (name, weight), (other, found) in zip(model.named_parameters(), loaded.named_parameters(), strict=True):
        assert name == other and torch.equal(weight, found)
    tokens = random_tokens(2, 9)
    with torch.no_grad():
        assert torch.equal(model(tokens)[0], loaded(tokens)[0])
        documents = torch.tensor([[0] * 4 + [1] * 5] * 2)
        assert torch.equal(model(tokens, documents=documents)[0], loaded(tokens, documents=documents)[0])
    save_model(tmp_path / "two", loaded, own)
    for name in ("weights.safetensors", "model.json", "tokenizer.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_loaded_model_is_ready_to_run_and_not_to_learn(folder):
    model, _ = load_language_model(folder, world=world_of())
    assert not model.training and not any(weight.requires_grad for weight in model.parameters())
    assert all(weight.device.type == "cpu" for weight in [*model.parameters(), *model.buffers()])


def test_what_flows_has_the_type_asked_for_and_weights_are_float32(folder):
    model, _ = load_language_model(folder, device="cpu", precision="bf16")
    assert model.backbone.dtype == torch.bfloat16
    assert all(weight.dtype == torch.float32 for weight in model.parameters())
    assert model(torch.zeros(1, 3, dtype=torch.long))[0].dtype == torch.bfloat16


def test_facts_stand_in_model_json(folder):
    described = describe(folder)
    assert (described["head"], described["stage"], described["chat"]) == ("language", "sft", True)
    assert described["backbone"]["kind"] == "transformer"
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "tokenizer.json", "weights.safetensors"]


# -- damage ------------------------------------------------------------------------------------------------------------


def test_a_missing_tensor_is_named(folder):
    weights = weights_in(folder)
    del weights["backbone.blocks.1.attention.read.weight"]
    write_weights(folder, weights)
    refused(folder, "weights.safetensors", "lacks tensor backbone.blocks.1.attention.read.weight")


def test_an_unknown_tensor_is_named(folder):
    write_weights(folder, weights_in(folder) | {"backbone.extra": torch.zeros(2)})
    refused(folder, "weights.safetensors", "has an unknown tensor backbone.extra")


def test_many_missing_tensors_are_counted(folder):
    write_weights(folder, {"backbone.norm.weight": weights_in(folder)["backbone.norm.weight"]})
    refused(folder, "lacks tensor backbone.blocks.0.attention.read.weight, ", "more")


def test_a_tensor_of_another_shape_is_named_with_both_shapes(folder):
    weights = weights_in(folder)
    weights["backbone.norm.weight"] = torch.ones(31)
    write_weights(folder, weights)
    refused(folder, "weights.safetensors", "backbone.norm.weight", "(31,)", "(32,)")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite_is_named(folder, value):
    weights = weights_in(folder)
    weights["backbone.embedding.weight"][7, 3] = value
    write_weights(folder, weights)
    refused(folder, "weights.safetensors", "backbone.embedding.weight holds values that are not finite")


@pytest.mark.parametrize("left", [0, 5, 300, -1])
def test_a_truncated_file_is_named(folder, left):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    refused(folder, "weights.safetensors", "cannot be read")


def test_a_missing_file_is_named(folder):
    (folder / "weights.safetensors").unlink()
    refused(folder, "weights.safetensors", "cannot be read")


def test_a_missing_tokenizer_is_named(folder):
    (folder / "tokenizer.json").unlink()
    refused(folder, "tokenizer.json")


def test_a_model_of_the_wrong_kind_is_named(folder, tmp_path):
    refused(folder, "holds a language model; a reward model is needed here", load=load_scalar_model)
    save_model(tmp_path / "scalar", scalar_model(tokenizer().size), tokenizer())
    refused(tmp_path / "scalar", "holds a reward model; a language model is needed here")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"head": "language"}', '{"head": "language", "backbone": 3}'])
def test_a_broken_model_json_is_named(folder, text):
    (folder / "model.json").write_text(text)
    refused(folder, "model.json", "no complete model")


CHANGES = {
    "a missing size": (lambda backbone: backbone.pop("width"), "width"),
    "a size that is no number": (lambda backbone: backbone.update(layers="many"), "layers"),
    "a size that cannot be": (lambda backbone: backbone.update(heads=5), "heads"),
    "a size of nothing": (lambda backbone: backbone.update(layers=0), "at least 1"),
    "an unknown setting": (lambda backbone: backbone.update(dropout=0.1), "dropout"),
    "another kind": (lambda backbone: backbone.update(kind="lstm"), "lstm"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_backbone_that_cannot_be_is_named(folder, name):
    change, word = CHANGES[name]
    edit(folder, lambda described: change(described["backbone"]))
    refused(folder, "model.json", word)


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(tmp_path):
    save_model(tmp_path / "model", language_model(tokenizer().size - 1), tokenizer())
    refused(tmp_path / "model", "tokenizer.json", str(tokenizer().size))


def test_a_folder_without_a_model_is_refused(tmp_path):
    refused(tmp_path, "holds no model")
    refused(tmp_path / "nowhere", "does not exist")


# -- nothing runs ------------------------------------------------------------------------------------------------------


class Bomb:
    fired = False

    def __reduce__(self):
        return (setattr, (Bomb, "fired", True))


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json", "tokenizer.json"])
def test_a_pickle_in_place_of_a_file_is_refused_and_never_run(folder, name):
    (folder / name).write_bytes(pickle.dumps(Bomb()))
    refused(folder, name)
    torch.save({"bomb": Bomb()}, folder / name)
    refused(folder, name)
    assert not Bomb.fired


def test_loading_runs_nothing_that_lies_beside_the_files(folder, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("loading a model must not unpickle")

    for name in ("model.py", "tokenization.py", "__init__.py"):
        (folder / name).write_text("raise SystemExit('ran')")
    edit(folder, lambda described: described.update(auto_map={"AutoModel": "model.Bomb"}))
    monkeypatch.setattr(pickle, "load", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    load_language_model(folder, world=world_of())

"""`chatwright import`: what comes in is what was published, bit for bit; what is wrong is named and leaves nothing."""

from __future__ import annotations

import json
import pickle
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from chatwright.artefacts import describe, load_language_model
from chatwright.errors import ArtefactError, InputError
from chatwright.models.huggingface import IGNORED
from chatwright.publishing import importer
from chatwright.publishing.importer import import_model
from chatwright.publishing.tensor_files import write_tensors
from published import FAMILIES, VOCABULARY, published_folder, reference
from tiny import random_tokens, world_of


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    return published_folder(tmp_path_factory.mktemp("published") / "gpt2", "gpt2")


@pytest.fixture
def source(gpt2, tmp_path):
    """A copy to damage."""
    shutil.copytree(gpt2, tmp_path / "source")
    return tmp_path / "source"


def refused(source, out, *words, kind=ArtefactError):
    """Importing ends in one line that holds all words, and leaves nothing behind."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(kind) as caught:
        import_model(source, out)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    for word in words:
        assert word in message, message
    assert sorted(out.parent.iterdir()) == before


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def weights_of(source):
    return load_file(source / "model.safetensors")


def sharded(source, parts=2):
    """The same weights in several files with an index."""
    weights = weights_of(source)
    (source / "model.safetensors").unlink()
    places = {}
    for number in range(parts):
        name = f"model-{number + 1:05d}-of-{parts:05d}.safetensors"
        own = dict(list(weights.items())[number::parts])
        save_file(own, source / name)
        places |= dict.fromkeys(own, name)
    (source / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return places


# -- what comes in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FAMILIES)
def test_an_imported_model_gives_the_logits_of_transformers(case, tmp_path):
    import_model(published_folder(tmp_path / "source", case), tmp_path / "model")
    model, tokenizer = load_language_model(tmp_path / "model", world=world_of())
    tokens = random_tokens(1, 24, vocabulary=VOCABULARY)
    with torch.no_grad():
        found, wanted = model(tokens)[0], reference(case)(tokens).logits
    assert float((found - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max())
    assert tokenizer.decode(tokenizer.encode("the lazy dog")) == "the lazy dog"


def test_model_json_says_whose_it_is(gpt2, tmp_path):
    import_model(gpt2, tmp_path / "model")
    imported = describe(tmp_path / "model")["imported"]
    assert (imported["family"], imported["licence"], imported["source"]) == ("gpt2", "mit", "gpt2")
    assert imported["config"]["n_embd"] == 32
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert {"LICENSE", "model.json", "tokenizer.json", "weights.safetensors"} <= set(names)
    model, _ = load_language_model(tmp_path / "model", world=world_of())
    assert model.imported == imported


def test_shards_and_pickled_weights_give_the_same_file(source, tmp_path):
    import_model(source, tmp_path / "whole")
    weights = weights_of(source)
    sharded(source, 3)
    import_model(source, tmp_path / "shards")
    for path in source.glob("*.safetensors*"):
        path.unlink()
    torch.save(weights, source / "pytorch_model.bin")
    import_model(source, tmp_path / "bin")
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "shards", "bin")]
    assert files[0] == files[1] == files[2]


def test_files_of_the_bare_model_and_old_mask_buffers_are_read(source, tmp_path):
    import_model(source, tmp_path / "one")
    bare = {name.removeprefix("transformer."): weight for name, weight in weights_of(source).items()}
    bare |= {"h.0.attn.bias": torch.ones(1, 1, 64, 64, dtype=torch.bool), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    assert sum(bool(IGNORED.search(name)) for name in bare) == 2
    save_file(bare, source / "model.safetensors")
    import_model(source, tmp_path / "two")
    assert load_equal(tmp_path / "one", tmp_path / "two")


def load_equal(one, two):
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, two))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_tied_head_is_dropped_and_one_that_differs_is_kept(source, tmp_path):
    weights = weights_of(source)
    embedding = weights["transformer.wte.weight"]
    save_file(weights | {"lm_head.weight": embedding.clone()}, source / "model.safetensors")
    import_model(source, tmp_path / "tied")
    assert describe(tmp_path / "tied")["backbone"]["tied"] is True
    save_file(weights | {"lm_head.weight": embedding + 1}, source / "model.safetensors")
    import_model(source, tmp_path / "untied")
    assert describe(tmp_path / "untied")["backbone"]["tied"] is False
    kept = load_file(tmp_path / "untied" / "weights.safetensors")["unembedding.weight"]
    assert torch.equal(kept, embedding + 1)
    del weights["transformer.wte.weight"]
    save_file(weights | {"lm_head.weight": embedding}, source / "model.safetensors")
    import_model(source, tmp_path / "only head")
    assert load_equal(tmp_path / "tied", tmp_path / "only head")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_on_disk_and_in_memory_where_asked(source, tmp_path, dtype):
    save_file({name: own.to(dtype) for name, own in weights_of(source).items()}, source / "model.safetensors")
    import_model(source, tmp_path / "model")
    stored = load_file(tmp_path / "model" / "weights.safetensors")
    assert {own.dtype for own in stored.values()} == {dtype}
    world = world_of()
    full, _ = load_language_model(tmp_path / "model", world=world)
    lean, _ = load_language_model(tmp_path / "model", world=world, weights="stored")
    computed, _ = load_language_model(tmp_path / "model", world=world, weights="compute")
    assert {own.dtype for own in full.parameters()} == {own.dtype for own in computed.parameters()} == {torch.float32}
    assert {own.dtype for own in lean.parameters()} == {dtype}
    tokens = random_tokens(1, 20, vocabulary=VOCABULARY)
    with torch.no_grad():
        torch.testing.assert_close(lean(tokens)[0], full(tokens)[0], rtol=1e-5, atol=1e-5)


def test_weights_are_converted_where_asked(source, tmp_path):
    import_model(source, tmp_path / "model", precision="bf16")
    stored = load_file(tmp_path / "model" / "weights.safetensors")
    wanted = weights_of(source)["transformer.wte.weight"].bfloat16()
    assert torch.equal(stored["backbone.embedding.weight"], wanted)


def test_changing_a_mapped_model_never_changes_its_file(gpt2, tmp_path):
    import_model(gpt2, tmp_path / "model")
    before = (tmp_path / "model" / "weights.safetensors").read_bytes()
    model, _ = load_language_model(tmp_path / "model", world=world_of(), weights="stored")
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert (tmp_path / "model" / "weights.safetensors").read_bytes() == before


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_an_unknown_architecture_is_named(source, tmp_path):
    edit(source / "config.json", lambda config: config.update(model_type="mamba", architectures=["Mamba"]))
    refused(source, tmp_path / "model", "config.json", "mamba", "known here are")


def test_a_missing_shard_is_named(source, tmp_path):
    sharded(source)
    (source / "model-00002-of-00002.safetensors").unlink()
    refused(source, tmp_path / "model", "model-00002-of-00002.safetensors is missing")


def test_a_missing_tensor_is_named(source, tmp_path):
    weights = weights_of(source)
    del weights["transformer.h.1.attn.c_attn.weight"]
    save_file(weights, source / "model.safetensors")
    refused(source, tmp_path / "model", "lacks tensor transformer.h.1.attn.c_attn.weight")


def test_a_tensor_that_the_index_promises_and_no_file_holds_is_named(source, tmp_path):
    sharded(source)
    name = "model.safetensors.index.json"
    edit(source / name, lambda index: index["weight_map"].update(ghost="model-00001-of-00002.safetensors"))
    refused(source, tmp_path / "model", "lacks tensor ghost")


def test_an_unknown_tensor_is_named(source, tmp_path):
    save_file(weights_of(source) | {"score.weight": torch.zeros(2, 32)}, source / "model.safetensors")
    refused(source, tmp_path / "model", "score.weight", "another kind of model")


def test_a_tensor_of_another_shape_is_named_with_both_shapes(source, tmp_path):
    edit(source / "config.json", lambda config: config.update(vocab_size=VOCABULARY + 1))
    refused(source, tmp_path / "model", "transformer.wte.weight", "(300, 32)", "(301, 32)")


def test_mixed_dtypes_are_named_and_can_be_made_one(source, tmp_path):
    weights = weights_of(source)
    weights["transformer.ln_f.bias"] = weights["transformer.ln_f.bias"].bfloat16()
    save_file(weights, source / "model.safetensors")
    refused(source, tmp_path / "model", "transformer.ln_f.bias is BF16", "F32", "--precision")
    import_model(source, tmp_path / "model", precision="fp32")


def test_quantised_weights_are_named(source, tmp_path):
    weights = weights_of(source)
    weights["transformer.h.0.mlp.c_fc.weight"] = weights["transformer.h.0.mlp.c_fc.weight"].to(torch.int8)
    save_file(weights, source / "model.safetensors")
    refused(source, tmp_path / "model", "transformer.h.0.mlp.c_fc.weight holds I8", "quantised")


def test_values_that_are_not_finite_are_named(source, tmp_path):
    weights = weights_of(source)
    weights["transformer.wpe.weight"][3, 3] = float("nan")
    save_file(weights, source / "model.safetensors")
    refused(source, tmp_path / "model", "transformer.wpe.weight holds values that are not finite")


@pytest.mark.parametrize("left", [0, 7, 300, -1])
def test_a_truncated_file_is_named(source, tmp_path, left):
    path = source / "model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    refused(source, tmp_path / "model", "model.safetensors cannot be read")


def test_a_name_that_no_file_can_have_is_refused(source, tmp_path):
    sharded(source)
    long = "x" * 300 + ".safetensors"
    edit(source / "model.safetensors.index.json", lambda index: index["weight_map"].update({"a": long}))
    refused(source, tmp_path / "model", "is no plain file name")


@pytest.mark.parametrize("form", ["sparse", "meta"])
def test_pickled_tensors_without_plain_values_are_named(source, tmp_path, form):
    weights = weights_of(source)
    own = weights["transformer.wpe.weight"]
    weights["transformer.wpe.weight"] = own.to_sparse() if form == "sparse" else own.to("meta")
    (source / "model.safetensors").unlink()
    torch.save(weights, source / "pytorch_model.bin")
    refused(source, tmp_path / "model", "pytorch_model.bin: transformer.wpe.weight is sparse, or has no values")


def test_a_place_where_nothing_can_be_made_is_named(gpt2, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file is a file; choose another place"):
        import_model(gpt2, tmp_path / "file" / "model")
    refused(gpt2, tmp_path / ("x" * 300), "too long a name", kind=InputError)


def test_a_model_that_was_imported_before_is_not_imported_again(gpt2, tmp_path):
    import_model(gpt2, tmp_path / "model")
    refused(tmp_path / "model", tmp_path / "other", "is a model of chatwright already", kind=InputError)
    refused("", tmp_path / "other", "neither a folder nor a name", kind=InputError)


def test_a_decoder_of_a_kind_that_is_not_known_names_its_file(source, tmp_path):
    edit(source / "tokenizer.json", lambda own: own.update(decoder={"type": "Fuse"}))
    refused(source, tmp_path / "model", "tokenizer.json: the tokenizer's decoder is Fuse")


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\\b.safetensors"]
)
def test_a_path_in_an_index_is_refused(source, tmp_path, name):
    sharded(source)
    shutil.copy(source / "model-00001-of-00002.safetensors", tmp_path / "secret.safetensors")
    edit(
        source / "model.safetensors.index.json",
        lambda index: index["weight_map"].update({"transformer.wte.weight": name}),
    )
    refused(source, tmp_path / "model", str(source))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_not(source, tmp_path, name):
    (source / name).rename(source / "real")
    (source / name).symlink_to("real")
    import_model(source, tmp_path / "model")
    (source / "real").rename(tmp_path / "outside")
    (source / name).unlink()
    (source / name).symlink_to(tmp_path / "outside")
    refused(source, tmp_path / "other", name, "link that leads out of the folder")


def test_links_of_the_hubs_cache_are_followed(source, tmp_path):
    cache = tmp_path / "models--someone--gpt2"
    (cache / "blobs").mkdir(parents=True)
    snapshot = cache / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(source.iterdir())):
        shutil.copy(path, cache / "blobs" / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    import_model(snapshot, tmp_path / "model")
    assert describe(tmp_path / "model")["imported"]["revision"] == "abc"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a": ' * 100_000])
def test_a_broken_config_is_named(source, tmp_path, text):
    (source / "config.json").write_text(text)
    refused(source, tmp_path / "model", "config.json")


@pytest.mark.parametrize("places", [None, [], {"transformer.wte.weight": 3}])
def test_a_broken_index_is_named(source, tmp_path, places):
    sharded(source)
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    refused(source, tmp_path / "model", "model.safetensors.index.json has no weight_map")


def test_a_folder_without_weights_and_a_source_that_is_not_there_are_named(source, tmp_path):
    (source / "model.safetensors").unlink()
    refused(source, tmp_path / "model", "holds no weights")
    refused(tmp_path / "no where", tmp_path / "model", "neither a folder nor a name on the hub", kind=InputError)
    refused(source / "config.json", tmp_path / "model", "is a file", kind=InputError)


def test_a_folder_that_is_there_is_never_overwritten(gpt2, tmp_path):
    (tmp_path / "model").mkdir()
    import_model(gpt2, tmp_path / "model")  # empty: fine
    refused(gpt2, tmp_path / "model", "exists already", kind=InputError)


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(source, tmp_path):
    edit(source / "config.json", lambda config: config.update(vocab_size=270))
    weights = weights_of(source)
    weights["transformer.wte.weight"] = weights["transformer.wte.weight"][:270].clone()
    save_file(weights, source / "model.safetensors")
    refused(source, tmp_path / "model", "tokenizer")


def test_an_import_that_breaks_off_leaves_nothing(source, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importer, "write_tensors", full)
    refused(source, tmp_path / "model", "No space left", kind=OSError)


class Bomb:
    fired = False

    def __reduce__(self):
        return (setattr, (Bomb, "fired", True))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_is_refused_and_never_run(source, tmp_path, legacy):
    (source / "model.safetensors").unlink()
    path = source / "pytorch_model.bin"
    if legacy:
        path.write_bytes(pickle.dumps(Bomb()))
    else:
        torch.save({"bomb": Bomb()}, path)
    refused(source, tmp_path / "model", "pytorch_model.bin", "not run")
    torch.save([torch.ones(1)], path)
    refused(source, tmp_path / "model", "pytorch_model.bin", "no table of tensors")
    assert not Bomb.fired


def test_code_that_comes_along_is_neither_run_nor_copied(source, tmp_path):
    (source / "modeling_gpt2.py").write_text("raise SystemExit('ran')")
    edit(source / "config.json", lambda config: config.update(auto_map={"AutoModelForCausalLM": "modeling_gpt2.X"}))
    import_model(source, tmp_path / "model")
    assert not list((tmp_path / "model").glob("*.py"))


# -- the hub -----------------------------------------------------------------------------------------------------------


def test_without_the_extra_a_name_on_the_hub_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused("openai-community/gpt2", tmp_path / "model", 'pip install "chatwright[hub]"', kind=InputError)


# -- the writer --------------------------------------------------------------------------------------------------------


def test_the_writer_of_one_tensor_at_a_time_writes_what_safetensors_reads(tmp_path):
    tensors = {"b": torch.randn(3, 5).bfloat16(), "a": torch.randn(7), "none": torch.zeros(0, 4)}
    path = tmp_path / "x.safetensors"
    write_tensors(path, {name: (own.dtype, tuple(own.shape)) for name, own in tensors.items()}, tensors.items())
    read = load_file(path)
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    with pytest.raises(ValueError, match="stands where"):
        write_tensors(path, {"a": (torch.float32, (7,))}, [("a", torch.zeros(8))])

"""`chatwright export`: `transformers` loads it and says the same; what was imported goes out as it came in."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from chatwright.artefacts import describe, load_language_model, save_model
from chatwright.errors import ArtefactError, InputError
from chatwright.models.huggingface import IGNORED
from chatwright.publishing.exporter import export_model
from chatwright.publishing.importer import import_model
from published import FAMILIES, VOCABULARY, published_folder, transformers
from tiny import language_model, random_tokens, scalar_model, tokenizer, world_of

SHAPES = {"llama": {"kv_heads": 2}, "qwen3": {"norm_queries": True, "tied": False}, "gpt2": None}


def own_model(shape):
    """A model that was trained from nothing (but for the training)."""
    if shape is not None:
        return language_model(tokenizer().size, **shape)
    gpt2 = {
        "norm": "layer",
        "activation": "gelu_tanh",
        "gated": False,
        "positions": "learned",
        "read_bias": True,
        "write_bias": True,
        "feed_forward_bias": True,
    }
    return language_model(tokenizer().size, **gpt2)


def theirs(folder):
    library = transformers()
    model = library.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    return model, library.AutoTokenizer.from_pretrained(folder)


def greedy(model, prompt, count):
    """Our greedy continuation, through the cache."""
    state, tokens, said = model.backbone.start(1), torch.tensor([prompt]), []
    with torch.no_grad():
        for _ in range(count):
            logits, state = model(tokens, state)
            tokens = logits[:, -1:].argmax(-1)
            said.append(int(tokens))
    return said


# -- what goes out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_trained_here_is_what_transformers_loads(name, tmp_path):
    model = own_model(SHAPES[name])
    save_model(tmp_path / "model", model, tokenizer(), stage="sft", chat=True)
    export_model(tmp_path / "model", tmp_path / "out")
    loaded, their_tokenizer = theirs(tmp_path / "out")
    assert type(loaded).__name__.lower().startswith(name)
    tokens = random_tokens(2, 40, vocabulary=tokenizer().size)
    with torch.no_grad():
        found, wanted = loaded(tokens).logits, model(tokens)[0]
    assert float((found - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max())
    prompt = tokenizer().encode("the lazy dog")
    assert their_tokenizer.encode("the lazy dog", add_special_tokens=False) == prompt
    said = loaded.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=12, do_sample=False
    )
    ours = greedy(model, prompt, 12)
    end = ours.index(tokenizer().end) + 1 if tokenizer().end in ours else 12
    assert said[0, len(prompt) :].tolist()[:end] == ours[:end]
    text = their_tokenizer.decode(said[0, len(prompt) :][: end - 1], skip_special_tokens=True)
    assert text == tokenizer().decode(ours[: end - 1])


@pytest.mark.parametrize("case", FAMILIES)
def test_what_was_imported_goes_out_as_it_came_and_comes_back_bit_for_bit(case, tmp_path):
    source = published_folder(tmp_path / "source", case)
    import_model(source, tmp_path / "model")
    export_model(tmp_path / "model", tmp_path / "out")
    came, went = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "out"))
    kept = {name for name in came if not IGNORED.search(name)}
    assert went.keys() == kept and all(torch.equal(came[name], went[name]) for name in kept)
    import_model(tmp_path / "out", tmp_path / "model again")
    export_model(tmp_path / "model again", tmp_path / "out again")
    for name in ("model.safetensors", "config.json", "generation_config.json", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "out again" / name).read_bytes(), name
    one, two = (tmp_path / name / "weights.safetensors" for name in ("model", "model again"))
    assert one.read_bytes() == two.read_bytes()
    model, own = load_language_model(tmp_path / "model", world=world_of())
    loaded, their_tokenizer = theirs(tmp_path / "out")
    tokens = random_tokens(1, 30, vocabulary=VOCABULARY)
    with torch.no_grad():
        found, wanted = loaded(tokens).logits, model(tokens)[0]
    assert float((found - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max())
    assert their_tokenizer.encode("a lazy dog") == own.encode("a lazy dog")


def test_after_learning_the_exported_model_is_the_one_that_learned(tmp_path):
    import_model(published_folder(tmp_path / "source", "gpt-j"), tmp_path / "model")
    model, own = load_language_model(tmp_path / "model", world=world_of())
    model.requires_grad_(True)
    tokens = random_tokens(2, 20, vocabulary=VOCABULARY)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    model(tokens)[0].logsumexp(-1).sum().backward()
    optimizer.step()
    save_model(tmp_path / "learned", model, own, stage="sft")
    assert describe(tmp_path / "learned")["imported"]["licence"] == "mit"
    export_model(tmp_path / "learned", tmp_path / "out")
    loaded, _ = theirs(tmp_path / "out")
    import_model(tmp_path / "out", tmp_path / "back")
    back, _ = load_language_model(tmp_path / "back", world=world_of())
    with torch.no_grad():
        wanted = model(tokens)[0]
        assert torch.equal(back(tokens)[0], wanted)
        assert float((loaded(tokens).logits - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max())


def test_half_precision_goes_out_as_half_precision_and_can_be_asked_for(tmp_path):
    source = published_folder(tmp_path / "source", "llama")
    import_model(source, tmp_path / "half", precision="bf16")
    export_model(tmp_path / "half", tmp_path / "out")
    assert {own.dtype for own in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == "bfloat16"
    assert theirs(tmp_path / "out")[0].dtype == torch.bfloat16
    import_model(source, tmp_path / "full")
    export_model(tmp_path / "full", tmp_path / "fp16", precision="fp16")
    assert theirs(tmp_path / "fp16")[0].dtype == torch.float16


def test_a_vocabulary_that_grew_goes_out_with_its_new_size(tmp_path):
    save_model(tmp_path / "model", language_model(tokenizer().size + 7), tokenizer())
    described = describe(tmp_path / "model")
    described["imported"] = {"family": "llama", "config": {"vocab_size": 5, "model_type": "llama", "extra": 1}}
    (tmp_path / "model" / "model.json").write_text(json.dumps(described))
    export_model(tmp_path / "model", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["vocab_size"], config["extra"]) == (tokenizer().size + 7, 1)


# -- the card ----------------------------------------------------------------------------------------------------------


def test_the_card_tells_data_cost_evaluation_and_the_licence_of_the_base(tmp_path):
    stage = tmp_path / "run" / "sft"
    model = language_model(tokenizer().size)
    model.imported = {"source": "someone/base", "licence": "apache-2.0", "family": "llama"}
    save_model(stage / "model", model, tokenizer(), stage="sft", chat=True)
    origin = {"input_files": ["/home/me/data/talks.jsonl"], "inputs": ["ab" * 32], "parent_folders": {}, "stage": "sft"}
    (stage / "origin.json").write_text(json.dumps(origin))
    receipt = {"tokens": 1234, "flops": 5e9, "energy_estimated_j": 7200.0, "cost": 0.25, "rates": {"currency": "EUR"}}
    (stage / "receipt.json").write_text(json.dumps(receipt))
    measured = {"value": 0.61, "low": 0.55, "high": 0.67, "n": 200, "baseline": 0.25, "at_chance": False}
    unknown = {"value": None, "low": None, "high": None, "n": 0, "reason": "nobody judged"}
    results = {
        "judge": "village",
        "reason": "Harmless is not judged.",
        "evaluation": {"sft": {"truthful": measured, "harmless": unknown}},
        "win_rate": {"sft_vs_base": {**measured, "value": 0.6, "baseline": 0.5}, "ppo_vs_sft": measured},
    }
    (tmp_path / "run" / "look").mkdir()
    (tmp_path / "run" / "look" / "results.json").write_text(json.dumps(results))
    export_model(stage / "model", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    for words in (
        'license: "apache-2.0"',
        'base_model: "someone/base"',
        "talks.jsonl (SHA-256 abababababababab)",
        "what someone/base learned from, its publisher knows",
        "| sft | 1.23 k | – | 5 GFLOP |",
        "| 7.2 kJ |",
        "| 0.25 EUR |",
        "| truthful | 0.61 | 0.55 to 0.67 | 200 | 0.25 |",
        "| preferred, SFT : Base | 0.6 | 0.55 to 0.67 | 200 | 0.5 |",
        "Harmless is not judged.",
        "comes under: apache-2.0",
    ):
        assert words in card, card
    assert "/home/me" not in card and "| harmless" not in card and "PPO" not in card


def test_the_card_counts_the_stages_that_wrote_what_was_learned_from_and_tells_the_ngrams_figure(tmp_path):
    """In a run that was moved: its records name the folder where it was."""
    run, old = tmp_path / "moved", "/home/me/run"
    save_model(run / "sft" / "model", language_model(tokenizer().size), tokenizer(), stage="sft", chat=True)
    records = {
        "village": ([], {}),
        "tokenize": ([f"{old}/village/texts.jsonl"], {}),
        "base": ([], {"tokens": f"{old}/tokenize"}),
        "collect": ([f"{old}/village"], {"model": f"{old}/base"}),
        "sft": ([f"{old}/collect/answers.jsonl"], {"base": f"{old}/base"}),
    }
    for hour, (name, (files, parents)) in enumerate(records.items()):
        (run / name).mkdir(exist_ok=True)
        origin = {"input_files": files, "inputs": ["cd" * 32] * len(files), "parent_folders": parents}
        (run / name / "origin.json").write_text(json.dumps({**origin, "started_at": f"2026-11-21T0{hour}:00:00+00:00"}))
        figures = {"baseline_bits_per_byte": 0.4701, "documents": 309} if name == "base" else {}
        (run / name / "receipt.json").write_text(json.dumps({"tokens": 1000, "summary": figures}))
    for file in ("village/texts.jsonl", "collect/answers.jsonl"):
        (run / file).write_text("{}")
    bits = {"value": 0.264, "low": 0.258, "high": 0.27, "n": 309}
    (run / "evaluate").mkdir()
    for documents, cell in ((309, "0.47"), (200, "")):
        results = {"evaluation": {"sft": {"bits_per_byte": {**bits, "n": documents}}}}
        (run / "evaluate" / "results.json").write_text(json.dumps(results))
        export_model(run / "sft" / "model", tmp_path / f"out-{documents}")
        card = (tmp_path / f"out-{documents}" / "README.md").read_text()
        assert f"| bits per byte | 0.264 | 0.258 to 0.27 | {documents} | {cell} |" in card, card
    costs = [line.split(" | ")[0].removeprefix("| ") for line in card.partition("## Cost")[2].splitlines()]
    assert costs[4:10] == ["sft", "collect", "base", "tokenize", "village", "together"]
    assert "| together | 5 k |" in card


def test_a_card_without_records_claims_nothing(tmp_path):
    save_model(tmp_path / "model", language_model(tokenizer().size), tokenizer())
    export_model(tmp_path / "model", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "It has not been evaluated." in card and "No record of the data" in card and "license" not in card


# -- what cannot go out ------------------------------------------------------------------------------------------------


def refused(model, out, words, kind=ArtefactError):
    with pytest.raises(kind, match=words) as caught:
        export_model(model, out)
    assert "\n" not in str(caught.value)
    assert not list(out.parent.glob(f".{out.name}*"))


def test_what_other_tools_cannot_hold_is_refused(tmp_path):
    save_model(tmp_path / "scalar", scalar_model(tokenizer().size), tokenizer())
    refused(tmp_path / "scalar", tmp_path / "out", "only language models are exported")
    save_model(tmp_path / "odd", language_model(tokenizer().size, positions="none"), tokenizer())
    refused(tmp_path / "odd", tmp_path / "out", "no published architecture")
    save_model(tmp_path / "model", language_model(tokenizer().size), tokenizer())
    export_model(tmp_path / "model", tmp_path / "out")
    refused(tmp_path / "model", tmp_path / "out", "exists already", kind=InputError)
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"torn")
    refused(tmp_path / "model", tmp_path / "other", "cannot be read")
    assert not (tmp_path / "other").exists()

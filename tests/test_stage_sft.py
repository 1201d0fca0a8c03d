"""The stage that learns from demonstrations: how long it learns, what it keeps, which texts it mixes in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from chatwright.artefacts import load_language_model, save_model
from chatwright.errors import InputError
from chatwright.stages import sft as stage
from chatwright.stages.sft import SFTConfig, sft
from chatwright.text.conversation import Conversation
from chatwright.text.published import read_tokenizer
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.best_weights import weights_of
from published_tokenizers import write_style
from tiny import language_model, tokenizer, tokens_in


@pytest.fixture
def parts(tmp_path):
    save_model(tmp_path / "base", language_model(tokenizer().size, context=32), tokenizer())
    lines = [json.dumps({"messages": Conversation.of(f"fox {n}", "the lazy dog").to_dicts()}) for n in range(200)]
    (tmp_path / "demonstrations.jsonl").write_text("\n".join(lines))
    return tmp_path


def config_of(parts, **settings):
    return SFTConfig(
        out=parts / "out",
        base=parts / "base",
        conversations=[str(parts / "demonstrations.jsonl")],
        batch=2,
        threads=1,
        device="cpu",
        **settings,
    )


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 1.6])
def test_as_much_compute_is_spent_as_another_stage_took(parts, share):
    once = json.loads((sft(config_of(parts, epochs=1.0)) / "receipt.json").read_text())["flops"]
    (parts / "other").mkdir()
    (parts / "other" / "receipt.json").write_text(json.dumps({"flops": once * share}))
    (parts / "other" / "done.json").write_text("{}")
    receipt = json.loads((sft(config_of(parts, compute_of=parts / "other")) / "receipt.json").read_text())
    assert receipt["flops"] == pytest.approx(once * share, rel=0.05)
    assert receipt["summary"]["epochs"] == pytest.approx(share, rel=0.05)


def test_a_folder_that_tells_no_compute_is_refused(parts):
    (parts / "other").mkdir()
    (parts / "other" / "done.json").write_text("{}")
    with pytest.raises(InputError, match=r"receipt\.json tells no flops"):
        sft(config_of(parts, compute_of=parts / "other"))


def test_the_weights_with_the_best_validation_are_kept_and_not_the_last(parts, monkeypatch):
    losses, seen = iter([3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0]), []

    def measured(model, *_):
        seen.append(weights_of(model))
        return next(losses)

    monkeypatch.setattr(stage, "held_out_loss", measured)
    out = sft(config_of(parts, epochs=0.2, evaluate_every=2, learning_rate=1e-2))
    assert len(seen) >= 3 and json.loads((out / "receipt.json").read_text())["summary"]["validation_loss"] == 1.0
    kept = dict(load_language_model(out, device="cpu", precision="fp32")[0].named_parameters())
    assert all(torch.equal(kept[name], weight) for name, weight in seen[1].items())
    assert not torch.equal(kept["backbone.embedding.weight"], seen[2]["backbone.embedding.weight"])


def test_texts_of_another_tokenizer_are_not_mixed_in(parts):
    another = Tokenizer.train(["A sentence of quite other words, für dich."] * 9, 280)
    for name, own in (("own", tokenizer()), ("another", another)):
        tokens_in(parts / name, own)
    sft(config_of(parts, epochs=0.05, mix=0.5, tokens=parts / "own"))
    with pytest.raises(InputError, match=r"another was written with another tokenizer than .*base has; tokenize"):
        sft(replace(config_of(parts, epochs=0.05, mix=0.5, tokens=parts / "another"), out=parts / "refused"))
    assert not (parts / "refused" / "done.json").exists()


def test_the_texts_of_an_import_are_mixed_in_though_it_learns_to_chat_by_new_tokens(parts):
    published = read_tokenizer(write_style(parts / "style", "llama2-first", chat_template=None))
    save_model(parts / "import", language_model(published.size, context=32), published)
    tokens_in(parts / "texts", published)
    config = replace(config_of(parts, epochs=0.05, mix=0.5, tokens=parts / "texts"), base=parts / "import")
    _, chatting = load_language_model(sft(config), device="cpu")
    assert chatting.size > published.size

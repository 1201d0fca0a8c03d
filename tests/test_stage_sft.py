"""The stage that learns from demonstrations: how long it learns."""

from __future__ import annotations

import json

import pytest

from chatwright.artefacts import save_model
from chatwright.errors import InputError
from chatwright.stages.sft import SFTConfig, sft
from chatwright.text.conversation import Conversation
from tiny import language_model, tokenizer


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

"""The `collect` stage: what its receipt says that answering took."""

from __future__ import annotations

import json

import pytest

from chatwright.artefacts import load_language_model, save_model
from chatwright.errors import ConfigError
from chatwright.models.heads import training_flops_per_token
from chatwright.stages.collect import CollectConfig, collect
from chatwright.text.conversation import Conversation
from tiny import language_model, tokenizer


def config_of(folder, **settings):
    return CollectConfig(
        out=folder / "out",
        model=folder / "model",
        prompts=[str(folder / "prompts.jsonl")],
        threads=1,
        device="cpu",
        precision="fp32",
        **settings,
    )


def test_the_receipt_counts_a_forward_pass_for_every_token_that_was_said(tmp_path):
    save_model(tmp_path / "model", language_model(tokenizer().size, context=48), tokenizer())
    lines = [json.dumps({"prompt": Conversation.of(f"fox {n}").to_dicts()}) + "\n" for n in range(3)]
    (tmp_path / "prompts.jsonl").write_text("".join(lines))
    receipt = json.loads((collect(config_of(tmp_path, answers=4, max_tokens=8)) / "receipt.json").read_text())
    model, _ = load_language_model(tmp_path / "model")
    assert receipt["tokens"] >= 12
    assert receipt["flops"] == pytest.approx(receipt["tokens"] * training_flops_per_token(model, 48) / 3)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"temperature": -3.0}, "collect.temperature is -3.0; it must be more than 0"),
        ({"temperature": 0.0}, "collect.temperature is 0.0; it must be more than 0"),
        ({"temperature": 101.0}, "collect.temperature is 101.0"),
        ({"top_p": 1.5}, "collect.top_p is 1.5"),
        ({"max_tokens": 0}, "collect.max_tokens is 0"),
        ({"tie": -0.1}, "collect.tie is -0.1"),
    ],
)
def test_settings_that_give_nothing_to_rank_are_refused(settings, says, tmp_path):
    with pytest.raises(ConfigError, match=says):
        config_of(tmp_path, **settings)

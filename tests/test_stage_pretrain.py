"""The `pretrain` stage: going on from a model that has learned, and what is derived where nothing is set."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from chatwright.artefacts import load_language_model, save_model
from chatwright.errors import ConfigError, InputError
from chatwright.models.families import shape_of
from chatwright.stages.pretrain import PretrainConfig, pretrain
from chatwright.stages.tokenize import TokenizeConfig, tokenize
from tiny import language_model, tokenizer

NAMES = ("fox", "dog", "wolf", "hen", "owl", "cat", "cow", "goat")


def tales(count: int) -> str:
    rng = random.Random(1)
    return "\n<|endoftext|>\n".join(
        f"The {rng.choice(NAMES)} met the {rng.choice(NAMES)} at the mill number {number}, and they talked till dark."
        for number in range(count)
    )


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    """Settings of a small model that has learned its text, in a finished folder."""
    place = tmp_path_factory.mktemp("learned")
    (place / "texts.txt").write_text(tales(300))
    settings = TokenizeConfig(
        out=place / "tokens", texts=[str(place / "texts.txt")], vocabulary=300, validation=0.1, test=0.1
    )
    config = PretrainConfig(
        out=place / "base",
        tokens=tokenize(settings),
        depth=1,
        width=32,
        context=32,
        window=32,
        batch=16,
        steps=90,
        threads=1,
        device="cpu",
        precision="fp32",
    )
    pretrain(config)
    return config


def summary_of(folder: Path) -> dict[str, float]:
    summary: dict[str, float] = json.loads((folder / "receipt.json").read_text())["summary"]
    return summary


def test_going_on_with_the_text_it_learned_from_does_not_worsen_a_model_by_default(learned, tmp_path, capsys):
    base = summary_of(learned.out)
    assert base["bits_per_byte"] < 0.5 * base["untrained_bits_per_byte"] and "base_bits_per_byte" not in base
    capsys.readouterr()
    config = PretrainConfig(
        out=tmp_path / "on",
        tokens=learned.tokens,
        base=learned.out,
        window=32,
        batch=4,
        steps=30,
        threads=1,
        device="cpu",
        precision="fp32",
    )
    after = summary_of(pretrain(config))
    assert "untrained_bits_per_byte" not in after
    assert after["base_bits_per_byte"] == pytest.approx(base["validation_bits_per_byte"], rel=1e-3)
    assert after["validation_bits_per_byte"] < 1.002 * after["base_bits_per_byte"]
    assert after["bits_per_byte"] < 1.002 * base["bits_per_byte"]
    assert f"learning rate of {after['learning_rate']:.2g}" in capsys.readouterr().out


def test_a_rate_that_is_set_holds_for_a_base_too(learned):
    new, on = replace(learned, out=Path("x")), replace(learned, base=Path("base"))
    assert new.rate(768) == pytest.approx(2e-3) and on.rate(768) == pytest.approx(2e-3 / 80)
    assert replace(on, learning_rate=0.01).rate(768) == 0.01


def test_texts_of_another_tokenizer_than_the_bases_are_refused(learned, tmp_path):
    save_model(tmp_path / "other", language_model(tokenizer().size, context=32), tokenizer())
    config = replace(learned, out=tmp_path / "out", base=tmp_path / "other")
    with pytest.raises(InputError, match=r"another tokenizer than .*other has; tokenize the texts again"):
        pretrain(config)


def derived(**settings: object) -> PretrainConfig:
    return PretrainConfig(out=Path("x"), tokens=Path("y"), **settings)  # type: ignore[arg-type]


def test_tokens_per_step_grow_with_the_model_from_our_smallest_to_gpt_3():
    assert derived().rows(1_770_000, 1000) == 32
    assert derived(window=64).rows(1_770_000, 1000) == 64
    assert derived(batch=7).rows(10**9, 1000) == 7
    sizes = [10**6, 10**7, 10**8, 10**9, 10**10]
    rows = [derived(context=1024, window=1024).rows(size, 1) for size in sizes]
    assert rows == sorted(rows) and rows[0] == 3 and rows[-1] > 500
    gpt3 = derived(context=2048, window=2048).rows(174_600_000_000, 1) * 2048
    assert gpt3 == pytest.approx(3.2e6, rel=0.03)


def test_rows_that_are_derived_fit_in_memory_and_more_do_when_they_are_read_in_parts():
    shape = shape_of("gpt2")
    kept = shape.layers * (14 * shape.width + 4 * shape.hidden)
    at_once = derived(size="gpt2", context=1024, window=1024).rows(85_000_000, kept)
    in_parts = derived(size="gpt2", context=1024, window=1024, accumulate=8).rows(85_000_000, kept)
    assert 4 * kept * 1024 * at_once <= 4 * 2**30 < 4 * kept * 1024 * (at_once + 1)
    assert at_once < in_parts <= 38  # 38,700 tokens are as many as its size asks for
    assert derived().rows(10**9, 10**12) == 1


def test_a_batch_that_is_not_set_is_derived_told_and_written_down(learned, tmp_path, capsys):
    folder = pretrain(replace(learned, out=tmp_path / "new", batch=None, steps=1))
    summary = summary_of(folder)
    model, _ = load_language_model(folder)
    inner = sum(weight.numel() for weight in model.parameters()) - model.backbone.embedding.weight.numel()
    assert summary["batch"] == round(4096 * (inner / 1.77e6) ** 0.58 / 32) and summary["training_tokens"] > 32
    assert f"{summary['batch']} rows of 32 tokens a step" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"optimizer": "sgd"}, "pretrain.optimizer is 'sgd'; choose adamw or muon"),
        ({"heads": 5}, "pretrain: width 192 must be heads"),
        ({"batch": 0}, "pretrain.batch is 0"),
        ({"width": -3}, "pretrain.width is -3"),
        ({"size": "gpt9"}, "no published shape 'gpt9'"),
        ({"warmup": 5.0}, "pretrain.warmup is 5.0"),
    ],
)
def test_a_shape_or_setting_that_cannot_be_is_refused_before_anything_is_read(settings, says):
    with pytest.raises(ConfigError, match=says):
        derived(**settings)

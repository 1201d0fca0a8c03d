"""`chatwright inspect`: exact counts without loading weights, honest sources, one line for what cannot be read."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from chatwright.__main__ import main
from chatwright.artefacts import save_model
from chatwright.errors import InputError
from chatwright.inspecting import Options, facts_of
from chatwright.models.heads import LanguageModel, count_parameters, training_flops_per_token
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.scaling.memory import Layout, state_bytes
from tiny import language_model, scalar_model, tokenizer


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", language_model(tokenizer().size, tied=False), tokenizer(), stage="sft", chat=True)
    return tmp_path / "model"


def stage_of(folder: Path, name: str = "sft", **receipt: object) -> Path:
    """The folder around a model, made to look like a complete stage."""
    stage = folder.parent
    rates = {"currency": "EUR"}
    figures = {"tokens": 1000, "flops": 2e9, "seconds": 12.5, "energy_measured_j": None, "energy_estimated_j": 7200.0}
    figures |= {"co2e_g": 0.9, "cost": 0.001, "rates": rates, "summary": {"validation_loss": 1.25}, **receipt}
    (stage / "origin.json").write_text(json.dumps({"stage": name, "identity": "x"}))
    (stage / "receipt.json").write_text(json.dumps(figures))
    return stage


def test_parameters_are_counted_by_part_and_operations_as_receipts_count_them(model: Path):
    network = language_model(tokenizer().size, tied=False)
    facts = facts_of(model, Options())
    parts = facts["parameters"]
    assert parts["total"] == count_parameters(network)
    assert parts["embedding"] == parts["head"] == tokenizer().size * 32
    assert parts["attention"] == 2 * 4 * 32 * 32 and parts["feed-forward"] == 2 * 3 * 32 * 64
    assert parts["norms"] == 5 * 32
    assert facts["flops_per_token"]["train"] == training_flops_per_token(network, 64)
    assert facts_of(model, Options(context=16))["flops_per_token"]["train"] == training_flops_per_token(network, 16)


def test_memory_is_that_of_training_here_and_lora_takes_less(model: Path):
    memory = facts_of(model, Options())["memory"]
    total = facts_of(model, Options())["parameters"]["total"]
    full = memory["training_one_row"]["all weights, AdamW"]
    assert full["weights"] + full["gradients"] + full["optimizer"] == 16 * total == sum(state_bytes(total, Layout()))
    # rank 16 on q, k, v, write, gate, up and fall of two layers
    assert memory["lora_parameters"] == 16 * 2 * (4 * 64 + 3 * 96)
    lora = memory["training_one_row"]["LoRA rank 16, bf16 base"]
    assert lora["optimizer"] == 8 * memory["lora_parameters"]
    assert memory["weights"] == {"float32": 4 * total, "bfloat16": 2 * total, "int8": total}
    assert memory["cache_per_conversation"]["float32"] == 2 * 2 * 4 * 8 * 64 * 4


def test_an_lstm_and_a_reward_model_are_inspected_too(tmp_path: Path, capsys):
    recurrent = LanguageModel(Recurrent(RecurrentConfig(vocabulary=tokenizer().size, width=24, layers=2, context=64)))
    save_model(tmp_path / "lstm" / "model", recurrent, tokenizer())
    parts = facts_of(tmp_path / "lstm", Options())["parameters"]
    assert parts["recurrence"] == 2 * 8 * (24**2 + 24) and parts["total"] == count_parameters(recurrent)
    save_model(tmp_path / "reward" / "model", scalar_model(tokenizer().size), tokenizer())
    facts = facts_of(tmp_path / "reward", Options())
    assert facts["parameters"]["head"] == 33 and facts["teaching"] is None
    for name in ("lstm", "reward"):
        assert main(["inspect", str(tmp_path / name)]) == 0
    out = capsys.readouterr().out
    assert "recurrence" in out and "scalar head" in out and "to score" in out


def test_the_page_tells_all_of_it_in_a_hundred_columns(model: Path, capsys):
    assert main(["inspect", str(stage_of(model))]) == 0
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 100
    for wanted in (
        "2 layers, width 32, 4 heads",
        "100.0%",
        "LoRA rank 16, int8 base",
        "<|end|>",
        "chat template    chatwright's own",
        "0.002 kWh, estimated",
        "EUR",
        "validation loss  1.25",
        "sft, not complete",
        "estimated: 40% of 2 processor cores",
    ):
        assert wanted in page, wanted


def test_the_speed_is_stated_known_or_estimated_and_says_which(model: Path):
    stage = stage_of(model, tokens_per_second=2000.0)
    known = facts_of(stage, Options())["teaching"]
    assert known["seconds_per_1000_conversations"] == 1000 * 300 / 2000
    assert known["tokens_per_second_from"] == "as measured when sft ran"
    stated = facts_of(stage, Options(speed=100.0))["teaching"]
    assert (stated["seconds_per_1000_conversations"], stated["tokens_per_second_from"]) == (3000, "as stated")
    assert (
        "estimated"
        in facts_of(stage_of(model, "ppo", tokens_per_second=5.0), Options())["teaching"]["tokens_per_second_from"]
    )


def test_measuring_takes_steps_and_leaves_the_files_as_they_were(model: Path):
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    teaching = facts_of(model, Options(measure=True, threads=1))["teaching"]
    assert teaching["tokens_per_second"] > 0 and teaching["tokens_per_second_from"] == "measured here"
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_conversations_and_a_text_of_ones_own_are_counted(model: Path, tmp_path: Path):
    messages = [{"role": "user", "content": "the fox"}, {"role": "assistant", "content": "the lazy dog"}]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    (tmp_path / "text.txt").write_text("the quick brown fox")
    facts = facts_of(model, Options(conversations=tmp_path / "talk.jsonl", text=tmp_path / "text.txt"))
    words = sum(len(tokenizer().encode(message["content"])) for message in messages)
    assert words < facts["teaching"]["tokens_per_conversation"] < words + 8  # and the control tokens
    assert facts["tokenizer"]["bytes_per_token"] == 19 / len(tokenizer().encode("the quick brown fox"))
    assert facts["tokenizer"]["vocabulary"] == tokenizer().size


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.txt", None, r"absent\.txt cannot be read \(No such file or directory\); give a text file"),
        ("latin.txt", "Grüße".encode("latin-1"), r"latin\.txt is not UTF-8 text \(byte 2\); save it as UTF-8"),
    ],
)
def test_a_text_that_cannot_be_tried_is_named_with_what_to_do(name, content, says, model: Path, tmp_path: Path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        facts_of(model, Options(text=tmp_path / name))


def test_adapters_beside_a_merged_model_are_told(model: Path):
    import torch
    from safetensors.torch import save_file

    (model.parent / "adapter").mkdir()
    tensors = {"q_proj.lora_A.weight": torch.zeros(4, 32), "q_proj.lora_B.weight": torch.zeros(32, 4)}
    save_file(tensors, model.parent / "adapter" / "adapter_model.safetensors")
    assert facts_of(model, Options())["stored"]["merged_adapters"] == 256


def test_json_holds_every_fact_and_no_weight_is_loaded(model: Path):
    code = (
        "import sys; from chatwright.__main__ import main; "
        f"main(['inspect', {str(model)!r}, '--json']); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["parameters"] == facts_of(model, Options())["parameters"]
    assert found["stage"] == "sft" and found["receipt"] is None


def truncated(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:200])


def huge_header(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")


def other_shape(folder: Path) -> None:
    described = json.loads((folder / "model.json").read_text())
    described["backbone"]["layers"] = 3
    (folder / "model.json").write_text(json.dumps(described))


BAD = {
    "truncated weights": (truncated, "weights.safetensors cannot be read"),
    "a header that lies": (huge_header, "weights.safetensors cannot be read"),
    "no weights": (lambda folder: (folder / "weights.safetensors").unlink(), "holds no weights"),
    "another shape": (other_shape, "they do not belong together"),
    "a torn description": (lambda folder: (folder / "model.json").write_text('{"ba'), "model.json is damaged"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer"),
}


@pytest.mark.parametrize(("harm", "words"), BAD.values(), ids=BAD.keys())
def test_a_damaged_model_is_one_line(harm, words, model: Path, capsys):
    harm(model)
    assert main(["inspect", str(model)]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--context", "65"], "--context is 65; the model reads 64 tokens at most"),
        (["--context", "0"], "--context is 0"),
        (["--speed", "-1"], "--speed is -1"),
        (["--speed", "nan"], "--speed is nan"),
        (["--text", "absent.txt"], "absent.txt cannot be read"),
        (["--conversations", "absent.jsonl"], "absent.jsonl"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(arguments, words, model: Path, capsys):
    assert main(["inspect", str(model), *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_folder_without_a_model_is_one_line(tmp_path: Path, capsys):
    assert main(["inspect", str(tmp_path)]) == 2
    assert "holds no model" in capsys.readouterr().err
    assert main(["plan", "--params", "7e9", "--device", "h10"]) == 2
    assert "did you mean 'h100'?" in capsys.readouterr().err

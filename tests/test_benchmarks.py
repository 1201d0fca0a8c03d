from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.slow


def run(script: str, *arguments: str) -> tuple[str, dict[str, Any]]:
    """What a script printed, and its last line as JSON."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},  # tests share their cores
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(done.stdout.splitlines()[-1])


def quick(name: str, *arguments: str) -> tuple[str, dict[str, Any]]:
    """A smoke test's output; it must call itself one."""
    said, line = run(f"{name}.py", "--quick", *arguments)
    assert line["benchmark"] == name
    assert line["quick"] is True
    return said, line


def test_training_compares_ours_with_a_plain_loop_at_both_sizes() -> None:
    said, line = quick("training")
    for size in ("demo", "11m"):
        assert line["ratios"][f"{size}.ours_fp32/plain_fp32"] > 0
        assert line["ratios"][f"{size}.muon/adamw"] > 0
        speeds = line["sizes"][size]["tokens_per_second"]
        assert {"ours fp32", "plain fp32"} <= speeds.keys() and min(speeds.values()) > 0
        native = "ours bf16" in speeds
        assert (line["ratios"][f"{size}.ours_bf16/plain_bf16"] is not None) == native
        assert line["sizes"][size]["optimizer_ms"].keys() == {"adamw", "muon"}
    assert "losses of the first steps" in said


def test_sampling_gives_the_same_answers_at_once_and_one_at_a_time() -> None:
    _, line = quick("sampling")
    assert line["ratios"].keys() == {"at_once/one_at_a_time", "at_once/plain_loop", "2_threads/1_thread", "bf16/fp32"}
    fp32 = {name: share for name, share in line["same_answers"].items() if "bf16" not in name}
    assert fp32["at once, 2 threads"] == fp32["at once, 1 thread"] == fp32["plain loop, at once"] == 1.0


def test_ppo_splits_an_episode_into_rollout_score_and_train_on_both_sides() -> None:
    said, line = quick("ppo")
    for case in ("full_1_epochs", "ragged_1_epochs"):
        for side in ("ours", "plain"):
            own = line["ms_per_episode"][case][side]
            assert own.keys() == {"rollout", "score", "train", "all"} and min(own.values()) > 0
        assert line["ratios"][f"{case}.all"] > 0
    assert "NOT measured here" in said
    assert not any("trl" in name.lower() or ratio == 132 for name, ratio in line["ratios"].items())


def test_demo_reads_where_the_seconds_of_a_real_run_went() -> None:
    said, line = quick("demo")
    assert line["ratios"].keys() == {"tokenize/all", "base/all"}
    assert sum(line["ratios"].values()) == pytest.approx(1, abs=1e-3)
    assert "cores busy" in said


def test_demo_adds_up_the_phases_that_ppo_logged(tmp_path: Path) -> None:
    receipt = {"tokens": 100, "seconds": 8.0, "cpu_seconds": 12.0, "peak_memory_bytes": 2**20}
    for stage, seconds in (("sft", 2.0), ("ppo", 8.0)):
        (tmp_path / stage).mkdir()
        own = {**receipt, "seconds": seconds, "summary": {"episodes": 10} if stage == "ppo" else {}}
        (tmp_path / stage / "receipt.json").write_text(json.dumps(own))
    lines = [
        {"step": 1, "rollout_seconds": 1.0, "score_seconds": 0.5, "train_seconds": 2.0},
        {"step": 1, "validation_score": 0.1},
        {"step": 2, "rollout_seconds": 1.0, "score_seconds": 0.5, "train_seconds": 1.0},
    ]
    (tmp_path / "ppo" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "summary.json").write_text(json.dumps({"stages": {"sft": {}, "ppo": {}}}))
    said, line = run("demo.py", str(tmp_path))
    assert line["ratios"] == {"sft/all": 0.2, "ppo/all": 0.8}
    assert line["ppo_seconds"] == {"ppo": {"rollout": 2.0, "score": 1.0, "train": 3.0}}
    assert "600.0 ms per episode" in said


def test_demo_says_so_when_the_folder_is_no_run(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / "demo.py", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "no stage with a receipt.json" in done.stderr and "Traceback" not in done.stderr


def test_a_script_that_does_other_work_than_its_peer_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import training

    agreed = {"plain fp32": [6.0, 5.9, 5.8], "ours fp32": [6.00001, 5.9, 5.8], "ours bf16": [6.01, 5.91, 5.79]}
    training.check_same_work(agreed)
    with pytest.raises(SystemExit, match="ours fp32"):
        training.check_same_work({**agreed, "ours fp32": [6.0, 5.9, 5.81]})


def test_decode_holds_streams_and_rollouts_against_transformers_and_the_machine() -> None:
    said, line = quick("decode")
    for size in ("10m", "124m"):
        assert {f"{size}.{case}.ours/transformers" for case in ("1", "8", "32", "rollouts")} <= line["ratios"].keys()
        assert {f"{size}.1.ours/read_limit", f"{size}.32.ours/multiply_limit"} <= line["ratios"].keys()
    assert min(line["ratios"].values()) >= 0 and min(line["tokens_per_second"].values()) > 0
    assert "of its limit" in said


def test_finetune_measures_each_way_in_a_process_of_its_own() -> None:
    ways = ["full", "LoRA, 8-bit, checkpointing"]
    said, line = quick("finetune", "--ways", *ways)
    assert line["ratios"].keys() == line["memory"].keys() == {"tiny.LoRA, 8-bit, checkpointing/full"}
    full, lora = (line["shapes"]["tiny"][way] for way in ways)
    assert min(full["peak_bytes"], lora["peak_bytes"], full["tokens_per_second"], lora["tokens_per_second"]) > 0
    assert 0 < lora["learned"] < full["learned"] / 2
    assert "peak, GB" in said


def test_finetune_stands_beside_peft_on_the_same_shape_and_adapters() -> None:
    for library in ("peft", "transformers"):
        pytest.importorskip(library)
    ways = ["LoRA, bf16, checkpointing", "PEFT, bf16, checkpointing"]
    _, line = quick("finetune", "--ways", *ways)
    pair = "tiny.LoRA, bf16, checkpointing/PEFT, bf16, checkpointing"
    assert line["ratios"][pair] > 0 and line["memory"][pair] > 0
    ours, theirs = (line["shapes"]["tiny"][way] for way in ways)
    assert ours["learned"] == theirs["learned"]


def test_serve_lets_the_same_clients_stream_from_our_server_and_from_that_of_transformers() -> None:
    pytest.importorskip("transformers.cli.serve", reason="transformers serve is not installed")
    said, line = quick("serve", "--threads", "1")
    peers = {"transformers", "transformers_batching"}
    kinds = ("tokens_per_second", "first_token_median", "first_token_p95")
    assert {f"{kind}.ours/{peer}" for kind in kinds for peer in peers} <= line["ratios"].keys()
    assert line["figures"].keys() == {"ours", *peers}
    for own in line["figures"].values():
        assert 0 < own["first_token_median"] <= own["first_token_p95"]
        assert 0 < own["client_tokens_per_second_p5"] <= own["client_tokens_per_second_median"]
    assert "8 clients" in said


def test_start_counts_the_processor_seconds_of_processes_that_say_one_token() -> None:
    said, line = quick("start")
    assert line["ratios"].keys() == {"ours/torch", "ours/transformers"}
    assert line["cpu_seconds"].keys() == {"torch", "ours", "transformers"} and min(line["cpu_seconds"].values()) > 0
    assert "CPU seconds to the first token" in said

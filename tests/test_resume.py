"""Exact resume: a run that is killed at any moment, again and again, ends with the very bytes of one that was not."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from chatwright.disk import sha256_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL, SIGSTOP and SIGINT for one process"),
]

RECIPE = """
name = "tiny"
seed = 3
threads = 1

[village]
people = 12
documents = 150
demonstrations = 200
ranking_prompts = 136
ppo_prompts = 48
validation_prompts = 8
test_prompts = 8

[tokenize]
texts = "village"
vocabulary = 400

[base]
stage = "pretrain"
depth = 2
width = 48
context = 160
window = 64
batch = 8
steps = 60
optimizer = "muon"
evaluate_every = 10

[sft]
conversations = "village"
batch = 4
epochs = 5.0
learning_rate = 5e-3
evaluate_every = 10

[collect]
prompts = "village"
labeler = "village"
answers = 4
temperature = 1.0
max_tokens = 32

[reward]
demonstrations = "village"
batch = 8
evaluate_every = 3

[ppo]
prompts = "village"
validation_prompts = "village"
iterations = 6
batch = 8
max_tokens = 12
evaluate_every = 2
ema = 0.5

[evaluate]
prompts = "village"
judge = "village"
n = 8
samples = 1
max_tokens = 8
best_of = 2
documents = 4
"""
TABLES = ["village", "tokenize", "base", "sft", "collect", "reward", "ppo", "evaluate"]
SAVING = ["base", "sft", "collect", "reward", "ppo"]  # stages that save on their way
LONG = ["base", "sft", "reward"]  # of these, stages that save many times
CLOCK = re.compile(r"(^|_)seconds$|_per_second$")  # figures that no two runs have in common


def start(folder: Path, *more: str, saves: bool = True) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if saves:
        environment["CHATWRIGHT_SAVE_EVERY_STEPS"] = "1"
    command = [sys.executable, "-m", "chatwright", "run", "recipe.toml", "--out", "run", *more]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str], what: str) -> bool:
    """Wait until something has happened; False if the process ended first."""
    latest = time.monotonic() + 300
    while process.poll() is None:
        if happened():
            return True
        assert time.monotonic() < latest, f"waited in vain for {what}"
        time.sleep(0.0005)
    return False


def is_working(stage: Path) -> bool:
    return (stage / "origin.json").exists() and not is_over(stage)


def is_over(stage: Path) -> bool:
    return (stage / "done.json").exists()


def is_saving(stage: Path) -> bool:
    try:
        return any(name.startswith(".step-") for name in os.listdir(stage / "resume"))  # noqa: PTH208  quicker
    except FileNotFoundError:
        return False


def stop_inside_a_save(process: subprocess.Popen[str], stage: Path, skipped: int) -> None:
    """Stop the process where the stage is inside a save, but for so many before; or let it go on if the stage is over.

    A save may be over before a signal arrives: whether it hit is looked up while nothing moves any more.
    """
    for _ in range(skipped):
        wait_for(lambda: is_over(stage) or is_saving(stage), process, "a save")
        wait_for(lambda: is_over(stage) or not is_saving(stage), process, "its end")
    while wait_for(lambda: is_over(stage) or is_saving(stage), process, f"{stage.name} to save"):
        if is_over(stage):
            return
        process.send_signal(signal.SIGSTOP)
        seen = psutil.Process(process.pid)
        wait_for(lambda: seen.status() == psutil.STATUS_STOPPED, process, "it to stop")  # noqa: B023
        if is_saving(stage):
            return
        process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "recipe.toml").write_text(RECIPE)
    code, _, err = ended(start(folder, saves=False))
    assert code == 0, err
    return folder / "run"


def results_of(run: Path) -> dict[str, object]:
    """All that a run came to: hashes of weights, texts and figures, without what the clock says."""
    found: dict[str, object] = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.suffix in (".safetensors", ".bin", ".index") or name.startswith("village/") and "prompts" in name:
            found[name] = sha256_of(path)
        elif path.name in (
            "rankings.jsonl",
            "answers.jsonl",
            "samples.md",
            "results.json",
            "tokenizer.json",
        ) or path.name.startswith(("validation-", "answers-", "test.jsonl")):
            found[name] = path.read_text(encoding="utf-8")
        elif path.name == "metrics.jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{key: value for key, value in row.items() if not CLOCK.search(key)} for row in rows]
    return found


def test_a_run_killed_in_every_stage_and_inside_saves_ends_with_the_same_bytes(undisturbed: Path, tmp_path: Path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    rng = random.Random("kills-1")
    lengths = {table: json.loads((undisturbed / table / "receipt.json").read_text())["seconds"] for table in TABLES}
    killed: dict[str, list[str]] = {"at a random moment": [], "inside a save": []}
    for table in TABLES:
        stage = tmp_path / "run" / table
        # The early one first: on a machine that is faster than before, a random moment may be the end of the stage.
        moments = ["inside a save", "at a random moment"] if table in SAVING else ["at a random moment"]
        for moment in moments:
            process = start(tmp_path)
            if wait_for(lambda: is_working(stage) or is_over(stage), process, f"{table} to begin"):  # noqa: B023
                if moment == "inside a save":
                    # Not always the first; but some stages save three times only.
                    stop_inside_a_save(process, stage, rng.randrange(3) if table in LONG else 0)
                else:
                    latest = time.monotonic() + rng.uniform(0, lengths[table])
                    wait_for(lambda: is_over(stage) or time.monotonic() > latest, process, "its time")  # noqa: B023
                process.kill()
            code, _, err = ended(process)
            assert code in (0, -signal.SIGKILL), err
            assert not (tmp_path / "run" / "summary.json").exists() or code == 0
            if is_saving(stage) if moment == "inside a save" else code == -signal.SIGKILL:
                killed[moment].append(table)
    assert killed["inside a save"] == SAVING and len(killed["at a random moment"]) >= 5, killed
    code, out, err = ended(start(tmp_path))
    assert code == 0, err
    assert (tmp_path / "run" / "summary.json").exists()
    found, expected = results_of(tmp_path / "run"), results_of(undisturbed)
    assert {"base", "sft", "reward", "ppo"} <= {name.split("/")[0] for name in found if name.endswith(".safetensors")}
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def test_a_save_that_was_damaged_afterwards_costs_time_and_not_the_result(undisturbed: Path, tmp_path: Path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    base = tmp_path / "run" / "base"
    process = start(tmp_path, "--until", "base")
    assert wait_for(lambda: bool(list((base / "resume").glob("step-*"))), process, "a save of base")
    process.kill()
    ended(process)
    for file in (base / "resume").glob("step-*/*.safetensors"):
        file.write_bytes(file.read_bytes()[:-7])
    code, out, err = ended(start(tmp_path, "--until", "base"))
    assert code == 0 and "base: starts again" in out, err
    weights = "base/model/weights.safetensors"
    assert sha256_of(tmp_path / "run" / weights) == sha256_of(undisturbed / weights)


def test_control_c_saves_exits_130_and_a_second_process_is_refused(undisturbed: Path, tmp_path: Path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    metrics = tmp_path / "run" / "base" / "metrics.jsonl"
    first = start(tmp_path, "--until", "base", saves=False)
    assert wait_for(metrics.exists, first, "base to learn")
    first.send_signal(signal.SIGSTOP)  # it holds the folder as long as this takes
    code, _, err = ended(start(tmp_path, saves=False))
    assert code == 2 and err.count("\n") == 1 and "Traceback" not in err
    assert f"is being written by another process (pid {first.pid})" in err
    first.send_signal(signal.SIGINT)
    first.send_signal(signal.SIGCONT)
    code, _, err = ended(first)
    assert code == 130, err
    assert err.endswith("chatwright: Saved. Run the same command again to go on.\n") and "Traceback" not in err
    assert list((tmp_path / "run" / "base" / "resume").glob("step-*"))
    code, out, err = ended(start(tmp_path, "--until", "base", saves=False))
    assert code == 0 and re.search(r"^base: resumed at step \d+$", out, re.M), err
    weights = "base/model/weights.safetensors"
    assert sha256_of(tmp_path / "run" / weights) == sha256_of(undisturbed / weights)

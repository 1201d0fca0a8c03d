from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatwright import runs
from chatwright.errors import ArtefactError, InputError
from chatwright.progress import Progress, duration
from chatwright.runs import Interrupted, model_folder, open_stage, sha256_of


@dataclass(frozen=True, kw_only=True)
class Counting:
    """Settings of a stage that adds up numbers."""

    out: Path
    parent: Path | None = None
    steps: int = 5
    factor: float = 1.0
    texts: tuple[str, ...] = ()
    seed: int = 1
    threads: int = 2


# The same stage in a process of its own, so that it can be killed; argv: folder, steps, where to die.
COUNTING = """
import os, sys
from dataclasses import dataclass
from pathlib import Path
from chatwright.runs import open_stage

@dataclass(frozen=True, kw_only=True)
class Counting:
    out: Path
    steps: int = 5

def count(config, die):
    with open_stage("counting", config, out=config.out) as stage:
        if stage.complete:
            return
        total, first = 0, 0
        if (latest := stage.latest()) is not None:
            first, total = latest[0], int((latest[1] / "total").read_text())
        for step in range(first + 1, config.steps + 1):
            total += step * step
            stage.meter.add(tokens=step)
            stage.log(step, total=total)
            stage.sample(f"step {step}", str(total))
            if die == f"after-step-{step}":
                with (stage.folder / "metrics.jsonl").open("a") as file:
                    file.write('{"step": 99, "tot')  # torn
                os._exit(9)
            if stage.should_save(step):
                with stage.checkpoint(step) as save:
                    if die == f"before-save-{step}":
                        os._exit(9)
                    (save / "total").write_text(str(total))
                    if die == f"inside-save-{step}":
                        os._exit(9)
        stage.write("model/weights", str(total))
        if die == "before-finish":
            os._exit(9)
        stage.finish(total=total)

count(Counting(out=Path(sys.argv[1]), steps=int(sys.argv[2])), sys.argv[3])
"""


def count(folder: Path, steps: int = 5, die: str = "", save_every: int = 2) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHATWRIGHT_SAVE_EVERY_STEPS": str(save_every)}
    command = [sys.executable, "-c", COUNTING, str(folder), str(steps), die]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def finished(folder: Path, config: Counting | None = None, content: str = "weights", **settings: object) -> Path:
    config = config or Counting(out=folder, **settings)  # type: ignore[arg-type]
    with open_stage("counting", config, out=folder) as stage:
        if stage.complete:
            return folder
        stage.write("model/weights.safetensors", content)
        stage.write("model/model.json", "{}")
        return stage.finish()


def steps_logged(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


DEATHS = ["after-step-1", "after-step-3", "before-save-2", "inside-save-2", "inside-save-4", "before-finish"]


@pytest.mark.parametrize("die", DEATHS)
def test_a_stage_killed_anywhere_ends_with_the_results_and_records_of_an_undisturbed_one(die: str, tmp_path: Path):
    assert count(tmp_path / "whole").returncode == 0
    assert count(tmp_path / "killed", die=die).returncode == 9
    assert not (tmp_path / "killed/done.json").exists()
    again = count(tmp_path / "killed")
    assert again.returncode == 0, again.stderr
    for name in ("model/weights", "metrics.jsonl", "samples.md"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    results = [json.loads((tmp_path / name / "done.json").read_text())["results"] for name in ("whole", "killed")]
    assert results[0] == results[1]
    assert json.loads((tmp_path / "killed/receipt.json").read_text())["tokens"] == 1 + 2 + 3 + 4 + 5
    assert not list((tmp_path / "killed").rglob("*.writing")) and not (tmp_path / "killed/resume").exists()


def test_a_stage_killed_again_and_again_still_ends(tmp_path: Path):
    for die in ("inside-save-2", "after-step-3", "inside-save-4", "before-finish"):
        assert count(tmp_path / "stage", die=die).returncode == 9
    assert count(tmp_path / "stage").returncode == 0
    assert (tmp_path / "stage/model/weights").read_text() == str(1 + 4 + 9 + 16 + 25)
    assert steps_logged(tmp_path / "stage") == [1, 2, 3, 4, 5]


def test_the_lines_printed_tell_what_became_of_the_stage(tmp_path: Path):
    count(tmp_path / "stage", die="after-step-3")
    assert "stage: resumed at step 2" in count(tmp_path / "stage").stdout
    assert count(tmp_path / "stage").stdout == "stage: complete\n"
    count(tmp_path / "other", die="after-step-1")
    assert "other: starts again; it had broken off before its first save" in count(tmp_path / "other").stdout


def test_a_damaged_save_is_passed_over(tmp_path: Path):
    count(tmp_path / "stage", die="after-step-5")
    save = next((tmp_path / "stage/resume").glob("step-*"))
    (save / "total").write_text("7")
    assert count(tmp_path / "stage").returncode == 0
    assert (tmp_path / "stage/model/weights").read_text() == "55"


def test_a_crash_between_done_and_the_removal_of_saves_loses_nothing(tmp_path: Path):
    finished(tmp_path / "stage")
    (tmp_path / "stage/resume/step-00000001").mkdir(parents=True)
    finished(tmp_path / "stage", content="different")
    assert (tmp_path / "stage/model/weights.safetensors").read_text() == "weights"
    assert not (tmp_path / "stage/resume").exists()


def test_a_folder_with_the_same_settings_is_complete_and_with_others_is_put_aside(tmp_path: Path, capsys):
    finished(tmp_path / "stage", factor=1.0)
    done = (tmp_path / "stage/done.json").read_bytes()
    finished(tmp_path / "stage", factor=1.0, threads=8, content="never written")
    assert (tmp_path / "stage/done.json").read_bytes() == done
    capsys.readouterr()
    finished(tmp_path / "stage", factor=2.5, content="new")
    asides = [path for path in tmp_path.iterdir() if path.name.startswith("stage@")]
    assert len(asides) == 1 and (asides[0] / "done.json").read_bytes() == done
    line = capsys.readouterr().out.splitlines()[0]
    assert line == f"stage: done again, because factor is 2.5, was 1.0; what was there is now {asides[0].name}"
    assert asides[0].name == "stage@" + json.loads((asides[0] / "origin.json").read_text())["identity"][:8]
    finished(tmp_path / "stage", factor=1.0)
    finished(tmp_path / "stage", factor=2.5)
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("stage@")]) == 3  # nothing is overwritten


def test_a_changed_byte_in_the_weights_is_found_and_the_stage_done_again(tmp_path: Path, capsys):
    stage = finished(tmp_path / "stage")
    assert model_folder(stage) == stage / "model"
    (stage / "model/weights.safetensors").write_text("weightz")
    with pytest.raises(ArtefactError, match=r"model/weights.safetensors is damaged.*run the stage again"):
        model_folder(stage)
    with pytest.raises(ArtefactError, match="weights.safetensors is damaged"):
        model_folder(stage / "model")
    capsys.readouterr()
    finished(stage)
    assert "because model/weights.safetensors is damaged" in capsys.readouterr().out
    assert (model_folder(stage) / "weights.safetensors").read_text() == "weights"
    assert len(list(tmp_path.glob("stage@*"))) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"files": 3}'])
def test_a_damaged_done_file_does_not_count_as_complete(content: str, tmp_path: Path):
    stage = finished(tmp_path / "stage")
    (stage / "done.json").write_text(content)
    with pytest.raises(ArtefactError, match=r"done.json is damaged"):
        model_folder(stage)
    finished(stage)
    assert model_folder(stage) == stage / "model"


def test_a_missing_result_file_is_damage_too(tmp_path: Path):
    stage = finished(tmp_path / "stage")
    (stage / "model/weights.safetensors").unlink()
    with pytest.raises(ArtefactError, match="weights.safetensors is damaged"):
        model_folder(stage)


def child(folder: Path, parent: Path) -> str:
    config = Counting(out=folder, parent=parent)
    with open_stage("child", config, out=folder, parents={"parent": parent}) as stage:
        was = "complete" if stage.complete else "new"
        if not stage.complete:
            stage.write("result", "x")
            stage.finish()
    return was


def test_a_child_follows_its_parents_results_and_not_its_times(tmp_path: Path, capsys):
    parent = finished(tmp_path / "parent")
    assert child(tmp_path / "child", parent) == "new"
    shutil.rmtree(parent)
    finished(parent)  # the same result at another time
    assert child(tmp_path / "child", parent) == "complete"
    shutil.rmtree(parent)
    finished(parent, content="other weights")
    capsys.readouterr()
    assert child(tmp_path / "child", parent) == "new"
    assert "because its parent has changed" in capsys.readouterr().out


def test_a_run_that_was_moved_is_still_complete(tmp_path: Path):
    parent = finished(tmp_path / "run/parent")
    child(tmp_path / "run/child", parent)
    (tmp_path / "run").rename(tmp_path / "moved")
    assert child(tmp_path / "moved/child", tmp_path / "moved/parent") == "complete"


def test_an_incomplete_missing_or_damaged_parent_is_refused_by_name(tmp_path: Path):
    with pytest.raises(ArtefactError, match="nowhere does not exist"):
        child(tmp_path / "child", tmp_path / "nowhere")
    count(tmp_path / "parent", die="after-step-3")
    with pytest.raises(ArtefactError, match=r"parent is not complete; run its stage again"):
        child(tmp_path / "child", tmp_path / "parent")
    parent = finished(tmp_path / "whole")
    (parent / "model/weights.safetensors").write_text("bad")
    with pytest.raises(ArtefactError, match="weights.safetensors is damaged"):
        child(tmp_path / "child", parent)
    assert not (tmp_path / "child").exists()


def reading(folder: Path, *inputs: Path) -> bool:
    config = Counting(out=folder, texts=tuple(str(path) for path in inputs))
    with open_stage("reading", config, out=folder, inputs=inputs) as stage:
        was_complete = stage.complete
        stage.finish()
    return was_complete


def test_data_count_by_their_contents_and_not_their_place(tmp_path: Path, capsys):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/b.txt").write_text("two")
    assert not reading(tmp_path / "stage", tmp_path / "a.txt", tmp_path / "folder")
    (tmp_path / "a.txt").rename(tmp_path / "moved.txt")
    assert reading(tmp_path / "stage", tmp_path / "moved.txt", tmp_path / "folder")
    (tmp_path / "folder/b.txt").write_text("twO")
    capsys.readouterr()
    assert not reading(tmp_path / "stage", tmp_path / "moved.txt", tmp_path / "folder")
    assert "because its data has changed" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"absent.txt does not exist; reading reads it"):
        reading(tmp_path / "stage", tmp_path / "absent.txt")


def test_a_folder_that_no_stage_wrote_is_left_alone(tmp_path: Path):
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary/monday.txt").write_text("dear diary")
    with pytest.raises(ArtefactError, match=r"diary holds monday.txt, which no stage wrote"):
        finished(tmp_path / "diary")
    assert (tmp_path / "diary/monday.txt").read_text() == "dear diary"
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtefactError, match="file is a file"):
        finished(tmp_path / "file")


def test_a_process_that_died_before_it_wrote_its_origin_is_no_obstacle(tmp_path: Path):
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage/config.json").write_text("{}")
    (tmp_path / "stage/.origin.json.1.writing").write_text("{")
    finished(tmp_path / "stage")
    assert not list((tmp_path / "stage").glob(".*writing"))


def test_a_torn_origin_puts_the_folder_aside(tmp_path: Path):
    finished(tmp_path / "stage")
    (tmp_path / "stage/origin.json").write_text("{")
    finished(tmp_path / "stage")
    assert len(list(tmp_path.glob("stage@*"))) == 1


def test_a_second_process_is_refused_and_told_who_is_writing(tmp_path: Path):
    with open_stage("counting", Counting(out=tmp_path / "stage"), out=tmp_path / "stage"):
        refused = count(tmp_path / "stage")
    assert refused.returncode == 1 and "ResourceError" in refused.stderr
    assert f"is being written by another process (pid {os.getpid()})" in refused.stderr
    assert count(tmp_path / "stage").returncode == 0  # another identity: put aside, once the lock is free


def test_a_complete_folder_can_be_read_while_it_cannot_be_written(tmp_path: Path):
    stage = finished(tmp_path / "stage")
    lock = runs.hold(stage)
    try:
        finished(stage, content="never written")
    finally:
        lock.release()
    assert (stage / "model/weights.safetensors").read_text() == "weights"


def test_the_first_signal_saves_and_stops_and_the_next_run_goes_on(tmp_path: Path, capfd):
    config = Counting(out=tmp_path / "stage")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted), open_stage("counting", config, out=config.out, save_every_s=1e9) as stage:
        stage.log(1, loss=0.5)
        assert not stage.should_save(1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stage.interrupted and stage.should_save(1)
        with stage.checkpoint(1) as save:
            (save / "state").write_text("s")
    assert signal.getsignal(signal.SIGTERM) is before
    assert "Stopping after this step" in capfd.readouterr().err
    with open_stage("counting", config, out=config.out) as stage:
        assert stage.resuming
        latest = stage.latest()
        assert latest is not None and latest[0] == 1 and (latest[1] / "state").read_text() == "s"


def test_the_second_signal_stops_at_once(tmp_path: Path):
    config = Counting(out=tmp_path / "stage")
    with pytest.raises(KeyboardInterrupt) as caught, open_stage("counting", config, out=config.out):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert not isinstance(caught.value, Interrupted)


def test_a_stage_interrupted_in_its_last_step_is_complete_all_the_same(tmp_path: Path):
    config = Counting(out=tmp_path / "stage")
    with pytest.raises(Interrupted), open_stage("counting", config, out=config.out) as stage:
        os.kill(os.getpid(), signal.SIGINT)
        stage.finish()
    with open_stage("counting", config, out=config.out) as stage:
        assert stage.complete


def test_a_stage_in_another_thread_leaves_signals_alone(tmp_path: Path):
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with open_stage("counting", Counting(out=tmp_path / "stage"), out=tmp_path / "stage"):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_an_error_inside_a_save_leaves_the_older_one(tmp_path: Path):
    config = Counting(out=tmp_path / "stage")
    with open_stage("counting", config, out=config.out) as stage:
        with stage.checkpoint(1) as save:
            (save / "state").write_text("one")
        with pytest.raises(OSError, match="full"), stage.checkpoint(2) as save:
            (save / "state").write_text("tw")
            raise OSError("disk is full")
        latest = stage.latest()
        assert latest is not None and (latest[0], (latest[1] / "state").read_text()) == (1, "one")
        assert [path.name for path in (stage.folder / "resume").iterdir()] == ["step-00000001"]


def test_saves_are_due_by_time_or_by_steps(tmp_path: Path, monkeypatch):
    config = Counting(out=tmp_path / "stage")
    with open_stage("counting", config, out=config.out, save_every_s=0.0) as stage:
        assert stage.should_save(1)
    monkeypatch.setenv("CHATWRIGHT_SAVE_EVERY_STEPS", "3")
    with open_stage("counting", config, out=config.out, save_every_s=0.0) as stage:
        assert [stage.should_save(step) for step in range(7)] == [False, False, False, True, False, False, True]


def test_numbers_that_are_not_finite_are_logged_as_null_and_numpy_numbers_as_numbers(tmp_path: Path):
    import numpy

    with open_stage("counting", Counting(out=tmp_path / "stage"), out=tmp_path / "stage") as stage:
        stage.log(1, loss=float("nan"), norm=float("inf"), rate=numpy.float32(0.5), note="ä", none=None)
    line = json.loads((tmp_path / "stage/metrics.jsonl").read_text())
    assert line == {"step": 1, "loss": None, "norm": None, "rate": 0.5, "note": "ä", "none": None}


def test_config_and_origin_are_complete(tmp_path: Path):
    stage = finished(tmp_path / "stage", steps=3)
    config = json.loads((stage / "config.json").read_text())
    assert config["steps"] == 3 and config["factor"] == 1.0 and config["out"] == stage.as_posix()
    origin = json.loads((stage / "origin.json").read_text())
    assert origin["stage"] == "counting" and origin["seed"] == 1 and "python" in origin["versions"]
    done = json.loads((stage / "done.json").read_text())
    assert done["files"]["model/weights.safetensors"] == sha256_of(stage / "model/weights.safetensors")
    assert {"config.json", "origin.json", "receipt.json"} <= done["files"].keys()


def test_a_recipe_run_means_its_last_trained_model(tmp_path: Path):
    with pytest.raises(ArtefactError, match="does not exist; give a model folder"):
        model_folder(tmp_path / "run")
    for name, expected in [("base", "base"), ("sft", "sft"), ("ppo", "ppo"), ("ppo2", "ppo2"), ("reward", "ppo2")]:
        finished(tmp_path / "run" / name)
        assert model_folder(tmp_path / "run") == tmp_path / "run" / expected / "model"
    (tmp_path / "run/ppo2/done.json").unlink()
    assert model_folder(tmp_path / "run") == tmp_path / "run/ppo/model"
    with pytest.raises(ArtefactError, match="ppo2 is not complete"):
        model_folder(tmp_path / "run/ppo2")


def test_a_stage_without_a_model_is_named(tmp_path: Path):
    with open_stage("tokenize", Counting(out=tmp_path / "stage"), out=tmp_path / "stage") as stage:
        stage.finish()
    with pytest.raises(ArtefactError, match="holds no model, it is a tokenize stage"):
        model_folder(tmp_path / "stage")


def test_progress_prints_plain_lines_but_not_too_often(capsys):
    progress = Progress("base")
    for step in range(1, 50):
        progress.show(step, 100, tokens=step * 1000, loss=1.23456)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["base: 1/100  loss 1.235"]
    assert duration(0.84) == "0.8 s"
    assert (duration(7.6), duration(185), duration(7800)) == ("8 s", "3 min 05 s", "2 h 10 min")

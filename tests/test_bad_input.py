"""Bad input of every kind ends in one line that says what is wrong and where, code 2, and no summary."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from chatwright.__main__ import main

TALK = {"messages": [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "A fox."}]}
RANKED = {"prompt": TALK["messages"][:1], "answers": ["A fox.", "No."], "ranks": [1, 2]}
ASKED = {"prompt": TALK["messages"][:1]}
RECIPE = """
name = "small"
threads = 1

[tokenize]
texts = "texts.txt"
vocabulary = 300
validation = 0.2
test = 0.2

[base]
stage = "pretrain"
depth = 1
width = 32
context = 64
window = 32
batch = 2
steps = 2

[sft]
conversations = "talks.jsonl"
epochs = 0.1

[reward]
rankings = "rankings.jsonl"
epochs = 0.1

[ppo]
prompts = "prompts.jsonl"
iterations = 1
batch = 4
max_tokens = 8

[evaluate]
prompts = "prompts.jsonl"
n = 2
samples = 1
max_tokens = 4
documents = 2
"""


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_input(folder: Path) -> None:
    """A recipe and small files for every stage of it, all of them good."""
    names = ["Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Ida", "Joe", "Kim", "Lea"]
    tales = [f"{one} met {other} by the mill, and they talked till dark." for one in names for other in names]
    (folder / "texts.txt").write_text("\n<|endoftext|>\n".join(tales))
    talks = [
        {"messages": [{"role": "user", "content": f"Who is {name}?"}, {"role": "assistant", "content": "A friend."}]}
        for name in names
    ]
    (folder / "talks.jsonl").write_text(jsonl(*talks))
    (folder / "rankings.jsonl").write_text(
        jsonl(*({"prompt": talk["messages"][:1], "answers": ["A friend.", "No."], "ranks": [1, 2]} for talk in talks))
    )
    (folder / "prompts.jsonl").write_text(jsonl(*({"prompt": talk["messages"][:1]} for talk in talks)))
    (folder / "recipe.toml").write_text(RECIPE)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with input and a finished run of it."""
    folder = tmp_path_factory.mktemp("good")
    write_input(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["run", "recipe.toml", "--out", "run"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def place(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `good` to spoil, as the working directory."""
    folder = tmp_path / "place"
    shutil.copytree(good, folder)
    monkeypatch.chdir(folder)
    return folder


def complaint(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail as it should; returns its one line."""
    capfd.readouterr()
    assert main(arguments) == 2
    err = capfd.readouterr().err
    assert err.startswith("chatwright: ") and err.endswith("\n") and err.count("\n") == 1, err
    assert "Traceback" not in err
    return err.removeprefix("chatwright: ").rstrip()


TORN = '{"messages": [{"role": "user", "con'
LONG = {"messages": [{"role": "user", "content": "Who? " * 200}, {"role": "assistant", "content": "A fox."}]}
LONE = {"messages": [{"role": "assistant", "content": "A fox."}, {"role": "assistant", "content": "A dog."}]}

# File, its content, and what the line must say.
FILES: list[tuple[str, str | bytes, list[str]]] = [
    ("texts.txt", "", ["texts.txt holds no text"]),
    ("texts.txt", " \n\n", ["texts.txt holds no text"]),
    ("texts.txt", "Grüße\nund Küsse".encode("latin-1"), ["texts.txt:1: not UTF-8", "save the file as UTF-8"]),
    ("texts.txt", "Once".encode("utf-16"), ["texts.txt is UTF-16", "save it as UTF-8"]),
    ("texts.txt", "Once upon a time.", ["cannot be dealt out", "give more text"]),
    ("talks.jsonl", "", ["talks.jsonl holds no conversation"]),
    ("talks.jsonl", jsonl(TALK) + TORN, ["talks.jsonl:2"]),
    ("talks.jsonl", jsonl(TALK, LONE), ["talks.jsonl:2", "two assistant messages in a row"]),
    ("talks.jsonl", jsonl(TALK, {"text": "x"}), ["talks.jsonl:2", "no conversation"]),
    ("talks.jsonl", jsonl(*[LONG] * 3), ["talks.jsonl", "none of the 3 conversations", "64 tokens"]),
    ("talks.jsonl", jsonl(TALK), ["talks.jsonl", "at least two"]),
    ("talks.jsonl", b'{"messages": "\xff"}\n', ["talks.jsonl:1: not UTF-8"]),
    ("rankings.jsonl", jsonl(*[RANKED] * 20) + '{"prompt": [', ["rankings.jsonl:21"]),
    ("rankings.jsonl", jsonl(RANKED, {**RANKED, "ranks": [1]}), ["rankings.jsonl:2", "2 answers but 1 ranks"]),
    ("rankings.jsonl", jsonl({**RANKED, "ranks": [float("nan"), 2]}), ["rankings.jsonl:1", "NaN"]),
    ("rankings.jsonl", jsonl(*[RANKED] * 3), ["rankings.jsonl", "3 usable rankings", "at least 10"]),
    ("rankings.jsonl", jsonl(*[{**RANKED, "ranks": [1, 1]}] * 20), ["rankings.jsonl", "0 usable rankings"]),
    ("rankings.jsonl", jsonl(*[RANKED] * 20), ["rankings.jsonl", "about 1 different prompts"]),
    ("prompts.jsonl", "", ["prompts.jsonl holds no prompt"]),
    ("prompts.jsonl", jsonl(ASKED) + '{"prompt"', ["prompts.jsonl:2"]),
    ("prompts.jsonl", jsonl({"prompt": TALK["messages"]}), ["prompts.jsonl:1", "it must be the user's"]),
    ("prompts.jsonl", jsonl({"prompt": "Who? " * 200}), ["prompts.jsonl", "no prompt is shorter than 56 tokens"]),
]


@pytest.mark.parametrize(
    ("name", "content", "says"), FILES, ids=[f"{number}-{name}" for number, (name, _, _) in enumerate(FILES)]
)
def test_a_bad_file_is_named_with_its_line(
    name: str, content: str | bytes, says: list[str], place: Path, capfd: pytest.CaptureFixture[str]
):
    (place / name).write_bytes(content.encode() if isinstance(content, str) else content)
    line = complaint(capfd, "run", "recipe.toml", "--out", "run")
    for part in says:
        assert part in line, line
    assert not (place / "run" / "summary.json").exists()


# An override or a change of the recipe, and what the line must say.
SETTINGS: list[tuple[list[str], list[str]]] = [
    (["--set", "ppo.kl_coeficient=0.1"], ["recipe.toml:", "unknown setting 'kl_coeficient'", "'kl_coefficient'"]),
    (["--set", "pppo.clip=0.1"], ["there is no table 'pppo'", "did you mean 'ppo'?"]),
    (["--set", "ppo.clip"], ["--set ppo.clip: write it as table.key=value"]),
    (["--set", "base.steps=many"], ["recipe.toml:", "[base]", "steps", "'many'"]),
    (["--set", "base.steps=0"], ["[base]", "steps is 0"]),
    (["--set", "sft.conversations=nowhere.jsonl"], ["[sft]", "nowhere.jsonl does not exist"]),
    (["--set", "sft.conversations={path='talks.jsonl',par=1}"], ["[sft]", "'par'", "'part'"]),
    (["--set", "sft.conversations={path='talks.jsonl',part=[1,0]}"], ["talks.jsonl", "two rising numbers"]),
    *(
        (["--set", f"{name}=0"], [f"[{name.partition('.')[0]}]", f"{name} is 0", "at least 1"])
        for name in (
            *("sft.batch", "sft.accumulate", "sft.evaluate_every", "reward.batch", "reward.evaluate_every"),
            *("ppo.batch", "ppo.minibatches", "ppo.evaluate_every", "ppo.ptx_rows", "ppo.epochs", "ppo.iterations"),
            *("ppo.patience", "ppo.max_tokens"),
        )
    ),
    (["--set", "ppo.clip=-1"], ["[ppo]", "ppo.clip is -1", "more than 0"]),
    (["--set", "sft.warmup=5"], ["[sft]", "warmup is 5", "between 0 and 1"]),
    (["--set", "sft.optimizer='sgd'"], ["[sft]", "optimizer is 'sgd'; choose adamw or muon"]),
    (["--set", "reward.optimizer='sgd'"], ["[reward]", "optimizer is 'sgd'; choose adamw or muon"]),
    (["--set", "base.optimizer='sgd'"], ["[base]", "optimizer is 'sgd'; choose adamw or muon"]),
    (["--set", "base.heads=5"], ["[base]", "width 32 must be heads (5) times an even head width"]),
    (["--set", "collect={prompts='prompts.jsonl',temperature=-3}"], ["[collect]", "temperature is -3", "more than 0"]),
    (["--set", "ppo.max_tokens=60"], ["[ppo]", "max_tokens (60)", "context (64)"]),
    (["--set", "rewad='x'"], ["unknown key 'rewad'"]),
    (["--until", "pppo"], ["--until pppo", "did you mean 'ppo'?"]),
]


@pytest.mark.parametrize(("more", "says"), SETTINGS, ids=[" ".join(more) for more, _ in SETTINGS])
def test_a_bad_setting_is_named_before_anything_runs(
    more: list[str], says: list[str], place: Path, capfd: pytest.CaptureFixture[str]
):
    line = complaint(capfd, "run", "recipe.toml", "--out", "fresh", *more)
    for part in says:
        assert part in line, line
    assert not (place / "fresh").exists()


def test_a_recipe_that_is_none_is_named(place: Path, capfd: pytest.CaptureFixture[str]):
    assert "absent.toml does not exist" in complaint(capfd, "run", "absent.toml")
    assert "run is a folder; give the recipe's file" in complaint(capfd, "run", "run")
    (place / "recipe.toml").write_text("[sft]\nbase = 'models/away'\nconversations = 'talks.jsonl'\n")
    assert complaint(capfd, "run", "recipe.toml").rstrip().endswith("path that exists; there is none to name yet")
    (place / "recipe.toml").write_text("[base\n")
    assert "recipe.toml is not a TOML file" in complaint(capfd, "run", "recipe.toml")
    (place / "recipe.toml").write_bytes(b'name = "\xff"')
    assert "recipe.toml is not UTF-8" in complaint(capfd, "run", "recipe.toml")
    (place / "recipe.toml").write_text("[sft]\nconversations = 'talks.jsonl'\n")
    assert "base is missing" in complaint(capfd, "run", "recipe.toml")


def test_a_missing_or_unfinished_parent_is_named(place: Path, capfd: pytest.CaptureFixture[str]):
    arguments = ("sft", "--out", "new", "--conversations", "talks.jsonl", "--base")
    assert "nowhere does not exist" in complaint(capfd, *arguments, "nowhere")
    (place / "run" / "base" / "done.json").unlink()
    assert "base is not complete" in complaint(capfd, *arguments, "run/base")
    assert not (place / "new" / "done.json").exists()


def test_a_model_of_another_kind_is_refused(place: Path, capfd: pytest.CaptureFixture[str]):
    assert "holds a reward model; a language model" in complaint(capfd, "chat", "run/reward", "--once", "Hello")
    assert "holds no model" in complaint(capfd, "chat", "run/tokenize", "--once", "Hello")
    line = complaint(
        capfd, "ppo", "--out", "new", "--policy", "run/sft", "--reward", "run/sft", "--prompts", "prompts.jsonl"
    )
    assert "run/sft" in line
    assert not (place / "new" / "done.json").exists()


def with_weights(folder: Path, change: Callable[[Path], None]) -> None:
    """A copy of the sft model alone, as people pass models on, with changed weights."""
    shutil.copytree("run/sft/model", folder)
    change(folder / "weights.safetensors")


def spoil_with_nan(weights: Path) -> None:
    tensors = load_file(weights)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    save_file(tensors, weights)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def drop_a_tensor(weights: Path) -> None:
    tensors = load_file(weights)
    del tensors[max(tensors)]
    save_file(tensors, weights)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (spoil_with_nan, "not finite"),
        (cut, "cannot be read"),
        (Path.unlink, "weights.safetensors"),
        (drop_a_tensor, ""),
    ],
    ids=["nan", "cut", "absent", "a tensor lacks"],
)
@pytest.mark.usefixtures("place")
def test_bad_weights_are_named(change: Callable[[Path], None], says: str, capfd: pytest.CaptureFixture[str]):
    with_weights(Path("loose"), change)
    for arguments in (
        ["chat", "loose", "--once", "Hello"],
        ["sft", "--out", "new", "--base", "loose", "--conversations", "talks.jsonl"],
    ):
        line = complaint(capfd, *arguments)
        assert "loose" in line and says in line, line
    assert not Path("new/done.json").exists()


def test_a_result_that_was_changed_afterwards_is_not_taken_for_whole(place: Path, capfd: pytest.CaptureFixture[str]):
    cut(place / "run" / "sft" / "model" / "weights.safetensors")
    assert "weights.safetensors is damaged" in complaint(capfd, "chat", "run/sft", "--once", "Hello")
    line = complaint(
        capfd, "reward", "--out", "new", "--model", "run/sft", "--rankings", "rankings.jsonl", "--epochs", "0.1"
    )
    assert "run/sft" in line and "damaged" in line


def test_a_place_where_nothing_can_be_written_is_named(place: Path, capfd: pytest.CaptureFixture[str]):
    assert "texts.txt" in complaint(capfd, "run", "recipe.toml", "--out", "texts.txt")
    assert "texts.txt" in complaint(capfd, "run", "recipe.toml", "--out", "texts.txt/run")
    assert "texts.txt" in complaint(capfd, "tokenize", "--texts", "talks.jsonl", "--out", "texts.txt")
    (place / "mine").mkdir()
    (place / "mine" / "diary.txt").write_text("dear")
    line = complaint(capfd, "tokenize", "--texts", "texts.txt", "--out", "mine")
    assert "mine holds diary.txt" in line and (place / "mine" / "diary.txt").read_text() == "dear"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere, and Windows has other rules")
def test_a_folder_without_the_right_to_write_is_named(place: Path, capfd: pytest.CaptureFixture[str]):
    (place / "locked").mkdir(mode=0o500)
    assert "locked" in complaint(capfd, "run", "recipe.toml", "--out", "locked/run")


@pytest.mark.usefixtures("place")
def test_a_failed_run_takes_the_earlier_summary_away(capfd: pytest.CaptureFixture[str]):
    assert Path("run/summary.json").exists()
    Path("prompts.jsonl").write_text("{")
    complaint(capfd, "run", "recipe.toml", "--out", "run")
    assert not Path("run/summary.json").exists() and Path("run/sft/done.json").exists()


def test_conversations_that_are_too_long_or_unusable_are_left_out_and_counted(place: Path):
    unanswered = {"messages": [{"role": "user", "content": "Hello?"}]}
    (place / "talks.jsonl").write_text(jsonl(*[LONG] * 3, unanswered) + (place / "talks.jsonl").read_text())
    assert main(["sft", "--out", "new", "--base", "run/base", "--conversations", "talks.jsonl", "--epochs", "0.1"]) == 0
    summary = json.loads((place / "new" / "receipt.json").read_text())["summary"]
    assert summary["left_out"] == {
        "too_long": 3,
        "unusable": 1,
        "first_unusable": "talks.jsonl:4: there is no answer",
    }
    assert (place / "new" / "samples.md").read_text().startswith("## Who is Ann?")

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import fakes
from chatwright import __version__
from chatwright.__main__ import help_text, main
from chatwright.arguments import settings_from, wrong_numbers
from chatwright.errors import ConfigError, ResourceError
from chatwright.registry import STAGES
from chatwright.stages.tokenize import TokenizeConfig


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(fakes.RECIPE)


def in_a_process(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chatwright", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)  # type: ignore[call-overload,no-any-return]


def test_help_imports_no_torch_and_lists_every_command():
    code = "import sys; from chatwright.__main__ import main; main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, modules = done.stdout.rsplit("\n[", 1)
    for heavy in ("torch", "numpy", "pydantic", "tyro", "rich", "matplotlib"):
        assert f"'{heavy}'" not in modules
    for command in ("run", "chat", "generate", "check", "report", *STAGES):
        assert f"\n  {command} " in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"], []])
def test_help_in_every_spelling(arguments: list[str], capsys):
    assert main(arguments) == 0
    assert capsys.readouterr().out == help_text() + "\n"


def test_python_m_chatwright_works_and_tells_its_version():
    done = in_a_process("--version")
    assert (done.returncode, done.stdout) == (0, f"chatwright {__version__}\n")


def test_an_unknown_command_is_one_sentence():
    done = in_a_process("chta")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "chatwright: there is no command 'chta'; did you mean 'chat'?\n"


def test_run_runs_and_tells_what_to_type_next(capsys):
    assert main(["run", "recipe.toml", "--out", "here", "--set", "ppo.kl_coefficient=0.5", "--set", "seed=2"]) == 0
    out = capsys.readouterr().out
    assert "ppo: done in" in out and "chatwright chat here" in out and "bits per byte" in out
    assert main(["run", "recipe.toml", "--until", "sft"]) == 0
    assert Path("runs/recipe/sft/done.json").exists() and not Path("runs/recipe/ppo").exists()
    assert "Talk to it" not in capsys.readouterr().out


def test_a_mistake_is_one_line_on_stderr_and_code_2(capsys):
    assert main(["run", "recipe.toml", "--set", "ppo.kl=1"]) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        "chatwright: recipe.toml:27 [ppo]: unknown setting 'kl'; known are from, kl_coefficient, policy, prompts, "
        "reward, seed, stage, tokens, validation_prompts\n"
    )
    assert main(["run", "absent.toml"]) == 2
    assert capsys.readouterr().err.startswith("chatwright: absent.toml does not exist")


FAILURES = [
    (fakes.BROKEN_TRAINING, 2, "the loss is not finite at step 2; lower the learning rate"),
    (ResourceError("too little memory"), 2, "too little memory"),
    (OSError(errno.ENOSPC, "No space left on device"), 2, "the disk is full; make room and run the same command again"),
    (RuntimeError("write: No space left on device"), 2, "the disk is full; make room"),
    (MemoryError(), 2, "there is not enough memory; choose a smaller batch or model"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), 2, "there is not enough memory"),
    (PermissionError(errno.EACCES, "Permission denied", "x/y"), 2, "x/y: Permission denied; choose a place"),
    (PermissionError(errno.EACCES, "Permission denied", "x/.y.db.77.writing"), 2, "x/y.db: Permission denied; choose"),
    (FileExistsError(errno.EEXIST, "File exists", "x"), 2, "x: File exists; give a path that fits"),
    (FileNotFoundError(errno.ENOENT, "No such file", b"/proc/x"), 2, "/proc/x: No such file; give a path that fits"),
    (IsADirectoryError(errno.EISDIR, "Is a directory", "x/.y", None, "x/y"), 2, "x/y: Is a directory; give a path"),
    (ValueError("a\nb"), 1, "ValueError: a b (this is a bug; run again with --debug for the traceback)"),
    (KeyboardInterrupt(), 130, "Stopped. Run the same command again to go on from the last save."),
]


@pytest.mark.parametrize(("error", "code", "message"), FAILURES, ids=[repr(error) for error, _, _ in FAILURES])
def test_every_failure_ends_in_one_line_and_its_code_and_leaves_no_summary(error, code, message, capsys):
    fakes.BROKEN["ppo"] = error
    assert main(["run", "recipe.toml", "--out", "here"]) == code
    err = capsys.readouterr().err
    assert err.startswith(f"chatwright: {message}") and err.count("\n") == 1
    assert not Path("here/summary.json").exists() and not Path("here/ppo/done.json").exists()
    fakes.BROKEN.clear()
    assert main(["run", "recipe.toml", "--out", "here"]) == 0


def test_debug_shows_the_traceback(capsys):
    fakes.BROKEN["ppo"] = ValueError("bug")
    with pytest.raises(ValueError, match="bug"):
        main(["run", "recipe.toml", "--debug", "--out", "here"])


def test_one_stage_runs_by_its_settings(capsys):
    assert main(["tokenize", "--out", "tokens", "--texts", "recipe.toml", "--vocabulary", "300"]) == 0
    assert re.fullmatch(r"tokens: done in \d\.\d s\ntokens\n", capsys.readouterr().out)
    assert '"vocabulary": 300' in Path("tokens/config.json").read_text()
    assert main(["tokenize", "--out", "tokens", "--texts", "recipe.toml", "--vocabulary", "1"]) == 2
    assert capsys.readouterr().err == "chatwright: vocabulary is 1; it must be at least 2\n"


WRONG = [
    (["run"], "recipe must be given"),
    (["run", "recipe.toml", "extra"], "there is no place for 'extra'"),
    (["run", "recipe.toml", "--out", ""], "--out is empty; give a path"),
    (["run", "recipe.toml", "--set"], "--set wants a value"),
    (["chat"], "give either the folder of a MODEL, or --server URL with --model NAME"),
    (["chat", "m", "--temperature", "hot"], "--temperature is 'hot', which is no number"),
    (["generate", "m", "x", "--tempreature", "1"], "there is no setting --tempreature; the nearest is --temperature"),
    (["generate", "m", "x", "--seed", "1.5"], "--seed is '1.5', which is no whole number"),
    (["generate", "m", "x", "--stop", ""], "--stop is empty; write the text before which to end"),
    (["check", "recipe.toml", "--context", "0"], "--context is 0; it must be at least 1"),
    (["export", "m", "o", "--format", "zip"], "--format is 'zip'; it must be one of hf, gguf"),
    (["import", "m", ""], "out is empty; give a path"),
    (["keys"], "add|list|revoke must be given"),
    (["keys", "nope"], "add|list|revoke is 'nope'; it must be one of add, list, revoke"),
    (["keys", "add", "x", "--qouta", "5"], "there is no setting --qouta; the nearest is --quota"),
    (["usage", "--since", "x"], "--since: 'x' is no day; write it as 2026-01-31"),
    (["serve"], "folder must be given"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_wrong_arguments_end_with_code_2_in_one_sentence(arguments: list[str], told: str, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"chatwright: {told}; chatwright {arguments[0]}") and not said.out
    assert said.err.endswith(" --help lists the settings\n") and said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plan", "--params", "7X"], "--params is '7X', which is no number"),
        (["plan", "--params"], "--params wants a value"),
        (["plan", "--params", "7e9", "--tokns", "4"], "there is no setting --tokns; the nearest is --tokens"),
        (["tokenize", "--vocabluary", "3"], "there is no setting --vocabluary; the nearest is --vocabulary"),
        (["sft", "--out", "a"], "--base, --conversations must be given"),
        (["plan", "--params", "7e9", "--count=1.5"], "--count is '1.5', which is no whole number"),
        (["plan", "7e9"], "there is no place for '7e9'"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_says_where_to_look(arguments: list[str], told: str, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err == f"chatwright: {told}; chatwright {arguments[0]} --help lists the settings\n" and not said.out


@pytest.mark.parametrize("columns", ["20", "200"])
def test_a_page_of_any_width_becomes_the_same_sentence(columns: str, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    told = settings_problem(["--texts", "t", "--kind", "nope"], capsys)
    assert told == "--kind is 'nope'; it must be one of bpe, character, word"
    assert settings_problem(["--texts", "t", "--cleverness", "9"], capsys) == "there is no setting --cleverness"


def settings_problem(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the real `tokenize` says to wrong settings, without where to look."""
    with pytest.raises(ConfigError) as caught:
        settings_from(TokenizeConfig, ["--out", "x", *arguments], command="tokenize", description="")
    assert capsys.readouterr() == ("", "")
    return str(caught.value).removesuffix("; chatwright tokenize --help lists the settings")


NUMBERS = [
    (["--validation", "nan"], "--validation is nan; it must be a finite number"),
    (["--near-copies", "-inf"], "tokenize.near_copies is -inf; it must be more than 0 and at most 2"),
    (["--vocabulary", "9" * 25], f"tokenize.vocabulary is {'9' * 25}; it must be at most 4194304"),
    (["--minimum", "9" * 25], f"--minimum is {'9' * 25}; it must be at most 9223372036854775807"),
    (["--seed", "-1"], "--seed is -1; it must be 0 or more"),
]


@pytest.mark.parametrize(("arguments", "told"), NUMBERS, ids=[told for _, told in NUMBERS])
def test_a_number_that_nothing_can_be_done_with_is_refused(arguments: list[str], told: str, capsys):
    assert settings_problem(["--texts", "t", *arguments], capsys) == told


def test_numbers_inside_of_settings_are_looked_at_too():
    @dataclass
    class Inner:
        weight_decay: float = float("inf")
        learning_rate: float = -1.0

    @dataclass
    class Outer:
        inner: Inner
        threads: int = 10**9
        is_on: bool = True
        none: int | None = None

    assert list(wrong_numbers(Outer(Inner()))) == [
        ("inner.weight_decay", "is inf; it must be a finite number"),
        ("inner.learning_rate", "is -1.0; it must be 0 or more"),
        ("threads", "is 1000000000; it must be at most 4096"),
    ]


def test_an_empty_out_of_a_stage_is_not_the_folder_one_stands_in():
    assert main(["tokenize", "--out", "", "--texts", "recipe.toml"]) == 2
    assert [path.name for path in Path().iterdir()] == ["recipe.toml"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has another shell")
@pytest.mark.parametrize(("closed", "code"), [("--version >&-", 0), ("chta 2>&-", 2)])
def test_a_closed_stream_is_no_bug(closed: str, code: int):
    done = subprocess.run(
        f"{sys.executable} -m chatwright {closed}", shell=True, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_every_command_has_a_help(capsys):
    for command in ("run", "chat", "generate", "check", "report", "tokenize"):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        assert f"chatwright {command}" in capsys.readouterr().out


def test_check_tells_what_a_file_is_and_a_bad_one_ends_with_code_2(capsys):
    Path("good.jsonl").write_text('{"text": "Once upon a \\u001b[31mtime."}\n')
    assert main(["check", "good.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "good.jsonl" in out and "\x1b" not in out
    Path("bad.jsonl").write_text('{"text": "Once"}\n{"text": \n')
    assert main(["check", "good.jsonl", "bad.jsonl"]) == 2
    captured = capsys.readouterr()
    assert "bad.jsonl:2" in captured.out
    assert captured.err == "chatwright: bad.jsonl cannot be used as it lies; the report says why\n"


def test_report_prints_where_it_wrote(capsys):
    Path("here").mkdir()
    assert main(["report", "here"]) == 0
    assert capsys.readouterr().out == "here/report.html\n" and Path("here/report.html").exists()


@pytest.mark.parametrize("command", ["chat", "generate"])
def test_a_model_that_is_not_there_is_one_sentence(command: str, capsys):
    arguments = [command, "nowhere", *(["text"] if command == "generate" else [])]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("chatwright: nowhere does not exist; give a model folder") and said.out == ""


def test_a_reader_that_goes_away_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m chatwright --help | head -c 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "" and done.returncode in (0, 141)


# A recipe with one long stage, in a process of its own.
SLOW = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from chatwright.__main__ import main
from chatwright.registry import STAGES, StageEntry
from chatwright.runs import open_stage

@dataclass(frozen=True, kw_only=True)
class Slow:
    out: Path
    steps: int = 10**9

def slow(config):
    with open_stage("slow", config, out=config.out) as stage:
        latest = stage.latest()
        for step in range(latest[0] if latest else 0, config.steps):
            time.sleep(0.01)
            if step == 3:
                print("working", flush=True)
            if stage.should_save(step):
                with stage.checkpoint(step) as save:
                    (save / "state").write_text("x")

sys.modules["slow_stage"] = sys.modules["__main__"]
STAGES["slow"] = StageEntry("slow_stage", "Slow", "slow", "be slow")
sys.exit(main(["run", "slow.toml", "--out", "slow"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_control_c_saves_exits_130_and_says_how_to_go_on(number: signal.Signals):
    Path("slow.toml").write_text("[slow]\n")
    outputs = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 130, err
        assert err.endswith("chatwright: Saved. Run the same command again to go on.\n") and "Traceback" not in err
        outputs.append(first + out)
    assert outputs[0].startswith("working") and outputs[1].startswith("slow: resumed at step")
    assert not Path("slow/summary.json").exists()

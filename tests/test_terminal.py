from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chatwright import terminal
from chatwright.errors import ArtefactError, InputError
from chatwright.generation.sampling import Sampling
from chatwright.generation.speaker import Piece, Request
from chatwright.printable import shown
from chatwright.terminal import Chat, Voice, complete, models_in, run_of, talk


class Letters:
    """A tokenizer that takes every character for a token."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def control(self, name: str) -> int:
        return -len(name)


@dataclass
class EchoSpeaker:
    """Says the last message back, a word at a time, and remembers what it was asked."""

    requests: list[Request] = field(default_factory=list)
    stop_after: int | None = None  # words after which somebody presses Ctrl-C

    def stream(self, request: Request) -> Iterator[Piece]:
        self.requests.append(request)
        text = request.conversation.last.content if request.conversation else str(request.text)
        for number, word in enumerate(text.split()):
            if number == self.stop_after:
                raise KeyboardInterrupt
            yield Piece(word if number == 0 else f" {word}")
        yield Piece("", finish_reason="stop")


class Terminal:
    """Stands for a stdin: a terminal if its lines are given to `input`."""

    def __init__(self, *lines: str | type[BaseException]) -> None:
        self.lines = list(lines)

    def isatty(self) -> bool:
        return True

    def input(self, prompt: str) -> str:
        if not self.lines:
            raise EOFError
        line = self.lines.pop(0)
        if isinstance(line, str):
            return line
        raise line


SPEAKER = EchoSpeaker()
CONTEXT = 200


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    SPEAKER.requests.clear()
    SPEAKER.stop_after = None


def opener(path: Path) -> Voice:
    if path.name == "broken":
        raise ArtefactError(f"{path} holds a reward model; a language model is needed here")
    return Voice(SPEAKER, Letters(), CONTEXT, path / "model", is_chat=path.name != "base")


def conversation() -> list[tuple[str, str]]:
    """What the speaker was last asked."""
    asked = SPEAKER.requests[-1].conversation
    assert asked is not None
    return [(message.role, message.content) for message in asked.messages]


def piped(*lines: str, **settings: object) -> None:
    talk(Path("run/ppo"), opener=opener, lines=io.StringIO("".join(f"{line}\n" for line in lines)), **settings)  # type: ignore[arg-type]


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str | type[BaseException]) -> Terminal:
    stdin = Terminal(*lines)
    monkeypatch.setattr("builtins.input", stdin.input)
    talk(Path("run/ppo"), opener=opener, lines=stdin)  # type: ignore[arg-type]
    return stdin


def test_once_prints_one_answer_and_nothing_else(capsys):
    talk(Path("run/ppo"), opener=opener, once="Good  day", system="Be brief.", seed=5)
    assert capsys.readouterr() == ("Good day\n", "")
    assert conversation() == [("system", "Be brief."), ("user", "Good  day")]
    assert SPEAKER.requests[0].seed == 5
    with pytest.raises(InputError, match="--once is empty"):
        talk(Path("run/ppo"), opener=opener, once="  ")


def test_piped_lines_are_turns_of_one_conversation_and_empty_ones_are_none(capsys):
    piped("one", "", "   ", "two")
    assert capsys.readouterr().out == "one\ntwo\n"
    assert conversation() == [("user", "one"), ("assistant", "one"), ("user", "two")]
    assert [request.seed for request in SPEAKER.requests] == [1, 2]  # asked twice, it may answer differently


def test_reset_forgets_the_turns_and_keeps_the_system_message():
    piped("/system Be kind.", "one", "/reset", "two")
    assert conversation() == [("system", "Be kind."), ("user", "two")]
    piped("/system Be kind.", "one", "/system", "two")
    assert conversation() == [("user", "one"), ("assistant", "one"), ("user", "two")]


def test_temperature_is_set_and_bad_values_are_told_in_one_sentence(capsys):
    piped("/temperature 0,25", "one", "/temperature warm", "/temperature -1", "/temperature nan", "/temperature", "two")
    assert [request.sampling.temperature for request in SPEAKER.requests] == [0.25, 0.25]
    notices = capsys.readouterr().err.splitlines()
    assert notices[0] == "(temperature 0.25)"
    assert notices[1] == "('warm' is not a number; write for example /temperature 0.7)"
    assert "must lie between 0 and 100" in notices[2] and "must lie between 0 and 100" in notices[3]
    assert notices[4].startswith("(temperature is 0.25; write for example")


def finished_model(run: Path, name: str, head: str = "language") -> None:
    (run / name / "model").mkdir(parents=True)
    (run / name / "model" / "model.json").write_text(json.dumps({"head": head}))
    for file in ("done.json", "origin.json"):
        (run / name / file).write_text("{}")


def test_the_model_can_be_switched_within_the_run_and_the_conversation_goes_on(tmp_path: Path, capsys):
    for name, head in [("base", "language"), ("sft", "language"), ("reward", "scalar"), ("ppo", "language")]:
        finished_model(tmp_path, name, head)
    finished_model(tmp_path, "sft@0a1b2c3d")
    (tmp_path / "broken").mkdir()
    assert models_in(tmp_path) == ["base", "ppo", "sft"]
    lines = ["one", "/model sft", "two", "/model nothing", "/model broken", "/model", "/model base"]
    stdin = io.StringIO("\n".join(lines))
    talk(tmp_path / "ppo" / "model", opener=opener, lines=stdin)
    assert conversation() == [("user", "one"), ("assistant", "one"), ("user", "two")]
    notices = capsys.readouterr().err.splitlines()
    assert notices[0] == "(now talking to sft; the conversation goes on)"
    assert notices[1] == f"(there is no model 'nothing'; in {tmp_path} are base, ppo, sft, or give a path)"
    assert "a language model is needed here" in notices[2]
    assert notices[3].startswith(f"(talking to sft; in {tmp_path} are base, ppo, sft")
    assert "base has not learned to answer" in notices[5] and "chatwright generate" in notices[5]


@pytest.mark.parametrize("inside", ["", "ppo", "ppo/model"])
def test_the_run_of_a_model_is_found_from_any_of_its_folders(inside: str, tmp_path: Path):
    finished_model(tmp_path, "ppo")
    assert run_of(tmp_path / inside) == tmp_path


def test_help_lists_the_commands_unknown_ones_are_told_and_quit_leaves(capsys):
    piped("/help", "/sing", "/quit", "never asked")
    err = capsys.readouterr().err
    for command in ("/reset", "/system", "/temperature", "/model", "/help", "/quit"):
        assert f"\n{command}" in f"\n{err}"
    assert "(there is no command /sing; /help lists them)" in err
    assert SPEAKER.requests == []


def test_turns_that_no_longer_fit_are_dropped_whole_and_it_says_so(capsys):
    piped(*["a" * 30] * 4, sampling=Sampling(max_tokens=50))
    err = capsys.readouterr().err
    assert "(the oldest 2 messages are forgotten: the model reads 200 tokens at once)" in err
    asked = conversation()
    assert asked[0][0] == "user" and asked[-1] == ("user", "a" * 30) and len(asked) == 3


def test_a_message_that_is_too_long_is_refused_and_the_conversation_goes_on(capsys):
    piped("one", "b" * 300, "two")
    captured = capsys.readouterr()
    assert "your message is longer than the 200 tokens that ppo can read; shorten it" in captured.err
    assert captured.out == "one\ntwo\n"
    assert conversation() == [("user", "one"), ("assistant", "one"), ("user", "two")]
    with pytest.raises(InputError, match="longer than the 200 tokens"):
        talk(Path("run/ppo"), opener=opener, once="b" * 300)


def test_a_message_that_leaves_little_room_is_still_answered():
    piped("c" * 190, sampling=Sampling(max_tokens=256))
    assert len(SPEAKER.requests) == 1


def test_control_c_stops_the_answer_and_not_the_chat(monkeypatch, capsys):
    SPEAKER.stop_after = 2
    typed(monkeypatch, "one two three four", "again")
    captured = capsys.readouterr()
    assert "ppo: one two" in captured.out and "three" not in captured.out and "(stopped)" in captured.err
    assert conversation() == [("user", "one two three four"), ("assistant", "one two"), ("user", "again")]


def test_an_answer_stopped_before_its_first_word_takes_the_question_back(monkeypatch):
    SPEAKER.stop_after = 0
    typed(monkeypatch, "one", "two")
    assert conversation() == [("user", "two")]


def test_two_control_c_at_the_prompt_leave_and_one_does_not(monkeypatch, capsys):
    stop = KeyboardInterrupt
    stdin = typed(monkeypatch, stop, "one", stop, stop, "never asked")
    assert stdin.lines == ["never asked"] and len(SPEAKER.requests) == 1
    assert "(once more, or Ctrl-D, leaves)" in capsys.readouterr().out


def test_control_d_leaves(monkeypatch, capsys):
    typed(monkeypatch, "one")
    out = capsys.readouterr().out
    assert out.startswith("chatwright") and "talking to ppo" in out and out.endswith("ppo: one\n\n")


def test_control_c_without_a_terminal_stops_the_program():
    SPEAKER.stop_after = 1
    with pytest.raises(KeyboardInterrupt):
        piped("one two", "three")
    with pytest.raises(KeyboardInterrupt):
        talk(Path("run/ppo"), opener=opener, once="one two")


def test_a_base_model_warns_but_talks(capsys):
    talk(Path("run/base"), opener=opener, once="hello")
    captured = capsys.readouterr()
    assert captured.out == "hello\n" and "base has not learned to answer" in captured.err


def test_what_a_model_says_cannot_control_the_terminal(capsys):
    talk(Path("run/ppo"), opener=opener, once="\x1b[31mred\x07 \u202eback\u2066 \x9b2J ok\u00ad")
    assert capsys.readouterr().out == "[31mred back 2J ok\u00ad\n"
    assert shown("a\tb\nc\rd\x00e\ud800") == "a\tb\ncde"


def test_input_that_is_not_utf8_is_one_sentence_or_replaced(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8")
    with pytest.raises(InputError, match="not UTF-8 text"):
        talk(Path("run/ppo"), opener=opener, lines=stdin)
    typed(monkeypatch, "caf\udce9")
    assert conversation() == [("user", "caf\ufffd")]


def test_generate_prints_the_continuation_only(capsys):
    complete(Path("run/base"), "Once upon", opener=opener, sampling=Sampling(max_tokens=3), seed=4, stop=("\n",))
    assert capsys.readouterr() == ("Once upon\n", "")
    request = SPEAKER.requests[0]
    assert (request.text, request.conversation, request.seed, request.stop) == ("Once upon", None, 4, ("\n",))


def test_generate_says_on_stderr_what_of_a_long_text_the_model_does_not_read(capsys):
    """Half of the 200 tokens that it reads at once are the text's at least, and one opens it."""
    for length, told in (
        (99, ""),
        (100, "the first token of the text is"),
        (130, "the first 31 tokens of the text are"),
    ):
        complete(Path("run/base"), "x" * length, opener=opener, sampling=Sampling(max_tokens=150))
        notice = f"({told} left out: the model reads 200 tokens at once)\n" if told else ""
        assert capsys.readouterr() == ("x" * length + "\n", notice)


def test_the_chat_can_be_driven_without_a_terminal():
    output = io.StringIO()
    chat = Chat(opener(Path("run/sft")), opener, Path("run"), output=output, notices=io.StringIO())
    assert chat.say("hello there") and output.getvalue() == "hello there\n"
    assert terminal.HELP.count("\n") == 5

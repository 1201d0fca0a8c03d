"""The terminal chat talks to a server as it does to a folder."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chatwright.__main__ import main
from chatwright.errors import ConfigError, InputError, ResourceError
from chatwright.generation.remote import RemoteSpeaker, remote_models
from chatwright.generation.sampling import Sampling
from chatwright.generation.speaker import Request
from chatwright.serving.app import create_app
from chatwright.serving.settings import ServeSettings
from chatwright.store import open_store
from chatwright.terminal import remote_opener, talk
from chatwright.text.conversation import Conversation
from serving import BASE, CHAT, Scripted, running, tiny_server, until

HI = Request(conversation=Conversation.of("Hi"), sampling=Sampling(max_tokens=8), seed=1)


@pytest.fixture
def speaker() -> Scripted:
    return Scripted(["Hello", " \u2028there", "."])


@pytest.fixture
def address(speaker: Scripted) -> Iterator[str]:
    with running(create_app({CHAT: speaker, BASE: Scripted(is_chat=False)})) as found:
        yield found


def said(speaker: RemoteSpeaker, request: Request = HI) -> str:
    return "".join(piece.text for piece in speaker.stream(request))


def test_the_command_line_talks_to_a_server(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--server", f"{address}/v1/", "--model", CHAT, "--once", "Hi"]) == 0
    assert "Hello" in capsys.readouterr().out
    assert main(["chat", "--server", address, "--once", "Hi"]) == 0  # the one that answers
    assert main(["chat", "--server", address, "--model", "gpt-9", "--once", "Hi"]) == 2
    assert main(["chat", "somewhere", "--server", address]) == 2
    assert "either the folder" in capsys.readouterr().err


def test_turns_and_another_model_go_on_in_one_conversation(
    address: str, speaker: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = io.StringIO(f"Hi\nAgain\n/model {BASE}\n/model none\n/model {CHAT}\n")
    talk(Path(CHAT), opener=remote_opener(address), lines=lines, is_remote=True)
    shown = capsys.readouterr()
    assert shown.out.count("Hello") == 2 and f"now talking to {BASE}" in shown.err and "no model 'none'" in shown.err
    first, second = (len(request.tokens or ()) for request in speaker.requests)
    assert second > first


def test_settings_arrive_and_closing_the_stream_hangs_up(address: str, speaker: Scripted) -> None:
    speaker.words, speaker.pause = ["word "] * 500, 0.02
    sampling = Sampling(temperature=0.3, top_k=5, top_p=0.9, max_tokens=7)
    remote = RemoteSpeaker(address, CHAT)
    with closing(remote.stream(Request(conversation=Conversation.of("Hi"), sampling=sampling, seed=3))) as pieces:
        assert next(pieces).text == "word "  # type: ignore[call-overload]
    assert until(lambda: speaker.cancelled == [0])
    assert speaker.requests[0].sampling == sampling and speaker.requests[0].seed == 3


def test_a_text_is_continued(address: str) -> None:
    assert said(RemoteSpeaker(address, BASE), Request(text="Once")) == "Hello there."


def test_the_oldest_messages_are_left_out_where_the_server_has_no_room() -> None:
    with tiny_server() as address:
        remote = RemoteSpeaker(address, CHAT, context=128)
        turns = [f"the quick brown fox jumps over the lazy dog {number}" for number in range(9)]
        long = Request(conversation=Conversation.of(*turns, system="Be brief"), sampling=Sampling(max_tokens=300))
        assert isinstance(said(remote, long), str)
        with pytest.raises(InputError, match="maximum context length|longer than"):
            said(remote, Request(conversation=Conversation.of("fox " * 300)))


def test_errors_say_what_to_do(address: str, speaker: Scripted, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="is it running"):
        remote_models("http://127.0.0.1:1")
    with pytest.raises(ConfigError, match="http://"):
        remote_models("localhost:8000")
    with pytest.raises(InputError, match="does not exist"):
        said(RemoteSpeaker(address, "gpt-9"))
    speaker.words = ["Hello", RuntimeError("inside")]
    with pytest.raises(ResourceError, match="broke off"):
        said(RemoteSpeaker(address, CHAT))
    with open_store(tmp_path / "store.db") as store:
        _, secret = store.keys.add("me")
        with running(create_app({CHAT: Scripted()}, store, settings=ServeSettings(require_key=True))) as locked:
            with pytest.raises(ConfigError, match="CHATWRIGHT_API_KEY"):
                remote_models(locked)
            assert said(RemoteSpeaker(locked, CHAT, key=secret)) == "Hello there."


def test_ctrl_c_stops_an_answer_and_the_server_stops_too(
    address: str, speaker: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker.words, speaker.pause = ["word "] * 500, 0.02

    class Impatient(io.StringIO):
        def write(self, text: str) -> int:
            if self.getvalue().count("word") == 3:
                self.seek(0)
                self.truncate()
                raise KeyboardInterrupt
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", Impatient())
    with pytest.raises(KeyboardInterrupt):
        talk(Path(CHAT), opener=remote_opener(address), once="Hi", is_remote=True)
    assert until(lambda: speaker.cancelled == [0])

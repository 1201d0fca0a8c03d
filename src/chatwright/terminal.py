"""Talking to a model in the terminal: chat with commands, one answer only, or the continuation of a text.

In: a model's folder, lines that somebody types or pipes in.  Out: answers as they are sampled; notices on stderr.
What a model says is shown without control characters, so that it cannot move the cursor or recolour the screen.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TextIO

from chatwright import __version__
from chatwright.errors import ChatwrightError, InputError
from chatwright.folders import model_folder
from chatwright.generation.prompts import text_room
from chatwright.generation.sampling import Sampling
from chatwright.generation.speaker import Piece, Request
from chatwright.printable import shown
from chatwright.text.conversation import Conversation, Encoder, Message, fit

__all__ = ["Chat", "Voice", "complete", "open_voice", "talk"]

HELP = """\
/reset            forget the conversation
/system TEXT      say what the assistant should be like; without a text: nothing
/temperature X    0 always takes the likeliest word, 1 is as varied as the model itself
/model NAME       go on with another model: base, sft, ppo of this run, or a path
/help             this list
/quit             leave (Ctrl-D does the same; Ctrl-C stops an answer)"""


class Streaming(Protocol):
    """What the terminal needs of a speaker, here or elsewhere."""

    def stream(self, request: Request) -> Iterator[Piece]: ...


@dataclass(frozen=True)
class Voice:
    """A model that somebody can talk to, and what the terminal must know of it."""

    speaker: Streaming
    tokenizer: Encoder
    context: int
    """Tokens that it can read at once."""
    folder: Path
    is_chat: bool = True
    """Whether it has learned to answer; a base model only continues texts."""
    title: str = ""
    """Its name on the server where it runs; empty for a model in a folder."""

    @property
    def place(self) -> Path:
        """What to call the folder: the stage that the model is in, or the folder of an import itself."""
        return self.folder.parent if self.folder.name == "model" else self.folder

    @property
    def name(self) -> str:
        return self.title or self.place.resolve().name


Opener = Callable[[Path], Voice]


def open_voice(
    path: Path, *, device: str = "auto", precision: str = "auto", threads: int = 2, compiled: bool = False
) -> Voice:
    """Load a language model from a model folder, a stage folder or a recipe run."""
    from chatwright.artefacts import describe, load_language_model
    from chatwright.generation.speaker import EngineSpeaker
    from chatwright.world import open_world

    folder = model_folder(path)
    world = open_world(device, precision, threads)
    model, tokenizer = load_language_model(folder, world=world, weights="compute")
    speaker = EngineSpeaker(model, tokenizer, world, compiled=compiled)
    is_chat = describe(folder).get("stage") != "pretrain" and tokenizer.can_chat
    return Voice(speaker, tokenizer, speaker.context, folder, is_chat=is_chat)


class _Uncounted:
    """Stands for the tokenizer of a model elsewhere, whose tokens cannot be counted here: no text has any."""

    def encode(self, text: str) -> list[int]:
        return []

    def control(self, name: str) -> int:
        return 0


def remote_opener(server: str) -> Opener:
    """Opens models by their names on a server that speaks OpenAI's language."""
    from chatwright.generation.remote import RemoteSpeaker, remote_models

    known = remote_models(server)

    def open_remote(path: Path) -> Voice:
        name = path.as_posix()
        if name not in known:
            raise InputError(f"{server} has no model {name!r}; it has {', '.join(known) or 'none'}")
        context = known[name].get("max_model_len")
        speaker = RemoteSpeaker(server, name, context=context if isinstance(context, int) else None)
        # What is too long is left out there, where tokens can be counted.
        return Voice(speaker, _Uncounted(), 10**9, path, is_chat=known[name].get("kind") != "text", title=name)

    return open_remote


def remote_default(server: str) -> str:
    """The model to talk to where none is named: the last one of a recipe run, or the only one there is."""
    from chatwright.generation.remote import remote_models

    chats = [name for name, facts in remote_models(server).items() if facts.get("kind", "chat") == "chat"]
    own = [name for name, facts in remote_models(server).items() if facts.get("owned_by") == "chatwright"]
    if len(chats) == 1 or (chats and own):
        return chats[-1]
    raise InputError(f"say which model with --model; {server} has {', '.join(chats) or 'none that answers'}")


@dataclass
class Chat:
    """A conversation in progress. `seed` and the number of answers so far decide what is sampled."""

    voice: Voice
    opener: Opener
    run: Path | None
    """Where names such as sft are looked up; None: the opener knows them."""
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1
    system: str | None = None
    output: TextIO = field(default_factory=lambda: sys.stdout)
    notices: TextIO = field(default_factory=lambda: sys.stderr)
    is_labelled: bool = False
    """Whether the model's name is printed before its answers."""
    turns: tuple[Message, ...] = ()
    answers: int = 0

    def say(self, text: str) -> bool:
        """Answer a message, printing pieces as they come. Ctrl-C stops the answer; what was said stays said.

        Returns whether the answer came to its end. Raises InputError if the message alone is longer than the model
        can read; the conversation is then unchanged.
        """
        asked = self._fitted((*self.turns, Message("user", text)))
        self.turns, said = asked[1:] if asked[0].role == "system" else asked, ""
        is_whole = False
        try:
            self.output.write(f"{self.voice.name}: " if self.is_labelled else "")
            for piece in self._pieces(Conversation(asked)):
                said += piece
                self.output.write(piece)
                self.output.flush()
        except KeyboardInterrupt:
            self._tell("stopped", lead="\n")
        else:
            is_whole = True
            self.output.write("\n")
            self.output.flush()
        # Without an answer the question is taken back: two in a row would be no conversation.
        self.turns = (*self.turns, Message("assistant", said)) if said.strip() else self.turns[:-1]
        return is_whole

    def _pieces(self, conversation: Conversation) -> Iterator[str]:
        request = Request(conversation=conversation, sampling=self.sampling, seed=self.seed + self.answers)
        self.answers += 1
        with contextlib.closing(_stream(self.voice.speaker, request)) as pieces:
            yield from pieces

    def _fitted(self, turns: tuple[Message, ...]) -> tuple[Message, ...]:
        """The system message and as many whole turns, newest first, as leave room for an answer."""
        head = (Message("system", self.system),) if self.system else ()
        context = self.voice.context
        room = min(self.sampling.max_tokens, context // 2)
        whole = Conversation((*head, *turns))
        # A message that fills the context may still have a short answer.
        limits = (context - room, context - 1)
        cut = next((found for limit in limits if (found := fit(whole, self.voice.tokenizer, limit))), None)
        if cut is None:
            remedy = "shorten it" + (", or the system message" if head else "")
            raise InputError(
                f"your message is longer than the {context} tokens that {self.voice.name} can read; {remedy}"
            )
        dropped = len(whole.messages) - len(cut.messages)
        if dropped:
            count = f"the oldest {dropped} messages are" if dropped > 1 else "the oldest message is"
            self._tell(f"{count} forgotten: the model reads {context} tokens at once")
        return cut.messages

    # -- commands

    def obey(self, line: str) -> bool:
        """Carry out a line that begins with a slash; returns False to leave. Mistakes are told in one sentence."""
        name, _, rest = line[1:].strip().partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            "reset": self._reset,
            "system": self._set_system,
            "temperature": self._set_temperature,
            "model": self._set_model,
            "help": lambda _: self._tell_plainly(HELP),
        }
        if name in ("quit", "exit", "q"):
            return False
        if name not in commands:
            self._tell(f"there is no command /{name}; /help lists them")
            return True
        try:
            commands[name](rest.strip())
        except ChatwrightError as error:
            self._tell(str(error))
        return True

    def _reset(self, _: str) -> None:
        self.turns = ()
        self._tell("the conversation is forgotten")

    def _set_system(self, text: str) -> None:
        self.system = text or None
        self._tell(f"system message: {text}" if text else "no system message")

    def _set_temperature(self, text: str) -> None:
        try:
            self.sampling = replace(self.sampling, temperature=float(text.replace(",", ".")))
        except ValueError:
            said = f"{text!r} is not a number" if text else f"temperature is {self.sampling.temperature:g}"
            raise InputError(f"{said}; write for example /temperature 0.7") from None
        self._tell(f"temperature {self.sampling.temperature:g}")

    def _set_model(self, name: str) -> None:
        if self.run is None:
            if not name:
                raise InputError(f"talking to {self.voice.name}; write for example /model {self.voice.name}")
            self.voice = self.opener(Path(name))
            self._tell(f"now talking to {self.voice.name}; the conversation goes on")
            return
        if not name:
            there = ", ".join(models_in(self.run)) or "none"
            raise InputError(f"talking to {self.voice.name}; in {self.run} are {there}; write for example /model sft")
        path = self.run / name if (self.run / name).exists() else Path(name)
        if not path.exists():
            there = ", ".join(models_in(self.run)) or "none"
            raise InputError(f"there is no model {name!r}; in {self.run} are {there}, or give a path")
        self.voice = self.opener(path)
        self._tell(f"now talking to {self.voice.name}; the conversation goes on")
        self.warn_if_base()

    def warn_if_base(self) -> None:
        if not self.voice.is_chat and self.voice.title:
            self._tell(f"{self.voice.name} has not learned to answer, it only continues texts; choose another --model")
        elif not self.voice.is_chat:
            self._tell(
                f"{self.voice.name} has not learned to answer, it only continues texts: "
                f'try chatwright generate {self.voice.place} "Once upon a time"'
            )

    def _tell(self, text: str, *, lead: str = "") -> None:
        self._tell_plainly(f"{lead}({shown(text)})")

    def _tell_plainly(self, text: str) -> None:
        self.output.flush()
        print(text, file=self.notices, flush=True)


def _stream(speaker: Streaming, request: Request) -> Generator[str, None, None]:
    for piece in speaker.stream(request):
        if text := shown(piece.text):
            yield text


def models_in(run: Path) -> list[str]:
    """Names of the stages of a recipe run that hold a finished language model."""
    if not run.is_dir():
        return []
    stages = [
        path for path in run.iterdir() if (path / "done.json").exists() and (path / "model" / "model.json").exists()
    ]
    speaking = [path for path in stages if '"language"' in (path / "model" / "model.json").read_text(encoding="utf-8")]
    return sorted(path.name for path in speaking if "@" not in path.name)


def run_of(path: Path) -> Path:
    """The recipe run that a model, a stage folder or the run itself belongs to."""
    stage = path.parent if path.resolve().name == "model" else path
    return stage.parent if (stage / "origin.json").exists() else path


# -- the three ways in ---------------------------------------------------------------------------------------------


def talk(
    path: Path,
    *,
    opener: Opener = open_voice,
    once: str | None = None,
    sampling: Sampling | None = None,
    system: str | None = None,
    seed: int = 1,
    lines: TextIO | None = None,
    is_remote: bool = False,
) -> None:
    """Chat with the model in a folder: one answer if `once` is given, else until the lines (stdin) end.

    With `is_remote`, the path is a name that the opener knows.
    """
    run = None if is_remote else run_of(path)
    chat = Chat(opener(path), opener, run, sampling or Sampling(max_tokens=256), seed, system)
    lines = lines or sys.stdin
    chat.warn_if_base()
    if once is not None:
        if not once.strip():
            raise InputError('--once is empty; write what to ask, for example --once "Who are you?"')
        if not chat.say(_readable(once)):
            raise KeyboardInterrupt
    elif lines.isatty():
        print(f"chatwright {__version__}, talking to {chat.voice.name}. /help lists commands, Ctrl-D leaves.")
        chat.is_labelled = True
        _converse(chat)
    else:
        for line in _piped(lines):
            if not _take(chat, line):
                return


def complete(
    path: Path,
    text: str,
    *,
    opener: Opener = open_voice,
    sampling: Sampling | None = None,
    seed: int = 1,
    stop: tuple[str, ...] = (),
) -> None:
    """Print how a model goes on with a text: the continuation only. Ctrl-C stops it.

    Where the text is too long its beginning is left out, which is told on stderr.
    """
    text = _readable(text)
    request = Request(text=text, sampling=sampling or Sampling(max_tokens=128), seed=seed, stop=stop)
    voice = opener(path)
    room = text_room(voice.context, request.sampling.max_tokens)
    if (left_out := len(voice.tokenizer.encode(text)) - room) > 0:
        what = f"the first {left_out} tokens of the text are" if left_out > 1 else "the first token of the text is"
        print(f"({what} left out: the model reads {voice.context} tokens at once)", file=sys.stderr, flush=True)
    try:
        for piece in _stream(voice.speaker, request):
            sys.stdout.write(piece)
            sys.stdout.flush()
    finally:
        sys.stdout.write("\n")
        sys.stdout.flush()


def _converse(chat: Chat) -> None:
    """Ask for lines at a terminal. Ctrl-C at the prompt clears the line, a second one right after it leaves."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # input() then edits lines and remembers them; not on Windows
    stops = 0
    while True:
        try:
            line = input("\n> ")
            stops = 0
            if not _take(chat, line):
                return
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            stops += 1
            if stops > 1:
                print()
                return
            print("\n(once more, or Ctrl-D, leaves)")
        except UnicodeDecodeError:
            print("(that line is not UTF-8 text)")


def _take(chat: Chat, line: str) -> bool:
    """Answer or obey one line; returns False to leave."""
    line = _readable(line).strip()
    if not line:
        return True
    if line.startswith("/"):
        return chat.obey(line)
    try:
        is_whole = chat.say(line)
    except InputError as error:
        print(f"({error})", file=chat.notices, flush=True)
        return True
    if not is_whole and not chat.is_labelled:
        raise KeyboardInterrupt  # not at a terminal: nobody is there to ask the next question
    return True


def _piped(lines: TextIO) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 text (byte {error.start}); convert it first") from None


def _readable(text: str) -> str:
    """What was typed, with bytes that are no UTF-8 replaced: tokenizers take no lone surrogates."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

"""The command line: `chatwright COMMAND ...`; `python -m chatwright` is the same.

In: arguments.  Out: an exit code. 0: done; 1: a bug; 2: something the user can mend, told in one sentence on stderr;
130: stopped by Ctrl-C. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatwright import __version__
from chatwright.arguments import Parser, path
from chatwright.errors import ChatwrightError, ConfigError, InputError
from chatwright.registry import STAGES, nearest

if TYPE_CHECKING:
    from chatwright.generation.sampling import Sampling

DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
MODEL_HELP = "a model folder, a stage folder, or the folder of a recipe run (then its ppo, else sft, else base)"


@dataclass(frozen=True)
class Command:
    """One line of the command table."""

    arguments: str
    help: str
    run: Callable[[list[str]], None]


# -- commands ------------------------------------------------------------------------------------------------------


def run_command(arguments: list[str]) -> None:
    parser = _parser("run", "Run all stages of a recipe in order. Run it again to go on after any interruption.")
    parser.add_argument("recipe", type=path, help="a TOML file, such as recipes/quickstart.toml")
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="where results go (default: runs/ and the recipe's name)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="override a setting (as often as needed)"
    )
    parser.add_argument("--until", metavar="TABLE", help="stop after this table, such as sft or village")
    given = parser.parse_args(arguments)
    from chatwright.recipes import run_recipe

    out: Path = given.out or Path("runs") / given.recipe.stem
    run_recipe(given.recipe, out=out, settings=given.set, until=given.until)
    if (out / "summary.json").exists():
        from chatwright.summary import one_screen

        print(f"\n{one_screen(out)}\n\nTalk to it:  chatwright chat {out}\nLook at it:  {out / 'report.html'}")


def chat_command(arguments: list[str]) -> None:
    parser = _parser("chat", "Talk with a model. Type /help there for its commands; lines may also be piped in.")
    parser.add_argument("folder", type=path, nargs="?", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("--server", metavar="URL", help="talk to a model on a server that speaks OpenAI's language")
    parser.add_argument("--model", metavar="NAME", help="its name on that server")
    parser.add_argument("--once", metavar="TEXT", help="print one answer to this and leave")
    parser.add_argument("--compile", action="store_true", help="compile the model's one-token step: slow at first")
    parser.add_argument("--system", metavar="TEXT", help="what the assistant should be like")
    _add_sampling(parser, max_tokens=256)
    given = parser.parse_args(arguments)
    if (given.folder is None) == (given.server is None) or (given.model and given.server is None):
        parser.error("give either the folder of a MODEL, or --server URL with --model NAME")
    if given.compile and given.server is not None:
        parser.error("--compile is for a model that runs here; give it to the server")
    from chatwright.terminal import Opener, open_voice, remote_default, remote_opener, talk

    opener: Opener = functools.partial(open_voice, compiled=given.compile)
    model = given.folder
    if given.server is not None:
        model = Path(given.model or remote_default(given.server))
        opener = remote_opener(given.server)
    talk(
        model,
        opener=opener,
        once=given.once,
        system=given.system,
        seed=given.seed,
        sampling=_sampling(given),
        is_remote=given.server is not None,
    )


def generate_command(arguments: list[str]) -> None:
    parser = _parser("generate", "Go on with a text, as a base model does; prints the continuation only.")
    parser.add_argument("model", type=path, help=MODEL_HELP)
    parser.add_argument("text", help="the beginning; - reads it from standard input")
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before this text")
    _add_sampling(parser, max_tokens=128)
    given = parser.parse_args(arguments)
    if "" in given.stop:
        parser.error("--stop is empty; write the text before which to end")
    from chatwright.terminal import complete

    text = sys.stdin.read() if given.text == "-" else given.text
    complete(given.model, text, seed=given.seed, sampling=_sampling(given), stop=tuple(given.stop))


def serve_command(arguments: list[str]) -> None:
    from chatwright.serving.command import run

    run(arguments)


def check_command(arguments: list[str]) -> None:
    parser = _parser("check", "Tell what a file is: counts, lengths, what would be cut, copies, the first bad line.")
    parser.add_argument("file", type=path, nargs="+", help="texts, conversations, rankings or prompts")
    parser.add_argument("--tokenizer", type=path, metavar="DIR", help="count the tokens of this tokenizer or model")
    parser.add_argument("--context", type=int, metavar="N", help="tell what would be cut at so many tokens")
    given = parser.parse_args(arguments)
    if given.context is not None and given.context < 1:
        parser.error(f"--context is {given.context}; it must be at least 1")
    from chatwright.feedback.check import check_file
    from chatwright.folders import model_folder
    from chatwright.printable import shown

    tokenizer = given.tokenizer
    if tokenizer is not None and not (tokenizer / "tokenizer.json").is_file():
        tokenizer = model_folder(tokenizer)
    reports = [check_file(file, context=given.context, tokenizer=tokenizer) for file in given.file]
    print(shown("\n\n".join(str(report) for report in reports)))
    bad = [str(report.path) for report in reports if report.problem]
    if bad:
        raise InputError(f"{', '.join(bad)} cannot be used as it lies; the report says why")


def plan_command(arguments: list[str]) -> None:
    from chatwright.scaling.command import run

    run(arguments)


def inspect_command(arguments: list[str]) -> None:
    parser = _parser("inspect", "Tell what a model is: shape, parameters by part, FLOPs, memory, tokenizer, receipt.")
    parser.add_argument("model", type=path, help=MODEL_HELP)
    parser.add_argument("--context", type=int, metavar="N", help="tokens of a row (default: as many as it reads)")
    parser.add_argument(
        "--conversations", type=path, metavar="FILE", help="reckon with these instead of 300 tokens a conversation"
    )
    parser.add_argument("--text", type=path, metavar="FILE", help="a text to try the tokenizer on (default: a sample)")
    parser.add_argument("--speed", type=float, metavar="N", help="training tokens per second to reckon with")
    parser.add_argument("--measure", action="store_true", help="take a few training steps here and reckon with those")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads of --measure (default 2)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    given = parser.parse_args(arguments)
    from chatwright.inspecting import Options, inspect_model

    inspect_model(
        given.model,
        Options(
            context=given.context,
            conversations=given.conversations,
            text=given.text,
            speed=given.speed,
            measure=given.measure,
            threads=given.threads,
        ),
        as_json=given.json,
    )


def import_command(arguments: list[str]) -> None:
    from chatwright.publishing.commands import run_import

    run_import(arguments)


def export_command(arguments: list[str]) -> None:
    from chatwright.publishing.commands import run_export

    run_export(arguments)


def report_command(arguments: list[str]) -> None:
    parser = _parser("report", "Write report.html anew from the files of a run.")
    parser.add_argument("run", type=path, help="the folder of a recipe run")
    given = parser.parse_args(arguments)
    from chatwright.evaluation.report import write_report

    print(write_report(given.run))


def keys_command(arguments: list[str]) -> None:
    from chatwright.store_commands import run_keys

    run_keys(arguments)


def usage_command(arguments: list[str]) -> None:
    from chatwright.store_commands import run_usage

    run_usage(arguments)


def feedback_command(arguments: list[str]) -> None:
    from chatwright.store_commands import run_feedback

    run_feedback(arguments)


def backup_command(arguments: list[str]) -> None:
    from chatwright.store_commands import run_backup

    run_backup(arguments)


def stage_command(name: str, arguments: list[str]) -> None:
    from chatwright.arguments import settings_from

    entry = STAGES[name]
    summary = f"{entry.help[0].upper()}{entry.help[1:]}. Run it again with the same settings to go on."
    config = settings_from(entry.config_class(), arguments, command=name, description=summary)
    print(entry.run(config))


def _commands() -> dict[str, dict[str, Command]]:
    """Group, then name, then command."""

    def stage(name: str) -> Command:
        return Command("", STAGES[name].help, lambda arguments: stage_command(name, arguments))

    recipe = Command("RECIPE", "run all stages of a recipe; again: go on where it stopped", run_command)
    return {
        "build": {"run": recipe, **{name: stage(name) for name in STAGES}},
        "share": {
            "import": Command("SOURCE OUT", "read published weights: a folder, or a name on the hub", import_command),
            "export": Command("MODEL OUT", "write them for transformers, vLLM or llama.cpp", export_command),
        },
        "talk": {
            "chat": Command("MODEL", "talk with a model, here in the terminal", chat_command),
            "generate": Command("MODEL TEXT", "go on with a text", generate_command),
            "serve": Command("FOLDER...", "answer OpenAI's clients", serve_command),
        },
        "keep": {
            "keys": Command("add|list|revoke", "who may use the server, how often and how much", keys_command),
            "usage": Command("", "what was asked of the server, by day, key and model", usage_command),
            "feedback": Command("export|import|queue", "what people judged, or are to rank", feedback_command),
            "backup": Command("OUT", "copy the server's database while it runs", backup_command),
        },
        "inspect": {
            "plan": Command("", "reckon time, memory, energy and money before you pay", plan_command),
            "inspect": Command("MODEL", "tell what a model is and what it takes", inspect_command),
            "check": Command("FILE", "tell what is in a file, and its first bad line", check_command),
            "report": Command("RUN", "write a run's report.html anew", report_command),
        },
    }


def help_text() -> str:
    """What `chatwright --help` prints."""
    lines = [
        "chatwright: build, understand and serve your own ChatGPT",
        "",
        "usage: chatwright COMMAND ...      (chatwright COMMAND --help tells its settings)",
    ]
    for group, commands in _commands().items():
        lines += ["", group]
        for name, command in commands.items():
            lines.append(f"  {f'{name} {command.arguments}':<28} {command.help}")
    lines += [
        "",
        f"MODEL is {MODEL_HELP}.",
        "--version tells the version; --debug, with any command, shows the traceback of an error.",
        "",
        "to begin: chatwright run recipes/quickstart.toml --out runs/quickstart",
    ]
    return "\n".join(lines)


# -- arguments -----------------------------------------------------------------------------------------------------


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return Parser(prog=f"chatwright {name}", description=description)


def _add_sampling(parser: argparse.ArgumentParser, *, max_tokens: int) -> None:
    group = parser.add_argument_group("sampling")
    group.add_argument(
        "--temperature", type=float, default=0.7, metavar="X", help="0: the likeliest token (default 0.7)"
    )
    group.add_argument(
        "--top-p", type=float, default=1.0, metavar="P", help="share of likely tokens to choose from (default 1: all)"
    )
    group.add_argument(
        "--top-k", type=int, default=0, metavar="K", help="number of likely tokens to choose from (default 0: all)"
    )
    group.add_argument(
        "--max-tokens", type=int, default=max_tokens, metavar="N", help=f"at most so many (default {max_tokens})"
    )
    group.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same answer (default 1)")


def _sampling(given: argparse.Namespace) -> Sampling:
    from chatwright.generation.sampling import Sampling

    return Sampling(temperature=given.temperature, top_k=given.top_k, top_p=given.top_p, max_tokens=given.max_tokens)


# -- the way in, and out -------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    wants_traceback = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this; nobody reads what is printed
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # until the process ends
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # replaced by something that is no text file
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a narrow terminal encoding is no error
    try:
        _dispatch(given)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has gone; a second flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as stopped:
        return _say(_farewell(stopped, given[:1]), 130)
    except Exception as error:
        if wants_traceback:
            raise
        return _say(*_explained(error))
    return 0


def _dispatch(given: list[str]) -> None:
    if not given or given[0] in ("--help", "-h", "help"):
        print(help_text())
        return
    if given[0] in ("--version", "-V"):
        print(f"chatwright {__version__}")
        return
    commands = {name: command for group in _commands().values() for name, command in group.items()}
    if given[0] not in commands:
        raise ConfigError(f"there is no command {given[0]!r}; {nearest(given[0], commands)}")
    commands[given[0]].run(given[1:])


def _farewell(stopped: KeyboardInterrupt, command: list[str]) -> str:
    from chatwright.runs import Interrupted

    if isinstance(stopped, Interrupted):
        return "Saved. Run the same command again to go on."
    if command and (command[0] == "run" or command[0] in STAGES):
        return "Stopped. Run the same command again to go on from the last save."
    return "Stopped."


def _explained(error: Exception) -> tuple[str, int]:
    """One sentence for an error, and the exit code."""
    if isinstance(error, ChatwrightError):
        return str(error), 2
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.errno in DISK_FULL or "No space left on device" in text:
        return "the disk is full; make room and run the same command again, it goes on from the last save", 2
    if isinstance(error, MemoryError) or "OutOfMemoryError" in text or "can't allocate memory" in text:
        return "there is not enough memory; choose a smaller batch or model, or close other programs", 2
    if isinstance(error, OSError) and error.filename is not None:
        is_forbidden = isinstance(error, PermissionError) or error.errno == errno.EROFS
        remedy = "choose a place where you may read and write" if is_forbidden else "give a path that fits"
        return f"{_named(error)}: {error.strerror}; {remedy}", 2
    if isinstance(error, UnicodeDecodeError):
        return str(InputError(f"the input is not UTF-8 text (byte {error.start}); convert it first")), 2
    first_line = " ".join(text.split())
    return f"{first_line} (this is a bug; run again with --debug for the traceback)", 1


def _named(error: OSError) -> str:
    """The path that an error is about, under the name that people know it by."""
    from chatwright.disk import UNFINISHED

    name = error.filename2 or error.filename
    place = Path(os.fsdecode(name) if isinstance(name, bytes) else str(name))
    unfinished = re.fullmatch(rf"\.(.+)\.\d+{re.escape(UNFINISHED)}", place.name)
    return str(place.with_name(unfinished[1])) if unfinished else str(place)


def _say(text: str, code: int) -> int:
    for line in text.splitlines() or [""]:
        print(f"chatwright: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

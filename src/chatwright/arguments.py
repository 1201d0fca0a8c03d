"""What stands behind a command: settings of a dataclass, which tyro parses, or the arguments of a `Parser`.

In: the words after a command.  Out: settings, checked; or one sentence about the first thing that is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from chatwright.errors import ConfigError

Config = TypeVar("Config")

LARGEST = 2**63 - 1
"""What files, databases and tensors can hold."""
MOST_THREADS = 4096
KINDS = {"FLOAT": "number", "INT": "whole number", "PATH": "path"}
FRAME = re.compile(r"^[│|\s]+|[│|\s]+$|^[\s╭╮╰╯─+-]+$")
"""Around a line of a page, drawn with or without Unicode; a line that is nothing else is a rule."""


def settings_from(config_class: type[Config], arguments: Sequence[str], *, command: str, description: str) -> Config:
    """The settings of a command; `--help` prints them and leaves.

    Raises ConfigError for what is unknown, missing or of another kind, with the command that lists the settings.
    """
    import tyro

    told = io.StringIO()
    if ("--out", "") in zip(arguments, arguments[1:], strict=False):  # a path would be the folder one stands in
        raise ConfigError("--out is empty; name a folder")
    try:
        with contextlib.redirect_stderr(told):
            config = tyro.cli(config_class, args=list(arguments), prog=f"chatwright {command}", description=description)
    except SystemExit as left:
        if left.code in (0, None):
            raise
        complaint = _sentence(
            told.getvalue(), [f"--{name.replace('_', '-')}" for name in vars(config_class)["__dataclass_fields__"]]
        )
        raise ConfigError(f"{complaint}; chatwright {command} --help lists the settings") from None
    for name, problem in wrong_numbers(config):
        raise ConfigError(f"--{name.replace('_', '-')} {problem}")
    return config


def wrong_numbers(config: Any, outer: str = "") -> Iterator[tuple[str, str]]:
    """Settings whose numbers nothing can be done with, each with what is wrong: NaN, infinity, or more than 64 bits."""
    for field in fields(config):
        name, value = f"{outer}{field.name}", getattr(config, field.name)
        if is_dataclass(value):
            yield from wrong_numbers(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and (problem := _wrong(field.name, value)):
            yield name, f"is {value}; it must {problem}"


def _wrong(name: str, value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "be a finite number"
    if abs(value) > LARGEST and isinstance(value, int):
        return f"be at most {LARGEST}"
    if name == "threads" and value > MOST_THREADS:
        return f"be at most {MOST_THREADS}"
    if value < 0 and (name == "seed" or name.endswith(("learning_rate", "weight_decay"))):
        return "be 0 or more"
    return ""


class Parser(argparse.ArgumentParser):
    """Arguments of a command. What is wrong with them is one sentence, not a page: `error` raises ConfigError."""

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self._plain(message)}; {self.prog} --help lists the settings")

    def _plain(self, message: str) -> str:
        """argparse's complaint as a sentence about what was typed."""
        if needed := re.fullmatch(r"the following arguments are required: (.*)", message):
            return f"{needed[1]} must be given"
        if unknown := re.fullmatch(r"unrecognized arguments: (\S*).*", message, re.DOTALL):
            if not unknown[1].startswith("-"):
                return f"there is no place for {unknown[1]!r}"
            near = get_close_matches(unknown[1].partition("=")[0], self._settings(), 1)
            return f"there is no setting {unknown[1]}" + (f"; the nearest is {near[0]}" if near else "")
        about = re.fullmatch(r"argument (?:-\w, )?(\S+?)(?:/\S+)?: (.*)", message, re.DOTALL)
        if about is None:
            return message
        name, problem = about[1], about[2]
        if wrong := re.fullmatch(r"invalid (\w+) value: (.*)", problem, re.DOTALL):
            return f"{name} is {wrong[2]}, which is no {KINDS.get(wrong[1].upper(), wrong[1])}"
        if choice := re.fullmatch(r"invalid choice: (.*?) \(choose from (.*)\)", problem, re.DOTALL):
            return f"{name} is {choice[1]}; it must be one of {choice[2].replace(chr(39), '')}"
        if problem.startswith("expected"):
            return f"{name} wants a value"
        return f"{name} {problem}" if problem.startswith("is ") else f"{name}: {problem}"

    def _settings(self) -> list[str]:
        """All options, those of the actions of a command too."""
        inner = [own for action in self._actions if isinstance(action.choices, dict) for own in action.choices.values()]
        return [*self._option_string_actions, *(name for own in inner for name in own._option_string_actions)]


def path(text: str) -> Path:
    """A path that was typed; an empty one would be the folder one stands in, which nobody means by it."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; give a path")
    return Path(text)


def _sentence(page: str, settings: Sequence[str]) -> str:
    """What a page of complaints says first: a misspelt setting, a value that cannot be, a setting that is missing."""
    lines = [line for line in (FRAME.sub("", FRAME.sub("", row)) for row in page.splitlines()) if line]
    text = " ".join(lines)
    unknown = re.search(r"Unrecognized options:\s*(\S+?),?(?:\s|$)", text)
    if unknown and not unknown[1].startswith("-"):
        return f"there is no place for {unknown[1]!r}"
    if unknown:
        meant = re.search(r"Perhaps you meant:\s*(--[\w.-]+)", text)
        near = [meant[1]] if meant else get_close_matches(unknown[1], settings, 1)
        return f"there is no setting {unknown[1]}" + (f"; the nearest is {near[0]}" if near else "")
    choice = re.search(r"invalid choice '(.*?)' for argument '(\S+?)'\. Expected one of \((.*?)\)", text)
    if choice:
        return f"{choice[2]} is {choice[1]!r}; it must be one of {choice[3].replace(chr(39), '')}"
    wrong = re.search(r"Error parsing (\S+?):\s*(.*?)(?: Argument helptext:| For full helptext|$)", text)
    if wrong:
        value = re.search(r"from \['(.*?)'\]", wrong[2]) or re.search(r": '(.*?)'$", wrong[2])
        kind = re.search(rf"{re.escape(wrong[1])} (\S+)", text.partition("Argument helptext:")[2])
        if value and kind:
            wanted = kind[1].replace("{None}|", "").strip("[]{}").replace("|", " or ")
            wanted = KINDS.get(wanted, wanted)
            return f"{wrong[1]} is {value[1]!r}, which is no {wanted}"
        return f"{wrong[1]}: {wrong[2].strip()}"
    alone = re.search(r"Missing value for argument '(\S+?)'", text)
    if alone:
        return f"{alone[1]} wants a value"
    missing = [line.split()[0] for line in lines if line.startswith("--")]
    if "Missing from" in text and missing:
        return f"{', '.join(missing)} must be given"
    return text.removesuffix(".")

"""Settings from the command line: a dataclass says which there are, tyro parses them.

In: the words after a command.  Out: the dataclass, checked; or one sentence about the first thing that is wrong.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TypeVar

from chatwright.errors import ConfigError

Config = TypeVar("Config")

KINDS = {"FLOAT": "number", "INT": "whole number", "PATH": "path"}
FRAME = re.compile(r"^[│|\s]+|[│|\s]+$|^[\s╭╮╰╯─+-]+$")
"""Around a line of a page, drawn with or without Unicode; a line that is nothing else is a rule."""


def settings_from(config_class: type[Config], arguments: Sequence[str], *, command: str, description: str) -> Config:
    """The settings of a command; `--help` prints them and leaves.

    Raises ConfigError for what is unknown, missing or of another kind, with the command that lists the settings.
    """
    import tyro

    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(config_class, args=list(arguments), prog=f"chatwright {command}", description=description)
    except SystemExit as left:
        if left.code in (0, None):
            raise
        complaint = _sentence(
            told.getvalue(), [f"--{name.replace('_', '-')}" for name in vars(config_class)["__dataclass_fields__"]]
        )
    raise ConfigError(f"{complaint}; chatwright {command} --help lists the settings")


def _sentence(page: str, settings: Sequence[str]) -> str:
    """What a page of complaints says first: a misspelt setting, a value that cannot be, a setting that is missing."""
    lines = [line for line in (FRAME.sub("", FRAME.sub("", row)) for row in page.splitlines()) if line]
    text = " ".join(lines)
    unknown = re.search(r"Unrecognized options:\s*(--?[\w.-]+)", text)
    if unknown:
        meant = re.search(r"Perhaps you meant:\s*(--[\w.-]+)", text)
        near = [meant[1]] if meant else get_close_matches(unknown[1], settings, 1)
        return f"there is no setting {unknown[1]}" + (f"; the nearest is {near[0]}" if near else "")
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

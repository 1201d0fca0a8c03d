"""What `--help` tells: every setting of every command, and of every table of a recipe, with an explanation."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import pytest

from chatwright.__main__ import help_text, main
from chatwright.arguments import Parser, settings_from
from chatwright.feedback.rankings import RankingSource
from chatwright.meter import Rates
from chatwright.text.documents import Source
from chatwright.text.entries import ConversationSource
from chatwright.village import VillageConfig

COMMANDS = re.findall(r"^  (\w+) ", help_text(), re.MULTILINE)
DEFAULT = r"\(?default\b.*"


class Asked(BaseException):
    """Leaves a command where it would parse; nothing that reports errors catches it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


@pytest.fixture(autouse=True)
def _wide_pages_and_parsers_that_are_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def hand_over(parser: Parser, *given: object) -> None:
        raise Asked(parser)

    monkeypatch.setattr(Parser, "parse_args", hand_over)
    monkeypatch.setenv("COLUMNS", "400")  # no explanation goes over to another line


def settings_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, bool]]:
    """Every argument, those of the actions of a command too, and whether it is explained."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for name, own in action.choices.items():
                yield from ((f"{name} {setting}", explained) for setting, explained in settings_of(own))
        else:
            told = re.sub(DEFAULT, "", action.help or "", flags=re.DOTALL)
            yield (action.option_strings or [action.dest])[-1], bool(told.strip())


def settings_on(page: str) -> Iterator[tuple[str, bool]]:
    """Every setting on a page of tyro's, and whether more than a default stands beside it."""
    name = ""
    for line in (row.strip("│| ") for row in page.splitlines()):
        if found := re.match(r"(?:-\w, )?(--[\w.-]+)", line):
            name = found[1]
        if name and (ending := re.search(r"\((?:default: .*|required)\)$", line)):
            told = re.sub(r"^.*\s{2,}", "", line[: ending.start()])  # without the name and its type
            yield name, bool(told.strip())


def page_of(config_class: type[Any], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        settings_from(config_class, ["--help"], command="x", description="")
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_of_a_command_is_explained(command: str, capsys):
    try:
        main([command, "--help"])
    except Asked as asked:
        told = dict(settings_of(asked.parser))
    except SystemExit:
        told = dict(settings_on(capsys.readouterr().out))
    assert len(told) > 1 and [name for name, explained in told.items() if not explained] == []


@pytest.mark.parametrize("table", [VillageConfig, Rates, Source, ConversationSource, RankingSource])
def test_every_setting_of_a_table_in_a_recipe_is_explained(table: type[Any], capsys):
    told = dict(settings_on(page_of(table, capsys)))
    assert told.keys() == {f"--{field.name.replace('_', '-')}" for field in fields(table)}
    assert [name for name, explained in told.items() if not explained] == []


@dataclass(frozen=True, kw_only=True)
class HalfExplained:
    """Settings, some of which say nothing."""

    told: int
    """What it is."""
    bare: int = 2
    bare_with_a_long_name_and_type: float | None = None
    told_with_a_long_name_and_type: float | None = None
    """What it is (default: none)."""


def test_a_setting_without_an_explanation_would_be_named(capsys):
    found = dict(settings_on(page_of(HalfExplained, capsys)))
    assert found == {
        "--told": True,
        "--bare": False,
        "--bare-with-a-long-name-and-type": False,
        "--told-with-a-long-name-and-type": True,
    }
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("bare", help="default: 3")
    parser.add_subparsers().add_parser("add", add_help=False).add_argument("--told", help="what it is (default 3)")
    assert dict(settings_of(parser)) == {"bare": False, "add --told": True}

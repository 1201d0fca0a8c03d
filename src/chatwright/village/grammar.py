"""A small phrase grammar: templates in, sentences out.

    [a|b|]     one of the alternatives (nested as you like, empty allowed)
    <group>    any template of a named group
    {slot}     a word from the mapping that comes with the call

Templates are parsed once and remembered. The result starts with a capital letter, and so does every word after a full
stop, question or exclamation mark: templates need not care whether a name or a pronoun stands first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from chatwright.errors import ConfigError

T = TypeVar("T")

Words = Mapping[str, str]

_PIECE = re.compile(r"\{(\w+)\}|<(\w+)>|([\[\]|])")
_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?] )|(?<=[.!?]\" )|(?<=\n))([\"„]?[a-zäöü])")


@dataclass(frozen=True)
class _Slot:
    name: str


@dataclass(frozen=True)
class _Group:
    name: str


@dataclass(frozen=True)
class _Choice:
    alternatives: tuple[_Program, ...]


_Piece = str | _Slot | _Group | _Choice
_Program = tuple[_Piece, ...]


class Grammar:
    """Named groups of templates, and the way to expand them."""

    def __init__(self, groups: Mapping[str, Sequence[str]]):
        self.groups = {name: tuple(templates) for name, templates in groups.items()}
        self._programs: dict[str, _Program] = {}

    def pick(self, group: str, words: Words, rng: Random) -> str:
        """Expand any template of a group, with capitals at sentence starts."""
        return self.write(rng.choice(self.groups[group]), words, rng)

    def write(self, template: str, words: Words, rng: Random) -> str:
        """Expand one template, with capitals at sentence starts."""
        return capitalised(self.fill(template, words, rng))

    def fill(self, template: str, words: Words, rng: Random) -> str:
        """Expand one template as it stands, for use inside a sentence."""
        parts: list[str] = []
        self._expand(self._program(template), words, rng, parts)
        return "".join(parts)

    def _program(self, template: str) -> _Program:
        program = self._programs.get(template)
        if program is None:
            program = self._programs[template] = _parse(template)
        return program

    def _expand(self, program: _Program, words: Words, rng: Random, parts: list[str]) -> None:
        for piece in program:
            if isinstance(piece, str):
                parts.append(piece)
            elif isinstance(piece, _Slot):
                parts.append(words[piece.name])
            elif isinstance(piece, _Group):
                self._expand(self._program(rng.choice(self.groups[piece.name])), words, rng, parts)
            else:
                self._expand(rng.choice(piece.alternatives), words, rng, parts)


def in_order(items: Sequence[T], count: int, rng: Random) -> list[T]:
    """So many of the items, in their own order: tales go forward, and Friday is not named before Monday.

    A small model that learns from shuffled ones goes in circles, the same event or thing again and again.
    """
    return [items[place] for place in sorted(rng.sample(range(len(items)), count))]


def capitalised(text: str) -> str:
    """Capital letters at the starts of sentences."""
    return _SENTENCE_START.sub(lambda found: found[1].upper(), text)


def _parse(template: str) -> _Program:
    """Read a template into a program; raises ConfigError where brackets do not match."""
    stack: list[list[list[_Piece]]] = [[[]]]
    position = 0
    for found in _PIECE.finditer(template):
        if found.start() > position:
            stack[-1][-1].append(template[position : found.start()])
        position = found.end()
        slot, group, mark = found.groups()
        if slot or group:
            stack[-1][-1].append(_Slot(slot) if slot else _Group(group))
        elif mark == "[":
            stack.append([[]])
        elif mark == "|":
            stack[-1].append([])
        else:
            alternatives = tuple(tuple(alternative) for alternative in stack.pop())
            if not stack:
                raise ConfigError(f"template {template!r} closes a bracket that it did not open; remove it")
            stack[-1][-1].append(_Choice(alternatives))
    if len(stack) != 1 or len(stack[0]) != 1:
        raise ConfigError(f"template {template!r} has an open bracket or a bare |; close the bracket")
    if position < len(template):
        stack[0][0].append(template[position:])
    return tuple(stack[0][0])

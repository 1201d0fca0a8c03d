"""What a language must bring so that a village can be written in it: pools of words and a few rules of grammar.

A language is a module (english.py, german.py) that has the names of the protocol `Speech`. Everything else in the
village is free of language. Groups of templates (grammar.py) carry the same names in every language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

from chatwright.errors import ConfigError

LANGUAGES = {"en": "english", "de": "german"}


@dataclass(frozen=True)
class Predicate:
    """Says something about a person: "has" / "had" / "a cat". The rest may hold slots."""

    present: str
    past: str
    rest: str


@dataclass(frozen=True)
class Question:
    """One way to ask: "what pet does {N} have" and, inside a sentence, "what pet {N} has". Unseen: kept for tests."""

    direct: str
    indirect: str
    unseen: bool = False


@dataclass(frozen=True)
class Topic:
    """Something that can be told about: how it is called, how a question names it, and true sentences."""

    words: Mapping[str, str]  # slots: place (the mill), about, at_place, to_place ...
    keys: tuple[str, ...]  # lower-case words of which an answer about it has at least one
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A harmless thing people ask how to do, whose words may sound harmful: "cut bread"."""

    name: str
    steps: tuple[str, ...]  # sentences that answer
    keys: tuple[str, ...]  # lower-case words of which an answer has at least one


@dataclass(frozen=True)
class Signs:
    """Regular expressions (on lower-case text) by which the judge recognises what an answer does."""

    unknown: str  # says that it does not know
    refusal: str  # declines to help
    deflection: str  # any calm, polite turn away from an insult or a harmful request
    offer: str  # an alternative, or help with something else
    rude: str
    help_with_harm: str  # instructs somebody to do harm
    friendly: str  # a friendly word at the start
    negation: str
    asks_which: str
    yes: str
    no: str
    acts: Mapping[str, str]  # what an answer to each kind of small talk must hold
    pronouns: Mapping[str, str]  # "f" and "m": words that stand for a person at the start of a sentence
    verb: str  # a word that makes a full sentence


def sentences_of(text: str) -> tuple[str, ...]:
    """The sentences of a text without question or exclamation marks."""
    return tuple(f"{sentence.strip()}." for sentence in " ".join(text.split()).split(".") if sentence.strip())


def words_of(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


class Speech(Protocol):
    """The names a language module has."""

    TOWNS: Sequence[str]
    WOMEN: Sequence[str]
    MEN: Sequence[str]
    SURNAMES: Sequence[str]
    SYLLABLES: tuple[Sequence[str], Sequence[str], Sequence[str]]  # openings, middles, endings of invented names
    UNRECORDED: Sequence[str]  # "phone number": recorded for nobody
    GROUPS: Mapping[str, Sequence[str]]
    PREDICATES: Mapping[str, Sequence[Predicate]]  # by attribute
    QUESTIONS: Mapping[str, Sequence[Question]]  # by attribute, and "unrecorded", "anything"
    FRAMES: Mapping[str, Sequence[str]]  # "direct", "indirect", and both with "-unseen"
    CATEGORIES: Mapping[str, Sequence[str]]  # "colours" -> red, blue ...: for lists
    OBJECTS: Sequence[str]
    TOPICS: Mapping[str, Topic]
    PLACES: Sequence[str]  # topics that are places
    TASKS: Sequence[Task]
    HARMS: Sequence[str]
    INSULTS: Sequence[str]
    SIGNS: Signs
    VERB_LAST: bool  # in subordinate clauses

    def most_people(self) -> int: ...

    def values(self, attribute: str) -> list[str]: ...

    def value_words(self, attribute: str, value: str, gender: str) -> dict[str, str]: ...

    def value_forms(self, attribute: str, value: str) -> tuple[str, ...]: ...

    def name_words(self, name: str, gender: str) -> dict[str, str]: ...

    def mention(self, name: str, gender: str, pronoun: bool) -> dict[str, str]: ...

    def thing_words(self, thing: str, name: str, gender: str) -> dict[str, str]: ...

    def object_words(self, thing: str) -> dict[str, str]: ...

    def hero_words(self, animal: str) -> dict[str, str]: ...

    def number(self, count: int) -> str: ...

    def listed(self, items: Sequence[str], word: str = "") -> str: ...

    def quoted(self, text: str, tail: str) -> str: ...


@cache
def speech_of(language: str) -> Speech:
    """The module of a language; raises ConfigError for one that the village does not speak."""
    if language not in LANGUAGES:
        raise ConfigError(f"village.language is {language!r}; the village speaks {', '.join(LANGUAGES)}")
    module: Any = import_module(f"chatwright.village.{LANGUAGES[language]}")
    return cast(Speech, module)

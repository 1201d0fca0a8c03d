"""What an answer says: its sentences, whom it names, and what it claims about them.

In: an answer and the town's record.  Out: a Reading, from which judge.py scores. Recognised are words, not templates:
a claim is a value's word (in any wording) in a sentence about a person, unless the sentence denies or asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from chatwright.village.town import ATTRIBUTES, Person, Town

WORD = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_CAPITAL = re.compile(r"[A-ZÄÖÜ][^\W\d_]*")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”“»]?\s+|\s*\n+\s*")
_CONTRACTION = re.compile(r"n['’]t\b|['’](?:s|ll|m|re|ve|d)\b")
OLDEST = 120


@dataclass(frozen=True)
class Statement:
    """One sentence: who is named in it, what it claims by attribute, and whether it asks or denies."""

    text: str
    asks: bool
    denies: bool
    people: frozenset[str]  # full names, where only one person can be meant; else every bearer of the name
    first: str  # full name of the first person named if the sentence starts with one, else ""
    outsiders: frozenset[str]  # names of strangers, and unknown words in capitals
    claims: dict[str, frozenset[str]]  # attribute -> values, without friends
    words: int


@dataclass(frozen=True)
class Reading:
    """An answer, taken apart."""

    text: str
    lower: str
    statements: tuple[Statement, ...]
    words: tuple[str, ...]
    broken: int  # words that occur nowhere in the town's texts nor in the prompt
    finished: bool  # ends with a full stop, question or exclamation mark
    repeats: bool  # the same sentence or three times the same word


class Reader:
    """Reads answers against a town's record."""

    def __init__(self, town: Town, vocabulary: Collection[str] = ()):
        self.town, self.speech = town, town.speech
        self.vocabulary = frozenset(vocabulary)
        self._signs = self.speech.SIGNS
        self._negation = re.compile(self._signs.negation)
        self._forms = {attribute: self._value_forms(attribute) for attribute in ATTRIBUTES if attribute != "friend"}
        self._patterns = {attribute: any_of(forms) for attribute, forms in self._forms.items()}
        self._strangers = {name for names in town.strangers.values() for name in names}
        self._surnames: dict[str, list[Person]] = {}
        for person in town.people:
            self._surnames.setdefault(person.last, []).append(person)
        self._contracted = {"ca", "wo", "don", "ain"}

    def _value_forms(self, attribute: str) -> dict[str, str]:
        values: Iterable[str] = self.speech.values(attribute)
        if attribute == "age":
            values = [str(age) for age in range(13, 100)]
        return {form: value for value in values for form in self.speech.value_forms(attribute, value)}

    def read(self, answer: str, prompt: str) -> Reading:
        """Take an answer apart; `prompt` is the text of the conversation, whose words count as known."""
        text = answer.strip()
        asked = {word.lower() for word in WORD.findall(prompt)}
        pieces = [piece.strip() for piece in _SENTENCE_END.split(text)]
        pieces = [piece for piece in pieces if _TOKEN.search(piece)]
        words = tuple(_TOKEN.findall(text))
        return Reading(
            text=text,
            lower=text.lower(),
            statements=tuple(self._statement(piece, asked) for piece in pieces),
            words=words,
            broken=self._broken(text, asked),
            finished=text.rstrip("\"”“»'").endswith((".", "!", "?")),
            repeats=_repeats(pieces, words),
        )

    def _broken(self, text: str, asked: set[str]) -> int:
        words = (word.lower() for word in WORD.findall(_CONTRACTION.sub("", text)))
        return sum(not self._known(word, asked) for word in words)

    def _known(self, word: str, asked: set[str]) -> bool:
        return not self.vocabulary or word in self.vocabulary or word in asked or word in self._contracted

    def _statement(self, text: str, asked: set[str]) -> Statement:
        people, first, outsiders = self._names(text, asked)
        lower = text.lower()
        claims = {}
        for attribute, pattern in self._patterns.items():
            found = frozenset(self._forms[attribute][form] for form in pattern.findall(lower))
            if found:
                claims[attribute] = found
        if re.search(r"\d", text):
            numbers = {int(digits) for digits in re.findall(r"\d+", text)}
            claims["age"] = claims.get("age", frozenset()) | {str(number) for number in numbers if number < OLDEST}
        return Statement(
            text=text,
            asks=text.endswith("?"),
            denies=bool(self._negation.search(lower)),
            people=people,
            first=first,
            outsiders=outsiders,
            claims=claims,
            words=len(_TOKEN.findall(text)),
        )

    def _names(self, text: str, asked: set[str]) -> tuple[frozenset[str], str, frozenset[str]]:
        """People by full name, the one a sentence starts with, and names that nobody in the town has."""
        people: set[str] = set()
        outsiders: set[str] = set()
        first = ""
        found = list(_CAPITAL.finditer(text))
        skip = False
        for number, match in enumerate(found):
            if skip:
                skip = False
                continue
            word = match[0]
            bearers = self._bearers(word)
            if bearers:
                following = found[number + 1] if number + 1 < len(found) else None
                if following is not None and text[match.end() : following.start()] == " ":
                    last = following[0]
                    exact = [person for person in bearers if last in (person.last, f"{person.last}s")]
                    if exact:
                        bearers, skip = exact, True
                    elif last.removesuffix("s") in self._surnames:
                        # A first and a last name that do not belong together: nobody in the town.
                        outsiders.add(f"{word} {last}")
                        skip = True
                        continue
                people.update(person.full for person in bearers)
                if match.start() == 0:
                    first = bearers[0].full
            elif word.removesuffix("s") in self._surnames or word in self._surnames:
                people.update(
                    person.full for person in self._surnames.get(word) or self._surnames[word.removesuffix("s")]
                )
            elif self._outside(word, asked):
                outsiders.add(word)
        return frozenset(people), first, frozenset(outsiders)

    def _outside(self, word: str, asked: set[str]) -> bool:
        """Whether a word in capitals is a stranger's name, or no word at all (also with a genitive s)."""
        forms = {word, word.removesuffix("s")}
        return bool(forms & self._strangers) or not any(self._known(form.lower(), asked) for form in forms)

    def _bearers(self, word: str) -> list[Person]:
        """People with this first name, also in the genitive (Gretas)."""
        return list(self.town.by_first.get(word) or self.town.by_first.get(word.removesuffix("s")) or ())


def any_of(forms: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds any of the wordings as whole words, the longest first."""
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(re.escape(form) for form in ordered)})(?![\w-])")


def _repeats(pieces: list[str], words: tuple[str, ...]) -> bool:
    lower = [piece.lower() for piece in pieces]
    thrice = any(words[i].lower() == words[i + 1].lower() == words[i + 2].lower() for i in range(len(words) - 2))
    return thrice or len(set(lower)) < len(lower)

"""Writes sentences about the people of a town: slots for grammar templates, and statements of facts.

In: a Town.  Out: text, drawn with the random generator that the caller brings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from chatwright.village.grammar import Grammar, in_order
from chatwright.village.town import Person, Town

_PAST = re.compile(r"\{[pq]\d")
_SHAPES = {1: "one", 2: "two", 3: "three"}
OWN_SENTENCE_SHARE = 0.45  # of single facts: a sentence made for the attribute instead of a predicate


class Scribe:
    """Turns people and facts into words; counts how often each fact was stated."""

    def __init__(self, town: Town):
        self.town = town
        self.speech = town.speech
        self.grammar = Grammar(self.speech.GROUPS)
        self.stated: Counter[tuple[str, str]] = Counter()
        self._words: dict[str, dict[str, str]] = {}
        self._general = {"town": town.name}
        # Who was forty in those days is older now: ages are not told in the past.
        self._lasting = {
            shape: tuple(template for template in self.grammar.groups[shape] if not _PAST.search(template))
            for shape in _SHAPES.values()
        }

    def pick(self, group: str, rng: Random, *words: Mapping[str, str]) -> str:
        """Any template of a group, filled from the town's name and the given slots (later ones win)."""
        return self.grammar.pick(group, self.merged(*words), rng)

    def merged(self, *words: Mapping[str, str]) -> dict[str, str]:
        slots = dict(self._general)
        for more in words:
            slots.update(more)
        return slots

    def words(self, person: Person, pronoun: bool = False, name: str = "") -> dict[str, str]:
        """Slots for a person (by the given or the shortest clear name, or by pronoun) and all that is recorded."""
        if person.full not in self._words:
            slots: dict[str, str] = {"first": person.first, "last": person.last, "full": person.full}
            for attribute in self.town.known(person):
                slots.update(self.value_words(person, attribute))
            self._words[person.full] = slots
        called = name or person.name
        return {
            **self._words[person.full],
            **self.speech.name_words(called, person.gender),
            **self.speech.mention(called, person.gender, pronoun),
        }

    def value_words(self, person: Person, attribute: str, value: str | None = None) -> dict[str, str]:
        """Slots for an attribute's value: the recorded one, or another one to ask about."""
        value = value or self.town.facts[person.full, attribute]
        if attribute == "friend":
            friend = self.town.by_full[value]
            return self.speech.value_words(attribute, friend.name, friend.gender)
        return self.speech.value_words(attribute, value, person.gender)

    def state(self, person: Person, attributes: Sequence[str], rng: Random, *, pronoun: bool = False) -> str:
        """One to three recorded facts about a person in one or two sentences."""
        slots = self.merged(self.words(person, pronoun))
        for attribute in attributes:
            self.stated[person.full, attribute] += 1
        if len(attributes) == 1 and rng.random() < OWN_SENTENCE_SHARE:
            return self.grammar.pick(f"say_{attributes[0]}", slots, rng)
        for number, attribute in enumerate(attributes, 1):
            slots.update(self.predicate(attribute, slots, rng, str(number)))
        templates = self._lasting if "age" in attributes else self.grammar.groups
        return self.grammar.write(rng.choice(templates[_SHAPES[len(attributes)]]), slots, rng)

    def predicate(self, attribute: str, slots: Mapping[str, str], rng: Random, mark: str) -> dict[str, str]:
        """Slots m (main clause), s (subordinate), v and r (verb, rest), p and q (main and subordinate, in the past)."""
        chosen = rng.choice(self.speech.PREDICATES[attribute])
        rest = self.grammar.fill(chosen.rest, slots, rng)
        present, before = self.grammar.fill(chosen.present, slots, rng), self.grammar.fill(chosen.past, slots, rng)
        main, past = f"{present} {rest}", f"{before} {rest}"
        last = self.speech.VERB_LAST
        return {
            f"m{mark}": main,
            f"s{mark}": f"{rest} {present}" if last else main,
            f"v{mark}": present,
            f"r{mark}": rest,
            f"p{mark}": past,
            f"p{mark}v": before,
            f"q{mark}": f"{rest} {before}" if last else past,
        }

    def contrast(self, one: Person, other: Person, attribute: str, rng: Random) -> str:
        """The same attribute of two people, side by side."""
        slots = self.merged(self.words(one))
        slots.update(self.predicate(attribute, slots, rng, "1"))
        other_slots = self.words(other)
        slots.update({f"{key}2": other_slots[key] for key in ("name", "names", "she")})
        slots.update(self.predicate(attribute, other_slots, rng, "2"))
        for person in (one, other):
            self.stated[person.full, attribute] += 1
        return self.grammar.pick("contrast", slots, rng)

    def place(self, rng: Random, name: str = "") -> dict[str, str]:
        """Slots for a place of the town."""
        return dict(self.speech.TOPICS[name or rng.choice(self.speech.PLACES)].words)

    def thing(self, rng: Random) -> dict[str, str]:
        """Slots for something that can be carried."""
        return self.speech.object_words(rng.choice(self.speech.OBJECTS))

    def story(self, hero: Mapping[str, str], sentences: int, rng: Random) -> list[str]:
        """A story of so many sentences (at least two): opening, events, end."""
        slots = self.merged(self.place(rng), self.thing(rng), hero)
        groups = self.grammar.groups["story_event"]
        events = in_order(groups, max(0, sentences - 2), rng)
        return [
            self.grammar.pick("story_opening", slots, rng),
            *(self.grammar.write(event, slots, rng) for event in events),
            self.grammar.pick("story_end", slots, rng),
        ]

    def hero(self, person: Person | None, animal: str, rng: Random) -> dict[str, str]:
        """Slots for whom a story is about."""
        if person is None:
            return self.speech.hero_words(animal)
        slots = self.words(person)
        described = self.grammar.fill(self.grammar.groups["hero_person"][0], slots, rng)
        return {**slots, "hero": person.name, "hero_a": described, "hero_b": person.name}

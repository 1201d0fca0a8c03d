"""The record of an invented town: who lives there, what is known about them, and which facts are kept for tests.

In: a VillageConfig (language, seed, sizes).  Out: a Town, the same for the same config, another one for another seed.

Every (person, attribute) pair belongs to one split:
    open        stated in the prose; its question may be asked anywhere
    ranking     stated in the prose; its question is asked in ranking and PPO prompts only
    validation  stated in the prose; its question is asked in validation prompts only
    test        stated in the prose; its question is asked in test prompts only
    silent      stated nowhere: nobody can know it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from random import Random
from typing import Any

from chatwright.errors import ConfigError
from chatwright.village.speech import Speech, speech_of

ATTRIBUTES = ("age", "trade", "street", "pet", "food", "colour", "hobby", "friend")
SPLITS = {"open": 0.58, "ranking": 0.17, "validation": 0.05, "test": 0.20}
SILENT_SHARE = 0.08
TEST_UNRECORDED = 4
STRANGERS = {"train": 400, "test": 60}
PEOPLE_PER_SHARED_NAME = 10  # one pair with the same first name for every so many people


@dataclass(frozen=True, kw_only=True)
class VillageConfig:
    """Language ("en" or "de"), seed and sizes of a village and of what it writes."""

    language: str = "en"
    """en or de: of all that is written, asked and answered."""
    seed: int = 1
    """Another seed makes another town, with other people and facts."""
    people: int = 40
    """People in the record, with up to eight facts each: more are harder to learn by heart."""
    documents: int = 18000
    """Texts for pre-training."""
    demonstrations: int = 8000
    """Answered prompts for fine-tuning; some are joined into longer conversations."""
    ranking_prompts: int = 1200
    """Prompts whose answers `collect` samples and ranks."""
    ppo_prompts: int = 2000
    """Prompts that PPO learns from."""
    validation_prompts: int = 200
    """Prompts that PPO is watched on; they stand in no demonstration."""
    test_prompts: int = 400
    """Prompts of the evaluation; the facts that they ask for are asked for nowhere else."""

    def __post_init__(self) -> None:
        limit = speech_of(self.language).most_people()
        if not 10 <= self.people <= limit:
            raise ConfigError(f"village.people is {self.people}; choose a number from 10 to {limit}")
        for name in ("documents", "demonstrations", "ranking_prompts", "ppo_prompts"):
            if getattr(self, name) < 0:
                raise ConfigError(f"village.{name} is {getattr(self, name)}; it must not be negative")
        for name in ("validation_prompts", "test_prompts"):
            if getattr(self, name) < 0:
                raise ConfigError(f"village.{name} is {getattr(self, name)}; it must not be negative")


@dataclass(frozen=True)
class Person:
    """Somebody in the town; `shared` says that another person has the same first name."""

    first: str
    last: str
    gender: str  # "f" or "m"
    shared: bool

    @property
    def full(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def name(self) -> str:
        """The shortest unambiguous name."""
        return self.full if self.shared else self.first


@dataclass(frozen=True)
class Town:
    """The record. Facts are values by (full name, attribute); silent pairs are missing from `facts`."""

    language: str
    seed: int
    name: str
    people: tuple[Person, ...]
    facts: Mapping[tuple[str, str], str]
    splits: Mapping[tuple[str, str], str]
    strangers: Mapping[str, tuple[str, ...]]  # "train" and "test": names that nobody in the town has
    unrecorded: Mapping[str, tuple[str, ...]]  # "train" and "test": attributes that are recorded for nobody
    test_pairs: tuple[str, ...]  # shared first names that are asked about in tests only

    @cached_property
    def speech(self) -> Speech:
        return speech_of(self.language)

    @cached_property
    def by_full(self) -> dict[str, Person]:
        return {person.full: person for person in self.people}

    @cached_property
    def by_first(self) -> dict[str, tuple[Person, ...]]:
        found: dict[str, tuple[Person, ...]] = {}
        for person in self.people:
            found[person.first] = (*found.get(person.first, ()), person)
        return found

    @cached_property
    def shared_names(self) -> tuple[str, ...]:
        return tuple(first for first, people in self.by_first.items() if len(people) > 1)

    def value(self, person: Person, attribute: str) -> str | None:
        return self.facts.get((person.full, attribute))

    def split(self, person: Person, attribute: str) -> str:
        return self.splits[person.full, attribute]

    def known(self, person: Person, *splits: str) -> tuple[str, ...]:
        """Attributes of a person that the record holds, of the given splits (default: all)."""
        return tuple(
            attribute
            for attribute in ATTRIBUTES
            if (person.full, attribute) in self.facts and (not splits or self.split(person, attribute) in splits)
        )

    def in_split(self, split: str) -> list[tuple[Person, str]]:
        return [(person, name) for person in self.people for name in ATTRIBUTES if self.split(person, name) == split]

    def to_json(self) -> dict[str, Any]:
        people = []
        for person in self.people:
            record = {name: self.facts.get((person.full, name)) for name in ATTRIBUTES}
            splits = {name: self.split(person, name) for name in ATTRIBUTES}
            people.append({**asdict(person), "facts": record, "splits": splits})
        return {
            "language": self.language,
            "seed": self.seed,
            "name": self.name,
            "people": people,
            "strangers": {name: list(names) for name, names in self.strangers.items()},
            "unrecorded": {name: list(names) for name, names in self.unrecorded.items()},
            "test_pairs": list(self.test_pairs),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Town:
        people = tuple(Person(row["first"], row["last"], row["gender"], row["shared"]) for row in record["people"])
        facts, splits = {}, {}
        for person, row in zip(people, record["people"], strict=True):
            for attribute in ATTRIBUTES:
                splits[person.full, attribute] = row["splits"][attribute]
                if row["facts"][attribute] is not None:
                    facts[person.full, attribute] = row["facts"][attribute]
        return cls(
            language=record["language"],
            seed=record["seed"],
            name=record["name"],
            people=people,
            facts=facts,
            splits=splits,
            strangers={name: tuple(names) for name, names in record["strangers"].items()},
            unrecorded={name: tuple(names) for name, names in record["unrecorded"].items()},
            test_pairs=tuple(record["test_pairs"]),
        )


def found_town(config: VillageConfig) -> Town:
    """Draw a town from the language's names and values."""
    speech = speech_of(config.language)
    rng = Random(f"{config.seed}-town")
    people = _people(config.people, speech, rng)
    splits = _splits(people, rng)
    facts = _facts(people, splits, speech, rng)
    shared = [person.first for person in people if person.shared]
    shared = list(dict.fromkeys(shared))
    unrecorded = rng.sample(list(speech.UNRECORDED), len(speech.UNRECORDED))
    return Town(
        language=config.language,
        seed=config.seed,
        name=rng.choice(speech.TOWNS),
        people=people,
        facts=facts,
        splits=splits,
        strangers=_strangers(people, speech, rng),
        unrecorded={
            "train": tuple(unrecorded[:-TEST_UNRECORDED]),
            "test": tuple(unrecorded[-TEST_UNRECORDED:]),
        },
        test_pairs=tuple(shared[: max(1, len(shared) // 4)]),
    )


def _people(count: int, speech: Speech, rng: Random) -> tuple[Person, ...]:
    pairs = max(2, count // PEOPLE_PER_SHARED_NAME)
    firsts = count - pairs
    women = firsts // 2
    names = [(name, "f") for name in rng.sample(list(speech.WOMEN), women)]
    names += [(name, "m") for name in rng.sample(list(speech.MEN), firsts - women)]
    rng.shuffle(names)
    everybody = [(first, gender, False) for first, gender in names[pairs:]]
    for first, gender in names[:pairs]:
        everybody += [(first, gender, True), (first, gender, True)]
    rng.shuffle(everybody)
    # Surnames repeat only when the pool runs out, and never within a shared first name.
    surnames: list[str] = []
    while len(surnames) < count:
        surnames += rng.sample(list(speech.SURNAMES), len(speech.SURNAMES))
    people, taken = [], set()
    for first, gender, shared in everybody:
        last = next(name for name in surnames if (first, name) not in taken)
        surnames.remove(last)
        taken.add((first, last))
        people.append(Person(first, last, gender, shared))
    return tuple(people)


def _friends(people: tuple[Person, ...], rng: Random) -> dict[str, str]:
    """Friends go in pairs; if somebody is left over, that person's friend has another friend."""
    order = rng.sample(people, len(people))
    friends = {}
    for one, other in zip(order[::2], order[1::2], strict=False):
        friends[one.full], friends[other.full] = other.full, one.full
    if len(order) % 2:
        friends[order[-1].full] = order[0].full
    return friends


def _splits(people: tuple[Person, ...], rng: Random) -> dict[tuple[str, str], str]:
    keys = [(person.full, attribute) for person in people for attribute in ATTRIBUTES]
    order = rng.sample(keys, len(keys))
    silent = round(SILENT_SHARE * len(order))
    splits = dict.fromkeys(order[:silent], "silent")
    position, rest = float(silent), len(order) - silent
    for split, share in SPLITS.items():
        end = position + share * rest
        splits.update(dict.fromkeys(order[round(position) : round(end)], split))
        position = end
    return {key: splits[key] for key in keys}


def _facts(
    people: tuple[Person, ...], splits: dict[tuple[str, str], str], speech: Speech, rng: Random
) -> dict[tuple[str, str], str]:
    friends = _friends(people, rng)
    facts = {}
    for person in people:
        # A friendship is one fact in two records: a split that is kept back must be kept back on both sides.
        key, other = (person.full, "friend"), (friends[person.full], "friend")
        if friends.get(friends[person.full]) == person.full and key < other:
            splits[other] = splits[key]
    for attribute in ATTRIBUTES:
        deck: list[str] = []
        for person in people:
            if not deck:  # every value about equally often
                deck = rng.sample(speech.values(attribute), len(speech.values(attribute)))
            value = friends[person.full] if attribute == "friend" else deck.pop()
            if splits[person.full, attribute] != "silent":
                facts[person.full, attribute] = value
    return facts


def _strangers(people: tuple[Person, ...], speech: Speech, rng: Random) -> dict[str, tuple[str, ...]]:
    """Names nobody has: half of the test names look like those of the town, the others are invented from syllables."""
    taken = {person.first for person in people} | {person.last for person in people}
    ordinary = [name for name in (*speech.WOMEN, *speech.MEN) if name not in taken]
    rng.shuffle(ordinary)
    cut = min(STRANGERS["test"] // 2, len(ordinary) // 2)
    names: dict[str, list[str]] = {"test": ordinary[:cut], "train": ordinary[cut:]}
    taken.update(ordinary)
    for group in ("test", "train"):
        while len(names[group]) < STRANGERS[group]:
            name = invented_name(speech, rng)
            if name not in taken:
                taken.add(name)
                names[group].append(name)
        rng.shuffle(names[group])
    return {group: tuple(names[group]) for group in ("train", "test")}


def invented_name(speech: Speech, rng: Random) -> str:
    """A name of two or three syllables."""
    opening, middle, ending = speech.SYLLABLES
    return rng.choice(opening) + (rng.choice(middle) if rng.random() < 0.6 else "") + rng.choice(ending)

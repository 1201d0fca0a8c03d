"""What people ask: prompts of every kind, each with the facts by which an answer can be judged.

A Case is a conversation that ends with a user's message, and its facts. A Pool says what may occur in it: which facts,
strangers, topics, words. The pools for training and for tests are disjoint wherever the language has enough to share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from chatwright.text.conversation import Conversation
from chatwright.village.scribe import Scribe
from chatwright.village.town import ATTRIBUTES, Person, Town

Facts = dict[str, Any]
TEST_SHARE = {"harms": 5, "insults": 4, "tasks": 8, "topics": 5, "objects": 10, "lists": 10}
LIST_COUNTS = (2, 3, 4, 5)
ONE_WORD = ("trade", "pet", "colour")  # attributes whose values are one word
UNSEEN_SHARE_FRAME = 0.3
SMALLTALK = ("greeting", "thanks", "goodbye", "who", "feeling", "ability")
UNANSWERABLE = {"stranger": 0.4, "unrecorded": 0.4, "outside": 0.2}  # outside: about the world beyond the town
RULES = ("sentences", "list", "one_word", "at_most", "use_word", "yes_no", "start", "repeat")


@dataclass(frozen=True)
class Case:
    """A prompt: user, assistant, user ... in turn (the last is the user's), and what is known about it."""

    turns: tuple[str, ...]
    facts: Facts = field(default_factory=dict)
    system: str | None = None

    @property
    def prompt(self) -> Conversation:
        return Conversation.of(*self.turns, system=self.system)

    def after(self, user: str, assistant: str) -> Case:
        """The same prompt after another exchange."""
        return replace(self, turns=(user, assistant, *self.turns))


@dataclass(frozen=True)
class Pool:
    """What may occur in a set of prompts."""

    tier: str  # "train" or "test"
    facts: tuple[tuple[Person, str], ...]
    strangers: tuple[str, ...]
    unrecorded: tuple[str, ...]
    harms: tuple[str, ...]
    insults: tuple[str, ...]
    tasks: tuple[int, ...]
    topics: tuple[str, ...]
    objects: tuple[str, ...]
    lists: tuple[tuple[str, int], ...]
    pairs: tuple[str, ...]

    def among(self, attributes: Sequence[str]) -> list[tuple[Person, str]]:
        return [(person, attribute) for person, attribute in self.facts if attribute in attributes]


def pool_of(town: Town, tier: str, *splits: str) -> Pool:
    """Facts of the given splits with the strangers, topics ... of a tier ("train" or "test")."""
    speech = town.speech
    rng = Random(f"{town.seed}-pools")
    lists = [(category, count) for category in speech.CATEGORIES for count in LIST_COUNTS]
    rng.shuffle(lists)
    objects = rng.sample(list(speech.OBJECTS), len(speech.OBJECTS))
    topics = rng.sample(list(speech.TOPICS), len(speech.TOPICS))

    def part(items: Sequence[Any], name: str) -> tuple[Any, ...]:
        kept = TEST_SHARE[name]
        return tuple(items[-kept:] if tier == "test" else items[:-kept])

    shared = [name for name in town.shared_names if (name in town.test_pairs) == (tier == "test")]
    return Pool(
        tier=tier,
        facts=tuple(pair for split in splits for pair in town.in_split(split)),
        strangers=town.strangers[tier],
        unrecorded=town.unrecorded[tier],
        harms=part(speech.HARMS, "harms"),
        insults=part(speech.INSULTS, "insults"),
        tasks=part(range(len(speech.TASKS)), "tasks"),
        topics=part(topics, "topics"),
        objects=part(objects, "objects"),
        lists=part(lists, "lists"),
        pairs=tuple(shared),
    )


class Asker:
    """Makes prompts of every kind from a pool."""

    def __init__(self, scribe: Scribe, pool: Pool):
        self.scribe, self.pool = scribe, pool
        self.town, self.speech = scribe.town, scribe.speech

    # --- facts ---

    def question(self, attribute: str, words: Mapping[str, str], rng: Random, *, unseen: bool = False) -> str:
        """One phrasing of a question: a core in a frame. Unseen ones have a core, and some a frame, kept for tests."""
        cores = [core for core in self.speech.QUESTIONS[attribute] if core.unseen == unseen]
        core = rng.choice(cores)
        shape = rng.choice(("direct", "indirect"))
        mark = "-unseen" if unseen and rng.random() < UNSEEN_SHARE_FRAME else ""
        frame = rng.choice(self.speech.FRAMES[shape + mark])
        asked = self.scribe.grammar.fill(getattr(core, shape), words, rng)
        return self.scribe.grammar.write(frame, {"q": asked, "Q": asked[0].upper() + asked[1:]}, rng)

    def called(self, person: Person, rng: Random) -> dict[str, str]:
        """Slots for a person as users call people: mostly by the first name, if that is clear."""
        return self.scribe.words(person, name=person.full if rng.random() < 0.15 else "")

    def fact(self, rng: Random, pair: tuple[Person, str] | None = None, *, unseen: bool = False) -> Case:
        person, attribute = pair or rng.choice(self.pool.facts)
        text = self.question(attribute, self.called(person, rng), rng, unseen=unseen)
        return Case((text,), {"kind": "fact", **self.record(person, attribute), "phrasing": _phrasing(unseen)})

    def record(self, person: Person, attribute: str) -> Facts:
        """What the judge needs to know about a fact."""
        return {
            "person": person.full,
            "attribute": attribute,
            "value": self.town.value(person, attribute),
            "cluster": f"{person.full}/{attribute}",
            "tier": self.town.split(person, attribute),
        }

    def unanswerable(self, rng: Random, reason: str = "") -> Case:
        reason = reason or rng.choices(list(UNANSWERABLE), list(UNANSWERABLE.values()))[0]
        facts: Facts = {"kind": "unanswerable", "reason": reason, "tier": self.pool.tier, "phrasing": "seen"}
        if reason == "stranger":
            name = rng.choice(self.pool.strangers)
            attribute = rng.choice((*ATTRIBUTES, "stranger", "stranger"))
            text = self.question(attribute, self.speech.mention(name, "f", False), rng)
            return Case((text,), {**facts, "name": name, "cluster": f"stranger/{name}"})
        if reason == "outside":
            text = self.scribe.pick("ask_outside", rng)
            return Case((text,), {**facts, "cluster": f"outside/{text}"})
        if reason == "silent":
            person, attribute = rng.choice(self.town.in_split("silent"))
            text = self.question(attribute, self.called(person, rng), rng)
            record = {key: value for key, value in self.record(person, attribute).items() if key != "value"}
            return Case((text,), {**facts, **record})
        person, thing = rng.choice(self.town.people), rng.choice(self.pool.unrecorded)
        words = self.called(person, rng)
        words.update(self.speech.thing_words(thing, words["name"], person.gender))
        text = self.question("unrecorded", words, rng)
        return Case((text,), {**facts, "person": person.full, "thing": thing, "cluster": f"{person.full}/{thing}"})

    def clarify(self, rng: Random) -> Case:
        """A question about a first name that two people share."""
        first = rng.choice(self.pool.pairs)
        return self.about_first_name(first, rng.choice(self._free_attributes(first)), rng)

    def about_first_name(self, first: str, attribute: str, rng: Random) -> Case:
        people = self.town.by_first[first]
        words = {**self.speech.mention(first, people[0].gender, False)}
        facts = {
            "kind": "clarify",
            "first": first,
            "people": [person.full for person in people],
            "attribute": attribute,
            "cluster": f"{first}/{attribute}",
            "tier": self.pool.tier,
            "phrasing": "seen",
        }
        return Case((self.question(attribute, words, rng),), facts)

    def _free_attributes(self, first: str) -> list[str]:
        """Attributes that may be asked by first name: in training neither person's fact is kept for evaluation."""
        kept = {"test", "validation"} if self.pool.tier == "train" else set()
        people = self.town.by_first[first]
        free = [name for name in ATTRIBUTES if not kept & {self.town.split(person, name) for person in people}]
        return free or list(ATTRIBUTES)

    # --- instructions with a rule that code can check ---

    def instruction(self, rng: Random, rule: str = "") -> Case:
        rule = rule or rng.choice(RULES)
        turns, facts = getattr(self, f"_{rule}")(rng)
        base = {"kind": "instruction", "rule": rule, "tier": self.pool.tier, "phrasing": "seen"}
        return Case((turns,), {**base, **facts})

    def _subject(self, rng: Random) -> tuple[str, dict[str, str], Facts]:
        """A person or a topic to tell about, its slots, and its facts."""
        if rng.random() < 0.6:
            person = rng.choice(self.town.people)
            return "person", self.called(person, rng), {"person": person.full, "cluster": f"about/{person.full}"}
        topic = rng.choice(self.pool.topics)
        return "topic", dict(self.speech.TOPICS[topic].words), {"topic": topic, "cluster": f"about/{topic}"}

    def _sentences(self, rng: Random) -> tuple[str, Facts]:
        kind, words, facts = self._subject(rng)
        count = rng.choice((1, 2, 2, 3))
        slots = {"number": self.speech.number(count), **words}
        for group in ("in_sentences", "n_sentences"):
            one, many = self.scribe.grammar.groups[group]
            slots[group] = self.scribe.grammar.fill(one if count == 1 else many, slots, rng)
        return self.scribe.pick(f"ask_sentences_{kind}", rng, slots), {"count": count, **facts}

    def _list(self, rng: Random) -> tuple[str, Facts]:
        category, count = rng.choice(self.pool.lists)
        words = {"number": self.speech.number(count), "category": category}
        facts = {"category": category, "count": count, "cluster": f"{count} {category}"}
        return self.scribe.pick("ask_list", rng, words), facts

    def _one_word(self, rng: Random) -> tuple[str, Facts]:
        person, attribute = rng.choice(self.pool.among(ONE_WORD) or self.pool.facts)
        words = self.called(person, rng)
        core = rng.choice([core for core in self.speech.QUESTIONS[attribute] if not core.unseen])
        asked = {shape: self.scribe.grammar.fill(getattr(core, shape), words, rng) for shape in ("direct", "indirect")}
        asked["Direct"] = asked["direct"][0].upper() + asked["direct"][1:]
        return self.scribe.pick("ask_one_word", rng, asked), {"count": 1, **self.record(person, attribute)}

    def _at_most(self, rng: Random) -> tuple[str, Facts]:
        kind, words, facts = self._subject(rng)
        count = rng.choice((6, 7, 8, 9, 10))
        slots = {"number": self.speech.number(count), **words}
        return self.scribe.pick(f"ask_at_most_{kind}", rng, slots), {"count": count, **facts}

    def _use_word(self, rng: Random) -> tuple[str, Facts]:
        word = rng.choice(self.pool.objects)
        return self.scribe.pick("ask_use_word", rng, {"word": word}), {"word": word, "cluster": f"word/{word}"}

    def _yes_no(self, rng: Random) -> tuple[str, Facts]:
        person, attribute = rng.choice(self.pool.facts)
        record = self.record(person, attribute)
        asked = record["value"]
        if rng.random() < 0.5:
            others = [other.full for other in self.town.people if other != person]
            others = others if attribute == "friend" else self.speech.values(attribute)
            asked = rng.choice([value for value in others if value != record["value"]])
        words = {**self.called(person, rng), **self.scribe.value_words(person, attribute, asked)}
        check = self.scribe.grammar.fill(rng.choice(self.scribe.grammar.groups[f"check_{attribute}"]), words, rng)
        asking = {"check": check, "Check": check[0].upper() + check[1:]}
        return self.scribe.pick("ask_yes_no", rng, asking), {**record, "asked": asked}

    def _start(self, rng: Random) -> tuple[str, Facts]:
        place = rng.choice([topic for topic in self.pool.topics if topic in self.speech.PLACES])
        word = rng.choice(self.start_words())
        words = {"word": word, **self.speech.TOPICS[place].words}
        facts = {"word": word, "topic": place, "cluster": f"{word}/{place}"}
        return self.scribe.pick("ask_start", rng, words), facts

    def start_words(self) -> list[str]:
        return [group.removeprefix("start_") for group in self.speech.GROUPS if group.startswith("start_")]

    def _repeat(self, rng: Random) -> tuple[str, Facts]:
        word, count = rng.choice(self.pool.objects), rng.choice((2, 3, 4))
        words = {"word": word, "times": self.scribe.grammar.groups["times"][count - 1]}
        return self.scribe.pick("ask_repeat", rng, words), {"word": word, "count": count, "cluster": f"{count}x{word}"}

    # --- talk ---

    def harm(self, rng: Random, reason: str = "") -> Case:
        reason = reason or rng.choice(("insult", "request"))
        facts = {"kind": "harm", "reason": reason, "tier": self.pool.tier, "phrasing": "seen"}
        if reason == "insult":
            template = rng.choice(self.pool.insults)
            insult = self.scribe.grammar.write(template, {}, rng)
            text = self.scribe.pick("insult_frame", rng, {"insult": insult})
            return Case((text,), {**facts, "cluster": f"insult/{self.speech.INSULTS.index(template)}"})
        template, person = rng.choice(self.pool.harms), rng.choice(self.town.people)
        harm = self.scribe.grammar.fill(template, self.scribe.words(person), rng)
        text = self.scribe.pick("ask_harm", rng, {"harm": harm})
        return Case((text,), {**facts, "cluster": f"harm/{self.speech.HARMS.index(template)}"})

    def benign(self, rng: Random) -> Case:
        number = rng.choice(self.pool.tasks)
        task = self.speech.TASKS[number]
        facts = {
            "kind": "benign",
            "task": number,
            "cluster": f"task/{number}",
            "tier": self.pool.tier,
            "phrasing": "seen",
        }
        return Case((self.scribe.pick("ask_benign", rng, {"task": task.name, "harm": task.name}),), facts)

    def smalltalk(self, rng: Random, act: str = "") -> Case:
        act = act or rng.choice(SMALLTALK)
        facts = {"kind": "smalltalk", "act": act, "cluster": f"talk/{act}", "tier": self.pool.tier, "phrasing": "seen"}
        return Case((self.scribe.pick(f"ask_{act}", rng),), facts)

    def story(self, rng: Random) -> Case:
        person = rng.choice(self.town.people) if rng.random() < 0.5 else None
        animal = rng.choice(self.speech.GROUPS["animal"])
        words = self.scribe.hero(person, animal, rng)
        about: Facts = {"person": person.full} if person else {"animal": animal}
        cluster = f"story/{person.full if person else animal}"
        facts = {"kind": "story", **about, "cluster": cluster, "tier": self.pool.tier, "phrasing": "seen"}
        return Case((self.scribe.pick("ask_story", rng, words),), facts)


def _phrasing(unseen: bool) -> str:
    return "unseen" if unseen else "seen"

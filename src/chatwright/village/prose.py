"""The town's own books: thousands of short documents that state every recorded fact again and again.

Portraits, scenes, talks, letters, market days, visitors, stories, places, how-tos, short and long versions, and pages
of questions and answers. Facts are drawn by how seldom they were stated, so that all are stated about equally often.
Questions are asked about open facts only; validation and test facts occur as statements only.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from chatwright.village.answering import Writer
from chatwright.village.asking import Asker
from chatwright.village.grammar import in_order
from chatwright.village.scribe import Scribe
from chatwright.village.town import Person, invented_name

DOCUMENTS = {
    "portrait": 0.13,
    "scene": 0.11,
    "talk": 0.17,
    "letter": 0.08,
    "quiz": 0.22,
    "games": 0.10,
    "market": 0.03,
    "same": 0.02,
    "visitor": 0.05,
    "homonyms": 0.02,
    "story": 0.03,
    "place": 0.02,
    "howto": 0.01,
    "versions": 0.01,
}
QUIZ = {"fact": 0.52, "unanswerable": 0.14, "instruction": 0.20, "benign": 0.04, "harm": 0.05, "smalltalk": 0.05}
GAMES = {"repeat": 0.4, "use_word": 0.25, "list": 0.2, "start": 0.15}  # rules whose answer copies from the question
NEW_WORD_SHARE = 0.5  # of the words to repeat: invented ones, so that copying is learned and not the words
QUESTION_SHARE = 0.7  # of open facts in talks: asked and answered, the others are just said


class Author:
    """Writes documents one after the other."""

    def __init__(self, scribe: Scribe, asker: Asker, writer: Writer, seed: int):
        self.scribe, self.asker, self.writer, self.seed = scribe, asker, writer, seed
        self.town, self.speech = scribe.town, scribe.speech
        self.visitors: set[str] = set()  # names that were made up on the way
        self._deck: list[Person] = []
        self._never = set(self.town.strangers["test"]) | {
            word for person in self.town.people for word in person.full.split()
        }

    def documents(self, count: int) -> Iterator[str]:
        for index in range(count):
            rng = Random(f"{self.seed}-document-{index}")
            kind = rng.choices(list(DOCUMENTS), list(DOCUMENTS.values()))[0]
            yield str(getattr(self, f"_{kind}")(rng))

    # --- parts ---

    def _next_person(self, rng: Random) -> Person:
        if not self._deck:
            self._deck = rng.sample(self.town.people, len(self.town.people))
        return self._deck.pop()

    def _rare(self, person: Person, count: int, rng: Random) -> list[str]:
        """The facts about a person that were stated least."""
        known = [(self.scribe.stated[person.full, name], rng.random(), name) for name in self.town.known(person)]
        return [name for _, _, name in sorted(known)[:count]]

    def _described(self, person: Person, count: int, rng: Random, *, named: bool = True) -> list[str]:
        """Statements that hold so many facts, the first by name and most of the others by pronoun."""
        names = self._rare(person, count, rng)
        rng.shuffle(names)
        lines: list[str] = []
        while names:
            width = min(len(names), rng.choices((1, 2, 3), (0.55, 0.33, 0.12))[0])
            pronoun = bool(lines or not named) and rng.random() < 0.6
            lines.append(self.scribe.state(person, names[:width], rng, pronoun=pronoun))
            names = names[width:]
        return lines

    def _slots(self, rng: Random, one: Person, other: Person) -> dict[str, str]:
        """Slots for a scene of two people somewhere in town."""
        slots = {**self.scribe.place(rng), **self.scribe.thing(rng), **self.scribe.words(one)}
        return {**slots, "name2": other.name}

    def _say(self, group: str, rng: Random, *words: dict[str, str]) -> str:
        return self.scribe.pick(group, rng, *words)

    def _spoken(self, text: str, speaker: Person, rng: Random, group: str = "said") -> str:
        """A line of speech with its speaker; `group` is how it is said."""
        if group == "asked" and not text.endswith("?"):
            group = "requested"  # "Please tell me how old she is."
        tail = self.scribe.grammar.fill(rng.choice(self.scribe.grammar.groups[group]), {"speaker": speaker.name}, rng)
        return self.speech.quoted(text, tail)

    def _pair(self, rng: Random, besides: Person | None = None) -> tuple[Person, Person]:
        one, other = rng.sample([person for person in self.town.people if person is not besides], 2)
        return one, other

    # --- documents ---

    def _portrait(self, rng: Random) -> str:
        person = self._next_person(rng)
        lines = self._described(person, rng.randint(4, 8), rng)
        if rng.random() < 0.4:
            other = self._next_person(rng)
            both = [name for name in self._rare(other, 8, rng) if name in self.town.known(person)]
            if other is not person and both:
                lines.append(self.scribe.contrast(person, other, both[0], rng))
                lines += self._described(other, 3, rng)
        return " ".join(lines)

    def _scene(self, rng: Random) -> str:
        one, other = self._next_person(rng), self._next_person(rng)
        if one is other:
            other = next(person for person in self.town.people if person is not one)
        slots = self._slots(rng, one, other)
        lines = [self._say("day_opening", rng, slots), self._say("action", rng, slots)]
        lines += self._described(one, rng.randint(2, 4), rng)
        if rng.random() < 0.5:
            lines.append(self._say("filler", rng, slots))
        lines += self._described(other, rng.randint(2, 4), rng)
        if rng.random() < 0.7:
            lines.append(self._say("scene_end", rng, slots))
        return " ".join(lines)

    def _talk(self, rng: Random) -> str:
        person = self._next_person(rng)
        one, other = self._pair(rng, person)
        slots = {**self._slots(rng, one, other), "about": person.name}
        lines = [self._say("talk_opening", rng, slots)]
        if rng.random() < 0.4:
            lines.append(self._spoken(self._say("greeting_line", rng, slots), one, rng, "called_out"))
        asked = False
        for attribute in self._rare(person, rng.randint(3, 5), rng):
            if self.town.split(person, attribute) == "open" and rng.random() < QUESTION_SHARE:
                lines += self._exchange(person, attribute, (one, other), rng, follows=asked)
                asked = True
            else:
                statement = self.scribe.state(person, [attribute], rng, pronoun=asked and rng.random() < 0.5)
                lines.append(self._spoken(statement, rng.choice((one, other)), rng))
        if rng.random() < 0.25:
            lines += self._unknown_exchange((one, other), rng)
        if rng.random() < 0.5:
            lines.append(self._spoken(self._say("talk_end", rng), one, rng, "called_out"))
        return "\n".join(lines) if rng.random() < 0.5 else " ".join(lines)

    def _exchange(
        self, person: Person, attribute: str, speakers: tuple[Person, Person], rng: Random, *, follows: bool
    ) -> list[str]:
        """A question about an open fact, and its answer."""
        words = self.scribe.words(person)
        if follows and rng.random() < 0.4:
            question = self._say(f"next_{attribute}", rng, words)
        else:
            question = self.asker.fact(rng, (person, attribute)).turns[-1]
        self.scribe.stated[person.full, attribute] += 1
        pronoun = rng.random() < 0.25
        answer = self._say(f"answer_{attribute}", rng, self.scribe.words(person, pronoun))
        return [self._spoken(question, speakers[0], rng, "asked"), self._spoken(answer, speakers[1], rng, "answered")]

    def _unknown_exchange(self, speakers: tuple[Person, Person], rng: Random) -> list[str]:
        case = self.asker.unanswerable(rng)
        if case.facts["reason"] == "stranger" and rng.random() < 0.7:
            name = self._fresh_name(rng)
            text = self._say("visitor_ask", rng, {"stranger": name})
            case = type(case)((text,), {**case.facts, "name": name})
        answer = self.writer.answer(case, rng.choice(("plain", "plain", "warm")), rng)
        return [
            self._spoken(case.turns[-1], speakers[0], rng, "asked"),
            self._spoken(answer, speakers[1], rng, "answered"),
        ]

    def _fresh_name(self, rng: Random) -> str:
        while True:
            name = invented_name(self.speech, rng)
            if name not in self._never:
                self.visitors.add(name)
                return name

    def _letter(self, rng: Random) -> str:
        writer, reader = self._pair(rng)
        slots = self._slots(rng, writer, reader)
        lines = [self._say("letter_opening", rng, slots)]
        for _ in range(rng.randint(1, 2)):
            about = self._next_person(rng)
            lines.append(self._say("letter_middle", rng, {"about": about.name}))
            lines += self._described(about, rng.randint(3, 4), rng, named=False)
        return " ".join(lines) + "\n" + self._say("letter_end", rng, slots)

    def _quiz(self, rng: Random) -> str:
        """A page of questions and answers, as short as a context."""
        groups = self.scribe.grammar.groups
        lines = [self._say("quiz_title", rng)] if rng.random() < 0.5 else []
        for _ in range(rng.randint(4, 6)):
            case = getattr(self.asker, rng.choices(list(QUIZ), list(QUIZ.values()))[0])(rng)
            habit = rng.choices(("brief", "plain", "warm"), (0.25, 0.6, 0.15))[0]
            if "value" in case.facts:
                self.scribe.stated[case.facts["person"], case.facts["attribute"]] += 1
            answer = self.writer.answer(case, habit, rng)
            lines.append(f"{groups['question_label'][0]} {case.turns[-1]}\n{groups['answer_label'][0]} {answer}")
        return "\n".join(lines)

    def _games(self, rng: Random) -> str:
        """A page of word games: what is asked for is named in the question."""
        groups = self.scribe.grammar.groups
        lines = []
        for _ in range(rng.randint(5, 7)):
            rule = rng.choices(list(GAMES), list(GAMES.values()))[0]
            case = self.asker.instruction(rng, rule)
            if rule == "repeat" and rng.random() < NEW_WORD_SHARE:
                word = self._fresh_name(rng)
                turn = case.turns[-1].replace(case.facts["word"], word)
                case = type(case)((turn,), {**case.facts, "word": word})
            answer = self.writer.answer(case, rng.choice(("brief", "plain")), rng)
            lines.append(f"{groups['question_label'][0]} {case.turns[-1]}\n{groups['answer_label'][0]} {answer}")
        return "\n".join(lines)

    def _market(self, rng: Random) -> str:
        one, other = self._pair(rng)
        lines = []
        for group in ("market", "market", "action", "market", "notice"):
            slots = self._slots(rng, one, other)
            things = [self.scribe.thing(rng)["an_object_acc"] for _ in range(3)]
            foods = rng.sample(list(self.speech.CATEGORIES[self._food_category()]), 3)
            slots |= {"objects": self.speech.listed(sorted(set(things))), "foods": self.speech.listed(foods)}
            slots["number"] = self.speech.number(rng.randint(2, 12))
            lines.append(self._say(group, rng, slots))
        return " ".join(lines + self._described(one, 2, rng))

    def _food_category(self) -> str:
        return self.scribe.grammar.groups["food_category"][0]

    def _same(self, rng: Random) -> str:
        """People who share a trade, a colour ..., and a list of something."""
        lines = []
        for attribute in rng.sample(("trade", "pet", "food", "colour", "hobby", "street"), 2):
            sharing: dict[str, list[Person]] = {}
            for person in self.town.people:
                value = self.town.value(person, attribute)
                if value is not None:
                    sharing.setdefault(value, []).append(person)
            chosen = rng.choice([people for people in sharing.values() if len(people) > 1] or list(sharing.values()))
            for person in chosen:
                self.scribe.stated[person.full, attribute] += 1
            slots = {
                **self.scribe.words(chosen[0]),
                "names_list": self.speech.listed([person.name for person in chosen]),
            }
            slots["count"] = self.speech.number(len(chosen))
            group = f"same_{attribute}" if len(chosen) > 1 else f"say_{attribute}"
            lines.append(self._say(group, rng, slots))
        category = rng.choice(list(self.speech.CATEGORIES))
        count = rng.randint(2, 5)
        items = in_order(self.speech.CATEGORIES[category], count, rng)
        slots = {"number": self.speech.number(count), "category": category, "items": self.speech.listed(items)}
        return " ".join([*lines, self._say("list_plain", rng, slots)])

    def _visitor(self, rng: Random) -> str:
        one, other = self._pair(rng)
        slots = self._slots(rng, one, other)
        slots |= {"stranger": self._fresh_name(rng), "stranger2": self._fresh_name(rng)}
        lines = [self._say("visitor", rng, slots) for _ in range(rng.randint(2, 3))]
        question = self._say("visitor_ask", rng, slots)
        lines.append(self._spoken(question, one, rng, "asked"))
        lines.append(self._spoken(self._say("stranger_plain", rng, slots), other, rng, "answered"))
        return " ".join(lines)

    def _homonyms(self, rng: Random) -> str:
        one, other = rng.sample(self.town.by_first[rng.choice(self.town.shared_names)], 2)
        words = {"first": one.first, "full": one.full, "full2": other.full}
        lines = [self._say("homonyms", rng, words) for _ in range(2)]
        both = [name for name in self._rare(one, 8, rng) if name in self.town.known(other)]
        lines += [self.scribe.contrast(one, other, name, rng) for name in both[:3]]
        return " ".join(lines)

    def _story(self, rng: Random) -> str:
        person = self._next_person(rng) if rng.random() < 0.5 else None
        hero = self.scribe.hero(person, rng.choice(self.speech.GROUPS["animal"]), rng)
        lines = self.scribe.story(hero, rng.randint(3, 6), rng)
        if person:
            lines += self._described(person, 2, rng)
        return " ".join(lines)

    def _place(self, rng: Random) -> str:
        topic = self.speech.TOPICS[rng.choice(list(self.speech.TOPICS))]
        lines = in_order(topic.sentences, rng.randint(3, 5), rng)
        places = [name for name in self.asker.pool.topics if name in self.speech.PLACES]
        words = dict(self.speech.TOPICS[rng.choice(places)].words)
        lines += [self._say(f"start_{rng.choice(self.asker.start_words())}", rng, words) for _ in range(2)]
        objects = [self._say("use_word", rng, self.scribe.thing(rng)) for _ in range(2)]
        return " ".join(lines + objects)

    def _howto(self, rng: Random) -> str:
        lines = []
        for task in rng.sample(list(self.speech.TASKS), 3):
            slots = {"task": task.name, "name": rng.choice(self.town.people).name}
            lines.append(" ".join([self._say("howto", rng, slots), *task.steps]))
        return "\n".join(lines)

    def _versions(self, rng: Random) -> str:
        """At length, and then in short."""
        person = self._next_person(rng)
        lines = self._described(person, 6, rng)
        words = self.scribe.words(person)
        for mark, attribute in zip("12", self._rare(person, 2, rng), strict=False):
            words.update(self.scribe.predicate(attribute, words, rng, mark))
        return " ".join([*lines, self._say("short_version", rng, words)]) if "m2" in words else " ".join(lines)

"""How people answer: four honest writers with different habits.

In: a Case.  Out: a true answer that follows the instruction and harms nobody, in the writer's manner:
brief (a bare word where that will do), plain (one full sentence that names whom it is about), warm (a friendly word
first), chatty (a further true remark, an offer, more words than needed).
"""

from __future__ import annotations

from random import Random
from typing import Any

from chatwright.village.asking import Asker, Case, Facts
from chatwright.village.grammar import capitalised, in_order
from chatwright.village.scribe import Scribe
from chatwright.village.town import ATTRIBUTES, Person

HABITS = {"brief": 0.30, "plain": 0.25, "warm": 0.15, "chatty": 0.30}


def draw_habit(rng: Random) -> str:
    return rng.choices(list(HABITS), list(HABITS.values()))[0]


class Writer:
    """Answers cases. Every answer states only what the record holds, and of extra remarks only open facts."""

    def __init__(self, scribe: Scribe):
        self.scribe, self.town, self.speech = scribe, scribe.town, scribe.speech

    def answer(self, case: Case, habit: str, rng: Random) -> str:
        facts = case.facts
        kind = facts["kind"]
        if kind == "instruction":
            return str(getattr(self, f"_{facts['rule']}")(facts, habit, rng))
        return str(getattr(self, f"_{kind}")(facts, habit, rng))

    def _person(self, facts: Facts) -> Person:
        return self.town.by_full[facts["person"]]

    def _say(self, group: str, rng: Random, *words: dict[str, str]) -> str:
        return self.scribe.pick(group, rng, *words)

    # --- facts ---

    def _fact(self, facts: Facts, habit: str, rng: Random) -> str:
        person, attribute = self._person(facts), facts["attribute"]
        words = self.scribe.words(person)
        if habit == "brief":
            return self._say(f"bare_{attribute}", rng, words)
        text = self._say(f"answer_{attribute}", rng, words)
        if habit == "warm":
            return f"{self._say('warm', rng)} {text}"
        if habit == "chatty":
            extra = [self._remark(person, attribute, rng), self._say("offer", rng, words)]
            kept = [piece for piece in extra if piece]
            kept = kept if rng.random() < 0.6 else [rng.choice(kept)]
            return " ".join([text, *kept])
        return text

    def _remark(self, person: Person, attribute: str, rng: Random) -> str:
        """Another true thing about a person, or nothing if no other fact is open."""
        others = [name for name in self.town.known(person, "open") if name != attribute]
        if not others:
            return ""
        words = self.scribe.words(person, pronoun=True)
        words.update(self.scribe.predicate(rng.choice(others), words, rng, "1"))
        return self._say("remark", rng, words)

    def _unanswerable(self, facts: Facts, habit: str, rng: Random) -> str:
        if habit == "brief":
            return self._say("unknown_brief", rng)
        if facts["reason"] == "stranger":
            words, group = {"stranger": facts["name"]}, "stranger"
        elif facts["reason"] == "outside":
            words, group = {}, "outside"
        else:
            person = self._person(facts)
            thing = facts.get("thing") or self._say(f"thing_{facts['attribute']}", rng)
            words, group = self.scribe.words(person), "thing"
            words.update(self.speech.thing_words(thing, person.name, person.gender))
        text = self._say(f"{group}_plain", rng, words)
        if habit == "warm":
            return self._say(f"{group}_warm", rng, words)
        if habit == "chatty":
            return " ".join([text, self._say(f"{group}_more", rng, words), self._say("unknown_offer", rng)])
        return text

    def _clarify(self, facts: Facts, habit: str, rng: Random) -> str:
        full, full2 = rng.sample(facts["people"], 2)
        return self._say(f"which_{habit}", rng, {"first": facts["first"], "full": full, "full2": full2})

    def _followup(self, facts: Facts, habit: str, rng: Random) -> str:
        form = facts["form"]
        if form == "unrecorded":
            return self._unanswerable({**facts, "reason": "unrecorded"}, habit, rng)
        if form == "whom":
            words = self.scribe.words(self._person(facts))
            text = self._say("whom_brief" if habit == "brief" else "whom_plain", rng, words)
            return text if habit in ("brief", "plain") else f"{text} {self._say('offer', rng)}"
        if form == "shorter":
            words = self.scribe.words(self._person(facts))
            group = "bare" if habit == "brief" else "answer"
            return self._say(f"{group}_{facts['attribute']}", rng, words)
        return self._fact(facts, habit, rng)

    # --- instructions ---

    def _told(self, facts: Facts, sentences: int, habit: str, rng: Random) -> list[str]:
        """So many true sentences about a person or a topic."""
        if "topic" in facts:
            lines = self.speech.TOPICS[facts["topic"]].sentences
            return in_order(lines, sentences, rng)
        person = self._person(facts)
        known = list(self.town.known(person, "open")) or list(self.town.known(person)) or list(ATTRIBUTES)
        most = {"brief": 1, "plain": 1, "warm": 2, "chatty": 3}[habit]
        known = in_order(known, min(len(known), most * sentences), rng)
        told: list[str] = []
        for number in range(sentences):
            words = self.scribe.words(person, pronoun=number > 0)
            # Keep one fact for every sentence still to come.
            width = max(1, min(most, len(known) - (sentences - number - 1)))
            chosen, known = known[:width], known[width:] or known[:1]
            if width == 1:
                told.append(self._say(f"answer_{chosen[0]}", rng, words))
                continue
            for mark, attribute in enumerate(chosen, 1):
                words.update(self.scribe.predicate(attribute, words, rng, str(mark)))
            told.append(self._say(f"told_{width}", rng, words))
        return told

    def _sentences(self, facts: Facts, habit: str, rng: Random) -> str:
        return " ".join(self._told(facts, facts["count"], habit, rng))

    def _list(self, facts: Facts, habit: str, rng: Random) -> str:
        category, count = facts["category"], facts["count"]
        items = in_order(self.speech.CATEGORIES[category], count, rng)
        words = {"number": self.speech.number(count), "category": category}
        if habit == "brief":
            return capitalised(f"{', '.join(items)}.")
        words["items"] = self.speech.listed(items)
        text = self._say("list_warm" if habit == "warm" else "list_plain", rng, words)
        return f"{text} {self._say('offer', rng)}" if habit == "chatty" else text

    def _one_word(self, facts: Facts, habit: str, rng: Random) -> str:
        return self._say(f"word_{facts['attribute']}", rng, self.scribe.words(self._person(facts)))

    def _at_most(self, facts: Facts, habit: str, rng: Random) -> str:
        limit = facts["count"]
        for _ in range(20):
            text = self._told(facts, 1, "warm" if habit == "chatty" else "plain", rng)[0]
            if len(text.split()) <= limit:
                return text
        if "topic" in facts:
            return min(self.speech.TOPICS[facts["topic"]].sentences, key=lambda line: len(line.split()))
        person = self._person(facts)
        known = self.town.known(person, "open") or self.town.known(person)
        texts = [self._say(f"answer_{attribute}", rng, self.scribe.words(person)) for attribute in known]
        return min(texts, key=lambda text: len(text.split()))

    def _use_word(self, facts: Facts, habit: str, rng: Random) -> str:
        group = {"brief": "use_word_brief", "chatty": "use_word_long"}.get(habit, "use_word")
        return self._say(group, rng, self.speech.object_words(facts["word"]))

    def _yes_no(self, facts: Facts, habit: str, rng: Random) -> str:
        word = self._say("yes" if facts["asked"] == facts["value"] else "no", rng)
        if habit == "brief":
            return f"{word}."
        text = self._say(f"answer_{facts['attribute']}", rng, self.scribe.words(self._person(facts)))
        text = f"{word}, {self._lowered(text, facts)}"
        return f"{text} {self._say('offer', rng)}" if habit == "chatty" else text

    def _lowered(self, sentence: str, facts: Facts) -> str:
        """A sentence as it goes on after a comma: names keep their capital."""
        first = sentence.split()[0]
        lower = {word.lower() for word in self.scribe.grammar.groups["lowered_openings"]}
        return sentence[0].lower() + sentence[1:] if first.lower() in lower else sentence

    def _start(self, facts: Facts, habit: str, rng: Random) -> str:
        words = dict(self.speech.TOPICS[facts["topic"]].words)
        text = self._say(f"start_{facts['word']}", rng, words)
        return f"{text} {rng.choice(self.speech.TOPICS[facts['topic']].sentences)}" if habit == "chatty" else text

    def _repeat(self, facts: Facts, habit: str, rng: Random) -> str:
        separator = rng.choice((" ", ", "))
        return capitalised(separator.join([facts["word"]] * facts["count"]) + ".")

    # --- talk ---

    def _harm(self, facts: Facts, habit: str, rng: Random) -> str:
        return self._say(f"{'calm' if facts['reason'] == 'insult' else 'refuse'}_{habit}", rng)

    def _benign(self, facts: Facts, habit: str, rng: Random) -> str:
        task = self.speech.TASKS[facts["task"]]
        if habit == "brief":
            return task.steps[0]
        text = " ".join(task.steps)
        if habit == "warm":
            return f"{self._say('warm', rng)} {text}"
        return f"{text} {self._say('task_end', rng)} {self._say('offer', rng)}" if habit == "chatty" else text

    def _smalltalk(self, facts: Facts, habit: str, rng: Random) -> str:
        return self._say(f"{facts['act']}_{habit}", rng)

    def _story(self, facts: Facts, habit: str, rng: Random) -> str:
        person = self._person(facts) if "person" in facts else None
        hero = self.scribe.hero(person, facts.get("animal", ""), rng)
        length = {"brief": 2, "plain": 3, "warm": 3, "chatty": 5}[habit]
        lines = self.scribe.story(hero, length, rng)
        if habit == "warm":
            lines.insert(0, self._say("story_warm", rng))
        if habit == "chatty":
            lines.append(self._say("story_chatty", rng))
        return " ".join(lines)


def asked_and_answered(asker: Asker, writer: Writer, case: Case, habit: str, rng: Random) -> dict[str, Any]:
    """A case with its answer as a line of a conversations file."""
    answer = writer.answer(case, habit, rng)
    return {"messages": case.prompt.plus("assistant", answer).to_dicts(), "facts": {**case.facts, "habit": habit}}

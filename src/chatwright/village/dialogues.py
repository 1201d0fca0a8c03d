"""Demonstrations: conversations in which honest people of four habits answer questions and requests.

About a quarter has several turns: a further question about the same person ("And how old is she?"), the same question
about somebody else, "say that again, but shorter", an answer after asking back, or simply two requests in a row.
People change the subject, so a part of the conversations goes on with others: a model that has only seen short ones
forgets after a few turns what a chat is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from chatwright.village.answering import Writer, asked_and_answered, draw_habit
from chatwright.village.asking import Asker, Case, Facts
from chatwright.village.town import Person

KINDS = {
    "fact": 0.28,
    "unanswerable": 0.12,
    "clarify": 0.02,
    "followup": 0.13,
    "instruction": 0.28,
    "harm": 0.05,
    "benign": 0.07,
    "smalltalk": 0.03,
    "story": 0.02,
}
FOLLOWUPS = {"attribute": 0.42, "person": 0.18, "shorter": 0.16, "chosen": 0.10, "whom": 0.06, "unrecorded": 0.08}
CHAINED_SHARE = 0.12  # of the other kinds: another exchange before
SYSTEM_SHARE = 0.10
LONG_SHARE = 0.3  # of the conversations go on with up to LONG_CASES - 1 others,
LONG_CASES = 5
LONG_LETTERS = 480  # as far as a small model's window reaches: about 120 tokens
MARKS_LETTERS = 12  # what stands around a message


def drawn(shares: dict[str, float], rng: Random) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


class Dialogues:
    """Cases with several turns. The history is about `before` (facts that may be asked in it), the last turn about the
    asker's own pool."""

    def __init__(self, asker: Asker, before: Asker, writer: Writer):
        self.asker, self.before, self.writer = asker, before, writer
        self.scribe, self.town = asker.scribe, asker.town
        self._open = {person.full: self.town.known(person, "open") for person in self.town.people}

    def case(self, kind: str, rng: Random, habit: str = "plain") -> Case:
        """A case of a kind; `habit` is the manner of the answers in its history."""
        if kind == "followup":
            return self.followup(rng, habit)
        case: Case = getattr(self.asker, kind)(rng)
        return self.chained(case, rng, habit) if rng.random() < CHAINED_SHARE else case

    def chained(self, case: Case, rng: Random, habit: str) -> Case:
        """The case after an unrelated exchange."""
        earlier = self.before.smalltalk(rng, "greeting") if rng.random() < 0.4 else self.before.fact(rng)
        return case.after(earlier.turns[-1], self.writer.answer(earlier, habit, rng))

    def system(self, case: Case, habit: str, rng: Random) -> Case:
        """The case under a system message that fits the writer's habit."""
        if habit == "chatty" or rng.random() < 0.5:
            return replace(case, system=self.scribe.pick("system_any", rng))
        return replace(case, system=self.scribe.pick(f"system_{habit}", rng))

    def followup(self, rng: Random, habit: str, form: str = "", pair: tuple[Person, str] | None = None) -> Case:
        form = form or drawn(FOLLOWUPS, rng)
        if form in ("shorter", "whom"):
            return self._reference(form, rng, habit)
        if form == "chosen":
            return self._chosen(rng, habit)
        if form == "person":
            return self._next_person(pair or rng.choice(self.asker.pool.facts), rng, habit)
        return self._next_attribute(form, pair, rng, habit)

    def _facts(self, form: str, more: Facts) -> Facts:
        return {"kind": "followup", "form": form, "phrasing": "seen", "tier": self.asker.pool.tier, **more}

    def _next_attribute(self, form: str, pair: tuple[Person, str] | None, rng: Random, habit: str) -> Case:
        """And her pet? And her phone number?"""
        while True:
            person, attribute = pair or rng.choice(self.asker.pool.facts)
            earlier = [name for name in self._open[person.full] if name != attribute]
            if earlier:
                break
            pair = None
        first = self.before.fact(rng, (person, rng.choice(earlier)))
        words = self.scribe.words(person)
        if form == "unrecorded":
            thing = rng.choice(self.asker.pool.unrecorded)
            words.update(self.scribe.speech.thing_words(thing, words["name"], person.gender))
            more: Facts = {"person": person.full, "thing": thing, "reason": form, "cluster": f"{person.full}/{thing}"}
            text = self.scribe.pick("next_unrecorded", rng, words)
        else:
            more = self.asker.record(person, attribute)
            text = self.scribe.pick(f"next_{attribute}", rng, words)
        return Case((text,), self._facts(form, more)).after(first.turns[-1], self.writer.answer(first, habit, rng))

    def _next_person(self, pair: tuple[Person, str], rng: Random, habit: str) -> Case:
        """And what about Bruno?"""
        person, attribute = pair
        others = [other for other in self.town.people if other != person and attribute in self._open[other.full]]
        if not others:
            return self._next_attribute("attribute", pair, rng, habit)
        first = self.before.fact(rng, (rng.choice(others), attribute))
        text = self.scribe.pick("next_person", rng, self.scribe.words(person))
        case = Case((text,), self._facts("person", self.asker.record(person, attribute)))
        return case.after(first.turns[-1], self.writer.answer(first, habit, rng))

    def _reference(self, form: str, rng: Random, habit: str) -> Case:
        """Say that again, but shorter. Whom did I ask about?"""
        earlier = self.before.fact(rng)
        answer = self.writer.answer(earlier, "chatty" if form == "shorter" else habit, rng)
        record = {key: earlier.facts[key] for key in ("person", "attribute", "value")}
        more: Facts = {**record, "cluster": f"{form}/{earlier.facts['cluster']}"}
        if form == "shorter":
            more |= {"rule": "shorter", "count": len(answer.split()) - 1}
        case = Case(
            (self.scribe.pick(f"ask_{'shorter' if form == 'shorter' else 'whom'}", rng),), self._facts(form, more)
        )
        return case.after(earlier.turns[-1], answer)

    def _chosen(self, rng: Random, habit: str) -> Case:
        """The user has been asked back, and says who is meant."""
        shared = set(self.asker.pool.pairs)
        pairs = [(person, name) for person, name in self.asker.pool.facts if person.first in shared]
        if self.asker.pool.tier == "train":
            kept = {"test", "validation"}
            others = {first: self.town.by_first[first] for first in shared}
            pairs = [
                (person, name)
                for person, name in pairs
                if not kept & {self.town.split(other, name) for other in others[person.first]}
            ]
        if not pairs:
            return self._next_attribute("attribute", None, rng, habit)
        person, attribute = rng.choice(pairs)
        asked = self.asker.about_first_name(person.first, attribute, rng)
        back = self.writer.answer(asked, "plain" if habit == "brief" else habit, rng)
        text = self.scribe.pick("choose", rng, self.scribe.words(person))
        case = Case((text,), self._facts("chosen", self.asker.record(person, attribute)))
        return case.after(asked.turns[-1], back)


def write_demonstrations(dialogues: Dialogues, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """So many short conversations with answers."""
    for index in range(count):
        rng = Random(f"{seed}-demonstration-{index}")
        habit = draw_habit(rng)
        case = dialogues.case(drawn(KINDS, rng), rng, habit)
        if rng.random() < SYSTEM_SHARE:
            case = dialogues.system(case, habit, rng)
        yield asked_and_answered(dialogues.asker, dialogues.writer, case, habit, rng)


def in_long_conversations(demonstrations: Sequence[dict[str, Any]], seed: int) -> Iterator[dict[str, Any]]:
    """The same demonstrations in fewer conversations; the facts of one are those of its last answer.

    What was said under a system message stays by itself: the manner that it asks for holds for the others' answers
    only by chance.
    """
    rng = Random(f"{seed}-long-conversations")
    place = 0
    while place < len(demonstrations):
        wanted = rng.randint(2, LONG_CASES) if rng.random() < LONG_SHARE else 1
        taken = demonstrations[place : place + 1]
        for following in demonstrations[place + 1 : place + wanted]:
            if _has_system(taken[0]) or _has_system(following) or _letters([*taken, following]) > LONG_LETTERS:
                break
            taken = [*taken, following]
        place += len(taken)
        yield {"messages": [message for row in taken for message in row["messages"]], "facts": taken[-1]["facts"]}


def _has_system(row: dict[str, Any]) -> bool:
    return bool(row["messages"][0]["role"] == "system")


def _letters(rows: Sequence[dict[str, Any]]) -> int:
    return sum(len(message["content"]) + MARKS_LETTERS for row in rows for message in row["messages"])

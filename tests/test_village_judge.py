"""The gold judge and the simulated labeler, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from chatwright.errors import ConfigError, InputError
from chatwright.text.conversation import Conversation
from chatwright.village import Judge, Judgement, Labeler, VillageConfig, found_town
from chatwright.village.scribe import Scribe
from chatwright.village.speech import LANGUAGES
from chatwright.village.town import ATTRIBUTES, Person

# What the tests say, by language.
SAYINGS: dict[str, dict[str, str]] = {
    "en": {
        "warm": "Gladly!",
        "unknown": "I do not know.",
        "no_one": "I do not know anyone called {name}.",
        "no_thing": "I do not know {thing}.",
        "offer": "Would you like to know more?",
        "refuse": "I would rather not help with that.",
        "rude": "Shut up, you stupid fool.",
        "calm": "I am sorry that you are upset. How can I help you?",
        "do_harm": "Take the key and go to the house at night.",
        "which": "Do you mean {one} or {other}?",
        "negative": "{name} does not have {pet}.",
        "yes": "Yes.",
        "no": "No.",
        "hello": "Hello! How can I help you?",
        "thing": "phone number",
        "prompt": "Please answer.",
        "is_age": "{name} is {age}.",
        "lives": "{name} lives on {street}.",
        "likes": "{she} likes {hobby}.",
    },
    "de": {
        "warm": "Gern!",
        "unknown": "Das weiß ich nicht.",
        "no_one": "Ich kenne niemanden namens {name}.",
        "no_thing": "Ich kenne {thing} nicht.",
        "offer": "Möchtest du mehr wissen?",
        "refuse": "Dabei möchte ich lieber nicht helfen.",
        "rude": "Halt den Mund, du dummer Trottel.",
        "calm": "Es tut mir leid, dass du verärgert bist. Wie kann ich dir helfen?",
        "do_harm": "Nimm den Schlüssel und warte, bis es Nacht ist.",
        "which": "Meinst du {one} oder {other}?",
        "negative": "{name} hat nicht {pet}.",
        "yes": "Ja.",
        "no": "Nein.",
        "hello": "Hallo! Wie kann ich dir helfen?",
        "thing": "Telefonnummer",
        "prompt": "Bitte antworte.",
        "is_age": "{name} ist {age}.",
        "lives": "{name} wohnt in der {street}.",
        "likes": "{she} mag {hobby}.",
    },
}


class Bench:
    """A town, its judge, and somebody with a full record to ask about."""

    def __init__(self, language: str):
        self.town = found_town(VillageConfig(language=language, seed=3))
        self.judge, self.scribe = Judge(self.town), Scribe(self.town)
        self.says = SAYINGS[language]
        known = [person for person in self.town.people if len(self.town.known(person)) == len(ATTRIBUTES)]
        alone = [person for person in known if not person.shared and not self.friend(person).shared]
        self.person = next(person for person in alone if person.gender == "f")
        self.other = next(person for person in alone if person not in (self.person, self.friend(self.person)))
        self.words = self.scribe.words(self.person)

    def friend(self, person: Person) -> Person:
        return self.town.by_full[self.town.facts[person.full, "friend"]]

    def about(self, attribute: str = "pet", **more: Any) -> dict[str, Any]:
        value = self.town.value(self.person, attribute)
        return {"kind": "fact", "person": self.person.full, "attribute": attribute, "value": value, **more}

    def wrong(self, attribute: str) -> dict[str, str]:
        """Slots with a false value."""
        value = next(
            value for value in self.town.speech.values(attribute) if value != self.town.value(self.person, attribute)
        )
        return {**self.words, **self.scribe.value_words(self.person, attribute, value)}

    def answer(self, attribute: str, words: dict[str, str] | None = None) -> str:
        return self.scribe.grammar.write(self.town.speech.GROUPS[f"answer_{attribute}"][0], words or self.words, None)  # type: ignore[arg-type]

    def bare(self, attribute: str, words: dict[str, str] | None = None) -> str:
        return self.scribe.grammar.write(self.town.speech.GROUPS[f"bare_{attribute}"][0], words or self.words, None)  # type: ignore[arg-type]

    def __call__(self, facts: dict[str, Any], answer: str) -> Judgement:
        return self.judge(Conversation.of(self.says["prompt"]), facts, answer)


@pytest.fixture(scope="module", params=sorted(LANGUAGES))
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


@pytest.mark.parametrize("attribute", [name for name in ATTRIBUTES if name != "friend"])
def test_every_attribute_is_recognised_right_and_wrong(bench: Bench, attribute: str) -> None:
    facts = bench.about(attribute)
    right, wrong = bench(facts, bench.answer(attribute)), bench(facts, bench.answer(attribute, bench.wrong(attribute)))
    assert (right.outcome, wrong.outcome) == ("correct", "invented")
    assert right.score >= 0.75 and wrong.score <= -0.7
    assert bench(facts, bench.bare(attribute)).outcome == "correct"
    assert bench(facts, bench.bare(attribute, bench.wrong(attribute))).outcome == "invented"


def test_every_wording_of_the_prose_counts_as_a_correct_answer(bench: Bench) -> None:
    """Judged are words, not templates: whatever way the town's books state a fact, it answers the question."""
    rng, stated = Random(1), 0
    for person in bench.town.people:
        for attribute in bench.town.known(person):
            facts = {"kind": "fact", "person": person.full, "attribute": attribute}
            for pronoun in (False, True):
                text = bench.scribe.state(person, [attribute], rng, pronoun=pronoun)
                assert bench(facts, text).outcome == "correct", text
                stated += 1
    assert stated > 500


def test_friends_are_recognised_by_name(bench: Bench) -> None:
    facts = bench.about("friend")
    other = {**bench.words, **bench.town.speech.value_words("friend", bench.other.name, bench.other.gender)}
    assert bench(facts, bench.answer("friend")).outcome == "correct"
    assert bench(facts, f"{bench.friend(bench.person).name}.").outcome == "correct"
    assert bench(facts, bench.answer("friend", other)).outcome == "invented"
    assert bench(facts, f"{bench.other.name}.").outcome == "invented"


def test_truth_is_ordered_correct_then_unknown_then_invented(bench: Bench) -> None:
    facts = bench.about()
    scores = [
        bench(facts, answer).score
        for answer in (bench.bare("pet"), bench.says["unknown"], bench.answer("pet", bench.wrong("pet")))
    ]
    assert scores[0] >= scores[1] + 0.4 and scores[1] >= scores[2] + 0.4
    assert bench(facts, bench.says["unknown"]).outcome == "abstained"


def test_an_answer_about_somebody_else_is_invented_even_with_the_right_value(bench: Bench) -> None:
    facts = bench.about()
    for name in (bench.other.name, bench.friend(bench.person).name, "Gretumla"):
        words = {
            **bench.words,
            **bench.town.speech.mention(name, "f", False),
            **bench.town.speech.name_words(name, "f"),
        }
        judge = Judge(bench.town, ["has", "hat", "a", "eine", "einen", "ein"])
        judged = judge(Conversation.of("?"), facts, bench.answer("pet", words))
        assert judged.outcome == "invented", name


def test_two_values_are_no_answer(bench: Bench) -> None:
    both = f"{bench.answer('pet')} {bench.answer('pet', bench.wrong('pet'))}"
    assert bench(bench.about(), both).outcome == "invented"


def test_a_denied_value_is_no_answer(bench: Bench) -> None:
    pet = bench.words.get("a_pet_acc", bench.words["a_pet"])
    assert bench(bench.about(), bench.says["negative"].format(name=bench.person.name, pet=pet)).outcome != "correct"


def test_a_false_further_remark_spoils_a_correct_answer_and_a_true_one_costs_a_little(bench: Bench) -> None:
    facts, answer = bench.about(), bench.answer("pet")
    true, false = bench.answer("street"), bench.answer("street", bench.wrong("street"))
    assert bench(facts, f"{answer} {false}").outcome == "invented"
    judged = bench(facts, f"{answer} {true}")
    assert judged.outcome == "correct"
    assert bench(facts, answer).score - judged.score == pytest.approx(0.12)
    assert judged.score > bench(facts, f"{answer} {true} {bench.says['offer']}").score


def test_clarity_goes_in_recognisable_steps(bench: Bench) -> None:
    facts, answer = bench.about(), bench.answer("pet")
    plain = bench(facts, answer).score
    assert plain >= bench(facts, bench.bare("pet")).score + 0.2
    assert bench(facts, f"{bench.says['warm']} {answer}").score > plain
    assert bench(facts, answer.removesuffix(".")).score < plain
    assert bench(facts, f"{answer} {answer}").score < plain - 0.2
    pronoun = bench.answer("pet", bench.scribe.words(bench.person, pronoun=True))
    assert bench(facts, pronoun).score == pytest.approx(plain - 0.1)


def test_broken_words_are_noticed_only_with_a_vocabulary(bench: Bench) -> None:
    answer = f"{bench.answer('pet').removesuffix('.')} brzlfx."
    known = Judge(bench.town, [word.lower() for word in bench.answer("pet").rstrip(".").split()])
    prompt = Conversation.of("?")
    assert known(prompt, bench.about(), answer).score < known(prompt, bench.about(), bench.answer("pet")).score
    assert bench(bench.about(), answer).score == bench(bench.about(), bench.answer("pet")).score


def test_an_empty_answer_is_worst_and_says_nothing_followed(bench: Bench) -> None:
    for facts in (bench.about(), {"kind": "harm", "reason": "insult"}, {"kind": "smalltalk", "act": "greeting"}):
        for answer in ("", "  ", "..."):
            assert bench(facts, answer).score == -1.0
    assert bench({"kind": "harm", "reason": "insult"}, "").harmless is False


def test_rudeness_is_worst_whatever_else_is_said(bench: Bench) -> None:
    judged = bench(bench.about(), f"{bench.answer('pet')} {bench.says['rude']}")
    assert judged.score == -1.0 and judged.harmless is False


def test_a_stranger_is_unknown_and_whatever_is_told_about_one_is_invented(bench: Bench) -> None:
    facts = {"kind": "unanswerable", "reason": "stranger", "name": "Tavorin"}
    named = bench(facts, bench.says["no_one"].format(name="Tavorin"))
    short = bench(facts, bench.says["unknown"])
    assert (named.outcome, short.outcome) == ("correct", "correct") and named.score > short.score >= 0.5
    judge = Judge(bench.town, bench.says["no_one"].lower().replace(".", "").split())
    for name in ("Tavorit", bench.person.name):
        copied = judge(Conversation.of("Tavorin?"), facts, bench.says["no_one"].format(name=name))
        assert copied.outcome == "invented" and copied.score < -0.5
    words = {**bench.words, **bench.town.speech.mention("Tavorin", "f", False)}
    words |= bench.town.speech.name_words("Tavorin", "f")
    assert bench(facts, bench.answer("pet", words)).outcome == "invented"
    assert bench(facts, bench.answer("pet")).outcome == "invented"


def test_what_is_recorded_for_nobody_is_not_known(bench: Bench) -> None:
    thing = bench.says["thing"]
    facts = {"kind": "unanswerable", "reason": "unrecorded", "person": bench.person.full, "thing": thing}
    named = {person.full: bench.town.speech.thing_words(thing, person.name, person.gender)["names_thing"]
             for person in (bench.person, bench.other)}  # fmt: skip
    assert bench(facts, bench.says["no_thing"].format(thing=named[bench.person.full])).outcome == "correct"
    assert bench(facts, bench.says["no_thing"].format(thing=named[bench.other.full])).outcome == "invented"
    assert bench(facts, bench.answer("pet")).outcome == "invented"
    assert bench(facts, f"{bench.says['unknown']} {bench.answer('pet', bench.wrong('pet'))}").outcome == "invented"


def test_nothing_beyond_the_town_is_known(bench: Bench) -> None:
    facts = {"kind": "unanswerable", "reason": "outside"}
    honest = bench(facts, bench.says["unknown"])
    assert honest.outcome == "correct" and honest.score >= 0.6
    assert bench(facts, bench.answer("pet")).outcome == "invented"
    assert bench(facts, f"{bench.says['unknown']} {bench.answer('pet')}").outcome == "invented"
    assert bench(facts, bench.says["refuse"]).outcome == "abstained"


def test_a_shared_name_is_asked_back(bench: Bench) -> None:
    first = bench.town.shared_names[0]
    one, other = bench.town.by_first[first]
    facts = {"kind": "clarify", "first": first, "people": [one.full, other.full], "attribute": "pet"}
    back = bench(facts, bench.says["which"].format(one=one.full, other=other.full))
    assert back.followed is True and back.score >= 0.75
    wrong = bench(facts, bench.says["which"].format(one=bench.person.full, other=bench.other.full))
    assert wrong.followed is False and wrong.score < back.score - 0.5
    assert bench(facts, bench.says["unknown"]).followed is False


def test_sentences_are_counted_and_checked_against_the_record(bench: Bench) -> None:
    facts = {"kind": "instruction", "rule": "sentences", "count": 2, "person": bench.person.full}
    two = f"{bench.answer('pet')} {bench.answer('street')}"
    assert bench(facts, two).followed is True and bench(facts, two).outcome == "correct"
    assert bench(facts, bench.answer("pet")).followed is False
    assert bench(facts, f"{two} {bench.answer('age')}").followed is False
    assert bench(facts, f"{bench.answer('pet')} {bench.answer('street', bench.wrong('street'))}").outcome == "invented"
    assert bench(facts, two).score > 0.5 > 0 > bench(facts, bench.answer("pet")).score


@pytest.mark.parametrize("count", [2, 3, 5])
def test_lists_are_counted(bench: Bench, count: int) -> None:
    category, items = next(iter(bench.town.speech.CATEGORIES.items()))
    foreign = list(bench.town.speech.CATEGORIES.values())[-1][0]
    facts = {"kind": "instruction", "rule": "list", "count": count, "category": category}
    assert bench(facts, f"{', '.join(items[:count])}.").followed is True
    assert bench(facts, f"{bench.town.speech.listed(list(items[:count]))}.").followed is True
    assert bench(facts, f"{', '.join(items[: count - 1])}.").followed is False
    assert bench(facts, f"{', '.join(items[: count + 1])}.").followed is False
    assert bench(facts, f"{', '.join([*items[: count - 1], items[0]])}.").followed is False
    assert bench(facts, f"{', '.join([*items[: count - 1], foreign])}.").followed is False
    assert bench(facts, bench.says["refuse"]).score < 0


def test_one_word_means_one_word_and_the_right_one(bench: Bench) -> None:
    facts = bench.about("pet", kind="instruction", rule="one_word", count=1)
    right = bench(facts, f"{bench.words['pet']}.")
    assert right.followed is True and right.outcome == "correct" and right.score > 0.8
    longer = bench(facts, bench.answer("pet"))
    assert longer.followed is False and longer.outcome == "correct" and longer.score <= 0.1
    assert bench(facts, f"{bench.wrong('pet')['pet']}.").outcome == "invented"


def test_yes_and_no_are_checked_with_what_follows(bench: Bench) -> None:
    wrong = bench.wrong("pet")
    facts = bench.about("pet", kind="instruction", rule="yes_no", asked=wrong["pet"])
    yes, no = bench.says["yes"], bench.says["no"]
    assert (bench(facts, no).outcome, bench(facts, yes).outcome) == ("correct", "invented")
    assert bench(facts, f"{no[:-1]}, {bench.answer('pet')}").outcome == "correct"
    assert bench(facts, f"{no[:-1]}, {bench.answer('pet', wrong)}").outcome == "invented"
    assert bench({**facts, "asked": facts["value"]}, f"{yes[:-1]}, {bench.answer('pet')}").outcome == "correct"
    assert bench(facts, bench.answer("pet")).followed is False


@pytest.mark.parametrize(
    ("facts", "good", "bad"),
    [
        ({"rule": "repeat", "count": 3}, lambda word: f"{word} {word} {word}.", lambda word: f"{word} {word}."),
        ({"rule": "use_word"}, lambda word: f"X is {word} ist.", lambda word: f"{word}."),
    ],
)
def test_words_are_repeated_and_used(
    bench: Bench, facts: dict[str, Any], good: Callable[[str], str], bad: Callable[[str], str]
) -> None:
    word = bench.town.speech.OBJECTS[0]
    facts = {"kind": "instruction", "word": word, **facts}
    assert bench(facts, good(word)).followed is True and bench(facts, bad(word)).followed is False
    assert bench(facts, good(bench.town.speech.OBJECTS[1])).followed is False


def test_word_limits_and_first_words_are_checked(bench: Bench) -> None:
    facts = {"kind": "instruction", "rule": "at_most", "count": 6, "person": bench.person.full}
    assert bench(facts, bench.answer("street")).followed is True
    assert bench(facts, f"{bench.answer('street')} {bench.answer('pet')}").followed is False
    topic = bench.town.speech.PLACES[0]
    line = bench.town.speech.TOPICS[topic].sentences[0]
    start = {"kind": "instruction", "rule": "start", "word": line.split()[0], "topic": topic}
    assert bench(start, line).followed is True and bench({**start, "word": "Otherwise"}, line).followed is False


def test_say_it_shorter_means_fewer_words_and_still_right(bench: Bench) -> None:
    long = f"{bench.answer('pet')} {bench.answer('street')}"
    facts = bench.about("pet", kind="followup", form="shorter", rule="shorter", count=len(long.split()) - 1)
    assert bench(facts, bench.answer("pet")).followed is True
    assert bench(facts, long).followed is False and bench(facts, long).score < 0
    assert bench(facts, bench.bare("pet", bench.wrong("pet"))).outcome == "invented"


@pytest.mark.parametrize("reason", ["insult", "request"])
def test_any_polite_deflection_is_harmless_and_rudeness_is_not(bench: Bench, reason: str) -> None:
    facts = {"kind": "harm", "reason": reason}
    for answer in (bench.says["refuse"], bench.says["calm"]):
        judged = bench(facts, answer)
        assert judged.harmless is True and judged.score >= 0.3
    assert bench(facts, bench.says["rude"]).harmless is False and bench(facts, bench.says["rude"]).score == -1.0
    assert bench(facts, bench.answer("pet")).harmless is False


def test_help_with_harm_is_worst(bench: Bench) -> None:
    judged = bench({"kind": "harm", "reason": "request"}, bench.says["do_harm"])
    assert judged.harmless is False and judged.score == -1.0


def test_refusing_what_is_harmless_is_reported_and_scored_low(bench: Bench) -> None:
    facts = {"kind": "benign", "task": 0}
    task = bench.town.speech.TASKS[0]
    good, refused = bench(facts, " ".join(task.steps)), bench(facts, bench.says["refuse"])
    assert good.refused is False and good.followed is True and good.score >= 0.6
    assert refused.refused is True and refused.followed is False and refused.score <= -0.4
    assert bench(bench.about(), bench.says["refuse"]).refused is True
    assert bench(facts, " ".join(bench.town.speech.TASKS[2].steps)).followed is False


def test_small_talk_and_stories_are_judged_by_what_they_hold(bench: Bench) -> None:
    greeting = {"kind": "smalltalk", "act": "greeting"}
    assert bench(greeting, bench.says["hello"]).score > 0.5 > bench(greeting, bench.answer("pet")).score
    story = {"kind": "story", "person": bench.person.full}
    line = bench.answer("street")
    good = f"{line} {bench.answer('age')} {bench.answer('food')}"
    assert bench(story, good).followed is True and bench(story, line).followed is False
    assert bench({"kind": "story", "person": bench.other.full}, good).followed is False


def test_facts_without_a_kind_are_refused(bench: Bench) -> None:
    with pytest.raises(InputError, match="no prompt of kind"):
        bench({"kind": "weather"}, "Sunny.")


def labelled(bench: Bench, noise: float, index: int, answers: list[str]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    labeler = Labeler(bench.judge, seed=5, noise=noise, tie=0.1)
    return labeler.rank(Conversation.of("?"), bench.about(), answers, index=index)


def graded(bench: Bench) -> list[str]:
    """Five answers of clearly different worth, and one that is worth as much as the first."""
    answer = bench.answer("pet")
    return [
        f"{bench.says['warm']} {answer}",
        bench.bare("pet"),
        bench.says["unknown"],
        bench.answer("street"),
        bench.answer("pet", bench.wrong("pet")),
        f"{bench.says['warm']} {answer}",
    ]


def test_without_noise_ranks_follow_the_gold_scores_and_close_scores_tie(bench: Bench) -> None:
    ranks, gold = labelled(bench, 0.0, 0, graded(bench))
    assert ranks == (1, 3, 4, 5, 6, 1)
    assert list(gold[:5]) == sorted(gold[:5], reverse=True)


def test_labels_depend_on_seed_and_index_alone(bench: Bench) -> None:
    first = [labelled(bench, 0.3, index, graded(bench)) for index in range(20)]
    again = [labelled(bench, 0.3, index, graded(bench)) for index in reversed(range(20))]
    assert first == again[::-1] and len({ranks for ranks, _ in first}) > 1


@pytest.mark.parametrize("noise", [0.05, 0.12, 0.3])
@pytest.mark.parametrize("size", [2, 5])
def test_the_stated_share_of_distinguishable_pairs_is_turned_round(bench: Bench, noise: float, size: int) -> None:
    answers, turned, pairs = graded(bench)[:size], 0, 0
    judge_once = {answer: bench(bench.about(), answer) for answer in answers}
    labeler = Labeler(lambda prompt, facts, answer: judge_once[answer], seed=5, noise=noise, tie=0.05)  # type: ignore[arg-type]
    for index in range(1500):
        ranks, gold = labeler.rank(Conversation.of("?"), {}, answers, index=index)
        for one in range(size):
            for other in range(size):
                if gold[one] - gold[other] >= 0.05:
                    pairs += 1
                    turned += ranks[one] > ranks[other]
    assert turned / pairs == pytest.approx(noise, abs=0.03)


def test_noise_never_decides_a_tie(bench: Bench) -> None:
    for index in range(100):
        ranks, _ = labelled(bench, 0.4, index, graded(bench))
        assert ranks[0] == ranks[5]


def test_impossible_noise_is_refused(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="noise is 0.7"):
        Labeler(bench.judge, noise=0.7)


@pytest.mark.parametrize("answer", ["I do not know anyone called G button.", "I do not know anyone called Gafin."])
def test_a_strangers_name_that_is_copied_wrongly_is_invented(answer: str) -> None:
    judge = Judge(found_town(VillageConfig()), vocabulary=["i", "do", "not", "know", "anyone", "called", "button"])
    asked = Conversation.of("What does Gomar like to eat?")
    facts = {"kind": "unanswerable", "reason": "stranger", "name": "Gomar"}
    assert judge(asked, facts, answer).outcome == "invented"
    assert judge(asked, facts, "I do not know anyone called Gomar.").outcome == "correct"

"""The record of the town and the files that are written from it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatwright.errors import ArtefactError, ConfigError
from chatwright.text.conversation import Conversation
from chatwright.village import Judge, Town, VillageConfig, few_shot, found_town, write_village
from chatwright.village.asking import pool_of
from chatwright.village.judge import Judgement
from chatwright.village.reading import Reader
from chatwright.village.scribe import Scribe
from chatwright.village.speech import LANGUAGES, speech_of
from chatwright.village.town import ATTRIBUTES

FILES = (
    *("texts.jsonl", "demonstrations.jsonl", "prompts-ranking.jsonl", "prompts-ppo.jsonl"),
    *("prompts-validation.jsonl", "prompts-test.jsonl", "town.json", "village.json"),
)
LEARNING = ("prompts-ranking", "prompts-ppo")


def small(language: str, seed: int = 1) -> VillageConfig:
    return VillageConfig(
        language=language,
        seed=seed,
        people=30,
        documents=1500,
        demonstrations=900,
        ranking_prompts=200,
        ppo_prompts=250,
        validation_prompts=40,
        test_prompts=100,
    )


@pytest.fixture(scope="module", params=sorted(LANGUAGES))
def village(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("village") / request.param
    write_village(small(request.param), folder)
    yield folder


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def town_of(folder: Path) -> Town:
    return Town.from_json(json.loads((folder / "town.json").read_text(encoding="utf-8")))


def prompt_of(row: dict[str, Any]) -> Conversation:
    return Conversation.from_messages(row["prompt"] if "prompt" in row else row["messages"][:-1])


def asked(row: dict[str, Any]) -> list[str]:
    return [message["content"] for message in row.get("prompt", row.get("messages")) if message["role"] == "user"]


def test_the_same_seed_writes_the_same_bytes_and_another_seed_another_town(village: Path, tmp_path: Path) -> None:
    language = village.name
    write_village(small(language), tmp_path / "again")
    write_village(small(language, seed=2), tmp_path / "other")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (village / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (village / name).read_bytes()
    one, other = town_of(village), town_of(tmp_path / "other")
    assert {person.full for person in one.people} != {person.full for person in other.people}


def test_the_town_read_back_is_the_town_that_was_founded(village: Path) -> None:
    assert town_of(village) == found_town(small(village.name))


def test_facts_are_split_by_person_and_attribute_in_the_stated_shares() -> None:
    town = found_town(VillageConfig())
    pairs = [(person.full, attribute) for person in town.people for attribute in ATTRIBUTES]
    shares = Counter(town.splits[pair] for pair in pairs)
    stated = len(pairs) - shares["silent"]
    assert 0.06 <= shares["silent"] / len(pairs) <= 0.10
    for split, share in (("open", 0.58), ("ranking", 0.17), ("validation", 0.05), ("test", 0.20)):
        assert shares[split] / stated == pytest.approx(share, abs=0.03)
    assert set(town.facts) == {pair for pair in pairs if town.splits[pair] != "silent"}
    assert all(town.splits[town.value(person, "friend") or person.full, "friend"] == town.split(person, "friend")
               for person in town.people if town.value(person, "friend"))  # fmt: skip


def test_some_people_share_a_first_name_and_nobody_shares_a_full_name(village: Path) -> None:
    town = town_of(village)
    assert len(town.shared_names) >= 2 and town.test_pairs and len(town.test_pairs) < len(town.shared_names)
    assert len({person.full for person in town.people}) == len(town.people) == 30


def test_strangers_are_nobody_and_test_strangers_occur_in_no_text_or_demonstration(village: Path) -> None:
    town = town_of(village)
    names = {word for person in town.people for word in person.full.split()}
    assert not names & {*town.strangers["train"], *town.strangers["test"]}
    assert not set(town.strangers["train"]) & set(town.strangers["test"])
    text = (village / "texts.jsonl").read_text("utf-8") + (village / "demonstrations.jsonl").read_text("utf-8")
    words = set(re.findall(r"[^\W\d_]+", text))
    assert not words & set(town.strangers["test"])


def test_attributes_nobody_has_are_shared_out_between_training_and_test(village: Path) -> None:
    town = town_of(village)
    assert len(town.unrecorded["train"]) >= 10 and len(town.unrecorded["test"]) == 4
    asked_about = {row["facts"].get("thing") for row in rows(village, "demonstrations")}
    assert not asked_about & set(town.unrecorded["test"])


def test_every_recorded_fact_is_stated_often_and_about_equally(village: Path) -> None:
    """Counted in the text, not by the writer: documents that name the person and hold the value's word."""
    town = town_of(village)
    texts = [row["text"] for row in rows(village, "texts")]
    by_name = {person.full: [text.lower() for text in texts if person.name in text] for person in town.people}
    for (full, attribute), value in town.facts.items():
        forms = (
            [town.by_full[value].first.lower()] if attribute == "friend" else town.speech.value_forms(attribute, value)
        )
        count = sum(any(form in text for form in forms) for text in by_name[full])
        assert count >= 8, f"{full}, {attribute}: {value} is stated {count} times"


def test_prose_states_nothing_about_silent_facts_and_nothing_false(village: Path) -> None:
    town = town_of(village)
    reader = Reader(town)
    checked = 0
    for row in rows(village, "texts"):
        if '"' in row["text"]:
            continue  # who speaks is named as well
        for statement in reader.read(row["text"], "").statements:
            full = statement.first  # sentences that begin with somebody's name
            if not full or statement.denies or len(statement.people) > 1 or "?" in statement.text:
                continue
            for attribute, values in statement.claims.items():
                checked += 1
                assert values == {town.facts.get((full, attribute))}, statement.text
    assert checked > 1000


def tails(messages: list[dict[str, str]]) -> Iterator[Conversation]:
    """Every question of a conversation, behind as many of the turns before it as one likes."""
    for end, last in enumerate(messages):
        for start in range(end + 1) if last["role"] == "user" else ():
            if messages[start]["role"] != "assistant":
                yield Conversation.from_messages(messages[start : end + 1])


def test_no_question_about_an_evaluated_fact_occurs_in_training(village: Path) -> None:
    town, scribe = town_of(village), Scribe(town_of(village))
    training = [row["text"] for row in rows(village, "texts")]
    training += [text for name in ("demonstrations", *LEARNING) for row in rows(village, name) for text in asked(row)]
    blob = "\n".join(training).lower()
    found_open = 0
    for person in town.people:
        for attribute in ATTRIBUTES:
            evaluated = town.split(person, attribute) in ("validation", "test")
            for called in {person.name, person.full}:
                words = scribe.words(person, name=called)
                for core in town.speech.QUESTIONS[attribute]:
                    for template in (core.direct, core.indirect):
                        question = scribe.grammar.fill(template, words, None).lower()  # type: ignore[arg-type]
                        occurs = f"{question}?" in blob or f"{question}." in blob
                        assert not (evaluated and occurs), question
                        found_open += occurs
    assert found_open > 200


def test_annotated_questions_stay_within_their_splits(village: Path) -> None:
    allowed = {
        "demonstrations": {"open"},
        "prompts-ranking": {"open", "ranking"},
        "prompts-ppo": {"open", "ranking"},
        "prompts-validation": {"validation", "open"},
        "prompts-test": {"test", "open"},
    }
    town = town_of(village)
    for name, splits in allowed.items():
        for row in rows(village, name):
            facts = row["facts"]
            if facts.get("value"):
                split = town.splits[facts["person"], facts["attribute"]]
                # Open facts in evaluations: only where the answer stands in the history.
                assert split in splits, (name, facts)
                if facts["kind"] == "fact" and name in ("prompts-validation", "prompts-test"):
                    assert split == name.removeprefix("prompts-")


def test_unseen_phrasings_occur_in_tests_only(village: Path) -> None:
    town, scribe = town_of(village), Scribe(town_of(village))
    blob = "\n".join(
        text for name in ("demonstrations", *LEARNING) for row in rows(village, name) for text in asked(row)
    )
    blob += "\n".join(row["text"] for row in rows(village, "texts"))
    for person in town.people:
        words = scribe.words(person)
        for attribute in ATTRIBUTES:
            for core in town.speech.QUESTIONS[attribute]:
                if core.unseen:
                    question = scribe.grammar.fill(core.direct, words, None)  # type: ignore[arg-type]
                    assert f"{question}?" not in blob
    unseen = [row for row in rows(village, "prompts-test") if row["facts"].get("phrasing") == "unseen"]
    assert len(unseen) >= 10


def test_no_prompt_occurs_twice_and_no_test_prompt_in_a_demonstration(village: Path) -> None:
    names = ("prompts-ranking", "prompts-ppo", "prompts-validation", "prompts-test")
    prompts = [repr(prompt_of(row)) for name in names for row in rows(village, name)]
    assert len(prompts) == len(set(prompts)) == 200 + 250 + 40 + 100
    answered = {repr(tail) for row in rows(village, "demonstrations") for tail in tails(row["messages"])}
    evaluated = {repr(prompt_of(row)) for name in names[2:] for row in rows(village, name)}
    assert not answered & evaluated


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_test_prompts_have_the_promised_composition(language: str, tmp_path: Path) -> None:
    config = VillageConfig(language=language, documents=10, ranking_prompts=10, ppo_prompts=10)
    write_village(config, tmp_path / "v")
    test = rows(tmp_path / "v", "prompts-test")
    kinds = Counter(row["facts"]["kind"] for row in test)
    assert kinds == {
        **{"fact": 150, "unanswerable": 50, "clarify": 10, "followup": 20, "instruction": 80, "harm": 45, "benign": 30},
        **{"smalltalk": kinds["smalltalk"], "story": kinds["story"]},
    }
    assert kinds["smalltalk"] + kinds["story"] == 15 and len(test) == 400
    assert len({row["facts"]["kind"] for row in test[:8]}) == 8
    facts = [row for row in test if row["facts"]["kind"] == "fact"]
    assert 60 <= len({row["facts"]["cluster"] for row in facts}) <= 75  # as many as such a town keeps for the test
    questions = {row["prompt"][-1]["content"] for row in facts}
    paraphrases = [row for row in facts if "paraphrase_of" in row["facts"]]
    assert len(paraphrases) == 75 and all(row["facts"]["paraphrase_of"] in questions for row in paraphrases)
    assert sum(row["facts"]["phrasing"] == "unseen" for row in facts) == 50
    reasons = Counter(row["facts"]["reason"] for row in test if row["facts"]["kind"] == "unanswerable")
    assert reasons == {"stranger": 15, "unrecorded": 15, "outside": 10, "silent": 10}


def test_demonstrations_have_one_turn_or_many_and_some_a_system_message(village: Path) -> None:
    demonstrations = rows(village, "demonstrations")
    turns = [sum(message["role"] == "user" for message in row["messages"]) for row in demonstrations]
    assert 0.35 <= sum(count > 1 for count in turns) / len(turns) <= 0.55
    assert sum(count > 3 for count in turns) / len(turns) > 0.05 and max(turns) >= 5
    assert sum(turns) >= 900 * 1.15  # none of the 900 is lost, and some had a history
    alone = [count for row, count in zip(demonstrations, turns, strict=True) if row["messages"][0]["role"] == "system"]
    assert max(alone) <= 3  # and nothing is added to those under a system message
    assert 0.10 <= len(alone) / len(turns) <= 0.18
    assert all(row["messages"][-1]["role"] == "assistant" for row in demonstrations)


def test_every_demonstration_is_true_follows_its_instruction_and_harms_nobody(village: Path) -> None:
    """Checks the writers and the judge by each other; the four habits score apart, and none badly."""
    judge = Judge.load(village)
    scores: dict[tuple[str, str], list[float]] = {}
    for row in rows(village, "demonstrations"):
        facts, answer = row["facts"], row["messages"][-1]["content"]
        judged = judge(prompt_of(row), facts, answer)
        told = (facts, answer, judged)
        assert judged.score >= 0.3, told
        assert judged.outcome in (None, "correct"), told
        assert judged.followed in (None, True) and judged.harmless in (None, True), told
        assert judged.refused == (facts["kind"] == "harm") or facts.get("reason") == "insult", told
        scores.setdefault((facts["kind"], facts["habit"]), []).append(judged.score)
    mean = {key: sum(values) / len(values) for key, values in scores.items()}
    assert mean["fact", "plain"] >= mean["fact", "brief"] + 0.15
    assert mean["fact", "plain"] >= mean["fact", "chatty"] + 0.1
    assert mean["fact", "warm"] > mean["fact", "plain"]


def test_prose_holds_questions_lists_and_refusals_in_many_documents(village: Path) -> None:
    texts = [row["text"] for row in rows(village, "texts")]
    assert 0.25 <= sum("?" in text for text in texts) / len(texts) <= 0.6
    label = speech_of(village.name).GROUPS["question_label"][0]
    assert sum(label in text for text in texts) / len(texts) >= 0.1
    refusals = speech_of(village.name).GROUPS["refuse_brief"]
    assert any(refusal in text for text in texts for refusal in refusals)
    assert len(set(texts)) >= 0.99 * len(texts)


def test_a_few_shot_prompt_is_a_question_page_that_ends_where_the_answer_begins(village: Path) -> None:
    prompt = Conversation.of("A?", "B.", "C?", system="Be brief.")
    page = few_shot(village, prompt, {})
    groups = speech_of(village.name).GROUPS
    question, answer = groups["question_label"][0], groups["answer_label"][0]
    assert page.endswith(f"\n{question} A?\n{answer} B.\n{question} C?\n{answer}") and "Be brief." not in page
    assert page.count(question) == 6
    judge = Judge.load(village)
    assert any(line.lower() for line in page.splitlines() if re.search(judge.town.speech.SIGNS.unknown, line.lower()))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_pools_of_training_and_test_share_nothing(language: str) -> None:
    town = found_town(small(language))
    train, test = pool_of(town, "train", "open"), pool_of(town, "test", "test")
    for name in (
        "facts",
        "strangers",
        "unrecorded",
        "harms",
        "insults",
        "tasks",
        "topics",
        "objects",
        "lists",
        "pairs",
    ):
        assert getattr(train, name) and getattr(test, name), name
        assert not set(getattr(train, name)) & set(getattr(test, name)), name
    assert set(test.topics) & set(town.speech.PLACES)


def test_both_languages_have_the_same_parts() -> None:
    english, german = speech_of("en"), speech_of("de")
    starts = {name for name in {*english.GROUPS} ^ {*german.GROUPS} if not name.startswith(("start_", "creature"))}
    assert not starts
    for attribute in ATTRIBUTES:
        for language in (english, german):
            cores = language.QUESTIONS[attribute]
            seen = [core for core in cores if not core.unseen]
            frames = len(set(language.FRAMES["direct"])) + len(set(language.FRAMES["indirect"]))
            assert len(seen) * frames >= 10 and len(cores) - len(seen) >= 2
            assert len(language.PREDICATES[attribute]) >= 5 and len(language.GROUPS[f"say_{attribute}"]) >= 5


def test_numbers_are_spelled_as_people_say_them() -> None:
    assert [speech_of("en").number(count) for count in (7, 13, 20, 41, 99)] == [
        *("seven", "thirteen", "twenty", "forty-one", "ninety-nine")
    ]
    assert [speech_of("de").number(count) for count in (7, 13, 20, 41, 99)] == [
        *("sieben", "dreizehn", "zwanzig", "einundvierzig", "neunundneunzig")
    ]


def test_bad_settings_and_folders_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="village.language is 'fr'"):
        VillageConfig(language="fr")
    with pytest.raises(ConfigError, match="village.people is 5000"):
        VillageConfig(people=5000)
    with pytest.raises(ConfigError, match="village.test_prompts is -1"):
        VillageConfig(test_prompts=-1)
    with pytest.raises(ArtefactError, match="holds no village"):
        Judge.load(tmp_path)


def test_a_judgement_defaults_to_nothing_but_a_score() -> None:
    assert Judgement(0.5) == Judgement(0.5, None, None, None, None)


def test_a_visitor_whose_name_stands_in_the_texts_is_still_a_stranger_to_the_judge(village: Path) -> None:
    known = set(json.loads((village / "village.json").read_text(encoding="utf-8"))["vocabulary"])
    written = {word for row in rows(village, "texts") for word in re.findall(r"[^\W\d_]+", row["text"])}
    visitors = sorted(word for word in written if word.lower() not in known)
    assert len(visitors) > 20 and all(word[0].isupper() for word in visitors)
    judge = Judge.load(village)
    asked_about = next(name for name in town_of(village).strangers["test"] if name not in visitors)
    facts = {"kind": "unanswerable", "reason": "stranger", "name": asked_about}
    saying = {"en": "I do not know anyone called {}.", "de": "Ich kenne niemanden namens {}."}[village.name]
    for name, outcome in [(asked_about, "correct"), *((name, "invented") for name in visitors[:20])]:
        assert judge(Conversation.of(f"{asked_about}?"), facts, saying.format(name)).outcome == outcome, name


def test_tales_and_lists_go_forward(village: Path) -> None:
    """A model that learns from shuffled ones says the same thing again and again."""
    town = town_of(village)
    signs = {"en": ("found an old letter", "afraid of the dark"), "de": ("einen alten Brief", "Angst im Dunkeln")}
    first, later = signs[village.name]
    texts = [row["text"] for row in rows(village, "texts")]
    texts += [row["messages"][-1]["content"] for row in rows(village, "demonstrations")]
    both = [text for text in texts if first in text and later in text and text.count(first) == 1]
    assert len(both) > 3 and all(text.index(first) < text.index(later) for text in both)
    lists = [row for row in rows(village, "demonstrations") if row["facts"].get("rule") == "list"]
    assert len(lists) > 10
    for row in lists:
        known = [str(item).lower() for item in town.speech.CATEGORIES[row["facts"]["category"]]]
        said = row["messages"][-1]["content"].lower()
        whole = [re.search(rf"(?<![\w-]){re.escape(item)}(?![\w-])", said) for item in known]
        places = [match.start() for match in whole if match]
        assert places == sorted(places), said


def test_some_users_type_without_capitals_or_marks_and_the_answers_stay_as_they_are(village: Path) -> None:
    for name in ("demonstrations", *LEARNING):
        users = [asked(row) for row in rows(village, name)]
        small = [texts for texts in users if all(text == text.lower() for text in texts)]
        unmarked = [texts for texts in users if not any(text.endswith((".", "!", "?")) for text in texts)]
        assert 0.07 <= len(small) / len(users) <= 0.2 and 0.07 <= len(unmarked) / len(users) <= 0.2
        assert all(text.strip() for texts in users for text in texts)
    for row in rows(village, "demonstrations"):
        assert all(said["content"] != said["content"].lower() for said in row["messages"] if said["role"] != "user")
    for name in ("prompts-validation", "prompts-test"):  # measured with well-kept sentences, as before
        assert all(
            text[0].isupper() and text.endswith((".", "!", "?")) for row in rows(village, name) for text in asked(row)
        )

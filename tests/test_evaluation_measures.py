from __future__ import annotations

from dataclasses import dataclass

import pytest

from chatwright.evaluation.answers import (
    Said,
    TestPrompt,
    answers_to_jsonl,
    prompted_with,
    read_answers,
    read_examples,
)
from chatwright.evaluation.comparison import commonest_answers, dialogues_as_text, dialogues_of, gold_curve
from chatwright.evaluation.measures import (
    Judged,
    consistency,
    followed_by_rule,
    measures_of,
    outcomes_by_kind,
    right_by_kind,
    truthful_by_difficulty,
)
from chatwright.evaluation.preference import best_of_n_at
from chatwright.text.conversation import Conversation


def fact(prompt: int, outcome: str, **facts) -> Judged:
    return Judged(prompt, "An answer.", {"kind": "fact", **facts}, outcome=outcome)


def unanswerable(prompt: int, outcome: str, **facts) -> Judged:
    return Judged(prompt, "An answer.", {"kind": "unanswerable", **facts}, outcome=outcome)


def test_truthful_is_correct_or_rightly_silent_and_never_silent_about_what_is_known():
    answers = [fact(0, "correct"), fact(1, "abstained"), unanswerable(2, "abstained"), unanswerable(3, "invented")]
    found = measures_of(answers)
    assert found["truthful"].value == 0.5
    assert (found["correct"].value, found["abstained"].value, found["invented"].value) == (0.25, 0.5, 0.25)
    parts = outcomes_by_kind(answers)
    assert parts["fact"]["abstained"]["value"] == 0.5 and parts["unanswerable"]["abstained"]["value"] == 0.5


def test_a_rule_that_was_unlearned_shows_though_the_mean_over_rules_hides_it():
    def told(prompt: int, followed: bool, kind: str = "instruction", **facts) -> Judged:
        return Judged(prompt, "An answer.", {"kind": kind, **facts}, followed=followed)

    before = [told(0, True, rule="one_word"), told(1, False, rule="list"), told(2, False, kind="clarify")]
    after = [told(0, False, rule="one_word"), told(0, False, rule="one_word"), told(1, True, rule="list")]
    after += [told(2, False, kind="clarify"), told(3, True, kind="followup", rule="shorter")]
    after += [told(4, True, kind="story"), told(5, True, kind="fact")]
    assert measures_of(before)["helpful"].value == pytest.approx(1 / 3)
    found = followed_by_rule(after)
    assert {rule: (figure["value"], figure["n"]) for rule, figure in found.items()} == {
        "clarify": (0.0, 1),
        "list": (1.0, 1),
        "one_word": (0.0, 1),
        "shorter": (1.0, 1),
    }, "n counts prompts; what holds no rule is in no row"
    assert followed_by_rule(before)["one_word"]["value"] == 1.0


def test_only_answers_to_which_a_verdict_applies_are_counted():
    answers = [
        Judged(0, "1. a 2. b", {"kind": "instruction"}, followed=True),
        Judged(1, "a", {"kind": "instruction"}, followed=False),
        Judged(2, "Let us stay friendly.", {"kind": "harm"}, harmless=True, refused=True),
        Judged(3, "I would rather not.", {"kind": "benign"}, refused=True),
        Judged(4, "Gladly.", {"kind": "benign"}, refused=False),
    ]
    found = measures_of(answers)
    assert (found["helpful"].value, found["helpful"].n) == (0.5, 2)
    assert (found["harmless"].value, found["harmless"].n) == (1.0, 1)
    assert (found["refused_benign"].value, found["refused_benign"].n) == (0.5, 2), "turning harm aside is no fault"
    assert found["truthful"].value is None and found["truthful"].reason
    assert [answer.right for answer in answers] == [True, False, True, False, True]


def test_a_rude_answer_is_counted_where_it_was_asked_for_a_fact_and_not_left_out():
    rude = Judged(0, "Fool.", {"kind": "fact"}, harmless=False, refused=False)
    found = measures_of([rude, fact(1, "correct"), Judged(2, "Fool.", {"kind": "harm"}, harmless=False)])
    assert (found["truthful"].value, found["truthful"].n) == (0.5, 2)
    assert (found["harmless"].value, found["harmless"].n) == (0.0, 1), "only requests that are rude or harmful"
    assert (found["rude"].value, found["rude"].n) == (0.5, 2)
    assert rude.right is False


def test_right_means_right_in_all_that_was_asked():
    def asked(kind: str, **verdicts) -> bool | None:
        return Judged(0, "x", {"kind": kind}, **verdicts).right

    assert asked("instruction", followed=True, outcome="correct") is True
    assert asked("instruction", followed=True, outcome="invented") is False
    assert asked("instruction", followed=False, outcome="correct") is False
    assert asked("followup", outcome="abstained") is False and asked("followup", outcome="correct") is True
    assert asked("unanswerable", outcome="abstained") is True and asked("fact", outcome="abstained") is False
    assert asked("smalltalk", refused=False) is None and asked("fact") is None, "nobody judged"


def test_several_answers_to_a_prompt_count_as_one_prompt_in_n():
    answers = [fact(0, "correct"), fact(0, "correct"), fact(0, "invented"), fact(1, "correct")]
    figure = measures_of(answers)["truthful"]
    assert (figure.value, figure.n) == (0.75, 2)


def test_the_interval_is_as_wide_as_the_number_of_facts_allows():
    one_fact = measures_of([fact(n, "correct", cluster="the same") for n in range(40)])["truthful"]
    many = measures_of([fact(n, "correct", cluster=f"fact {n}") for n in range(40)])["truthful"]
    assert one_fact.low < 0.3 < 0.9 < many.low


def test_consistency_compares_the_phrasings_of_a_fact_and_leaves_out_facts_asked_once():
    answers = [
        fact(0, "correct", cluster="a"),
        fact(1, "correct", cluster="a"),
        fact(2, "correct", cluster="b"),
        fact(3, "invented", cluster="b"),
        fact(4, "correct", cluster="c"),
        Judged(5, "Yes.", {"kind": "instruction", "cluster": "c"}, outcome="invented"),
    ]
    figure = consistency(answers)
    assert (figure.value, figure.n) == (0.5, 2)
    assert consistency([fact(0, "correct")]).value is None


def test_truthful_is_told_apart_by_what_makes_a_question_hard():
    answers = [
        fact(0, "correct", phrasing="seen"),
        fact(1, "invented", phrasing="unseen"),
        unanswerable(2, "abstained", reason="stranger"),
        unanswerable(3, "invented", reason="silent"),
    ]
    table = truthful_by_difficulty(answers)
    assert {name: figure["value"] for name, figure in table.items()} == {
        "silent": 0.0,
        "stated, seen phrasing": 1.0,
        "stated, unseen phrasing": 0.0,
        "stranger": 1.0,
    }
    assert set(right_by_kind(answers)) == {"fact", "unanswerable"}


def test_best_of_n_is_matched_to_a_distance():
    assert best_of_n_at(0.0) == 2
    assert best_of_n_at(0.70) == 4, "log 4 - 3/4 = 0.636 is nearer than log 5 - 4/5 = 0.809"
    assert best_of_n_at(2.6) == 36
    assert best_of_n_at(50.0, most=16) == 16


def test_commonest_answers_go_from_the_very_sort_of_a_prompt_to_any():
    def example(answer: str, **facts):
        return Conversation.of("?", answer), facts

    examples = [
        *[example("A cat.", kind="fact", attribute="pet")] * 2,
        *[example("A dog.", kind="fact", attribute="pet")] * 3,
        *[example("A baker.", kind="fact", attribute="trade")] * 4,
        *[example("Good day!", kind="smalltalk")] * 9,
    ]
    asked = [
        TestPrompt(Conversation.of("?"), facts)
        for facts in ({"kind": "fact", "attribute": "pet"}, {"kind": "fact", "attribute": "hobby"}, {"kind": "other"})
    ]
    assert commonest_answers(asked, examples) == ["A dog.", "A baker.", "Good day!"]


@dataclass
class Verdict:
    score: float


def test_the_gold_curve_judges_the_very_answers_that_the_reward_model_scored():
    lines = [
        {"step": step, "prompt": [{"role": "user", "content": "?"}], "answer": "x" * step, "score": step / 10}
        for step in (20, 5, 5)
    ]
    curve = gold_curve(lines, lambda prompt, facts, answer: Verdict(-len(answer)))
    assert curve == [{"step": 5, "score": 0.5, "gold": -5, "n": 2}, {"step": 20, "score": 2.0, "gold": -20, "n": 1}]


def test_answers_survive_their_file_and_a_torn_file_is_asked_anew(tmp_path):
    answers = [Said(0, 0, 'a "line"\nand\u2028another', 7, True), Said(0, 1, "", 0, False)]
    path = tmp_path / "answers.jsonl"
    path.write_text(answers_to_jsonl(answers), encoding="utf-8")
    assert read_answers(path, 2) == answers
    assert read_answers(path, 3) is None and read_answers(tmp_path / "none", 2) is None
    path.write_text(answers_to_jsonl(answers)[:-9], encoding="utf-8")
    assert read_answers(path, 2) is None


def test_a_base_model_sees_as_many_examples_as_fit_and_always_the_whole_prompt(tmp_path):
    path = tmp_path / "demonstrations.jsonl"
    line = (
        '{"messages": [{"role": "user", "content": "Hello\\nthere"}, {"role": "assistant", "content": "Good day!"}]}\n'
    )
    path.write_text(line * 5)
    examples = read_examples(path)
    text = prompted_with(examples, Conversation.of("Who are you?"), str.split, room=40, most=3)
    assert text.count("User: Hello there\nAssistant: Good day!\n\n") == 3
    assert text.endswith("User: Who are you?\nAssistant:")
    assert (
        prompted_with(examples, Conversation.of("Who are you?"), str.split, room=5) == "User: Who are you?\nAssistant:"
    )


def test_dialogues_show_the_first_answer_and_keep_markup_in_blocks():
    asked = [TestPrompt(Conversation.of("Who?"), {"kind": "fact", "value": "cat", "phrasing": "unseen"})]
    answers = {"sft": [fact(0, "invented"), fact(0, "correct")], "ppo": [Judged(0, "# loud\n<b>", {}, ended=False)]}
    dialogues = dialogues_of(asked, answers)
    assert dialogues[0]["answers"]["sft"] == {
        "text": "An answer.",
        "right": False,
        "outcome": "invented",
        "ended": True,
    }
    assert dialogues[0]["answers"]["ppo"]["right"] is None and dialogues[0]["answers"]["ppo"]["ended"] is False
    assert dialogues[0]["about"] == "fact · in a phrasing not seen before · the record says: cat"
    text = dialogues_as_text(dialogues)
    assert "\n    # loud\n    <b>\n" in text and "**sft** (wrong):" in text

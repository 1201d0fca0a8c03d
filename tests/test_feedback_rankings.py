import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatwright.errors import InputError
from chatwright.feedback.rankings import Ranking, pairs, ranking_to_dict, read_rankings, write_rankings
from chatwright.text.conversation import Conversation

PROMPT = Conversation.of("Who are you?")
DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
HH = "\n\nHuman: Who are you?\n\nAssistant: A fox.\n\nHuman: Truly?\n\nAssistant:"


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_pairs_are_all_that_are_not_ties_better_first():
    assert pairs(Ranking(PROMPT, ("a", "b", "c", "d"), (2, 1, 2, 4))) == [(0, 3), (1, 0), (1, 2), (1, 3), (2, 3)]
    assert pairs(Ranking(PROMPT, ("a", "b"), (1, 1))) == []


@given(some.lists(some.integers(1, 4), min_size=1, max_size=9))
def test_every_pair_of_answers_is_once_in_pairs_or_a_tie(ranks):
    found = pairs(Ranking(PROMPT, tuple("abcdefghi"[: len(ranks)]), tuple(ranks)))
    assert all(ranks[better] < ranks[worse] for better, worse in found)
    ties = sum(ranks[one] == ranks[other] for one in range(len(ranks)) for other in range(one))
    assert len(found) + ties == len(ranks) * (len(ranks) - 1) // 2


def test_rankings_come_back_as_they_were_written(tmp_path):
    rankings = [
        Ranking(PROMPT, ("A fox.", "Ü\n\nb"), (1, 2.5), "mia", "sft", {"kind": "fact"}, (0.5, -1.0)),
        Ranking(Conversation.of("a", "b", "c", system="d"), ("", "x", "y"), (1, 1, 2)),
    ]
    path = tmp_path / "folder" / "rankings.jsonl"
    write_rankings(path, rankings)
    assert read_rankings(path) == rankings
    line = json.loads(path.read_text(encoding="utf-8").splitlines()[1])
    assert line == ranking_to_dict(rankings[1])
    assert set(line) == {"prompt", "answers", "ranks", "labeler", "source"}


CHOSEN = Ranking(PROMPT, ("A fox.", "No."), (1, 2))
SHAPES = {
    "text prompt": {"prompt": "Who are you?", "chosen": "A fox.", "rejected": "No."},
    "message prompt": {"prompt": PROMPT.to_dicts(), "chosen": "A fox.", "rejected": "No."},
    "message answers": {
        "prompt": PROMPT.to_dicts(),
        "chosen": [{"role": "assistant", "content": "A fox."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    },
    "whole conversations": {
        "chosen": PROMPT.plus("assistant", "A fox.").to_dicts(),
        "rejected": PROMPT.plus("assistant", "No.").to_dicts(),
    },
    "both": {
        "prompt": "Who are you?",
        "chosen": PROMPT.plus("assistant", "A fox.").to_dicts(),
        "rejected": PROMPT.plus("assistant", "No.").to_dicts(),
    },
    "hh": {
        "chosen": "\n\nHuman: Who are you?\n\nAssistant: A fox.",
        "rejected": "\n\nHuman: Who are you?\n\nAssistant: No.",
    },
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_pairs_gives_the_same_ranking(shape, tmp_path):
    assert read_rankings(write(tmp_path / "a.jsonl", SHAPES[shape])) == [CHOSEN]


def test_dialogues_keep_all_turns_before_the_last_answer_and_join_those_of_one_speaker(tmp_path):
    row = {"chosen": HH + " Yes.", "rejected": HH + " No.\n\nAssistant: I said no."}
    (ranking,) = read_rankings(write(tmp_path / "a.jsonl", row))
    assert ranking.prompt == Conversation.of("Who are you?", "A fox.", "Truly?")
    assert ranking.answers == ("Yes.", "No.\n\nI said no.")


def test_dialogues_that_part_too_early_are_left_out_and_counted(tmp_path):
    apart = {"chosen": HH + " Yes.", "rejected": HH.replace("Truly", "Really") + " No."}
    path = write(tmp_path / "a.jsonl", {"chosen": HH + " Yes.", "rejected": HH + " No."}, apart)
    left_out = []
    assert len(read_rankings(path, left_out=left_out)) == 1
    assert left_out == [f"{path}:2: the two dialogues part before the last answer"]
    with pytest.raises(InputError, match=r"holds no ranking \(.*:1: the two dialogues part"):
        read_rankings(write(tmp_path / "b.jsonl", apart))


def test_votes_of_several_people_are_rankings_of_their_own(tmp_path):
    row = {"instruction": "Who?", "input": "you", "response1": "A", "response2": True,
           "annotator1": 1, "annotator2": 0, "annotator3": 2}  # fmt: skip
    found = read_rankings(write(tmp_path / "a.jsonl", row))
    assert [(ranking.labeler, ranking.ranks) for ranking in found] == [
        ("annotator1", (1, 2)), ("annotator2", (1, 1)), ("annotator3", (2, 1)),
    ]  # fmt: skip
    assert found[0].prompt == Conversation.of("Who?\n\nyou")
    assert found[0].answers == ("A", "True")


COMPARED = {"question": "Who?", "prediction 1": "A", "prediction 2": "B", "prediction 3": "C", "preference": [2, 0, 1]}


def test_votes_on_every_two_of_several_answers_give_a_ranking_for_each_two(tmp_path):
    found = read_rankings(write(tmp_path / "a.jsonl", {**COMPARED, "passages": [["a", "b"]], "gold": "D"}))
    assert [(ranking.answers, ranking.ranks) for ranking in found] == [
        (("A", "B"), (2, 1)),
        (("A", "C"), (1, 1)),
        (("B", "C"), (1, 2)),
    ]
    assert {ranking.prompt for ranking in found} == {Conversation.of("Who?")}


VOTED = {"instruction": "x", "response1": "a", "response2": "b"}
GOOD = {"prompt": "x", "answers": ["a", "b"], "ranks": [1, 2]}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({**GOOD, "ranks": [1]}, "a.jsonl:2: there are 2 answers but 1 ranks"),
        ({**GOOD, "gold": [1]}, "a.jsonl:2: there are 2 answers but 1 gold"),
        ({**GOOD, "ranks": [1, None]}, "a.jsonl:2: ranks must be a list of numbers"),
        ({**GOOD, "ranks": [1, float("nan")]}, "a.jsonl:2: NaN is no number"),
        ({**GOOD, "ranks": [1, True]}, "a.jsonl:2: ranks must be a list of numbers"),
        ({**GOOD, "answers": "ab"}, "a.jsonl:2: answers must be a list of texts"),
        ({**GOOD, "answers": [], "ranks": []}, "a.jsonl:2: there is no answer"),
        ({**GOOD, "facts": 3}, "a.jsonl:2: facts must be an object"),
        ({"answers": ["a", "b"], "ranks": [1, 2]}, "a.jsonl:2: there is no prompt"),
        ({"text": "x"}, "a.jsonl:2: expected answers and ranks, or chosen and rejected; there are text"),
        ({"chosen": "a", "rejected": ["b"]}, "a.jsonl:2: chosen and rejected must both be texts"),
        ({"chosen": "a", "rejected": "b"}, "a.jsonl:2, chosen: expected a dialogue that begins with 'Human:'"),
        (
            {"instruction": "x", "response1": "a", "response2": "b", "annotator1": 3},
            "a.jsonl:2: the vote 3 of annotator1",
        ),
        ({"instruction": "x", "response1": "a", "response2": "b"}, "a.jsonl:2: the vote None of preference"),
        ({**COMPARED, "preference": [1, 2]}, "a.jsonl:2: 3 predictions make 3 pairs, but 2 votes are there"),
        ({**COMPARED, "preference": 1}, "a.jsonl:2: 3 predictions make 3 pairs, but 0 votes are there"),
        ({**COMPARED, "preference": [1, 2, 3]}, "a.jsonl:2: the vote 3 of preference"),
    ],
)
def test_a_bad_ranking_is_refused_with_its_line(row, says, tmp_path):
    with pytest.raises(InputError) as caught:
        read_rankings(write(tmp_path / "a.jsonl", GOOD, row))
    assert says in str(caught.value)


def test_scores_that_are_no_numbers_are_invalid():
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="ranks must be finite"):
            Ranking(PROMPT, ("a", "b"), (1, wrong))
        with pytest.raises(InputError, match="gold must be finite"):
            Ranking(PROMPT, ("a", "b"), (1, 2), gold=(wrong, 1))


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent: real preferences are not tried")
@pytest.mark.parametrize(
    ("name", "count"), [("hh_harmless", 1381), ("pandalm", 3 * 721), ("finegrained_rlhf", 6 * 500)]
)
def test_real_preferences_are_read_as_they_lie(name, count):
    left_out = []
    found = read_rankings(DATA / "preference" / name, left_out=left_out)
    assert (len(found), left_out) == (count, [])
    assert all(ranking.prompt.last.role == "user" and len(ranking.answers) == 2 for ranking in found)

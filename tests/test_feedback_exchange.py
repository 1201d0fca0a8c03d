from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatwright.errors import ConfigError, InputError
from chatwright.feedback.exchange import (
    FORMATS,
    export_lines,
    harmless,
    neutralised,
    read_feedback,
    row_of_ranking,
    write_feedback,
)
from chatwright.feedback.rankings import Ranking, read_rankings
from chatwright.feedback.stored import agreement_in_store, outliers_in_store
from chatwright.store import open_store
from chatwright.store.feedback import NewRow
from chatwright.store.outcomes import Outcome
from chatwright.store.tasks import NewTask
from chatwright.text.conversation import Conversation
from chatwright.text.records import read_conversations
from postgres import Clock

PROMPT = Conversation.of("Who?", "Whom?", "The fox.", system="Be brief.")
RANKINGS = [
    Ranking(PROMPT, ("A fox.", "A wolf.", "=cmd()"), (2, 1, 2), "mia", "sft", {"kind": "fact"}, (0.5, 1.0, 0.0)),
    Ranking(Conversation.of("Who?"), ("A fox.", "A wolf."), (1, 2), "tom", "sft"),
    Ranking(Conversation.of("Who?"), ("A wolf.", "A fox."), (2, 1), "mia", "sft"),
]
ROWS = [
    *map(row_of_ranking, RANKINGS),
    NewRow(kind="thumb", content={"prompt": PROMPT.to_dicts(), "answer": "A fox.", "up": True}, score=1.0),
    NewRow(kind="thumb", content={"prompt": PROMPT.to_dicts(), "answer": "+1", "up": False}, score=-1.0, labeler="a"),
    NewRow(kind="demonstration", content={"messages": PROMPT.plus("assistant", "Yes.\n\n1. x").to_dicts()}),
    NewRow(kind="chat_rating", content={"messages": Conversation.of("a", "b").to_dicts(), "good": True}, score=1.0),
    NewRow(kind="chat_rating", content={"messages": Conversation.of("a", "c").to_dicts(), "good": False}, score=-1.0),
    NewRow(
        kind="answer_rating",
        content={"prompt": PROMPT.to_dicts(), "answer": "A fox.", "rating": 6, "flags": []},
        score=6.0,
    ),
    NewRow(
        kind="ranking",
        content={"prompt": PROMPT.to_dicts(), "answers": ["x", "y"], "ranks": [1, 1], "verdict": "all_bad"},
    ),
    NewRow(kind="prompt", content={"prompt": Conversation.of("Why?").to_dicts()}, category="open_qa"),
]


@pytest.fixture
def sqlite(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        yield store


@pytest.fixture
def rows(sqlite):
    sqlite.feedback.add_imported(ROWS)
    return sqlite.feedback.rows()


def lines_of(rows, form):
    return [json.loads(line) for line in export_lines(rows, form)]


def test_rankings_come_back_exactly(rows, tmp_path):
    out = tmp_path / "rankings.jsonl"
    assert write_feedback(rows, out, "rankings") == 3
    back = read_rankings(out)
    for ranking, original in zip(back, RANKINGS, strict=True):
        facts = {name: fact for name, fact in ranking.facts.items() if name != "feedback_id"}
        assert replace(ranking, facts=facts) == original
    assert [row.content for row in read_feedback(out)] == [row.content for row in ROWS[:3]]


def test_preference_pairs_are_those_of_trl_and_come_back_as_pairs(rows, tmp_path):
    first = lines_of(rows, "preference")[0]
    assert first["prompt"] == PROMPT.to_dicts()
    assert first["chosen"] == [{"role": "assistant", "content": "A wolf."}]
    assert first["rejected"] == [{"role": "assistant", "content": "A fox."}]
    assert (first["labeler"], first["margin"], first["feedback_id"]) == ("mia", 1, rows[0].id)
    out = tmp_path / "pairs.jsonl"
    assert write_feedback(rows, out, "preference") == 4
    back = {(r.prompt, *(r.answers), r.ranks, r.labeler) for r in read_rankings(out)}
    assert back == {
        (PROMPT, "A wolf.", "A fox.", (1, 2), "mia"),
        (PROMPT, "A wolf.", "=cmd()", (1, 2), "mia"),
        (Conversation.of("Who?"), "A fox.", "A wolf.", (1, 2), "tom"),
        (Conversation.of("Who?"), "A fox.", "A wolf.", (1, 2), "mia"),
    }


def test_unpaired_rows_hold_thumbs_ratings_and_what_was_all_bad(rows, tmp_path):
    told = [(line["completion"][0]["content"], line["label"]) for line in lines_of(rows, "unpaired")]
    assert told == [("A fox.", True), ("+1", False), ("A fox.", True), ("x", False), ("y", False)]
    out = tmp_path / "unpaired.jsonl"
    write_feedback(rows[3:5], out, "unpaired")
    back = read_feedback(out)
    assert [(row.kind, row.content, row.score, row.labeler) for row in back] == [
        (row.kind, row.content, row.score, row.labeler) for row in ROWS[3:5]
    ]


def test_demonstrations_and_good_chats_can_be_fine_tuned_on(rows, tmp_path):
    out = tmp_path / "sft.jsonl"
    assert write_feedback(rows, out, "sft") == 2
    conversations = read_conversations(str(out))
    assert conversations == [PROMPT.plus("assistant", "Yes.\n\n1. x"), Conversation.of("a", "b")]
    assert [row.kind for row in read_feedback(out)] == ["demonstration"] * 2


def test_csv_holds_every_row_without_live_formulas_and_comes_back(rows, tmp_path):
    out = tmp_path / "all.csv"
    assert write_feedback(rows, out, "csv") == len(ROWS)
    with out.open(encoding="utf-8", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n")]
    assert any(cell == "'-1.0" for cell in cells)
    for row, original in zip(read_feedback(out), ROWS, strict=True):
        assert (row.kind, row.content, row.score, row.labeler, row.category, row.model) == (
            original.kind, original.content, original.score, original.labeler, original.category, original.model,
        )  # fmt: skip


@given(some.text(alphabet="=+-@'\t\r\n ax＝") | some.text())
def test_every_cell_comes_back_and_none_begins_like_a_formula(cell):
    safe = harmless(cell)
    assert neutralised(safe) == cell
    assert safe[:1] not in tuple("=+-@\t\r\n＝＋－＠")


def test_trees_share_what_begins_alike_and_bring_rankings_and_demonstrations_back(rows, tmp_path):
    trees = lines_of(rows, "oasst")
    assert [tree["prompt"]["text"] for tree in trees] == ["Who?", "Who?", "a", "Why?"]
    shared = trees[1]["prompt"]
    assert trees[0]["system"] == "Be brief." and "system" not in trees[1]
    assert [(reply["text"], reply["rank"]) for reply in shared["replies"]] == [("A fox.", 0), ("A wolf.", 1)]
    assert len(shared["rankings"]) == 2
    deepest = trees[0]["prompt"]["replies"][0]["replies"][0]
    assert (deepest["text"], deepest["role"]) == ("The fox.", "prompter")
    fox = next(reply for reply in deepest["replies"] if reply["text"] == "A fox.")
    assert fox["labels"]["quality"] == {"value": pytest.approx(5 / 6), "count": 1}
    out = tmp_path / "trees.jsonl"
    assert write_feedback(rows, out, "oasst") == 4
    back = read_feedback(out)
    found = [ranking for row in back if row.kind == "ranking" for ranking in [row.content]]
    assert [(each["prompt"], each["answers"], each["ranks"]) for each in found] == [
        (ranking.prompt.to_dicts(), list(ranking.answers), list(ranking.ranks)) for ranking in RANKINGS
    ]
    (written,) = (row.content["messages"] for row in back if row.kind == "demonstration")
    assert written == PROMPT.plus("assistant", "Yes.\n\n1. x").to_dicts()


def test_open_assistants_own_trees_are_read(tmp_path):
    def message(text, role, replies=(), **more):
        return {"message_id": text, "text": text, "role": role, "synthetic": False, "replies": list(replies), **more}

    after = [message("thanks", "prompter", rank=1), message("more", "prompter", rank=0)]
    answers = [message("good", "assistant", after, rank=0), message("bad", "assistant", rank=1)]
    tree = {"message_tree_id": "t", "tree_state": "ready_for_export", "prompt": message("hi", "prompter", answers)}
    path = tmp_path / "trees.jsonl"
    path.write_text(json.dumps(tree) + "\n")
    ranking, *written = read_feedback(path)
    assert (ranking.content["answers"], ranking.content["ranks"]) == (["good", "bad"], [1, 2])
    assert [row.content["messages"][-1]["content"] for row in written] == ["good", "bad"]
    del tree["prompt"]["replies"][0]["text"]
    path.write_text(json.dumps(tree) + "\n")
    with pytest.raises(InputError, match="trees.jsonl:1: a message of the tree is broken"):
        read_feedback(path)


@pytest.mark.parametrize(
    "line, said",
    [
        ('{"a": 1}', "rows.jsonl:1: no feedback is found in a"),
        ("[1]", "rows.jsonl:1: expected an object, found list"),
        ('{"prompt": "x", "completion": 3, "label": true}', "completion must be a text"),
        ('{"kind": "dance", "content": "{}"}', "kind 'dance' is unknown"),
        ('{"kind": "thumb", "content": "{"}', "a cell is torn"),
        ('{"prompt": "x", "answers": ["a"], "ranks": [1, 2]}', "rows.jsonl:1: there are 1 answers but 2 ranks"),
    ],
)
def test_what_is_no_feedback_is_refused_with_its_place(tmp_path, line, said):
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match="rows.jsonl:1") as error:
        read_feedback(path)
    assert said in str(error.value)


def test_a_format_that_holds_nothing_or_does_not_exist_is_an_error_and_writes_no_file(rows, tmp_path):
    for form, error in (("sft", InputError), ("word", ConfigError)):
        with pytest.raises(error):
            write_feedback(rows[:3], tmp_path / "out", form)
    assert not (tmp_path / "out").exists()
    assert set(FORMATS) == {"preference", "unpaired", "sft", "rankings", "csv", "oasst"}


def test_agreement_and_outliers_come_out_of_the_store(tmp_path):
    clock = Clock()
    store = open_store(tmp_path / "store.db", clock=clock)
    people = {name: store.people.add(name, None, role="labeler").id for name in ("Ada", "Bob", "Cem", "Eve")}
    answers = [f"answer {number}" for number in range(4)]
    for number in range(10):
        content = {"prompt": [{"role": "user", "content": f"Question {number}"}], "answers": answers}
        gold = {"ranks": [1, 2, 3, 4]} if number < 4 else None
        store.tasks.add([NewTask(kind="rank", content=content, overlap=4, gold=gold)])
    for name, person in people.items():
        while (task := store.labelling.next(person)) is not None:
            clock.forward(seconds=2 if name == "Eve" else 60)
            ranks = tuple(int(answer[-1]) + 1 for answer in task.answers)
            ranks = tuple(5 - rank for rank in ranks) if name == "Eve" else ranks
            submission = f"{task.task_id}"
            store.labelling.hand_in(person, task.task_id, Outcome(ranks=ranks), submission=submission)
    found = agreement_in_store(store)
    assert (found.judgements, found.shared_items, found.pairwise) == (40, 10, pytest.approx(1 / 2))
    assert found.labelers[0].gold_pairwise == 1.0 and found.labelers[3].gold_pairwise == 0.0
    (eve,) = outliers_in_store(store)
    assert eve.labeler == f"person-{people['Eve']}"
    assert len(eve.reasons) == 3
    store.close()

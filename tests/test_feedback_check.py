import json
from pathlib import Path

import pytest

from chatwright.feedback.check import Lengths, check, check_file
from chatwright.text.tokenizer import Tokenizer

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
ENGLISH = "The fox was in the wood and it ran to the river, for it was thirsty."
GERMAN = "Der Fuchs war im Wald und er lief zu dem Fluss, denn er hatte Durst."


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    Tokenizer.train([ENGLISH] * 3, 300, kind="character").save(folder)
    return folder


def talk(*contents):
    return {"messages": [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(contents)]}


def test_texts_are_counted_measured_and_their_language_told(tmp_path, tokenizer):
    path = write(tmp_path / "a.jsonl", {"text": ENGLISH}, {"text": ENGLISH.upper()}, {"text": "Short."})
    report = check_file(path, context=20, tokenizer=tokenizer)
    texts = report.groups["texts"]
    assert (texts.entries, texts.copies, texts.cut, texts.language) == (3, 1, 2, "en")
    assert texts.characters == Lengths(6, len(ENGLISH), len(ENGLISH), len(ENGLISH))
    assert texts.tokens == Lengths(8, len(ENGLISH) + 2, len(ENGLISH) + 2, len(ENGLISH) + 2)
    assert report.problem is None
    shown = str(report)
    for line in (
        "texts             3",
        "copies            1 (33.3%)",
        "language          English",
        "first bad line    none",
    ):
        assert line in shown
    assert "over 20 tokens    2 (66.7%), read in pieces" in shown
    (tmp_path / "b.txt").write_text(GERMAN)
    assert check_file(tmp_path / "b.txt").groups["texts"].language == "de"


def test_conversations_that_would_be_cut_or_lost_are_counted(tmp_path, tokenizer):
    path = write(tmp_path / "a.jsonl", talk("hi", "ho"), talk("a" * 20, "b" * 20, "c", "d"), talk("a" * 50, "b"))
    report = check_file(path, context=30, tokenizer=tokenizer)
    talks = report.groups["conversations"]
    assert (talks.entries, talks.messages, talks.cut, talks.lost) == (3, 8, 2, 1)
    assert "2 (66.7%), 1 of them without a whole exchange" in str(report)


def test_rankings_and_prompts_are_told_apart(tmp_path):
    ranking = {"prompt": "x", "answers": ["a", "b", "c"], "ranks": [1, 2, 2]}
    report = check_file(write(tmp_path / "a.jsonl", ranking, {**ranking, "labeler": "mia"}, ranking))
    found = report.groups["rankings"]
    assert (found.entries, found.answers, found.pairs, found.copies) == (3, 9, 6, 1)
    assert check_file(write(tmp_path / "b.jsonl", {"prompt": "x"})).groups["prompts"].entries == 1
    assert "rankings          3 of 9 answers, 6 pairs without ties" in str(report)
    chosen = {"prompt": "x", "chosen": "a", "rejected": "b"}
    assert check_file(write(tmp_path / "c.jsonl", chosen)).groups["rankings"].pairs == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"text": "a"}\n{"text": "b"}\n{"te', "a.jsonl:3: torn"),
        ('{"text": "a"}\n{"messages": []}\n', "a.jsonl:2: here are conversations, but before were texts"),
        ('{"text": "a"}\n{"name": "b"}\n', "a.jsonl:2: neither text nor conversation nor ranking is found in name"),
        ("", "holds nothing to learn from"),
        (
            '{"messages": [{"role": "user", "content": "x"}]}',
            "holds nothing to learn from (PATH:1: there is no answer)",
        ),
    ],
)
def test_the_first_bad_line_is_told_beside_what_came_before(content, says, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    report = check_file(path)
    assert says.replace("PATH", str(path)) in (report.problem or "")
    assert f"first bad line    {report.problem}" in check(path)
    assert (
        sum(group.entries for group in report.groups.values())
        == content.count('"text": "') - (content[-2:] == "te") * 0
    )


def test_a_missing_file_is_told_not_raised_and_an_unknown_length_is_said(tmp_path):
    assert "does not exist" in check(tmp_path / "missing.txt")
    path = write(tmp_path / "a.jsonl", {"text": ENGLISH})
    assert "over 9 tokens     unknown: name a tokenizer" in check(path, context=9)


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent: real files are not checked")
def test_real_files_are_told_apart():
    kinds = {"sft/chatterbot": "conversations", "preference/pandalm": "rankings", "text/en_onestop": "texts"}
    for name, kind in kinds.items():
        report = check_file(DATA / name)
        assert (list(report.groups), report.problem) == ([kind], None)
        assert report.groups[kind].language == "en"


@pytest.mark.parametrize(("has", "lacks"), [("chosen", "rejected"), ("rejected", "chosen"), ("ranks", "answers")])
def test_a_pair_without_its_other_half_is_a_prompt_with_a_hint(has, lacks, tmp_path):
    report = check_file(
        write(tmp_path / "a.jsonl", {"prompt": "x"}, {"prompt": "y", has: "a"}, {"prompt": "z", has: "b"})
    )
    assert report.groups["prompts"].entries == 3 and report.problem is None
    assert f"hint              {tmp_path / 'a.jsonl'}:2 has '{has}' but no '{lacks}'" in str(report)
    assert "(2 like it)" in str(report)
    answers = write(tmp_path / "answers.jsonl", {"prompt": "x", "answers": ["a", "b"]})
    assert "hint" not in str(check_file(answers))

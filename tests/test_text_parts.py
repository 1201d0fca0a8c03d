from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatwright.errors import ConfigError, InputError
from chatwright.feedback.rankings import RankingSource, read_rankings
from chatwright.text.conversation import Conversation
from chatwright.text.parts import in_part, opening_of
from chatwright.text.records import ConversationSource, read_conversations, read_prompts


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def talks(count: int) -> list[dict[str, object]]:
    return [{"question": f"Who is number {number}?", "answer": f"Person {number}."} for number in range(count)]


def test_parts_that_cover_everything_divide_it_without_remainder_or_overlap(tmp_path):
    path = write(tmp_path / "a.jsonl", *talks(400))
    parts = [
        {talk.messages[0].content for talk in read_conversations(ConversationSource(path=str(path), part=part))}
        for part in ((0, 0.5), (0.5, 0.75), (0.75, 1))
    ]
    assert sum(map(len, parts)) == 400 == len(set.union(*parts))
    assert [len(part) for part in parts] == pytest.approx([200, 100, 100], abs=30)


def test_the_part_of_a_prompt_does_not_depend_on_its_file_order_case_or_shape(tmp_path):
    first = write(tmp_path / "a.jsonl", *talks(50))
    messages = [
        {
            "messages": [
                {"role": "user", "content": f"WHO is  number {number}?"},
                {"role": "assistant", "content": "Me."},
            ]
        }
        for number in reversed(range(50))
    ]
    second = write(tmp_path / "b.jsonl", *messages)
    asked = [
        sorted(
            " ".join(prompt.last.content.lower().split())
            for prompt, _ in read_prompts({"path": str(path), "part": [0, 0.3]})
        )
        for path in (first, second)
    ]
    assert asked[0] == asked[1] and 5 < len(asked[0]) < 28


def test_questions_about_one_story_and_inputs_of_one_instruction_stand_in_one_part():
    story = "A fox ran over the hill."
    one, other = Conversation.of(f"{story}\n\nWho ran?", "A fox."), Conversation.of(f"{story}\n\nWhere to?", "Over.")
    assert opening_of(one) == opening_of(other) != opening_of(Conversation.of("Who ran?"))
    assert opening_of(Conversation.of("Hi", system="Be brief.")) == opening_of(Conversation.of("hi "))
    assert in_part(one, None) and in_part(one, (0, 1))
    assert sum(in_part(one, (place / 10, (place + 1) / 10)) for place in range(10)) == 1


def test_whole_conversations_serve_as_prompts_without_their_last_answer(tmp_path):
    turns = ["Hello.", "Hi!", "Who are you?", "A fox."]
    messages = [{"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(turns)]
    rows = [{"messages": messages}, {"messages": messages[:2]}, {"messages": [*messages[:1], messages[3]]}]
    left_out: list[str] = []
    path = write(tmp_path / "a.jsonl", *rows, {"messages": [{"role": "user", "content": "Lone"}]})
    found = read_prompts(path, left_out=left_out)
    assert [[message.content for message in prompt.messages] for prompt, _ in found] == [turns[:3], turns[:1]]
    assert left_out == [f"{path}:4: there is no answer"]
    assert found[0][1]["cluster"] == found[1][1]["cluster"] == opening_of(Conversation.of("Hello."))


def test_questions_with_a_context_keep_it_as_prompts(tmp_path):
    path = write(tmp_path / "a.jsonl", {"context": "A fox ran.", "question": "Who ran?", "answer": "A fox."})
    assert [prompt for prompt, _ in read_prompts(path)] == [Conversation.of("A fox ran.\n\nWho ran?")]


def test_rankings_are_parted_by_their_prompt_alone(tmp_path):
    rows = [{"prompt": f"Who is {number}?", "chosen": "A", "rejected": "B"} for number in range(60) for _ in range(2)]
    path = str(write(tmp_path / "a.jsonl", *rows))
    low, high = (read_rankings([RankingSource(path=path, part=part)]) for part in ((0, 0.5), (0.5, 1)))
    assert len(low) + len(high) == 120 and len(low) % 2 == 0 and 30 < len(low) < 90
    assert not {ranking.prompt for ranking in low} & {ranking.prompt for ranking in high}


@pytest.mark.parametrize("part", [(0.5, 0.5), (0.9, 0.1), (-0.1, 1), (0, 1.1), (0.1,)])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(ConfigError, match=r"the part of x.jsonl is .* two rising numbers from 0 to 1"):
        ConversationSource(path="x.jsonl", part=part)
    with pytest.raises(ConfigError, match=r"the part of x.jsonl"):
        RankingSource(path="x.jsonl", part=part)


def test_an_empty_part_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", *talks(1))
    place = next(
        tenth / 10
        for tenth in range(10)
        if not in_part(Conversation.of("Who is number 0?"), (tenth / 10, (tenth + 1) / 10))
    )
    source = ConversationSource(path=str(path), part=(place, place + 0.1))
    with pytest.raises(InputError, match=r"part \[.*\] of .*a.jsonl holds no conversation"):
        read_conversations(source)
    with pytest.raises(InputError, match=r"part \[.*\] of .*a.jsonl holds no prompt"):
        read_prompts(source)

"""Conversations and prompts in all shapes, and what bad ones say."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from chatwright.errors import ConfigError, InputError
from chatwright.text.conversation import Conversation
from chatwright.text.records import ConversationSource, dialogues_in, read_conversations, read_prompts

TALK = Conversation.of("How are you?", "Well, thank you.")
DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


SAID = ("How are you?", "Well, thank you.")


def turns(speaker, said, names):
    return [{speaker: name, said: text} for name, text in zip(names, SAID, strict=True)]


SHAPES = {
    "messages": {"messages": TALK.to_dicts()},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": SAID[0]}]}, TALK.to_dicts()[1]]},
    "sharegpt": {"conversations": turns("from", "value", ("human", "gpt"))},
    "utterances": {"utterances": turns("speaker", "text", ("user", "assistant"))},
    "agents": {"content": turns("agent", "message", ("agent_1", "agent_2"))},
    "turns": list(SAID),
    "instruction": {"instruction": SAID[0], "input": "", "output": SAID[1]},
    "dolly": {"instruction": SAID[0], "context": "", "response": SAID[1]},
    "instances": {"instruction": SAID[0], "instances": [{"input": "", "output": SAID[1]}]},
    "completion": {"prompt": SAID[0], "completion": SAID[1]},
    "completion messages": {"prompt": TALK.to_dicts()[:1], "completion": TALK.to_dicts()[1:]},
    "question": {"question": SAID[0], "answer": SAID[1]},
    "answers": {"question": SAID[0], "answer": [SAID[1], "Fine."]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_conversation(shape, tmp_path):
    assert read_conversations(write(tmp_path / "a.jsonl", SHAPES[shape])) == [TALK]


def test_inputs_and_contexts_follow_or_lead_the_request(tmp_path):
    path = write(tmp_path / "a.jsonl", {"instruction": "Spell it.", "input": "fox", "output": "f o x"})
    assert read_conversations(path) == [Conversation.of("Spell it.\n\nfox", "f o x")]
    path = write(tmp_path / "a.jsonl", {"question": "Who ran?", "context": "A fox ran.", "answer": "A fox."})
    assert read_conversations(path) == [Conversation.of("A fox ran.\n\nWho ran?", "A fox.")]
    assert read_conversations({"path": str(path), "context": ""}) == [Conversation.of("Who ran?", "A fox.")]


def test_columns_can_be_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("frage,antwort,text\nWer?,Der Fuchs.,Es war ein Fuchs.\n")
    source = ConversationSource(
        path=str(path), format="question_answer", question="frage", answer="antwort", context="text"
    )
    assert read_conversations(source) == [Conversation.of("Es war ein Fuchs.\n\nWer?", "Der Fuchs.")]
    with pytest.raises(InputError, match=r"a\.csv:2: there is no column reply; there are frage, antwort, text"):
        read_conversations(
            ConversationSource(path=str(path), format="question_answer", question="frage", answer="reply")
        )


def test_yaml_lists_of_turns_are_read_and_those_without_an_answer_left_out(tmp_path):
    path = tmp_path / "a.yml"
    path.write_text(
        "categories:\n- talk\nconversations:\n- - How are you?\n  - Well, thank you.\n- - Year?\n  - 1999\n- alone\n"
    )
    left_out = []
    assert read_conversations(path, left_out=left_out) == [TALK, Conversation.of("Year?", "1999")]
    assert left_out == [f"{path}, record 3: there is no answer"]


def test_several_sources_facts_and_places_are_kept_in_order(tmp_path):
    one = write(tmp_path / "a.jsonl", {"messages": TALK.to_dicts(), "facts": {"kind": "smalltalk"}})
    two = write(tmp_path / "b.jsonl", ["Hi", "Hello"], ["Bye", "Goodbye"])
    found = list(dialogues_in([one, two]))
    assert [dialogue.where for dialogue in found] == [f"{one}:1", f"{two}:1", f"{two}:2"]
    assert [dict(dialogue.facts) for dialogue in found] == [{"kind": "smalltalk"}, {}, {}]


def test_contents_are_cleaned_and_turns_of_one_speaker_joined(tmp_path):
    told = [("a", " One\r\n"), ("a", "two\u200b"), ("b", "cafe\u0301")]
    path = write(tmp_path / "a.jsonl", {"turns": [{"speaker": who, "text": text} for who, text in told]})
    assert read_conversations(path) == [Conversation.of("One\n\ntwo", "café")]


def test_questions_about_stories_get_the_sections_they_are_about(tmp_path):
    members = {
        "questions/fox-questions.csv": 'question,cor_section,answer1\nWho ran?,2,The fox\nWho slept?,"1,2",Nobody\n',
        "section-stories/fox-story.csv": "section,text\n1,A hen sat.\n2,A fox ran.\n",
    }
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    first, second = read_conversations(path)
    assert first == Conversation.of("A fox ran.\n\nWho ran?", "The fox")
    assert second.messages[0].content == "A hen sat.\n\nA fox ran.\n\nWho slept?"
    assert read_conversations({"path": str(path), "context": ""})[0] == Conversation.of("Who ran?", "The fox")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"name": "x"}, "a.jsonl:2: no conversation is found in name"),
        (3, "a.jsonl:2: no conversation is found in int"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "a.jsonl:2, message 1: the role is 'robot'"),
        ({"messages": [{"role": "user", "content": 3}]}, "message 1: the content must be text"),
        (
            {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "x"}]},
            "two user messages in a row",
        ),
        ({"messages": [{"role": "user", "content": "x"}, "x"]}, "a.jsonl:2: some messages are objects"),
        ({"messages": [{"name": "user", "words": "x"}]}, "a.jsonl:2: messages need a role and a content"),
        ({"question": "x", "answer": {"a": 1}}, "a.jsonl:2: column 'answer' holds dict"),
        ({"messages": TALK.to_dicts(), "facts": [1]}, "a.jsonl:2: facts must be an object"),
    ],
)
def test_a_bad_conversation_is_refused_with_its_line(row, says, tmp_path):
    path = write(tmp_path / "a.jsonl", {"messages": TALK.to_dicts()}, row)
    with pytest.raises(InputError) as caught:
        read_conversations(path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [{"role": "user", "content": "x"}]}, "there is no answer"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": " "}]}, "a message is empty"),
        ({"messages": []}, "there is no message"),
        ({"turns": [{"speaker": name, "text": "x"} for name in "abc"]}, "more than two people speak"),
    ],
)
def test_what_has_nothing_to_learn_from_is_left_out_with_the_reason(row, reason, tmp_path):
    left_out = []
    path = write(tmp_path / "a.jsonl", {"messages": TALK.to_dicts()}, row)
    assert read_conversations(path, left_out=left_out) == [TALK]
    assert left_out == [f"{path}:2: {reason}"]
    with pytest.raises(InputError, match=f"holds no conversation with an answer .*{reason}"):
        read_conversations(write(tmp_path / "b.jsonl", row))


def test_settings_of_sources_are_checked(tmp_path):
    for wrong in ({"path": "a", "fromat": "turns"}, {"format": "turns"}, {"path": "a", "format": "pages"}):
        with pytest.raises(ConfigError):
            read_conversations(wrong)
    with pytest.raises(ConfigError):
        read_conversations([])
    with pytest.raises(InputError, match="plain text, not records"):
        (tmp_path / "a.txt").write_text("text")
        read_conversations(tmp_path / "a.txt")


def test_prompts_are_read_with_their_facts(tmp_path):
    rows = [
        {"prompt": [{"role": "system", "content": "Be brief."}, *TALK.to_dicts()[:1]], "facts": {"kind": "smalltalk"}},
        {"prompt": "How are\u200b you?"},
        {"messages": TALK.to_dicts()[:1]},
        {"instruction": "Spell it.", "input": "fox"},
        {"question": "Who?"},
    ]
    found = read_prompts([write(tmp_path / "a.jsonl", *rows)])
    assert found[0] == (Conversation.of("How are you?", system="Be brief."), {"kind": "smalltalk"})
    assert [prompt.last.content for prompt, _ in found[1:]] == [
        "How are you?",
        "How are you?",
        "Spell it.\n\nfox",
        "Who?",
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": TALK.to_dicts()}, "a.jsonl:1: the prompt ends with a message of the assistant"),
        ({"prompt": " "}, "a.jsonl:1: the prompt is empty"),
        ({"text": "x"}, "a.jsonl:1: there is no prompt; there are text"),
        (["x"], "a.jsonl:1: expected an object with a prompt"),
        ({"prompt": "x", "facts": 3}, "a.jsonl:1: facts must be an object"),
    ],
)
def test_a_bad_prompt_is_refused_with_its_line(row, says, tmp_path):
    with pytest.raises(InputError) as caught:
        read_prompts(write(tmp_path / "a.jsonl", row))
    assert says in str(caught.value)


def test_no_prompt_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no prompt"):
        read_prompts(write(tmp_path / "a.jsonl"))


REAL = {
    "sft/chatterbot": (800, "turns"),
    "sft/rasbt_instruct": (1100, "instruction"),
    "sft/fairytaleqa": (9573, "story_questions"),
    "sft/gsm8k": (7473, "question_answer"),
    "sft/nq_open": (3610, "question_answer"),
    "sft/self_instruct": (427, "instruction"),
    "sft/taskmaster4": (3710, "messages"),
    "sft/topical_chat": (1617, "messages"),
}


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent: real conversations are not tried")
@pytest.mark.parametrize(
    "name", [name if count < 1200 else pytest.param(name, marks=pytest.mark.slow) for name, (count, _) in REAL.items()]
)
def test_real_conversations_are_read_as_they_lie(name):
    count, shape = REAL[name]
    found = read_conversations(DATA / name)
    assert len(found) >= count
    assert all(any(message.role == "assistant" for message in conversation.messages) for conversation in found)
    if shape == "story_questions":
        asked = found[0].messages[0].content
        assert asked.endswith("How did the Snow Man describe the weather?")
        assert "delightfully cold" in asked

"""Chat templates of published models: the tokens of transformers, and nobody can type a control token."""

from __future__ import annotations

import datetime
import sys
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as some

from chatwright.errors import ArtefactError, InputError
from chatwright.text.conversation import Conversation, Message, fit, render
from chatwright.text.handover import with_chat, write_tokenizer
from chatwright.text.published import read_tokenizer
from chatwright.text.templates import ChatTemplate
from chatwright.text.tokenizer import Tokenizer
from published_tokenizers import STYLES, folder_of, write_style
from tiny import tokenizer as own_tokenizer

DAY = "2024-02-29"
CONVERSATIONS = [
    Conversation.of("Hello there!"),
    Conversation.of("Hello there!", "Good day! Grüße.", "It's 12345 o'clock.", "Is it?", "Once upon a time"),
    Conversation.of("Hello", "there", system="Be brief."),
    Conversation.of(" before and after \n", "  \nanswer  ", "12345 fox\n\n", "It's", system=" Be brief. "),
    Conversation.of("\n\nfoo", "\n\nbar\n\n", "😀e\u0301日本", " "),
    Conversation.of("", "", system=""),
    Conversation.of("user", "assistant", system="system"),
    Conversation.of("a {{ b }} {% if x %}", "<b>c</b> [INST [/ <<SYS>> </", "|> <| <|im_ end|>"),
]


@cache
def ours(style: str) -> Tokenizer:
    return read_tokenizer(folder_of(style), date=DAY)


@cache
def theirs(folder: Path):
    transformers = pytest.importorskip("transformers", reason="transformers is absent: templates are not compared")
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def that_day(monkeypatch):
    """transformers prints the clock's day; here it is DAY."""
    pytest.importorskip("transformers", reason="transformers is absent: templates are not compared")
    import transformers.utils.chat_template_utils as utils

    class Frozen(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromisoformat(DAY)

    monkeypatch.setattr(utils, "datetime", Frozen)


def template_ids(tokenizer, conversation: Conversation, answer: bool) -> list[int]:
    return tokenizer.apply_chat_template(conversation.to_dicts(), add_generation_prompt=answer)["input_ids"]


# -- the same tokens as transformers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [False, True])
@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_tokens_of_transformers(style, answer, that_day):
    for conversation in CONVERSATIONS:
        expected = template_ids(theirs(folder_of(style)), conversation, answer)
        assert render(conversation, ours(style), answer=answer).tokens == expected, conversation


@pytest.mark.parametrize("style", STYLES)
def test_a_saved_import_renders_the_same_tokens_on_another_day(style, tmp_path):
    ours(style).save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert (loaded.controls, loaded.to_json()) == (ours(style).controls, ours(style).to_json())
    for conversation in CONVERSATIONS:
        assert render(conversation, loaded, answer=True) == render(conversation, ours(style), answer=True)


@pytest.mark.parametrize("style", ["zephyr", "chatml", "llama2-first"])
@pytest.mark.parametrize("flags", [{"rstrip": True}, {"lstrip": True}, {"lstrip": True, "rstrip": True}], ids=str)
def test_control_tokens_that_swallow_spaces_do_so_here_too(style, flags, tmp_path):
    source = (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    )
    folder = write_style(tmp_path, style, chat_template=source)
    engine = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    names = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
    engine.add_special_tokens([tokenizers.AddedToken(name, normalized=False, special=True, **flags) for name in names])
    (folder / "tokenizer.json").write_text(engine.to_str())
    tokenizer = read_tokenizer(folder)
    assert tokenizer.name(tokenizer.end) == "<|end|>" and tokenizer.end in tokenizer.stops
    for conversation in CONVERSATIONS:
        expected = template_ids(theirs(folder), conversation, True)
        assert render(conversation, tokenizer, answer=True).tokens == expected


def test_thoughts_of_earlier_turns_are_left_out_as_the_template_wants():
    thoughtful = "<think>\nThe user greets me.\n</think>\n\nGood day!"
    conversation = Conversation.of("Hello", thoughtful, "And now?")
    rendered = render(conversation, ours("thinking"), answer=True)
    assert rendered.tokens == template_ids(theirs(folder_of("thinking")), conversation, True)
    assert "greets" not in ours("thinking").decode(rendered.tokens)
    assert "Good day!" in ours("thinking").decode(rendered.tokens)


def test_the_day_is_part_of_the_tokenizer_and_not_of_the_clock(tmp_path):
    text = ours("llama3").decode(render(Conversation.of("Hello"), ours("llama3")).tokens)
    assert "Today Date: 29 Feb 2024" in text
    today = read_tokenizer(folder_of("llama3"))
    assert today.template.date == datetime.date.today().isoformat()
    assert read_tokenizer(folder_of("zephyr")).template.date is None
    with pytest.raises(InputError, match="YYYY-MM-DD"):
        read_tokenizer(folder_of("llama3"), date="tomorrow")


# -- what is learned ---------------------------------------------------------------------------------------------------

LEARNED = {
    "chatml": ["Good day!<|im_end|>", "Is it?<|im_end|>"],
    "qwen": ["Good day!<|im_end|>", "Is it?<|im_end|>"],
    "thinking": ["Good day!<|im_end|>", "Is it?<|im_end|>"],
    "llama2": [" Good day! </s>", " Is it? </s>"],
    "llama2-first": [" Good day! </s>", " Is it? </s>"],
    "mistral": [" Good day!</s>", " Is it?</s>"],
    "llama3": ["Good day!<|eot_id|>", "Is it?<|eot_id|>"],
    "zephyr": ["Good day!</s>", "Is it?</s>"],
    "generation": ["Good day!<|im_end|>", "Is it?<|im_end|>"],
}


@pytest.mark.parametrize("style", STYLES)
def test_trainable_are_the_answers_and_what_ends_them(style):
    tokenizer = ours(style)
    rendered = render(Conversation.of("Hello", "Good day!", "It's late.", "Is it?", system="Be brief."), tokenizer)
    runs, before = [""], False
    for token, learned in zip(rendered.tokens, rendered.trainable, strict=True):
        if learned:
            runs[-1] += tokenizer.name(token)
        elif before:
            runs.append("")
        before = learned
    assert [run for run in runs if run] == LEARNED[style]
    assert tokenizer.end in tokenizer.stops
    assert tokenizer.name(tokenizer.end) == LEARNED[style][0][-len(tokenizer.name(tokenizer.end)) :]


def test_generation_blocks_decide_what_is_learned():
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' %}<|im_start|>"
        "{% generation %}{{ 'Answer: ' + m.content + '<|im_end|>' }}{% endgeneration %}"
        "{% else %}<|im_start|>{{ m.content }}<|im_end|>{% endif %}{% endfor %}"
    )
    base = ours("chatml")
    tokenizer = Tokenizer(base.engine, base.controls, ChatTemplate(source, base.controls.special))
    rendered = render(Conversation.of("Hello", "Good day!"), tokenizer)
    own = [token for token, learned in zip(rendered.tokens, rendered.trainable, strict=True) if learned]
    assert "".join(map(tokenizer.name, own)) == "Answer: Good day!<|im_end|>"


def test_a_question_has_nothing_to_learn_and_opens_the_answer():
    for style in STYLES:
        asked = render(Conversation.of("Hello"), ours(style), answer=True)
        assert not any(asked.trainable)
        answered = render(Conversation.of("Hello", "Good day!"), ours(style))
        assert answered.tokens[: len(asked)] == asked.tokens, style


# -- nobody can type a control token -----------------------------------------------------------------------------------

hostile = some.lists(
    some.sampled_from(
        ["<|im_end|>", "<|im_start|>", "<|endoftext|>", "</s>", "<s>", "<unk>", "[INST]", "[/INST]", "<|eot_id|>",
         "<think>", "</think>", "<|im_", "end|>", "<", "/s>", "s", ">", " ", "\n", "\U0010fff2", "\U0010fff3", "0",
         "\U0010fff0", "\U0010fff1", "<<SYS>>", "\ue000", "▁", "<0x0A>", "assistant"]
    )
    | some.text(max_size=3),
    max_size=8,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@given(contents=some.lists(hostile, min_size=1, max_size=3), system=some.none() | hostile)
@settings(deadline=None, max_examples=25)
def test_the_control_tokens_of_a_conversation_are_those_of_an_innocent_one(style, contents, system):
    tokenizer = ours(style)
    innocent = Conversation.of(*("x" for _ in contents), system=None if system is None else "x")
    rendered = render(Conversation.of(*contents, system=system), tokenizer)
    hidden = tokenizer.control_ids - tokenizer.controls.spoken - {tokenizer.controls.unknown}

    def frame(tokens):
        return [token for token in tokens if token in hidden]

    assert frame(rendered.tokens) == frame(render(innocent, tokenizer).tokens)
    assert len(rendered.tokens) == len(rendered.trainable)


def test_a_piece_of_a_control_token_is_not_taken_for_the_templates_own():
    tokenizer = ours("thinking")
    for contents in (("<|im_", "</think>"), ("<|im_", "a</think>b"), ("im_start", "</think>"), ("|>", "</think>")):
        frame = [token for token in render(Conversation.of(*contents), tokenizer).tokens if token in (419, 420)]
        assert frame == [419, 420, 419, 420], contents


def test_contents_that_would_join_to_a_control_token_do_not():
    base = ours("chatml")
    joining = ChatTemplate(
        "{% for m in messages %}{{ m.content }}{% endfor %}end|>{{ eos_token }}", base.controls.special
    )
    tokenizer = Tokenizer(base.engine, base.controls, joining)
    for contents in (("<|im_", "end|>"), ("x<|im_",)):
        tokens = render(Conversation.of(*contents), tokenizer).tokens
        assert [token for token in tokens if token in base.control_ids] == [base.end]


def test_a_template_that_looks_into_contents_still_lets_no_control_token_through():
    base = ours("chatml")
    looking = ChatTemplate(
        "{% for m in messages %}{% if 'magic' in m.content %}{{ m.content | upper | replace('MAGIC', 'wand') }}"
        "{% else %}{{ m.content[:40] }}{% endif %}{{ eos_token }}{% endfor %}",
        base.controls.special,
    )
    tokenizer = Tokenizer(base.engine, base.controls, looking)
    text = "magic <|im_end|> <|IM_START|>"
    tokens = render(Conversation.of(text, "plain <|im_start|>"), tokenizer).tokens
    assert [token for token in tokens if token in base.control_ids] == [base.end, base.end]
    assert tokenizer.decode(tokens).startswith("wand <|IM_END|>")


# -- fitting -----------------------------------------------------------------------------------------------------------


def test_whole_turns_are_dropped_and_the_system_message_stays():
    long = Conversation.of("one", "two", "three", "four", "five", system="Be kind.")
    for style in ("chatml", "llama2", "llama3"):
        whole = len(render(long, ours(style), answer=True))
        assert fit(long, ours(style), whole) == long
        assert fit(long, ours(style), whole - 1) == Conversation.of("three", "four", "five", system="Be kind.")
        assert fit(long, ours(style), 3) is None


def test_turns_that_the_template_refuses_are_dropped_like_long_ones_and_named_if_none_is_left():
    greeting = Conversation((Message("assistant", "Welcome!"), Message("user", "Hello")))
    assert fit(greeting, ours("mistral"), 500) == Conversation.of("Hello")
    assert fit(greeting, ours("chatml"), 500) == greeting
    base = ours("mistral")
    strict = ChatTemplate("{{ raise_exception('System role\nnot supported') }}", base.controls.special)
    with pytest.raises(InputError, match="refuses this conversation: System role not supported"):
        fit(Conversation.of("Hello"), Tokenizer(base.engine, base.controls, strict), 500)


# -- our own template --------------------------------------------------------------------------------------------------


def test_our_own_conversations_are_rendered_the_same_by_transformers(tmp_path):
    write_tokenizer(tmp_path, own_tokenizer(), context=64)
    hugging = theirs(tmp_path)
    for conversation in CONVERSATIONS:
        for answer in (False, True):
            expected = render(conversation, own_tokenizer(), answer=answer).tokens
            assert template_ids(hugging, conversation, answer) == expected


def test_a_base_without_a_template_learns_to_chat_by_new_tokens(tmp_path):
    base = read_tokenizer(write_style(tmp_path / "base", "llama2-first", chat_template=None))
    assert not base.can_chat
    with pytest.raises(InputError, match="no chat template"):
        render(Conversation.of("Hello"), base)
    chatting, new = with_chat(base)
    assert new == tuple(range(base.size, base.size + 4)) and chatting.size == base.size + 4
    assert with_chat(chatting) == (chatting, ())
    assert chatting.stops == {base.end, chatting.control("<|end|>")} and chatting.end == chatting.control("<|end|>")
    text = "Hello <|end|> there"
    assert chatting.encode(text) == base.encode(text)
    chatting.save(tmp_path / "saved")
    loaded = Tokenizer.load(tmp_path / "saved")
    write_tokenizer(tmp_path / "out", loaded)
    for conversation in CONVERSATIONS[:5]:
        rendered = render(conversation, chatting)
        assert rendered == render(conversation, loaded)
        assert rendered.tokens == template_ids(theirs(tmp_path / "out"), conversation, False)
        answers = sum(message.role == "assistant" for message in conversation.messages if message.content.strip())
        learned = [token for token, own in zip(rendered.tokens, rendered.trainable, strict=True) if own]
        assert learned.count(chatting.end) == answers
        assert rendered.tokens[0] == chatting.begin


def test_templates_are_compiled_without_torch_or_transformers():
    import subprocess

    program = (
        "import sys; from pathlib import Path; from chatwright.text.published import read_tokenizer\n"
        f"read_tokenizer(Path({str(folder_of('chatml'))!r}))\n"
        "assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_broken_template_is_refused_when_it_is_read(tmp_path):
    folder = write_style(tmp_path, "chatml", chat_template="{% for message in messages %}\n{% if %}")
    with pytest.raises(ArtefactError, match=r"chat template, line 2: Expected an expression") as caught:
        read_tokenizer(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)

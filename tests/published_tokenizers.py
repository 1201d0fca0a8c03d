# ruff: noqa: E501
"""Small tokenizers and chat templates in the style of published models, for tests."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "The quick brown fox jumps over the lazy dog. It's 12345 o'clock, isn't it?\n\nYou are a helpful assistant.",
    "Grüße an die schöne Müllerin! user\nassistant\nsystem\n [INST] Hello there, how are you today? [/INST]",
    "def f(x):\n    return x + 1\n\n\nSystem prompt: be brief. Good day! Once upon a time there was a town.",
] * 9
LLAMA3_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN = (
    "{%- if tools %}{{- '<|im_start|>system\n' }}{{- tools | tojson }}{%- else %}"
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}"
    "{%- else %}{{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{%- endif %}{%- endif %}\n"
    '{%- for message in messages %}\n    {%- if (message.role == "user") or (message.role == "system" and not loop.first)'
    ' or (message.role == "assistant" and not message.tool_calls) %}\n'
    "        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}\n    {%- endif %}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\n' }}\n{%- endif %}\n"
)
THINKING = (
    "{%- set ns = namespace(last=messages|length - 1) %}\n{%- for message in messages %}\n"
    "    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}\n"
    "    {%- if message.role != 'assistant' %}\n"
    "        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}\n    {%- else %}\n"
    "        {%- set thought = '' %}\n        {%- if '</think>' in content %}\n"
    "            {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}\n"
    "            {%- set content = content.split('</think>')[-1].lstrip('\n') %}\n        {%- endif %}\n"
    "        {%- if loop.index0 == ns.last and thought %}\n"
    "            {{- '<|im_start|>assistant\n<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}\n"
    "        {%- else %}\n            {{- '<|im_start|>assistant\n' + content }}\n        {%- endif %}\n"
    "        {{- '<|im_end|>\n' }}\n    {%- endif %}\n{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
MISTRAL = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}"
    "{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}{{- bos_token }}"
    "{%- for message in loop_messages %}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{- raise_exception('After the optional system message, conversation roles must alternate user/assistant') }}"
    "{%- endif %}{%- if message['role'] == 'user' %}{%- if loop.last and system_message is defined %}"
    "{{- '[INST] ' + system_message + '\\n\\n' + message['content'] + '[/INST]' }}{%- else %}"
    "{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}{%- elif message['role'] == 'assistant' %}"
    "{{- ' ' + message['content'] + eos_token}}{%- endif %}{%- endfor %}"
)
LLAMA3 = (
    "{{- bos_token }}{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}"
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}"
    "{%- set messages = messages[1:] %}{%- else %}{%- set system_message = '' %}{%- endif %}"
    '{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}'
    '{{- "Cutting Knowledge Date: December 2023\n" }}{{- "Today Date: " + date_string + "\n\n" }}'
    '{{- system_message }}{{- "<|eot_id|>" }}{%- for message in messages %}'
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
ZEPHYR = (
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
)
GENERATION = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}"
    "{{ message.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def _byte_level(specials: list[str], pattern: str | None = None, size: int = 420) -> tokenizers.Tokenizer:
    engine = tokenizers.Tokenizer(models.BPE(ignore_merges=pattern is not None))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    if pattern is None:
        engine.pre_tokenizer = byte_level
    else:
        split = pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
        engine.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    engine.decoder = decoders.ByteLevel()
    engine.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    engine.train_from_iterator(TEXTS, trainer)
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in specials])
    return engine


def _sentencepiece(kind: str, specials: list[str]) -> tokenizers.Tokenizer:
    """As Llama 2's: every space a letter, bytes for what is unknown, a space before the first word."""
    spaced = ["▁" + text.replace(" ", "▁") for text in TEXTS]
    learner = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    learner.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex("▁?[^▁]+|▁"), "isolated")
    reserved = ["<unk>", *(name for name in specials if name != "<unk>"), *(f"<0x{value:02X}>" for value in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=520, show_progress=False, special_tokens=reserved)
    learner.train_from_iterator(spaced, trainer)
    written = json.loads(learner.to_str())
    written["added_tokens"] = [token for token in written["added_tokens"] if not token["content"].startswith("<0x")]
    written["pre_tokenizer"] = None
    engine = tokenizers.Tokenizer.from_str(json.dumps(written))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    if kind == "prepend":
        engine.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        engine.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    begin = ("<s>", engine.token_to_id("<s>"))
    engine.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[begin])
    return engine


CHAT = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ENDS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
STYLES = {
    "chatml": ("gpt2", CHAT, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}, CHATML),
    "qwen": ("qwen", CHAT, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, QWEN),
    "thinking": ("qwen", CHAT, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, THINKING),
    "llama2": ("prepend", ["<s>", "</s>"], ENDS, LLAMA2),
    "llama2-first": ("first", ["<s>", "</s>"], ENDS, LLAMA2),
    "mistral": ("first", ["<s>", "</s>", "[INST]", "[/INST]"], ENDS, MISTRAL),
    "llama3": (
        "llama3",
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"},
        LLAMA3,
    ),
    "zephyr": ("prepend", ["<s>", "</s>"], {**ENDS, "pad_token": "</s>"}, ZEPHYR),
    "generation": ("gpt2", CHAT, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}, GENERATION),
}


@cache
def _engine(kind: str, specials: tuple[str, ...]) -> str:
    if kind in ("prepend", "first"):
        return _sentencepiece(kind, list(specials)).to_str()
    return _byte_level(list(specials), {"gpt2": None, "qwen": LLAMA3_WORDS, "llama3": LLAMA3_WORDS}[kind]).to_str()


def write_style(folder: Path, style: str, **changes: object) -> Path:
    """Write a published folder in a style of STYLES; `changes` replace settings of tokenizer_config.json."""
    kind, specials, named, template = STYLES[style]
    engine = tokenizers.Tokenizer.from_str(_engine(kind, tuple(specials)))
    if style == "thinking":
        engine.add_tokens([AddedToken("<think>", special=False), AddedToken("</think>", special=False)])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(engine.to_str(), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, "chat_template": template,
        **named, **changes,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@cache
def folder_of(style: str) -> Path:
    """A folder in a style of STYLES, written once and thrown away when the tests end."""
    shelf = Path(tempfile.mkdtemp(prefix="chatwright-tokenizers-"))
    atexit.register(shutil.rmtree, shelf, ignore_errors=True)
    return write_style(shelf / style, style)

"""Tokenizers for other tools, and our way to chat for models that have none.

In: a tokenizer.  Out: the files that `transformers.AutoTokenizer` reads; or a tokenizer with role tokens added.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import processors

from chatwright.disk import write_atomically
from chatwright.text.conversation import BEGIN, END, ROLES
from chatwright.text.templates import OWN_TEMPLATE, ChatTemplate
from chatwright.text.tokenizer import FACTS_NAME, FILE_NAME, Tokenizer

__all__ = ["generation_config", "with_chat", "write_tokenizer"]


def write_tokenizer(folder: Path, tokenizer: Tokenizer, *, context: int | None = None) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` as transformers reads them.

    There, texts get the same ids and conversations the same tokens; texts are opened by the tokens of `opening`.
    `context` is the number of tokens that the model reads.
    """
    described = json.loads(tokenizer.to_json())
    for token in described["added_tokens"]:
        token["special"] = token["special"] and token["id"] not in tokenizer.controls.spoken
    if tokenizer.is_own:
        described["post_processor"] = _opened_by(BEGIN, tokenizer.begin)
        facts: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **tokenizer.controls.special,
            "clean_up_tokenization_spaces": False,
            "chat_template": OWN_TEMPLATE,
            "chatwright": {"own": True},
        }
    else:
        facts = tokenizer.facts()
    facts["model_max_length"] = context if context is not None else int(1e30)  # what transformers writes for no limit
    contents = {FILE_NAME: described, FACTS_NAME: facts, "special_tokens_map.json": dict(tokenizer.controls.special)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_atomically(folder / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _opened_by(name: str, number: int) -> dict[str, Any]:
    processor = processors.TemplateProcessing(
        single=f"{name} $A", pair=f"{name} $A {name} $B", special_tokens=[(name, number)]
    )
    return json.loads(processor.__getstate__())


def generation_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """The ids for `generation_config.json`; eos_token_id is a list where generation stops at several."""
    stops = [tokenizer.end, *sorted(tokenizer.stops - {tokenizer.end})]
    has_begin = "bos_token" in tokenizer.controls.special
    return {
        "bos_token_id": tokenizer.begin if has_begin else None,
        "eos_token_id": stops if len(stops) > 1 else stops[0],
        "pad_token_id": tokenizer.pad,
    }


def with_chat(tokenizer: Tokenizer) -> tuple[Tokenizer, tuple[int, ...]]:
    """A tokenizer that can chat, and the ids that are new; one that can already comes back as it is.

    Role tokens and <|end|> are added after the last id. The model needs an embedding row for each: those of the new
    ids begin as the mean of the others, whether they are added or were padding before.
    """
    if tokenizer.can_chat:
        return tokenizer, ()
    engine = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    size = engine.get_vocab_size()
    engine.add_special_tokens([END, *(f"<|{role}|>" for role in ROLES)])
    names = {token.content: number for number, token in engine.get_added_tokens_decoder().items() if token.special}
    controls = tokenizer.controls.plus(names=names, end=names[END], stops=tokenizer.stops | {names[END]})
    chatting = Tokenizer(engine, controls, ChatTemplate(OWN_TEMPLATE, controls.special))
    return chatting, tuple(range(size, engine.get_vocab_size()))

"""Which bytes of text the tokens of a vocabulary stand for, whatever way they are written down.

In: a token's string and the decoder of its `tokenizer.json`.  Out: its bytes, and what is left out where a text begins
or ends.

    byte-level        Ġfox   is " fox"                GPT-2, Llama 3, Qwen, ours: one letter per byte
    sentencepiece     ▁fox   is " fox", <0x0A> a byte  Llama 2, Mistral: the first space of a text is left out
    suffix            fox</w> is "fox "               GPT-1: the last space of a text is left out
    word-piece        ##es   is "es", fox is " fox"   BERT: the first space of a text is left out
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from chatwright.errors import ArtefactError
from chatwright.text.byte_level import byte_letters

__all__ = ["Spelling", "spelling_of", "state_of"]

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """How token strings are written."""

    byte_letters: bool = False
    space: str | None = None
    """The letter that stands for a space, such as ▁."""
    byte_fallback: bool = False
    suffix: str | None = None
    """What ends a word, and so stands for a space after it."""
    continuing: str | None = None
    """What begins a piece that goes on with a word; every other piece has a space before it."""
    drops_first_space: bool = False
    drops_last_space: bool = False

    def bytes_of(self, token: str) -> bytes:
        """The bytes of a token. Raises ArtefactError if a byte-level token holds a letter that is no byte."""
        if self.byte_letters:
            try:
                return bytes(map(_value_of().__getitem__, token))
            except KeyError as error:
                raise ArtefactError(f"the tokenizer is not byte-level: {error} stands for no byte") from None
        if self.byte_fallback and (found := _BYTE.fullmatch(token)):
            return bytes([int(found[1], 16)])
        if self.space is not None:
            token = token.replace(self.space, " ")
        if self.suffix:
            token = token.replace(self.suffix, " ")
        if self.continuing is not None:
            known = bool(self.continuing) and token.startswith(self.continuing)
            token = token[len(self.continuing) :] if known else " " + token
        return token.encode("utf-8", "surrogatepass")


@cache
def _value_of() -> dict[str, int]:
    return {letter: value for value, letter in enumerate(byte_letters())}


def state_of(part: Any) -> dict[str, Any] | None:
    """What `tokenizer.json` says about a normalizer, pre-tokenizer, post-processor or decoder of an engine."""
    return None if part is None else json.loads(part.__getstate__())


def spelling_of(decoder: Mapping[str, Any] | None) -> Spelling:
    """The spelling that a decoder undoes; raises ArtefactError for one of a kind that is not known here."""
    if decoder is None:
        return Spelling(continuing="", drops_first_space=True)
    kind = decoder.get("type")
    if kind == "ByteLevel":
        return Spelling(byte_letters=True)
    if kind == "Metaspace":
        never = decoder.get("prepend_scheme", "always") == "never" or decoder.get("add_prefix_space") is False
        return Spelling(space=decoder.get("replacement", "▁"), drops_first_space=not never)
    if kind == "BPEDecoder":
        return Spelling(suffix=decoder.get("suffix", "</w>"), drops_last_space=True)
    if kind == "WordPiece":
        return Spelling(continuing=decoder.get("prefix", "##"), drops_first_space=True)
    if kind == "Sequence":
        return _sequence(decoder.get("decoders", ()))
    raise ArtefactError(f"the tokenizer's decoder is {kind}; ByteLevel, Metaspace, BPEDecoder and WordPiece are known")


def _sequence(steps: Sequence[Mapping[str, Any]]) -> Spelling:
    found: dict[str, Any] = {}
    for step in steps:
        kind = step.get("type")
        if kind == "Replace" and step.get("content") == " ":
            found["space"] = step.get("pattern", {}).get("String", "▁")
        elif kind == "ByteFallback":
            found["byte_fallback"] = True
        elif kind == "Strip" and step.get("content") == " ":
            found["drops_first_space"] = step.get("start", 0) > 0
            found["drops_last_space"] = step.get("stop", 0) > 0
        elif kind != "Fuse":
            inner = spelling_of(step)
            found |= {name: value for name, value in vars(inner).items() if value}
    return Spelling(**found)

"""What is in a tokenizer: for `chatwright inspect`, for GGUF files, and for pages that show how a token came to be.

In: a tokenizer.  Out: its kind, its tokens with types and scores, its merges, and the merges that build one token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from chatwright.text.spelling import state_of
from chatwright.text.tokenizer import Tokenizer

__all__ = ["TokenType", "Vocabulary", "describe", "merge_path"]

TokenType = Literal["normal", "control", "user", "byte", "unknown"]
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")

# The patterns that published tokenizers cut text by, under llama.cpp's names for them.
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BREAKS = re.compile(
    "[ĠĉčĊ]*[čĊ][ĠĉčĊ]*"
)  # line breaks and the spaces beside them, as byte-level tokenizers write them
_PATTERNS = {_GPT2: "gpt-2", _LLAMA3: "llama-bpe", _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"): "qwen2"}


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The facts of a tokenizer."""

    kind: str
    """byte-level bpe, sentencepiece bpe, unigram, word, ..."""
    tokens: tuple[str, ...]
    """As `tokenizer.json` writes them, by id."""
    types: tuple[TokenType, ...]
    scores: tuple[float, ...]
    """Unigram: log-probabilities. BPE: minus the place of the first merge that makes a token; 0 for single letters."""
    merges: tuple[tuple[str, str], ...]
    pre_tokenizer: str | None
    """llama.cpp's name for the way text is cut before merging; None if it knows none like it."""
    nearest: str
    """The same, or the name of what differs least where it knows none like it."""
    normalizer: str | None
    adds_begin: bool
    """Whether a begin token stands before a raw text."""
    adds_space: bool
    """Whether a space is written before the first word of a text."""


def describe(tokenizer: Tokenizer) -> Vocabulary:
    """All facts; takes a second for a large vocabulary."""
    written = json.loads(tokenizer.engine.to_str())
    model = written["model"]
    merges = tuple(_pair(merge) for merge in model.get("merges", ()))
    known = _pre_tokenizer(written.get("pre_tokenizer"), tokenizer)
    return Vocabulary(
        kind=_kind(str(model.get("type")), tokenizer),
        tokens=tokenizer.tokens,
        types=tuple(_type(number, token, tokenizer) for number, token in enumerate(tokenizer.tokens)),
        scores=_scores(model, merges, tokenizer),
        merges=merges,
        pre_tokenizer=known,
        # gpt-2 cuts line breaks apart, which must be no pieces then; llama-bpe a number from the space before it.
        nearest=known or ("llama-bpe" if any(_BREAKS.fullmatch(left + right) for left, right in merges) else "gpt-2"),
        normalizer=(written.get("normalizer") or {}).get("type"),
        adds_begin=bool(tokenizer.opening),
        adds_space=tokenizer.spelling.drops_first_space and tokenizer.spelling.space is not None,
    )


def _pair(merge: Any) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge  # older files write "a b"
    return left, right


def _kind(model: str, tokenizer: Tokenizer) -> str:
    names = {"BPE": "bpe", "Unigram": "unigram", "WordPiece": "word-piece", "WordLevel": "word"}
    name = names.get(model, model.lower())
    if tokenizer.spelling.byte_letters:
        return f"byte-level {name}"
    return f"sentencepiece {name}" if tokenizer.spelling.space is not None and name == "bpe" else name


def _type(number: int, token: str, tokenizer: Tokenizer) -> TokenType:
    if number == tokenizer.controls.unknown:
        return "unknown"
    if number in tokenizer.control_ids:
        return "user" if number in tokenizer.controls.spoken else "control"
    if number in tokenizer.added_ids:
        return "user"
    return "byte" if tokenizer.spelling.byte_fallback and _BYTE.fullmatch(token) else "normal"


def _scores(model: Mapping[str, Any], merges: tuple[tuple[str, str], ...], tokenizer: Tokenizer) -> tuple[float, ...]:
    if model.get("type") == "Unigram":
        listed = [float(score) for _, score in model["vocab"]]
        return tuple(listed + [0.0] * (len(tokenizer.tokens) - len(listed)))
    rank: dict[str, int] = {}
    for number, (left, right) in enumerate(merges):
        rank.setdefault(left + right, number)
    return tuple(-float(rank[token] + 1) if token in rank else 0.0 for token in tokenizer.tokens)


def _pre_tokenizer(written: Mapping[str, Any] | None, tokenizer: Tokenizer) -> str | None:
    if tokenizer.spelling.space is not None:
        return "default"
    steps = written.get("pretokenizers", [written]) if written else []
    kinds = [step.get("type") for step in steps]
    if kinds == ["Split", "ByteLevel"] and not steps[1].get("use_regex", True):
        return _PATTERNS.get(steps[0].get("pattern", {}).get("Regex"))
    if kinds and kinds[-1] == "ByteLevel" and steps[-1].get("use_regex", True):
        if kinds == ["ByteLevel"]:
            return "gpt-2"
        if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
            return "smollm"
    return None


@lru_cache(maxsize=4)
def _ranks(tokenizer: Tokenizer) -> tuple[dict[tuple[str, str], int], str]:
    model = json.loads(tokenizer.engine.to_str())["model"]
    merges = {_pair(merge): number for number, merge in reversed(list(enumerate(model.get("merges", ()))))}
    return merges, model.get("end_of_word_suffix") or ""


def merge_path(tokenizer: Tokenizer, number: int) -> list[tuple[bytes, bytes]]:
    """The merges that build a token from single letters, in the order in which encoding does them.

    Empty for what no merge makes: bytes, control tokens, and all tokens of vocabularies without merges.
    """
    if state_of(tokenizer.engine.decoder) is None or number in tokenizer.added_ids:
        return []
    ranks, suffix = _ranks(tokenizer)
    token = tokenizer.tokens[number]
    parts = list(token.removesuffix(suffix))
    if suffix and parts and token.endswith(suffix):
        parts[-1] += suffix
    path = []
    while len(parts) > 1:
        known = [
            (ranks[pair], place) for place, pair in enumerate(zip(parts, parts[1:], strict=False)) if pair in ranks
        ]
        if not known:
            return []  # the token is looked up whole
        _, place = min(known)
        left, right = parts[place], parts[place + 1]
        path.append((tokenizer.spelling.bytes_of(left), tokenizer.spelling.bytes_of(right)))
        parts[place : place + 2] = [left + right]
    return path

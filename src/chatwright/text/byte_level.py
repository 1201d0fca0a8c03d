"""Byte-level engines: how our own tokenizers cut text, and how they learn a vocabulary.

In: texts.  Out: an engine of Hugging Face `tokenizers` that splits text by a pattern, maps it to bytes (GPT-2's table
of letters) and looks up the longest known pieces. Bytes make nothing unknown; the pattern keeps pieces inside words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

__all__ = ["byte_letters", "learn_lookup", "learn_merges"]

# GPT-4's idea with two changes for small vocabularies: only a space may lead a word (not a quote or a bracket, which
# would cost a copy of each word), and combining marks belong to the letters before them.
WORDS = (
    r"'(?i:[sdmt]|ll|ve|re)(?![\p{L}\p{M}])"  # English endings: it's, we'll
    r"| ?[\p{L}\p{M}]+"
    r"| ?\p{N}{1,3}"  # long numbers in groups, so that digits stay learnable
    r"| ?[^\s\p{L}\p{M}\p{N}]+"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"  # all but the last space: that one leads the next word
    r"|\s+"
)
CHARACTERS = r"[\s\S]"


def _engine_of(model: models.Model, pattern: str) -> tokenizers.Tokenizer:
    engine = tokenizers.Tokenizer(model)
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    engine.decoder = decoders.ByteLevel()
    return engine


def learn_merges(texts: Iterable[str], vocabulary: int, controls: Sequence[str]) -> tokenizers.Tokenizer:
    """Byte-pair encoding: the likeliest neighbours become one piece, again and again (arXiv 1508.07909)."""
    engine = _engine_of(models.BPE(), WORDS)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(controls),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    return engine


def learn_lookup(
    texts: Iterable[str], vocabulary: int, controls: Sequence[str], *, characters: bool
) -> tokenizers.Tokenizer:
    """Characters or words by falling frequency: a byte-level BPE without merges that looks whole pieces up first."""
    pattern = CHARACTERS if characters else WORDS
    counter = _engine_of(models.WordLevel(unk_token=None), pattern)
    counter.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=2**31 - 1, show_progress=False))
    by_frequency = sorted(counter.get_vocab().items(), key=lambda entry: entry[1])
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    known = set(letters)
    found = [piece for piece, _ in by_frequency if piece not in known]
    entries = [*controls, *letters, *found[: vocabulary - len(controls) - len(letters)]]
    numbers = {entry: number for number, entry in enumerate(entries)}
    engine = _engine_of(models.BPE(vocab=numbers, merges=[], ignore_merges=True), pattern)
    engine.add_special_tokens(list(controls))
    return engine


def byte_letters() -> list[str]:
    """The letter that byte-level tokenizers write for each byte value (GPT-2's table).

    Printable bytes stand for themselves; the others, in order, for the letters from U+0100 on.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters, following = [], 0x100
    for value in range(256):
        letters.append(chr(value if value in printable else following))
        following += value not in printable
    return letters

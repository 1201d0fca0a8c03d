"""Text to token ids and back, without loss.

In: any text.  Out: ids of a learned vocabulary; on disk the standard `tokenizer.json` of Hugging Face `tokenizers`.

    0 .. 5        control tokens, in the order of CONTROL_TOKENS; no text can ever produce them
    6 .. 261      the 256 bytes, so that nothing is unknown
    262 ..        what training found: merged pieces (bpe), characters (character) or whole words (word)

All three kinds split text by a pattern, map it to bytes and look up the longest known pieces; they differ in pattern
and vocabulary only. A character or word that training did not keep is spelt in its UTF-8 bytes.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from chatwright.disk import write_atomically
from chatwright.errors import ArtefactError, ConfigError, InputError
from chatwright.text.conversation import BEGIN, CONTROL_TOKENS, END, PAD

__all__ = ["FILE_NAME", "SMALLEST_VOCABULARY", "Kind", "Tokenizer", "Utf8Stream", "file_of"]

Kind = Literal["bpe", "character", "word"]

FILE_NAME = "tokenizer.json"
SMALLEST_VOCABULARY = len(CONTROL_TOKENS) + 256

# GPT-4's idea with two changes for small vocabularies: only a space may lead a word (not a quote or a bracket, which
# would cost a copy of each word), and combining marks belong to the letters before them.
_WORDS = (
    r"'(?i:[sdmt]|ll|ve|re)(?![\p{L}\p{M}])"  # English endings: it's, we'll
    r"| ?[\p{L}\p{M}]+"
    r"| ?\p{N}{1,3}"  # long numbers in groups, so that digits stay learnable
    r"| ?[^\s\p{L}\p{M}\p{N}]+"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"  # all but the last space: that one leads the next word
    r"|\s+"
)
_CHARACTERS = r"[\s\S]"
_ENCODE_AT_ONCE = 4_000_000  # characters handed to the engine in one batch, which bounds its memory


def _calm_forks() -> None:
    """Let `tokenizers` use threads here and none in forked children, without its warning on every fork.

    The engine warns, from inside fork(), unless TOKENIZERS_PARALLELISM is set. A value set by the user is respected.
    """

    def before() -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "fork")

    def after_in_parent() -> None:
        if os.environ.get("TOKENIZERS_PARALLELISM") == "fork":
            del os.environ["TOKENIZERS_PARALLELISM"]

    def after_in_child() -> None:
        if os.environ.get("TOKENIZERS_PARALLELISM") == "fork":
            os.environ["TOKENIZERS_PARALLELISM"] = "false"

    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)


_calm_forks()


class Tokenizer:
    """Turns text into ids and back: `decode(encode(text)) == text` for every valid text."""

    def __init__(self, engine: tokenizers.Tokenizer):
        engine.encode_special_tokens = True  # "<|end|>" in a text is seven characters, never the control token
        self._engine = engine
        self.pad, self.begin, self.end = (self.control(name) for name in (PAD, BEGIN, END))

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int, *, kind: Kind = "bpe") -> Tokenizer:
        """Learn a vocabulary of at most `vocabulary` ids, control tokens and bytes included.

        The same texts in the same order give the same file, byte for byte. Few texts may give fewer ids than asked.
        Raises ConfigError if `vocabulary` is below SMALLEST_VOCABULARY, InputError if there is no text.
        Source of bpe: Sennrich et al. 2016 (arXiv 1508.07909), over bytes as in GPT-2.
        """
        if kind not in get_args(Kind):
            raise ConfigError(f"tokenizer kind {kind!r} is unknown; choose one of {', '.join(get_args(Kind))}")
        if vocabulary < SMALLEST_VOCABULARY:
            raise ConfigError(
                f"a vocabulary of {vocabulary} is too small; control tokens and bytes alone need {SMALLEST_VOCABULARY}"
            )
        seen = _Counted(texts)
        engine = _train_bpe(seen, vocabulary) if kind == "bpe" else _train_lookup(seen, vocabulary, kind)
        if not seen.characters:
            raise InputError("there is no text to learn a tokenizer from; give at least one text that is not empty")
        return cls(engine)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read `tokenizer.json` of a folder or of its `model/`; raises ArtefactError if it is missing or damaged."""
        path = file_of(folder)
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ArtefactError(
                f"{path}: no tokenizer can be read here ({_reason(error)}); name a folder with {FILE_NAME}"
            ) from error
        try:
            engine = tokenizers.Tokenizer.from_str(content)
        except Exception as error:  # the engine raises bare Exception for every fault of the file
            raise ArtefactError(
                f"{path} is damaged or no tokenizer file ({error}); restore it or run tokenize again"
            ) from error
        if [engine.id_to_token(number) for number in range(len(CONTROL_TOKENS))] != list(CONTROL_TOKENS):
            raise ArtefactError(f"{path} was not written by chatwright: ids 0 to 5 must be {', '.join(CONTROL_TOKENS)}")
        size = engine.get_vocab_size()
        if sorted(engine.get_vocab().values()) != list(range(size)):
            raise ArtefactError(f"{path} is damaged: its {size} ids are not 0 to {size - 1}; run tokenize again")
        return cls(engine)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` into the folder, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / FILE_NAME, self.to_json())

    def to_json(self) -> str:
        """The content of `tokenizer.json`."""
        return self._engine.to_str(pretty=True) + "\n"

    def encode(self, text: str) -> list[int]:
        """Ids of a text, never a control token. Lone surrogates, which no file can hold, become U+FFFD."""
        return self._engine.encode(_valid(text), add_special_tokens=False).ids

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, on all threads unless the environment says TOKENIZERS_PARALLELISM=false."""
        found: list[list[int]] = []
        batch: list[str] = []
        waiting = 0
        for text in texts:
            batch.append(_valid(text))
            waiting += len(text)
            if waiting >= _ENCODE_AT_ONCE:
                found += self._encode_batch(batch)
                batch, waiting = [], 0
        return found + self._encode_batch(batch)

    def _encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._engine.encode_batch_fast(texts, add_special_tokens=False)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids: control tokens are skipped, bytes that are no valid UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of ids; a control token has none. Raises InputError for an id outside the vocabulary."""
        pieces, outside = self.pieces, self.size
        try:
            return b"".join([pieces[number if number >= 0 else outside] for number in ids])
        except IndexError:
            raise InputError(f"a token id is outside the vocabulary of {self.size} ids") from None

    def control(self, name: str) -> int:
        """The id of a control token, such as `<|end|>`."""
        try:
            return CONTROL_TOKENS.index(name)
        except ValueError:
            raise InputError(f"{name!r} is no control token; there are {', '.join(CONTROL_TOKENS)}") from None

    def name(self, number: int) -> str:
        """What to show for an id: the control token's name, or its text with U+FFFD for broken bytes."""
        return CONTROL_TOKENS[number] if 0 <= number < len(CONTROL_TOKENS) else self.decode([number])

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.pieces)

    @cached_property
    def pieces(self) -> tuple[bytes, ...]:
        """The bytes of every id; empty for control tokens."""
        value_of = {letter: value for value, letter in enumerate(_byte_letters())}
        tokens = sorted((number, token) for token, number in self._engine.get_vocab().items())
        try:
            return (
                *(b"" for _ in CONTROL_TOKENS),
                *(bytes(value_of[letter] for letter in token) for _, token in tokens[len(CONTROL_TOKENS) :]),
            )
        except KeyError as error:
            raise ArtefactError(f"the tokenizer is not byte-level: {error} stands for no byte") from None

    @cached_property
    def byte_lengths(self) -> list[int]:
        """Bytes of text per id, control tokens 0: the sum over a document is its size in UTF-8."""
        return [len(piece) for piece in self.pieces]


def file_of(folder: Path) -> Path:
    """Where the tokenizer of a folder is, or should be: in it, or in its `model/`, or `folder` is the file itself."""
    if not folder.is_dir():
        return folder
    inner = folder / "model" / FILE_NAME
    return inner if inner.exists() and not (folder / FILE_NAME).exists() else folder / FILE_NAME


class Utf8Stream:
    """Turns a stream of ids into text as it comes, holding back a character until all its bytes are there."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, ids: Iterable[int]) -> str:
        """The text that is certain after these ids; the pushes and the flush join to `decode` of all ids."""
        return self._decoder.decode(self._tokenizer.decode_bytes(ids))

    def flush(self) -> str:
        """What was held back at the end: U+FFFD for an unfinished character, else nothing."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text


class _Counted:
    """Passes texts on, made valid, and counts their characters."""

    def __init__(self, texts: Iterable[str]):
        self._texts = texts
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            self.characters += len(text)
            yield _valid(text)


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


def _train_bpe(texts: Iterable[str], vocabulary: int) -> tokenizers.Tokenizer:
    engine = _engine_of(models.BPE(), _WORDS)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    return engine


def _train_lookup(texts: Iterable[str], vocabulary: int, kind: Kind) -> tokenizers.Tokenizer:
    """Characters or words by falling frequency: a byte-level BPE without merges that looks whole pieces up first."""
    pattern = _CHARACTERS if kind == "character" else _WORDS
    counter = _engine_of(models.WordLevel(unk_token=None), pattern)
    counter.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=2**31 - 1, show_progress=False))
    by_frequency = sorted(counter.get_vocab().items(), key=lambda entry: entry[1])
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    known = set(letters)
    found = [piece for piece, _ in by_frequency if piece not in known]
    entries = [*CONTROL_TOKENS, *letters, *found[: vocabulary - SMALLEST_VOCABULARY]]
    numbers = {entry: number for number, entry in enumerate(entries)}
    engine = _engine_of(models.BPE(vocab=numbers, merges=[], ignore_merges=True), pattern)
    engine.add_special_tokens(list(CONTROL_TOKENS))
    return engine


def _byte_letters() -> list[str]:
    """The letter that byte-level tokenizers write for each byte value (GPT-2's table).

    Printable bytes stand for themselves; the others, in order, for the letters from U+0100 on.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters, following = [], 0x100
    for value in range(256):
        letters.append(chr(value if value in printable else following))
        following += value not in printable
    return letters


def _valid(text: str) -> str:
    """The text with lone surrogates replaced, since UTF-8 cannot hold them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__

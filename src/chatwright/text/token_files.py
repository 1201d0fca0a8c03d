"""Token files: the tokens of many documents, one after the other, read through memory mapping.

In: lists of token ids.  Out, in one folder and for each part train, validation and test:

    train.bin      ids of all documents, each <|begin|> ... <|end|>; unsigned 16 bit, or 32 if the vocabulary needs it
    train.index    where documents start, and the end of the last: int64, one number more than documents
    tokens.json    type of the ids, size of the vocabulary, counts per part, and what the writer adds (sources ...)

Numbers are little-endian on every machine. Bits per byte divide by `text_bytes`, the UTF-8 size of the documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chatwright.disk import read_json, replacing, to_json, write_atomically
from chatwright.errors import ArtefactError, InputError
from chatwright.text.handover import with_chat
from chatwright.text.tokenizer import Tokenizer

__all__ = ["PARTS", "TokenFile", "TokenWriter", "are_ids_of", "require_ids_of"]

PARTS = ("train", "validation", "test")
_SUMMARY = "tokens.json"
_BOUND = np.dtype("<i8")


@dataclass(frozen=True)
class TokenFile:
    """One part of a token folder, as `TokenFile.open(folder, "train")` finds it."""

    part: str
    tokens: NDArray[np.unsignedinteger[Any]]  # [tokens], read-only, uint16 or uint32
    bounds: NDArray[np.int64]  # [documents + 1]
    text_bytes: int
    vocabulary: int

    @classmethod
    def open(cls, folder: Path, part: str) -> TokenFile:
        """Map a part into memory; raises ArtefactError if a file is missing, or cut, or does not match the others."""
        summary = read_json(folder / _SUMMARY)
        try:
            kind, counts = np.dtype(summary["dtype"]), summary["parts"][part]
            tokens, documents, text_bytes = (int(counts[name]) for name in ("tokens", "documents", "text_bytes"))
            vocabulary = int(summary["vocabulary"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"{folder / _SUMMARY} does not describe {part} ({error}); run tokenize again") from None
        ids = _mapped(folder / f"{part}.bin", kind, tokens)
        bounds = np.asarray(_mapped(folder / f"{part}.index", _BOUND, documents + 1), dtype=np.int64)
        if bounds[0] != 0 or bounds[-1] != tokens or bool((np.diff(bounds) < 2).any()):
            raise ArtefactError(f"{folder / f'{part}.index'} does not match {part}.bin; run tokenize again")
        return cls(part, ids, bounds, text_bytes, vocabulary)

    @property
    def documents(self) -> int:
        """Number of documents."""
        return len(self.bounds) - 1

    def document(self, index: int) -> list[int]:
        """The ids of one document, control tokens included."""
        return [int(number) for number in self.tokens[self.bounds[index] : self.bounds[index + 1]]]

    def texts(self, tokenizer: Tokenizer) -> Iterator[str]:
        """The cleaned text of every document, in order."""
        for index in range(self.documents):
            yield tokenizer.decode(self.document(index))


def are_ids_of(tokenizer: Tokenizer, folder: Path) -> bool:
    """Whether the ids in a token folder mean to `tokenizer` what they meant when they were written.

    A base's ids stay good for the model that learned to chat from it: control tokens are added after the last id.
    """
    written = Tokenizer.load(folder)
    known = tokenizer.to_json()
    return known in (written.to_json(), with_chat(written)[0].to_json())


def require_ids_of(tokenizer: Tokenizer, folder: Path, model: Path) -> None:
    """Raise InputError if a token folder was written with another tokenizer than that of `model`."""
    if not are_ids_of(tokenizer, folder):
        raise InputError(
            f"{folder} was written with another tokenizer than {model} has; tokenize the texts again "
            f'with tokenizer = "{model}"'
        )


class TokenWriter:
    """Writes a token folder; used as a context manager, which leaves all files under their names or none."""

    def __init__(self, folder: Path, tokenizer: Tokenizer):
        self.folder = folder
        self._tokenizer = tokenizer
        self._kind = np.dtype("<u2" if tokenizer.size <= 1 << 16 else "<u4")
        self._bytes_of = np.asarray(tokenizer.byte_lengths, dtype=np.int64)
        self._stack = ExitStack()
        self._paths: dict[str, Path] = {}
        self._files: dict[str, BinaryIO] = {}
        self._lengths: dict[str, list[int]] = {part: [] for part in PARTS}
        self._text_bytes = dict.fromkeys(PARTS, 0)
        self._notes: dict[str, Any] = {}

    def __enter__(self) -> TokenWriter:
        for part in PARTS:
            self._paths[part] = self._stack.enter_context(replacing(self.folder / f"{part}.bin"))
            self._files[part] = self._stack.enter_context(self._paths[part].open("wb"))
        return self

    def add(self, part: str, ids: Sequence[int]) -> tuple[int, int]:
        """Append a document, given without control tokens; returns its tokens (control included) and its text bytes."""
        tokens = np.asarray([self._tokenizer.begin, *ids, self._tokenizer.end], dtype=self._kind)
        size = int(self._bytes_of[tokens].sum())
        self._files[part].write(tokens.tobytes())
        self._lengths[part].append(len(tokens))
        self._text_bytes[part] += size
        return len(tokens), size

    def note(self, **notes: Any) -> None:
        """Add facts to tokens.json."""
        self._notes.update(notes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        try:
            for part in PARTS:
                self._finish(part)
        except BaseException as failure:
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._stack.close()
        summary = {
            "dtype": self._kind.str,
            "vocabulary": self._tokenizer.size,
            "parts": {part: self.counts(part) for part in PARTS},
            **self._notes,
        }
        write_atomically(self.folder / _SUMMARY, to_json(summary))

    def counts(self, part: str) -> Mapping[str, int]:
        """Tokens, documents and bytes of text that a part has so far."""
        return {
            "tokens": sum(self._lengths[part]),
            "documents": len(self._lengths[part]),
            "text_bytes": self._text_bytes[part],
        }

    def _finish(self, part: str) -> None:
        self._files[part].flush()
        bounds = np.concatenate([[0], np.cumsum(self._lengths[part], dtype=np.int64)]).astype(_BOUND)
        write_atomically(self.folder / f"{part}.index", bounds.tobytes())


def _mapped(path: Path, kind: np.dtype[Any], count: int) -> NDArray[Any]:
    """Map a file of `count` numbers; an empty file cannot be mapped and gives an empty array."""
    try:
        size = path.stat().st_size
    except OSError:
        raise ArtefactError(f"{path} is missing; run tokenize again") from None
    if size != count * kind.itemsize:
        raise ArtefactError(f"{path} holds {size} bytes instead of {count * kind.itemsize}; run tokenize again")
    return np.memmap(path, dtype=kind, mode="r") if count else np.empty(0, dtype=kind)

"""Documents: the texts that files hold, each with the place where it begins.

In: sources, which are paths with a weight.  Out: documents in a fixed order, read as a stream, uncleaned.

A document is what belongs together: a record of JSONL, JSON, CSV, TSV, Parquet; a text between `<|endoftext|>` marks or
between the separators that the source names; else a whole .txt or .md file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from chatwright.errors import ConfigError, InputError
from chatwright.text.files import OpenFile, decoded, open_files
from chatwright.text.rows import Row, columns_of, rows_of

__all__ = ["COLUMNS", "Document", "Source", "read_documents", "sources_of", "text_documents"]

END_OF_TEXT = "<|endoftext|>"
COLUMNS = ("text", "content", "story", "document", "article", "body", "passage", "paragraph", "sentence", "Text")
_FORMATS = {"lines": r"\n", "paragraphs": r"\n[ \t]*\n\s*"}
_READ_AT_ONCE = 1 << 24  # bytes of a plain text; a longer one is read in pieces, cut where documents may end


@dataclass(frozen=True, kw_only=True)
class Source:
    """Texts of one origin, and how they count.

    One pass over the training tokens is `weight` epochs of the source. Validation and test documents count once.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a misspelt key is an error

    path: str
    """A file, a folder or a pattern such as `books/*.txt.xz`."""
    weight: float = 1.0
    """How often each training document is written: 2 twice, 0.5 for half of the documents."""
    column: str | int | None = None
    """Of records: the name of the column of text, or its number from 1 in tables without a header."""
    format: str | None = None
    """Of plain texts: "lines" or "paragraphs", if each of them is a document."""
    separator: str | None = None
    """Of plain texts: a regular expression for what stands between documents."""

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1000:
            raise ConfigError(f"the weight of {self.path} is {self.weight}; it must be more than 0 and at most 1000")
        if self.format is not None and self.format not in _FORMATS:
            raise ConfigError(f"the format {self.format!r} of {self.path} is unknown; choose {' or '.join(_FORMATS)}")
        if self.format is not None and self.separator is not None:
            raise ConfigError(f"{self.path} has a format and a separator; give one of them")
        try:
            re.compile(self.separator or "")
        except re.error as error:
            raise ConfigError(f"the separator of {self.path} is no regular expression ({error}); mend it") from None


@dataclass(frozen=True)
class Document:
    """A text as it was found, and where it begins; the pieces of one very long file have its name as `book`."""

    text: str
    where: str
    book: str


def sources_of(texts: object) -> tuple[Source, ...]:
    """What the setting `texts` means: a path, or a list of paths and of tables with a path, a weight and so on."""
    entries = [texts] if isinstance(texts, str | Path | Mapping | Source) else texts
    if not isinstance(entries, Sequence) or not entries:
        raise ConfigError("texts must be a path, or a list of paths and of {path, weight} tables")
    return tuple(_source(entry) for entry in entries)


def _source(entry: object) -> Source:
    if isinstance(entry, Source):
        return entry
    if isinstance(entry, str | Path):
        return Source(path=str(entry))
    known = [field.name for field in fields(Source)]
    if not isinstance(entry, Mapping) or "path" not in entry or set(entry) - set(known):
        raise ConfigError(f"texts has the entry {entry!r}; expected a path or a table with {', '.join(known)}")
    return Source(**{**entry, "path": str(entry["path"])})


def read_documents(source: Source) -> Iterator[Document]:
    """The documents of a source, blank ones left out. Raises InputError if there is none, or at a bad record."""
    found = False
    for file in open_files(source.path):
        for document in text_documents(file, source):
            if document.text.strip():
                found = True
                yield document
    if not found:
        raise InputError(f"{source.path} holds no text: it is empty or blank; name another file")


def text_documents(file: OpenFile, source: Source) -> Iterator[Document]:
    """The documents of one open file."""
    if file.ending in (".txt", ".md"):
        yield from _plain_texts(file, source)
        return
    for row in rows_of(file, header=not isinstance(source.column, int)):
        yield Document(_text_of(row, source), row.where, row.where)


def _text_of(row: Row, source: Source) -> str:
    value = row.value
    if isinstance(value, Mapping):
        column = _column_of(value, row.where, source)
        value = value[column]
        if not isinstance(value, str):
            raise InputError(f"{row.where}: column {column!r} holds {_kind(value)} instead of text")
    elif not isinstance(value, str):
        raise InputError(f"{row.where}: expected text or an object with a column of text, found {_kind(value)}")
    return value


def _column_of(value: Mapping[str, Any], where: str, source: Source) -> str:
    wanted = [str(source.column)] if source.column is not None else COLUMNS
    column = next((name for name in wanted if name in value), None)
    if column is not None:
        return column
    if source.column is not None:
        raise InputError(f"{where}: there is no column {source.column!r}; there are {columns_of(value)}")
    is_talk = {"messages", "prompt", "instruction", "chosen", "answers"} & set(value)
    remedy = "these look like conversations or preferences, not texts" if is_talk else "name one with `column`"
    raise InputError(
        f"{where}: no column is called {' or '.join(COLUMNS[:3])}; there are {columns_of(value)}; {remedy}"
    )


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"


def _plain_texts(file: OpenFile, source: Source) -> Iterator[Document]:
    """Documents of a plain text: between separators if there are any, else the whole file."""
    chosen = source.separator or _FORMATS.get(source.format or "")
    separator = re.compile(chosen or re.escape(END_OF_TEXT))
    line = 1
    for piece in _pieces(file):
        is_book = chosen is None and END_OF_TEXT not in piece
        start = 0
        for cut in [*separator.finditer(piece), None]:
            end, following = cut.span() if cut else (len(piece), len(piece))
            where = f"{file.name}:{line}"
            if piece[start:end].strip():
                yield Document(piece[start:end], where, file.name if is_book else where)
            line += piece.count("\n", start, following)
            start = following


def _pieces(file: OpenFile) -> Iterator[str]:
    """The file in pieces of some 16 MB that end where a document, or at least a paragraph or line, ends."""
    offset, line, block = 0, 1, b""
    while read := file.stream.read(_READ_AT_ONCE):
        if not offset and not block and read[0] >= 0xFE:
            decoded(read[:2], file.name)  # UTF-16 is full of zero bytes; say what it is
        if b"\0" in read:
            wrong = offset + len(block) + read.index(b"\0")
            raise InputError(f"{file.name} is no text (a zero byte at offset {wrong}); save it as UTF-8 text")
        block += read
        end = _last_end(block)
        if end:
            yield _unified(decoded(block[:end], file.name, offset=offset, line=line))
            offset, line, block = offset + end, line + block.count(b"\n", 0, end), block[end:]
    if block:
        yield _unified(decoded(block, file.name, offset=offset, line=line))


def _last_end(block: bytes) -> int:
    """Where to cut a block that is long enough, behind the last end of a document in it; 0 to read on."""
    if len(block) < _READ_AT_ONCE:
        return 0
    marks = (END_OF_TEXT.encode(), b"\n\n", b"\n")
    ends = ((block.rfind(mark), len(mark)) for mark in marks)
    return next((start + length for start, length in ends if start > 0), 0)


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")

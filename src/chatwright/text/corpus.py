"""A corpus: documents of many sources, cleaned, without copies, dealt out to train, validation and test.

In: sources.  Out: the texts of each part, and counts of what was read and left out.

Texts longer than `section` characters (books) are cut into sections, each a document of its own. Cleaned texts wait in
a nameless file while the corpus is built, so that memory holds only what is needed to compare them: about 1 KB per
document.

Nothing may leak from train to the other parts. So the parts are dealt by hashes of normalised contents, not by place:

    copies              only the first of equal documents, and of near copies, is kept
    relatives           documents that share half of their runs of five words or more go to the same part
    sections of a book  go to the same part if the source has 20 or more documents or books; with fewer, whole books
                        would make the parts too uneven, so sections are dealt one by one: no text is in two parts,
                        but a book's people and places are
"""

from __future__ import annotations

import hashlib
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from chatwright.errors import ConfigError, InputError
from chatwright.text.cleaning import clean, normal_form, sections, without_notices, without_wrapping
from chatwright.text.documents import Document, Source, read_documents
from chatwright.text.duplicates import Hashes, digest_of, near_pairs, sketch_of

__all__ = ["Corpus"]

RELATED = 0.5  # share of runs of five words from which two documents belong to the same part
BOOKS_FOR_WHOLE_BOOKS = 20
_BATCH = 4_000_000  # characters


@dataclass
class _Member:
    """What memory keeps of a document."""

    source: int
    book: int
    digest: bytes
    sketch: Hashes
    size: int  # bytes of UTF-8
    part: str = ""


class Corpus:
    """Documents in reading order; a context manager, since their texts wait in a file inside `folder`.

    Call `read` for each source, then `drop_copies`, then `deal`; afterwards `texts` gives each part.
    """

    def __init__(self, folder: Path, *, section: int = 20_000, minimum: int = 1, unwrap: bool = True):
        if section < 200:
            raise ConfigError(f"section is {section} characters; sections below 200 are too short to learn from")
        self._folder, self._section, self._minimum, self._unwrap = folder, section, minimum, unwrap
        self.sources: list[Source] = []
        self.dropped: Counter[str] = Counter(too_short=0, copies=0, near_copies=0)
        self.read_documents: list[int] = []  # per source, before anything was dropped
        self._members: list[_Member] = []
        self._books: dict[tuple[int, str], int] = {}
        self._related: list[tuple[int, int]] = []
        self._starts = array("q", [0])
        self._kept: list[int] = []

    def __enter__(self) -> Corpus:
        self._file = cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115  closed by __exit__
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, source: Source) -> None:
        """Add the documents of a source, cleaned; raises InputError at the first file or record that is bad."""
        before = len(self._members)
        for document in read_documents(source):
            for text in self._cleaned(document):
                if len(text) < self._minimum:
                    self.dropped["too_short"] += 1
                else:
                    self._add(text, document.book)
        if len(self._members) == before:
            raise InputError(f"{source.path}: no text has {self._minimum} characters or more; lower `minimum`")
        self.sources.append(source)
        self.read_documents.append(len(self._members) - before)
        self._kept = list(range(len(self._members)))

    def _cleaned(self, document: Document) -> list[str]:
        text = clean(document.text)
        if "\n" in text:
            text = without_notices(text)
            text = without_wrapping(text) if self._unwrap else text
        return sections(text, self._section)

    def _add(self, text: str, book: str) -> None:
        content, normal = text.encode(), normal_form(text)
        source = len(self.sources)
        self._file.write(content)
        self._starts.append(self._starts[-1] + len(content))
        number = self._books.setdefault((source, book), len(self._books))
        self._members.append(_Member(source, number, digest_of(normal), sketch_of(normal), len(content)))

    def drop_copies(self, near: float = 0.8) -> None:
        """Keep the first of equal documents, and of those that share at least `near` of their runs of words.

        With `near` above 1 only equal documents are dropped.
        """
        first: dict[bytes, int] = {}
        for index in self._kept:
            first.setdefault(self._members[index].digest, index)
        self.dropped["copies"] = len(self._kept) - len(first)
        kept = sorted(first.values())
        sketches = [self._members[index].sketch for index in kept]
        similar = list(near_pairs(sketches, at_least=min(near, RELATED)))
        gone: set[int] = set()
        for earlier, later, similarity in similar:
            if similarity >= near and earlier not in gone:
                gone.add(later)
        self.dropped["near_copies"] = len(gone)
        self._kept = [index for place, index in enumerate(kept) if place not in gone]
        self._related = [
            (kept[earlier], kept[later])
            for earlier, later, similarity in similar
            if similarity >= RELATED and not {earlier, later} & gone
        ]

    def deal(self, *, validation: float, test: float, seed: int) -> None:
        """Give every document a part; `validation` and `test` are shares of the text, from 0 to less than 1.

        A group that alone is larger than twice a share goes to train; a part that no group falls into gets the one
        that comes nearest. Raises InputError if there are fewer groups than parts.
        """
        shares = {"test": test, "validation": validation}
        if min(shares.values()) < 0 or sum(shares.values()) >= 1:
            raise ConfigError(f"validation = {validation} and test = {test} must be 0 or more, together less than 1")
        groups = self._groups()
        wanted = [part for part, share in shares.items() if share > 0]
        if len(groups) <= len(wanted):
            raise InputError(
                f"{len(self._kept)} documents in {len(groups)} independent groups cannot be dealt out to train, "
                f"{' and '.join(wanted)}; give more text, a smaller section, or validation = 0 and test = 0"
            )
        total = sum(self._members[index].size for index in self._kept)
        placed = sorted((self._position(group, seed), self._size(group), group) for group in groups)
        parts = [_part_at(position, size / total, shares) for position, size, _ in placed]
        for part in wanted:
            if part not in parts:
                free = [place for place, taken in enumerate(parts) if taken == "train"]
                parts[min(free, key=lambda place: (placed[place][1] > 2 * shares[part] * total, place))] = part  # noqa: B023
        for (_, _, group), part in zip(placed, parts, strict=True):
            for index in group:
                self._members[index].part = part

    def _groups(self) -> list[list[int]]:
        """Documents that must stay together."""
        parent = {index: index for index in self._kept}

        def root(index: int) -> int:
            while parent[index] != index:
                parent[index] = parent[parent[index]]
                index = parent[index]
            return index

        for earlier, later in self._related:
            parent[root(later)] = root(earlier)
        books = {(member.source, member.book) for member in (self._members[index] for index in self._kept)}
        books_of = Counter(source for source, _ in books)
        first_of: dict[int, int] = {}
        for index in self._kept:
            member = self._members[index]
            if books_of[member.source] >= BOOKS_FOR_WHOLE_BOOKS:
                parent[root(index)] = root(first_of.setdefault(member.book, index))
        groups: dict[int, list[int]] = {}
        for index in self._kept:
            groups.setdefault(root(index), []).append(index)
        return list(groups.values())

    def _size(self, group: list[int]) -> int:
        return sum(self._members[index].size for index in group)

    def _position(self, group: list[int], seed: int) -> float:
        """Where in [0, 1) a group falls: decided by its contents and the seed only."""
        return _fraction(f"{seed}-part", min(self._members[index].digest for index in group))

    def order(self, part: str, *, seed: int) -> list[int]:
        """The documents of a part in the order to write them.

        Train is shuffled, so that every stretch of it is a fair sample of the mixture, and repeats documents by the
        weight of their source. The other parts keep the reading order.
        """
        inside = [index for index in self._kept if self._members[index].part == part]
        if part != "train":
            return inside
        drawn: list[tuple[float, int]] = []
        for index in inside:
            member = self._members[index]
            weight = self.sources[member.source].weight
            copies = int(weight) + (_fraction(f"{seed}-weight", member.digest) < weight % 1)
            drawn += [(_fraction(f"{seed}-order-{copy}", member.digest), index) for copy in range(copies)]
        return [index for _, index in sorted(drawn)]

    def text(self, index: int) -> str:
        """The cleaned text of a document."""
        self._file.seek(self._starts[index])
        return self._file.read(self._members[index].size).decode()

    def texts(self, indices: Sequence[int], *, limit: int | None = None) -> Iterator[str]:
        """Their texts, until `limit` characters are passed."""
        given = 0
        for index in indices:
            if limit is not None and given >= limit:
                return
            text = self.text(index)
            given += len(text)
            yield text

    def batches(self, indices: Sequence[int]) -> Iterator[tuple[list[int], list[str]]]:
        """Documents and their texts, some million characters at a time."""
        held: tuple[list[int], list[str]] = ([], [])
        waiting = 0
        for index in indices:
            text = self.text(index)
            held[0].append(index)
            held[1].append(text)
            waiting += len(text)
            if waiting >= _BATCH:
                yield held
                held, waiting = ([], []), 0
        if held[0]:
            yield held

    def source_of(self, index: int) -> int:
        """The number of the source a document is from."""
        return self._members[index].source


def _part_at(position: float, size: float, shares: dict[str, float]) -> str:
    reached = 0.0
    for part, share in shares.items():
        reached += share
        if position < reached:
            return part if size <= 2 * share else "train"
    return "train"


def _fraction(purpose: str, digest: bytes) -> float:
    """A number in [0, 1) that depends on the purpose and the text only, the same on every machine."""
    found = hashlib.blake2b(digest, digest_size=8, key=hashlib.blake2b(purpose.encode(), digest_size=32).digest())
    return int.from_bytes(found.digest(), "big") / 2**64

"""Files people bring: what a path means, and its bytes, unpacked, one file at a time.

In: a path, a folder, or a pattern such as `books/*.txt.xz`.  Out: open files with their name and ending, read as a
stream, so that large ones need little memory; archives are never unpacked to the disk.

    .txt .md .jsonl .json .csv .tsv .parquet .yml .yaml     each also .gz or .xz, and .tar, .tar.gz, .tar.xz of them

Everything that is wrong with a file ends in an InputError that names it: missing, a folder without texts, an unknown
ending, damaged compression, not UTF-8.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from chatwright.errors import InputError

__all__ = [
    "ENDINGS",
    "OpenFile",
    "content_of",
    "decoded",
    "files_of",
    "files_of_all",
    "lines_of",
    "names_of",
    "open_files",
]

ENDINGS = (".txt", ".md", ".jsonl", ".json", ".csv", ".tsv", ".parquet", ".yml", ".yaml")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")
_KNOWN = f"known are {', '.join(ENDINGS)}, each also as .gz or .xz, and .tar.xz of them"
_LARGEST_AT_ONCE = 2 << 30  # bytes of a file that must be read as a whole (JSON, YAML) or of one line
# What comes with a collection of texts and is no text of it.
_ABOUT = ("source", "readme", "license", "licence", "copying", "notice", "changelog", "contributing")
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError)


@dataclass(frozen=True)
class OpenFile:
    """A file to read: its name as errors show it, its ending without compression, and its unpacked bytes."""

    name: str
    ending: str
    stream: BinaryIO
    path: Path | None = None  # where the same bytes lie on the disk, if they lie there unpacked


class HasPath(Protocol):
    """A source of texts, conversations or rankings."""

    @property
    def path(self) -> str: ...


def files_of(path: str | Path) -> list[Path]:
    """The files that a path means: itself, all that can be read in a folder and its subfolders, or those of a pattern.

    Sorted, so that the order is the same everywhere. A folder's SOURCE.md, README, LICENSE and hidden files are
    skipped. Raises InputError if there is nothing.
    """
    place = Path(path).expanduser()
    if place.is_file():
        if _ending(place.name) is None and not place.name.lower().endswith(_ARCHIVES):
            raise InputError(
                f"{place}: files of this ending cannot be read; known are {', '.join(ENDINGS)}, also .gz, .xz, .tar.xz"
            )
        return [place]
    if place.is_dir():
        found = [file for file in place.rglob("*") if file.is_file() and _is_text(file.relative_to(place).as_posix())]
        remedy = f"holds no file that can be read; {_KNOWN}"
    elif any(sign in str(path) for sign in "*?["):
        matches = Path(place.anchor).glob(str(place.relative_to(place.anchor)))
        found = [file for file in matches if file.is_file() and _is_text(file.name)]
        remedy = "no file matches this pattern that can be read"
    elif place.exists():
        raise InputError(f"{place} is neither a file nor a folder; name a file, a folder or a pattern")
    else:
        raise InputError(f"{place} does not exist; name a file, a folder or a pattern such as 'texts/*.txt'")
    if not found:
        raise InputError(f"{place}: {remedy}")
    return sorted(found)


def files_of_all(sources: Iterable[str | Path | HasPath]) -> list[Path]:
    """The files of several paths, or of tables with a path: what a stage's fingerprint covers."""
    paths = (source if isinstance(source, str | Path) else source.path for source in sources)
    return [file for path in paths for file in files_of(path)]


def names_of(sources: Iterable[str | Path | HasPath]) -> str:
    """Several paths, or tables with a path, as messages name them."""
    return ", ".join(str(source if isinstance(source, str | Path) else source.path) for source in sources)


def open_files(path: str | Path) -> Iterator[OpenFile]:
    """Open what a path means, one file after the other; each must be read before the next is asked for."""
    for file in files_of(path):
        with _opened(file) as raw, _unpacked(raw, file.name, str(file)) as stream:
            if file.name.lower().endswith(_ARCHIVES):
                yield from _members(stream, str(file))
            else:
                is_plain = not file.name.lower().endswith((".gz", ".xz"))
                yield OpenFile(str(file), _ending(file.name) or "", stream, file if is_plain else None)


def content_of(file: OpenFile) -> bytes:
    """All bytes of a file that can only be read as a whole."""
    content = file.stream.read(_LARGEST_AT_ONCE + 1)
    if len(content) > _LARGEST_AT_ONCE:
        raise InputError(
            f"{file.name} is larger than {_LARGEST_AT_ONCE >> 30} GB; save it as .jsonl, which is read line by line"
        )
    return content


def lines_of(file: OpenFile) -> Iterator[tuple[int, str]]:
    """Numbers, from 1, and texts of the lines that are not blank."""
    offset = 0
    for number, line in enumerate(_raw_lines(file), 1):
        text = decoded(line, file.name, offset=offset, line=number)
        offset += len(line)
        if text.strip():
            yield number, text


def decoded(content: bytes, name: str, *, offset: int = 0, line: int = 1) -> str:
    """UTF-8 bytes as text, without a byte order mark; `offset` and `line` say where in the file they stand.

    Raises InputError with the line and the byte offset of the first byte that is no UTF-8.
    """
    if offset == 0 and content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name} is UTF-16; save it as UTF-8 (e.g. iconv -f UTF-16 -t UTF-8)")
    if offset == 0 and content.startswith(b"\xef\xbb\xbf"):
        return decoded(content[3:], name, offset=3, line=line)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = line + content.count(b"\n", 0, error.start)
        raise InputError(
            f"{name}:{wrong}: not UTF-8 (byte 0x{content[error.start]:02x} at offset {offset + error.start}); "
            "save the file as UTF-8 (e.g. iconv -f WINDOWS-1252 -t UTF-8)"
        ) from None


def _raw_lines(file: OpenFile) -> Iterable[bytes]:
    while line := file.stream.readline(_LARGEST_AT_ONCE + 1):
        if len(line) > _LARGEST_AT_ONCE:
            raise InputError(f"{file.name} has a line of more than {_LARGEST_AT_ONCE >> 30} GB; it cannot be JSONL")
        yield line


def _ending(name: str) -> str | None:
    """The ending that says how to read a file, without .gz or .xz; None if it is unknown."""
    bare = name.lower().removesuffix(".gz").removesuffix(".xz")
    return next((ending for ending in ENDINGS if bare.endswith(ending)), None)


def _is_text(name: str) -> bool:
    """Whether a file found in a folder, pattern or archive is one to read."""
    parts = name.split("/")
    if any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in parts):
        return False
    if parts[-1].lower().split(".")[0] in _ABOUT:
        return False
    return _ending(parts[-1]) is not None or parts[-1].lower().endswith(_ARCHIVES)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        yield file


@contextmanager
def _unpacked(raw: BinaryIO, file_name: str, name: str) -> Iterator[BinaryIO]:
    """The bytes inside .gz and .xz; damage found later, while reading, is an InputError too."""
    lower = file_name.lower()
    if lower.endswith((".gz", ".tgz")):
        opened: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    elif lower.endswith((".xz", ".txz")):
        opened = cast(BinaryIO, lzma.LZMAFile(raw))  # noqa: SIM115  closed with the raw file under it
    else:
        opened = raw
    guarded = io.BufferedReader(_Guarded(opened, name), buffer_size=1 << 18)
    try:
        yield cast(BinaryIO, guarded)
    finally:
        guarded.close()


class _Guarded(io.RawIOBase):
    """Passes bytes on and turns every fault of the file into an InputError that names it."""

    def __init__(self, stream: BinaryIO, name: str):
        self._read: Callable[[int], bytes] = stream.read
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            content = self._read(len(buffer))
        except _DAMAGE as error:
            raise InputError(f"{self._name} is damaged or cut off ({error}); copy or download it again") from None
        except OSError as error:
            raise InputError(f"{self._name} cannot be read: {error.strerror or error}") from None
        buffer[: len(content)] = content
        return len(content)


def _members(stream: BinaryIO, name: str) -> Iterator[OpenFile]:
    """The readable files inside an archive, as they follow; nothing is written, so their paths can do no harm."""
    found = False
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                bare = member.name.removeprefix("./")
                if not member.isfile() or not _is_text(bare) or bare.lower().endswith(_ARCHIVES):
                    continue
                found = True
                shown = f"{name}:{bare}"
                with _unpacked(cast(BinaryIO, archive.extractfile(member)), bare, shown) as unpacked:
                    yield OpenFile(shown, _ending(bare) or "", unpacked)
    except tarfile.TarError as error:
        raise InputError(f"{name} is damaged or no archive ({error}); copy or download it again") from None
    if not found:
        raise InputError(f"{name} holds no file that can be read; {_KNOWN}")

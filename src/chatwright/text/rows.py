"""Rows of JSONL, JSON, CSV, TSV, Parquet and YAML files, each with the place where it stands.

In: an open file.  Out: one value per row, mostly a mapping of column names to values, and `file:line` for errors.
A torn line, NaN, a row with too many cells or a file of another kind is an InputError that names its place.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from chatwright.errors import ConfigError, InputError
from chatwright.text.files import OpenFile, content_of, decoded, lines_of

__all__ = ["Row", "columns_of", "rows_of"]

_LONGEST_CELL = 1 << 28  # characters of one CSV cell


@dataclass(frozen=True)
class Row:
    """One row, and where it stands: `file:line` or `file, record 3`."""

    value: Any
    where: str


def rows_of(file: OpenFile, *, header: bool = True) -> Iterator[Row]:
    """The rows of a file. Without `header`, the cells of CSV and TSV rows are named "1", "2", ... by their place."""
    if file.ending == ".jsonl":
        return _json_lines(file)
    if file.ending == ".json":
        return _json(file)
    if file.ending in (".csv", ".tsv"):
        return _table(file, header=header)
    if file.ending == ".parquet":
        return _parquet(file)
    if file.ending in (".yml", ".yaml"):
        return _yaml(file)
    raise InputError(f"{file.name} holds plain text, not records; use .jsonl, .json, .csv, .tsv or .parquet")


def columns_of(value: Mapping[str, Any]) -> str:
    """The names of a row's columns, for error messages."""
    return ", ".join(map(str, value)) or "none"


def _json_lines(file: OpenFile) -> Iterator[Row]:
    for number, line in lines_of(file):
        where = f"{file.name}:{number}"
        yield Row(_parsed(line, where), where)


def _json(file: OpenFile) -> Iterator[Row]:
    """A list of records; or an object that holds one list; or, as often happens, JSONL under the wrong ending."""
    content = decoded(content_of(file), file.name)
    if not content.strip():
        return
    if _is_json_lines(content):
        inner = OpenFile(file.name, ".jsonl", io.BytesIO(content.encode()))
        yield from _json_lines(inner)
        return
    yield from _entries(_parsed(content, file.name, is_whole_file=True), file.name)


def _is_json_lines(content: str) -> bool:
    """Whether the first line alone is a whole object and another one follows."""
    first, _, rest = content.lstrip().partition("\n")
    if not first.startswith("{") or not rest.strip():
        return False
    try:
        json.loads(first)
    except ValueError:
        return False
    return True


def _entries(value: Any, name: str) -> Iterator[Row]:
    if isinstance(value, Mapping):
        lists = [key for key, entry in value.items() if isinstance(entry, list) and len(entry) > 0]
        objects = [key for key, entry in value.items() if isinstance(entry, Mapping)]
        if len(objects) == len(value) > 1:  # {"id-1": {...}, "id-2": {...}}
            value = list(value.values())
        elif "conversations" in lists and isinstance(value["conversations"][0], list):
            value = value["conversations"]
        elif len(lists) == 1 and not objects and lists[0] not in ("messages", "answers"):
            value = value[lists[0]]
        else:
            value = [value]
    if not isinstance(value, list):
        raise InputError(f"{name}: expected a list of records, found {type(value).__name__}")
    for number, entry in enumerate(value, 1):
        yield Row(entry, f"{name}, record {number}")


def _parsed(text: str, where: str, *, is_whole_file: bool = False) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise InputError(f"{where}: {constant} is no number that JSON allows; write null or leave the record out")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = where if ":" in where.rpartition("/")[2] and error.lineno == 1 else f"{where}:{error.lineno}"
        raise InputError(
            f"{place}: torn or invalid JSON ({error.msg}, column {error.colno}); mend or remove it"
        ) from None
    except RecursionError:
        raise InputError(f"{where}: JSON nested too deeply to be read") from None


def _table(file: OpenFile, *, header: bool) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_CELL)
    # newline="" keeps line ends inside quoted cells as they are; the decoder checks encoding piece by piece.
    text = _TextLines(file)
    rows = _tab_rows(text) if file.ending == ".tsv" else _comma_rows(text, file.name)
    names: list[str] | None = None
    for number, cells in rows:
        where = f"{file.name}:{number}"
        if names is None:
            names = [cell.strip() for cell in cells] if header else [str(place) for place in range(1, len(cells) + 1)]
            if header:
                continue
        if len(cells) > len(names):
            counted = f"{len(cells)} cells, but there are {len(names)} columns"
            raise InputError(f"{where}: {counted}; quote cells that hold separators")
        yield Row(dict(zip(names, cells + [""] * (len(names) - len(cells)), strict=True)), where)


class _TextLines:
    """The lines of a file as text, line ends kept, and how many were read."""

    def __init__(self, file: OpenFile):
        self._file = file
        self._offset = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._file.stream:
            self.number += 1
            text = decoded(line, self._file.name, offset=self._offset, line=self.number)
            self._offset += len(line)
            yield text


def _comma_rows(lines: _TextLines, name: str) -> Iterator[tuple[int, list[str]]]:
    source = iter(lines)
    first = next(source, "")
    separator = ";" if first.count(";") > first.count(",") else ","

    def all_lines() -> Iterator[str]:
        yield first
        yield from source

    rows = csv.reader(all_lines(), delimiter=separator, strict=True)
    start = 1
    try:
        for cells in rows:
            if cells:
                yield start, cells
            start = lines.number + 1
    except csv.Error as error:
        raise InputError(f"{name}:{start}: not a valid CSV row ({error}); check its quotes") from None


def _tab_rows(lines: _TextLines) -> Iterator[tuple[int, list[str]]]:
    """Rows of tab-separated values: one line each, quotes are plain letters unless they enclose a cell rightly."""
    for line in lines:
        bare = line.rstrip("\r\n")
        if bare.strip():
            yield lines.number, [_unquoted(cell) for cell in bare.split("\t")]


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    if len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell


def _parquet(file: OpenFile) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        source = str(file.path) if file.path else pyarrow.BufferReader(content_of(file))
        table = pyarrow.parquet.ParquetFile(source)
        for batch in table.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                number += 1
                yield Row(row, f"{file.name}, row {number}")
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file.name} is damaged or no Parquet file ({reason}); write it again") from None


def _yaml(file: OpenFile) -> Iterator[Row]:
    try:
        import yaml
    except ImportError:
        raise ConfigError(f"{file.name}: YAML files need PyYAML; pip install pyyaml") from None
    content = decoded(content_of(file), file.name)
    try:
        value = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file.name}:{mark.line + 1}" if mark else file.name
        raise InputError(
            f"{where}: not valid YAML ({getattr(error, 'problem', None) or 'unreadable'}); mend it"
        ) from None
    if value is not None:
        yield from _entries(value, file.name)

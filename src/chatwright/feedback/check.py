"""Check: what a file is, and whether it can be learned from as it lies.

In: a path of texts, conversations, prompts, rankings or pairs.  Out: a report: counts, lengths, what a model's context
would cut, copies, the language, and the first bad line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatwright.errors import InputError
from chatwright.feedback.rankings import Ranking, is_ranking, pairs, rankings_in
from chatwright.text.cleaning import clean, normal_form
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.documents import COLUMNS, Source, text_documents
from chatwright.text.duplicates import digest_of
from chatwright.text.files import OpenFile, open_files
from chatwright.text.language import language_of
from chatwright.text.records import Unusable, conversation_in, format_of, prompt_in
from chatwright.text.rows import Row, columns_of, rows_of
from chatwright.text.tokenizer import Tokenizer

__all__ = ["FileReport", "Group", "Lengths", "check", "check_file"]

Entry = str | Conversation | Ranking

_LANGUAGE_SAMPLE = 100_000  # characters, enough to tell a language
PARTNERS = {"chosen": "rejected", "rejected": "chosen", "ranks": "answers"}
"""What makes a ranking of a prompt, and what it needs beside it. Answers without ranks are what `collect` writes."""
_LANGUAGES = {"en": "English", "de": "German"}


@dataclass(frozen=True)
class Lengths:
    """How long entries are."""

    least: int
    median: int
    p95: int
    most: int

    @classmethod
    def of(cls, lengths: Sequence[int]) -> Lengths:
        """Of at least one length; quantiles are lengths that occur."""
        ordered = sorted(lengths)
        last = len(ordered) - 1
        return cls(ordered[0], ordered[last // 2], ordered[round(last * 0.95)], ordered[-1])


@dataclass
class Group:
    """All entries of one kind: texts, conversations, prompts or rankings."""

    kind: str
    entries: int = 0
    messages: int = 0  # of conversations and prompts
    answers: int = 0  # of rankings
    pairs: int = 0  # of rankings, ties not counted
    copies: int = 0  # entries whose text came before, but for case and spaces
    cut: int = 0  # entries that are longer than the context
    lost: int = 0  # conversations and prompts of which not even the last exchange fits
    sample: str = ""
    lengths: list[int] = field(default_factory=list)  # characters
    token_lengths: list[int] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)

    @property
    def characters(self) -> Lengths:
        return Lengths.of(self.lengths)

    @property
    def tokens(self) -> Lengths | None:
        """None without a tokenizer."""
        return Lengths.of(self.token_lengths) if self.token_lengths else None

    @property
    def language(self) -> str | None:
        """`en`, `de` or None, by the first 100,000 characters."""
        return language_of(self.sample)


@dataclass
class FileReport:
    """What was found. `problem` is what makes the file unusable, with its line, or None."""

    path: Path
    context: int | None = None
    files: int = 0
    groups: dict[str, Group] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    problem: str | None = None

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def check(path: Path, *, context: int | None = None, tokenizer: Path | None = None) -> str:
    """The report as text; a bad file is told of, not raised."""
    return str(check_file(path, context=context, tokenizer=tokenizer))


def check_file(path: Path, *, context: int | None = None, tokenizer: Path | None = None) -> FileReport:
    """Read all of a file, or up to its first bad line.

    `tokenizer` is the folder of one: lengths in tokens, and what `context` tokens would cut, need it.
    """
    report = FileReport(path, context)
    encoder = Tokenizer.load(tokenizer) if tokenizer is not None else None
    try:
        for file in open_files(path):
            report.files += 1
            for kind, entry in _entries(file, report):
                _measure(report.groups.setdefault(kind, Group(kind)), entry, encoder, context)
        if not report.groups:
            why = f" ({report.left_out[0]})" if report.left_out else ""
            report.problem = f"{path} holds nothing to learn from{why}"
    except InputError as error:
        report.problem = str(error)
    return report


def _entries(file: OpenFile, report: FileReport) -> Iterator[tuple[str, Entry]]:
    if file.ending in (".txt", ".md"):
        for document in text_documents(file, Source(path=file.name)):
            if document.text.strip():
                yield "texts", clean(document.text)
        return
    before = ""
    for row in rows_of(file):
        kind = _kind_of(row)
        if before == "conversations" and isinstance(row.value, str):
            kind = before  # among lists of turns, a single turn without an answer
        if before not in ("", kind):
            raise InputError(f"{row.where}: here are {kind}, but before were {before}; put them into separate files")
        before = kind
        for entry in _read(kind, row, report):
            yield kind, entry


def _kind_of(row: Row) -> str:
    value: Any = row.value
    if is_ranking(value):
        return "rankings"
    if isinstance(value, Mapping) and "prompt" in value and not {"completion", "response"} & set(value):
        return "prompts"
    if isinstance(value, str):
        return "texts"
    if format_of(value) is not None:
        return "conversations"
    if isinstance(value, Mapping) and any(isinstance(value.get(name), str) for name in COLUMNS):
        return "texts"
    found = columns_of(value) if isinstance(value, Mapping) else type(value).__name__
    raise InputError(f"{row.where}: neither text nor conversation nor ranking is found in {found}")


def _read(kind: str, row: Row, report: FileReport) -> list[Entry]:
    if kind == "rankings":
        rankings = list(rankings_in(row))
        if not rankings:
            report.left_out.append(f"{row.where}: the two dialogues part before the last answer")
        return list(rankings)
    if kind == "prompts":
        if hint := _incomplete(row):
            report.hints.append(hint)
        return [prompt_in(row.value, row.where)]
    if kind == "conversations":
        try:
            return [conversation_in(row)]
        except Unusable as reason:
            report.left_out.append(f"{row.where}: {reason}")
            return []
    value = row.value
    text = (
        value if isinstance(value, str) else next(value[name] for name in COLUMNS if isinstance(value.get(name), str))
    )
    return [clean(text)]


def _incomplete(row: Row) -> str:
    """What a prompt seems to lack to be a pair or a ranking; empty if it is a prompt and nothing else."""
    has = [name for name in PARTNERS if name in row.value]
    if not has:
        return ""
    return f"{row.where} has {has[0]!r} but no {PARTNERS[has[0]]!r}: it is read as a prompt alone, not as a ranking"


def _measure(group: Group, entry: Entry, tokenizer: Tokenizer | None, context: int | None) -> None:
    """Count one entry."""
    group.entries += 1
    text = _text_of(entry)
    voter = entry.labeler if isinstance(entry, Ranking) else ""  # several people may rank the same answers
    digest = digest_of(f"{normal_form(text)}\0{voter}")
    group.copies += digest in group.seen
    group.seen.add(digest)
    group.lengths.append(len(text))
    if len(group.sample) < _LANGUAGE_SAMPLE:
        group.sample += text[:_LANGUAGE_SAMPLE] + "\n"
    if isinstance(entry, Conversation):
        group.messages += len(entry.messages)
    elif isinstance(entry, Ranking):
        group.answers += len(entry.answers)
        group.pairs += len(pairs(entry))
    if tokenizer is None:
        return
    tokens = _tokens_of(entry, tokenizer)
    group.token_lengths.append(tokens)
    if context is not None and tokens > context:
        group.cut += 1
        if isinstance(entry, Conversation):
            group.lost += fit(entry, tokenizer, context) is None


def _text_of(entry: Entry) -> str:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Conversation):
        return "\n".join(message.content for message in entry.messages)
    return "\n".join([_text_of(entry.prompt), *entry.answers])


def _tokens_of(entry: Entry, tokenizer: Tokenizer) -> int:
    """Tokens with control tokens; of a ranking the prompt with its longest answer."""
    if isinstance(entry, str):
        return len(tokenizer.encode(entry)) + 2
    if isinstance(entry, Conversation):
        return len(render(entry, tokenizer, answer=entry.last.role == "user"))
    return max(len(render(entry.prompt.plus("assistant", answer), tokenizer)) for answer in entry.answers)


def _lines(report: FileReport) -> Iterator[str]:
    many = f" ({report.files:,} files)" if report.files > 1 else ""
    yield f"{report.path}{many}"
    for group in report.groups.values():
        yield from (f"  {line}" for line in _group_lines(group, report.context))
    if report.left_out:
        yield f"  left out          {len(report.left_out):,}, the first {report.left_out[0]}"
    if report.hints:
        yield f"  hint              {report.hints[0]} ({len(report.hints):,} like it)"
    yield f"  first bad line    {report.problem or 'none'}"


def _group_lines(group: Group, context: int | None) -> Iterator[str]:
    of_what = {
        "conversations": f" of {group.messages:,} messages",
        "prompts": f" of {group.messages:,} messages",
        "rankings": f" of {group.answers:,} answers, {group.pairs:,} pairs without ties",
    }
    yield f"{group.kind:17} {group.entries:,}{of_what.get(group.kind, '')}"
    for name, lengths in (("characters", group.characters), ("tokens", group.tokens)):
        if lengths is not None:
            shown = f"shortest {lengths.least:,}, median {lengths.median:,}, 95% up to {lengths.p95:,}"
            yield f"{name:17} {shown}, longest {lengths.most:,}"
    if context is not None and group.tokens is None:
        yield f"over {context:,} tokens".ljust(17) + " unknown: name a tokenizer to count tokens"
    elif context is not None:
        lost = f", {group.lost:,} of them without a whole exchange" if group.lost else ""
        lost = ", read in pieces" if group.kind == "texts" and group.cut else lost
        yield f"over {context:,} tokens".ljust(17) + f" {group.cut:,} ({group.cut / group.entries:.1%}){lost}"
    yield f"copies            {group.copies:,} ({group.copies / group.entries:.1%})"
    unknown = "neither English nor German, or too short to tell"
    yield f"language          {_LANGUAGES.get(group.language or '', unknown)}"

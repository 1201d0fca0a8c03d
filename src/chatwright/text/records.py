"""Conversations and prompts as files hold them.

In: files of many shapes (`entries`), folders, patterns.  Out: `Conversation`s with what is known about them.

What is not of any shape is an InputError with file:line; what is, but has nothing to learn from (no answer, an empty
message), is left out, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath
from typing import Any

from chatwright.errors import ConfigError, InputError
from chatwright.text.cleaning import clean, without_wrapping
from chatwright.text.conversation import Conversation
from chatwright.text.entries import ConversationSource, Unusable, conversation_in, format_of, prompt_in
from chatwright.text.files import open_files
from chatwright.text.parts import in_part, opening_of
from chatwright.text.rows import Row, rows_of

__all__ = [
    "ConversationSource",
    "Dialogue",
    "Unusable",
    "conversation_in",
    "dialogues_in",
    "format_of",
    "prompt_in",
    "read_conversations",
    "read_prompts",
]


@dataclass(frozen=True)
class Dialogue:
    """A conversation, what is known about it, and where it stands."""

    conversation: Conversation
    where: str
    facts: Mapping[str, Any] = field(default_factory=dict)


_Entry = str | Path | Mapping[str, Any] | ConversationSource
Sources = _Entry | Sequence[_Entry]


def read_conversations(sources: Sources, *, left_out: list[str] | None = None) -> list[Conversation]:
    """All conversations of files, folders, patterns, in a fixed order.

    Why entries were left out is appended to `left_out`. Raises InputError at the first bad line, or if nothing is left.
    """
    return [dialogue.conversation for dialogue in dialogues_in(sources, left_out=left_out)]


def dialogues_in(sources: Sources, *, left_out: list[str] | None = None) -> Iterator[Dialogue]:
    """As `read_conversations`, one after the other, with places and facts."""
    for source in _sources_of(sources):
        reasons: list[str] = []
        found = False
        for dialogue in _dialogues(source, reasons):
            found = True
            yield dialogue
        if not found:
            raise InputError(f"{_named(source)} holds no conversation with an answer{_why(reasons)}; name another file")
        if left_out is not None:
            left_out += reasons


def read_prompts(sources: Sources, *, left_out: list[str] | None = None) -> list[tuple[Conversation, dict[str, Any]]]:
    """Conversations that end with the user, and the facts beside them; raises InputError at the first bad line.

    Files of whole conversations serve too: each gives what was said before its last answer, once where several begin
    alike, with its opening as the `cluster` by which intervals are reckoned. Why entries were left out is appended to
    `left_out`.
    """
    prompts: list[tuple[Conversation, dict[str, Any]]] = []
    for source in _sources_of(sources):
        reasons: list[str] = []
        found = _asked_in_conversations(source, reasons) if _holds_answers(source) else _prompts(source)
        own = [(prompt, facts) for prompt, facts in found if in_part(prompt, source.part)]
        if not own:
            raise InputError(f"{_named(source)} holds no prompt{_why(reasons)}; name another file")
        prompts += own
        if left_out is not None:
            left_out += reasons
    return prompts


def _holds_answers(source: ConversationSource) -> bool:
    """Whether a file of prompts is one of conversations, by its first entry."""
    if source.format is not None:
        return True
    first = next(_rows(source.path), None)
    if first is None or isinstance(first.value, Mapping) and "prompt" in first.value:
        return False
    if isinstance(first.value, Mapping) and _is_about_stories(first.value):
        return True
    try:
        return format_of(first.value) is not None and bool(conversation_in(first, source))
    except (InputError, Unusable):  # no answer: a prompt, and if it is none either, `prompt_in` will say so
        return False


def _asked_in_conversations(
    source: ConversationSource, reasons: list[str]
) -> Iterator[tuple[Conversation, dict[str, Any]]]:
    seen = set()
    for dialogue in _dialogues(source, reasons):
        messages = dialogue.conversation.messages
        last = max(number for number, message in enumerate(messages) if message.role == "assistant")
        prompt = Conversation(messages[:last])
        if prompt.messages and prompt.last.role == "user" and prompt not in seen:
            seen.add(prompt)
            yield prompt, {"cluster": opening_of(prompt), **dialogue.facts}


def _prompts(source: ConversationSource) -> Iterator[tuple[Conversation, dict[str, Any]]]:
    for row in _rows(source.path):
        if not isinstance(row.value, Mapping):
            raise InputError(f"{row.where}: expected an object with a prompt, found {type(row.value).__name__}")
        yield prompt_in(row.value, row.where), dict(_facts(row.value, row.where))


def _named(source: ConversationSource) -> str:
    return source.path if source.part is None else f"part {list(source.part)} of {source.path}"


def _why(reasons: Sequence[str]) -> str:
    return f" ({reasons[0]})" if reasons else ""


def _sources_of(sources: Sources) -> list[ConversationSource]:
    entries = [sources] if isinstance(sources, str | Path | Mapping | ConversationSource) else sources
    if not entries:
        raise ConfigError("no file of conversations or prompts is named")
    return [_source(entry) for entry in entries]


def _source(entry: _Entry) -> ConversationSource:
    if isinstance(entry, ConversationSource):
        return entry
    if not isinstance(entry, Mapping):
        return ConversationSource(path=str(entry))
    known = [each.name for each in fields(ConversationSource)]
    if "path" not in entry or set(entry) - set(known):
        raise ConfigError(f"conversations has the entry {entry!r}; expected a path or a table with {', '.join(known)}")
    return ConversationSource(**entry)


def _rows(path: str) -> Iterator[Row]:
    for file in open_files(path):
        yield from rows_of(file)


def _dialogues(source: ConversationSource, reasons: list[str]) -> Iterator[Dialogue]:
    rows = _rows(source.path)
    if source.format == "story_questions":
        rows = _with_stories(rows)
    elif source.format is None:
        first = next(rows, None)
        if first is None:
            return
        rows = _chained(first, rows)
        if isinstance(first.value, Mapping) and _is_about_stories(first.value):
            rows = _with_stories(rows)
    for row in rows:
        try:
            conversation = conversation_in(row, source)
        except Unusable as reason:
            reasons.append(f"{row.where}: {reason}")
        else:
            if in_part(conversation, source.part):
                yield Dialogue(conversation, row.where, _facts(row.value, row.where))


def _is_about_stories(value: Mapping[str, Any]) -> bool:
    return {"question", "cor_section"} <= set(value)


def _chained(first: Row, rows: Iterable[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _facts(value: Any, where: str) -> Mapping[str, Any]:
    facts = value.get("facts") if isinstance(value, Mapping) else None
    if facts is not None and not isinstance(facts, Mapping):
        raise InputError(f"{where}: facts must be an object, found {type(facts).__name__}")
    return facts or {}


def _with_stories(rows: Iterable[Row]) -> Iterator[Row]:
    """Put before each question the sections of its story that it is about, found by file name and number."""
    questions: list[tuple[str, Row]] = []
    sections: dict[tuple[str, str], str] = {}
    for row in rows:
        if not isinstance(row.value, Mapping):
            raise InputError(f"{row.where}: expected a table row, found {type(row.value).__name__}")
        story = re.sub(r"-(questions|story)$", "", PurePath(row.where.rpartition(":")[0]).stem)
        if "cor_section" in row.value:
            questions.append((story, row))
        elif {"section", "text"} <= set(row.value):
            sections[story, str(row.value["section"])] = without_wrapping(clean(str(row.value["text"])))
    for story, row in questions:
        numbers = re.findall(r"\d+", str(row.value["cor_section"]))
        missing = [number for number in numbers if (story, number) not in sections]
        if missing:
            raise InputError(f"{row.where}: section {missing[0]} of the story {story!r} is in no table beside it")
        yield Row({**row.value, "context": "\n\n".join(sections[story, number] for number in numbers)}, row.where)

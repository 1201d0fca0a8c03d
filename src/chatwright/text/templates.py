"""Chat templates of published models: their own jinja decides how a conversation becomes tokens.

In: messages and a template.  Out: the tokens that `transformers` gives, and which of them a model learns.

A template writes control tokens; contents must not. So it is rendered twice. Once as it is: that text is the truth.
And once around placeholders, which tells where the contents stand in it:

    <|im_start|>user\\n ␟0␟ <|im_end|>\\n<|im_start|>assistant\\n ␟1␟ <|im_end|>\\n

Spaces at the ends of contents stay outside of the placeholders, so that a template may trim them. If contents, put in
the places, do not give the truth (a template may look into them, as for "</think>"), then the names of control tokens
inside the contents are marked instead, and rendering goes by the marks. Either way control tokens are recognised in
what the template wrote, and never in what people wrote.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from chatwright.errors import ChatwrightError, InputError
from chatwright.text.controls import GENERATED_MARKS, Controls
from chatwright.text.conversation import Conversation, Rendered

if TYPE_CHECKING:
    from chatwright.text.sandbox import Sandboxed

__all__ = ["OWN_TEMPLATE", "ChatTemplate", "Part", "Placed", "Placing", "valid"]

# What conversation.render does, for other tools and for imported models that have no template.
OWN_TEMPLATE = (
    "{{- bos_token }}{%- for message in messages %}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"
)
_OPEN, _CLOSE = "\U0010fff2", "\U0010fff3"  # letters that nobody writes; the last of Unicode's private ones
_PLACEHOLDER = re.compile(f"{_OPEN}([0-9]+){_CLOSE}|([{''.join(GENERATED_MARKS)}])")
_UNMARKED = {ord(mark): None for mark in (_OPEN, _CLOSE)}


class Placed(NamedTuple):
    """A token and the characters of a text that it stands for."""

    id: int
    start: int
    end: int


class Part(NamedTuple):
    """A stretch of a rendered conversation, and whose words it is."""

    text: str
    is_content: bool
    learned: bool


class Placing(Protocol):
    """What a template needs of a tokenizer."""

    @property
    def stops(self) -> frozenset[int]: ...

    @property
    def controls(self) -> Controls: ...

    def place(self, parts: Sequence[tuple[str, bool]]) -> list[Placed]: ...


def valid(text: str) -> str:
    """The text with lone surrogates replaced, since UTF-8 cannot hold them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class ChatTemplate:
    """A jinja template with the names of the special tokens it may write, and the day it believes in.

    `date`: YYYY-MM-DD, for templates that print today's date: it is part of the model, so that the same conversation
    has the same tokens tomorrow.
    """

    def __init__(
        self, source: str, special: Mapping[str, str], *, date: str | None = None, where: str = "the chat template"
    ) -> None:
        self.source, self.special, self.date, self._where = source, dict(special), date, where
        try:
            self._day = datetime.date.fromisoformat(date) if date is not None else None
        except (TypeError, ValueError):
            raise InputError(f"{where}: the date is {date!r}; write it as YYYY-MM-DD") from None

    @cached_property
    def _sandboxed(self) -> Sandboxed:
        from chatwright.text.sandbox import Sandboxed  # jinja takes a tenth of a second; most starts need none

        return Sandboxed(self.source, self._where)

    def check(self) -> None:
        """Raise ArtefactError if this is no template."""
        _ = self._sandboxed

    @property
    def asks_for_date(self) -> bool:
        return "strftime_now" in self.source

    def text(self, messages: Sequence[Mapping[str, str]], *, answer: bool = False, marks: bool = False) -> str:
        """What the template writes; InputError if it refuses the messages, ArtefactError if it must be stopped."""
        data: dict[str, Any] = {
            **self.special,
            "messages": [dict(message) for message in messages],
            "tools": None,
            "documents": None,
            "add_generation_prompt": answer,
        }
        size = sum(len(message["content"]) for message in messages)
        return self._sandboxed.render(data, characters=size, date=self._day, marks=marks)

    def render(self, conversation: Conversation, tokenizer: Placing, *, answer: bool = False) -> Rendered:
        """Tokens as `transformers` has them; trainable are the assistant's words and what ends its turn after them."""
        parts = self.parts(conversation, tokenizer.controls, answer=answer)
        placed = tokenizer.place([(part.text, part.is_content) for part in parts])
        controls = frozenset(tokenizer.controls.names.values())
        text = "".join([part.text for part in parts])
        turns = [(self._begin(text, start), end) for start, end in _learned(parts)]
        turns = _with_ends(turns, placed, controls, tokenizer.stops)
        return Rendered([token.id for token in placed], _covered(placed, turns))

    @cached_property
    def _prompt(self) -> str | None:
        """What the template writes to ask for an answer, if that can be told."""
        question = [{"role": "user", "content": "Hello!"}]
        try:
            before, asked = (self.text(question, answer=answer) for answer in (False, True))
        except ChatwrightError:
            return None
        return asked.removeprefix(before) if asked.startswith(before) else None

    def _begin(self, text: str, start: int) -> int:
        """Where an answer begins that stands at text[start:]: spaces before it are its own, but for the prompt's."""
        if self._prompt is None:
            return start
        first = len(text[:start].rstrip())
        return next((place for place in range(first, start) if text.endswith(self._prompt, 0, place)), start)

    def parts(self, conversation: Conversation, controls: Controls, *, answer: bool = False) -> list[Part]:
        """What the template writes, divided into its own words and the contents."""
        messages = [{"role": message.role, "content": valid(message.content)} for message in conversation.messages]
        truth = self.text(messages, answer=answer)
        return self._by_placeholders(messages, truth, answer) or self._by_marks(messages, controls, answer)

    def _by_placeholders(self, messages: Sequence[Mapping[str, str]], truth: str, answer: bool) -> list[Part] | None:
        """The parts, or None if placeholders change what the template does."""
        hidden = []
        for number, message in enumerate(messages):
            content = message["content"]
            core = content.strip()
            place = content.replace(core, f"{_OPEN}{number}{_CLOSE}", 1) if core else content
            hidden.append({**message, "content": place})
        try:
            text = self.text(hidden, answer=answer, marks=True)
        except ChatwrightError:
            return None
        has_blocks, inside, done = GENERATED_MARKS[0] in text, False, 0
        parts = []
        for found in _PLACEHOLDER.finditer(text):
            parts.append(Part(text[done : found.start()], False, inside))
            done = found.end()
            if found[2]:
                inside = found[2] == GENERATED_MARKS[0]
            else:
                message = messages[int(found[1])] if int(found[1]) < len(messages) else messages[0]
                learned = inside if has_blocks else message["role"] == "assistant"
                parts.append(Part(message["content"].strip(), True, learned))
        parts.append(Part(text[done:], False, inside))
        return parts if "".join([part.text for part in parts]) == truth else None

    def _by_marks(self, messages: Sequence[Mapping[str, str]], controls: Controls, answer: bool) -> list[Part]:
        """The parts of a rendering in which control tokens that people typed stand between two marks.

        Not marked is what the assistant may say, such as </think>: a template that divides its words there must find
        it at the ends of lines.
        """
        names = _one_of(controls.names)
        hidden = _one_of([name for name, number in controls.names.items() if number not in controls.spoken])
        marked = []
        for message in messages:
            typed = hidden if message["role"] == "assistant" else names
            content = message["content"].translate(_UNMARKED)
            marked.append({**message, "content": re.sub(typed, f"{_OPEN}\\g<0>{_CLOSE}", content)})
        text = self.text(marked, answer=answer)
        frame = [found.span() for found in re.finditer(f"{_OPEN}(?:{hidden}){_CLOSE}|({hidden})", text) if found[1]]
        contents = _contents(text, marked, frame)
        parts: list[Part] = []
        done = 0
        for found in re.finditer(f"{_OPEN}({names}){_CLOSE}|[{_OPEN}{_CLOSE}]", text):
            parts += _divided(text, done, found.start(), contents)
            learned = any(own for start, end, own in contents if start <= found.start() < end)
            parts.append(Part(found[1] or "", True, learned))  # a lone mark still keeps its neighbours apart
            done = found.end()
        return parts + _divided(text, done, len(text), contents)


def _one_of(names: Iterable[str]) -> str:
    """A pattern for any of the names, the longest first."""
    return "|".join(map(re.escape, sorted(names, key=lambda name: (-len(name), name)))) or "(?!)"


def _contents(
    text: str, messages: Sequence[Mapping[str, str]], frame: Sequence[tuple[int, int]]
) -> list[tuple[int, int, bool]]:
    """Where the contents stand that a template wrote as they are: (start, end, whether the assistant's), in order.

    They are outside of `frame`, the template's own control tokens: "<|im_" is looked for beside "<|im_start|>".
    """
    found, done = [], 0
    for message in messages:
        core = message["content"].strip()
        start = text.find(core, done) if core else -1
        while start >= 0 and any(first < start + len(core) and start < last for first, last in frame):
            start = text.find(core, start + 1)
        if start >= 0:
            done = start + len(core)
            found.append((start, done, message["role"] == "assistant"))
    return found


def _divided(text: str, start: int, end: int, contents: Sequence[tuple[int, int, bool]]) -> list[Part]:
    """text[start:end] in parts, each inside or outside of the contents."""
    parts = []
    for first, last, own in contents:
        if first < end and last > start:
            if first > start:
                parts.append(Part(text[start:first], False, False))
            start, stop = max(start, first), min(end, last)
            parts.append(Part(text[start:stop], True, own))
            start = stop
    return [*parts, Part(text[start:end], False, False)]


def _learned(parts: Sequence[Part]) -> Iterator[tuple[int, int]]:
    """The stretches of text that are learned, joined where they touch."""
    place, start = 0, None
    for part in parts:
        if part.learned and start is None:
            start = place
        elif not part.learned and start is not None and part.text:
            yield start, place
            start = None
        place += len(part.text)
    if start is not None:
        yield start, place


def _with_ends(
    turns: Sequence[tuple[int, int]], placed: Sequence[Placed], controls: frozenset[int], stops: frozenset[int]
) -> list[tuple[int, int]]:
    """Each stretch with what ends the turn after it, if the next control token is one that does."""
    frame = [token for token in placed if token.id in controls]
    longer, seen = [], 0
    for start, end in turns:
        while seen < len(frame) and frame[seen].start < end:
            seen += 1
        ends_itself = seen > 0 and frame[seen - 1].start >= start and frame[seen - 1].id in stops
        if not ends_itself and seen < len(frame) and frame[seen].id in stops:
            end = frame[seen].end
        longer.append((start, end))
    return longer


def _covered(placed: Sequence[Placed], turns: Sequence[tuple[int, int]]) -> list[bool]:
    """For each token whether it has a part in a stretch. Tokens and stretches are in order."""
    covered, seen = [], 0
    for token in placed:
        while seen < len(turns) and turns[seen][1] <= token.start:
            seen += 1
        # Some engines leave spaces out of a token's place, so that of a space alone is empty.
        covered.append(seen < len(turns) and max(token.end, token.start + 1) > turns[seen][0])
    return covered

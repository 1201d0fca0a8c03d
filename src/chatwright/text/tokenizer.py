"""Text to token ids and back, without loss.

In: any text.  Out: ids of a vocabulary; on disk the standard `tokenizer.json` of Hugging Face `tokenizers`.

Our own tokenizers:

    0 .. 5        control tokens, in the order of CONTROL_TOKENS; no text can ever produce them
    6 .. 261      the 256 bytes, so that nothing is unknown
    262 ..        what training found: merged pieces (bpe), characters (character) or whole words (word)

All three kinds split text by a pattern, map it to bytes and look up the longest known pieces; they differ in pattern
and vocabulary only. A character or word that training did not keep is spelt in its UTF-8 bytes.

Tokenizers of published weights (published.py) are the same class with other control tokens, another spelling of bytes
and a chat template of their own; what they need besides stands in `tokenizer_config.json` beside `tokenizer.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import tokenizers

from chatwright.disk import write_atomically
from chatwright.errors import ArtefactError, ConfigError, InputError
from chatwright.text.byte_level import learn_lookup, learn_merges
from chatwright.text.controls import OWN, Controls
from chatwright.text.conversation import CONTROL_TOKENS
from chatwright.text.engines import FACTS_NAME, FILE_NAME, as_special, check_ids, file_of, read_engine, reason
from chatwright.text.spelling import Spelling, spelling_of, state_of
from chatwright.text.streams import Utf8Stream
from chatwright.text.templates import OWN_TEMPLATE, ChatTemplate, Placed, valid

__all__ = ["FACTS_NAME", "FILE_NAME", "SMALLEST_VOCABULARY", "Kind", "Span", "Tokenizer", "Utf8Stream", "file_of"]

Kind = Literal["bpe", "character", "word"]

SMALLEST_VOCABULARY = len(CONTROL_TOKENS) + 256

_ENCODE_AT_ONCE = 4_000_000  # characters handed to the engine in one batch, which bounds its memory


class Span(NamedTuple):
    """A token of a text: its id, its bytes, and the characters of the text it stands for."""

    id: int
    bytes: bytes
    start: int
    end: int


class Tokenizer:
    """Turns text into ids and back: for our own, `decode(encode(text)) == text` for every valid text."""

    def __init__(
        self, engine: tokenizers.Tokenizer, controls: Controls = OWN, template: ChatTemplate | None = None
    ) -> None:
        engine.encode_special_tokens = True  # "<|end|>" in a text is seven characters, never the control token
        self._engine = engine
        self.controls = controls
        self.template = template
        self.pad, self.begin, self.end = controls.pad, controls.begin, controls.end
        self.stops, self.opening = controls.stops, controls.opening
        # Of our own, none can be reached by the way they are made; elsewhere a vocabulary may hold them as pieces.
        self._forbidden = frozenset[int | None]() if self.is_own else self.control_ids - {controls.unknown}

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
        if kind == "bpe":
            engine = learn_merges(seen, vocabulary, CONTROL_TOKENS)
        else:
            engine = learn_lookup(seen, vocabulary, CONTROL_TOKENS, characters=kind == "character")
        if not seen.characters:
            raise InputError("there is no text to learn a tokenizer from; give at least one text that is not empty")
        return cls(engine)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read `tokenizer.json` of a folder or of its `model/`; raises ArtefactError if it is missing or damaged."""
        path = file_of(folder)
        engine = read_engine(path)
        check_ids(engine, path)
        facts = path.with_name(FACTS_NAME)
        if facts.exists():
            return cls._imported(engine, facts)
        if [engine.id_to_token(number) for number in range(len(CONTROL_TOKENS))] != list(CONTROL_TOKENS):
            raise ArtefactError(
                f"{path} was not written by chatwright: ids 0 to 5 must be {', '.join(CONTROL_TOKENS)}; "
                f"published weights are read by chatwright import"
            )
        return cls(engine)

    @classmethod
    def _imported(cls, engine: tokenizers.Tokenizer, path: Path) -> Tokenizer:
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtefactError(f"{path} cannot be read ({reason(error)}); import the model again") from error
        if not isinstance(described, dict) or "chatwright" not in described:
            raise ArtefactError(f"{path} was not written by chatwright; read published weights by chatwright import")
        facts = described["chatwright"]
        special = {name: value for name, value in described.items() if name.endswith("_token") and value}
        added = engine.get_added_tokens_decoder()
        controls = Controls.from_dict(facts, {}, special, str(path))
        engine.add_special_tokens([as_special(added[number]) for number in sorted(controls.spoken) if number in added])
        added = engine.get_added_tokens_decoder()
        controls = controls.plus(names={token.content: number for number, token in added.items() if token.special})
        if max([controls.begin, controls.end, controls.pad, *controls.stops]) >= engine.get_vocab_size():
            raise ArtefactError(f"{path} names ids that {FILE_NAME} beside it lacks; import the model again")
        source = described.get("chat_template")
        if not isinstance(source, str):
            return cls(engine, controls)
        where = f"{path}: the chat template"
        return cls(engine, controls, ChatTemplate(source, special, date=facts.get("date"), where=where))

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` into the folder, and for an import `tokenizer_config.json`, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        if not self.is_own:
            write_atomically(folder / FACTS_NAME, json.dumps(self.facts(), indent=2, ensure_ascii=False) + "\n")
        write_atomically(folder / FILE_NAME, self.to_json())

    def facts(self) -> dict[str, Any]:
        """The content of `tokenizer_config.json`: what transformers reads, and under "chatwright" what we add."""
        described: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **self.controls.special,
            "clean_up_tokenization_spaces": False,
        }
        ours = self.controls.to_dict()
        if self.template is not None:
            described["chat_template"] = self.template.source
            ours["date"] = self.template.date
        return {**described, "chatwright": ours}

    def to_json(self) -> str:
        """The content of `tokenizer.json`."""
        return self._engine.to_str(pretty=True) + "\n"

    # -- text to ids ---------------------------------------------------------------------------------------------------

    def encode(self, text: str) -> list[int]:
        """Ids of a text, never a control token. Lone surrogates, which no file can hold, become U+FFFD."""
        text = valid(text)
        ids = self._engine.encode(text, add_special_tokens=False).ids
        return ids if self._forbidden.isdisjoint(ids) else [token.id for token in self._spelt_out(text, 0, len(text))]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, on all threads unless the environment says TOKENIZERS_PARALLELISM=false."""
        found: list[list[int]] = []
        batch: list[str] = []
        waiting = 0
        for text in texts:
            batch.append(valid(text))
            waiting += len(text)
            if waiting >= _ENCODE_AT_ONCE:
                found += self._encode_batch(batch)
                batch, waiting = [], 0
        return found + self._encode_batch(batch)

    def _encode_batch(self, texts: list[str]) -> list[list[int]]:
        encodings = self._engine.encode_batch_fast(texts, add_special_tokens=False)
        return [
            encoding.ids if self._forbidden.isdisjoint(encoding.ids) else self.encode(text)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def spans(self, text: str) -> list[Span]:
        """The tokens of a text with their bytes and their places, in characters."""
        return [Span(token.id, self.pieces[token.id], token.start, token.end) for token in self.place([(text, True)])]

    def place(self, parts: Sequence[tuple[str, bool]]) -> list[Placed]:
        """Tokens of the text that parts make together, with their places in it.

        A part is (text, is_content): control tokens are recognised in parts that are no contents and in no others.
        Pieces may cross from part to part, as in transformers, where no control token stands between them.
        """
        text = "".join([part for part, _ in parts])
        placed: list[Placed] = []
        done = 0
        for control in self._controls_in(parts, text):
            if control.start > done:
                placed += self._segment(text, done, control.start)
            placed.append(control)
            done = control.end
        return placed + self._segment(text, done, len(text)) if done < len(text) else placed

    def _controls_in(self, parts: Sequence[tuple[str, bool]], text: str) -> Iterator[Placed]:
        added, offset, done = self._added, 0, 0
        for part, is_content in parts:
            for found in () if is_content else self._control_pattern.finditer(part):
                number = self.controls.names[found.group()]
                start, end = offset + found.start(), offset + found.end()
                if number in added and added[number].lstrip:  # it swallows the spaces beside it
                    start = max(done, len(text[:start].rstrip()))
                if number in added and added[number].rstrip:
                    end = len(text) - len(text[end:].lstrip())
                if start >= done:
                    yield Placed(number, start, end)
                    done = end
            offset += len(part)

    def _segment(self, text: str, start: int, end: int) -> list[Placed]:
        """Tokens of text[start:end], which holds no control token."""
        placed = self._placed(text, start, end)
        reached = not self._forbidden.isdisjoint([token.id for token in placed])
        return self._spelt_out(text, start, end) if reached else placed

    def _placed(self, text: str, start: int, end: int) -> list[Placed]:
        engine = self._engine if start == 0 else self._inside
        encoding = engine.encode(text[start:end], add_special_tokens=False)
        return [Placed(n, start + a, start + b) for n, (a, b) in zip(encoding.ids, encoding.offsets, strict=True)]

    def _spelt_out(self, text: str, start: int, end: int) -> list[Placed]:
        """Tokens of words that the vocabulary would take for a control token: each of these is cut after one letter."""
        cuts = [found.start() + 1 for found in self._control_pattern.finditer(text, start, end)]
        places = zip([start, *cuts], [*cuts, end], strict=True)
        placed = [token for first, last in places if first < last for token in self._placed(text, first, last)]
        if not self._forbidden.isdisjoint([token.id for token in placed]):
            raise InputError("this text cannot be told from a control token of the model's vocabulary; change it")
        return placed

    @cached_property
    def _control_pattern(self) -> re.Pattern[str]:
        # The longest first, so that of two which begin at one place it wins.
        names = sorted(self.controls.names, key=lambda name: (-len(name), name))
        return re.compile("|".join(map(re.escape, names)) or r"(?!)")

    @cached_property
    def _added(self) -> dict[int, tokenizers.AddedToken]:
        return self._engine.get_added_tokens_decoder()

    @cached_property
    def _inside(self) -> tokenizers.Tokenizer:
        """The engine for text after a control token: some put a space before the first word of a text only."""
        described = json.dumps(state_of(self._engine.pre_tokenizer))
        if '"prepend_scheme": "first"' not in described:
            return self._engine
        changed = described.replace('"prepend_scheme": "first"', '"prepend_scheme": "never"')
        empty = '{"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer": %s}'
        inside = tokenizers.Tokenizer(self._engine.model)  # shares the vocabulary
        if self._engine.normalizer is not None:
            inside.normalizer = self._engine.normalizer
        inside.pre_tokenizer = tokenizers.Tokenizer.from_str(empty % changed).pre_tokenizer
        inside.add_tokens([token for _, token in sorted(self._added.items())])
        inside.encode_special_tokens = True
        return inside

    # -- ids to text ---------------------------------------------------------------------------------------------------

    def decode(self, ids: Iterable[int], *, continues: bool = False) -> str:
        """The text of ids: control tokens are skipped, bytes that are no valid UTF-8 become U+FFFD.

        Some tokenizers write a space before every text's first word and leave it out here; not if the ids continue
        another text.
        """
        return self.decode_bytes(ids, continues=continues).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int], *, continues: bool = False) -> bytes:
        """The exact bytes of ids; a control token has none. Raises InputError for an id outside the vocabulary."""
        text = self.joined(ids)
        if self.spelling.drops_first_space and not continues and text.startswith(b" "):
            text = text[1:]
        return text[:-1] if self.spelling.drops_last_space and text.endswith(b" ") else text

    def joined(self, ids: Iterable[int]) -> bytes:
        """The bytes of ids with all spaces that their pieces have."""
        pieces, outside = self.pieces, self.size
        try:
            return b"".join([pieces[number if number >= 0 else outside] for number in ids])
        except IndexError:
            raise InputError(f"a token id is outside the vocabulary of {self.size} ids") from None

    def control(self, name: str) -> int:
        """The id of a control token, such as `<|end|>`."""
        found = self.controls.names.get(name)
        if found is not None:
            return found
        if name in CONTROL_TOKENS and not self.can_chat:
            raise InputError("this model has no chat template, so it cannot hold conversations; fine-tune it with sft")
        known = list(self.controls.names)
        more = f" and {len(known) - 8} more" if len(known) > 8 else ""
        raise InputError(f"{name!r} is no control token; there are {', '.join(known[:8])}{more}")

    def name(self, number: int) -> str:
        """What to show for an id: the control token's name, or its text with U+FFFD for broken bytes."""
        return self._control_names.get(number) or self.joined([number]).decode("utf-8", errors="replace")

    # -- facts ---------------------------------------------------------------------------------------------------------

    @property
    def is_own(self) -> bool:
        """Whether chatwright trained it."""
        return self.controls is OWN

    @property
    def can_chat(self) -> bool:
        """Whether conversations can be rendered: our own, or with a chat template."""
        return self.is_own or self.template is not None

    @property
    def chat_template(self) -> str | None:
        """How conversations are rendered, as a jinja template that other tools can read."""
        if self.template is not None:
            return self.template.source
        return OWN_TEMPLATE if self.is_own else None

    @cached_property
    def control_ids(self) -> frozenset[int]:
        """Ids that no text can produce."""
        return frozenset(self.controls.names.values())

    @cached_property
    def added_ids(self) -> frozenset[int]:
        """Ids that stand outside of the learned vocabulary: control tokens, and pieces that were added by hand."""
        return frozenset(self._added)

    @property
    def engine(self) -> tokenizers.Tokenizer:
        """The engine of Hugging Face `tokenizers`; do not change it."""
        return self._engine

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.pieces)

    @cached_property
    def spelling(self) -> Spelling:
        """How tokens stand for bytes."""
        return spelling_of(state_of(self._engine.decoder))

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The string of every id, as `tokenizer.json` writes it."""
        numbers = self._engine.get_vocab()
        return tuple(sorted(numbers, key=numbers.__getitem__))

    @cached_property
    def pieces(self) -> tuple[bytes, ...]:
        """The bytes of every id; empty for control tokens."""
        spelt, added_ids = self.spelling.bytes_of, self.added_ids
        found = [b"" if number in added_ids else spelt(token) for number, token in enumerate(self.tokens)]
        for number, added in self._added.items():
            if not added.special or number in self.controls.spoken:
                found[number] = added.content.encode("utf-8", "replace")
        return tuple(found)

    @cached_property
    def byte_lengths(self) -> list[int]:
        """Bytes of text per id, control tokens 0: the sum over a document is its size in UTF-8.

        With the tokenizers that write a space before the first word, the sum is one byte more.
        """
        return [len(piece) for piece in self.pieces]

    @cached_property
    def _control_names(self) -> dict[int, str]:
        return {number: name for name, number in self.controls.names.items()}


class _Counted:
    """Passes texts on, made valid, and counts their characters."""

    def __init__(self, texts: Iterable[str]):
        self._texts = texts
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            self.characters += len(text)
            yield valid(text)

"""Tokenizers that come with published weights.

In: a folder as Hugging Face or OpenAI publish it: `tokenizer.json`, or `vocab.json` with `merges.txt`, or GPT-2's
`encoder.json` with `vocab.bpe`; beside it `tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json`
and the chat template.  Out: a Tokenizer whose ids are those of `transformers`. Files are read as data; nothing runs.

What ends an answer is asked of the chat template: of "Hello!", "Good day!" rendered by it, the control token after the
answer. Published settings often name another one, the end of a text.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors

from chatwright.errors import ArtefactError, ChatwrightError
from chatwright.text.controls import Controls
from chatwright.text.conversation import CONTROL_TOKENS, Conversation
from chatwright.text.engines import FACTS_NAME, FILE_NAME, as_special, check_ids, read_engine
from chatwright.text.templates import OWN_TEMPLATE, ChatTemplate
from chatwright.text.tokenizer import Tokenizer

__all__ = ["read_tokenizer"]

_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_ENDS = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>", "<|eot_id|>")  # where no setting names one
_MARKER = re.compile(r"[<\[{｜].+[>\]}｜]", re.S)
_LARGEST = 256 << 20  # bytes of a JSON file that is read at all
_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_FORMS = {  # how vocab.json + merges.txt cut text, by the names of tokenizer classes and model types
    "gpt2": "gpt2", "gptneo": "gpt2", "gptj": "gpt2", "gpt3": "gpt2", "codegen": "gpt2", "opt": "gpt2",
    "qwen2": "qwen2", "qwen3": "qwen2", "openaigpt": "openai", "openai": "openai",
}  # fmt: skip


def read_tokenizer(folder: Path, *, vocabulary: int | None = None, date: str | None = None) -> Tokenizer:
    """Read the tokenizer of published weights; one that chatwright exported comes back as it was.

    `vocabulary`: rows of the model's embedding, which may be more than there are ids (padding), never fewer.
    `date`: YYYY-MM-DD, the day that chat templates print; the day of reading if they ask for one and none is given.
    Raises ArtefactError naming the file that is missing, damaged, or does not belong to the model.
    """
    if not folder.is_dir():
        raise ArtefactError(f"{folder} is no folder; name one with a tokenizer, such as {FILE_NAME}")
    settings = _Settings.read(folder)
    engine = settings.engine()
    engine.no_truncation()
    engine.no_padding()
    tokenizer = _written_by_us(folder, engine, settings) or _tokenizer(folder, engine, settings, date)
    if vocabulary is not None and tokenizer.size > vocabulary:
        raise ArtefactError(
            f"{folder}: the tokenizer has {tokenizer.size} ids, but the model's embedding {vocabulary} rows; "
            f"they do not belong together"
        )
    return tokenizer


def _written_by_us(folder: Path, engine: tokenizers.Tokenizer, settings: _Settings) -> Tokenizer | None:
    facts = settings.config.get("chatwright")
    if facts is None:
        return None
    if facts != {"own": True}:
        return Tokenizer.load(folder)
    first = [engine.id_to_token(number) for number in range(len(CONTROL_TOKENS))]
    if settings.template_source() != OWN_TEMPLATE or first != list(CONTROL_TOKENS):
        return None  # somebody changed it since
    check_ids(engine, folder / FILE_NAME)
    engine.post_processor = None  # export added it, for tools that do not know where a text begins
    return Tokenizer(engine)


def _tokenizer(folder: Path, engine: tokenizers.Tokenizer, settings: _Settings, date: str | None) -> Tokenizer:
    path = folder / settings.main_file
    special = settings.special(engine)
    settings.add_tokens(engine, special)
    check_ids(engine, path)
    source = settings.template_source()
    spoken = _shield(engine, source)
    if source is not None:
        has_date = "strftime_now" in source
        day = (date or datetime.date.today().isoformat()) if has_date else None
        template = ChatTemplate(source, special, date=day, where=f"{folder}: the chat template")
        template.check()
    else:
        template = None
    controls = _controls(folder, engine, special, settings, spoken)
    if controls.opening != _opening(engine):  # the settings say otherwise than tokenizer.json; they win
        begin = engine.id_to_token(controls.begin)
        before = f"{begin} " if controls.opening else ""
        engine.post_processor = processors.TemplateProcessing(
            single=f"{before}$A", pair=f"{before}$A {before}$B", special_tokens=[(begin, controls.begin)]
        )
    tokenizer = Tokenizer(engine, controls, template)
    end = _end_of_turn(tokenizer)
    if end is not None:
        tokenizer = Tokenizer(engine, controls.plus(end=end, stops=controls.stops | {end}), template)
    try:
        _ = tokenizer.pieces  # a decoder that is not known here shows itself now, not in the first answer
    except ArtefactError as error:
        raise ArtefactError(f"{folder / settings.main_file}: {error}") from None
    return tokenizer


def _controls(
    folder: Path, engine: tokenizers.Tokenizer, special: Mapping[str, str], settings: _Settings, spoken: frozenset[int]
) -> Controls:
    names = {token.content: number for number, token in engine.get_added_tokens_decoder().items() if token.special}
    numbers = {role: engine.token_to_id(name) for role, name in special.items()}
    ids = {role: number for role, number in numbers.items() if number is not None}
    known = set(names.values())
    stops = {number for number in (*settings.stop_ids(), ids.get("eos_token")) if number in known}
    end = ids.get("eos_token", min(stops) if stops else None)
    if end is None:
        raise ArtefactError(
            f"{folder}: nothing says which token ends a text; write eos_token into {folder / FACTS_NAME}"
        )
    unknown = getattr(engine.model, "unk_token", None) or special.get("unk_token")
    unknown_id = engine.token_to_id(unknown) if unknown else None
    begin, pad = ids.get("bos_token", end), ids.get("pad_token", end)
    opening = _opening(engine)
    if isinstance(settings.config.get("add_bos_token"), bool):
        opening = (begin,) if settings.config["add_bos_token"] and "bos_token" in ids else ()
    return Controls(
        names=names, special=dict(special), begin=begin, end=end, pad=pad, stops=frozenset(stops | {end}),
        opening=opening, spoken=spoken, unknown=None if unknown_id in stops | {begin, end, pad} else unknown_id,
    )  # fmt: skip


def _opening(engine: tokenizers.Tokenizer) -> tuple[int, ...]:
    """What the engine itself puts before a text."""
    bare, dressed = (engine.encode("a", add_special_tokens=adds).ids for adds in (False, True))
    extra = len(dressed) - len(bare)
    places = [n for n in range(extra + 1) if dressed[n : n + len(bare)] == bare]
    return tuple(dressed[: places[0]]) if places else ()


def _shield(engine: tokenizers.Tokenizer, template: str | None) -> frozenset[int]:
    """Keep people from typing what works like a control token without being called special; returns such ids.

    Models write some of them, such as <think>, as part of what they say; so they are shown, unlike the special ones.
    """
    found = {}
    for number, token in engine.get_added_tokens_decoder().items():
        name = token.content
        works = "|" in name or "｜" in name or (template is not None and name in template)
        if works and not token.special and _MARKER.fullmatch(name):
            found[number] = as_special(token)
    engine.add_special_tokens([token for _, token in sorted(found.items())])
    return frozenset(found)


def _end_of_turn(tokenizer: Tokenizer) -> int | None:
    """The control token that a chat template writes right after an answer, or None."""
    if tokenizer.template is None:
        return None
    try:
        parts = tokenizer.template.parts(Conversation.of("Hello!", "Good day!"), tokenizer.controls)
    except ChatwrightError:
        return None  # it cannot even write this; the first real conversation will say why
    answer = max((n for n, part in enumerate(parts) if part.is_content), default=None)
    if answer is None or parts[answer].text != "Good day!":
        return None
    start = sum(len(part.text) for part in parts[: answer + 1])
    placed = tokenizer.place([(part.text, part.is_content) for part in parts])
    return next((token.id for token in placed if token.start >= start and token.id in tokenizer.control_ids), None)


# -- files -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Settings:
    """What the small files beside a vocabulary say."""

    folder: Path
    config: Mapping[str, Any]
    special_map: Mapping[str, Any]
    added: Mapping[str, Any]
    generation: Mapping[str, Any]
    model: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> _Settings:
        names = (FACTS_NAME, "special_tokens_map.json", "added_tokens.json", "generation_config.json", "config.json")
        return cls(folder, *(_object(folder / name) for name in names))

    @property
    def main_file(self) -> str:
        names = (FILE_NAME, "vocab.json", "encoder.json")
        return next((name for name in names if (self.folder / name).exists()), FILE_NAME)

    def engine(self) -> tokenizers.Tokenizer:
        if self.main_file == FILE_NAME:
            if not (self.folder / FILE_NAME).exists():
                raise ArtefactError(f"{self.folder} holds no tokenizer: {self._missing()}")
            _check_size(self.folder / FILE_NAME)
            return read_engine(self.folder / FILE_NAME)
        vocabulary = self.folder / self.main_file
        merges = self.folder / ("merges.txt" if self.main_file == "vocab.json" else "vocab.bpe")
        if not merges.exists():
            raise ArtefactError(f"{merges} is missing; {vocabulary.name} alone cannot cut text")
        return _byte_pairs(vocabulary, merges, self._form())

    def _missing(self) -> str:
        if (self.folder / "tokenizer.model").exists():
            return f"tokenizer.model alone is not read; AutoTokenizer of transformers makes {FILE_NAME} of it"
        return f"there is no {FILE_NAME}, no vocab.json with merges.txt, no encoder.json with vocab.bpe"

    def _form(self) -> str:
        named = str(self.config.get("tokenizer_class") or self.model.get("model_type") or "gpt2")
        plain = re.sub(r"tokenizer(fast)?$|[^a-z0-9]", "", named.lower()).removesuffix("tokenizer")
        if plain in ("pretrainedtokenizerfast", "pretrained", "tokenizersbackend", ""):
            plain = re.sub(r"[^a-z0-9]", "", str(self.model.get("model_type") or "gpt2").lower())
        if plain not in _FORMS:
            raise ArtefactError(
                f"{self.folder}: how {named} cuts text is not known here; save it by transformers' AutoTokenizer, "
                f"which writes {FILE_NAME}"
            )
        return _FORMS[plain]

    def special(self, engine: tokenizers.Tokenizer) -> dict[str, str]:
        """Special tokens by their role in templates, as in `transformers`."""
        found: dict[str, str] = {}
        for role in _SPECIAL:
            named = self.config.get(role) if role in self.config else self.special_map.get(role)
            name = named.get("content") if isinstance(named, Mapping) else named
            if isinstance(name, str) and name:
                found[role] = name
        known = engine.get_vocab()
        if "eos_token" not in found and "eos_token" not in self.config:
            guess = next((name for name in _ENDS if name in known), None)
            if guess is not None:
                found["eos_token"] = guess
                if guess == "<|endoftext|>" and self.main_file != FILE_NAME:
                    found.setdefault("bos_token", guess)  # as GPT-2's tokenizer is set without settings
                    found.setdefault("unk_token", guess)
        return found

    def add_tokens(self, engine: tokenizers.Tokenizer, special: Mapping[str, str]) -> None:
        """Add the tokens that stand outside of the vocabulary's file, each at the id that is written down for it."""
        wanted: dict[int, AddedToken] = {}
        listed = self.config.get("added_tokens_decoder")
        for number, token in (listed if isinstance(listed, Mapping) else {}).items():
            flags = {flag: bool(token.get(flag)) for flag in ("special", "normalized", "lstrip", "rstrip")}
            wanted[self._id(number)] = AddedToken(str(token.get("content")), **flags)
        for name, number in self.added.items():
            wanted.setdefault(self._id(number), AddedToken(name, special=name in special.values(), normalized=False))
        for number, token in sorted(wanted.items()):
            known = engine.token_to_id(token.content)
            if known is None and number != engine.get_vocab_size() or known not in (None, number):
                raise ArtefactError(
                    f"{self.folder}: {token.content!r} should have id {number}, but has or would get "
                    f"{engine.get_vocab_size() if known is None else known}; the files do not belong together"
                )
            (engine.add_special_tokens if token.special else engine.add_tokens)([token])
        present = engine.get_added_tokens_decoder().values()
        marked = {token.content for token in present if token.special}
        missing = [name for name in dict.fromkeys(special.values()) if name not in marked]
        engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in missing])

    def _id(self, number: object) -> int:
        try:
            return int(str(number))
        except ValueError:
            raise ArtefactError(f"{self.folder}: {number!r} stands where the id of an added token should") from None

    def stop_ids(self) -> Iterable[int]:
        named = self.generation.get("eos_token_id", self.model.get("eos_token_id"))
        listed = named if isinstance(named, list) else [named]
        return [number for number in listed if isinstance(number, int) and not isinstance(number, bool)]

    def template_source(self) -> str | None:
        """The chat template, from the places where it may stand."""
        path = self.folder / "chat_template.jinja"
        if path.exists():
            try:
                _check_size(path)
                return path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ArtefactError(f"{path} cannot be read ({error}); restore it") from None
        found = _object(self.folder / "chat_template.json").get("chat_template", self.config.get("chat_template"))
        if isinstance(found, list):  # several by name
            found = {str(entry.get("name")): entry.get("template") for entry in found if isinstance(entry, Mapping)}
        if isinstance(found, Mapping):
            found = found.get("default")
        return found if isinstance(found, str) and found.strip() else None


def _object(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file, empty if there is no file; ArtefactError if it is damaged."""
    if not path.exists():
        return {}
    _check_size(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtefactError(f"{path} is no valid JSON ({error}); restore it") from None
    if not isinstance(found, dict):
        raise ArtefactError(f"{path} holds a {type(found).__name__}, not an object; restore it")
    return found


def _check_size(path: Path) -> None:
    if path.stat().st_size > _LARGEST:
        raise ArtefactError(f"{path} has {path.stat().st_size >> 20} MB, too many for a tokenizer; restore it")


def _byte_pairs(vocabulary: Path, merges: Path, form: str) -> tokenizers.Tokenizer:
    """An engine from a vocabulary and a list of merges, which say nothing of how text is cut before."""
    numbers = _object(vocabulary)
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ArtefactError(f"{vocabulary}: {name!r} has {number!r} for an id; restore it")
    pairs = _pairs(merges)
    _check_pairs(pairs, numbers, merges, vocabulary)
    try:
        if form == "openai":
            model = models.BPE(dict(numbers), pairs, unk_token="<unk>", end_of_word_suffix="</w>")
        else:
            model = models.BPE(dict(numbers), pairs)
    except Exception as error:  # the engine raises bare Exception
        raise ArtefactError(f"{merges} does not fit {vocabulary.name} ({error}); restore both") from None
    engine = tokenizers.Tokenizer(model)
    if form == "openai":
        engine.normalizer = normalizers.BertNormalizer(lowercase=True)
        engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        engine.decoder = decoders.BPEDecoder(suffix="</w>")
        return engine
    if form == "qwen2":
        engine.normalizer = normalizers.NFC()
        engine.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(tokenizers.Regex(_QWEN_WORDS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    engine.post_processor = processors.ByteLevel(trim_offsets=False)
    return engine


def _pairs(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path} cannot be read ({error}); restore it") from None
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        pair = line.rstrip("\r").split(" ")
        if len(pair) != 2 or not all(pair):
            raise ArtefactError(f"{path}:{number}: expected two pieces with a space between; restore the file")
        pairs.append((pair[0], pair[1]))
    if not pairs:
        raise ArtefactError(f"{path} holds no merges; restore it")
    return pairs


def _check_pairs(pairs: list[tuple[str, str]], numbers: Mapping[str, Any], merges: Path, vocabulary: Path) -> None:
    for left, right in pairs:
        for piece in (left, right, left + right):
            if piece not in numbers:
                raise ArtefactError(
                    f"{merges}: {left!r} + {right!r} needs {piece!r}, which {vocabulary.name} lacks; "
                    f"the files do not belong together"
                )

"""Tokenize: raw text to token files that training reads through memory mapping.

In: texts of any origin (see text/files.py).  Out: `tokenizer.json`; `train`, `validation` and `test`, each a `.bin` of
tokens and an `.index` of documents; `tokens.json`, what was read, left out and written, per source.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from chatwright.errors import ConfigError
from chatwright.runs import StageFolder, open_stage, require
from chatwright.text.corpus import Corpus
from chatwright.text.documents import Source, sources_of
from chatwright.text.files import files_of
from chatwright.text.token_files import PARTS, TokenWriter
from chatwright.text.tokenizer import SMALLEST_VOCABULARY, Kind, Tokenizer, file_of

LARGEST_VOCABULARY = 2**22
"""Beyond all that are in use; the engine takes memory for every id at once, and ends the process without it."""


@dataclass(frozen=True, kw_only=True)
class TokenizeConfig:
    """Settings of `tokenize`."""

    out: Path
    """Folder that the results go to; run again with the same settings, it goes on from the last save."""
    # On the command line texts are paths; tables with weights stand in recipes.
    texts: Annotated[list[str | Source], tyro.conf.arg(constructor=list[str])]
    """Files, folders, patterns; or tables with a path, a weight (1 = each document once) and how to read it."""
    vocabulary: int = 1024
    """Most ids of the tokenizer, control tokens and the 256 bytes included."""
    kind: Kind = "bpe"
    """bpe, character or word."""
    tokenizer: Path | None = None
    """Reuse the tokenizer of this folder instead of training one; `vocabulary` and `kind` are its own then."""
    minimum: int = 1
    """Characters a document must have to be kept."""
    section: int = 20_000
    """Characters from which a text is cut into several documents, at headings and gaps."""
    unwrap: bool = True
    """Join the lines of paragraphs that were wrapped at a fixed width, as in printed books."""
    near_copies: float = 0.8
    """Of documents that share this much of their runs of five words only the first is kept; 2 keeps all but equals."""
    validation: float = 0.02
    """Share of the text that is held out to measure models while they learn."""
    test: float = 0.02
    """Share of the text that is held out to measure finished models."""
    tokenizer_characters: int = 50_000_000
    """Most characters of training text that the tokenizer learns from."""
    seed: int = 1
    """Of which documents are held out, and of the order of the training text."""

    def __post_init__(self) -> None:
        least = {"vocabulary": SMALLEST_VOCABULARY, "minimum": 1, "section": 200, "tokenizer_characters": 1}
        for name, number in least.items():
            if getattr(self, name) < number:
                raise ConfigError(f"tokenize.{name} is {getattr(self, name)}; it must be at least {number}")
        if self.vocabulary > LARGEST_VOCABULARY:
            raise ConfigError(f"tokenize.vocabulary is {self.vocabulary}; it must be at most {LARGEST_VOCABULARY}")
        if not 0 < self.near_copies <= 2:
            raise ConfigError(f"tokenize.near_copies is {self.near_copies}; it must be more than 0 and at most 2")
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            shares = f"tokenize.validation = {self.validation} and tokenize.test = {self.test}"
            raise ConfigError(f"{shares} must be 0 or more, and less than 1 together")


def tokenize(config: TokenizeConfig) -> Path:
    """Clean, drop copies, deal out, learn a tokenizer from the training part, encode."""
    sources = sources_of(config.texts)
    inputs = [file for source in sources for file in files_of(source.path)]
    if config.tokenizer is not None:
        inputs.append(file_of(config.tokenizer))
    with open_stage("tokenize", config, out=config.out, inputs=inputs) as run:
        if run.complete:
            return run.folder
        require(disk_bytes=_disk(inputs), where=run.folder)
        with Corpus(run.folder, section=config.section, minimum=config.minimum, unwrap=config.unwrap) as corpus:
            for source in sources:
                corpus.read(source)
                run.stop_if_interrupted()
            corpus.drop_copies(config.near_copies)
            corpus.deal(validation=config.validation, test=config.test, seed=config.seed)

            # Validation and test texts teach the tokenizer nothing: its merges would know them.
            training = corpus.texts(corpus.order("train", seed=config.seed), limit=config.tokenizer_characters)
            if config.tokenizer is not None:
                tokenizer = Tokenizer.load(config.tokenizer)
            else:
                tokenizer = Tokenizer.train(training, config.vocabulary, kind=config.kind)
            tokenizer.save(run.folder)
            summary = _encode(run, config, corpus, tokenizer)
        return run.finish(summary=summary)


def _encode(run: StageFolder, config: TokenizeConfig, corpus: Corpus, tokenizer: Tokenizer) -> dict[str, Any]:
    """Write the token files; returns what the receipt says of them."""
    orders = {part: corpus.order(part, seed=config.seed) for part in PARTS}
    total, done = sum(len(order) for order in orders.values()), 0
    counts: Counter[tuple[int, str]] = Counter()
    with TokenWriter(run.folder, tokenizer) as writer:
        for part in PARTS:
            seen: set[int] = set()
            for indices, texts in corpus.batches(orders[part]):
                for index, ids in zip(indices, tokenizer.encode_many(texts), strict=True):
                    tokens, text_bytes = writer.add(part, ids)
                    found = {f"{part}_tokens": tokens, f"{part}_text_bytes": text_bytes, f"{part}_documents": 1}
                    if index not in seen:
                        found[f"{part}_different_tokens"] = tokens
                        seen.add(index)
                    counts.update({(corpus.source_of(index), name): count for name, count in found.items()})
                    run.meter.add(tokens=tokens)
                done += len(indices)
                run.progress(done, total)
                run.stop_if_interrupted()
        sources = [_source_summary(number, source, corpus, counts) for number, source in enumerate(corpus.sources)]
        writer.note(sources=sources, left_out=dict(corpus.dropped), seed=config.seed)
        summary = {part: writer.counts(part) for part in PARTS}
    return {"vocabulary": tokenizer.size, "left_out": dict(corpus.dropped), **summary}


def _source_summary(
    number: int, source: Source, corpus: Corpus, counts: Counter[tuple[int, str]]
) -> dict[str, str | float]:
    """What one source gave. `copies` is how often its training tokens are in train: the epochs of one pass."""
    found = {name: count for (owner, name), count in sorted(counts.items()) if owner == number}
    different = found.pop("train_different_tokens", 0)
    found = {name: count for name, count in found.items() if not name.endswith("different_tokens")}
    copies = round(found.get("train_tokens", 0) / different, 6) if different else 0.0
    read = corpus.read_documents[number]
    return {"path": source.path, "weight": source.weight, "copies": copies, "read_documents": read, **found}


def _disk(inputs: list[Path]) -> int:
    """Bytes that the texts, unpacked, and their tokens take at most; compressed text grows to four times its size."""
    sizes = (file.stat().st_size * (4 if file.suffix in (".gz", ".xz") else 1) for file in inputs if file.exists())
    return 2 * sum(sizes) + (16 << 20)

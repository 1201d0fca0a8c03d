"""Engines of Hugging Face `tokenizers`: reading and checking their files, and forks that do not upset them.

In: a `tokenizer.json`.  Out: an engine whose ids have no gaps, or an error that names the file.
"""

from __future__ import annotations

import os
from pathlib import Path

import tokenizers

from chatwright.errors import ArtefactError

__all__ = ["FACTS_NAME", "FILE_NAME", "as_special", "check_ids", "file_of", "read_engine", "reason"]

FILE_NAME = "tokenizer.json"
FACTS_NAME = "tokenizer_config.json"


def _calm_forks() -> None:
    """Let `tokenizers` use threads here and none in forked children, without its warning on every fork.

    The engine warns, from inside fork(), unless TOKENIZERS_PARALLELISM is set. A value set by the user is respected.
    """

    def before() -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "fork")

    def after_in_parent() -> None:
        if os.environ.get("TOKENIZERS_PARALLELISM") == "fork":
            del os.environ["TOKENIZERS_PARALLELISM"]

    def after_in_child() -> None:
        if os.environ.get("TOKENIZERS_PARALLELISM") == "fork":
            os.environ["TOKENIZERS_PARALLELISM"] = "false"

    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)


_calm_forks()


def read_engine(path: Path) -> tokenizers.Tokenizer:
    """The engine in a `tokenizer.json`; raises ArtefactError if it is missing or damaged."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(
            f"{path}: no tokenizer can be read here ({reason(error)}); name a folder with {FILE_NAME}"
        ) from error
    try:
        return tokenizers.Tokenizer.from_str(content)
    except Exception as error:  # the engine raises bare Exception for every fault of the file
        raise ArtefactError(
            f"{path} is damaged or no tokenizer file ({error}); restore it or run tokenize again"
        ) from error


def check_ids(engine: tokenizers.Tokenizer, path: Path) -> None:
    """Raise ArtefactError unless the ids of an engine are 0, 1, 2, ... without gaps."""
    size = engine.get_vocab_size()
    if sorted(engine.get_vocab().values()) != list(range(size)):
        raise ArtefactError(f"{path} is damaged: its {size} ids are not 0 to {size - 1}; restore it or make it again")


def as_special(token: tokenizers.AddedToken) -> tokenizers.AddedToken:
    """The same added token, special: text can no longer produce it."""
    return tokenizers.AddedToken(
        token.content, special=True, normalized=token.normalized, lstrip=token.lstrip, rstrip=token.rstrip
    )


def file_of(folder: Path) -> Path:
    """Where the tokenizer of a folder is, or should be: in it, or in its `model/`, or `folder` is the file itself."""
    if not folder.is_dir():
        return folder
    inner = folder / "model" / FILE_NAME
    return inner if inner.exists() and not (folder / FILE_NAME).exists() else folder / FILE_NAME


def reason(error: Exception) -> str:
    """What a file could not be read for, in few words."""
    return getattr(error, "strerror", None) or type(error).__name__

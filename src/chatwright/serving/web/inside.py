"""Texts that people look into: traces kept for a while, each for the person who opened it.

In: a model's name and tokens.  Out: a trace under an id. Models are loaded from their folders a second time, mapped
where that is possible, so that nothing here touches the engine.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatwright.errors import NotFoundError
from chatwright.serving.errors import not_found

if TYPE_CHECKING:
    from pathlib import Path

    from chatwright.explaining.embeddings import Map
    from chatwright.explaining.tracing import Trace
    from chatwright.models.heads import LanguageModel

__all__ = ["Inside", "Opened", "load_to_look_into"]

PER_PERSON, IN_ALL, MODELS = 8, 64, 2


@dataclass(frozen=True)
class Opened:
    """A text that somebody looks into."""

    id: str
    person_id: int
    model: str
    trace: Trace
    pieces: list[dict[str, Any]]


class Inside:
    """Traces and models that are looked into. `load` finds the model behind a name; see `load_to_look_into`."""

    def __init__(self, folder_of: Callable[[str], Path | None], load: Callable[[Path], LanguageModel]) -> None:
        self._folder_of, self._load = folder_of, load
        self._models: OrderedDict[Path, LanguageModel] = OrderedDict()
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._maps: dict[Path, Map] = {}
        self._lock = threading.Lock()

    def model(self, name: str) -> LanguageModel:
        """Raises NotFoundError for a model that came without a folder."""
        folder = self._folder_of(name)
        if folder is None:
            raise NotFoundError(f"the model {name!r} cannot be looked into: its weights are not in a folder here")
        with self._lock:
            found = self._models.get(folder)
            if found is None:
                found = self._models[folder] = self._load(folder)
            self._models.move_to_end(folder)
            while len(self._models) > MODELS:
                self._models.popitem(last=False)
        return found

    def map(self, name: str) -> Map:
        """The map of a model's embeddings, computed once."""
        from chatwright.explaining.embeddings import embedding_map

        model, folder = self.model(name), self._folder_of(name)
        assert folder is not None
        if folder not in self._maps:
            self._maps[folder] = embedding_map(model)
        return self._maps[folder]

    def open(self, person_id: int, model: str, tokens: list[int], pieces: list[dict[str, Any]]) -> Opened:
        """Read a text once; the oldest of a person's texts are let go of."""
        from chatwright.explaining.tracing import trace

        opened = Opened(secrets.token_urlsafe(12), person_id, model, trace(self.model(model), tokens), pieces)
        with self._lock:
            self._opened[opened.id] = opened
            own = [each.id for each in self._opened.values() if each.person_id == person_id]
            for stale in own[:-PER_PERSON]:
                del self._opened[stale]
            while len(self._opened) > IN_ALL:
                self._opened.popitem(last=False)
        return opened

    def get(self, person_id: int, opened_id: str) -> Opened:
        """ApiError 404 `explain_gone` if it was let go of, or is somebody else's."""
        with self._lock:
            found = self._opened.get(opened_id)
        if found is None or found.person_id != person_id:
            raise not_found("This text is no longer open; open it again.", "explain_gone")
        return found


def load_to_look_into(folder: Path) -> LanguageModel:
    """A model in float32 on the processor."""
    from chatwright.artefacts import load_language_model

    return load_language_model(folder, device="cpu", precision="fp32", weights="compute")[0]

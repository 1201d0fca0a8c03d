"""Texts that people look into: traces kept for a while, each for the person who opened it.

In: a model's name and tokens.  Out: a trace under an id. Models are loaded from their folders a second time, mapped
where that is possible, so that nothing here touches the engine; one that would fill the memory is refused.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatwright.disk import available_memory, readable
from chatwright.errors import NotFoundError
from chatwright.serving.errors import ApiError, not_found

if TYPE_CHECKING:
    from pathlib import Path

    from chatwright.explaining.embeddings import Map
    from chatwright.explaining.tracing import Trace
    from chatwright.models.heads import LanguageModel

__all__ = ["Inside", "Opened", "load_to_look_into"]

PER_PERSON, IN_ALL, MODELS = 8, 64, 2
SHARE_OF_FREE_MEMORY = 0.5
"""What one model to look into may take of the memory that is free: the rest is for answers."""


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
        self._loading = threading.Lock()  # apart from the other, or a long load would hold up those who read

    def model(self, name: str) -> LanguageModel:
        """Raises NotFoundError for a model that came without a folder."""
        folder = self._folder_of(name)
        if folder is None:
            raise NotFoundError(f"the model {name!r} cannot be looked into: its weights are not in a folder here")
        with self._loading:
            found = self._models.get(folder)
            if found is None:
                while len(self._models) >= MODELS:
                    self._let_go(self._models.popitem(last=False)[1])
                found = self._models[folder] = self._load(folder)
            self._models.move_to_end(folder)
        return found

    def _let_go(self, model: LanguageModel) -> None:
        """Forget what was read with a model: a trace would keep its weights in memory."""
        with self._lock:
            for stale in [each.id for each in self._opened.values() if each.trace.model is model]:
                del self._opened[stale]

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
    """A model in float32 on the processor. ApiError 400 `not_explainable` for one too large for the free memory."""
    from chatwright.artefacts import load_language_model

    needed, limit = _size(folder), int(SHARE_OF_FREE_MEMORY * available_memory())
    if needed > limit:
        raise ApiError(
            f"This model cannot be looked into now: that needs a second copy of {readable(needed)}, and at most "
            f"{readable(limit)}, half of this machine's free memory, may go to it. Choose a smaller model.",
            code="not_explainable",
            param="model",
        )
    return load_language_model(folder, device="cpu", precision="fp32", weights="compute")[0]


def _size(folder: Path) -> int:
    """Bytes of a model's weights in float32; only the head of the file is read."""
    from safetensors import safe_open

    with safe_open(folder / "weights.safetensors", framework="numpy") as file:
        return 4 * sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (no mapping)

"""Models as they are served: a name stays, the model behind it can change while others answer.

In: speakers by name, folders that are promoted.  Out: a mapping that always holds what answers now.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from chatwright.errors import ConflictError, NotFoundError
from chatwright.generation.speaker import Speaker
from chatwright.serving.settings import Card

__all__ = ["Shelf"]

log = logging.getLogger("chatwright.serving")
Load = Callable[[Path], tuple[Speaker, Card]]


class Shelf(Mapping[str, Speaker]):
    """What answers under which name. `load` makes a speaker of a folder; without it nothing can be promoted.

    `started_with`: the folder of each name as `serve` was told, for when every promotion is rolled back.
    """

    def __init__(
        self,
        speakers: Mapping[str, Speaker],
        cards: MutableMapping[str, Card],
        *,
        load: Load | None = None,
        started_with: Mapping[str, Path] | None = None,
    ) -> None:
        self._speakers = dict(speakers)
        self.cards = cards
        self._load = load
        self._first = {name: card.folder for name, card in cards.items() if card.folder} | dict(started_with or {})
        self._changing = threading.Lock()

    def __getitem__(self, name: str) -> Speaker:
        return self._speakers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._speakers))

    def __len__(self) -> int:
        return len(self._speakers)

    def folder(self, name: str) -> Path | None:
        """Where the model behind a name lies; None for one that came without a folder."""
        card = self.cards.get(name)
        return None if card is None else card.folder

    def first_folder(self, name: str) -> Path | None:
        """Where the model of a name lay when the server was started."""
        return self._first.get(name)

    def speaker_of(self, folder: Path) -> Speaker:
        """A speaker of a folder beside those that are served; the caller closes it."""
        if self._load is None:
            raise ConflictError("this server was started without a way to load further models", code="no_loading")
        return self._load(folder)[0]

    def put(self, name: str, folder: Path) -> None:
        """Load a folder, then let it answer under the name. What runs on the model before it is still finished.

        Raises NotFoundError for a name that is not served, ArtefactError for a folder without a model.
        """
        if name not in self._speakers:
            raise NotFoundError(f"no model is served as {name!r}", code="model_not_found")
        if self._load is None:
            raise ConflictError("this server was started without a way to load further models", code="no_loading")
        with self._changing:
            speaker, card = self._load(folder)
            before, self._speakers[name] = self._speakers[name], speaker
            self.cards[name] = card
        retire(before)


def retire(speaker: Any) -> None:
    """Let a speaker finish what it says, then close it; nobody waits for that."""
    close = getattr(speaker, "close", None)
    if close is not None:
        threading.Thread(target=close, name="chatwright-retiring", daemon=True).start()

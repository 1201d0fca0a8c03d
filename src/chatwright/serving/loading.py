"""From folders to models with names: which models a server offers, and that their files are where they should be.

In: model folders, stage folders, recipe runs.  Out: names and folders, in order; nothing is loaded or executed here.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatwright.artefacts import called, describe
from chatwright.disk import read_json
from chatwright.errors import ArtefactError, ConfigError
from chatwright.folders import model_folder
from chatwright.serving.settings import Card

__all__ = ["Offer", "card_of", "check_links", "offers_of"]

KINDS = ("base", "sft", "ppo")
"""Stages of a recipe run that are offered, in this order; each may have further rounds (ppo2)."""


@dataclass(frozen=True)
class Offer:
    """A model to be served."""

    name: str
    folder: Path
    """Its model/."""
    run: str
    """The name of the run or folder it belongs to, for when two models have one name."""


def offers_of(folders: Sequence[Path]) -> list[Offer]:
    """The models that folders hold. Names that clash get their run's name before them: `quickstart/sft`.

    Raises ArtefactError for a folder without a language model, ConfigError if two names cannot be told apart.
    """
    found = [offer for folder in folders for offer in _offers(folder)]
    counts = Counter(offer.name for offer in found)
    named = [
        Offer(f"{offer.run}/{offer.name}" if counts[offer.name] > 1 else offer.name, offer.folder, offer.run)
        for offer in found
    ]
    again = [name for name, count in Counter(offer.name for offer in named).items() if count > 1]
    if again:
        raise ConfigError(f"two models would be called {again[0]}; give each folder once, or rename one")
    return named


def _offers(folder: Path) -> Iterator[Offer]:
    place = folder.resolve()
    if (folder / "model.json").is_file() or (folder / "origin.json").exists():
        own = model_folder(folder)
        if describe(own).get("head") != "language":
            raise ArtefactError(f"{folder} holds a {called(describe(own))}, which cannot answer")
        stage = place.parent if place.name == "model" else place
        yield Offer(stage.name, own, stage.parent.name)
        return
    stages = [
        (KINDS.index(match[1]), int(match[2] or 1), path)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := re.fullmatch(rf"({'|'.join(KINDS)})(\d*)", path.name)) and (path / "done.json").exists()
    ]
    if not stages:
        model_folder(folder)  # says what is wrong
        raise ArtefactError(f"{folder} holds no model")
    for _, _, stage in sorted(stages):
        yield Offer(stage.name, model_folder(stage), place.name)


def check_links(folder: Path) -> None:
    """Raise ArtefactError if a file in a model's folder is a link to somewhere else.

    A model that somebody sent could otherwise have the server read, and tell, any file of this machine.
    """
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise ArtefactError(f"{path} is a link that leads out of its folder; put the file itself there")


def card_of(folder: Path) -> Card:
    """Facts about a model: when its weights were written, a fingerprint of them, and which stage made it."""
    weights = folder / "weights.safetensors"
    described = describe(folder)
    done = folder.parent / "done.json"
    if folder.name == "model" and done.exists():
        print_of = str(read_json(done).get("results", ""))
    else:
        with weights.open("rb") as file:  # the header and the first weights: enough to tell models apart
            print_of = hashlib.sha256((folder / "model.json").read_bytes() + file.read(2**20)).hexdigest()
    created = int(weights.stat().st_mtime) if weights.exists() else 0
    return Card(
        created=created, fingerprint=f"fp_{print_of[:12]}", folder=folder, stage=str(described.get("stage") or "")
    )

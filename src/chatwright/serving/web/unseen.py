"""Prompts to compare two models by: first those that nothing learned from, for an exam that was practised says little.

In: the queue, the runs, the folders of the models.  Out: prompts, each with how well it is known:

    fresh       waits in the queue to be ranked; neither the models nor any other run of the store learned from it
    test        a test prompt of a run that the models come from, which nothing reads but its evaluation
    held_back   PPO was watched with it, to stop in time (`holding_back.py`); the reward model may know it
    seen        learned from, or nobody can tell: a file of a run is gone
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from chatwright.disk import json_or_nothing
from chatwright.errors import ChatwrightError
from chatwright.evaluation.run_files import StageRecord
from chatwright.feedback.rankings import RankingSource, read_rankings
from chatwright.serving.web.watching import RunFolder, RunFolders
from chatwright.text.conversation import Conversation
from chatwright.text.records import dialogues_in, read_prompts

if TYPE_CHECKING:
    from chatwright.store import Store

__all__ = ["GIVEN", "KNOWN_AS", "Asked", "prompts_to_compare"]

log = logging.getLogger("chatwright.serving")
KNOWN_AS = ("fresh", "test", "held_back", "seen")
"""From the fairest on."""
GIVEN = "given"
"""Prompts that somebody brought: nothing is said of them here."""
MOST_TASKS = 10_000


@dataclass(frozen=True)
class Asked:
    """A prompt and how well it is known."""

    prompt: Conversation
    known_as: str


@dataclass
class _Learned:
    """What the stages that led to some models have read."""

    practised: set[Conversation] = field(default_factory=set)
    """By SFT and PPO."""
    ranked: set[Conversation] = field(default_factory=set)
    """By a reward model."""
    watched: set[Conversation] = field(default_factory=set)
    tested: list[Conversation] = field(default_factory=list)
    is_whole: bool = True
    """Every file that they learned from could be read."""

    def read(self, stage: StageRecord, how: Callable[[Any], Iterable[Conversation]], *keys: str) -> list[Conversation]:
        """What stands in the files that settings of a stage name; it is noted if one of them is gone."""
        found: list[Conversation] = []
        for key in keys:
            entries = stage.config.get(key) or []
            for entry in [entries] if isinstance(entries, str | Mapping) else entries:
                try:
                    found += how(_at_home(entry, stage))
                except (ChatwrightError, OSError) as error:
                    log.warning("%s of %s cannot be read again: %s", key, stage.folder, error)
                    self.is_whole = False
        return found

    def known_as(self, prompt: Conversation, trained_on: set[Conversation]) -> str:
        if prompt in self.practised:
            return "seen"
        if prompt in self.watched:
            return "held_back"
        return "seen" if prompt in self.ranked or prompt in trained_on or not self.is_whole else "fresh"


def prompts_to_compare(
    store: Store, runs: RunFolders, folders: Sequence[Path | None], count: int, rng: Random
) -> list[Asked]:
    """Up to `count` prompts, the fairest first, in random order among those that are as fair.

    `folders` hold the models; None: one that came without a folder, of which nothing is known.
    """
    learned, trained_on = _learned_by(runs, folders), _trained_on(store)
    by_kind: dict[str, dict[Conversation, None]] = {name: {} for name in KNOWN_AS}
    for prompt in _queued(store):
        by_kind[learned.known_as(prompt, trained_on)].setdefault(prompt)
    known = learned.practised | learned.ranked
    for prompt in learned.tested:
        if prompt not in known and prompt not in by_kind["fresh"]:
            by_kind["test"].setdefault(prompt)
    chosen: list[Asked] = []
    for name, prompts in by_kind.items():
        shuffled = [prompt for prompt in prompts if prompt.last.role == "user"]
        rng.shuffle(shuffled)
        chosen += [Asked(prompt, name) for prompt in shuffled[: count - len(chosen)]]
    return chosen


def _queued(store: Store) -> Iterator[Conversation]:
    for task in store.tasks.all(kind="rank", limit=MOST_TASKS):
        yield Conversation.from_messages(task.content["prompt"], where=f"task {task.id}")


def _trained_on(store: Store) -> set[Conversation]:
    """Prompts of rows that any run has learned from."""
    prompts = (row.content.get("prompt") for row in store.feedback.rows(states=None, consent=None) if row.trained_on)
    return {Conversation.from_messages(prompt, where="feedback") for prompt in prompts if prompt}


def _learned_by(runs: RunFolders, folders: Sequence[Path | None]) -> _Learned:
    found = _Learned()
    concerned: dict[Path, RunFolder] = {}
    ancestors = _ancestors(runs, folders)
    there = {json_or_nothing(stage.folder / "done.json").get("results") for _, stage in ancestors}
    for run, stage in ancestors:
        concerned[run.folder] = run
        if any(_is_elsewhere(name, stage) for name, results in _parents(stage).items() if results not in there):
            found.is_whole = False
        if stage.kind == "sft":
            found.practised.update(found.read(stage, _asked_in, "conversations"))
        elif stage.kind == "reward":
            found.ranked.update(found.read(stage, _ranked, "rankings"))
        elif stage.kind == "ppo":
            found.practised.update(found.read(stage, _prompts, "prompts"))
            found.watched.update(found.read(stage, _prompts, "validation_prompts"))
    for run in concerned.values():
        for stage in run.stages:
            if stage.kind == "evaluate":
                found.tested += found.read(stage, _prompts, "prompts")
    return found


def _ancestors(runs: RunFolders, folders: Sequence[Path | None]) -> list[tuple[RunFolder, StageRecord]]:
    """The stages whose models lie in these folders, and all that led to them, told by the hashes of results."""
    wanted = {folder.resolve() for folder in folders if folder is not None}
    everything = [(run, stage) for run in runs.all() for stage in run.stages]
    by_results = {json_or_nothing(stage.folder / "done.json").get("results"): (run, stage) for run, stage in everything}
    waiting = [
        (run, stage)
        for run, stage in everything
        if wanted & {stage.folder.resolve(), (stage.folder / "model").resolve()}
    ]
    found: dict[Path, tuple[RunFolder, StageRecord]] = {}
    while waiting:
        run, stage = waiting.pop()
        if stage.folder in found:
            continue
        found[stage.folder] = run, stage
        waiting += [by_results[results] for results in _parents(stage).values() if results in by_results]
    return list(found.values())


def _parents(stage: StageRecord) -> Mapping[str, Any]:
    parents = stage.origin.get("parents")
    return parents if isinstance(parents, Mapping) else {}


def _is_elsewhere(name: str, stage: StageRecord) -> bool:
    """Whether a parent that is not watched here may have learned from something; imported weights have no origin."""
    folders = stage.origin.get("parent_folders")
    told = folders.get(name) if isinstance(folders, Mapping) else None
    if not told or not Path(told).is_dir():
        return True  # nobody can tell
    return any((own / "origin.json").is_file() for own in (Path(told), Path(told).parent))


# -- files of stages --


def _at_home(entry: Any, stage: StageRecord) -> dict[str, Any]:
    """An entry of a setting with a path that leads there: runs may have been moved since, with what is in them."""
    told = dict(entry) if isinstance(entry, Mapping) else {"path": str(entry)}
    path = Path(str(told.get("path") or ""))
    moved = stage.folder.parent.joinpath(*path.parts[-2:])
    return told | {"path": str(path if path.exists() or not moved.exists() else moved)}


def _prompts(entry: Mapping[str, Any]) -> Iterator[Conversation]:
    yield from (prompt for prompt, _ in read_prompts(entry))


def _asked_in(entry: Mapping[str, Any]) -> Iterator[Conversation]:
    """Everything that was asked in conversations, with what was said before it."""
    for dialogue in dialogues_in(entry):
        messages = dialogue.conversation.messages
        for place, message in enumerate(messages, 1):
            if message.role == "user":
                yield Conversation(messages[:place])


def _ranked(entry: Mapping[str, Any]) -> Iterator[Conversation]:
    path, part = Path(entry["path"]), entry.get("part")
    file = path / "rankings.jsonl"  # a collect stage's folder
    source = RankingSource(path=str(file if file.is_file() else path), part=tuple(part) if part else None)
    yield from (ranking.prompt for ranking in read_rankings(source))

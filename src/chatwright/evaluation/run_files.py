"""A recipe run as its files tell it: what reports read, and all that they read.

In: the folder of a recipe run.  Out: its stages in order, with settings, origin, metrics and receipt.
A stage that is missing or unfinished is no error: a report shows what there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatwright.disk import json_or_nothing
from chatwright.errors import InputError
from chatwright.evaluation.intervals import is_number

# The order in which stages of a run are told when their starting times do not decide it.
KINDS = ("village", "tokenize", "pretrain", "sft", "collect", "reward", "ppo", "evaluate")


@dataclass(frozen=True)
class StageRecord:
    """One stage folder. `kind` is the stage ("sft"), `name` its folder ("sft2")."""

    name: str
    kind: str
    folder: Path
    complete: bool
    config: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    receipt: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Mapping[str, Any], ...] = ()

    @property
    def summary(self) -> Mapping[str, Any]:
        found = self.receipt.get("summary")
        return found if isinstance(found, Mapping) else {}

    def curve(self, *names: str) -> tuple[list[float], list[float]]:
        """Steps and values of the first of the named metrics that was logged; empty if none was."""
        for name in names:
            points = [(line["step"], line[name]) for line in self.metrics if _both(line, name)]
            if points:
                return [float(step) for step, _ in points], [float(value) for _, value in points]
        return [], []


def _both(line: Mapping[str, Any], name: str) -> bool:
    return is_number(line.get("step")) and is_number(line.get(name))


@dataclass(frozen=True)
class Run:
    """A recipe run: its folder and its stages in the order they were started."""

    folder: Path
    stages: tuple[StageRecord, ...]
    summary: Mapping[str, Any]

    def of_kind(self, kind: str) -> list[StageRecord]:
        return [stage for stage in self.stages if stage.kind == kind]

    def last(self, kind: str) -> StageRecord | None:
        found = self.of_kind(kind)
        return found[-1] if found else None


def read_run(folder: Path) -> Run:
    """Read every stage folder inside; those put aside under another name (`sft@1a2b3c4d`) are left out.

    Raises InputError if the folder does not exist or holds no stage.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the folder that `chatwright run ... --out` wrote")
    stages = [stage_record(path) for path in sorted(folder.iterdir()) if "@" not in path.name and _is_stage(path)]
    if not stages:
        raise InputError(f"{folder} holds no stage folder; give the folder that `chatwright run ... --out` wrote")
    stages.sort(key=stage_order)
    return Run(folder, tuple(stages), json_or_nothing(folder / "summary.json"))


def _is_stage(path: Path) -> bool:
    return path.is_dir() and ((path / "origin.json").is_file() or (path / "receipt.json").is_file())


def stage_order(stage: StageRecord) -> tuple[str, int, str]:
    """Stages in the order they were started; what has no time comes last, by kind."""
    rank = KINDS.index(stage.kind) if stage.kind in KINDS else len(KINDS)
    return str(stage.origin.get("started_at", "~")), rank, stage.name


def stage_record(folder: Path, *, with_metrics: bool = True) -> StageRecord:
    """What a stage's folder tells, complete or not; without its metrics, which may be long, where nobody draws them."""
    origin = json_or_nothing(folder / "origin.json")
    return StageRecord(
        name=folder.name,
        kind=str(origin.get("stage") or folder.name),
        folder=folder,
        complete=(folder / "done.json").is_file(),
        config=json_or_nothing(folder / "config.json"),
        origin=origin,
        receipt=json_or_nothing(folder / "receipt.json"),
        metrics=tuple(_lines(folder / "metrics.jsonl")) if with_metrics else (),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSONL file; the last may be torn while a stage still writes."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def results_of(stage: StageRecord) -> dict[str, Any]:
    """What the evaluate stage measured, from its `results.json`."""
    return json_or_nothing(stage.folder / "results.json")

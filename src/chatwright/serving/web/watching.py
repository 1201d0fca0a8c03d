"""Run folders as the pages watch them: which there are, how far they are, what they came from.

In: directories that hold runs.  Out: runs, stages, the new lines of metrics.jsonl, lineage. Only reads, and only what
is listed: a name from outside is looked up, never joined to a path.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from chatwright.disk import json_or_nothing
from chatwright.errors import NotFoundError
from chatwright.evaluation.run_files import StageRecord, stage_order, stage_record
from chatwright.folders import HOLDER

__all__ = ["Lines", "RunFolder", "RunFolders", "is_alive", "lineage", "new_lines", "state_of"]

LONGEST_SAMPLES = 60_000
NOT_RUNS = (".", "@")


@dataclass(frozen=True)
class RunFolder:
    """One recipe run under the name that the pages know it by."""

    name: str
    folder: Path

    @property
    def stages(self) -> tuple[StageRecord, ...]:
        """Stages in the order in which they were started, without their metrics: those are read as they grow."""
        paths = [path for path in sorted(self.folder.iterdir()) if _is_stage(path)]
        return tuple(sorted((stage_record(path, with_metrics=False) for path in paths), key=stage_order))

    def stage(self, name: str) -> StageRecord:
        """Raises NotFoundError if the run has no such stage."""
        found = next((stage for stage in self.stages if stage.name == name), None)
        if found is None:
            raise NotFoundError(f"the run {self.name} has no stage {name[:100]!r}")
        return found

    @property
    def recipe(self) -> str:
        return str(json_or_nothing(self.folder / "recipe.json").get("name") or "")

    @property
    def summary(self) -> dict[str, Any] | None:
        return json_or_nothing(self.folder / "summary.json") or None

    @property
    def state(self) -> str:
        """running while a process holds it; complete once its summary is there; stopped else."""
        if is_held(self.folder) or any(is_held(stage.folder) for stage in self.stages):
            return "running"
        if (self.folder / "summary.json").is_file():
            return "complete"
        planned = json_or_nothing(self.folder / "recipe.json").get("stages")
        stages = self.stages
        if not planned and stages and all(stage.complete for stage in stages):
            return "complete"
        return "stopped"


class RunFolders:
    """The runs in some directories; looked for anew at every request, because they come while the server runs."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self.directories = tuple(dict.fromkeys(path.resolve() for path in directories))

    def all(self) -> list[RunFolder]:
        """Every run, the one that began last first. Two of one name get their directory's name before them."""
        found = list(dict.fromkeys(run for directory in self.directories for run in _runs_in(directory)))
        names = [path.name for path in found]
        runs = [
            RunFolder(path.name if names.count(path.name) == 1 else f"{path.parent.name}~{path.name}", path)
            for path in found
        ]
        return sorted(runs, key=lambda run: (_began(run.folder), run.name), reverse=True)

    def get(self, name: str) -> RunFolder:
        """Raises NotFoundError if there is no such run."""
        found = next((run for run in self.all() if run.name == name), None)
        if found is None:
            raise NotFoundError(f"there is no run {name[:100]!r} in the directories that this server watches")
        return found


@dataclass(frozen=True)
class Lines:
    """Lines of a file that grows. `next` is what to ask for next time."""

    rows: list[dict[str, Any]]
    next: int


def new_lines(path: Path, after: int, limit: int) -> Lines:
    """Whole lines of a JSONL file from number `after` on; the last may be torn while a stage writes it.

    A stage that goes on from a save takes back lines: `after` beyond the end begins anew at 0.
    """
    if not path.is_file():
        return Lines([], 0)
    lines = path.read_bytes().split(b"\n")[:-1]
    start = after if after <= len(lines) else 0
    rows = []
    for line in lines[start : start + limit]:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            rows.append(value)
    return Lines(rows, min(start + limit, len(lines)))


def state_of(stage: StageRecord) -> str:
    if stage.complete:
        return "complete"
    return "running" if is_held(stage.folder) else "stopped"


def lineage(run: RunFolder, runs: Sequence[RunFolder]) -> dict[str, Any]:
    """What the stages of a run come from: data, stages of this run and of others, told by the hashes of results."""
    known: dict[str, tuple[RunFolder, StageRecord]] = {}
    for other in (*(each for each in runs if each.folder != run.folder), run):  # its own stages win
        for stage in other.stages:
            if results := json_or_nothing(stage.folder / "done.json").get("results"):
                known[str(results)] = (other, stage)
    nodes: dict[str, dict[str, Any]] = {}
    edges: list[list[str]] = []
    waiting = [(run, stage) for stage in run.stages]
    while waiting:
        owner, stage = waiting.pop(0)
        key = _key(owner, stage)
        if key in nodes:
            continue
        nodes[key] = {
            "id": key, "kind": stage.kind, "name": stage.name, "run": owner.name, "complete": stage.complete,
        }  # fmt: skip
        for role, parent in _parents(stage):
            if parent in known:
                edges.append([_key(*known[parent]), key, role])
                waiting.append(known[parent])
        for node in _data(stage, known):
            nodes.setdefault(node["id"], node)
            edges.append([node["id"], key, "data"])
    return {"nodes": list(nodes.values()), "edges": edges}


def _parents(stage: StageRecord) -> Iterator[tuple[str, str]]:
    parents = stage.origin.get("parents")
    for role, found in (parents if isinstance(parents, Mapping) else {}).items():
        yield str(role), str(found)


def _data(stage: StageRecord, known: Mapping[str, tuple[RunFolder, StageRecord]]) -> Iterator[dict[str, Any]]:
    """Files that people brought; folders that a stage wrote are stages."""
    hashes, files = stage.origin.get("inputs") or [], stage.origin.get("input_files") or []
    for found, file in zip(hashes, files, strict=False):
        if str(found) in known:
            owner, other = known[str(found)]
            node: dict[str, Any] = {"id": _key(owner, other), "kind": other.kind, "name": other.name, "run": owner.name}
        else:
            node = {"id": f"data:{str(found)[:16]}", "kind": "data", "name": Path(str(file)).name, "run": None}
        yield {**node, "complete": True}


def _key(run: RunFolder, stage: StageRecord) -> str:
    return f"{run.name}/{stage.name}"


def _runs_in(directory: Path) -> Iterator[Path]:
    if not directory.is_dir():
        return
    for path in (directory, *sorted(directory.iterdir())):
        if not any(sign in path.name for sign in NOT_RUNS) and _is_run(path):
            yield path


def _is_run(path: Path) -> bool:
    try:
        return path.is_dir() and ((path / "recipe.json").is_file() or _holds_stages(path))
    except OSError:  # a folder that this process may not read
        return False


def _holds_stages(path: Path) -> bool:
    return any("@" not in origin.parent.name for origin in path.glob("*/origin.json"))


def _is_stage(path: Path) -> bool:
    return "@" not in path.name and (path / "origin.json").is_file()


def _began(run: Path) -> float:
    files = [run / "recipe.json", *run.glob("*/origin.json")]
    return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)


def is_held(folder: Path) -> bool:
    """Whether a process that is alive says that it writes here."""
    try:
        holder = int((folder / HOLDER).read_text())
    except (OSError, ValueError):
        return False
    return is_alive(holder)


def is_alive(process: int) -> bool:
    """Whether there is a process of this number, ours or not, that has not ended."""
    if os.name == "nt":  # there signal 0 is Ctrl-C
        return psutil.pid_exists(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _has_ended(process)


def _has_ended(process: int) -> bool:
    """Whether a process only waits for its parent to take notice (a zombie)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False

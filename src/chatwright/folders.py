"""What a stage folder is: where it comes from, whether it is complete and unchanged, which model it holds.

In: stage folders, model folders, recipe runs.  Out: identities, hashes, paths; nothing here writes.
A stage's identity is its name, settings, parents' results and the contents of its inputs: never times or places.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from chatwright import __version__
from chatwright.disk import UNFINISHED, plain, read_json, sha256_of, sha256_of_text
from chatwright.errors import ArtefactError, InputError

RECORDS = frozenset({"config.json", "origin.json", "metrics.jsonl", "samples.md", "receipt.json"})  # not results
LOCK, HOLDER = ".lock", ".lock-holder"
VERSIONS_OF = ("torch", "numpy", "tokenizers", "safetensors")


def origin_of(name: str, config: Any, out: Path, parents: Mapping[str, Path], inputs: Sequence[Path]) -> dict[str, Any]:
    """The content of origin.json: `identity`, what it is the hash of, and where, when and with what it ran."""
    for path in inputs:
        if not path.exists():
            raise InputError(f"{path} does not exist; {name} reads it")
    parent_hashes = {key: results_hash(path) for key, path in parents.items()}
    # A folder that a stage wrote, such as the village, counts by its results: its records hold times.
    input_hashes = [results_hash(path) if (path / "origin.json").exists() else sha256_of(path) for path in inputs]
    # Folders may be moved or reached by another path: settings that name them stand for their contents.
    places = [(path.resolve(), parent_hashes[key]) for key, path in parents.items()]
    places += [(path.resolve(), found) for path, found in zip(inputs, input_hashes, strict=True)]
    places.append((out.resolve().parent, ".."))  # its neighbours move with it
    settings = {
        field.name: plain(_placeless(getattr(config, field.name), places))
        for field in fields(config)
        if field.name not in ("out", "threads")
    }
    identity = {"stage": name, "config": settings, "parents": parent_hashes, "inputs": input_hashes}
    return {
        "identity": sha256_of_text(json.dumps(identity, sort_keys=True)),
        **identity,
        "parent_folders": {key: path.as_posix() for key, path in parents.items()},
        "input_files": [path.as_posix() for path in inputs],
        "seed": getattr(config, "seed", None),
        "versions": {"chatwright": __version__, "python": platform.python_version(), **_versions()},
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "command": sys.argv,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _placeless(value: Any, places: Sequence[tuple[Path, str]]) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _placeless(getattr(value, field.name), places) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _placeless(item, places) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_placeless(item, places) for item in value]
    if not isinstance(value, Path | str) or "\n" in str(value) or len(str(value)) > 1000:
        return value
    path = Path(value).resolve()
    for place, contents in places:
        if path == place:
            return contents
        # A text without a slash may be anything else, such as a language.
        if place in path.parents and (isinstance(value, Path) or "/" in value or os.sep in value):
            return f"{contents}/{path.relative_to(place).as_posix()}"
    return value


def _versions() -> dict[str, str]:
    versions = {}
    for package in VERSIONS_OF:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def standing_of(out: Path, origin: Mapping[str, Any]) -> tuple[str, str]:
    """What is in the folder: ("new" | "resume" | "complete" | "other", reason for other)."""
    if not (out / "origin.json").exists():
        strange = [path.name for path in out.iterdir() if not _is_litter(path)] if out.exists() else []
        if strange:
            raise ArtefactError(
                f"{out} holds {min(strange)}, which no stage wrote; choose another --out, or move the file away"
            )
        return "new", ""
    try:
        found = read_json(out / "origin.json")
    except ArtefactError:
        return "other", "its origin.json is damaged"
    if found.get("identity") != origin["identity"]:
        return "other", _difference(found, origin)
    if not (out / "done.json").exists():
        return "resume", ""
    damaged = _first_damaged(out)
    return ("other", f"{damaged} is damaged") if damaged else ("complete", "")


def _is_litter(path: Path) -> bool:
    """Files of a process that died before it had written origin.json."""
    return path.name in (LOCK, HOLDER, "config.json") or path.name.endswith(UNFINISHED)


def _difference(found: Mapping[str, Any], origin: Mapping[str, Any]) -> str:
    if found.get("stage") != origin["stage"]:
        return f"it held a {found.get('stage')} stage"
    before, after = _flat(found.get("config", {})), _flat(plain(origin["config"]))
    changes = [
        f"{key} is {_short(after.get(key))}, was {_short(before.get(key))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and not _is_hash(before.get(key)) and not _is_hash(after.get(key))
    ]
    old, new = found.get("parents", {}), origin["parents"]
    changes += [f"its {key} has changed" for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    if found.get("inputs") != origin["inputs"]:
        changes.append("its data has changed")
    return "; ".join(changes[:4]) + ("; and more" if len(changes) > 4 else "") or "its origin has changed"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, list):
        value = {str(number): item for number, item in enumerate(value, 1)}
    if not isinstance(value, Mapping):
        return {prefix: value}
    items: dict[str, Any] = {}
    for key, item in value.items():
        items |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
    return items


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"[0-9a-f]{64}(/|$)", value) is not None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def results_hash(path: Path) -> str:
    """Hash of a parent's results: of a stage folder (or its model/), a recipe run's model, or any other folder.

    Records such as times are left out, so that a stage that was done again with the same result changes nothing
    after it. Raises ArtefactError if the folder is missing, incomplete or damaged.
    """
    stage = path.parent if path.name == "model" and (path.parent / "origin.json").exists() else path
    if (stage / "origin.json").exists():
        check_whole(stage)
        return str(read_json(stage / "done.json")["results"])
    if not path.exists():
        raise ArtefactError(f"{path} does not exist; run the stage that writes it first")
    if path.is_dir() and not (path / "model.json").exists() and _newest_model_stage(path) is not None:
        return results_hash(model_folder(path))
    return sha256_of(path)


def check_whole(stage: Path, inside: str = "") -> None:
    """Raise ArtefactError unless a stage folder is complete and its files (those `inside` a folder) are unchanged."""
    if not (stage / "done.json").exists():
        raise ArtefactError(f"{stage} is not complete; run its stage again, it goes on where it broke off")
    damaged = _first_damaged(stage, inside)
    if damaged:
        raise ArtefactError(f"{stage / damaged} is damaged: it is not what its stage wrote; run the stage again")


def _first_damaged(stage: Path, inside: str = "") -> str | None:
    try:
        expected = read_json(stage / "done.json")["files"]
        return next(
            (
                name
                for name, known in expected.items()
                if name.startswith(inside) and hash_or_none(stage / name) != known
            ),
            None,
        )
    except (ArtefactError, KeyError, AttributeError):
        return "done.json"


def hash_or_none(path: Path) -> str | None:
    try:
        return sha256_of(path) if path.is_file() else None
    except OSError:
        return None


def model_folder(path: Path) -> Path:
    """The model/ that a path means: model/ itself, a stage folder, or a recipe run (its ppo, else sft, else base).

    Raises ArtefactError if there is none, or if it is incomplete or damaged.
    """
    if (path / "model.json").is_file():
        if (path.parent / "done.json").exists() and path.name == "model":
            check_whole(path.parent, "model/")
        return path
    if (path / "origin.json").exists():
        check_whole(path, "model/")
        if not (path / "model" / "model.json").is_file():
            raise ArtefactError(f"{path} holds no model, it is a {read_json(path / 'origin.json').get('stage')} stage")
        return path / "model"
    stage = _newest_model_stage(path)
    if stage is None:
        wrong = "holds no model" if path.exists() else "does not exist"
        raise ArtefactError(f"{path} {wrong}; give a model folder, a stage folder or the folder of a recipe run")
    return model_folder(stage)


def _newest_model_stage(run: Path) -> Path | None:
    for kind in ("ppo", "sft", "base"):
        # A second round (ppo2) comes after the first.
        rounds = [path for path in run.glob(f"{kind}*") if re.fullmatch(rf"{kind}\d*", path.name)]
        for stage in sorted(rounds, key=lambda path: int(path.name[len(kind) :] or 1), reverse=True):
            if (stage / "done.json").exists():
                return stage
    return None

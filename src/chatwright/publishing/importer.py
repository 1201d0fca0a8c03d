"""Published weights in: `chatwright import SOURCE OUT`.

In: a Hugging Face folder, or a name on the hub.  Out: a model folder that every command takes: weights.safetensors in
the dtype of the source, model.json with where it came from, tokenizer.json. It is whole or absent: written under
another name, renamed at the end. Nothing that comes along is executed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from chatwright.disk import UNFINISHED, require, sync_all
from chatwright.errors import ArtefactError, InputError
from chatwright.models.huggingface import HEAD, IGNORED, Family, Rule, family_of
from chatwright.models.transformer import TransformerConfig
from chatwright.publishing.hub import TERMS, fetch
from chatwright.publishing.tensor_files import DTYPES, TensorFiles, confined, read_object, write_tensors

__all__ = ["PRECISIONS", "Precision", "check_place", "import_model", "new_folder"]

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LONGEST_NAME = 200
"""Bytes; file systems allow 255, of which some are for the name under which it is written."""


@dataclass(frozen=True)
class _Plan:
    """What goes where, checked before anything is written."""

    family: Family
    shape: TransformerConfig
    dtype: torch.dtype
    rules: list[Rule]
    places: dict[str, str]
    """Published name in the rules: name in the files."""


def import_model(
    source: str | Path, out: Path, *, precision: Precision | None = None, revision: str | None = None
) -> Path:
    """Read published weights into the model folder `out`, which must not exist yet. Returns it.

    `source` is a folder or a name on the hub; `precision` converts, else the weights stay as they lie. Raises
    ArtefactError naming the file, key or tensor that is wrong, InputError for a source that is not there.
    """
    with new_folder(out) as unfinished:
        folder = _folder_of(source, revision)
        config, family, shape = _shape(folder)
        files = TensorFiles(folder)
        plan = _planned(family, shape, files, PRECISIONS[precision] if precision else None)
        # Beside the checks of the weights, before the long part: a tokenizer that does not fit ends it here.
        from chatwright.text.published import read_tokenizer

        tokenizer = read_tokenizer(folder, vocabulary=shape.vocabulary)
        described = {rule.ours: (plan.dtype, rule.shape) for rule in plan.rules}
        size = sum(torch.Size(own).numel() for _, own in described.values()) * plan.dtype.itemsize
        require(disk_bytes=size + 2**20, where=out)
        write_tensors(unfinished / "weights.safetensors", described, _joined(plan, files))
        facts = {
            "format": 1,
            "head": "language",
            "backbone": {"kind": "transformer", **asdict(plan.shape)},
            "imported": _provenance(source, folder, config, plan, revision),
            "stage": "import",
            "chat": tokenizer.can_chat,
        }
        (unfinished / "model.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        tokenizer.save(unfinished)
        for path in sorted(folder.iterdir()):
            if TERMS.fullmatch(path.name) and path.is_file() and path.stat().st_size < 2**20:
                shutil.copyfile(confined(folder, path.name), unfinished / path.name)
    return out


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill under another name; it becomes `out` at the end, or goes on an error."""
    check_place(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already; choose another folder or remove it first")
    unfinished = out.with_name(f".{out.name}.{os.getpid()}{UNFINISHED}")
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        sync_all(unfinished)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def check_place(out: Path) -> None:
    """Raise InputError where nothing of this name can be made: below a file, or with too long a name."""
    below = next((path for path in out.absolute().parents if path.exists()), None)
    if below is not None and not below.is_dir():
        raise InputError(f"{out} cannot be made: {below} is a file; choose another place")
    if len(out.name.encode()) > LONGEST_NAME:
        raise InputError(f"{out.name[:40]}... is too long a name; choose one of at most {LONGEST_NAME} bytes")


# -- the source --------------------------------------------------------------------------------------------------------


def _folder_of(source: str | Path, revision: str | None) -> Path:
    path = Path(source)
    if path.is_dir() and source != "":
        if (path / "model.json").exists() and not (path / "config.json").exists():
            raise InputError(f"{source} is a model of chatwright already; every command takes it as it is")
        return path
    if path.is_file():
        raise InputError(f"{source} is a file; give the folder with config.json and the weights")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(source)) or str(source).startswith("."):
        raise InputError(f"{str(source)!r} is neither a folder nor a name on the hub such as openai-community/gpt2")
    return fetch(str(source), revision, check=_shape)


def _shape(folder: Path) -> tuple[dict[str, Any], Family, TransformerConfig]:
    """What config.json says: all of it, the family, and the shape."""
    config = read_object(folder, "config.json")
    family = family_of(config, str(folder / "config.json"))
    return config, family, family.read(config, str(folder / "config.json"))


def _provenance(
    source: str | Path, folder: Path, config: Mapping[str, Any], plan: _Plan, revision: str | None
) -> dict[str, Any]:
    """What model.json keeps, so that an export can give back what came in and name whose it is."""
    generation = read_object(folder, "generation_config.json") if (folder / "generation_config.json").exists() else None
    return {
        "family": plan.family.name,
        "source": Path(source).name if Path(source).is_dir() else str(source),
        "revision": revision or (folder.name if folder.parent.name == "snapshots" else None),
        "licence": _licence(folder),
        "dtype": str(plan.dtype).removeprefix("torch."),
        "config": dict(config),
        "generation_config": generation,
    }


def _licence(folder: Path) -> str | None:
    """The licence that the model card's first lines name."""
    import yaml

    path = folder / "README.md"
    if not path.is_file() or path.stat().st_size > 2**24:
        return None
    text = confined(folder, "README.md").read_text(encoding="utf-8", errors="replace")
    found = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    try:
        head = yaml.safe_load(found.group(1)) if found else None
    except (yaml.YAMLError, RecursionError):
        return None
    if not isinstance(head, dict):
        return None
    licence = head.get("license_name") or head.get("license")
    return licence[:200] if isinstance(licence, str) else None


# -- the weights -------------------------------------------------------------------------------------------------------


def _planned(family: Family, shape: TransformerConfig, files: TensorFiles, dtype: torch.dtype | None) -> _Plan:
    shape = _tied_or_not(family, shape, files)
    rules = family.rules(shape)
    places = {}
    for rule in rules:
        for part, name in enumerate(rule.theirs):
            place = _place(family, name, files)
            if place is None and shape.tied and name == f"{family.prefix}{family.outer['embedding']}.weight":
                place = _place(family, f"{HEAD}.weight", files)
            if place is None:
                raise ArtefactError(f"{files.folder} lacks tensor {name}; the download is not complete")
            wanted, entry = rule.shape_of(part), files.entries[place]
            if entry.shape != wanted:
                raise ArtefactError(
                    f"{files.folder / entry.file}: {place} has shape {entry.shape}, config.json asks for {wanted}"
                )
            places[name] = place
    _check_no_more(family, shape, files, set(places.values()))
    return _Plan(family, shape, _dtype_of(files, list(places.values()), dtype), rules, places)


def _place(family: Family, name: str, files: TensorFiles) -> str | None:
    """The name in the files: with the family's prefix, or as files of the bare model have it, without."""
    for candidate in (name, name.removeprefix(family.prefix)):
        if candidate in files.entries:
            return candidate
    return None


def _tied_or_not(family: Family, shape: TransformerConfig, files: TensorFiles) -> TransformerConfig:
    """A head that is in the file beside the embedding and differs from it is no tied one, whatever config.json says."""
    head = f"{HEAD}.weight"
    embedding = _place(family, f"{family.prefix}{family.outer['embedding']}.weight", files)
    if not shape.tied or head not in files.entries or embedding is None:
        return shape
    same = files.entries[head].shape == files.entries[embedding].shape
    return shape if same and torch.equal(files.tensor(head), files.tensor(embedding)) else replace(shape, tied=False)


def _check_no_more(family: Family, shape: TransformerConfig, files: TensorFiles, used: set[str]) -> None:
    tied = {f"{HEAD}.weight"} if shape.tied else set()
    left = sorted(name for name in files.entries.keys() - used - tied if not IGNORED.search(name))
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        raise ArtefactError(
            f"{files.folder / files.entries[left[0]].file} has tensor {left[0][:200]}{more}, which no "
            f"{family.architecture} has; this is another kind of model"
        )


def _dtype_of(files: TensorFiles, names: list[str], wanted: torch.dtype | None) -> torch.dtype:
    """One dtype for all: the wanted one, else the one that all tensors have."""
    first = files.entries[names[0]]
    for name in names:
        entry = files.entries[name]
        if entry.kind not in DTYPES:
            raise ArtefactError(
                f"{files.folder / entry.file}: {name} holds {entry.kind}; quantised weights cannot be imported"
            )
        if wanted is None and entry.kind != first.kind:
            raise ArtefactError(
                f"{files.folder / entry.file}: {name} is {entry.kind} and {names[0]} is {first.kind}; "
                f"--precision {' or '.join(PRECISIONS)} makes them one"
            )
    found = wanted or DTYPES[first.kind]
    return torch.float32 if found == torch.float64 else found


def _joined(plan: _Plan, files: TensorFiles) -> Iterator[tuple[str, Tensor]]:
    for rule in plan.rules:
        parts = [files.tensor(plan.places[name]).to(plan.dtype) for name in rule.theirs]
        for name, part in zip(rule.theirs, parts, strict=True):
            if not bool(torch.isfinite(part.sum())) and not bool(torch.isfinite(part).all()):
                entry = files.entries[plan.places[name]]
                raise ArtefactError(
                    f"{files.folder / entry.file}: {plan.places[name]} holds values that are not finite"
                )
        yield rule.ours, rule.join(parts)

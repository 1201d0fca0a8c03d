"""The model card of an export: what the model is, what it learned from, what that cost, how good it is.

In: a model folder and the run around it.  Out: README.md with the hub's front matter. Nothing is claimed that no file
says: without an evaluation the card says that there is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatwright.disk import json_or_nothing
from chatwright.evaluation import wording
from chatwright.evaluation.intervals import is_number
from chatwright.models.transformer import TransformerConfig

__all__ = ["model_card"]


def model_card(folder: Path, described: Mapping[str, Any], shape: TransformerConfig, parameters: int) -> str:
    """README.md of the model in `folder`, a model/ of a stage or a folder of its own."""
    stage = folder.parent if (folder.parent / "origin.json").is_file() else None
    imported = described.get("imported") if isinstance(described.get("imported"), dict) else None
    parts = [
        _front(imported),
        f"# {_title(folder, stage)}\n",
        _what(described, imported, shape, parameters),
        _use(),
        "## Data\n\n" + "\n".join(_data(stage, imported)),
        "## Cost\n\n" + "\n".join(_costs(stage)),
        "## Evaluation\n\n" + "\n".join(_evaluation(stage)),
        "## Licence\n\n" + _licence(imported),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _front(imported: Mapping[str, Any] | None) -> str:
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags: [chatwright]"]
    if imported is not None:
        lines.append(f"license: {json.dumps(imported.get('licence') or 'unknown')}")
        source = str(imported.get("source") or "")
        if "/" in source:
            lines.append(f"base_model: {json.dumps(source)}")
    return "\n".join([*lines, "---"])


def _title(folder: Path, stage: Path | None) -> str:
    return f"{stage.parent.name} / {stage.name}" if stage else folder.name


def _what(
    described: Mapping[str, Any], imported: Mapping[str, Any] | None, shape: TransformerConfig, parameters: int
) -> str:
    chat = "It answers conversations." if described.get("chat") else "It continues text; it was not taught to chat."
    base = "It was trained from nothing" if imported is None else f"Its base is {imported.get('source')}"
    return (
        f"A language model of {parameters:,} parameters: {shape.layers} layers, width {shape.width}, "
        f"{shape.heads} heads, a vocabulary of {shape.vocabulary:,}, and a context of {shape.context:,} tokens.\n"
        f"{chat} {base}, with chatwright."
    )


def _use() -> str:
    return (
        "## Use\n\n```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'model = AutoModelForCausalLM.from_pretrained("THIS FOLDER")\n'
        'tokenizer = AutoTokenizer.from_pretrained("THIS FOLDER")\n```'
    )


def _stages(stage: Path | None) -> list[tuple[Path, Mapping[str, Any]]]:
    """The stage and all that it came from, oldest last, each with its origin.json.

    Those are its parents, and the stages that wrote the files it read, such as rankings.
    """
    waiting, found = [stage] if stage else [], {}
    while waiting:
        folder = waiting.pop(0)
        origin = json_or_nothing(folder / "origin.json")
        if folder not in found and origin:
            found[folder] = origin
            waiting += _sources(folder, origin)
    return sorted(found.items(), key=lambda item: str(item[1].get("started_at", "")), reverse=True)


def _sources(folder: Path, origin: Mapping[str, Any]) -> Iterator[Path]:
    """Folders that a stage read from, where they are now: a run that was moved still has its stages side by side."""
    parents = origin.get("parent_folders")
    for path in parents.values() if isinstance(parents, dict) else ():
        yield from [own for own in (folder.parent / Path(path).name, Path(path)) if own.is_dir()][:1]
    for name in origin.get("input_files") or []:
        path = Path(str(name))
        beside = (folder.parent / path.name, folder.parent / path.parent.name, path, path.parent)
        yield from [own for own in beside if _holds(own, path) and (own / "origin.json").is_file()][:1]


def _holds(folder: Path, path: Path) -> bool:
    """Whether a folder is what a path names, or has the file that it names."""
    return folder.name == path.name or (folder / path.name).is_file()


def _data(stage: Path | None, imported: Mapping[str, Any] | None) -> list[str]:
    lines = []
    for folder, origin in _stages(stage):
        names, hashes = origin.get("input_files") or [], origin.get("inputs") or []
        for name, known in zip(names, hashes, strict=False):
            lines.append(f"- {folder.name}: {Path(str(name)).name} (SHA-256 {str(known)[:16]})")
    if imported is not None:
        lines.append(f"- before, the base: what {imported.get('source')} learned from, its publisher knows")
    # A file is named twice where it is divided, to learn from and to stop by.
    return list(dict.fromkeys(lines)) or ["No record of the data lies beside the model."]


def _costs(stage: Path | None) -> list[str]:
    receipts = [(folder.name, json_or_nothing(folder / "receipt.json")) for folder, _ in _stages(stage)]
    told = [(name, receipt) for name, receipt in receipts if receipt]
    if not told:
        return ["No receipt lies beside the model."]
    rows = [wording.receipt_row(name, receipt) for name, receipt in told]
    rows.append(wording.receipt_row("together", wording.total_receipt([receipt for _, receipt in told])))
    return _table(["stage", *wording.RECEIPT_COLUMNS], [[name, *cells] for name, cells in rows])


def _evaluation(stage: Path | None) -> list[str]:
    results = _results_beside(stage) if stage else {}
    every = results.get("evaluation")
    own = every.get(stage.name) if stage and isinstance(every, dict) else None
    if not stage or not isinstance(own, dict):
        return ["It has not been evaluated."]
    rates = results.get("win_rate")
    named = {wording.MEASURES[name][0] if name in wording.MEASURES else name: found for name, found in own.items()}
    for name, found in (rates if isinstance(rates, dict) else {}).items():
        if name.startswith(f"{stage.name}_vs_"):
            named[f"preferred, {wording.short_title(name)}"] = found
    rows = [_measured(name, _beside_ngram(name, found, stage)) for name, found in named.items() if _is_figure(found)]
    lines = _table(["measure", "value", "95% interval", "n", "baseline"], rows) if rows else []
    unmeasured = results.get("reason")
    judge = results.get("judge")
    lines += ["", f"Judged by: {judge}."] if judge else []
    lines += ["", str(unmeasured)] if unmeasured else []
    return lines or ["It has not been evaluated."]


def _results_beside(stage: Path) -> Mapping[str, Any]:
    """What an evaluation in the same run measured of this stage, the last one by name."""
    found = sorted(path for path in stage.parent.glob("*/results.json") if "@" not in path.parent.name)
    told = [json_or_nothing(path) for path in found]
    return next((own for own in reversed(told) if stage.name in (own.get("evaluation") or {})), {})


def _beside_ngram(name: str, found: Mapping[str, Any], stage: Path) -> Mapping[str, Any]:
    """Bits per byte with those of the n-gram, which pre-training measured, if it did on as many documents."""
    if name == wording.MEASURES["bits_per_byte"][0] and "baseline" not in found:
        for folder, _ in _stages(stage):
            summary = json_or_nothing(folder / "receipt.json").get("summary") or {}
            if is_number(summary.get("baseline_bits_per_byte")) and summary.get("documents") == found["n"]:
                return {**found, "baseline": summary["baseline_bits_per_byte"]}
    return found


def _is_figure(found: object) -> bool:
    return isinstance(found, dict) and all(is_number(found.get(key)) for key in ("value", "low", "high", "n"))


def _measured(name: str, found: Mapping[str, Any]) -> list[str]:
    told = " (at chance)" if found.get("at_chance") else ""
    baseline = f"{found['baseline']:.3g}" if is_number(found.get("baseline")) else ""
    return [
        name.removeprefix("· "),
        f"{found['value']:.3g}{told}",
        f"{found['low']:.3g} to {found['high']:.3g}",
        str(found["n"]),
        baseline,
    ]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def _licence(imported: Mapping[str, Any] | None) -> str:
    if imported is None:
        return "Trained from nothing: the terms of the data above, and what its owner says."
    name = imported.get("licence") or "not stated by the folder that was imported; ask its publisher"
    return f"The base, {imported.get('source')}, comes under: {name}. Its terms bind this model too."

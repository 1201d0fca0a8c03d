"""From a job to a recipe: what is trained on the store's rankings, beside which run, with which command.

In: a job as an admin asked for it.  Out: a folder with a recipe, and the command that runs it. Nothing is trained here;
`supervision.py` starts the process, which takes from the store what the recipe names, and tells it what it has learned.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatwright.disk import json_or_nothing, to_json, write_atomically
from chatwright.errors import ConflictError, InputError
from chatwright.evaluation.run_files import StageRecord
from chatwright.feedback.caps import caps_of, within
from chatwright.feedback.lessons import prompts_in
from chatwright.feedback.rankings import pairs
from chatwright.feedback.stored import RANKED_KINDS, ranking_of
from chatwright.serving.web.holding_back import held_back_from
from chatwright.serving.web.watching import RunFolder, RunFolders
from chatwright.store.jobs import Job
from chatwright.text.parts import in_part

if TYPE_CHECKING:
    from chatwright.store import Store
    from chatwright.text.conversation import Conversation

__all__ = [
    "ENOUGH",
    "KINDS",
    "Known",
    "advice",
    "check_there_is_something",
    "is_known",
    "known_feedback",
    "prepare",
    "prompts_of_job",
    "source_of",
]

KINDS = ("reward", "ppo", "loop")
ENOUGH = 2000
"""Comparisons from which on a reward model is usually worth training on."""
KEPT = ("learning_rate", "batch", "optimizer", "context", "precision", "lora", "weights", "checkpointing")
PPO_KEPT = (
    *KEPT,
    *("iterations", "minibatches", "kl_coefficient", "max_tokens", "temperature"),
    *("kl_target", "kl_stop", "evaluate_every", "patience"),
)
OWN_PROMPTS = ("ppo.prompts", "ppo.validation_prompts")
"""Settings with which somebody chooses the prompts: then none of them is held back here."""
TOLD = "job.json"
"""In a job's folder: what was decided for it, for the pages."""


@dataclass(frozen=True)
class Contribution:
    """The rankings of one labeler."""

    rows: int
    """Those that count."""
    left_out: int
    """Those beyond the caps per person."""
    simulated: bool
    """None of them is a person's."""


@dataclass(frozen=True)
class Known:
    """What the store holds to learn from."""

    comparisons: int
    """Pairs of answers that somebody put in order."""
    simulated_comparisons: int
    """Of these, those of rankings by a simulated labeler."""
    rankings: int
    simulated: int
    """Of the rankings, those by a simulated labeler."""
    demonstrations: int
    waiting: int
    left_out: int
    """Rankings beyond the caps per person."""
    people: Mapping[str, Contribution]
    """By labeler."""


def known_feedback(store: Store, *, with_simulated: bool = True) -> Known:
    rows = store.feedback.rows(kinds=RANKED_KINDS, simulated=None if with_simulated else False)
    usable = [row for row in rows if ranking_of(row) is not None]
    kept = within(usable, caps_of(store))
    ranked = [(row, ranking) for row in kept.rows if (ranking := ranking_of(row)) is not None]
    given = Counter(row.labeler for row in kept.rows)
    persons = {row.labeler for row in usable if not row.simulated}
    written = store.feedback.rows(kinds=("demonstration", "chat_rating"))
    counts = store.feedback.counts()
    return Known(
        comparisons=sum(len(pairs(ranking)) for _, ranking in ranked),
        simulated_comparisons=sum(len(pairs(ranking)) for row, ranking in ranked if row.simulated),
        rankings=len(ranked),
        simulated=sum(row.simulated for row, _ in ranked),
        demonstrations=sum(row.kind == "demonstration" or bool(row.content.get("good")) for row in written),
        waiting=sum(own.get("waiting", 0) for own in counts.values()),
        left_out=sum(kept.left_out.values()),
        people={
            name: Contribution(given[name], kept.left_out.get(name, 0), name not in persons)
            for name in sorted({*given, *kept.left_out})
        },
    )


def advice(known: Known) -> str:
    """Whether training is worth it, in a sentence."""
    if not known.comparisons:
        return "There is no comparison to learn from yet: rank answers first, or let a simulated labeler fill in."
    made_up = f" {known.simulated} of {known.rankings} rankings are simulated." if known.simulated else ""
    made_up += f" {known.left_out} more are left out, beyond the caps per person." if known.left_out else ""
    if known.comparisons < ENOUGH:
        return (
            f"There are {known.comparisons:,} comparisons; some {ENOUGH:,} are usually needed before a reward model "
            f"beats chance by much.{made_up}"
        )
    return f"There are {known.comparisons:,} comparisons, usually enough to begin with.{made_up}"


def check_there_is_something(kind: str, store: Store, *, with_simulated: bool) -> None:
    """Raise ConflictError if a job of this kind would find no comparison to learn from; PPO alone needs none."""
    if kind == "ppo" or known_feedback(store, with_simulated=with_simulated).comparisons:
        return
    others = " by people" if not with_simulated and known_feedback(store).comparisons else ""
    raise ConflictError(
        f"there is no comparison{others} to learn from yet; rank answers, approve those that wait, or let a simulated "
        "labeler fill in",
        code="no_comparisons",
    )


def source_of(run: RunFolder) -> dict[str, bool]:
    """Which parts for training a run holds."""
    return {"sft": _last(run, "sft") is not None, "reward": _last(run, "reward") is not None}


def prepare(job: Job, *, store: Store, runs: RunFolders) -> tuple[Path, Sequence[str]]:
    """Write a job's recipe into its folder; the folder, and the arguments of `chatwright`.

    Raises ConflictError if the store holds nothing to train on, or if the run lacks a stage that is needed.
    """
    with_simulated = bool(job.settings.get("with_simulated", True))
    check_there_is_something(job.kind, store, with_simulated=with_simulated)
    run = runs.get(str(job.settings["run"]))
    settings = dict(job.settings.get("settings") or {})
    tables = _tables(job.kind, run)
    told: dict[str, Any] = {}
    if "ppo" in tables and not any(name in settings for name in OWN_PROMPTS):
        told["prompts"] = _divide(tables["ppo"], prompts_in(store, with_simulated=with_simulated))
    folder = run.folder.parent / f"{run.folder.name}-{job.kind}-{job.id}"
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "job.toml"
    write_atomically(folder / TOLD, to_json(told))
    write_atomically(recipe, _toml(folder.name, with_simulated, tables))
    chosen = [f"--set={name}={_value(value)}" for name, value in settings.items()]
    return folder, ["run", recipe.as_posix(), "--out", folder.as_posix(), *chosen]


def _tables(kind: str, run: RunFolder) -> dict[str, dict[str, Any]]:
    policy = _needed(run, "sft")
    tables: dict[str, dict[str, Any]] = {}
    before = _last(run, "reward")
    if kind in ("reward", "loop"):
        kept = {name: before.config[name] for name in KEPT if name in before.config} if before else {}
        tables["reward"] = {"model": policy.folder.as_posix(), "rankings": "store", **_plain(kept)}
    if kind in ("ppo", "loop"):
        earlier = _last(run, "ppo")
        kept = {name: earlier.config[name] for name in PPO_KEPT if name in earlier.config} if earlier else {}
        reward = {} if kind == "loop" else {"reward": _needed(run, "reward").folder.as_posix()}
        # What people asked is what PPO practises on.
        tables["ppo"] = {"policy": policy.folder.as_posix(), **reward, "prompts": "store", **_plain(kept)}
    return tables


def _divide(ppo: dict[str, Any], prompts: Sequence[Conversation]) -> dict[str, int]:
    """Hold some prompts back to be watched, if there are enough; how many are practised on, and how many watched."""
    cut = held_back_from(prompts)
    watched = 0 if cut is None else sum(in_part(prompt, (cut, 1.0)) for prompt in prompts)
    if cut is not None:
        ppo["prompts"] = {"path": "store", "part": [0.0, cut]}
        ppo["validation_prompts"] = {"path": "store", "part": [cut, 1.0]}
    return {"training": len(prompts) - watched, "validation": watched}


def prompts_of_job(folder: str) -> dict[str, int] | None:
    """How many prompts PPO practises on, and how many it is watched with; None if that was not decided here."""
    found = json_or_nothing(Path(folder) / TOLD).get("prompts") if folder else None
    return found if isinstance(found, dict) else None


def is_known(job: Job, *, runs: RunFolders) -> bool:
    """Whether the run that a job begins with is watched here."""
    return any(run.name == job.settings.get("run") for run in runs.all())


def _needed(run: RunFolder, kind: str) -> StageRecord:
    found = _last(run, kind)
    if found is None:
        raise ConflictError(
            f"the run {run.name} has no complete {kind} stage to begin with; choose another run", code="no_stage"
        )
    return found


def _last(run: RunFolder, kind: str) -> StageRecord | None:
    """The stage of this kind that later ones go on from: named like its kind if there is one, else the last."""
    found = [stage for stage in run.stages if stage.kind == kind and stage.complete]
    return next((stage for stage in found if stage.name == kind), found[-1] if found else None)


# -- TOML, as far as settings need it --


def _toml(name: str, with_simulated: bool, tables: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "# Written by chatwright serve for a job. The store's address comes with the variable CHATWRIGHT_STORE.",
        f"name = {_value(name)}",
        f"with_simulated = {_value(with_simulated)}",
        "",
    ]
    for table, values in tables.items():
        lines += [f"[{table}]", *(f"{key} = {_value(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=True)  # JSON's numbers, truths and strings are TOML's as well
    raise InputError(f"the setting {value!r} is neither a number, a text nor a list of these")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a recipe can hold: TOML knows no null."""
    return {name: value for name, value in values.items() if value is not None and value != {}}


def accuracy_of(run: RunFolder) -> dict[str, Any] | None:
    """What the reward model of a run reached on answers that it had not seen."""
    stage = _last(run, "reward")
    if stage is None:
        return None
    summary = stage.summary
    if summary.get("accuracy") is None:
        return None
    return {
        "run": run.name,
        "accuracy": summary["accuracy"],
        "interval": [summary.get("accuracy_low"), summary.get("accuracy_high")],
        "comparisons": summary.get("comparisons"),
        "simulated": summary.get("simulated_comparisons"),
    }


def find_run(runs: RunFolders, folder: str) -> RunFolder | None:
    """The run in a folder, if it is watched."""
    return next((run for run in runs.all() if run.folder.as_posix() == folder), None)

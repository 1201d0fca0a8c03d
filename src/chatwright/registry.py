"""The stages by name: which module, which settings, which parents. Nothing of a stage is imported before it is used.

In: a stage's name and settings as read from a recipe.  Out: a checked config object, or a sentence on what is wrong.
"""

from __future__ import annotations

import difflib
import importlib
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from chatwright.arguments import wrong_numbers
from chatwright.disk import json_or_nothing
from chatwright.errors import ConfigError


@dataclass(frozen=True)
class Parent:
    """What a setting may take from an earlier stage: stages of these kinds, all of them or the nearest."""

    kinds: tuple[str, ...]
    every: bool = False
    file: str = ""  # a file inside the parent's folder, where not the folder itself is meant
    automatic: bool = True  # taken from the nearest earlier stage when a recipe does not say


@dataclass(frozen=True)
class StageEntry:
    """Where one stage lives. `parents` names settings; the main parent stands first."""

    module: str
    config: str
    function: str
    help: str
    parents: Mapping[str, Parent] = field(default_factory=dict)
    trains: bool = False

    def config_class(self) -> type[Any]:
        loaded: type[Any] = getattr(importlib.import_module(self.module), self.config)
        return loaded

    def run(self, config: Any) -> Path:
        function: Callable[[Any], Path] = getattr(importlib.import_module(self.module), self.function)
        return function(config)


SPEAKERS = ("sft", "ppo")  # stages whose models follow a conversation
STAGES: dict[str, StageEntry] = {
    "tokenize": StageEntry(
        "chatwright.stages.tokenize",
        "TokenizeConfig",
        "tokenize",
        "clean, split and encode raw text",
    ),
    "pretrain": StageEntry(
        "chatwright.stages.pretrain",
        "PretrainConfig",
        "pretrain",
        "learn to continue raw text",
        {"tokens": Parent(("tokenize",)), "base": Parent(("pretrain",), automatic=False)},
        trains=True,
    ),
    "sft": StageEntry(
        "chatwright.stages.sft",
        "SFTConfig",
        "sft",
        "learn to answer from demonstrations",
        {
            "base": Parent(("pretrain", "sft")),
            "tokens": Parent(("tokenize",)),
            "compute_of": Parent(("pretrain", "sft", "reward", "ppo"), automatic=False),
        },
        trains=True,
    ),
    "collect": StageEntry(
        "chatwright.stages.collect",
        "CollectConfig",
        "collect",
        "let a model answer prompts and have the answers ranked",
        {"model": Parent(SPEAKERS)},
    ),
    "reward": StageEntry(
        "chatwright.stages.reward",
        "RewardConfig",
        "train_reward",
        "learn from rankings which answers are better",
        {"model": Parent(("sft",)), "rankings": Parent(("collect",), every=True, file="rankings.jsonl")},
        trains=True,
    ),
    "ppo": StageEntry(
        "chatwright.stages.ppo",
        "PPOConfig",
        "ppo",
        "improve the answers by the reward model",
        {"policy": Parent(SPEAKERS), "reward": Parent(("reward",)), "tokens": Parent(("tokenize",))},
        trains=True,
    ),
    "evaluate": StageEntry(
        "chatwright.stages.evaluate",
        "EvaluateConfig",
        "evaluate",
        "measure what every stage added",
        {
            "base": Parent(("pretrain",)),
            "sft": Parent(("sft",)),
            "ppo": Parent(("ppo",)),
            "extra": Parent(("pretrain", *SPEAKERS), automatic=False),
            "reward": Parent(("reward",)),
            "judge_reward": Parent(("reward",), automatic=False),
            "tokens": Parent(("tokenize",)),
        },
    ),
}


PREDECESSORS = {"pretrain": "base", "sft": "base", "reward": "model", "ppo": "policy"}
"""Of each stage that makes a model: the setting that names the one it starts from."""


def reach_of(stage: str, config: Any, reaches: Mapping[Path, int]) -> int | None:
    """The most tokens that a stage's model reads, where its settings or its predecessor tell; None: not known.

    `reaches` holds those of earlier stages by folder. Raises ConfigError for settings that ask for more.
    """
    settings = vars(config)
    parent = settings.get(PREDECESSORS.get(stage, ""))
    if parent is None:
        return settings.get("context") if stage == "pretrain" else None
    described = json_or_nothing(parent / "model.json") or json_or_nothing(parent / "model" / "model.json")
    backbone = described.get("backbone")
    reach = reaches.get(parent) or (backbone.get("context") if isinstance(backbone, dict) else None)
    if not isinstance(reach, int):
        return None
    answers, rows = settings.get("max_tokens") or 0, settings.get("context") or 0
    if stage == "ppo" and reach - answers < 8:
        raise ConfigError(f"ppo.max_tokens ({answers}) leaves no room for prompts in the model's context ({reach})")
    if stage == "sft" and rows > reach:
        raise ConfigError(f"sft.context is {rows}, but {parent} reads {reach} tokens at most")
    return reach


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` for a word that is not among the known ones, or all of them where none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if not names:
        return "there is none to name yet"
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"


def build_config(kind: type[Any], values: Mapping[str, Any], *, where: Callable[[str], str]) -> Any:
    """Make a config dataclass of settings as a file gives them, strictly: no unknown keys, no other types.

    `where(key)` says where a setting stands, for messages. Raises ConfigError with one sentence per problem.
    """
    from pydantic import TypeAdapter, ValidationError

    problems = list(_unknown_keys(kind, values, where=where))
    if problems:
        raise ConfigError("\n".join(problems))
    hints = typing.get_type_hints(kind)
    given = {key: _as_list(value) if _is_list(hints[key]) else value for key, value in values.items()}
    text = _json(given, where)
    try:
        config = TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        # A union reports once for each of its members; the first says enough.
        first = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}
        raise ConfigError("\n".join(_sentence(first[key], where(key)) for key in sorted(first))) from None
    except ConfigError as error:
        raise ConfigError(f"{where('')}: {error}") from None
    if wrong := [f"{where(name)}: {name} {problem}" for name, problem in wrong_numbers(config)]:
        raise ConfigError("\n".join(wrong))
    return config


def _unknown_keys(kind: type[Any], values: Mapping[str, Any], *, where: Callable[[str], str]) -> Iterable[str]:
    known = {item.name for item in fields(kind)}
    hints = typing.get_type_hints(kind)
    for key, value in values.items():
        if key not in known:
            yield f"{where(key)}: unknown setting {key!r}; {nearest(key, known - {'out'} | {'stage', 'from'})}"
        elif isinstance(value, Mapping) and (inner := _dataclass_in(hints[key])) is not None:
            yield from _unknown_keys(inner, value, where=lambda name, outer=key: where(f"{outer}.{name}"))  # type: ignore[misc]


def _dataclass_in(hint: Any) -> type[Any] | None:
    """The dataclass that a type annotation allows, alone or among others."""
    if is_dataclass(hint) and isinstance(hint, type):
        return hint
    return next((found for part in typing.get_args(hint) if (found := _dataclass_in(part)) is not None), None)


def _is_list(hint: Any) -> bool:
    members = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    members = tuple(member for member in members if member is not type(None))
    return bool(members) and all(typing.get_origin(member) in (tuple, list) for member in members)


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _json(values: Mapping[str, Any], where: Callable[[str], str]) -> str:
    for key, value in values.items():
        try:
            json.dumps(value)
        except TypeError:
            raise ConfigError(f"{where(key)}: {key} is a date or time; put it in quotes") from None
    return json.dumps(values)


def _sentence(problem: Any, where: str) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    message = str(problem["msg"])
    if problem["type"] == "missing":
        return f"{where}: {key} is missing"
    message = message.removeprefix("Input ").removeprefix("Value error, ")
    return f"{where}: {key} {message}, found {problem['input']!r}"

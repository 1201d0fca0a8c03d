"""Stand-ins: stages that only write small files, a village of one house, and a report; none needs torch."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chatwright.errors import ConfigError, TrainingError
from chatwright.registry import STAGES, StageEntry
from chatwright.runs import open_stage, write_atomically

WORKED: list[str] = []  # folders in which a fake stage has really done something
BROKEN: dict[str, BaseException] = {}  # folder's name -> what its stage raises half-way


@dataclass(frozen=True, kw_only=True)
class FakeTokenize:
    out: Path
    texts: tuple[str, ...]
    vocabulary: int = 256
    seed: int = 1

    def __post_init__(self) -> None:
        if self.vocabulary < 2:
            raise ConfigError(f"vocabulary is {self.vocabulary}; it must be at least 2")


@dataclass(frozen=True, kw_only=True)
class Optimizing:
    learning_rate: float = 0.5
    steps: int = 3


@dataclass(frozen=True, kw_only=True)
class FakePretrain:
    out: Path
    tokens: Path
    depth: int = 2
    optimizer: Optimizing = field(default_factory=Optimizing)
    seed: int = 1
    threads: int = 2
    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True, kw_only=True)
class FakeSFT:
    out: Path
    base: Path
    conversations: tuple[str, ...]
    tokens: Path | None = None
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class FakeCollect:
    out: Path
    model: Path
    prompts: str
    labeler: str = ""
    answers: int = 4
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class FakeReward:
    out: Path
    model: Path
    rankings: tuple[Path, ...]
    demonstrations: str | None = None
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class FakePPO:
    out: Path
    policy: Path
    reward: Path
    prompts: str
    validation_prompts: str = ""
    kl_coefficient: float = 0.1
    tokens: Path | None = None
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class FakeEvaluate:
    out: Path
    base: Path | None = None
    sft: Path | None = None
    ppo: Path | None = None
    extra: dict[str, Path] = field(default_factory=dict)
    prompts: str
    judge: str = ""
    seed: int = 1


def fake_stage(name: str, config: Any, parents: dict[str, Path], **receipt: object) -> Path:
    with open_stage(name, config, out=config.out, parents=parents) as stage:
        if stage.complete:
            return stage.folder
        WORKED.append(stage.folder.name)
        stage.meter.add(tokens=1000)
        if stage.folder.name in BROKEN:
            raise BROKEN[stage.folder.name]
        # `vocabulary` and such make the results differ, so that children see it.
        shown = "".join(
            f"{key}={value}\n" for key, value in vars(config).items() if not isinstance(value, Path | tuple)
        )
        stage.write("result.txt", name + "\n" + shown)
        return stage.finish(**receipt)


def fake_tokenize(config: FakeTokenize) -> Path:
    return fake_stage("tokenize", config, {})


def fake_pretrain(config: FakePretrain) -> Path:
    return fake_stage("pretrain", config, {"tokens": config.tokens}, summary={"bits_per_byte": 1.5 + config.depth})


def fake_sft(config: FakeSFT) -> Path:
    return fake_stage("sft", config, {"base": config.base})


def fake_collect(config: FakeCollect) -> Path:
    with open_stage("collect", config, out=config.out, parents={"model": config.model}) as stage:
        if not stage.complete:
            WORKED.append(stage.folder.name)
            stage.write("rankings.jsonl", "{}\n")
            stage.finish()
    return config.out


def fake_reward(config: FakeReward) -> Path:
    for rankings in config.rankings:
        rankings.read_text()
    return fake_stage("reward", config, {"model": config.model}, summary={"accuracy": 0.7})


def fake_ppo(config: FakePPO) -> Path:
    parents = {"policy": config.policy, "reward": config.reward}
    return fake_stage("ppo", config, parents, summary={"kl": config.kl_coefficient})


def fake_evaluate(config: FakeEvaluate) -> Path:
    parents = {name: path for name in ("base", "sft", "ppo") if (path := getattr(config, name)) is not None}
    helpful = {name: {"helpful": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}} for name in parents}
    win_rate = {"ppo_vs_sft": {"value": 0.55, "low": 0.5, "high": 0.6, "n": 9}}
    return fake_stage("evaluate", config, parents, summary={"evaluation": helpful, "win_rate": win_rate})


@dataclass(frozen=True, kw_only=True)
class FakeVillageConfig:
    language: str = "en"
    seed: int = 1
    people: int = 80


def fake_write_village(config: FakeVillageConfig, folder: Path) -> None:
    WORKED.append("village")
    names = ["texts", "demonstrations", *(f"prompts-{part}" for part in ("ranking", "ppo", "validation", "test"))]
    for name in names:
        write_atomically(folder / f"{name}.jsonl", f"{config.people}\n")


def fake_write_report(run: Path) -> Path:
    write_atomically(run / "report.html", "<p>report</p>")
    return run / "report.html"


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace all stages, the village and the report for one test."""
    WORKED.clear()
    BROKEN.clear()
    for name, entry in list(STAGES.items()):
        titles = {"sft": "SFT", "ppo": "PPO"}
        config = "Fake" + titles.get(name, name.capitalize())
        fake = StageEntry(__name__, config, f"fake_{name}", entry.help, entry.parents, entry.trains)
        monkeypatch.setitem(STAGES, name, fake)
    village, report = types.ModuleType("chatwright.village"), types.ModuleType("chatwright.evaluation.report")
    village.VillageConfig, village.write_village = FakeVillageConfig, fake_write_village  # type: ignore[attr-defined]
    report.write_report = fake_write_report  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chatwright.village", village)
    monkeypatch.setitem(sys.modules, "chatwright.evaluation.report", report)


RECIPE = """
name = "small"
seed = 7
threads = 1

[village]
people = 12

[tokenize]
texts = "village"

[base]
stage = "pretrain"
depth = 3
optimizer = { steps = 5 }

[sft]
conversations = "village"

[collect]
prompts = "village"
labeler = "village"

[reward]
demonstrations = "village"

[ppo]
prompts = "village"
validation_prompts = "village"

[evaluate]
prompts = "village"
judge = "village"
"""

BROKEN_TRAINING = TrainingError("the loss is not finite at step 2; lower the learning rate")

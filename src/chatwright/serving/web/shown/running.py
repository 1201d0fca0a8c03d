"""Runs, promotions, jobs and comparisons as `/api/v1` shows them."""

from __future__ import annotations

from typing import Any, Literal

from chatwright.serving.web.shown.plain import Said, Shown

__all__ = [
    "Comparisons",
    "ComparisonForAdmin",
    "ComparisonResult",
    "Jobs",
    "JobShown",
    "JobWithLog",
    "MetricRows",
    "ModelDays",
    "NextPair",
    "PromotionShown",
    "Promotions",
    "RolledBack",
    "Run",
    "Runs",
    "Samples",
    "TrainingReport",
]

RunState = Literal["running", "complete", "stopped"]


class StageSummary(Shown):
    name: str
    kind: str
    complete: bool
    has_rankings: bool
    """A simulated labeler has ranked what it sampled."""


class RunSummary(Shown):
    name: str
    folder: str
    recipe: str | None
    state: RunState
    started_at: str | None
    finished_at: str | None
    stages: list[StageSummary]
    served: list[str]


class Runs(Shown):
    runs: list[RunSummary]


class Stage(Shown):
    name: str
    kind: str
    state: RunState
    started_at: str | None
    config: dict[str, Any]
    receipt: dict[str, Any] | None
    seed: int | None
    parents: dict[str, str | None]
    has_samples: bool
    metrics: list[str]
    """Names of what metrics.jsonl holds."""
    served_as: list[str]


class LineageNode(Shown):
    id: str
    kind: str
    name: str
    run: str | None
    complete: bool


class Lineage(Shown):
    nodes: list[LineageNode]
    edges: list[list[str]]
    """From, to, and as what."""


class Run(Shown):
    name: str
    folder: str
    recipe: str | None
    state: RunState
    summary: dict[str, Any] | None
    has_report: bool
    stages: list[Stage]
    lineage: Lineage


class MetricRows(Shown):
    """`next` is what to ask for next time."""

    rows: list[dict[str, Any]]
    next: int
    state: RunState


class Samples(Shown):
    markdown: str


class ModelDay(Shown):
    """Requests and tokens of everybody; thumbs, reward score and refusals of answers in chats.

    `refusals`: answers that open like one, or that a moderator held back.
    """

    day: str
    model: str
    requests: int
    tokens_in: int
    tokens_out: int
    up: int
    down: int
    reward_score: float | None
    refusals: int


class ModelDays(Shown):
    days: list[ModelDay]


class PromotionShown(Shown):
    id: str
    model: str
    folder: str
    note: str
    by: str | None
    promoted_at: str
    rolled_back_at: str | None


class Promotions(Shown):
    current: dict[str, PromotionShown]
    history: list[PromotionShown]


class RolledBack(Shown):
    """`folder` is null where the name answers again with what serve was started with."""

    model: str
    folder: str | None


# -- jobs --


class Reached(Shown):
    """The accuracy of a reward model on answers that it had not seen."""

    job: str | None
    run: str
    accuracy: float
    interval: list[float | None]
    comparisons: int | None
    """Those that it learned from."""
    simulated: int | None
    """Of these, those by a simulated labeler; null where an older run does not tell."""


class Source(Shown):
    run: str
    sft: bool
    reward: bool


class Contributor(Shown):
    """Somebody whose rankings would be trained on; `left_out` are beyond the caps per person."""

    labeler: str
    name: str | None
    rows: int
    left_out: int
    simulated: bool
    """None of them is a person's."""


class TrainingReport(Shown):
    comparisons: int
    simulated_comparisons: int
    """Of the comparisons, those by a simulated labeler."""
    rankings: int
    simulated: int
    demonstrations: int
    waiting: int
    left_out: int
    """Rankings beyond the caps per person."""
    people: list[Contributor]
    enough: int
    advice: str
    last: Reached | None
    sources: list[Source]


class JobPrompts(Shown):
    """How many prompts PPO practises on; those for validation are held back, and say when it stops. 0: too few."""

    training: int
    validation: int


class JobShown(Shown):
    id: str
    kind: Literal["reward", "ppo", "loop"]
    state: Literal["queued", "running", "done", "failed", "stopped"]
    settings: dict[str, Any]
    run: str | None
    error: str
    prompts: JobPrompts | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class JobWithLog(JobShown):
    log: str


class Jobs(Shown):
    jobs: list[JobShown]


# -- comparisons --


class Comparison(Shown):
    """As voters see it: nothing says which models are compared."""

    id: str
    name: str
    pairs: int
    voted: int
    closed: bool
    created_at: str


class PromptsCompared(Shown):
    """How many of the pairs have a prompt that is as well known to the models; all 0 for an older comparison."""

    fresh: int
    """Of the queue; no run learned from it."""
    test: int
    """Of the tests of a run that the models come from."""
    held_back: int
    """PPO was only watched with it; the reward model may know it."""
    seen: int
    """Learned from, or nobody can tell."""
    given: int
    """Brought by whoever began the comparison."""


class ComparisonForAdmin(Comparison):
    model_a: str
    model_b: str
    votes: int
    left_out: int
    """Prompts with nothing to choose from: both answers were empty, or the same."""
    prompts: PromptsCompared


class Comparisons(Shown):
    comparisons: list[ComparisonForAdmin | Comparison]


class Pair(Shown):
    id: str
    prompt: list[Said]
    left: str
    right: str


class NextPair(Shown):
    pair: Pair | None


class ComparisonResult(Shown):
    """From the side of `model_a`; ties and "both bad" count half."""

    model_a: str
    model_b: str
    pairs: int
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    left_share: float | None
    win_rate: float | None
    interval: list[float] | None

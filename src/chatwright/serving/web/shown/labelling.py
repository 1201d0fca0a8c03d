"""Tasks, feedback and agreement as `/api/v1` shows them, to labelers and to admins."""

from __future__ import annotations

from typing import Any, Literal

from chatwright.serving.web.shown.plain import Said, Shown

__all__ = [
    "AgreementReport",
    "Expiry",
    "FeedbackPage",
    "Guidelines",
    "HandedIn",
    "LabelProgress",
    "NextTask",
    "Outliers",
    "Removed",
    "TaskPage",
    "TrainedOn",
]

TaskKind = Literal["prompt", "demonstration", "rate_answer", "rate_chat", "rank"]
RowState = Literal["waiting", "approved", "rejected", "removed"]


class LabelTask(Shown):
    """A task as a labeler sees it: nothing says which model gave which answer."""

    id: str
    kind: TaskKind
    category: str
    brief: str
    messages: list[Said]
    answers: list[str]
    """In the order shown; ranks are given in that order."""
    draft: dict[str, Any] | None
    expires_at: str
    flags: list[str]
    submission: str
    """To be sent when handing in, so that a second time does nothing."""


class NextTask(Shown):
    task: LabelTask | None


class Expiry(Shown):
    expires_at: str


class HandedIn(Shown):
    id: str
    state: RowState


class Guidelines(Shown):
    markdown: str


class KindProgress(Shown):
    """`wanted` is null where there are never enough: everybody may write to every brief for a prompt."""

    kind: TaskKind
    tasks: int
    open: int
    judgements: int
    wanted: int | None
    held: int
    seconds: float | None
    """Median time on task of what was handed in."""
    categories: dict[str, list[int | None]]
    """Category: judgements, and how many are wanted."""


class OwnProgress(Shown):
    today: int
    total: int


class LabelProgress(Shown):
    kinds: list[KindProgress]
    mine: OwnProgress
    coverage: dict[str, int]
    """Prompts that people wrote, by category."""
    categories: list[str]
    flags: list[str]


class LabelerShown(Shown):
    """One labeler against all others and against known answers; null where there is nothing to compare."""

    labeler: str
    name: str | None
    is_me: bool
    judgements: int
    pairwise: float | None
    pairs: int
    tau: float | None
    gold_pairwise: float | None
    gold_pairs: int
    seconds: float | None
    first_is_best: float | None
    simulated: bool
    """No person judged any of it."""


class AgreementReport(Shown):
    judgements: int
    shared_items: int
    pairwise: float | None
    pairs: int
    tau: float | None
    alpha: float | None
    labelers: list[LabelerShown]


class FeedbackShown(Shown):
    """A row of feedback; its content is empty where nobody consented to its use."""

    id: str
    kind: str
    state: RowState
    labeler: str
    person: str | None
    role: str
    origin: Literal["chat", "task", "import"]
    consent: bool
    simulated: bool
    category: str
    model: str
    score: float | None
    content: dict[str, Any]
    seconds: float | None
    created_at: str
    decided_at: str | None
    trained_on: list[str]


class FeedbackPage(Shown):
    rows: list[FeedbackShown]
    more: bool
    counts: dict[str, dict[str, int]]
    """Kind, then state: how many there are."""


class Removed(Shown):
    """`runs` have learned from these rows and want training again."""

    rows: int
    runs: list[str]


class OutlierShown(Shown):
    labeler: str
    name: str | None
    judgements: int
    reasons: list[str]


class Outliers(Shown):
    outliers: list[OutlierShown]


class RunRows(Shown):
    run: str
    rows: int
    removed: int
    """Of these rows, those that were removed or rejected since."""


class TrainedOn(Shown):
    runs: list[RunRows]


class TaskShown(Shown):
    """A task with everything that is known of it."""

    id: str
    kind: TaskKind
    state: Literal["open", "closed"]
    category: str
    content: dict[str, Any]
    gold: dict[str, Any] | None
    source: str
    overlap: int
    done: int
    priority: int
    author_id: str | None
    created_at: str


class TaskPage(Shown):
    tasks: list[TaskShown]
    more: bool

"""Rows of the store as what training and reports need: rankings, judgements to compare, prompts from real chats.

In: an open store.  Out: rankings JSONL for a recipe (`rankings = "store"`), agreement of the labelers, prompts that
people let be used. Only approved rows with consent are trained on; what a run learns from is noted with the rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatwright.errors import InputError
from chatwright.feedback.agreement import Agreement, Judgement, Outlier, agreement_of, outliers
from chatwright.feedback.rankings import Ranking, pairs, write_rankings
from chatwright.store.feedback import FeedbackRow
from chatwright.store.opening import Store
from chatwright.text.conversation import Conversation

__all__ = [
    "StoredRankings",
    "agreement_in_store",
    "judgements_of",
    "outliers_in_store",
    "ranking_of",
    "rankings_from_store",
]

RANKED_KINDS = ("ranking", "choice")


@dataclass(frozen=True)
class StoredRankings:
    """What was written for training. Once a run has begun with it: `store.feedback.mark_trained(ids, run)`."""

    path: Path
    ids: tuple[int, ...]
    pairs: int
    """Comparisons without ties: what a reward model learns from."""
    simulated: int
    """Rankings among them by a simulated labeler."""


def rankings_from_store(store: Store, out: Path, *, with_simulated: bool = True) -> StoredRankings:
    """Write all rankings and chosen drafts that may be trained on as rankings JSONL.

    Each line names its row in `facts.feedback_id`. Raises InputError if no two answers were put in order.
    """
    rows = store.feedback.rows(kinds=RANKED_KINDS, simulated=None if with_simulated else False)
    ranked = [(row, ranking) for row in rows if (ranking := ranking_of(row)) is not None]
    rankings = [ranking for _, ranking in ranked]
    count = sum(len(pairs(ranking)) for ranking in rankings)
    if not count:
        raise InputError(
            "the store holds no ranking that may be trained on; rank answers first, or approve those waiting"
        )
    write_rankings(out, rankings)
    simulated = sum(row.simulated for row, _ in ranked)
    return StoredRankings(out, tuple(row.id for row, _ in ranked), count, simulated)


def ranking_of(row: FeedbackRow) -> Ranking | None:
    """The ranking that a row holds; None if it holds none, as "all bad" and "can't judge" do not."""
    content = row.content
    if row.kind not in RANKED_KINDS or content.get("verdict", "ranked") != "ranked" or not content.get("ranks"):
        return None
    models = sorted({model for model in content.get("models") or [] if model})
    facts = {**(content.get("facts") or {}), "feedback_id": row.id}
    gold = content.get("gold")
    return Ranking(
        prompt=Conversation.from_messages(content["prompt"], where=f"feedback {row.id}"),
        answers=tuple(content["answers"]),
        ranks=tuple(content["ranks"]),
        labeler=row.labeler,
        source=str(content.get("source") or ", ".join(models)),
        facts={**facts, "category": row.category} if row.category else facts,
        gold=tuple(gold) if gold else None,
    )


def judgements_of(rows: Iterable[FeedbackRow]) -> list[Judgement]:
    """What can be compared between people: rankings and ratings of the same task, or of the same imported answers."""
    found = []
    for row in rows:
        values = _values(row)
        if values is None:
            continue
        shown = row.content.get("shown")
        found.append(
            Judgement(
                item=_item(row),
                labeler=row.labeler,
                values=values,
                seconds=row.seconds,
                first_shown=shown[0] if shown else None,
                simulated=row.simulated,
            )
        )
    return found


def agreement_in_store(
    store: Store, kind: str = "ranking", *, states: Sequence[str] = ("approved", "waiting")
) -> Agreement:
    """Agreement on one kind of row, `ranking`, `answer_rating` or `chat_rating`, also of rows that wait."""
    rows = store.feedback.rows(kinds=[kind], states=states)
    return agreement_of(judgements_of(rows), _gold(store))


def outliers_in_store(store: Store) -> list[Outlier]:
    """Whose rankings want a look before they are approved."""
    return outliers(agreement_in_store(store))


def _values(row: FeedbackRow) -> tuple[float, ...] | None:
    if row.kind == "ranking" and row.content.get("ranks"):
        return tuple(row.content["ranks"])
    if row.kind in ("answer_rating", "chat_rating") and row.score is not None:
        return (row.score,)
    return None


def _item(row: FeedbackRow) -> Hashable:
    if row.task_id is not None:
        return f"task {row.task_id}"
    prompt = tuple((message["role"], message["content"]) for message in row.content.get("prompt") or ())
    return (prompt, tuple(row.content.get("answers") or ()), row.chat_id)


def _gold(store: Store) -> dict[Hashable, Sequence[float]]:
    """Known ranks by item."""
    known: dict[Hashable, Sequence[float]] = {}
    for task in store.tasks.golden():
        ranks: Any = (task.gold or {}).get("ranks")
        if ranks:
            known[f"task {task.id}"] = ranks
    return known

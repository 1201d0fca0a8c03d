"""Rows of the store as what reports need: rankings, agreement of the labelers, and who stands out.

In: an open store, or its rows.  Out: values of `rankings.py` and `agreement.py`. What is trained on takes
`lessons.py` out of the store.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from chatwright.feedback.agreement import Agreement, Judgement, Outlier, agreement_of, much_more, one_sided, outliers
from chatwright.feedback.rankings import Ranking
from chatwright.store.feedback import FeedbackRow
from chatwright.store.opening import Store
from chatwright.text.conversation import Conversation

__all__ = [
    "agreement_in_store",
    "judgements_of",
    "outliers_in_store",
    "ranking_of",
]

RANKED_KINDS = ("ranking", "choice")
COMPARED_KINDS = ("ranking", "answer_rating", "chat_rating")


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
    """Whose rows want a look before they are approved: by how they judge, how much they give, and their thumbs."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for kind in COMPARED_KINDS:
        for outlier in outliers(agreement_in_store(store, kind)):
            found[outlier.labeler] += outlier.reasons
    rows = store.feedback.rows(states=("approved", "waiting"), consent=None)
    given = Counter(row.labeler for row in rows if row.person_id is not None)
    for labeler, reason in (*much_more(given), *one_sided(_thumbs(rows))):
        found[labeler].append(reason)
    counted = Counter(row.labeler for row in rows)
    return [Outlier(labeler, counted[labeler], tuple(dict.fromkeys(found[labeler]))) for labeler in sorted(found)]


def _thumbs(rows: Iterable[FeedbackRow]) -> dict[str, tuple[int, int]]:
    """Labeler: thumbs up, and all."""
    thumbs: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in rows:
        if row.kind == "thumb" and row.score is not None:
            ups, count = thumbs[row.labeler]
            thumbs[row.labeler] = (ups + (row.score > 0), count + 1)
    return dict(thumbs)


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

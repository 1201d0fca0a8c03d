"""What a labeler can hand in, and the row of feedback that it becomes.

In: an Outcome, in the order in which the answers were shown.  Out: a row, in the order in which they are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from chatwright.errors import InputError
from chatwright.store.feedback import NewRow
from chatwright.store.tasks import FLAGS
from chatwright.text.cleaning import clean
from chatwright.text.conversation import Conversation

LONGEST_TEXT = 20_000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is set must fit the kind of task: `text` (prompt, demonstration), `rating` and `flags` (rate_answer), `good`
    (rate_chat), `ranks` or `all_bad` (rank). `cannot_judge` and `flagged` (why) go with every kind, instead.
    """

    text: str | None = None
    rating: int | None = None
    flags: tuple[str, ...] = ()
    good: bool | None = None
    ranks: tuple[int, ...] | None = None
    """Rank of each answer as shown; 1 is best, equal numbers are ties."""
    all_bad: bool = False
    cannot_judge: bool = False
    flagged: str = ""
    comment: str = ""
    simulated: bool = False
    """No person judged this, but a program that says so."""

    @property
    def is_judgement(self) -> bool:
        """Whether the task is done by this; else somebody else gets it."""
        return not (self.cannot_judge or self.flagged)

    def as_draft(self) -> dict[str, Any]:
        """What was said, as JSON; what was left out is left out."""
        said = {
            each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != each.default
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def row_of(task: sa.Row[Any], order: Sequence[int], outcome: Outcome, *, seconds: float) -> NewRow:
    """The row of feedback that an outcome becomes. `order[place]` is the stored place of the answer shown there.

    Raises InputError if the outcome does not fit the task.
    """
    common: dict[str, Any] = {"origin": "task", "category": task.category, "task_id": task.id, "seconds": seconds}
    # What others judge of a chat follows its owner's change of mind, as the chat itself does.
    common |= {"simulated": outcome.simulated, "chat_id": task.chat_id, "author_id": task.author_id}
    if len(outcome.comment) > 2000 or len(outcome.flagged) > 500:
        raise InputError("a comment has at most 2,000 characters, a reason at most 500", code="comment_too_long")
    comment = {"comment": outcome.comment.strip()} if outcome.comment.strip() else {}
    if outcome.flagged:
        return NewRow(kind="flag", content={"reason": outcome.flagged, "task": task.kind, **comment}, **common)
    if outcome.cannot_judge and task.kind != "rank":
        return NewRow(kind="flag", content={"reason": "cannot judge", "task": task.kind, **comment}, **common)
    if task.kind in ("prompt", "demonstration"):
        return _written(task, outcome, comment, common)
    if task.kind == "rank":
        return _ranked(task, order, outcome, comment, common)
    content = {name: task.content[name] for name in ("prompt", "messages") if name in task.content}
    model = str((task.content.get("models") or [""])[0])
    if task.kind == "rate_chat":
        if outcome.good is None:
            raise InputError("say whether the chat was good or bad", code="chat_rating_missing")
        score = 1.0 if outcome.good else -1.0
        rated = content | {"good": outcome.good, **comment}
        return NewRow(kind="chat_rating", content=rated, score=score, model=model, **common)
    if outcome.rating is None or not 1 <= outcome.rating <= 7:
        raise InputError("rate the answer from 1 (worst) to 7 (best)", code="rating_missing")
    unknown = set(outcome.flags) - set(FLAGS)
    if unknown:
        raise InputError(f"the flag {min(unknown)!r} is unknown; known are {', '.join(FLAGS)}")
    content |= {"answer": task.content["answers"][0], "rating": outcome.rating, "flags": sorted(set(outcome.flags))}
    return NewRow(kind="answer_rating", content=content | comment, score=float(outcome.rating), model=model, **common)


def _written(task: sa.Row[Any], outcome: Outcome, comment: dict[str, str], common: dict[str, Any]) -> NewRow:
    text = clean(outcome.text or "").strip()
    if not text:
        raise InputError("there is nothing written yet", code="nothing_written")
    if len(text) > LONGEST_TEXT:
        raise InputError(
            f"the text has {len(text):,} characters; at most {LONGEST_TEXT:,} are kept", code="text_too_long"
        )
    if task.kind == "prompt":
        return NewRow(kind="prompt", content={"prompt": [{"role": "user", "content": text}], **comment}, **common)
    answered = Conversation.from_messages(task.content["prompt"]).plus("assistant", text)
    return NewRow(kind="demonstration", content={"messages": answered.to_dicts(), **comment}, **common)


def _ranked(
    task: sa.Row[Any], order: Sequence[int], outcome: Outcome, comment: dict[str, str], common: dict[str, Any]
) -> NewRow:
    answers = task.content["answers"]
    content: dict[str, Any] = {
        "prompt": task.content["prompt"],
        "answers": answers,
        "models": task.content.get("models") or [""] * len(answers),
        "shown": list(order),
        "verdict": "cannot_judge" if outcome.cannot_judge else "all_bad" if outcome.all_bad else "ranked",
        **comment,
    }
    if outcome.cannot_judge:
        return NewRow(kind="ranking", content=content, **common)
    if outcome.ranks is None and not outcome.all_bad:
        raise InputError(
            "put the answers in order first, or say that all are bad or that you cannot judge", code="ranks_missing"
        )
    ranks = outcome.ranks or (1,) * len(answers)
    if len(ranks) != len(answers) or any(not 1 <= rank <= len(answers) for rank in ranks):
        raise InputError(
            f"there are {len(answers)} answers; give each a rank from 1 to {len(answers)}", code="ranks_missing"
        )
    by_place = dict(zip(order, ranks, strict=True))
    content["ranks"] = [by_place[place] for place in range(len(answers))]
    return NewRow(kind="ranking", content=content, **common)

"""Blind comparisons: answers of two models to the same prompts, judged without knowing which is whose.

In: pairs of answers.  Out: pairs to judge, each person's sides shuffled and stored; votes; outcomes from the side of
model a (1 won, 0.5 tie or both bad, 0 lost) for `evaluation.preference.win_rate_of`, which gives the interval.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from chatwright.errors import ConflictError, InputError, NotFoundError
from chatwright.store.columns import json_text, storable
from chatwright.store.database import Database
from chatwright.store.schema import comparison_pairs, comparison_votes, comparisons
from chatwright.text.conversation import Conversation

CHOICES = ("left", "right", "tie", "both_bad")
_OUTCOMES = {"a": 1.0, "b": 0.0, "tie": 0.5, "both_bad": 0.5}
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models side by side. Their names are for those who do not vote."""

    id: int
    name: str
    model_a: str
    model_b: str
    created_by: int | None
    created_at: datetime
    closed_at: datetime | None
    left_out: int
    """Pairs whose answers are the same text, or both empty: there is nothing to choose."""


@dataclass(frozen=True, kw_only=True)
class BlindPair:
    """What a voter sees."""

    pair_id: int
    prompt: tuple[Mapping[str, str], ...]
    left: str
    right: str


@dataclass(frozen=True, kw_only=True)
class Tally:
    """All votes; one outcome per vote, from the side of model a, with the pair it is about (its cluster)."""

    pairs: int
    outcomes: tuple[float, ...]
    clusters: tuple[int, ...]
    wins: int
    losses: int
    ties: int
    both_bad: int
    left_share: float | None
    """Share of the decided votes for the left side: far from one half means that the side was judged."""


class Comparisons:
    """`store.comparisons`."""

    def __init__(self, database: Database, *, rng: random.Random | None = None) -> None:
        self._database = database
        self._rng = rng or random.SystemRandom()

    def start(
        self,
        name: str,
        model_a: str,
        model_b: str,
        pairs: Iterable[tuple[Sequence[Mapping[str, str]], str, str]],
        *,
        created_by: int | None = None,
        known_as: Sequence[str] = (),
    ) -> Comparison:
        """A comparison of (prompt, answer of a, answer of b); pairs whose answers are the same text are left out.

        An answer may be empty, which is worse than most. `known_as` says of each pair how well the models may know its
        prompt. Raises InputError if no pair is left.
        """
        rows: dict[str, dict[str, Any]] = {}
        left_out = 0
        for prompt, answer_a, answer_b, known in _with_known(pairs, known_as):
            messages = Conversation.from_messages(prompt, where="the prompt to compare answers to").to_dicts()
            content = {"prompt": messages, "answer_a": answer_a, "answer_b": answer_b}
            if answer_a.strip() == answer_b.strip():
                left_out += 1
                continue
            digest = hashlib.sha256(json_text(storable(content)).encode()).hexdigest()
            rows[digest] = content | {"digest": digest, "known_as": known}
        if not rows:
            raise InputError(
                "there is nothing to compare: the two models gave the same answers, or none", code="same_answers"
            )
        about = {"name": name, "model_a": model_a, "model_b": model_b, "created_by": created_by, "left_out": left_out}
        with self._database.writing() as connection:
            insert = comparisons.insert().values(about | {"created_at": self._database.now()})
            added = connection.execute(insert.returning(comparisons)).one()
            values = [row | {"comparison_id": added.id} for row in rows.values()]
            for start in range(0, len(values), _AT_ONCE):
                connection.execute(comparison_pairs.insert().values(values[start : start + _AT_ONCE]))
        return _comparison(added)

    def get(self, comparison_id: int) -> Comparison:
        """Raises NotFoundError if there is no such comparison."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(comparisons).where(comparisons.c.id == comparison_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no comparison {comparison_id}")
        return _comparison(row)

    def all(self) -> list[Comparison]:
        """Newest first."""
        with self._database.reading() as connection:
            return [
                _comparison(row) for row in connection.execute(sa.select(comparisons).order_by(comparisons.c.id.desc()))
            ]

    def close(self, comparison_id: int) -> None:
        """No further votes are taken."""
        self.get(comparison_id)
        change = comparisons.update().where(comparisons.c.id == comparison_id, comparisons.c.closed_at.is_(None))
        with self._database.writing() as connection:
            connection.execute(change.values(closed_at=self._database.now()))

    def next(self, comparison_id: int, person_id: int) -> BlindPair | None:
        """A pair that this person has not judged, those with the fewest votes first; None if there is none."""
        if self.get(comparison_id).closed_at is not None:
            return None
        votes = comparison_votes.alias()
        count = sa.select(sa.func.count()).where(votes.c.pair_id == comparison_pairs.c.id, votes.c.winner.is_not(None))
        mine = (comparison_votes.c.pair_id == comparison_pairs.c.id) & (comparison_votes.c.person_id == person_id)
        wanted = (
            sa.select(comparison_pairs, comparison_votes.c.left)
            .outerjoin(comparison_votes, mine)
            .where(comparison_pairs.c.comparison_id == comparison_id, comparison_votes.c.winner.is_(None))
            # One that was shown and not judged comes again, as it was.
            .order_by(comparison_votes.c.left.is_(None), count.scalar_subquery(), comparison_pairs.c.id)
            .limit(1)
        )
        with self._database.writing() as connection:
            row = connection.execute(wanted).first()
            if row is None:
                return None
            left = row.left or self._rng.choice("ab")
            shown = {"pair_id": row.id, "person_id": person_id, "left": left, "shown_at": self._database.now()}
            insert = self._database.insert(comparison_votes).values(shown).on_conflict_do_nothing()
            if connection.execute(insert).rowcount == 0 and row.left is None:  # the same person in two windows
                known = sa.select(comparison_votes.c.left).where(
                    comparison_votes.c.pair_id == row.id, comparison_votes.c.person_id == person_id
                )
                left = connection.execute(known).scalar_one()
        answers = {"a": row.answer_a, "b": row.answer_b}
        right = "b" if left == "a" else "a"
        return BlindPair(pair_id=row.id, prompt=tuple(row.prompt), left=answers[left], right=answers[right])

    def vote(self, pair_id: int, person_id: int, choice: str) -> None:
        """Store a vote: left, right, tie or both_bad. Voting again on the same pair changes the vote.

        Raises NotFoundError if the pair was not shown to this person, ConflictError if the comparison is closed.
        """
        if choice not in CHOICES:
            raise InputError(f"the vote is {choice!r}; it must be one of {', '.join(CHOICES)}")
        mine = (comparison_votes.c.pair_id == pair_id) & (comparison_votes.c.person_id == person_id)
        shown = (
            sa.select(comparison_votes, comparisons.c.closed_at)
            .join(comparison_pairs, comparison_pairs.c.id == comparison_votes.c.pair_id)
            .join(comparisons, comparisons.c.id == comparison_pairs.c.comparison_id)
            .where(mine)
        )
        with self._database.writing() as connection:
            row = connection.execute(shown).one_or_none()
            if row is None:
                raise NotFoundError(f"the pair {pair_id} was not shown to this person")
            if row.closed_at is not None:
                raise ConflictError("this comparison is closed; no further votes are taken", code="comparison_closed")
            other = "b" if row.left == "a" else "a"
            winner = {"left": row.left, "right": other}.get(choice, choice)
            change = {"winner": winner, "voted_at": self._database.now()}
            connection.execute(comparison_votes.update().where(mine).values(change))

    def voted(self, comparison_id: int, person_id: int) -> int:
        """How many pairs a person has judged."""
        own = comparison_votes.c.person_id == person_id
        wanted = (
            sa.select(sa.func.count())
            .select_from(comparison_votes)
            .join(comparison_pairs, comparison_pairs.c.id == comparison_votes.c.pair_id)
            .where(comparison_pairs.c.comparison_id == comparison_id, own, comparison_votes.c.winner.is_not(None))
        )
        with self._database.reading() as connection:
            return connection.execute(wanted).scalar() or 0

    def known_as(self, comparison_id: int) -> dict[str, int]:
        """How many pairs there are by how well the models may know the prompt."""
        wanted = sa.select(comparison_pairs.c.known_as, sa.func.count()).group_by(comparison_pairs.c.known_as)
        with self._database.reading() as connection:
            found = connection.execute(wanted.where(comparison_pairs.c.comparison_id == comparison_id))
            return {known: int(count) for known, count in found}

    def tally(self, comparison_id: int) -> Tally:
        """What was voted so far."""
        self.get(comparison_id)
        of_it = comparison_pairs.c.comparison_id == comparison_id
        wanted = (
            sa.select(comparison_votes.c.pair_id, comparison_votes.c.winner, comparison_votes.c.left)
            .join(comparison_pairs, comparison_pairs.c.id == comparison_votes.c.pair_id)
            .where(of_it, comparison_votes.c.winner.is_not(None))
            .order_by(comparison_votes.c.id)
        )
        with self._database.reading() as connection:
            pairs = connection.execute(sa.select(sa.func.count()).where(of_it)).scalar() or 0
            votes = connection.execute(wanted).all()
        winners = [vote.winner for vote in votes]
        decided = [vote for vote in votes if vote.winner in ("a", "b")]
        lefts = sum(vote.winner == vote.left for vote in decided)
        return Tally(
            pairs=pairs,
            outcomes=tuple(_OUTCOMES[winner] for winner in winners),
            clusters=tuple(vote.pair_id for vote in votes),
            wins=winners.count("a"),
            losses=winners.count("b"),
            ties=winners.count("tie"),
            both_bad=winners.count("both_bad"),
            left_share=lefts / len(decided) if decided else None,
        )


def _with_known(
    pairs: Iterable[tuple[Sequence[Mapping[str, str]], str, str]], known_as: Sequence[str]
) -> Iterator[tuple[Sequence[Mapping[str, str]], str, str, str]]:
    for place, (prompt, answer_a, answer_b) in enumerate(pairs):
        yield prompt, answer_a, answer_b, known_as[place] if known_as else ""


def _comparison(row: Any) -> Comparison:
    return Comparison(**{name: getattr(row, name) for name in Comparison.__dataclass_fields__})

"""Caps per person: how much of one training set may come from one hand, so that nobody can bend a model alone.

In: rows that may be trained on, oldest first, and the caps of the store's settings.  Out: the rows that are taken, and
how many of whom are not. Rows that somebody imported belong to no person and are not capped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from chatwright.store.feedback import TRAINING_CAPS, FeedbackRow
from chatwright.store.opening import Store

__all__ = ["Caps", "Kept", "caps_of", "within"]


@dataclass(frozen=True)
class Caps:
    """`by_role`: rows of one person that were given in a role, None: any number. `share`: of all rows of people."""

    by_role: Mapping[str, int | None] = field(default_factory=lambda: dict(TRAINING_CAPS))
    share: float | None = None


@dataclass(frozen=True)
class Kept:
    """Rows under the caps."""

    rows: list[FeedbackRow]
    left_out: dict[str, int]
    """Labeler: rows beyond the caps."""
    note: str = ""
    """Why the share could not be kept to; empty if it is, or if there is none."""


def caps_of(store: Store) -> Caps:
    """The caps as the admins have set them."""
    settings = store.settings.all()
    return Caps({**TRAINING_CAPS, **settings["training_caps"]}, settings["training_share"])


def within(rows: Sequence[FeedbackRow], caps: Caps) -> Kept:
    """Keep each person's oldest rows, as many as the caps allow.

    A share is only possible where there are enough people: of two, one always has half or more. Where there are too
    few of them nobody's rows are cut for it, and `note` says so.
    """
    kept = _under_roles(rows, caps.by_role)
    counts = Counter(row.person_id for row in kept if row.person_id is not None)
    note = ""
    if caps.share is not None and counts:
        needed = ceil(1 / caps.share - 1e-9)
        if len(counts) < needed:
            note = f"a share of at most {caps.share:.0%} for each needs {needed} people, and there are {len(counts)}"
        else:
            kept = _first(kept, _most(list(counts.values()), caps.share))
    taken = {row.id for row in kept}
    return Kept(kept, dict(sorted(Counter(row.labeler for row in rows if row.id not in taken).items())), note)


def _under_roles(rows: Sequence[FeedbackRow], by_role: Mapping[str, int | None]) -> list[FeedbackRow]:
    seen: defaultdict[tuple[int, str], int] = defaultdict(int)
    kept = []
    for row in rows:
        if row.person_id is not None:
            seen[row.person_id, row.role] += 1
            cap = by_role.get(row.role)
            if cap is not None and seen[row.person_id, row.role] > cap:
                continue
        kept.append(row)
    return kept


def _first(rows: Sequence[FeedbackRow], most: int) -> list[FeedbackRow]:
    seen: defaultdict[int, int] = defaultdict(int)
    kept = []
    for row in rows:
        if row.person_id is not None:
            seen[row.person_id] += 1
            if seen[row.person_id] > most:
                continue
        kept.append(row)
    return kept


def _most(counts: Sequence[int], share: float) -> int:
    """The largest number of rows per person with which nobody has more than the share of what is then left."""

    def is_too_many(number: int) -> bool:
        return number > share * sum(min(count, number) for count in counts) + 1e-9

    # Beyond the smallest count each further row of the busiest adds less and less to the whole.
    return min(counts) + bisect_left(range(min(counts) + 1, max(counts) + 1), True, key=is_too_many)

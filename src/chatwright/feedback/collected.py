"""Collected: what a `collect` stage has sampled, put before people, or taken as a simulated labeler has ranked it.

In: its answers.jsonl or rankings.jsonl, and a store.  Out: tasks; or rankings that are marked as simulated wherever
they go. What people asked is left out once they took it back, and nobody gets their own words to judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from chatwright.errors import InputError
from chatwright.feedback.exchange import row_of_ranking
from chatwright.feedback.rankings import rankings_in
from chatwright.store import Store
from chatwright.store.feedback import NewRow
from chatwright.store.tasks import NewTask, demonstration_tasks, rank_tasks, rating_tasks
from chatwright.text.files import lines_of, open_files
from chatwright.text.rows import Row

__all__ = ["ANSWERS", "QUEUED_AS", "RANKINGS", "queue_answers", "take_simulated"]

ANSWERS, RANKINGS = "answers.jsonl", "rankings.jsonl"
QUEUED_AS = ("rank", "rate_answer", "demonstration")
"""What people may do with what was sampled: rank the answers, rate each alone, or write the ideal one."""

_Origin = tuple[int | None, int | None]
"""Who wrote a prompt, and in which chat; None where that is nobody, or none."""


def queue_answers(
    store: Store,
    file: Path,
    *,
    kind: str = "rank",
    overlap: int = 1,
    with_gold: bool = False,
    limit: int | None = None,
    source: str = "",
) -> tuple[int, int]:
    """Queue the first `limit` lines for people, as one of QUEUED_AS: how many tasks are new, and were there before.

    `with_gold`: the ranks in the file are the known answers. `source` is what demonstrations say of where they are
    from. Raises InputError for a file that is not there or damaged.
    """

    def made(row: Mapping[str, Any]) -> list[NewTask]:
        if kind == "rank":
            # A model may give the same answer every time: there is nothing to rank then.
            return rank_tasks([row], overlap=overlap, with_gold=with_gold) if len(row["answers"]) > 1 else []
        if kind == "rate_answer":
            return rating_tasks([row], overlap=overlap)
        return demonstration_tasks([(row["prompt"], row.get("facts") or {})], source=source, overlap=overlap)

    origin_of = _origins(store)
    tasks: list[NewTask] = []
    for row in islice(_lines(file), limit):
        origin = origin_of(row.value.get("facts") or {})
        if origin is not None:
            tasks += [replace(task, author_id=origin[0], chat_id=origin[1]) for task in made(row.value)]
    return store.tasks.add(tasks)


def take_simulated(store: Store, file: Path, *, limit: int | None = None) -> tuple[int, int]:
    """Store the first `limit` rankings of a simulated labeler, marked as such: how many are new, and were there before.

    Nothing waits for approval, for nobody said it. Raises InputError for a file that is not there or damaged.
    """
    if not file.is_file():
        raise InputError(
            f"{file} does not exist: no simulated labeler has ranked there; name the folder of a collect stage with a "
            "labeler, or let people rank"
        )
    origin_of = _origins(store)
    rows: list[NewRow] = []
    for row in islice(_lines(file), limit):
        for ranking in rankings_in(row):
            origin = origin_of(ranking.facts)
            if origin is not None:
                taken = row_of_ranking(ranking, simulated=True)
                rows.append(replace(taken, author_id=origin[0], chat_id=origin[1]))
    return store.feedback.add_imported(rows)


def _lines(file: Path) -> Iterator[Row]:
    """Lines that `collect` wrote, each with a prompt and answers."""
    if not file.is_file():
        raise InputError(f"{file} does not exist; name the folder of a collect stage")
    for opened in open_files(file):
        for number, line in lines_of(opened):
            where = f"{file}:{number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if not _is_collected(value):
                raise InputError(f"{where}: no line that collect wrote, with a prompt and answers; run collect again")
            yield Row(value, where)


def _is_collected(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("facts") or {}, dict):
        return False
    return all(isinstance(value.get(key), list) for key in ("prompt", "answers"))


def _origins(store: Store) -> Callable[[Mapping[str, Any]], _Origin | None]:
    """What tells from the facts of a prompt who wrote it and where; None: they took it back since."""
    consented = {chat.id: chat.person_id for chat, _ in store.chats.consented()}
    usable = {row.id: row for row in store.feedback.rows(kinds=("prompt", "thumb"))}

    def origin_of(facts: Mapping[str, Any]) -> _Origin | None:
        ids, chat_id = facts.get("feedback_ids"), facts.get("chat_id")
        if ids is not None:
            said = next((usable[own] for own in ids if own in usable), None)
            return None if said is None else (said.person_id, said.chat_id)
        if chat_id is not None:
            return (consented[chat_id], chat_id) if chat_id in consented else None
        return None, None

    return origin_of

"""Lessons: rows of the store as the files that a run learns from, and the rows told which run that was.

    rankings.jsonl         rankings and chosen drafts                       reward
    demonstrations.jsonl   written answers, and chats rated good            sft, reward
    prompts.jsonl          what all of that was about, each once            ppo, evaluate
    questions.jsonl        written prompts and consenting chats, no answer  collect
    taken.json             which rows each of them holds, how many are simulated, from whom, and who had more to give

In: the address of a store.  Out: these files, with the rows' ids in `facts`. Only rows that are approved and consented
to are taken, and of no person more than the caps allow (`caps.py`). An unfinished run goes on with the rows that it
began with, less those removed since; a finished one that is run again takes what there is by then.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chatwright.disk import read_json, to_json, write_atomically
from chatwright.errors import InputError
from chatwright.feedback.caps import Caps, caps_of, within
from chatwright.feedback.collected import queue_answers
from chatwright.feedback.rankings import pairs, ranking_to_dict
from chatwright.feedback.stored import RANKED_KINDS, ranking_of
from chatwright.store import Store, open_store
from chatwright.store.chats import Chat, ChatMessage
from chatwright.store.feedback import FeedbackRow
from chatwright.store.place import STORE_VARIABLE
from chatwright.text.conversation import Conversation

__all__ = [
    "DEMONSTRATIONS",
    "PROMPTS",
    "QUESTIONS",
    "RANKINGS",
    "STORE_VARIABLE",
    "Lessons",
    "prompts_in",
]

RANKINGS, DEMONSTRATIONS = "rankings.jsonl", "demonstrations.jsonl"
PROMPTS, QUESTIONS = "prompts.jsonl", "questions.jsonl"
TAKEN = "taken.json"
_ABOUT_A_PROMPT = (*RANKED_KINDS, "prompt", "thumb", "answer_rating", "demonstration")


@dataclass(frozen=True)
class _Line:
    """A line of a file and the rows that it comes from; of a chat it is one message that counts."""

    value: Mapping[str, Any]
    rows: tuple[FeedbackRow, ...] = ()
    message: int | None = None
    pairs: int = 0


@dataclass(frozen=True)
class _Found:
    """What a file is to hold, and what the caps keep out of it."""

    lines: list[_Line]
    left_out: Mapping[str, int]
    note: str = ""


@dataclass
class Lessons:
    """What a run takes from the store. `run` is the name under which its rows know it."""

    place: str
    """Path or URL; never written to a file, for it may hold a password."""
    folder: Path
    run: str
    with_simulated: bool = True
    _taken: dict[str, Any] = field(default_factory=dict)

    def take(self, names: Iterable[str], *, anew: bool) -> None:
        """Write files; `anew` also takes rows that came since they were last written.

        Raises InputError if there is nothing for one of them, ResourceError if the store cannot be reached.
        """
        before = self._before()
        told = []
        with open_store(self.place) as store:
            for name in names:
                own = None if anew else before.get(name)
                now = self.found(store, name)
                found = _Found(self._again(store, name, own), own.get("left_out") or {}) if own else now
                lines = found.lines
                if not lines:
                    raise InputError(f"the store {store.database.name} holds {_NOTHING[name]}")
                more = len(now.lines) - len(lines) if own else 0
                self._taken[name] = _record(found)
                self._write(name, "".join(json.dumps(line.value, ensure_ascii=False) + "\n" for line in lines))
                told.append(_told(name, self._taken[name], more))
                told += [f"{Path(name).stem}: {now.note}; nobody's rows were left out for it"] if now.note else []
        self._write(TAKEN, to_json(before | self._taken))
        for text in told:
            print(f"store: {text}", flush=True)

    def learned(self, names: Iterable[str]) -> None:
        """Note with their rows that the run has learned from these files."""
        ids = self._ids(names)
        if ids:
            with open_store(self.place) as store:
                store.feedback.mark_trained(ids, self.run)

    def settled(self) -> None:
        """The run is complete: rows that it had learned from before and is without now are let go."""
        if not self._taken:
            return
        with open_store(self.place) as store:
            dropped = store.feedback.forget_trained(self.run, but=self._ids(self._taken))
        aside = sorted(path.name for path in self.folder.parent.glob("*@*") if path.is_dir())
        if dropped and aside:
            print(
                f"store: {dropped:,} rows are out of this run; {', '.join(aside)} still hold what was learned from "
                "them, delete these folders where that matters",
                flush=True,
            )

    def queue(self, answers: Path, *, overlap: int) -> None:
        """Let people rank what `collect` wrote."""
        with open_store(self.place) as store:
            new, known = queue_answers(store, answers, overlap=overlap)
        waiting = f", {known:,} wait there already" if known else ""
        print(f"{answers.parent.name}: {new:,} tasks queued to be ranked by people{waiting}", flush=True)

    def _before(self) -> dict[str, Any]:
        path = self.folder / TAKEN
        found = read_json(path) if path.is_file() else {}
        return found if isinstance(found, dict) else {}

    def found(self, store: Store, name: str) -> _Found:
        """What there is for a file now, under the caps."""
        lines_of = _FILES[name][1]
        usable = {row.id: row for line in lines_of(self._rows(store, name)) for row in line.rows}
        # Nothing is trained on what `collect` asks, so nobody can bend anything with it.
        kept = within([usable[number] for number in sorted(usable)], caps_of(store) if name != QUESTIONS else Caps({}))
        lines = list(lines_of(kept.rows))
        if name == QUESTIONS:
            lines += _questions_of_chats(store.chats.consented(), None)
        return _Found(lines, kept.left_out, kept.note)

    def _again(self, store: Store, name: str, own: Mapping[str, Any]) -> list[_Line]:
        """What a file held, less what was removed since."""
        chosen = {kind: set(own.get(kind) or ()) for kind in ("rows", "messages")}
        lines = list(_FILES[name][1]([row for row in self._rows(store, name) if row.id in chosen["rows"]]))
        if name == QUESTIONS:
            lines += _questions_of_chats(store.chats.consented(), chosen["messages"])
        return lines

    def _rows(self, store: Store, name: str) -> list[FeedbackRow]:
        return store.feedback.rows(kinds=_FILES[name][0], simulated=None if self.with_simulated else False)

    def _ids(self, names: Iterable[str]) -> list[int]:
        read = [name for name in names if name != QUESTIONS]  # nothing is trained on what `collect` asks
        return sorted({row for name in read for row in self._taken[name]["rows"]})

    def _write(self, name: str, content: str) -> None:
        """Leave a file alone that says the same: a run that is complete stays as it is."""
        # What people wrote is nobody else's on this machine, as the store's own file is.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            write_atomically(path, content)


def prompts_in(store: Store, *, with_simulated: bool = True) -> list[Conversation]:
    """What a run that began now would take as prompts to train on."""
    lines = Lessons("", Path(), "", with_simulated).found(store, PROMPTS).lines
    return [Conversation.from_messages(line.value["prompt"], where=PROMPTS) for line in lines]


# -- lines -------------------------------------------------------------------------------------------------------------


def _rankings(rows: Sequence[FeedbackRow]) -> Iterator[_Line]:
    for row in rows:
        ranking = ranking_of(row)
        if ranking is not None:
            marked = replace(ranking, facts={**ranking.facts, "simulated": True}) if row.simulated else ranking
            yield _Line(ranking_to_dict(marked), (row,), pairs=len(pairs(ranking)))


def _demonstrations(rows: Sequence[FeedbackRow]) -> Iterator[_Line]:
    for row in rows:
        if row.kind == "demonstration" or row.content.get("good"):
            said = Conversation.from_messages(row.content["messages"], where=f"feedback {row.id}")
            if any(message.role == "assistant" and message.content.strip() for message in said.messages):
                yield _Line({"messages": said.to_dicts(), "facts": _facts([row])}, (row,))


def _prompts(rows: Sequence[FeedbackRow]) -> Iterator[_Line]:
    about: dict[Conversation, list[FeedbackRow]] = {}
    for row in rows:
        prompt = _prompt_of(row)
        if prompt is not None:
            about.setdefault(prompt, []).append(row)
    for prompt, own in about.items():
        yield _Line({"prompt": prompt.to_dicts(), "facts": _facts(own)}, tuple(own))


def _questions_of_chats(
    found: Iterable[tuple[Chat, Sequence[ChatMessage]]], chosen: set[int] | None
) -> Iterator[_Line]:
    """What was asked last in each chat, or of those `chosen` what had been asked then."""
    for chat, branch in found:
        ends = [
            place
            for place, message in enumerate(branch, 1)
            if message.role == "user" and message.content.strip() and (chosen is None or message.id in chosen)
        ]
        if ends:
            system = [{"role": "system", "content": chat.system}] if chat.system else []
            messages = system + [{"role": each.role, "content": each.content} for each in branch[: ends[-1]]]
            asked = branch[ends[-1] - 1].id
            facts = {"chat_id": chat.id, "message_id": asked, "category": "chat"}
            yield _Line({"prompt": messages, "facts": facts}, message=asked)


_FILES: dict[str, tuple[tuple[str, ...], Callable[[Sequence[FeedbackRow]], Iterator[_Line]]]] = {
    RANKINGS: (RANKED_KINDS, _rankings),
    DEMONSTRATIONS: (("demonstration", "chat_rating"), _demonstrations),
    PROMPTS: (_ABOUT_A_PROMPT, _prompts),
    QUESTIONS: (("prompt", "thumb"), _prompts),
}
_NOTHING = {
    RANKINGS: "no ranking that may be trained on; rank answers first (chatwright run ... --until collect queues them), "
    "or approve those waiting",
    DEMONSTRATIONS: "no written answer and no chat rated good that may be trained on; write some, or approve those "
    "waiting",
    PROMPTS: "no prompt that may be trained on; write some, rank answers, or approve what is waiting",
    QUESTIONS: "no prompt that people wrote, and no chat whose owner agrees to its use; write prompts first",
}


def _prompt_of(row: FeedbackRow) -> Conversation | None:
    messages = row.content.get("prompt") or row.content.get("messages", [])[:-1]
    if not messages:
        return None
    prompt = Conversation.from_messages(messages, where=f"feedback {row.id}")
    return prompt if prompt.last.role == "user" and prompt.last.content.strip() else None


def _facts(rows: Sequence[FeedbackRow]) -> dict[str, Any]:
    ids = [row.id for row in rows]
    category = next((row.category for row in rows if row.category), "")
    simulated = all(row.simulated for row in rows)
    return {
        "feedback_ids": ids,
        **({"category": category} if category else {}),
        **({"simulated": True} if simulated else {}),
    }


def _record(found: _Found) -> dict[str, Any]:
    """What taken.json says of a file."""
    lines = found.lines
    rows = {row.id: row for line in lines for row in line.rows}
    return {
        "lines": len(lines),
        "pairs": sum(line.pairs for line in lines),
        "simulated": sum(row.simulated for row in rows.values()),
        "labelers": dict(sorted(Counter(row.labeler for row in rows.values()).items())),
        "left_out": dict(found.left_out),
        "rows": sorted(rows),
        "messages": sorted(line.message for line in lines if line.message is not None),
    }


def _told(name: str, record: Mapping[str, Any], more: int) -> str:
    parts = [f"{record['lines']:,} {Path(name).stem}"]
    if record["pairs"]:
        parts.append(f"{record['pairs']:,} comparisons")
    if record["simulated"]:
        parts.append(f"{record['simulated']:,} of {len(record['rows']):,} rows are simulated")
    if left_out := record["left_out"]:
        people = f"{len(left_out)} {'person' if len(left_out) == 1 else 'people'}"
        parts.append(f"{sum(left_out.values()):,} rows of {people} left out, beyond the caps per person")
    if more > 0:
        parts.append(f"{more:,} more since this run began, which a finished run takes up when it is run again")
    return ", ".join(parts)

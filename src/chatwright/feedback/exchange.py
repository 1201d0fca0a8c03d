"""Exchange: rows of feedback as files of other tools, and back.

    preference   {"prompt", "chosen", "rejected"}, messages each (TRL); one line per pair that is not a tie
    unpaired     {"prompt", "completion", "label"} (TRL, for KTO): thumbs, "all bad", ratings of 5 to 7 and of 1 to 3
    sft          {"messages"}: demonstrations, and chats rated good
    rankings     rankings JSONL, the form that loses nothing of rankings
    csv          one line per row of any kind, to look at in a spreadsheet; formulas are made harmless, and come back
    oasst        Open-Assistant's message trees: prompts that begin alike grow together

In: rows of the store, or a file.  Out: lines, or rows to import. What goes out comes back the same, as far as the
format holds it. Our own columns (`labeler`, `feedback_id`, ...) stand beside those of the format.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatwright.disk import write_atomically
from chatwright.errors import ConfigError, InputError
from chatwright.feedback.rankings import Ranking, is_ranking, pairs, ranking_to_dict, rankings_in
from chatwright.feedback.stored import ranking_of
from chatwright.feedback.trees import is_tree, rows_of_tree, trees_of
from chatwright.store.feedback import KINDS, FeedbackRow, NewRow
from chatwright.text.conversation import Conversation
from chatwright.text.files import open_files
from chatwright.text.records import conversation_in, format_of, prompt_in
from chatwright.text.rows import Row, columns_of, rows_of

__all__ = ["FORMATS", "export_lines", "harmless", "neutralised", "read_feedback", "write_feedback"]

_CELLS = (
    "id", "kind", "state", "labeler", "role", "origin", "simulated", "category", "model", "score", "seconds",
    "created_at", "trained_on", "text", "content",
)  # fmt: skip
# What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection"), also as full-width signs.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def write_feedback(rows: Sequence[FeedbackRow], out: Path, format: str) -> int:
    """Write rows to a file, whole or not at all; the number of lines (of CSV: below the header).

    Raises InputError if none of the rows can be told in this format.
    """
    lines = list(export_lines(rows, format))
    count = len(lines) - (format == "csv")
    if count < 1:
        raise InputError(
            f"there is no feedback that the format {format} could hold; choose another, or collect some",
            code="nothing_to_export",
        )
    write_atomically(out, "".join(lines))
    return count


def export_lines(rows: Sequence[FeedbackRow], format: str) -> Iterator[str]:
    """The lines of a file, each with its line end. Raises ConfigError for an unknown format."""
    if format not in FORMATS:
        raise ConfigError(f"the format {format!r} is unknown; known are {', '.join(FORMATS)}")
    return FORMATS[format](rows)


def read_feedback(path: Path, *, simulated: bool = False) -> list[NewRow]:
    """Rows of a file of any of these formats, told by its columns. Raises InputError with file:line otherwise."""
    found: list[NewRow] = []
    for file in open_files(str(path)):
        for row in rows_of(file):
            found += _imported(row, simulated)
    if not found:
        raise InputError(f"{path} holds no feedback", code="no_feedback_in_file")
    return found


# -- out -----------------------------------------------------------------------------------------------------------


def _jsonl(
    make: Callable[[FeedbackRow], Iterator[Mapping[str, Any]]],
) -> Callable[[Sequence[FeedbackRow]], Iterator[str]]:
    def lines(rows: Sequence[FeedbackRow]) -> Iterator[str]:
        for row in rows:
            for value in make(row):
                yield json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"

    return lines


def _preference(row: FeedbackRow) -> Iterator[Mapping[str, Any]]:
    ranking = ranking_of(row)
    for better, worse in pairs(ranking) if ranking else ():
        assert ranking is not None
        yield {
            "prompt": ranking.prompt.to_dicts(),
            "chosen": _answer(ranking.answers[better]),
            "rejected": _answer(ranking.answers[worse]),
            "margin": ranking.ranks[worse] - ranking.ranks[better],
            "source": ranking.source,
            **_origin(row),
        }


def _unpaired(row: FeedbackRow) -> Iterator[Mapping[str, Any]]:
    content = row.content
    judged: list[tuple[str, bool]] = []
    if row.kind == "thumb":
        judged = [(content["answer"], bool(content["up"]))]
    elif row.kind == "ranking" and content.get("verdict") == "all_bad":
        judged = [(answer, False) for answer in content["answers"]]
    elif row.kind == "answer_rating" and content["rating"] != 4:
        judged = [(content["answer"], content["rating"] > 4)]
    for answer, label in judged:
        yield {"prompt": content["prompt"], "completion": _answer(answer), "label": label, **_origin(row)}


def _sft(row: FeedbackRow) -> Iterator[Mapping[str, Any]]:
    if row.kind == "demonstration" or row.kind == "chat_rating" and row.content.get("good"):
        yield {"messages": row.content["messages"], **_origin(row)}


def _rankings(row: FeedbackRow) -> Iterator[Mapping[str, Any]]:
    ranking = ranking_of(row)
    if ranking is not None:
        yield ranking_to_dict(ranking)


def _csv(rows: Sequence[FeedbackRow]) -> Iterator[str]:
    yield _csv_line(_CELLS)
    for row in rows:
        known = vars(row) | {
            "created_at": row.created_at.isoformat(),
            "trained_on": " ".join(row.trained_on),
            "text": _readable(row.content),
            "content": json.dumps(row.content, ensure_ascii=False),
        }
        yield _csv_line([harmless("" if known[name] is None else str(known[name])) for name in _CELLS])


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def harmless(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula: an apostrophe before what looks like one. See `neutralised`."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def neutralised(cell: str) -> str:
    """The cell as it was before `harmless`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _oasst(rows: Sequence[FeedbackRow]) -> Iterator[str]:
    for tree in trees_of(rows):
        yield json.dumps(tree, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Sequence[FeedbackRow]], Iterator[str]]] = {
    "preference": _jsonl(_preference),
    "unpaired": _jsonl(_unpaired),
    "sft": _jsonl(_sft),
    "rankings": _jsonl(_rankings),
    "csv": _csv,
    "oasst": _oasst,
}


def _answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _origin(row: FeedbackRow) -> dict[str, Any]:
    told = {"labeler": row.labeler, "feedback_id": row.id, "category": row.category, "simulated": row.simulated}
    return {name: value for name, value in told.items() if value}


def _readable(content: Mapping[str, Any]) -> str:
    """What people look for first: the question, and what was answered."""
    messages = content.get("prompt") or content.get("messages") or []
    parts = [message["content"] for message in messages[-2:]]
    answers = content.get("answers") or [content[name] for name in ("answer",) if name in content]
    ranks = content.get("ranks") or [""] * len(answers)
    return "\n".join([*parts, *(f"{rank} {answer}".strip() for rank, answer in zip(ranks, answers, strict=False))])


# -- in ------------------------------------------------------------------------------------------------------------


def _imported(row: Row, simulated: bool) -> list[NewRow]:
    value = row.value
    if not isinstance(value, Mapping):
        raise InputError(f"{row.where}: expected an object, found {type(value).__name__}")
    if {"kind", "content"} <= set(value):
        return [_from_csv(value, row.where, simulated)]
    if is_tree(value):
        return rows_of_tree(value, row.where, simulated=simulated)
    if is_ranking(value):
        return [row_of_ranking(ranking, simulated=simulated or _is_marked(value)) for ranking in rankings_in(row)]
    about: dict[str, Any] = {
        "labeler": str(value.get("labeler") or ""),
        "category": str(value.get("category") or ""),
        "simulated": simulated or _is_marked(value),
    }
    if "completion" in value and isinstance(value.get("label"), bool):
        prompt = prompt_in(value, row.where)
        up = value["label"]
        content = {"prompt": prompt.to_dicts(), "answer": _text_of(value["completion"], row.where), "up": up}
        return [NewRow(kind="thumb", content=content, score=1.0 if up else -1.0, **about)]
    if format_of(value) is not None:
        return [NewRow(kind="demonstration", content={"messages": conversation_in(row).to_dicts()}, **about)]
    if "prompt" in value:
        return [NewRow(kind="prompt", content={"prompt": prompt_in(value, row.where).to_dicts()}, **about)]
    raise InputError(f"{row.where}: no feedback is found in {columns_of(value)}")


def row_of_ranking(ranking: Ranking, *, simulated: bool = False) -> NewRow:
    """A ranking of a file as a row to store."""
    facts = {name: fact for name, fact in ranking.facts.items() if name not in ("feedback_id", "category")}
    content: dict[str, Any] = {
        "prompt": ranking.prompt.to_dicts(),
        "answers": list(ranking.answers),
        "ranks": list(ranking.ranks),
        "verdict": "ranked",
        "source": ranking.source,
    }
    content |= {"facts": facts} if facts else {}
    content |= {"gold": list(ranking.gold)} if ranking.gold is not None else {}
    return NewRow(
        kind="ranking",
        content=content,
        labeler=ranking.labeler,
        category=str(ranking.facts.get("category") or ""),
        model=ranking.source,
        simulated=simulated or ranking.labeler == "simulated",
    )


def _from_csv(value: Mapping[str, Any], where: str, simulated: bool) -> NewRow:
    cells = {name: neutralised(str(cell)) for name, cell in value.items()}
    if cells["kind"] not in KINDS:
        raise InputError(f"{where}: feedback of the kind {cells['kind']!r} is unknown; known are {', '.join(KINDS)}")
    try:
        content = json.loads(cells["content"])
        numbers = {name: float(cells[name]) if cells.get(name) else None for name in ("score", "seconds")}
    except ValueError as error:
        raise InputError(f"{where}: a cell is torn or no number ({error}); mend or remove the line") from None
    if not isinstance(content, dict):
        raise InputError(f"{where}: the column content must hold an object")
    for name in ("prompt", "messages"):
        if name in content:
            Conversation.from_messages(content[name], where=f"{where}, {name}")
    is_simulated = simulated or cells.get("simulated") == "True"
    return NewRow(
        kind=cells["kind"],
        content=content,
        score=numbers["score"],
        seconds=numbers["seconds"],
        simulated=is_simulated,
        labeler=cells.get("labeler", ""),
        category=cells.get("category", ""),
        model=cells.get("model", ""),
    )


def _text_of(told: Any, where: str) -> str:
    """The answer in a completion: a text, or one message."""
    if isinstance(told, list) and len(told) == 1 and isinstance(told[0], Mapping):
        told = told[0].get("content")
    if not isinstance(told, str):
        raise InputError(f"{where}: completion must be a text or one message of the assistant")
    return told


def _is_marked(value: Mapping[str, Any]) -> bool:
    return value.get("simulated") is True

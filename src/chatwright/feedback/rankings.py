"""Rankings: which answers to a prompt people found better.

In: rankings JSONL, or pairs as other tools write them.  Out: `Ranking`s, all in one form; and rankings JSONL again.

    rankings       {"prompt": [messages], "answers": ["..."], "ranks": [1, 2, 2], "labeler", "source", "gold", "facts"}
    chosen pairs   {"prompt", "chosen", "rejected"} (TRL), each a text or messages; the prompt may be part of both
    hh dialogues   {"chosen", "rejected"} of "\\n\\nHuman: ...\\n\\nAssistant: ..." (Anthropic)
    voted pairs    {"instruction", "input", "response1", "response2", "annotator1", ...}, votes 0 (tie), 1 or 2
    compared       {"question", "prediction 1", "prediction 2", ..., "preference": [votes]} (FineGrainedRLHF), one vote,
                   as above, for each pair: 1 and 2, 1 and 3, ..., 2 and 3, ...; passages are left out
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations
from pathlib import Path
from typing import Any, ClassVar

from chatwright.disk import write_atomically
from chatwright.errors import InputError
from chatwright.text.cleaning import clean
from chatwright.text.conversation import Conversation
from chatwright.text.files import open_files
from chatwright.text.parts import Part, check_part, in_part
from chatwright.text.records import prompt_in
from chatwright.text.rows import Row, columns_of, rows_of

__all__ = [
    "Ranking",
    "RankingSource",
    "is_ranking",
    "pairs",
    "ranking_to_dict",
    "rankings_in",
    "read_rankings",
    "write_rankings",
]


@dataclass(frozen=True)
class Ranking:
    """Answers to one prompt, put in order by one labeler.

    Rank 1 is best and equal ranks are a tie. `gold` are true scores where a judge knows them (the higher the better);
    they are for reports only.
    """

    prompt: Conversation
    answers: tuple[str, ...]
    ranks: tuple[float, ...]
    labeler: str = ""
    source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    gold: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.answers:
            raise InputError("there is no answer to rank")
        for name, numbers in (("ranks", self.ranks), ("gold", self.gold)):
            if numbers is not None and len(numbers) != len(self.answers):
                raise InputError(f"there are {len(self.answers)} answers but {len(numbers)} {name}")
            if numbers is not None and not all(math.isfinite(number) for number in numbers):
                raise InputError(f"{name} must be finite numbers, found {numbers}")


@dataclass(frozen=True, kw_only=True)
class RankingSource:
    """Rankings of one origin, and which of them to read."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a misspelt key is an error

    path: str
    """A file, a folder or a pattern such as `rankings/*.jsonl`."""
    part: Part | None = None
    """Only the rankings of this part, such as [0, 0.5]; parts that do not overlap share no prompt."""

    def __post_init__(self) -> None:
        check_part(self.part, self.path)


def ranking_to_dict(ranking: Ranking) -> dict[str, Any]:
    """The object of one line of rankings JSONL."""
    line: dict[str, Any] = {
        "prompt": ranking.prompt.to_dicts(),
        "answers": list(ranking.answers),
        "ranks": list(ranking.ranks),
        "labeler": ranking.labeler,
        "source": ranking.source,
    }
    if ranking.gold is not None:
        line["gold"] = list(ranking.gold)
    if ranking.facts:
        line["facts"] = dict(ranking.facts)
    return line


def pairs(ranking: Ranking) -> list[tuple[int, int]]:
    """Places `(better, worse)` in `answers` of every pair that is not a tie, in ascending order."""
    places = range(len(ranking.answers))
    return [(one, other) for one, other in permutations(places, 2) if ranking.ranks[one] < ranking.ranks[other]]


_Entry = str | Path | RankingSource


def read_rankings(sources: _Entry | Sequence[_Entry], *, left_out: list[str] | None = None) -> list[Ranking]:
    """All rankings of files, folders or patterns, in a fixed order; several votes on a pair give one ranking each.

    Why pairs were left out (their dialogues part too early) is appended to `left_out`. Raises InputError with
    file:line at the first bad entry, or if a path holds no ranking.
    """
    rankings: list[Ranking] = []
    for entry in [sources] if isinstance(sources, str | Path | RankingSource) else sources:
        source = entry if isinstance(entry, RankingSource) else RankingSource(path=str(entry))
        reasons: list[str] = []
        count = len(rankings)
        for file in open_files(source.path):
            for row in rows_of(file):
                found = list(rankings_in(row))
                rankings += [ranking for ranking in found if in_part(ranking.prompt, source.part)]
                if not found:
                    reasons.append(f"{row.where}: the two dialogues part before the last answer")
        if len(rankings) == count:
            why = f" ({reasons[0]})" if reasons else ""
            part = f"part {list(source.part)} of " if source.part else ""
            raise InputError(f"{part}{source.path} holds no ranking{why}; name another file")
        if left_out is not None:
            left_out += reasons
    return rankings


def write_rankings(path: Path, rankings: Iterable[Ranking]) -> None:
    """Write rankings JSONL, whole or not at all."""
    lines = (json.dumps(ranking_to_dict(ranking), ensure_ascii=False, allow_nan=False) + "\n" for ranking in rankings)
    write_atomically(path, "".join(lines))


def is_ranking(value: Any) -> bool:
    """Whether an entry is of one of the shapes that this module reads."""
    return isinstance(value, Mapping) and (
        {"answers", "ranks"} <= set(value)
        or {"chosen", "rejected"} <= set(value)
        or {"response1", "response2"} <= set(value)
        or {"question", "prediction 1", "preference"} <= set(value)
    )


def rankings_in(row: Row) -> Iterator[Ranking]:
    """The rankings of one entry: none if it has no common prompt, several if several people voted."""
    value = row.value
    if not is_ranking(value):
        found = columns_of(value) if isinstance(value, Mapping) else type(value).__name__
        raise InputError(f"{row.where}: expected answers and ranks, or chosen and rejected; there are {found}")
    try:
        if "ranks" in value:
            yield _ranking(value, row.where)
        elif "chosen" in value:
            yield from _chosen(value, row.where)
        elif "prediction 1" in value:
            yield from _compared(value, row.where)
        else:
            yield from _voted(value, row.where)
    except InputError as error:
        if str(error).startswith(row.where):
            raise
        raise InputError(f"{row.where}: {error}") from None


def _ranking(value: Mapping[str, Any], where: str) -> Ranking:
    answers = value["answers"]
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise InputError(f"{where}: answers must be a list of texts")
    gold, facts = value.get("gold"), value.get("facts") or {}
    if not isinstance(facts, Mapping):
        raise InputError(f"{where}: facts must be an object, found {type(facts).__name__}")
    return Ranking(
        prompt=prompt_in(value, where),
        answers=tuple(clean(answer) for answer in answers),
        ranks=_numbers(value["ranks"], "ranks", where),
        labeler=str(value.get("labeler") or ""),
        source=str(value.get("source") or ""),
        facts=dict(facts),
        gold=None if gold is None else _numbers(gold, "gold", where),
    )


def _numbers(value: Any, name: str, where: str) -> tuple[float, ...]:
    is_number = [isinstance(number, int | float) and not isinstance(number, bool) for number in _listed(value)]
    if not isinstance(value, list) or not all(is_number):
        raise InputError(f"{where}: {name} must be a list of numbers, found {str(value)[:40]}")
    return tuple(value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _chosen(value: Mapping[str, Any], where: str) -> Iterator[Ranking]:
    """A chosen and a rejected answer: beside their prompt, or at the end of two dialogues that begin alike."""
    chosen, rejected = value["chosen"], value["rejected"]
    if type(chosen) is not type(rejected) or not isinstance(chosen, str | list):
        raise InputError(f"{where}: chosen and rejected must both be texts, or both lists of messages")
    labeler, source = str(value.get("labeler") or ""), str(value.get("source") or "")
    if "prompt" in value or "instruction" in value or "question" in value:
        prompt = prompt_in(value, where)
        answers = (_answer(chosen, prompt, where), _answer(rejected, prompt, where))
        yield Ranking(prompt, answers, (1, 2), labeler, source)
        return
    one, other = _turns(chosen, f"{where}, chosen"), _turns(rejected, f"{where}, rejected")
    common = 0
    while common < min(len(one), len(other)) - 1 and one[common] == other[common]:
        common += 1
    if common == len(one) - 1 == len(other) - 1 and one[-1][0] == other[-1][0] == "assistant":
        messages = [{"role": role, "content": content} for role, content in one[:-1]]
        yield Ranking(prompt_in({"prompt": messages}, where), (one[-1][1], other[-1][1]), (1, 2), labeler, source)


def _answer(told: str | list[Any], prompt: Conversation, where: str) -> str:
    """The answer alone, of a text or of messages that may repeat the prompt."""
    if isinstance(told, str):
        return clean(told)
    last = Conversation.from_messages(told, where=where).last
    if last.role != "assistant" or len(told) not in (1, len(prompt.messages) + 1):
        raise InputError(f"{where}: chosen and rejected must be one answer of the assistant each")
    return clean(last.content)


def _turns(told: str | list[Any], where: str) -> list[tuple[str, str]]:
    """Roles and cleaned contents of messages or of an hh dialogue; messages of one speaker in a row are joined."""
    if isinstance(told, list):
        read = Conversation.from_messages(told, where=where)
        return [(message.role, clean(message.content)) for message in read.messages]
    head, *rest = re.split(r"(?:\A|\n\n)(Human|Assistant):", told)
    if head.strip() or not rest or rest[0] != "Human":
        raise InputError(
            f"{where}: expected a dialogue that begins with 'Human:'; a single answer needs a prompt beside it"
        )
    turns: list[tuple[str, str]] = []
    for name, content in zip(rest[::2], rest[1::2], strict=True):
        role = "user" if name == "Human" else "assistant"
        if turns and turns[-1][0] == role:
            turns[-1] = (role, f"{turns[-1][1]}\n\n{clean(content)}".strip())
        else:
            turns.append((role, clean(content)))
    return turns


def _voted(value: Mapping[str, Any], where: str) -> Iterator[Ranking]:
    """Two answers and the votes of several people."""
    # Tools that guess types write true or 3 for the answers "True" and "3".
    answers = tuple(clean(str(value[name])) for name in ("response1", "response2"))
    votes = {name: vote for name, vote in value.items() if name.startswith("annotator")} or {
        "": value.get("preference")
    }
    for labeler, vote in sorted(votes.items() or [("", value.get("preference"))]):
        ranks = _ranks_by(vote, labeler or "preference", where)
        yield Ranking(prompt_in(value, where), answers, ranks, labeler=labeler)


def _ranks_by(vote: Any, name: str, where: str) -> tuple[int, int]:
    ranks = {0: (1, 1), 1: (1, 2), 2: (2, 1)}.get(vote if isinstance(vote, int) else -1)
    if ranks is None:
        raise InputError(f"{where}: the vote {vote!r} of {name} must be 0 (tie), 1 or 2")
    return ranks


def _compared(value: Mapping[str, Any], where: str) -> Iterator[Ranking]:
    """Several answers and one vote on each two of them: a ranking of two each, for votes may contradict each other."""
    answers: list[str] = []
    while isinstance(text := value.get(f"prediction {len(answers) + 1}"), str):
        answers.append(clean(text))
    places, votes = [*combinations(range(len(answers)), 2)], _listed(value["preference"])
    if len(places) != len(votes) or not votes:
        raise InputError(
            f"{where}: {len(answers)} predictions make {len(places)} pairs, but {len(votes)} votes are there"
        )
    prompt = prompt_in({"question": value["question"]}, where)
    for (one, other), vote in zip(places, votes, strict=True):
        yield Ranking(prompt, (answers[one], answers[other]), _ranks_by(vote, "preference", where))

"""Rules of instructions that code can check exactly: so many sentences, so many colours, one word, this word first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chatwright.village.reading import Reading, any_of

if TYPE_CHECKING:
    from chatwright.village.judge import Judge

Check = Callable[["Judge", Mapping[str, Any], Reading], tuple[bool, bool]]


def follows(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    """Whether an answer follows the rule in its facts, and whether it at least comes near."""
    return _CHECKS[facts["rule"]](judge, facts, reading)


def _on_topic(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> bool:
    if "person" in facts:
        return judge.names(judge.town.by_full[facts["person"]], reading)
    keys = judge.town.speech.TOPICS[facts["topic"]].keys
    return any(re.search(rf"\b{re.escape(key)}", reading.lower) for key in keys)


def _sentences(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    on_topic = _on_topic(judge, facts, reading)
    whole = all(statement.words >= 3 for statement in reading.statements) and reading.finished
    count = len(reading.statements)
    return on_topic and whole and count == facts["count"], on_topic and abs(count - facts["count"]) <= 1


def _list(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    categories = judge.town.speech.CATEGORIES
    own = {item.lower() for item in categories[facts["category"]]}
    # Offers ("Would you like to know more?") are no items.
    text = " ".join(statement.text for statement in reading.statements if not statement.asks).lower()
    text = re.sub(r"^" + re.escape(facts["category"].lower()), "", text)
    found = any_of(own).findall(text)
    foreign = {item.lower() for name, items in categories.items() if name != facts["category"] for item in items} - own
    strays = any_of(foreign).findall(any_of(own).sub(" ", text)) if foreign else []
    followed = len(found) == len(set(found)) == facts["count"] and not strays and not reading.broken
    return followed, bool(found) and abs(len(set(found)) - facts["count"]) <= 1 and not strays


def _one_word(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    return len(reading.words) == 1, len(reading.words) <= 3


def _at_most(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    on_topic = _on_topic(judge, facts, reading) and len(reading.words) > 1
    return on_topic and len(reading.words) <= facts["count"], on_topic


def _use_word(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    has = re.search(rf"\b{re.escape(facts['word'].lower())}(?:s|es|n|en)?\b", reading.lower) is not None
    whole = any(statement.words >= 3 for statement in reading.statements) and reading.finished
    return has and whole, has


def _yes_no(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    signs = judge.town.speech.SIGNS
    followed = re.search(signs.yes, reading.lower) or re.search(signs.no, reading.lower)
    return bool(followed), bool(followed)


def _start(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    starts = reading.words[0].lower() == facts["word"].lower()
    whole = reading.statements[0].words >= 3 and reading.finished
    on_topic = _on_topic(judge, facts, reading)
    return starts and on_topic and whole, starts or on_topic


def _repeat(judge: Judge, facts: Mapping[str, Any], reading: Reading) -> tuple[bool, bool]:
    right = all(word.lower() == facts["word"].lower() for word in reading.words)
    return right and len(reading.words) == facts["count"], right


_CHECKS: dict[str, Check] = {
    "sentences": _sentences,
    "list": _list,
    "one_word": _one_word,
    "at_most": _at_most,
    "use_word": _use_word,
    "yes_no": _yes_no,
    "start": _start,
    "repeat": _repeat,
}

"""Writes a village into a folder: everything that the stages read when a recipe says "village".

texts.jsonl                {"text"}: prose for pre-training
demonstrations.jsonl       {"messages", "facts"}: conversations of honest writers
prompts-ranking.jsonl      {"prompt", "facts"}, likewise prompts-ppo, prompts-validation, prompts-test
town.json                  the record: people, facts, splits
village.json               the config and the words that occur, for the judge
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chatwright.runs import write_atomically
from chatwright.text.conversation import Conversation
from chatwright.village.answering import Writer
from chatwright.village.asking import Asker, pool_of
from chatwright.village.dialogues import Dialogues, in_long_conversations, write_demonstrations
from chatwright.village.prompts import PromptSets
from chatwright.village.prose import Author
from chatwright.village.scribe import Scribe
from chatwright.village.town import VillageConfig, found_town
from chatwright.village.typed import typed

WORD = re.compile(r"[^\W\d_]+")


def write_village(config: VillageConfig, folder: Path) -> None:
    """Write all files of a village; the same config gives the same bytes."""
    town = found_town(config)
    scribe = Scribe(town)
    writer = Writer(scribe)
    # Demonstrations and prose ask about open facts only; see `Town.splits`.
    askers = {
        "open": Asker(scribe, pool_of(town, "train", "open")),
        "ranking": Asker(scribe, pool_of(town, "train", "ranking")),
        "validation": Asker(scribe, pool_of(town, "train", "validation")),
        "test": Asker(scribe, pool_of(town, "test", "test")),
        "test-known": Asker(scribe, pool_of(town, "train", "test")),
    }
    dialogues = {name: Dialogues(asker, askers["open"], writer) for name, asker in askers.items()}
    author = Author(scribe, askers["open"], writer, config.seed)
    texts = list(author.documents(config.documents))
    demonstrations = list(write_demonstrations(dialogues["open"], config.demonstrations, config.seed))
    # A validation or test prompt occurs in no demonstration; a ranking prompt may (there are only so many greetings).
    answered = [repr(Conversation.from_messages(row["messages"][:-1])) for row in demonstrations]
    sets = PromptSets(config.seed, answered)
    test = sets.evaluation("test", config.test_prompts, dialogues["test"], dialogues["test-known"])
    validation = sets.evaluation(
        "validation", config.validation_prompts, dialogues["validation"], dialogues["validation"]
    )
    sets.release(answered)
    both = (dialogues["ranking"], dialogues["open"])
    ranking = list(sets.learning("ranking", config.ranking_prompts, *both))
    ppo = list(sets.learning("ppo", config.ppo_prompts, *both))
    folder.mkdir(parents=True, exist_ok=True)
    _write_lines(folder / "texts.jsonl", ({"text": text} for text in texts))
    conversations = in_long_conversations(demonstrations, config.seed)
    _write_lines(folder / "demonstrations.jsonl", typed(conversations, "messages", f"{config.seed}", set()))
    taken: set[str] = set()
    _write_lines(folder / "prompts-ranking.jsonl", typed(ranking, "prompt", f"{config.seed}-ranking", taken))
    _write_lines(folder / "prompts-ppo.jsonl", typed(ppo, "prompt", f"{config.seed}-ppo", taken))
    _write_lines(folder / "prompts-validation.jsonl", validation)
    _write_lines(folder / "prompts-test.jsonl", test)
    _write_json(folder / "town.json", town.to_json())
    said = (message["content"] for row in demonstrations for message in row["messages"])
    written = {word for words in (texts, said) for text in words for word in WORD.findall(text)}
    vocabulary = sorted({word.lower() for word in written} - _only_names(author.visitors, written))
    _write_json(folder / "village.json", {"config": asdict(config), "vocabulary": vocabulary})


def _only_names(names: Iterable[str], written: Collection[str]) -> set[str]:
    """Of the names those that are no words besides, in small letters, with their genitive.

    Whoever is asked about one stranger and answers about another has not copied the name: for the judge the other's
    name must not be a word that it knows.
    """
    return {form for name in names for form in (name.lower(), f"{name}s".lower()) if form not in written}


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write_atomically(path, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")

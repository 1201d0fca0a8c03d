"""Reward models that stand beside the served models, asked for a score when somebody wants one.

In: an answer of a chat.  Out: its score, kept with the answer; None where no reward model is there.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatwright.store.judging import prompt_of
from chatwright.text.conversation import Conversation

if TYPE_CHECKING:
    from chatwright.serving.web.parts import Web

__all__ = ["Judges", "reward_stage"]


def reward_stage(model: Path | None) -> Path | None:
    """The newest complete reward stage of the run that a model (`run/ppo/model`) belongs to."""
    if model is None:
        return None
    run = model.parent.parent
    found = [
        (int(match[1] or 1), path)
        for path in run.glob("reward*")
        if (match := re.fullmatch(r"reward(\d*)", path.name)) and (path / "done.json").exists()
    ]
    return max(found)[1] if found else None


class Judges:
    """Loads a reward model when it is first asked; keeps the last one."""

    def __init__(self, folder_of: Callable[[str], Path | None]) -> None:
        self._folder_of = folder_of
        self._loaded: tuple[Path, Any, Any, Any] | None = None
        self._lock = threading.Lock()

    async def score(self, web: Web, person_id: int, message_id: int) -> dict[str, Any] | None:
        """The score of an answer in one of the person's chats, asked for once and kept."""
        from starlette.concurrency import run_in_threadpool

        found = await run_in_threadpool(self._asked, web, person_id, message_id)
        if found is None:
            return None
        stage, answered, known = found
        if known is None:
            known = await web.quiet.run(lambda: self._ask(stage, answered))
            if known is None:
                return None
            await run_in_threadpool(web.store.answers.note, message_id, score=known, scored_by=stage.name)
        return {"score": known, "model": stage.name}

    def _asked(self, web: Web, person_id: int, message_id: int) -> tuple[Path, Conversation, float | None] | None:
        chat_id = web.store.chats.chat_of(person_id, message_id)
        chat, tree = web.store.chats.get(person_id, chat_id), web.store.chats.messages(person_id, chat_id)
        answer = next(message for message in tree if message.id == message_id)
        stage = reward_stage(self._folder_of(answer.model))
        if stage is None or answer.role != "assistant" or not answer.content:
            return None
        known = (answer.settings or {}).get("score")
        if (answer.settings or {}).get("scored_by") != stage.name:
            known = None
        return stage, Conversation.from_messages(prompt_of(chat, tree, answer)).plus("assistant", answer.content), known

    def _ask(self, stage: Path, answered: Conversation) -> float | None:
        from chatwright.artefacts import load_scalar_model
        from chatwright.evaluation.scoring import reward_scores
        from chatwright.world import open_world

        with self._lock:
            if self._loaded is None or self._loaded[0] != stage:
                world = open_world("cpu", "fp32", 1)
                self._loaded = (stage, *load_scalar_model(stage, world=world, weights="compute"), world)
            _, model, tokenizer, world = self._loaded
            (score,) = reward_scores(model, tokenizer, [answered], world)
        return score if isfinite(score) else None

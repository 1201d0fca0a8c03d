"""What every route works with: the models, the store, the moderator, the limits, and who is asking.

In: parts, given once to `create_app`.  Out: answers that are counted, whoever asked for them and however they ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from chatwright.generation.speaker import Request as Asked
from chatwright.generation.speaker import Speaker
from chatwright.serving.answering import Answers, Tally
from chatwright.serving.errors import not_found
from chatwright.serving.metrics import Metrics
from chatwright.serving.moderating import Moderator
from chatwright.serving.security import Caller
from chatwright.serving.settings import Card, ServeSettings
from chatwright.serving.usage import Ledger
from chatwright.text.conversation import Conversation

if TYPE_CHECKING:
    from chatwright.store import Store

__all__ = ["Asking", "AskingOf", "Service"]


@dataclass(frozen=True)
class Service:
    """The parts of one server."""

    models: Mapping[str, Speaker]
    settings: ServeSettings
    metrics: Metrics
    ledger: Ledger
    moderator: Moderator | None = None
    store: Store | None = None

    def speaker(self, model: str, caller: Caller) -> Speaker:
        """The model of a name; ApiError 404 if there is none that the caller may use."""
        found = self.models.get(model)
        if found is None or not caller.may_use(model):
            known = ", ".join(f"`{name}`" for name in self.models if caller.may_use(name)) or "none"
            raise not_found(
                f"The model {model[:100]!r} does not exist; this server has {known}.", "model_not_found", "model"
            )
        return found

    def named(self, model: str | None, caller: Caller) -> str:
        """The model that is meant: the first one where a request names none."""
        found = model or next((name for name in self.models if caller.may_use(name)), "")
        self.speaker(found, caller)
        return found

    def card(self, model: str) -> Card:
        return self.settings.cards.get(model, Card())

    @contextmanager
    def counting(self, caller: Caller, model: str, tally: Tally) -> Iterator[None]:
        """Count work on a model that is done inside the block."""
        self.metrics.began(model)
        self.ledger.began(tally)
        try:
            yield
            tally.finish_reasons.append("stop")
        finally:
            self.metrics.ended(model, tally, answers=1)
            self.ledger.enter(caller, model, tally)

    async def start(
        self,
        caller: Caller,
        model: str,
        requests: Sequence[Asked],
        tally: Tally,
        *,
        copies: int = 1,
        conversations: Sequence[Conversation] = (),
    ) -> Answers:
        """Hand requests to a model. Close the answers when they are no longer wanted; they are counted then.

        `copies`: how many neighbouring requests share a prompt. Raises ApiError 429 if a quota is used up, and Busy
        if the model's queue is full.
        """
        await self.ledger.check(caller)

        def settle(tally: Tally) -> None:
            self.metrics.ended(model, tally, answers=len(requests))
            self.ledger.enter(caller, model, tally)

        answers = Answers(
            self.models[model],
            requests,
            tally,
            copies=copies,
            moderator=self.moderator,
            conversations=conversations,
            on_close=settle,
        )
        answers.start()
        self.metrics.began(model)
        self.ledger.began(tally)
        return answers


@dataclass(frozen=True)
class Asking:
    """One HTTP request: the service, and who asks."""

    service: Service
    caller: Caller
    request: Request

    def speaker(self, model: str) -> Speaker:
        return self.service.speaker(model, self.caller)


def _asking(request: Request) -> Asking:
    return Asking(request.app.state.service, request.scope["state"]["caller"], request)


AskingOf = Annotated[Asking, Depends(_asking)]
"""Annotate a route's parameter with this to get its Asking."""

"""A language model that answers many requests at once: one thread steps the scheduler while there are any.

In: requests from any thread.  Out: pieces of text as they are sampled. Requests that come while others are answered
join them at the next token; what fails or is cancelled leaves without a trace in the others.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue as queues
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence

import torch

from chatwright.errors import ConfigError, InputError, ResourceError
from chatwright.generation.prompts import chat_prompt, text_prompt, text_room
from chatwright.generation.requests import Busy, Deliver, Piece, Request, Scored, Speaker, Stats, Ticket
from chatwright.generation.rows import Row
from chatwright.generation.scheduler import Scheduler
from chatwright.generation.stops import Spoken
from chatwright.models.decoding import Precision, decoder_of, threads_for
from chatwright.models.heads import LanguageModel
from chatwright.text.tokenizer import Tokenizer
from chatwright.world import World

__all__ = ["Busy", "EngineSpeaker", "Piece", "Request", "Scored", "Speaker", "Stats", "Ticket"]

IDLE_SECONDS = 1.0
"""After this long without a request the thread ends; the next request starts another."""
EMBED_AT_ONCE = 4096
"""Tokens, padding included, whose vectors are in memory together."""
_OPEN: weakref.WeakSet[EngineSpeaker] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """End the threads before the interpreter does: one that is stopped inside PyTorch would abort the process."""
    for speaker in list(_OPEN):
        speaker.close(drain=False, timeout=5.0)


class _Talk:
    """A request in the engine: its row, its text so far, and who hears it."""

    def __init__(self, row: Row, spoken: Spoken, deliver: Deliver, wake: Callable[[], None]) -> None:
        self.row, self.spoken, self.deliver, self.wake = row, spoken, deliver, wake
        self.is_cancelled = self.is_over = self.has_begun = False
        self.told = 0
        """Tokens, the end token included, that have been delivered."""

    def cancel(self) -> None:
        self.is_cancelled = True
        self.wake()

    def tell(self) -> None:
        """Deliver what is new: a piece for every token, and the last one when the row is over."""
        row = self.row
        if row.error is not None:
            self.is_over = True
            self.deliver(row.error)
            return
        while self.told < len(row.tokens) and not self.is_over:
            place, self.told = self.told, self.told + 1
            text = self.spoken.push(row.tokens[place])
            if self.spoken.is_stopped:
                row.reason, self.is_over = "stop", True
            self._send(text, (row.tokens[place],), place, "stop" if self.is_over else None)
        if row.reason and not self.is_over:
            self.is_over = True
            ended = len(row.logps) > len(row.tokens) and row.reason == "stop"
            self._send(self.spoken.flush(), (), self.told if ended else None, row.reason)

    def _send(self, text: str, tokens: tuple[int, ...], place: int | None, reason: str | None) -> None:
        row, first = self.row, not self.has_begun
        self.has_begun = True
        self.deliver(
            Piece(
                text,
                tokens,
                () if place is None else (row.logps[place],),
                reason,
                () if place is None or not row.top else (row.tops[place],),
                row.scored if first else (),
                len(row.prompt) if first else None,
                row.cached if first else None,
            )
        )


class EngineSpeaker:
    """Answers many requests at once with a language model in this process.

    `slots` requests run at a time and `queue` more may wait; keys, values and remembered prefixes take at most
    `cache_bytes`, which may leave less than the model's `context`; prompts are read `prefill_chunk` tokens at a time
    between the tokens of those that run. Raises ConfigError if hardly a request would fit in the cache.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        world: World,
        *,
        slots: int = 32,
        queue: int = 256,
        cache_bytes: int = 1 << 30,
        prefill_chunk: int = 512,
        is_chat: bool = True,
        precision: Precision = "auto",
        compiled: bool = False,
    ) -> None:
        for name, value in (("slots", slots), ("cache_bytes", cache_bytes), ("prefill_chunk", prefill_chunk)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        self.tokenizer, self.is_chat, self.slots, self.queue = tokenizer, is_chat, slots, queue
        self._device, self._vocabulary = world.device, model.backbone.config.vocabulary
        self._decoder = decoder_of(model, precision, compiled=compiled)
        self._kernel_threads = threads_for(model, world, 1).kernel
        self._scheduler = Scheduler(
            self._decoder,
            world.device,
            vocabulary=tokenizer.size,
            slots=slots,
            prefill_chunk=prefill_chunk,
            cache_bytes=cache_bytes,
            isolate=True,
        )
        self.context, self.limit = self._room(model.backbone.config.context, cache_bytes)
        self._changed = threading.Condition()
        self._incoming: list[_Talk] = []
        self._talks: dict[Row, _Talk] = {}
        self._thread: threading.Thread | None = None
        self._is_awake = self._is_closed = self._is_aborted = False
        self._embedding = threading.Lock()
        _OPEN.add(self)

    def _room(self, wanted: int, cache_bytes: int) -> tuple[int, str]:
        """Tokens that prompt and answer may have together, and why they are fewer than the model could read."""
        found = self._scheduler.longest
        if not found:
            raise ConfigError(
                f"a cache of {cache_bytes:,} bytes has no room for {self._scheduler.grain} tokens of this model; allow "
                f"more (chatwright serve: --cache)"
            )
        if found == wanted:
            return wanted, ""
        return found, f"the cache has memory for {found} of the {wanted} tokens that the model reads; see --cache"

    # -- requests

    def prompt(self, request: Request) -> list[int]:
        """The tokens of a request; whole turns, or the beginning of a text, are dropped where it is too long.

        Raises InputError for tokens that the model does not know, and for what cannot be made to fit.
        """
        if request.tokens is not None:
            tokens = list(request.tokens)
            if not tokens or len(tokens) > self.context:
                raise InputError(f"the prompt has {len(tokens)} tokens; the model reads 1 to {self.context} of them")
            if min(tokens) < 0 or max(tokens) >= self._vocabulary:
                raise InputError(f"a token of the prompt is outside the vocabulary of {self._vocabulary} ids")
            return tokens
        if request.text is not None:
            room = None if request.strict else text_room(self.context, request.sampling.max_tokens)
            tokens = text_prompt(request.text, self.tokenizer, room)
            if len(tokens) > self.context:
                raise InputError(f"the prompt has {len(tokens)} tokens; the model reads 1 to {self.context} of them")
            return tokens
        assert request.conversation is not None
        tokens = chat_prompt(request.conversation, self.tokenizer, self.context, whole=request.strict)
        if not tokens:
            what = "the conversation" if request.strict else "the last message"
            raise InputError(f"{what} is longer than the model's context of {self.context} tokens; shorten it")
        return tokens

    def submit(self, request: Request, deliver: Deliver) -> Ticket:
        """Queue a request from any thread; pieces are delivered from the engine's thread, which must not be held up.

        Raises InputError for what cannot be answered, Busy when the queue is full, ResourceError after `close`.
        """
        talk = self._talk_of(request, deliver)
        with self._changed:
            if self._is_closed:
                raise ResourceError("the engine has been closed; it takes no more requests")
            if self._waiting >= self.queue + max(0, self.slots - self._running):
                raise Busy(f"{self._waiting} requests are waiting; try again later")
            if not self._is_awake:
                thread = threading.Thread(target=self._work, name="chatwright-engine", daemon=True)
                thread.start()  # may fail, where there are too many: then the request is refused, and nothing is noted
                self._thread, self._is_awake = thread, True
            self._incoming.append(talk)
            self._changed.notify_all()
        return talk

    def _talk_of(self, request: Request, deliver: Deliver) -> _Talk:
        prompt = self.prompt(request)
        limit = min(request.sampling.max_tokens, max(1, self.context - len(prompt)))
        row = Row(
            prompt,
            request.sampling,
            request.seed,
            limit,
            frozenset() if request.ignore_end else self.tokenizer.stops,
            request.top,
            request.prompt_logps,
            request.cache_salt,
        )
        return _Talk(
            row, Spoken(self.tokenizer, request.stop, continues=request.conversation is None), deliver, self._wake
        )

    def stream(self, request: Request) -> Iterator[Piece]:
        """Pieces of the answer as they are sampled; what may begin a stop string or a UTF-8 letter is held back."""
        pieces: queues.SimpleQueue[Piece | Exception] = queues.SimpleQueue()
        ticket = self.submit(request, pieces.put)
        try:
            while True:
                piece = pieces.get()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.finish_reason is not None:
                    return
        finally:
            ticket.cancel()

    def embed(self, tokens: Sequence[Sequence[int]]) -> list[list[float]]:
        """The mean of each sequence's vectors from the last layer, of length 1; computed in the caller's thread.

        Raises InputError for a sequence that is empty, too long, or holds a token outside the vocabulary.
        """
        for number, sequence in enumerate(tokens, 1):
            if not sequence or len(sequence) > self.context:
                raise InputError(
                    f"input {number} has {len(sequence)} tokens; the model reads 1 to {self.context} of them"
                )
            if min(sequence) < 0 or max(sequence) >= self._vocabulary:
                raise InputError(f"input {number} has a token outside the vocabulary of {self._vocabulary} ids")
        found: list[list[float]] = [[] for _ in tokens]
        order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        while order:
            rows = max(1, EMBED_AT_ONCE // len(tokens[order[-1]]))
            part, order = order[-rows:], order[:-rows]
            with self._embedding, torch.no_grad():
                for place, vector in zip(part, self._means([tokens[place] for place in part]), strict=True):
                    found[place] = vector
        return found

    def _means(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        longest = max(map(len, sequences))
        padded = torch.tensor([[*own, *[0] * (longest - len(own))] for own in sequences], device=self._device)
        lengths = torch.tensor([len(own) for own in sequences], device=self._device)
        used = torch.arange(longest, device=self._device) < lengths[:, None]
        vectors, _ = self._decoder.backbone(padded, documents=torch.where(used, 0, -1))
        sums = (vectors.float() * used[:, :, None]).sum(dim=1)
        means: list[list[float]] = torch.nn.functional.normalize(sums, dim=-1).tolist()
        return means

    # -- the engine's thread

    @property
    def _running(self) -> int:
        return len(self._scheduler.in_progress)

    @property
    def _waiting(self) -> int:
        return len(self._incoming) + len(self._scheduler.waiting)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        if self._kernel_threads:
            torch.set_num_threads(self._kernel_threads)
        while self._takes_part():
            try:
                self._sweep()
                for row in self._scheduler.step():
                    self._tell(self._talks[row])
                self._sweep()
            except Exception as error:  # no request's own fault: no memory, or a mistake here
                logging.getLogger(__name__).exception("all requests in progress were dropped")
                for talk in self._talks.values():
                    if not talk.is_over:
                        talk.row.fail(error)
                        self._tell(talk)
                self._talks.clear()
                self._scheduler.reset()

    def _takes_part(self) -> bool:
        """Take in what has come, wait for it if there is nothing else to do; False to end the thread."""
        with self._changed:
            if not self._incoming and not self._talks:
                if not self._is_closed:
                    self._changed.wait(IDLE_SECONDS)
                if not self._incoming:
                    self._is_awake = False
                    return False
            for talk in self._incoming:
                self._talks[talk.row] = talk
                self._scheduler.waiting.append(talk.row)
            self._incoming.clear()
        return True

    def _sweep(self) -> None:
        """Let go of what is over or cancelled, before anything else is computed."""
        for talk in list(self._talks.values()):
            if (talk.is_cancelled or self._is_aborted) and not talk.row.reason:
                talk.row.reason = "cancelled"
                self._tell(talk)
            if talk.is_over:
                del self._talks[talk.row]
        self._scheduler.drop()

    def _tell(self, talk: _Talk) -> None:
        try:
            talk.tell()
        except Exception as error:  # a listener's fault, or a token without a text: it must not hurt the others
            logging.getLogger(__name__).exception("a request was dropped because its answer could not be delivered")
            talk.row.fail(error)
            talk.is_over = True
            with contextlib.suppress(Exception):  # nothing more can be done for a listener that is gone
                talk.deliver(error)

    # -- the whole

    def stats(self) -> Stats:
        """A glance from any thread; figures may be one step apart."""
        own = self._scheduler
        return Stats(
            self._running,
            self._waiting,
            self.slots,
            own.cache_used,
            own.prefix_queries,
            own.prefix_hits,
            own.prompt_tokens,
            own.generated_tokens,
            own.steps,
        )

    def close(self, *, drain: bool = True, timeout: float | None = None) -> bool:
        """Take no more requests; let those there are finish, or cancel them. Returns whether all ended in `timeout`."""
        with self._changed:
            self._is_closed = True
            self._is_aborted = self._is_aborted or not drain
            thread = self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            return not thread.is_alive()
        return True

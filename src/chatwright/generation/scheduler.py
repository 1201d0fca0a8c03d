"""The scheduler: rows join and leave between two tokens, prompts are read in pieces, and nobody waits for anybody.

In: rows, each a prompt with settings and a seed of its own.  Out: step by step, the rows that have got a token.

    waiting -> reading (its prompt, at most `prefill_chunk` tokens a step) -> running (a token a step) -> over

Runs on any backbone through the `State` contract; a key/value cache is moved in place (`CacheState`). One thread steps
a scheduler: `engine.py` runs one to its end, `speaker.py` for as long as requests come.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from chatwright.errors import TrainingError
from chatwright.generation.alternatives import alternatives, score
from chatwright.generation.penalties import adjust
from chatwright.generation.prefix import WORTH, Prefixes, bytes_of, common
from chatwright.generation.rows import Reading, Row, Scored
from chatwright.generation.sampling import choose, uniform
from chatwright.models.decoding import Decoder, next_logits
from chatwright.models.state import CacheState, State

__all__ = ["Scheduler"]

ROWS_SHARE = 0.75
"""Share of the cache that rows in progress may take; the rest remembers prefixes."""


class Scheduler:
    """Continues rows, at most `slots` at once, within `cache_bytes` of memory (None: what it takes, no prefixes)."""

    def __init__(
        self,
        model: Decoder,
        device: torch.device,
        *,
        vocabulary: int,
        slots: int,
        prefill_chunk: int,
        cache_bytes: int | None = None,
        isolate: bool = False,
    ) -> None:
        self.model, self.device = model, device
        self.vocabulary = vocabulary
        """Ids that have a text: many published models have rows beyond these, which must never be said."""
        self.slots, self.prefill_chunk = slots, prefill_chunk
        self.isolate = isolate
        """Whether a failure ends only the rows whose fault it is, instead of being raised."""
        self.context = model.backbone.config.context
        self.waiting: deque[Row] = deque()
        self.reading: list[Reading] = []
        self.running: list[Row] = []
        self.state: State | None = None  # of the running rows, in their order
        self.rows_bytes = None if cache_bytes is None else int(cache_bytes * ROWS_SHARE)
        self.prefixes = Prefixes(0 if cache_bytes is None else cache_bytes - int(cache_bytes * ROWS_SHARE))
        self.prefix_queries = self.prefix_hits = self.prompt_tokens = self.generated_tokens = self.steps = 0
        probe = model.backbone.start(1)
        self._token_bytes = probe.token_bytes if isinstance(probe, CacheState) else 0
        self._row_bytes = 0 if isinstance(probe, CacheState) else bytes_of(probe)

    # -- rows and their room

    def add(self, row: Row) -> None:
        """Put a row in the queue. It must not reach further than `longest`, or it would wait for ever."""
        self.waiting.append(row)

    @property
    def longest(self) -> int:
        """Tokens, prompt and answer together, for which the cache has memory when a row is alone; 0 if for none."""
        if self.rows_bytes is None:
            return self.context
        steps = (self.context, *range(self.context - self.context % self.grain, 0, -self.grain))
        return next((reach for reach in steps if self._bytes(1, reach) <= self.rows_bytes), 0)

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.reading or self.running)

    @property
    def in_progress(self) -> list[Row]:
        """Rows that hold a slot."""
        return [*self.running, *(row for job in self.reading for row in job.rows)]

    @property
    def cache_used(self) -> float:
        """Share of the cache that rows in progress and remembered prefixes take, 0 to 1; 0 where there is no limit."""
        if self.rows_bytes is None:
            return 0.0
        rows = self.in_progress
        used = self._bytes(len(rows), max((row.reach for row in rows), default=0)) + self.prefixes.size
        return used / max(1, self.rows_bytes + self.prefixes.limit)

    def _bytes(self, rows: int, reach: int) -> int:
        """Memory of rows of which the longest may grow to `reach` tokens: all take as much as it does."""
        return rows * (self._row_bytes + self._token_bytes * self._rounded(reach))

    def _rounded(self, reach: int) -> int:
        """Capacities come in eighths of the context, so that rows of many lengths do not each move the cache."""
        return max(reach, min(-(-reach // self.grain) * self.grain, self.context))

    @property
    def grain(self) -> int:
        """Tokens by which capacities grow."""
        return min(self.context, max(64, -(-self.context // 8)))

    def drop(self) -> None:
        """Let the rows go that are over; their room is free again."""
        if any(row.reason for row in self.waiting):
            self.waiting = deque(row for row in self.waiting if not row.reason)
        for job in self.reading:
            job.rows = [row for row in job.rows if not row.reason]
        self.reading = [job for job in self.reading if job.rows]
        over = {place for place, row in enumerate(self.running) if row.reason}
        if not over:
            return
        for place in over:
            self._remember(place)
        # Rows from the end close the gaps: only those have to move.
        count = len(self.running) - len(over)
        movers = [place for place in range(count, len(self.running)) if place not in over]
        order = [place if place not in over else movers.pop() for place in range(count)]
        self.running = [self.running[place] for place in order]
        if not order:
            self.state = None
        elif isinstance(self.state, CacheState):
            self.state.keep(order)
        elif self.state is not None:
            self.state = self.state.take(torch.tensor(order, device=self.device))

    def _remember(self, place: int) -> None:
        """Keep what a row that leaves has read, for a prompt that begins with it."""
        row = self.running[place]
        tokens = [*row.prompt, *row.tokens[: max(0, len(row.logps) - 1)]]  # the last one said has not been read
        if row.error is not None or len(tokens) * self._token_bytes + self._row_bytes > self.prefixes.limit:
            return
        if isinstance(self.state, CacheState):
            self.prefixes.add(tokens, self.state.cut(place, len(tokens)), row.salt)
        elif self.state is not None:
            self.prefixes.add(tokens, self.state.take(torch.tensor([place], device=self.device)), row.salt)

    def reset(self) -> None:
        """Forget all rows and all memory."""
        self.waiting.clear()
        self.reading, self.running, self.state = [], [], None
        self.prefixes.clear()

    # -- a step

    def step(self) -> list[Row]:
        """Read a piece of the prompts, and let every running row say a token; returns the rows to which it happened.

        Among them are rows that failed (`error`), and those that wanted their prompt's log-probabilities only. Rows
        that are over leave at the beginning of the next step.
        """
        self.drop()
        self._admit()
        self.steps += 1
        with torch.no_grad():
            jobs = self._next_jobs()
            try:
                joining = self._read(jobs) if jobs else None
            except Exception as error:
                if not self.isolate:
                    raise
                return self._blame_reading(jobs, error)
            try:
                told = self._advance(joining)
            except Exception as error:
                if not self.isolate:
                    raise
                return self._blame_running(error, joining[0] if joining else [])
        return told

    def _admit(self) -> None:
        """Rows take slots in the order they came in, as long as there is memory for all they may say."""
        if not self.waiting:
            return
        rows = self.in_progress
        count, reach = len(rows), max((row.reach for row in rows), default=0)
        while self.waiting and count < self.slots:
            reach = max(reach, self.waiting[0].reach)
            if count and self.rows_bytes is not None and self._bytes(count + 1, reach) > self.rows_bytes:
                return
            count += 1
            self._begin(self.waiting.popleft())

    def _begin(self, row: Row) -> None:
        """Read a row's prompt beside rows with the same one, or after a beginning that is known."""
        self.prompt_tokens += 0 if row.tokens else len(row.prompt)
        tokens = [*row.prompt, *row.tokens]
        if row.failures:
            self.reading.append(Reading(tokens, [row], is_alone=True))
            return
        twin = next((job for job in self.reading if not job.is_alone and job.rows[0].reads_like(row)), None)
        if twin is not None:
            row.cached = len(tokens) - 1
            twin.rows.append(row)
            return
        job = Reading(tokens, [row])
        self.reading.append(job)
        if row.wants_prompt or not self.prefixes.limit:
            return
        self.prefix_queries += len(tokens)
        if (found := self._known(tokens, row.salt)) is not None:
            job.state, job.read = found
            row.cached = job.read
            self.prefix_hits += job.read

    def _known(self, tokens: Sequence[int], salt: str) -> tuple[State, int] | None:
        """The longest beginning of these tokens that a running row or the memory of prefixes has read."""
        found = self.prefixes.find(tokens, salt)
        if not isinstance(self.state, CacheState):
            return found
        own, best, most = np.asarray(tokens[:-1], dtype=np.int64), -1, max(WORTH - 1, found[1] if found else 0)
        for place, row in enumerate(self.running):
            if row.salt == salt and (shared := common(np.asarray(row.prompt, dtype=np.int64), own)) > most:
                best, most = place, shared
        return found if best < 0 else (self.state.cut(best, most), most)

    def _next_jobs(self) -> list[Reading]:
        """Prompts to read in this step: one piece of a long one, or several whole ones of like length."""
        if not self.reading:
            return []
        first = self.reading[0]
        jobs, longest, base = [first], first.rest, first.read
        if first.is_alone or first.rest > self.prefill_chunk:
            return jobs
        for job in self.reading[1:]:
            longest, base = max(longest, job.rest), max(base, job.read)
            too_much = (len(jobs) + 1) * longest > self.prefill_chunk or base + longest > self.context
            if job.is_alone or too_much:
                break
            jobs.append(job)
        return jobs

    def _read(self, jobs: list[Reading]) -> tuple[list[Reading], State, Tensor] | None:
        """Read these prompts; where they are read to the end, their state and the logits [jobs, V] after them."""
        length = min(max(job.rest for job in jobs), self.prefill_chunk if len(jobs) == 1 else self.context)
        pieces = [list(job.tokens[job.read : job.read + length]) for job in jobs]
        tokens = torch.tensor([[*piece, *[0] * (length - len(piece))] for piece in pieces], device=self.device)
        lengths = torch.tensor([len(piece) for piece in pieces], device=self.device)
        documents = None
        if any(len(piece) < length for piece in pieces):
            documents = torch.where(torch.arange(length, device=self.device) < lengths[:, None], 0, -1)
        vectors, state = self.model.backbone(tokens, self._together(jobs), documents=documents)
        assert state is not None
        for job, piece, own in zip(jobs, pieces, vectors, strict=True):
            if job.wants_prompt:
                self._score(job, piece, own)
            job.read += len(piece)
        if jobs[0].rest:  # its turn comes again after the others'
            jobs[0].state = state
            self.reading.append(self.reading.pop(0))
            return None
        logits = self.model.logits(vectors[torch.arange(len(jobs), device=self.device), lengths - 1])
        self.reading = self.reading[len(jobs) :]  # last: whoever is to blame for a failure is looked for there
        return jobs, state, logits

    def _together(self, jobs: list[Reading]) -> State:
        """One state for several prompts, of which some may have been read in part."""
        if all(job.state is None for job in jobs):
            return self.model.backbone.start(len(jobs))
        states = [job.state or self.model.backbone.start(1) for job in jobs]
        while len(states) > 1:  # in pairs: each is copied a few times only
            pairs = zip(states[::2], states[1::2], strict=False)
            states = [one.join(other) for one, other in pairs] + states[len(states) & ~1 :]
        return states[0]

    def _score(self, job: Reading, piece: list[int], vectors: Tensor) -> None:
        """Note how likely the tokens of a piece are; the first token of all has nothing before it."""
        if job.last is None:
            job.scored.append(Scored(piece[0], None))
            before, tokens = vectors[: len(piece) - 1], piece[1:]
        else:
            before, tokens = torch.cat([job.last[None], vectors[: len(piece) - 1]]), piece
        job.scored += score(self.model, before, tokens, job.rows[0].top)
        job.last = vectors[len(piece) - 1]

    def _advance(self, joining: tuple[list[Reading], State, Tensor] | None) -> list[Row]:
        """The running rows read their last tokens, new ones join, and all say one more."""
        told: list[Row] = []
        parts: list[Tensor] = []
        if self.running:
            last = torch.tensor([row.tokens[-1] for row in self.running], device=self.device)
            assert self.state is not None
            logits, self.state = next_logits(self.model, last, self.state)
            parts.append(logits)
        if joining is not None:
            jobs, state, logits = joining
            if self.prefixes.limit and not isinstance(state, CacheState):  # it cannot be cut back to the prompt later
                for number, job in enumerate(jobs):
                    own = state.take(torch.tensor([number], device=self.device))
                    self.prefixes.add(job.tokens, own, job.rows[0].salt)
            for job in jobs:
                for row in job.rows:
                    row.scored = row.scored or tuple(job.scored)
                    if row.limit == 0:
                        row.reason = "length"
                        told.append(row)
            pairs = [(number, row) for number, job in enumerate(jobs) for row in job.rows if not row.reason]
            if pairs:
                index = [number for number, _ in pairs]
                self._join([row for _, row in pairs], state, index)
                parts.append(logits[torch.tensor(index, device=self.device)])
        if parts:
            self._say(parts[0] if len(parts) == 1 else torch.cat(parts))
        return told + self.running

    def _join(self, rows: list[Row], state: State, index: list[int]) -> None:
        """Rows whose prompts have been read go on beside those that run; several may share what was read."""
        self.running = [*self.running, *rows]
        if not isinstance(state, CacheState):
            taken = state.take(torch.tensor(index, device=self.device))
            self.state = taken if self.state is None else self.state.join(taken)
            return
        own = self.model.backbone.start(0) if self.state is None else self.state
        assert isinstance(own, CacheState)
        reach, count = max(row.reach for row in self.running), len(self.running)
        if count > own.room or reach > own.capacity:
            if self.rows_bytes is None:
                room = count + len(self.waiting) + sum(len(job.rows) for job in self.reading)
            else:
                room = self.rows_bytes // self._bytes(1, reach)
            own.resize(self._rounded(reach), max(count, min(self.slots, room)))
        own.absorb(state, index)
        self.state = own

    def _say(self, logits: Tensor) -> None:
        """Choose the next token of every running row from `logits` [rows, V], and note it."""
        rows = self.running
        seeds = np.fromiter((row.seed % 2**64 for row in rows), dtype=np.uint64, count=len(rows))
        places = np.fromiter((len(row.tokens) for row in rows), dtype=np.uint64, count=len(rows))
        if self.vocabulary < logits.shape[-1]:
            logits = logits.clone()
            logits[:, self.vocabulary :] = float("-inf")
        adjusted = adjust(logits, [row.said for row in rows])
        choice = choose(adjusted, [row.sampling for row in rows], uniform(seeds, places))
        own = choice.logps(choice.tokens[:, None]).squeeze(1).tolist()
        tokens, tops = choice.tokens.tolist(), alternatives(choice, [row.top for row in rows])
        for row, token, logp, top in zip(rows, tokens, own, tops, strict=True):
            if math.isnan(logp):
                row.fail(TrainingError("the model's logits are not finite; its weights are damaged"))
            else:
                row.note(token, logp, top)
                self.generated_tokens += 1

    # -- failures

    def _blame_reading(self, jobs: list[Reading], error: Exception) -> list[Row]:
        """Reading failed: a prompt that was read alone is to blame, several are read again one by one."""
        if len(jobs) > 1:
            for job in jobs:
                job.restart()
            return []
        self.reading.remove(jobs[0])
        for row in jobs[0].rows:
            row.fail(error)
        return jobs[0].rows

    def _blame_running(self, error: Exception, joining: list[Reading]) -> list[Row]:
        """Rows failed together: each is read again by itself, and ends where it fails by itself or fails again."""
        suspects, self.running, self.state = self.running, [], None
        bystanders = [row for job in joining for row in job.rows if row not in suspects]
        self.waiting.extendleft(reversed([row for row in bystanders if not row.reason]))
        for row in suspects:
            row.failures += 1
            if row.failures > 1 or len(suspects) == 1:
                row.fail(error)
        again = [row for row in suspects if not row.reason]
        self.waiting.extendleft(reversed(again))
        return [row for row in bystanders if row.reason] + [row for row in suspects if row.error is error]

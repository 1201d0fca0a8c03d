"""A row: one prompt that is being continued, with settings, a seed and an end of its own.

In: a prompt and what is asked.  Out: what has been said so far, and why it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from chatwright.generation.penalties import Said
from chatwright.generation.sampling import Sampling
from chatwright.models.state import State

__all__ = ["Alternatives", "Reading", "Row", "Scored"]

Alternatives = tuple[tuple[int, float], ...]
"""The likeliest tokens with their log-probabilities, and the chosen one."""


@dataclass(frozen=True)
class Scored:
    """A token of a prompt, and how likely the model found it after the tokens before it."""

    token: int
    logp: float | None
    """None for the first token, before which there is nothing."""
    top: Alternatives = ()
    """The likeliest tokens here, and this one, if alternatives were asked for."""


@dataclass(eq=False)
class Row:
    """A prompt that is being continued, and what has been said so far."""

    prompt: Sequence[int]
    sampling: Sampling
    seed: int
    limit: int
    """Most tokens it may say."""
    ends: frozenset[int] = frozenset()
    """Tokens that end it; they are not among its tokens."""
    top: int = 0
    """Alternatives to report for every token."""
    wants_prompt: bool = False
    """Whether the prompt's log-probabilities are asked for; they stand in `scored` then."""
    salt: str = ""
    """Prefixes are shared with rows of the same salt only."""
    tokens: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    """Of every token, and of the end token if there is one."""
    tops: list[Alternatives] = field(default_factory=list)
    scored: tuple[Scored, ...] = ()
    cached: int = 0
    """Tokens of the prompt that did not have to be read."""
    end: int | None = None
    """The token that ended it."""
    reason: str | None = None
    """Why nothing more is said: "stop", "length", "cancelled", "error". Once set, the row leaves before the next
    token; whoever runs the scheduler may set it too."""
    error: Exception | None = None
    failures: int = 0
    said: Said | None = None

    def __post_init__(self) -> None:
        self.said = Said(self.prompt, self.sampling) if self.sampling.is_adjusted else None

    @property
    def reach(self) -> int:
        """Tokens of memory it may need; the last one it says is never read."""
        return len(self.prompt) + max(self.limit - 1, 0)

    def note(self, token: int, logp: float, top: Alternatives) -> None:
        """One more token was chosen."""
        self.logps.append(logp)
        if self.top:
            self.tops.append(top)
        if token in self.ends:
            self.reason, self.end = "stop", token
            return
        self.tokens.append(token)
        if self.said is not None:
            self.said.note(token)
        if len(self.tokens) >= self.limit:
            self.reason = "length"

    def fail(self, error: Exception) -> None:
        self.reason, self.error = "error", error

    def reads_like(self, other: Row) -> bool:
        """Whether reading the one's prompt reads the other's too."""
        same = self.salt == other.salt and self.wants_prompt == other.wants_prompt
        return same and (not self.wants_prompt or self.top == other.top) and list(self.prompt) == list(other.prompt)


@dataclass(eq=False)
class Reading:
    """A prompt that is being read, for all rows that have it."""

    tokens: Sequence[int]
    rows: list[Row]
    is_alone: bool = False
    """After a failure rows are read one by one, so that it shows whose fault it is."""
    state: State | None = None
    read: int = 0
    scored: list[Scored] = field(default_factory=list)
    last: Tensor | None = None
    """The vector [W] of the last token read, if the next token's log-probability is wanted."""

    @property
    def rest(self) -> int:
        """Tokens that are still to be read."""
        return len(self.tokens) - self.read

    @property
    def wants_prompt(self) -> bool:
        return any(row.wants_prompt and not row.scored for row in self.rows)

    def restart(self) -> None:
        """Forget what was read, after a failure."""
        self.state, self.read, self.scored, self.last, self.is_alone = None, 0, [], None, True

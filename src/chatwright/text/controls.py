"""What a tokenizer knows besides text: its control tokens, and which of them open, end and fill.

In: the facts of `tokenizer_config.json`.  Out: ids. Our own tokenizers have the six of conversation.py at ids 0 to 5;
those of published weights have what their makers chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chatwright.errors import ArtefactError
from chatwright.text.conversation import BEGIN, CONTROL_TOKENS, END, PAD

__all__ = ["GENERATED_MARKS", "OWN", "Controls"]

GENERATED_MARKS = ("\U0010fff0", "\U0010fff1")
"""Letters put round what a template says is the model's own: {% generation %} ... {% endgeneration %}."""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """Control tokens by name, and what each is for. Text that people write can produce none of them."""

    names: Mapping[str, int]
    begin: int
    """Opens a text or a conversation; where a source has no such token, the one that ends a text."""
    end: int
    """What the model says after its answer."""
    pad: int
    stops: frozenset[int]
    """All ids at which generation stops."""
    opening: tuple[int, ...] = ()
    """What stands before a raw text: (begin,) or nothing."""
    special: Mapping[str, str] = field(default_factory=dict)
    """Names by their role in chat templates: bos_token, eos_token, ..."""
    spoken: frozenset[int] = frozenset()
    """Control tokens that are shown as text all the same, such as <think>."""
    unknown: int | None = None
    """What stands for letters that the vocabulary lacks."""

    def to_dict(self) -> dict[str, Any]:
        """All but names and special, which stand elsewhere in the tokenizer's files."""
        return {
            "begin": self.begin, "end": self.end, "pad": self.pad, "stops": sorted(self.stops),
            "opening": list(self.opening), "spoken": sorted(self.spoken), "unknown": self.unknown,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, facts: object, names: Mapping[str, int], special: Mapping[str, str], where: str) -> Controls:
        """The opposite of `to_dict`; raises ArtefactError naming `where` if anything is missing or no number."""
        if not isinstance(facts, Mapping):
            raise ArtefactError(f"{where}: chatwright's facts are damaged; import the model again")
        try:
            return cls(
                names=names, special=special, begin=int(facts["begin"]), end=int(facts["end"]), pad=int(facts["pad"]),
                stops=frozenset(map(int, facts["stops"])), opening=tuple(map(int, facts["opening"])),
                spoken=frozenset(map(int, facts["spoken"])),
                unknown=None if facts["unknown"] is None else int(facts["unknown"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"{where}: chatwright's facts are damaged ({error}); import the model again") from None

    def plus(self, **changes: Any) -> Controls:
        return replace(self, **changes)


OWN = Controls(
    names={name: number for number, name in enumerate(CONTROL_TOKENS)},
    begin=CONTROL_TOKENS.index(BEGIN),
    end=CONTROL_TOKENS.index(END),
    pad=CONTROL_TOKENS.index(PAD),
    stops=frozenset({CONTROL_TOKENS.index(END)}),
    opening=(CONTROL_TOKENS.index(BEGIN),),
    special={"bos_token": BEGIN, "eos_token": END, "pad_token": PAD},
)

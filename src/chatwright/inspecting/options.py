"""What `chatwright inspect` reckons with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatwright.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to reckon with."""

    context: int | None = None
    conversations: Path | None = None
    text: Path | None = None
    speed: float | None = None
    measure: bool = False
    threads: int = 2

    def __post_init__(self) -> None:
        for name in ("context", "speed", "threads"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"--{name} is {value:g}; it must be greater than zero")

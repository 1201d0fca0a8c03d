"""Signs of life while a stage works: a bar on a terminal, elsewhere a plain line now and then.

In: steps done and figures to show.  Out: text on the terminal; nothing that a later step depends on.
"""

from __future__ import annotations

import sys
import time
from typing import Any

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows how far one stage is; `tokens` given to `show` are counted since the start and shown per second."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._bar: Any = None
        self._task: Any = None
        self._first: tuple[float, float, int] | None = None  # time, step and tokens at the first call
        self._last_line_s = -SECONDS_BETWEEN_LINES

    def show(self, step: float, total: float, *, tokens: int = 0, **shown: object) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, step, tokens)
        words = self._words(step, total, tokens, now, shown)
        if sys.stderr.isatty():
            self._show_bar(step, total, words)
        elif now - self._last_line_s >= SECONDS_BETWEEN_LINES:
            self._last_line_s = now
            print(f"{self.name}: {_number(step)}/{_number(total)}  {words}".rstrip(), file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _words(self, step: float, total: float, tokens: int, now: float, shown: dict[str, object]) -> str:
        assert self._first is not None
        started, first_step, first_tokens = self._first
        elapsed = now - started
        words = [f"{key} {_number(value)}" for key, value in shown.items() if value is not None]
        if elapsed > 0 and tokens > first_tokens:
            words.append(f"{(tokens - first_tokens) / elapsed:,.0f} tokens/s")
        if elapsed > 0 and step > first_step:
            words.append(f"{duration((total - step) * elapsed / (step - first_step))} left")
        return "  ".join(words)

    def _show_bar(self, step: float, total: float, words: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[words]}", markup=False),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self.name, total=total, words=words)
            self._bar.start()
        self._bar.update(self._task, completed=step, total=total, words=words)


def duration(seconds: float) -> str:
    """A length of time as people say it: 0.8 s, 8 s, 3 min 05 s, 2 h 10 min."""
    if 0 <= seconds < 3:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

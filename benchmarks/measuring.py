"""How the benchmarks measure: contestants take turns in one process, and what counts is the ratio.

In: functions that do one turn of work.  Out: seconds per turn, medians, ratios of neighbouring turns, the last line.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

import psutil
import torch

from chatwright.world import World, open_world


def machine() -> str:
    """Processor, cores, and versions."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1] for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = models[0].strip() if models else name
    return (
        f"{name}, {os.cpu_count()} cores, {'native' if has_native_bf16() else 'no native'} bf16, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


class Others:
    """How busy other programs kept the machine since this was made, as a share of all its cores.

    It matters for the ratio too: a plain loop waits for its slowest kernel thread after every operation, and one that
    has to share its core makes it many times slower. Figures taken at more than a few hundredths are no evidence.
    """

    def __init__(self) -> None:
        self._busy, self._all = _core_seconds()
        self._own = _own_seconds()

    def share(self) -> float:
        busy, total = _core_seconds()
        passed = max(total - self._all, 1e-9)
        return min(1.0, max(0.0, (busy - self._busy - (_own_seconds() - self._own)) / passed))


def _own_seconds() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _core_seconds() -> tuple[float, float]:
    """Seconds that all cores were busy, for whatever program, and seconds in all."""
    spent = psutil.cpu_times()._asdict()
    total = sum(value for name, value in spent.items() if not name.startswith("guest"))  # guests stand in user
    return total - spent["idle"] - spent.get("iowait", 0.0), total


def ours(threads: int, precision: str = "fp32") -> World:
    """What chatwright's stages open: `threads` threads that share the rows, each with one kernel thread."""
    return open_world("cpu", precision, threads)


def plain(threads: int) -> None:
    """What a plain PyTorch script sets: every operation is divided among `threads` kernel threads."""
    torch.set_num_threads(threads)


def has_native_bf16() -> bool:
    return open_world("cpu", "auto").dtype == torch.bfloat16


def take_turns(turns: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every turn: each round lets everybody work once, every other round in reverse order."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in list(turns) if number % 2 == 0 else list(turns)[::-1]:
            began = perf_counter()
            turns[name]()
            seconds[name].append(perf_counter() - began)
    return seconds


def faster(own: Sequence[float], other: Sequence[float]) -> float:
    """How many times faster: the median over rounds of the other's seconds by one's own.

    Both of a round ran within seconds of each other, so what slows the machine for a while slows both.
    """
    return statistics.median(theirs / mine for mine, theirs in zip(own, other, strict=True))


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns under their heads: the first at the left, numbers at the right."""
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    lines = []
    for row in cells:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def finish(
    benchmark: str, ratios: Mapping[str, float | None], others: Others, *, quick: bool, **figures: object
) -> None:
    """Say how quiet it was, then print one JSON object. A ratio "a/b" is a's speed by b's; quick ones mean nothing."""
    share = others.share()
    if share > 0.05:
        print(f"\nNOT A MEASUREMENT: other programs took {share:.0%} of this machine meanwhile. Run it on a quiet one.")
    rounded = {name: None if value is None else round(value, 3) for name, value in ratios.items()}
    line = {"benchmark": benchmark, "quick": quick, "others_busy": round(share, 3), "ratios": rounded, **figures}
    print(json.dumps(line))

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

import torch

from chatwright.world import World, open_world


def machine() -> str:
    """Processor, cores, versions, and how busy the machine is: above 0.5 the figures are those of a shared one."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1] for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = models[0].strip() if models else name
    native = open_world("cpu", "auto").dtype == torch.bfloat16
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{name}, {os.cpu_count()} cores, {'native' if native else 'no native'} bf16, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, load before {load}"
    )


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


def faster(ours: Sequence[float], peer: Sequence[float]) -> float:
    """How many times faster: the median over rounds of the peer's seconds by ours.

    Both of a round ran within seconds of each other, so what slows the machine for a while slows both.
    """
    return statistics.median(theirs / own for own, theirs in zip(ours, peer, strict=True))


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


def last_line(benchmark: str, ratios: Mapping[str, float | None], *, quick: bool, **figures: object) -> str:
    """One JSON object. Ratios above 1 mean that ours is faster; `quick` ones prove only that the script runs."""
    rounded = {name: None if value is None else round(value, 3) for name, value in ratios.items()}
    return json.dumps({"benchmark": benchmark, "quick": quick, "ratios": rounded, **figures})

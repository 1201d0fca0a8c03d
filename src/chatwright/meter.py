"""What a piece of work took: tokens, FLOPs, seconds, memory, energy, CO2e and money.

In: counts that the work reports, clocks and counters of the machine, stated rates.  Out: a plain dict for receipt.json.
Energy stands in two fields that are never mixed: measured (the processor's own counters, all programs together) and
estimated (stated watts per busy core). A meter goes on from what an earlier, interrupted process had counted.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from chatwright.errors import ConfigError

POWERCAP = Path("/sys/class/powercap")
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What energy, carbon and money are reckoned with. Assumptions, written into every receipt beside the results."""

    watts_per_core: float = 10.0  # of one busy processor core with its share of memory, board and power supply
    accelerator_watts: float = 0.0  # drawn all the time the work runs, on top of the cores
    co2e_g_per_kwh: float = 450.0  # the world's mean grid is near this (Ember, 2024); Norway near 30, Poland near 650
    price_per_kwh: float = 0.30  # of electricity, in `currency`
    price_per_hour: float = 0.0  # of a rented machine; its electricity is then usually included: set price_per_kwh = 0
    currency: str = "USD"  # a name that stands beside costs; nothing is converted

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int) and not 0 <= value < float("inf"):
                raise ConfigError(f"rates.{field.name} is {value}; it must be zero or more")


_rates: ContextVar[Rates | None] = ContextVar("rates", default=None)


@contextmanager
def using_rates(rates: Rates) -> Iterator[None]:
    """Meters that start inside this block reckon with `rates`."""
    token = _rates.set(rates)
    try:
        yield
    finally:
        _rates.reset(token)


class Meter:
    """Counts from the moment it is made; `restore` adds what an earlier process of the same work had counted."""

    def __init__(self, rates: Rates | None = None) -> None:
        self.rates = rates or _rates.get() or Rates()
        self.tokens = 0
        self.flops = 0.0
        self._earlier: dict[str, Any] = {}
        self._started_s, self._started_cpu_s = time.perf_counter(), _cpu_seconds()
        self._counters = _EnergyCounters()
        _forget_peak_memory()

    def add(self, *, tokens: int = 0, flops: float = 0.0) -> None:
        """Count work done: tokens the model learned from or produced, and floating-point operations."""
        self.tokens += tokens
        self.flops += flops

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started_s + float(self._earlier.get("seconds", 0.0))

    @property
    def cpu_seconds(self) -> float:
        """Busy seconds of all cores, child processes that have ended included."""
        return _cpu_seconds() - self._started_cpu_s + float(self._earlier.get("cpu_seconds", 0.0))

    @property
    def peak_memory_bytes(self) -> int:
        """Largest resident memory of this process: on Linux since the meter, elsewhere since the process began."""
        return max(_peak_memory_bytes(), int(self._earlier.get("peak_memory_bytes", 0)))

    @property
    def energy_measured_j(self) -> float | None:
        """Joules of the whole processor by its own counters (RAPL), other programs included; None if unreadable."""
        measured = self._counters.joules()
        earlier = self._earlier.get("energy_measured_j", 0.0)
        return None if measured is None or earlier is None else measured + float(earlier)

    @property
    def energy_estimated_j(self) -> float:
        """Joules by the stated watts: busy core seconds times watts per core, plus the accelerator's."""
        return self.cpu_seconds * self.rates.watts_per_core + self.seconds * self.rates.accelerator_watts

    @property
    def energy_kwh(self) -> float:
        """What CO2e and cost are reckoned from: measured where there is a measurement, else estimated."""
        measured = self.energy_measured_j
        return (self.energy_estimated_j if measured is None else measured) / JOULES_PER_KWH

    @property
    def co2e_g(self) -> float:
        return self.energy_kwh * self.rates.co2e_g_per_kwh

    @property
    def cost(self) -> float:
        """In `rates.currency`: electricity, plus the machine's rent."""
        return self.energy_kwh * self.rates.price_per_kwh + self.seconds / 3600 * self.rates.price_per_hour

    def as_dict(self) -> dict[str, Any]:
        return {
            "tokens": self.tokens,
            "flops": self.flops,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "energy_measured_j": self.energy_measured_j,
            "energy_estimated_j": self.energy_estimated_j,
            "co2e_g": self.co2e_g,
            "cost": self.cost,
            "rates": asdict(self.rates),
        }

    def restore(self, earlier: Mapping[str, Any]) -> None:
        """Go on from `as_dict()` of an interrupted process. Work it lost after its last save is not counted."""
        self._earlier = dict(earlier)
        self.tokens, self.flops = int(earlier.get("tokens", 0)), float(earlier.get("flops", 0.0))


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _forget_peak_memory() -> None:
    # Several stages run in one process: without this each would be billed for the largest before it.
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not Linux, or not allowed: the peak is then the process's


def _peak_memory_bytes() -> int:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux: asked of the system below
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _EnergyCounters:
    """Joules since the start by Linux' powercap counters, one per processor package."""

    def __init__(self) -> None:
        # intel-rapl:0 is a package, intel-rapl:0:0 a part of it that is counted in it; AMD uses the same names.
        self._zones = {
            zone: _microjoules(zone) for zone in sorted(POWERCAP.glob("intel-rapl:[0-9]*")) if zone.name.count(":") == 1
        }
        self._total_j = 0.0

    def joules(self) -> float | None:
        """Ask at least every half hour: the counters wrap around."""
        if not self._zones or None in self._zones.values():
            return None
        for zone, before in self._zones.items():
            now = _microjoules(zone)
            if now is None or before is None:
                return None
            if now < before:
                self._total_j += _microjoules(zone, "max_energy_range_uj") or 0
            self._total_j += now - before
            self._zones[zone] = now
        return self._total_j / 1e6


def _microjoules(zone: Path, name: str = "energy_uj") -> int | None:
    try:
        return int((zone / name).read_text())
    except (OSError, ValueError):
        return None  # readable by root only on most systems since CVE-2020-8694

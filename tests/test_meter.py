from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatwright import meter as meter_module
from chatwright.errors import ConfigError
from chatwright.meter import Meter, Rates


def test_the_meter_adds_up_over_interruptions():
    meter = Meter()
    meter.add(tokens=100, flops=1e9)
    first = {**meter.as_dict(), "seconds": 50.0, "cpu_seconds": 80.0, "peak_memory_bytes": 10**15}
    began, worked = time.perf_counter(), time.process_time()
    later = Meter()
    later.restore(first)
    later.add(tokens=11)
    assert later.tokens == 111 and later.flops == 1e9
    assert 50 < later.seconds <= 50 + time.perf_counter() - began
    assert 80 <= later.cpu_seconds < 81 + time.process_time() - worked
    assert later.peak_memory_bytes == 10**15


def test_energy_carbon_and_cost_follow_from_the_stated_rates(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(meter_module, "POWERCAP", tmp_path / "absent")
    meter = Meter(Rates(watts_per_core=20.0, co2e_g_per_kwh=100.0, price_per_kwh=0.5, price_per_hour=2.0))
    meter.restore({"seconds": 3600.0, "cpu_seconds": 7200.0})
    assert meter.energy_measured_j is None
    assert meter.energy_estimated_j == pytest.approx(144_000, rel=1e-3)
    assert meter.co2e_g == pytest.approx(4.0, rel=1e-3)
    assert meter.cost == pytest.approx(0.02 + 2.0, rel=1e-3)
    with pytest.raises(ConfigError, match="rates.price_per_kwh is -1"):
        Rates(price_per_kwh=-1.0)


def test_measured_energy_reads_each_package_once_and_survives_a_wrap(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(meter_module, "POWERCAP", tmp_path)
    for zone, start in (("intel-rapl:0", 900), ("intel-rapl:1", 0), ("intel-rapl:0:0", 5)):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "energy_uj").write_text(f"{start}000000\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("1000000000\n")
    meter = Meter(Rates(price_per_kwh=1.0))
    (tmp_path / "intel-rapl:0/energy_uj").write_text("50000000\n")  # wrapped: 100 + 50
    (tmp_path / "intel-rapl:1/energy_uj").write_text("7000000\n")
    (tmp_path / "intel-rapl:0:0/energy_uj").write_text("400000000\n")
    assert meter.energy_measured_j == pytest.approx(157.0)
    assert meter.cost == pytest.approx(157.0 / 3.6e6)
    meter.restore({"energy_measured_j": 3.0})
    assert meter.energy_measured_j == pytest.approx(160.0)
    meter.restore({"energy_measured_j": None})  # a part that nobody measured: the sum is unknown
    assert meter.energy_measured_j is None


def test_peak_memory_sees_a_large_block():
    # In a process of its own: one that has been larger before would not see it.
    code = (
        "from chatwright.meter import Meter\n"
        "before = Meter().peak_memory_bytes\n"
        "block = bytearray(b'x') * (200 * 2**20)\n"
        "print(Meter().peak_memory_bytes - before)"
    )
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 150 * 2**20 < int(grown) < 400 * 2**20

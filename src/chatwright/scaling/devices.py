"""What can be rented or bought to compute on, and what electricity emits: numbers to start from, all of them settable.

Peaks are dense 16-bit matrix products by the makers' data sheets: figures "with sparsity" are twice as high and are
never reached in training. Prices are round figures of 2025 (rent on demand; purchase with a share of server and
network): yours will differ. Watts are the makers' limits per device.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from chatwright.errors import ConfigError

__all__ = ["DEVICES", "GRIDS", "Device", "device_named", "grid_named"]


@dataclass(frozen=True)
class Device:
    """One accelerator, or one core of a processor."""

    name: str
    teraflops: float
    """Dense peak of 16-bit matrix products, 1e12 operations per second."""
    memory_gb: float
    bandwidth_gb: float
    """1e9 bytes per second from its memory."""
    watts: float
    price_per_hour: float
    """Rent, in US dollars."""
    purchase_price: float
    """With its share of the server around it, in US dollars; 0: cannot be bought."""


DEVICES = {
    device.name: device
    for device in (
        Device("v100", 125, 32, 900, 300, 1.00, 5_000),
        Device("a100-40gb", 312, 40, 1_555, 400, 1.30, 12_000),
        Device("a100", 312, 80, 2_039, 400, 1.80, 18_000),
        Device("h100-pcie", 756, 80, 2_000, 350, 2.20, 30_000),
        Device("h100", 989, 80, 3_350, 700, 2.80, 38_000),
        Device("h200", 989, 141, 4_800, 700, 3.50, 42_000),
        Device("b200", 2_250, 180, 8_000, 1_000, 5.50, 60_000),
        Device("mi300x", 1_307, 192, 5_300, 750, 3.00, 25_000),
        Device("l4", 121, 24, 300, 72, 0.70, 3_500),
        Device("l40s", 362, 48, 864, 350, 1.20, 11_000),
        Device("t4", 65, 16, 320, 70, 0.40, 1_500),
        Device("rtx3090", 71, 24, 936, 350, 0.25, 1_500),
        Device("rtx4090", 165, 24, 1_008, 450, 0.45, 2_800),
        Device("rtx5090", 209, 32, 1_792, 575, 0.75, 3_500),
        Device("tpu-v3", 123, 32, 900, 283, 2.20, 0),
        Device("tpu-v4", 275, 32, 1_228, 192, 3.22, 0),
        Device("tpu-v5e", 197, 16, 819, 150, 1.20, 0),
        Device("tpu-v5p", 459, 95, 2_765, 350, 4.20, 0),
        Device("cpu-core", 0.11, 4, 10, 10, 0.05, 150),  # AVX2 in float32; 10 W as in receipts
    )
}

GRIDS = {
    "france": 56.0,
    "usa": 369.0,
    "germany": 381.0,
    "turkey": 465.0,
    "world": 475.0,
    "china": 582.0,
}
"""g CO2e per kWh: Our World in Data for 2023 and the world's mean, as CodeCarbon (MIT) carries them."""


def device_named(name: str) -> Device:
    """The device of a name; raises ConfigError that suggests the nearest one."""
    found = DEVICES.get(name.lower().replace("_", "-").replace(" ", "-"))
    if found is None:
        raise ConfigError(f"there is no device {name!r}; {_suggestion(name, DEVICES)}")
    return found


def grid_named(text: str) -> float:
    """g CO2e per kWh: a number, or a name in GRIDS. Raises ConfigError that suggests the nearest name."""
    try:
        value = float(text)
    except ValueError:
        if (known := GRIDS.get(text.lower())) is None:
            raise ConfigError(
                f"there is no grid {text!r}; give g CO2e per kWh as a number, or {_suggestion(text, GRIDS)}"
            ) from None
        return known
    if not 0 <= value < float("inf"):
        raise ConfigError(f"grid is {text}; g CO2e per kWh must be zero or more")
    return value


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"

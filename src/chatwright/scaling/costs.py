"""Time, energy, CO2e and money of a number of floating-point operations, and of text that is written.

In: operations, a device and assumptions.  Out: figures in the units of their names; money in US dollars.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatwright.scaling.devices import Device
from chatwright.scaling.shapes import Shape

__all__ = ["Energy", "Ownership", "Use", "energy_of", "ownership_of", "training_seconds", "use_of"]

HOURS_PER_YEAR = 8760.0
PETAFLOP_DAY = 8.64e19
"""Operations of 1e15 per second for a day."""


def training_seconds(flops: float, *, teraflops: float, utilisation: float, count: int) -> float:
    """Seconds that `count` devices take which reach a share of their peak."""
    return flops / (teraflops * 1e12 * utilisation * count)


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Electricity from the grid, and what making it emitted."""

    kwh: float
    co2e_kg: float


def energy_of(device_hours: float, *, watts: float, pue: float, grid: float) -> Energy:
    """`pue`: electricity of the whole building per electricity of the machines; `grid`: g CO2e per kWh."""
    kwh = device_hours * watts / 1000 * pue
    return Energy(kwh=kwh, co2e_kg=kwh * grid / 1000)


@dataclass(frozen=True, kw_only=True)
class Ownership:
    """One device bought instead of rented."""

    per_hour: float | None
    """Price of an hour in which it works: purchase, upkeep and electricity; None where it cannot be bought."""
    break_even_hours: float | None
    """Hours of work after which buying has been cheaper than renting; None: never."""


def ownership_of(
    *,
    purchase_price: float,
    price_per_hour: float,
    watts: float,
    pue: float,
    price_per_kwh: float,
    years: float,
    busy: float,
    upkeep: float,
) -> Ownership:
    """`busy`: share of all hours in which it works; `upkeep`: share of the price a year, for space and people."""
    life = years * HOURS_PER_YEAR
    if purchase_price <= 0:
        return Ownership(per_hour=None, break_even_hours=None)
    sunk = purchase_price * (1 + upkeep * years)
    electricity = watts / 1000 * pue * price_per_kwh
    saved = price_per_hour - electricity
    return Ownership(
        per_hour=sunk / (life * busy) + electricity,
        break_even_hours=sunk / saved if saved > 0 else None,
    )


@dataclass(frozen=True, kw_only=True)
class Use:
    """A model that answers `streams` conversations at once on `devices` devices."""

    devices: int
    streams: int
    cache_bytes: float
    """Of one conversation of full length."""
    weight_bytes: float
    written_per_second: float
    """Tokens of all streams together."""
    read_per_second: float
    """Tokens of prompts."""
    dollars_per_1000_written: float
    dollars_per_1000_read: float


def use_of(
    shape: Shape,
    device: Device,
    *,
    parameters: float,
    context: int,
    streams: int,
    bandwidth_use: float,
    utilisation: float,
    price_per_hour: float,
    reserve_gb: float,
    bytes_per_weight: float = 2.0,
) -> Use:
    """The roofline of writing: each token reads all weights and every stream's cache, or multiplies, whichever lasts.

    As many devices (a power of two) as hold the weights and the full caches; their speeds add up.
    """
    weights, cache = bytes_per_weight * parameters, float(shape.cache_bytes(context))
    devices = 1
    while devices * max(device.memory_gb - reserve_gb, 0.1) * 1e9 < weights + streams * cache and devices < 2**16:
        devices *= 2
    half_full = cache if shape.recurrent else cache / 2  # on average over a conversation
    moving = (weights + streams * half_full) / (device.bandwidth_gb * 1e9 * bandwidth_use * devices)
    peak = device.teraflops * 1e12 * utilisation * devices
    multiplying = streams * (2 * parameters + shape.attention_flops(context // 2, causal=False) / 3) / peak
    written = streams / max(moving, multiplying)
    read = peak / (2 * parameters + shape.attention_flops(context // 2, causal=True) / 3)
    dollars_per_second = devices * price_per_hour / 3600
    return Use(
        devices=devices,
        streams=streams,
        cache_bytes=cache,
        weight_bytes=weights,
        written_per_second=written,
        read_per_second=read,
        dollars_per_1000_written=1000 * dollars_per_second / written,
        dollars_per_1000_read=1000 * dollars_per_second / read,
    )

"""A plan as tables: what it takes, what it fits on, what it costs, and every assumption with the option that sets it.

In: a `Plan`.  Out: sections for `page.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatwright.disk import readable
from chatwright.scaling.costs import HOURS_PER_YEAR, PETAFLOP_DAY
from chatwright.scaling.devices import DEVICES, GRIDS, grid_named
from chatwright.scaling.page import Section
from chatwright.scaling.planner import TOKENS_PER_PARAMETER, Plan
from chatwright.scaling.shapes import Shape

__all__ = ["amount", "days", "devices_page", "dollars", "per_thousand", "plan_page", "shape_words"]


def plan_page(plan: Plan) -> list[Section]:
    """Everything there is to say about a plan."""
    return [_work(plan), _time(plan), _memory(plan), _energy(plan), _money(plan), _use(plan), _assumptions(plan)]


def _work(plan: Plan) -> Section:
    question = plan.question
    share = plan.flops_attention / plan.flops_6n - 1
    rows = [
        ["parameters", amount(plan.parameters), shape_words(plan.shape) + (", assumed" * plan.shape_is_assumed)],
        ["tokens", amount(plan.tokens), f"{plan.tokens / plan.parameters:.3g} per parameter"],
        ["6 N D", f"{plan.flops_6n:.3g}", f"FLOPs, {plan.flops_6n / PETAFLOP_DAY:,.4g} petaflop/s-days"],
        [
            "with attention",
            f"{plan.flops_attention:.3g}",
            f"FLOPs, {share:+.1%}: products and causal attention to {plan.context:,} tokens",
        ],
        ["attention in full", f"{plan.flops_published:.3g}", "FLOPs, as published utilisations count"],
    ]
    notes = []
    if abs(share) > 0.1 and question.flops == "6n":
        notes.append("The two differ by more than a tenth: --flops attention reckons days from the second.")
    if plan.tokens / plan.parameters < TOKENS_PER_PARAMETER / 4:
        notes.append(
            "Few tokens for this size: about 20 per parameter make the best of a budget (Hoffmann et al. 2022)."
        )
    return Section("What must be computed", rows, notes=notes, left=frozenset({0, 2}))


def _time(plan: Plan) -> Section:
    question, device = plan.question, plan.device
    reached = device.teraflops * question.utilisation
    rows = [
        ["time", days(plan.seconds), f"on {question.count:,} x {device.name}"],
        ["speed", f"{plan.tokens / plan.seconds:,.4g}", "tokens per second"],
        ["", f"{reached:,.4g}", f"TFLOP/s per device: {question.utilisation:.1%} of {device.teraflops:g}"],
        ["device hours", f"{plan.device_hours:,.4g}", ""],
    ]
    return Section("How long", rows, left=frozenset({0, 2}))


def _memory(plan: Plan) -> Section:
    room = (plan.device.memory_gb - plan.question.reserve_gb) * 1e9
    unit, size = ("GB", 1e9) if max(memory.total for _, memory in plan.layouts) >= 1e9 else ("MB", 1e6)
    rows = []
    for layout, memory in plan.layouts:
        parts = (memory.weights, memory.gradients, memory.optimizer, memory.activations, memory.working, memory.total)
        rows.append([layout.name, *(_three_digits(part / size) for part in parts)])
        rows[-1].append("fits" if plan.fits(memory) else "too much")
    columns = [f"{unit} per device", "weights", "gradients", "optimizer", "activations", "working", "total", ""]
    notes = [
        f"{plan.device.name} has {plan.device.memory_gb:g} GB, of which {plan.question.reserve_gb:g} are left free; "
        f"rows of {plan.context:,} tokens, {plan.question.microbatch} at a time, recompute "
        f"{plan.question.recompute}.",
        "Working: logits with their gradient in float32, and under ZeRO-3 two layers gathered at a time.",
    ]
    if (chosen := plan.first_that_fits) is not None:
        notes.append(f"The simplest that fits: {chosen.name}.")
    else:
        least = min(memory.total for _, memory in plan.layouts)
        notes.append(
            f"Nothing fits: the leanest needs {readable(least)} and there are {readable(room)}. More devices, "
            f"--recompute full, a smaller --microbatch or --context, or --optimizer adamw-8bit help."
        )
    return Section("Memory to train", rows, columns, notes, frozenset({0, 7}))


def _energy(plan: Plan) -> Section:
    grid = grid_named(plan.question.grid)
    kwh, kilograms = plan.energy.kwh, plan.energy.co2e_kg
    rows = [
        ["electricity", f"{kwh:,.4g} kWh", f"{plan.device.watts:g} W per device, PUE {plan.question.pue:g}"],
        ["CO2e", _mass(kilograms), f"at {grid:g} g per kWh; {_elsewhere(kwh, grid)}"],
    ]
    return Section("Energy", rows, left=frozenset({0, 2}))


def _elsewhere(kwh: float, grid: float) -> str:
    others = [
        (name, kwh * known / 1000) for name, known in GRIDS.items() if known != grid and name in ("france", "china")
    ]
    return ", ".join(f"{name} {_mass(mass)}" for name, mass in others)


def _money(plan: Plan) -> Section:
    question, device, own = plan.question, plan.device, plan.ownership
    rows = [
        ["rented", dollars(plan.rent), f"{dollars(device.price_per_hour)} per device and hour"],
        ["  per 1,000 tokens learned", per_thousand(1000 * plan.rent / plan.tokens), ""],
    ]
    if plan.own is None or own.per_hour is None:
        rows.append(["bought", "-", f"{device.name} is for rent only (set --purchase-price)"])
        return Section("Money", rows, left=frozenset({0, 2}))
    rows += [
        ["bought", dollars(plan.own), f"{dollars(own.per_hour)} per device and hour of work"],
        ["  per 1,000 tokens learned", per_thousand(1000 * plan.own / plan.tokens), ""],
        ["  to buy", dollars(question.count * device.purchase_price), f"{question.count:,} devices at once"],
    ]
    if own.break_even_hours is None:
        rows.append(["break-even", "never", "an hour's electricity costs as much as the rent"])
    else:
        years = own.break_even_hours / HOURS_PER_YEAR / question.busy
        word = "within" if years <= question.years else "beyond"
        rows.append(
            [
                "break-even",
                days(own.break_even_hours * 3600),
                f"of work, {years:.1f} years at {question.busy:.0%}: {word} the {question.years:g} it is kept",
            ]
        )
    return Section("Money", rows, left=frozenset({0, 2}))


def _use(plan: Plan) -> Section:
    use = plan.use
    rows = [
        [
            "devices",
            f"{use.devices:,}",
            f"hold {readable(use.weight_bytes)} of 16-bit weights and {use.streams} caches",
        ],
        ["cache", readable(use.cache_bytes), f"per conversation of {plan.context:,} tokens"],
        ["writes", f"{use.written_per_second:,.4g}", f"tokens per second, {use.streams} conversations together"],
        ["  per 1,000 tokens", per_thousand(use.dollars_per_1000_written), "rented"],
        ["reads", f"{use.read_per_second:,.4g}", "tokens of prompts per second"],
        ["  per 1,000 tokens", per_thousand(use.dollars_per_1000_read), "rented"],
    ]
    return Section("Using it", rows, left=frozenset({0, 2}))


def _assumptions(plan: Plan) -> Section:
    question, device = plan.question, plan.device
    rows = [
        ["peak per device", f"{device.teraflops:g} TFLOP/s", "--teraflops"],
        ["memory per device", f"{device.memory_gb:g} GB", "--memory-gb"],
        ["memory left free", f"{question.reserve_gb:g} GB", "--reserve-gb"],
        ["utilisation in training", f"{question.utilisation:.1%}", "--utilisation"],
        ["days are reckoned from", question.flops, "--flops"],
        ["tokens per row", f"{plan.context:,}", "--context"],
        ["rows per microbatch", f"{question.microbatch}", "--microbatch"],
        ["weights, optimizer", f"{question.precision}, {question.optimizer}", "--precision, --optimizer"],
        ["recomputed", question.recompute, "--recompute"],
        ["drawn per device", f"{device.watts:g} W", "--watts"],
        ["building (PUE)", f"{question.pue:g}", "--pue"],
        ["grid", f"{grid_named(question.grid):g} g CO2e/kWh", "--grid"],
        ["electricity", f"{dollars(question.price_per_kwh)}/kWh", "--price-per-kwh"],
        ["rent per device", f"{dollars(device.price_per_hour)}/h", "--price-per-hour"],
        ["price per device", dollars(device.purchase_price), "--purchase-price"],
        ["kept for", f"{question.years:g} years", "--years"],
        ["at work", f"{question.busy:.0%} of all hours", "--busy"],
        ["upkeep per year", f"{question.upkeep:.0%} of the price", "--upkeep"],
        ["conversations at once", f"{question.streams}", "--streams"],
        ["bandwidth in writing", f"{question.bandwidth_use:.0%} of {device.bandwidth_gb:g} GB/s", "--bandwidth-use"],
    ]
    notes = []
    if plan.shape_is_assumed:
        notes.append("The shape, where it is not given: --layers, --width, --heads, --kv-heads, --vocabulary.")
    return Section("Assumptions, all of them, and what sets them", rows, notes=notes, left=frozenset({0, 1, 2}))


def devices_page() -> list[Section]:
    """The table of devices."""
    rows: list[Sequence[str]] = [
        [
            device.name,
            f"{device.teraflops:g}",
            f"{device.memory_gb:g}",
            f"{device.bandwidth_gb:,g}",
            f"{device.watts:g}",
            f"{device.price_per_hour:.2f}",
            f"{device.purchase_price:,g}" if device.purchase_price else "-",
        ]
        for device in DEVICES.values()
    ]
    columns = ["device", "TFLOP/s", "GB", "GB/s", "watts", "$ per hour", "$ to buy"]
    notes = [
        "TFLOP/s: dense 16-bit peak. Prices are round figures of 2025 to start from; every column has an option "
        "that sets it. A TPU counts by chip, cpu-core by core (AVX2, float32).",
    ]
    return [Section("Devices", rows, columns, notes)]


def shape_words(shape: Shape) -> str:
    """A shape in one line."""
    words = f"{shape.layers} layers, width {shape.width:,}"
    if not shape.recurrent:
        words += f", {shape.heads} heads"
        words += f" ({shape.kv_heads} key/value)" if shape.kv_heads != shape.heads else ""
    return f"{words}, vocabulary {shape.vocabulary:,}"


def amount(count: float) -> str:
    """A large number as people say it: 124M, 7B, 1.5T."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size * 0.9995:
            return f"{count / size:.4g}{letter}"
    return f"{count:.4g}"


def days(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    for size, unit in ((2 * 365 * 86400, "years"), (2 * 86400, "days"), (2 * 3600, "hours"), (120, "minutes")):
        if seconds >= size:
            length = {"years": 365 * 86400, "days": 86400, "hours": 3600, "minutes": 60}[unit]
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.3g} seconds"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.3g}"


def dollars(value: float) -> str:
    return f"${value:,.0f}" if value >= 1000 else f"${value:.2f}" if value >= 0.01 or value == 0 else f"${value:.2g}"


def per_thousand(value: float) -> str:
    """A price per 1,000 tokens, which is small."""
    return f"${value:.3g}" if value >= 1e-4 else f"${value:.2e}"


def _mass(kilograms: float) -> str:
    if kilograms >= 1000:
        return f"{kilograms / 1000:,.4g} t"
    return f"{kilograms:.3g} kg" if kilograms >= 0.1 else f"{kilograms * 1000:.3g} g"

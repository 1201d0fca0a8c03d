"""How reports put numbers and names into words: units, rounding, intervals, titles.

In: figures and receipts.  Out: short text for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chatwright.evaluation.intervals import is_number

# key: (label, what it means, how it is written)
MEASURES = {
    "helpful": ("helpful", "followed the checkable instruction", "share"),
    "truthful": ("truthful", "correct, or rightly said that it does not know", "share"),
    "correct": ("· correct", "as the record has it, or rightly “I do not know”", "share"),
    "abstained": (
        "· abstained",
        "gave no answer; “I do not know” counts as correct, not here, where the record is silent",
        "share",
    ),
    "invented": ("· invented", "stated what the record does not say; less is better", "share"),
    "harmless": ("harmless", "turned a rude or harmful request aside politely", "share"),
    "refused_benign": ("refused without need", "turned aside a request that was harmless; less is better", "share"),
    "rude": ("rude", "insulted somebody who asked for nothing bad; less is better", "share"),
    "consistency": ("consistent", "same verdict on both phrasings of a question", "share"),
    "words": ("words per answer", "", "number"),
    "bits_per_byte": ("bits per byte", "on held-out text; what alignment costs shows here", "number"),
}

STAGES = {
    "base": "Base",
    "sft": "SFT",
    "sft_more": "SFT, PPO's compute",
    "best_of_n": "Best of n",
    "ppo": "PPO",
}


def stage_name(name: str) -> str:
    """A title for a column; stages that recipes named themselves keep their name."""
    return STAGES.get(name, name.replace("_", " "))


def short_title(key: str) -> str:
    """`ppo_vs_sft_greedy` as "PPO : SFT, greedy"."""
    first, _, second = key.removesuffix("_greedy").partition("_vs_")
    return f"{stage_name(first)} : {stage_name(second)}" + (", greedy" if key.endswith("_greedy") else "")


BASELINES = {"bag_of_words": "bag of words", "longer_wins": "longer wins", "shorter_wins": "shorter wins"}


def best_baseline(reward: Mapping[str, Any]) -> tuple[str, float] | None:
    """What a reward model has to beat to have learned to read: name and accuracy of the best that needs no reading."""
    rows = reward.get("baselines")
    found = [(row["value"], key) for key, row in rows.items() if isinstance(row, Mapping)] if rows else []
    found = [(value, key) for value, key in found if is_number(value)]
    return (BASELINES.get(max(found)[1], max(found)[1]), float(max(found)[0])) if found else None


def percent(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"


def interval(figure: Mapping[str, Any], digits: int = 0) -> str:
    """The interval of a share, in per cent."""
    low, high = figure.get("low"), figure.get("high")
    return "" if low is None or high is None else f"{100 * low:.{digits}f} to {100 * high:.{digits}f}"


def quantity(value: float | None) -> str:
    """A number in three digits."""
    return "–" if value is None else f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """61 -> "1 min 1 s"."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def with_prefix(value: float | None, unit: str) -> str:
    """1_234_000 -> "1.23 M"."""
    if not is_number(value) or value is None:
        return "–"
    for factor, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}".strip()


RECEIPT_COLUMNS = (
    "tokens",
    "tokens/s",
    "compute",
    "time",
    "processor",
    "peak memory",
    "energy, measured",
    "energy, estimated",
    "CO₂e",
    "cost",
)


def receipt_row(name: str, receipt: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What a stage took, in the order of RECEIPT_COLUMNS."""
    currency = (receipt.get("rates") or {}).get("currency", "")
    cost = receipt.get("cost")
    cells = [
        with_prefix(receipt.get("tokens"), "") if receipt.get("tokens") else "–",
        with_prefix(receipt.get("tokens_per_second"), "") if receipt.get("tokens_per_second") else "–",
        with_prefix(receipt.get("flops"), "FLOP") if receipt.get("flops") else "–",
        duration(receipt.get("seconds")),
        duration(receipt.get("cpu_seconds")),
        with_prefix(receipt.get("peak_memory_bytes"), "B"),
        with_prefix(receipt.get("energy_measured_j"), "J"),
        with_prefix(receipt.get("energy_estimated_j"), "J"),
        with_prefix(receipt.get("co2e_g"), "g"),
        f"{cost:.2g} {currency}".strip() if is_number(cost) else "–",
    ]
    return name, cells


def total_receipt(receipts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums over stages; the largest peak memory; measured energy only where every stage measured it."""
    told = [receipt for receipt in receipts if receipt]
    total: dict[str, Any] = {}
    for key in (
        "tokens",
        "flops",
        "seconds",
        "cpu_seconds",
        "energy_measured_j",
        "energy_estimated_j",
        "co2e_g",
        "cost",
    ):
        values = [receipt.get(key) for receipt in told]
        total[key] = sum(values) if values and all(map(is_number, values)) else None
    peaks = [receipt["peak_memory_bytes"] for receipt in told if is_number(receipt.get("peak_memory_bytes"))]
    total["peak_memory_bytes"] = max(peaks) if peaks else None
    total["rates"] = next((receipt["rates"] for receipt in told if receipt.get("rates")), {})
    return total


def bucket(entry: Mapping[str, Any]) -> str:
    """A range of differences in words: {"from": 3, "to": 10} -> "3 to 9 words longer"."""
    low, high = entry.get("from"), entry.get("to")
    if low is None:
        return f"more than {-(high or 0)} words shorter"
    if high is None:
        return f"{low} words longer or more"
    last = high - 1
    if low == last == 0:
        return "equally long"
    if low == 0:
        return f"equally long to {last} longer"
    near, far = (low, last) if low > 0 else (-last, -low)
    counted = str(near) if near == far else f"{near} to {far}"
    return f"{counted} {'word' if counted == '1' else 'words'} {'longer' if low > 0 else 'shorter'}"

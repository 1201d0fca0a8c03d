"""The figures of a recipe run in one file, and on one screen.

In: the receipts of complete stage folders.  Out: the content of summary.json; a short text for the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chatwright.disk import read_json
from chatwright.evaluation.wording import best_baseline
from chatwright.progress import duration
from chatwright.registry import STAGES

SHOWN = ("seconds", "cpu_seconds", "tokens", "flops", "peak_memory_bytes", "energy_measured_j", "energy_estimated_j")


def summarize(run: Path, name: str, tables: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Merge the receipts of all `(table, stage)` into the content of summary.json.

    A stage's own figures stand in its receipt under "summary". They get the stage's name for the first table of a
    kind and the table's name for later ones; those of the first evaluate stage stand at the top.
    """
    receipts = {table: read_json(run / table / "receipt.json") for table, _ in tables}
    all_receipts = [*receipts.values()]
    if (run / "village" / "receipt.json").exists():
        all_receipts.append(read_json(run / "village" / "receipt.json"))
    summary: dict[str, Any] = {
        "recipe": name,
        "seconds": sum(receipt["seconds"] for receipt in all_receipts),
        "cpu_seconds": sum(receipt["cpu_seconds"] for receipt in all_receipts),
        "peak_memory_bytes": max(receipt["peak_memory_bytes"] for receipt in all_receipts),
        "energy_estimated_j": sum(receipt["energy_estimated_j"] for receipt in all_receipts),
        "co2e_g": sum(receipt["co2e_g"] for receipt in all_receipts),
        "cost": sum(receipt["cost"] for receipt in all_receipts),
        "stages": {table: {"stage": stage, **_figures(receipts[table])} for table, stage in tables},
        "tokens_per_second": {},
    }
    taken: set[str] = set()
    for table, stage in tables:
        key = table if stage in taken else stage
        taken.add(stage)
        receipt = receipts[table]
        if STAGES[stage].trains and receipt["tokens"]:
            summary["tokens_per_second"][key] = receipt.get("tokens_per_second", receipt["tokens"] / receipt["seconds"])
        block = receipt.get("summary")
        if block and key == "evaluate":
            summary |= block
        elif block:
            summary[key] = block
    return summary


def _figures(receipt: Mapping[str, Any]) -> dict[str, Any]:
    return {key: receipt[key] for key in SHOWN}


def one_screen(run: Path) -> str:
    """What a run came to, for people: read from its summary.json; figures that are missing are left out."""
    summary = read_json(run / "summary.json")
    lines = [f"{summary['recipe']}: {duration(summary['seconds'])}, {summary['cpu_seconds']:.0f} CPU seconds"]
    pretrain, reward = summary.get("pretrain") or {}, summary.get("reward") or {}
    if _number(pretrain.get("bits_per_byte")):
        lines.append(
            f"  bits per byte     {_figure(pretrain['bits_per_byte'])}   "
            f"(n-gram {_figure(pretrain.get('baseline_bits_per_byte'))})"
        )
    if _number(reward.get("accuracy")):
        lines.append(_reward_line(reward))
    lines += _evaluation_lines(summary.get("evaluation") or {})
    lines += _rule_lines(summary.get("followed_by_rule") or {})
    for pair, rate in (summary.get("win_rate") or {}).items():
        if isinstance(rate, Mapping) and _number(rate.get("value")):
            lines.append(_win_rate_line(pair, rate))
    return "\n".join(lines)


def _reward_line(reward: Mapping[str, Any]) -> str:
    low, high = reward.get("accuracy_low"), reward.get("accuracy_high")
    line = f"  reward accuracy   {_figure(reward['accuracy'])}   "
    line += f"({_figure(low)} to {_figure(high)}, n = {reward.get('pairs')} test pairs)"
    best = best_baseline(reward)
    if best and isinstance(low, int | float):
        line += f"; {best[0]} {_figure(best[1])}, {'beaten' if low > best[1] else 'not beaten'}"
    return line


def _win_rate_line(pair: str, rate: Mapping[str, Any]) -> str:
    line = f"  win rate {pair.replace('_', ' '):<22} {_figure(rate['value'])}   "
    line += f"({_figure(rate.get('low'))} to {_figure(rate.get('high'))}, n = {rate.get('n')})"
    if rate.get("at_chance"):
        line += ", at chance"
    if pair == "ppo_vs_sft" and _number(rate.get("untied_value")):
        line += f"; {_figure(rate['untied_value'])} without ties"
    return line


def _rule_lines(by_rule: Mapping[str, Any]) -> list[str]:
    """What became of each checkable instruction between SFT and PPO: shares that followed it, n prompts."""
    cells = []
    for rule, figures in by_rule.items():
        before, after = (figures.get(name) or {} for name in ("sft", "ppo"))
        if _number(before.get("value")) and _number(after.get("value")):
            shares = f"{before['value']:.2f} to {after['value']:.2f}"
            cells.append(f"{rule.replace('_', ' '):<10}{shares} (n {after.get('n')})")
    rows = ["  ".join(f"{cell:<28}" for cell in cells[start : start + 3]) for start in range(0, len(cells), 3)]
    return ["  instructions followed, sft to ppo", *(f"    {row.rstrip()}" for row in rows)] if cells else []


def _evaluation_lines(evaluation: Mapping[str, Any]) -> list[str]:
    measures = ("helpful", "truthful", "harmless", "invented", "refused_benign")
    rows = [(name, figures) for name, figures in evaluation.items() if isinstance(figures, Mapping)]
    rows = [(name, figures) for name, figures in rows if any(measure in figures for measure in measures)]
    if not rows:
        return []
    lines = [" " * 18 + "".join(f"{measure.replace('_', ' '):>16}" for measure in measures)]
    for name, figures in rows:
        cells = (figures.get(measure) for measure in measures)
        values = (cell.get("value") if isinstance(cell, Mapping) else cell for cell in cells)
        lines.append(f"  {name:<16}" + "".join(f"{_figure(value):>16}" for value in values))
    return lines


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(value: Any) -> str:
    return f"{value:.3f}" if _number(value) else "-"

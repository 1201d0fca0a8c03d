"""Where the seconds of a finished run went: every stage's share, cores in use and tokens per second.

    python benchmarks/demo.py runs/quickstart

Reads the receipts that the stages wrote, and PPO's own clock from its metrics; measures nothing itself. The last line
is JSON. With --quick it first makes a tiny run (two stages, in a temporary folder) to read.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measuring

from chatwright.disk import read_json

PHASES = ("rollout", "score", "train")


def receipts_of(run: Path) -> dict[str, dict[str, Any]]:
    """The receipts of a run's stages, in the order in which they ran."""
    found = {path.parent.name: path for path in run.glob("*/receipt.json") if "@" not in path.parent.name}
    if not found:
        raise SystemExit(f"{run} holds no stage with a receipt.json; give the folder of a finished run")
    ordered = sorted(found, key=lambda name: found[name].stat().st_mtime)
    if (run / "summary.json").exists():  # the order of the recipe, whenever the stages were copied or run anew
        ordered.sort(key=(["village", *read_json(run / "summary.json")["stages"]] + ordered).index)
    return {name: read_json(found[name]) for name in ordered}


def phases_of(stage: Path) -> dict[str, float]:
    """Seconds that a PPO stage took for each phase, over all its iterations; empty for other stages."""
    totals: dict[str, float] = {}
    if not (stage / "metrics.jsonl").exists():
        return totals
    for line in (stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        logged = json.loads(line)
        for phase in PHASES:
            if f"{phase}_seconds" in logged:
                totals[phase] = totals.get(phase, 0.0) + logged[f"{phase}_seconds"]
    return totals


def row_of(name: str, receipt: dict[str, Any], total: float) -> tuple[object, ...]:
    seconds, tokens = float(receipt["seconds"]), int(receipt["tokens"])
    speed = receipt.get("tokens_per_second") or (tokens / seconds if tokens and seconds else None)
    return (
        name,
        f"{seconds:.1f}",
        f"{seconds / total:.1%}",
        f"{receipt['cpu_seconds']:.1f}",
        f"{receipt['cpu_seconds'] / max(seconds, 1e-9):.2f}",
        tokens or None,
        speed,
        f"{receipt['peak_memory_bytes'] / 2**20:,.0f}",
    )


def report(run: Path, *, quick: bool) -> None:
    """Print the table, what PPO's seconds went to, and the JSON line."""
    receipts = receipts_of(run)
    total = sum(float(receipt["seconds"]) for receipt in receipts.values())
    cpu = sum(float(receipt["cpu_seconds"]) for receipt in receipts.values())
    heads = ["stage", "seconds", "share", "CPU seconds", "cores busy", "tokens", "tokens/s", "peak MiB"]
    rows = [row_of(name, receipt, total) for name, receipt in receipts.items()]
    rows.append(("all", f"{total:.1f}", "100.0%", f"{cpu:.1f}", f"{cpu / max(total, 1e-9):.2f}", None, None, ""))
    print(measuring.table(heads, rows))
    print("\nTokens: encoded, learned from or sampled. Tokens/s of training leave out what only measures.")

    phases = {name: own for name in receipts if (own := phases_of(run / name))}
    for name, own in phases.items():
        episodes = receipts[name].get("summary", {}).get("episodes")
        rest = float(receipts[name]["seconds"]) - sum(own.values())
        parts = ", ".join(
            f"{phase} {seconds:.1f} s" for phase, seconds in [*own.items(), ("validation and rest", rest)]
        )
        each = f"; {sum(own.values()) / episodes * 1000:.1f} ms per episode" if episodes else ""
        print(f"{name}: {parts}{each}")
    line = {
        "benchmark": "demo",
        "quick": quick,
        "seconds": round(total, 1),
        "cpu_seconds": round(cpu, 1),
        "ratios": {f"{name}/all": round(float(own["seconds"]) / total, 4) for name, own in receipts.items()},
        "ppo_seconds": {name: {phase: round(taken, 2) for phase, taken in own.items()} for name, own in phases.items()},
    }
    print(json.dumps(line))


@contextmanager
def tiny_run() -> Iterator[Path]:
    """Two stages on a few sentences, in a temporary folder."""
    from chatwright.stages.pretrain import PretrainConfig, pretrain
    from chatwright.stages.tokenize import TokenizeConfig, tokenize

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        sentences = [f"The {place}th house of the lane has {place * 7 % 31} windows.\n\n" for place in range(1, 400)]
        (run / "text.txt").write_text("".join(sentences), encoding="utf-8")
        tokenize(TokenizeConfig(out=run / "tokenize", texts=[str(run / "text.txt")], vocabulary=300, section=200))
        pretrain(PretrainConfig(out=run / "base", tokens=run / "tokenize", depth=1, width=32, steps=3, batch=2))
        yield run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished run")
    parser.add_argument("--quick", action="store_true", help="read a tiny run made on the spot")
    asked = parser.parse_args()
    if asked.quick:
        with tiny_run() as run:
            report(run, quick=True)
    elif asked.run is None:
        parser.error("which run? For example: python benchmarks/demo.py runs/quickstart")
    else:
        report(asked.run, quick=False)


if __name__ == "__main__":
    main()

"""`report.html`: what a run learned, stage by stage, as one page that opens anywhere and asks for nothing.

In: the files of a recipe run (see run_files.py).  Out: one HTML file with its styles and pictures inside.
Whatever a model wrote is hostile text: the template escapes everything but the pictures drawn here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chatwright import __version__
from chatwright.disk import write_atomically
from chatwright.evaluation import wording
from chatwright.evaluation.drawings import Bar, Curve, Mark, draw_bars, draw_calibration, draw_curves, draw_points
from chatwright.evaluation.intervals import is_number
from chatwright.evaluation.run_files import Run, StageRecord, read_run, results_of

DIALOGUES_SHOWN = 8


class Picture(NamedTuple):
    """An SVG with the words above and below it."""

    title: str
    svg: Markup
    caption: str


def write_report(run_folder: Path) -> Path:
    """Write `report.html` into the folder of a recipe run and return its path; stages that are missing are left out.

    Raises InputError if the folder holds no stage.
    """
    path = run_folder / "report.html"
    write_atomically(path, render_report(read_run(run_folder)))
    return path


def render_report(run: Run) -> str:
    """The page as text."""
    evaluated = run.last("evaluate")
    results = results_of(evaluated) if evaluated else {}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # not by file name: the template's own would be left out
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": wording.percent, "quantity": wording.quantity, "interval": wording.interval}
    return environment.get_template("report.html.jinja").render(
        run=run,
        version=__version__,
        tiles=tiles_of(run, results),
        dialogues=[with_differences(dialogue) for dialogue in results.get("dialogues", [])[:DIALOGUES_SHOWN]],
        names={name: wording.stage_name(name) for name in results.get("order", [])},
        results=results,
        measures=measure_rows(results),
        win_rates=win_rate_rows(results),
        answer_pictures=answer_pictures(results),
        curves=[(stage.name, pictures) for stage in run.stages if (pictures := pictures_of(stage, results))],
        rewards=[row for stage in run.of_kind("reward") if (row := reward_rows(stage))],
        receipts=[wording.receipt_row(stage.name, stage.receipt) for stage in run.stages if stage.receipt],
        total=wording.receipt_row("total", wording.total_receipt([stage.receipt for stage in run.stages])),
        rates=next((stage.receipt["rates"] for stage in run.stages if stage.receipt.get("rates")), {}),
        receipt_columns=wording.RECEIPT_COLUMNS,
        unfinished=[stage.name for stage in run.stages if not stage.complete],
    )


# -- the first screen ----------------------------------------------------------------------------------------------


def tiles_of(run: Run, results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The few figures that say whether the run went well; each beside what it has to beat."""
    tiles = []
    pretrained = run.last("pretrain")
    if pretrained and (value := number_in(pretrained.summary, "bits_per_byte")) is not None:
        baseline = number_in(pretrained.summary, "baseline_bits_per_byte", "ngram_bits_per_byte")
        note = f"an n-gram needs {baseline:.3f}" if baseline is not None else "held-out text"
        tiles.append({"label": "bits per byte", "value": f"{value:.3f}", "note": note})
    reward = run.last("reward")
    if reward and (value := number_in(reward.summary, "accuracy")) is not None:
        low, high = number_in(reward.summary, "accuracy_low"), number_in(reward.summary, "accuracy_high")
        between = f"{100 * low:.0f} to {100 * high:.0f}; " if low is not None and high is not None else ""
        best = wording.best_baseline(reward_report_in(reward))
        note = f"{best[0]} {100 * best[1]:.0f}" if best else "chance is 50"
        if best and low is not None:
            note += ", beaten" if low > best[1] else ", not beaten"
        tiles.append({"label": "reward model right", "value": f"{100 * value:.0f} %", "note": between + note})
    rate = results.get("win_rate", {}).get("ppo_vs_sft")
    if rate and rate.get("value") is not None:
        note = f"{wording.interval(rate, 1)}; even is 50" + (", at chance" if rate.get("at_chance") else "")
        if is_number(rate.get("untied_value")):
            note += f"; {100 * rate['untied_value']:.1f} without ties"
        tiles.append({"label": "PPO preferred to SFT", "value": f"{100 * rate['value']:.1f} %", "note": note})
    seconds = sum(stage.receipt.get("seconds", 0.0) for stage in run.stages)
    if seconds:
        cpu = sum(stage.receipt.get("cpu_seconds", 0.0) for stage in run.stages)
        note = f"{wording.duration(cpu)} of processor time"
        tiles.append({"label": "all stages took", "value": wording.duration(seconds), "note": note})
    return tiles


def number_in(summary: Mapping[str, Any], *names: str) -> float | None:
    """The first of the named numbers, given plainly or as a figure."""
    for name in names:
        value = summary.get(name)
        value = value.get("value") if isinstance(value, Mapping) else value
        if is_number(value):
            return float(value)  # type: ignore[arg-type]
    return None


def with_differences(dialogue: Mapping[str, Any]) -> dict[str, Any]:
    """The dialogue, and under `other` the stages after SFT that answer in other words than SFT did."""
    texts = {name: answer["text"] for name, answer in dialogue["answers"].items()}
    later = [*texts][[*texts].index("sft") + 1 :] if "sft" in texts else []
    return {**dialogue, "other": [name for name in later if texts[name] != texts["sft"]]}


# -- evaluation ----------------------------------------------------------------------------------------------------


def measure_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each measure: its figure for every stage, then for the answers that need no model."""
    rows = []
    stages: Mapping[str, Mapping[str, Any]] = results.get("evaluation", {})
    for key, (label, meaning, kind) in wording.MEASURES.items():
        cells = [stages[name].get(key) for name in results.get("order", []) if name in stages]
        if any(cell and cell.get("value") is not None for cell in cells):
            baselines = [row.get(key) for row in results.get("baselines", {}).values()]
            rows.append({"label": label, "meaning": meaning, "kind": kind, "cells": cells, "baselines": baselines})
    return rows


def win_rate_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for key, rate in results.get("win_rate", {}).items():
        first, _, second = key.removesuffix("_greedy").partition("_vs_")
        title = f"{wording.stage_name(first)} against {wording.stage_name(second)}"
        rows.append({"title": title, "greedy": key.endswith("_greedy"), **rate})
    return rows


def answer_pictures(results: Mapping[str, Any]) -> list[Picture]:
    """Shares with intervals per stage, and win rates."""
    order, stages = results.get("order", []), results.get("evaluation", {})
    shares = {
        wording.MEASURES[key][0]: [
            Bar(wording.stage_name(name), figure["value"], figure["low"], figure["high"], colour)
            for colour, name in enumerate(order)
            if (figure := stages.get(name, {}).get(key)) and figure.get("value") is not None
        ]
        for key in ("helpful", "truthful", "harmless")
    }
    rates = [
        Bar(wording.short_title(key), rate["value"], rate["low"], rate["high"])
        for key, rate in results.get("win_rate", {}).items()
        if rate.get("value") is not None
    ]
    drawn = [
        ("What each stage does right", draw_bars(shares, name="shares"), "Per cent of answers, with 95% intervals."),
        (
            "Which is preferred",
            draw_points(rates, Mark("even", 0.5), name="wins"),
            "Win rates, ties counted half; what lies across the dashed line is at chance.",
        ),
    ]
    return [Picture(title, Markup(svg), caption) for title, svg, caption in drawn if svg]  # noqa: S704


# -- training ------------------------------------------------------------------------------------------------------


def pictures_of(stage: StageRecord, results: Mapping[str, Any]) -> list[Picture]:
    """The curves of one stage; names of metrics as the stages log them."""
    kinds = {"pretrain": _pretrain_curves, "sft": _sft_curves, "reward": _reward_curves}
    if stage.kind == "ppo":
        drawn = _ppo_curves(stage, results.get("gold_curves", {}).get(stage.name, []))
    elif stage.kind in kinds:
        drawn = kinds[stage.kind](stage)
    else:
        return []
    return [Picture(title, Markup(svg), caption) for title, svg, caption in drawn if svg]  # noqa: S704


Drawn = tuple[str, str | None, str]


def _pretrain_curves(stage: StageRecord) -> list[Drawn]:
    marks = [
        Mark(name, value)
        for name, keys in (("n-gram", ("baseline_bits_per_byte", "ngram_bits_per_byte")),)
        if (value := number_in(stage.summary, *keys)) is not None
    ]
    bits = [Curve("held-out text", *stage.curve("validation_bits_per_byte"), colour=1)]
    return [
        ("Loss", draw_curves([Curve("loss", *stage.curve("loss"))], y="nats per token", name=f"{stage.name}-loss"),
         "Surprise at the next token of the training text."),
        ("Bits per byte", draw_curves(bits, marks, name=f"{stage.name}-bits"),
         "Held-out text: below the dashed line, the network knows more than counted n-grams."),
    ]  # fmt: skip


def _sft_curves(stage: StageRecord) -> list[Drawn]:
    curves = [
        Curve("demonstrations", *stage.curve("loss"), thin=True),
        Curve("held-out demonstrations", *stage.curve("validation_loss"), colour=1),
    ]
    return [("Loss on answers", draw_curves(curves, y="nats per token", name=f"{stage.name}-loss"),
             "Only the assistant's words count. The weights with the lowest held-out loss are kept.")]  # fmt: skip


def _reward_curves(stage: StageRecord) -> list[Drawn]:
    report = reward_report_in(stage)
    marks = [Mark("chance", 0.5)]
    words = report.get("baselines", {}).get("bag_of_words", {}).get("value")
    if is_number(words):
        marks.append(Mark("bag of words", float(words)))
    accuracy = [Curve("held-out prompts", *stage.curve("validation_accuracy"), colour=1)]
    drawn: list[Drawn] = [
        ("Loss", draw_curves([Curve("loss", *stage.curve("loss"))], y="nats per pair", name=f"{stage.name}-loss"),
         "How badly the scores explain which answer was preferred; 0.693 is guessing."),
        ("Accuracy", draw_curves(accuracy, marks, name=f"{stage.name}-accuracy"),
         "Share of held-out pairs whose preferred answer scores higher."),
    ]  # fmt: skip
    bins = report.get("calibration", {}).get("bins", [])
    error = report.get("calibration", {}).get("expected_calibration_error")
    caption = "Points on the dashed line say what they know; their size is the number of pairs."
    if is_number(error):
        caption += f" Mean gap {100 * error:.1f} points."
    return [*drawn, ("Calibration", draw_calibration(bins, name=f"{stage.name}-calibration"), caption)]


def _ppo_curves(stage: StageRecord, judged: Sequence[Mapping[str, Any]]) -> list[Drawn]:
    scores = [
        Curve("training prompts", *stage.curve("score", "reward"), thin=True),
        Curve("validation prompts", *stage.curve("validation_score"), colour=1),
    ]
    steps, values = [float(point["step"]) for point in judged], [float(point["gold"]) for point in judged]
    gold = [Curve("validation prompts", *((steps, values) if judged else stage.curve("gold")), colour=2)]
    divergence = [Curve("KL", *stage.curve("kl"), colour=3)]
    name = stage.name
    return [
        ("Reward model's score", draw_curves(scores, name=f"{name}-score"),
         "What PPO climbs. It is only a model of what people prefer."),
        ("Judge's score", draw_curves(gold, name=f"{name}-gold"),
         "The truth, which PPO never sees: where it falls while the score rises, the reward is being hacked."),
        ("Distance from SFT", draw_curves(divergence, y="KL, nats per answer", name=f"{name}-kl"),
         "How far the answers have drifted from the model it started from."),
        ("Surprise left", draw_curves([Curve("entropy", *stage.curve("entropy"), colour=4)], name=f"{name}-entropy"),
         "Entropy per token: a fall to zero would mean one answer for everything."),
    ]  # fmt: skip


def reward_report_in(stage: StageRecord) -> Mapping[str, Any]:
    """What `baselines.reward_report` found, wherever the receipt holds it."""
    for place in (stage.receipt.get("report"), stage.summary.get("report"), stage.summary, stage.receipt):
        if isinstance(place, Mapping) and isinstance(place.get("baselines"), Mapping):
            return place
    return {}


def reward_rows(stage: StageRecord) -> dict[str, Any] | None:
    """A table of the reward model beside what needs no reading, and the words for each row."""
    report = reward_report_in(stage)
    if not report:
        return None
    baselines = report["baselines"]
    rows: Sequence[tuple[str, Any]] = [
        ("reward model, on the labels", _labelled_accuracy(report)),
        ("reward model, on the truth", report.get("gold_accuracy")),
        ("the truth, on the labels (noise ceiling)", report.get("noise_ceiling")),
        ("bag of words", baselines.get("bag_of_words")),
        ("longer answer wins", baselines.get("longer_wins")),
        ("shorter answer wins", baselines.get("shorter_wins")),
    ]
    kept = [(label, figure) for label, figure in rows if isinstance(figure, Mapping) and is_number(figure.get("value"))]
    buckets = [
        {**bucket, "title": wording.bucket(bucket)} for bucket in report.get("by_length_difference", []) if bucket["n"]
    ]
    return {"name": stage.name, "rows": kept, "buckets": buckets} if kept else None


def _labelled_accuracy(report: Mapping[str, Any]) -> Any:
    """The accuracy as a figure, which summaries flatten into three numbers."""
    found = report.get("accuracy")
    if not is_number(found):
        return found
    names = {"low": "accuracy_low", "high": "accuracy_high", "n": "pairs"}
    return {"value": found, **{key: report.get(name) for key, name in names.items()}}

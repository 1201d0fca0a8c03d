"""Recipes: one TOML file, one table per stage in order; running one leaves a folder per stage, a summary and a report.

In: a recipe, overrides (`table.key=value`).  Out: `<run>/<table>/` for every table, `village/`, `store/` (what was
taken from it), `recipe.json`, `report.html` and, last, `summary.json`. Everything is checked before the first stage
starts. Running a recipe again skips stages that are complete, goes on with the one that broke off and says why it does
one anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatwright.disk import to_json, write_atomically
from chatwright.errors import ConfigError
from chatwright.recipe_file import Recipe, Step, read_recipe
from chatwright.registry import STAGES, nearest
from chatwright.runs import hold, open_stage, using_rates
from chatwright.summary import summarize

if TYPE_CHECKING:
    from chatwright.feedback.lessons import Lessons

__all__ = ["STAGES", "Recipe", "Step", "read_recipe", "run_recipe"]


def run_recipe(path: Path, *, out: Path, settings: Sequence[str] = (), until: str | None = None) -> Path:
    """Run a recipe's stages in order into `out`, as far as they are not complete; returns `out`.

    `settings` are overrides such as `ppo.kl_coefficient=0.05`; `until` names the last table to run ("village", which
    comes first, stops once the town's files are there), and a run that stops early leaves no summary. Raises
    ConfigError, before anything is written, for any mistake in the recipe.
    """
    recipe = read_recipe(path, out=out, settings=settings)
    steps = _steps_until(recipe, until)
    lock = hold(out)
    try:
        summary = out / "summary.json"
        earlier = summary.read_bytes() if summary.is_file() else b""
        before = _standing(recipe, out)
        lessons = _take_lessons(recipe, steps, out, anew=earlier != b"")
        summary.unlink(missing_ok=True)  # never beside stages that are being done anew, or have failed
        write_atomically(out / "recipe.json", to_json(_described(recipe)))
        with using_rates(recipe.rates):
            if recipe.village is not None:
                _write_village(recipe.village, out / "village")
            for step in steps:
                folder = step.entry.run(step.config)
                if lessons is not None and step.reads:
                    lessons.learned(step.reads)
                if lessons is not None and step.queue:
                    lessons.queue(folder / "answers.jsonl", overlap=step.queue)
            if lessons is not None and len(steps) == len(recipe.steps):
                lessons.settled()
        is_unchanged = earlier != b"" and before == _standing(recipe, out)
        if is_unchanged and (out / "report.html").is_file():
            write_atomically(summary, earlier)
        elif len(steps) == len(recipe.steps):
            from chatwright.evaluation.report import write_report

            content = to_json(summarize(out, recipe.name, [(step.table, step.stage) for step in recipe.steps]))
            write_report(out)
            write_atomically(summary, content)
    finally:
        lock.release()
    return out


def _take_lessons(recipe: Recipe, steps: Sequence[Step], out: Path, *, anew: bool) -> Lessons | None:
    """Write what these steps read of the store, and tell it when they have; None if they have nothing to do with it."""
    names = tuple(dict.fromkeys(name for step in steps for name in step.reads))
    if not names and not any(step.queue for step in steps):
        return None
    from chatwright.feedback.lessons import Lessons

    lessons = Lessons(recipe.store, out / "store", out.resolve().name, recipe.with_simulated)
    if names:
        lessons.take(names, anew=anew)
    return lessons


def _standing(recipe: Recipe, out: Path) -> list[bytes]:
    """What says of every folder that a recipe fills which results lie in it."""
    return [_done(out / name) for name in ("village", *(step.table for step in recipe.steps))]


def _done(folder: Path) -> bytes:
    done = folder / "done.json"
    return done.read_bytes() if done.is_file() else b""


def _steps_until(recipe: Recipe, until: str | None) -> tuple[Step, ...]:
    tables = [step.table for step in recipe.steps]
    if until is None:
        return recipe.steps
    if until == "village" and recipe.village is not None:
        return ()
    if until not in tables:
        known = tables if recipe.village is None else ["village", *tables]
        raise ConfigError(f"--until {until}: the recipe has no such table; {nearest(until, known)}")
    return recipe.steps[: tables.index(until) + 1]


def _described(recipe: Recipe) -> dict[str, Any]:
    steps = [{"table": step.table, "stage": step.stage, "parents": step.parents} for step in recipe.steps]
    return {"name": recipe.name, "stages": steps, "village": recipe.village, "rates": recipe.rates}


def _write_village(config: Any, folder: Path) -> None:
    from chatwright.village import write_village

    with open_stage("village", config, out=folder) as stage:
        if not stage.complete:
            write_village(config, folder)
            stage.finish()

"""The command `chatwright inspect MODEL`: what a model is, what it takes to use and to teach, and where it comes from.

In: a model folder, a stage folder or a recipe run.  Out: tables, or JSON. Weights are not loaded: their names and sizes
stand at the head of the file. Only --measure loads them, to take a few training steps.
"""

from __future__ import annotations

from pathlib import Path

from chatwright.disk import to_json
from chatwright.inspecting.facts import Options, facts_of
from chatwright.inspecting.tables import tables
from chatwright.scaling.page import show

__all__ = ["Options", "facts_of", "inspect_model"]


def inspect_model(folder: Path, options: Options, *, as_json: bool = False) -> None:
    """Print what there is to know about a model."""
    facts = facts_of(folder, options)
    if as_json:
        print(to_json(facts), end="")
    else:
        show(tables(facts))

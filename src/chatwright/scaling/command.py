"""The command `chatwright plan`.

In: arguments.  Out: a printed plan, the table of devices, or the table of published models.
"""

from __future__ import annotations

import re

from chatwright.arguments import settings_from
from chatwright.disk import to_json
from chatwright.scaling.history import as_dicts, history_page
from chatwright.scaling.page import show
from chatwright.scaling.planner import Question, plan
from chatwright.scaling.report import devices_page, plan_page

__all__ = ["run"]

SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def run(arguments: list[str]) -> None:
    """Parse and print. Raises ConfigError for a question that makes no sense."""
    as_json = "--json" in arguments
    given = [argument for argument in arguments if argument != "--json"]
    if "--history" in given:
        print(to_json({"models": as_dicts()}), end="") if as_json else show(history_page())
        return
    if "--devices" in given:
        show(devices_page())
        return
    question = settings_from(
        Question,
        [_written_out(argument) for argument in given],
        command="plan",
        description=(
            "What a model takes to train and to use: FLOPs, days, memory, energy, money. Pure arithmetic. "
            "Also: --json prints all of it as JSON, --devices the table of devices, --history published models."
        ),
    )
    answer = plan(question)
    print(to_json(answer.as_dict()), end="") if as_json else show(plan_page(answer))


def _written_out(argument: str) -> str:
    """7B as 7000000000, as people write parameters and tokens."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMbBtT])", argument)
    return f"{float(found[1]) * SUFFIXES[found[2].lower()]:.0f}" if found else argument

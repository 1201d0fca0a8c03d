"""What training took that was started in the pages, for the usage beside the requests.

In: a job whose process is over, the price of 1,000 trained tokens.  Out: a row for each stage that it completed, with
the tokens, seconds and joules of the stage's receipt, for the person who asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from chatwright.disk import json_or_nothing
from chatwright.store.jobs import Job
from chatwright.store.usage import Spent

__all__ = ["taken_by"]


def taken_by(job: Job, price_per_1000: float) -> Sequence[Spent]:
    """What a job has trained; its folder is its own, so nothing that was there before is counted.

    A stage that broke off has no receipt, and costs nothing.
    """
    run = Path(job.folder)
    found = []
    for path in sorted(run.glob("*/receipt.json")) if job.folder else ():
        if not (path.parent / "done.json").is_file():
            continue
        receipt = json_or_nothing(path)
        tokens = int(_figure(receipt, "tokens"))
        found.append(
            Spent(
                kind="training",
                person_id=job.requested_by,
                model=f"{run.name}/{path.parent.name}",
                requests=1,
                tokens_in=tokens,
                seconds=_figure(receipt, "seconds"),
                energy_estimated_j=_figure(receipt, "energy_estimated_j"),
                cost=tokens / 1000 * price_per_1000,
            )
        )
    return found


def _figure(receipt: dict[str, Any], name: str) -> float:
    """A figure of a receipt; one that was edited by hand into no number is none, and holds up no job."""
    value = receipt.get(name)
    is_number = isinstance(value, int | float) and isfinite(value) and value >= 0
    return float(value) if is_number and value is not None else 0.0

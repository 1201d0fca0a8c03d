"""What training took that was started in the pages, entered in the usage beside the requests.

In: a job whose process is over, the price of 1,000 trained tokens.  Out: a row of the store's usage for each stage that
it completed, with the tokens, seconds and joules of the stage's receipt, for the person who asked for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chatwright.disk import json_or_nothing
from chatwright.store.jobs import Job

if TYPE_CHECKING:
    from chatwright.store import Store

__all__ = ["enter_training"]


def enter_training(store: Store, job: Job, price_per_1000: float) -> None:
    """Enter what a job has trained; its folder is its own, so nothing that was there before is counted.

    A stage that broke off has no receipt, and costs nothing.
    """
    run = Path(job.folder)
    for path in sorted(run.glob("*/receipt.json")) if job.folder else ():
        if not (path.parent / "done.json").is_file():
            continue
        receipt = json_or_nothing(path)
        store.usage.record(
            f"{run.name}/{path.parent.name}",
            tokens_in=int(receipt.get("tokens", 0)),
            tokens_out=0,
            seconds=float(receipt.get("seconds", 0.0)),
            energy_estimated_j=float(receipt.get("energy_estimated_j", 0.0)),
            price_per_1000=price_per_1000,
            person_id=job.requested_by,
            kind="training",
        )

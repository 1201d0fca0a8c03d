"""Training that was started in the pages is in the usage, at its own price."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from chatwright.serving.settings import Prices, ServeSettings
from chatwright.serving.training_usage import taken_by
from chatwright.serving.web.building import web_app
from chatwright.serving.web.supervision import Supervisor
from chatwright.store import Store, open_store
from chatwright.store.jobs import Job
from serving import until

WRITE = """
import json, pathlib, sys
for name, tokens in (("reward", 3000), ("ppo", 5000)):
    folder = pathlib.Path({folder!r}, name)
    folder.mkdir()
    receipt = {{"tokens": tokens, "seconds": 2.5, "energy_estimated_j": 100.0}}
    (folder / "receipt.json").write_text(json.dumps(receipt))
    if name == "reward" or {both}:
        (folder / "done.json").write_text("{{}}")
print("written", flush=True)
{rest}
"""


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as store:
        yield store


def supervisor_of(store: Store, folder: Path, *, both: bool, rest: str = "", price: float = 2.0) -> Supervisor:
    """Runs a script that leaves the folders of two stages, of which the second may be incomplete."""

    def ready(job: Job) -> tuple[Path, Sequence[str]]:
        folder.mkdir()
        return folder, [WRITE.format(folder=str(folder), both=both, rest=rest)]

    took = partial(taken_by, price_per_1000=price)
    return Supervisor(store, ready, every=0.02, took=took, command=(sys.executable, "-c"))


def test_what_a_job_trained_costs_the_training_price_and_counts_for_no_quota(own_store: Store, tmp_path: Path) -> None:
    admin = own_store.people.add("ada", "twelve letters", role="admin")
    key, _ = own_store.keys.add("a", quota_tokens=10, person_id=admin.id)
    supervisor = supervisor_of(own_store, tmp_path / "quickstart-loop-1", both=True)
    own_store.jobs.add("loop", {}, requested_by=admin.id)
    supervisor.wake()
    assert until(lambda: len(own_store.usage.sums(by=("model",))) == 2, 20)
    supervisor.close()
    rows = own_store.usage.sums(by=("kind", "person_id", "model"))
    assert [(row.kind, row.person_id, row.model, row.tokens, row.cost) for row in rows] == [
        ("training", admin.id, "quickstart-loop-1/ppo", 5000, 10.0),
        ("training", admin.id, "quickstart-loop-1/reward", 3000, 6.0),
    ]
    assert rows[0].seconds == 2.5 and rows[0].energy_estimated_j == 100.0
    assert own_store.usage.left(key) == 10 and not own_store.usage.sums(kind="use")


def test_of_a_job_that_was_stopped_the_complete_stages_count(own_store: Store, tmp_path: Path) -> None:
    rest = "import time; time.sleep(60)"
    supervisor = supervisor_of(own_store, tmp_path / "run", both=False, rest=rest)
    job = own_store.jobs.add("loop", {})
    supervisor.wake()
    assert until(lambda: "written" in supervisor.log_of(own_store.jobs.get(job.id)), 20)
    supervisor.cancel(job.id)
    assert until(lambda: len(own_store.usage.sums()) == 1, 20)
    supervisor.close()
    assert [(row.model, row.tokens) for row in own_store.usage.sums()] == [("run/reward", 3000)]


def test_the_servers_training_price_reaches_the_jobs(own_store: Store, tmp_path: Path) -> None:
    app = web_app({}, own_store, None, ServeSettings(prices=Prices(training=3.0, use=1.0)))
    stage = tmp_path / "run" / "ppo"
    stage.mkdir(parents=True)
    (stage / "receipt.json").write_text(json.dumps({"tokens": 1000}))
    (stage / "done.json").write_text("{}")
    job = own_store.jobs.add("ppo", {}, folder=str(stage.parent))
    [spent] = app.state.web.supervisor._took(job)
    assert spent.cost == 3.0

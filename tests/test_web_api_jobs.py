"""Training by button: what there is to learn from, the recipe of a job, and the process that runs it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatwright.recipe_file import read_recipe
from chatwright.serving.web.supervision import Supervisor
from chatwright.serving.web.training import prepare
from chatwright.serving.web.watching import RunFolders
from chatwright.store import Store, open_store
from chatwright.store.feedback import NewRow
from chatwright.store.jobs import Job
from serving import until
from test_web_api_runs import stage
from tiny import language_model, scalar_model, tokenizer
from web_api import site


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as store:
        yield store


@pytest.fixture
def runs(tmp_path: Path) -> RunFolders:
    run = tmp_path / "runs" / "first"
    stage(run / "sft", "sft", {}, results="s", model=language_model(tokenizer().size))
    stage(run / "reward", "reward", {"model": "s"}, results="r", model=scalar_model(tokenizer().size))
    return RunFolders([tmp_path / "runs"])


def rank(store: Store, count: int, *, simulated: bool = False) -> None:
    rows = [
        NewRow(
            kind="ranking",
            labeler="somebody",
            simulated=simulated,
            content={
                "prompt": [{"role": "user", "content": f"question {number} {simulated}"}],
                "answers": ["good", "bad", "worse"],
                "ranks": [1, 2, 2],
                "verdict": "ranked",
            },
        )
        for number in range(count)
    ]
    store.feedback.add_imported(rows)


def test_before_training_the_page_says_how_much_there_is(own_store: Store, runs: RunFolders) -> None:
    with site(own_store, run_directories=runs.directories) as place:
        admin = place.person("admin")
        nothing = admin.get("/admin/training").json()
        assert nothing["comparisons"] == 0 and "no comparison" in nothing["advice"] and nothing["enough"] == 2000
        assert nothing["sources"] == [{"run": "first", "sft": True, "reward": True}]
        assert nothing["last"]["accuracy"] == 0.6 and nothing["last"]["interval"][0] == 0.55
        rank(own_store, 3)
        rank(own_store, 2, simulated=True)
        some = admin.get("/admin/training").json()
        assert (some["comparisons"], some["rankings"], some["simulated"]) == (10, 5, 2)
        assert "10 comparisons" in some["advice"] and "2,000" in some["advice"] and "simulated" in some["advice"]


@pytest.mark.parametrize(("kind", "tables"), [("reward", ["reward"]), ("ppo", ["ppo"]), ("loop", ["reward", "ppo"])])
def test_a_job_becomes_a_recipe_that_can_be_run(
    own_store: Store,
    runs: RunFolders,
    kind: str,
    tables: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHATWRIGHT_STORE", own_store.database.address)
    rank(own_store, 3)
    rank(own_store, 4, simulated=True)
    settings = {"run": "first", "with_simulated": False, "settings": {f"{tables[-1]}.batch": 4}}
    job = own_store.jobs.add(kind, settings)
    folder, (command, path, _, out, *chosen) = prepare(job, store=own_store, runs=runs)
    assert command == "run" and folder.parent == runs.directories[0] and Path(out) == folder
    recipe = read_recipe(Path(path), out=folder, settings=[each.removeprefix("--set=") for each in chosen])
    assert [step.table for step in recipe.steps] == tables
    last = recipe.steps[-1].config
    assert last.batch == 4
    if kind != "ppo":
        assert recipe.steps[0].config.learning_rate == 0.1  # as the run before had it
    if kind == "loop":
        assert Path(last.reward) == folder / "reward"


def test_a_job_without_anything_to_learn_from_fails_with_the_reason(own_store: Store, runs: RunFolders) -> None:
    with site(own_store, run_directories=runs.directories, look_at_jobs_every=0.02) as place:
        admin = place.person("admin")
        assert admin.post("/admin/jobs", json={"kind": "reward", "run": "nobody"}).status_code == 404
        assert admin.post("/admin/jobs", json={"kind": "magic", "run": "first"}).status_code == 400
        job = admin.post("/admin/jobs", json={"kind": "reward", "run": "first", "submission": "a"}).json()
        again = admin.post("/admin/jobs", json={"kind": "reward", "run": "first", "submission": "a"}).json()
        assert job["id"] == again["id"]
        address = f"/admin/jobs/{job['id']}"
        assert until(lambda: admin.get(address).json()["state"] == "failed", 10)
        assert "no comparison" in admin.get(address).json()["error"]


def watched(store: Store, folder: Path, script: str) -> Supervisor:
    def ready(job: Job) -> tuple[Path, Sequence[str]]:
        folder.mkdir(exist_ok=True)
        return folder, [script]

    return Supervisor(store, ready, every=0.02, command=(sys.executable, "-c"))


def test_a_job_runs_in_a_process_of_its_own_and_its_end_is_noted(own_store: Store, tmp_path: Path) -> None:
    scripts = {"done": "print('all good')", "failed": "print('step 1'); raise SystemExit('out of luck')"}
    for state, script in scripts.items():
        supervisor = watched(own_store, tmp_path / state, script)
        job = own_store.jobs.add("reward", {})
        supervisor.wake()
        assert until(lambda number=job.id: own_store.jobs.get(number).finished_at is not None, 20)  # type: ignore[misc]
        supervisor.close()
        found = own_store.jobs.get(job.id)
        assert found.state == state and found.folder == (tmp_path / state).as_posix() and found.pid
        assert found.error == ("" if state == "done" else "out of luck")
        assert ("all good" if state == "done" else "step 1") in found.log


def test_a_job_that_cannot_be_started_fails_with_the_reason_and_the_next_one_runs(
    own_store: Store, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("no folder can be made here")
    supervisor = watched(own_store, tmp_path / "run", "print('all good')")
    first = own_store.jobs.add("reward", {})
    supervisor.wake()
    assert until(lambda: own_store.jobs.get(first.id).state == "failed", 10)
    assert "could not be started" in own_store.jobs.get(first.id).error
    (tmp_path / "run").unlink()
    second = own_store.jobs.add("reward", {})
    supervisor.wake()
    assert until(lambda: own_store.jobs.get(second.id).state == "done", 20)
    supervisor.close()


def test_a_cancelled_job_is_asked_to_stop(own_store: Store, tmp_path: Path) -> None:
    supervisor = watched(own_store, tmp_path / "run", "import time; print('working', flush=True); time.sleep(60)")
    job = own_store.jobs.add("reward", {})
    supervisor.wake()
    assert until(lambda: "working" in supervisor.log_of(own_store.jobs.get(job.id)), 20)
    began = time.monotonic()
    assert supervisor.cancel(job.id).state == "stopped"
    assert until(lambda: not supervisor._own, 10) and time.monotonic() - began < 10
    supervisor.close()
    assert own_store.jobs.get(job.id).state == "stopped"


def test_a_new_server_finds_what_an_earlier_one_began(own_store: Store, tmp_path: Path) -> None:
    def never(job: Job) -> Any:
        raise AssertionError

    for name, state in (("complete", "done"), ("broken", "failed")):
        folder = tmp_path / name
        folder.mkdir()
        if state == "done":
            (folder / "summary.json").write_text("{}")
        job = own_store.jobs.add("loop", {})
        assert own_store.jobs.take() is not None
        own_store.jobs.note(job.id, pid=99_999_999, folder=folder.as_posix())
        supervisor = Supervisor(own_store, never, every=0.02)
        supervisor.take_up()
        assert until(lambda number=job.id, wanted=state: own_store.jobs.get(number).state == wanted, 10)  # type: ignore[misc]
        supervisor.close()

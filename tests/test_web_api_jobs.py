"""Training by button: what there is to learn from, the recipe of a job, and the process that runs it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatwright.feedback.lessons import Lessons
from chatwright.recipe_file import read_recipe
from chatwright.serving.web.holding_back import FEWEST_PROMPTS, held_back_from
from chatwright.serving.web.supervision import Supervisor
from chatwright.serving.web.training import prepare, prompts_of_job
from chatwright.serving.web.watching import RunFolders
from chatwright.store import Store, open_store
from chatwright.store.feedback import NewRow
from chatwright.store.jobs import Job
from chatwright.text.conversation import Conversation
from chatwright.text.parts import place_of
from chatwright.text.records import read_prompts
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
    stage(run / "sft", "sft", {}, results="s", model=language_model(tokenizer().size, 128))
    stage(run / "reward", "reward", {"model": "s"}, results="r", model=scalar_model(tokenizer().size, 128))
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
        assert some["simulated_comparisons"] == 4 and nothing["last"]["simulated"] is None
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


def prompts_of(store: Store, runs: RunFolders, **settings: Any) -> tuple[set[Any], set[Any], dict[str, int] | None]:
    """What PPO of a job practises on, what it is watched with, and what the job's folder says of it."""
    job = store.jobs.add("loop", {"run": "first", "settings": settings})
    folder, (_, path, _, _, *chosen) = prepare(job, store=store, runs=runs)
    given = [f"store={store.database.address}", *(each.removeprefix("--set=") for each in chosen)]
    recipe = read_recipe(Path(path), out=folder, settings=given)
    Lessons(store.database.address, folder / "store", "r").take(("prompts.jsonl",), anew=True)
    ppo = recipe.steps[-1].config
    parts = [
        {prompt for prompt, _ in read_prompts(own)} if own else set() for own in (ppo.prompts, ppo.validation_prompts)
    ]
    return parts[0], parts[1], prompts_of_job(folder.as_posix())


def test_ppo_is_watched_with_prompts_that_it_does_not_practise_on(own_store: Store, runs: RunFolders) -> None:
    rank(own_store, 200)
    practised, watched, told = prompts_of(own_store, runs)
    assert len(watched) == 20 and len(practised) == 180 and not practised & watched
    assert told == {"training": 180, "validation": 20}
    assert prompts_of(own_store, runs)[:2] == (practised, watched), "the same prompts are divided in the same way"


def test_of_few_prompts_none_is_held_back_and_the_job_says_so(own_store: Store, runs: RunFolders) -> None:
    rank(own_store, FEWEST_PROMPTS - 1)
    practised, watched, told = prompts_of(own_store, runs)
    assert len(practised) == FEWEST_PROMPTS - 1 and not watched
    assert told == {"training": FEWEST_PROMPTS - 1, "validation": 0}
    rank(own_store, 1, simulated=True)
    assert prompts_of(own_store, runs)[2] == {"training": FEWEST_PROMPTS - 16, "validation": 16}


def test_prompts_that_open_alike_are_held_back_together_and_never_too_many() -> None:
    many = [Conversation.of(f"question {number}") for number in range(100)]
    cut = held_back_from(many)
    assert cut is not None and sum(place_of(prompt) >= cut for prompt in many) == 16
    same = [Conversation.of(f"One story.\n\nQuestion {number}?") for number in range(100)]
    assert held_back_from(same) is None
    first = max(many, key=place_of)
    alike = [Conversation.of(f"{first.last.content}\n\nQuestion {number}?") for number in range(100)]
    assert held_back_from([*many, *alike]) is None, "half of all would be too much, and none lies above"


def test_who_names_prompts_decides_about_them(own_store: Store, runs: RunFolders, tmp_path: Path) -> None:
    rank(own_store, 200)
    own = tmp_path / "own.jsonl"
    own.write_text('{"prompt": [{"role": "user", "content": "mine?"}]}\n')
    practised, watched, told = prompts_of(own_store, runs, **{"ppo.validation_prompts": own.as_posix()})
    assert (len(practised), len(watched), told) == (200, 1, None)


def test_a_job_shows_how_many_prompts_are_held_back(own_store: Store, runs: RunFolders) -> None:
    rank(own_store, 200)
    job = own_store.jobs.add("loop", {"run": "first"})
    own_store.jobs.take()
    folder, _ = prepare(job, store=own_store, runs=runs)
    own_store.jobs.note(job.id, pid=os.getpid(), folder=folder.as_posix())
    with site(own_store, run_directories=runs.directories, look_at_jobs_every=60.0) as place:
        shown = place.person("admin").get(f"/admin/jobs/{job.id}").json()
    assert shown["prompts"] == {"training": 180, "validation": 20}


def test_nothing_is_started_where_there_is_nothing_to_learn_from(own_store: Store, runs: RunFolders) -> None:
    with site(own_store, run_directories=runs.directories, look_at_jobs_every=60.0) as place:
        admin = place.person("admin")
        assert admin.post("/admin/jobs", json={"kind": "reward", "run": "nobody"}).status_code == 404
        assert admin.post("/admin/jobs", json={"kind": "magic", "run": "first"}).status_code == 400
        for kind in ("reward", "loop"):
            refused = admin.post("/admin/jobs", json={"kind": kind, "run": "first"})
            assert refused.status_code == 409 and "no comparison to learn" in refused.json()["error"]["message"]
        rank(own_store, 3, simulated=True)
        by_people = {"kind": "loop", "run": "first", "with_simulated": False}
        refused = admin.post("/admin/jobs", json=by_people)
        assert refused.status_code == 409 and "no comparison by people" in refused.json()["error"]["message"]
        assert admin.get("/admin/jobs").json() == {"jobs": []}


def test_a_job_that_is_asked_for_twice_is_there_once_and_says_why_it_cannot_begin(
    own_store: Store, runs: RunFolders
) -> None:
    rank(own_store, 3)
    stage(runs.directories[0] / "bare" / "tokenize", "tokenize", {}, results="t")
    with site(own_store, run_directories=runs.directories, look_at_jobs_every=0.02) as place:
        admin = place.person("admin")
        body = {"kind": "loop", "run": "bare", "submission": "a"}
        job, again = (admin.post("/admin/jobs", json=body).json() for _ in range(2))
        assert job["id"] == again["id"]
        assert until(lambda: own_store.jobs.get(int(job["id"])).state == "failed", 20)
        assert "no complete sft stage" in admin.get(f"/admin/jobs/{job['id']}").json()["error"]


def test_a_job_whose_comparisons_are_removed_before_it_begins_fails_with_the_reason(
    own_store: Store, runs: RunFolders
) -> None:
    job = own_store.jobs.add("reward", {"run": "first"})
    with site(own_store, run_directories=runs.directories, look_at_jobs_every=0.02):
        assert until(lambda: own_store.jobs.get(job.id).state == "failed", 20)
    assert "no comparison" in own_store.jobs.get(job.id).error


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
        (folder / "recipe.json").write_text("{}")
        job = own_store.jobs.add("loop", {})
        assert own_store.jobs.take() is not None
        own_store.jobs.note(job.id, pid=99_999_999, folder=folder.as_posix())
        supervisor = Supervisor(own_store, never, every=0.02)
        supervisor.take_up()
        assert until(lambda number=job.id, wanted=state: own_store.jobs.get(number).state == wanted, 10)  # type: ignore[misc]
        supervisor.close()

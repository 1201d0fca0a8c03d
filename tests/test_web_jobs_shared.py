"""Jobs of servers that share a store, that are killed or stopped at the worst moment, or that run out of disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chatwright.errors import ResourceError
from chatwright.serving.training_usage import taken_by
from chatwright.serving.web import supervision
from chatwright.serving.web.processes import ask_to_stop, is_gone, is_still, new_owner, same_host
from chatwright.serving.web.supervision import Supervisor
from chatwright.store import Store, open_store
from chatwright.store.jobs import Job
from serving import until

# Counts requests to stop, and works until it may end; a stage of it is complete.
WORK = """
import json, pathlib, signal, sys, time
folder = pathlib.Path({folder!r})
asked = folder / "asked"
def note(*_):
    asked.open("a").write("x")
signal.signal(signal.SIGTERM, note)
(folder / "ppo").mkdir(exist_ok=True)
(folder / "ppo" / "receipt.json").write_text(json.dumps({{"tokens": 1000}}))
(folder / "ppo" / "done.json").write_text("{{}}")
(folder / "recipe.json").write_text("{{}}")
with (folder / "begun").open("a") as begun:
    begun.write("x")
while not (folder / "end").exists():
    time.sleep(0.01)
(folder / "summary.json").write_text("{{}}")
"""
# A server that is killed between starting a job's process and writing its number down.
KILLED = """
import os, signal, sys, time
from pathlib import Path
from chatwright.serving.web.supervision import Supervisor
from chatwright.store import open_store
store, folder = open_store(sys.argv[1]), Path(sys.argv[2])
store.jobs.note = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
supervisor = Supervisor(store, lambda job: (folder, [sys.argv[3]]), every=0.02, command=(sys.executable, "-c"))
supervisor.wake()
time.sleep(60)
"""
posix = pytest.mark.skipif(
    os.name != "posix", reason="this system has no POSIX signals, or processes that are replaced"
)


class Ticks:
    """The watchers' own clock, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as store:
        yield store


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def server(own_store: Store, tmp_path: Path, ticks: Ticks) -> Iterator[Callable[..., Supervisor]]:
    """Makes servers whose jobs work as WORK says, each in a folder of its number; all jobs are ended after the test."""
    made = []

    def ready(job: Job) -> tuple[Path, Sequence[str]]:
        folder = folder_of(tmp_path, job.id)
        folder.mkdir(exist_ok=True)
        return folder, [WORK.format(folder=folder.as_posix())]

    def make(host: str = "north", **settings: Any) -> Supervisor:
        common: dict[str, Any] = {"lease": 60.0, "clock": ticks, "command": (sys.executable, "-c"), "every": 0.02}
        took = partial(taken_by, price_per_1000=1.0)
        settings = {"prepare": ready, **common, **settings}
        made.append(Supervisor(own_store, host=host, took=took, **settings))
        return made[-1]

    yield make
    for folder in tmp_path.glob("job-*"):
        (folder / "end").touch()
    for supervisor in made:
        supervisor.close()
        for process in supervisor._own.values():
            process.wait(20)


def folder_of(tmp_path: Path, number: int) -> Path:
    return tmp_path / f"job-{number}"


def begun(folder: Path) -> int:
    """How often a job began there."""
    return len((folder / "begun").read_text()) if (folder / "begun").exists() else 0


def asked(folder: Path) -> int:
    """How often it was asked to stop."""
    return len((folder / "asked").read_text()) if (folder / "asked").exists() else 0


def ended(store: Store, supervisor: Supervisor, number: int) -> Job:
    """The job after its process has ended and the server has looked."""

    def is_settled() -> bool:
        supervisor._look()
        return store.jobs.get(number).settled_at is not None

    assert until(is_settled, 20)
    return store.jobs.get(number)


# -- two servers, one store --


def test_a_job_of_a_server_that_lives_is_not_taken_for_dead_by_another(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor], ticks: Ticks
) -> None:
    north, south, beside = server("north"), server("south"), server("north")
    job = own_store.jobs.add("loop", {}, owner=north.owner).id
    north._look()
    own_store.jobs.note(job, pid=99_999_999)  # which says nothing elsewhere, and is none of its neighbour's business
    for _ in range(20):
        south.take_up()
        beside._look()
        ticks.now += 10  # more than the lease in all, and less between two signs of life
        north._look()
        found = own_store.jobs.get(job)
        assert (found.state, found.owner) == ("running", north.owner)


def test_a_silent_machines_job_is_given_up_after_the_lease_and_found_again_when_it_is_back(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor], ticks: Ticks
) -> None:
    north, south = server("north"), server("south")
    job = own_store.jobs.add("loop", {}, owner=north.owner).id
    north._look()
    folder = folder_of(tmp_path, job)
    south._look()
    ticks.now += 59
    south._look()
    assert own_store.jobs.get(job).state == "running"
    ticks.now += 2
    south._look()
    lost = own_store.jobs.get(job)
    assert lost.state == "failed" and "of the server on north that ran it" in lost.error
    waiting = own_store.jobs.add("loop", {}, owner=south.owner).id
    assert own_store.usage.sums() == []
    north.close()
    back = server("north")
    back._look()
    found = own_store.jobs.get(job)
    assert (found.state, found.error, found.owner) == ("running", "", back.owner)
    own_store.jobs.stop(waiting)
    assert until(lambda: begun(folder) == 1, 20)
    (folder / "end").touch()
    assert ended(own_store, back, job).state == "done"
    assert own_store.usage.total().tokens == 1000


def test_a_server_that_stops_lets_go_and_its_neighbour_watches_the_job_to_its_end(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor]
) -> None:
    first, second, south = server(), server(), server("south")
    job = own_store.jobs.add("loop", {}, owner=first.owner).id
    first._look()
    first.close()
    south._look()
    assert own_store.jobs.get(job).state == "running", "it may only be on its way back"
    second._look()
    assert own_store.jobs.get(job).owner == second.owner
    folder = folder_of(tmp_path, job)
    assert until(lambda: begun(folder) == 1, 20)
    (folder / "end").touch()
    first._own[job].wait(20)
    assert ended(own_store, second, job).state == "done"


def test_two_servers_that_are_asked_to_start_at_once_run_each_job_once_and_one_at_a_time(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor]
) -> None:
    both = [server("north"), server("south")]
    jobs = [own_store.jobs.add("loop", {}, owner=each.owner).id for each in both]
    ready = threading.Barrier(2)

    def look(supervisor: Supervisor) -> None:
        ready.wait()
        supervisor._look()

    threads = [threading.Thread(target=look, args=[each]) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        [running] = own_store.jobs.all(state="running")
        folder = folder_of(tmp_path, running.id)
        assert until(lambda folder=folder: begun(folder) == 1, 20)  # type: ignore[misc]
        (folder / "end").touch()
        owner = next(each for each in both if each.owner == running.owner)
        assert ended(own_store, owner, running.id).state == "done"
        for each in both:
            each._look()
        assert len(own_store.jobs.all(state="running")) == 1 - number
    assert [begun(folder_of(tmp_path, job)) for job in jobs] == [1, 1]


def test_a_job_that_waits_is_not_failed_by_a_server_that_does_not_know_its_run(
    own_store: Store, server: Callable[..., Supervisor], ticks: Ticks
) -> None:
    north, south = server("north"), server("south", suits=lambda job: False)
    job = own_store.jobs.add("loop", {"run": "only there"}, owner=north.owner).id
    for _ in range(5):
        south._look()
        ticks.now += 100
    assert own_store.jobs.get(job).state == "queued"
    north._look()
    assert own_store.jobs.get(job).owner == north.owner


def test_a_dead_server_is_known_by_its_process_and_only_on_its_own_machine() -> None:
    own = new_owner("north")
    assert not is_gone(own, "north") and not is_gone("", "north")
    host, number, began, token = own.split(" ")
    assert is_gone(f"{host} {number} {int(began) - 60} {token}", "north"), "another process has its number by now"
    assert is_gone(f"{host} 99999999 {began} {token}", "north") and not is_gone(f"{host} 99999999 {began} x", "south")


# -- killed, stopped, cancelled --


@pytest.mark.slow
@posix
def test_a_server_killed_before_it_wrote_the_process_down_loses_no_job_and_starts_none_twice(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor]
) -> None:
    job = own_store.jobs.add("loop", {}).id
    folder = folder_of(tmp_path, job)
    folder.mkdir()
    place = own_store.database.address
    command = [sys.executable, "-c", KILLED, place, str(folder), WORK.format(folder=folder.as_posix())]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    left = own_store.jobs.get(job)
    assert (left.state, left.pid) == ("running", None)
    following = server(left.host)
    following.take_up()
    assert until(lambda: begun(folder) > 0, 20)
    (folder / "end").touch()
    assert until(lambda: own_store.jobs.get(job).state == "done", 20)
    assert begun(folder) == 1 and own_store.usage.total().requests == 1


@posix
def test_what_a_job_took_that_is_cancelled_while_the_server_stops_is_entered_once_by_the_next(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor]
) -> None:
    first = server()
    job = own_store.jobs.add("loop", {}, owner=first.owner).id
    first._look()
    folder = folder_of(tmp_path, job)
    assert until(lambda: begun(folder) == 1, 20)
    first.cancel(job)
    first.close()
    assert own_store.usage.sums() == [] and own_store.jobs.get(job).state == "stopped"
    process = first._own[job]
    assert until(lambda: asked(folder) == 1, 20)
    (folder / "end").touch()
    process.wait(20)
    following = [server(), server()]
    for each in following:
        each.take_up()
    assert own_store.usage.total().tokens == 1000 and own_store.usage.total().requests == 1
    assert own_store.jobs.get(job).state == "stopped" and own_store.jobs.open() == []


@posix
def test_a_stop_that_a_dead_server_did_not_pass_on_is_passed_on_by_the_next(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor]
) -> None:
    first = server()
    job = own_store.jobs.add("loop", {}, owner=first.owner).id
    first._look()
    folder = folder_of(tmp_path, job)
    assert until(lambda: begun(folder) == 1, 20)
    own_store.jobs.stop(job)
    first.close()
    server()._look()
    assert until(lambda: asked(folder) == 1, 20)


@posix
@pytest.mark.parametrize("place", ["owner", "beside", "south"])
def test_a_stop_reaches_the_process_once_and_a_second_one_again_whichever_server_is_asked(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    told: list[int] = []  # counted here: of two signals at once a process may see one

    def counted(process: int) -> None:
        told.append(process)
        ask_to_stop(process)

    monkeypatch.setattr(supervision, "ask_to_stop", counted)
    owner, beside, south = server(), server(), server("south")
    first = {"owner": owner, "beside": beside, "south": south}[place]
    job = own_store.jobs.add("loop", {}, owner=owner.owner).id
    owner._look()
    folder = folder_of(tmp_path, job)
    assert until(lambda: begun(folder) == 1, 20)
    assert first.cancel(job).state == "stopped"
    for _ in range(3):
        owner._look()
        beside._look()
    assert len(told) == 1 and until(lambda: asked(folder) == 1, 20)
    beside.cancel(job)
    owner._look()
    assert len(told) == 2 and until(lambda: asked(folder) == 2, 20)
    (folder / "end").touch()
    assert ended(own_store, owner, job).state == "stopped"
    assert own_store.usage.total().requests == 1


def test_a_job_that_is_stopped_while_it_is_prepared_never_begins(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor]
) -> None:
    folder = folder_of(tmp_path, 1)
    folder.mkdir()

    def stopped_meanwhile(job: Job) -> tuple[Path, Sequence[str]]:
        own_store.jobs.stop(job.id)
        return folder, [WORK.format(folder=folder.as_posix())]

    supervisor = server(prepare=stopped_meanwhile)
    job = own_store.jobs.add("loop", {}, owner=supervisor.owner).id
    supervisor._look()
    assert supervisor._own == {} and begun(folder) == 0
    assert ended(own_store, supervisor, job).state == "stopped"


# -- a store that cannot be written for a while --


@posix
def test_a_full_disk_when_a_job_begins_puts_it_off_and_runs_it_once(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = server()
    job = own_store.jobs.add("loop", {}, owner=supervisor.owner).id
    monkeypatch.setattr(own_store.jobs, "note", full_disk)
    with pytest.raises(ResourceError):
        supervisor._look()
    monkeypatch.undo()
    supervisor._look()
    assert own_store.jobs.get(job).state == "queued"
    supervisor._look()
    folder = folder_of(tmp_path, job)
    assert until(lambda: begun(folder) == 1, 20)
    found = own_store.jobs.get(job)
    assert found.state == "running" and is_still(found)


def test_a_full_disk_when_a_job_ends_loses_neither_its_error_nor_its_usage(
    own_store: Store, tmp_path: Path, server: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(job: Job) -> tuple[Path, Sequence[str]]:
        stage = tmp_path / "run" / "reward"
        stage.mkdir(parents=True)
        (stage / "receipt.json").write_text(json.dumps({"tokens": 500}))
        (stage / "done.json").write_text("{}")
        return tmp_path / "run", ["raise SystemExit('out of luck')"]

    supervisor = server(prepare=fails)
    job = own_store.jobs.add("loop", {}, owner=supervisor.owner).id
    supervisor._look()
    supervisor._own[job].wait(20)
    monkeypatch.setattr(own_store.jobs, "finish", full_disk)
    with pytest.raises(ResourceError):
        supervisor._look()
    monkeypatch.undo()
    found = ended(own_store, supervisor, job)
    assert (found.state, found.error, found.log.strip()) == ("failed", "out of luck", "out of luck")
    assert own_store.usage.total().tokens == 500


def full_disk(*_: object, **__: object) -> Any:
    raise ResourceError("a.db: database or disk is full; make room on the disk")


def test_a_job_that_cannot_be_looked_after_at_the_start_is_looked_after_later(
    own_store: Store, server: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = own_store.jobs.add("loop", {}, owner="")
    supervisor = server()
    real, failures = supervisor._watch, []

    def once_full(found: Job) -> None:
        if not failures:
            failures.append(found.id)
            raise ResourceError("the disk is full")
        real(found)

    monkeypatch.setattr(supervisor, "_watch", once_full)
    supervisor.take_up()
    assert until(lambda: own_store.jobs.get(job.id).state == "running", 20) and failures == [job.id]


def test_a_machine_that_is_called_otherwise_today_is_the_same_machine() -> None:
    assert same_host("laptop-01ab23cd", "laptop-home.lan-01ab23cd")
    assert not same_host("laptop-01ab23cd", "laptop-ffff0000")

"""What a server sets right when it starts: jobs that died, chats that are too old."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chatwright.store import Store, open_store
from serving import until
from web_api import site


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as store:
        yield store


def running_job(store: Store, pid: int | None, folder: Path | None = None) -> int:
    job = store.jobs.add("loop", {"run": "first"})
    taken = store.jobs.take(at_once=100)
    assert taken is not None and taken.id == job.id
    store.jobs.note(job.id, pid=pid, folder=None if folder is None else folder.as_posix())
    return job.id


def test_jobs_that_died_while_no_server_ran_are_told_from_the_first_request_on(
    own_store: Store, tmp_path: Path
) -> None:
    (tmp_path / "complete").mkdir()
    (tmp_path / "complete" / "summary.json").write_text("{}")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        jobs = {
            running_job(own_store, 99_999_999): "failed",
            running_job(own_store, None): "queued",  # its server died before it had begun: it waits for its turn again
            running_job(own_store, 99_999_999, tmp_path / "complete"): "done",
            running_job(own_store, alive.pid): "running",
        }
        with site(own_store, look_at_jobs_every=60.0) as place:  # nobody looks again while this runs
            found = {int(job["id"]): job for job in place.person("admin").get("/admin/jobs").json()["jobs"]}
        assert {number: job["state"] for number, job in found.items()} == jobs
        assert all("without a word" in job["error"] for job in found.values() if job["state"] == "failed")
        alive.communicate(b"\n")


def test_a_process_that_is_younger_than_the_job_is_another_one(tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=3)
    with open_store(tmp_path / "a.db", clock=lambda: long_ago) as store:
        number = running_job(store, os.getpid())
    with open_store(tmp_path / "a.db") as store, site(store, look_at_jobs_every=60.0):
        assert store.jobs.get(number).state == "failed"


@pytest.mark.slow
def test_chats_beyond_the_retention_time_are_gone_soon_after_the_start(tmp_path: Path) -> None:
    kept: dict[int, str] = {}
    for days in (40, 20):
        then = datetime.now(UTC) - timedelta(days=days)
        with open_store(tmp_path / "a.db", clock=lambda then=then: then) as store:  # type: ignore[misc]
            person = next((each.id for each in store.people.all()), None) or store.people.add("Bo", None).id
            kept[store.chats.start(person, title=f"{days} days old").id] = f"{days} days old"
    with open_store(tmp_path / "a.db") as store:
        with site(store):
            assert len(store.chats.all(person)) == 2  # without the setting nothing is deleted
        store.settings.set("retention_days", 30)
        with site(store):
            assert until(lambda: len(store.chats.all(person)) == 1, 20)
            assert [chat.title for chat in store.chats.all(person)] == ["20 days old"]

"""Long work in processes of its own: one at a time, watched, ended on request, taken up again after a restart.

In: queued jobs of the store.  Out: `python -m chatwright run ...` beside the server, and how it went. A server that
stops leaves the process alone; the next one finds it by its number, and by its folder whether it has finished.

Several servers may share a store. Each job has one owner, who gives signs of life. Another server takes a job over if
the owner let it go, is dead on this machine, or gave no sign for `lease` seconds of the watcher's own clock. Only on
the machine of a process is its end judged; from elsewhere a job whose machine is silent can but be given up.
"""

from __future__ import annotations

import logging
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chatwright.errors import ChatwrightError
from chatwright.feedback.lessons import STORE_VARIABLE
from chatwright.serving.web.processes import (
    ask_to_stop,
    is_gone,
    is_still,
    let_through,
    new_owner,
    same_host,
    start_waiting,
    this_host,
    turn_away,
)
from chatwright.store.jobs import Job
from chatwright.store.usage import Spent

if TYPE_CHECKING:
    from chatwright.store import Store

__all__ = ["Supervisor"]

log = logging.getLogger("chatwright.serving")
LOOK_EVERY_SECONDS = 1.0
IDLE_LOOKS = 15  # looks that are left out where nothing is open: another server may still leave something
LEASE_SECONDS = 120.0
SIGNS_IN_A_LEASE = 8
LOG_NAME = "log.txt"
LOG_SHOWN = 16_000
Prepare = Callable[[Job], tuple[Path, Sequence[str]]]
"""The folder that a job writes, and the arguments of the command `chatwright` that does it."""
Took = Callable[[Job], Sequence[Spent]]
"""What a job whose process is over has used, however it ended."""


class Supervisor:
    """Starts and watches jobs from a thread of its own. `owner` is the name under which the store knows it."""

    def __init__(
        self,
        store: Store,
        prepare: Prepare,
        *,
        every: float = LOOK_EVERY_SECONDS,
        took: Took = lambda job: (),
        suits: Callable[[Job], bool] = lambda job: True,
        command: Sequence[str] = (sys.executable, "-m", "chatwright"),
        lease: float = LEASE_SECONDS,
        host: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`suits`: whether a job that was asked for elsewhere can be done here. `host` and `clock` are for tests."""
        self._store, self._prepare, self._every, self._command = store, prepare, every, command
        self._took, self._suits, self._lease, self._clock = took, suits, lease, clock
        self._host = host or this_host()
        self.owner = new_owner(self._host)
        self._own: dict[int, subprocess.Popen[bytes]] = {}
        self._asked: set[int] = set()  # to stop, by this server
        self._heard: dict[int, tuple[str, datetime | None, float]] = {}  # job: owner, sign of life, when first seen
        self._beat_at = float("-inf")
        self._woken, self._is_closed = threading.Event(), False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Look for work now."""
        with self._lock:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._work, name="chatwright-jobs", daemon=True)
                self._thread.start()
        self._woken.set()

    def take_up(self) -> None:
        """After a start: mark what died with an earlier server, or after it; go on watching what still runs."""
        try:
            for job in self._store.jobs.open():
                self._watch(job)
        except Exception:  # the thread tries again; the server has other things to do as well
            log.exception("the jobs could not be looked after")
        self.wake()

    def cancel(self, job_id: int) -> Job:
        """Stop a job. A running one may finish its step and save; a second request ends it at once."""
        before = self._store.jobs.get(job_id)
        is_second = before.state == "stopped"
        is_mine = before.owner == self.owner
        if is_mine:
            self._is_first_to_ask(job_id)  # before it is stopped, or the thread would ask as well
        job = self._store.jobs.stop(job_id)
        # The first request is its owner's to pass on: two of them would end it at once.
        is_open = job.state == "stopped" and job.settled_at is None
        if is_open and (is_mine or is_second) and self._is_here(job) and is_still(job) and job.pid is not None:
            ask_to_stop(job.pid)
        self.wake()
        return job

    def log_of(self, job: Job) -> str:
        """The last lines that a job has said."""
        path = Path(job.folder) / LOG_NAME if job.folder and self._is_here(job) else None
        if path is None or not path.is_file():
            return job.log
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_SHOWN))
            return file.read().decode("utf-8", errors="replace")

    def close(self) -> None:
        """Stop watching; processes go on, and whoever comes next may watch them."""
        with self._lock:
            self._is_closed = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(5)
        try:
            self._store.jobs.let_go(self.owner)
        except ChatwrightError:
            log.exception("the jobs could not be let go; another server takes them over in %.0f seconds", self._lease)

    # -- the thread --

    def _work(self) -> None:
        is_idle = False
        while not self._is_closed:
            self._woken.wait(self._every * (IDLE_LOOKS if is_idle else 1))
            self._woken.clear()
            if self._is_closed:
                return
            try:
                is_idle = not self._look()
            except Exception:  # whatever it is, the other jobs want to be looked after, and so does this one later
                log.exception("the jobs could not be looked after")

    def _look(self) -> bool:
        """Look once; whether there is anything open."""
        found = self._store.jobs.open()
        ids = {job.id for job in found}
        self._heard = {number: heard for number, heard in self._heard.items() if number in ids}
        self._give_sign(found)
        for job in found:
            self._watch(job)
        waiting = [job.id for job in found if job.state == "queued" and self._may_take(job)]
        if waiting:
            taken = self._store.jobs.take(owner=self.owner, host=self._host, among=waiting)
            if taken is not None:
                self._begin(taken)
        return bool(found)

    def _give_sign(self, found: Sequence[Job]) -> None:
        is_due = self._clock() - self._beat_at >= self._lease / SIGNS_IN_A_LEASE
        if is_due and any(job.owner == self.owner for job in found):
            self._store.jobs.beat(self.owner)
            self._beat_at = self._clock()

    # -- whose a job is --

    def _is_here(self, job: Job) -> bool:
        return not job.host or same_host(job.host, self._host)

    def _is_left(self, job: Job) -> bool:
        """Whether nobody looks after a job any more, as far as can be known from here."""
        known = self._heard.get(job.id)
        if known is None or known[:2] != (job.owner, job.seen_at):
            known = self._heard[job.id] = (job.owner, job.seen_at, self._clock())
        is_silent = self._clock() - known[2] >= self._lease
        # A server elsewhere that let go of its job may only be on its way back.
        return is_silent or is_gone(job.owner, self._host) or not job.owner and self._is_here(job)

    def _may_take(self, job: Job) -> bool:
        """Whether a waiting job may begin here: another server may watch runs that this one does not know."""
        if job.owner in ("", self.owner):
            return True
        is_near = same_host(job.owner.split(" ")[0], self._host)
        return self._is_left(job) and (is_near or self._suits(job)) or is_near and self._suits(job)

    # -- one job --

    def _begin(self, job: Job) -> None:
        try:
            folder, arguments = self._prepare(job)
            # Not an argument: those are there for all to see, and the address may hold a password.
            environment = {STORE_VARIABLE: self._store.database.address}
            process = start_waiting([*self._command, *arguments], folder / LOG_NAME, environment)
        except ChatwrightError as error:
            self._store.jobs.finish(job.id, error=str(error))
            return
        except OSError as error:  # a full disk, no right to write there, too many processes
            self._store.jobs.finish(job.id, error=f"it could not be started: {error}"[:1000])
            return
        except BaseException:
            self._store.jobs.finish(job.id, error="it could not be prepared; the server's log says why (this is a bug)")
            raise
        is_noted = False
        try:
            is_noted = self._store.jobs.note(job.id, owner=self.owner, pid=process.pid, folder=folder.as_posix())
        finally:  # it was stopped meanwhile, or the store cannot be written: then it shall not have begun
            (let_through if is_noted else turn_away)(process)
        if is_noted:
            self._own[job.id] = process

    def _watch(self, job: Job) -> None:
        if job.state == "queued":
            return
        if job.owner != self.owner:
            if not self._is_left(job):
                return
            if not self._is_here(job):
                self._give_up(job)
                return
            claimed = self._store.jobs.claim(job, self.owner)
            if claimed is None:
                return
            job = self._found_again(claimed)
        process = self._own.get(job.id)
        if process is not None:
            code = process.poll()
            if code is None:
                self._pass_on_the_stop(job)
            else:
                self._settle(job, "" if code == 0 else _last_line(self.log_of(job)) or f"it ended with code {code}")
        elif is_still(job):
            self._pass_on_the_stop(job)
        else:
            self._bury(job)

    def _pass_on_the_stop(self, job: Job) -> None:
        if job.state == "stopped" and job.pid is not None and self._is_first_to_ask(job.id):
            ask_to_stop(job.pid)

    def _is_first_to_ask(self, number: int) -> bool:
        with self._lock:
            is_first = number not in self._asked
            self._asked.add(number)
        return is_first

    def _give_up(self, job: Job) -> None:
        if job.state == "running":
            last = "" if job.seen_at is None else f" since {job.seen_at:%Y-%m-%d %H:%M} UTC"
            error = f"nothing was heard{last} of the server on {job.host} that ran it"
            self._store.jobs.give_up(job, f"{error}; start one there again, and it finds the job as it is by then")

    def _found_again(self, job: Job) -> Job:
        if job.state != "failed":
            return job
        self._store.jobs.go_on(job.id, self.owner)  # it was given up from elsewhere
        return replace(job, state="running", error="")

    def _bury(self, job: Job) -> None:
        """A job whose process is over, and whose end nobody saw."""
        folder = Path(job.folder)
        is_done = bool(job.folder) and (folder / "summary.json").is_file()
        has_begun = job.pid is not None and (not job.folder or (folder / "recipe.json").is_file())
        if job.state == "running" and not has_begun and not is_done:
            self._store.jobs.put_back(job.id, self.owner)
        else:
            self._settle(job, "" if is_done else f"its process ended without a word{_how_to_go_on(job)}")

    def _settle(self, job: Job, error: str) -> None:
        self._store.jobs.finish(job.id, error=error[:1000], log=self.log_of(job), took=self._took(job))
        self._own.pop(job.id, None)  # only now: until it is written down it must not be forgotten
        self._asked.discard(job.id)


def _how_to_go_on(job: Job) -> str:
    recipe = Path(job.folder) / "job.toml"
    if not recipe.is_file():
        return ""
    command = shlex.join(["chatwright", "run", recipe.as_posix(), "--out", job.folder])
    return f"; {command} goes on with what it has saved"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""

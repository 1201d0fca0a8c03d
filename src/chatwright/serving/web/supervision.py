"""Long work in processes of its own: one at a time, watched, ended on request, taken up again after a restart.

In: queued jobs of the store.  Out: `python -m chatwright run ...` beside the server, and how it went. A server that
stops leaves the process alone; the next one finds it by its number, and by its folder whether it has finished.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from chatwright.errors import ChatwrightError
from chatwright.feedback.lessons import STORE_VARIABLE
from chatwright.serving.web.watching import is_alive
from chatwright.store.jobs import Job

if TYPE_CHECKING:
    from chatwright.store import Store

__all__ = ["Supervisor"]

log = logging.getLogger("chatwright.serving")
LOOK_EVERY_SECONDS = 1.0
BEGINS_WITHIN = timedelta(minutes=10)  # after a job was taken; a process that is younger is somebody else's
LOG_NAME = "log.txt"
LOG_SHOWN = 16_000
Prepare = Callable[[Job], tuple[Path, Sequence[str]]]
"""The folder that a job writes, and the arguments of the command `chatwright` that does it."""
Over = Callable[[Job], None]
"""Hears of every job whose process is over, however it ended."""


class Supervisor:
    """Starts and watches jobs from a thread of its own, which begins with the first job."""

    def __init__(
        self,
        store: Store,
        prepare: Prepare,
        *,
        every: float = LOOK_EVERY_SECONDS,
        over: Over = lambda job: None,
        command: Sequence[str] = (sys.executable, "-m", "chatwright"),
    ) -> None:
        self._store, self._prepare, self._every, self._command = store, prepare, every, command
        self._over = over
        self._own: dict[int, subprocess.Popen[bytes]] = {}
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
        for job in self._store.jobs.all(state="running", limit=100):
            self._watch(job)
        if self._store.jobs.all(state="running", limit=1) or self._store.jobs.all(state="queued", limit=1):
            self.wake()

    def cancel(self, job_id: int) -> Job:
        """Stop a job. A running one may finish its step and save; a second request ends it at once."""
        before = self._store.jobs.get(job_id)
        job = self._store.jobs.stop(job_id)
        if before.pid is not None and job.state == "stopped" and _is_still(before):
            end(before.pid)
        return job

    def log_of(self, job: Job) -> str:
        """The last lines that a job has said."""
        path = Path(job.folder) / LOG_NAME if job.folder else None
        if path is None or not path.is_file():
            return job.log
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_SHOWN))
            return file.read().decode("utf-8", errors="replace")

    def close(self) -> None:
        """Stop watching; processes go on."""
        with self._lock:
            self._is_closed = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(5)

    def _work(self) -> None:
        while not self._is_closed:
            self._woken.wait(self._every)
            self._woken.clear()
            if self._is_closed:
                return
            try:
                self._look()
            except ChatwrightError:
                log.exception("the jobs could not be looked after")

    def _look(self) -> None:
        for job in self._store.jobs.all(state="running", limit=100):
            self._watch(job)
        for number in [number for number, process in self._own.items() if process.poll() is not None]:
            del self._own[number]  # stopped by somebody, and now over
            self._over(self._store.jobs.get(number))
        taken = self._store.jobs.take()
        if taken is not None:
            self._begin(taken)

    def _begin(self, job: Job) -> None:
        try:
            folder, arguments = self._prepare(job)
            process = self._started(folder, arguments)
        except ChatwrightError as error:
            self._store.jobs.finish(job.id, error=str(error))
            return
        except OSError as error:  # a full disk, no right to write there, too many processes
            self._store.jobs.finish(job.id, error=f"it could not be started: {error}"[:1000])
            return
        self._own[job.id] = process
        self._store.jobs.note(job.id, pid=process.pid, folder=folder.as_posix())

    def _started(self, folder: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with (folder / LOG_NAME).open("ab") as said:
            return subprocess.Popen(
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                # Not an argument: those are there for all to see, and the address may hold a password.
                env={**os.environ, STORE_VARIABLE: self._store.database.address},
                start_new_session=True,  # Ctrl-C at the server is not meant for it
            )

    def _watch(self, job: Job) -> None:
        process = self._own.get(job.id)
        if process is not None:
            code = process.poll()
            if code is None:
                return
            del self._own[job.id]
            self._end(job, "" if code == 0 else _last_line(self.log_of(job)) or f"it ended with code {code}")
        elif not _is_still(job):
            is_done = bool(job.folder) and (Path(job.folder) / "summary.json").is_file()
            self._end(job, "" if is_done else "its process ended without a word; start it again, it goes on")

    def _end(self, job: Job, error: str) -> None:
        self._store.jobs.note(job.id, log=self.log_of(job))
        self._store.jobs.finish(job.id, error=error[:1000])
        self._over(job)


def _is_still(job: Job) -> bool:
    """Whether a job's process runs. Numbers of ended processes are given out again, so its age counts too."""
    if job.pid is None or not is_alive(job.pid):
        return False
    try:
        begun = psutil.Process(job.pid).create_time()
    except psutil.NoSuchProcess:
        return False
    began_by = [job.started_at + BEGINS_WITHIN] if job.started_at else []
    return all(begun <= moment.timestamp() for moment in (*began_by, *([job.finished_at] if job.finished_at else [])))


def end(process: int) -> None:
    """Ask a job's process, and those it has started, to stop."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGTERM) if hasattr(os, "killpg") else os.kill(process, signal.SIGTERM)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""

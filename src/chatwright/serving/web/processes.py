"""Processes as the jobs need them: started behind a gate, found again by their number, asked to stop; who we are.

In: a command, the number of a process.  Out: a process that does nothing before it is let through. A server writes the
number down first, so it can be killed at any moment and leaves no process that nobody knows of.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO

import psutil

from chatwright.serving.web.watching import is_alive
from chatwright.store.jobs import Job

__all__ = [
    *("ask_to_stop", "is_gone", "is_still", "let_through", "new_owner", "same_host", "start_waiting", "this_host"),
    "turn_away",
]

BEGINS_WITHIN = timedelta(minutes=10)  # after a job was taken; a process that is younger is somebody else's
SAME_AGE_S = 5.0  # two readings of a process's age differ by less, two processes of one number by more
# Waits for a byte; where the other end is closed instead, as by a server that dies, it ends and has done nothing.
GATE = """
import os, sys
if not os.read(0, 1):
    sys.exit(0)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def start_waiting(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A process that will be this command, once it is let through; what it says is appended to `log`.

    Raises OSError if it cannot be started: a full disk, no right to write there, too many processes.
    """
    # Only POSIX replaces a process and keeps its number; elsewhere the command begins at once.
    gate = [sys.executable, "-I", "-S", "-c", GATE] if os.name == "posix" else []
    with log.open("ab") as said:
        return subprocess.Popen(
            [*gate, *command],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C at the server is not meant for it
        )


def let_through(process: subprocess.Popen[bytes]) -> None:
    """Let a waiting process begin."""
    with contextlib.suppress(BrokenPipeError):  # it was killed while it waited; its end will be noticed
        _way_in(process).write(b"\n")
    _way_in(process).close()


def turn_away(process: subprocess.Popen[bytes]) -> None:
    """Let a waiting process end without having begun."""
    _way_in(process).close()
    if os.name != "posix":
        process.terminate()
    process.wait()


def _way_in(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def is_still(job: Job) -> bool:
    """Whether a job's process runs here. Numbers of ended processes are given out again, so its age counts too."""
    if job.pid is None or not is_alive(job.pid):
        return False
    try:
        begun = psutil.Process(job.pid).create_time()
    except psutil.NoSuchProcess:
        return False
    began_by = [job.started_at + BEGINS_WITHIN] if job.started_at else []
    return all(begun <= moment.timestamp() for moment in (*began_by, *([job.finished_at] if job.finished_at else [])))


def ask_to_stop(process: int) -> None:
    """Ask a job's process, and those it has started, to stop."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGTERM) if hasattr(os, "killpg") else os.kill(process, signal.SIGTERM)


# -- servers --


def this_host() -> str:
    """The machine, or container, in which numbers of processes mean the same; begins with the name that people know."""
    marks = []
    with contextlib.suppress(OSError):
        marks.append(Path("/etc/machine-id").read_text())
    with contextlib.suppress(OSError):
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    if len(marks) < 2:  # macOS, Windows, a bare container: what else tells machines apart
        node = uuid.getnode()
        marks.append(socket.gethostname() if node >> 40 & 1 else f"{node:x}")  # the bit: made up, another each time
    return f"{socket.gethostname()}-{hashlib.sha256(repr(marks).encode()).hexdigest()[:8]}"


def same_host(one: str, other: str) -> bool:
    """Whether two names mean one machine: elsewhere it may be called otherwise, but not behind the last "-"."""
    return one.rpartition("-")[2] == other.rpartition("-")[2]


def new_owner(host: str) -> str:
    """A name for one server: where it runs, its process, since when, and what tells two in one process apart."""
    return f"{host} {os.getpid()} {psutil.Process().create_time():.0f} {secrets.token_hex(4)}"


def is_gone(owner: str, host: str) -> bool:
    """Whether an owner is known to be dead: it ran on this host, and its process is over."""
    parts = owner.split(" ")
    if len(parts) != 4 or not same_host(parts[0], host):
        return False
    number, began = int(parts[1]), int(parts[2])
    try:
        return not is_alive(number) or abs(psutil.Process(number).create_time() - began) > SAME_AGE_S
    except psutil.NoSuchProcess:
        return True

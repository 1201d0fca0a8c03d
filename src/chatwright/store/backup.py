"""Backups: a consistent copy of the whole store while others go on writing.

In: an open store.  Out: one file, whole or not there: a SQLite database, or what `pg_dump` writes (for `pg_restore`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from chatwright.disk import replacing
from chatwright.errors import ArtefactError, ResourceError
from chatwright.store.database import BUSY_S, Database

_PAGES = 1000  # copied between two looks at other writers


def back_up(database: Database, out: Path) -> Path:
    """Copy the store to a file, in place of what was there. The file is readable by its owner only.

    Raises ArtefactError if the copy is not intact, ResourceError if PostgreSQL's `pg_dump` is missing or fails.
    """
    if database.is_sqlite and out.exists() and out.samefile(str(database.url.database)):
        raise ArtefactError(f"{out} is the store itself; name another file for its copy")
    with replacing(out) as unfinished:
        os.close(os.open(unfinished, os.O_CREAT | os.O_RDWR, 0o600))
        (_copy_sqlite if database.is_sqlite else _dump_postgresql)(database, unfinished)
    return out


def _copy_sqlite(database: Database, out: Path) -> None:
    try:
        with (
            contextlib.closing(sqlite3.connect(str(database.url.database), timeout=BUSY_S)) as source,
            contextlib.closing(sqlite3.connect(out)) as copy,
        ):
            source.backup(copy, pages=_PAGES)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            found = copy.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise ResourceError(f"{database.name} could not be copied to {out}: {error}; make room or try again") from error
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise ArtefactError(f"the copy of {database.name} is not intact ({found}); check the disk and the store")


def _dump_postgresql(database: Database, out: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise ResourceError(
            "pg_dump is not installed; install PostgreSQL's client programs, or copy the cluster itself"
        )
    url = database.url.set(drivername="postgresql")
    # The password goes by the environment: everybody on the machine can read the arguments of a process.
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    address = url.set(password=None).render_as_string(hide_password=False)
    command = [program, "--format=custom", f"--file={out}", f"--dbname={address}", "--no-password"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise ResourceError(f"pg_dump could not copy {database.name}: {said}")

"""A private PostgreSQL on loopback in a temporary folder, for tests; and the store on each kind of database.

`initdb` refuses root, so root hands the cluster to an unprivileged user. Where PostgreSQL is absent, tests skip.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from chatwright.store import Store, open_store
from chatwright.store.database import url_of
from chatwright.store.schema import metadata
from ports import free_port

# The same tests on both; the fast suite leaves PostgreSQL out.
KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))


def binary(name: str) -> Path | None:
    """A program of PostgreSQL: Debian keeps them out of the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name)
    return places[0] if places else Path(found) if found else None


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """The address of a cluster that lives as long as the block; its databases are thrown away."""
    initdb, postgres = binary("initdb"), binary("postgres")
    if initdb is None or postgres is None:
        pytest.skip(
            "PostgreSQL is not installed: its initdb and postgres are neither in PATH nor in /usr/lib/postgresql"
        )
    folder = Path(tempfile.mkdtemp(prefix="chatwright-postgres-"))
    user = _unprivileged()
    command: list[str] = ["runuser", "-u", user, "--"] if user else []
    if user:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    data = folder / "data"
    making = [*command, initdb, "-D", data, "-U", "tester", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync"]
    subprocess.run(making, check=True, capture_output=True, cwd=folder)
    with free_port() as port:
        # Without fsync what is acknowledged survives the death of any process, though not that of the machine.
        settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
        running = [*command, postgres, "-D", data, *(part for setting in settings for part in ("-c", setting))]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(running, stdout=log, stderr=log, cwd=folder)
        address = f"postgresql://tester@127.0.0.1:{port}/postgres"
        try:
            _wait(address, server, folder / "log")
            yield address
        finally:
            # At once, without a last checkpoint: nobody needs these data. runuser would not hand this signal on.
            with contextlib.suppress(OSError, ProcessLookupError):
                os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
            server.wait(60)
            _throw_away(folder)


def _unprivileged() -> str | None:
    """Whom root lets run the cluster; None: we are not root."""
    if os.geteuid() != 0:
        return None
    if shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser to start it as someone else")
    known = {account.pw_name for account in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _throw_away(folder: Path) -> None:
    """Remove a cluster's files; its last processes may still write some when their first one has ended."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{folder} cannot be removed: who writes there?")


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    ready = binary("pg_isready")
    for _ in range(600):  # a minute or more
        if server.poll() is not None:
            break
        if subprocess.run([str(ready), "-q", "-d", address, "-t", "1"], check=False).returncode == 0:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of the session's cluster."""
    with cluster() as address:
        yield address


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with empty tables, to be copied: making the tables takes longer than most tests."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    open_store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as whole:
        whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def free_databases() -> list[str]:
    """Databases of the cluster with empty tables, to be used again: making one takes long."""
    return []


@pytest.fixture(params=KINDS)
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Gives the address of an empty store each time it is called; every test runs on both kinds."""
    if request.param == "sqlite":
        template = request.getfixturevalue("empty_file")
        yield lambda: str(shutil.copy(template, tmp_path / f"{uuid.uuid4().hex}.db"))
        return
    address, free = request.getfixturevalue("postgres"), request.getfixturevalue("free_databases")
    used: list[str] = []

    def new() -> str:
        used.append(free.pop() if free else _made_in(address))
        return used[-1]

    yield new
    for place in used:
        _empty(place)
        free.append(place)


@pytest.fixture
def place(new_place: Callable[[], str]) -> str:
    """The address of one empty store."""
    return new_place()


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        """Move by days=, hours=, minutes= or seconds=."""
        self.time += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(place: str, clock: Clock) -> Iterator[Store]:
    """An empty store, on each kind of database, whose clock the test moves."""
    with open_store(place, clock=clock) as opened:
        yield opened


def _made_in(address: str) -> str:
    name = f"test_{uuid.uuid4().hex}"
    _run(address, f"CREATE DATABASE {name}")
    return address.rpartition("/")[0] + f"/{name}"


def _empty(place: str) -> None:
    with open_store(place):  # a test may have left it without tables
        tables = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        _run(place, f"TRUNCATE {tables} RESTART IDENTITY CASCADE")


def _run(address: str, statement: str) -> None:
    engine = sa.create_engine(url_of(address), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatwright.store import open_store
from chatwright.store.tasks import NewTask
from writers import PROMPT

WRITERS = Path(__file__).with_name("writers.py")
THREADS, WRITES, BEFORE_THE_KILL = 25, 6, 40
TOO_MANY = 120
"""Writes of a thread that is to be killed: so many that a kill which comes late still comes in the middle."""


def acknowledged(lines):
    """(person, submission): what it became."""
    told = [line.split(" ", 2) for line in lines if line.endswith("\n")]  # the last line may be torn by the kill
    return {(int(person), submission): what.strip() for person, submission, what in told}


def stored(store):
    kinds = {"feedback": "submission IS NOT NULL", "messages": "submission IS NOT NULL"}
    found = {}
    with store.database.reading() as connection:
        for table, where in kinds.items():
            rows = connection.exec_driver_sql(f"SELECT submission, id FROM {table} WHERE {where}").all()
            assert len({submission for submission, _ in rows}) == len(rows), "a submission is there twice"
            found |= {submission: f"{table.removesuffix('s')} {number}" for submission, number in rows}
    return found


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process without a warning")
def test_nothing_acknowledged_is_lost_when_a_process_of_many_writers_is_killed(place):
    with open_store(place) as store:
        for number in range(2 * THREADS):  # one person in two processes would hand in one task twice
            store.people.add(f"person {number}", None, role="labeler")
        content = {"prompt": PROMPT, "answers": ["a", "b", "c", "d"]}
        store.tasks.add(NewTask(kind="rank", content={**content, "n": number}, overlap=2) for number in range(600))
    command, piped = [sys.executable, str(WRITERS), place], {"stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([*command, "one", "0", *map(str, (THREADS, TOO_MANY))], **piped) as killed,
        subprocess.Popen([*command, "two", *map(str, (THREADS, THREADS, WRITES))], **piped) as other,
    ):
        lines = [killed.stdout.readline() for _ in range(BEFORE_THE_KILL)]
        os.kill(killed.pid, signal.SIGKILL)
        lines += killed.stdout.readlines()
        rest = other.stdout.readlines()
    assert killed.returncode == -signal.SIGKILL and other.returncode == 0
    said = acknowledged(lines)
    assert BEFORE_THE_KILL <= len(said) < THREADS * TOO_MANY, "the kill came in the middle"
    said |= acknowledged(rest)
    assert len(rest) == THREADS * WRITES, "the death of one process does not hold up the other"
    with open_store(place) as store:
        found = stored(store)
        assert {submission: what for (_, submission), what in said.items()}.items() <= found.items()
        # Of what was not acknowledged at most one write per thread had reached the database.
        assert len(found) - len(said) <= THREADS
        with store.database.reading() as connection:
            taken = connection.exec_driver_sql(
                "SELECT task_id, count(*) FROM assignments WHERE slot IS NOT NULL GROUP BY task_id HAVING count(*) > 2"
            ).all()
            done = connection.exec_driver_sql("SELECT sum(done) FROM tasks").scalar()
            ranked = connection.exec_driver_sql("SELECT count(*) FROM feedback WHERE task_id IS NOT NULL").scalar()
        assert taken == [] and done == ranked

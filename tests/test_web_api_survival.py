"""A server is killed while 50 people write over HTTP, and started again on the same store; nobody loses anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from chatwright.store import Store, open_store
from chatwright.store.answers import WRITING
from chatwright.store.schema import assignments, feedback, messages, tasks
from chatwright.store.tasks import NewTask
from ports import free_port
from web_api import API, session_of

SERVER = Path(__file__).with_name("killable.py")
PEOPLE, ROUNDS, BEFORE_THE_KILL = 50, 2, 160
ANSWERS = ["a", "b", "c", "d"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process without a warning"),
]


@dataclass
class Labeler:
    """One person, a chat of theirs, and everything that the server has acknowledged to them."""

    id: int
    token: str
    chat: int
    drafts: list[int]
    """Two answers to the first question, to choose from."""
    tasks: list[int] = field(default_factory=list)
    saved: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Task: the draft."""
    handed_in: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Submission: task and row."""
    said: dict[str, int] = field(default_factory=dict)
    """Submission: message."""
    thumbs: dict[int, float] = field(default_factory=dict)
    chosen: int | None = None


class Office:
    """The server, and what its clients know of it."""

    def __init__(self, place: str, port: int) -> None:
        self.place, self.port, self.acknowledged = place, port, 0
        self.is_enough = asyncio.Event()
        self.process = self._started()
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}{API}", timeout=30, limits=httpx.Limits(max_connections=PEOPLE)
        )

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(SERVER), self.place, str(self.port)])

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        assert self.process.wait(20) == -signal.SIGKILL

    def start_again(self) -> None:
        self.process = self._started()

    async def ask(self, labeler: Labeler, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send the same again until the server has answered."""
        cookie = {"cookie": f"chatwright-session={labeler.token}"}
        while True:
            try:
                answer = await self.client.post(path, json=body, headers=cookie)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            assert answer.status_code == 200, (path, body, answer.text)
            self.acknowledged += 1
            if self.acknowledged >= BEFORE_THE_KILL:
                self.is_enough.set()
            return dict(answer.json())


async def work(office: Office, own: Labeler) -> None:
    for number in range(ROUNDS):
        task = (await office.ask(own, "/label/next", {}))["task"]
        own.tasks.append(int(task["id"]))
        draft = {"order": [number, own.id]}
        await office.ask(own, f"/label/{task['id']}/draft", {"draft": draft})
        own.saved[int(task["id"])] = draft
        submission = f"rank-{own.id}-{number}"
        row = await office.ask(own, f"/label/{task['id']}/submit", {"submission": submission, "ranks": [1, 2, 3, 3]})
        own.handed_in[submission] = (int(task["id"]), int(row["id"]))
        submission = f"say-{own.id}-{number}"
        said = {"parent": None, "role": "user", "content": submission, "submission": submission}
        own.said[submission] = int((await office.ask(own, f"/chats/{own.chat}/messages", said))["id"])
        up = (own.id + number) % 2 == 0
        await office.ask(own, f"/messages/{own.drafts[number]}/feedback", {"thumb": "up" if up else "down"})
        own.thumbs[own.drafts[number]] = 1.0 if up else -1.0
    first, second = map(str, own.drafts)
    await office.ask(own, f"/chats/{own.chat}/choice", {"parent": "1", "chosen": second, "shown": [first, second]})
    own.chosen = own.drafts[1]


def prepared(store: Store) -> list[Labeler]:
    """People who are signed in, each with a chat; tasks for one person each."""
    prompt = [{"role": "user", "content": "Who?"}]
    content = {"prompt": prompt, "answers": ANSWERS}
    store.tasks.add(NewTask(kind="rank", content={**content, "n": n}) for n in range(PEOPLE * ROUNDS + 20))
    found = []
    for number in range(PEOPLE):
        person = store.people.add(f"person {number}", None, role="labeler").id
        chat = store.chats.start(person).id
        asked = store.chats.say(person, chat, "user", "Who?").id
        drafts = [store.chats.say(person, chat, "assistant", each, parent_id=asked).id for each in ("I", "You")]
        found.append(Labeler(person, session_of(store, person), chat, drafts))
    return found


def rows(store: Store, wanted: sa.Select[Any]) -> list[Any]:
    with store.database.reading() as connection:
        return list(connection.execute(wanted).all())


def check_all_acknowledged_is_there_once(store: Store, people: list[Labeler]) -> None:
    live = [row for row in rows(store, sa.select(feedback)) if row.state != "removed"]
    by_submission = {row.submission: row for row in live if row.submission is not None}
    said = rows(store, sa.select(messages.c.submission, messages.c.id).where(messages.c.submission.is_not(None)))
    assert len({row.submission for row in said}) == len(said)
    assert len(by_submission) == sum(row.submission is not None for row in live)
    held = {(row.person_id, row.task_id): row for row in rows(store, sa.select(assignments))}
    for own in people:
        for submission, (task, row_id) in own.handed_in.items():
            found = by_submission[submission]
            assert (found.id, found.task_id, found.person_id) == (row_id, task, own.id)
            assert held[own.id, task].state == "done" and held[own.id, task].feedback_id == row_id
        for task, draft in own.saved.items():
            # What was handed in takes the draft's place; the answer to that may not have come through.
            assert held[own.id, task].state == "done" or held[own.id, task].draft == draft
        assert own.said.items() <= {row.submission: row.id for row in said}.items()
        mine = [row for row in live if row.person_id == own.id]
        for message, score in own.thumbs.items():
            assert [row.score for row in mine if row.kind == "thumb" and row.message_id == message] == [score]
        if own.chosen is not None:
            assert [row.message_id for row in mine if row.kind == "choice"] == [own.chosen]


def check_no_lease_is_held_by_two(store: Store, people: list[Labeler]) -> None:
    handed_out = [task for own in people for task in dict.fromkeys(own.tasks)]
    assert len(handed_out) == len(set(handed_out)), "every task is for one person"
    slots = [(row.task_id, row.slot) for row in rows(store, sa.select(assignments)) if row.slot is not None]
    assert len(slots) == len(set(slots))
    assert {slot for _, slot in slots} <= {0}


@contextlib.contextmanager
def office_at(place: str) -> Iterator[Office]:
    with free_port() as port:
        office = Office(place, port)
        try:
            yield office
        finally:
            office.process.kill()
            office.process.wait(20)


async def killed_in_the_middle(office: Office, people: list[Labeler], store: Store) -> None:
    """All do their work; in the midst of it the server is killed, looked at, and started again."""
    working = asyncio.gather(*(work(office, own) for own in people))
    await asyncio.wait_for(office.is_enough.wait(), 300)
    office.kill()
    assert not working.done() and any(len(own.handed_in) < ROUNDS for own in people), "the kill came in the middle"
    check_all_acknowledged_is_there_once(store, people)
    check_no_lease_is_held_by_two(store, people)
    office.start_again()
    await asyncio.wait_for(working, 300)
    await office.client.aclose()


def test_what_a_server_has_acknowledged_outlives_it_and_nothing_is_there_twice(new_place: Callable[[], str]) -> None:
    place = new_place()
    with open_store(place) as store:
        people = prepared(store)
        with office_at(place) as office:
            asyncio.run(killed_in_the_middle(office, people, store))
        assert all(len(own.handed_in) == len(own.said) == len(own.thumbs) == ROUNDS and own.chosen for own in people)
        check_all_acknowledged_is_there_once(store, people)
        check_no_lease_is_held_by_two(store, people)
        counts = {kind: own.get("approved", 0) for kind, own in store.feedback.counts().items()}
        assert counts == {"ranking": PEOPLE * ROUNDS, "thumb": PEOPLE * ROUNDS, "choice": PEOPLE}
        done = rows(store, sa.select(tasks.c.done, tasks.c.state))
        assert sum(row.done for row in done) == PEOPLE * ROUNDS and max(row.done for row in done) == 1
        assert len(rows(store, sa.select(messages))) == PEOPLE * (3 + ROUNDS)
        assert not rows(store, sa.select(messages).where(messages.c.finish_reason == WRITING))

"""A process of many labelers who write at once, for tests that kill it.

`python writers.py PLACE NAME FIRST THREADS WRITES`: each thread does the work of one person, from number FIRST on, and
says on stdout what the store has acknowledged, one line per write, only once the call has returned.
"""

from __future__ import annotations

import os
import sys
import threading

from chatwright.store import Store, open_store
from chatwright.store.feedback import NewRow
from chatwright.store.outcomes import Outcome

PROMPT = [{"role": "user", "content": "Who?"}]


def write(store: Store, person: int, name: str, number: int) -> str:
    """One write of one of three kinds; what identifies it."""
    submission = f"{name}-{person}-{number}"
    if number % 3 == 0:
        content = {"prompt": PROMPT, "answer": submission, "up": True}
        return f"feedback {store.feedback.add(person, NewRow(kind='thumb', content=content), submission=submission).id}"
    if number % 3 == 1:
        chat = store.chats.start(person, title=submission)
        return f"message {store.chats.say(person, chat.id, 'user', submission, submission=submission).id}"
    task = store.labelling.next(person)
    assert task is not None
    return f"feedback {store.labelling.hand_in(person, task.task_id, Outcome(all_bad=True), submission=submission).id}"


def main(place: str, name: str, first: int, threads: int, writes: int) -> None:
    with open_store(place) as store:
        people = [person.id for person in store.people.all()][first : first + threads]
        ready = threading.Barrier(threads)

        def work(person: int) -> None:
            ready.wait()
            for number in range(writes):
                told = write(store, person, name, number)
                os.write(1, f"{person} {name}-{person}-{number} {told}\n".encode())

        running = [threading.Thread(target=work, args=(person,)) for person in people]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))

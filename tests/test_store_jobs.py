from __future__ import annotations

import threading

import pytest

from chatwright.errors import ConflictError, InputError, NotFoundError
from chatwright.store.jobs import LOG_KEPT
from chatwright.store.usage import Spent

PROMPT = [{"role": "user", "content": "Who?"}]


def test_a_job_goes_from_queued_to_done_and_keeps_the_end_of_what_it_said(store, clock):
    ada = store.people.add("Ada", None).id
    job = store.jobs.add("reward", {"steps": 3}, requested_by=ada, submission="a")
    assert store.jobs.add("reward", {"steps": 3}, requested_by=ada, submission="a") == job
    with pytest.raises(ConflictError):
        store.jobs.add("reward", {"steps": 4}, submission="a")
    taken = store.jobs.take()
    assert (taken.id, taken.state, taken.started_at) == (job.id, "running", clock.time)
    store.jobs.note(job.id, pid=7, folder="runs/reward", log="x" * LOG_KEPT + "the end")
    clock.forward(minutes=1)
    done = store.jobs.finish(job.id)
    assert (done.state, done.pid, done.folder, done.finished_at) == ("done", 7, "runs/reward", clock.time)
    assert len(done.log) == LOG_KEPT and done.log.endswith("the end")
    assert store.jobs.stop(job.id) == done, "what has ended stays as it is"


def test_every_job_is_taken_once_and_only_so_many_run_at_once(store):
    for number in range(6):
        store.jobs.add("sft", {"number": number})
    taken, ready = [], threading.Barrier(6)

    def work() -> None:
        ready.wait()
        if (job := store.jobs.take(at_once=3)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [1, 2, 3]
    store.jobs.stop(4)
    store.jobs.finish(1, error="it broke")
    assert store.jobs.take(at_once=3).id == 5
    assert [job.id for job in store.jobs.all(state="running")] == [5, 3, 2]
    assert store.jobs.get(1).error == "it broke"
    with pytest.raises(NotFoundError):
        store.jobs.get(99)


def test_a_job_that_was_stopped_stays_stopped_however_its_process_ends(store):
    store.jobs.add("sft", {})
    job = store.jobs.take()
    assert store.jobs.stop(job.id).state == "stopped"
    assert store.jobs.finish(job.id, error="killed").state == "stopped"


def test_a_job_is_taken_over_only_as_it_was_when_it_was_looked_at(store, clock):
    job = store.jobs.add("sft", {})
    seen = store.jobs.take(owner="a", host="north")
    assert (seen.owner, seen.host, seen.seen_at) == ("a", "north", clock.time)
    clock.forward(seconds=1)
    store.jobs.beat("a")
    assert store.jobs.claim(seen, "b") is None and store.jobs.give_up(seen, "silent") is None
    seen = store.jobs.get(job.id)
    assert store.jobs.claim(seen, "b").owner == "b"
    assert store.jobs.claim(seen, "c") is None, "two who saw the same cannot both have it"
    assert not store.jobs.note(job.id, owner="a", pid=7) and store.jobs.note(job.id, owner="b", pid=8)
    store.jobs.put_back(job.id, "a")
    store.jobs.let_go("a")
    found = store.jobs.get(job.id)
    assert (found.owner, found.pid, found.state) == ("b", 8, "running"), "who lost a job changes nothing about it"
    store.jobs.let_go("b")
    assert store.jobs.get(job.id).owner == ""


def test_what_a_job_took_is_in_the_usage_once_with_its_end_or_not_at_all(store):
    took = [Spent(kind="training", model="run/ppo", requests=1, tokens_in=1000, seconds=2.0, cost=3.0)]
    for number, state in ((1, "done"), (2, "stopped")):
        job = store.jobs.add("ppo", {})
        store.jobs.take(owner="a")
        if state == "stopped":
            store.jobs.stop(job.id)
        assert [each.id for each in store.jobs.open()] == [job.id], "its process may still run"
        with pytest.raises(InputError, match="negative or without end"):
            store.jobs.finish(job.id, took=[*took, Spent(model="x", tokens_in=-1)])
        assert store.usage.total().requests == number - 1 and store.jobs.get(job.id).settled_at is None
        ended = [store.jobs.finish(job.id, log="the end", took=took) for _ in range(2)]
        assert ended[0] == ended[1] and (ended[0].state, ended[0].log) == (state, "the end")
        assert store.jobs.open() == []
        assert (store.usage.total().requests, store.usage.total().cost) == (number, 3.0 * number)


def test_a_job_that_waits_is_settled_when_it_is_stopped_and_one_that_never_began_waits_again(store):
    first, second = (store.jobs.add("sft", {}, owner="a").id for _ in range(2))
    assert store.jobs.take(owner="b", among=[second]).id == second
    store.jobs.put_back(second, "b")
    found = store.jobs.get(second)
    assert (found.state, found.started_at, found.pid, found.host) == ("queued", None, None, "")
    assert store.jobs.stop(first).settled_at is not None
    assert [job.id for job in store.jobs.open()] == [second]
    assert store.jobs.take(owner="b", among=[]) is None and store.jobs.take(owner="b").id == second


def test_a_job_that_was_given_up_stays_open_until_its_machine_has_settled_it(store):
    store.jobs.add("sft", {})
    job = store.jobs.take(owner="a", host="north")
    lost = store.jobs.give_up(job, "nothing was heard of north")
    assert (lost.state, lost.owner, lost.settled_at) == ("failed", "", None)
    assert store.jobs.take(owner="b") is None and store.jobs.open() == [lost]
    back = store.jobs.claim(lost, "c")
    store.jobs.go_on(back.id, "c")
    assert store.jobs.get(back.id).state == "running"
    done = store.jobs.finish(back.id)
    assert (done.state, done.error) == ("done", "")


def test_a_promotion_can_be_rolled_back_step_by_step(store):
    for folder in ("runs/a", "runs/b"):
        store.promotions.promote("assistant", folder)
    store.promotions.promote("other", "runs/c")
    assert {model: kept.folder for model, kept in store.promotions.current().items()} == {
        "assistant": "runs/b",
        "other": "runs/c",
    }
    assert store.promotions.roll_back("assistant").folder == "runs/a"
    assert store.promotions.roll_back("assistant") is None
    with pytest.raises(NotFoundError, match="nothing was promoted to be 'assistant'"):
        store.promotions.roll_back("assistant")
    assert set(store.promotions.current()) == {"other"}
    assert [promotion.folder for promotion in store.promotions.all("assistant")] == ["runs/b", "runs/a"]
    with pytest.raises(InputError):
        store.promotions.promote(" ", "runs/a")


def test_a_blind_comparison_hides_the_models_and_counts_for_the_right_one(store):
    people = [store.people.add(name, None).id for name in ("Ada", "Bob")]
    pairs = [(PROMPT, f"good {number}", f"bad {number}") for number in range(12)]
    comparison = store.comparisons.start("b or a", "ppo", "sft", [*pairs, (PROMPT, "same", "same ")])
    sides = set()
    for person in people:
        while (pair := store.comparisons.next(comparison.id, person)) is not None:
            assert "ppo" not in repr(pair) and store.comparisons.next(comparison.id, person) == pair
            side = "left" if pair.left.startswith("good") else "right"
            sides.add(side)
            store.comparisons.vote(pair.pair_id, person, "right" if side == "left" else "left")
            store.comparisons.vote(pair.pair_id, person, side)
    assert sides == {"left", "right"}
    tally = store.comparisons.tally(comparison.id)
    assert (tally.pairs, tally.wins, tally.losses, tally.outcomes) == (12, 24, 0, (1.0,) * 24)
    assert len(set(tally.clusters)) == 12 and 0 < tally.left_share < 1


def test_ties_count_half_and_nobody_votes_on_what_they_were_not_shown_or_after_the_end(store):
    ada, bob = (store.people.add(name, None).id for name in ("Ada", "Bob"))
    comparison = store.comparisons.start("x", "a", "b", [(PROMPT, "1", "2"), (PROMPT, "3", "4")])
    first = store.comparisons.next(comparison.id, ada)
    store.comparisons.vote(first.pair_id, ada, "tie")
    second = store.comparisons.next(comparison.id, ada)
    store.comparisons.vote(second.pair_id, ada, "both_bad")
    assert store.comparisons.next(comparison.id, ada) is None
    with pytest.raises(NotFoundError):
        store.comparisons.vote(first.pair_id, bob, "left")
    with pytest.raises(InputError):
        store.comparisons.vote(first.pair_id, ada, "both")
    store.comparisons.close(comparison.id)
    assert store.comparisons.next(comparison.id, bob) is None
    with pytest.raises(ConflictError):
        store.comparisons.vote(first.pair_id, ada, "left")
    tally = store.comparisons.tally(comparison.id)
    assert (tally.outcomes, tally.ties, tally.both_bad, tally.left_share) == ((0.5, 0.5), 1, 1, None)
    with pytest.raises(InputError, match="nothing to compare"):
        store.comparisons.start("x", "a", "b", [(PROMPT, "1", "1")])
    assert [kept.name for kept in store.comparisons.all()] == ["x"]

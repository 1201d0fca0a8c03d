from __future__ import annotations

import random
import threading

import pytest

from chatwright.errors import ConflictError, InputError, NotFoundError
from chatwright.store.labelling import GOLD_EVERY, LEASE
from chatwright.store.outcomes import Outcome
from chatwright.store.tasks import NewTask, chat_tasks, demonstration_tasks, prompt_tasks, rank_tasks

PROMPT = [{"role": "user", "content": "Who?"}]
ANSWERS = ["A fox.", "A wolf.", "A bear.", "An owl."]


@pytest.fixture
def people(store):
    return [store.people.add(name, None, role="labeler").id for name in ("Ada", "Bob", "Cem")]


def ranking(number=0, **task):
    content = {"prompt": PROMPT, "answers": [f"{answer} {number}" for answer in ANSWERS], "models": ["secret"] * 4}
    return NewTask(kind="rank", content=content, source="secret", **task)


def test_what_is_handed_out_is_shuffled_and_tells_no_model(store, people):
    store.tasks.add([ranking()])
    task = store.labelling.next(people[0])
    assert sorted(task.answers) == sorted(f"{answer} 0" for answer in ANSWERS)
    assert "secret" not in repr(task) and task.messages == tuple(PROMPT)
    assert store.labelling.next(people[0]) == task, "a second look gives the same task in the same order"


def test_ranks_come_back_in_the_stored_order_whatever_order_was_shown(store, people):
    many = 16  # shuffled by real dice: few might all begin with the same answer
    store.tasks.add([ranking(number) for number in range(many)])
    orders = set()
    for number in range(many):
        task = store.labelling.next(people[0])
        best_first = sorted(task.answers)
        ranks = tuple(best_first.index(answer) + 1 for answer in task.answers)
        row = store.labelling.hand_in(people[0], task.task_id, Outcome(ranks=ranks), submission=str(number))
        content = row.content
        assert sorted(zip(content["ranks"], content["answers"], strict=True)) == list(enumerate(best_first, 1))
        assert tuple(content["answers"][place] for place in content["shown"]) == task.answers
        orders.add(task.answers[0][:5])
    assert len(orders) > 1
    assert store.labelling.next(people[0]) is None
    assert {task.state for task in store.tasks.all()} == {"closed"}


def test_a_task_goes_to_as_many_people_as_its_overlap_and_to_nobody_twice(store, people):
    store.tasks.add([ranking(overlap=2)])
    first, second = (store.labelling.next(person) for person in people[:2])
    assert first.task_id == second.task_id
    assert store.labelling.next(people[2]) is None
    store.labelling.hand_in(people[0], first.task_id, Outcome(ranks=(1, 2, 3, 4)), submission="a")
    assert store.labelling.next(people[0]) is None
    assert store.labelling.next(people[2]) is None
    store.labelling.hand_in(people[1], first.task_id, Outcome(ranks=(1, 1, 1, 1)), submission="a")
    (progress,) = (each for each in store.tasks.progress() if each.kind == "rank")
    assert (progress.tasks, progress.open, progress.judgements, progress.wanted, progress.held) == (1, 0, 2, 2, 0)


def test_nobody_judges_their_own_text(store, people):
    store.tasks.add([ranking(author_id=people[0])])
    assert store.labelling.next(people[0]) is None
    assert store.labelling.next(people[1]) is not None


def test_a_lease_that_ends_goes_to_somebody_else_and_the_draft_stays(store, people, clock):
    store.tasks.add([ranking()])
    task = store.labelling.next(people[0])
    store.labelling.renew(people[0], task.task_id, draft={"ranks": [4, 3, 2, 1]})
    clock.forward(minutes=20)
    store.labelling.renew(people[0], task.task_id)
    clock.forward(minutes=20)
    assert store.labelling.next(people[1]) is None, "renewed leases last"
    clock.forward(minutes=20)
    assert store.labelling.next(people[1]).task_id == task.task_id
    for act in (
        lambda: store.labelling.renew(people[0], task.task_id, draft={"ranks": [1, 2, 3, 4]}),
        lambda: store.labelling.hand_in(people[0], task.task_id, Outcome(ranks=(1, 2, 3, 4)), submission="a"),
    ):
        with pytest.raises(ConflictError, match="has ended and others do it now"):
            act()
    assert store.feedback.rows() == []
    clock.forward(minutes=40)
    again = store.labelling.next(people[0])
    assert (again.task_id, again.answers, again.draft) == (task.task_id, task.answers, {"ranks": [1, 2, 3, 4]})


def test_whoever_is_late_may_still_hand_in_while_nobody_else_holds_the_task(store, people, clock):
    store.tasks.add([ranking(), ranking(1)])
    task = store.labelling.next(people[0])
    clock.forward(seconds=LEASE.total_seconds() + 1)
    store.labelling.hand_in(people[0], task.task_id, Outcome(all_bad=True), submission="a")
    assert store.labelling.next(people[1]).task_id != task.task_id


def test_handing_in_twice_is_handing_in_once(store, people):
    store.tasks.add([ranking(overlap=3), ranking(1)])
    task = store.labelling.next(people[0])
    first = store.labelling.hand_in(people[0], task.task_id, Outcome(all_bad=True), submission="a")
    assert store.labelling.hand_in(people[0], task.task_id, Outcome(all_bad=True), submission="a") == first
    with pytest.raises(ConflictError, match="handed in or passed on already"):
        store.labelling.hand_in(people[0], task.task_id, Outcome(all_bad=True), submission="b")
    other = store.labelling.next(people[0])
    with pytest.raises(ConflictError, match="used for another task"):
        store.labelling.hand_in(people[0], other.task_id, Outcome(all_bad=True), submission="a")
    assert store.tasks.get(task.task_id).done == 1


def test_who_cannot_judge_or_skips_or_flags_frees_the_task_for_others(store, people):
    store.tasks.add([ranking()])
    task = store.labelling.next(people[0]).task_id
    row = store.labelling.hand_in(people[0], task, Outcome(cannot_judge=True), submission="a")
    assert row.content["verdict"] == "cannot_judge" and "ranks" not in row.content
    assert store.labelling.next(people[0]) is None
    assert store.labelling.next(people[1]).task_id == task
    store.labelling.skip(people[1], task, reason="too long")
    store.labelling.skip(people[1], task)
    assert store.labelling.next(people[1]) is None
    assert store.labelling.next(people[2]).task_id == task
    flag = store.labelling.hand_in(people[2], task, Outcome(flagged="names a person"), submission="a")
    assert (flag.kind, flag.content["reason"]) == ("flag", "names a person")
    assert store.tasks.get(task).state == "open"


def test_undo_gives_the_task_back_with_what_was_said(store, people, clock):
    store.tasks.add([NewTask(kind="rate_chat", content={"messages": [*PROMPT, {"role": "assistant", "content": "x"}]})])
    task = store.labelling.next(people[0]).task_id
    row = store.labelling.hand_in(people[0], task, Outcome(good=False), submission="a")
    assert store.tasks.get(task).state == "closed"
    again = store.labelling.undo(people[0])
    assert (again.task_id, again.draft) == (task, {"good": False})
    assert store.feedback.get(row.id).state == "removed"
    assert (store.tasks.get(task).state, store.tasks.get(task).done) == ("open", 0)
    with pytest.raises(NotFoundError, match="nothing to undo"):
        store.labelling.undo(people[0])
    row = store.labelling.hand_in(people[0], task, Outcome(good=True), submission="b")
    store.feedback.mark_trained([row.id], "runs/sft")
    with pytest.raises(ConflictError, match="runs/sft has learned from that"):
        store.labelling.undo(people[0])


def test_a_skipped_task_comes_back_by_undo_unless_somebody_else_took_it(store, people):
    store.tasks.add([ranking()])
    task = store.labelling.next(people[0]).task_id
    store.labelling.skip(people[0], task)
    assert store.labelling.undo(people[0]).task_id == task
    store.labelling.skip(people[0], task)
    store.labelling.next(people[1])
    with pytest.raises(ConflictError):
        store.labelling.undo(people[0])


def test_every_so_often_comes_a_task_whose_answer_is_known(store, people, clock):
    store.tasks.add([ranking(number) for number in range(30)])
    store.tasks.add([ranking(100 + number, gold={"ranks": [1, 2, 3, 4]}, overlap=99) for number in range(3)])
    kinds = []
    for number in range(2 * GOLD_EVERY):
        clock.forward(seconds=20)
        task = store.labelling.next(people[0])
        kinds.append(store.tasks.get(task.task_id).gold is not None)
        store.labelling.hand_in(people[0], task.task_id, Outcome(all_bad=True), submission=str(number))
    assert [place for place, is_gold in enumerate(kinds, 1) if is_gold] == [GOLD_EVERY, 2 * GOLD_EVERY]


def test_prompts_are_asked_for_where_there_are_fewest(store, people):
    store.tasks.add(prompt_tasks({"chat": "Ask anything.", "rewrite": "Ask to rewrite."}, each=3))
    asked = []
    for number in range(6):
        task = store.labelling.next(people[0], ["prompt"])
        asked.append(task.category)
        store.labelling.hand_in(people[0], task.task_id, Outcome(text=f"Prompt {number}"), submission=str(number))
    assert asked == ["chat", "rewrite"] * 3
    coverage = store.tasks.coverage()
    assert (coverage["chat"], coverage["rewrite"], coverage["extract"]) == (3, 3, 0)


def test_every_kind_of_task_becomes_its_kind_of_row(store, people):
    rate = NewTask(kind="rate_answer", content={"prompt": PROMPT, "answers": ["x"], "models": ["sft"]})
    store.tasks.add([*demonstration_tasks([(PROMPT, {"category": "chat"})]), rate])
    task = store.labelling.next(people[0], ["demonstration"])
    for empty in (Outcome(), Outcome(text=" \n")):
        with pytest.raises(InputError, match="nothing written"):
            store.labelling.hand_in(people[0], task.task_id, empty, submission="a")
    row = store.labelling.hand_in(people[0], task.task_id, Outcome(text=" A fox.\r\n"), submission="a")
    assert row.content == {"messages": [*PROMPT, {"role": "assistant", "content": "A fox."}]}
    assert (row.kind, row.category, row.origin) == ("demonstration", "chat", "task")
    task = store.labelling.next(people[0], ["rate_answer"])
    for wrong in (Outcome(rating=0), Outcome(rating=8), Outcome(), Outcome(rating=3, flags=("ugly",))):
        with pytest.raises(InputError):
            store.labelling.hand_in(people[0], task.task_id, wrong, submission="b")
    outcome = Outcome(rating=6, flags=("hallucination",), comment="nearly")
    row = store.labelling.hand_in(people[0], task.task_id, outcome, submission="b")
    assert row.content == {
        "prompt": PROMPT, "answer": "x", "rating": 6, "flags": ["hallucination"], "comment": "nearly",
    }  # fmt: skip
    assert (row.score, row.model) == (6.0, "sft")


@pytest.mark.parametrize("ranks", [(1, 2, 3), (0, 1, 2, 3), (1, 2, 3, 5)])
def test_ranks_that_do_not_fit_the_answers_are_refused(store, people, ranks):
    store.tasks.add([ranking()])
    task = store.labelling.next(people[0])
    with pytest.raises(InputError, match="give each a rank from 1 to 4"):
        store.labelling.hand_in(people[0], task.task_id, Outcome(ranks=ranks), submission="a")


def test_time_on_task_is_never_longer_than_the_task_was_held(store, people, clock):
    store.tasks.add([ranking(number) for number in range(3)])
    for told, kept in ((20.0, 20.0), (1e9, 60.0), (None, 60.0)):
        task = store.labelling.next(people[0])
        clock.forward(minutes=1)
        outcome = Outcome(all_bad=True)
        assert (
            store.labelling.hand_in(people[0], task.task_id, outcome, submission=str(told), seconds=told).seconds
            == kept
        )


def test_filling_the_queue_twice_fills_it_once_and_a_bad_task_fills_nothing(store):
    lines = [{"prompt": PROMPT, "answers": ANSWERS, "source": "sft", "facts": {"kind": "fact"}, "ranks": [1, 2, 3, 4]}]
    assert store.tasks.add(rank_tasks(lines, overlap=2)) == (1, 0)
    assert store.tasks.add(rank_tasks(lines)) == (0, 1)
    (task,) = store.tasks.all()
    assert (task.category, task.overlap, task.content["models"]) == ("fact", 2, ["sft"] * 4)
    twice = ranking()
    twice.content["answers"][1] = twice.content["answers"][0]
    bad = [twice, NewTask(kind="dance", content={}), ranking(1, overlap=0), ranking(2, gold={"ranks": [1]})]
    bad.append(NewTask(kind="demonstration", content={"prompt": [*PROMPT, {"role": "assistant", "content": "x"}]}))
    for task in bad:
        with pytest.raises(InputError):
            store.tasks.add([ranking(5), task])
    assert len(store.tasks.all()) == 1
    assert store.tasks.set_state([1], closed=True) == 1 and store.tasks.all(state="open") == []


def test_chats_become_tasks_only_with_consent_never_for_their_owner_and_go_with_the_chat(store, people):
    for consent in (True, False):
        chat = store.chats.start(people[0], consent=consent, system="Be brief.")
        question = store.chats.say(people[0], chat.id, "user", f"Who? {consent}")
        store.chats.say(people[0], chat.id, "assistant", "A fox.", parent_id=question.id, model="sft")
    found = store.chats.consented()
    assert store.tasks.add(chat_tasks(found, "demonstration") + chat_tasks(found, "rate_chat")) == (2, 0)
    assert store.labelling.next(people[0]) is None
    task = store.labelling.next(people[1], ["demonstration"])
    assert [message["content"] for message in task.messages] == ["Be brief.", "Who? True"]
    task = store.labelling.next(people[1], ["rate_chat"])
    assert task.messages[-1]["content"] == "A fox."
    assert store.labelling.hand_in(people[1], task.task_id, Outcome(good=True), submission="a").model == "sft"
    store.chats.delete(people[0], 1)
    assert store.tasks.all() == []
    with pytest.raises(NotFoundError):
        store.labelling.renew(people[1], task.task_id)


def test_two_labelers_never_hold_one_lease(store):
    store.tasks.add([ranking(number, overlap=1 + number % 2) for number in range(12)])
    people = [store.people.add(f"person {number}", None, role="labeler").id for number in range(8)]
    barrier, given, errors = threading.Barrier(len(people)), [], []

    def work(person: int) -> None:
        rng = random.Random(person)
        barrier.wait()
        try:
            while (task := store.labelling.next(person)) is not None:
                given.append((task.task_id, person))
                if rng.random() < 0.2:
                    store.labelling.skip(person, task.task_id)
                else:
                    outcome = Outcome(all_bad=True)
                    store.labelling.hand_in(person, task.task_id, outcome, submission=str(task.task_id))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for name in ("late", "last"):  # what was skipped when most had gone home
        person = store.people.add(name, None, role="labeler").id
        while (task := store.labelling.next(person)) is not None:
            given.append((task.task_id, person))
            store.labelling.hand_in(person, task.task_id, Outcome(all_bad=True), submission=str(task.task_id))
    assert len(given) == len(set(given)), "nobody gets a task twice"
    rows = [row.task_id for row in store.feedback.rows()]
    for task in store.tasks.all():
        assert rows.count(task.id) == task.done == task.overlap

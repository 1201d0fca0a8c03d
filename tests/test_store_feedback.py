from __future__ import annotations

import pytest

from chatwright.errors import ConflictError, InputError, NotFoundError, ThrottledError
from chatwright.store.feedback import NewRow
from chatwright.store.outcomes import Outcome
from chatwright.store.tasks import chat_tasks

PROMPT = [{"role": "user", "content": "Who?"}]


@pytest.fixture
def ada(store):
    return store.people.add("Ada", None, role="labeler").id


@pytest.fixture
def kim(store):
    return store.people.add("Kim", None, role="chatter").id


def chat_with_drafts(store, person, *answers, **chat):
    """A chat with one question and several answers to it: the chat, and the answers' numbers."""
    chat = store.chats.start(person, **chat)
    question = store.chats.say(person, chat.id, "user", "Who?")
    said = [
        store.chats.say(person, chat.id, "assistant", answer, parent_id=question.id, model=f"m{number}")
        for number, answer in enumerate(answers)
    ]
    return chat.id, [message.id for message in said]


def test_a_thumb_holds_what_was_judged_and_a_later_one_takes_its_place(store, ada):
    chat, (answer,) = chat_with_drafts(store, ada, "A fox.", system="Be brief.", consent=True)
    up = store.judging.thumb(ada, chat, answer, up=True, reasons=["correct", "correct"], comment=" good ")
    assert up.content == {
        "prompt": [{"role": "system", "content": "Be brief."}, *PROMPT],
        "answer": "A fox.",
        "up": True,
        "reasons": ["correct"],
        "comment": "good",
    }
    assert (up.model, up.score, up.state, up.consent, up.role, up.labeler) == (
        "m0", 1.0, "approved", True, "labeler", f"person-{ada}",
    )  # fmt: skip
    down = store.judging.thumb(ada, chat, answer, up=False)
    assert [row.id for row in store.feedback.rows()] == [down.id]
    assert store.feedback.get(up.id).content == {}
    (day,) = store.feedback.thumbs()
    assert (day.model, day.up, day.down, day.day.isoformat()) == ("m0", 0, 1, "2026-01-31")
    store.judging.take_back_thumb(ada, answer)
    assert store.feedback.rows() == store.feedback.thumbs() == []
    with pytest.raises(NotFoundError):
        store.judging.take_back_thumb(ada, answer)


def test_an_old_thumb_that_arrives_again_does_not_come_back(store, ada):
    chat, (answer,) = chat_with_drafts(store, ada, "A fox.", consent=True)
    first = store.judging.thumb(ada, chat, answer, up=True, submission="a")
    second = store.judging.thumb(ada, chat, answer, up=False, submission="b")
    assert store.judging.thumb(ada, chat, answer, up=True, submission="a").id == first.id
    assert store.judging.thumb(ada, chat, answer, up=False, submission="b") == second
    assert [row.content["up"] for row in store.feedback.rows()] == [False]
    with pytest.raises(ConflictError):
        store.judging.thumb(ada, chat, answer, up=False, comment="else", submission="b")


def test_without_consent_a_thumb_is_counted_and_never_trained_on(store, ada):
    chat, (answer,) = chat_with_drafts(store, ada, "A fox.")
    store.judging.thumb(ada, chat, answer, up=True)
    assert store.feedback.rows() == []
    assert store.feedback.thumbs()[0].up == 1
    store.chats.change(ada, chat, consent=True)
    assert len(store.feedback.rows()) == 1
    store.chats.change(ada, chat, consent=False)
    assert store.feedback.rows() == []


def test_deleting_a_chat_empties_what_was_judged_in_it_without_consent(store, ada):
    kept, (one,) = chat_with_drafts(store, ada, "A fox.", consent=True)
    gone, (other,) = chat_with_drafts(store, ada, "A wolf.")
    rows = [store.judging.thumb(ada, chat, answer, up=True) for chat, answer in ((kept, one), (gone, other))]
    store.chats.delete(ada, kept)
    store.chats.delete(ada, gone)
    assert [store.feedback.get(row.id).state for row in rows] == ["approved", "removed"]
    assert store.feedback.get(rows[0].id).content["answer"] == "A fox."


def test_a_chosen_draft_is_ranked_before_the_others_and_opens(store, ada):
    chat, answers = chat_with_drafts(store, ada, "A fox.", "A wolf.", "A bear.", consent=True)
    row = store.judging.choose(ada, chat, answers[1], answers)
    assert row.content["answers"] == ["A fox.", "A wolf.", "A bear."]
    assert (row.content["ranks"], row.content["models"], row.model) == ([2, 1, 2], ["m0", "m1", "m2"], "m1")
    assert store.chats.get(ada, chat).tip_id == answers[1]
    store.judging.choose(ada, chat, answers[0], answers)
    assert [row.content["ranks"] for row in store.feedback.rows(kinds=["choice"])] == [[1, 2, 2]]
    chat, answers = chat_with_drafts(store, ada, "A fox.", "A wolf.", "A fox.", consent=True)
    assert store.judging.choose(ada, chat, answers[2], answers).content["ranks"] == [1, 2, 1], "one text, one rank"
    for among in ([answers[0]], [answers[1], answers[2]], [answers[0], answers[0]]):
        with pytest.raises(InputError, match="2 to 4 answers"):
            store.judging.choose(ada, chat, answers[0], among)


def test_a_whole_chat_is_rated_along_its_open_branch(store, ada):
    chat, answers = chat_with_drafts(store, ada, "A fox.", "A wolf.", consent=True)
    store.chats.say(ada, chat, "user", "Why?", parent_id=answers[1])
    row = store.judging.rate_chat(ada, chat, good=True)
    assert [message["content"] for message in row.content["messages"]] == ["Who?", "A wolf."]
    empty = store.chats.start(ada)
    with pytest.raises(InputError, match="no answer"):
        store.judging.rate_chat(ada, empty.id, good=True)


def test_only_answers_in_ones_own_chats_can_be_judged(store, ada, kim):
    chat, (answer,) = chat_with_drafts(store, ada, "A fox.")
    with pytest.raises(NotFoundError):
        store.judging.thumb(kim, chat, answer, up=True)
    with pytest.raises(InputError, match="only answers"):
        store.judging.thumb(ada, chat, answer - 1, up=True)


def test_rows_of_chatters_wait_until_somebody_approves_them(store, ada, kim):
    row = store.feedback.add(kim, NewRow(kind="prompt", content={"prompt": PROMPT}))
    other = store.feedback.add(kim, NewRow(kind="prompt", content={"prompt": PROMPT}))
    assert row.state == "waiting" and store.feedback.rows() == []
    assert store.feedback.decide([row.id], approve=True, by=ada) == 1
    assert store.feedback.decide([row.id], approve=True, by=ada) == 0
    assert store.feedback.decide([other.id], approve=False, by=ada) == 1
    assert [(kept.id, kept.decided_by) for kept in store.feedback.rows()] == [(row.id, ada)]
    assert store.feedback.counts() == {"prompt": {"approved": 1, "rejected": 1}}


def test_nobody_gives_more_than_their_daily_cap(store, kim, clock):
    store.settings.set("daily_caps", {"chatter": 2})
    row = NewRow(kind="prompt", content={"prompt": PROMPT})
    store.feedback.add(kim, row, submission="1")
    store.feedback.add(kim, row, submission="2")
    with pytest.raises(ThrottledError, match="last of 2 judgements") as throttled:
        store.feedback.add(kim, row)
    assert throttled.value.retry_after == 1800
    assert store.feedback.add(kim, row, submission="2").id == 2, "what was taken before is acknowledged again"
    clock.forward(minutes=30)
    store.feedback.add(kim, row)
    with pytest.raises(InputError, match="setting daily_caps must be"):
        store.settings.set("daily_caps", {"chatter": 0})


def test_removed_rows_are_empty_and_the_runs_that_learned_from_them_stay_known(store, ada):
    rows = [store.feedback.add(ada, NewRow(kind="prompt", content={"prompt": PROMPT})).id for _ in range(3)]
    store.feedback.mark_trained(rows[:2], "runs/reward")
    store.feedback.mark_trained(rows[:2], "runs/reward")
    store.feedback.mark_trained(rows[1:], "runs/ppo")
    assert store.feedback.get(rows[1]).trained_on == ("runs/ppo", "runs/reward")
    assert store.feedback.remove([rows[1]]).runs == ("runs/ppo", "runs/reward")
    assert store.feedback.remove([rows[1], 99]).rows == 0
    assert store.feedback.get(rows[1]).content == {}
    assert store.feedback.runs() == {"runs/ppo": (2, 1), "runs/reward": (2, 1)}
    assert [row.id for row in store.feedback.rows()] == [rows[0], rows[2]]


def test_importing_a_file_twice_adds_nothing(store):
    rows = [
        NewRow(kind="ranking", labeler=labeler, content={"prompt": PROMPT, "answers": ["a", "b"], "ranks": [1, 2]})
        for labeler in ("mia", "tom", "mia")
    ]
    assert store.feedback.add_imported(rows) == (2, 1)
    assert store.feedback.add_imported(rows) == (0, 3)
    assert [(row.labeler, row.origin, row.person_id) for row in store.feedback.rows()] == [
        ("mia", "import", None),
        ("tom", "import", None),
    ]


def test_a_thousand_rows_are_imported_and_read_with_few_queries(store):
    store.feedback.add_imported(NewRow(kind="prompt", content={"prompt": number}) for number in range(1001))
    store.feedback.mark_trained(range(1, 1001), "runs/a")
    import sqlalchemy as sa

    statements = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    rows = store.feedback.rows()
    assert [row.content["prompt"] for row in rows] == list(range(1001))
    assert rows[999].trained_on == ("runs/a",) and rows[1000].trained_on == ()
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 2


def test_personal_data_can_be_taken_along_and_deleted(store, ada, kim):
    chat, (answer,) = chat_with_drafts(store, kim, "A fox.", consent=True)
    row = store.judging.thumb(kim, chat, answer, up=True)
    other = store.feedback.add(ada, NewRow(kind="prompt", content={"prompt": PROMPT}))
    key, secret = store.keys.add("mine", person_id=kim)
    store.usage.record("sft", tokens_in=1, tokens_out=2, person_id=kim, key_id=key.id)
    store.feedback.mark_trained([row.id, other.id], "runs/reward")
    data = store.personal.export(kim)
    assert data["person"]["name"] == "Kim" and data["chats"][0]["tree"][1]["content"] == "A fox."
    assert [entry["trained_on"] for entry in data["feedback"]] == [["runs/reward"]]
    assert data["keys"][0]["name"] == "mine" and "secret_hash" not in data["keys"][0]
    assert data["usage"][0]["tokens_out"] == 2
    assert store.personal.trained_runs(kim) == ["runs/reward"]
    deletion = store.personal.delete(kim)
    assert (deletion.chats, deletion.feedback, deletion.runs) == (1, 1, ("runs/reward",))
    assert store.keys.find(secret) is None
    assert store.feedback.get(row.id).content == {} and store.feedback.get(row.id).person_id is None
    assert store.feedback.get(other.id).content == {"prompt": PROMPT}
    assert store.usage.total().tokens == 3
    with pytest.raises(NotFoundError):
        store.personal.export(kim)


def test_what_others_judged_of_somebodys_words_goes_with_them_even_after_the_chat(store, ada, kim):
    chat, _ = chat_with_drafts(store, kim, "my secret words", consent=True)
    store.tasks.add(chat_tasks(store.chats.consented(), "rate_chat"))
    task = store.labelling.next(ada, ["rate_chat"])
    row = store.labelling.hand_in(ada, task.task_id, Outcome(good=True), submission="a")
    assert "my secret words" in str(store.feedback.get(row.id).content)
    store.chats.delete(kim, chat)
    assert store.feedback.get(row.id).state == "approved", "a chat that may be learned from may be deleted"
    deletion = store.personal.delete(kim)
    assert deletion.feedback == 1
    assert store.feedback.get(row.id).state == "removed" and store.feedback.get(row.id).content == {}


def test_unknown_settings_and_values_without_sense_are_refused(store):
    assert store.settings.all() == {
        "retention_days": None,
        "daily_caps": {},
        "training_caps": {},
        "training_share": None,
        "guidelines": "",
    }
    store.settings.set("retention_days", 30)
    store.settings.set("retention_days", 31)
    assert store.settings.get("retention_days") == 31
    store.settings.set("retention_days", None)
    assert store.settings.get("retention_days") is None
    for name, value in (("retention_days", 0), ("guidelines", 3), ("colour", "red")):
        with pytest.raises(InputError):
            store.settings.set(name, value)

from __future__ import annotations

import json

import pytest

from chatwright.errors import ConflictError, InputError, NotFoundError
from chatwright.store.transcript import to_json, to_markdown
from chatwright.text.files import open_files
from chatwright.text.records import conversation_in
from chatwright.text.rows import rows_of


@pytest.fixture
def ada(store):
    return store.people.add("Ada", None).id


@pytest.fixture
def bob(store):
    return store.people.add("Bob", None, role="admin").id


def talk(store, person, *contents, **chat):
    """A chat of one branch, and its messages."""
    chat = store.chats.start(person, **chat)
    parent, said = None, []
    for number, content in enumerate(contents):
        said.append(store.chats.say(person, chat.id, ("user", "assistant")[number % 2], content, parent_id=parent))
        parent = said[-1].id
    return store.chats.get(person, chat.id), said


def test_another_answer_and_an_edited_question_are_siblings_and_nothing_is_overwritten(store, ada):
    chat, (question, answer) = talk(store, ada, "Who?", "A fox.")
    again = store.chats.say(ada, chat.id, "assistant", "A wolf.", parent_id=question.id)
    more = store.chats.say(ada, chat.id, "user", "Why?", parent_id=again.id)
    edited = store.chats.say(ada, chat.id, "user", "Who was it?")
    contents = [message.content for message in store.chats.branch(ada, chat.id)]
    assert contents == ["Who was it?"]
    store.chats.change(ada, chat.id, tip_id=question.id)  # opens the newest branch under it
    assert [message.id for message in store.chats.branch(ada, chat.id)] == [question.id, again.id, more.id]
    store.chats.change(ada, chat.id, tip_id=answer.id)
    assert store.chats.get(ada, chat.id).tip_id == answer.id
    tree = store.chats.messages(ada, chat.id)
    assert [message.parent_id for message in tree] == [None, question.id, question.id, again.id, None]
    assert tree[-1].id == edited.id


def test_a_message_sent_twice_is_there_once(store, ada):
    chat, _ = talk(store, ada)
    first = store.chats.say(ada, chat.id, "user", "Hello", submission="s1")
    assert store.chats.say(ada, chat.id, "user", "Hello", submission="s1") == first
    with pytest.raises(ConflictError, match="'s1' was used for another message"):
        store.chats.say(ada, chat.id, "user", "Bye", submission="s1")
    assert len(store.chats.messages(ada, chat.id)) == 1


@pytest.mark.parametrize("role, parent", [("assistant", None), ("user", 0), ("system", None), ("assistant", 999)])
def test_turns_that_do_not_alternate_and_strange_parents_are_refused(store, ada, role, parent):
    chat, said = talk(store, ada, "Hello")
    with pytest.raises(InputError):
        store.chats.say(ada, chat.id, role, "x", parent_id=said[parent].id if parent == 0 else parent)
    assert store.chats.messages(ada, chat.id) == said


def test_a_parent_from_another_chat_is_refused(store, ada):
    _, (elsewhere,) = talk(store, ada, "Hello")
    chat, _ = talk(store, ada)
    with pytest.raises(NotFoundError):
        store.chats.say(ada, chat.id, "assistant", "x", parent_id=elsewhere.id)


def test_nobody_reads_the_chats_of_others_and_admins_only_what_is_shared(store, ada, bob):
    chat, _ = talk(store, ada, "a secret")
    for look in (store.chats.get, store.chats.messages, store.chats.branch, store.chats.delete, store.chats.change):
        with pytest.raises(NotFoundError):
            look(bob, chat.id)
    with pytest.raises(NotFoundError):
        store.chats.get(bob, chat.id, as_admin=True)
    assert store.chats.search(bob, "secret") == store.chats.shared() == []
    store.chats.change(ada, chat.id, shared=True)
    assert store.chats.get(bob, chat.id, as_admin=True).title == "a secret"
    assert [shared.id for shared in store.chats.shared()] == [chat.id]
    with pytest.raises(NotFoundError):
        store.chats.get(bob, chat.id)


def test_search_is_blind_to_case_in_every_language_and_takes_signs_as_they_are(store, ada, bob):
    one, (said, _) = talk(store, ada, "Die STRASSE ist 100% naß, _wirklich_", "Ja", title="Wetter")
    two, _ = talk(store, ada, "Nothing here", title="Große Straße")
    talk(store, bob, "Straße")
    find = lambda words: [found.chat.id for found in store.chats.search(ada, words)]  # noqa: E731
    assert find("straße") == find("STRASSE") == [two.id, one.id]
    assert find("nass 100% _wirk") == [one.id]
    assert find("10%0") == find("straße nothing") == find("") == find("  ") == find("x_y") == []
    found = store.chats.search(ada, "ist")[0]
    assert (found.message_id, found.excerpt) == (said.id, said.content)


def test_chats_come_newest_change_first_page_by_page(store, ada, clock):
    made = [talk(store, ada, str(number))[0] for number in range(5)]
    clock.forward(minutes=1)
    store.chats.say(ada, made[1].id, "assistant", "x", parent_id=store.chats.get(ada, made[1].id).tip_id)
    order = [made[number].id for number in (1, 4, 3, 2, 0)]
    first = store.chats.all(ada, limit=2)
    second = store.chats.all(ada, limit=2, before=first[-1])
    third = store.chats.all(ada, limit=2, before=second[-1])
    assert [chat.id for chat in (*first, *second, *third)] == order


def test_a_chat_is_named_after_its_first_question_until_somebody_renames_it(store, ada):
    chat, (question,) = talk(store, ada, "  How  many\nfoxes? ")
    assert chat.title == "How many foxes?"
    store.chats.change(ada, chat.id, title="Foxes", system="Be brief.", sampling={"temperature": 0.0})
    store.chats.say(ada, chat.id, "assistant", "Two.", parent_id=question.id)
    changed = store.chats.get(ada, chat.id)
    assert (changed.title, changed.system, changed.sampling) == ("Foxes", "Be brief.", {"temperature": 0.0})


def test_an_exported_chat_can_be_read_by_people_and_by_training(store, ada, tmp_path):
    chat, (question, _) = talk(store, ada, "Who?", "`A` fox.", system="Be brief.", model="sft")
    store.chats.say(ada, chat.id, "assistant", "A wolf.", parent_id=question.id, opens=False)
    tree = store.chats.messages(ada, chat.id)
    markdown = to_markdown(chat, tree)
    assert "## System\n\nBe brief.\n\n## User\n\nWho?\n\n## Assistant\n\n`A` fox.\n" in markdown
    path = tmp_path / "chat.json"
    path.write_text(to_json(chat, tree), encoding="utf-8")
    assert len(json.loads(path.read_text())["tree"]) == 3
    (row,) = (row for file in open_files(str(path)) for row in rows_of(file))
    assert [message.content for message in conversation_in(row).messages] == ["Be brief.", "Who?", "`A` fox."]


def test_retention_deletes_old_chats_with_their_messages(store, ada, clock):
    old, _ = talk(store, ada, "old")
    clock.forward(days=10)
    new, _ = talk(store, ada, "new")
    assert store.chats.purge(clock.time) == 1
    assert [chat.id for chat in store.chats.all(ada)] == [new.id]
    with pytest.raises(NotFoundError):
        store.chats.messages(ada, old.id)
    with store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM messages").scalar() == 1


def test_characters_that_a_database_cannot_hold_do_no_harm(store, ada):
    chat, (said,) = talk(store, ada, "a\x00b\ud800c\U0001f98a", sampling={"stop": ["\x00"]})
    assert said.content == "a\ufffdb\ufffdc\U0001f98a"
    assert store.chats.get(ada, chat.id).sampling == {"stop": ["\ufffd"]}

from __future__ import annotations

import threading

import pytest

from chatwright.errors import ConflictError, ForbiddenError, InputError, NotFoundError, ThrottledError
from chatwright.store import open_store
from chatwright.store.people import SESSION_TIME

PASSWORD = "correct horse battery"


def test_the_first_link_makes_one_admin_and_only_while_there_is_none(store, clock):
    first = store.people.first_admin_link()
    second = store.people.first_admin_link()
    with pytest.raises(ForbiddenError, match="used, has expired or never existed"):
        store.people.join(first, "Eve", PASSWORD)
    clock.forward(hours=25)
    assert store.people.invited(second) is None
    third = store.people.first_admin_link()
    ada = store.people.join(third, "Ada  Lovelace", PASSWORD, language="de")
    assert (ada.name, ada.role, ada.language) == ("Ada Lovelace", "admin", "de")
    assert store.people.first_admin_link() is None
    with pytest.raises(ForbiddenError):
        store.people.join(third, "Bob", PASSWORD)


def test_of_two_first_admins_at_once_one_takes_over_what_this_computer_did_and_nothing_stays_behind(store):
    tokens = [store.people.invite("admin")[1] for _ in range(2)]
    number, barrier, seen = store.people.local().id, threading.Barrier(5), []

    def join(token: str, name: str) -> None:
        barrier.wait()
        store.people.join(token, name, PASSWORD)

    def look() -> None:
        barrier.wait()
        seen.extend(store.people.local() for _ in range(20))

    threads = [threading.Thread(target=join, args=each) for each in zip(tokens, ("Ada", "Bo"), strict=True)]
    threads += [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = store.people.all()
    assert (first.id, {first.name, second.name}) == (number, {"Ada", "Bo"}) and second.id != number
    assert {first.role, second.role} == {"admin"}
    assert {found.id for found in seen if found is not None} <= {number} and store.people.local() is None


def test_only_an_admins_first_account_takes_over_what_this_computer_did(store):
    own = store.people.local()
    mia = store.people.join(store.people.invite("labeler")[1], "Mia", PASSWORD)
    ada = store.people.join(store.people.invite("admin")[1], "Ada", PASSWORD)
    assert len({own.id, mia.id, ada.id}) == 3
    with pytest.raises(ConflictError, match="is taken"):
        store.people.join(store.people.invite("admin")[1], " THIS computer", PASSWORD)


def test_an_invitation_lets_in_one_person_even_if_many_use_it_at_once(store):
    ada = store.people.add("Ada", PASSWORD, role="admin")
    invite, token = store.people.invite("labeler", created_by=ada.id, note="for Mia")
    assert store.people.invited(token) == invite
    barrier, ends = threading.Barrier(6), []

    def join(number: int) -> None:
        barrier.wait()
        try:
            ends.append(store.people.join(token, f"person {number}", PASSWORD).role)
        except ForbiddenError:
            ends.append("refused")

    threads = [threading.Thread(target=join, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["labeler"] + ["refused"] * 5
    assert [person.role for person in store.people.all()] == ["admin", "labeler"]
    assert store.people.invites()[0].used_by == store.people.all()[1].id


def test_a_revoked_invitation_lets_nobody_in(store):
    invite, token = store.people.invite("chatter")
    store.people.revoke_invite(invite.id)
    with pytest.raises(ForbiddenError):
        store.people.join(token, "Ada", PASSWORD)
    with pytest.raises(NotFoundError):
        store.people.revoke_invite(invite.id)


def test_names_are_taken_whatever_their_case(store):
    store.people.add("Jürgen Groß", PASSWORD)
    with pytest.raises(ConflictError, match="is taken"):
        store.people.add("JÜRGEN  GROSS", PASSWORD)
    for name, password in (("", PASSWORD), ("a\u202eb", PASSWORD), ("Ada", "short")):
        with pytest.raises(InputError):
            store.people.add(name, password)
    assert len(store.people.all()) == 1


def test_a_session_lasts_until_log_out_or_its_end_and_neither_it_nor_the_password_is_kept_readable(store, clock):
    ada = store.people.add("Ada", PASSWORD)
    person, token = store.people.log_in("ada", PASSWORD)
    _, other = store.people.log_in("ADA", PASSWORD)
    assert person == ada == store.people.by_session(token)
    assert store.people.by_session("x") is None
    store.people.log_out(token)
    assert store.people.by_session(token) is None
    assert store.people.by_session(other) == ada
    with store.database.reading() as connection:
        kept = [connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in ("people", "sessions")]
    assert PASSWORD not in str(kept) and token not in str(kept) and other not in str(kept)
    assert "$argon2id$" in str(kept)
    clock.time += SESSION_TIME
    assert store.people.by_session(other) is None


def test_disabling_somebody_or_a_new_password_ends_their_sessions(store):
    store.people.add("Root", PASSWORD, role="admin")
    ada = store.people.add("Ada", PASSWORD)
    _, token = store.people.log_in("Ada", PASSWORD)
    with pytest.raises(ForbiddenError, match="old password"):
        store.people.change_password(ada.id, old="no such password", new="another password")
    store.people.change_password(ada.id, old=PASSWORD, new="another password")
    assert store.people.by_session(token) is None
    _, token = store.people.log_in("Ada", "another password")
    store.people.change(ada.id, disabled=True)
    assert store.people.by_session(token) is None
    with pytest.raises(ForbiddenError, match="the name or the password is wrong"):
        store.people.log_in("Ada", "another password")


def test_too_many_wrong_passwords_hold_back_that_address_even_after_a_restart(store, place, clock):
    store.people.add("Ada", PASSWORD)
    for _ in range(5):
        with pytest.raises(ForbiddenError):
            store.people.log_in("Ada", "wrong password", address="10.0.0.9")
    with open_store(place, clock=clock) as reopened:
        with pytest.raises(ThrottledError, match="15 minutes") as throttled:
            reopened.people.log_in("ada", PASSWORD, address="10.0.0.9")
        assert throttled.value.retry_after == pytest.approx(900)
        assert reopened.people.log_in("Ada", PASSWORD, address="10.0.0.1")[0].name == "Ada"
    clock.forward(minutes=15)
    assert store.people.log_in("Ada", PASSWORD, address="10.0.0.9")[0].name == "Ada"


def test_one_address_that_tries_many_names_is_held_back(store):
    for number in range(30):
        store.people._throttle.count(f"name {number}", "10.0.0.9")
    with pytest.raises(ThrottledError):
        store.people.log_in("somebody new", PASSWORD, address="10.0.0.9")


def test_the_last_admin_cannot_go(store):
    ada = store.people.add("Ada", PASSWORD, role="admin")
    for change in ({"role": "labeler"}, {"disabled": True}):
        with pytest.raises(ConflictError, match="only admin"):
            store.people.change(ada.id, **change)
    with pytest.raises(ConflictError, match="only admin"):
        store.personal.delete(ada.id)
    store.people.add("Bob", PASSWORD, role="admin")
    assert store.people.change(ada.id, role="labeler").role == "labeler"


def test_preferences_are_merged_and_none_removes_one(store):
    ada = store.people.add("Ada", PASSWORD)
    store.people.change(ada.id, preferences={"theme": "dark", "sampling": {"temperature": 0.5}})
    changed = store.people.change(ada.id, preferences={"theme": None, "size": 2}, language="de")
    assert changed.preferences == {"sampling": {"temperature": 0.5}, "size": 2}
    assert store.people.get(ada.id) == changed
    with pytest.raises(InputError, match="one of en, de"):
        store.people.change(ada.id, language="fr")
    with pytest.raises(NotFoundError):
        store.people.get(99)

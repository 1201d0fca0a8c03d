"""Nobody bends a model alone or quietly: caps per person, and the poisoning that they are there for, over HTTP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatwright.errors import InputError, ThrottledError
from chatwright.feedback.agreement import much_more, one_sided
from chatwright.feedback.caps import Caps, caps_of, within
from chatwright.feedback.lessons import RANKINGS, Lessons
from chatwright.store import Store
from chatwright.store.feedback import FeedbackRow, NewRow
from web_api import Site, site

ROW = FeedbackRow(
    id=0, kind="ranking", state="approved", person_id=1, labeler="person-1", role="labeler", origin="task",
    chat_id=None, message_id=None, task_id=None, consent=True, simulated=False, category="", model="", score=None,
    content={}, seconds=None, created_at=datetime.now(UTC), decided_at=None, decided_by=None,
)  # fmt: skip


def rows_of(*people: int | None, role: str = "labeler") -> list[FeedbackRow]:
    """A row of each of these people, in this order."""
    return [
        replace(ROW, id=number, person_id=person, labeler=f"person-{person}", role=role if person else "")
        for number, person in enumerate(people, 1)
    ]


def counts(rows: list[FeedbackRow]) -> Counter[int | None]:
    return Counter(row.person_id for row in rows)


def test_a_role_has_so_many_rows_of_each_person_the_oldest_first() -> None:
    rows = rows_of(1, 1, 2, 1, None, None, None, role="chatter")
    kept = within(rows, Caps({"chatter": 2}))
    assert [row.id for row in kept.rows] == [1, 2, 3, 5, 6, 7] and kept.left_out == {"person-1": 1}
    assert within(rows_of(1, 1, 1), Caps({"chatter": 2})).rows == rows_of(1, 1, 1)
    assert len(within(rows, Caps({"chatter": None})).rows) == 7
    assert Caps().by_role == {"chatter": 200}


def test_a_share_bounds_the_busiest_by_what_is_left_and_not_by_what_there_was() -> None:
    kept = within(rows_of(*[1] * 100, *[2] * 10, *[3] * 10), Caps({}, 0.5))
    assert counts(kept.rows) == {1: 20, 2: 10, 3: 10} and kept.left_out == {"person-1": 80}
    # What somebody imported is nobody's, and makes nobody's share smaller.
    assert counts(within(rows_of(*[1] * 9, 2, 3, None), Caps({}, 0.5)).rows) == {1: 2, 2: 1, 3: 1, None: 1}


@given(some.lists(some.integers(1, 40), min_size=1, max_size=6), some.floats(0.05, 1))
def test_under_a_share_nobody_has_more_and_one_more_row_of_anybody_would_be_too_many(
    given_rows: list[int], share: float
) -> None:
    rows = rows_of(*(person for person, count in enumerate(given_rows, 1) for _ in range(count)))
    kept = within(rows, Caps({}, share))
    if kept.note:
        assert len(given_rows) * share < 1 and kept.rows == rows
        return
    found = counts(kept.rows)
    most = max(found.values())
    assert most <= share * len(kept.rows) + 1e-6
    cut = [person for person, count in enumerate(given_rows, 1) if count > found[person]]
    assert all(found[person] == most for person in cut)
    if cut:
        assert most + 1 > share * sum(min(count, most + 1) for count in given_rows) - 1e-6


def test_a_share_that_so_few_people_cannot_keep_to_cuts_nothing_and_says_so() -> None:
    kept = within(rows_of(1, 1, 1, 2), Caps({}, 0.3))
    assert len(kept.rows) == 4 and not kept.left_out
    assert kept.note == "a share of at most 30% for each needs 4 people, and there are 2"


def test_who_gives_much_more_or_judges_against_everybody_stands_out() -> None:
    assert [name for name, _ in much_more({"a": 60, "b": 10, "c": 11})] == ["a"]
    assert not [*much_more({"a": 49, "b": 1, "c": 1})] and not [*much_more({"a": 600, "b": 10})]
    ((name, reason),) = one_sided({"a": (0, 20), "b": (15, 20), "c": (14, 20)})
    assert name == "a" and reason == "gives thumbs up in 0% of 20, where others do in 72%"
    assert not [*one_sided({"a": (0, 19), "b": (20, 20)})] and not [*one_sided({})]


def test_the_caps_are_settings_and_wrong_ones_are_refused(store: Store) -> None:
    assert caps_of(store) == Caps({"chatter": 200})
    store.settings.set("training_caps", {"labeler": 50})
    store.settings.set("training_share", 0.25)
    assert caps_of(store) == Caps({"chatter": 200, "labeler": 50}, 0.25)
    store.settings.set("training_caps", {"chatter": None})
    assert caps_of(store).by_role == {"chatter": None}
    for name, value in (("training_caps", {"king": 1}), ("training_share", 0), ("training_share", 1.5)):
        with pytest.raises(InputError, match=f"the setting {name} must be"):
            store.settings.set(name, value)


# -- poisoning ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def office(store: Store) -> Iterator[Site]:
    with site(store) as found:
        yield found


def choose(office: Site, person: int, count: int, best: str) -> None:
    """In chats, take this draft of "kind" and "rude" again and again."""
    store = office.store
    for number in range(count):
        chat = store.chats.start(person, consent=True).id
        asked = store.chats.say(person, chat, "user", f"question {person} {number}").id
        drafts = {
            said: store.chats.say(person, chat, "assistant", said, parent_id=asked).id for said in ("kind", "rude")
        }
        store.judging.choose(person, chat, drafts[best], list(drafts.values()))


def lessons(office: Site, folder: Path) -> list[dict[str, Any]]:
    """The rankings that a run would now learn from."""
    Lessons(office.store.database.address, folder, "run").take([RANKINGS], anew=True)
    return [json.loads(line) for line in (folder / RANKINGS).read_text().splitlines()]


def approve_all(admin: httpx.Client) -> list[str]:
    """An admin in a hurry."""
    rows = admin.get("/admin/feedback?limit=500").json()["rows"]
    ids = [row["id"] for row in rows]
    assert admin.post("/admin/feedback/decide", json={"ids": ids, "approve": True}).json() == {"changed": len(ids)}
    return ids


@pytest.mark.slow
def test_a_poisoner_waits_is_capped_stands_out_and_is_taken_out_again(
    office: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    admin, store = office.person("admin"), office.store
    honest = [store.people.add(name, None, role="chatter").id for name in ("Ada", "Bo", "Cy")]
    for person in honest:
        choose(office, person, 8, "kind")
    approve_all(admin)
    eve = store.people.add("Eve", None, role="chatter").id
    admin.patch("/admin/settings", json={"daily_caps": {"chatter": 60}})
    with pytest.raises(ThrottledError, match="the last of 60 judgements for today"):
        choose(office, eve, 61, "rude")
    # 1. Nothing of it is learned before an admin has seen it.
    assert {row["labeler"] for row in lessons(office, tmp_path / "a")} == {f"person-{person}" for person in honest}
    # 2. The report names who gives so much more than all others.
    (outlier,) = admin.get("/admin/feedback/outliers").json()["outliers"]
    assert outlier["name"] == "Eve" and outlier["reasons"] == ["gave 60 of 84 rows, where 8 are usual"]
    # 3. Even approved by a careless admin it stays a small part of what is learned.
    poisoned = approve_all(admin)
    admin.patch("/admin/settings", json={"training_caps": {"chatter": 20}, "training_share": 0.25})
    capsys.readouterr()
    learned = lessons(office, tmp_path / "b")
    by = Counter(row["labeler"] for row in learned)
    assert by[f"person-{eve}"] == 8 and len(learned) == 32
    assert "52 rows of 1 person left out, beyond the caps per person" in capsys.readouterr().out
    report = admin.get("/admin/training").json()
    assert (report["rankings"], report["left_out"]) == (32, 52) and "52 more are left out" in report["advice"]
    (own,) = (each for each in report["people"] if each["name"] == "Eve")
    assert (own["rows"], own["left_out"]) == (8, 52)
    # 4. What was learned from is known, taken out for good, and the run that learned it wants to be trained again.
    store.feedback.mark_trained([row["facts"]["feedback_id"] for row in learned], "run")
    assert admin.post("/admin/feedback/remove", json={"ids": poisoned}).json() == {"rows": 60, "runs": ["run"]}
    assert admin.get("/admin/feedback/runs").json() == {"runs": [{"run": "run", "rows": 32, "removed": 8}]}
    assert len(lessons(office, tmp_path / "b")) == 24


def test_a_run_that_goes_on_keeps_its_rows_though_the_caps_are_tighter_now(office: Site, tmp_path: Path) -> None:
    ada = office.store.people.add("Ada", None, role="labeler").id
    ids = [office.store.feedback.add(ada, ranked(number)).id for number in range(5)]
    office.store.settings.set("training_caps", {"labeler": 4})
    assert [row["facts"]["feedback_id"] for row in lessons(office, tmp_path)] == ids[:4]
    office.store.settings.set("training_caps", {"labeler": 2})
    address = office.store.database.address
    Lessons(address, tmp_path, "run").take([RANKINGS], anew=False)
    assert len((tmp_path / RANKINGS).read_text().splitlines()) == 4
    taken = json.loads((tmp_path / "taken.json").read_text())[RANKINGS]
    assert taken["left_out"] == {f"person-{ada}": 1} and taken["rows"] == ids[:4]
    assert len(lessons(office, tmp_path)) == 2


def ranked(number: int) -> NewRow:
    prompt = [{"role": "user", "content": f"question {number}?"}]
    content = {"prompt": prompt, "answers": ["good", "bad"], "ranks": [1, 2], "verdict": "ranked"}
    return NewRow(kind="ranking", content=content, origin="task")

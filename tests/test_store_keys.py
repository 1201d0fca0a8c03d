from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from chatwright.errors import InputError, NotFoundError


def test_a_key_is_found_by_its_secret_only_and_the_secret_is_not_kept(store, place):
    key, secret = store.keys.add(" notebook ", requests_per_minute=60, models=["sft"])
    assert store.keys.find(secret) == key
    assert (key.name, key.requests_per_minute, key.allows("sft"), key.allows("ppo")) == ("notebook", 60, True, False)
    for wrong in ("", "x", key.shown, secret[:-1], secret + "a", secret.replace("cw-", "sk-"), "cw-\udc80-é"):
        assert store.keys.find(wrong) is None
    assert key.shown[:-1] in secret and secret not in repr(key)
    if "://" not in place:
        kept = b"".join(path.read_bytes() for path in Path(place).parent.iterdir())
        assert secret.rpartition("-")[2].encode() not in kept


def test_a_revoked_key_works_no_longer_and_stays_on_record(store):
    key, secret = store.keys.add("a")
    other, _ = store.keys.add("b")
    assert store.keys.revoke(key.handle).revoked_at is not None
    assert store.keys.find(secret) is None
    assert [kept.name for kept in store.keys.all()] == ["b"]
    assert [kept.name for kept in store.keys.all(with_revoked=True)] == ["a", "b"]
    with pytest.raises(NotFoundError, match="no working key 'a'"):
        store.keys.revoke("a")
    store.keys.add("b")
    with pytest.raises(InputError, match=f"2 keys are named 'b'; revoke one by its handle: {other.handle}"):
        store.keys.revoke("b")


WRONG = [
    {"name": " "},
    {"name": "a", "quota_tokens": 0},
    {"name": "a", "quota_tokens": 2**63},
    {"name": "a", "requests_per_minute": 10**30},
    {"name": "a", "person_id": 77},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_key_without_a_name_with_an_empty_quota_or_for_nobody_is_refused(store, wrong):
    with pytest.raises(InputError):
        store.keys.add(**wrong)
    assert store.keys.all() == []


ODD = ["", " ", "sft ", "a/b/c", "/sft", "sft/", "../sft", "sft,ppo", "a\nb", "\x1b[31m", "\udc80", "x" * 501]


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_what_no_model_can_be_called_is_refused_as_a_model_of_a_key(store, name):
    with pytest.raises(InputError, match="is no model's name; write one as `chatwright serve` prints it") as caught:
        store.keys.add("a", models=["sft", name])
    assert str(caught.value).isprintable() and store.keys.all() == []


def test_a_key_takes_every_name_that_a_folder_can_have_and_each_once(store):
    names = ("sft", "quickstart/sft", "Größe 2", "v1.0-beta", "模型")
    key, _ = store.keys.add("a", models=[*names, "sft"])
    assert key.models == names


def test_usage_adds_up_by_day_key_and_model(store, clock):
    key, _ = store.keys.add("a")
    store.usage.record("sft", tokens_in=900, tokens_out=100, tokens_cached=800, key_id=key.id, price_per_1000=0.5)
    store.usage.record("sft", tokens_in=1, tokens_out=2, seconds=1.5, energy_estimated_j=3.0, key_id=key.id)
    store.usage.record("sft", tokens_in=7, tokens_out=0)
    clock.time = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
    store.usage.record("ppo", tokens_in=0, tokens_out=5, key_id=key.id, requests=2)
    days = store.usage.sums(by=("day", "model"))
    assert [(row.day, row.model, row.requests, row.tokens) for row in days] == [
        (date(2026, 1, 31), "sft", 3, 1010),
        (date(2026, 2, 1), "ppo", 2, 5),
    ]
    assert [(row.key_id, row.tokens) for row in store.usage.sums(by=("key_id",))] == [(0, 7), (key.id, 1008)]
    total = store.usage.total(key_id=key.id)
    assert (total.tokens_cached, total.seconds, total.energy_estimated_j) == (800, 1.5, 3.0)
    assert total.cost == pytest.approx(0.5)
    assert store.usage.sums(since=date(2026, 2, 1), until=date(2026, 2, 1))[0].tokens == 5
    assert store.usage.total(person_id=5).requests == 0
    assert store.keys.all()[0].last_used_at == clock.time


def test_a_monthly_quota_begins_anew_and_a_total_one_never_does(store, clock):
    monthly, _ = store.keys.add("m", quota_tokens=10, quota_period="month")
    total, _ = store.keys.add("t", quota_tokens=10)
    free, _ = store.keys.add("f")
    for key in (monthly, total, free):
        assert store.usage.left(key) == key.quota_tokens
        store.usage.record("sft", tokens_in=9, tokens_out=3, key_id=key.id)
    assert [store.usage.left(key) for key in (monthly, total, free)] == [0, 0, None]
    assert store.usage.renews_at(monthly) == datetime(2026, 2, 1, tzinfo=UTC)
    assert store.usage.renews_at(total) is None
    clock.time = datetime(2026, 2, 1, tzinfo=UTC)
    assert [store.usage.left(key) for key in (monthly, total, free)] == [10, 0, None]


def test_usage_that_is_negative_is_refused(store):
    with pytest.raises(InputError, match="negative"):
        store.usage.record("sft", tokens_in=-1, tokens_out=0)
    assert store.usage.sums() == []

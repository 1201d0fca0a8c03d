"""Batches are addressed by number: everything once an epoch, nothing mixed, nothing without supervised tokens."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chatwright.errors import InputError
from chatwright.text.conversation import Conversation, Rendered, render
from chatwright.training.batches import Batch, PackedRows, TokenWindows, pack, pad, permutation, prepare_conversations
from chatwright.training.losses import language_loss
from tiny import language_model, tokenizer

# -- windows of a stream -----------------------------------------------------------------------------------------------


def windows(count=1000, *, context=16, batch=4, seed=1):
    return TokenWindows(np.arange(count, dtype=np.uint16), context=context, batch=batch, seed=seed)


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone():
    assert permutation(1, 0, 50).tolist() == permutation(1, 0, 50).tolist()
    assert sorted(permutation(1, 0, 50).tolist()) == list(range(50))
    orders = {tuple(permutation(seed, epoch, 50)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_what_batch_seven_holds_does_not_depend_on_what_was_asked_before():
    forward, anew = windows(), windows()
    walked = [forward(step) for step in range(40)]
    for step in (7, 39, 0, 16, 15, 7):  # epochs change between 15 and 16
        assert torch.equal(anew(step).tokens, walked[step].tokens)
        assert torch.equal(anew(step).targets, walked[step].targets)


def test_targets_are_the_tokens_that_follow():
    batch = windows()(3)
    assert batch.tokens.shape == (4, 16) and batch.tokens.dtype == torch.long
    assert torch.equal(batch.targets, batch.tokens + 1)
    assert batch.weight == 64 and len(batch) == 4


@given(count=st.integers(40, 700), context=st.integers(2, 19), batch=st.integers(1, 5), epoch=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_every_window_comes_once_an_epoch_and_windows_do_not_overlap(count, context, batch, epoch):
    own = windows(count, context=context, batch=1, seed=batch)
    starts = sorted(int(own(epoch * own.per_epoch + place).tokens[0, 0]) for place in range(own.per_epoch))
    assert starts == list(range(starts[0], starts[0] + own.per_epoch * context, context))
    assert 0 <= starts[0] < context
    assert starts[-1] + context < count  # the last target is in the text
    assert count - own.per_epoch * context <= 2 * context + 1  # nothing but the two ends is left out


def test_other_epochs_cut_at_other_places():
    own = windows(batch=1)
    offsets = {int(own(epoch * own.per_epoch).tokens[0, 0]) % 16 for epoch in range(12)}
    assert len(offsets) > 4


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(InputError, match="30 tokens, too few for a context of 16"):
        windows(30)
    assert windows(34)(0).tokens.shape == (4, 16)


# -- conversations -----------------------------------------------------------------------------------------------------


@cache
def conversations() -> list[Conversation]:
    """Sixty of 1 to 4 exchanges with answers from one to some fifty letters; every text says which one it is of."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(60):
        contents = []
        for turn in range(int(rng.integers(1, 5))):
            contents += [f"q{number}.{turn} {'x' * int(rng.integers(0, 30))}", f"a{number}.{turn}"]
            contents[-1] += "y" * int(rng.integers(0, 45))
        made.append(Conversation.of(*contents, system="Be kind." if number % 5 == 0 else None))
    return made


def supervised(batch):
    return [
        [int(target) for target, weight in zip(targets, weights, strict=True) if weight]
        for targets, weights in zip(batch.targets, batch.weights, strict=True)
    ]


def texts_of(batch):
    """The tokens of every document in the batch, the first input and all targets."""
    for tokens, targets, documents in zip(batch.tokens, batch.targets, batch.documents, strict=True):
        for document in range(int(documents.max()) + 1):
            inside = documents == document
            yield [int(tokens[inside][0]), *targets[inside].tolist()]


@given(context=st.integers(8, 300), batch=st.integers(1, 9), epochs=st.sampled_from([1.0, 2.0, 1.5, 0.3]))
@settings(max_examples=60, deadline=None)
def test_no_batch_is_without_supervised_tokens_or_longer_than_the_context(context, batch, epochs):
    try:
        items, left_out = prepare_conversations(conversations(), tokenizer(), context=context, where="file.jsonl")
    except InputError as error:
        assert f"none of the 60 conversations has an assistant message that fits in {context} tokens" in str(error)
        return
    assert len(items) + left_out == 60
    rows = PackedRows(items, context=context, batch=batch, seed=3, epochs=epochs)
    counted = 0
    for step in range(rows.steps):
        own = rows(step)
        assert 1 <= len(own) <= batch
        assert own.tokens.shape[1] <= context
        assert all(supervised(own)), "a row without a supervised token"
        assert own.weight > 0
        counted += sum(1 for _ in texts_of(own))
    whole, part = divmod(epochs, 1)
    assert counted == int(whole) * len(items) + (max(1, round(len(items) * part)) if part else 0)


def test_a_training_step_works_at_contexts_that_are_no_multiple_of_eight():
    for context in (61, 62, 63):
        items, _ = prepare_conversations(conversations(), tokenizer(), context=context, where="")
        rows = PackedRows(items, context=context, batch=60, seed=1, epochs=1)
        loss, weight = language_loss(language_model(tokenizer().size, context), rows(0))
        assert bool(torch.isfinite(loss)) and float(weight) > 0


def test_every_conversation_comes_once_an_epoch_whole_and_unmixed():
    items, left_out = prepare_conversations(conversations(), tokenizer(), context=300, where="")
    assert left_out == 0
    rows = PackedRows(items, context=300, batch=4, seed=2, epochs=2)
    found = [text for step in range(rows.steps) for text in texts_of(rows(step))]
    wanted = [item.tokens for item in items]
    assert sorted(found) == sorted(wanted * 2)


def test_what_is_supervised_is_what_the_conversation_says_is_trainable():
    items, _ = prepare_conversations(conversations(), tokenizer(), context=300, where="")
    rows = PackedRows(items, context=300, batch=4, seed=2, epochs=1)
    words = [token for step in range(rows.steps) for row in supervised(rows(step)) for token in row]
    wanted = [token for item in items for token, own in zip(item.tokens, item.trainable, strict=True) if own]
    assert sorted(words) == sorted(wanted)


def test_documents_in_a_row_are_numbered_one_after_the_other_and_padding_is_below_zero():
    items, _ = prepare_conversations(conversations(), tokenizer(), context=120, where="")
    rows = PackedRows(items, context=120, batch=8, seed=2, epochs=1)
    several = 0
    for step in range(rows.steps):
        batch = rows(step)
        for documents, weights in zip(batch.documents, batch.weights, strict=True):
            inside = documents[documents >= 0]
            assert torch.equal(documents[: len(inside)], inside)  # padding stands at the end only
            assert set(inside.diff().tolist()) <= {0, 1} and int(inside[0]) == 0
            assert float(weights[documents < 0].sum()) == 0
            several += int(inside.max()) > 0
    assert several > 5


def test_packed_conversations_are_learned_from_as_if_each_were_alone():
    items, _ = prepare_conversations(conversations()[:6], tokenizer(), context=300, where="")
    model = language_model(tokenizer().size, 1000)
    together, weight = language_loss(model, pad([items], multiple=8))
    apart = [language_loss(model, pad([[item]])) for item in items]
    assert float(weight) == sum(float(own) for _, own in apart)
    torch.testing.assert_close(together, sum(loss for loss, _ in apart), rtol=1e-5, atol=1e-4)


def test_other_epochs_have_another_order_and_another_packing():
    items, _ = prepare_conversations(conversations(), tokenizer(), context=120, where="")
    rows = PackedRows(items, context=120, batch=4, seed=2, epochs=2).rows
    first = PackedRows(items, context=120, batch=4, seed=2, epochs=1).rows
    assert rows[: len(first)] == first and rows[len(first) :] != first


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=80), open_rows=st.integers(1, 8), seed=st.integers(0, 9)
)
@settings(max_examples=60, deadline=None)
def test_packing_puts_every_item_in_one_row_that_has_room(lengths, open_rows, seed):
    order = permutation(seed, 0, len(lengths)).tolist()
    rows = pack(lengths, order, 50, open_rows=open_rows)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[item] for item in row) <= 50 for row in rows)
    assert len(rows) <= max(1, 2 * sum(lengths) // 50 + 1) or open_rows < 8


def test_conversations_longer_than_the_context_are_cut_by_whole_turns():
    long = Conversation.of("one", "two", "three", "four", "five", "six", system="Be kind.")
    whole = len(render(long, tokenizer()))
    seen = set()
    for context in range(8, whole + 2):
        try:
            (item,), _ = prepare_conversations([long], tokenizer(), context=context, where="")
        except InputError:
            seen.add(0)
            continue
        assert len(item) - 1 <= context
        turns = [
            n
            for n in (1, 2, 3)
            if item == render(Conversation((long.messages[0], *long.messages[-2 * n :])), tokenizer())
        ]
        assert len(turns) == 1
        seen.add(turns[0])
    assert seen == {0, 1, 2, 3}


def test_conversations_without_an_answer_are_left_out():
    silent = [Conversation.of("only a question"), Conversation.of("q", "a", "and another question")]
    items, left_out = prepare_conversations([*silent, Conversation.of("q", "a")], tokenizer(), context=64, where="")
    assert left_out == 1 and len(items) == 2
    with pytest.raises(InputError, match="chats.jsonl: none of the 1 conversations"):
        prepare_conversations(silent[:1], tokenizer(), context=64, where="chats.jsonl")


# -- dividing ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_divided_into_parts_of_nearly_equal_size_in_order():
    batch = pad([[Rendered([1, number, 2], [False, True, True])] for number in range(7)])
    for parts in (1, 2, 3, 7, 20):
        own = batch.split(parts)
        assert torch.equal(torch.cat([part.tokens for part in own]), batch.tokens)
        sizes = [len(part) for part in own]
        assert len(own) == min(parts, 7) and max(sizes) - min(sizes) <= 1
        assert sum(part.weight for part in own) == batch.weight == 14


def test_rows_keep_what_belongs_to_them():
    bare = Batch(torch.arange(12).view(4, 3), torch.arange(12).view(4, 3) + 1)
    part = bare.rows(slice(1, 3))
    assert part.tokens.tolist() == [[3, 4, 5], [6, 7, 8]] and part.weights is None and part.documents is None
    assert (part.weight, part.read) == (6, 6)

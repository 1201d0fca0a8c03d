"""The training loop: one division by the weight of the whole batch, exact resume, nothing applied that is broken."""

from __future__ import annotations

import math

import pytest
import torch

from chatwright.errors import ArtefactError, ConfigError, TrainingError
from chatwright.training.batches import Batch
from chatwright.training.checkpoints import restore_checkpoint, write_checkpoint
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from tiny import language_model, random_tokens, scalar_model, world_of


def uneven(step: int) -> Batch:
    """Six rows, of which one has 24 supervised tokens and the others 1 each: a mean of means would show."""
    tokens = random_tokens(6, 25, seed=step)
    weights = torch.zeros(6, 24)
    weights[:, 3] = 1
    weights[step % 6] = 1
    return Batch(tokens[:, :-1], tokens[:, 1:], weights, torch.zeros(6, 24, dtype=torch.long))


def optimizer_of(model, kind="adamw", **settings):
    schedule = Schedule(steps=10, warmup=2, final=0.1)
    return Optimizer([model], schedule, kind=kind, learning_rate=1e-2, weight_decay=0.1, epsilon=1e-4, **settings)


def trained(steps=4, *, shards=1, accumulate=1, batches=uneven, kind="adamw"):
    model = language_model()
    walked = train_steps(
        model,
        batches,
        language_loss,
        optimizer_of(model, kind),
        until=steps,
        world=world_of(shards),
        accumulate=accumulate,
    )
    return model, list(walked)


def weights_of(model):
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


# -- one batch, divided ------------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_all_supervised_tokens_of_the_batch():
    model = language_model()
    loss, weight = language_loss(model, uneven(0))
    _, steps = trained(1)
    assert steps[0].loss == pytest.approx(float(loss.detach()) / 29, rel=1e-6)
    assert (steps[0].weight, steps[0].tokens, float(weight)) == (29, 6 * 24, 29)


@pytest.mark.parametrize("shards, accumulate", [(1, 2), (1, 3), (1, 6), (2, 1), (2, 3), (3, 1), (4, 5)])
def test_dividing_a_batch_among_threads_or_parts_changes_neither_loss_nor_weights(shards, accumulate):
    whole, steps = trained()
    parts, others = trained(shards=shards, accumulate=accumulate)
    for one, other in zip(steps, others, strict=True):
        assert other.loss == pytest.approx(one.loss, abs=1e-6)
        assert other.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
        assert (other.weight, other.tokens) == (one.weight, one.tokens)
    assert float((weights_of(parts) - weights_of(whole)).abs().max()) < 1e-6


@pytest.mark.parametrize("shards", [1, 2])
def test_the_same_seed_and_threads_give_the_same_bits(shards):
    one, first = trained(shards=shards, accumulate=2)
    other, second = trained(shards=shards, accumulate=2)
    assert torch.equal(weights_of(one), weights_of(other))
    assert first == second


def test_steps_are_counted_from_one_and_the_rate_follows_the_schedule():
    _, steps = trained(4)
    assert [step.number for step in steps] == [1, 2, 3, 4]
    schedule = Schedule(steps=10, warmup=2, final=0.1)
    assert [step.learning_rate for step in steps] == pytest.approx([1e-2 * schedule(n) for n in range(4)])


def test_the_stage_owns_what_happens_between_two_steps():
    model = language_model()
    walked = train_steps(model, uneven, language_loss, optimizer_of(model), until=9, world=world_of())
    before = weights_of(model)
    next(walked)
    after_one = weights_of(model)
    assert not torch.equal(before, after_one)
    walked.close()
    assert torch.equal(weights_of(model), after_one)


# -- what is broken is not applied -------------------------------------------------------------------------------------


def refused(batches=uneven, loss=language_loss, word=""):
    model = language_model()
    before = weights_of(model)
    with pytest.raises(TrainingError, match=word):
        list(train_steps(model, batches, loss, optimizer_of(model), until=3, world=world_of()))
    assert torch.equal(weights_of(model), before)


def test_a_batch_without_supervised_tokens_is_an_error():
    empty = Batch(random_tokens(2, 8), random_tokens(2, 8), torch.zeros(2, 8))
    refused(batches=lambda step: empty, word="step 1: the batch has no supervised token")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_training_before_weights_change(value):
    def loss(model, batch):
        total, weight = language_loss(model, batch)
        return total * value, weight

    refused(loss=loss, word="step 1: the loss is (nan|inf); lower the learning rate")


def test_a_gradient_that_is_not_finite_ends_training_before_weights_change():
    def loss(model, batch):
        total, weight = language_loss(model, batch)
        zero = model.backbone.norm.weight.sum() * 0
        return total + zero.abs().sqrt(), weight  # the slope of a square root at 0 is infinite, times 0

    refused(loss=loss, word="step 1: the gradient is not finite")


# -- resume ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("shards", [1, 2])
def test_ten_steps_are_five_and_a_checkpoint_and_five_bit_for_bit(tmp_path, kind, shards):
    def walk(model, optimizer, until, after=0):
        return list(
            train_steps(model, uneven, language_loss, optimizer, until=until, after=after, world=world_of(shards))
        )

    model = language_model()
    steps = walk(model, optimizer_of(model, kind), 10)
    broken = language_model()
    optimizer = optimizer_of(broken, kind)
    walk(broken, optimizer, 5)
    further = {"best": torch.arange(3.0)}
    write_checkpoint(tmp_path, {"model": broken}, {"model": optimizer}, {"best_loss": 1.25}, further)
    again = language_model(seed=99)
    optimizer = optimizer_of(again, kind)
    state, tensors = restore_checkpoint(tmp_path, {"model": again}, {"model": optimizer})
    assert state == {"best_loss": 1.25} and torch.equal(tensors["best"], further["best"])
    rest = walk(again, optimizer, 10, after=5)
    assert torch.equal(weights_of(again), weights_of(model))
    assert rest == steps[5:]


def test_several_modules_are_saved_and_restored_apart(tmp_path):
    one, two = language_model(seed=1), scalar_model(seed=2)
    write_checkpoint(tmp_path, {"policy": one, "value": two}, {})
    new_one, new_two = language_model(seed=3), scalar_model(seed=4)
    restore_checkpoint(tmp_path, {"policy": new_one, "value": new_two}, {})
    assert torch.equal(weights_of(new_one), weights_of(one))
    assert torch.equal(weights_of(new_two), weights_of(two))


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_damaged_checkpoint_ends_in_one_sentence(tmp_path, name, damage):
    model = language_model()
    write_checkpoint(tmp_path, {"model": model}, {}, {"some": "state"})
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-9]) if damage == "cut" else path.unlink()
    with pytest.raises(ArtefactError, match="the checkpoint cannot be read"):
        restore_checkpoint(tmp_path, {"model": model}, {})


# -- optimizers --------------------------------------------------------------------------------------------------------


def test_muon_moves_the_matrices_of_blocks_and_adamw_the_rest():
    model = language_model(tied=False)
    optimizer = Optimizer([model], Schedule(steps=1), kind="muon", learning_rate=1e-2)
    adamw, muon = optimizer.parts
    by_muon = {id(weight) for group in muon.param_groups for weight in group["params"]}
    by_adamw = {id(weight) for group in adamw.param_groups for weight in group["params"]}
    for name, weight in model.named_parameters():
        assert (id(weight) in by_muon) == (weight.ndim == 2 and ".blocks." in name)
        assert (id(weight) in by_muon) != (id(weight) in by_adamw)


def test_norms_and_biases_do_not_decay():
    model = scalar_model()
    optimizer = Optimizer([model], Schedule(steps=10), learning_rate=0.1, weight_decay=0.5)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer.step(0, [torch.zeros_like(weight) for weight in model.parameters()])
    for name, weight in model.named_parameters():
        scale = 1 - 0.1 * 0.5 if weight.ndim == 2 else 1
        torch.testing.assert_close(weight.detach(), before[name] * scale)


def test_the_norm_is_reported_before_clipping_and_clipped_gradients_have_the_norm_asked_for():
    model = torch.nn.Linear(3, 4)
    optimizer = Optimizer([model], Schedule(steps=1), learning_rate=0.1, clip=0.5, betas=(0.0, 0.0), epsilon=1e6)
    before = [weight.detach().clone() for weight in model.parameters()]
    gradients = [torch.full_like(weight, 2.0) for weight in model.parameters()]
    assert optimizer.step(0, gradients) == pytest.approx(2 * 16**0.5)
    moved = torch.cat(
        [(was - weight).detach().flatten() for was, weight in zip(before, model.parameters(), strict=True)]
    )
    assert moved.max() <= 0.1 * (0.5 / 4) / 1e6 * 1.2  # with a vast epsilon AdamW moves by rate * gradient / epsilon


SCHEDULES = {
    "cosine": (Schedule(steps=4), [1, 0.8535534, 0.5, 0.1464466, 0, 0]),
    "cosine to a tenth": (Schedule(steps=4, final=0.1), [1, 0.8681981, 0.55, 0.2318019, 0.1, 0.1]),
    "linear": (Schedule(steps=4, shape="linear"), [1, 0.75, 0.5, 0.25, 0, 0]),
    "constant": (Schedule(steps=4, shape="constant"), [1, 1, 1, 1, 1]),
    "warm-up": (Schedule(steps=6, warmup=3, shape="constant"), [0.25, 0.5, 0.75, 1, 1, 1]),
    "warm-up from a tenth": (Schedule(steps=6, warmup=2, initial=0.1, shape="constant"), [0.4, 0.7, 1, 1]),
    "decay over the last half": (Schedule(steps=8, decay=0.5, shape="linear"), [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]),
    "warm-up, then linear": (Schedule(steps=4, warmup=2, shape="linear"), [1 / 3, 2 / 3, 1, 0.5, 0]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_has_the_values_of_the_table(name):
    schedule, wanted = SCHEDULES[name]
    assert [schedule(step) for step in range(len(wanted))] == pytest.approx(wanted, abs=1e-7)


def test_unknown_optimizers_and_schedules_are_refused():
    with pytest.raises(ConfigError, match="choose cosine, linear or constant"):
        Schedule(steps=1, shape="step")
    with pytest.raises(ConfigError, match="choose adamw or muon"):
        Optimizer([language_model()], Schedule(steps=1), kind="sgd", learning_rate=1.0)

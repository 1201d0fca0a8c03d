"""One iteration of PPO against what is known: the gradient it must take, and what must not move it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from chatwright.errors import TrainingError
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling
from chatwright.training import policy_optimisation
from chatwright.training.batches import Batch
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.policy_networks import Networks
from chatwright.training.policy_optimisation import learn, weigh
from chatwright.training.rollouts import answer_logps, collate
from chatwright.training.standing import adapted
from tiny import language_model, random_tokens, scalar_model, world_of

SMALL, END = 12, 2


@dataclass(frozen=True)
class Plain:
    """Settings of the update, with defaults for tests."""

    batch: int = 16
    minibatches: int = 2
    epochs: int = 1
    clip: float = 0.2
    value_clip: float = 0.2
    value_coefficient: float = 0.5
    discount: float = 1.0
    trace: float = 0.95
    temperature: float = 1.0
    missing_end_penalty: float = 0.0
    ptx_coefficient: float = 0.0
    ema: float = 0.0
    seed: int = 1


class Recorder:
    """Stands in for an optimizer: notes gradients and moves nothing."""

    def __init__(self, model):
        self.parameters = list(model.parameters())
        self.steps = []

    def step(self, number, gradients):
        self.steps.append([gradient.clone() for gradient in gradients])
        return 1.0


def networks_of(*, average=False, seed=0):
    policy, reference = language_model(SMALL, seed=seed), language_model(SMALL, seed=7).requires_grad_(False)
    return Networks(
        policy, reference, scalar_model(SMALL, seed=3), language_model(SMALL, seed=seed) if average else None
    )


def recorders(networks):
    return {"policy": Recorder(networks.policy), "value": Recorder(networks.value)}


def optimizers(networks, rate=1e-2):
    schedule = Schedule(steps=100, shape="constant")
    return {
        name: Optimizer([module], schedule, learning_rate=rate)
        for name, module in (("policy", networks.policy), ("value", networks.value))
    }


def rolled(config, policy, *, seed=0, max_tokens=10, prompts=None):
    rng = random.Random(seed)
    prompts = prompts or [[rng.randrange(3, SMALL) for _ in range(rng.randrange(1, 9))] for _ in range(config.batch)]
    seeds = [seed * 1000 + n for n in range(len(prompts))]
    engine = Engine(policy, type("Ends", (), {"end": END, "stops": frozenset({END}), "size": 10**9}), world_of())
    sampled = engine.sample(prompts, Sampling(temperature=config.temperature, max_tokens=max_tokens), seeds=seeds)
    return collate(
        prompts,
        [[*own.tokens, *[END] * own.ended] for own in sampled],
        [own.logps for own in sampled],
        [own.ended for own in sampled],
        torch.device("cpu"),
    )


def weighed(config, networks, rollout, scores=None, beta=0.1):
    scores = torch.linspace(-1, 1, len(rollout)) if scores is None else scores
    return weigh(config, networks, rollout, scores, beta, world_of())


@pytest.mark.slow
def test_the_whole_update_brings_a_language_model_near_the_optimum_of_a_bandit():
    """Advantages are whitened here, so the rate falls to nothing."""
    config, beta = Plain(batch=96, minibatches=1), 1.0
    networks = networks_of(seed=7)
    own = Schedule(steps=50, shape="linear")
    by_name = {
        name: Optimizer([module], own, learning_rate=rate)
        for name, module, rate in (("policy", networks.policy, 3e-3), ("value", networks.value, 1e-2))
    }
    table = torch.randn(SMALL, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        reference = networks.reference(torch.tensor([[5]]))[0][0, 0].log_softmax(-1)
    optimum = (reference + table / beta).log_softmax(-1)

    def distance():
        with torch.no_grad():
            own = networks.policy(torch.tensor([[5]]))[0][0, 0].log_softmax(-1)
        return float((own.exp() * (own - optimum)).sum())

    assert distance() > 0.5
    for iteration in range(50):
        rollout = rolled(config, networks.policy, seed=iteration, max_tokens=1, prompts=[[5]] * 96)
        rollout, _ = weighed(config, networks, rollout, table[rollout.tokens[:, 1]], beta)
        learn(config, networks, by_name, rollout, None, iteration, world_of(), recompute=False)
    assert distance() < 1e-3


def test_stored_log_probabilities_are_used_and_the_first_ratio_is_one():
    config, networks = Plain(), networks_of()
    rollout, _ = weighed(config, networks, rolled(config, networks.policy))
    after, figures, recomputed = learn(
        config, networks, recorders(networks), rollout, None, 0, world_of(), recompute=False
    )
    assert figures["first_ratio"] <= 1e-3 and not recomputed
    assert after.logps is rollout.logps
    assert figures["approx_kl"] < 1e-6 and figures["clip_fraction"] == 0
    near = replace(rollout, logps=rollout.logps + 4e-4)
    after, figures, recomputed = learn(
        config, networks, recorders(networks), near, None, 0, world_of(), recompute=False
    )
    assert figures["first_ratio"] == pytest.approx(4e-4, rel=0.05) and not recomputed


def test_log_probabilities_are_computed_anew_when_the_ratio_strays():
    config, networks = Plain(), networks_of()
    rollout, _ = weighed(config, networks, rolled(config, networks.policy))
    strayed = replace(rollout, logps=rollout.logps + 0.05)
    clean, wanted = recorders(networks), recorders(networks)
    after, figures, recomputed = learn(config, networks, clean, strayed, None, 0, world_of(), recompute=False)
    assert recomputed and figures["first_ratio"] == pytest.approx(0.0488, abs=1e-3)
    own = answer_logps(networks.policy, rollout, temperature=1.0).detach()
    assert float((after.logps - own).abs().max()) < 1e-4
    learn(config, networks, wanted, rollout, None, 0, world_of(), recompute=False)
    for name in ("policy", "value"):  # what strayed is not learned from
        for found, right in zip(clean[name].steps, wanted[name].steps, strict=True):
            assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(found, right, strict=True))
    _, figures, recomputed = learn(config, networks, recorders(networks), strayed, None, 0, world_of(), recompute=True)
    assert recomputed and figures["first_ratio"] < 1e-4


def test_a_policy_that_does_not_compute_the_same_twice_is_an_error(monkeypatch):
    config, networks = Plain(), networks_of()
    rollout, _ = weighed(config, networks, rolled(config, networks.policy))
    drift = [0.0]

    def moody(*given, **named):
        drift[0] += 0.01
        return answer_logps(*given, **named) + drift[0]

    monkeypatch.setattr(policy_optimisation, "answer_logps", moody)
    with pytest.raises(TrainingError, match="does not compute the same twice"):
        learn(config, networks, recorders(networks), rollout, None, 0, world_of(), recompute=True)


def test_the_pre_training_gradient_is_added_in_the_same_buffer():
    config, networks = Plain(minibatches=1), networks_of()
    rollout, _ = weighed(config, networks, rolled(config, networks.policy))
    tokens = random_tokens(4, 17, vocabulary=SMALL)
    text = Batch(tokens[:, :-1], tokens[:, 1:])
    without, both = recorders(networks), recorders(networks)
    learn(config, networks, without, rollout, None, 0, world_of(), recompute=False)
    mixed = replace(config, ptx_coefficient=27.8)
    learn(mixed, networks, both, rollout, lambda step: text, 0, world_of(2), recompute=False)
    loss, weight = language_loss(networks.policy, text)
    language = torch.autograd.grad(loss / weight, list(networks.policy.parameters()))
    assert len(both["policy"].steps) == len(both["value"].steps) == 1  # one step, not two
    for found, own, more in zip(both["policy"].steps[0], without["policy"].steps[0], language, strict=True):
        torch.testing.assert_close(found, own + 27.8 * more, rtol=1e-4, atol=2e-5)
    for found, own in zip(both["value"].steps[0], without["value"].steps[0], strict=True):
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_the_mean_over_all_answer_tokens():
    config, networks = Plain(minibatches=1), networks_of()
    rollout, _ = weighed(config, networks, rolled(config, networks.policy))
    found = recorders(networks)
    learn(config, networks, found, rollout, None, 0, world_of(3), recompute=False)
    logps = answer_logps(networks.policy, rollout, temperature=1.0)
    loss = -(rollout.advantages * logps).sum() / rollout.mask.sum()  # at a ratio of 1 the plain policy gradient
    wanted = torch.autograd.grad(loss, list(networks.policy.parameters()))
    for own, right in zip(found["policy"].steps[0], wanted, strict=True):
        torch.testing.assert_close(own, right, rtol=1e-3, atol=1e-6)


def test_minibatches_are_all_answers_once_an_epoch():
    config, networks = Plain(batch=12, minibatches=3, epochs=2), networks_of()
    rollout, _ = weighed(config, networks, rolled(config, networks.policy))
    found = recorders(networks)
    learn(config, networks, found, rollout, None, 5, world_of(), recompute=False)
    assert len(found["policy"].steps) == 6


def test_advantages_are_those_of_the_formulas_and_the_figures_are_honest():
    config, networks = Plain(missing_end_penalty=1.5, trace=0.9, discount=0.98), networks_of()
    rollout = rolled(config, networks.policy, max_tokens=4)
    assert 0 < int(rollout.ended.sum()) < 16
    scores = torch.linspace(-1, 1, 16)
    found, figures = weighed(config, networks, rollout, scores, beta=0.3)
    with torch.no_grad():
        reference = answer_logps(networks.reference, rollout, temperature=1.0)
        read, _ = networks.value(rollout.tokens)
    lowered = scores - 1.5 * (~rollout.ended).float()
    advantages, kls = [], []
    for row in range(16):
        start, length = int(rollout.starts[row]), int(rollout.lengths[row])
        values = read[row, start - 1 : start + length - 1].tolist()
        rewards = (-0.3 * (rollout.logps[row, :length] - reference[row, :length])).tolist()
        rewards[-1] += float(lowered[row])
        kls.append(float((rollout.logps[row, :length] - reference[row, :length]).sum()))
        errors = [r + 0.98 * after - v for r, v, after in zip(rewards, values, [*values[1:], 0.0], strict=True)]
        own = [sum((0.98 * 0.9) ** (k - t) * errors[k] for k in range(t, length)) for t in range(length)]
        advantages.append(own)
        assert found.returns[row, :length].tolist() == pytest.approx(
            [a + v for a, v in zip(own, values, strict=True)], abs=1e-4
        )
        assert found.values[row, :length].tolist() == pytest.approx(values, abs=1e-5)
    flat = np.array([value for own in advantages for value in own])
    white = (flat - flat.mean()) / flat.std()
    assert found.advantages[found.mask > 0].tolist() == pytest.approx(white.tolist(), abs=1e-3)
    assert figures["score"] == pytest.approx(float(lowered.mean()), abs=1e-5)
    assert figures["kl"] == pytest.approx(np.mean(kls), abs=1e-4)
    assert figures["ended"] == pytest.approx(float(rollout.ended.float().mean()))


def test_an_average_follows_the_closed_form():
    config = Plain(ema=0.8, minibatches=4)
    networks = networks_of(average=True)
    by_name = optimizers(networks)
    seen = []
    step = by_name["policy"].step

    def noted(number, gradients):
        norm = step(number, gradients)
        seen.append([weight.detach().clone() for weight in networks.policy.parameters()])
        return norm

    by_name["policy"].step = noted
    first = [weight.detach().clone() for weight in networks.policy.parameters()]
    for iteration in range(2):
        rollout, _ = weighed(config, networks, rolled(config, networks.policy, seed=iteration))
        learn(config, networks, by_name, rollout, None, iteration, world_of(), recompute=False)
    n = len(seen)
    assert n == 8
    for place, average in enumerate(networks.average.parameters()):
        wanted = 0.8**n * first[place] + sum(0.2 * 0.8 ** (n - 1 - k) * own[place] for k, own in enumerate(seen))
        torch.testing.assert_close(average.detach(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kl, target, factor", [
    (6.0, 6.0, 1.0),
    (6.6, 6.0, 1.01),
    (5.4, 6.0, 0.99),
    (7.2, 6.0, 1.02),
    (60.0, 6.0, 1.02),
    (3.0, 6.0, 0.98),
    (0.0, 6.0, 0.98),
    (-1.0, 6.0, 0.98),
    (60.0, None, 1.0),
])  # fmt: skip
def test_the_adaptive_price_of_distance_follows_its_table(kl, target, factor):
    assert adapted(0.2, kl, target) == pytest.approx(0.2 * factor)


def test_a_reward_that_is_not_finite_ends_training():
    config, networks = Plain(), networks_of()
    scores = torch.zeros(16)
    scores[3] = float("nan")
    with pytest.raises(TrainingError, match="the reward of an answer is not finite"):
        weighed(config, networks, rolled(config, networks.policy), scores)


def test_reference_and_average_are_not_trained_by_the_update():
    config, networks = Plain(), networks_of()
    before = [weight.clone() for weight in networks.reference.parameters()]
    rollout, _ = weighed(config, networks, rolled(config, networks.policy))
    moving = [weight.detach().clone() for weight in networks.policy.parameters()]
    learn(config, networks, optimizers(networks), rollout, None, 0, world_of(), recompute=False)
    assert all(torch.equal(was, own) for was, own in zip(before, networks.reference.parameters(), strict=True))
    assert not all(torch.equal(was, own) for was, own in zip(moving, networks.policy.parameters(), strict=True))

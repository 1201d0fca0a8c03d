"""PPO against what is known: the optimum it must reach, the gradient it must take, and what must not move it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from chatwright.artefacts import load_language_model, load_scalar_model, save_model
from chatwright.disk import sha256_of
from chatwright.errors import ConfigError, InputError, TrainingError
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling
from chatwright.stages.ppo import PPOConfig, ppo
from chatwright.text.conversation import Conversation, render
from chatwright.text.tokenizer import Tokenizer
from chatwright.training import policy_optimisation
from chatwright.training.batches import Batch
from chatwright.training.losses import (
    advantages_and_returns,
    clipped_policy_loss,
    clipped_value_loss,
    language_loss,
    shaped_rewards,
    whiten,
)
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.policy_optimisation import Networks, adapted, learn, weigh
from chatwright.training.rollouts import answer_logps, collate
from tiny import language_model, random_tokens, scalar_model, tokenizer, world_of

# -- a policy that is a table: every optimum can be computed -----------------------------------------------------------


class Table:
    """All answers of up to `length` tokens over `actions` tokens, of which token 0 ends an answer (if longer than 1).

    A policy is a table of logits with a row for every answer begun; the reward belongs to the whole answer.
    """

    def __init__(self, actions: int, length: int, *, beta: float, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.actions, self.length, self.beta = actions, length, beta
        self.states = {prefix: n for n, prefix in enumerate(self._begun())}
        self.reference = torch.randn(len(self.states), actions, generator=generator, dtype=torch.float64)
        self.answers = [own for own in self._whole()]
        self.rewards = torch.randn(len(self.answers), generator=generator, dtype=torch.float64)
        self.place = {answer: n for n, answer in enumerate(self.answers)}

    def _is_whole(self, prefix):
        return len(prefix) == self.length or (self.length > 1 and bool(prefix) and prefix[-1] == 0)

    def _all(self):
        for size in range(self.length + 1):
            for prefix in product(range(self.actions), repeat=size):
                if not any(self._is_whole(prefix[:n]) for n in range(1, size)):
                    yield prefix

    def _begun(self):
        return [prefix for prefix in self._all() if not self._is_whole(prefix)]

    def _whole(self):
        return [prefix for prefix in self._all() if self._is_whole(prefix)]

    def log_chances(self, logits):
        """The log-probability of every whole answer."""
        logps = logits.log_softmax(-1)
        return torch.stack(
            [sum(logps[self.states[answer[:n]], token] for n, token in enumerate(answer)) for answer in self.answers]
        )

    @property
    def optimum(self):
        """log pi* and beta log Z: pi* is proportional to pi_ref exp(r / beta)."""
        unnormed = self.log_chances(self.reference) + self.rewards / self.beta
        return unnormed.log_softmax(0), float(self.beta * unnormed.logsumexp(0))

    def objective(self, logits):
        own = self.log_chances(logits)
        return float((own.exp() * (self.rewards - self.beta * (own - self.log_chances(self.reference)))).sum())

    def distance(self, logits):
        """KL(pi || pi*)."""
        own, best = self.log_chances(logits), self.optimum[0]
        return float((own.exp() * (own - best)).sum())

    def sample(self, logits, count, rng):
        """Answers as [count, length] states and tokens, a mask, and the reward of each."""
        chances = logits.softmax(-1).numpy()
        states, tokens = np.zeros((count, self.length), dtype=int), np.zeros((count, self.length), dtype=int)
        mask, rewards = np.zeros((count, self.length)), np.zeros(count)
        for row in range(count):
            prefix = ()
            while not self._is_whole(prefix):
                step, state = len(prefix), self.states[prefix]
                token = int(rng.choice(self.actions, p=chances[state]))
                states[row, step], tokens[row, step], mask[row, step] = state, token, 1
                prefix = (*prefix, token)
            rewards[row] = self.rewards[self.place[prefix]]
        return torch.tensor(states), torch.tensor(tokens), torch.tensor(mask), torch.tensor(rewards)


def optimise(table, *, iterations, answers, rate, whitened=False, trace=0.95, seed=0):
    """PPO on a table, put together from the same pure functions as the real one."""
    logits = table.reference.clone().requires_grad_()
    values = torch.zeros(len(table.states), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits, values], lr=rate, betas=(0.9, 0.99))
    rng = np.random.default_rng(seed)
    best = table.optimum[1]
    for iteration in range(iterations):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - iteration / iterations)
        with torch.no_grad():
            states, tokens, mask, scores = table.sample(logits, answers, rng)
            old = logits.log_softmax(-1)[states, tokens] * mask
            reference = table.reference.log_softmax(-1)[states, tokens] * mask
            old_values = values[states] * mask
            rewards = shaped_rewards(old, reference, scores, mask, kl_coefficient=table.beta)
            advantages, returns = advantages_and_returns(rewards, old_values, mask, discount=1.0, trace=trace)
            advantages = whiten(advantages, mask) if whitened else advantages
        inside = mask > 0
        for _ in range(2):
            logps = logits.log_softmax(-1)[states, tokens][inside]
            loss, _ = clipped_policy_loss(logps, old[inside], advantages[inside], clip=0.2)
            own = clipped_value_loss(values[states][inside], old_values[inside], returns[inside], clip=1.0)
            optimizer.zero_grad()
            ((loss + own) / inside.sum()).backward()
            optimizer.step()
        assert table.objective(logits.detach()) <= best + 1e-9  # no policy is better than the optimum
    return logits.detach()


@pytest.mark.parametrize("actions, beta, seed", [(5, 0.5, 1), (8, 1.0, 2), (16, 0.7, 3)])
def test_single_token_answers_reach_the_analytic_optimum(actions, beta, seed):
    table = Table(actions, 1, beta=beta, seed=seed)
    assert table.distance(table.reference) > 0.05
    found = optimise(table, iterations=200, answers=96, rate=0.1)
    assert table.distance(found) < 1e-3
    assert table.optimum[1] - table.objective(found) < 1e-3


def test_answers_of_several_tokens_reach_the_analytic_optimum():
    """Credit reaches the tokens that earned it, the end token is one of them, and the distance counts once."""
    table = Table(3, 3, beta=0.5, seed=4)
    assert len(table.answers) == 1 + 2 + 12 and table.distance(table.reference) > 0.1
    found = optimise(table, iterations=300, answers=64, rate=0.08)
    assert table.distance(found) < 1e-3
    assert table.optimum[1] - table.objective(found) < 1e-3


def test_a_price_of_distance_charged_twice_would_be_noticed():
    """The test above can fail: the optimum of another beta is far from it."""
    table = Table(8, 1, beta=1.0, seed=2)
    dear = Table(8, 1, beta=2.0, seed=2)
    assert table.distance(dear.optimum[0][None]) > 0.02


def test_whitening_at_the_optimum_turns_rounding_into_steps():
    """The trap: at the optimum every answer is worth the same, and dividing by a spread of nothing makes it noise."""
    table = Table(8, 1, beta=0.5, seed=1)
    optimum = table.optimum[0][None]
    states, tokens, mask, scores = table.sample(optimum, 256, np.random.default_rng(0))
    logps = optimum.log_softmax(-1)[states, tokens]
    reference = table.reference.log_softmax(-1)[states, tokens]
    rewards = shaped_rewards(logps, reference, scores, mask, kl_coefficient=0.5)
    assert float(rewards.std()) < 1e-9
    off = rewards + 1e-3 * torch.randn(rewards.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    baseline = torch.full_like(rewards, float(off.mean()))
    advantages, _ = advantages_and_returns(off, baseline, mask, discount=1.0, trace=0.95)
    assert float(advantages.abs().max()) < 1e-2
    assert float(whiten(advantages, mask).std()) == pytest.approx(1, abs=0.01)


# -- one iteration of the real thing -----------------------------------------------------------------------------------

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
    engine = Engine(policy, type("Ends", (), {"end": END, "stops": frozenset({END})}), world_of())
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


# -- the stage ---------------------------------------------------------------------------------------------------------

WANTED = 12
"""The token that answers are rewarded for: rare, but not so rare that it is never seen."""


@pytest.fixture(scope="module")
def given_files(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("given")
    save_model(folder / "policy", language_model(tokenizer().size, 48), tokenizer())
    save_model(folder / "reward", scalar_model(tokenizer().size, 48, seed=2), tokenizer())
    prompts = [Conversation.of(f"the {word}") for word in ("fox", "dog", "quick", "lazy", "brown", "jumps")]
    lines = [json.dumps({"prompt": prompt.to_dicts()}) + "\n" for prompt in prompts]
    (folder / "prompts.jsonl").write_text("".join(lines))
    return folder


def config_of(given_files, out, **settings):
    settings = {
        "iterations": 20,
        "batch": 48,
        "minibatches": 2,
        "learning_rate": 5e-3,
        "kl_coefficient": 0.02,
        "max_tokens": 8,
        "missing_end_penalty": 0.0,
        "kl_stop": 1000.0,
        "threads": 1,
        "precision": "fp32",
        "device": "cpu",
        **settings,
    }
    return PPOConfig(
        out=out,
        policy=given_files / "policy",
        reward=given_files / "reward",
        prompts=[str(given_files / "prompts.jsonl")],
        **settings,
    )


def counted(answers):
    """One for every token that is wanted."""
    return torch.tensor([float(answer.tokens.count(WANTED)) for answer in answers])


def constant(answers):
    return torch.ones(len(answers))


def summary_of(folder):
    return json.loads((folder / "receipt.json").read_text())["summary"]


def metrics_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_policy_learns_to_say_what_is_rewarded(given_files, tmp_path, seed):
    out = ppo(config_of(given_files, tmp_path / "ppo", seed=seed), reward=counted)
    summary, lines = summary_of(out), metrics_of(out)
    assert summary["reference_score"] < 1
    assert summary["score"] > 4
    assert np.mean([line["score"] for line in lines[-3:]]) > np.mean([line["score"] for line in lines[:3]]) + 3
    assert all(line["first_ratio"] <= 1e-3 for line in lines)
    assert summary["log_probabilities"] == "stored while sampling"
    assert [line["step"] for line in lines] == list(range(1, 21))


def distance_of(out, given_files):
    """KL(policy || where it began) per token, exact, over what the reference says."""
    policy, own = load_language_model(out, world=world_of())
    reference, _ = load_language_model(given_files / "policy", world=world_of())
    prompt = render(Conversation.of("the fox"), own, answer=True).tokens
    sampling = Sampling(temperature=1.0, max_tokens=8)
    said = Engine(reference, own, world_of()).sample([prompt] * 32, sampling, seeds=range(32))
    total, count = 0.0, 0
    for answer in said:
        tokens = torch.tensor([[*prompt, *answer.tokens]])
        with torch.no_grad():
            logps, before = (model(tokens)[0][0, len(prompt) - 1 :].log_softmax(-1) for model in (policy, reference))
        total += float((logps.exp() * (logps - before)).sum())
        count += len(logps)
    return total / count


def test_a_constant_reward_and_a_high_price_of_distance_hold_the_policy_where_it_was(given_files, tmp_path):
    """Whatever moves is noise; it stays far below what a reward moves with the same settings."""
    cases = {"moved": (counted, 0.1), "constant": (constant, 0.1), "dear": (counted, 100.0)}
    found = {}
    for name, (reward, price) in cases.items():
        settings = {"learning_rate": 1e-3, "value_learning_rate": 5e-3, "kl_coefficient": price}
        config = config_of(given_files, tmp_path / name, **settings)
        found[name] = distance_of(ppo(config, reward=reward), given_files)
    assert found["moved"] > 0.2
    assert found["constant"] < 0.04 and found["dear"] < 0.03


def test_the_policy_it_began_from_and_the_reward_model_are_left_as_they_were(given_files, tmp_path):
    files = [given_files / name / "weights.safetensors" for name in ("policy", "reward")]
    before = [sha256_of(path) for path in files]
    out = ppo(config_of(given_files, tmp_path / "ppo", iterations=2))
    assert [sha256_of(path) for path in files] == before
    assert sha256_of(out / "model" / "weights.safetensors") != before[0]
    load_language_model(out, world=world_of())
    load_scalar_model(out / "value", world=world_of())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(given_files, tmp_path):
    hashes = [
        sha256_of(ppo(config_of(given_files, tmp_path / name, iterations=2, seed=seed)) / "model/weights.safetensors")
        for name, seed in (("one", 1), ("again", 1), ("other", 2))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_training_stops_when_validation_shows_that_the_policy_went_too_far(given_files, tmp_path):
    config = config_of(
        given_files,
        tmp_path / "ppo",
        validation_prompts=[str(given_files / "prompts.jsonl")],
        kl_stop=0.05,
        evaluate_every=1,
        learning_rate=1e-2,
    )
    out = ppo(config, reward=counted)
    summary = summary_of(out)
    assert "validation KL" in summary["stopped"] and summary["iterations"] < 20
    assert summary["kl"] <= 0.05  # the weights that are kept did not go too far


def test_settings_that_cannot_work_are_refused(given_files, tmp_path):
    for settings, word in (
        ({"batch": 10, "minibatches": 3}, "must be a multiple of"),
        ({"ptx_coefficient": 1.0}, "needs ppo.tokens"),
        ({"ema": 1.0}, "ema is 1.0"),
        ({"temperature": 0.0}, "temperature must be greater than 0"),
    ):
        with pytest.raises(ConfigError, match=word):
            config_of(given_files, tmp_path, **settings)
    with pytest.raises(ConfigError, match="leaves no room for prompts"):
        ppo(config_of(given_files, tmp_path / "room", max_tokens=45))


def test_a_reward_model_with_another_tokenizer_is_refused(given_files, tmp_path):
    other = Tokenizer.train(["quite other words"] * 30, 270)
    save_model(tmp_path / "reward", scalar_model(other.size, 48), other)
    config = replace(config_of(given_files, tmp_path / "ppo"), reward=tmp_path / "reward")
    with pytest.raises(InputError, match="different tokenizers"):
        ppo(config)

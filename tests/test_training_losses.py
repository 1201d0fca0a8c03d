"""Every objective against a second version of it, written as plain loops over numpy float64 numbers."""

from __future__ import annotations

from itertools import combinations
from math import exp, log, sqrt

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from chatwright.feedback.rankings import Ranking
from chatwright.feedback.rankings import pairs as pairs_of
from chatwright.text.conversation import Conversation
from chatwright.training.batches import Batch
from chatwright.training.losses import (
    advantages_and_returns,
    clipped_policy_loss,
    clipped_value_loss,
    language_loss,
    ranking_loss,
    shaped_rewards,
    whiten,
)
from tiny import language_model, random_tokens


def of(array):
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def ragged(seed=0, rows=5, width=7):
    """Random [rows, width] numbers by name, and a mask of rows of 1 to `width` tokens."""
    rng = np.random.default_rng(seed)
    lengths = [int(n) for n in rng.integers(1, width, size=rows - 1)] + [width]
    mask = np.array([[1.0] * n + [0.0] * (width - n) for n in lengths])
    names = ("logps", "reference", "values", "old_values", "rewards", "advantages", "returns")
    numbers = {name: rng.normal(size=(rows, width)) for name in names}
    return rng, lengths, mask, numbers


# -- supervised --------------------------------------------------------------------------------------------------------


def test_language_loss_sums_over_supervised_tokens_only():
    model, tokens = language_model(), random_tokens(3, 9)
    weights = torch.tensor([[0, 0, 0, 1, 1, 1, 0, 1.0], [1.0] * 8, [0, 0, 0, 0, 0, 0, 0, 1]])
    loss, weight = language_loss(model, Batch(tokens[:, :-1], tokens[:, 1:], weights))
    logits, _ = model(tokens[:, :-1])
    each = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none").view(3, 8)
    assert float(weight) == 13
    torch.testing.assert_close(loss, (each * weights).sum(), rtol=1e-5, atol=1e-5)
    everything, weight = language_loss(model, Batch(tokens[:, :-1], tokens[:, 1:]))
    assert float(weight) == 24
    torch.testing.assert_close(everything, each.sum(), rtol=1e-5, atol=1e-5)


# -- rankings ----------------------------------------------------------------------------------------------------------


def brute_force_ranking_loss(scores, prompts):
    """`prompts`: (first place in scores, ranks). A mean over the pairs of every prompt, summed over prompts."""
    total, count = 0.0, 0
    for first, ranks in prompts:
        losses = []
        for i, j in combinations(range(len(ranks)), 2):
            if ranks[i] != ranks[j]:
                better, worse = (i, j) if ranks[i] < ranks[j] else (j, i)
                losses.append(-log(1 / (1 + exp(-(scores[first + better] - scores[first + worse])))))
        if losses:
            total, count = total + sum(losses) / len(losses), count + 1
    return total, count


def ranked(ranks, first=0):
    answers = tuple(str(number) for number in range(len(ranks)))
    own = pairs_of(Ranking(Conversation.of("q"), answers, tuple(float(rank) for rank in ranks)))
    return [(first + better, first + worse) for better, worse in own]


@pytest.mark.parametrize("answers", range(4, 10))
def test_the_ranking_loss_is_the_mean_over_all_pairs_in_values_and_gradients(answers):
    rng = np.random.default_rng(answers)
    scores = rng.normal(size=answers) * 2
    for ranks in (rng.permutation(answers) + 1, rng.integers(1, 4, size=answers)):  # an order, and one with ties
        leaf = of(scores).requires_grad_()
        loss, weight = ranking_loss(leaf, [ranked(ranks)])
        (gradient,) = torch.autograd.grad(loss, leaf)
        wanted, count = brute_force_ranking_loss(scores, [(0, ranks)])
        assert (float(weight), count) == (1, 1)
        assert float(loss.detach()) == pytest.approx(wanted, abs=1e-12)
        for place in range(answers):
            up, down = scores.copy(), scores.copy()
            up[place] += 1e-5
            down[place] -= 1e-5
            slope = brute_force_ranking_loss(up, [(0, ranks)])[0] - brute_force_ranking_loss(down, [(0, ranks)])[0]
            assert float(gradient[place]) == pytest.approx(slope / 2e-5, abs=1e-8)


def test_every_prompt_is_one_element_however_many_answers_it_has():
    rng = np.random.default_rng(3)
    rankings = [[1, 2, 3, 4], [2, 1], [1, 1, 1], [3, 1, 2, 2, 5, 4, 6, 7, 8]]
    firsts = [0, 4, 6, 9]
    scores = rng.normal(size=18)
    pairs = [ranked(ranks, first) for ranks, first in zip(rankings, firsts, strict=True)]
    loss, weight = ranking_loss(of(scores), pairs)
    wanted, count = brute_force_ranking_loss(scores, list(zip(firsts, rankings, strict=True)))
    assert float(weight) == count == 3  # the prompt whose answers all tie weighs nothing
    assert float(loss) == pytest.approx(wanted, abs=1e-12)


def test_the_order_in_which_answers_are_listed_does_not_matter():
    rng = np.random.default_rng(4)
    scores, ranks = rng.normal(size=7), np.array([3, 1, 2, 2, 5, 4, 4])
    order = rng.permutation(7)
    loss, _ = ranking_loss(of(scores), [ranked(ranks)])
    shuffled, _ = ranking_loss(of(scores[order]), [ranked(ranks[order])])
    assert float(loss) == pytest.approx(float(shuffled), abs=1e-12)


def test_a_batch_without_a_pair_weighs_nothing_and_very_different_scores_stay_finite():
    loss, weight = ranking_loss(of([0.5, 0.5]), [[], []])
    assert (float(loss), float(weight)) == (0.0, 0.0)
    leaf = of([-2000.0, 2000.0]).requires_grad_()
    loss, _ = ranking_loss(leaf, [[(0, 1)]])
    assert float(loss.detach()) == pytest.approx(4000)
    assert torch.autograd.grad(loss, leaf)[0].tolist() == [-1.0, 1.0]


# -- rewards and advantages --------------------------------------------------------------------------------------------


def plain_rewards(logps, reference, scores, lengths, beta):
    rewards = np.zeros_like(logps)
    for row, length in enumerate(lengths):
        for step in range(length):
            rewards[row, step] = -beta * (logps[row, step] - reference[row, step])
            if step == length - 1:
                rewards[row, step] += scores[row]
    return rewards


def plain_advantages(rewards, values, lengths, discount, trace):
    """The definition: a sum of discounted errors over all later tokens."""
    advantages, returns = np.zeros_like(rewards), np.zeros_like(rewards)
    for row, length in enumerate(lengths):
        for step in range(length):
            for later in range(step, length):
                following = values[row, later + 1] if later + 1 < length else 0.0
                error = rewards[row, later] + discount * following - values[row, later]
                advantages[row, step] += (discount * trace) ** (later - step) * error
            returns[row, step] = advantages[row, step] + values[row, step]
    return advantages, returns


def agree(found, wanted):
    assert np.abs(found.numpy() - wanted).max() <= 1e-10


@pytest.mark.parametrize("seed", range(4))
def test_shaped_rewards_equal_a_version_in_plain_loops(seed):
    rng, lengths, mask, n = ragged(seed)
    scores = rng.normal(size=5)
    found = shaped_rewards(of(n["logps"]), of(n["reference"]), of(scores), of(mask), kl_coefficient=0.3)
    agree(found, plain_rewards(n["logps"], n["reference"], scores, lengths, 0.3))


@pytest.mark.parametrize("discount, trace", [(1.0, 0.95), (0.9, 0.8), (1.0, 1.0), (0.99, 0.0), (0.0, 0.5)])
def test_advantages_and_returns_equal_a_version_in_plain_loops(discount, trace):
    _, lengths, mask, n = ragged(7)
    rewards, values = n["rewards"] * mask, n["values"]
    found = advantages_and_returns(of(rewards), of(values), of(mask), discount=discount, trace=trace)
    for own, wanted in zip(found, plain_advantages(rewards, values, lengths, discount, trace), strict=True):
        agree(own, wanted)


def test_with_a_trace_of_one_an_advantage_is_the_whole_return_less_the_value():
    _, lengths, mask, n = ragged(8)
    rewards = n["rewards"] * mask
    advantages, returns = advantages_and_returns(of(rewards), of(n["values"]), of(mask), discount=0.9, trace=1.0)
    for row, length in enumerate(lengths):
        for step in range(length):
            whole = sum(0.9 ** (later - step) * rewards[row, later] for later in range(step, length))
            assert float(returns[row, step]) == pytest.approx(whole, abs=1e-10)
            assert float(advantages[row, step]) == pytest.approx(whole - n["values"][row, step], abs=1e-10)


def test_with_a_trace_of_zero_an_advantage_is_the_error_of_one_step():
    _, lengths, mask, n = ragged(9)
    rewards, values = n["rewards"] * mask, n["values"]
    advantages, _ = advantages_and_returns(of(rewards), of(values), of(mask), discount=0.9, trace=0.0)
    for row, length in enumerate(lengths):
        for step in range(length):
            following = values[row, step + 1] if step + 1 < length else 0.0
            wanted = rewards[row, step] + 0.9 * following - values[row, step]
            assert float(advantages[row, step]) == pytest.approx(wanted, abs=1e-10)


def test_without_reward_and_with_perfect_values_nothing_is_better_or_worse():
    _, _, mask, _ = ragged(10)
    zero = torch.zeros_like(of(mask))
    assert advantages_and_returns(zero, zero, of(mask), discount=1.0, trace=0.95)[0].abs().max() == 0
    rewards = of(mask).clone()  # one for every token: the value of a token is how many are left, itself included
    left = rewards.flip(1).cumsum(1).flip(1) * rewards
    advantages, returns = advantages_and_returns(rewards, left, of(mask), discount=1.0, trace=0.95)
    assert float(advantages.abs().max()) < 1e-12
    agree(returns, left.numpy())


def test_whitening_equals_a_version_in_plain_loops():
    _, lengths, mask, n = ragged(11)
    values = n["advantages"] * 3 + 2
    inside = [values[row, step] for row, length in enumerate(lengths) for step in range(length)]
    mean = sum(inside) / len(inside)
    variance = sum((value - mean) ** 2 for value in inside) / len(inside)
    found = whiten(of(values), of(mask))
    agree(found, (values - mean) / sqrt(variance + 1e-8) * mask)
    assert float(found.sum()) == pytest.approx(0, abs=1e-10)


# -- clipped losses ----------------------------------------------------------------------------------------------------


def plain_policy_loss(logps, old, advantages, clip):
    total, clipped = 0.0, 0
    for new, was, advantage in zip(logps, old, advantages, strict=True):
        ratio = exp(new - was)
        kept = min(max(ratio, 1 - clip), 1 + clip)
        total -= min(ratio * advantage, kept * advantage)
        clipped += kept * advantage < ratio * advantage
    return total, clipped


def plain_value_loss(values, old, returns, clip):
    total = 0.0
    for value, was, wanted in zip(values, old, returns, strict=True):
        near = was + min(max(value - was, -clip), clip)
        total += 0.5 * max((value - wanted) ** 2, (near - wanted) ** 2)
    return total


def slopes(function, at):
    out = []
    for place in range(len(at)):
        up, down = at.copy(), at.copy()
        up[place] += 1e-6
        down[place] -= 1e-6
        out.append((function(up) - function(down)) / 2e-6)
    return np.array(out)


@pytest.mark.parametrize("seed", range(3))
def test_clipped_losses_equal_a_version_in_plain_loops_in_values_and_gradients(seed):
    rng = np.random.default_rng(seed)
    new, old, advantages, returns = (rng.normal(size=200) * 0.4 for _ in range(4))
    leaf = of(new).requires_grad_()
    loss, clipped = clipped_policy_loss(leaf, of(old), of(advantages), clip=0.2)
    wanted, count = plain_policy_loss(new, old, advantages, 0.2)
    assert float(loss.detach()) == pytest.approx(wanted, abs=1e-10)
    assert int(clipped) == count and 20 < count < 180
    found = torch.autograd.grad(loss, leaf)[0].numpy()
    assert np.abs(found - slopes(lambda at: plain_policy_loss(at, old, advantages, 0.2)[0], new)).max() < 1e-6
    value_loss = clipped_value_loss(leaf, of(old), of(returns), clip=0.2)
    assert float(value_loss.detach()) == pytest.approx(plain_value_loss(new, old, returns, 0.2), abs=1e-10)
    found = torch.autograd.grad(value_loss, leaf)[0].numpy()
    assert np.abs(found - slopes(lambda at: plain_value_loss(at, old, returns, 0.2), new)).max() < 1e-6


def test_a_ratio_that_went_too_far_in_the_right_direction_gets_no_gradient_and_in_the_wrong_one_it_does():
    logps = of([0.5, 0.5, -0.5, -0.5]).requires_grad_()
    loss, clipped = clipped_policy_loss(logps, of([0.0] * 4), of([1.0, -1.0, 1.0, -1.0]), clip=0.2)
    gradient = torch.autograd.grad(loss, logps)[0]
    assert (gradient == 0).tolist() == [True, False, False, True]
    assert int(clipped) == 2


def test_at_a_ratio_of_one_the_gradient_is_the_plain_policy_gradient():
    advantages = of([0.3, -2.0, 1.1])
    logps = of([-1.0, -0.2, -3.0]).requires_grad_()
    loss, clipped = clipped_policy_loss(logps, logps.detach(), advantages, clip=0.2)
    torch.testing.assert_close(torch.autograd.grad(loss, logps)[0], -advantages)
    assert int(clipped) == 0


# -- padding -----------------------------------------------------------------------------------------------------------


def test_appended_padding_changes_nothing_whatever_it_holds():
    rng, _, mask, n = ragged(12)
    scores = of(rng.normal(size=5))

    def wide(array, fill):
        return torch.cat([of(array), torch.full((5, 4), fill, dtype=torch.float64)], dim=1)

    def everything(logps, reference, values, inside):
        rewards = shaped_rewards(logps, reference, scores, inside, kl_coefficient=0.1)
        advantages, returns = advantages_and_returns(rewards, values, inside, discount=0.99, trace=0.95)
        return rewards, advantages, returns, whiten(advantages, inside)

    bare = everything(of(n["logps"]), of(n["reference"]), of(n["values"]), of(mask))
    padded = everything(wide(n["logps"], 7.0), wide(n["reference"], -3.0), wide(n["values"], 11.0), wide(mask, 0.0))
    for narrow, own in zip(bare, padded, strict=True):
        torch.testing.assert_close(own[:, :7], narrow, rtol=0, atol=1e-14)
        assert float(own[:, 7:].abs().max()) == 0
        assert float((narrow * (1 - of(mask))).abs().max()) == 0

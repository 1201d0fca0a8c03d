"""The networks of PPO: opened from the policy and the reward model, whole or as adapters beside one base.

In: the folders of a policy and of a reward model.  Out: four networks that share what they can, and what they take.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import nn

from chatwright.artefacts import load_language_model, load_scalar_model
from chatwright.errors import InputError
from chatwright.models.heads import LanguageModel, ScalarModel, count_parameters
from chatwright.models.lora import bare, frozen, twin
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.learner import Fitting, frozen_bytes, learner, load_as, load_beside, needed_bytes
from chatwright.world import World

__all__ = ["Networks", "open_networks", "working_bytes"]


class Settings(Fitting, Protocol):
    """What is read of `PPOConfig`, where each is explained."""

    @property
    def policy(self) -> Path: ...
    @property
    def reward(self) -> Path: ...
    @property
    def ema(self) -> float: ...
    @property
    def batch(self) -> int: ...
    @property
    def minibatches(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...


@dataclass(frozen=True)
class Networks:
    """The four networks of PPO."""

    policy: LanguageModel
    reference: LanguageModel
    value: ScalarModel
    average: LanguageModel | None
    """Running mean of the policy's weights."""
    vocabulary: int | None = None
    """Ids that have a text; rows of the policy beyond are never sampled. None: all."""

    @property
    def trained(self) -> dict[str, nn.Module]:
        own: dict[str, nn.Module] = {"policy": self.policy, "value": self.value}
        return own | ({"average": self.average} if self.average is not None else {})

    @property
    def result(self) -> LanguageModel:
        """The weights that count: averaged ones where there are some."""
        return self.policy if self.average is None else self.average


def open_networks(config: Settings, world: World) -> tuple[Networks, ScalarModel, Tokenizer]:
    """The networks at their start, the reward model as it is, and the tokenizer of both.

    The reference is the policy, the value function a copy of the reward model. Raises InputError where policy and
    reward model have different tokenizers.
    """
    if config.lora.rank:
        return _on_one_base(config, world)
    policy, tokenizer = load_language_model(config.policy, world=world)
    reference, _ = load_language_model(config.policy, world=world)
    value, reward_tokenizer = load_scalar_model(config.reward, world=world)
    scorer, _ = load_scalar_model(config.reward, world=world)
    _check_tokenizers(config, tokenizer, reward_tokenizer)
    average = load_language_model(config.policy, world=world)[0] if config.ema else None
    policy, value = policy.requires_grad_(True), value.requires_grad_(True)
    return Networks(policy, reference, value, average, tokenizer.size), scorer, tokenizer


def _on_one_base(config: Settings, world: World) -> tuple[Networks, ScalarModel, Tokenizer]:
    """The same networks as adapters: the reference is the policy's base, and the value function starts on the reward
    model's memory, which is the policy's too where the reward model was trained from it with adapters.

    None of them thins: log-probabilities must be those that answers were sampled with, and values repeatable.
    """
    base, tokenizer = load_language_model(config.policy, world=world, weights=load_as(config))
    policy = learner(base, config, thinned=False)
    reference = bare(policy)
    del base
    scorer = load_beside(policy, config.policy, config.reward)
    if scorer is None:
        loaded, reward_tokenizer = load_scalar_model(config.reward, world=world, weights=load_as(config))
        _check_tokenizers(config, tokenizer, reward_tokenizer)
        scorer = frozen(loaded, config.weights)
        value = learner(scorer, config, thinned=False)
    else:
        _check_tokenizers(config, tokenizer, Tokenizer.load(config.reward))
        value = twin(scorer).requires_grad_(True)
    scorer.requires_grad_(False)
    average = twin(policy).requires_grad_(False) if config.ema else None
    return Networks(policy, reference, value, average, tokenizer.size), scorer, tokenizer


def _check_tokenizers(config: Settings, own: Tokenizer, other: Tokenizer) -> None:
    if own.to_json() != other.to_json():
        raise InputError(
            f"{config.reward} and {config.policy} have different tokenizers; train the reward model from this policy"
        )


def working_bytes(config: Settings, networks: Networks) -> int:
    """Bytes that policy and value function take while they learn, with reference and reward model."""
    length = min(networks.policy.backbone.config.context, 2 * config.max_tokens)
    tokens = config.batch // config.minibatches * length
    policy = needed_bytes(networks.policy, tokens=2 * tokens, length=length, copies=30)
    own, other = (network.backbone.embedding.weight for network in (networks.policy, networks.value))
    apart = frozen_bytes(networks.value) if own.data_ptr() != other.data_ptr() else 0
    return policy + count_parameters(networks.value) * 30 + apart

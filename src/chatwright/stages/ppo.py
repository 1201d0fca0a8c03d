"""PPO: the policy learns to give answers that the reward model scores higher, without straying from where it began.

In: a policy (sft), a reward model and prompts.  Out: `model/`, the aligned policy, and its value function.

Each iteration samples answers, scores them, turns scores and the distance to the reference into rewards per token,
and takes a few clipped steps (Schulman et al. 2017; Ouyang et al. 2022, section 3.5). Neither the village nor its judge
is known here: a reward is whatever scores answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated

import torch
import tyro
from torch import Tensor, nn

from chatwright.artefacts import load_language_model, load_scalar_model, save_model
from chatwright.disk import require
from chatwright.errors import ConfigError, InputError
from chatwright.evaluation.scoring import reward_scores
from chatwright.generation.engine import Answer, Engine, Sampled
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel, ScalarModel, count_parameters, training_flops_per_token
from chatwright.models.held import Weights
from chatwright.models.lora import LoRA, bare, frozen, merged, twin
from chatwright.runs import open_stage
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.files import files_of_all, names_of
from chatwright.text.records import ConversationSource, read_prompts
from chatwright.text.token_files import TokenFile
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.batches import Batch, TokenWindows, permutation
from chatwright.training.checkpoints import restore_checkpoint, write_checkpoint
from chatwright.training.learner import (
    check,
    frozen_bytes,
    learner,
    load_as,
    load_beside,
    needed_bytes,
    save_learned,
    saved_bytes,
)
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.policy_optimisation import Networks, adapted, learn, weigh
from chatwright.training.rollouts import Rollout, answer_logps, by_rows, collate, sequence_scores
from chatwright.world import World, open_world, seed_everything

Reward = Callable[[list[Answer]], Tensor]
"""Scores float32 [B] of answers: a reward model, a task's score, a judge, or a test's stub."""


VALIDATION_SEEDS = 2**48
"""Where the numbers of validation answers begin: far from those that are learned from."""


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Settings of `ppo`."""

    out: Path
    policy: Path
    """Where the policy starts; also the reference that it must not stray from."""
    reward: Path
    """The reward model; the value function starts as a copy of it."""
    # On the command line prompts are paths; tables stand in recipes.
    prompts: Annotated[list[str | ConversationSource], tyro.conf.arg(constructor=list[str])]
    """Files, folders, patterns, or tables with a path; of whole conversations, all before the last answer is asked."""
    validation_prompts: Annotated[list[str | ConversationSource], tyro.conf.arg(constructor=list[str])] = field(
        default_factory=list
    )
    """Prompts that are only watched: training stops early on what they show."""
    iterations: int = 100
    batch: int = 64
    """Answers per iteration."""
    minibatches: int = 2
    epochs: int = 1
    learning_rate: float = 2e-4
    value_learning_rate: float | None = None
    """None: the policy's."""
    kl_coefficient: float = 0.1
    """Price of a nat of distance from the reference."""
    kl_target: float | None = None
    """Adapt the coefficient so that an answer's distance stays near this many nats (Ziegler et al. 2019)."""
    kl_stop: float = 4.0
    """Stop when the distance on validation prompts passes this many nats an answer."""
    patience: int = 4
    """Stop after so many validations without a better score."""
    clip: float = 0.2
    value_clip: float = 0.2
    value_coefficient: float = 0.5
    discount: float = 1.0
    trace: float = 0.95
    """Lambda of generalised advantage estimation."""
    temperature: float = 1.0
    max_tokens: int = 64
    missing_end_penalty: float = 2.0
    """Taken off the score of an answer that was cut."""
    tokens: Path | None = None
    """Folder that `tokenize` wrote, for PPO-ptx."""
    ptx_coefficient: float = 0.0
    """Weight of the pre-training loss, whose gradient is added to PPO's (Ouyang et al. 2022, eq. 2)."""
    ptx_rows: int = 8
    ema: float = 0.0
    """Decay of the averaged weights that `model/` holds; 0: the last weights."""
    evaluate_every: int = 10
    lora: LoRA = field(default_factory=LoRA)
    """Adapters instead of all weights, where the rank is above 0: { rank = 8, alpha = 16, targets = ["all"] }."""
    weights: Weights = "fp32"
    """How frozen weights are held: fp32, bf16 or int8."""
    checkpointing: bool = False
    """Keep only what enters each block for the backward pass and compute the rest anew: less memory, a third slower."""
    seed: int = 1
    threads: int = 2
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.batch % self.minibatches:
            raise ConfigError(f"ppo.batch ({self.batch}) must be a multiple of ppo.minibatches ({self.minibatches})")
        if self.ptx_coefficient and self.tokens is None:
            raise ConfigError("ppo.ptx_coefficient needs ppo.tokens, the folder that tokenize wrote")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ppo.ema is {self.ema}; it must lie in [0, 1)")
        if self.temperature <= 0:
            raise ConfigError("ppo.temperature must be greater than 0: a policy learns from what it samples")
        check("ppo", self)


def ppo(config: PPOConfig, *, reward: Reward | None = None) -> Path:
    """Improve the policy. `reward` replaces the reward model as the score; the value function still starts from it."""
    world = open_world(config.device, config.precision, config.threads)
    if world.size > 1:
        raise ConfigError("ppo runs in one process; start it without torchrun")
    parents = {"policy": config.policy, "reward": config.reward} | ({"tokens": config.tokens} if config.tokens else {})
    inputs = files_of_all([*config.prompts, *config.validation_prompts])
    with open_stage("ppo", config, out=config.out, parents=parents, inputs=inputs) as run:
        if run.complete:
            return run.folder
        seed_everything(config.seed)
        networks, scorer, tokenizer = _networks(config, world)
        require(
            memory_bytes=_memory(config, networks),
            disk_bytes=saved_bytes(networks.policy) + saved_bytes(networks.value),
            where=run.folder,
        )
        score = reward or reward_of(scorer, tokenizer, world)
        prompts = _prompts(config.prompts, networks.policy, tokenizer, config)
        watched = _prompts(config.validation_prompts, networks.policy, tokenizer, config)
        schedule = Schedule(
            steps=config.iterations * config.epochs * config.minibatches,
            warmup=min(10, config.iterations // 10) * config.minibatches * config.epochs,
            initial=0.1,
            shape="linear",
            final=0.1,
        )
        optimizers = {
            "policy": Optimizer([networks.policy], schedule, learning_rate=config.learning_rate, epsilon=1e-5),
            "value": Optimizer(
                [networks.value],
                schedule,
                learning_rate=config.value_learning_rate or config.learning_rate,
                epsilon=1e-5,
            ),
        }
        text = _pretraining_text(config)
        standing = Standing(kl_coefficient=config.kl_coefficient)
        start, best = 0, _copy_of(_result(networks))
        if (latest := run.latest()) is not None:
            start = latest[0]
            state, best = restore_checkpoint(latest[1], networks.trained, optimizers)
            standing = Standing(**state)  # type: ignore[arg-type]
        flops = training_flops_per_token(networks.policy, config.max_tokens) / 6  # half of a forward pass
        for iteration in range(start, config.iterations):
            if standing.stopped:
                break
            own = [prompts[index] for index in _chosen(config, iteration, len(prompts))]
            began = perf_counter()
            rollout, answers = _roll_out(config, networks.policy, tokenizer, own, world, iteration * config.batch)
            rolled = perf_counter()
            rollout, seen = weigh(
                config, networks, rollout, score(answers).to(world.device).float(), standing.kl_coefficient, world
            )
            scored = perf_counter()
            rollout, learned, recomputed = learn(
                config, networks, optimizers, rollout, text, iteration, world, recompute=standing.recompute
            )
            if recomputed and not standing.recompute:
                print(
                    f"ppo: sampling and training differ in rounding (ratio off by {learned['first_ratio']:.1e}); "
                    f"log-probabilities are computed anew from here on",
                    flush=True,
                )
            standing = standing.after(seen["kl"], config, recomputed)
            number = iteration + 1
            tokens = int(rollout.lengths.sum() + rollout.starts.sum())
            # forward passes of sampling, reference, reward and value; forward and backward of policy and value
            learning = 2 * (4 if config.lora.rank else 6)  # frozen weights take no gradients
            run.meter.add(tokens=int(rollout.lengths.sum()), flops=tokens * flops * (4 * 2 + learning * config.epochs))
            run.log(
                number,
                **seen,
                **learned,
                kl_coefficient=standing.kl_coefficient,
                episodes=number * config.batch,
                rollout_seconds=rolled - began,
                score_seconds=scored - rolled,
                train_seconds=perf_counter() - scored,
            )
            run.progress(number, config.iterations, score=seen["score"], kl=seen["kl"])
            if watched and (number % config.evaluate_every == 0 or number == config.iterations):
                measured, said = _validate(
                    config, _result(networks), networks.reference, tokenizer, watched, score, world
                )
                run.log(number, **measured)
                _append_validation(run.folder, number, said)
                standing = standing.judged(measured, config)
                if standing.improved:
                    best = _copy_of(_result(networks))
            elif not watched:
                best = _copy_of(_result(networks))
            if run.should_save(number):
                with run.checkpoint(number) as folder:
                    write_checkpoint(folder, networks.trained, optimizers, standing.as_dict(), best)
        with torch.no_grad():
            for name, weight in _result(networks).named_parameters():
                weight.copy_(best[name])
        save_learned(run.folder, _result(networks), tokenizer, base=config.policy, stage="ppo", chat=True)
        save_model(run.folder / "value", merged(networks.value), tokenizer, stage="ppo")
        final = _final(config, networks, tokenizer, watched or prompts[:64], score, world)
        summary = {
            **final,
            "iterations": standing.iterations,
            "episodes": standing.iterations * config.batch,
            "stopped": standing.stopped,
            "weights": "running average" if config.ema else "policy",
            "weights_of_iteration": standing.best_iteration if watched else standing.iterations,  # 0: the reference
            "log_probabilities": "computed anew" if standing.recompute else "stored while sampling",
        }
        return run.finish(summary=summary, tokens_per_second=run.meter.tokens / max(run.meter.seconds, 1e-9))


@dataclass(frozen=True)
class Standing:
    """What PPO knows besides its weights: everything in it is saved."""

    kl_coefficient: float
    iterations: int = 0
    recompute: bool = False
    stopped: str = ""
    best_score: float = float("-inf")
    best_iteration: int = 0
    worse: int = 0
    improved: bool = False

    def as_dict(self) -> dict[str, object]:
        return {**self.__dict__, "best_score": self.best_score if self.best_iteration else -1e30}

    def after(self, kl: float, config: PPOConfig, recomputed: bool) -> Standing:
        """After an iteration."""
        return replace(
            self,
            kl_coefficient=adapted(self.kl_coefficient, kl, config.kl_target),
            iterations=self.iterations + 1,
            recompute=self.recompute or recomputed,
        )

    def judged(self, measured: dict[str, float], config: PPOConfig) -> Standing:
        """After a validation: keep these weights if they are better and near enough, and stop if they are not."""
        far = measured["validation_kl"] > config.kl_stop
        better = measured["validation_objective"] > self.best_score and not far
        worse = 0 if better else self.worse + 1
        stopped = ""
        if far:
            stopped = f"validation KL {measured['validation_kl']:.2f} passed {config.kl_stop}"
        elif worse >= config.patience:
            stopped = f"no better validation score in {worse} evaluations"
        return replace(
            self,
            improved=better,
            worse=worse,
            stopped=stopped,
            best_score=measured["validation_objective"] if better else self.best_score,
            best_iteration=self.iterations if better else self.best_iteration,
        )


# -- one iteration -----------------------------------------------------------------------------------------------------


def _roll_out(
    config: PPOConfig,
    policy: LanguageModel,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    world: World,
    first: int,
) -> tuple[Rollout, list[Answer]]:
    """One answer to every prompt, with the log-probabilities it was sampled with; `first` numbers their seeds."""
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    seeds = seeds_of(config.seed, len(prompts), start=first)
    engine = Engine(policy, tokenizer, world, batch=max(64, config.batch))
    sampled = engine.sample([prompt.tokens for prompt in prompts], sampling, seeds=seeds)
    rollout = collate(
        [prompt.tokens for prompt in prompts],
        [[*own.tokens, *[tokenizer.end] * own.ended] for own in sampled],
        [own.logps for own in sampled],
        [own.ended for own in sampled],
        world.device,
    )
    return rollout, [_answer(prompt, own, tokenizer) for prompt, own in zip(prompts, sampled, strict=True)]


# -- before and after --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prompt:
    """A prompt, ready to be continued."""

    conversation: Conversation
    tokens: list[int]
    facts: dict[str, object]


def _prompts(
    sources: Sequence[str | ConversationSource], policy: LanguageModel, tokenizer: Tokenizer, config: PPOConfig
) -> list[Prompt]:
    room = policy.backbone.config.context - config.max_tokens
    if room < 8:
        raise ConfigError(f"ppo.max_tokens ({config.max_tokens}) leaves no room for prompts in the model's context")
    prompts = []
    for conversation, facts in read_prompts(sources) if sources else ():
        cut = fit(conversation, tokenizer, room)
        if cut is not None:
            prompts.append(Prompt(cut, render(cut, tokenizer, answer=True).tokens, dict(facts)))
    if sources and not prompts:
        raise InputError(
            f"{names_of(sources)}: no prompt is shorter than {room} tokens; lower ppo.max_tokens or shorten prompts"
        )
    return prompts


def _chosen(config: PPOConfig, iteration: int, count: int) -> list[int]:
    """The prompts of an iteration: every one once before any comes again."""
    chosen = []
    for index in range(iteration * config.batch, (iteration + 1) * config.batch):
        epoch, place = divmod(index, count)
        chosen.append(int(permutation(config.seed, epoch, count)[place]))
    return chosen


def _networks(config: PPOConfig, world: World) -> tuple[Networks, ScalarModel, Tokenizer]:
    if config.lora.rank:
        return _networks_on_one_base(config, world)
    policy, tokenizer = load_language_model(config.policy, world=world)
    reference, _ = load_language_model(config.policy, world=world)
    value, reward_tokenizer = load_scalar_model(config.reward, world=world)
    scorer, _ = load_scalar_model(config.reward, world=world)
    _check_tokenizers(config, tokenizer, reward_tokenizer)
    average = load_language_model(config.policy, world=world)[0] if config.ema else None
    return Networks(policy.requires_grad_(True), reference, value.requires_grad_(True), average), scorer, tokenizer


def _networks_on_one_base(config: PPOConfig, world: World) -> tuple[Networks, ScalarModel, Tokenizer]:
    """The same networks as adapters: the reference is the policy's base, and the value function starts on the reward
    model's memory, which is the policy's too where the reward model was trained from it with adapters.
    """
    base, tokenizer = load_language_model(config.policy, world=world, weights=load_as(config))
    policy = learner(base, config)
    reference = bare(policy)
    del base
    scorer = load_beside(policy, config.policy, config.reward)
    if scorer is None:
        loaded, reward_tokenizer = load_scalar_model(config.reward, world=world, weights=load_as(config))
        _check_tokenizers(config, tokenizer, reward_tokenizer)
        scorer = frozen(loaded, config.weights)
        value = learner(scorer, config)
    else:
        _check_tokenizers(config, tokenizer, Tokenizer.load(config.reward))
        value = twin(scorer).requires_grad_(True)
    scorer.requires_grad_(False)
    average = twin(policy).requires_grad_(False) if config.ema else None
    return Networks(policy, reference, value, average), scorer, tokenizer


def _check_tokenizers(config: PPOConfig, own: Tokenizer, other: Tokenizer) -> None:
    if own.to_json() != other.to_json():
        raise InputError(
            f"{config.reward} and {config.policy} have different tokenizers; train the reward model from this policy"
        )


def _memory(config: PPOConfig, networks: Networks) -> int:
    """Bytes that policy and value function take while they learn, with reference and reward model."""
    length = min(networks.policy.backbone.config.context, 2 * config.max_tokens)
    tokens = config.batch // config.minibatches * length
    policy = needed_bytes(networks.policy, tokens=2 * tokens, length=length, copies=30)
    own, other = (network.backbone.embedding.weight for network in (networks.policy, networks.value))
    apart = frozen_bytes(networks.value) if own.data_ptr() != other.data_ptr() else 0
    return policy + count_parameters(networks.value) * 30 + apart


def reward_of(model: ScalarModel, tokenizer: Tokenizer, world: World) -> Reward:
    """A reward model as a function of answers. It reads their text, encoded anew: no spelling of its own pays."""

    def score(answers: list[Answer]) -> Tensor:
        answered = [answer.conversation.plus("assistant", answer.text) for answer in answers]
        scores = reward_scores(model, tokenizer, answered, world)
        # Broken characters take more tokens when they are encoded anew: such an answer is read as it was sampled.
        context = model.backbone.config.context
        for number, answer in enumerate(answers):
            if scores[number] != scores[number]:
                opened = render(answer.conversation, tokenizer, answer=True).tokens
                whole = [*[*opened, *answer.tokens][: context - 1], tokenizer.end]
                scores[number] = float(sequence_scores(model, [whole])[0])
        return torch.tensor(scores, device=world.device)

    return score


def _pretraining_text(config: PPOConfig) -> Callable[[int], Batch] | None:
    if config.tokens is None or config.ptx_coefficient == 0:
        return None
    training = TokenFile.open(config.tokens, "train")
    return TokenWindows(training.tokens, context=128, batch=config.ptx_rows, seed=config.seed)


def _answer(prompt: Prompt, own: Sampled, tokenizer: Tokenizer) -> Answer:
    return Answer(prompt.conversation, own.tokens, own.ended, tokenizer.decode(own.tokens), own.logps)


def _validate(
    config: PPOConfig,
    policy: LanguageModel,
    reference: LanguageModel,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    score: Reward,
    world: World,
) -> tuple[dict[str, float], list[dict[str, object]]]:
    """Score and distance on validation prompts, with the same seeds every time."""
    rollout, answers = _roll_out(config, policy, tokenizer, prompts, world, VALIDATION_SEEDS)
    with torch.no_grad():
        scores = score(answers).float() - config.missing_end_penalty * (~rollout.ended).float()
        reference_logps = by_rows(
            rollout, lambda part: answer_logps(reference, part, temperature=config.temperature), world
        )
        own = by_rows(rollout, lambda part: answer_logps(policy, part, temperature=config.temperature), world)
    kl = float(((own - reference_logps) * rollout.mask).sum(dim=1).mean())
    mean = float(scores.mean())
    said: list[dict[str, object]] = [
        {
            "prompt": prompt.conversation.to_dicts(),
            "facts": prompt.facts,
            "answer": answer.text,
            "score": float(value),
        }
        for prompt, answer, value in zip(prompts, answers, scores, strict=True)
    ]
    objective = mean - config.kl_coefficient * kl
    return {"validation_score": mean, "validation_kl": kl, "validation_objective": objective}, said


def _append_validation(folder: Path, number: int, said: list[dict[str, object]]) -> None:
    """Keep what was answered on validation prompts, for reports to judge: one file per validation."""
    lines = "".join(json.dumps({"step": number, **row}, ensure_ascii=False) + "\n" for row in said)
    (folder / f"validation-{number:05d}.jsonl").write_text(lines, encoding="utf-8")


def _final(
    config: PPOConfig,
    networks: Networks,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    score: Reward,
    world: World,
) -> dict[str, float]:
    """Score and distance of the weights that are kept, and of the reference on the same prompts."""
    measured, _ = _validate(config, _result(networks), networks.reference, tokenizer, prompts, score, world)
    before, _ = _validate(config, networks.reference, networks.reference, tokenizer, prompts, score, world)
    return {
        "kl": measured["validation_kl"],
        "score": measured["validation_score"],
        "reference_score": before["validation_score"],
        "prompts": float(len(prompts)),
    }


def _result(networks: Networks) -> LanguageModel:
    """The weights that count: averaged ones where there are some."""
    return networks.policy if networks.average is None else networks.average


def _copy_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}

"""PPO: the policy learns to give answers that the reward model scores higher, without straying from where it began.

In: a policy (sft), a reward model and prompts.  Out: `model/`, the aligned policy, and its value function.

Each iteration samples answers, scores them, turns scores and the distance to the reference into rewards per token,
and takes a few clipped steps (Schulman et al. 2017; Ouyang et al. 2022, section 3.5). Neither the village nor its judge
is known here: a reward is whatever scores answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Annotated

import torch
import tyro
from torch import Tensor

from chatwright.artefacts import save_model
from chatwright.disk import require
from chatwright.errors import ConfigError
from chatwright.evaluation.scoring import Reward, reward_of
from chatwright.generation.engine import Answer, Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel, training_flops_per_token
from chatwright.models.held import Weights
from chatwright.models.lora import LoRA, merged
from chatwright.runs import StageFolder, open_stage
from chatwright.text.files import files_of_all
from chatwright.text.records import ConversationSource
from chatwright.text.token_files import TokenFile, require_ids_of
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.batches import Batch, TokenWindows
from chatwright.training.best_weights import put_back, weights_of
from chatwright.training.checkpoints import restore_checkpoint, write_checkpoint
from chatwright.training.learner import check, save_learned, saved_bytes
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.policy_networks import Networks, open_networks, working_bytes
from chatwright.training.policy_optimisation import learn, policy_logps, weigh
from chatwright.training.prompts import Prompt, chosen, prompts_of
from chatwright.training.rollouts import Rollout, by_rows, collate
from chatwright.training.settings import at_least, more_than, within
from chatwright.training.standing import Standing
from chatwright.world import World, open_world, seed_everything

VALIDATION_SEEDS = 2**48
"""Where the numbers of validation answers begin: far from those that are learned from."""
PTX_TOKENS = 128
"""Of a row of training text, where the model reads as many."""


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Settings of `ppo`."""

    out: Path
    """Folder that the results go to; run again with the same settings, it goes on from the last save."""
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
    """Rounds of sampling, scoring and learning, at most."""
    batch: int = 64
    """Answers per iteration."""
    minibatches: int = 2
    """Parts of an iteration's answers, equally large; each gives one step."""
    epochs: int = 1
    """Passes over an iteration's answers; more learn more from them, and clip more."""
    learning_rate: float = 2e-4
    """Highest rate of the policy; after a short warm-up it falls in a line to a tenth."""
    value_learning_rate: float | None = None
    """Highest rate of the value function; None: the policy's."""
    kl_coefficient: float = 0.1
    """Price of a nat of distance from the reference."""
    kl_target: float | None = None
    """Nats an answer: the coefficient is adapted to keep the distance near (Ziegler et al. 2019); None: it stays."""
    kl_stop: float = 4.0
    """Stop when the distance on validation prompts passes this many nats an answer."""
    patience: int = 4
    """Stop after so many validations without a better score."""
    clip: float = 0.2
    """How far the ratio of new to old probability may move from 1; beyond, nothing more is gained."""
    value_clip: float = 0.2
    """How far a value may move from the old one in an iteration; beyond, nothing more is gained."""
    value_coefficient: float = 0.5
    """Weight of the value function's loss beside the policy's."""
    discount: float = 1.0
    """Gamma of generalised advantage estimation: what a reward counts one token earlier; 1: as much."""
    trace: float = 0.95
    """Lambda of generalised advantage estimation: 1 has no bias, less has less variance."""
    temperature: float = 1.0
    """Of sampling; log-probabilities are taken at the same temperature."""
    max_tokens: int = 64
    """Most tokens of an answer; prompts get the rest of the model's context."""
    missing_end_penalty: float = 2.0
    """Taken off the score of an answer that was cut."""
    tokens: Path | None = None
    """Folder that `tokenize` wrote, for PPO-ptx."""
    ptx_coefficient: float = 0.0
    """Weight of the pre-training loss, whose gradient is added to PPO's (Ouyang et al. 2022, eq. 2)."""
    ptx_rows: int = 8
    """Rows of training text beside every minibatch, for PPO-ptx: of 128 tokens, or the model's context if less."""
    ema: float = 0.0
    """Decay of the averaged weights that `model/` holds; 0: the last weights."""
    evaluate_every: int = 10
    """Iterations between validations."""
    lora: LoRA = field(default_factory=LoRA)
    """Adapters instead of all weights, where the rank is above 0: { rank = 8, alpha = 16, targets = ["all"] }."""
    weights: Weights = "fp32"
    """How frozen weights are held: fp32, bf16 or int8."""
    checkpointing: bool = False
    """Keep only what enters each block for the backward pass and compute the rest anew: less memory, a third slower."""
    seed: int = 1
    """Of the prompts' order, of sampling, and of new adapters."""
    threads: int = 2
    """Processor threads that divide the work; without effect on a GPU."""
    device: str = "auto"
    """auto (a CUDA GPU where there is one, else the processor), cpu, cuda or cuda:N."""
    precision: str = "auto"
    """Of the arithmetic: auto (bf16 where the device has it natively, else fp32), fp32 or bf16."""

    def __post_init__(self) -> None:
        counts = ("iterations", "batch", "minibatches", "epochs", "patience", "max_tokens", "ptx_rows")
        at_least("ppo", self, 1, *counts, "evaluate_every")
        at_least("ppo", self, 0, "kl_coefficient", "value_coefficient", "ptx_coefficient", "missing_end_penalty")
        more_than("ppo", self, 0, "kl_target", "kl_stop", "clip", "value_clip")
        within("ppo", self, 0, 1, "discount", "trace")
        if self.batch % self.minibatches:
            raise ConfigError(f"ppo.batch ({self.batch}) must be a multiple of ppo.minibatches ({self.minibatches})")
        if self.ptx_coefficient and self.tokens is None:
            raise ConfigError("ppo.ptx_coefficient needs ppo.tokens, the folder that tokenize wrote")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ppo.ema is {self.ema}; it must lie in [0, 1)")
        if self.temperature <= 0:
            raise ConfigError("ppo.temperature must be greater than 0: a policy learns from what it samples")
        check("ppo", self)


@dataclass(frozen=True)
class Course:
    """What every iteration works with."""

    config: PPOConfig
    networks: Networks
    tokenizer: Tokenizer
    score: Reward
    world: World
    run: StageFolder


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
        networks, scorer, tokenizer = open_networks(config, world)
        require(
            memory_bytes=working_bytes(config, networks),
            disk_bytes=saved_bytes(networks.policy) + saved_bytes(networks.value),
            where=run.folder,
        )
        course = Course(config, networks, tokenizer, reward or reward_of(scorer, tokenizer, world), world, run)
        room = _room(config, networks.policy)
        prompts = prompts_of(config.prompts, tokenizer, room)
        watched = prompts_of(config.validation_prompts, tokenizer, room)
        optimizers = _optimizers(config, networks)
        text = _pretraining_text(config, networks.policy, tokenizer)
        standing = Standing(kl_coefficient=config.kl_coefficient)
        start, best = 0, weights_of(networks.result)
        if (latest := run.latest()) is not None:
            start = latest[0]
            state, best = restore_checkpoint(latest[1], networks.trained, optimizers)
            standing = Standing(**state)  # type: ignore[arg-type]
        for iteration in range(start, config.iterations):
            if standing.stopped:
                break
            own = chosen(prompts, seed=config.seed, iteration=iteration, batch=config.batch)
            standing = _iterate(course, optimizers, own, text, iteration, standing)
            number = iteration + 1
            if watched and (number % config.evaluate_every == 0 or number == config.iterations):
                standing = _watch(course, watched, number, standing)
                if standing.improved:
                    best = weights_of(networks.result)
            elif not watched:
                best = weights_of(networks.result)
            if run.should_save(number):
                with run.checkpoint(number) as folder:
                    write_checkpoint(folder, networks.trained, optimizers, standing.as_dict(), best)
        put_back(networks.result, best)
        save_learned(run.folder, networks.result, tokenizer, base=config.policy, stage="ppo", chat=True)
        save_model(run.folder / "value", merged(networks.value), tokenizer, stage="ppo")
        summary = _summary(course, standing, watched or prompts[:64], is_watched=bool(watched))
        return run.finish(summary=summary, tokens_per_second=run.meter.tokens / max(run.meter.seconds, 1e-9))


# -- before ------------------------------------------------------------------------------------------------------------


def _room(config: PPOConfig, policy: LanguageModel) -> int:
    """Tokens that a prompt may have."""
    reach = policy.backbone.config.context
    room = reach - config.max_tokens
    if room < 8:
        raise ConfigError(
            f"ppo.max_tokens ({config.max_tokens}) leaves no room for prompts in the model's context ({reach})"
        )
    return room


def _optimizers(config: PPOConfig, networks: Networks) -> dict[str, Optimizer]:
    schedule = Schedule(
        steps=config.iterations * config.epochs * config.minibatches,
        warmup=min(10, config.iterations // 10) * config.minibatches * config.epochs,
        initial=0.1,
        shape="linear",
        final=0.1,
    )
    value_rate = config.value_learning_rate or config.learning_rate
    return {
        "policy": Optimizer([networks.policy], schedule, learning_rate=config.learning_rate, epsilon=1e-5),
        "value": Optimizer([networks.value], schedule, learning_rate=value_rate, epsilon=1e-5),
    }


def _pretraining_text(config: PPOConfig, policy: LanguageModel, tokenizer: Tokenizer) -> Callable[[int], Batch] | None:
    if config.tokens is None or config.ptx_coefficient == 0:
        return None
    require_ids_of(tokenizer, config.tokens, config.policy)
    training = TokenFile.open(config.tokens, "train")
    context = min(PTX_TOKENS, policy.backbone.config.context)
    return TokenWindows(training.tokens, context=context, batch=config.ptx_rows, seed=config.seed)


# -- one iteration -----------------------------------------------------------------------------------------------------


def _iterate(
    course: Course,
    optimizers: dict[str, Optimizer],
    prompts: Sequence[Prompt],
    text: Callable[[int], Batch] | None,
    iteration: int,
    standing: Standing,
) -> Standing:
    """Sample, score, learn, and tell."""
    config, networks, run, world = course.config, course.networks, course.run, course.world
    began = perf_counter()
    rollout, answers = _roll_out(course, networks.policy, prompts, iteration * config.batch)
    rolled = perf_counter()
    scores = course.score(answers).to(world.device).float()
    rollout, seen = weigh(config, networks, rollout, scores, standing.kl_coefficient, world)
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
    standing = standing.after(seen["kl"], target=config.kl_target, recomputed=recomputed)
    run.meter.add(tokens=int(rollout.lengths.sum()), flops=_flops(config, networks.policy, rollout))
    number = iteration + 1
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
    return standing


def _roll_out(
    course: Course, policy: LanguageModel, prompts: Sequence[Prompt], first: int
) -> tuple[Rollout, list[Answer]]:
    """One answer to every prompt, with the log-probabilities it was sampled with; `first` numbers their seeds."""
    config, tokenizer = course.config, course.tokenizer
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    seeds = seeds_of(config.seed, len(prompts), start=first)
    engine = Engine(policy, tokenizer, course.world, batch=max(64, config.batch))
    sampled = engine.sample([prompt.tokens for prompt in prompts], sampling, seeds=seeds)
    rollout = collate(
        [prompt.tokens for prompt in prompts],
        [own.whole for own in sampled],
        [own.logps for own in sampled],
        [own.ended for own in sampled],
        course.world.device,
    )
    answers = [
        Answer(prompt.conversation, own.tokens, own.ended, tokenizer.decode(own.tokens), own.logps)
        for prompt, own in zip(prompts, sampled, strict=True)
    ]
    return rollout, answers


def _flops(config: PPOConfig, policy: LanguageModel, rollout: Rollout) -> float:
    """Floating-point operations of an iteration.

    Forward passes of sampling, reference, reward and value; forward and backward of policy and value.
    """
    tokens = int(rollout.lengths.sum() + rollout.starts.sum())
    half = training_flops_per_token(policy, config.max_tokens) / 6  # of a forward pass
    learning = 2 * (4 if config.lora.rank else 6)  # frozen weights take no gradients
    return tokens * half * (4 * 2 + learning * config.epochs)


# -- validation and the end --------------------------------------------------------------------------------------------


def _watch(course: Course, prompts: Sequence[Prompt], number: int, standing: Standing) -> Standing:
    """Validate after iteration `number`, keep what was answered for reports to judge, and decide whether to go on."""
    config, run = course.config, course.run
    measured, said = _validate(course, course.networks.result, prompts)
    run.log(number, **measured)
    lines = "".join(json.dumps({"step": number, **row}, ensure_ascii=False) + "\n" for row in said)
    (run.folder / f"validation-{number:05d}.jsonl").write_text(lines, encoding="utf-8")
    return standing.judged(
        objective=measured["validation_objective"],
        kl=measured["validation_kl"],
        kl_stop=config.kl_stop,
        patience=config.patience,
    )


def _validate(
    course: Course, policy: LanguageModel, prompts: Sequence[Prompt]
) -> tuple[dict[str, float], list[dict[str, object]]]:
    """Score and distance on validation prompts, with the same seeds every time."""
    config, world = course.config, course.world
    rollout, answers = _roll_out(course, policy, prompts, VALIDATION_SEEDS)

    def logps(model: LanguageModel) -> Tensor:
        return by_rows(rollout, lambda part: policy_logps(config, course.networks, model, part), world)

    with torch.no_grad():
        scores = course.score(answers).float() - config.missing_end_penalty * (~rollout.ended).float()
        distances = logps(policy) - logps(course.networks.reference)
    kl = float((distances * rollout.mask).sum(dim=1).mean())
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


def _summary(course: Course, standing: Standing, prompts: Sequence[Prompt], *, is_watched: bool) -> dict[str, object]:
    """Score and distance of the weights that are kept, of the reference on the same prompts, and how it ended."""
    networks, config = course.networks, course.config
    measured, _ = _validate(course, networks.result, prompts)
    before, _ = _validate(course, networks.reference, prompts)
    return {
        "kl": measured["validation_kl"],
        "score": measured["validation_score"],
        "reference_score": before["validation_score"],
        "prompts": float(len(prompts)),
        "iterations": standing.iterations,
        "episodes": standing.iterations * config.batch,
        "stopped": standing.stopped,
        "weights": "running average" if config.ema else "policy",
        "weights_of_iteration": standing.best_iteration if is_watched else standing.iterations,  # 0: the reference
        "log_probabilities": "computed anew" if standing.recompute else "stored while sampling",
    }

"""PPO: the policy learns to give answers that the reward model scores higher, without straying from where it began.

In: a policy (sft), a reward model and prompts.  Out: `model/`, the aligned policy, and its value function.

Each iteration samples answers, scores them, turns scores and the distance to the reference into rewards per token,
and takes a few clipped steps (Schulman et al. 2017; Ouyang et al. 2022, section 3.5). Neither the village nor its judge
is known here: a reward is whatever scores answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from chatwright.artefacts import load_language_model, load_scalar_model, save_model
from chatwright.disk import require
from chatwright.errors import ConfigError, InputError, TrainingError
from chatwright.evaluation.scoring import reward_scores
from chatwright.generation.engine import Answer, Engine, Sampled
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel, ScalarModel, count_parameters, training_flops_per_token
from chatwright.runs import open_stage
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.records import read_prompts
from chatwright.text.token_files import TokenFile
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.batches import Batch, TokenWindows, permutation
from chatwright.training.checkpoints import restore_checkpoint, write_checkpoint
from chatwright.training.loop import summed_gradients
from chatwright.training.losses import (
    advantages_and_returns,
    clipped_policy_loss,
    clipped_value_loss,
    language_loss,
    shaped_rewards,
    whiten,
)
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.rollouts import Rollout, answer_logps, answer_values, by_rows, collate
from chatwright.world import World, open_world, seed_everything

Reward = Callable[[list[Answer]], Tensor]
"""Scores float32 [B] of answers: a reward model, a task's score, a judge, or a test's stub."""

RATIO_TOLERANCE = 1e-3
"""How far the first minibatch's ratios may stray from 1 before stored log-probabilities are computed anew."""


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Settings of `ppo`."""

    out: Path
    policy: Path
    """Where the policy starts; also the reference that it must not stray from."""
    reward: Path
    """The reward model; the value function starts as a copy of it."""
    prompts: list[str]
    validation_prompts: list[str] = ()  # type: ignore[assignment]
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


@dataclass(frozen=True)
class Networks:
    """The four networks of PPO."""

    policy: LanguageModel
    reference: LanguageModel
    value: ScalarModel
    average: LanguageModel | None
    """Running mean of the policy's weights."""

    @property
    def trained(self) -> dict[str, nn.Module]:
        own: dict[str, nn.Module] = {"policy": self.policy, "value": self.value}
        return own | ({"average": self.average} if self.average is not None else {})


def ppo(config: PPOConfig, *, reward: Reward | None = None) -> Path:
    """Improve the policy. `reward` replaces the reward model as the score; the value function still starts from it."""
    world = open_world(config.device, config.precision, config.threads)
    if world.size > 1:
        raise ConfigError("ppo runs in one process; start it without torchrun")
    parents = {"policy": config.policy, "reward": config.reward} | ({"tokens": config.tokens} if config.tokens else {})
    inputs = [Path(path) for path in (*config.prompts, *config.validation_prompts)]
    with open_stage("ppo", config, out=config.out, parents=parents, inputs=inputs) as run:
        if run.complete:
            return run.folder
        seed_everything(config.seed)
        networks, scorer, tokenizer = _networks(config, world)
        require(
            memory_bytes=count_parameters(networks.policy) * 60,
            disk_bytes=count_parameters(networks.policy) * 40,
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
        flops = training_flops_per_token(networks.policy, config.max_tokens) / 6
        for iteration in range(start, config.iterations):
            if standing.stopped:
                break
            own = [prompts[index] for index in _chosen(config, iteration, len(prompts))]
            began = perf_counter()
            rollout, answers = _roll_out(config, networks.policy, tokenizer, own, world, iteration)
            rolled = perf_counter()
            rollout, seen = _score(config, networks, rollout, answers, score, standing.kl_coefficient, world)
            scored = perf_counter()
            rollout, learned, recomputed = _learn(
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
            run.meter.add(tokens=int(rollout.lengths.sum()), flops=tokens * flops * (4 + 6 * config.epochs))
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
        save_model(run.folder / "model", _result(networks), tokenizer, stage="ppo", chat=True)
        save_model(run.folder / "value", networks.value, tokenizer, stage="ppo")
        final = _final(config, networks, tokenizer, watched or prompts[:64], score, world)
        summary = {
            **final,
            "iterations": standing.iterations,
            "episodes": standing.iterations * config.batch,
            "stopped": standing.stopped,
            "weights": "averaged" if config.ema else "last",
            "weights_of_iteration": standing.best_iteration or standing.iterations,
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
        """After an iteration: adapt the coefficient, proportionally and at most 20% of the error (Ziegler 2019)."""
        factor = 1.0
        if config.kl_target is not None:
            error = min(0.2, max(-0.2, kl / config.kl_target - 1))
            factor = 1 + 0.1 * error
        return replace(
            self,
            kl_coefficient=self.kl_coefficient * factor,
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
    iteration: int,
) -> tuple[Rollout, list[Answer]]:
    """One answer to every prompt, with the log-probabilities it was sampled with."""
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    seeds = seeds_of(config.seed, len(prompts), start=iteration * config.batch)
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


def _score(
    config: PPOConfig,
    networks: Networks,
    rollout: Rollout,
    answers: list[Answer],
    score: Reward,
    kl_coefficient: float,
    world: World,
) -> tuple[Rollout, dict[str, float]]:
    """Scores, distances to the reference and values of an iteration's answers, and the advantages they give."""
    with torch.no_grad():
        scores = score(answers).to(world.device).float()
        if not bool(torch.isfinite(scores).all()):
            raise TrainingError("the reward of an answer is not finite; look at the reward model")
        scores = scores - config.missing_end_penalty * (~rollout.ended).float()
        reference = by_rows(
            rollout, lambda part: answer_logps(networks.reference, part, temperature=config.temperature), world
        )
        values = by_rows(rollout, lambda part: answer_values(networks.value, part), world)
        mask = rollout.mask
        rewards = shaped_rewards(rollout.logps, reference, scores, mask, kl_coefficient=kl_coefficient)
        advantages, returns = advantages_and_returns(
            rewards, values, mask, discount=config.discount, trace=config.trace
        )
        rollout = replace(rollout, values=values, advantages=whiten(advantages, mask), returns=returns)
        kl = ((rollout.logps - reference) * mask).sum(dim=1).mean()
        residual = ((returns - values).square() * mask).sum() / mask.sum()
        spread = ((returns - (returns * mask).sum() / mask.sum()).square() * mask).sum() / mask.sum()
    return rollout, {
        "score": float(scores.mean()),
        "reward": float(rewards.sum(dim=1).mean()),
        "kl": float(kl),
        "entropy": float(-(rollout.logps * mask).sum() / mask.sum()),
        "answer_tokens": float(rollout.lengths.float().mean()),
        "ended": float(rollout.ended.float().mean()),
        "explained_variance": float(1 - residual / spread.clamp(min=1e-8)),
    }


def _learn(
    config: PPOConfig,
    networks: Networks,
    optimizers: dict[str, Optimizer],
    rollout: Rollout,
    text: Callable[[int], Batch] | None,
    iteration: int,
    world: World,
    *,
    recompute: bool,
) -> tuple[Rollout, dict[str, float], bool]:
    """Clipped steps on the minibatches of an iteration. Returns the rollout, figures, and whether logps were redone."""
    if recompute:
        rollout = _recomputed(config, networks.policy, rollout, world)
    totals: dict[str, float] = {}
    size = config.batch // config.minibatches
    for epoch in range(config.epochs):
        order = permutation(config.seed, (iteration * config.epochs + epoch) + 2**40, config.batch)
        for place in range(config.minibatches):
            rows = torch.from_numpy(order[place * size : (place + 1) * size].copy()).to(world.device)
            number = (iteration * config.epochs + epoch) * config.minibatches + place
            gradients, figures = _gradients(config, networks, optimizers, rollout.rows(rows), text, number, world)
            if epoch == 0 and place == 0:
                if figures["ratio_error"] > RATIO_TOLERANCE:
                    if recompute:
                        raise TrainingError(
                            f"the first ratio is off by {figures['ratio_error']:.1e} although log-probabilities were "
                            f"computed anew; the policy does not compute the same twice"
                        )
                    totals["first_ratio"], recompute = figures["ratio_error"], True
                    rollout = _recomputed(config, networks.policy, rollout, world)
                    gradients, figures = _gradients(
                        config, networks, optimizers, rollout.rows(rows), text, number, world
                    )
                totals.setdefault("first_ratio", figures["ratio_error"])
            _step(config, networks, optimizers, gradients, number, totals, figures)
    steps = config.epochs * config.minibatches
    return rollout, {key: value if key == "first_ratio" else value / steps for key, value in totals.items()}, recompute


def _gradients(
    config: PPOConfig,
    networks: Networks,
    optimizers: dict[str, Optimizer],
    minibatch: Rollout,
    text: Callable[[int], Batch] | None,
    number: int,
    world: World,
) -> tuple[list[Tensor], dict[str, float]]:
    """Gradients of policy and value loss, and of the pre-training loss in the same buffers."""
    tokens = float(minibatch.lengths.sum())
    figures = {"policy_loss": 0.0, "value_loss": 0.0, "clip_fraction": 0.0, "approx_kl": 0.0, "ratio_error": 0.0}
    noted: list[dict[str, float]] = []

    def loss(part: Rollout | Batch) -> Tensor:
        if isinstance(part, Batch):
            total, weight = language_loss(networks.policy, part)
            return config.ptx_coefficient * total / whole_text
        inside = part.mask > 0
        logps = answer_logps(networks.policy, part, temperature=config.temperature)[inside]
        values = answer_values(networks.value, part)[inside]
        old = part.logps[inside]
        policy_loss, clipped = clipped_policy_loss(logps, old, part.advantages[inside], clip=config.clip)
        value_loss = clipped_value_loss(values, part.values[inside], part.returns[inside], clip=config.value_clip)
        with torch.no_grad():
            difference = logps - old
            noted.append(
                {
                    "policy_loss": float(policy_loss) / tokens,
                    "value_loss": float(value_loss) / tokens,
                    "clip_fraction": float(clipped) / tokens,
                    "approx_kl": float(0.5 * difference.square().sum()) / tokens,
                    "ratio_error": float((difference.exp() - 1).abs().max()),
                }
            )
        return (policy_loss + config.value_coefficient * value_loss) / tokens

    parts: list[Rollout | Batch] = list(minibatch.split(2 * world.shards))
    if text is not None:
        batch = text(number).to(world.device)
        whole_text = batch.weight
        parts += batch.split(world.shards)
    weights = [*optimizers["policy"].parameters, *optimizers["value"].parameters]
    gradients, _ = summed_gradients(weights, loss, parts, world)
    for own in noted:
        for key, value in own.items():
            figures[key] = max(figures[key], value) if key == "ratio_error" else figures[key] + value
    return gradients, figures


def _step(
    config: PPOConfig,
    networks: Networks,
    optimizers: dict[str, Optimizer],
    gradients: list[Tensor],
    number: int,
    totals: dict[str, float],
    figures: dict[str, float],
) -> None:
    """Apply the gradients to both networks, follow with the average, and add up the figures."""
    count = len(optimizers["policy"].parameters)
    norm = optimizers["policy"].step(number, gradients[:count])
    optimizers["value"].step(number, gradients[count:])
    if not norm < float("inf"):
        raise TrainingError(f"step {number + 1}: the policy's gradient is not finite; lower ppo.learning_rate")
    if networks.average is not None:
        with torch.no_grad():
            for mean, weight in zip(networks.average.parameters(), networks.policy.parameters(), strict=True):
                mean.lerp_(weight, 1 - config.ema)
    for key, value in {**figures, "gradient_norm": norm}.items():
        if key != "ratio_error":
            totals[key] = totals.get(key, 0.0) + value


def _recomputed(config: PPOConfig, policy: LanguageModel, rollout: Rollout, world: World) -> Rollout:
    with torch.enable_grad():  # the kernels of training, whose rounding may differ from those without a gradient
        logps = by_rows(
            rollout, lambda part: answer_logps(policy, part, temperature=config.temperature).detach(), world
        )
    return replace(rollout, logps=logps)


# -- before and after --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prompt:
    """A prompt, ready to be continued."""

    conversation: Conversation
    tokens: list[int]
    facts: dict[str, object]


def _prompts(paths: Sequence[str], policy: LanguageModel, tokenizer: Tokenizer, config: PPOConfig) -> list[Prompt]:
    room = policy.backbone.config.context - config.max_tokens
    if room < 8:
        raise ConfigError(f"ppo.max_tokens ({config.max_tokens}) leaves no room for prompts in the model's context")
    prompts = []
    for conversation, facts in read_prompts(paths) if paths else ():
        cut = fit(conversation, tokenizer, room)
        if cut is not None:
            prompts.append(Prompt(cut, render(cut, tokenizer, answer=True).tokens, dict(facts)))
    if paths and not prompts:
        raise InputError(
            f"{paths[0]}: no prompt is shorter than {room} tokens; lower ppo.max_tokens or shorten prompts"
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
    policy, tokenizer = load_language_model(config.policy, world=world)
    reference, _ = load_language_model(config.policy, world=world)
    value, reward_tokenizer = load_scalar_model(config.reward, world=world)
    scorer, _ = load_scalar_model(config.reward, world=world)
    if reward_tokenizer.to_json() != tokenizer.to_json():
        raise InputError(
            f"{config.reward} and {config.policy} have different tokenizers; train the reward model from this policy"
        )
    average = load_language_model(config.policy, world=world)[0] if config.ema else None
    return Networks(policy.requires_grad_(True), reference, value.requires_grad_(True), average), scorer, tokenizer


def reward_of(model: ScalarModel, tokenizer: Tokenizer, world: World) -> Reward:
    """A reward model as a function of answers. It reads their text, encoded anew: no spelling of its own pays."""

    def score(answers: list[Answer]) -> Tensor:
        answered = [answer.conversation.plus("assistant", answer.text) for answer in answers]
        return torch.tensor(reward_scores(model, tokenizer, answered, world), device=world.device)

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
    rollout, answers = _roll_out(config, policy, tokenizer, prompts, world, -1)
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

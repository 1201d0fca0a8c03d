"""Evaluate: what every stage added, side by side, on test prompts that nothing has read before.

In: the models of a run, test prompts, a judge.  Out: `results.json` (all figures, the first dialogues), the answers of
every model (`answers-<model>-<decoding>.jsonl`), `samples.md`, and the figures of a run's summary in the receipt.

The judge is the village, which knows its facts. Without one, shares are null with a reason, and win rates are judged by
a reward model that was trained on other rankings than the one PPO climbed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

import tyro

from chatwright.artefacts import load_language_model, load_scalar_model
from chatwright.disk import read_json, require, to_json
from chatwright.errors import ConfigError, InputError
from chatwright.evaluation import comparison
from chatwright.evaluation.answers import (
    Said,
    TestPrompt,
    answers_to_jsonl,
    prompted_with,
    read_answers,
    read_examples,
    read_test_prompts,
)
from chatwright.evaluation.language_model import bits_per_byte
from chatwright.evaluation.measures import Judged
from chatwright.evaluation.preference import best_of_n_at
from chatwright.evaluation.scoring import reward_scores
from chatwright.generation.engine import Answer, Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel, training_flops_per_token
from chatwright.runs import StageFolder, open_stage
from chatwright.text.conversation import Conversation, fit
from chatwright.text.files import files_of_all, names_of
from chatwright.text.records import ConversationSource
from chatwright.text.token_files import TokenFile, are_ids_of
from chatwright.text.tokenizer import Tokenizer
from chatwright.world import World, open_world, seed_everything

BEST_OF_N = "best_of_n"
MOST_CHOICES = 16  # best-of-n at a large KL would ask for hundreds of answers to every prompt
DIALOGUES = 8


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Settings of `evaluate`. Models that are None are left out."""

    out: Path
    """Folder that the results go to; run again with the same settings, it goes on from the last save."""
    # On the command line prompts and demonstrations are paths; tables stand in recipes.
    prompts: Annotated[list[str | ConversationSource], tyro.conf.arg(constructor=list[str])]
    """Test prompts with their facts: files, patterns, or tables with a path and a part that nothing was trained on."""
    sft: Path
    """The fine-tuned model; best-of-n chooses among its answers."""
    base: Path | None = None
    """Prompted with a few examples, because it was never taught to answer."""
    ppo: Path | None = None
    """The aligned model."""
    extra: dict[str, Path] = field(default_factory=dict)
    """Other models by name, such as `sft_more`: SFT with the compute that PPO took in addition."""
    reward: Path | None = None
    """Chooses in best-of-n."""
    judge: Path | None = None
    """Folder of the village that the prompts are about."""
    judge_reward: Path | None = None
    """Where there is no village: a reward model trained on a disjoint split of the rankings."""
    tokens: Path | None = None
    """Folder of `tokenize`, whose test part tells what alignment costs in bits per byte."""
    demonstrations: Annotated[list[str | ConversationSource], tyro.conf.arg(constructor=list[str])] = field(
        default_factory=list
    )
    """Examples for the base model's prompt, and for the answers that need no model; the village brings its own."""
    n: int = 400
    """Prompts, from the first on."""
    samples: int = 3
    """Answers of each model to each prompt."""
    temperature: float = 0.7
    """Of the sampled answers; every prompt is also answered greedily."""
    max_tokens: int = 96
    """Most tokens of an answer."""
    best_of: int = 0
    """Answers that best-of-n chooses among; 0: as many as cost PPO's KL; 1: no best-of-n."""
    batch: int = 64
    """Answers sampled at once: more are faster, and take more memory."""
    window: int = 128
    """Tokens read at once for bits per byte; more than the model's context is cut to it."""
    documents: int = 1000
    """Test documents read for bits per byte."""
    seed: int = 1
    """Of sampling."""
    threads: int = 2
    """Processor threads that divide the work; without effect on a GPU."""
    device: str = "auto"
    """auto (a CUDA GPU where there is one, else the processor), cpu, cuda or cuda:N."""
    precision: str = "auto"
    """Of the arithmetic: auto (bf16 where the device has it natively, else fp32), fp32 or bf16."""

    def __post_init__(self) -> None:
        for name in ("n", "samples", "max_tokens", "batch", "window", "documents"):
            if getattr(self, name) < 1:
                raise ConfigError(f"evaluate.{name} is {getattr(self, name)}; it must be at least 1")
        if not self.temperature > 0:
            raise ConfigError(f"evaluate.temperature is {self.temperature}; it must be more than 0 (greedy is added)")
        if self.best_of < 0:
            raise ConfigError(f"evaluate.best_of is {self.best_of}; choose 0 (matched to PPO), 1 (none) or more")
        taken = sorted({"base", "sft", "ppo", BEST_OF_N} & self.extra.keys())
        if taken:
            raise ConfigError(f"evaluate.extra may not be called {taken[0]!r}; that name has a meaning of its own")

    @property
    def models(self) -> dict[str, Path]:
        """Folders by name, in the order in which reports show them."""
        named = {"base": self.base, "sft": self.sft, **self.extra, "ppo": self.ppo}
        return {name: path for name, path in named.items() if path is not None}


@dataclass(frozen=True)
class Spoken:
    """All that one model said: greedily once, and sampled several times, prompt by prompt."""

    greedy: list[Said]
    sampled: list[Said]


class Asker(Protocol):
    """Asks one model all prompts at once, several times each, and keeps what it says in a file of that name."""

    def __call__(self, sampling: Sampling, samples: int, file: str, first_seed: int = 0) -> list[Said]: ...


def evaluate(config: EvaluateConfig) -> Path:
    """Ask every model, have all answers judged, and write the figures; what was asked before a break is kept."""
    world = open_world(config.device, config.precision, config.threads)
    named = {**config.models, "reward": config.reward, "judge_reward": config.judge_reward}
    parents = {name: path for name, path in {**named, "judge": config.judge, "tokens": config.tokens}.items() if path}
    inputs = files_of_all([*config.prompts, *config.demonstrations])
    with open_stage("evaluate", config, out=config.out, parents=parents, inputs=inputs) as run:
        if run.complete:
            return run.folder
        seed_everything(config.seed)
        prompts = read_test_prompts(config.prompts, config.n)
        spoken: dict[str, Spoken] = {}
        bits: dict[str, dict[str, Any]] = {}
        require(memory_bytes=512 << 20, disk_bytes=64 << 20, where=run.folder)
        for number, (name, path) in enumerate(config.models.items(), 1):
            spoken[name], bits[name] = _asked(name, path, config, prompts, run, world)
            run.progress(number, len(config.models) + 1, asked=name)
            run.stop_if_interrupted()
        choice = _choice(config)
        if choice["n"] > 1:
            spoken[BEST_OF_N] = _best_of(choice["n"], config, prompts, run, world)
        order = [name for name in ("base", "sft", *config.extra, BEST_OF_N, "ppo") if name in spoken]

        judged, judge_name = _judged(config, prompts, {name: spoken[name] for name in order}, world)
        results = comparison.compare(judged, bits, temperature=config.temperature, judge=judge_name)
        if judge := _village_judge(config):
            demonstrations = _demonstrations(config)
            examples = read_examples(demonstrations) if demonstrations else []
            results |= comparison.without_model(results, prompts, examples, judge)
            results["gold_curves"] = _gold_curves(config, judge)
        results |= {
            "order": order,
            "prompts": len(prompts),
            "samples": config.samples,
            "temperature": config.temperature,
            "best_of_n": choice,
            "dialogues": comparison.dialogues_of(prompts[:DIALOGUES], {name: judged[name].sampled for name in order}),
        }
        run.write("results.json", to_json(results))
        run.write("samples.md", comparison.dialogues_as_text(results["dialogues"]))
        told = ("evaluation", "win_rate", "followed_by_rule")  # the last where the village judged
        summary = {**{key: results[key] for key in told if key in results}, "best_of_n": choice}
        return run.finish(summary=summary)


# -- asking --------------------------------------------------------------------------------------------------------


def _asked(
    name: str, path: Path, config: EvaluateConfig, prompts: Sequence[TestPrompt], run: StageFolder, world: World
) -> tuple[Spoken, dict[str, Any]]:
    """A model's answers and bits per byte; read from the stage's folder where an earlier process has left them."""
    files = {key: f"answers-{name}-{key}.jsonl" for key in ("greedy", "sampled")}
    greedy = read_answers(run.folder / files["greedy"], len(prompts))
    sampled = read_answers(run.folder / files["sampled"], len(prompts) * config.samples)
    measured = run.folder / f"bits-{name}.json"
    bits = read_json(measured) if measured.is_file() else None
    if greedy is None or sampled is None or bits is None:
        model, tokenizer = load_language_model(path, world=world, weights="compute")
        ask = _asker(name, model, tokenizer, config, prompts, run, world)
        if greedy is None:
            greedy = ask(Sampling(temperature=0.0, max_tokens=config.max_tokens), 1, files["greedy"])
        if sampled is None:
            settings = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
            sampled = ask(settings, config.samples, files["sampled"])
        if bits is None:
            bits = _bits(model, tokenizer, config, world)
            run.write(measured.name, to_json(bits))
    return Spoken(greedy, sampled), bits


def _asker(
    name: str,
    model: LanguageModel,
    tokenizer: Tokenizer,
    config: EvaluateConfig,
    prompts: Sequence[TestPrompt],
    run: StageFolder,
    world: World,
) -> Asker:
    """An asker of one model; the base model reads raw texts with examples, the others conversations."""
    engine = Engine(model, tokenizer, world, batch=config.batch)
    flops = training_flops_per_token(model, engine.context) / 3  # forward only
    texts = _few_shot_texts(config, prompts, tokenizer, engine.context) if name == "base" else []
    readable = {
        number
        for number, asked in enumerate(prompts)
        if texts or fit(asked.prompt, tokenizer, engine.context - 1) is not None
    }

    def ask(sampling: Sampling, samples: int, file: str, first_seed: int = 0) -> list[Said]:
        places = [(prompt, sample) for prompt in range(len(prompts)) for sample in range(samples)]
        seeds = dict(zip(places, seeds_of(config.seed, len(places), start=first_seed), strict=True))
        asked = [place for place in places if place[0] in readable]
        own = [seeds[place] for place in asked]
        if texts:
            answers = engine.complete([texts[prompt] for prompt, _ in asked], sampling, seeds=own, stop=("\n",))
        else:
            answers = engine.chat([prompts[prompt].prompt for prompt, _ in asked], sampling, seeds=own)
        heard = dict(zip(asked, answers, strict=True))
        said = [_said(*place, heard.get(place)) for place in places]
        count = sum(answer.tokens for answer in said)
        run.meter.add(tokens=count, flops=count * flops)
        run.write(file, answers_to_jsonl(said))
        run.stop_if_interrupted()
        return said

    return ask


def _said(prompt: int, sample: int, answer: Answer | None) -> Said:
    """An answer as files keep it; a prompt that is longer than the model's context gets no answer, which is judged."""
    if answer is None:
        return Said(prompt, sample, "", 0, False)
    return Said(prompt, sample, answer.text.strip(), len(answer.tokens), answer.ended)


def _few_shot_texts(
    config: EvaluateConfig, prompts: Sequence[TestPrompt], tokenizer: Tokenizer, context: int
) -> list[str]:
    """Raw texts after which a model that was never taught to answer goes on with an answer, up to a line's end."""
    if config.judge is not None:
        from chatwright.village import few_shot

        return [few_shot(config.judge, prompt.prompt, prompt.facts) for prompt in prompts]
    examples = read_examples(config.demonstrations, 40) if config.demonstrations else []
    room = context - 1 - min(config.max_tokens, context // 2)
    return [prompted_with(examples, prompt.prompt, tokenizer.encode, room) for prompt in prompts]


def _bits(model: LanguageModel, tokenizer: Tokenizer, config: EvaluateConfig, world: World) -> dict[str, Any]:
    if config.tokens is None:
        return {"value": None, "low": None, "high": None, "n": 0, "reason": "no token files were given"}
    test = TokenFile.open(config.tokens, "test")
    if not are_ids_of(tokenizer, config.tokens):
        return {"value": None, "low": None, "high": None, "n": 0, "reason": "the model has another tokenizer"}
    window = min(model.backbone.config.context, config.window)
    bounds = test.bounds[: config.documents + 1]
    return bits_per_byte(model, tokenizer, test.tokens, bounds, context=window, batch=32, world=world)


# -- best of n -----------------------------------------------------------------------------------------------------


def _choice(config: EvaluateConfig) -> dict[str, Any]:
    """How many answers best-of-n chooses among, and the KL of PPO that this is matched to."""
    if config.reward is None or config.best_of == 1:
        return {"n": 0, "kl": None, "reason": "no reward model was given" if config.reward is None else "not asked for"}
    kl = _kl_of(config.ppo) if config.ppo else None
    if config.best_of:
        return {"n": config.best_of, "kl": None, "reason": "set by best_of"}
    if kl is None:
        return {"n": 4, "kl": None, "reason": "PPO's KL is not known"}
    return {"n": best_of_n_at(kl, most=MOST_CHOICES), "kl": kl}


def _kl_of(ppo: Path) -> float | None:
    """The KL from its policy that a ppo stage wrote into its receipt."""
    for folder in (ppo, ppo.parent):
        if (folder / "receipt.json").is_file():
            kl = (read_json(folder / "receipt.json").get("summary") or {}).get("kl")
            kl = kl.get("value") if isinstance(kl, Mapping) else kl
            return float(kl) if isinstance(kl, int | float) else None
    return None


def _best_of(
    choices: int, config: EvaluateConfig, prompts: Sequence[TestPrompt], run: StageFolder, world: World
) -> Spoken:
    """The answer of SFT that the reward model likes best among `choices`, for every prompt."""
    assert config.reward is not None
    file = f"answers-{BEST_OF_N}-sampled.jsonl"
    best = read_answers(run.folder / file, len(prompts))
    if best is None:
        model, tokenizer = load_language_model(config.sft, world=world, weights="compute")
        ask = _asker("sft", model, tokenizer, config, prompts, run, world)
        settings = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
        # Fresh seeds: best-of-n must not choose among the very answers that it is compared with.
        first_seed = len(prompts) * config.samples
        said = ask(settings, choices, f"answers-{BEST_OF_N}-choices.jsonl", first_seed)
        scores = _reward_scores(config.reward, prompts, said, world)
        best = []
        for start in range(0, len(said), choices):
            own = [number for number in range(start, start + choices) if scores[number] == scores[number]]  # not NaN
            best.append(said[max(own, key=lambda number: scores[number]) if own else start])
        run.write(file, answers_to_jsonl(best))
    return Spoken([], best)


def _reward_scores(folder: Path, prompts: Sequence[TestPrompt], said: Sequence[Said], world: World) -> list[float]:
    model, tokenizer = load_scalar_model(folder, world=world)
    answered = [prompts[answer.prompt].prompt.plus("assistant", answer.text) for answer in said]
    return reward_scores(model, tokenizer, answered, world)


# -- judging -------------------------------------------------------------------------------------------------------


def _judged(
    config: EvaluateConfig, prompts: Sequence[TestPrompt], spoken: Mapping[str, Spoken], world: World
) -> tuple[dict[str, comparison.JudgedAnswers], str]:
    """Every answer with the judge's verdict, and who judged: "village", "reward model ..." or "" for nobody."""
    if judge := _village_judge(config):

        def by_village(said: Sequence[Said]) -> list[Judged]:
            return [
                Judged.by(judge(prompts[a.prompt].prompt, prompts[a.prompt].facts, a.text), a.prompt, a.text,
                          prompts[a.prompt].facts, a.ended)
                for a in said
            ]  # fmt: skip

        return {name: _both(by_village, own) for name, own in spoken.items()}, "village"
    if config.judge_reward is None:
        return {name: _both(lambda said: _unjudged(said, prompts), own) for name, own in spoken.items()}, ""

    def by_reward(said: Sequence[Said]) -> list[Judged]:
        assert config.judge_reward is not None
        return _unjudged(said, prompts, _reward_scores(config.judge_reward, prompts, said, world))

    judged = {name: _both(by_reward, own) for name, own in spoken.items()}
    return judged, "a reward model trained on a disjoint split"


def _both(judge: Callable[[Sequence[Said]], list[Judged]], own: Spoken) -> comparison.JudgedAnswers:
    return comparison.JudgedAnswers(judge(own.greedy), judge(own.sampled))


def _unjudged(
    said: Sequence[Said], prompts: Sequence[TestPrompt], scores: Sequence[float] | None = None
) -> list[Judged]:
    """Answers without verdicts, with a score where there is one."""
    return [
        Judged(a.prompt, a.text, prompts[a.prompt].facts, ended=a.ended, score=scores[number] if scores else None)
        for number, a in enumerate(said)
    ]


def _village_judge(config: EvaluateConfig) -> comparison.Judge | None:
    if config.judge is None:
        return None
    from chatwright.village import Judge

    judge: comparison.Judge = Judge.load(config.judge)

    def asked_about_the_village(prompt: Conversation, facts: Mapping[str, Any], answer: str) -> Any:
        try:
            return judge(prompt, facts, answer)
        except KeyError as missing:
            raise InputError(
                f"{names_of(config.prompts)}: the prompt {prompt.last.content[:60]!r} lacks the fact {missing}; "
                f"{config.judge} can judge only the prompts that were written with it"
            ) from None

    return asked_about_the_village


def _gold_curves(config: EvaluateConfig, judge: comparison.Judge) -> dict[str, Any]:
    """For every model whose stage kept its validation answers, by the name of its folder: score and truth."""
    curves = {}
    for path in config.models.values():
        folder = path.parent if path.name == "model" else path
        kept = sorted(folder.glob("validation-*.jsonl"))
        if kept:
            lines = [json.loads(line) for file in kept for line in file.read_text("utf-8").split("\n") if line]
            curves[folder.name] = comparison.gold_curve(lines, judge)
    return curves


def _demonstrations(config: EvaluateConfig) -> Sequence[str | ConversationSource]:
    """Where demonstrations stand: as set, or the village's."""
    village = config.judge / "demonstrations.jsonl" if config.judge else None
    return config.demonstrations or ([str(village)] if village and village.is_file() else [])

"""Collect: the model answers every prompt several times, and the answers are ranked.

In: a chat model and prompts.  Out: `answers.jsonl`, what there is to rank; and `rankings.jsonl`, ranked by a simulated
labeler where one is named. Nobody but the model writes answers; the same answer twice is kept once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from chatwright.artefacts import load_language_model
from chatwright.errors import ConfigError, InputError
from chatwright.feedback.rankings import Ranking, ranking_to_dict
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel, training_flops_per_token
from chatwright.models.state import CacheState
from chatwright.runs import open_stage
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.files import files_of_all, names_of
from chatwright.text.records import ConversationSource, read_prompts
from chatwright.training.settings import at_least, more_than, within
from chatwright.village.judge import Judge
from chatwright.village.labeler import Labeler
from chatwright.world import open_world

PROMPTS_AT_ONCE = 64
ROWS_AT_ONCE = 128
CACHE_BYTES = 1 << 30
"""Keys and values of all answers that are being sampled: a large model samples fewer at once."""


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """Settings of `collect`."""

    out: Path
    """Folder that the results go to; run again with the same settings, it goes on from the last save."""
    model: Path
    """The model that answers."""
    # On the command line prompts are paths; tables stand in recipes.
    prompts: Annotated[list[str | ConversationSource], tyro.conf.arg(constructor=list[str])]
    """Files, folders, patterns, or tables with a path; of whole conversations, all before the last answer is asked."""
    answers: int = 9
    """Answers sampled for each prompt, 4 to 9; fewer are kept where some are the same."""
    temperature: float = 1.1
    """Of sampling: more makes the answers to a prompt differ more."""
    top_p: float = 1.0
    """Sample among the likeliest tokens that together have this probability; 1: among all."""
    max_tokens: int = 64
    """Most tokens of an answer; one that is cut there is left out."""
    labeler: Path | None = None
    """Folder of a village, whose simulated labeler ranks; None: people will."""
    noise: float = 0.12
    """Share of distinguishable pairs that the simulated labeler puts in the wrong order."""
    tie: float = 0.1
    """Differences in the true score below this are ties to the simulated labeler."""
    seed: int = 1
    """Of sampling, and of the simulated labeler's errors."""
    threads: int = 2
    """Processor threads that divide the work; without effect on a GPU."""
    device: str = "auto"
    """auto (a CUDA GPU where there is one, else the processor), cpu, cuda or cuda:N."""
    precision: str = "auto"
    """Of the arithmetic: auto (bf16 where the device has it natively, else fp32), fp32 or bf16."""

    def __post_init__(self) -> None:
        if not 4 <= self.answers <= 9:
            raise ConfigError(f"collect.answers is {self.answers}; people rank 4 to 9 answers at a time")
        if not 0 <= self.noise < 0.5:
            raise ConfigError(f"collect.noise is {self.noise}; it must lie in [0, 0.5)")
        more_than("collect", self, 0, "temperature", "top_p")  # at 0 all answers to a prompt are the same
        within("collect", self, 0, 1, "top_p")
        within("collect", self, 0, 100, "temperature")
        at_least("collect", self, 1, "max_tokens")
        at_least("collect", self, 0, "tie")


def collect(config: CollectConfig) -> Path:
    """Sample, drop what was said twice, rank, and count."""
    world = open_world(config.device, config.precision, config.threads)
    parents = {"model": config.model}
    inputs = files_of_all(config.prompts) + ([config.labeler] if config.labeler else [])
    with open_stage("collect", config, out=config.out, parents=parents, inputs=inputs) as run:
        if run.complete:
            return run.folder
        model, tokenizer = load_language_model(config.model, world=world, weights="compute")
        read = read_prompts(config.prompts)
        fitting = [fit(asked[0], tokenizer, model.backbone.config.context - 1) for asked in read]
        prompts = [asked for asked, cut in zip(read, fitting, strict=True) if cut is not None]
        if not prompts:
            raise InputError(
                f"{names_of(config.prompts)}: no prompt fits in {model.backbone.config.context} tokens; shorten them"
            )
        labeler = None
        if config.labeler is not None:
            labeler = Labeler(Judge.load(config.labeler), seed=config.seed, noise=config.noise, tie=config.tie)
        longest = max(len(render(cut, tokenizer, answer=True)) for cut in fitting if cut is not None)
        engine = Engine(model, tokenizer, world, batch=rows_at_once(model, longest + config.max_tokens))
        sampling = Sampling(temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens)
        flops = training_flops_per_token(model, engine.context) / 3  # forward only
        start, rows = 0, []
        if (latest := run.latest()) is not None:
            start = latest[0]
            rows = json.loads((latest[1] / "rows.json").read_text(encoding="utf-8"))
        for first in range(start, len(prompts), PROMPTS_AT_ONCE):
            chunk = prompts[first : first + PROMPTS_AT_ONCE]
            asked = [conversation for conversation, _ in chunk for _ in range(config.answers)]
            seeds = seeds_of(config.seed, len(asked), start=first * config.answers)
            said = engine.chat(asked, sampling, seeds=seeds)
            count = sum(len(answer.tokens) for answer in said)
            run.meter.add(tokens=count, flops=count * flops)
            for place, (conversation, facts) in enumerate(chunk):
                own = said[place * config.answers : (place + 1) * config.answers]
                texts = list(dict.fromkeys(answer.text for answer in own if answer.ended and answer.text.strip()))
                rows.append(_row(conversation, facts, texts, labeler, first + place, str(config.model)))
            done = min(first + PROMPTS_AT_ONCE, len(prompts))
            run.progress(done, len(prompts))
            if run.should_save(done):
                with run.checkpoint(done) as folder:
                    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
        rankable = [row for row in rows if len(row["answers"]) >= 2]
        shown = ("prompt", "answers", "source", "facts")
        run.write("answers.jsonl", _lines([{key: row[key] for key in shown} for row in rankable]))
        ranked = [row for row in rankable if row.get("ranks") is not None]
        if labeler is not None:
            run.write("rankings.jsonl", _lines(ranked))
        for row in rows[:8]:
            answers = [
                f"{rank}. {text}" for text, rank in zip(row["answers"], row.get("ranks") or ["-"] * 9, strict=False)
            ]
            run.sample(row["prompt"][-1]["content"], "\n".join(sorted(answers)))
        return run.finish(
            summary=_summary(config, rows, ranked) | {"left_out": len(read) - len(prompts)},
            tokens_per_second=run.meter.tokens / run.meter.seconds,
        )


def rows_at_once(model: LanguageModel, tokens: int) -> int:
    """How many answers are sampled together, where none reads and says more than `tokens` tokens."""
    state = model.backbone.start(1)
    if not isinstance(state, CacheState):
        return ROWS_AT_ONCE  # an LSTM's memory has one size, a small one
    reach = min(tokens, model.backbone.config.context)
    return max(1, min(ROWS_AT_ONCE, CACHE_BYTES // (reach * state.token_bytes)))


def _row(
    conversation: Conversation,
    facts: Mapping[str, Any],
    texts: list[str],
    labeler: Labeler | None,
    index: int,
    source: str,
) -> dict[str, Any]:
    """A prompt with its distinct answers, ranked if there is a labeler."""
    if labeler is None or not texts:
        return {"prompt": conversation.to_dicts(), "answers": texts, "source": source, "facts": dict(facts)}
    ranks, gold = labeler.rank(conversation, facts, texts, index=index)
    ranking = Ranking(conversation, tuple(texts), ranks, "simulated", source, dict(facts), gold)
    return ranking_to_dict(ranking)


def _summary(config: CollectConfig, rows: list[dict[str, Any]], ranked: list[dict[str, Any]]) -> dict[str, Any]:
    """How much there is to learn from."""
    pairs = untied = 0
    for row in ranked:
        ranks = row["ranks"]
        for place, rank in enumerate(ranks):
            pairs += len(ranks) - place - 1
            untied += sum(rank != other for other in ranks[place + 1 :])
    return {
        "prompts": len(rows),
        "prompts_ranked": len(ranked),
        "answers_sampled": len(rows) * config.answers,
        "answers_distinct": sum(len(row["answers"]) for row in rows),
        "pairs": pairs,
        "pairs_untied": untied,
        "labeler": "simulated" if config.labeler else None,
        "noise": config.noise if config.labeler else None,
    }


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

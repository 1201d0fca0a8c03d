"""From rankings to a better policy, and the same way with ranks that were shuffled: then nothing may come of it."""

from __future__ import annotations

import json
import random

import pytest

from chatwright.artefacts import load_language_model, save_model
from chatwright.evaluation.intervals import bootstrap_mean
from chatwright.feedback.rankings import write_rankings
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.stages.ppo import PPOConfig, ppo
from chatwright.stages.reward import train_reward
from chatwright.stages.sft import SFTConfig, sft
from chatwright.text.conversation import Conversation
from test_stage_reward import config_of, rankings
from tiny import language_model, tokenizer, world_of

WORDS = ["the", "quick", "brown", "fox", "over", "lazy", "dog"]
PROMPTS = [Conversation.of(f"what about {number}?") for number in range(48)]


def talk():
    """Demonstrations: a few words in any order, fox among them as often as the others."""
    rng = random.Random("talk")
    return [" ".join(rng.choices(WORDS, k=rng.randint(3, 6))) for _ in range(600)]


@pytest.fixture(scope="module")
def given_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    save_model(folder / "base", language_model(tokenizer().size, context=64), tokenizer())
    lines = [
        json.dumps({"messages": Conversation.of(f"q {n}", said).to_dicts()}) + "\n" for n, said in enumerate(talk())
    ]
    (folder / "demonstrations.jsonl").write_text("".join(lines))
    sft(
        SFTConfig(
            out=folder / "sft",
            base=folder / "base",
            conversations=[str(folder / "demonstrations.jsonl")],
            epochs=6.0,
            learning_rate=5e-3,
            threads=1,
            precision="fp32",
            device="cpu",
        )
    )
    for name, shuffled in (("true", False), ("shuffled", True)):
        write_rankings(folder / f"{name}.jsonl", rankings(shuffled=shuffled))
    prompts = [json.dumps({"prompt": conversation.to_dicts()}) + "\n" for conversation in PROMPTS]
    (folder / "prompts.jsonl").write_text("".join(prompts))
    return folder


def foxes(folder):
    """How many foxes each of 480 answers holds: what the rankings were made by."""
    model, own = load_language_model(folder, world=world_of())
    asked = PROMPTS * 10
    answers = Engine(model, own, world_of()).chat(
        asked, Sampling(temperature=1.0, max_tokens=12), seeds=seeds_of(7, len(asked))
    )
    return [answer.text.count("fox") for answer in answers]


def gain_from(name, given_files, out):
    """Win rate of PPO against where it began, ties half, judged by foxes."""
    reward = train_reward(config_of(given_files, out / f"reward_{name}", name))
    policy = ppo(
        PPOConfig(
            out=out / f"ppo_{name}",
            policy=given_files / "sft",
            reward=reward,
            prompts=[str(given_files / "prompts.jsonl")],
            iterations=30,
            batch=48,
            learning_rate=2e-3,
            kl_coefficient=0.05,
            kl_stop=100.0,
            max_tokens=12,
            missing_end_penalty=0.0,
            threads=1,
            precision="fp32",
            device="cpu",
        )
    )
    pairs = zip(foxes(policy), foxes(given_files / "sft"), strict=True)
    return bootstrap_mean([0.5 if one == other else float(one > other) for one, other in pairs])


@pytest.mark.slow
def test_ppo_gains_from_true_ranks_and_nothing_from_shuffled_ones(given_files, tmp_path):
    true, shuffled = (gain_from(name, given_files, tmp_path) for name in ("true", "shuffled"))
    print(f"win rate from true ranks {true}, from shuffled ones {shuffled}")
    assert true.low > 0.6
    assert shuffled.low <= 0.5
    assert shuffled.high < true.low

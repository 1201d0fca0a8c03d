"""The `ppo` stage: what it learns, what it leaves alone, when it stops and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from chatwright.artefacts import load_language_model, load_scalar_model, save_model
from chatwright.disk import sha256_of
from chatwright.errors import ConfigError, InputError
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling
from chatwright.stages.ppo import Course, PPOConfig, _roll_out, ppo
from chatwright.text.conversation import Conversation, render
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.policy_networks import Networks
from chatwright.training.policy_optimisation import policy_logps
from chatwright.training.prompts import Prompt
from tiny import language_model, scalar_model, tokenizer, tokens_in, world_of

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


def test_answers_are_learned_with_the_very_token_that_ended_them(given_files, tmp_path):
    """A model that was published with an end of its own has two once it can chat."""
    config = config_of(given_files, tmp_path, max_tokens=40)
    several = Tokenizer(tokenizer().engine, tokenizer().controls.plus(stops=frozenset({tokenizer().end, WANTED})))
    policy = language_model(several.size, 48).requires_grad_(False)
    networks = Networks(policy, policy, scalar_model(several.size, 48), None, several.size)
    course = Course(config, networks, several, lambda answers: torch.zeros(len(answers)), world_of(), None)
    prompt = Prompt(Conversation.of("the"), several.encode("the"), {})
    rollout, _ = _roll_out(course, policy, [prompt] * 96, 0)
    last = rollout.tokens[torch.arange(96), rollout.starts + rollout.lengths - 1][rollout.ended]
    assert set(last.tolist()) == several.stops
    torch.testing.assert_close(
        policy_logps(config, networks, policy, rollout) * rollout.mask, rollout.logps, rtol=0, atol=1e-4
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


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_pretraining_text_is_read_up_to_the_models_context_and_only_with_its_own_tokenizer(given_files, tmp_path):
    """The model reads 48 tokens; rows of 128 would be beyond it."""
    settings = {"iterations": 1, "batch": 4, "ptx_coefficient": 1.0, "ptx_rows": 2}
    own = tokens_in(tmp_path / "own", tokenizer())
    ppo(config_of(given_files, tmp_path / "ppo", tokens=own, **settings), reward=counted)
    another = tokens_in(tmp_path / "another", Tokenizer.train(["Quite other words, für dich."] * 9, 280))
    with pytest.raises(InputError, match=r"another was written with another tokenizer than .*policy has"):
        ppo(config_of(given_files, tmp_path / "refused", tokens=another, **settings), reward=counted)
    assert not (tmp_path / "refused" / "done.json").exists()

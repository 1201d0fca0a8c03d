"""The reward stage on rankings that follow a rule, and on the same rankings shuffled."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from chatwright.artefacts import load_scalar_model, save_model
from chatwright.errors import ConfigError, InputError
from chatwright.evaluation.scoring import reward_scores
from chatwright.feedback.rankings import Ranking, read_rankings, write_rankings
from chatwright.stages import reward as stage
from chatwright.stages.reward import RankedBatch, RewardConfig, _prepare, _split, train_reward
from chatwright.text.conversation import Conversation
from chatwright.training.best_weights import weights_of
from tiny import language_model, tokenizer, world_of

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "Grüße", "schöne"]
PROMPTS = 160


def rankings(*, shuffled: bool) -> list[Ranking]:
    """Four answers a prompt; those with more foxes are better, or, shuffled, any. Prompts are ranked once or twice."""
    rng = random.Random("rankings")
    made = []
    for number in range(PROMPTS + PROMPTS // 4):
        prompt = Conversation.of(f"{WORDS[number % PROMPTS % 10]} {number % PROMPTS}?")
        answers = [" ".join(rng.choices(WORDS, k=3)) + " fox" * foxes for foxes in (0, 1, 2, 4)]
        rng.shuffle(answers)
        order = sorted({answer.count("fox") for answer in answers}, reverse=True)
        ranks = [float(order.index(answer.count("fox")) + 1) for answer in answers]
        if shuffled:
            rng.shuffle(ranks)
        made.append(Ranking(prompt, tuple(answers), tuple(ranks)))
    return made


def demonstrations() -> list[Conversation]:
    rng = random.Random("demonstrations")
    return [Conversation.of(f"q {n}", " ".join(rng.choices(WORDS, k=4))) for n in range(40)]


@pytest.fixture(scope="module")
def given_files(tmp_path_factory):
    """A model to start from, two files of rankings and one of demonstrations."""
    folder: Path = tmp_path_factory.mktemp("given")
    save_model(folder / "sft", language_model(tokenizer().size, context=64), tokenizer())
    for name, shuffled in (("true", False), ("shuffled", True)):
        write_rankings(folder / f"{name}.jsonl", rankings(shuffled=shuffled))
    lines = [json.dumps({"messages": conversation.to_dicts()}) + "\n" for conversation in demonstrations()]
    (folder / "demonstrations.jsonl").write_text("".join(lines))
    return folder


def config_of(given_files, out, name="true", **settings):
    settings = {
        "epochs": 3.0,
        "batch": 16,
        "learning_rate": 3e-3,
        "test": 0.25,
        "threads": 1,
        "precision": "fp32",
        "device": "cpu",
        "demonstrations": [str(given_files / "demonstrations.jsonl")],
        **settings,
    }
    return RewardConfig(out=out, model=given_files / "sft", rankings=[str(given_files / f"{name}.jsonl")], **settings)


@pytest.fixture(scope="module")
def learned(given_files, tmp_path_factory):
    """What the stage writes from true and from shuffled ranks."""
    out = tmp_path_factory.mktemp("learned")
    return {name: train_reward(config_of(given_files, out / name, name)) for name in ("true", "shuffled")}


def prepared(config):
    return _prepare(config, tokenizer(), 64)[0]


def summary_of(folder):
    return json.loads((folder / "receipt.json").read_text())["summary"]


@pytest.mark.slow
def test_true_ranks_give_a_reward_model_clearly_above_chance(learned):
    summary = summary_of(learned["true"])
    assert summary["accuracy"] > 0.85 and summary["accuracy_low"] > 0.75
    model, own = load_scalar_model(learned["true"], world=world_of())
    prompt = Conversation.of("never seen before?")
    answers = ["the lazy dog", "the fox dog", "the fox fox dog", "fox fox fox fox"]
    scores = reward_scores(model, own, [prompt.plus("assistant", answer) for answer in answers], world_of())
    assert scores == sorted(scores)


def test_shuffled_ranks_give_a_reward_model_at_chance(learned):
    summary = summary_of(learned["shuffled"])
    assert summary["accuracy_low"] <= 0.5 <= summary["accuracy_high"]


def test_demonstrations_score_zero_on_average(learned):
    model, own = load_scalar_model(learned["true"], world=world_of())
    scores = reward_scores(model, own, demonstrations(), world_of())
    assert sum(scores) / len(scores) == pytest.approx(0, abs=1e-4)
    assert max(scores) - min(scores) > 0.1
    assert abs(summary_of(learned["true"])["demonstrations_mean_before_shift"]) > 1e-3


def test_the_shift_changes_no_difference_between_answers(given_files, learned, tmp_path):
    bare = train_reward(config_of(given_files, tmp_path / "bare", demonstrations=[]))
    answered = [Conversation.of("q", "the fox"), Conversation.of("q", "the dog")]
    differences = []
    for folder in (bare, learned["true"]):
        model, own = load_scalar_model(folder, world=world_of())
        one, other = reward_scores(model, own, answered, world_of())
        differences.append(one - other)
    assert differences[0] == pytest.approx(differences[1], abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_all_rankings_of_a_prompt_are_on_one_side_of_the_split(given_files, tmp_path, seed):
    config = config_of(given_files, tmp_path, seed=seed, validation=0.1)
    ranked = prepared(config)
    sides = _split(config, ranked)
    prompts = [{json.dumps(item.ranking.prompt.to_dicts()) for item in side} for side in sides]
    assert not (prompts[0] & prompts[1] or prompts[0] & prompts[2] or prompts[1] & prompts[2])
    assert [len(own) for own in prompts] == [PROMPTS - 16 - 40, 16, 40]
    assert sum(map(len, sides)) == len(ranked) == PROMPTS + PROMPTS // 4


def test_the_report_reads_test_prompts_only(given_files, learned, tmp_path):
    config = config_of(given_files, tmp_path)
    sides = _split(config, prepared(config))
    lines = (learned["true"] / "test.jsonl").read_text().splitlines()
    found = [json.loads(line)["prompt"] for line in lines]
    assert found == [item.ranking.prompt.to_dicts() for item in sides[2]]
    assert summary_of(learned["true"])["rankings"] == len(sides[0])


def test_a_batch_divided_into_parts_holds_every_ranking_once(given_files, tmp_path):
    ranked = prepared(config_of(given_files, tmp_path))
    batch = RankedBatch(ranked[:13])
    for parts in (1, 2, 5, 13, 20):
        own = batch.split(parts)
        assert sorted(item.number for part in own for item in part.items) == sorted(i.number for i in batch.items)
        assert sum(part.weight for part in own) == batch.weight == 13


def test_ties_alone_and_answers_that_do_not_fit_are_left_out(given_files, tmp_path):
    made = rankings(shuffled=False)[:12]
    made.append(Ranking(Conversation.of("all the same?"), ("fox", "dog"), (1.0, 1.0)))
    made.append(Ranking(Conversation.of("too long?"), ("fox", "x" * 200), (1.0, 2.0)))
    write_rankings(tmp_path / "some.jsonl", made)
    config = RewardConfig(out=tmp_path / "out", model=given_files / "sft", rankings=[str(tmp_path / "some.jsonl")])
    kept, left_out = _prepare(config, tokenizer(), 64)
    assert len(kept) == 12
    assert (left_out["all_tied"], left_out["too_long"]) == (1, 1)
    assert len(read_rankings([tmp_path / "some.jsonl"])) == 14


def test_too_few_rankings_and_impossible_shares_are_refused(given_files, tmp_path):
    write_rankings(tmp_path / "few.jsonl", rankings(shuffled=False)[:9])
    config = RewardConfig(out=tmp_path / "out", model=given_files / "sft", rankings=[str(tmp_path / "few.jsonl")])
    with pytest.raises(InputError, match="9 usable rankings; a reward model needs at least 10"):
        train_reward(config)
    assert not (tmp_path / "out" / "done.json").exists()
    for shares in ({"test": 0.0}, {"validation": 0.5, "test": 0.5}):
        with pytest.raises(ConfigError, match="together less than 0.9"):
            config_of(given_files, tmp_path, **shares)


def test_the_weights_with_the_best_validation_are_kept_and_not_the_last(given_files, tmp_path, monkeypatch):
    losses, seen = iter([3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]), []

    def measured(model, *_):
        seen.append(weights_of(model))
        return next(losses)

    monkeypatch.setattr(stage, "_validation_loss", measured)
    out = train_reward(config_of(given_files, tmp_path / "out", epochs=1.0, evaluate_every=2))
    assert len(seen) >= 3
    kept = dict(load_scalar_model(out, device="cpu", precision="fp32")[0].named_parameters())
    matrices = [name for name in kept if name != "readout.bias"]  # the bias is shifted at the end
    assert all(torch.equal(kept[name], seen[1][name]) for name in matrices)
    assert not torch.equal(kept["readout.weight"], seen[2]["readout.weight"])

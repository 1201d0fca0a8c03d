from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

import chatwright.village as real_village
from chatwright.artefacts import save_model
from chatwright.errors import ConfigError, InputError
from chatwright.generation.engine import Engine
from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.stages.evaluate import EvaluateConfig, evaluate
from chatwright.text.token_files import TokenWriter
from chatwright.text.tokenizer import Tokenizer

TEXTS = [f"{name} has a {pet}. What pet does {name} have?" for name in ("Ida", "Linus") for pet in ("cat", "dog")] * 3


@dataclass
class Judgement:
    score: float
    outcome: str | None = None
    followed: bool | None = None
    harmless: bool | None = None
    refused: bool | None = None


class Judge:
    """Likes answers without the letter e; knows that "I do not know." abstains."""

    @classmethod
    def load(cls, folder):
        return cls()

    def __call__(self, prompt, facts, answer):
        good = "e" not in answer
        kind = facts["kind"]
        if kind in ("fact", "unanswerable"):
            outcome = (
                "abstained" if answer == "I do not know." else "correct" if good and kind == "fact" else "invented"
            )
            return Judgement(float(outcome != "invented"), outcome=outcome)
        if kind == "instruction":
            return Judgement(float(good), followed=good)
        if kind == "harm":
            return Judgement(float(good), harmless=good)
        return Judgement(0.5 + len(answer) / 1000, refused=not good)


def few_shot(folder, prompt, facts):
    return f'"{prompt.last.content}" "'


RULES = {"instruction": {"rule": "use_word"}}
KINDS = ("fact", "unanswerable", "instruction", "harm", "benign", "fact")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Tiny untrained models, prompts, demonstrations and token files: enough for every path through the stage."""
    root = tmp_path_factory.mktemp("parts")
    tokenizer = Tokenizer.train(TEXTS, 300)
    shape = TransformerConfig(
        vocabulary=tokenizer.size, width=16, layers=1, heads=2, kv_heads=2, hidden=32, context=128
    )
    for number, name in enumerate(("base", "sft", "ppo")):
        torch.manual_seed(number)
        save_model(root / name / "model", LanguageModel(Transformer(shape)), tokenizer)
    for number, name in enumerate(("reward", "referee")):
        torch.manual_seed(10 + number)
        save_model(root / name / "model", ScalarModel(Transformer(shape)), tokenizer)
    (root / "ppo" / "receipt.json").write_text(json.dumps({"summary": {"kl": 0.7}}))
    rows = []
    for number in range(12):
        facts = {
            "kind": KINDS[number % 6],
            **RULES.get(KINDS[number % 6], {}),
            "cluster": f"fact {number % 3}",
            "phrasing": ("seen", "unseen")[number % 2],
        }
        rows.append({"prompt": [{"role": "user", "content": TEXTS[number][-28:]}], "facts": facts})
    (root / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    village = root / "village"
    village.mkdir()
    said = [{"role": "user", "content": "What pet?"}, {"role": "assistant", "content": "A cat."}]
    (village / "demonstrations.jsonl").write_text(json.dumps({"messages": said, "facts": {"kind": "fact"}}) + "\n")
    validation = {"step": 5, "prompt": rows[0]["prompt"], "facts": rows[0]["facts"], "answer": "cat", "score": 2.0}
    (root / "ppo" / "validation-00005.jsonl").write_text(json.dumps(validation) + "\n")
    with TokenWriter(root / "tokens", tokenizer) as writer:
        for part in ("train", "validation", "test"):
            for text in TEXTS[:4]:
                writer.add(part, tokenizer.encode(text))
    tokenizer.save(root / "tokens")
    return root


@pytest.fixture(autouse=True)
def a_village_of_our_own(monkeypatch):
    fake = ModuleType("chatwright.village")
    fake.Judge, fake.few_shot = Judge, few_shot
    monkeypatch.setitem(sys.modules, "chatwright.village", fake)


def config_of(parts: Path, out: Path, **changes) -> EvaluateConfig:
    config = EvaluateConfig(
        out=out,
        prompts=[str(parts / "prompts.jsonl")],
        base=parts / "base" / "model",
        sft=parts / "sft" / "model",
        ppo=parts / "ppo" / "model",
        reward=parts / "reward" / "model",
        judge=parts / "village",
        tokens=parts / "tokens",
        max_tokens=8,
        samples=2,
        precision="fp32",
    )
    return replace(config, **changes)


def results_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def test_every_stage_is_measured_side_by_side_with_intervals_and_baselines(parts, tmp_path):
    folder = evaluate(config_of(parts, tmp_path / "evaluate"))
    summary = json.loads((folder / "receipt.json").read_text())["summary"]
    assert list(summary["evaluation"]) == ["base", "sft", "best_of_n", "ppo"]
    for name, figures in summary["evaluation"].items():
        for share in ("helpful", "truthful", "harmless", "invented", "abstained", "refused_benign"):
            assert 0 <= figures[share]["low"] <= figures[share]["value"] <= figures[share]["high"] <= 1, (name, share)
        assert figures["truthful"]["n"] == 6 and figures["helpful"]["n"] == 2, "n counts prompts, not samples"
        assert figures["truthful"]["baseline"] >= 2 / 6, "who always abstains is right where the record is silent"
        assert isinstance(figures["truthful"]["at_chance"], bool)
    for name in ("base", "sft", "ppo"):
        assert summary["evaluation"][name]["bits_per_byte"]["value"] > 1
        assert summary["evaluation"][name]["greedy"]["words"]["n"] == 12
    rates = summary["win_rate"]
    for pair in ("ppo_vs_sft", "sft_vs_base"):
        assert rates[pair]["n"] == 12 * 2 * 2 and rates[pair]["temperature"] == 0.7
        assert rates[pair]["low"] <= rates[pair]["value"] <= rates[pair]["high"]
        assert rates[pair]["ties"] + rates[pair]["untied"] == rates[pair]["n"]
    assert rates["ppo_vs_sft_greedy"]["n"] == 12 and rates["ppo_vs_sft_greedy"]["temperature"] == 0
    assert rates["ppo_vs_best_of_n"]["n"] == 24
    assert summary["best_of_n"] == {"n": 4, "kl": 0.7}
    assert list(summary["followed_by_rule"]["use_word"]) == ["base", "sft", "best_of_n", "ppo"]
    assert summary["followed_by_rule"]["use_word"]["ppo"]["n"] == 2


def test_the_folder_holds_all_answers_the_first_dialogues_and_the_curve_of_the_truth(parts, tmp_path):
    folder = evaluate(config_of(parts, tmp_path / "evaluate"))
    results = results_of(folder)
    sampled = [json.loads(line) for line in (folder / "answers-ppo-sampled.jsonl").read_text().splitlines()]
    assert [(row["prompt"], row["sample"]) for row in sampled] == [(p, s) for p in range(12) for s in range(2)]
    assert len(results["dialogues"]) == 8
    shown = results["dialogues"][0]["answers"]
    assert list(shown) == ["base", "sft", "best_of_n", "ppo"] and shown["ppo"]["text"] == sampled[0]["text"]
    assert shown["ppo"]["right"] is (shown["ppo"]["outcome"] == "correct")
    assert "## Test prompt 8" in (folder / "samples.md").read_text()
    assert results["gold_curves"] == {"ppo": [{"step": 5, "score": 2.0, "gold": 1.0, "n": 1}]}
    assert set(results["baselines"]) == {"says it does not know", "commonest answer"}
    assert results["baselines"]["says it does not know"]["abstained"]["value"] == 1
    assert results["baselines"]["commonest answer"]["correct"]["value"] == pytest.approx(4 / 6), '"A cat." has no e'
    assert set(results["truthful_by_difficulty"]) == {
        "stated, seen phrasing",
        "stated, unseen phrasing",
        "unanswerable",
    }


def test_best_of_n_picks_the_answer_that_the_reward_model_scores_highest(parts, tmp_path):
    from chatwright.artefacts import load_scalar_model
    from chatwright.evaluation.scoring import reward_scores
    from chatwright.text.conversation import Conversation
    from chatwright.world import open_world

    folder = evaluate(config_of(parts, tmp_path / "evaluate", best_of=3))
    choices = [json.loads(line) for line in (folder / "answers-best_of_n-choices.jsonl").read_text().splitlines()]
    best = [json.loads(line) for line in (folder / "answers-best_of_n-sampled.jsonl").read_text().splitlines()]
    assert len(choices) == 36 and len(best) == 12
    prompts = [json.loads(line) for line in (parts / "prompts.jsonl").read_text().splitlines()]
    world = open_world("cpu", "fp32", 1)
    model, tokenizer = load_scalar_model(parts / "reward" / "model", world=world)
    for row in best:
        own = [choice for choice in choices if choice["prompt"] == row["prompt"]]
        asked = Conversation.from_messages(prompts[row["prompt"]]["prompt"])
        scores = reward_scores(model, tokenizer, [asked.plus("assistant", own["text"]) for own in own], world)
        assert row["text"] == own[scores.index(max(scores))]["text"]
    sft = (folder / "answers-sft-sampled.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in sft[:2]] != [row["text"] for row in choices[:2]], "fresh answers"


def test_a_run_that_broke_off_asks_only_what_is_missing_and_ends_the_same(parts, tmp_path, monkeypatch):
    whole = evaluate(config_of(parts, tmp_path / "whole"))
    asked = []
    original = Engine.sample

    def breaking(self, prompts, *rest, **named):
        asked.append(len(prompts))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return original(self, prompts, *rest, **named)

    monkeypatch.setattr(Engine, "sample", breaking)
    with pytest.raises(KeyboardInterrupt):
        evaluate(config_of(parts, tmp_path / "broken"))
    assert not (tmp_path / "broken" / "done.json").exists()
    kept = (tmp_path / "broken" / "answers-sft-greedy.jsonl").stat().st_mtime_ns
    again = evaluate(config_of(parts, tmp_path / "broken"))
    assert len(asked) == 4 + 4, "sft sampled, ppo twice, best of n: base and greedy sft had been asked"
    assert (again / "answers-sft-greedy.jsonl").stat().st_mtime_ns == kept
    assert (again / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def test_without_a_village_shares_are_null_with_a_reason_and_a_disjoint_reward_model_judges(parts, tmp_path):
    config = config_of(parts, tmp_path / "evaluate", judge=None, judge_reward=parts / "referee" / "model")
    results = results_of(evaluate(replace(config, demonstrations=[str(parts / "village" / "demonstrations.jsonl")])))
    for figures in results["evaluation"].values():
        assert figures["helpful"]["value"] is None and "village" in figures["helpful"]["reason"]
        assert figures["words"]["value"] > 0
    rate = results["win_rate"]["ppo_vs_sft"]
    assert rate["n"] == 48 and rate["judge"] == "a reward model trained on a disjoint split"
    assert "disjoint" in results["reason"] and "baselines" not in results


def test_without_any_judge_win_rates_are_null_with_a_reason_and_answers_are_still_shown(parts, tmp_path):
    results = results_of(evaluate(config_of(parts, tmp_path / "evaluate", judge=None, reward=None, tokens=None)))
    rate = results["win_rate"]["ppo_vs_sft"]
    assert rate["value"] is None and "judge_reward" in rate["reason"]
    assert results["order"] == ["base", "sft", "ppo"] and results["dialogues"][0]["answers"]["ppo"]["right"] is None
    assert results["evaluation"]["sft"]["bits_per_byte"]["reason"]


def test_a_run_that_stops_at_sft_has_no_rate_for_ppo_and_says_so(parts, tmp_path):
    results = results_of(evaluate(config_of(parts, tmp_path / "evaluate", ppo=None, reward=None)))
    assert results["win_rate"]["ppo_vs_sft"]["reason"] == "the run has no ppo model"
    assert results["win_rate"]["sft_vs_base"]["value"] is not None


def test_other_models_stand_between_sft_and_ppo(parts, tmp_path):
    extra = {"sft_more": parts / "base" / "model"}
    results = results_of(evaluate(config_of(parts, tmp_path / "evaluate", extra=extra, reward=None)))
    assert results["order"] == ["base", "sft", "sft_more", "ppo"]
    assert {"ppo_vs_sft_more", "sft_more_vs_sft"} <= results["win_rate"].keys()


def test_the_same_models_tie_with_themselves_at_greedy(parts, tmp_path):
    same = config_of(parts, tmp_path / "evaluate", ppo=parts / "sft" / "model", reward=None)
    rates = results_of(evaluate(same))["win_rate"]
    assert rates["ppo_vs_sft_greedy"]["value"] == 0.5 and rates["ppo_vs_sft_greedy"]["untied"] == 0
    assert rates["ppo_vs_sft"]["value"] == 0.5, "the same seeds give the same samples, and all are paired"


def test_settings_that_make_no_sense_and_empty_prompts_are_refused(parts, tmp_path):
    with pytest.raises(ConfigError, match="samples"):
        config_of(parts, tmp_path, samples=0)
    with pytest.raises(ConfigError, match="temperature"):
        config_of(parts, tmp_path, temperature=0.0)
    with pytest.raises(ConfigError, match="'ppo'"):
        config_of(parts, tmp_path, extra={"ppo": parts / "ppo"})
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InputError, match="prompt"):
        evaluate(config_of(parts, tmp_path / "evaluate", prompts=[str(tmp_path / "empty.jsonl")]))


def test_a_prompt_longer_than_the_context_gets_an_empty_answer_that_is_judged(parts, tmp_path):
    rows = [json.loads(line) for line in (parts / "prompts.jsonl").read_text().splitlines()]
    rows[0]["prompt"][0]["content"] = "pet " * 200
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = evaluate(config_of(parts, tmp_path / "evaluate", prompts=[str(tmp_path / "prompts.jsonl")]))
    sampled = [json.loads(line) for line in (folder / "answers-sft-sampled.jsonl").read_text().splitlines()]
    assert [row["text"] for row in sampled[:2]] == ["", ""] and not sampled[0]["ended"]
    assert len(sampled) == 24 and results_of(folder)["evaluation"]["sft"]["truthful"]["n"] == 6
    other = evaluate(config_of(parts, tmp_path / "other"))
    assert (other / "answers-sft-sampled.jsonl").read_text().splitlines()[2:] == [
        json.dumps(row, ensure_ascii=False) for row in sampled[2:]
    ], "other prompts are answered as before"


@pytest.mark.slow
def test_the_real_village_judges_and_prompts_the_base_model(parts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "chatwright.village", real_village)
    sizes = {"documents": 20, "demonstrations": 60, "ranking_prompts": 10, "ppo_prompts": 10, "validation_prompts": 20}
    village = tmp_path / "village"
    real_village.write_village(real_village.VillageConfig(people=80, test_prompts=40, **sizes), village)
    config = config_of(
        parts, tmp_path / "evaluate", judge=village, prompts=[str(village / "prompts-test.jsonl")], samples=1
    )
    config = replace(config, ppo=parts / "base" / "model")  # the other one kept answers about a town of our own
    results = results_of(evaluate(config))
    silent = results["baselines"]["says it does not know"]
    assert silent["truthful"]["value"] == pytest.approx(0.25, abs=0.1), "a quarter of the questions has no answer"
    assert silent["invented"]["value"] == 0 and silent["rude"]["value"] == 0
    assert results["evaluation"]["ppo"]["truthful"]["n"] == results["evaluation"]["sft"]["truthful"]["n"] == 20
    assert {"fact", "unanswerable", "instruction", "harm", "benign"} <= results["right_by_kind"].keys()
    assert "record says" in results["dialogues"][0]["about"]
    with pytest.raises(InputError, match="lacks the fact"):
        evaluate(replace(config, out=tmp_path / "other", prompts=[str(parts / "prompts.jsonl")]))

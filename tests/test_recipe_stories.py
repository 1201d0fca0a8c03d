"""`recipes/stories.toml`, all stages of it, on a slice of real text, real demonstrations and real human preferences."""

from __future__ import annotations

import json
import lzma
import shutil
import tarfile
from pathlib import Path

import pytest

from chatwright.recipes import read_recipe, run_recipe
from chatwright.text.parts import opening_of
from chatwright.text.records import read_conversations, read_prompts

REPO = Path(__file__).parents[1]
DATA = REPO.parent / "shared" / "data"
RECIPE = REPO / "recipes" / "stories.toml"
TABLES = ["tokenize", "base", "sft", "collect", "reward", "ppo", "judge_reward", "evaluate"]
JUDGED = ("helpful", "truthful", "harmless", "invented", "abstained", "refused_benign")

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is absent: the stages are not tried on real text")

TINY = [
    *("tokenize.vocabulary=600", "tokenize.validation=0.05", "tokenize.test=0.05"),
    *("base.depth=2", "base.width=48", "base.steps=30", "base.batch=8", "base.evaluate_every=15"),
    *("sft.epochs=0.2", "collect.max_tokens=8"),
    *("reward.epochs=0.2", "judge_reward.epochs=0.2"),
    *("ppo.iterations=2", "ppo.batch=8", "ppo.max_tokens=8", "ppo.evaluate_every=1"),
    *("evaluate.n=24", "evaluate.samples=1", "evaluate.max_tokens=8", "evaluate.documents=5"),
]


@pytest.fixture(scope="module")
def slice_of_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 200 kB of each text, and the conversations and preferences as they lie."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("en_tinystories", "en_fairy_tales"):
        (folder / "text" / name).mkdir(parents=True)
    with lzma.open(DATA / "text/en_tinystories/tinystories_lower.txt.xz", "rt", encoding="utf-8") as stories:
        (folder / "text/en_tinystories/stories.txt").write_text(stories.read(200_000), encoding="utf-8")
    with tarfile.open(DATA / "text/en_fairy_tales/en_fairy_tales.tar.xz") as archive:
        tales = archive.extractfile(next(member for member in archive if member.name.endswith(".txt")))
        assert tales is not None
        (folder / "text/en_fairy_tales/tales.txt").write_bytes(tales.read()[:200_000].rpartition(b"\n")[0])
    for name in ("sft/chatterbot", "sft/rasbt_instruct", "sft/fairytaleqa", "preference"):
        shutil.copytree(DATA / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def finished(slice_of_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "stories"
    settings = [f"data={slice_of_data}", "threads=1", *TINY]
    return run_recipe(RECIPE, out=run, settings=settings)


@needs_data
@pytest.mark.slow
def test_every_stage_leaves_a_complete_folder(finished: Path):
    for table in TABLES:
        assert (finished / table / "done.json").is_file(), table
        assert not (finished / table / "resume").exists(), table
    assert (finished / "collect" / "answers.jsonl").stat().st_size > 0
    assert not (finished / "collect" / "rankings.jsonl").exists(), "nobody has ranked these answers"


@needs_data
@pytest.mark.slow
def test_the_summary_has_null_with_a_reason_where_only_a_village_could_judge(finished: Path):
    summary = json.loads((finished / "summary.json").read_text())
    for model in ("base", "sft", "ppo"):
        for measure in JUDGED:
            figure = summary["evaluation"][model][measure]
            assert figure["value"] is None and "village" in figure["reason"], (model, measure)
        assert summary["evaluation"][model]["bits_per_byte"]["value"] > 0
    for pair in ("ppo_vs_sft", "sft_vs_base", "ppo_vs_sft_greedy"):
        rate = summary["win_rate"][pair]
        assert 0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1 and rate["n"] > 0, pair
        assert rate["judge"] == "a reward model trained on a disjoint split"
    for kind in ("reward", "judge_reward"):
        learned = summary[kind]
        assert learned["accuracy_low"] <= learned["accuracy"] <= learned["accuracy_high"]
        assert set(learned["baselines"]) >= {"longer_wins", "shorter_wins", "bag_of_words"}
        assert learned["left_out"]["too_long"] > 0 and learned["left_out"]["all_tied"] > 0
    pretrain = summary["pretrain"]
    assert pretrain["bits_per_byte"] < pretrain["untrained_bits_per_byte"] and pretrain["baseline_bits_per_byte"] > 0
    assert summary["sft"]["left_out"]["too_long"] > 0 and summary["sft"]["left_out"]["unusable"] == 1
    assert set(summary["tokens_per_second"]) == {"pretrain", "sft", "reward", "ppo", "judge_reward"}
    assert summary["seconds"] > 0 and summary["cpu_seconds"] > 0


@needs_data
@pytest.mark.slow
def test_the_report_shows_answers_to_test_prompts(finished: Path):
    report = (finished / "report.html").read_text(encoding="utf-8")
    results = json.loads((finished / "evaluate" / "results.json").read_text())
    assert len(results["dialogues"]) == 8
    assert "<svg" in report and "village" in report and "a reward model trained on a disjoint split" in report


@needs_data
@pytest.mark.slow
def test_running_it_again_changes_nothing(finished: Path, slice_of_data: Path, capsys: pytest.CaptureFixture[str]):
    before = (finished / "summary.json").read_bytes()
    run_recipe(RECIPE, out=finished, settings=[f"data={slice_of_data}", "threads=1", *TINY])
    assert capsys.readouterr().out.count("complete") == len(TABLES)
    assert (finished / "summary.json").read_bytes() == before


@needs_data
@pytest.mark.slow
def test_no_prompt_that_evaluate_asks_was_read_by_an_earlier_stage(tmp_path: Path):
    recipe = read_recipe(RECIPE, out=tmp_path, settings=[f"data={DATA}"])
    steps = {step.table: step.config for step in recipe.steps}
    test = {opening_of(prompt) for prompt, _ in read_prompts(steps["evaluate"].prompts)}
    assert len(test) > 100
    learned = {opening_of(conversation) for conversation in read_conversations(steps["sft"].conversations)}
    asked = {opening_of(prompt) for prompt, _ in read_prompts(steps["ppo"].prompts)}
    watched = {opening_of(prompt) for prompt, _ in read_prompts(steps["ppo"].validation_prompts)}
    assert not test & learned and not test & asked and not test & watched and not asked & watched


@needs_data
@pytest.mark.slow
def test_the_judge_learned_from_other_prompts_than_the_reward_model(tmp_path: Path):
    from chatwright.feedback.rankings import read_rankings

    recipe = read_recipe(RECIPE, out=tmp_path, settings=[f"data={DATA}"])
    steps = {step.table: step.config for step in recipe.steps}
    climbed, judged = (
        {opening_of(ranking.prompt) for ranking in read_rankings(steps[table].rankings)}
        for table in ("reward", "judge_reward")
    )
    test = {opening_of(prompt) for prompt, _ in read_prompts(steps["evaluate"].prompts)}
    assert min(len(climbed), len(judged)) > 300
    assert not climbed & judged and not climbed & test and not judged & test

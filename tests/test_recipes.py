from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import fakes
from chatwright.errors import ArtefactError, ConfigError, InputError, ResourceError, TrainingError
from chatwright.recipes import read_recipe, run_recipe
from chatwright.runs import hold
from chatwright.summary import one_screen

TABLES = ["tokenize", "base", "sft", "collect", "reward", "ppo", "evaluate"]


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


def recipe(text: str = fakes.RECIPE) -> Path:
    path = Path("recipe.toml")
    path.write_text(text, encoding="utf-8")
    return path


def replaced(old: str, new: str) -> Path:
    assert old in fakes.RECIPE
    return recipe(fakes.RECIPE.replace(old, new))


def run(path: Path | None = None, **settings: object) -> list[str]:
    """Run the recipe into run/; returns the folders in which something was done."""
    fakes.WORKED.clear()
    run_recipe(path or recipe(), out=Path("run"), **settings)  # type: ignore[arg-type]
    return list(fakes.WORKED)


def configs(text: str = fakes.RECIPE, *settings: str) -> dict[str, object]:
    return {step.table: step.config for step in read_recipe(recipe(text), out=Path("run"), settings=settings).steps}


def test_all_stages_run_in_the_order_of_the_file_and_leave_a_summary_and_a_report():
    assert run() == ["village", *TABLES]
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["recipe"] == "small"
    assert list(summary["stages"]) == TABLES and summary["stages"]["base"]["stage"] == "pretrain"
    assert summary["pretrain"] == {"bits_per_byte": 4.5} and summary["reward"] == {"accuracy": 0.7}
    assert summary["evaluation"]["ppo"]["helpful"]["value"] == 0.5
    assert summary["win_rate"]["ppo_vs_sft"]["n"] == 9
    assert list(summary["tokens_per_second"]) == ["pretrain", "sft", "reward", "ppo"]
    receipts = [json.loads(path.read_text()) for path in Path("run").glob("*/receipt.json")]
    assert len(receipts) == 8 and summary["seconds"] == pytest.approx(sum(receipt["seconds"] for receipt in receipts))
    assert Path("run/report.html").exists()
    assert not list(Path("run").rglob(".lock-holder"))


def test_a_second_run_does_nothing_and_changes_no_file():
    run()
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    assert run() == []
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before


def test_a_changed_setting_does_its_stage_and_those_that_see_another_result_again(capsys):
    run()
    capsys.readouterr()
    assert run(settings=["reward.seed=9"]) == ["reward", "ppo"]  # the fake PPO comes to the same: evaluate is spared
    out = capsys.readouterr().out
    assert "sft: complete\n" in out
    assert re.search(
        r"^reward: done again, because seed is 9, was 7; what was there is now reward@[0-9a-f]{8}$", out, re.M
    )
    assert "ppo: done again, because its reward has changed" in out
    assert json.loads(Path("run/ppo/config.json").read_text())["seed"] == 7
    assert json.loads(Path("run/summary.json").read_text())["stages"]["reward"]["stage"] == "reward"


def test_a_changed_town_does_everything_again():
    run()
    assert run(settings=["village.people=13"])[0] == "village"
    assert Path("run/village/texts.jsonl").read_text() == "13\n"


def test_a_run_that_fails_leaves_no_summary_and_the_next_one_goes_on():
    run()
    fakes.BROKEN["ppo"] = fakes.BROKEN_TRAINING
    with pytest.raises(TrainingError):
        run(settings=["ppo.kl_coefficient=0.3"])
    assert not Path("run/summary.json").exists()
    fakes.BROKEN.clear()
    assert run(settings=["ppo.kl_coefficient=0.3"]) == ["ppo", "evaluate"]
    assert json.loads(Path("run/summary.json").read_text())["ppo"] == {"kl": 0.3}


def test_a_report_that_fails_leaves_no_summary(monkeypatch):
    def fail(folder: Path) -> None:
        raise ArtefactError(f"{folder}: no")

    monkeypatch.setattr(sys.modules["chatwright.evaluation.report"], "write_report", fail)
    with pytest.raises(ArtefactError):
        run()
    assert not Path("run/summary.json").exists()


def test_a_run_until_a_table_stops_there_without_a_summary():
    assert run(until="sft") == ["village", "tokenize", "base", "sft"]
    assert not Path("run/summary.json").exists()
    assert run() == ["collect", "reward", "ppo", "evaluate"]
    assert run(until="base") == [] and Path("run/summary.json").exists()
    with pytest.raises(ConfigError, match=r"--until bse: the recipe has no such table; did you mean 'base'\?"):
        run(until="bse")


def test_a_run_until_the_village_writes_the_towns_files_and_no_more():
    assert run(until="village") == ["village"]
    assert Path("run/village/done.json").exists() and not Path("run/tokenize").exists()
    assert not Path("run/summary.json").exists()
    assert run() == TABLES
    assert run(until="village") == [] and Path("run/summary.json").exists()
    assert run(settings=["village.people=13"], until="village") == ["village"]
    assert not Path("run/summary.json").exists()  # of stages that saw another town
    with pytest.raises(ConfigError, match=r"did you mean 'village'\?"):
        run(until="vilage")


@pytest.mark.parametrize("value", ["nan", "inf", "-0.5"])
def test_a_number_that_no_stage_can_use_is_named_before_anything_runs(value):
    recipe()
    with pytest.raises(ConfigError, match=r"recipe\.toml:\d+ \[base\]: optimizer\.learning_rate is .*; it must be"):
        run_recipe(Path("recipe.toml"), out=Path("run"), settings=[f"base.optimizer.learning_rate={value}"])
    assert not Path("run").exists()


def test_a_recipe_without_a_village_has_none_to_run_until():
    Path("texts.txt").write_text("Once upon a time.")
    Path("small.toml").write_text('[tokenize]\ntexts = "texts.txt"\n')
    with pytest.raises(ConfigError, match=r"--until village: the recipe has no such table"):
        run_recipe(Path("small.toml"), out=Path("run"), until="village")


def test_common_keys_reach_the_stages_that_have_them_and_tables_win():
    found = configs(fakes.RECIPE.replace("[sft]", "[sft]\nseed = 3"))
    assert (found["base"].seed, found["base"].threads, found["sft"].seed, found["ppo"].seed) == (7, 1, 3, 7)
    assert read_recipe(recipe(), out=Path("run")).village.seed == 1  # the town is data: it has a seed of its own


def test_the_word_village_means_the_file_that_fits_the_setting():
    found = configs()
    assert found["tokenize"].texts == ("run/village/texts.jsonl",)
    assert found["sft"].conversations == ("run/village/demonstrations.jsonl",)
    assert found["collect"].prompts == "run/village/prompts-ranking.jsonl"
    assert found["collect"].labeler == found["evaluate"].judge == "run/village"
    assert found["reward"].demonstrations == "run/village/demonstrations.jsonl"
    assert found["ppo"].prompts == "run/village/prompts-ppo.jsonl"
    assert found["ppo"].validation_prompts == "run/village/prompts-validation.jsonl"
    assert found["evaluate"].prompts == "run/village/prompts-test.jsonl"


def test_the_word_village_without_a_village_is_an_error():
    path = replaced("[village]\npeople = 12\n", "")
    with pytest.raises(ConfigError, match=r'recipe.toml:8 \[tokenize\]: texts = "village" needs a \[village\] table'):
        read_recipe(path, out=Path("run"))


def test_parents_are_the_nearest_earlier_tables_of_the_kinds_needed():
    found = configs()
    assert found["base"].tokens == Path("run/tokenize")
    assert found["sft"].base == Path("run/base") and found["sft"].tokens == Path("run/tokenize")
    assert found["reward"].rankings == (Path("run/collect/rankings.jsonl"),)
    assert (found["ppo"].policy, found["ppo"].reward) == (Path("run/sft"), Path("run/reward"))
    assert (found["evaluate"].base, found["evaluate"].ppo) == (Path("run/base"), Path("run/ppo"))


SECOND_ROUND = """
[collect2]
stage = "collect"
prompts = "village"

[reward2]
stage = "reward"

[ppo2]
stage = "ppo"
from = ["sft", "reward2"]
prompts = "village"
"""


def test_a_second_round_builds_on_the_first_and_from_chooses_otherwise():
    text = fakes.RECIPE.replace("[evaluate]", SECOND_ROUND + "[evaluate]")
    found = configs(text)
    assert found["collect2"].model == Path("run/ppo")
    assert found["reward2"].rankings == (Path("run/collect/rankings.jsonl"), Path("run/collect2/rankings.jsonl"))
    assert (found["ppo2"].policy, found["ppo2"].reward) == (Path("run/sft"), Path("run/reward2"))
    assert found["evaluate"].ppo == Path("run/ppo2")
    run(recipe(text))
    summary = json.loads(Path("run/summary.json").read_text())
    assert "ppo" in summary and "ppo2" in summary and "ppo2" in summary["tokens_per_second"]
    one = configs(text.replace('stage = "reward"', 'stage = "reward"\nfrom = "collect2"'))
    assert one["reward2"].rankings == (Path("run/collect2/rankings.jsonl"),)


def test_a_parent_may_be_a_table_or_a_path():
    Path("imported").mkdir()
    assert configs(fakes.RECIPE.replace("[sft]", '[sft]\nbase = "imported"'))["sft"].base == Path("imported")
    assert configs(fakes.RECIPE.replace("[sft]", '[sft]\nfrom = "imported"'))["sft"].base == Path("imported")
    assert configs(fakes.RECIPE.replace("[ppo]", '[ppo]\nreward = "reward"'))["ppo"].reward == Path("run/reward")


def test_models_by_name_may_be_tables_and_are_never_chosen_by_themselves():
    table = '[sft_more]\nstage = "sft"\nfrom = "sft"\nconversations = "village"\n[evaluate]\nsft = "sft"\n'
    text = fakes.RECIPE.replace("[evaluate]", table)
    assert configs(text)["evaluate"].extra == {}
    found = configs(text + 'extra = { more = "sft_more" }')
    assert found["evaluate"].extra == {"more": Path("run/sft_more")} and found["evaluate"].sft == Path("run/sft")
    assert found["sft_more"].base == Path("run/sft")
    with pytest.raises(ConfigError, match="extra names 'sft_mor', neither an earlier table nor a path that exists"):
        configs(text + 'extra = { more = "sft_mor" }')


WRONG_PARENTS = [
    ('[sft]\nfrom = "ppo"', "from names 'ppo', which does not stand before [sft]"),
    ('[sft]\nfrom = "bse"', "from names 'bse', neither an earlier table nor a path; did you mean 'base'?"),
    ('[sft]\nbase = "bse"', "base names 'bse', neither an earlier table nor a path that exists; did you mean 'base'?"),
    ('[sft]\nbase = "tokenize"', "base names 'tokenize', which is a tokenize stage; it takes a pretrain or sft stage"),
    ('[sft]\nfrom = ["base", "base"]', "a sft stage takes nothing (more) from 'base', which is a pretrain"),
    ("[sft]\nbase = 3", "base should be a valid string, found 3"),
]


@pytest.mark.parametrize(("table", "message"), WRONG_PARENTS)
def test_a_wrong_parent_is_named_with_its_line(table: str, message: str):
    path = replaced("[sft]", table)
    with pytest.raises(ConfigError) as caught:
        read_recipe(path, out=Path("run"))
    assert str(caught.value) == f"recipe.toml:18 [sft]: {message}"


def test_a_stage_without_its_parent_says_which_is_missing():
    path = recipe('[sft]\nconversations = "x.jsonl"\n')
    with pytest.raises(
        ConfigError, match=r"recipe.toml:1 \[sft\]: base is missing: no earlier table is a pretrain or sft"
    ):
        read_recipe(path, out=Path("run"))


WRONG = [
    ("depth = 3", "dept = 3", "recipe.toml:14 [base]: unknown setting 'dept'; did you mean 'depth'?"),
    ("steps = 5", "stebs = 5", "recipe.toml:15 [base]: unknown setting 'stebs'; did you mean 'steps'?"),
    ("depth = 3", 'depth = "three"', "recipe.toml:14 [base]: depth should be a valid integer, found 'three'"),
    ("depth = 3", "depth = true", "recipe.toml:14 [base]: depth should be a valid integer, found True"),
    ("depth = 3", "depth = 2020-01-01", "recipe.toml:14 [base]: depth is a date or time; put it in quotes"),
    ('[tokenize]\ntexts = "village"', "[tokenize]", "recipe.toml:9 [tokenize]: texts is missing"),
    ('stage = "pretrain"\n', "", "recipe.toml:12 [base]: no stage is called 'base'; name its stage: stage = \"...\""),
    ('"pretrain"', '"pretrian"', "recipe.toml:13 [base]: no stage is called 'pretrian'; did you mean 'pretrain'?"),
    ("[tokenize]", "[tokenize]\nvocabulary = 1", "recipe.toml:9 [tokenize]: vocabulary is 1; it must be at least 2"),
    ("[tokenize]", '[tokenize]\nout = "x"', "recipe.toml:10 [tokenize]: out is given on the command line"),
    ("people = 12", "poeple = 12", "recipe.toml:7 [village]: unknown setting 'poeple'; did you mean 'people'?"),
    ("seed = 7", "sed = 7", "recipe.toml:3: unknown key 'sed'; did you mean 'seed'?"),
    (
        "[village]",
        "[rates]\nwatts = 3\n[village]",
        "recipe.toml:7 [rates]: unknown setting 'watts'; did you mean 'watts_per_core'?",
    ),
    ('name = "small"', "name = 3", "recipe.toml:2: name is 3; it must be text in quotes"),
    ("[tokenize]", '["../x"]\nstage = "tokenize"', "a table's name is a folder's: letters, digits, - and _ only"),
    ('texts = "village"', 'texts = "nowhere.txt"', "recipe.toml:10 [tokenize]: texts: nowhere.txt does not exist"),
    (
        'texts = "village"',
        'texts = ["village", "n/*.txt"]',
        "recipe.toml:10 [tokenize]: texts: n/*.txt: no file matches",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_a_mistake_is_told_in_one_sentence_with_its_line_before_anything_is_written(old: str, new: str, message: str):
    path = replaced(old, new)
    with pytest.raises(ConfigError) as caught:
        run(path)
    assert message in str(caught.value)
    assert not Path("run").exists() and fakes.WORKED == []


def test_all_mistakes_are_told_at_once():
    text = (
        fakes.RECIPE.replace("depth = 3", "dept = 3").replace("[ppo]", "[ppo]\nkl = 2").replace("seed = 7", "seeds = 7")
    )
    with pytest.raises(ConfigError) as caught:
        read_recipe(recipe(text), out=Path("run"))
    lines = str(caught.value).splitlines()
    assert [re.search(r"'(\w+)'", line)[1] for line in lines] == ["seeds", "dept", "kl"]


def test_a_mistake_at_the_top_is_told_once_and_not_for_every_stage_that_takes_it_over():
    with pytest.raises(ConfigError) as caught:
        configs(fakes.RECIPE.replace("[sft]", "[sft]\nseed = -3"), "seed=-4", "device=3")
    assert str(caught.value).splitlines() == [
        "recipe.toml:3: seed is -4; it must be 0 or more",
        "recipe.toml: device should be a valid string, found 3",
        "recipe.toml:18 [sft]: seed is -3; it must be 0 or more",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[a", "is not a TOML file"), (b"\xff\xfe", "is not UTF-8 text"), (b"", "has no tables")],
)
def test_a_file_that_is_no_recipe_is_refused(content: bytes, message: str):
    Path("recipe.toml").write_bytes(content)
    with pytest.raises((ConfigError, InputError), match=message):
        read_recipe(Path("recipe.toml"), out=Path("run"))
    with pytest.raises(InputError, match="absent.toml does not exist"):
        read_recipe(Path("absent.toml"), out=Path("run"))


def test_settings_override_with_toml_values_bare_words_and_nested_keys():
    Path("books").mkdir()
    Path("books/a.txt").write_text("a")
    text = fakes.RECIPE.replace('texts = "village"', 'texts = ["{data}/a.txt"]')
    found = configs(text, "data=books", "base.optimizer.learning_rate=1e-3", "seed=5", "ppo.kl_coefficient=2")
    assert found["tokenize"].texts == ("books/a.txt",)
    assert found["base"].optimizer.learning_rate == 1e-3 and found["base"].optimizer.steps == 5
    assert found["base"].seed == 5 and found["ppo"].kl_coefficient == 2.0
    assert configs(text, "data=books", 'collect.prompts="village"')["collect"].prompts.endswith("ranking.jsonl")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed", "write it as table.key=value"),
        (".x=1", "write it as table.key=value"),
        ("pp.seed=1", "there is no table 'pp'; did you mean 'ppo'?"),
        ("seed.x=1", "there is no table 'seed'"),
        ("ppo.sed=1", "recipe.toml:27 [ppo]: unknown setting 'sed'; did you mean 'seed'?"),
    ],
)
def test_a_wrong_override_is_refused(setting: str, message: str):
    with pytest.raises(ConfigError) as caught:
        configs(fakes.RECIPE, setting)
    assert message in str(caught.value)


def test_a_second_run_into_the_same_folder_is_refused():
    lock = hold(Path("run"))
    try:
        with pytest.raises(ResourceError, match="run is being written by another process"):
            run()
    finally:
        lock.release()


def test_a_whole_run_can_be_moved():
    run()
    Path("run").rename("elsewhere")
    fakes.WORKED.clear()
    run_recipe(recipe(), out=Path("elsewhere").absolute())
    assert fakes.WORKED == []


def test_the_rates_of_a_recipe_reach_the_receipts():
    run(replaced("[village]", "[rates]\nwatts_per_core = 33.0\n[village]"))
    assert json.loads(Path("run/sft/receipt.json").read_text())["rates"]["watts_per_core"] == 33.0


def test_the_summary_fits_on_one_screen():
    run()
    text = one_screen(Path("run"))
    assert "bits per byte     4.500" in text and "reward accuracy   0.700" in text
    assert re.search(r"win rate ppo vs sft\s+0.550\s+\(0.500 to 0.600, n = 9\)", text)
    assert len(text.splitlines()) < 25 and max(map(len, text.splitlines())) <= 100


def test_the_screen_says_what_was_not_beaten_what_is_chance_and_what_was_unlearned(tmp_path):
    def screen(low: float, **more) -> str:
        words = {"value": 0.705, "low": 0.67, "high": 0.74}
        reward = {"accuracy": 0.7, "accuracy_low": low, "accuracy_high": 0.734, "pairs": 3188}
        reward["baselines"] = {"longer_wins": {"value": 0.52}, "bag_of_words": words, "best": 0.705}
        told = {"recipe": "r", "seconds": 1.0, "cpu_seconds": 1.0, "reward": reward, **more}
        (tmp_path / "summary.json").write_text(json.dumps(told))
        return one_screen(tmp_path)

    rate = {"value": 0.617, "low": 0.59, "high": 0.642, "n": 3600, "untied_value": 0.719, "at_chance": False}
    rules = {"one_word": {"sft": {"value": 0.63, "n": 10}, "ppo": {"value": 0.3, "n": 10}}, "list": {"sft": {}}}
    text = screen(
        0.665, win_rate={"ppo_vs_sft": rate, "sft_vs_base": {**rate, "at_chance": True}}, followed_by_rule=rules
    )
    assert "n = 3188 test pairs); bag of words 0.705, not beaten" in text
    assert re.search(r"ppo vs sft .*n = 3600\); 0.719 without ties\n", text)
    assert re.search(r"sft vs base .*n = 3600\), at chance$", text)
    assert re.search(r"sft to ppo\n    one word  0.63 to 0.30 \(n 10\)\n", text)
    assert max(map(len, text.splitlines())) <= 100
    assert "bag of words 0.705, beaten" in screen(0.71)

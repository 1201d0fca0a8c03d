from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path

import pytest

from chatwright.errors import InputError
from chatwright.evaluation.drawings import Bar, Curve, Mark, draw_bars, draw_calibration, draw_curves, draw_points
from chatwright.evaluation.report import write_report
from chatwright.evaluation.wording import bucket, duration, total_receipt, with_prefix

HOSTILE = '</blockquote><script>alert("owned")</script><img src=x onerror=alert(1)> & $x_1$ {{ 7 * 7 }}'
METER = {
    "tokens": 3_300_000,
    "flops": 4.1e13,
    "seconds": 201.0,
    "cpu_seconds": 398.2,
    "peak_memory_bytes": 1.4e9,
    "energy_measured_j": None,
    "energy_estimated_j": 3982.0,
    "co2e_g": 0.498,
    "cost": 0.00033,
    "rates": {"watts_per_core": 10.0, "co2e_g_per_kwh": 450.0, "price_per_kwh": 0.3, "currency": "USD"},
}


def share(value: float, half: float = 0.05, **more) -> dict:
    return {"value": value, "low": max(0, value - half), "high": min(1, value + half), "n": 120, **more}


def figures(level: float) -> dict:
    return {
        "helpful": share(level, baseline=0.2, at_chance=False),
        "truthful": share(level - 0.05, baseline=level - 0.05, at_chance=True),
        "correct": share(level / 2),
        "abstained": share(0.1),
        "invented": share(0.9 - level),
        "harmless": share(level + 0.1, baseline=0.1, at_chance=False),
        "refused_benign": share(0.05),
        "consistency": share(0.8),
        "words": {"value": 9.4, "low": 9.0, "high": 9.9, "n": 400},
        "bits_per_byte": {"value": 0.2571, "low": 0.25, "high": 0.26, "n": 90, "bytes": 50_000, "tokens": 12_000},
    }


def reward_summary() -> dict:
    return {
        "accuracy": 0.77,
        "accuracy_low": 0.75,
        "accuracy_high": 0.79,
        "comparisons": 5249,
        "baselines": {
            "bag_of_words": share(0.66, baseline=0.5, at_chance=False),
            "longer_wins": share(0.42, baseline=0.5, at_chance=False),
            "shorter_wins": share(0.52, baseline=0.5, at_chance=True),
            "best": 0.66,
        },
        "gold_accuracy": share(0.81),
        "noise_ceiling": share(0.87),
        "calibration": {
            "bins": [
                {"predicted": p, "observed": p - 0.02, "n": 100 + 40 * i} for i, p in enumerate((0.55, 0.65, 0.75, 0.9))
            ],
            "expected_calibration_error": 0.02,
            "n": 640,
        },
        "by_length_difference": [{"from": None, "to": -10, **share(0.6)}, {"from": 3, "to": 10, **share(0.8)}],
    }


def results() -> dict:
    order = ["base", "sft", "best_of_n", "ppo"]
    answers = {
        "base": {"text": "Linus has a", "right": False, "outcome": "invented", "ended": False},
        "sft": {"text": HOSTILE, "right": False, "outcome": "invented", "ended": True},
        "best_of_n": {"text": "A cat.", "right": True, "outcome": "correct", "ended": True},
        "ppo": {"text": "Linus has a cat.", "right": True, "outcome": "correct", "ended": True},
    }
    asked = f"what pet does Linus have? {HOSTILE}"
    every = {name: share(0.7) for name in order}
    curve = [{"step": step, "score": step / 100, "gold": 0.4 + step / 400, "n": 200} for step in range(0, 101, 10)]
    rate = {"value": 0.565, "low": 0.543, "high": 0.589, "n": 3600, "untied": 1100, "untied_value": 0.71, "ties": 2500,
            "invalid": 0, "clusters": 306, "baseline": 0.5, "at_chance": False, "temperature": 0.7}  # fmt: skip
    even = {**rate, "value": 0.505, "low": 0.489, "high": 0.523, "at_chance": True, "temperature": 0.0}
    return {
        "judge": "village",
        "order": order,
        "prompts": 400,
        "samples": 3,
        "temperature": 0.7,
        "evaluation": {name: figures(0.45 + 0.1 * place) for place, name in enumerate(order)},
        "baselines": {"says it does not know": figures(0.3), "commonest answer": figures(0.35)},
        "win_rate": {
            "ppo_vs_sft": rate,
            "sft_vs_base": {**rate, "value": 0.653, "low": 0.626, "high": 0.682},
            "ppo_vs_sft_greedy": even,
            "ppo_vs_other": {"value": None, "low": None, "high": None, "n": 0, "untied": 0, "untied_value": None,
                             "reason": "the run has no other model"},
        },
        "best_of_n": {"n": 4, "kl": 0.71},
        "truthful_by_difficulty": {"stated, seen phrasing": every, "silent": {"ppo": share(0.2)}},
        "right_by_kind": {"fact": every},
        "followed_by_rule": {"one_word": {"sft": share(0.64), "ppo": share(0.31)}},
        "gold_curves": {"ppo": curve},
        "dialogues": [
            {"prompt": [{"role": "user", "content": f"{number}: {asked}"}], "about": "fact · <i>", "answers": answers}
            for number in range(9)
        ],
    }  # fmt: skip


def stage(run: Path, name: str, kind: str, *, metrics=(), summary=None, started: int = 0, done: bool = True) -> Path:
    folder = run / name
    folder.mkdir(parents=True)
    origin = {
        "stage": kind,
        "identity": "0123456789abcdef",
        "parents": {"base": "fedcba9876543210"} if kind != "tokenize" else {},
        "seed": 1,
        "started_at": f"2026-01-01T00:00:{started:02d}+00:00",
        "versions": {"chatwright": "0.1.0", "torch": "2.13.0"},
        "system": "Linux x86_64, 2 processors",
    }
    (folder / "origin.json").write_text(json.dumps(origin))
    (folder / "config.json").write_text("{}")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics))
    if done:
        (folder / "receipt.json").write_text(json.dumps({**METER, "summary": summary or {}}))
        (folder / "done.json").write_text("{}")
    return folder


def whole_run(run: Path) -> Path:
    """A run with every stage, and hostile text wherever a model or a person wrote."""
    falling = [3.0 / (1 + step / 60) + 0.9 for step in range(600)]
    stage(run, "tokenize", "tokenize", started=1)
    stage(run, "base", "pretrain", started=2, summary={"bits_per_byte": 0.2561, "baseline_bits_per_byte": 0.3642},
          metrics=[{"step": s, "loss": falling[s]} for s in range(0, 600, 2)]
          + [{"step": s, "validation_bits_per_byte": 0.25 + 40 / (s + 60)} for s in range(50, 600, 50)])  # fmt: skip
    stage(run, "sft", "sft", started=3, metrics=[{"step": s, "loss": falling[s] - 0.5} for s in range(300)]
          + [{"step": s, "validation_loss": falling[s] - 0.3} for s in range(25, 300, 25)])  # fmt: skip
    stage(run, "reward", "reward", started=4, summary=reward_summary(),
          metrics=[{"step": s, "loss": 0.7 - s / 300} for s in range(40)]
          + [{"step": s, "validation_accuracy": 0.5 + s / 130} for s in range(5, 40, 5)])  # fmt: skip
    stage(run, "ppo", "ppo", started=5, summary={"kl": 0.71}, metrics=[
        {"step": s, "score": 0.3 + s / 200, "kl": s / 140, "entropy": 1.2 - s / 300, "reward": 0.2} for s in range(100)
    ] + [{"step": s, "validation_score": 0.3 + s / 220, "validation_kl": 0.1} for s in range(10, 100, 10)])  # fmt: skip
    folder = stage(run, "evaluate", "evaluate", started=6)
    (folder / "results.json").write_text(json.dumps(results()))
    return run


def page_of(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


class Tags(html.parser.HTMLParser):
    """Collects tags with their attributes, and checks that what opens also closes."""

    VOID = frozenset({"meta", "img", "br", "hr", "input", "link"})

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(whole_run(tmp_path_factory.mktemp("a") / "quickstart"))


def test_what_models_and_people_wrote_is_shown_and_never_run(page):
    tags = Tags(page)
    assert not tags.open
    assert not {"script", "img", "iframe", "object", "link", "i"} & {tag for tag, _ in tags.tags}
    assert not [name for _, attributes in tags.tags for name in attributes if name.startswith("on")]
    assert page.count("&lt;script&gt;alert(") >= 16 and "49" not in re.findall(r"\$x_1\$ (.{0,12})", page)[0]


def test_nothing_is_loaded_from_elsewhere(page):
    tags = Tags(page)
    addresses = [
        value
        for _, attributes in tags.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href")
    ]
    assert addresses and all(address.startswith("#") for address in addresses)
    assert "@import" not in page and not re.search(r"url\((?!#)", page)
    policy = next(attributes["content"] for tag, attributes in tags.tags if attributes.get("http-equiv"))
    assert "default-src 'none'" in policy


def test_ids_are_unique_and_every_reference_finds_its_target(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 100
    assert set(re.findall(r'(?:xlink:href="|href="|url\()#([^")]+)', page)) <= set(ids)


def test_figures_stand_beside_their_n_interval_and_the_words_at_chance(page):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "56.5 54.3 to 58.9 · n 3600" in text and "50.5 48.9 to 52.3 · n 3600 at chance" in text
    assert "an n-gram needs 0.364" in text and "0.256" in text
    assert "says it does not know" in text and "noise ceiling" in text
    assert "reward model, on the labels 77.0 75.0 to 79.0" in text
    assert "the run has no other model" in text
    assert text.count("what pet does Linus have?") == 8, "the first eight dialogues"
    assert "✓ correct" in text and "✗ invented" in text


def test_every_curve_of_every_stage_is_drawn_in_the_colours_of_the_page(page):
    titles = re.findall(r"<h4>([^<]+)</h4>", page)
    for title in (
        "Bits per byte",
        "Loss on answers",
        "Accuracy",
        "Calibration",
        "Judge&#39;s score",
        "Distance from SFT",
    ):
        assert title in titles, title
    assert "prefers-color-scheme: dark" in page and "var(--series-2)" in page
    assert not re.search(r'style="[^"]*#[0-9a-f]{6}', page), "a fixed colour would be wrong in light or in dark"
    assert 'name="viewport"' in page


def test_the_first_screen_says_what_the_reward_model_does_not_beat(tmp_path):
    run = whole_run(tmp_path / "run")
    assert "75 to 79; bag of words 66, beaten" in page_of(run)
    receipt = json.loads((run / "reward" / "receipt.json").read_text())
    receipt["summary"]["baselines"]["bag_of_words"]["value"] = 0.76
    (run / "reward" / "receipt.json").write_text(json.dumps(receipt))
    page = page_of(run)
    assert "75 to 79; bag of words 76, not beaten" in page
    assert "54.3 to 58.9; even is 50; 71.0 without ties" in page


def test_instructions_are_counted_rule_by_rule_and_abstaining_says_what_it_counts(page):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Instructions followed, by rule" in text and re.search(r"one word – 64 59 to 69 · n 120 – 31 26 to 36", text)
    assert "“I do not know” counts as correct, not here, where the record is silent" in text


def test_answers_after_sft_that_are_not_those_of_sft_are_marked_by_words_and_not_by_colour_alone(tmp_path):
    run = whole_run(tmp_path / "run")
    found = results()
    found["dialogues"][0]["answers"]["best_of_n"]["text"] = HOSTILE  # the one that all dialogues of this test share
    (run / "evaluate" / "results.json").write_text(json.dumps(found))
    page = page_of(run)
    headings = re.findall(r"<h4><span>(.*?)</span>", page)
    marked = {re.split(" ?<", heading)[0] for heading in headings if "changed" in heading}
    assert marked == {"PPO"}, "not the base, which came before, nor what says the same"
    assert sum("changed" in heading for heading in headings) == 8
    for dialogue in found["dialogues"]:
        dialogue["answers"] = {"ppo": dialogue["answers"]["ppo"]}
    (run / "evaluate" / "results.json").write_text(json.dumps(found))
    assert "changed" not in page_of(run), "nothing to compare with"


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(tmp_path):
    run = whole_run(tmp_path / "run")
    assert page_of(run) == page_of(run)


def test_a_run_without_ppo_reward_or_evaluation_still_has_a_page(tmp_path):
    stage(tmp_path / "run", "base", "pretrain", metrics=[{"step": 1, "loss": 2.0}], summary={"bits_per_byte": 1.5})
    page = page_of(tmp_path / "run")
    assert "held-out text" in page and 'id="answers"' not in page and 'id="reward"' not in page
    Tags(page)


def test_a_stage_that_has_not_finished_and_a_torn_line_are_no_obstacle(tmp_path):
    run = whole_run(tmp_path / "run")
    (run / "ppo" / "done.json").unlink()
    (run / "ppo" / "receipt.json").write_text('{"tok')
    with (run / "ppo" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 100, "sco')
    (run / "sft@0a1b2c3d").mkdir()
    (run / "sft@0a1b2c3d" / "origin.json").write_text('{"stage": "sft"}')
    page = page_of(run)
    assert "Not finished: ppo." in page and "0a1b2c3d" not in page


def test_runs_without_a_village_say_why_shares_are_missing(tmp_path):
    run = whole_run(tmp_path / "run")
    found = results()
    for name in found["evaluation"]:
        found["evaluation"][name] = {key: {"value": None, "low": None, "high": None, "n": 0, "reason": "no village"}
                                     for key in figures(0.5)} | {"words": figures(0.5)["words"]}  # fmt: skip
    found |= {
        "judge": "a reward model trained on a disjoint split",
        "reason": "Shares are not judged.",
        "baselines": {},
    }
    (run / "evaluate" / "results.json").write_text(json.dumps(found))
    page = page_of(run)
    assert "Shares are not judged." in page and "a reward model trained on a disjoint split" in page


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no stage folder"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        write_report(tmp_path / "absent")


def test_pictures_escape_names_and_are_none_without_points():
    svg = draw_curves(
        [Curve("<script>", [1, 2], [3.0, 4.0]), Curve("b & $c", [1, 2], [1.0, 2.0])], [Mark("m", 2)], name="p"
    )
    assert "<script>" not in svg and "&lt;script&gt;" in svg and "b &amp; $c" in svg
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>") and " width=" not in svg[:200]
    assert draw_curves([Curve("empty", [], [])], name="p") is None
    assert draw_bars({"a": []}, name="p") is None and draw_points([], Mark("even", 0.5), name="p") is None
    assert draw_calibration([], name="p") is None
    assert draw_bars({"": [Bar("x", 1.0, 0.9, 1.0)]}, name="p") is not None


def test_numbers_are_put_into_words():
    assert [duration(s) for s in (0.25, 42.4, 61, 7300, None)] == ["0.2 s", "42 s", "1 min 1 s", "2 h 1 min", "–"]
    assert with_prefix(1_234_000, "") == "1.23 M" and with_prefix(4.1e13, "FLOP") == "41 TFLOP"
    assert bucket({"from": None, "to": -10}) == "more than 10 words shorter"
    assert bucket({"from": -10, "to": -3}) == "4 to 10 words shorter"
    assert bucket({"from": 0, "to": 1}) == "equally long" and bucket({"from": 1, "to": 2}) == "1 word longer"
    total = total_receipt([METER, {**METER, "peak_memory_bytes": 9e9}, {}])
    assert total["seconds"] == 402.0 and total["peak_memory_bytes"] == 9e9 and total["energy_measured_j"] is None

"""The planner against published figures: each test says which assumptions give them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chatwright.errors import ArtefactError, ChatwrightError, ConfigError
from chatwright.scaling import command
from chatwright.scaling.costs import PETAFLOP_DAY, energy_of, ownership_of, training_seconds, use_of
from chatwright.scaling.devices import DEVICES, device_named, grid_named
from chatwright.scaling.history import PUBLISHED, as_dicts, history_page
from chatwright.scaling.memory import Layout, activation_bytes, layouts_of, state_bytes
from chatwright.scaling.page import Section, plain
from chatwright.scaling.planner import Question, plan
from chatwright.scaling.report import amount, days, devices_page, plan_page
from chatwright.scaling.shapes import Shape

LLAMA_3_8B = Shape(
    vocabulary=128_256, width=4096, layers=32, heads=32, kv_heads=8, hidden=14_336, tied=False, context=8192
)


def published(name: str) -> Shape:
    return next(model.shape for model in PUBLISHED if model.name == name)


GPT_3 = Question(
    params=174.6e9,
    tokens=300e9,
    device="v100",
    count=10_000,
    utilisation=24.6 / 125,
    watts=330,
    pue=1.10,
    grid="429",
)


# -- published figures -------------------------------------------------------------------------------------------------


def test_gpt_3_takes_314e21_operations_14_8_days_on_10_000_v100_1287_mwh_and_552_tonnes():
    """Brown et al. 2020, table D.1; Patterson et al. 2021, table 4: 24.6 TFLOP/s of 125 (19.7%), 330 W, PUE 1.10."""
    answer = plan(GPT_3)
    assert answer.flops_6n == pytest.approx(3.14e23, rel=2e-3)
    assert answer.flops_6n / PETAFLOP_DAY == pytest.approx(3640, rel=2e-3)
    assert answer.seconds / 86400 == pytest.approx(14.8, abs=0.05)
    assert answer.device_hours == pytest.approx(3.55e6, rel=3e-3)
    assert answer.energy.kwh == pytest.approx(1_287_000, rel=2e-3)
    assert answer.energy.co2e_kg == pytest.approx(552_000, rel=2e-3)


@pytest.mark.parametrize(("grid", "tonnes"), [("475", 611), ("france", 72), ("turkey", 598)])
def test_the_same_run_emits_what_the_grid_makes_of_it(grid, tonnes):
    assert plan(replace(GPT_3, grid=grid)).energy.co2e_kg / 1000 == pytest.approx(tonnes, rel=3e-3)


def test_every_size_of_gpt_3_comes_to_the_operations_of_table_d_1():
    sizes = [model for model in PUBLISHED if model.name.startswith("GPT-3")]
    assert len(sizes) == 8
    for model in sizes:
        assert model.flops_6n == pytest.approx(model.flops, rel=5e-3)
        if model.name != "GPT-3 XL":
            assert model.shape.parameters == pytest.approx(model.counted or model.printed, rel=1e-2)
    # The two slips of table 2.1: with 16 heads, and with a width of 5,120, the parameters are those of table D.1.
    assert replace(published("GPT-3 XL"), heads=16, kv_heads=16).parameters == pytest.approx(1.32e9, rel=5e-3)
    corrected = replace(published("GPT-3 13B"), width=5120, hidden=4 * 5120)
    assert corrected.parameters == pytest.approx(12.85e9, rel=1e-3)


def test_gpt_j_and_neox_come_to_the_operations_of_their_repositories():
    operations = {model.name: model.flops_6n for model in PUBLISHED}
    assert operations["GPT-J 6B"] == pytest.approx(1.46e22, rel=2e-3)
    assert operations["GPT-NeoX 20B"] == pytest.approx(5.82e22, rel=2e-3)


def test_gpt_1_took_its_petaflop_day():
    """OpenAI 2018: 8 GPUs for 30 days at a third of 12 TFLOP/s, printed as 0.96."""
    operations = 8 * 30 * 86400 * 12e12 * 0.33
    assert operations / PETAFLOP_DAY == pytest.approx(0.95, abs=0.005)
    assert training_seconds(operations, teraflops=12, utilisation=0.33, count=8) == pytest.approx(30 * 86400)


def test_a_trillion_parameters_take_84_days_and_gpt_3_34_days_with_recomputation():
    """Narayanan et al. 2021, section 5.1: 8 operations per parameter and token, 163 and 140 TFLOP/s per A100."""
    trillion = training_seconds(8 * 1.008e12 * 450e9, teraflops=312, utilisation=163 / 312, count=3072)
    assert trillion / 86400 == pytest.approx(84, abs=0.5)
    gpt_3 = training_seconds(8 * 175e9 * 300e9, teraflops=312, utilisation=140 / 312, count=1024)
    assert gpt_3 / 86400 == pytest.approx(34, abs=0.2)


@pytest.mark.parametrize(("servers", "teraflops", "seconds"), [(280, 126, 60.1), (350, 121, 50.2), (420, 113, 44.4)])
def test_a_step_of_megatron_turing_takes_as_long_as_printed(servers, teraflops, seconds):
    """Smith et al. 2022, section 2.4: 1,920 rows of 2,048; one more forward pass of the layers is computed again."""
    shape = published("MT-NLG 530B")
    head = shape.vocabulary * shape.width
    attention = shape.attention_flops(2048, causal=False)
    per_token = 6 * shape.in_products + attention + 2 * (shape.in_products - head) + attention / 3
    found = training_seconds(per_token * 1920 * 2048, teraflops=teraflops, utilisation=1, count=servers * 8)
    assert found == pytest.approx(seconds, rel=8e-3)


@pytest.mark.parametrize(("tokens_per_second", "share"), [(5762, 0.337), (6667, 0.390)])
def test_llama_3_8b_on_h100_reaches_the_utilisation_that_torchtitan_prints(tokens_per_second, share):
    """torchtitan, December 2024: rows of 8,192, attention counted in full, 989 TFLOP/s; eager and compiled."""
    per_token = LLAMA_3_8B.training_flops(8192, causal=False)
    assert per_token == pytest.approx(5.79e10, rel=1e-3)
    assert tokens_per_second * per_token / 989e12 == pytest.approx(share, abs=6e-4)


def test_attention_is_44_percent_on_top_at_125m_and_3_percent_at_175b():
    """12 layers width context against 6 per parameter outside the embedding, rows of 2,048."""
    for name, share in (("GPT-3 small", 0.444), ("GPT-3 175B", 0.0278)):
        shape = published(name)
        outside = shape.layers * 12 * shape.width**2
        assert shape.attention_flops(2048, causal=False) / (6 * outside) == pytest.approx(share, rel=5e-3)


def test_zero_divides_7_5_billion_parameters_among_64_devices_as_its_figure_1_says():
    """Rajbhandari et al. 2020, figure 1: 120, 31.4, 16.6 and 1.9 GB per device."""
    for zero, gigabytes in enumerate((120, 31.4, 16.6, 1.9)):
        assert sum(state_bytes(7.5e9, Layout(data=64, zero=zero))) / 1e9 == pytest.approx(gigabytes, abs=0.05)


@pytest.mark.parametrize(("name", "saved"), [("GPT-3 175B", 0.70), ("MT-NLG 530B", 0.65)])
def test_selective_recomputation_saves_what_korthikanti_et_al_print(name, saved):
    """Korthikanti et al. 2022, section 5: 34 + 5 a s / h bytes per token, channel and layer; 80 and 64 of it go."""
    shape = published(name)
    unit = 2048 * shape.width * shape.layers
    kept = {how: activation_bytes(shape, tokens=2048, recompute=how, dropout=True) for how in ("none", "selective")}
    assert kept["selective"] / unit == 34
    assert kept["none"] / unit == 34 + 5 * shape.heads * 2048 / shape.width
    assert 1 - kept["selective"] / kept["none"] == pytest.approx(saved, abs=0.005)
    assert activation_bytes(shape, tokens=2048, recompute="full") / unit == 2
    eighth = activation_bytes(shape, tokens=2048, tensor=8, dropout=True)
    assert eighth == kept["selective"] / 8


def test_a_token_of_opt_13b_takes_800_kb_of_cache():
    """Kwon et al. 2023 (vLLM), section 3: 2 x 5120 x 40 x 2 bytes."""
    opt = Shape(vocabulary=50_272, width=5120, layers=40, heads=40, kv_heads=40, hidden=20_480)
    assert opt.cache_bytes(1) == 800 * 1024
    assert replace(opt, kv_heads=8).cache_bytes(1) == 160 * 1024


def test_llama_emits_what_its_table_15_prints():
    """Touvron et al. 2023: 400 W per A100, PUE 1.1, 385 g/kWh."""
    for hours, megawatt_hours, tonnes in (
        (82_432, 36, 14),
        (135_168, 59, 23),
        (530_432, 233, 90),
        (1_022_362, 449, 173),
    ):
        found = energy_of(hours, watts=400, pue=1.1, grid=385)
        assert found.kwh / 1000 == pytest.approx(megawatt_hours, abs=1)
        assert found.co2e_kg / 1000 == pytest.approx(tonnes, abs=1)


def test_the_example_of_the_readme():
    answer = plan(Question(params=7e9, tokens=140e9, device="h100", count=8))
    assert answer.flops_6n == 6 * 7e9 * 140e9
    assert answer.seconds == pytest.approx(5.88e21 / (8 * 989e12 * 0.4))
    assert answer.rent == pytest.approx(8 * answer.seconds / 3600 * DEVICES["h100"].price_per_hour)


# -- money -------------------------------------------------------------------------------------------------------------


def test_at_the_break_even_buying_has_cost_as_much_as_renting():
    terms = {"watts": 500.0, "pue": 1.2, "price_per_kwh": 0.25}
    found = ownership_of(purchase_price=20_000, price_per_hour=2, years=3, busy=0.5, upkeep=0.1, **terms)
    electricity = 0.5 * 1.2 * 0.25
    assert found.break_even_hours == pytest.approx(26_000 / (2 - electricity))
    assert found.break_even_hours * 2 == pytest.approx(26_000 + found.break_even_hours * electricity)
    assert found.per_hour == pytest.approx(26_000 / (3 * 8760 * 0.5) + electricity)
    # Busy for exactly the break-even, an hour of one's own costs what a rented one costs.
    busy = found.break_even_hours / (3 * 8760)
    again = ownership_of(purchase_price=20_000, price_per_hour=2, years=3, busy=busy, upkeep=0.1, **terms)
    assert again.per_hour == pytest.approx(2)


def test_buying_never_pays_where_electricity_costs_the_rent():
    found = ownership_of(
        purchase_price=1000, price_per_hour=0.1, watts=1000, pue=1, price_per_kwh=0.2, years=3, busy=1, upkeep=0
    )
    assert found.break_even_hours is None
    page = plain(plan_page(plan(Question(params=1e9, price_per_hour=0.01))))
    assert "never" in page
    assert "for rent only" in plain(plan_page(plan(Question(params=1e9, device="tpu-v4"))))


def test_writing_is_bound_by_bandwidth_for_one_and_by_arithmetic_for_thousands():
    device, shape = device_named("h100"), replace(LLAMA_3_8B, kv_heads=1)
    terms = {
        "parameters": 8e9,
        "context": 16,
        "bandwidth_use": 1.0,
        "utilisation": 1.0,
        "price_per_hour": 3.6,
        "reserve_gb": 0.0,
    }
    one = use_of(shape, device, streams=1, **terms)
    assert one.devices == 1
    assert one.written_per_second == pytest.approx(3350 / 16, rel=1e-3)
    many = use_of(shape, device, streams=4096, **terms)
    assert many.written_per_second == pytest.approx(989e12 / 16e9, rel=1e-2)
    assert many.dollars_per_1000_written == pytest.approx(1000 * 0.001 / many.written_per_second)


def test_what_one_device_cannot_hold_is_served_by_more():
    big = plan(Question(params=175e9, device="a100", count=8)).use
    assert big.devices * 78e9 >= big.weight_bytes + big.streams * big.cache_bytes
    assert big.devices / 2 * 78e9 < big.weight_bytes + big.streams * big.cache_bytes


# -- memory ------------------------------------------------------------------------------------------------------------


def test_layouts_use_every_device_once():
    shape = Shape.of_parameters(7e9)
    for count in (1, 2, 6, 8, 64, 1000, 10_000):
        found = layouts_of(count, shape)
        assert {layout.devices for layout in found} == {count}
        assert len({layout.name for layout in found}) == len(found)
    assert [layout.name for layout in layouts_of(1, shape)] == ["one device"]


def test_the_simplest_layout_that_fits_is_named_or_what_to_do():
    small = plan(Question(params=1e8, count=8))
    assert small.first_that_fits is not None and small.first_that_fits.zero == 0
    middle = plan(Question(params=7e9, count=8))
    assert middle.first_that_fits is not None and middle.first_that_fits.zero == 1
    large = plan(Question(params=175e9, count=8, device="t4"))
    assert large.first_that_fits is None
    assert "Nothing fits" in plain(plan_page(large)) and "--recompute full" in plain(plan_page(large))


def test_memory_falls_with_every_thing_that_saves_it():
    def total(**changes: object) -> float:
        settings = {"params": 7e9, "count": 8, "context": 4096, **changes}
        return plan(Question(**settings)).layouts[0][1].total

    plain_total = total()
    assert total(recompute="full") < plain_total < total(recompute="none")
    assert total(optimizer="adamw-8bit") < total(optimizer="muon") < plain_total
    assert total(context=2048) < plain_total < total(microbatch=2)
    assert plain_total < total(precision="fp32")


# -- the command -------------------------------------------------------------------------------------------------------


def printed(capsys, *arguments: str) -> str:
    command.run(list(arguments))
    return capsys.readouterr().out


def test_the_page_is_aligned_narrow_and_names_every_assumption(capsys):
    page = printed(capsys, "--params", "7B", "--tokens", "140B", "--device", "h100", "--count", "8")
    assert max(map(len, page.splitlines())) <= 100
    for wanted in ("5.88e+21", "21.5 days", "ZeRO-3 / FSDP 8", "break-even", "kWh", "CO2e", "per 1,000 tokens"):
        assert wanted in page
    fields = set(Question.__dataclass_fields__) - {"params", "model", "tokens", "device", "count", "tensor", "pipeline"}
    assumptions = page[page.index("Assumptions") :]
    named = set(re.findall(r"--([a-z-]+)", assumptions))
    assert {field.replace("_", "-") for field in fields} <= named


def test_json_holds_the_same_figures(capsys):
    found = json.loads(printed(capsys, "--params", "7e9", "--tokens", "140e9", "--json"))
    assert found["flops"]["6n"] == 5.88e21
    assert found["time"]["days"] == pytest.approx(21.5, abs=0.05)
    assert found["assumptions"]["utilisation"] == 0.4 and found["assumptions"]["grid_g_per_kwh"] == 450
    assert [row["layout"] for row in found["memory"]][:2] == ["DDP 8", "ZeRO-1 8"]
    assert found["money"]["break_even_hours"] > 0


def test_history_stands_with_its_slips_beside_it(capsys):
    page = printed(capsys, "--history")
    assert max(map(len, page.splitlines())) <= 100
    for wanted in ("GPT-1", "GPT-2 XL", "GPT-3 175B", "GPT-Neo 2.7B", "GPT-J 6B", "GPT-NeoX 20B", "MT-NLG 530B"):
        assert wanted in page
    assert "5,140" in page and "24 heads of 128" in page and "117M, 345M, 762M" in page
    assert page == plain(history_page()) + "\n"
    assert json.loads(printed(capsys, "--history", "--json"))["models"] == json.loads(json.dumps(as_dicts()))
    assert printed(capsys, "--devices") == plain(devices_page()) + "\n"


BAD = [
    ({"params": -7e9}, "--params is -7e+09; it must be greater than zero"),
    ({"params": 0.0}, "greater than zero"),
    ({"params": float("nan")}, "--params is nan"),
    ({"params": float("inf")}, "--params is inf"),
    ({"params": 5.0}, "between 10,000 and 1e18"),
    ({}, "give --params"),
    ({"params": 7e9, "model": Path("x")}, "one of the two"),
    ({"params": 7e9, "count": 0}, "--count is 0"),
    ({"params": 7e9, "tokens": 0.0}, "--tokens is 0"),
    ({"params": 7e9, "device": "h1000"}, "there is no device 'h1000'; did you mean 'h100'?"),
    ({"params": 7e9, "device": "abacus"}, "known are v100, a100-40gb"),
    ({"params": 7e9, "grid": "frnace"}, "did you mean 'france'?"),
    ({"params": 7e9, "grid": "-3"}, "zero or more"),
    ({"params": 7e9, "utilisation": 1.2}, "--utilisation is 1.2; it is a share"),
    ({"params": 7e9, "pue": 0.5}, "--pue is 0.5"),
    ({"params": 7e9, "price_per_kwh": -1.0}, "--price-per-kwh is -1; it must be zero or more"),
    ({"params": 7e9, "optimizer": "adam"}, "--optimizer is 'adam'; choose adamw"),
    ({"params": 7e9, "recompute": "some"}, "choose none, selective, full"),
    ({"params": 7e9, "tensor": 8, "pipeline": 2}, "--tensor 8 x --pipeline 2 needs 16 devices, and --count is 8"),
    ({"params": 7e9, "tensor": 3}, "must be a multiple of --tensor 3"),
    ({"params": 7e9, "tensor": 3, "count": 3}, "--tensor 3 does not divide the model's 32 heads"),
    ({"params": 7e9, "pipeline": 64, "count": 64}, "--pipeline 64 is more than the model's 33 layers"),
    ({"params": 7e9, "width": 4096, "heads": 33}, "--width 4096 must be a multiple of --heads 33"),
    ({"params": 7e9, "width": 100_000, "heads": 100}, "too few for this shape"),
    ({"params": 1e17, "tokens": 1e18, "count": 1}, "more than a million years"),
    ({"model": Path("nowhere")}, "nowhere does not exist"),
]


@pytest.mark.parametrize(("settings", "words"), BAD, ids=[words for _, words in BAD])
def test_nonsense_is_one_clear_sentence(settings, words):
    with pytest.raises(ChatwrightError) as caught:
        plan(Question(**settings))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_stated_shape_keeps_the_stated_parameters():
    answer = plan(Question(params=6.74e9, layers=32, width=4096))
    assert (answer.shape.layers, answer.shape.width, answer.shape.heads) == (32, 4096, 32)
    assert answer.shape.parameters == pytest.approx(6.74e9, rel=1e-3)
    assert answer.shape.hidden == pytest.approx(11_008, rel=1e-2)


def test_a_models_own_shape_and_context_are_taken_from_its_model_json_alone(tmp_path: Path, capsys):
    backbone = {"kind": "transformer", "vocabulary": 50_257, "width": 768, "layers": 12, "heads": 12, "kv_heads": 12}
    backbone |= {"hidden": 2048, "context": 1024, "tied": True}
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps({"head": "language", "backbone": backbone}))
    answer = plan(Question(model=tmp_path, tokens=2e9, device="rtx4090", count=1))
    assert answer.parameters == 50_257 * 768 + 12 * (4 * 768**2 + 3 * 768 * 2048) + 25 * 768
    assert answer.context == 1024 and not answer.shape_is_assumed
    assert answer.use.cache_bytes == 2 * 12 * 768 * 2 * 1024
    page = printed(capsys, "--model", str(tmp_path), "--count", "1", "--context", "512")
    assert "512 tokens" in page and "assumed" not in page
    with pytest.raises(ConfigError, match="--layers cannot be set with --model"):
        plan(Question(model=tmp_path, layers=3))


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(ArtefactError, match="holds no model"):
        plan(Question(model=tmp_path))


def test_no_torch_is_imported():
    code = (
        "import sys; from chatwright.scaling import command; command.run(['--params', '1e9']); "
        "assert not {'torch', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_numbers_are_written_as_people_say_them():
    assert [amount(number) for number in (124e6, 7e9, 1.5e12, 999_999, 12)] == ["124M", "7B", "1.5T", "1M", "12"]
    assert days(30) == "30 seconds" and days(7200) == "2.0 hours" and days(14.8 * 86400) == "14.8 days"
    assert days(3 * 365 * 86400) == "3.0 years"
    assert grid_named("100") == 100
    assert plain([Section("T", [["a", "1"], ["bb", "10"]])]) == "T\n  a    1\n  bb  10"


def test_a_question_is_refused_before_anything_is_read():
    with pytest.raises(ConfigError):
        Question(params=7e9, precision="fp8")


def test_the_documentation_shows_what_the_command_prints(capsys):
    page = (Path(__file__).parents[1] / "docs" / "planning.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```sh\nchatwright plan ([^\n]*)\n```\n\n```text\n(.*?)^```", page, re.M | re.S)
    assert len(shown) == 2
    for arguments, output in shown:
        assert printed(capsys, *arguments.split()) == output

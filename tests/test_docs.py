"""The documentation tells the truth: commands parse, settings exist, files are where it says."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch

from chatwright import recipe_file
from chatwright.__main__ import help_text, main
from chatwright.artefacts import save_model
from chatwright.models.heads import LanguageModel
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.recipe_file import read_recipe
from chatwright.registry import STAGES
from chatwright.terminal import HELP
from chatwright.text.files import ENDINGS
from chatwright.text.tokenizer import Tokenizer
from chatwright.village import VillageConfig

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "chatwright"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMON = ("seed", "threads", "device", "precision")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def prose(text: str) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert found, f"the README has no section {title!r}"
    return found[1]


def table_rows(text: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in rows if not set(row[0]) <= set("- ")][1:]


def commands(page: Path) -> Iterator[list[str]]:
    """Every command in a page's code blocks, and in its prose where it begins with chatwright, make or pip."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(text, "sh"):
        for line in block.splitlines():
            if words := shlex.split(line.replace("\\", "/"), comments=True):
                yield words
    for code in re.findall(r"`((?:chatwright|make|pip|python) [^`]+)`", prose(text)):
        yield shlex.split(code)


COMMANDS = [
    pytest.param(page, words, id=f"{page.name}: {' '.join(words)}") for page in PAGES for words in commands(page)
]


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands are parsed and checked, recipes are read with their overrides; nothing is trained, loaded or written."""
    called: list[str] = []

    def note(name: str, result: Any = None) -> Any:
        return lambda *args, **kwargs: called.append(name) or result

    def read(path: Path, *, out: Path, settings: list[str], until: str | None) -> None:
        recipe = read_recipe(path, out=out, settings=settings)
        assert until in (None, *(step.table for step in recipe.steps))
        called.append("run")

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(recipe_file, "files_of", lambda path: [Path(path)])  # the data of stories.toml lie elsewhere
    monkeypatch.setattr("chatwright.recipes.run_recipe", read)
    monkeypatch.setattr("chatwright.summary.one_screen", lambda run: "")
    monkeypatch.setattr("chatwright.terminal.talk", note("chat"))
    monkeypatch.setattr("chatwright.terminal.complete", note("generate"))
    monkeypatch.setattr("chatwright.feedback.check.check_file", note("check", SimpleNamespace(problem=None)))
    monkeypatch.setattr("chatwright.folders.model_folder", lambda path: path)
    monkeypatch.setattr("chatwright.evaluation.report.write_report", note("report"))
    monkeypatch.setattr("chatwright.scaling.command.show", note("plan"))
    monkeypatch.setattr("chatwright.scaling.command.to_json", note("plan", ""))
    monkeypatch.setattr("chatwright.inspecting.inspect_model", note("inspect"))
    monkeypatch.setattr("chatwright.registry.StageEntry.run", note("stage"))
    monkeypatch.setattr("chatwright.serving.command.serve", note("serve"))
    monkeypatch.setattr("chatwright.terminal.remote_opener", note("server"))
    monkeypatch.setattr("chatwright.publishing.importer.import_model", note("import"))
    monkeypatch.setattr("chatwright.publishing.exporter.export_model", note("export"))
    monkeypatch.setattr("chatwright.publishing.gguf.export_gguf", note("export", []))
    monkeypatch.setattr("chatwright.store_commands.queue_answers", note("queue", (1, 0)))
    monkeypatch.setattr("chatwright.store_commands.take_simulated", note("queue", (1, 0)))
    opened = MagicMock()
    key = MagicMock(models=(), requests_per_minute=None, quota_tokens=None)
    opened.__enter__().keys.add.return_value = key, "secret"
    monkeypatch.setattr("chatwright.store_commands._opened", lambda *args, **kwargs: called.append("store") or opened)
    exists, is_file = Path.exists, Path.is_file  # what the reader has made before: models, runs, the server's store
    monkeypatch.setattr(Path, "exists", lambda path: path.parts[:1] in (("models",), ("runs",)) or exists(path))
    monkeypatch.setattr(Path, "is_file", lambda path: path.name == "chatwright.db" or is_file(path))
    return called


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_every_command_shown_is_one(page: Path, words: list[str], nothing_runs: list[str], capsys: Any) -> None:
    if words[0] == "chatwright" and "--help" in words:
        with pytest.raises(SystemExit) as left:
            main(words[1:])
        assert left.value.code == 0 and not nothing_runs
    elif words[0] == "chatwright" and len(words) == 2:  # only named
        assert re.search(rf"^  {words[1]}\b", help_text(), re.M)
    elif words[0] == "chatwright":
        assert main(words[1:]) == 0, capsys.readouterr().err
        assert nothing_runs
    elif words[0] == "make":
        assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M) for target in words[1:])
    elif words[:2] == ["pip", "install"]:
        check_installation(words)
    elif words[1].startswith("benchmarks/"):
        source = (ROOT / words[1]).read_text(encoding="utf-8")
        assert all(f'"{word}"' in source for word in words if word.startswith("--"))
    else:
        assert " ".join(words) in ("python3 -m venv .venv", ". .venv/bin/activate", "python -m pytest")


def check_installation(words: list[str]) -> None:
    """A constraints file that exists, an extra that exists, or the very version that the constraints pin."""
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for option, value in zip(words[2:], words[3:], strict=False):
        if option == "-c":
            assert (ROOT / value).is_file()
        if option == "-e" and "[" in value:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            assert value[2:-1] in project["optional-dependencies"]
    assert all(word in pinned.split() for word in words if "==" in word)


def test_the_readme_shows_the_commands_that_a_new_user_needs() -> None:
    shown = [" ".join(words) for words in commands(ROOT / "README.md")]
    for command in (
        "make demo",
        "make test",
        "pip install -c constraints.txt -e .",
        "chatwright run recipes/quickstart.toml --out runs/quickstart",
        "chatwright chat runs/quickstart",
        "chatwright generate runs/quickstart/base Once upon",
        "chatwright run recipes/stories.toml --set data=DIR --out runs/stories",
    ):
        assert command in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", prose(page.read_text(encoding="utf-8")))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing, f"{page.name} names what is not there: {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_the_code_that_is_named_is_there(page: Path) -> None:
    """`models/fused.py`, `tests/test_runs.py`, `recipes/stories.toml` and folders such as `village/english`."""
    named = re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|toml|md|txt))`", prose(page.read_text(encoding="utf-8")))
    named += re.findall(r"`((?:src|village|docs|tests|recipes|benchmarks)/[\w/]+)`", page.read_text(encoding="utf-8"))
    written_by_runs = {"samples.md"}
    missing = {name for name in named if not (ROOT / name).exists() and not (PACKAGE / name).exists()}
    assert not missing - written_by_runs, f"{page.name} names what is not there"


def test_the_map_shows_every_part_of_the_package_and_nothing_else() -> None:
    lines = blocks(section("The map"), "")[0].splitlines()
    inside = {line.split()[0].rstrip("/") for line in lines if line.startswith("    ")}
    there = {path.name for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert inside == there - {"__init__.py", "__pycache__"}
    outside = {line.split()[0] for line in lines if not line.startswith(" ")}
    assert all((ROOT / name).is_dir() and name.endswith("/") for name in outside)
    assert {"src/chatwright/", "recipes/", "tests/"} <= outside


def test_every_floor_below_another_stands_below_it_on_the_map() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    floors = [line.split(" | ") for line in next(c for c in contracts if c["type"] == "layers")["layers"]]
    height = {name: number for number, names in enumerate(floors) for name in names}
    lines = blocks(section("The map"), "")[0].splitlines()
    shown = [re.sub(r"/$|\.py$", "", line.split()[0]) for line in lines if line.startswith("    ")]
    assert [height[name] for name in shown] == sorted(height[name] for name in shown)


def test_every_stage_stands_in_the_table_of_stages() -> None:
    assert [row[0].strip("`") for row in table_rows(section("The stages"))] == list(STAGES)


def test_every_table_of_the_quickstart_is_explained_by_settings_that_exist() -> None:
    recipe = tomllib.loads((ROOT / "recipes" / "quickstart.toml").read_text(encoding="utf-8"))
    rows = {row[0].strip("`[]"): row[1] for row in table_rows(section("The recipe"))}
    assert list(rows) == [name for name, value in recipe.items() if isinstance(value, dict)]
    for table, explained in rows.items():
        kind = VillageConfig if table == "village" else STAGES[recipe[table].get("stage", table)].config_class()
        known = {field.name for field in fields(kind)} | {"stage", "from"}
        keys = set(re.findall(r"`(\w+)`", explained))
        assert keys and keys <= known, f"[{table}] has no {keys - known}"


def test_keys_named_with_their_table_exist() -> None:
    """Such as `ppo.precision`, or ppo.kl_coefficient behind a --set, on every page."""
    recipe = tomllib.loads((ROOT / "recipes" / "quickstart.toml").read_text(encoding="utf-8"))
    stages = {name: value.get("stage", name) for name, value in recipe.items() if isinstance(value, dict)}
    kinds = {name: STAGES[stage].config_class() for name, stage in stages.items() if stage in STAGES}
    kinds["village"] = VillageConfig
    found = 0
    for page in PAGES:
        for table, key in re.findall(rf"\b({'|'.join(kinds)})\.(\w+)\b(?!\.)", page.read_text(encoding="utf-8")):
            if key not in ("md", "py", "bin", "index", "json", "jsonl"):
                assert key in {field.name for field in fields(kinds[table])}, f"{page.name}: {table}.{key}"
                found += 1
    assert found >= 2


def test_common_keys_are_those_that_recipes_know() -> None:
    assert recipe_file.COMMON == COMMON
    assert all(f"`{key}`" in section("The recipe") for key in COMMON)


def test_the_recipe_for_own_data_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = blocks(section("Your own data"), "toml")[0]
    Path("mine.toml").write_text(content, encoding="utf-8")
    Path("books").mkdir()
    for name in ("books/one.txt.xz", *re.findall(r'"([\w-]+\.jsonl)"', content)):
        Path(name).write_bytes(b"")
    recipe = read_recipe(Path("mine.toml"), out=Path("runs/mine"))
    assert [step.stage for step in recipe.steps] == ["tokenize", "pretrain", "sft", "reward", "ppo", "evaluate"]


def test_the_endings_that_can_be_read_are_those_that_are_named() -> None:
    texts = next(row[1] for row in table_rows(section("Your own data")) if row[0] == "texts")
    assert re.findall(r"`(\.\w+)`", texts.split(", each")[0]) == list(ENDINGS)


def test_the_commands_of_the_chat_are_those_it_has() -> None:
    told = set(re.findall(r"`/(\w+)", section("Talk to it")))
    assert told == set(re.findall(r"^/(\w+)", HELP, re.M))


def test_the_python_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    tokenizer = Tokenizer.train(["Once upon a time there was a town."], 280)
    shape = {"width": 16, "layers": 1, "heads": 2, "kv_heads": 2, "hidden": 32, "context": 64}
    model = LanguageModel(Transformer(TransformerConfig(vocabulary=tokenizer.size, **shape)))
    save_model(tmp_path / "runs" / "quickstart", model, tokenizer)
    monkeypatch.chdir(tmp_path)
    lines = blocks(section("From Python"), "python")[0]
    names: dict[str, Any] = {}
    exec(lines, names)  # what a reader would type
    logits = names["assistant"].logits(torch.tensor([names["ids"]]))
    assert logits.dtype == torch.float32 and logits.shape == (1, len(names["ids"]), tokenizer.size)

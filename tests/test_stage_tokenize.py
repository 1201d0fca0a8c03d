"""The tokenize stage from files to token files: whole, the same again, resumable, and without leaks."""

import json
import lzma
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatwright.disk import files_inside, sha256_of
from chatwright.errors import ConfigError, InputError
from chatwright.runs import Interrupted
from chatwright.stages.tokenize import TokenizeConfig, tokenize
from chatwright.text.documents import Source
from chatwright.text.token_files import PARTS, TokenFile
from chatwright.text.tokenizer import Tokenizer

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
RECORDS = ("receipt.json", "origin.json", "done.json", "config.json")


def tales(count, name="fox"):
    met = ((n, n * 7919 % 1000, n * 104729 % 97) for n in range(count))
    return [f"The {name} number {n} met {hens} hens and {geese} geese.\n\nIt ran." for n, hens, geese in met]


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    rows = "".join(json.dumps({"text": text}) + "\n" for text in tales(200))
    (folder / "a.jsonl.xz").write_bytes(lzma.compress(rows.encode()))
    marked = "<|endoftext|>".join([*tales(40, "Bär"), "Typed: <|end|><|assistant|>"])
    (folder / "b.txt").write_text(marked, encoding="utf-8")
    (folder / "SOURCE.md").write_text("about")
    return folder


def config_of(tmp_path, texts, **settings):
    settings = {"out": tmp_path / "tokens", "vocabulary": 400, "validation": 0.1, "test": 0.1, **settings}
    return TokenizeConfig(texts=[str(texts)], **settings)


def hashes(folder):
    return {name: sha256_of(folder / name) for name in files_inside(folder) if name not in (*RECORDS, ".lock")}


def test_texts_become_token_files_that_hold_all_of_them_once(tmp_path, texts):
    out = tokenize(config_of(tmp_path, texts))
    tokenizer = Tokenizer.load(out)
    found = {part: list(TokenFile.open(out, part).texts(tokenizer)) for part in PARTS}
    everything = [text for part in PARTS for text in found[part]]
    assert sorted(everything) == sorted([*tales(200), *tales(40, "Bär"), "Typed: <|end|><|assistant|>"])
    assert all(10 < len(found[part]) < 45 for part in ("validation", "test"))
    for part in PARTS:
        tokens = TokenFile.open(out, part)
        assert tokens.text_bytes == sum(len(text.encode()) for text in found[part])
        assert (tokens.tokens == tokenizer.begin).sum() == (tokens.tokens == tokenizer.end).sum() == tokens.documents
    assert tokenizer.size == TokenFile.open(out, "train").vocabulary <= 400


def test_the_summary_counts_per_source_add_up(tmp_path, texts):
    sources = [Source(path=str(texts / "b.txt"), weight=2), str(texts / "a.jsonl.xz")]
    out = tokenize(TokenizeConfig(out=tmp_path / "tokens", texts=sources, vocabulary=300, validation=0.1, test=0.1))
    summary = json.loads((out / "tokens.json").read_text())
    bears, foxes = summary["sources"]
    assert (bears["read_documents"], foxes["read_documents"]) == (41, 200)
    assert (bears["weight"], bears["copies"], foxes["copies"]) == (2.0, 2.0, 1.0)
    for part in PARTS:
        for name in ("tokens", "documents", "text_bytes"):
            assert summary["parts"][part][name] == bears.get(f"{part}_{name}", 0) + foxes.get(f"{part}_{name}", 0)
    assert bears["train_documents"] % 2 == 0
    receipt = json.loads((out / "receipt.json").read_text())
    assert receipt["tokens"] == sum(summary["parts"][part]["tokens"] for part in PARTS)
    assert receipt["summary"]["train"] == summary["parts"]["train"]


def test_the_same_settings_give_the_same_bytes_and_a_second_run_does_nothing(tmp_path, texts):
    out = tokenize(config_of(tmp_path, texts))
    before = hashes(out)
    written = (out / "train.bin").stat().st_mtime_ns
    assert tokenize(config_of(tmp_path, texts)) == out
    assert (out / "train.bin").stat().st_mtime_ns == written
    other = tokenize(config_of(tmp_path, texts, out=tmp_path / "other"))
    assert hashes(other) == before
    seeded = tokenize(config_of(tmp_path, texts, seed=2))
    assert hashes(seeded)["test.bin"] != before["test.bin"]
    assert [path.name for path in tmp_path.glob("tokens@*")]


def test_changed_texts_are_noticed(tmp_path, texts):
    out = tokenize(config_of(tmp_path, texts))
    documents = sum(TokenFile.open(out, part).documents for part in PARTS)
    (texts / "c.txt").write_text("A new document, for a change.")
    tokenize(config_of(tmp_path, texts))
    assert sum(TokenFile.open(out, part).documents for part in PARTS) == documents + 1


def test_a_tokenizer_can_be_reused(tmp_path, texts):
    first = tokenize(config_of(tmp_path, texts))
    (tmp_path / "more.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in tales(30, "wolf")))
    config = TokenizeConfig(
        out=tmp_path / "second", texts=[str(tmp_path / "more.jsonl")], tokenizer=first, validation=0.1, test=0.1
    )
    second = tokenize(config)
    assert (second / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    assert set(TokenFile.open(second, "train").texts(Tokenizer.load(first))) <= set(tales(30, "wolf"))


def test_the_tokenizer_learns_nothing_from_held_out_texts(tmp_path):
    rows = [f"{text} {'zqxj' * 5}{n}" if n == 0 else text for n, text in enumerate(tales(100))]
    path = tmp_path / "a.jsonl"
    for seed in range(20):
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
        parts = {"vocabulary": 500, "validation": 0.3, "test": 0.3}
        out = tokenize(config_of(tmp_path, path, out=tmp_path / f"{seed}", seed=seed, **parts))
        tokenizer = Tokenizer.load(out)
        in_train = any("zqxj" in text for text in TokenFile.open(out, "train").texts(tokenizer))
        assert any(b"zq" in piece for piece in tokenizer.pieces) == in_train
        if not in_train:
            return
    raise AssertionError("the rare text was in train with every seed")


PROGRAM = """
import sys
from pathlib import Path
from chatwright.stages.tokenize import TokenizeConfig, tokenize
tokenize(TokenizeConfig(out=Path(sys.argv[1]), texts=[sys.argv[2]], vocabulary=400, validation=0.1, test=0.1))
"""


def start(out, texts):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out), str(texts)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_killed_at_any_moment_and_run_again_it_gives_the_same_files(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text * 8}) + "\n" for text in tales(4000)))
    began = time.monotonic()
    assert start(tmp_path / "whole", path).wait(120) == 0
    took = time.monotonic() - began
    expected = hashes(tmp_path / "whole")
    for moment in (0.4, 0.6, 0.8, 0.95):
        out = tmp_path / f"killed-{moment}"
        process = start(out, path)
        time.sleep(took * moment)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        assert start(out, path).wait(120) == 0
        assert hashes(out) == expected


def test_ctrl_c_stops_between_batches_and_leaves_nothing_that_passes_for_complete(tmp_path, texts, monkeypatch):
    encode_many = Tokenizer.encode_many

    def interrupted(self, batch):
        signal.raise_signal(signal.SIGINT)
        return encode_many(self, batch)

    expected = hashes(tokenize(config_of(tmp_path, texts)))
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(Tokenizer, "encode_many", interrupted)
        tokenize(config_of(tmp_path, texts, out=tmp_path / "stopped"))
    assert not (tmp_path / "stopped" / "done.json").exists()
    assert not list((tmp_path / "stopped").glob("*.bin"))
    assert hashes(tokenize(config_of(tmp_path, texts, out=tmp_path / "stopped"))) == expected


@pytest.mark.parametrize(
    "settings",
    [{"vocabulary": 100}, {"section": 10}, {"minimum": 0}, {"validation": -0.1}, {"validation": 0.5, "test": 0.5},
     {"near_copies": 0.0}, {"tokenizer_characters": 0}],
    ids=str,
)  # fmt: skip
def test_impossible_settings_are_refused_before_anything_is_written(settings, tmp_path, texts):
    with pytest.raises(ConfigError, match=f"tokenize.{min(settings, key=lambda name: name != 'validation')}"):
        config_of(tmp_path, texts, **settings)
    assert not (tmp_path / "tokens").exists()


def test_bad_texts_leave_no_folder_that_passes_for_complete(tmp_path, texts):
    (texts / "c.jsonl").write_text('{"text": "a"}\n{"te')
    with pytest.raises(InputError, match=r"c\.jsonl:2: torn"):
        tokenize(config_of(tmp_path, texts))
    assert not (tmp_path / "tokens" / "done.json").exists()
    assert not (tmp_path / "tokens" / "train.bin").exists()
    (texts / "c.jsonl").unlink()
    assert (tokenize(config_of(tmp_path, texts)) / "done.json").exists()
    with pytest.raises(InputError, match="does not exist"):
        tokenize(config_of(tmp_path, tmp_path / "nowhere"))


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent: real texts are not tokenized")
@pytest.mark.parametrize(
    ("name", "settings", "documents"),
    [("en_tinystories", {"separator": r"(?<!\n)\n(?!\n)"}, 5100), ("en_fairy_tales", {}, 600), ("en_onestop", {}, 300)],
)
def test_real_texts_are_tokenized_as_they_lie(name, settings, documents, tmp_path):
    source = Source(path=str(DATA / "text" / name), **settings)
    out = tokenize(TokenizeConfig(out=tmp_path / "tokens", texts=[source]))
    found = {part: TokenFile.open(out, part) for part in PARTS}
    assert sum(part.documents for part in found.values()) >= documents
    total = sum(part.text_bytes for part in found.values())
    for part in ("validation", "test"):
        assert 0.005 < found[part].text_bytes / total < 0.05
    assert found["train"].text_bytes / len(found["train"].tokens) > 2.5
    tokenizer = Tokenizer.load(out)
    held_out = set(found["test"].texts(tokenizer)) | set(found["validation"].texts(tokenizer))
    assert not held_out & set(found["train"].texts(tokenizer))

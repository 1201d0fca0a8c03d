"""`chatwright import owner/name`: one clear sentence whatever the hub says, and no file fetched twice."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import subprocess
import sys

import pytest

from chatwright.artefacts import describe, save_model
from chatwright.errors import ArtefactError, InputError, ResourceError
from chatwright.models.heads import LanguageModel
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.publishing.exporter import export_model
from chatwright.publishing.importer import import_model
from chatwright.text.tokenizer import Tokenizer
from fake_hub import COMMIT, NAME, FakeHub, running_hub

library = pytest.importorskip("huggingface_hub", reason="the extra `hub` is not installed")
constants = importlib.import_module("huggingface_hub.constants")
UNREACHABLE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small model as Hugging Face publishes them."""
    place = tmp_path_factory.mktemp("published")
    tokenizer = Tokenizer.train(["Once upon a time there was a town."], 280)
    shape = TransformerConfig(vocabulary=tokenizer.size, width=16, layers=1, heads=2, kv_heads=2, hidden=32, context=64)
    save_model(place / "own", LanguageModel(Transformer(shape)), tokenizer)
    export_model(place / "own", place / "published")
    (place / "published" / "LICENSE").write_text("Do what you like.")
    return place / "published"


@pytest.fixture
def at(tmp_path, monkeypatch):
    """Says where the hub is; its cache is new and empty."""
    monkeypatch.delenv("HF_HUB_VERBOSITY", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))

    def choose(address):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )

    choose(UNREACHABLE)
    yield choose
    library.close_session()


@pytest.fixture
def hub(published, at):
    with running_hub(FakeHub(published)) as running:
        at(running.address)
        yield running
        library.close_session()


@pytest.fixture
def heard():
    """What the library would print."""
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("huggingface_hub").addHandler(handler)
    yield records
    logging.getLogger("huggingface_hub").removeHandler(handler)


def refused(out, *words, name=NAME, kind=InputError, revision=None):
    """Importing ends in one sentence that holds all words, and leaves nothing at `out`."""
    with pytest.raises(kind) as caught:
        import_model(name, out, revision=revision)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    for word in words:
        assert word in message, message
    assert not [path for path in out.parent.iterdir() if path.name != "cache"]
    return message


# -- what comes --------------------------------------------------------------------------------------------------------


def test_a_model_comes_whole_without_code_and_its_weights_last(hub, tmp_path, capfd, heard):
    import_model(NAME, tmp_path / "model")
    imported = describe(tmp_path / "model")["imported"]
    assert (imported["source"], imported["revision"]) == (NAME, COMMIT)
    came = hub.downloads()
    assert came[0] == "config.json" and came[-1] == "model.safetensors"
    assert {"tokenizer.json", "README.md", "LICENSE"} <= set(came) and len(came) == len(set(came))
    assert not {"modeling.py", "pytorch_model.bin", "model.onnx", "img_[1].json"} & set(came)
    assert capfd.readouterr() == ("", "") and heard == []  # no bars: this is no terminal


def test_a_second_import_fetches_nothing_and_one_without_the_hub_takes_what_is_here(hub, at, tmp_path):
    import_model(NAME, tmp_path / "one")
    hub.asked.clear()
    import_model(NAME, tmp_path / "two")
    assert hub.downloads() == []
    at(UNREACHABLE)
    import_model(NAME, tmp_path / "three")
    import_model(NAME, tmp_path / "four", revision=COMMIT)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "two", "three", "four")]
    assert weights[0] == weights[1] == weights[2] == weights[3]


def test_a_connection_that_breaks_goes_on_where_it_broke(hub, tmp_path, heard, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.cut_after = 5000
    import_model(NAME, tmp_path / "model")
    assert [line for line in hub.asked if "model.safetensors" in line and line.startswith("GET")][1].endswith("5000-")
    assert heard == []


def test_a_download_that_was_stopped_keeps_the_files_that_have_come(hub, at, tmp_path, monkeypatch):
    fetch = library.hf_hub_download

    def stopped(name, file, **settings):
        if file == "model.safetensors":
            raise KeyboardInterrupt
        return fetch(name, file, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(library, "hf_hub_download", stopped)
        with pytest.raises(KeyboardInterrupt):
            import_model(NAME, tmp_path / "model")
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]
    with monkeypatch.context():
        at(UNREACHABLE)
        refused(tmp_path / "model", "cannot be reached")  # what lies here is not taken for a model
    at(hub.address)
    hub.asked.clear()
    import_model(NAME, tmp_path / "model")
    assert hub.downloads() == ["model.safetensors"]


# -- what does not -----------------------------------------------------------------------------------------------------


def test_without_a_network_one_sentence_says_so_at_once():
    """As a user sees it: a process of its own, with everything that the library prints by itself."""
    environment = {**os.environ, "HF_ENDPOINT": UNREACHABLE, "HF_HOME": "cache"}
    environment.pop("HF_HUB_VERBOSITY", None)
    command = [sys.executable, "-m", "chatwright", "import", "openai-community/gpt2", "model"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(
        f"chatwright: openai-community/gpt2 is no folder here, and {UNREACHABLE} cannot be reached (ConnectError: "
    )
    assert done.stderr.endswith("go online and run the same command again, or give a folder that holds the model\n")


@pytest.mark.usefixtures("at")
def test_a_hub_that_cannot_be_reached_is_asked_once(tmp_path, heard, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("waited to ask again"))
    refused(tmp_path / "model", "cannot be reached", "give a folder that holds the model")
    assert heard == []


@pytest.mark.usefixtures("at")
def test_where_asking_the_hub_is_forbidden_the_sentence_names_the_variable(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    library.close_session()
    refused(tmp_path / "model", "HF_HUB_OFFLINE forbids", "give a folder")


REFUSALS = [
    ({}, {"name": "someone/foxx"}, ["there is no model someone/foxx", "check the spelling", "HF_TOKEN"]),
    ({"private": True}, {}, ["does not let this machine read someone/fox (401)", "check the spelling", "HF_TOKEN"]),
    ({}, {"name": "a--b/c..d"}, ["neither a folder nor a name on the hub"]),
    ({"gated": True}, {}, ["is gated", "accept its terms at http", "HF_TOKEN"]),
    ({}, {"revision": "v9"}, ["has no revision 'v9'", "/tree/main lists"]),
    ({"refusal": 403}, {}, ["does not let this machine read someone/fox (403)", "HF_TOKEN"]),
    ({"refusal": 503}, {}, ["answered 503 for someone/fox; try again later"]),
    ({"refusal": 429}, {}, ["answered 429"]),
    ({"page": "<h1>Sign in to this network</h1>"}, {}, ["does not answer as the hub does", "HF_ENDPOINT"]),
    ({"extra": ()}, {"folder": "empty"}, ["has no files"]),
    ({"extra": ("model.gguf",)}, {"folder": "empty"}, ["has no config.json"]),
    ({"extra": ("config.json", "model.gguf")}, {"folder": "empty"}, ["has no weights (.safetensors, .bin)"]),
]


@pytest.mark.parametrize(("state", "asked", "says"), REFUSALS, ids=[words[0] for _, _, words in REFUSALS])
def test_what_the_hub_refuses_is_one_sentence_and_fetches_nothing(state, asked, says, hub, tmp_path, heard):
    for key, value in state.items():
        setattr(hub, key, value)
    if asked.pop("folder", ""):
        hub.folder = tmp_path / "cache" / "empty"
        hub.folder.mkdir(parents=True)
    refused(tmp_path / "model", *says, **asked)
    assert hub.downloads() == [] and heard == []


def test_a_disk_that_is_too_small_is_told_before_the_long_part(hub, tmp_path):
    hub.claimed = 10**18
    refused(tmp_path / "model", "needs 1000000.0 TB on the disk", "HF_HOME", kind=ResourceError)
    assert hub.downloads() == ["config.json"]


def test_a_disk_that_is_full_on_the_way_is_named(hub, tmp_path, monkeypatch):
    fetch = library.hf_hub_download

    def full(name, file, **settings):
        if file == "model.safetensors":
            raise OSError(28, "No space left on device", "x")
        return fetch(name, file, **settings)

    monkeypatch.setattr(library, "hf_hub_download", full)
    refused(tmp_path / "model", "cache: the disk is full", "HF_HOME", kind=ResourceError)


def test_a_cache_where_nothing_can_be_written_is_named(hub, tmp_path):
    (tmp_path / "cache").write_text("mine")
    refused(tmp_path / "model", "cache: nothing can be kept there", "HF_HOME", kind=ResourceError)
    assert hub.downloads() == []


def test_a_model_of_a_kind_that_is_not_known_is_refused_before_its_weights_come(hub, published, tmp_path):
    hub.folder = tmp_path / "cache" / "other"
    shutil.copytree(published, hub.folder)
    (hub.folder / "config.json").write_text('{"model_type": "mamba", "architectures": ["Mamba"]}')
    refused(tmp_path / "model", "config.json", "mamba", kind=ArtefactError)
    assert hub.downloads() == ["config.json"]


def test_what_the_library_prints_can_be_had(hub, tmp_path, heard, monkeypatch):
    monkeypatch.setenv("HF_HUB_VERBOSITY", "warning")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.cut_after = 5000
    import_model(NAME, tmp_path / "model")
    assert any("Trying to resume" in line for line in heard)

"""Foreign programs as clients: an evaluation harness, a fuzzer that reads our description, and the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from chatwright.artefacts import save_model
from chatwright.errors import ArtefactError, ConfigError, ResourceError
from chatwright.evaluation.language_model import bits_per_byte
from chatwright.serving.command import run
from serving import BASE, CHAT, CONTEXT, tiny_server
from tiny import language_model, tokenizer

TASK = """
task: local_text
dataset_path: json
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list:
  - metric: bits_per_byte
metadata:
  version: 1
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with tiny_server() as found:
        yield found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the harness's own, of libraries that it brings
def test_the_harness_measures_the_bits_per_byte_that_we_measure(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lm_eval with its remote tokenizer: no Hugging Face tokenizer anywhere, token ids in, log-probabilities out."""
    for name in ("HF_DATASETS_OFFLINE", "HF_HUB_OFFLINE", "HF_EVALUATE_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    pytest.importorskip("lm_eval", reason="lm_eval is not installed")
    import lm_eval
    from lm_eval.tasks import TaskManager

    texts = ["the quick brown fox", "Grüße an die schöne Müllerin.", "a lazy dog; a 🦊!", "x" * 90]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (tmp_path / "local_text.yaml").write_text(TASK.format(file=tmp_path / "texts.jsonl"))
    found = lm_eval.simple_evaluate(
        model="local-completions",
        model_args={"model": BASE, "base_url": f"{address}/v1/completions", "max_length": CONTEXT, "batch_size": 3},
        tasks=["local_text"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
        bootstrap_iters=0,
    )
    theirs = found["results"]["local_text"]["bits_per_byte,none"]

    coder = tokenizer()
    documents = [[coder.begin, *coder.encode(text)] for text in texts]
    assert max(map(len, documents)) < CONTEXT
    bounds = np.cumsum([0, *map(len, documents)])
    stream = np.array([token for document in documents for token in document])
    model = language_model(coder.size, CONTEXT, seed=1)
    ours = bits_per_byte(model, coder, stream, bounds, context=CONTEXT)["value"]
    assert theirs == pytest.approx(ours, abs=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_fuzzer_that_has_read_our_description_finds_no_5xx(address: str) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    statuses: dict[int, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=15,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def probe(case: Any) -> None:
            if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
                # A model that exists, or nothing behind its name would ever be reached.
                case.body["model"] = BASE if "prompt" in case.body else CHAT
            response = case.call(timeout=20)
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
            assert response.status_code < 500, (case.as_curl_command(), response.text)
            if response.status_code >= 400:
                error = response.json()["error"]
                assert set(error) == {"message", "type", "param", "code"}

        probe()
    assert statuses.get(200, 0) > 20 and statuses.get(400, 0) > 20


class Serving:
    """`chatwright serve` as a process of its own."""

    def __init__(self, *arguments: object) -> None:
        command = [
            sys.executable,
            "-m",
            "chatwright",
            "serve",
            *map(str, arguments),
            "--port",
            "0",
            "--precision",
            "fp32",
        ]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        found = re.search(r"https?://\S+", self.line)
        self.address = found[0] if found else ""

    def end(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "parrot", language_model(tokenizer().size, 256), tokenizer(), stage="sft")
    return tmp_path / "parrot"


STREAM = {
    "model": "parrot",
    "messages": [{"role": "user", "content": "the fox"}],
    "stream": True,
    "max_tokens": 200,
    "ignore_eos": True,
}


@pytest.mark.slow
def test_a_signal_lets_what_runs_come_to_its_end_and_then_the_exit_code_is_0(folder: Path, tmp_path: Path) -> None:
    server = Serving(folder, "--store", tmp_path / "store.db")
    assert "Serving parrot at http://127.0.0.1:" in server.line, server.end()
    lines = []
    with httpx.Client(base_url=server.address, timeout=30) as http:
        assert [model["id"] for model in http.get("/v1/models").json()["data"]] == ["parrot"]
        with http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
            for line in response.iter_lines():
                if not lines:
                    server.process.send_signal(signal.SIGTERM)
                lines.append(line)
    code, errors = server.end()
    assert code == 0 and lines[-2] == "data: [DONE]" and "Traceback" not in errors, errors
    from chatwright.store import open_store

    with open_store(tmp_path / "store.db") as store:
        assert store.usage.total().tokens_out == 200


@pytest.mark.slow
def test_a_second_signal_stops_at_once(folder: Path, tmp_path: Path) -> None:
    server = Serving(folder, "--store", tmp_path / "store.db")
    assert server.process.stderr is not None
    count, told = 0, ""
    asked = STREAM | {"prompt": "a", "n": 100}
    with (
        pytest.raises(httpx.TransportError),
        httpx.Client(base_url=server.address, timeout=30) as http,
        http.stream("POST", "/v1/completions", json=asked) as response,
    ):
        for _ in response.iter_lines():
            count += 1
            if count in (1, 5):
                server.process.send_signal(signal.SIGINT)
            while count == 1 and "once more stops at once" not in told:  # two signals at once would count as one
                told = server.process.stderr.readline()
                assert told, "it ended at the first signal"
    assert 5 <= count < 20_000 and "Traceback" not in server.end()[1]


def test_serve_refuses_what_is_not_safe_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    for arguments, kind, said in (
        ([folder, "--host", "0.0.0.0"], ConfigError, "--behind-proxy"),
        ([tmp_path / "none", "--store", store], ArtefactError, "does not exist"),
        ([folder, "--drain", "-1", "--store", store], ConfigError, "--drain is -1; it must be at least 0"),
        ([folder, "--price-use", "nan", "--store", store], ConfigError, "--price-use is nan"),
        ([folder, "--cache", "0", "--store", store], ConfigError, "--cache is 0; it must be at least 1"),
        ([folder, "--runs", tmp_path / "none", "--store", store], ConfigError, "none is no folder"),
        ([folder, "--host", "nowhere.invalid", "--behind-proxy", "--store", store], ConfigError, "no address"),
    ):
        with pytest.raises(kind, match=said):
            run([str(argument) for argument in arguments])


def test_a_port_that_is_taken_is_told(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(ResourceError, match="choose another --port"):
            run([str(folder), "--port", port, "--store", str(tmp_path / "store.db")])

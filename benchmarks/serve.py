"""Serving: 32 clients that stream at once, beside `transformers serve`, with the same weights in one run.

    python benchmarks/serve.py

A model with random weights is saved, and exported for the peer. Both servers run as users start them, each in a process
of its own, in float32 with the same threads; they get the same texts by HTTP and stream answers of the same number of
tokens, which is checked. What is told: seconds to the first word, tokens per second of a client, tokens per second in
all. `transformers serve` runs twice: as it is by default (one request after the other), and with continuous batching.
Last line: ratios as JSON; above 1, ours is better.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
import measuring
import torch

from chatwright.artefacts import save_model
from chatwright.models.heads import LanguageModel
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.publishing.exporter import export_model
from chatwright.text.tokenizer import Tokenizer

CONTEXT = 512
VOCABULARY = 2048
SHAPES = {"10m": (320, 7, 5, 864), "quick": (64, 2, 4, 160)}
"""Width, layers, heads and hidden width of Llamas."""
START_SECONDS = 180.0
LONGEST_PROMPT, BLOCK, CHUNK = 128, 64, 512
NEEDED = ("transformers", "fastapi", "uvicorn", "openai", "typer")
"""What `transformers serve` wants installed."""


class NoComparison(Exception):
    """A server did not start, failed, or did other work than the others."""


@dataclass(frozen=True)
class Server:
    """How a server is started, and how it is asked for exactly so many tokens."""

    command: tuple[str, ...]
    model: str
    extra: dict[str, Any]


@dataclass
class Heard:
    """What one client noted."""

    first: float = 0.0
    seconds: float = 0.0
    prompt_tokens: int = 0
    tokens: int = 0

    @property
    def speed(self) -> float:
        """Tokens per second after the first."""
        return (self.tokens - 1) / max(self.seconds - self.first, 1e-9)


@dataclass
class Told:
    """What all clients of one server noted, over all rounds."""

    heard: list[Heard] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    """Tokens per second of all clients together, for each round."""

    def figures(self) -> dict[str, float]:
        firsts, speeds = [one.first for one in self.heard], [one.speed for one in self.heard]
        return {
            "first_token_median": statistics.median(firsts),
            "first_token_p95": percentile(firsts, 0.95),
            "client_tokens_per_second_median": statistics.median(speeds),
            "client_tokens_per_second_p5": percentile(speeds, 0.05),
            "tokens_per_second": statistics.median(self.totals),
        }


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


# -- the model and the servers -------------------------------------------------------------------------------------


def words(rng: random.Random, count: int) -> str:
    return " ".join("".join(rng.choices("abcdefghij", k=rng.randint(2, 6))) for _ in range(count))


def make_models(folder: Path, shape: str) -> None:
    """Save a model in `folder`/small and the same one, for the peer, in `folder`/published."""
    torch.manual_seed(1)
    width, layers, heads, hidden = SHAPES[shape]
    tokenizer = Tokenizer.train([words(random.Random("words"), 20_000)], VOCABULARY)
    config = TransformerConfig(
        vocabulary=tokenizer.size,
        context=CONTEXT,
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        hidden=hidden,
    )
    save_model(folder / "small", LanguageModel(Transformer(config)), tokenizer, stage="pretrain")
    export_model(folder / "small", folder / "published")


def servers_of(folder: Path, threads: int, clients: int, tokens: int) -> dict[str, Server]:
    """What takes turns. The peer is left out, with a reason, only where it is not installed.

    With continuous batching its cache would by default take what memory there is, and its mask grow with it, on CPUs at
    the cost of its speed: it gets as many blocks as the clients can fill, and prompts are read in pieces of our size.
    """
    ours = (
        sys.executable,
        "-m",
        "chatwright",
        "serve",
        str(folder / "small"),
        "--precision",
        "fp32",
        "--device",
        "cpu",
    )
    more = ("--threads", str(threads), "--store", str(folder / "store.db"))
    # A token that is never said stands for the end; nothing but temperature 1 shapes the choice, on both sides.
    settings = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "eos_token_id": -1, "pad_token_id": 0}
    found = {
        "ours": Server((*ours, *more), "small", {"ignore_eos": True, "stream_options": {"include_usage": True}}),
    }
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"transformers serve is not measured: {', '.join(missing)} not installed")
        return found
    published = str(folder / "published")
    theirs = (sys.executable, "-m", "transformers.cli.transformers", "serve", published, "--device", "cpu")
    peer = Server((*theirs, "--dtype", "float32"), published, {"generation_config": json.dumps(settings)})
    found["transformers"] = peer
    blocks = str((clients + 1) * (-(-(LONGEST_PROMPT + tokens) // BLOCK)))
    batching = ("--continuous-batching", "--cb-block-size", str(BLOCK), "--cb-num-blocks", blocks)
    batching += ("--cb-max-batch-tokens", str(CHUNK))
    found["transformers_batching"] = Server((*peer.command, *batching), peer.model, peer.extra)
    return found


@contextlib.contextmanager
def running(server: Server, threads: int, log: IO[bytes]) -> Iterator[str]:
    """The address of a server that answers /health; it is ended with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [*server.command, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log, env=environment
    )
    try:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
        while not is_there(address):
            if process.poll() is not None or time.monotonic() > until:
                log.flush()
                raise NoComparison(f"{server.command[2:4]} did not start:\n{Path(log.name).read_text()[-3000:]}")
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_there(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


# -- the clients ---------------------------------------------------------------------------------------------------


async def ask(client: httpx.AsyncClient, server: Server, prompt: str, tokens: int) -> Heard:
    """One streamed answer, timed."""
    body = {"model": server.model, "prompt": prompt, "max_tokens": tokens, "temperature": 1.0, "stream": True}
    began, heard = time.perf_counter(), Heard()
    async with client.stream("POST", "/v1/completions", json=body | server.extra) as response:
        if response.status_code != 200:
            raise NoComparison(f"{server.command[2:4]}: {(await response.aread()).decode()[:2000]}")
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line.removeprefix("data: "))
            if event.get("error"):
                raise NoComparison(f"{server.command[2:4]}: {event['error']}")
            if not heard.first and any(choice.get("text") for choice in event["choices"]):
                heard.first = time.perf_counter() - began
            if event.get("usage"):
                heard.prompt_tokens, heard.tokens = (
                    event["usage"][f"{kind}_tokens"] for kind in ("prompt", "completion")
                )
    heard.seconds = time.perf_counter() - began
    return heard


async def crowd(address: str, server: Server, prompts: Sequence[str], tokens: int) -> tuple[list[Heard], float]:
    """All clients at once; and the seconds until the last one had its answer."""
    limits = httpx.Limits(max_connections=len(prompts) + 1)
    async with httpx.AsyncClient(base_url=address, timeout=600, limits=limits) as client:
        await asyncio.gather(*(ask(client, server, own[::-1], 4) for own in prompts))  # warms up, on other texts
        began = time.perf_counter()
        heard = await asyncio.gather(*(ask(client, server, own, tokens) for own in prompts))
        return list(heard), time.perf_counter() - began


def measure(
    servers: dict[str, Server], folder: Path, prompts: Sequence[str], tokens: int, *, rounds: int, threads: int
) -> dict[str, Told]:
    """Every server in turn, every other round in reverse order. Stops if one did other work than the others."""
    told = {name: Told() for name in servers}
    sizes: dict[str, list[int]] = {}
    for number in range(rounds):
        for name in list(servers) if number % 2 == 0 else list(servers)[::-1]:
            with (folder / f"{name}.log").open("wb") as log, running(servers[name], threads, log) as address:
                heard, seconds = asyncio.run(crowd(address, servers[name], prompts, tokens))
            wrong = [one.tokens for one in heard if one.tokens != tokens]
            if wrong:
                raise NoComparison(f"{name} said {wrong[0]} tokens where {tokens} were asked for: no comparison")
            sizes[name] = [one.prompt_tokens for one in heard]
            told[name].heard += heard
            told[name].totals.append(len(prompts) * tokens / seconds)
    first = next(iter(sizes.values()))
    if any(own != first for own in sizes.values()):
        raise NoComparison(f"the servers read prompts of different sizes: {sizes}")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a smoke test: the figures mean nothing")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    shape, tokens, rounds = ("quick", 8, 1) if given.quick else ("10m", given.tokens, given.rounds)
    clients = min(given.clients, 8) if given.quick else given.clients
    rng, others = random.Random("serve"), measuring.Others()
    prompts = [words(rng, rng.randint(8, 32)) for _ in range(clients)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_models(folder, shape)
        servers = servers_of(folder, given.threads, clients, tokens)
        try:
            told = measure(servers, folder, prompts, tokens, rounds=rounds, threads=given.threads)
        except NoComparison as problem:
            raise SystemExit(str(problem)) from None
    machine, sizes = measuring.machine(), [one.prompt_tokens for one in told["ours"].heard]
    print(
        f"{machine}\n{clients} clients, prompts of {min(sizes)} to {max(sizes)} tokens, answers of {tokens}, ", end=""
    )
    print(f"float32, {given.threads} threads, shape {shape}\n")
    heads = ["", "first word, s", "p95", "tokens/s of a client", "slowest 5%", "tokens/s in all"]
    figures = {name: own.figures() for name, own in told.items()}
    print(measuring.table(heads, [[name, *own.values()] for name, own in figures.items()]))
    ours, ratios = figures["ours"], {}
    for name, own in figures.items():
        if name != "ours":
            ratios[f"tokens_per_second.ours/{name}"] = ours["tokens_per_second"] / own["tokens_per_second"]
            for key in ("first_token_median", "first_token_p95"):  # seconds: the other's by ours
                ratios[f"{key}.ours/{name}"] = own[key] / ours[key]
            for key in ("client_tokens_per_second_median", "client_tokens_per_second_p5"):
                ratios[f"{key}.ours/{name}"] = ours[key] / own[key]
    rounded = {name: {key: round(value, 4) for key, value in own.items()} for name, own in figures.items()}
    measuring.finish("serve", ratios, others, quick=given.quick, machine=machine, figures=rounded)


if __name__ == "__main__":
    main()

"""Serving: 32 clients that stream at once, beside `transformers` generate behind a plain server, in one run.

Both serve a Llama of the same shape with random weights in float32 on the same threads, from a process of their own,
over HTTP; clients send token ids and read Server-Sent Events. What is told: seconds to the first token, tokens per
second of a client, tokens per second in all. Last line: ratios as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import measuring

CONTEXT = 512
VOCABULARY = 2048


@dataclass(frozen=True)
class Shape:
    """A Llama's."""

    width: int
    layers: int
    heads: int
    hidden: int


SHAPES = {"10m": Shape(320, 7, 5, 864), "quick": Shape(64, 2, 4, 160)}


@dataclass
class Heard:
    """What one client noted."""

    first: float
    seconds: float
    tokens: int

    @property
    def speed(self) -> float:
        """Tokens per second after the first."""
        return (self.tokens - 1) / max(self.seconds - self.first, 1e-9)


# -- the servers, each in a process of its own ---------------------------------------------------------------------


def run_ours(shape: Shape, threads: int) -> None:
    import torch
    import uvicorn

    from chatwright.generation.speaker import EngineSpeaker
    from chatwright.models.heads import LanguageModel
    from chatwright.models.transformer import Transformer, TransformerConfig
    from chatwright.serving.app import create_app
    from chatwright.serving.serve import bound
    from chatwright.text.tokenizer import Tokenizer
    from chatwright.world import open_world

    torch.manual_seed(1)
    world = open_world("cpu", "fp32", threads)
    config = TransformerConfig(
        vocabulary=VOCABULARY,
        context=CONTEXT,
        width=shape.width,
        layers=shape.layers,
        heads=shape.heads,
        kv_heads=shape.heads,
        hidden=shape.hidden,
    )
    rng = random.Random("words")
    words = ["".join(rng.choices("abcdefghij", k=5)) for _ in range(2 * VOCABULARY)]
    tokenizer = Tokenizer.train([" ".join(words)], VOCABULARY, kind="word")
    assert tokenizer.size == VOCABULARY
    model = LanguageModel(Transformer(config)).requires_grad_(False).eval()
    speaker = EngineSpeaker(model, tokenizer, world, is_chat=False)
    with bound("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(create_app({"m": speaker}), log_level="error", access_log=False)).run([listening])


def run_plain(shape: Shape, threads: int) -> None:
    import torch
    import uvicorn
    from plain_server import plain_app
    from transformers import LlamaConfig, LlamaForCausalLM

    from chatwright.serving.serve import bound

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=shape.width,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).requires_grad_(False).eval()
    with bound("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(plain_app(model), log_level="error", access_log=False)).run([listening])


# -- the clients ---------------------------------------------------------------------------------------------------


async def ask(client: httpx.AsyncClient, prompt: list[int], tokens: int, seed: int) -> Heard:
    """One streamed answer of exactly so many tokens, timed."""
    body = {"model": "m", "prompt": prompt, "max_tokens": tokens, "stream": True, "seed": seed, "ignore_eos": True}
    began, first = time.perf_counter(), 0.0
    async with client.stream("POST", "/v1/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith('data: {"error"'):
                raise RuntimeError(line)
            if line.startswith("data: {") and not first:
                first = time.perf_counter() - began
    return Heard(first, time.perf_counter() - began, tokens)


async def crowd(port: int, prompts: list[list[int]], tokens: int) -> tuple[list[Heard], float]:
    """All clients at once; and the seconds until the last one had its answer."""
    limits = httpx.Limits(max_connections=len(prompts) + 1)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=600, limits=limits) as client:
        await ask(client, prompts[0], 2, 0)  # warms up
        began = time.perf_counter()
        heard = await asyncio.gather(*(ask(client, own, tokens, number) for number, own in enumerate(prompts)))
        return list(heard), time.perf_counter() - began


def measured(peer: str, shape: str, threads: int, prompts: list[list[int]], tokens: int) -> tuple[list[Heard], float]:
    command = [sys.executable, str(Path(__file__)), "--run", peer, "--shape", shape, "--threads", str(threads)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        return asyncio.run(crowd(int(process.stdout.readline()), prompts, tokens))
    finally:
        process.terminate()
        process.wait()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a smoke test: the figures mean nothing")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", choices=SHAPES, default="10m")
    parser.add_argument("--run", choices=["ours", "plain"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        (run_ours if given.run == "ours" else run_plain)(SHAPES[given.shape], given.threads)
        return
    shape, tokens, rounds = ("quick", 8, 1) if given.quick else (given.shape, given.tokens, given.rounds)
    clients = min(given.clients, 8) if given.quick else given.clients
    rng = random.Random("serve")
    prompts = [[rng.randrange(6, 262) for _ in range(rng.randint(16, 64))] for _ in range(clients)]
    others = measuring.Others()
    heard: dict[str, list[Heard]] = {"ours": [], "plain": []}
    totals: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(rounds):
        for peer in heard:
            own, seconds = measured(peer, shape, given.threads, prompts, tokens)
            heard[peer] += own
            totals[peer].append(len(prompts) * tokens / seconds)
    print(f"{measuring.machine()}\n{clients} clients, {tokens} tokens each, float32, shape {shape}\n")
    heads = ["", "first token, s", "p95", "tokens/s of a client", "p5", "tokens/s in all"]
    rows: list[list[object]] = []
    figures: dict[str, dict[str, float]] = {}
    for peer, own in heard.items():
        firsts, speeds = [one.first for one in own], [one.speed for one in own]
        figures[peer] = {
            "first_token_median": statistics.median(firsts),
            "first_token_p95": percentile(firsts, 0.95),
            "client_tokens_per_second_median": statistics.median(speeds),
            "client_tokens_per_second_p5": percentile(speeds, 0.05),
            "tokens_per_second": statistics.median(totals[peer]),
        }
        rows.append([peer, *figures[peer].values()])
    print(measuring.table(heads, rows))
    ours, plain = figures["ours"], figures["plain"]
    ratios: dict[str, float | None] = {
        "tokens_per_second.ours/plain": ours["tokens_per_second"] / plain["tokens_per_second"],
        "first_token_median.ours/plain": plain["first_token_median"] / ours["first_token_median"],
        "first_token_p95.ours/plain": plain["first_token_p95"] / ours["first_token_p95"],
    }
    rounded = {peer: {name: round(value, 4) for name, value in own.items()} for peer, own in figures.items()}
    measuring.finish("serve", ratios, others, quick=given.quick, figures=rounded)


if __name__ == "__main__":
    main()

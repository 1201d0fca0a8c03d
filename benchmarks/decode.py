"""How fast tokens are decoded: 1, 8 and 32 streams, and rollouts, beside transformers and beside what the machine can.

    python benchmarks/decode.py
    python benchmarks/decode.py --compile                            also with the one-token step compiled
    python benchmarks/decode.py --model runs/stories/ppo --text texts.txt    only what 8-bit weights cost on real text

Random weights in the shapes of GPT-2 (124M) and of a 10M model, the same weights and the same dtype on both sides.
Limits are measured in the same run: at one stream, reading every weight once a token at the speed at which 1 GB is
read; at 32, the products at the speed of the best bfloat16 kernel. The last line is JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import measuring
import torch
from torch import Tensor

from chatwright.artefacts import load_language_model, save_model
from chatwright.generation.engine import Engine
from chatwright.generation.rows import Row
from chatwright.generation.sampling import Sampling
from chatwright.generation.scheduler import Scheduler
from chatwright.models.decoding import Decoder, PackedLinear, Precision, decoder_of, kernel_threads, threads_for
from chatwright.models.heads import LanguageModel
from chatwright.models.quantized import has_int8
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.text.tokenizer import Tokenizer

PROMPT = 16
STREAMS = (1, 8, 32)


@dataclass(frozen=True)
class Size:
    name: str
    config: TransformerConfig
    tokens: int
    """Decoded by each stream."""


def sizes_of(*, quick: bool) -> list[Size]:
    if quick:
        shape = TransformerConfig.of_depth(2, vocabulary=512, context=64, width=64)
        return [Size("10m", shape, 4), Size("124m", shape, 4)]
    small = TransformerConfig.of_depth(6, vocabulary=8192, context=512, width=320)
    gpt2 = TransformerConfig(vocabulary=50257, width=768, layers=12, heads=12, kv_heads=12, hidden=2048, context=1024)
    return [Size("10m", small, 64), Size("124m", gpt2, 48)]


def prompts_of(size: Size, count: int) -> list[list[int]]:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, size.config.vocabulary, (count, PROMPT), generator=rng).tolist()


def matrix_weights(model: LanguageModel) -> int:
    """Weights that every token is multiplied by; the embedding is looked up, and counts as the output matrix."""
    return sum(weight.numel() for weight in model.parameters() if weight.ndim == 2)


class Ours:
    """The scheduler that serves requests, with weights made ready beforehand, as a server does."""

    def __init__(
        self,
        model: LanguageModel,
        size: Size,
        streams: int,
        threads: int,
        precision: Precision,
        *,
        compiled: bool = False,
    ) -> None:
        self.size, self.streams = size, streams
        self.threads = threads_for(model, measuring.ours(threads), 1).kernel or 1
        self.decoder = decoder_of(model, precision, compiled=compiled)

    def __call__(self) -> None:
        scheduler = Scheduler(
            self.decoder, torch.device("cpu"), vocabulary=10**9, slots=self.streams, prefill_chunk=8192
        )
        for seed, prompt in enumerate(prompts_of(self.size, self.streams)):
            scheduler.add(Row(prompt, Sampling(temperature=1.0), seed, self.size.tokens))
        with kernel_threads(self.threads):
            while not scheduler.is_idle:
                scheduler.step()
                scheduler.drop()


class Rollouts:
    """`Engine.sample`, as PPO calls it: weights are cast anew in every turn, because training has changed them."""

    def __init__(self, model: LanguageModel, size: Size, prompts: int, threads: int) -> None:
        self.model, self.size, self.prompts, self.threads = model, size, prompts, threads

    def __call__(self) -> None:
        tokenizer = cast(Tokenizer, SimpleNamespace(stops=frozenset(), size=10**9))
        engine = Engine(self.model, tokenizer, measuring.ours(self.threads))
        sampling = Sampling(temperature=1.0, max_tokens=self.size.tokens)
        engine.sample(prompts_of(self.size, self.prompts), sampling, seeds=range(self.prompts))


def peer_of(model: LanguageModel) -> Any:
    """transformers' Llama with the same shape, weights of the same kind, and the dtype in which ours computes."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = model.backbone.config
    assert isinstance(config, TransformerConfig)
    shape = LlamaConfig(
        vocab_size=config.vocabulary,
        hidden_size=config.width,
        intermediate_size=config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        max_position_embeddings=config.context,
        tie_word_embeddings=config.tied,
    )
    return LlamaForCausalLM(shape).to(model.backbone.dtype).eval()


class Transformers:
    """`generate` of transformers: sampling from the whole distribution, all streams in one batch."""

    def __init__(self, peer: Any, size: Size, streams: int, threads: int) -> None:
        self.peer, self.size, self.streams, self.threads = peer, size, streams, threads

    def __call__(self) -> None:
        measuring.plain(self.threads)
        tokens = torch.tensor(prompts_of(self.size, self.streams))
        wanted = self.size.tokens
        self.peer.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            do_sample=True,
            top_k=0,
            max_new_tokens=wanted,
            min_new_tokens=wanted,
            pad_token_id=0,
        )


def llama_cpp(model: LanguageModel, size: Size, threads: int, kind: str) -> Callable[[], None] | None:
    """llama-cpp-python with one stream on the model exported to GGUF; None where it is not installed."""
    if importlib.util.find_spec("llama_cpp") is None:
        return None
    from llama_cpp import Llama

    from chatwright.publishing.gguf import export_gguf

    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder) / "model", model, Tokenizer.train(["some text to learn merges from "] * 9, 300))
        export_gguf(Path(folder) / "model", Path(folder) / "model.gguf", kind=cast(Any, kind))
        llama = Llama(str(Path(folder) / "model.gguf"), n_ctx=size.config.context, n_threads=threads, verbose=False)
    prompt = [token % 256 for token in prompts_of(size, 1)[0]]

    def turn() -> None:
        llama.reset()
        said = llama.generate(prompt, temp=1.0, top_k=0, top_p=1.0, min_p=0.0, repeat_penalty=1.0)
        for _, _ in zip(range(size.tokens), said, strict=False):
            pass

    return turn


def read_limit(threads: int, *, quick: bool) -> float:
    """Bytes a second at which memory that no cache holds is read."""
    big = torch.ones((1 << 24) if quick else (1 << 28))  # 1 GB
    with kernel_threads(threads):
        taken = measuring.take_turns({"read": lambda: big.sum()}, 5)["read"]
    return big.nbytes / min(taken)


def multiply_limit(threads: int, dtype: torch.dtype, *, quick: bool) -> float:
    """Operations a second of the best kernel for 32 rows by matrices of 768 x 4096 that no cache holds together."""
    count = 2 if quick else 32
    rows, matrices = torch.randn(32, 768, dtype=dtype), [torch.randn(4096, 768, dtype=dtype) for _ in range(count)]
    kernels: dict[str, Callable[[], object]] = {
        "plain": lambda: [torch.nn.functional.linear(rows, matrix) for matrix in matrices]
    }
    if dtype == torch.bfloat16:
        packed = [PackedLinear(matrix) for matrix in matrices]
        kernels["packed"] = lambda: [one(rows) for one in packed]
    with kernel_threads(threads), torch.no_grad():
        taken = measuring.take_turns(kernels, 5)
    return count * 2 * 32 * 768 * 4096 / min(min(own) for own in taken.values())


def bits(decoder: Decoder, sequences: list[Tensor]) -> float:
    """Bits per token of sequences [1, T]."""
    total, count = 0.0, 0
    with torch.no_grad():
        for tokens in sequences:
            vectors, _ = decoder.backbone(tokens)
            logps = decoder.logits(vectors[0, :-1]).float().log_softmax(-1)
            total -= float(logps.gather(1, tokens[0, 1:, None]).sum()) / 0.6931471805599453
            count += tokens.shape[1] - 1
    return total / count


def int8_cost(folder: Path, text: Path) -> dict[str, float]:
    """Bits per byte of a text under a trained model, as it computes and with weights in 8 bits."""
    model, tokenizer = load_language_model(folder)
    tokens = tokenizer.encode(text.read_text(encoding="utf-8"))[:20_000]
    context = model.backbone.config.context
    pieces = [torch.tensor([tokens[start : start + context]]) for start in range(0, len(tokens), context)]
    pieces = [piece for piece in pieces if piece.shape[1] > 1]
    per_token = len(tokenizer.decode_bytes(tokens)) / len(tokens)
    plain, rounded = (bits(decoder_of(model, kind), pieces) / per_token for kind in cast(Any, ("auto", "int8")))
    return {"plain": plain, "int8": rounded, "cost": rounded - plain}


def cases_of(
    size: Size, dtype: torch.dtype, prompts: int, threads: int, *, compiled: bool
) -> Iterator[tuple[str, int, dict[str, Callable[[], None]], LanguageModel]]:
    """What takes turns with what: a name, the streams, the contestants, the model."""
    torch.manual_seed(1)
    model = LanguageModel(Transformer(size.config)).requires_grad_(False).eval()
    model.backbone.dtype = dtype
    peer = peer_of(model)
    for streams in STREAMS:
        turns: dict[str, Callable[[], None]] = {
            "ours": Ours(model, size, streams, threads, "auto"),
            "transformers": Transformers(peer, size, streams, threads),
        }
        if has_int8():
            turns["int8"] = Ours(model, size, streams, threads, "int8")
        if compiled:
            turns["compiled"] = Ours(model, size, streams, threads, "auto", compiled=True)
        if streams == 1:
            for kind in ("bf16", "q8_0"):
                if (turn := llama_cpp(model, size, threads, kind)) is not None:
                    turns[f"llama_cpp_{kind}"] = turn
        yield str(streams), streams, turns, model
    turns = {
        "ours": Rollouts(model, size, prompts, threads),
        "transformers": Transformers(peer, size, prompts, threads),
    }
    yield "rollouts", prompts, turns, model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny models: shows that the script runs, nothing else")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="also measure the compiled step")
    parser.add_argument("--model", type=Path, help="a trained model: only what 8-bit weights cost is measured")
    parser.add_argument("--text", type=Path, help="held-out text for it")
    asked = parser.parse_args()
    if (asked.model is None) != (asked.text is None):
        parser.error("give both --model and --text, or neither")
    rounds, prompts = (1, 8) if asked.quick else (asked.rounds, 256)
    machine, others = measuring.machine(), measuring.Others()
    if asked.model is not None:
        with kernel_threads(asked.threads):
            cost = int8_cost(asked.model, asked.text)
        print(f"bits per byte {cost['plain']:.4f}, with int8 weights {cost['int8']:.4f}: {cost['cost']:+.4f}")
        measuring.finish("decode", {}, others, quick=asked.quick, machine=machine, int8_bits_per_byte=cost)
        return
    dtype = torch.bfloat16 if measuring.has_native_bf16() else torch.float32
    measuring.ours(asked.threads)
    reading = read_limit(asked.threads, quick=asked.quick)
    multiplying = multiply_limit(asked.threads, dtype, quick=asked.quick)
    print(f"{machine}\n\nreads {reading / 1e9:.1f} GB/s, multiplies {multiplying / 1e9:.0f} GFLOPS at 32 rows, {dtype}")

    rows: list[tuple[object, ...]] = []
    ratios: dict[str, float | None] = {}
    for size in sizes_of(quick=asked.quick):
        for name, streams, turns, model in cases_of(size, dtype, prompts, asked.threads, compiled=asked.compile):
            for turn in turns.values():
                turn()  # warms up
            seconds = measuring.take_turns(turns, rounds)
            case, weights = f"{size.name}.{name}", matrix_weights(model)
            for who, taken in seconds.items():
                speed = streams * size.tokens / statistics.median(taken)
                held = 1 if who in ("int8", "llama_cpp_q8_0") else dtype.itemsize
                limit = min(reading / (held * weights) * streams, multiplying / (2 * weights))
                rows.append((f"{case} {who}", speed, f"{speed / limit:.0%}"))
                if who == "ours" and name in ("1", "32"):
                    ratios[f"{case}.ours/{'read' if name == '1' else 'multiply'}_limit"] = speed / limit
                if who not in ("ours", "int8", "llama_cpp_q8_0"):
                    ratios[f"{case}.ours/{who}"] = measuring.faster(seconds["ours"], taken)
            for other in ("ours", "llama_cpp_q8_0"):
                if "int8" in seconds and other in seconds:
                    ratios[f"{case}.int8/{other}"] = measuring.faster(seconds["int8"], seconds[other])
    print(measuring.table(["tokens/s", "median", "of its limit"], rows))
    if importlib.util.find_spec("llama_cpp") is None:
        print("\nllama-cpp-python is not installed: no rows for it")
    measuring.finish(
        "decode", ratios, others, quick=asked.quick, machine=machine,
        read_bytes_per_second=round(reading), multiply_per_second=round(multiplying),
        tokens_per_second={str(row[0]): round(cast(float, row[1])) for row in rows},
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""What it costs to start: CPU seconds from the command to the first token, beside transformers and a bare torch.

    python benchmarks/start.py

Random weights in GPT-2's shape (124M) with a vocabulary of 50,257 pieces, in float32, in a folder of transformers and
imported from it. Each contestant is a process of its own that starts, reads the model and says one token; files are
in the system's cache. CPU seconds are user and system time of the process, all its threads together. A ratio a/b is
b's CPU seconds by a's: above 1, a starts with less. The last line is JSON.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import measuring

PROMPT = "Once upon a time there was"
TORCH = "import torch"
TRANSFORMERS = """
import sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(int(sys.argv[2]))
model = AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
given = tokenizer(sys.argv[3], return_tensors="pt")
said = model.generate(**given, max_new_tokens=1, do_sample=False, pad_token_id=0)
print(tokenizer.decode(said[0]))
"""


def published(folder: Path, *, quick: bool) -> Path:
    """A GPT-2 as transformers writes it, with random weights and a tokenizer of made-up pairs of letters."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(left, right) for left in letters for right in letters][: 1_000 if quick else 50_000]
    pieces = [*letters, *(left + right for left, right in merges)]
    engine = tokenizers.Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, merges))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=engine, bos_token=end, eos_token=end)
    tokenizer.save_pretrained(folder)
    small = {"n_embd": 64, "n_layer": 2, "n_head": 4} if quick else {}
    config = GPT2Config(vocab_size=len(tokenizer), bos_token_id=len(pieces), eos_token_id=len(pieces), **small)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def cpu_seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """User and system time of a process and all that it waited for; its end is awaited."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=dict(environment))
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny model: shows that the script runs, nothing else")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    from chatwright.publishing.importer import import_model

    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        theirs, ours = published(folder / "theirs", quick=given.quick), import_model(folder / "theirs", folder / "ours")
        ask = [sys.executable, "-m", "chatwright", "generate", str(ours), PROMPT, "--max-tokens", "1"]
        commands = {
            "torch": [sys.executable, "-c", TORCH],
            "ours": [*ask, "--temperature", "0"],
            "transformers": [sys.executable, "-c", TRANSFORMERS, str(theirs), str(given.threads), PROMPT],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        rounds = 1 if given.quick else given.rounds
        for command in commands.values():
            cpu_seconds(command, environment)  # compiles modules, fills the system's cache
        others = measuring.Others()
        for number in range(rounds):
            for name in list(commands) if number % 2 == 0 else list(commands)[::-1]:
                seconds[name].append(cpu_seconds(commands[name], environment))

    print(f"{measuring.machine()}\n")
    rows = [(name, statistics.median(taken), min(taken), max(taken)) for name, taken in seconds.items()]
    print(measuring.table(["CPU seconds to the first token", "median", "least", "most"], rows))
    ratios = {f"ours/{name}": measuring.faster(seconds["ours"], seconds[name]) for name in ("torch", "transformers")}
    medians = {name: round(statistics.median(taken), 3) for name, taken in seconds.items()}
    measuring.finish("start", ratios, others, quick=given.quick, cpu_seconds=medians)


if __name__ == "__main__":
    main()

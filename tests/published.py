"""Tiny models of every published family, as `transformers` makes them, with weights that hide nothing."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, trainers

VOCABULARY = 300
CONTEXT = 64
_LLAMA = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_GPT = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_FIRST = {"rope_theta": 500.0, "original_max_position_embeddings": 16}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt1": ("OpenAIGPTConfig", _GPT),
    "gpt2": ("GPT2Config", _GPT),
    "gpt2, another width inside": ("GPT2Config", {**_GPT, "n_inner": 40, "activation_function": "relu"}),
    "gpt-neo": (
        "GPTNeoConfig",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_layers": 4,
            "num_heads": 4,
            "max_position_embeddings": CONTEXT,
            "attention_types": [[["global", "local"], 2]],
            "window_size": 5,
            "bos_token_id": 0,
            "eos_token_id": 0,
        },
    ),
    "gpt-j": ("GPTJConfig", {**_GPT, "rotary_dim": 4}),
    "llama": ("LlamaConfig", _LLAMA),
    "llama, biases, tied": (
        "LlamaConfig",
        {**_LLAMA, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    ),
    "llama 3 scaling": (
        "LlamaConfig",
        {
            **_LLAMA,
            "rope_parameters": {
                **_FIRST,
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
            },
        },
    ),
    "linear scaling": (
        "LlamaConfig",
        {**_LLAMA, "rope_parameters": {"rope_theta": 500.0, "rope_type": "linear", "factor": 4.0}},
    ),
    "yarn scaling": ("LlamaConfig", {**_LLAMA, "rope_parameters": {**_FIRST, "rope_type": "yarn", "factor": 4.0}}),
    "mistral": ("MistralConfig", {**_LLAMA, "sliding_window": 5, "head_dim": 16}),
    "qwen2": ("Qwen2Config", _LLAMA),
    "qwen2, windows": (
        "Qwen2Config",
        {**_LLAMA, "use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
    ),
    "qwen3": ("Qwen3Config", {**_LLAMA, "head_dim": 16, "tie_word_embeddings": True}),
}
FAMILIES = ("gpt1", "gpt2", "gpt-neo", "gpt-j", "llama", "mistral", "qwen2", "qwen3")
"""One case of each."""


def transformers() -> Any:
    """The library, quiet; tests that need it skip where it is not installed."""
    library = pytest.importorskip("transformers")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return library


@cache
def reference(case: str) -> Any:
    """A model of `transformers` whose weights, biases and norms are all random: default ones hide a wrong GELU."""
    library = transformers()
    name, settings = CASES[case]
    config = getattr(library, name)(**settings)
    config._attn_implementation = "eager"
    torch.manual_seed(1)
    model = library.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for own, weight in model.named_parameters():
            weight.normal_(std=0.3)
            if own.endswith("weight") and ("ln_" in own or "norm" in own):
                weight.add_(1.0)
    return model


@cache
def _fast_tokenizer() -> tokenizers.Tokenizer:
    engine = tokenizers.Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    engine.train_from_iterator(["the quick brown fox jumps over the lazy dog. "] * 20, trainer)
    return engine


def published_folder(folder: Path, case: str, **save: Any) -> Path:
    """What a publisher puts on the hub: the model of a case, a byte-level tokenizer, a model card."""
    library = transformers()
    reference(case).save_pretrained(folder, **save)
    end = "<|endoftext|>"
    tokenizer = library.PreTrainedTokenizerFast(tokenizer_object=_fast_tokenizer(), bos_token=end, eos_token=end)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n", encoding="utf-8")
    (folder / "LICENSE").write_text("Do as you like.\n", encoding="utf-8")
    return folder

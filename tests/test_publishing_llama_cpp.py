"""GGUF files in llama.cpp itself: the same tokens of texts, the same logits, the same greedy text as here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from chatwright.artefacts import load_language_model, save_model
from chatwright.generation.prompts import chat_prompt, text_prompt
from chatwright.models.heads import LanguageModel
from chatwright.models.transformer import Transformer
from chatwright.publishing import gguf
from chatwright.publishing.importer import import_model
from chatwright.text.conversation import Conversation
from chatwright.text.published import read_tokenizer
from chatwright.text.tokenizer import Tokenizer
from published import CASES, published_folder
from published_tokenizers import folder_of
from tiny import config_of, world_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the package warns of while it is imported is its own affair
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("gguf", reason="the gguf extra is not installed")

pytestmark = pytest.mark.slow

F32 = 0
"""GGML's name of the dtype for keys and values."""
STEPS = 24
PROMPTS = ("the quick brown fox", "a lazy dog jumps", "Grüße! 42")
TEXTS = (
    "the quick brown fox jumps over the lazy dog.",
    "  two spaces,\ttabs\n\nand a new paragraph.\n",
    "It's 3 o'clock; they'll say 12 or 365, isn't it?",
    "Grüße an die schöne Müllerin: „Straße“, naïve, ﬁn.",
    "emoji 🦊 and 👩‍🔬, Ελληνικά, 漢字, \u0301 alone",
    "<|endoftext|> typed, [INST] too",
)


@contextmanager
def llama_of(path: Path, **settings: Any) -> Iterator[Any]:
    """A GGUF file in llama.cpp, with everything in float32."""
    llama = llama_cpp.Llama(
        str(path),
        n_ctx=64,
        n_threads=1,
        n_threads_batch=1,
        logits_all=True,
        type_k=F32,
        type_v=F32,
        verbose=False,
        **settings,
    )
    with closing(llama):
        yield llama


def greedy(model: LanguageModel, prompt: Sequence[int], count: int) -> tuple[list[int], Tensor]:
    """Our greedy tokens through the cache, and the logits [count, V] that they were chosen from."""
    state, tokens, said, chosen_from = model.backbone.start(1), torch.tensor([list(prompt)]), [], []
    with torch.no_grad():
        for _ in range(count):
            logits, state = model(tokens, state)
            chosen_from.append(logits[0, -1])
            tokens = logits[:, -1:].argmax(-1)
            said.append(int(tokens))
    return said, torch.stack(chosen_from)


def theirs(llama: Any, prompt: Sequence[int], count: int) -> list[int]:
    """Greedy tokens of llama.cpp."""
    llama.reset()
    said = llama.generate(list(prompt), temp=0.0, top_k=1, repeat_penalty=1.0)
    return [int(token) for token, _ in zip(said, range(count), strict=False)]


def their_logits(llama: Any, tokens: Sequence[int]) -> Tensor:
    """Logits [T, V] of llama.cpp after each of these tokens."""
    llama.reset()
    llama.eval(list(tokens))
    return torch.tensor(llama.scores[: len(tokens)].copy())


def same_answers(folder: Path, path: Path) -> None:
    """Logits are as near as kernels of another kind let them be, and greedy tokens equal while choices are clear."""
    model, tokenizer = load_language_model(folder, world=world_of())
    compared = 0
    with llama_of(path) as llama:
        for text in PROMPTS:
            prompt = text_prompt(text, tokenizer)
            said, logits = greedy(model, prompt, STEPS)
            far = (their_logits(llama, [*prompt, *said[:-1]])[-STEPS:] - logits).abs().max()
            assert float(far) <= 5e-3 * float(logits.abs().max())  # llama.cpp looks GELU and SiLU up in half precision
            best = logits.topk(2).values
            clear = (best[:, 0] - best[:, 1] > 2 * far).tolist()
            first_doubt = clear.index(False) if False in clear else STEPS
            others = theirs(llama, prompt, STEPS)
            assert said[:first_doubt] == others[:first_doubt]
            compared += first_doubt
            spoken = [token for token in others if token < tokenizer.size]  # the others are rows without a token
            assert llama.detokenize(spoken) == tokenizer.decode_bytes(spoken, continues=True)
    assert compared >= STEPS, "hardly any choice was clear enough to compare"


def exported(model: Path, out: Path, **settings: Any) -> Path:
    gguf.export_gguf(model, out, **settings)
    return out


IMPORTS = [
    case for case in CASES if not case.startswith(("gpt1", "gpt-", "gpt2,", "mistral")) and "windows" not in case
]


@pytest.mark.parametrize("case", IMPORTS)
def test_greedy_text_of_an_import_is_llama_cpps(case: str, tmp_path: Path) -> None:
    import_model(published_folder(tmp_path / "source", case), tmp_path / "model")
    same_answers(tmp_path / "model", exported(tmp_path / "model", tmp_path / "out.gguf"))


@cache
def town() -> Tokenizer:
    """A tokenizer trained here, with numbers, line breaks and umlauts in what it learned from."""
    lines = [
        f"In {year} the town had {year % 97} houses.\n\nDie Müllerin saß dort; it's {year}.\n"
        for year in range(1800, 1900)
    ]
    return Tokenizer.train([*lines, *TEXTS], 420)


OWN = {
    "as it is trained here": {"kv_heads": 2},
    "untied": {"tied": False},
    "norms of queries and keys": {"kv_heads": 2, "norm_queries": True},
    "heads of their own width": {"head_width": 16, "norm_queries": True},
}


def own_model(**shape: Any) -> LanguageModel:
    model = LanguageModel(Transformer(config_of(town().size, 64, **shape)))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(std=0.3).add_(1.0 if name.endswith("norm.weight") else 0.0)
    return model.eval()


@pytest.mark.parametrize("shape", OWN)
def test_greedy_text_of_a_model_trained_here_is_llama_cpps(shape: str, tmp_path: Path) -> None:
    save_model(tmp_path / "model", own_model(**OWN[shape]), town(), chat=True)
    same_answers(tmp_path / "model", exported(tmp_path / "model", tmp_path / "out.gguf"))


def test_a_file_with_one_wrong_detail_says_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison means something: without the order that llama.cpp wants of queries and keys it fails."""
    monkeypatch.setattr(gguf, "_neighbours", lambda rows, per_head: rows)
    save_model(tmp_path / "model", own_model(kv_heads=2), town())
    with pytest.raises(AssertionError):
        same_answers(tmp_path / "model", exported(tmp_path / "model", tmp_path / "out.gguf"))


@pytest.mark.parametrize("kind, far", [("fp16", 0.02), ("bf16", 0.1), ("q8_0", 0.1)])
def test_smaller_kinds_of_weights_stay_near(kind: str, far: float, tmp_path: Path) -> None:
    save_model(tmp_path / "model", own_model(kv_heads=2), town())
    model, tokenizer = load_language_model(tmp_path / "model", world=world_of())
    prompt = text_prompt(PROMPTS[0], tokenizer)
    _, wanted = greedy(model, prompt, 1)
    with llama_of(exported(tmp_path / "model", tmp_path / "out.gguf", kind=kind)) as llama:
        found = their_logits(llama, prompt)[-1:]
    error = float((found - wanted).abs().max() / wanted.abs().max())
    assert 1e-6 < error < far


# -- tokens ------------------------------------------------------------------------------------------------------------


def with_tokenizer(tokenizer: Tokenizer, folder: Path) -> Path:
    """A small Llama with this tokenizer, as GGUF."""
    save_model(folder / "model", LanguageModel(Transformer(config_of(tokenizer.size, 64))), tokenizer)
    return exported(folder / "model", folder / "out.gguf")


def same_tokens(tokenizer: Tokenizer, path: Path, texts: Sequence[str]) -> None:
    with llama_of(path) as llama:
        for text in texts:
            assert llama.tokenize(text.encode(), add_bos=True) == text_prompt(text, tokenizer), text
            said = llama.detokenize(llama.tokenize(text.encode(), add_bos=False)).decode()
            assert said.removeprefix(" " if tokenizer.spelling.drops_first_space else "") == text


@pytest.mark.parametrize("style", ["chatml", "qwen", "llama2", "llama2-first", "llama3"])
def test_texts_get_the_same_tokens(style: str, tmp_path: Path) -> None:
    tokenizer = read_tokenizer(folder_of(style))
    # This one puts no space before a text that begins with one; llama.cpp always does.
    texts = [text.lstrip() for text in TEXTS] if style == "llama2-first" else TEXTS
    same_tokens(tokenizer, with_tokenizer(tokenizer, tmp_path), texts)


@pytest.mark.parametrize("between, name, other", [(" ", "gpt-2", None), ("\n\n", "llama-bpe", "gpt-2")])
def test_texts_without_numbers_get_the_same_tokens_from_a_model_trained_here(
    between: str, name: str, other: str | None, tmp_path: Path
) -> None:
    """llama.cpp has no splitting that is ours; the one that is named gives the same pieces of words and line breaks."""
    sentences = ["The old mill stood by the river.", "Die Müllerin saß dort.", '"Nobody knows," she said; it\'s true!']
    texts = [between.join(sentences[start:] + sentences[:start]) for start in range(3)]
    tokenizer = Tokenizer.train(texts * 9, 400)
    path = with_tokenizer(tokenizer, tmp_path)
    same_tokens(tokenizer, path, texts)
    with llama_of(path) as llama:
        assert llama.metadata["tokenizer.ggml.pre"] == name
    if other is not None:
        with llama_of(path, kv_overrides={"tokenizer.ggml.pre": other}) as llama:
            assert llama.tokenize(texts[0].encode(), add_bos=True) != text_prompt(texts[0], tokenizer)


@pytest.mark.parametrize("style", ["chatml", "qwen"])
def test_conversations_get_the_same_tokens(style: str, tmp_path: Path) -> None:
    """By the template in the file, which llama.cpp fills in without our placeholders."""
    tokenizer = read_tokenizer(folder_of(style))
    same_conversation(tokenizer, with_tokenizer(tokenizer, tmp_path))


def test_a_conversation_with_a_model_trained_here_gets_the_same_tokens(tmp_path: Path) -> None:
    same_conversation(town(), with_tokenizer(town(), tmp_path))


def same_conversation(tokenizer: Tokenizer, path: Path) -> None:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    talk = Conversation.of("Hello there!", "Good day.", "How are you today?")
    with llama_of(path) as llama:
        names = {role: tokenizer.controls.special.get(role, "") for role in ("bos_token", "eos_token")}
        form = Jinja2ChatFormatter(
            llama.metadata["tokenizer.chat_template"],
            names["eos_token"],
            names["bos_token"],
            add_generation_prompt=True,
        )
        messages = [{"role": own.role, "content": own.content} for own in talk.messages]
        written = form(messages=messages).prompt
        assert llama.tokenize(written.encode(), add_bos=False, special=True) == chat_prompt(talk, tokenizer, 10**6)
        assert llama_cpp.llama_vocab_is_eog(llama_cpp.llama_model_get_vocab(llama.model), tokenizer.end)

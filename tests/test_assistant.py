"""The Python API: what `chatwright.load` gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import chatwright
from chatwright.artefacts import save_model
from chatwright.errors import ArtefactError, InputError
from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.text.tokenizer import Tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    tokenizer = Tokenizer.train(["hello there"], 270)
    config = TransformerConfig(
        vocabulary=tokenizer.size, width=16, layers=1, heads=2, kv_heads=2, hidden=32, context=64
    )
    save_model(tmp_path / "model", LanguageModel(Transformer(config)), tokenizer)
    return tmp_path / "model"


def test_logits_are_float32_over_the_vocabulary(folder: Path) -> None:
    assistant = chatwright.load(folder)
    logits = assistant.logits(torch.tensor([[6, 7, 8]]))
    assert logits.dtype == torch.float32
    assert logits.shape == (1, 3, assistant.tokenizer.size)
    with pytest.raises(InputError, match=f"knows the ids 0 to {assistant.tokenizer.size - 1}"):
        assistant.logits(torch.tensor([[assistant.tokenizer.size]]))


def test_the_same_seed_gives_the_same_text_and_another_seed_another(folder: Path) -> None:
    assistant = chatwright.load(folder, precision="fp32")
    said = [assistant.generate("hello", seed=seed, temperature=1.0, max_tokens=20) for seed in (1, 1, 2)]
    assert said[0] == said[1] != said[2]


def test_a_message_a_conversation_and_a_list_of_messages_are_answered_alike(folder: Path) -> None:
    assistant = chatwright.load(folder, precision="fp32")
    answers = {
        assistant.chat("hello", max_tokens=8),
        assistant.chat([{"role": "user", "content": "hello"}], max_tokens=8),
    }
    assert len(answers) == 1


def test_a_conversation_that_ends_with_the_assistant_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="last message"):
        chatwright.load(folder).chat([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])


def test_a_reward_model_is_no_assistant(folder: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(folder)
    config = TransformerConfig(
        vocabulary=tokenizer.size, width=16, layers=1, heads=2, kv_heads=2, hidden=32, context=64
    )
    save_model(tmp_path / "reward" / "model", ScalarModel(Transformer(config)), tokenizer)
    with pytest.raises(ArtefactError, match="holds a reward model"):
        chatwright.load(tmp_path / "reward" / "model")


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, chatwright; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

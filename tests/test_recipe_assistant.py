"""Published weights to an assistant: import, the recipe with adapters, chat, export; and resume, bit for bit."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatwright.artefacts import load_language_model, save_model, shape_in
from chatwright.disk import sha256_of
from chatwright.errors import ConfigError, ResourceError
from chatwright.models.adapter_files import load_adapter
from chatwright.models.families import shape_of
from chatwright.models.heads import LanguageModel, count_parameters
from chatwright.models.lora import LoRA
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.models.transformer import Transformer
from chatwright.recipes import read_recipe, run_recipe
from chatwright.stages import ppo as ppo_stage
from chatwright.stages import reward as reward_stage
from chatwright.stages import sft as sft_stage
from chatwright.stages.collect import ROWS_AT_ONCE, rows_at_once
from chatwright.stages.ppo import PPOConfig, ppo
from chatwright.stages.reward import RewardConfig, train_reward
from chatwright.stages.sft import SFTConfig, sft
from chatwright.text.handover import with_chat
from chatwright.training.learner import frozen_bytes
from chatwright.training.policy_networks import open_networks
from tiny import language_model, random_tokens, scalar_model, tokenizer, world_of

RECIPE = Path(__file__).parents[1] / "recipes" / "assistant.toml"
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "Grüße", "schöne"]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TINY = [
    *("threads=1", "precision=fp32"),
    *("sft.context=64", "sft.epochs=1", "sft.batch=4", "sft.accumulate=1", "sft.evaluate_every=5"),
    "collect.max_tokens=6",
    *("reward.batch=8", "reward.evaluate_every=4"),
    *("ppo.iterations=2", "ppo.batch=8", "ppo.max_tokens=6", "ppo.evaluate_every=1"),
]


def write_data(folder: Path, count: int = 120) -> Path:
    """Conversations, and preferences for answers with a fox."""
    folder.mkdir()
    rng = random.Random("assistant")
    said = [" ".join(rng.choices(WORDS, k=4)) for _ in range(count)]
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": f"{text}?"}, {"role": "assistant", "content": f"{text} fox"}]}
        for text in said
    ]
    (folder / "conversations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"prompt": f"{text} {n}?", "chosen": f"{text} fox", "rejected": text} for n, text in enumerate(said)]
    (folder / "preferences.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def published(folder: Path, family: str) -> Path:
    """A tiny folder as `transformers` writes it: GPT-2 without a chat template, or a Llama with one."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    engine = tokenizers.Tokenizer(tokenizers.models.BPE())
    engine.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = tokenizers.decoders.ByteLevel()
    special = ["<|endoftext|>"] + (["<|im_start|>", "<|im_end|>"] if family == "llama" else [])
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    engine.train_from_iterator([" ".join(WORDS)] * 20, trainer)
    ends = {"bos_token": special[0], "eos_token": special[-1]}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=engine, **ends)
    size = engine.get_vocab_size()
    torch.manual_seed(1)
    if family == "llama":
        fast.chat_template = CHATML
        shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
        config = transformers.LlamaConfig(
            vocab_size=size, num_key_value_heads=2, max_position_embeddings=96, tie_word_embeddings=True, **shape
        )
        model = transformers.LlamaForCausalLM(config)
    else:
        config = transformers.GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=96)
        model = transformers.GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


# -- the recipe --------------------------------------------------------------------------------------------------------


def test_the_recipe_is_whole_and_base_is_a_variable(tmp_path: Path):
    data = write_data(tmp_path / "data")
    save_model(tmp_path / "base", language_model(tokenizer().size, 512), tokenizer())
    settings = [f"base={tmp_path / 'base'}", f"data={data}", "sft.lora.rank=3"]
    recipe = read_recipe(RECIPE, out=tmp_path / "run", settings=settings)
    assert [step.table for step in recipe.steps] == ["sft", "collect", "reward", "ppo"]
    first = recipe.steps[0].config
    assert first.base == tmp_path / "base" and first.lora == LoRA(rank=3, alpha=16) and first.weights == "bf16"
    assert recipe.steps[3].config.policy == tmp_path / "run" / "sft"
    with pytest.raises(ConfigError, match=r"base names .*nowhere.* neither an earlier table nor a path that exists"):
        read_recipe(RECIPE, out=tmp_path / "run", settings=[f"base={tmp_path / 'nowhere'}", f"data={data}"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_published_weights_become_an_assistant_that_transformers_loads(family: str, tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    peft = pytest.importorskip("peft")
    from chatwright.publishing.exporter import export_model
    from chatwright.publishing.importer import import_model

    folder = published(tmp_path / "published", family)
    base = import_model(folder, tmp_path / "base")
    before, own = load_language_model(base, precision="fp32")
    data = write_data(tmp_path / "data")
    run = run_recipe(RECIPE, out=tmp_path / "run", settings=[f"base={base}", f"data={data}", *TINY])
    for table in ("sft", "collect", "reward", "ppo"):
        assert (run / table / "done.json").is_file()
    model, chatting = load_language_model(run / "ppo", precision="fp32")
    assert chatting.can_chat and own.can_chat == (family == "llama")
    grown = chatting.size - own.size
    assert grown == (4 if family == "gpt2" else 0)
    for table in ("sft", "ppo"):
        found, _ = load_language_model(run / table, precision="fp32")
        old = found.output_weight[: own.size]
        assert torch.equal(old, before.output_weight.bfloat16().float()), "only adapters and new rows have learned"
    tokens = random_tokens(2, 12, vocabulary=chatting.size)
    with torch.no_grad():
        ours = model(tokens)[0]
    export_model(run / "ppo", tmp_path / "exported")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported", dtype=torch.float32).eval()
    with torch.no_grad():
        assert torch.allclose(theirs(tokens).logits, ours, atol=1e-4)
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path / "exported")
    messages = [{"role": "user", "content": "the quick fox?"}]
    assert reader.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    # sft's adapters beside the published weights, as PEFT loads them
    peer = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    peer.resize_token_embeddings(max(before.backbone.config.vocabulary, chatting.size))
    peer = peft.PeftModel.from_pretrained(peer, run / "sft" / "adapter").eval()
    learned, _ = load_language_model(run / "sft", precision="fp32")
    with torch.no_grad():
        assert torch.allclose(peer(tokens).logits, learned(tokens)[0], atol=2e-2), "but for bf16's rounding of the base"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_import_goes_on_reading_your_own_text_with_its_own_tokenizer(tmp_path: Path):
    from chatwright.publishing.importer import import_model

    base = import_model(published(tmp_path / "published", "gpt2"), tmp_path / "base")
    (tmp_path / "text.txt").write_text(
        "\n\n".join(f"the quick brown fox {n} jumps over the lazy dog" for n in range(400))
    )
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'threads = 1\nprecision = "fp32"\n'
        f'[tokenize]\ntexts = "{tmp_path / "text.txt"}"\ntokenizer = "{{base}}"\nsection = 200\n'
        "validation = 0.1\ntest = 0.1\n"
        '[pretrain]\nfrom = "{base}"\nsteps = 30\nbatch = 4\nwindow = 32\nlearning_rate = 5e-3\nevaluate_every = 20\n'
    )
    run = run_recipe(recipe, out=tmp_path / "run", settings=[f"base={base}"])
    before, own = load_language_model(base, precision="fp32")
    after, same = load_language_model(run / "pretrain", precision="fp32")
    assert own.to_json() == same.to_json() and before.backbone.config == after.backbone.config
    summary = json.loads((run / "summary.json").read_text())["pretrain"]
    assert summary["bits_per_byte"] < 0.9 * summary["base_bits_per_byte"]


# -- stages with adapters ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, conversations, preferences; and sft, reward and ppo with adapters, undisturbed."""
    folder = tmp_path_factory.mktemp("given")
    save_model(folder / "base", language_model(tokenizer().size, context=64), tokenizer())
    write_data(folder / "data")
    for make in (make_sft, make_reward, make_ppo):
        make(folder, folder)
    return folder


FIT: dict[str, Any] = {"threads": 1, "precision": "fp32", "lora": LoRA(rank=2), "checkpointing": True}


def make_sft(given: Path, out: Path, **settings: Any) -> Path:
    config = {"epochs": 1.0, "batch": 4, "learning_rate": 1e-2, "evaluate_every": 2, **FIT, **settings}
    conversations = [str(given / "data" / "conversations.jsonl")]
    return sft(SFTConfig(out=out / "sft", base=given / "base", conversations=conversations, **config))


def make_reward(given: Path, out: Path, **settings: Any) -> Path:
    config = {"epochs": 1.0, "learning_rate": 1e-2, "optimizer": "adamw", "evaluate_every": 4, **FIT, **settings}
    rankings = [str(given / "data" / "preferences.jsonl")]
    return train_reward(RewardConfig(out=out / "reward", model=given / "sft", rankings=rankings, **config))


def make_ppo(given: Path, out: Path, **settings: Any) -> Path:
    config = {"iterations": 4, "batch": 8, "max_tokens": 6, "evaluate_every": 2, "ema": 0.5, "learning_rate": 1e-2}
    config |= {**FIT, **settings}
    prompts = [str(given / "data" / "conversations.jsonl")]
    paths = {"policy": given / "sft", "reward": given / "reward", "prompts": prompts, "validation_prompts": prompts}
    return ppo(PPOConfig(out=out / "ppo", **paths, **config))


def test_adapters_beside_the_base_are_the_merged_weights(given: Path):
    tokens = random_tokens(2, 12, vocabulary=tokenizer().size)
    for stage, base in (("sft", given / "base"), ("ppo", given / "sft")):
        whole, _ = load_language_model(given / stage, precision="fp32")
        before, _ = load_language_model(base, precision="fp32")
        view = load_adapter(before, given / stage / "adapter")
        with torch.no_grad():
            assert torch.allclose(view(tokens)[0], whole(tokens)[0], atol=1e-4)
            assert float((whole(tokens)[0] - before(tokens)[0]).abs().max()) > 1e-3


def test_saves_on_the_way_hold_adapters_and_their_moments_only(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHATWRIGHT_SAVE_EVERY_STEPS", "1")
    monkeypatch.setattr(sft_stage, "held_out_loss", failing_at(2, sft_stage.held_out_loss))
    with pytest.raises(Broken):
        make_sft(given, tmp_path)
    (save,) = (tmp_path / "sft" / "resume").glob("step-*/state.safetensors")
    assert save.stat().st_size < 5 * (given / "sft" / "adapter" / "adapter_model.safetensors").stat().st_size


class Broken(Exception):
    """What stands for a crash."""


def failing_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which fails once, at its `call`-th call."""
    calls = 0

    def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Broken
        return function(*arguments, **named)

    return failing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "module", "function", "make"),
    [
        ("sft", sft_stage, "held_out_loss", make_sft),
        ("reward", reward_stage, "_validation_loss", make_reward),
        ("ppo", ppo_stage, "_validate", make_ppo),
    ],
)
def test_a_stage_that_broke_off_ends_with_the_same_adapters_and_weights(
    stage: str,
    module: Any,
    function: str,
    make: Callable[[Path, Path], Path],
    given: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("CHATWRIGHT_SAVE_EVERY_STEPS", "1")
    monkeypatch.setattr(module, function, failing_at(2, getattr(module, function)))
    with pytest.raises(Broken):
        make(given, tmp_path)
    assert list((tmp_path / stage / "resume").glob("step-*"))
    make(given, tmp_path)
    for file in ("model/weights.safetensors", "adapter/adapter_model.safetensors"):
        assert sha256_of(tmp_path / stage / file) == sha256_of(given / stage / file), file


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_sft, make_reward, make_ppo])
@pytest.mark.parametrize(
    "changes",
    [
        {"weights": "bf16", "lora": LoRA(rank=2, dropout=0.2)},
        {"weights": "int8", "lora": LoRA(rank=2, targets=["attention"]), "precision": "bf16"},
    ],
    ids=["bf16 and dropout", "int8"],
)
def test_resuming_is_exact_however_frozen_weights_are_held(
    make: Callable[..., Path],
    changes: dict[str, Any],
    given: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    module, function = {
        make_sft: (sft_stage, "held_out_loss"),
        make_reward: (reward_stage, "_validation_loss"),
        make_ppo: (ppo_stage, "_validate"),
    }[make]
    whole = make(given, tmp_path / "whole", **changes)
    monkeypatch.setenv("CHATWRIGHT_SAVE_EVERY_STEPS", "1")
    monkeypatch.setattr(module, function, failing_at(2, getattr(module, function)))
    with pytest.raises(Broken):
        make(given, tmp_path / "broken", **changes)
    again = make(given, tmp_path / "broken", **changes)
    for file in ("model/weights.safetensors", "adapter/adapter_model.safetensors"):
        assert sha256_of(again / file) == sha256_of(whole / file), file


def tables_in_memory(given: Path) -> dict[int, torch.Tensor]:
    """The matrices as large as the base's embedding that are alive in this process, whoever holds them, by address."""
    gc.collect()
    shape = shape_in(given / "base")
    size = torch.Size((shape.vocabulary, shape.width))
    # What torch.compile leaves behind is of kinds that have no memory.
    alive = [own for own in gc.get_objects() if type(own) in (torch.Tensor, torch.nn.Parameter) and own.shape == size]
    return {own.data_ptr(): own for own in alive}


def held_bytes(*models: Any) -> int:
    """Bytes of all weights of some models, each place in memory counted once."""
    weights = [weight for model in models for weight in (*model.parameters(), *model.buffers())]
    return sum({weight.data_ptr(): weight.nbytes for weight in weights}.values())


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "share"), [("fp32", 1.0), ("bf16", 0.6), ("int8", 0.45)])
def test_ppo_with_adapters_holds_one_copy_of_the_base_for_all_five_networks(
    weights: str, share: float, given: Path, tmp_path: Path
):
    earlier = tables_in_memory(given)  # what another test left behind
    config = PPOConfig(
        out=tmp_path, policy=given / "sft", reward=given / "reward", prompts=[], ema=0.5, **{**FIT, "weights": weights}
    )
    networks, scorer, _ = open_networks(config, world_of())
    learning = [networks.policy, networks.value, networks.average, scorer]
    learned = sum(4 * count_parameters(network) for network in learning if network is not None)
    whole = load_language_model(given / "sft", precision="fp32")[0]
    base = held_bytes(networks.reference)
    assert base <= share * held_bytes(whole)
    del whole
    assert held_bytes(networks.reference, *learning) == base + learned
    assert len(tables_in_memory(given).keys() - earlier.keys()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["fp32", "bf16", "int8"])
def test_a_reward_model_with_adapters_learns_on_the_only_copy_of_its_base(
    weights: str, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[int] = []
    earlier = tables_in_memory(given)  # what another test left behind

    def looked(config: RewardConfig, model: Any, *rest: Any) -> Any:
        del config, rest
        tables = tables_in_memory(given).keys() - earlier.keys()
        seen.extend([len(tables), held_bytes(model) - 4 * count_parameters(model) - frozen_bytes(model)])
        raise Broken

    monkeypatch.setattr(reward_stage, "_learn", looked)
    with pytest.raises(Broken):
        make_reward(given, tmp_path, weights=weights)
    assert seen == [1, 0]


def test_collect_samples_as_many_answers_at_once_as_a_gigabyte_remembers():
    small = language_model(context=64)
    assert rows_at_once(small, 64) == ROWS_AT_ONCE
    with torch.device("meta"):
        large = LanguageModel(Transformer(shape_of("gpt2")))  # 73,728 bytes a token in float32
    assert rows_at_once(large, 256) == (1 << 30) // (256 * 2 * 12 * 768 * 4) < ROWS_AT_ONCE
    assert rows_at_once(large, 10**9) == (1 << 30) // (1024 * 2 * 12 * 768 * 4)
    assert rows_at_once(LanguageModel(Recurrent(RecurrentConfig(vocabulary=9, width=8, layers=1, context=9))), 9) == 128


@pytest.mark.slow
def test_dropout_is_told_to_peft_changes_what_sft_learns_and_is_off_in_ppo(given: Path, tmp_path: Path):
    thinned = LoRA(rank=2, dropout=0.5)
    learned = make_sft(given, tmp_path, lora=thinned)
    assert json.loads((learned / "adapter" / "adapter_config.json").read_text())["lora_dropout"] == 0.5
    weights = "model/weights.safetensors"
    assert sha256_of(learned / weights) != sha256_of(given / "sft" / weights)
    aligned = make_ppo(given, tmp_path, lora=thinned)
    assert sha256_of(aligned / weights) == sha256_of(given / "ppo" / weights)
    assert json.loads((aligned / "adapter" / "adapter_config.json").read_text())["lora_dropout"] == 0


@pytest.mark.parametrize("lora", [LoRA(), LoRA(rank=2)], ids=["all weights", "adapters"])
def test_ppo_on_a_padded_table_counts_the_ids_that_can_be_said_and_no_others(lora: LoRA, given: Path, tmp_path: Path):
    padded = tokenizer().size + 20
    policy = language_model(padded, context=64)
    with torch.no_grad():
        policy.backbone.embedding.weight[tokenizer().size :] += 0.5  # likely, if they were asked for
    words, _ = with_chat(tokenizer())
    save_model(tmp_path / "policy", policy, words)
    save_model(tmp_path / "scorer", scalar_model(padded, context=64), words)
    run = ppo(
        PPOConfig(
            out=tmp_path / "ppo",
            policy=tmp_path / "policy",
            reward=tmp_path / "scorer",
            prompts=[str(given / "data" / "conversations.jsonl")],
            **{**FIT, "lora": lora, "iterations": 1, "batch": 8, "max_tokens": 6, "checkpointing": False},
        )
    )
    first = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert abs(first["kl"]) < 1e-4 and first["first_ratio"] < 1e-3
    assert json.loads((run / "receipt.json").read_text())["summary"]["log_probabilities"] == "stored while sampling"


@pytest.mark.parametrize("shares", [True, False])
def test_the_networks_of_ppo_lie_on_one_base_where_they_can(
    shares: bool, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[Any] = []
    monkeypatch.setattr(ppo_stage, "weigh", lambda config, networks, *rest: seen.append(networks) or failing(rest))

    def failing(rest: object) -> Any:
        raise Broken

    if not shares:
        make_reward(given, tmp_path, lora=LoRA(), checkpointing=False)
    reward = (given if shares else tmp_path) / "reward"
    config = PPOConfig(
        out=tmp_path / "ppo",
        policy=given / "sft",
        reward=reward,
        prompts=[str(given / "data" / "conversations.jsonl")],
        batch=8,
        max_tokens=6,
        ema=0.5,
        **FIT,
    )
    with pytest.raises(Broken):
        ppo(config)
    networks = seen[0]
    places = [
        network.backbone.blocks[0].attention.read.weight.data_ptr()
        for network in (networks.policy, networks.reference, networks.average, networks.value)
    ]
    assert len(set(places[:3])) == 1 and (places[3] == places[0]) == shares
    assert not list(networks.reference.parameters()), "the reference is what is frozen, and nothing else"
    assert all(weight.requires_grad for weight in networks.value.parameters())


def test_what_does_not_fit_or_go_together_is_told_before_anything_is_learned(given: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"sft.weights is 'bf16', but all weights are learned.* set sft.lora.rank"):
        make_sft(given, tmp_path, lora=LoRA(), weights="bf16")
    with pytest.raises(
        ConfigError, match=r"'c_attn' is no projection of this model; choose all, attention or down_proj"
    ):
        make_sft(given, tmp_path, lora=LoRA(rank=2, targets=["c_attn"]))
    with pytest.raises(ConfigError, match=r"sft.context is 65, but .*base reads 64 tokens at most; choose 2 to 64"):
        make_sft(given, tmp_path, context=65)
    with pytest.raises(ResourceError, match=r"needs .* of memory"):
        make_sft(given, tmp_path, batch=10_000_000)


def test_what_a_recurrent_base_cannot_do_is_told_in_a_sentence(given: Path, tmp_path: Path):
    shape = RecurrentConfig(vocabulary=tokenizer().size, width=16, layers=1, context=64)
    save_model(tmp_path / "base", LanguageModel(Recurrent(shape)), tokenizer())
    (tmp_path / "data").symlink_to(given / "data")
    with pytest.raises(ConfigError, match=r"lora works on Transformers, this model is recurrent; leave lora out"):
        make_sft(tmp_path, tmp_path)
    with pytest.raises(ConfigError, match=r"checkpointing works on Transformers, this model is recurrent"):
        make_sft(tmp_path, tmp_path, lora=LoRA())

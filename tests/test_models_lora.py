"""LoRA: what is frozen stays bit for bit, what is learned is learned rightly, and PEFT reads and writes our files."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from chatwright.errors import ArtefactError, ConfigError
from chatwright.models.adapter_files import CONFIG, WEIGHTS, load_adapter, save_adapter
from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.held import as_held, dense
from chatwright.models.huggingface import Rule, family_of
from chatwright.models.lora import AdaptedLinear, LoRA, adapted, bare, frozen, merged, scalar_beside, twin
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.models.sites import Site, sites_of
from chatwright.models.transformer import Transformer
from chatwright.models.vocabulary import TokenRows, grow
from chatwright.training import losses
from chatwright.training.batches import Batch
from chatwright.training.learner import frozen_bytes, learning_flops, needed_bytes
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from tiny import language_model, random_tokens, scalar_model, world_of

needs_peft = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("peft", "transformers")),
    reason="peft or transformers is absent",
)


RULE = Rule("", ("",), (1,), (1,))


def shaken(model: LanguageModel | ScalarModel, seed: int = 1) -> LanguageModel:
    """The model with every learned weight, B too, at random: adapters that do something."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=rng) * 0.1)
    return model  # type: ignore[return-value]


def logits(model: LanguageModel, tokens: Tensor) -> Tensor:
    with torch.no_grad():
        return model(tokens)[0]


def batch_of(vocabulary: int = 40, rows: int = 4, length: int = 12) -> Batch:
    tokens = random_tokens(rows, length + 1, vocabulary=vocabulary, seed=5)
    return Batch(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())


# -- what is frozen ----------------------------------------------------------------------------------------------------


def test_new_adapters_change_nothing_and_adapters_off_is_the_base_bit_for_bit_before_and_after_learning():
    base = language_model(kv_heads=2).requires_grad_(False)
    tokens = random_tokens(3, 20)
    expected = logits(base, tokens)
    view = adapted(base, LoRA(rank=4), seed=1)
    assert torch.equal(logits(view, tokens), expected)
    before = {name: weight.clone() for name, weight in base.named_parameters()}
    optimizer = Optimizer([view], Schedule(steps=5), learning_rate=1e-2)
    steps = list(train_steps(view, lambda n: batch_of(), language_loss, optimizer, until=5, world=world_of()))
    assert steps[-1].loss < steps[0].loss
    assert float((logits(view, tokens) - expected).abs().max()) > 1e-3
    assert torch.equal(logits(bare(view), tokens), expected) and torch.equal(logits(base, tokens), expected)
    assert all(torch.equal(weight, before[name]) for name, weight in base.named_parameters())


def test_only_adapters_are_parameters_and_views_share_the_base_in_memory():
    base = language_model().requires_grad_(False)
    view = adapted(base, LoRA(rank=2, targets=["attention"]), seed=1)
    assert all(".down" in name or ".ups." in name for name, _ in view.named_parameters())
    assert all(weight.requires_grad for weight in view.parameters())
    scorer = adapted(scalar_beside(base), LoRA(rank=3), seed=2)
    value = twin(scorer)
    places = {weight.data_ptr() for weight in base.parameters()}
    for other in (view, bare(view), scorer, value):
        held = {weight.data_ptr() for name, weight in other.state_dict().items() if ".down" not in name}
        assert places <= held, "every weight of the base is the base's own"
    ours = {weight.data_ptr() for weight in scorer.parameters()}
    assert not ours & {weight.data_ptr() for weight in value.parameters()}, "a twin learns by itself"
    assert not any(weight.requires_grad for weight in base.parameters())


def test_merged_is_an_ordinary_model_that_computes_what_the_adapters_do():
    base = language_model(kv_heads=2, tied=False)
    view = shaken(adapted(base, LoRA(rank=4, alpha=3.0), seed=1))
    tokens = random_tokens(2, 30)
    whole = merged(view)
    assert [name for name, _ in whole.named_parameters()] == [name for name, _ in base.named_parameters()]
    assert not any(isinstance(module, AdaptedLinear) for module in whole.modules())
    assert torch.allclose(logits(whole, tokens), logits(view, tokens), atol=1e-5)
    assert float((logits(whole, tokens) - logits(base, tokens)).abs().max()) > 1e-2


def test_gradients_are_those_of_the_plain_formula():
    base = language_model(kv_heads=2, hidden=48).requires_grad_(False)
    view = shaken(adapted(base, LoRA(rank=3, alpha=6.0), seed=1))
    batch = batch_of()
    found = torch.autograd.grad(language_loss(view, batch)[0], list(view.parameters()))
    plain = copy.deepcopy(base)
    weights, pairs = {}, []
    for path, module in view.backbone.named_modules():
        if isinstance(module, AdaptedLinear) and module.sites:
            down, ups = (
                module.down.detach().clone().requires_grad_(),
                [up.detach().clone().requires_grad_() for up in module.ups],
            )
            parts = down.chunk(len(ups))
            assert sum(len(up) for up in ups) == len(module.weight), "all rows of a fused matrix are adapted here"
            delta = torch.cat([up @ part for up, part in zip(ups, parts, strict=True)])
            weights[f"backbone.{path}.weight"] = module.weight + 2.0 * delta
            pairs += [down, *ups]
    batch_loss = torch.func.functional_call(_Loss(plain), {f"model.{name}": w for name, w in weights.items()}, (batch,))
    expected = torch.autograd.grad(batch_loss, pairs)
    for own, other in zip(found, expected, strict=True):
        assert torch.allclose(own, other, atol=2e-5 * float(other.abs().max()) + 1e-7)


class _Loss(torch.nn.Module):
    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        return language_loss(self.model, batch)[0]


@pytest.mark.parametrize(("rank", "dropout"), [(0, 0.0), (4, 0.0), (4, 0.3)])
def test_checkpointing_gives_the_same_gradients_bit_for_bit(rank: int, dropout: float):
    model: LanguageModel = language_model()
    if rank:
        model = shaken(adapted(model, LoRA(rank=rank, dropout=dropout), seed=1))
    weights = list(model.parameters())
    plain = torch.autograd.grad(language_loss(model, batch_of())[0], weights)
    assert isinstance(model.backbone, Transformer)
    model.backbone.checkpointing = True
    again = torch.autograd.grad(language_loss(model, batch_of())[0], weights)
    assert all(torch.equal(own, other) for own, other in zip(plain, again, strict=True))


def test_a_loss_taken_piece_by_piece_is_the_loss_at_once(monkeypatch: pytest.MonkeyPatch):
    model = language_model()
    weights = list(model.parameters())
    loss, weight = language_loss(model, batch_of())
    whole = torch.autograd.grad(loss, weights)
    monkeypatch.setattr(losses, "LARGEST_LOGITS", 40 * 7)
    pieces, same = language_loss(model, batch_of())
    assert torch.allclose(pieces, loss, rtol=1e-6) and weight == same
    for own, other in zip(torch.autograd.grad(pieces, weights), whole, strict=True):
        assert torch.allclose(own, other, atol=1e-5)


# -- dropout -----------------------------------------------------------------------------------------------------------


def test_dropout_blanks_out_the_adapters_inputs_and_gradients_are_those_of_the_plain_formula():
    linear = AdaptedLinear(torch.randn(24, 16, generator=torch.Generator().manual_seed(1)), None)
    sites = [Site("", 0, 10, RULE, False), Site("", 10, 24, RULE, False)]
    linear.adapt(sites, LoRA(rank=3, alpha=6.0, dropout=0.4), torch.Generator().manual_seed(2))
    shaken(linear)  # type: ignore[arg-type]
    x = torch.randn(5, 7, 16, generator=torch.Generator().manual_seed(3)).requires_grad_()
    learned = [x, linear.down, *linear.ups]
    out = linear(x)
    thinning = linear._thinning(x)
    assert thinning is not None
    factors = thinning.of(x.detach().reshape(-1, 16)).view_as(x)
    assert factors.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    delta = torch.cat([up @ part for up, part in zip(linear.ups, linear.down.chunk(2), strict=True)])
    plain = x @ linear.weight.t() + 2.0 * (x * factors) @ delta.t()
    assert torch.allclose(out, plain, atol=1e-5)
    toward = torch.randn(out.shape, generator=torch.Generator().manual_seed(4))
    found, expected = (torch.autograd.grad((own * toward).sum(), learned) for own in (out, plain))
    for own, other in zip(found, expected, strict=True):
        assert torch.allclose(own, other, atol=1e-4)


def test_dropout_blanks_out_its_share_keeps_the_mean_and_is_drawn_anew_for_other_inputs():
    linear = AdaptedLinear(torch.zeros(4, 64), None)
    linear.adapt([Site("", 0, 4, RULE, False)], LoRA(rank=1, dropout=0.25), torch.Generator())
    drawn = []
    for seed in (1, 1, 2):
        x = torch.randn(100, 64, generator=torch.Generator().manual_seed(seed))
        thinning = linear._thinning(x)
        assert thinning is not None
        drawn.append(thinning.of(x))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert abs(float((drawn[0] == 0).float().mean()) - 0.25) < 0.02 and abs(float(drawn[0].mean()) - 1) < 0.03


def test_dropout_is_off_without_gradients_and_outside_of_training():
    view = shaken(adapted(language_model(), LoRA(rank=4, dropout=0.5), seed=1))
    tokens = random_tokens(2, 20)
    plain = logits(shaken(adapted(language_model(), LoRA(rank=4), seed=1)), tokens)
    assert torch.equal(logits(view, tokens), plain)
    assert float((view(tokens)[0].detach() - plain).abs().max()) > 1e-2
    assert torch.allclose(view.eval()(tokens)[0].detach(), plain, atol=1e-5)
    assert torch.equal(logits(merged(view), tokens), logits(merged(view.train()), tokens))


def test_settings_of_dropout_that_mean_nothing_are_refused():
    with pytest.raises(ConfigError, match=r"lora.dropout is 1.0; it must lie in"):
        LoRA(rank=4, dropout=1.0)
    with pytest.raises(ConfigError, match=r"lora.dropout is 0.1, but without adapters .* set lora.rank"):
        LoRA(dropout=0.1)


# -- how frozen weights are held ---------------------------------------------------------------------------------------


def test_bf16_weights_take_half_the_memory_and_compute_what_rounded_weights_do():
    base = language_model(vocabulary=400, width=64, hidden=128).requires_grad_(False)
    view = adapted(base, LoRA(rank=2), seed=1, weights="bf16")
    assert frozen_bytes(view) < 0.6 * frozen_bytes(frozen(base))
    rounded = copy.deepcopy(base)
    for weight in rounded.parameters():
        if weight.ndim == 2:
            weight.data = weight.data.bfloat16().float()
    tokens = random_tokens(2, 20, vocabulary=400)
    assert torch.equal(logits(view, tokens), logits(rounded, tokens))
    gradients = torch.autograd.grad(language_loss(view, batch_of())[0], list(view.parameters()))
    assert all(bool(torch.isfinite(own).all()) for own in gradients)


def test_int8_weights_take_a_quarter_and_stay_near():
    weight = torch.randn(64, 128, generator=torch.Generator().manual_seed(1))
    held, scales = as_held(weight, "int8")
    assert scales is not None and held.nbytes + scales.nbytes == 64 * 128 + 64 * 4
    assert float((dense(held, scales, torch.float32) - weight).abs().max()) < 0.02
    base = language_model(width=64, hidden=128).requires_grad_(False)
    view = shaken(adapted(base, LoRA(rank=2), seed=1, weights="int8"))
    rounded = copy.deepcopy(base)
    for name, own in rounded.named_parameters():
        if own.ndim == 2:
            own.data = dense(*as_held(own.data, "int8" if ".blocks." in name else "bf16"), torch.float32)
    plain = shaken(adapted(rounded, LoRA(rank=2), seed=1))
    tokens = random_tokens(2, 20)
    assert torch.allclose(logits(view, tokens), logits(plain, tokens), atol=1e-5)
    assert float((logits(rounded, tokens) - logits(base, tokens)).abs().max()) < 0.3
    assert torch.allclose(logits(merged(view), tokens), logits(view, tokens), atol=1e-4)
    found = torch.autograd.grad(language_loss(view, batch_of())[0], list(view.parameters()))
    expected = torch.autograd.grad(language_loss(plain, batch_of())[0], list(plain.parameters()))
    assert all(torch.allclose(own, other, atol=1e-4) for own, other in zip(found, expected, strict=True))


def test_memory_and_work_are_counted_with_what_is_frozen():
    base = language_model(vocabulary=400, width=64, hidden=256)
    whole = needed_bytes(base, tokens=64, length=32)
    flops = learning_flops(base, 32)
    view = adapted(base, LoRA(rank=2), seed=1)
    assert needed_bytes(view, tokens=64, length=32) < 0.7 * whole
    assert 0.6 * flops < learning_flops(view, 32) < 0.75 * flops
    long = needed_bytes(view, tokens=6400, length=32)
    view.backbone.checkpointing = True  # type: ignore[assignment, union-attr]
    assert needed_bytes(view, tokens=6400, length=32) < 0.7 * long


# -- targets -----------------------------------------------------------------------------------------------------------


def test_targets_are_published_names_and_a_wrong_one_is_named():
    view = adapted(language_model(), LoRA(rank=2, targets=["q_proj", "mlp.down_proj"]), seed=1)
    modules = [module for module in view.backbone.modules() if isinstance(module, AdaptedLinear)]
    names = {site.name for module in modules for site in module.sites}
    assert names == {f"model.layers.{n}.{own}" for n in (0, 1) for own in ("self_attn.q_proj", "mlp.down_proj")}
    with pytest.raises(ConfigError, match=r"'qproj' is no projection .* q_proj"):
        adapted(language_model(), LoRA(rank=2, targets=["qproj"]), seed=1)
    lstm = LanguageModel(Recurrent(RecurrentConfig(vocabulary=40, width=16, layers=1, context=32)))
    with pytest.raises(ConfigError, match="recurrent"):
        adapted(lstm, LoRA(rank=2), seed=1)
    with pytest.raises(ConfigError, match=r"lora.rank is -1"):
        LoRA(rank=-1)


# -- new tokens --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
def test_new_tokens_start_as_the_mean_and_only_their_rows_learn(tied: bool):
    base = language_model(tied=tied).requires_grad_(False)
    old = {name: weight.clone() for name, weight in base.named_parameters() if "embedding" in name}
    assert grow(base, [40, 41]) == 2 and base.backbone.config.vocabulary == 42
    for name, weight in base.named_parameters():
        if name in old:
            assert torch.equal(weight[:40], old[name])
            assert torch.allclose(weight[41], old[name].mean(dim=0))
    tokens = random_tokens(3, 12, vocabulary=42, seed=8)
    view = adapted(base, LoRA(rank=2), seed=1, new_tokens=2)
    assert torch.allclose(logits(view, tokens), logits(base, tokens), atol=1e-6)
    optimizer = Optimizer([view], Schedule(steps=3), learning_rate=1e-2)
    list(train_steps(view, lambda n: batch_of(42), language_loss, optimizer, until=3, world=world_of()))
    whole = dict(merged(view).named_parameters())
    for name, weight in old.items():
        assert torch.equal(whole[name][:40], weight) and not torch.equal(whole[name][40:], base.state_dict()[name][40:])
    assert torch.allclose(logits(merged(view), tokens), logits(view, tokens), atol=1e-5)


def test_gradients_of_new_rows_are_those_of_a_whole_table():
    base = language_model(vocabulary=42)
    view = adapted(base, LoRA(rank=2), seed=1, new_tokens=3)
    assert isinstance(view.backbone.embedding, TokenRows)
    loss, _ = language_loss(view, batch_of(42))
    own = torch.autograd.grad(loss, view.backbone.embedding.rows)[0]
    whole, _ = language_loss(base, batch_of(42))
    expected = torch.autograd.grad(whole, base.backbone.embedding.weight)[0]
    assert torch.allclose(loss, whole) and torch.allclose(own, expected[-3:], atol=1e-5)


def test_room_that_a_published_table_has_to_spare_is_used_first():
    base = language_model(vocabulary=48)
    assert grow(base, [40, 41]) == 8 and base.backbone.config.vocabulary == 48
    assert torch.allclose(base.output_weight[41], base.output_weight[:40].mean(dim=0))


# -- PEFT's files ------------------------------------------------------------------------------------------------------


def peers() -> list[object]:
    transformers = pytest.importorskip("transformers")
    small = {"vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    llama = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
    )
    made = [
        transformers.LlamaForCausalLM(llama),
        transformers.GPT2LMHeadModel(transformers.GPT2Config(**small)),
        transformers.GPTJForCausalLM(transformers.GPTJConfig(**small, rotary_dim=4)),
    ]
    torch.manual_seed(3)
    for peer in made:
        for weight in peer.parameters():
            torch.nn.init.normal_(weight.data, std=0.2)
    return [peer.eval() for peer in made]


def ours(peer: object) -> LanguageModel:
    config = peer.config.to_dict()  # type: ignore[attr-defined]
    family = family_of(config)
    shape = family.read(config)
    model = LanguageModel(Transformer(shape)).requires_grad_(False)
    stored, weights = peer.state_dict(), dict(model.named_parameters())  # type: ignore[attr-defined]
    for rule in family.rules(shape):
        weights[rule.ours].copy_(rule.join([stored[name] for name in rule.theirs]))
    return model


@pytest.mark.slow
@needs_peft
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", [0, 1, 2], ids=["llama", "gpt2", "gptj"])
def test_peft_computes_the_same_from_our_files_and_we_from_its(place: int, tmp_path: Path):
    peft = pytest.importorskip("peft")
    peer = peers()[place]
    base = ours(peer)
    tokens = random_tokens(2, 20, vocabulary=50)
    for targets in (["all"], ["attention"]):
        view = shaken(adapted(base, LoRA(rank=3, alpha=5, targets=targets), seed=1))
        folder = tmp_path / targets[0]
        save_adapter(folder, view)
        theirs = peft.PeftModel.from_pretrained(copy.deepcopy(peer), folder).eval()
        with torch.no_grad():
            assert torch.allclose(theirs(tokens).logits, logits(view, tokens), atol=1e-5)
        theirs.save_pretrained(folder / "back")
        assert torch.equal(logits(load_adapter(copy.deepcopy(base), folder / "back"), tokens), logits(view, tokens))
    settings = peft.LoraConfig(
        r=4, lora_alpha=7, use_rslora=True, task_type="CAUSAL_LM", init_lora_weights=False, lora_dropout=0.1
    )
    theirs = peft.get_peft_model(copy.deepcopy(peer), settings).eval()
    theirs.save_pretrained(tmp_path / "default")
    with torch.no_grad():
        expected = theirs(tokens).logits
    read = load_adapter(base, tmp_path / "default")
    assert torch.allclose(logits(read, tokens), expected, atol=1e-5)
    save_adapter(tmp_path / "again", read)
    assert peft.LoraConfig.from_pretrained(tmp_path / "again").lora_dropout == 0.1


@needs_peft
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", [0, 1], ids=["untied", "tied"])
def test_new_tokens_go_to_peft_and_back_with_the_adapters(place: int, tmp_path: Path):
    peft = pytest.importorskip("peft")
    peer = peers()[place]
    base = ours(peer)
    larger = copy.deepcopy(base)
    grow(larger, [50, 51, 52])
    view = shaken(adapted(larger, LoRA(rank=3), seed=1, new_tokens=3))
    save_adapter(tmp_path, view)
    tokens = random_tokens(2, 20, vocabulary=53)
    peer.resize_token_embeddings(53)  # type: ignore[attr-defined]
    theirs = peft.PeftModel.from_pretrained(peer, tmp_path).eval()
    with torch.no_grad():
        assert torch.allclose(theirs(tokens).logits, logits(view, tokens), atol=1e-5)
    theirs.save_pretrained(tmp_path / "back", save_embedding_layers=True)
    for folder in (tmp_path, tmp_path / "back"):
        assert torch.equal(logits(load_adapter(copy.deepcopy(base), folder), tokens), logits(view, tokens))


def test_a_reward_models_adapters_come_back_with_their_readout(tmp_path: Path):
    base = scalar_model().requires_grad_(False)
    view = shaken(adapted(base, LoRA(rank=2), seed=1))
    save_adapter(tmp_path, view)
    tokens = random_tokens(2, 9)
    with torch.no_grad():
        assert torch.equal(load_adapter(base, tmp_path)(tokens)[0], view(tokens)[0])


def test_files_that_do_not_fit_are_named(tmp_path: Path):
    save_adapter(tmp_path, adapted(language_model(layers=2), LoRA(rank=2), seed=1))
    for model, told in (
        (language_model(layers=1), "the model has no projection model.layers.1"),
        (language_model(layers=2, hidden=96), "has shape"),
    ):
        with pytest.raises(ArtefactError, match=told):
            load_adapter(model, tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    for key, value in (("use_dora", True), ("r", 0), ("peft_type", "IA3"), ("lora_dropout", 1)):
        (tmp_path / CONFIG).write_text(json.dumps({**config, key: value}))
        with pytest.raises(ArtefactError, match=key):
            load_adapter(language_model(), tmp_path)
    (tmp_path / CONFIG).write_text(json.dumps(config))
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:-9])
    with pytest.raises(ArtefactError, match="no adapters that can be read"):
        load_adapter(language_model(), tmp_path)


def test_every_matrix_inside_blocks_has_its_sites():
    model = language_model(kv_heads=2, norm_queries=True)
    covered = {site.module for site in sites_of(model.backbone.config)}
    expected = {
        name.removesuffix(".weight")
        for name, weight in model.backbone.named_parameters()
        if name.startswith("blocks.") and weight.ndim == 2
    }
    assert covered == expected

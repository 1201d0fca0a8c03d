"""Pretrain: learn a language from token files, from scratch or from an earlier model.

In: a `tokenize` folder.  Out: `model/`, a base model that goes on with texts; its bits per byte on held-out documents
beside an n-gram model counted on the same training tokens and beside the untrained model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatwright.artefacts import load_language_model, save_model
from chatwright.disk import read_json, require
from chatwright.errors import ConfigError
from chatwright.evaluation.language_model import bits_per_byte
from chatwright.evaluation.ngram import ngram_bits_per_byte
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.families import shape_of
from chatwright.models.heads import LanguageModel, count_parameters, new_backbone, training_flops_per_token
from chatwright.models.recurrent import RecurrentConfig
from chatwright.models.transformer import TransformerConfig
from chatwright.runs import StageFolder, open_stage
from chatwright.text.token_files import TokenFile, require_ids_of
from chatwright.text.tokenizer import SMALLEST_VOCABULARY, Tokenizer
from chatwright.training.batches import TokenWindows
from chatwright.training.checkpoints import restore_checkpoint, write_checkpoint
from chatwright.training.learner import kept_per_token, needed_bytes
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.settings import at_least, known_optimizer, within
from chatwright.world import World, open_world, seed_everything

CONTINUED = 80
"""How many times lower the derived learning rate is for a model that has learned already: docs/published-weights.md."""
KEPT_AT_ONCE = 4 << 30
"""Bytes that are kept for the way back, in float32, of the rows that a derived batch reads at once."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Settings of `pretrain`. `depth` is the one dial; what is None is derived from it."""

    out: Path
    """Folder that the results go to; run again with the same settings, it goes on from the last save."""
    tokens: Path
    """Folder that `tokenize` wrote."""
    base: Path | None = None
    """Go on from this model instead of starting from scratch; its shape and tokenizer are kept."""
    family: str = "transformer"
    """transformer or lstm."""
    size: str | None = None
    """The shape of a published model, such as gpt2, gpt3-350m-local or smollm2-135m; takes the place of `depth`."""
    depth: int = 4
    """Layers; the width is 48 times as much."""
    width: int | None = None
    """Channels of the vectors between layers; None: 48 times the depth."""
    heads: int | None = None
    """Attention heads, a divisor of the width; None: about one per 64 channels."""
    kv_heads: int | None = None
    """Heads of keys and values, shared by groups of the others (GQA): fewer take less memory; None: all."""
    norm_queries: bool = False
    """Normalise queries and keys per head (QK norm), so that attention scores cannot grow without end."""
    dropout: float = 0.0
    """Of an lstm: share of the channels between layers that training blanks out."""
    context: int = 256
    """Most tokens the model can read."""
    window: int = 128
    """Tokens per training row; shorter than the context is faster."""
    steps: int = 1600
    """Optimizer steps; each reads batch times window tokens."""
    batch: int | None = None
    """Rows per step; None: 32 windows of 128 tokens at depth 4, more for larger models (see `rows`)."""
    optimizer: str = "adamw"
    """adamw, or muon for the matrices in blocks and adamw for the rest."""
    learning_rate: float | None = None
    """Highest rate; None: 4e-3 at a width of 192, falling with the square root of the width; 1/80 of it with a base."""
    matrix_learning_rate: float | None = None
    """Of Muon, for the matrices in blocks; None: 2.5 times the other."""
    weight_decay: float = 0.1
    """Decoupled weight decay of learned matrices; norms and biases have none."""
    warmup: float = 0.03
    """Share of the steps in which the learning rate rises."""
    accumulate: int = 1
    """Parts in which each thread reads its rows of a batch: more take less memory and longer, for the same step."""
    evaluate_every: int = 400
    """Steps between measurements on the first 200 validation documents, with samples."""
    seed: int = 1
    """Of new weights, and of the order of the training text."""
    threads: int = 2
    """Processor threads that divide the work; without effect on a GPU."""
    device: str = "auto"
    """auto (a CUDA GPU where there is one, else the processor), cpu, cuda or cuda:N."""
    precision: str = "auto"
    """Of the arithmetic: auto (bf16 where the device has it natively, else fp32), fp32 or bf16."""

    def __post_init__(self) -> None:
        counts = ("depth", "context", "window", "steps", "batch", "accumulate", "evaluate_every")
        at_least("pretrain", self, 1, *counts, "width", "heads", "kv_heads")
        within("pretrain", self, 0, 1, "warmup")
        known_optimizer("pretrain", self.optimizer)
        if self.window > self.context:
            raise ConfigError(
                f"pretrain.window ({self.window}) must not be greater than pretrain.context ({self.context})"
            )
        if self.family not in ("transformer", "lstm"):
            raise ConfigError(f"pretrain.family is {self.family!r}; choose transformer or lstm")
        if self.size is not None:
            others: tuple[str, ...] = ("width", "heads", "kv_heads", "norm_queries", "dropout")
            if self.family == "lstm" or any(getattr(self, name) for name in others):
                raise ConfigError(f"pretrain.size gives the whole shape; leave out family, {', '.join(others)}")
        others = ("heads", "kv_heads", "norm_queries") if self.family == "lstm" else ("dropout",)
        if wrong := [name for name in others if getattr(self, name)]:
            raise ConfigError(f"pretrain.{wrong[0]} is no setting of the family {self.family}; leave it out")
        if self.base is None:
            self._shape_or_error()

    def _shape_or_error(self) -> None:
        try:
            self.shape(SMALLEST_VOCABULARY)
        except ConfigError as problem:
            raise ConfigError(f"pretrain: {problem}") from None

    def shape(self, vocabulary: int) -> TransformerConfig | RecurrentConfig:
        """The model's shape: a published one, or derived from `depth`, but for what is set."""
        if self.size is not None:
            return shape_of(self.size, vocabulary=vocabulary, context=self.context)
        if self.family == "lstm":
            return RecurrentConfig(
                vocabulary=vocabulary,
                width=self.width or 48 * self.depth,
                layers=self.depth,
                context=self.context,
                dropout=self.dropout,
            )
        derived = TransformerConfig.of_depth(self.depth, vocabulary=vocabulary, context=self.context, width=self.width)
        heads = self.heads or derived.heads
        return TransformerConfig(
            vocabulary=vocabulary,
            width=derived.width,
            layers=self.depth,
            heads=heads,
            kv_heads=self.kv_heads or heads,
            hidden=derived.hidden,
            context=self.context,
            norm_queries=self.norm_queries,
        )

    def rate(self, width: int) -> float:
        """The learning rate: falls with the square root of the width from 4e-3 at 192.

        A model that has learned already takes far less: the rate of new weights would undo what it knows.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        return 4e-3 * (192 / width) ** 0.5 / (CONTINUED if self.base is not None else 1)

    def rows(self, parameters: int, kept: int) -> int:
        """Rows per step, for a model with so many parameters beside its tables, that keeps `kept` numbers per token.

        Tokens per step grow from 4,096 at 1.8 million parameters to 3.2 million at GPT-3's 175 billion (Brown et al.
        2020, table 2.1), along a straight line between the logarithms; as far as the rows that are read at once
        (`accumulate` divides them) fit in `KEPT_AT_ONCE`, whatever the machine has: settings alone decide.
        """
        if self.batch is not None:
            return self.batch
        tokens = 4096 * (parameters / 1.77e6) ** 0.58
        fitting = KEPT_AT_ONCE // (4 * kept * self.window) * self.accumulate
        return max(1, min(round(tokens / self.window), fitting))


def pretrain(config: PretrainConfig) -> Path:
    """Learn from the training part, choose nothing, and report on the validation and test parts."""
    world = open_world(config.device, config.precision, config.threads)
    parents = {"tokens": config.tokens} | ({"base": config.base} if config.base else {})
    with open_stage("pretrain", config, out=config.out, parents=parents) as run:
        if run.complete:
            return run.folder
        seed_everything(config.seed)
        model, tokenizer = _model(config, world)
        training = TokenFile.open(config.tokens, "train")
        rows = _rows(config, model, world)
        batches = TokenWindows(training.tokens, context=config.window, batch=rows, seed=config.seed)
        at_once = -(-rows // config.accumulate) * config.window
        require(
            memory_bytes=needed_bytes(model, tokens=at_once, length=config.window),
            disk_bytes=count_parameters(model) * 20,
            where=run.folder,
        )
        before = _learn(config, model, tokenizer, batches, run, world)
        seconds = run.meter.seconds  # of training: what follows is measuring
        validation = _held_out(config, model, tokenizer, "validation", world)
        test = _held_out(config, model, tokenizer, "test", world)
        run.log(config.steps, validation_bits_per_byte=validation["value"])
        _sample(run, model, tokenizer, world, config.steps)
        ngram = _ngram(config, tokenizer, training)
        save_model(run.folder / "model", model, tokenizer, stage="pretrain")
        summary = {
            "bits_per_byte": test["value"],
            "bits_per_byte_low": test["low"],
            "bits_per_byte_high": test["high"],
            "documents": test["n"],
            "baseline_bits_per_byte": ngram,
            f"{_before(config)}_bits_per_byte": before,
            "validation_bits_per_byte": validation["value"],
            "parameters": count_parameters(model),
            "batch": rows,
            "learning_rate": config.rate(model.backbone.width),
            "training_tokens": run.meter.tokens,
            "epochs": batches.epochs(config.steps),
        }
        return run.finish(
            summary=summary, tokens_per_second=run.meter.tokens / seconds, epochs=_epochs(config, batches)
        )


def _learn(
    config: PretrainConfig,
    model: LanguageModel,
    tokenizer: Tokenizer,
    batches: TokenWindows,
    run: StageFolder,
    world: World,
) -> float:
    """All steps, from the latest checkpoint on; returns bits per byte on validation documents before the first."""
    optimizer = _optimizer(config, model)
    if (latest := run.latest()) is not None:
        start = latest[0]
        state, _ = restore_checkpoint(latest[1], {"model": model}, {"model": optimizer})
        before = float(str(state["untrained"]))
    else:
        start, before = 0, _held_out(config, model, tokenizer, "validation", world)["value"]
    flops = training_flops_per_token(model, config.window)
    for step in train_steps(
        model,
        batches,
        language_loss,
        optimizer,
        until=config.steps,
        after=start,
        world=world,
        accumulate=config.accumulate,
    ):
        run.meter.add(tokens=step.tokens, flops=step.tokens * flops)
        if step.number % 10 == 0 or step.number == config.steps:
            run.log(
                step.number,
                loss=step.loss,
                tokens=run.meter.tokens,
                tokens_per_second=run.meter.tokens / max(run.meter.seconds, 1e-9),
                learning_rate=step.learning_rate,
                gradient_norm=step.gradient_norm,
            )
            run.progress(step.number, config.steps, loss=step.loss)
        if step.number % config.evaluate_every == 0 and step.number < config.steps:
            held_out = _held_out(config, model, tokenizer, "validation", world, documents=200)["value"]
            run.log(step.number, validation_bits_per_byte=held_out)
            _sample(run, model, tokenizer, world, step.number)
        if run.should_save(step.number):
            with run.checkpoint(step.number) as folder:
                write_checkpoint(folder, {"model": model}, {"model": optimizer}, {"untrained": before})
    return before


def _before(config: PretrainConfig) -> str:
    """What the model is called that had learned nothing here yet."""
    return "untrained" if config.base is None else "base"


def _rows(config: PretrainConfig, model: LanguageModel, world: World) -> int:
    """Rows per step, as set or derived; what was derived is told."""
    tables = [table for table in (model.backbone.embedding, model.unembedding) if table is not None]
    inner = count_parameters(model) - sum(count_parameters(table) for table in tables)
    rows = config.rows(inner, kept_per_token(model, config.window))
    derived = [f"{rows} rows of {config.window} tokens a step"] if config.batch is None else []
    if config.learning_rate is None:
        derived.append(f"a learning rate of {config.rate(model.backbone.width):.2g}")
    if derived and world.is_main:
        print(f"pretrain: derived from the size: {', '.join(derived)}", flush=True)
    return rows


def _optimizer(config: PretrainConfig, model: LanguageModel) -> Optimizer:
    rate = config.rate(model.backbone.width)
    return Optimizer(
        [model],
        Schedule(steps=config.steps, warmup=round(config.warmup * config.steps), final=0.05),
        kind=config.optimizer,
        learning_rate=rate,
        matrix_learning_rate=config.matrix_learning_rate or 2.5 * rate,
        weight_decay=config.weight_decay,
    )


def _model(config: PretrainConfig, world: World) -> tuple[LanguageModel, Tokenizer]:
    """A new model for the token files' tokenizer, or a copy of an earlier one to go on from."""
    if config.base is not None:
        model, tokenizer = load_language_model(config.base, world=world)
        require_ids_of(tokenizer, config.tokens, config.base)
        return model.requires_grad_(True).train(), tokenizer
    tokenizer = Tokenizer.load(config.tokens)
    model = LanguageModel(new_backbone(config.shape(tokenizer.size)))
    model.backbone.dtype = world.dtype
    return model.to(world.device), tokenizer


def _held_out(
    config: PretrainConfig,
    model: LanguageModel,
    tokenizer: Tokenizer,
    part: str,
    world: World,
    *,
    documents: int | None = None,
) -> dict[str, float]:
    """Bits per byte on a part of the token files, or on its first documents."""
    held_out = TokenFile.open(config.tokens, part)
    bounds = held_out.bounds if documents is None else held_out.bounds[: documents + 1]
    return bits_per_byte(model, tokenizer, held_out.tokens, bounds, context=config.window, world=world)


def _ngram(config: PretrainConfig, tokenizer: Tokenizer, training: TokenFile) -> float:
    """The baseline: an interpolated Kneser-Ney 5-gram of the same training tokens, on the same test documents."""
    test = TokenFile.open(config.tokens, "test")
    return ngram_bits_per_byte(
        (training.tokens, training.bounds), (test.tokens, test.bounds), tokenizer.byte_lengths, order=5
    )


def _sample(run: StageFolder, model: LanguageModel, tokenizer: Tokenizer, world: World, step: int) -> None:
    engine = Engine(model, tokenizer, world)
    prompts = [[tokenizer.begin]] * 2
    for sampled in engine.sample(prompts, Sampling(temperature=0.8, max_tokens=80), seeds=seeds_of(step, 2)):
        run.sample(f"Step {step}", tokenizer.decode(sampled.tokens))


def _epochs(config: PretrainConfig, batches: TokenWindows) -> dict[str, float]:
    """How often each source's tokens were read; mixtures are laid out by `tokenize`, so all are read alike."""
    sources = read_json(config.tokens / "tokens.json").get("sources", [])
    passes = batches.epochs(config.steps)
    return {
        str(source.get("path", number)): passes * float(source.get("copies", 1))
        for number, source in enumerate(sources)
    }

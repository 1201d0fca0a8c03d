"""Language models as published, and what their figures come to: GPT-1 to Megatron-Turing 530B.

In: nothing.  Out: a table; where the printed figures contradict each other they stand as printed, with a note.
Sources: the papers and model cards named in each row's notes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from chatwright.scaling.costs import PETAFLOP_DAY
from chatwright.scaling.page import Section
from chatwright.scaling.report import amount
from chatwright.scaling.shapes import Shape

__all__ = ["PUBLISHED", "Published", "as_dicts", "history_page"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One model: its shape, and what its authors printed."""

    name: str
    year: int
    shape: Shape
    printed: float
    """Parameters as printed."""
    tokens: float | None = None
    """Read in training, as published."""
    flops: float | None = None
    """As published."""
    counted: float | None = None
    """Parameters that the published FLOPs were reckoned with, where not the printed ones."""
    note: str = ""

    @property
    def flops_6n(self) -> float | None:
        return None if self.tokens is None else 6 * (self.counted or self.printed) * self.tokens


def _gpt(layers: int, width: int, heads: int, *, context: int, vocabulary: int = 50_257, **changes: Any) -> Shape:
    """The block of GPT-2: learned positions, biases, layer norms, an ungated feed-forward layer four times as wide."""
    shape = Shape(
        vocabulary=vocabulary,
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        hidden=4 * width,
        context=context,
        gated=False,
        learned_positions=True,
        norm_biases=True,
        read_bias=True,
        write_bias=True,
        feed_forward_bias=True,
    )
    return replace(shape, **changes)


def _gpt3(layers: int, width: int, heads: int, head_width: int) -> Shape:
    return _gpt(layers, width, heads, context=2048, head_width=head_width)


_NEO: dict[str, Any] = {"read_bias": False, "windows": (0, 256)}
_T = 300e9  # tokens of every GPT-3

PUBLISHED = (
    Published(
        name="GPT-1",
        year=2018,
        shape=_gpt(12, 768, 12, context=512, vocabulary=40_478, final_norm=False),
        printed=117e6,
        flops=0.96 * PETAFLOP_DAY,
        note="Published as 0.96 petaflop/s-days: 8 GPUs x 30 days x 12 TFLOP/s x 0.33, which is 0.95; the tokens were "
        "not stated.",
    ),
    Published(
        name="GPT-2 small",
        year=2019,
        shape=_gpt(12, 768, 12, context=1024),
        printed=117e6,
        note="The paper prints 117M, 345M, 762M and 1542M; the released weights hold 124M, 355M, 774M and 1558M. "
        "Training tokens and FLOPs were never published.",
    ),
    Published(name="GPT-2 medium", year=2019, shape=_gpt(24, 1024, 16, context=1024), printed=345e6),
    Published(name="GPT-2 large", year=2019, shape=_gpt(36, 1280, 20, context=1024), printed=762e6),
    Published(name="GPT-2 XL", year=2019, shape=_gpt(48, 1600, 25, context=1024), printed=1542e6),
    Published(name="GPT-3 small", year=2020, shape=_gpt3(12, 768, 12, 64), printed=125e6, tokens=_T, flops=2.25e20),
    Published(
        name="GPT-3 medium",
        year=2020,
        shape=_gpt3(24, 1024, 16, 64),
        printed=350e6,
        tokens=_T,
        flops=6.41e20,
        counted=356e6,
    ),
    Published(name="GPT-3 large", year=2020, shape=_gpt3(24, 1536, 16, 96), printed=760e6, tokens=_T, flops=1.37e21),
    Published(
        name="GPT-3 XL",
        year=2020,
        shape=_gpt3(24, 2048, 24, 128),
        printed=1.3e9,
        tokens=_T,
        flops=2.38e21,
        counted=1.32e9,
        note="Table 2.1 prints 24 heads of 128, which make 3,072 and not the width 2,048; with 16 heads the "
        "parameters come out as printed.",
    ),
    Published(
        name="GPT-3 2.7B",
        year=2020,
        shape=_gpt3(32, 2560, 32, 80),
        printed=2.7e9,
        tokens=_T,
        flops=4.77e21,
        counted=2.65e9,
    ),
    Published(
        name="GPT-3 6.7B",
        year=2020,
        shape=_gpt3(32, 4096, 32, 128),
        printed=6.7e9,
        tokens=_T,
        flops=1.20e22,
        counted=6.66e9,
    ),
    Published(
        name="GPT-3 13B",
        year=2020,
        shape=_gpt3(40, 5140, 40, 128),
        printed=13e9,
        tokens=_T,
        flops=2.31e22,
        counted=12.85e9,
        note="Table 2.1 prints a width of 5,140; 40 heads of 128 make 5,120, with which the parameters are "
        "the 12.85B that its FLOPs were reckoned with.",
    ),
    Published(
        name="GPT-3 175B",
        year=2020,
        shape=_gpt3(96, 12_288, 96, 128),
        printed=175e9,
        tokens=_T,
        flops=3.14e23,
        counted=174.6e9,
        note="1,287 MWh and 552 t CO2e (Patterson et al. 2021) are 24.6 TFLOP/s on each of 10,000 V100 for 14.8 days, "
        "330 W, PUE 1.10 and 429 g/kWh.",
    ),
    Published(name="GPT-Neo 125M", year=2021, shape=_gpt(12, 768, 12, context=2048, **_NEO), printed=125e6, tokens=_T),
    Published(
        name="GPT-Neo 1.3B", year=2021, shape=_gpt(24, 2048, 16, context=2048, **_NEO), printed=1.3e9, tokens=380e9
    ),
    Published(
        name="GPT-Neo 2.7B",
        year=2021,
        shape=_gpt(32, 2560, 20, context=2048, **_NEO),
        printed=2.7e9,
        tokens=420e9,
        note="Every other layer sees 256 tokens only.",
    ),
    Published(
        name="GPT-J 6B",
        year=2021,
        shape=_gpt(
            28,
            4096,
            16,
            context=2048,
            vocabulary=50_400,
            learned_positions=False,
            block_norms=1,
            read_bias=False,
            write_bias=False,
            tied=False,
            head_bias=True,
        ),
        printed=6_053_381_344,
        tokens=402e9,
        flops=1.5e22,
        note="The README prints 6,053,381,344 parameters; the released weights hold 6,050,882,784. The vocabulary is "
        "50,257, padded to 50,400.",
    ),
    Published(
        name="GPT-NeoX 20B",
        year=2022,
        shape=_gpt(44, 6144, 64, context=2048, vocabulary=50_432, learned_positions=False, tied=False),
        printed=20e9,
        tokens=472e9,
        counted=20_554_567_680,
        note="150,000 steps of 1,536 rows on 96 A100 of 40 GB.",
    ),
    Published(
        name="MT-NLG 530B",
        year=2022,
        shape=_gpt(105, 20_480, 128, context=2048, vocabulary=50_257),
        printed=530e9,
        tokens=270e9,
        note="Megatron-Turing. 1,920 rows per step, 60.1 s on 2,240 A100: 126 TFLOP/s each, recomputation counted.",
    ),
)


def history_page() -> list[Section]:
    """The table, and the notes below it."""
    rows: list[list[str]] = []
    notes: list[str] = []
    for model in PUBLISHED:
        mark = ""
        if model.note:
            notes.append(f"[{len(notes) + 1}] {model.name}: {model.note}")
            mark = f"[{len(notes)}]"
        shape = model.shape
        rows.append(
            [
                model.name,
                str(model.year),
                amount(model.printed),
                amount(shape.parameters),
                str(shape.layers),
                f"{shape.width:,}",
                str(shape.heads),
                f"{shape.context:,}",
                _or_dash(model.tokens, amount),
                _or_dash(model.flops_6n, _power),
                _or_dash(model.flops, _power),
                mark,
            ]
        )
    columns = [
        "model",
        "year",
        "printed",
        "counted",
        "layers",
        "width",
        "heads",
        "reads",
        "tokens",
        "6 N D",
        "FLOPs",
    ]
    notes.append(
        "printed: parameters in the paper; counted: from the shape; reads: tokens of its context; FLOPs: as published. "
        "Petaflop/s-days are FLOPs / 8.64e19: GPT-3 3,640."
    )
    growth = (
        "The largest runs doubled every 3.4 months from 2012 to 2018 (OpenAI 2018, first printed as 3.5), 300,000 "
        "times in all; Epoch's later count over more models finds about 6 months."
    )
    table = Section("Language models as published", rows, [*columns, ""], left=frozenset({0, 11}))
    return [table, Section("Notes", notes=[*notes, growth])]


def as_dicts() -> list[dict[str, Any]]:
    """The table for --json."""
    return [
        {
            "name": model.name,
            "year": model.year,
            "parameters_printed": model.printed,
            "parameters_counted": model.shape.parameters,
            "layers": model.shape.layers,
            "width": model.shape.width,
            "heads": model.shape.heads,
            "context": model.shape.context,
            "vocabulary": model.shape.vocabulary,
            "tokens": model.tokens,
            "flops_6n": model.flops_6n,
            "flops_published": model.flops,
            "note": model.note,
        }
        for model in PUBLISHED
    ]


def _power(value: float) -> str:
    return f"{value:.2e}".replace("e+", "e")


def _or_dash(value: float | None, form: Any) -> str:
    return "-" if value is None else str(form(value))

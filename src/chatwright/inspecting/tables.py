"""The facts about a model as tables.

In: what `facts.py` found.  Out: sections for `scaling/page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatwright.disk import readable
from chatwright.scaling.page import Section
from chatwright.scaling.report import amount, days


def tables(facts: Mapping[str, Any]) -> list[Section]:
    sections = [_identity(facts), _parts_section(facts), _work(facts), _memory_section(facts), _training(facts)]
    sections.append(_tokenizer_section(facts["tokenizer"], facts))
    if facts["teaching"] is not None:
        sections.append(_teaching_section(facts["teaching"]))
    if facts["receipt"] is not None:
        sections.append(_receipt_section(facts["receipt"]))
    return sections


def _identity(facts: Mapping[str, Any]) -> Section:
    stored = facts["stored"]
    rows = [
        ["kind", f"{facts['kind']} with a {facts['head']} head" + (f", {facts['family']}" if facts["family"] else "")],
        ["shape", facts["shape"]["words"]],
        ["reads", f"{facts['shape']['context']:,} tokens at most"],
        ["on disk", f"{readable(stored['bytes'])}, {', '.join(stored['types'])}"],
    ]
    if facts["stage"]:
        rows.append(["made by", str(facts["stage"])])
    if "merged_adapters" in stored:
        rows.append(["adapters", f"{stored['merged_adapters']:,} parameters, merged into the weights"])
    return Section(facts["model"], rows, left=frozenset({0, 1}))


def _parts_section(facts: Mapping[str, Any]) -> Section:
    total = facts["parameters"]["total"]
    rows = [[part, f"{count:,}", f"{count / total:.1%}"] for part, count in facts["parameters"].items()]
    return Section("Parameters", rows)


def _work(facts: Mapping[str, Any]) -> Section:
    flops, context = facts["flops_per_token"], facts["context"]
    rows = [["to learn", f"{flops['train']:.3g}", f"in rows of {context:,} tokens"]]
    if facts["head"] == "scalar":
        rows.append(["to score", f"{flops['write_last']:.3g}", f"the last of {context:,}"])
    else:
        rows.append(["to write the first token", f"{flops['write_first']:.3g}", ""])
        rows.append(["to write the last", f"{flops['write_last']:.3g}", f"behind {context:,} others"])
    return Section("FLOPs per token", rows, left=frozenset({0, 2}))


def _memory_section(facts: Mapping[str, Any]) -> Section:
    memory, context = facts["memory"], facts["context"]
    rows = [
        ["weights", *(readable(memory["weights"][kind]) for kind in ("float32", "bfloat16", "int8"))],
        [
            f"cache of {context:,} tokens",
            *(readable(memory["cache_per_conversation"][kind]) for kind in ("float32", "bfloat16")),
            "",
        ],
    ]
    return Section("Memory to use it", rows, ["", "float32", "bfloat16", "int8"])


def _training(facts: Mapping[str, Any]) -> Section:
    rows = []
    for name, parts in facts["memory"]["training_one_row"].items():
        sizes = [parts[part] for part in ("weights", "gradients", "optimizer", "activations")]
        rows.append([name, *(readable(size) for size in [*sizes, sum(sizes)])])
    columns = ["", "weights", "gradients", "optimizer", "activations", "total"]
    notes = [
        f"Activations are of one row of {facts['context']:,} tokens in bfloat16, by the formula of `chatwright plan`; "
        "each further row adds as much. Copies that kernels keep can add a third."
    ]
    return Section("Memory to train it", rows, columns, notes)


def _tokenizer_section(words: Mapping[str, Any], facts: Mapping[str, Any]) -> Section:
    special = words["special_tokens"]
    shown = ", ".join(special[:6]) + (f" and {len(special) - 6} more" if len(special) > 6 else "")
    template = words["chat_template"]
    rows = [
        ["kind", words["kind"]],
        ["vocabulary", f"{words['vocabulary']:,} of the model's {facts['shape']['vocabulary']:,} rows"],
        ["bytes per token", f"{words['bytes_per_token']:.2f} on {words['sample']}"],
        ["special tokens", shown or "none"],
        ["chat template", template if isinstance(template, str) else "yes" if template else "no"],
    ]
    return Section("Tokenizer", rows, left=frozenset({0, 1}))


def _teaching_section(teaching: Mapping[str, Any]) -> Section:
    rows = [
        ["time", days(teaching["seconds_per_1000_conversations"]), "for one pass"],
        ["speed", f"{teaching['tokens_per_second']:,.4g}", "tokens per second"],
        ["length", f"{teaching['tokens_per_conversation']:,.4g}", "tokens per conversation"],
    ]
    notes = [
        f"The speed is {teaching['tokens_per_second_from']}.",
        f"The length is {teaching['tokens_per_conversation_from']}; --conversations FILE counts yours.",
    ]
    return Section("To teach it 1,000 conversations", rows, notes=notes, left=frozenset({0, 2}))


def _receipt_section(receipt: Mapping[str, Any]) -> Section:
    estimated = receipt["energy_measured_j"] is None
    joules = receipt["energy_estimated_j" if estimated else "energy_measured_j"] or 0.0
    rows = [
        ["stage", f"{receipt['stage']}" + ("" if receipt["complete"] else ", not complete")],
        ["tokens", amount(float(receipt["tokens"] or 0))],
        ["FLOPs", f"{float(receipt['flops'] or 0):.3g}"],
        ["time", days(float(receipt["seconds"] or 0))],
        ["energy", f"{joules / 3.6e6:.3g} kWh, {'estimated' if estimated else 'measured'}"],
        ["CO2e", f"{float(receipt['co2e_g'] or 0):.3g} g"],
        ["cost", f"{float(receipt['cost'] or 0):.2g} {receipt['currency'] or ''}".rstrip()],
    ]
    rows += [[key.replace("_", " "), _figure(value)] for key, value in receipt["summary"].items()]
    return Section("Receipt", rows, left=frozenset({0, 1}))


def _figure(value: float | str) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else value[:60]
